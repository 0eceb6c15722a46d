/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/text.h"

/* Hexadecimal digits of a fixed width, and back. */
static void text_hex_round_trips(void **state)
{
    (void)state;
    char text[17] = {0};
    uint64_t value = 0;
    dkv_text_hex(text, 0xdeadbeef, 16);
    assert_string_equal(text, "00000000deadbeef");
    assert_true(dkv_text_from_hex(hr_str_c(text), &value));
    assert_int_equal(value, 0xdeadbeef);
    assert_true(dkv_text_from_hex(HR_STR("ffffffffffffffff"), &value));
    assert_int_equal(value, UINT64_MAX);
    assert_false(dkv_text_from_hex(HR_STR(""), &value));
    assert_false(dkv_text_from_hex(HR_STR("00000000000000000"), &value));
    assert_false(dkv_text_from_hex(HR_STR("0G"), &value));
    assert_false(dkv_text_from_hex(HR_STR("0A"), &value));
}

/* Decimal digits of the smallest and largest number. */
static void text_dec_writes_numbers(void **state)
{
    (void)state;
    char text[DKV_DEC_BYTES_MAX];
    assert_true(hr_str_eq(dkv_text_dec(text, 0), HR_STR("0")));
    assert_true(hr_str_eq(dkv_text_dec(text, UINT64_MAX), HR_STR("18446744073709551615")));
}

/* Details are joined, get prefixes, are cut at the end of their room, and may be unwanted. */
static void text_details_are_joined_and_cut(void **state)
{
    (void)state;
    struct hr_diag diag;
    char longer[600];
    memset(longer, 'x', sizeof longer);
    assert_int_equal(DKV_FAIL(&diag, HR_CORRUPT, HR_STR("a"), HR_STR(""), HR_STR("b")), HR_CORRUPT);
    assert_string_equal(diag.text, "ab");
    assert_int_equal(dkv_text_prefix(&diag, HR_IO, HR_STR("key "), HR_STR("k")), HR_IO);
    assert_string_equal(diag.text, "key k: ab");
    assert_int_equal(DKV_FAIL(&diag, HR_BUSY, HR_STR("z"), hr_str_of(longer, 600)), HR_BUSY);
    assert_int_equal(strlen(diag.text), HR_DIAG_BYTES_MAX - 1);
    assert_int_equal(DKV_FAIL(NULL, HR_BUSY, HR_STR("z")), HR_BUSY);
    assert_int_equal(dkv_text_prefix(NULL, HR_BUSY, HR_STR("z"), HR_STR("")), HR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_hex_round_trips),
        cmocka_unit_test(text_dec_writes_numbers),
        cmocka_unit_test(text_details_are_joined_and_cut),
    };
    return cmocka_run_group_tests_name("dkv_text", tests, NULL, NULL);
}
