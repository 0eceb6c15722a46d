/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/clock.h"

/* A new event is above the last one, above the floor, and not below the wall. */
static void clock_takes_the_highest(void **state)
{
    (void)state;
    dkv_hlc next = 0;
    assert_int_equal(dkv_clock_next(5, 0, 1, &next), HR_OK);
    assert_int_equal(next, 1 << 16);
    assert_int_equal(dkv_clock_next(3 << 16, 0, 1, &next), HR_OK);
    assert_int_equal(next, (3 << 16) + 1);
    assert_int_equal(dkv_clock_next(3 << 16, 9 << 16, 1, &next), HR_OK);
    assert_int_equal(next, (9 << 16) + 1);
}

/* A full counter carries into the milliseconds. */
static void clock_carries_when_the_counter_is_full(void **state)
{
    (void)state;
    dkv_hlc next = 0;
    assert_int_equal(dkv_clock_next((7 << 16) | 0xffff, 0, 7, &next), HR_OK);
    assert_int_equal(next, 8 << 16);
}

/* A wall that goes back does not take the clock with it. */
static void clock_never_goes_back(void **state)
{
    (void)state;
    dkv_hlc now = (dkv_hlc)1000 << 16;
    for (dkv_wall_ms wall = 1000; wall > 0; wall -= 100) {
        dkv_hlc next = 0;
        assert_int_equal(dkv_clock_next(now, 0, wall, &next), HR_OK);
        assert_true(next > now);
        now = next;
    }
}

/* The end of the clock is an error, and a wall beyond 48 bits is ignored. */
static void clock_has_an_end(void **state)
{
    (void)state;
    dkv_hlc next = 0;
    assert_int_equal(dkv_clock_next(UINT64_MAX, 0, 1, &next), HR_CORRUPT);
    assert_int_equal(dkv_clock_next(0, UINT64_MAX, 1, &next), HR_CORRUPT);
    assert_int_equal(dkv_clock_next(4, 0, DKV_WALL_MS_MAX + 1, &next), HR_OK);
    assert_int_equal(next, 5);
}

/* How far a clock is ahead is told in milliseconds. */
static void clock_tells_how_far_it_is_ahead(void **state)
{
    (void)state;
    assert_int_equal(dkv_clock_ahead_ms((dkv_hlc)1500 << 16, 1000), 500);
    assert_int_equal(dkv_clock_ahead_ms((dkv_hlc)900 << 16, 1000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_takes_the_highest),
        cmocka_unit_test(clock_carries_when_the_counter_is_full),
        cmocka_unit_test(clock_never_goes_back),
        cmocka_unit_test(clock_has_an_end),
        cmocka_unit_test(clock_tells_how_far_it_is_ahead),
    };
    return cmocka_run_group_tests_name("dkv_clock", tests, NULL, NULL);
}
