/* links: hr_base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/str.h"

static const struct hr_str none = {NULL, 0};

/* Equality, prefix and suffix go by bytes; the empty run is everybody's prefix and suffix. */
static void str_compares_bytes(void **state)
{
    (void)state;
    assert_true(hr_str_eq(HR_STR("a\0b"), HR_STR("a\0b")));
    assert_false(hr_str_eq(HR_STR("a\0b"), HR_STR("a\0c")));
    assert_false(hr_str_eq(HR_STR("a"), HR_STR("ab")));
    assert_true(hr_str_eq(none, HR_STR("")));
    assert_true(hr_str_starts(HR_STR("abc"), HR_STR("ab")));
    assert_false(hr_str_starts(HR_STR("ab"), HR_STR("abc")));
    assert_true(hr_str_starts(none, none));
    assert_true(hr_str_ends(HR_STR("abc"), HR_STR("bc")));
    assert_false(hr_str_ends(HR_STR("bc"), HR_STR("abc")));
    assert_true(hr_str_ends(HR_STR("abc"), none));
    assert_true(hr_str_eq(hr_str_c(NULL), none));
    assert_true(hr_str_eq(hr_str_c("abc"), HR_STR("abc")));
}

/* The order is that of unsigned bytes, shorter first. */
static void str_orders_by_unsigned_bytes(void **state)
{
    (void)state;
    const struct hr_str ascending[] = {none,           HR_STR("\0"),   HR_STR("\0\0"), HR_STR("A"),
                                       HR_STR("a"),    HR_STR("a\0"),  HR_STR("aa"),   HR_STR("b"),
                                       HR_STR("\x7f"), HR_STR("\x80"), HR_STR("\xff")};
    for (size_t i = 0; i < 11; i++) {
        for (size_t j = 0; j < 11; j++) {
            int order = hr_str_cmp(ascending[i], ascending[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

/* Case is ignored for ASCII letters and nothing else. */
static void str_ignores_ascii_case(void **state)
{
    (void)state;
    assert_true(hr_str_eq_nocase(HR_STR("Content-TYPE"), HR_STR("content-type")));
    assert_false(hr_str_eq_nocase(HR_STR("a"), HR_STR("ab")));
    assert_false(hr_str_eq_nocase(HR_STR("@"), HR_STR("`")));
    assert_false(hr_str_eq_nocase(HR_STR("["), HR_STR("{")));
    assert_false(hr_str_eq_nocase(HR_STR("\xc4"), HR_STR("\xe4")));
    assert_true(hr_str_eq_nocase(none, HR_STR("")));
}

/* Finding, cutting and trimming stay within the run. */
static void str_finds_cuts_and_trims(void **state)
{
    (void)state;
    assert_int_equal(hr_str_find(HR_STR("a.b.c"), '.', 0), 1);
    assert_int_equal(hr_str_find(HR_STR("a.b.c"), '.', 2), 3);
    assert_true(hr_str_find(HR_STR("a.b.c"), '.', 4) == SIZE_MAX);
    assert_true(hr_str_find(HR_STR("a.b.c"), '.', 99) == SIZE_MAX);
    assert_true(hr_str_find(none, '.', 0) == SIZE_MAX);
    assert_true(hr_str_eq(hr_str_from(HR_STR("abc"), 1), HR_STR("bc")));
    assert_int_equal(hr_str_from(HR_STR("abc"), 3).len, 0);
    assert_int_equal(hr_str_from(HR_STR("abc"), 99).len, 0);
    assert_null(hr_str_from(none, 5).ptr);
    assert_true(hr_str_eq(hr_str_trim(HR_STR(" \t a b \t")), HR_STR("a b")));
    assert_int_equal(hr_str_trim(HR_STR(" \t ")).len, 0);
    assert_int_equal(hr_str_trim(none).len, 0);
    assert_true(hr_str_eq(hr_str_trim(HR_STR("\na\r")), HR_STR("\na\r")));
}

/* Encodes a code point as it would be in @len bytes, allowed or not. */
static struct hr_str encode(uint32_t code, size_t len, char *to)
{
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0, 0xf8};
    if (len == 1) {
        to[0] = (char)code;
        return hr_str_of(to, 1);
    }
    for (size_t i = len - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    to[0] = (char)(leads[len] | code);
    return hr_str_of(to, len);
}

/* Every code point is accepted in its shortest form and in no longer one; surrogates and what is
 * beyond U+10FFFF are not. */
static void str_utf8_knows_every_code_point(void **state)
{
    (void)state;
    char bytes[8];
    for (uint32_t code = 0; code < 0x200000; code++) {
        size_t shortest = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        bool valid = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
        for (size_t len = shortest; len <= 4; len++) {
            bool got = hr_str_is_utf8(encode(code, len, bytes));
            if (got != (valid && len == shortest)) {
                fail_msg("U+%04X in %zu bytes", code, len);
            }
        }
    }
    assert_false(hr_str_is_utf8(encode(0x10000, 5, bytes)));
}

/* A sequence that is cut, or a continuation byte alone, is not UTF-8, wherever it stands. */
static void str_utf8_refuses_broken_sequences(void **state)
{
    (void)state;
    assert_true(hr_str_is_utf8(none));
    assert_true(hr_str_is_utf8(HR_STR("a\0\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80z")));
    assert_false(hr_str_is_utf8(HR_STR("a\x80")));
    assert_false(hr_str_is_utf8(HR_STR("\xc3")));
    assert_false(hr_str_is_utf8(HR_STR("\xe2\x82")));
    assert_false(hr_str_is_utf8(HR_STR("\xf0\x9f\x98")));
    assert_false(hr_str_is_utf8(HR_STR("\xe2\x82z")));
    assert_false(hr_str_is_utf8(HR_STR("\xc3\xc3\xbc")));
    assert_false(hr_str_is_utf8(HR_STR("\xfe")));
    assert_false(hr_str_is_utf8(HR_STR("\xff")));
}

/* Numbers fill the whole run and fit 64 bits; on failure the result is untouched. */
static void str_reads_numbers(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_true(hr_str_to_u64(HR_STR("0"), &value));
    assert_true(value == 0);
    assert_true(hr_str_to_u64(HR_STR("00042"), &value));
    assert_true(value == 42);
    assert_true(hr_str_to_u64(HR_STR("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    const char *wrong[] = {"",
                           "18446744073709551616",
                           "99999999999999999999",
                           "-1",
                           "+1",
                           " 1",
                           "1 ",
                           "1a",
                           "0x10",
                           "/",
                           ":"};
    for (size_t i = 0; i < 11; i++) {
        assert_false(hr_str_to_u64(hr_str_c(wrong[i]), &value));
        assert_true(value == UINT64_MAX);
    }
    assert_false(hr_str_to_u64(none, &value));
}

/* A run prints through "%.*s", an empty one too. */
static void str_prints(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "<%.*s><%.*s>", HR_STR_ARG(HR_STR("ab")), HR_STR_ARG(none));
    assert_string_equal(text, "<ab><>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_compares_bytes),
        cmocka_unit_test(str_orders_by_unsigned_bytes),
        cmocka_unit_test(str_ignores_ascii_case),
        cmocka_unit_test(str_finds_cuts_and_trims),
        cmocka_unit_test(str_utf8_knows_every_code_point),
        cmocka_unit_test(str_utf8_refuses_broken_sequences),
        cmocka_unit_test(str_reads_numbers),
        cmocka_unit_test(str_prints),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
