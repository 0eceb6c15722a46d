/* Digits and joined pieces. */
#include "actors/kv/core/format/text.h"

void dkv_text_hex(char *ret_text, uint64_t value, size_t digits)
{
    for (size_t i = digits; i > 0; i--) {
        ret_text[i - 1] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

bool dkv_text_from_hex(struct hr_str text, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (text.len < 1 || text.len > 16) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

struct hr_str dkv_text_dec(char ret_text[DKV_DEC_BYTES_MAX], uint64_t value)
{
    size_t at = DKV_DEC_BYTES_MAX;
    do {
        ret_text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return hr_str_of(ret_text + at, DKV_DEC_BYTES_MAX - at);
}

static size_t add(char *text, size_t at, struct hr_str piece)
{
    size_t room = HR_DIAG_BYTES_MAX - 1 - at;
    size_t len = piece.len < room ? piece.len : room;
    if (len > 0) {
        memcpy(text + at, piece.ptr, len);
    }
    return at + len;
}

enum hr_err dkv_text_fail(struct hr_diag *diag, enum hr_err err, const struct hr_str *pieces,
                          size_t count)
{
    if (!diag) {
        return err;
    }
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len = add(diag->text, len, pieces[i]);
    }
    diag->text[len] = '\0';
    return err;
}

enum hr_err dkv_text_prefix(struct hr_diag *diag, enum hr_err err, struct hr_str first,
                            struct hr_str second)
{
    if (!diag) {
        return err;
    }
    struct hr_diag old = *diag;
    return DKV_FAIL(diag, err, first, second, HR_STR(": "), hr_str_c(old.text));
}
