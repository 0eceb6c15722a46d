/* Bounded reading and sticky-error writing. */
#include "actors/kv/core/format/wire.h"

#include "actors/kv/core/format/text.h"
#include "base/crc32c.h"

#define CRC_BYTES 4u
#define FIRST_CAP 64u

struct dkv_in dkv_in_of(struct hr_str bytes)
{
    return (struct dkv_in){.ptr = bytes.ptr, .left = bytes.len};
}

enum hr_err dkv_in_frame(struct hr_str bytes, uint8_t version, struct hr_str what,
                         struct dkv_in *ret_in, struct hr_diag *diag)
{
    if (bytes.len < 1 + CRC_BYTES) {
        return DKV_FAIL(diag, HR_CORRUPT, what, HR_STR(": too short"));
    }
    size_t body = bytes.len - CRC_BYTES;
    struct dkv_in tail = dkv_in_of(hr_str_from(bytes, body));
    if (dkv_in_u32(&tail) != hr_crc32c(hr_str_of(bytes.ptr, body))) {
        return DKV_FAIL(diag, HR_CORRUPT, what, HR_STR(": checksum is wrong"));
    }
    struct dkv_in in = dkv_in_of(hr_str_of(bytes.ptr, body));
    if (dkv_in_u8(&in) != version) {
        return DKV_FAIL(diag, HR_UNSUPPORTED, what,
                        HR_STR(": written by another version of Hedgerow"));
    }
    *ret_in = in;
    return HR_OK;
}

uint8_t dkv_in_version(struct hr_str bytes)
{
    return bytes.len > 0 ? (uint8_t)bytes.ptr[0] : 0;
}

uint64_t dkv_in_uint(struct dkv_in *in, size_t bytes)
{
    struct hr_str run = dkv_in_bytes(in, bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < run.len; i++) {
        value = value << 8 | (unsigned char)run.ptr[i];
    }
    return value;
}

uint8_t dkv_in_u8(struct dkv_in *in)
{
    return (uint8_t)dkv_in_uint(in, 1);
}

uint16_t dkv_in_u16(struct dkv_in *in)
{
    return (uint16_t)dkv_in_uint(in, 2);
}

uint32_t dkv_in_u32(struct dkv_in *in)
{
    return (uint32_t)dkv_in_uint(in, 4);
}

uint64_t dkv_in_u64(struct dkv_in *in)
{
    return dkv_in_uint(in, 8);
}

struct hr_str dkv_in_bytes(struct dkv_in *in, size_t len)
{
    if (in->failed || len > in->left) {
        in->failed = true;
        return (struct hr_str){0};
    }
    struct hr_str run = hr_str_of(in->ptr, len);
    if (len > 0) {
        in->ptr += len;
        in->left -= len;
    }
    return run;
}

bool dkv_in_done(const struct dkv_in *in)
{
    return !in->failed && in->left == 0;
}

static bool reserve(struct dkv_out *out, size_t extra)
{
    if (out->err) {
        return false;
    }
    if (extra <= out->cap - out->len) {
        return true;
    }
    size_t cap = out->cap > SIZE_MAX / 2 ? SIZE_MAX : out->cap * 2;
    if (extra > SIZE_MAX - out->len) {
        out->err = HR_NO_MEMORY;
        return false;
    }
    if (cap < out->len + extra) {
        cap = out->len + extra;
    }
    char *moved = hr_arena_alloc(out->arena, cap);
    if (!moved) {
        out->err = HR_NO_MEMORY;
        return false;
    }
    if (out->len > 0) {
        memcpy(moved, out->ptr, out->len);
    }
    out->ptr = moved;
    out->cap = cap;
    return true;
}

struct dkv_out dkv_out_in(struct hr_arena *arena, size_t hint_bytes)
{
    struct dkv_out out = {.arena = arena};
    reserve(&out, hint_bytes > 0 ? hint_bytes : FIRST_CAP);
    return out;
}

void dkv_out_uint(struct dkv_out *out, uint64_t value, size_t bytes)
{
    if (!reserve(out, bytes)) {
        return;
    }
    char *run = out->ptr + out->len;
    for (size_t i = 0; i < bytes; i++) {
        run[i] = (char)(value >> (8 * (bytes - 1 - i)));
    }
    out->len += bytes;
}

void dkv_out_bytes(struct dkv_out *out, struct hr_str bytes)
{
    if (bytes.len > 0 && reserve(out, bytes.len)) {
        memcpy(out->ptr + out->len, bytes.ptr, bytes.len);
        out->len += bytes.len;
    }
}

void dkv_out_seal(struct dkv_out *out)
{
    dkv_out_uint(out, hr_crc32c(hr_str_of(out->ptr, out->len)), CRC_BYTES);
}

enum hr_err dkv_out_take(struct dkv_out *out, struct hr_str *ret_bytes)
{
    if (!out->err) {
        *ret_bytes = hr_str_of(out->ptr, out->len);
    }
    return out->err;
}
