/* Percent-decoding, and the check of an authority. Stateless, any thread. */
#include "actors/todo/core/uri.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum hr_err gw_uri_decode(struct hr_str text, char *ret_out, size_t cap, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text.ptr[i + 2]) : -1;
            if (low < 0) {
                return HR_BAD_INPUT;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (len == cap) {
            return HR_TOO_BIG;
        }
        ret_out[len++] = c;
    }
    *ret_len = len;
    return HR_OK;
}

/* unreserved and sub-delims of RFC 3986, with ":" for the port and "[]" for an IPv6 address; no
 * "@", so no user information, and no "%". */
static bool is_authority_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~!$&'()*+,;=:[]", c));
}

bool gw_uri_is_authority(struct hr_str text)
{
    if (text.len == 0 || text.len > GW_AUTHORITY_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!is_authority_byte(text.ptr[i])) {
            return false;
        }
    }
    return true;
}
