/* links: hr_host */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/run/trace.h"

static const char given[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/* A call goes on with the trace that it was given, under a span of its own and with the flags as they were. */
static void trace_goes_on_below_its_parent(void **state)
{
    (void)state;
    struct hr_trace a;
    struct hr_trace b;
    hr_trace_begin(&a, hr_str_c(given));
    hr_trace_begin(&b, hr_trace_str(&a));
    assert_true(hr_trace_is_valid(hr_trace_str(&a)));
    assert_memory_equal(a.text, given, 36);
    assert_memory_equal(a.text + 52, given + 52, 3);
    assert_memory_not_equal(a.text + 36, given + 36, 16);
    assert_memory_not_equal(a.text + 36, b.text + 36, 16);
    assert_true(hr_str_eq(hr_trace_id(&b), hr_str_of(given + 3, 32)));
}

/* Whatever is no traceparent begins a trace of its own; no two of them are the same. */
static void trace_begins_anew_without_a_valid_parent(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47\n6-00f067aa0ba902b7-01",
    };
    struct hr_trace last = {{0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hr_trace trace;
        assert_false(hr_trace_is_valid(hr_str_c(bad[i])));
        hr_trace_begin(&trace, hr_str_c(bad[i]));
        assert_true(hr_trace_is_valid(hr_trace_str(&trace)));
        assert_memory_not_equal(trace.text + 3, last.text + 3, 32);
        last = trace;
    }
}

/* A later version's header, with more behind, is read as far as this one goes. */
static void trace_reads_later_versions(void **state)
{
    (void)state;
    struct hr_trace trace;
    hr_trace_begin(&trace, HR_STR("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
    assert_memory_equal(trace.text, "00-4bf92f3577b34da6a3ce929d0e0e4736-", 36);
    assert_int_equal(hr_trace_str(&trace).len, HR_TRACE_BYTES);
}

/* Where no trace has begun there is nothing to send and nothing to log. */
static void trace_unset_is_empty(void **state)
{
    (void)state;
    const struct hr_trace none = {{0}};
    assert_false(hr_trace_is_set(&none));
    assert_int_equal(hr_trace_str(&none).len, 0);
    assert_int_equal(hr_trace_id(&none).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_goes_on_below_its_parent),
        cmocka_unit_test(trace_begins_anew_without_a_valid_parent),
        cmocka_unit_test(trace_reads_later_versions),
        cmocka_unit_test(trace_unset_is_empty),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
