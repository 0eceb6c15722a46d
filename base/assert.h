/* HR_ASSERT guards against our own bugs and stays on in release. It has no side effects and one
 * condition; bytes from network, disk or guest are never asserted, they are validated. */
#ifndef HR_ASSERT_H
#define HR_ASSERT_H

#define HR_ASSERT(cond)                                \
    do {                                               \
        if (__builtin_expect(!(cond), 0))              \
            hr_assert_fail(#cond, __FILE__, __LINE__); \
    } while (0)

/* Ends the process (traps, in a guest) after saying what failed where. */
_Noreturn void hr_assert_fail(const char *cond, const char *file, int line);

#endif
