/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/site/feed.h"
#include "test_dkv_check.h"

#define FEED_MAX 1024

static struct fake fake;
static char nonce[33];

static void boot_anew(unsigned number)
{
    snprintf(nonce, sizeof nonce, "%032x", number);
    fake.nonce = nonce;
    fake.wall += 1000;
}

static int setup(void **state)
{
    (void)state;
    fake = fake_new(3);
    fake.feed_max = "1024";
    boot_anew(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unsigned failures = check_failures(&fake, false);
    fake_release(&fake);
    return failures > 0 ? -1 : 0;
}

static size_t count_of(char prefix)
{
    size_t count = 0;
    for (size_t i = 0; i < fake.count; i++) {
        count += fake.pairs[i].key[0] == prefix;
    }
    return count;
}

static void write_times(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        assert_non_null(strstr(fake_send(&fake, "wasmkv.set.k", "{\"n\":1}"), "\"value\":"));
    }
}

/* Sets m/tally's bytes of the feed. */
static void claim_bytes(uint64_t bytes)
{
    struct dkv_tally tally;
    struct hr_diag diag;
    struct hr_arena arena;
    struct hr_str encoded;
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_tally_decode(fake_get(&fake, "m/tally"), &tally, &diag), HR_OK);
    tally.feed_bytes = bytes;
    assert_int_equal(dkv_tally_encode(&tally, &arena, &encoded), HR_OK);
    fake_put(&fake, HR_STR("m/tally"), encoded);
    hr_arena_release(&arena);
}

/* The newest entries stay over all boots, the oldest boots' go first, and boots without any are
 * forgotten. */
static void feed_is_cut_over_all_boots(void **state)
{
    (void)state;
    for (unsigned boot = 1; boot <= 30; boot++) {
        boot_anew(boot);
        write_times(100);
        size_t changes = (size_t)boot * 100;
        assert_int_equal(check_failures(&fake, false), 0);
        if (changes <= FEED_MAX) {
            assert_int_equal(count_of('f'), changes);
            assert_int_equal(count_of('v'), boot);
        } else {
            assert_in_range(count_of('f'), FEED_MAX, FEED_MAX + DKV_FEED_SLACK);
            assert_in_range(count_of('v'), 11, 12);
        }
    }
}

/* Batches cannot make it longer than it may be, however heavy they are. */
static void feed_is_cut_as_fast_as_it_grows(void **state)
{
    (void)state;
    static char subjects[64][32];
    static char bodies[64][64];
    struct dkv_message messages[64];
    struct dkv_handled handled[64];
    struct dkv_env env = fake_env(&fake);
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < 64; i++) {
            snprintf(subjects[i], sizeof subjects[i], "wasmkv.set.b%u-%u", round, i);
            snprintf(bodies[i], sizeof bodies[i], "{\"$request-id\":\"%u-%u\"}", round, i);
            messages[i] =
                (struct dkv_message){hr_str_c(subjects[i]), hr_str_c(bodies[i]), HR_STR("r")};
        }
        uint64_t commits = fake.commits;
        dkv_batch_handle(&env, messages, 64, handled);
        assert_int_equal(fake.commits, commits + 1 + (round == 0));
        assert_true(count_of('f') <= FEED_MAX + DKV_FEED_SLACK + 64);
        fake.wall += 11 * 60 * 1000; /* so that there are results to purge too */
    }
    assert_true(count_of('f') >= FEED_MAX);
}

/* A feed that is far too long, after its limit was lowered, shrinks with each write. */
static void feed_shrinks_to_a_lower_limit(void **state)
{
    (void)state;
    fake.feed_max = "100000";
    write_times(1500);
    boot_anew(2);
    write_times(1000);
    assert_int_equal(count_of('f'), 2500);
    fake.feed_max = "1024";
    write_times(3);
    assert_in_range(count_of('f'), FEED_MAX, FEED_MAX + DKV_FEED_SLACK);
}

/* Too many bytes cut it too, whatever the number of entries. */
static void feed_is_cut_by_bytes(void **state)
{
    (void)state;
    write_times(500);
    claim_bytes(DKV_FEED_BYTES_MAX + 1000);
    write_times(1);
    /* About 1000 bytes in entries of about 140. */
    assert_in_range(count_of('f'), 485, 497);
    struct dkv_tally tally;
    struct hr_diag diag;
    assert_int_equal(dkv_tally_decode(fake_get(&fake, "m/tally"), &tally, &diag), HR_OK);
    assert_true(tally.feed_bytes <= DKV_FEED_BYTES_MAX);
    assert_int_equal(tally.feed_count, count_of('f'));
    fake_release(&fake); /* the bytes were a lie */
    fake = fake_new(1);
}

/* A lost tally is made anew: the number of entries is known from v/. */
static void feed_is_counted_anew(void **state)
{
    (void)state;
    write_times(600);
    boot_anew(2);
    write_times(600);
    fake_delete(&fake, HR_STR("m/tally"));
    write_times(100);
    assert_in_range(count_of('f'), FEED_MAX, FEED_MAX + DKV_FEED_SLACK);
    fake_release(&fake); /* its bytes are not known */
    fake = fake_new(1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(feed_is_cut_over_all_boots),    CASE(feed_is_cut_as_fast_as_it_grows),
        CASE(feed_shrinks_to_a_lower_limit), CASE(feed_is_cut_by_bytes),
        CASE(feed_is_counted_anew),
    };
    return cmocka_run_group_tests_name("dkv_feed", tests, NULL, NULL);
}
