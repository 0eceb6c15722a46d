/* yyjson with our allocator and our error texts. Stateless, any thread. */
#include "actors/todo/core/json.h"

#include "base/alloc.h"

static void *json_malloc(void *arg, size_t size)
{
    (void)arg;
    return hr_alloc(size);
}

static void *json_realloc(void *arg, void *ptr, size_t old_size, size_t size)
{
    (void)arg;
    (void)old_size;
    return hr_realloc(ptr, size);
}

static void json_free(void *arg, void *ptr)
{
    (void)arg;
    hr_free(ptr);
}

static const yyjson_alc allocator = {json_malloc, json_realloc, json_free, NULL};

enum hr_err gw_json_read(struct hr_str text, yyjson_doc **ret_doc, struct hr_diag *diag)
{
    if (text.len == 0) {
        return hr_diag_set(diag, HR_BAD_INPUT, "malformed JSON: nothing there");
    }
    yyjson_read_err read_err = {0};
    /* Without YYJSON_READ_INSITU the text is not written to; only the type wants the cast. */
    char *borrowed = (char *)(uintptr_t)text.ptr;
    yyjson_doc *doc =
        yyjson_read_opts(borrowed, text.len, YYJSON_READ_NOFLAG, &allocator, &read_err);
    if (doc) {
        *ret_doc = doc;
        return HR_OK;
    }
    if (read_err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return hr_diag_set(diag, HR_NO_MEMORY, "out of memory while reading JSON");
    }
    size_t line = 0, column = 0, chars = 0;
    if (!yyjson_locate_pos(text.ptr, text.len, read_err.pos, &line, &column, &chars)) {
        return hr_diag_set(diag, HR_BAD_INPUT, "malformed JSON: %s", read_err.msg);
    }
    return hr_diag_set(diag, HR_BAD_INPUT, "malformed JSON at line %zu, column %zu (byte %zu): %s",
                       line, column, read_err.pos, read_err.msg);
}

static enum hr_err put_escaped(struct hr_buf *out, unsigned char byte)
{
    switch (byte) {
    case '"':
        return hr_buf_append(out, HR_STR("\\\""));
    case '\\':
        return hr_buf_append(out, HR_STR("\\\\"));
    case '\n':
        return hr_buf_append(out, HR_STR("\\n"));
    case '\r':
        return hr_buf_append(out, HR_STR("\\r"));
    case '\t':
        return hr_buf_append(out, HR_STR("\\t"));
    default:
        return hr_buf_printf(out, "\\u%04x", (unsigned)byte);
    }
}

enum hr_err gw_json_put_string(struct hr_buf *out, struct hr_str text)
{
    enum hr_err err = hr_buf_append_byte(out, '"');
    size_t plain_from = 0;
    for (size_t i = 0; i < text.len && !err; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        err = hr_buf_append(out, hr_str_of(text.ptr + plain_from, i - plain_from));
        if (!err) {
            err = put_escaped(out, byte);
        }
        plain_from = i + 1;
    }
    if (!err) {
        err = hr_buf_append(out, hr_str_from(text, plain_from));
    }
    return err ? err : hr_buf_append_byte(out, '"');
}

enum hr_err gw_json_put_number(struct hr_buf *out, const yyjson_val *number)
{
    size_t len = 0;
    char *text = yyjson_val_write_opts(number, YYJSON_WRITE_NOFLAG, &allocator, &len, NULL);
    if (!text) {
        return HR_NO_MEMORY; /* a number that was read has no other way to fail */
    }
    enum hr_err err = hr_buf_append(out, hr_str_of(text, len));
    hr_free(text);
    return err;
}

struct hr_str gw_json_str(yyjson_val *value)
{
    return hr_str_of(yyjson_get_str(value), yyjson_get_len(value) * yyjson_is_str(value));
}

struct hr_str gw_json_clip(struct hr_str text, size_t max_bytes)
{
    if (text.len <= max_bytes) {
        return text;
    }
    size_t len = max_bytes;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return hr_str_of(text.ptr, len);
}
