/* The end of the road for a broken invariant. A guest has no standard error: it traps. */
#include "base/assert.h"

#if defined(__wasm__)

_Noreturn void hr_assert_fail(const char *cond, const char *file, int line)
{
    (void)cond;
    (void)file;
    (void)line;
    __builtin_trap();
}

#else

#include <stdio.h>
#include <stdlib.h>

_Noreturn void hr_assert_fail(const char *cond, const char *file, int line)
{
    fprintf(stderr, "level=fatal event=assert at=%s:%d cond=\"%s\"\n", file, line, cond);
    abort();
}

#endif
