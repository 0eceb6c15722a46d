/* links: hr_clouds */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/clouds_look.h"

static uint32_t us_of(const char *text)
{
    uint32_t us = CLOUDS_UNKNOWN;
    return clouds_look_duration(hr_str_c(text), &us) ? us : CLOUDS_UNKNOWN;
}

/* Times as Go prints them. */
static void look_reads_durations(void **state)
{
    (void)state;
    assert_int_equal(us_of("119.386987ms"), 119387);
    assert_int_equal(us_of("350\xc2\xb5s"), 350);
    assert_int_equal(us_of("350us"), 350);
    assert_int_equal(us_of("900ns"), 1);
    assert_int_equal(us_of("0s"), 0);
    assert_int_equal(us_of("1.5s"), 1500000);
    assert_int_equal(us_of("1m2.5s"), 62500000);
    assert_int_equal(us_of("59m59s"), 3599000000u);
    assert_int_equal(us_of("1h"), 3600000000u);
}

/* What is no time, or is too long, is refused, and writes nothing. */
static void look_refuses_other_durations(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",        "5",
        "ms",      ".ms",
        "1..5ms",  "1.5.2ms",
        "-1ms",    " 1ms",
        "1 ms",    "1ms ",
        "1x",      "2h",
        "1h1ns1h", "99999999999999999999999999999999999999999999h",
        "1e3ms",   "nan",
        "1.",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_true(us_of(wrong[i]) == CLOUDS_UNKNOWN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(look_reads_durations),
        cmocka_unit_test(look_refuses_other_durations),
    };
    return cmocka_run_group_tests_name("clouds_look", tests, NULL, NULL);
}
