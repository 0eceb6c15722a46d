/* Parsing and comparing entity tags. Stateless, any thread. */
#include "actors/todo/core/etag.h"

/* etagc of RFC 9110: visible ASCII but the quote, and bytes from 0x80 on. */
static bool is_etag_byte(unsigned char c)
{
    return c == 0x21 || (c >= 0x23 && c <= 0x7e) || c >= 0x80;
}

static size_t skip(struct hr_str text, size_t at, const char *bytes)
{
    while (at < text.len && text.ptr[at] != '\0' && strchr(bytes, text.ptr[at])) {
        at++;
    }
    return at;
}

/* The tag that starts at @at; *ret_end is the index after its closing quote. */
static enum hr_err one(struct hr_str text, size_t at, struct gw_etag *ret_etag, size_t *ret_end)
{
    bool weak = hr_str_starts(hr_str_from(text, at), HR_STR("W/"));
    at += weak ? 2 : 0;
    if (at >= text.len || text.ptr[at] != '"') {
        return HR_BAD_INPUT;
    }
    size_t from = at + 1;
    size_t to = from;
    while (to < text.len && is_etag_byte((unsigned char)text.ptr[to])) {
        to++;
    }
    if (to >= text.len || text.ptr[to] != '"') {
        return HR_BAD_INPUT;
    }
    *ret_etag = (struct gw_etag){hr_str_of(text.ptr + from, to - from), weak};
    *ret_end = to + 1;
    return HR_OK;
}

enum hr_err gw_etag_parse(struct hr_str text, struct gw_etag *ret_etag)
{
    struct gw_etag etag;
    size_t end;
    enum hr_err err = one(text, 0, &etag, &end);
    if (err || end != text.len) {
        return HR_BAD_INPUT;
    }
    *ret_etag = etag;
    return HR_OK;
}

enum hr_err gw_etags_parse(struct hr_str value, struct gw_etags *ret_etags)
{
    ret_etags->count = 0;
    if (hr_str_eq(hr_str_trim(value), HR_STR("*"))) {
        ret_etags->kind = GW_ETAGS_ANY;
        return HR_OK;
    }
    ret_etags->kind = GW_ETAGS_LIST;
    /* A recipient must take empty list elements (RFC 9110 section 5.6.1.2). */
    size_t at = skip(value, 0, " \t,");
    while (at < value.len) {
        if (ret_etags->count == GW_ETAGS_MAX) {
            return HR_TOO_BIG;
        }
        enum hr_err err = one(value, at, &ret_etags->tags[ret_etags->count], &at);
        if (err) {
            return err;
        }
        ret_etags->count++;
        at = skip(value, at, " \t");
        if (at < value.len && value.ptr[at] != ',') {
            return HR_BAD_INPUT;
        }
        at = skip(value, at, " \t,");
    }
    return ret_etags->count > 0 ? HR_OK : HR_BAD_INPUT;
}

static bool match(const struct gw_etags *etags, struct hr_str opaque, bool take_weak)
{
    if (etags->kind != GW_ETAGS_LIST) {
        return etags->kind == GW_ETAGS_ANY;
    }
    for (size_t i = 0; i < etags->count; i++) {
        if ((take_weak || !etags->tags[i].weak) && hr_str_eq(etags->tags[i].opaque, opaque)) {
            return true;
        }
    }
    return false;
}

bool gw_etags_match_strong(const struct gw_etags *etags, struct hr_str opaque)
{
    return match(etags, opaque, false);
}

bool gw_etags_match_weak(const struct gw_etags *etags, struct hr_str opaque)
{
    return match(etags, opaque, true);
}

bool gw_version_is_valid(struct hr_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
            return false;
        }
    }
    return text.len == GW_VERSION_CHARS;
}
