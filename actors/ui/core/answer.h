/* What to answer to a GET of a path that is not the API's: a file of the web page, or the page
 * itself for a path that names a place within it. Pure; any thread. */
#ifndef UI_ANSWER_H
#define UI_ANSWER_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "actors/ui/core/bundle.h"

#define UI_HEADERS_MAX 12

struct ui_header {
    struct hr_str name; /* in lower case */
    struct hr_str value;
};

/* Borrows from the bundle and from static storage. */
struct ui_answer {
    struct hr_str etag;
    struct hr_str bytes;
    struct ui_header headers[UI_HEADERS_MAX];
    size_t header_count;
};

/* Finds the file at @url_path (no query) in the coding that @accept_encoding likes best. When it
 * refuses all there are, identity is answered all the same.
 * Errors: HR_NOT_FOUND when there is no such file, or the path is not one that could name a file. */
HR_MUST_CHECK enum hr_err ui_answer_find(const struct ui_bundle *bundle, struct hr_str url_path,
                                         struct hr_str accept_encoding,
                                         struct ui_answer *ret_answer);

#endif
