/* malloc behind a countdown and a live count. Both counters are atomic: any thread. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

static _Atomic int64_t fail_countdown = -1;
static _Atomic int64_t live_count;

static int must_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) < 0) {
        return 0;
    }
    return atomic_fetch_sub(&fail_countdown, 1) == 0;
}

void *hr_alloc(size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    void *ptr = calloc(1, size ? size : 1);
    if (ptr) {
        atomic_fetch_add_explicit(&live_count, 1, memory_order_relaxed);
    }
    return ptr;
}

void *hr_alloc_array(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return hr_alloc(total);
}

void *hr_realloc(void *ptr, size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    void *moved = realloc(ptr, size ? size : 1);
    if (moved && !ptr) {
        atomic_fetch_add_explicit(&live_count, 1, memory_order_relaxed);
    }
    return moved;
}

void hr_free(void *ptr)
{
    if (ptr) {
        atomic_fetch_sub_explicit(&live_count, 1, memory_order_relaxed);
        free(ptr);
    }
}

char *hr_alloc_cstr(struct hr_str s)
{
    char *copy = s.len < SIZE_MAX ? hr_alloc(s.len + 1) : NULL;
    if (copy && s.len) {
        memcpy(copy, s.ptr, s.len);
    }
    return copy;
}

void hr_alloc_fail_after(int64_t countdown)
{
    atomic_store(&fail_countdown, countdown);
}

int64_t hr_alloc_live(void)
{
    return atomic_load(&live_count);
}
