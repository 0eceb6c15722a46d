/* From a reply's member to a header. One thread. */
#include "actors/todo/core/behind.h"

#include "actors/todo/core/json.h"

/* What a structured field's integer has at most: 15 digits. */
#define CHANGES_MAX UINT64_C(999999999999999)

/* A string of RFC 9651, which is visible ASCII and spaces. */
static enum hr_err put_name(struct hr_str name, struct hr_buf *out)
{
    enum hr_err err = hr_buf_append_byte(out, '"');
    for (size_t i = 0; !err && i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '"' || c == '\\') {
            err = hr_buf_append_byte(out, '\\');
        }
        err = err ? err : hr_buf_append_byte(out, c >= 0x20 && c < 0x7f ? c : '?');
    }
    return err ? err : hr_buf_append_byte(out, '"');
}

static enum hr_err put_silent(yyjson_val *silent, struct hr_buf *out)
{
    size_t index, max, count = 0;
    yyjson_val *value;
    enum hr_err err = HR_OK;
    yyjson_arr_foreach(silent, index, max, value)
    {
        struct hr_str name = gw_json_str(value);
        if (err || name.len == 0 || name.len > GW_SITE_BYTES_MAX || count == GW_BEHIND_SITES_MAX) {
            continue;
        }
        struct hr_str before = count++ > 0    ? HR_STR(" ")
                               : out->len > 0 ? HR_STR(", silent=(")
                                              : HR_STR("silent=(");
        err = hr_buf_append(out, before);
        err = err ? err : put_name(name, out);
    }
    return err || count == 0 ? err : hr_buf_append_byte(out, ')');
}

static enum hr_err put(yyjson_val *behind, struct hr_buf *out)
{
    yyjson_val *changes = yyjson_obj_get(behind, "changes");
    uint64_t count = yyjson_is_uint(changes) ? yyjson_get_uint(changes) : 0;
    enum hr_err err = HR_OK;
    if (count > 0) {
        count = count < CHANGES_MAX ? count : CHANGES_MAX;
        err = hr_buf_printf(out, "changes=%llu", (unsigned long long)count);
    }
    return err ? err : put_silent(yyjson_obj_get(behind, "silent"), out);
}

enum hr_err gw_behind_take(struct gw_call *call, yyjson_val *root)
{
    struct hr_buf text = {0};
    enum hr_err err = put(yyjson_obj_get(root, "behind"), &text);
    if (!err && text.len > 0) {
        call->behind = hr_arena_copy(&call->response->arena, hr_buf_str(&text));
        err = call->behind.ptr ? HR_OK : HR_NO_MEMORY;
    }
    hr_buf_release(&text);
    return err;
}

void gw_behind_session(struct gw_call *call)
{
    call->behind = HR_STR("session");
}

void gw_behind_finish(struct gw_call *call)
{
    if (call->behind.len > 0) {
        gw_response_keep(call->response, HR_STR(GW_BEHIND_HEADER), call->behind);
    }
}
