/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/site/txn.h"
#include "test_dkv_fake.h"

static struct fake fake;
static struct dkv_env env;
static struct dkv_txn txn;
static struct hr_arena arena;
static struct hr_diag diag;

static int setup(void **state)
{
    (void)state;
    fake = fake_new(1);
    env = fake_env(&fake);
    fake_put(&fake, HR_STR("a"), HR_STR("1"));
    fake_put(&fake, HR_STR("b"), HR_STR("2"));
    hr_arena_init(&arena, 0);
    dkv_txn_init(&txn, &env, &arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    fake_release(&fake);
    return 0;
}

static void sees(struct hr_str key, const char *value)
{
    struct dkv_value got = {0};
    assert_int_equal(dkv_txn_get(&txn, key, &got, &diag), HR_OK);
    assert_int_equal(got.present, value != NULL);
    assert_true(!value || hr_str_eq(got.bytes, hr_str_c(value)));
}

static enum hr_err commit(void)
{
    struct dkv_commit all;
    size_t conflict;
    assert_int_equal(dkv_txn_commit(&txn, &all), HR_OK);
    return env.commit(env.arg, &all, &conflict, &diag);
}

/* Later readings see earlier writes; the store sees them at the commit. */
static void txn_sees_its_own_writes(void **state)
{
    (void)state;
    sees(HR_STR("a"), "1");
    assert_int_equal(dkv_txn_put(&txn, HR_STR("a"), HR_STR("9")), HR_OK);
    assert_int_equal(dkv_txn_delete(&txn, HR_STR("b")), HR_OK);
    assert_int_equal(dkv_txn_put(&txn, HR_STR("c"), HR_STR("3")), HR_OK);
    sees(HR_STR("a"), "9");
    sees(HR_STR("b"), NULL);
    sees(HR_STR("c"), "3");
    assert_true(hr_str_eq(fake_get(&fake, "a"), HR_STR("1")));
    assert_int_equal(commit(), HR_OK);
    assert_true(hr_str_eq(fake_get(&fake, "a"), HR_STR("9")));
    assert_null(fake_get(&fake, "b").ptr);
    assert_true(hr_str_eq(fake_get(&fake, "c"), HR_STR("3")));
}

/* What was read is checked, also that it was absent; what was only prefetched is not. */
static void txn_checks_what_was_read(void **state)
{
    (void)state;
    const struct hr_str keys[] = {HR_STR("a"), HR_STR("b"), HR_STR("c"), HR_STR("a")};
    assert_int_equal(dkv_txn_prefetch(&txn, keys, 4, &diag), HR_OK);
    assert_int_equal(fake.calls, 1);
    sees(HR_STR("a"), "1");
    sees(HR_STR("c"), NULL);
    assert_int_equal(fake.calls, 1);
    assert_int_equal(dkv_txn_put(&txn, HR_STR("d"), HR_STR("4")), HR_OK);
    fake_put(&fake, HR_STR("b"), HR_STR("changed"));
    assert_int_equal(commit(), HR_OK);
    fake_put(&fake, HR_STR("c"), HR_STR("came"));
    assert_int_equal(commit(), HR_CONFLICT);
    fake_delete(&fake, HR_STR("c"));
    fake_put(&fake, HR_STR("a"), HR_STR("changed"));
    assert_int_equal(commit(), HR_CONFLICT);
}

/* What is expected is checked without being read. */
static void txn_checks_what_is_expected(void **state)
{
    (void)state;
    assert_int_equal(dkv_txn_expect(&txn, HR_STR("a"), (struct dkv_value){0}), HR_OK);
    assert_int_equal(dkv_txn_put(&txn, HR_STR("a"), HR_STR("9")), HR_OK);
    assert_int_equal(fake.calls, 0);
    assert_int_equal(commit(), HR_CONFLICT);
    fake_delete(&fake, HR_STR("a"));
    assert_int_equal(commit(), HR_OK);
}

/* Undoing goes back to the mark and no further. */
static void txn_undoes_to_a_mark(void **state)
{
    (void)state;
    assert_int_equal(dkv_txn_put(&txn, HR_STR("a"), HR_STR("8")), HR_OK);
    struct dkv_txn_mark mark = dkv_txn_mark(&txn);
    assert_int_equal(dkv_txn_put(&txn, HR_STR("a"), HR_STR("9")), HR_OK);
    assert_int_equal(dkv_txn_delete(&txn, HR_STR("a")), HR_OK);
    assert_int_equal(dkv_txn_put(&txn, HR_STR("b"), HR_STR("9")), HR_OK);
    assert_int_equal(dkv_txn_delete(&txn, HR_STR("c")), HR_OK);
    dkv_txn_undo(&txn, mark);
    sees(HR_STR("a"), "8");
    sees(HR_STR("b"), "2");
    assert_null(dkv_txn_written(&txn, HR_STR("b")));
    assert_non_null(dkv_txn_written(&txn, HR_STR("a")));
    assert_int_equal(commit(), HR_OK);
    assert_true(hr_str_eq(fake_get(&fake, "a"), HR_STR("8")));
    assert_true(hr_str_eq(fake_get(&fake, "b"), HR_STR("2")));
}

/* What is forgotten was neither written nor read; what is undone was read. */
static void txn_forgets_to_a_mark(void **state)
{
    (void)state;
    sees(HR_STR("a"), "1");
    struct dkv_txn_mark mark = dkv_txn_mark(&txn);
    sees(HR_STR("a"), "1");
    sees(HR_STR("b"), "2");
    assert_int_equal(dkv_txn_put(&txn, HR_STR("b"), HR_STR("9")), HR_OK);
    dkv_txn_forget(&txn, mark);
    assert_int_equal(dkv_txn_put(&txn, HR_STR("c"), HR_STR("3")), HR_OK);
    fake_put(&fake, HR_STR("b"), HR_STR("changed"));
    assert_int_equal(commit(), HR_OK);
    assert_true(hr_str_eq(fake_get(&fake, "b"), HR_STR("changed")));
    fake_delete(&fake, HR_STR("c"));
    mark = dkv_txn_mark(&txn);
    sees(HR_STR("b"), "2");
    dkv_txn_undo(&txn, mark);
    assert_int_equal(commit(), HR_CONFLICT);
    dkv_txn_forget(&txn, mark);
    assert_int_equal(commit(), HR_OK);
    fake_put(&fake, HR_STR("a"), HR_STR("changed"));
    assert_int_equal(commit(), HR_CONFLICT);
}

/* The weight is that of the commit which it makes. */
static void txn_weighs_its_commit(void **state)
{
    (void)state;
    size_t ops = 0;
    size_t bytes = 0;
    sees(HR_STR("a"), "1");
    sees(HR_STR("c"), NULL);
    for (int i = 0; i < 300; i++) {
        char *key = hr_arena_alloc(&arena, 8);
        snprintf(key, 8, "k%d", i);
        assert_int_equal(dkv_txn_put(&txn, hr_str_c(key), HR_STR("value")), HR_OK);
    }
    assert_int_equal(dkv_txn_delete(&txn, HR_STR("b")), HR_OK);
    dkv_txn_weigh(&txn, &ops, &bytes);
    assert_int_equal(commit(), HR_OK);
    assert_int_equal(ops, fake.last_ops);
    assert_int_equal(ops, 2 + 300 + 1);
    assert_int_equal(bytes, fake.last_bytes);
}

/* Kept up through whatever changes it: a key read and written, read before it is known, written twice, taken back. */
static void txn_weighs_what_is_left(void **state)
{
    (void)state;
    size_t ops = 0;
    size_t bytes = 0;
    sees(HR_STR("a"), "1");
    assert_int_equal(dkv_txn_put(&txn, HR_STR("a"), HR_STR("first")), HR_OK);
    assert_int_equal(dkv_txn_put(&txn, HR_STR("a"), HR_STR("2nd")), HR_OK);
    assert_int_equal(dkv_txn_expect(&txn, HR_STR("b"), (struct dkv_value){HR_STR("other"), true}),
                     HR_OK);
    assert_int_equal(dkv_txn_expect(&txn, HR_STR("b"), (struct dkv_value){HR_STR("2"), true}),
                     HR_OK);
    struct dkv_txn_mark mark = dkv_txn_mark(&txn);
    assert_int_equal(dkv_txn_put(&txn, HR_STR("a"), HR_STR("a long third one")), HR_OK);
    assert_int_equal(dkv_txn_delete(&txn, HR_STR("b")), HR_OK);
    sees(HR_STR("c"), NULL);
    dkv_txn_undo(&txn, mark);
    dkv_txn_weigh(&txn, &ops, &bytes);
    assert_int_equal(ops, 3 + 1);
    dkv_txn_forget(&txn, mark);
    dkv_txn_weigh(&txn, &ops, &bytes);
    assert_int_equal(ops, 2 + 1);
    assert_int_equal(commit(), HR_OK);
    assert_int_equal(ops, fake.last_ops);
    assert_int_equal(bytes, fake.last_bytes);
}

/* A key without a pointer is one that found no memory. */
static void txn_says_when_memory_is_out(void **state)
{
    (void)state;
    struct dkv_value value;
    const struct hr_str none = {0};
    assert_int_equal(dkv_txn_get(&txn, none, &value, &diag), HR_NO_MEMORY);
    assert_int_equal(dkv_txn_put(&txn, none, HR_STR("v")), HR_NO_MEMORY);
    assert_int_equal(dkv_txn_prefetch(&txn, &none, 1, &diag), HR_NO_MEMORY);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(txn_sees_its_own_writes),     CASE(txn_checks_what_was_read),
        CASE(txn_checks_what_is_expected), CASE(txn_undoes_to_a_mark),
        CASE(txn_forgets_to_a_mark),       CASE(txn_weighs_its_commit),
        CASE(txn_weighs_what_is_left),     CASE(txn_says_when_memory_is_out),
    };
    return cmocka_run_group_tests_name("dkv_txn", tests, NULL, NULL);
}
