/* links: core_kv */
/* Any bytes as a session's token: refused, or the one text of what it says. The first byte chooses whether
 * the rest is a text, or bytes that get a right checksum and are made one. */
#include <stddef.h>
#include <stdint.h>

#include "actors/kv/core/format/session.h"
#include "base/assert.h"
#include "base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same as the encoder, but of any bytes. */
static struct hr_str base64_of(struct hr_arena *arena, struct hr_str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *text = hr_arena_alloc(arena, bytes.len * 2 + 1);
    size_t len = 0;
    HR_ASSERT(text);
    for (size_t bit = 0; bit < bytes.len * 8; bit += 6) {
        unsigned value = 0;
        for (size_t i = bit; i < bit + 6; i++) {
            unsigned byte = i / 8 < bytes.len ? (unsigned char)bytes.ptr[i / 8] : 0;
            value = value << 1 | (byte >> (7 - i % 8) & 1);
        }
        text[len++] = digits[value];
    }
    return hr_str_of(text, len);
}

static struct hr_str with_crc(struct hr_arena *arena, struct hr_str bytes)
{
    char *all = hr_arena_alloc(arena, bytes.len + 4);
    uint32_t crc = hr_crc32c(bytes);
    HR_ASSERT(all);
    if (bytes.len > 0) {
        memcpy(all, bytes.ptr, bytes.len);
    }
    for (unsigned i = 0; i < 4; i++) {
        all[bytes.len + i] = (char)(crc >> (8 * (3 - i)));
    }
    return base64_of(arena, hr_str_of(all, bytes.len + 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_arena arena;
    struct dkv_session session;
    struct hr_diag diag;
    struct hr_str out;
    if (size < 1) {
        return 0;
    }
    hr_arena_init(&arena, 0);
    struct hr_str in = hr_str_of(data + 1, size - 1);
    in = data[0] & 1 ? with_crc(&arena, in) : in;
    enum hr_err err = dkv_session_decode(in, &session, &diag);
    HR_ASSERT(err == HR_OK || err == HR_BAD_INPUT);
    if (!err) {
        struct dkv_session merged = {0};
        HR_ASSERT(session.count <= DKV_SESSION_ORIGINS_MAX);
        dkv_session_merge(&merged, &session);
        HR_ASSERT(dkv_session_encode(&merged, &arena, &out) == HR_OK);
        HR_ASSERT(in.len == 0 || hr_str_eq(in, out));
    }
    hr_arena_release(&arena);
    return 0;
}
