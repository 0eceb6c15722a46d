/* Bump allocation in chunks. */
#include "base/arena.h"

#include <stdint.h>

#include "base/alloc.h"

#define FIRST_CHUNK_BYTES 1024u
#define CHUNK_BYTES_MAX 65536u
#define ALIGNMENT 16u

struct hr_arena_chunk {
    struct hr_arena_chunk *next;
    size_t cap;
    size_t used;
    _Alignas(ALIGNMENT) char bytes[];
};

void hr_arena_init(struct hr_arena *arena, size_t limit_bytes)
{
    *arena = (struct hr_arena){.limit_bytes = limit_bytes};
}

void hr_arena_release(struct hr_arena *arena)
{
    struct hr_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        struct hr_arena_chunk *next = chunk->next;
        hr_free(chunk);
        chunk = next;
    }
    arena->chunks = NULL;
    arena->used_bytes = 0;
}

static struct hr_arena_chunk *grow(struct hr_arena *arena, size_t size)
{
    size_t cap = FIRST_CHUNK_BYTES;
    if (arena->chunks && arena->chunks->cap >= cap) {
        cap = arena->chunks->cap >= CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX : arena->chunks->cap * 2;
    }
    if (cap < size) {
        cap = size;
    }
    if (cap > SIZE_MAX - sizeof(struct hr_arena_chunk)) {
        return NULL;
    }
    struct hr_arena_chunk *chunk = hr_alloc(sizeof *chunk + cap);
    if (chunk) {
        chunk->cap = cap;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    return chunk;
}

void *hr_arena_alloc(struct hr_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT) {
        return NULL;
    }
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (arena->limit_bytes && rounded > arena->limit_bytes - arena->used_bytes) {
        return NULL;
    }
    struct hr_arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->cap - chunk->used < rounded) {
        chunk = grow(arena, rounded);
        if (!chunk) {
            return NULL;
        }
    }
    void *ptr = chunk->bytes + chunk->used;
    chunk->used += rounded;
    arena->used_bytes += rounded;
    return ptr;
}

struct hr_str hr_arena_copy(struct hr_arena *arena, struct hr_str s)
{
    if (s.len == SIZE_MAX) {
        return (struct hr_str){0};
    }
    char *copy = hr_arena_alloc(arena, s.len + 1);
    if (!copy) {
        return (struct hr_str){0};
    }
    if (s.len) {
        memcpy(copy, s.ptr, s.len);
    }
    return hr_str_of(copy, s.len);
}
