/* hr_alloc, or the end. */
#include "sim/memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

static void *need(void *ptr)
{
    if (!ptr) {
        fputs("sim: out of memory\n", stderr);
        abort();
    }
    return ptr;
}

void *sim_alloc(size_t size)
{
    return need(hr_alloc(size));
}

void *sim_realloc(void *ptr, size_t size)
{
    return need(hr_realloc(ptr, size));
}

char *sim_copy(struct hr_str bytes)
{
    return need(hr_alloc_cstr(bytes));
}

void *sim_grow(void *array, size_t count, size_t *cap, size_t item_bytes)
{
    if (count < *cap) {
        return array;
    }
    *cap = *cap ? *cap * 2 : 16;
    return sim_realloc(array, *cap * item_bytes);
}
