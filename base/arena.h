/* Memory that is freed all at once: a request's strings and lists live in that request's arena.
 * Chunks grow by doubling up to 64 KiB; the total never passes @limit_bytes. One thread. */
#ifndef HR_ARENA_H
#define HR_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct hr_arena_chunk;

struct hr_arena {
    struct hr_arena_chunk *chunks;
    size_t used_bytes;
    size_t limit_bytes; /* 0 = no limit */
};

/* Caller's storage; no memory is taken yet. */
void hr_arena_init(struct hr_arena *arena, size_t limit_bytes);
/* Frees everything; the arena may be used again with the same limit. Accepts a zeroed one. */
void hr_arena_release(struct hr_arena *arena);
/* Zeroed, aligned to 16, valid until release. NULL when memory is out or the limit is reached. */
void *hr_arena_alloc(struct hr_arena *arena, size_t size);
/* A terminated copy of @s (the terminator is not counted). ptr is NULL when memory is out. */
struct hr_str hr_arena_copy(struct hr_arena *arena, struct hr_str s);

#endif
