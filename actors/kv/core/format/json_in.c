#include "actors/kv/core/format/json_in.h"

#include <string.h>

static void *json_alloc(void *arg, size_t size)
{
    return hr_arena_alloc(arg, size);
}

static void *json_realloc(void *arg, void *ptr, size_t old_size, size_t size)
{
    if (size <= old_size) {
        return ptr;
    }
    void *moved = hr_arena_alloc(arg, size);
    if (moved && old_size > 0) {
        memcpy(moved, ptr, old_size);
    }
    return moved;
}

static void json_free(void *arg, void *ptr)
{
    (void)arg;
    (void)ptr;
}

yyjson_alc dkv_json_in(struct hr_arena *arena)
{
    return (yyjson_alc){json_alloc, json_realloc, json_free, arena};
}

struct hr_str dkv_json_in_text(yyjson_val *value)
{
    return yyjson_is_str(value) ? hr_str_of(yyjson_get_str(value), yyjson_get_len(value))
                                : (struct hr_str){0};
}
