/* links: core_kv */
/* Any bytes as questions about records, answers to them, and repairs: they are refused, or have one encoding. The
 * checksum is made right first, so that the rest of the decoders is reached. The first byte chooses the
 * message. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "actors/kv/core/dig.h"
#include "actors/kv/core/mend.h"
#include "base/assert.h"
#include "base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hr_str sound(struct hr_arena *arena, struct hr_str bytes)
{
    struct hr_str copy = hr_arena_copy(arena, bytes);
    if (copy.len >= 5) {
        char *tail = (char *)(uintptr_t)copy.ptr + copy.len - 4;
        uint32_t crc = hr_crc32c(hr_str_of(copy.ptr, copy.len - 4));
        for (unsigned i = 0; i < 4; i++) {
            tail[i] = (char)(crc >> (8 * (3 - i)));
        }
    }
    return copy;
}

/* Reads @in and writes it anew. */
static enum hr_err turn(unsigned kind, struct hr_str in, struct hr_arena *arena,
                        struct hr_str *ret_out)
{
    union {
        struct dkv_dig dig;
        struct dkv_dig_answer answer;
        struct dkv_mend mend;
    } u;
    struct hr_diag diag;
    enum hr_err err = HR_OK;
    switch (kind) {
    case 0:
        err = dkv_dig_decode(in, arena, &u.dig, &diag);
        return err ? err : dkv_dig_encode(&u.dig, arena, ret_out);
    case 1:
        err = dkv_dig_answer_decode(in, arena, &u.answer, &diag);
        return err ? err : dkv_dig_answer_encode(&u.answer, arena, ret_out);
    default:
        err = dkv_mend_decode(in, &u.mend, &diag);
        return err ? err : dkv_mend_encode(&u.mend, arena, ret_out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_arena arena;
    struct hr_str out;
    if (size < 1) {
        return 0;
    }
    hr_arena_init(&arena, 0);
    struct hr_str in = sound(&arena, hr_str_of(data + 1, size - 1));
    enum hr_err err = turn(data[0] % 3, in, &arena, &out);
    HR_ASSERT(err == HR_OK || err == HR_CORRUPT || err == HR_UNSUPPORTED);
    HR_ASSERT(err != HR_OK || hr_str_eq(in, out));
    hr_arena_release(&arena);
    return 0;
}
