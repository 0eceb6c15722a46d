/* Checking, reading and writing todos. Stateless, any thread. */
#include "actors/todo/core/todo.h"

#include "actors/todo/core/json.h"

/* How much of a client's own text is repeated to it. */
#define QUOTED_BYTES_MAX ((size_t)64)

static enum hr_err check_title(yyjson_val *value, struct hr_diag *diag)
{
    if (yyjson_is_null(value)) {
        return hr_diag_set(diag, HR_BAD_INPUT, "Field 'title' cannot be removed.");
    }
    if (!yyjson_is_str(value)) {
        return hr_diag_set(diag, HR_BAD_INPUT, "Field 'title' must be a string.");
    }
    struct hr_str title = gw_json_str(value);
    if (title.len == 0 || title.len > GW_TITLE_BYTES_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "Field 'title' must have 1 to %zu bytes of UTF-8, and it has %zu.",
                           GW_TITLE_BYTES_MAX, title.len);
    }
    size_t nul = hr_str_find(title, '\0', 0);
    if (nul != SIZE_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "Field 'title' must not contain the character U+0000 (at byte %zu).",
                           nul);
    }
    return HR_OK;
}

static enum hr_err check_completed(yyjson_val *value, struct hr_diag *diag)
{
    if (!yyjson_is_bool(value)) {
        return hr_diag_set(diag, HR_BAD_INPUT, "Field 'completed' must be true or false.");
    }
    return HR_OK;
}

static enum hr_err check_order(yyjson_val *value, struct hr_diag *diag)
{
    if (!yyjson_is_num(value) && !yyjson_is_null(value)) {
        return hr_diag_set(diag, HR_BAD_INPUT, "Field 'order' must be a number or null.");
    }
    return HR_OK;
}

/* 'id' and 'url' are the server's: a patch may only repeat them, a new todo has none. */
static enum hr_err check_read_only(struct hr_str name, yyjson_val *value, struct hr_str present,
                                   struct hr_diag *diag)
{
    if (!present.ptr) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "Field '%.*s' is read-only: the server chooses it. Leave it out.",
                           HR_STR_ARG(name));
    }
    if (!yyjson_is_str(value) || !hr_str_eq(gw_json_str(value), present)) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "Field '%.*s' is read-only: leave it out, or repeat this todo's own.",
                           HR_STR_ARG(name));
    }
    return HR_OK;
}

struct field {
    struct hr_str name;
    yyjson_val **slot; /* first value seen, to find a second one */
    enum hr_err (*check)(yyjson_val *value, struct hr_diag *diag); /* NULL: read-only */
    struct hr_str present;
};

enum { FIELD_COUNT = 5 };

static enum hr_err take_member(const struct field fields[FIELD_COUNT], struct hr_str name,
                               yyjson_val *value, struct hr_diag *diag)
{
    struct hr_str shown = gw_json_clip(name, QUOTED_BYTES_MAX);
    const struct field *field = NULL;
    for (size_t i = 0; i < FIELD_COUNT && !field; i++) {
        field = hr_str_eq(fields[i].name, name) ? &fields[i] : NULL;
    }
    if (!field) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "Unknown field '%.*s': a todo has title, completed and order.",
                           HR_STR_ARG(shown));
    }
    if (*field->slot) {
        return hr_diag_set(diag, HR_BAD_INPUT, "Field '%.*s' is given twice.", HR_STR_ARG(shown));
    }
    *field->slot = value;
    return field->check ? field->check(value, diag)
                        : check_read_only(name, value, field->present, diag);
}

static enum hr_err take_members(yyjson_val *root, const struct gw_identity *identity,
                                struct gw_patch *patch, struct hr_diag *diag)
{
    struct hr_str none = {0};
    yyjson_val *id = NULL;
    yyjson_val *url = NULL;
    const struct field fields[FIELD_COUNT] = {
        {HR_STR("title"), &patch->title, check_title, none},
        {HR_STR("completed"), &patch->completed, check_completed, none},
        {HR_STR("order"), &patch->order, check_order, none},
        {HR_STR("id"), &id, NULL, identity ? identity->id : none},
        {HR_STR("url"), &url, NULL, identity ? identity->url : none},
    };
    size_t index, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, index, max, key, value)
    {
        enum hr_err err = take_member(fields, gw_json_str(key), value, diag);
        if (err) {
            return err;
        }
    }
    if (!identity && !patch->title) {
        return hr_diag_set(diag, HR_BAD_INPUT, "Field 'title' is missing.");
    }
    return HR_OK;
}

enum hr_err gw_patch_read(struct hr_str body, const struct gw_identity *identity,
                          struct gw_patch *ret_patch, struct hr_diag *diag)
{
    struct gw_patch patch = {0};
    enum hr_err err = gw_json_read(body, &patch.doc, diag);
    if (err) {
        return hr_diag_prefix(diag, err, "The body is not valid");
    }
    yyjson_val *root = yyjson_doc_get_root(patch.doc);
    if (!yyjson_is_obj(root)) {
        err = hr_diag_set(diag, HR_BAD_INPUT, "The body must be a JSON object.");
    } else {
        err = take_members(root, identity, &patch, diag);
    }
    if (err) {
        gw_patch_release(&patch);
        return err;
    }
    *ret_patch = patch;
    return HR_OK;
}

void gw_patch_release(struct gw_patch *patch)
{
    yyjson_doc_free(patch->doc);
    *patch = (struct gw_patch){0};
}

bool gw_patch_is_empty(const struct gw_patch *patch)
{
    return !patch->title && !patch->completed && !patch->order;
}

static enum hr_err put_order(struct hr_buf *out, yyjson_val *order)
{
    if (!yyjson_is_num(order)) {
        return hr_buf_append(out, HR_STR("null"));
    }
    return gw_json_put_number(out, order);
}

static struct hr_str bool_text(bool value)
{
    return value ? HR_STR("true") : HR_STR("false");
}

enum hr_err gw_patch_write(const struct gw_patch *patch, struct hr_buf *out)
{
    enum hr_err err = HR_OK;
    if (patch->title) {
        err = hr_buf_append(out, HR_STR("\"title\":"));
        err = err ? err : gw_json_put_string(out, gw_json_str(patch->title));
        err = err ? err : hr_buf_append_byte(out, ',');
    }
    if (!err && patch->completed) {
        err = hr_buf_append(out, HR_STR("\"completed\":"));
        err = err ? err : hr_buf_append(out, bool_text(yyjson_get_bool(patch->completed)));
        err = err ? err : hr_buf_append_byte(out, ',');
    }
    if (!err && patch->order) {
        err = hr_buf_append(out, HR_STR("\"order\":"));
        err = err ? err : put_order(out, patch->order);
        err = err ? err : hr_buf_append_byte(out, ',');
    }
    return err;
}

bool gw_todo_from_value(struct hr_str id, yyjson_val *value, struct gw_todo *ret_todo)
{
    yyjson_val *title = yyjson_obj_get(value, "title");
    yyjson_val *completed = yyjson_obj_get(value, "completed");
    yyjson_val *order = yyjson_obj_get(value, "order");
    if (!yyjson_is_str(title) || (completed && !yyjson_is_bool(completed)) ||
        (order && !yyjson_is_num(order) && !yyjson_is_null(order))) {
        return false;
    }
    *ret_todo = (struct gw_todo){
        .id = id,
        .title = gw_json_str(title),
        .completed = yyjson_get_bool(completed),
        .order = yyjson_is_num(order) ? order : NULL,
    };
    return true;
}

enum hr_err gw_todo_write(const struct gw_todo *todo, struct hr_str base, struct hr_buf *out)
{
    /* Keys and authorities have no character that JSON would escape. */
    enum hr_err err = hr_buf_printf(out, "{\"id\":\"%.*s\",\"url\":\"%.*s/api/%.*s\",\"title\":",
                                    HR_STR_ARG(todo->id), HR_STR_ARG(base), HR_STR_ARG(todo->id));
    err = err ? err : gw_json_put_string(out, todo->title);
    err = err ? err : hr_buf_append(out, HR_STR(",\"completed\":"));
    err = err ? err : hr_buf_append(out, bool_text(todo->completed));
    err = err ? err : hr_buf_append(out, HR_STR(",\"order\":"));
    err = err ? err : put_order(out, todo->order);
    return err ? err : hr_buf_append_byte(out, '}');
}
