/* Decoding is strict: what could be read in two ways is not read at all. */
#include "actors/ui/core/path.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte at @at of @text, decoded when it is encoded; @at moves past it. False on a percent sign
 * without its digits, and on a slash that was encoded. */
static bool decode_byte(struct hr_str text, size_t *at, unsigned char *ret_byte)
{
    if (text.ptr[*at] != '%') {
        *ret_byte = (unsigned char)text.ptr[(*at)++];
        return true;
    }
    if (text.len - *at < 3) {
        return false;
    }
    int high = hex_digit(text.ptr[*at + 1]);
    int low = hex_digit(text.ptr[*at + 2]);
    if (high < 0 || low < 0) {
        return false;
    }
    *ret_byte = (unsigned char)(high * 16 + low);
    *at += 3;
    return *ret_byte != '/';
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte != 0x7f && byte != '\\';
}

/* Whether the segment may stand in a path; only the last one, @last, may be empty. */
static bool segment_ok(struct hr_str segment, bool last)
{
    return (segment.len > 0 || last) && !hr_str_eq(segment, HR_STR(".")) &&
           !hr_str_eq(segment, HR_STR(".."));
}

static bool segments_ok(struct ui_path *path)
{
    size_t start = 0;
    for (size_t i = 0; i <= path->len; i++) {
        bool last = i == path->len;
        if (!last && path->text[i] != '/') {
            continue;
        }
        if (!segment_ok(hr_str_of(path->text + start, i - start), last)) {
            return false;
        }
        path->name_at = start;
        start = i + 1;
    }
    return true;
}

enum hr_err ui_path_decode(struct hr_str url_path, struct ui_path *ret_path)
{
    if (url_path.len > UI_PATH_BYTES_MAX) {
        return HR_TOO_BIG;
    }
    if (url_path.len == 0 || url_path.ptr[0] != '/' || hr_str_find(url_path, '?', 0) != SIZE_MAX ||
        hr_str_find(url_path, '#', 0) != SIZE_MAX) {
        return HR_BAD_INPUT;
    }
    struct ui_path path = {.len = 0};
    for (size_t at = 1; at < url_path.len;) {
        unsigned char byte;
        if (!decode_byte(url_path, &at, &byte) || !is_plain(byte)) {
            return HR_BAD_INPUT;
        }
        path.text[path.len++] = (char)byte;
    }
    if (!hr_str_is_utf8(hr_str_of(path.text, path.len)) || !segments_ok(&path)) {
        return HR_BAD_INPUT;
    }
    *ret_path = path;
    return HR_OK;
}

bool ui_path_has_extension(const struct ui_path *path)
{
    struct hr_str name = hr_str_of(path->text + path->name_at, path->len - path->name_at);
    return hr_str_find(name, '.', 0) != SIZE_MAX;
}
