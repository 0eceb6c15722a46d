/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/keys.h"

static struct hr_arena arena;

static int release(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return 0;
}

static void is(struct hr_str name, const char *text)
{
    assert_non_null(name.ptr);
    if (!hr_str_eq(name, hr_str_c(text))) {
        fail_msg("%.*s is not %s", HR_STR_ARG(name), text);
    }
}

/* Names are as docs/storage.md has them. */
static void keys_are_readable(void **state)
{
    (void)state;
    const struct dkv_opid opid = {{0x01, 0xff}};
    dkv_origin origin = dkv_origin_of(1, 0x18bcfe56800);
    is(dkv_key_record(&arena, HR_STR("todo.1")), "r/todo.1");
    is(dkv_key_change(&arena, origin, 10), "f/0001018bcfe56800/000000000000000a");
    is(dkv_key_progress(&arena, origin), "v/0001018bcfe56800");
    is(dkv_key_leaf(&arena, 0xabc), "k/0abc/");
    is(dkv_key_name(&arena, 0xabc, HR_STR("a.b")), "k/0abc/a.b");
    is(dkv_key_result(&arena, &opid), "q/01ff0000000000000000000000000000");
    is(dkv_key_time(&arena, 16, &opid), "t/0000000000000010/01ff0000000000000000000000000000");
}

/* The bytewise order of names is the order of the numbers in them. */
static void keys_sort_as_their_numbers(void **state)
{
    (void)state;
    const uint64_t rising[] = {1, 9, 10, 255, 256, 0xffffffff, UINT64_MAX};
    for (size_t i = 1; i < sizeof rising / sizeof rising[0]; i++) {
        assert_true(hr_str_cmp(dkv_key_change(&arena, 7, rising[i - 1]),
                               dkv_key_change(&arena, 7, rising[i])) < 0);
        assert_true(hr_str_cmp(dkv_key_change(&arena, rising[i - 1], 9),
                               dkv_key_change(&arena, rising[i], 1)) < 0);
    }
}

/* A time's name leads back to its parts, and nothing else is one. */
static void keys_time_round_trips(void **state)
{
    (void)state;
    struct dkv_opid opid = {{1, 2, 3}};
    struct dkv_opid back = {{0}};
    dkv_wall_ms time = 0;
    struct hr_str name = dkv_key_time(&arena, 1700000000000, &opid);
    assert_true(dkv_key_time_parse(name, &time, &back));
    assert_int_equal(time, 1700000000000);
    assert_memory_equal(&opid, &back, sizeof opid);
    assert_false(dkv_key_time_parse(hr_str_of(name.ptr, name.len - 1), &time, &back));
    for (size_t i = 0; i < name.len; i++) {
        ((char *)(uintptr_t)name.ptr)[i] ^= 0x10;
        /* A letter may turn into a digit: a name still, but not this one. */
        assert_true(!dkv_key_time_parse(name, &time, &back) || time != 1700000000000 ||
                    memcmp(&opid, &back, sizeof opid) != 0);
        ((char *)(uintptr_t)name.ptr)[i] ^= 0x10;
    }
}

/* Keys are subject tokens of the allowed characters. */
static void keys_are_checked(void **state)
{
    (void)state;
    char longest[DKV_KEY_BYTES_MAX + 1];
    memset(longest, 'k', sizeof longest);
    const char *good[] = {"a", "a.b", "A-Z_0=9", "todo.0189.x"};
    const char *bad[] = {"", ".", "a.", ".a", "a..b", "a b", "a/b", "a*", ">", "\xc3\xa4", "a\n"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(dkv_key_valid(hr_str_c(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(dkv_key_valid(hr_str_c(bad[i])));
    }
    assert_true(dkv_key_valid(hr_str_of(longest, DKV_KEY_BYTES_MAX)));
    assert_false(dkv_key_valid(hr_str_of(longest, DKV_KEY_BYTES_MAX + 1)));
}

/* Without memory there is no name. */
static void keys_fail_without_memory(void **state)
{
    (void)state;
    struct hr_arena tiny;
    const struct dkv_opid opid = {{0}};
    hr_arena_init(&tiny, 1);
    assert_null(dkv_key_record(&tiny, HR_STR("k")).ptr);
    assert_null(dkv_key_change(&tiny, 1, 1).ptr);
    assert_null(dkv_key_progress(&tiny, 1).ptr);
    assert_null(dkv_key_result(&tiny, &opid).ptr);
    assert_null(dkv_key_time(&tiny, 1, &opid).ptr);
    hr_arena_release(&tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(keys_are_readable, release),
        cmocka_unit_test_teardown(keys_sort_as_their_numbers, release),
        cmocka_unit_test_teardown(keys_time_round_trips, release),
        cmocka_unit_test(keys_are_checked),
        cmocka_unit_test(keys_fail_without_memory),
    };
    return cmocka_run_group_tests_name("dkv_keys", tests, NULL, NULL);
}
