/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/change.h"

static struct hr_arena arena;
static struct hr_diag diag;

static int release(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return 0;
}

static struct dkv_field fields[2];

static struct dkv_change a_set(void)
{
    struct dkv_stamp stamp = {77, dkv_origin_of(3, 9)};
    fields[0] = (struct dkv_field){HR_STR("a"), HR_STR("[1]"), stamp, DKV_FIELD_BYTES};
    fields[1] = (struct dkv_field){HR_STR("b"), {0}, stamp, DKV_FIELD_DELETED};
    return (struct dkv_change){.op = DKV_CHANGE_SET,
                               .stamp = stamp,
                               .seq = 5,
                               .opid = {{1, 2}},
                               .key = HR_STR("k.1"),
                               .fields = fields,
                               .count = 2};
}

static struct hr_str encode(const struct dkv_change *change)
{
    struct hr_str bytes = {0};
    assert_int_equal(dkv_change_encode(change, &arena, &bytes, &diag), HR_OK);
    return bytes;
}

static enum hr_err decode(struct hr_str bytes, struct dkv_change *ret_change)
{
    return dkv_change_decode(bytes, &arena, ret_change, &diag);
}

/* Each kind of change comes back as it was. */
static void change_round_trips(void **state)
{
    (void)state;
    struct dkv_change back = {0};
    struct dkv_change change = a_set();
    struct hr_str bytes = encode(&change);
    assert_int_equal(decode(bytes, &back), HR_OK);
    assert_true(hr_str_eq(encode(&back), bytes));
    assert_int_equal(back.seq, 5);
    assert_int_equal(dkv_stamp_cmp(back.fields[1].stamp, change.stamp), 0);
    assert_true(hr_str_eq(back.key, HR_STR("k.1")));
    change.op = DKV_CHANGE_DEL;
    change.count = 0;
    assert_int_equal(decode(encode(&change), &back), HR_OK);
    change.op = DKV_CHANGE_CLEAR;
    change.key = (struct hr_str){0};
    assert_int_equal(decode(encode(&change), &back), HR_OK);
    change.op = DKV_CHANGE_NOOP;
    assert_int_equal(decode(encode(&change), &back), HR_OK);
    assert_int_equal(back.op, DKV_CHANGE_NOOP);
}

/* Every flipped bit and every cut is noticed. */
static void change_notices_every_bit(void **state)
{
    (void)state;
    struct dkv_change back;
    struct dkv_change change = a_set();
    struct hr_str bytes = encode(&change);
    char *writable = (char *)(uintptr_t)bytes.ptr;
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        writable[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(decode(bytes, &back), HR_CORRUPT);
        writable[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(decode(hr_str_of(bytes.ptr, len), &back), HR_CORRUPT);
    }
}

/* Changes that make no sense are refused, with sound checksums too. */
static void change_refuses_other_shapes(void **state)
{
    (void)state;
    struct dkv_change back;
    struct dkv_change change = a_set();
    change.op = DKV_CHANGE_DEL;
    assert_int_equal(decode(encode(&change), &back), HR_CORRUPT);
    change = a_set();
    change.key = HR_STR("no key");
    assert_int_equal(decode(encode(&change), &back), HR_CORRUPT);
    change = a_set();
    change.seq = 0;
    assert_int_equal(decode(encode(&change), &back), HR_CORRUPT);
    change = a_set();
    change.count = 0;
    assert_int_equal(decode(encode(&change), &back), HR_CORRUPT);
    change = a_set();
    fields[1].name = HR_STR("a");
    assert_int_equal(decode(encode(&change), &back), HR_CORRUPT);
    for (unsigned op = 0; op < 256; op++) {
        bool known = op == 1 || op == 3 || op == 5 || op == 7;
        change = a_set();
        change.op = (enum dkv_change_op)op;
        assert_int_equal(decode(encode(&change), &back) == HR_UNSUPPORTED, !known);
    }
}

/* 256 KiB is the limit of an encoded change. */
static void change_has_a_limit(void **state)
{
    (void)state;
    static char value[DKV_FIELD_VALUE_BYTES_MAX];
    struct dkv_field many[5];
    struct dkv_change change = a_set();
    struct hr_str bytes;
    char names[] = "abcde";
    for (size_t i = 0; i < 5; i++) {
        many[i] = (struct dkv_field){hr_str_of(names + i, 1), hr_str_of(value, sizeof value),
                                     change.stamp, DKV_FIELD_BYTES};
    }
    change.fields = many;
    change.count = 3;
    assert_int_equal(dkv_change_encode(&change, &arena, &bytes, &diag), HR_OK);
    change.count = 4;
    assert_int_equal(dkv_change_encode(&change, &arena, &bytes, &diag), HR_TOO_BIG);
}

/* Applying a change is merging the record that it amounts to. */
static void change_amounts_to_a_record(void **state)
{
    (void)state;
    struct dkv_record none = {0};
    struct dkv_record merged;
    struct dkv_change change = a_set();
    struct dkv_record record = dkv_change_record(&change);
    assert_int_equal(dkv_record_merge(&none, &record, &arena, &merged, &diag), HR_OK);
    assert_int_equal(merged.count, 2);
    change.op = DKV_CHANGE_DEL;
    change.stamp.hlc++;
    record = dkv_change_record(&change);
    assert_int_equal(dkv_record_merge(&merged, &record, &arena, &merged, &diag), HR_OK);
    assert_int_equal(merged.count, 0);
    assert_int_equal(merged.dead.hlc, 78);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(change_round_trips, release),
        cmocka_unit_test_teardown(change_notices_every_bit, release),
        cmocka_unit_test_teardown(change_refuses_other_shapes, release),
        cmocka_unit_test_teardown(change_has_a_limit, release),
        cmocka_unit_test_teardown(change_amounts_to_a_record, release),
    };
    return cmocka_run_group_tests_name("dkv_change", tests, NULL, NULL);
}
