/* Todos between three shapes: what clients send (a new todo, or a JSON Merge Patch of one), what
 * the kv actor stores (an object with the fields title, completed, order), and what clients get.
 * A stored value is a todo if its title is a string, its completed is a boolean or absent (false),
 * and its order is a number, null or absent (null). Stateless, any thread.
 * Must not know: HTTP, how values are stored. */
#ifndef GW_TODO_H
#define GW_TODO_H

#include <stdbool.h>

#include <yyjson.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define GW_TITLE_BYTES_MAX ((size_t)4096)

/* A todo that a client may repeat in its patch. */
struct gw_identity {
    struct hr_str id;
    struct hr_str url;
};

/* A checked body. A field that is not named is NULL; order may be null. */
struct gw_patch {
    yyjson_doc *doc;
    yyjson_val *title;
    yyjson_val *completed;
    yyjson_val *order;
};

/* A stored todo; borrows the document that it was read from. */
struct gw_todo {
    struct hr_str id;
    struct hr_str title;
    bool completed;
    yyjson_val *order; /* NULL: none */
};

/* Reads and checks a body. @identity: the todo to be patched, whose id and url may stand in the
 * body; NULL for a new one, which needs a title and may name neither.
 * Errors: HR_BAD_INPUT, with the sentence for the client in @diag; HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_patch_read(struct hr_str body, const struct gw_identity *identity,
                                        struct gw_patch *ret_patch, struct hr_diag *diag);
/* Accepts a zeroed one. */
void gw_patch_release(struct gw_patch *patch);
/* Whether it changes nothing. */
bool gw_patch_is_empty(const struct gw_patch *patch);
/* Writes the members that set @patch's fields at the kv actor, each followed by a comma:
 * "title":"x","order":null, */
HR_MUST_CHECK enum hr_err gw_patch_write(const struct gw_patch *patch, struct hr_buf *out);
/* Whether @value is a todo; if so, it is read into @ret_todo. */
bool gw_todo_from_value(struct hr_str id, yyjson_val *value, struct gw_todo *ret_todo);
/* Writes the todo as clients get it; its url is @base followed by /api/<id>.
 * Errors: HR_NO_MEMORY, HR_TOO_BIG (then @out ends with a part of it). */
HR_MUST_CHECK enum hr_err gw_todo_write(const struct gw_todo *todo, struct hr_str base,
                                        struct hr_buf *out);

#endif
