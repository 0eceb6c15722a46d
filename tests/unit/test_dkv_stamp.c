/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/stamp.h"

/* Stamps compare as their bytes do: clock first, then site, then incarnation. */
static void stamp_order_is_the_order_of_its_bytes(void **state)
{
    (void)state;
    const struct dkv_stamp rising[] = {
        {0, 0},
        {1, dkv_origin_of(1, 1)},
        {1, dkv_origin_of(1, DKV_INC_MAX)},
        {1, dkv_origin_of(2, 1)},
        {2, dkv_origin_of(1, 1)},
        {UINT64_MAX, dkv_origin_of(UINT16_MAX, DKV_INC_MAX)},
    };
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rising / sizeof rising[0]; i++) {
        for (size_t j = 0; j < sizeof rising / sizeof rising[0]; j++) {
            struct dkv_out a = dkv_out_in(&arena, 16);
            struct dkv_out b = dkv_out_in(&arena, 16);
            dkv_stamp_write(&a, rising[i]);
            dkv_stamp_write(&b, rising[j]);
            int bytes = memcmp(a.ptr, b.ptr, DKV_STAMP_BYTES);
            int order = dkv_stamp_cmp(rising[i], rising[j]);
            assert_int_equal(bytes < 0, order < 0);
            assert_int_equal(bytes == 0, order == 0);
            assert_int_equal((i > j) - (i < j), (order > 0) - (order < 0));
        }
    }
    hr_arena_release(&arena);
}

/* A version's text leads back to its stamp, and nothing else is one. */
static void stamp_text_round_trips(void **state)
{
    (void)state;
    struct dkv_stamp stamp = {0x0123456789abcdef, dkv_origin_of(0xfedc, 0xba9876543210)};
    struct dkv_stamp back = {0};
    char text[33] = {0};
    dkv_stamp_text(stamp, text);
    assert_string_equal(text, "0123456789abcdeffedcba9876543210");
    assert_true(dkv_stamp_from_text(hr_str_c(text), &back));
    assert_int_equal(dkv_stamp_cmp(stamp, back), 0);
    assert_false(dkv_stamp_from_text(hr_str_of(text, 31), &back));
    assert_false(dkv_stamp_from_text(HR_STR("0123456789ABCDEFfedcba9876543210"), &back));
    assert_false(dkv_stamp_from_text(HR_STR("0123456789abcdeg fedcba987654321"), &back));
}

/* An origin is made of its site and incarnation. */
static void stamp_origin_keeps_its_parts(void **state)
{
    (void)state;
    dkv_origin origin = dkv_origin_of(513, 1700000000000);
    assert_int_equal(dkv_origin_site(origin), 513);
    assert_int_equal(dkv_origin_inc(origin), 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamp_order_is_the_order_of_its_bytes),
        cmocka_unit_test(stamp_text_round_trips),
        cmocka_unit_test(stamp_origin_keeps_its_parts),
    };
    return cmocka_run_group_tests_name("dkv_stamp", tests, NULL, NULL);
}
