/* links: hr_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"

/* Every error has a text and a name of its own, and a status that HTTP knows. */
static void err_rows_are_whole(void **state)
{
    (void)state;
    for (int i = 0; i < HR_ERR_COUNT; i++) {
        enum hr_err err = (enum hr_err)i;
        assert_true(strlen(hr_err_text(err)) > 0);
        assert_memory_equal(hr_err_name(err), "HR_", 3);
        assert_in_range(hr_err_http(err), i == HR_OK ? 200 : 400, i == HR_OK ? 200 : 599);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(hr_err_name(err), hr_err_name((enum hr_err)j));
            assert_string_not_equal(hr_err_text(err), hr_err_text((enum hr_err)j));
        }
    }
    assert_int_equal(HR_OK, 0);
}

/* What callers decide by: the refusals of a client's mistake are not retried, those of load are. */
static void err_retryable_follows_the_cause(void **state)
{
    (void)state;
    const enum hr_err again[] = {HR_BUSY,     HR_TIMEOUT,  HR_CONFLICT,
                                 HR_NO_SPACE, HR_CANCELED, HR_NO_RESPONDERS};
    const enum hr_err never[] = {HR_OK,      HR_NOT_FOUND, HR_BAD_INPUT,   HR_TOO_BIG,
                                 HR_CORRUPT, HR_DENIED,    HR_UNSUPPORTED, HR_TRAP};
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
        assert_true(hr_err_retryable(again[i]));
    }
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        assert_false(hr_err_retryable(never[i]));
    }
    assert_int_equal(hr_err_http(HR_NOT_FOUND), 404);
    assert_int_equal(hr_err_http(HR_BUSY), 503);
    assert_int_equal(hr_err_http(HR_NO_SPACE), 507);
}

/* A number that is no error is an internal error, not a wild read. */
static void err_unknown_is_internal(void **state)
{
    (void)state;
    assert_string_equal(hr_err_name((enum hr_err)HR_ERR_COUNT), "HR_INTERNAL");
    assert_string_equal(hr_err_name((enum hr_err)1000), "HR_INTERNAL");
    assert_int_equal(hr_err_http((enum hr_err)1000), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_rows_are_whole),
        cmocka_unit_test(err_retryable_follows_the_cause),
        cmocka_unit_test(err_unknown_is_internal),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
