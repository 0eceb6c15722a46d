/* Order and encodings of stamps. */
#include "actors/kv/core/format/stamp.h"

#include "actors/kv/core/format/text.h"

int dkv_stamp_cmp(struct dkv_stamp a, struct dkv_stamp b)
{
    if (a.hlc != b.hlc) {
        return a.hlc < b.hlc ? -1 : 1;
    }
    return a.origin < b.origin ? -1 : a.origin > b.origin;
}

struct dkv_stamp dkv_stamp_max(struct dkv_stamp a, struct dkv_stamp b)
{
    return dkv_stamp_cmp(a, b) >= 0 ? a : b;
}

bool dkv_stamp_is_none(struct dkv_stamp stamp)
{
    return stamp.hlc == 0 && stamp.origin == 0;
}

struct dkv_stamp dkv_stamp_read(struct dkv_in *in)
{
    struct dkv_stamp stamp = {.hlc = dkv_in_u64(in)};
    stamp.origin = dkv_in_u64(in);
    return stamp;
}

void dkv_stamp_write(struct dkv_out *out, struct dkv_stamp stamp)
{
    dkv_out_uint(out, stamp.hlc, 8);
    dkv_out_uint(out, stamp.origin, 8);
}

void dkv_stamp_text(struct dkv_stamp stamp, char ret_text[DKV_STAMP_TEXT_BYTES])
{
    dkv_text_hex(ret_text, stamp.hlc, 16);
    dkv_text_hex(ret_text + 16, stamp.origin, 16);
}

bool dkv_stamp_from_text(struct hr_str text, struct dkv_stamp *ret_stamp)
{
    struct dkv_stamp stamp;
    if (text.len != DKV_STAMP_TEXT_BYTES ||
        !dkv_text_from_hex(hr_str_of(text.ptr, 16), &stamp.hlc) ||
        !dkv_text_from_hex(hr_str_from(text, 16), &stamp.origin)) {
        return false;
    }
    *ret_stamp = stamp;
    return true;
}
