/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "actors/kv/core/format/leaf.h"
#include "actors/kv/core/format/wire.h"

static struct hr_arena arena;
static struct hr_diag diag;

static int release(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return 0;
}

static struct dkv_value add(struct dkv_value old, const char *name)
{
    struct dkv_value new_value = {0};
    assert_int_equal(dkv_leaf_add(old, hr_str_c(name), &arena, &new_value, &diag), HR_OK);
    return new_value;
}

/* A leaf's number has as many bits as it should, and keys spread over all leaves. */
static void leaf_spreads_keys(void **state)
{
    (void)state;
    unsigned counts[256] = {0};
    for (int i = 0; i < 256 * 64; i++) {
        char key[32];
        snprintf(key, sizeof key, "todo.%d", i);
        uint32_t leaf = dkv_leaf_of(hr_str_c(key), 8);
        assert_true(leaf < 256);
        assert_int_equal(dkv_leaf_of(hr_str_c(key), 16) >> 8, leaf);
        counts[leaf]++;
    }
    for (size_t i = 0; i < 256; i++) {
        assert_in_range(counts[i], 24, 120);
    }
}

/* Names are kept in order, whatever order they come in, and once each. */
static void leaf_keeps_names_in_order(void **state)
{
    (void)state;
    const char *orders[][3] = {{"a", "b", "c"}, {"c", "b", "a"}, {"b", "c", "a"}, {"b", "a", "c"}};
    struct hr_str first = {0};
    for (size_t i = 0; i < 4; i++) {
        struct dkv_value leaf = {0};
        for (size_t j = 0; j < 3; j++) {
            leaf = add(leaf, orders[i][j]);
            assert_true(leaf.present);
        }
        assert_memory_equal(leaf.bytes.ptr,
                            "\x01\0\0\0\x03\0\x01"
                            "a\0\x01"
                            "b\0\x01"
                            "c",
                            14);
        assert_true(i == 0 || hr_str_eq(leaf.bytes, first));
        first = leaf.bytes;
        for (size_t j = 0; j < 3; j++) {
            assert_false(add(leaf, orders[i][j]).present);
        }
    }
}

/* A name that is removed leaves the others as they were, and the last one leaves nothing; a name that
 * is not there changes nothing. */
static void leaf_removes_names(void **state)
{
    (void)state;
    struct dkv_value ab = add(add((struct dkv_value){0}, "a"), "b");
    struct dkv_value abc = add(ab, "c");
    struct dkv_value left = {0};
    assert_int_equal(dkv_leaf_remove(abc, HR_STR("c"), &arena, &left, &diag), HR_OK);
    assert_true(left.present && hr_str_eq(left.bytes, ab.bytes));
    assert_int_equal(dkv_leaf_remove(ab, HR_STR("x"), &arena, &left, &diag), HR_OK);
    assert_true(left.present && hr_str_eq(left.bytes, ab.bytes));
    assert_int_equal(dkv_leaf_remove(left, HR_STR("a"), &arena, &left, &diag), HR_OK);
    assert_true(hr_str_eq(left.bytes, add((struct dkv_value){0}, "b").bytes));
    assert_int_equal(dkv_leaf_remove(left, HR_STR("b"), &arena, &left, &diag), HR_OK);
    assert_false(left.present);
}

/* Every flipped bit of names and of a generation is noticed. */
static void leaf_notices_every_bit(void **state)
{
    (void)state;
    struct dkv_value new_value;
    struct hr_str generation;
    struct dkv_value leaf = add(add((struct dkv_value){0}, "one"), "two");
    char *writable = (char *)(uintptr_t)leaf.bytes.ptr;
    for (size_t bit = 0; bit < leaf.bytes.len * 8; bit++) {
        writable[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(dkv_leaf_add(leaf, HR_STR("x"), &arena, &new_value, &diag), HR_CORRUPT);
        assert_int_equal(dkv_leaf_remove(leaf, HR_STR("x"), &arena, &new_value, &diag), HR_CORRUPT);
        writable[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(dkv_leaf_count_up((struct dkv_value){0}, &arena, &generation, &diag), HR_OK);
    writable = (char *)(uintptr_t)generation.ptr;
    for (size_t bit = 0; bit < generation.len * 8; bit++) {
        struct hr_str next;
        writable[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(
            dkv_leaf_count_up((struct dkv_value){generation, true}, &arena, &next, &diag),
            HR_CORRUPT);
        writable[bit / 8] ^= (char)(1 << bit % 8);
    }
}

/* A generation counts up from one. */
static void leaf_counts_generations(void **state)
{
    (void)state;
    struct dkv_value value = {0};
    for (unsigned i = 1; i <= 300; i++) {
        assert_int_equal(dkv_leaf_count_up(value, &arena, &value.bytes, &diag), HR_OK);
        value.present = true;
        assert_int_equal((unsigned char)value.bytes.ptr[8], i & 0xff);
        assert_int_equal((unsigned char)value.bytes.ptr[7], i >> 8);
    }
}

/* A leaf has a limit, and says so. */
static void leaf_has_a_limit(void **state)
{
    (void)state;
    const uint32_t count = 4064;
    struct dkv_value leaf = {.present = true};
    struct dkv_value new_value = {0};
    char name[257];
    struct dkv_out out = dkv_out_in(&arena, DKV_LEAF_BYTES_MAX);
    memset(name, 'n', sizeof name);
    dkv_out_uint(&out, 1, 1);
    dkv_out_uint(&out, count, 4);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, 9, "%08u", i);
        name[8] = 'n';
        dkv_out_uint(&out, 256, 2);
        dkv_out_bytes(&out, hr_str_of(name, 256));
    }
    dkv_out_seal(&out);
    assert_int_equal(dkv_out_take(&out, &leaf.bytes), HR_OK);
    assert_in_range(leaf.bytes.len, DKV_LEAF_BYTES_MAX - 200, DKV_LEAF_BYTES_MAX);
    assert_int_equal(dkv_leaf_add(leaf, HR_STR("short"), &arena, &new_value, &diag), HR_OK);
    assert_true(new_value.present);
    name[0] = 'z';
    assert_int_equal(dkv_leaf_add(leaf, hr_str_of(name, 256), &arena, &new_value, &diag),
                     HR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaf_spreads_keys),
        cmocka_unit_test_teardown(leaf_keeps_names_in_order, release),
        cmocka_unit_test_teardown(leaf_removes_names, release),
        cmocka_unit_test_teardown(leaf_notices_every_bit, release),
        cmocka_unit_test_teardown(leaf_counts_generations, release),
        cmocka_unit_test_teardown(leaf_has_a_limit, release),
    };
    return cmocka_run_group_tests_name("dkv_leaf", tests, NULL, NULL);
}
