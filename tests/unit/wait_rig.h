/* A loop that runs until a condition holds, for tests that have everything on one loop. Whatever hangs is ended by a
 * watchdog, so that no test waits for ever. */
#ifndef HR_TEST_WAIT_RIG_H
#define HR_TEST_WAIT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host/loop/loop.h"

#define WATCHDOG_MS 60000u

static struct hr_loop loop;
static struct hr_timer watchdog;
static struct hr_timer poll;

static inline void on_watchdog(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for %u ms", WATCHDOG_MS);
}

static inline void on_poll(void *arg)
{
    (void)arg;
    hr_loop_stop(&loop);
}

/* Runs the loop until @condition holds; the timers have been initialised with the callbacks above. */
static inline void wait_until(bool (*condition)(void *arg), void *arg)
{
    hr_loop_timer_start(&loop, &watchdog, WATCHDOG_MS);
    while (!condition(arg)) {
        hr_loop_timer_start(&loop, &poll, 1);
        hr_loop_run(&loop);
    }
    hr_loop_timer_stop(&loop, &watchdog);
}

static inline bool is_past(void *arg)
{
    return hr_now_ns() >= *(uint64_t *)arg;
}

/* Runs the loop for that long. */
static inline void run_for(uint32_t ms)
{
    uint64_t end_ns = hr_now_ns() + ms * (uint64_t)1000000;
    wait_until(is_past, &end_ns);
}

static inline bool is_true(void *arg)
{
    return *(bool *)arg;
}

static inline void set_true(void *arg)
{
    *(bool *)arg = true;
}

#endif
