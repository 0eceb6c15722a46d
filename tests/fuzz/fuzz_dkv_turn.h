/* For fuzzers of what sites send each other: any bytes are refused, or have one encoding. The checksum of the
 * bytes is made right first, so that the rest of the decoders is reached; the first byte chooses the message. */
#ifndef FUZZ_DKV_TURN_H
#define FUZZ_DKV_TURN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/crc32c.h"

/* Reads @in as a message of the kind @kind and writes it anew. */
typedef enum hr_err (*fuzz_turn)(unsigned kind, struct hr_str in, struct hr_arena *arena,
                                 struct hr_str *ret_out);

static inline struct hr_str fuzz_sound(struct hr_arena *arena, struct hr_str bytes)
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

/* @loose: the kind in which some bits are nobody's, so that only the lengths must be the same; @kinds: none. */
static inline int fuzz_turn_all(const uint8_t *data, size_t size, unsigned kinds, unsigned loose,
                                fuzz_turn turn)
{
    struct hr_arena arena;
    struct hr_str out;
    if (size < 1) {
        return 0;
    }
    hr_arena_init(&arena, 0);
    unsigned kind = data[0] % kinds;
    struct hr_str in = fuzz_sound(&arena, hr_str_of(data + 1, size - 1));
    enum hr_err err = turn(kind, in, &arena, &out);
    HR_ASSERT(err == HR_OK || err == HR_CORRUPT || err == HR_UNSUPPORTED);
    HR_ASSERT(err != HR_OK || kind == loose || hr_str_eq(in, out));
    HR_ASSERT(err != HR_OK || in.len == out.len);
    hr_arena_release(&arena);
    return 0;
}

#endif
