/* The one door to the heap, for host and cores: allocation failure can be injected by a countdown
 * in tests, and the live totals can be read. hr_alloc and friends return NULL when memory is out;
 * callers turn that into HR_NO_MEMORY. Any thread. */
#ifndef HR_ALLOC_H
#define HR_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Zeroed memory of @size bytes (never NULL for size 0), or NULL. Returns own: hr_free. */
void *hr_alloc(size_t size);
/* Zeroed array; NULL also when count * size overflows. Returns own: hr_free. */
void *hr_alloc_array(size_t count, size_t size);
/* Grows or shrinks @ptr (NULL allowed) to @size; new bytes are not zeroed. On NULL the old
 * memory is untouched. */
void *hr_realloc(void *ptr, size_t size);
/* Accepts NULL. */
void hr_free(void *ptr);
/* A terminated copy of @s. Returns own: hr_free; NULL when memory is out. */
char *hr_alloc_cstr(struct hr_str s);

/* Tests: the allocation after @countdown further ones fails, once. Negative: never. */
void hr_alloc_fail_after(int64_t countdown);
/* Number of live allocations made through this door. */
int64_t hr_alloc_live(void);

#endif
