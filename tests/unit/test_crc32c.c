/* links: hr_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/crc32c.h"

/* The check value of RFC 3720 appendix B.4's polynomial. */
static void crc32c_matches_published_values(void **state)
{
    (void)state;
    char zeros[32] = {0};
    assert_int_equal(hr_crc32c(HR_STR("123456789")), 0xe3069283u);
    assert_int_equal(hr_crc32c(HR_STR("")), 0);
    assert_int_equal(hr_crc32c(hr_str_of(zeros, sizeof zeros)), 0x8a9136aau);
}

/* With the machine's instruction or without, at any length and place. */
static void crc32c_is_the_same_either_way(void **state)
{
    (void)state;
    char bytes[80];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 37 + 11);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; len <= 64; len++) {
            struct hr_str part = hr_str_of(bytes + from, len);
            assert_int_equal(hr_crc32c(part), hr_crc32c_slices(part));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(crc32c_matches_published_values),
                                       cmocka_unit_test(crc32c_is_the_same_either_way)};
    return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
