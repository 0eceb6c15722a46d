/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/values/sweep.h"
#include "test_dkv_check.h"

static struct fake fake;

static int setup(void **state)
{
    (void)state;
    fake = fake_new(3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unsigned failures = check_failures(&fake, true);
    fake_release(&fake);
    return failures > 0 ? -1 : 0;
}

static const char *set(unsigned i, const char *body)
{
    char subject[32];
    snprintf(subject, sizeof subject, "wasmkv.set.k%06u", i);
    const char *reply = fake_send(&fake, subject, body);
    assert_non_null(strstr(reply, "\"value\":"));
    return reply;
}

static void del(unsigned i)
{
    char subject[32];
    snprintf(subject, sizeof subject, "wasmkv.del.k%06u", i);
    assert_non_null(strstr(fake_send(&fake, subject, ""), "\"deleted\":true"));
}

static size_t records(void)
{
    struct check check = check_store(&fake, true);
    size_t count = check.record_count;
    assert_int_equal(check.failures, 0);
    check_release(&check);
    return count;
}

static size_t litter(void)
{
    struct check check = check_store(&fake, true);
    size_t count = check.litter_count;
    assert_int_equal(check.failures, 0);
    check_release(&check);
    return count;
}

static bool swept_to_the_end(void)
{
    struct dkv_tally tally;
    struct hr_diag diag;
    assert_int_equal(dkv_tally_decode(fake_get(&fake, "m/tally"), &tally, &diag), HR_OK);
    return tally.began == 0 && tally.done >= tally.made;
}

/* A tombstone goes with the writes that follow, its name leaves the index, and m/S tells by what. */
static void sweep_collects_tombstones(void **state)
{
    (void)state;
    struct dkv_stamp version;
    for (unsigned i = 0; i < 300; i++) {
        set(i, "{\"n\":1}");
    }
    for (unsigned i = 0; i < 299; i++) {
        del(i);
    }
    const char *reply = set(299, "{\"n\":2}");
    assert_true(dkv_stamp_from_text(hr_str_of(strstr(reply, "sion\":\"") + 7, 32), &version));
    for (unsigned i = 0; i < 20; i++) {
        fake.wall += 10000;
        set(299, "{\"n\":2}");
    }
    assert_int_equal(records(), 1);
    assert_true(swept_to_the_end());
    struct hr_str floor = fake_get(&fake, "m/S");
    assert_true(check_sealed(floor));
    assert_true(check_be(floor, 1, 8) + 1 >= version.hlc);
}

/* A pass that a lone site has begun ends when the site meets others: what is left may be above the group's floor. */
static void sweep_of_a_lone_site_ends_with_its_loneliness(void **state)
{
    (void)state;
    struct dkv_tally tally;
    struct hr_diag diag;
    for (unsigned i = 0; i < 200; i++) {
        set(i, "{\"n\":1}");
    }
    del(10); /* a pass begins */
    set(0, "{\"n\":2}");
    del(100); /* where that one has been */
    do {      /* until the one is under way that would collect it */
        fake.wall += 20000;
        set(0, "{\"n\":2}");
        assert_int_equal(dkv_tally_decode(fake_get(&fake, "m/tally"), &tally, &diag), HR_OK);
    } while (tally.began <= tally.made || tally.cursor.len == 0);
    assert_non_null(fake_get(&fake, "r/k000100").ptr);
    fake.sites = "3";
    fake_serve(&fake);
    for (unsigned i = 0; i < 8; i++) {
        set(0, "{\"n\":3}");
    }
    assert_int_equal(dkv_tally_decode(fake_get(&fake, "m/tally"), &tally, &diag), HR_OK);
    assert_true(tally.done <= tally.made); /* so that it is looked for once more */
    assert_non_null(fake_get(&fake, "r/k000100").ptr);
}

/* What a write leaves is not collected by its own commit: nothing above the floor ever is. */
static void sweep_collects_nothing_above_the_floor(void **state)
{
    (void)state;
    struct dkv_env env = fake_env(&fake);
    struct dkv_handled handled[2];
    const struct dkv_message batch[2] = {{HR_STR("wasmkv.set.a"), HR_STR("{\"n\":1}"), {0}},
                                         {HR_STR("wasmkv.del.a"), {0}, {0}}};
    for (unsigned i = 0; i < 5; i++) {
        dkv_batch_handle(&env, batch, 2, handled);
        assert_int_equal(records(), 1);
        fake.wall += 10000;
    }
    set(1, "{}");
    assert_int_equal(records(), 1);
}

/* In a group whose other sites are away the floor stays: so do tombstones, and what a clear covers goes all the same. */
static void sweep_of_a_group_collects_what_a_clear_covers(void **state)
{
    (void)state;
    fake.sites = "3";
    fake_serve(&fake);
    for (unsigned i = 0; i < 100; i++) {
        set(i, "{\"n\":1,\"m\":null}");
    }
    for (unsigned i = 0; i < 50; i++) {
        del(i);
    }
    for (unsigned i = 0; i < 20; i++) {
        fake.wall += 10000;
        set(99, "{\"n\":2}");
    }
    assert_int_equal(records(), 100);
    assert_null(fake_get(&fake, "m/S").ptr);
    fake_send(&fake, "wasmkv.del", "");
    assert_int_equal(records(), 0);
    /* A pass for a clear does not take what came after it. */
    for (unsigned i = 0; i < 3000; i++) {
        set(i, "{\"n\":1}");
    }
    fake.mono_step = 1000; /* so that there is no time for more than one round */
    fake_send(&fake, "wasmkv.del", "");
    set(2000, "{\"n\":1}");
    del(2000);
    assert_true(litter() > 200);
    fake.mono_step = 0;
    set(1, "{}");
    assert_int_equal(records(), 2);
}

/* Removed fields of a value at rest go, but not the one that bears the version. */
static void sweep_collects_removed_fields(void **state)
{
    (void)state;
    char before[33] = {0};
    set(1, "{\"a\":1,\"b\":2,\"c\":3}");
    set(1, "{\"a\":null,\"b\":null}");
    memcpy(before, strstr(set(1, "{\"c\":null}"), "\"version\":\"") + 11, 32);
    set(3, "{\"a\":1}");
    set(3, "{\"a\":null,\"b\":1}");
    for (unsigned i = 0; i < 5; i++) {
        fake.wall += 10000;
        set(2, "{}");
    }
    assert_int_equal(litter(), 0);
    /* The mark and c; the mark and b. */
    assert_int_equal(fake_get(&fake, "r/k000001").len, 24 + 22 + 23);
    assert_int_equal(fake_get(&fake, "r/k000003").len, 24 + 22 + 24);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.k000001", ""), before));
}

/* With nothing to collect, a write makes not a single call of the env more. */
static void sweep_costs_nothing_when_there_is_nothing_to_do(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        set(i, "{\"n\":1}");
    }
    uint64_t calls = fake.calls;
    uint64_t scans = fake.scans;
    for (unsigned i = 0; i < 10; i++) {
        fake.wall += 60000;
        set(i, "{\"n\":2}");
    }
    assert_int_equal(fake.scans - scans, 10); /* each looks for expired results */
    assert_int_equal(fake.calls - calls,
                     170); /* configuration, sites, site, its nonce, reading, scan, commit, reply */
}

/* Little litter among many values waits, for some time. */
static void sweep_waits_until_it_is_worth_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 640; i++) {
        set(i, "{\"n\":1}");
    }
    fake.wall += 20000;
    del(1);
    for (unsigned i = 0; i < 20; i++) {
        set(2, "{\"n\":2}");
    }
    assert_true(swept_to_the_end()); /* it was the first in a long time */
    for (unsigned i = 10; i < 14; i++) {
        del(i);
    }
    uint64_t scans = fake.scans;
    for (unsigned i = 0; i < 20; i++) {
        set(2, "{\"n\":2}");
    }
    assert_int_equal(fake.scans - scans, 20);
    assert_int_equal(litter(), 4);
    for (unsigned i = 20; i < 30; i++) {
        del(i);
    }
    for (unsigned i = 0; i < 20; i++) {
        set(2, "{\"n\":2}");
    }
    assert_in_range(litter(), 1, 6); /* what the pass came too early for */
}

/* Cleared records are gone soon after the clear, without another write, if they are not too many; the
 * next tick takes the rest. */
static void sweep_is_eager_after_a_clear(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        set(i, "{\"n\":1}");
    }
    assert_non_null(strstr(fake_send(&fake, "wasmkv.del", ""), "\"count\":3000"));
    assert_true(records() < 2000);
    fake_tick(&fake);
    assert_int_equal(records(), 0);
    assert_true(swept_to_the_end());
    /* The answer goes out before. */
    set(1, "{\"n\":1}");
    assert_int_equal(records(), 1);
}

/* Whoever waits behind a batch does not wait long for the sweep that follows a clear: it ends after 20
 * ms and after 8 commits. What is too much for that goes with later batches. */
static void sweep_after_a_clear_is_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9000; i++) {
        set(i, "{\"n\":1}");
    }
    uint64_t first = fake.commits;
    fake_send(&fake, "wasmkv.del", "");
    assert_in_range(fake.commits - first, 2, 9);
    for (unsigned i = 0; i < 9000; i++) {
        set(i, "{\"n\":1}");
    }
    fake.mono_step = 10;
    uint64_t commits = fake.commits;
    fake_send(&fake, "wasmkv.del", "");
    fake.mono_step = 0;
    assert_in_range(fake.commits - commits, 2, 5);
    assert_true(litter() > 6000);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get", ""), "\"items\":[],\"next\":null"));
    fake_tick(&fake);
    set(7, "{\"n\":7}");
    assert_int_equal(records(), 1);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get", ""), "k000007"));
}

/* A commit of nothing but sweeping moves m/ctr too, though no change is made: who lost the answer to a
 * commit that was not done sees by it that it never will be. */
static void sweep_alone_moves_the_clock(void **state)
{
    (void)state;
    struct dkv_env env = fake_env(&fake);
    struct dkv_config config;
    struct hr_arena arena;
    struct hr_diag diag;
    struct dkv_ctr before;
    struct dkv_ctr after;
    for (unsigned i = 0; i < 1000; i++) {
        set(i, "{\"n\":1}");
    }
    fake.mono_step = 1000;
    fake_send(&fake, "wasmkv.del", "");
    assert_int_equal(dkv_ctr_decode(fake_get(&fake, "m/ctr"), &before, &diag), HR_OK);
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    uint64_t commits = fake.commits;
    dkv_sweep_on(&env, &config);
    assert_int_equal(fake.commits, commits + 1);
    hr_arena_release(&arena);
    assert_int_equal(dkv_ctr_decode(fake_get(&fake, "m/ctr"), &after, &diag), HR_OK);
    assert_true(after.hlc > before.hlc);
    assert_int_equal(after.seq, before.seq);
}

/* A clear while a pass is under way begins anew, and nothing of it is left behind. */
static void sweep_begins_anew_at_a_clear(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        set(i, "{\"n\":1}");
    }
    for (unsigned i = 200; i < 230; i++) {
        del(i);
    }
    fake.wall += 20000;
    set(299, "{\"n\":2}");
    assert_false(swept_to_the_end());
    fake_send(&fake, "wasmkv.del", "");
    assert_int_equal(records(), 0);
}

static void write_first(struct fake *other)
{
    struct dkv_env env = fake_env(other);
    struct dkv_handled ignored;
    const struct dkv_message message = {HR_STR("wasmkv.set.k000001"), HR_STR("{\"back\":1}"), {0}};
    dkv_batch_handle(&env, &message, 1, &ignored);
}

/* A value that another call writes again between the sweep's reading and its commit stays. */
static void sweep_never_undoes_a_write(void **state)
{
    (void)state;
    for (uint64_t at = 1; at <= 14; at++) {
        set(1, "{\"n\":1}");
        set(2, "{\"n\":1}");
        del(1);
        fake.wall += 20000;
        fake.intruder = write_first;
        fake.fault = FAKE_INTRUDER;
        fake.fault_at = fake.calls + at;
        set(2, "{\"n\":2}");
        fake.fault_at = 0;
        if (fake.calls > at) {
            assert_non_null(strstr(fake_send(&fake, "wasmkv.get.k000001", ""), "\"back\":1"));
        }
        assert_int_equal(check_failures(&fake, true), 0);
    }
}

static unsigned commits_seen;

static enum hr_err commit_with_the_index_gone(void *arg, const struct dkv_commit *commit,
                                              size_t *ret_conflict, struct hr_diag *diag)
{
    for (size_t i = 0; i < commit->check_count; i++) {
        if (hr_str_eq(commit->checks[i].key, HR_STR("r/k000001"))) {
            commits_seen++;
            *ret_conflict = i;
            return hr_diag_set(diag, HR_CONFLICT, "held");
        }
    }
    return fake_commit(arg, commit, ret_conflict, diag);
}

/* A sweep that is overtaken is left out when the write is done anew. */
static void sweep_that_is_overtaken_is_skipped(void **state)
{
    (void)state;
    set(1, "{\"n\":1}");
    set(2, "{\"n\":1}");
    del(1);
    fake.wall += 20000;
    struct dkv_env env = fake_env(&fake);
    struct dkv_handled handled;
    const struct dkv_message message = {HR_STR("wasmkv.set.k000002"), HR_STR("{\"n\":2}"),
                                        HR_STR("r0")};
    env.commit = commit_with_the_index_gone;
    fake_forget_replies(&fake);
    dkv_batch_handle(&env, &message, 1, &handled);
    assert_int_equal(commits_seen, 1);
    assert_non_null(strstr(fake.replies[0].body, "\"value\":{\"n\":2}"));
    assert_int_equal(records(), 2);
}

static enum hr_err scan_fails(void *arg, struct hr_str prefix, struct hr_str after, uint32_t limit,
                              struct hr_arena *arena, struct dkv_page *ret_page,
                              struct hr_diag *diag)
{
    return hr_str_eq(prefix, HR_STR("r/"))
               ? hr_diag_set(diag, HR_IO, "no")
               : fake_scan(arg, prefix, after, limit, arena, ret_page, diag);
}

/* A sweep that cannot read is logged and does not fail the write. */
static void sweep_that_fails_is_logged(void **state)
{
    (void)state;
    set(1, "{\"n\":1}");
    del(1);
    fake.wall += 20000;
    struct dkv_env env = fake_env(&fake);
    struct dkv_handled handled;
    const struct dkv_message message = {HR_STR("wasmkv.set.k000002"), HR_STR("{\"n\":2}"),
                                        HR_STR("r0")};
    env.scan = scan_fails;
    unsigned warnings = fake.warnings;
    fake_forget_replies(&fake);
    dkv_batch_handle(&env, &message, 1, &handled);
    assert_non_null(strstr(fake.replies[0].body, "\"value\":{\"n\":2}"));
    assert_int_equal(fake.warnings, warnings + 1);
    fake.wall += 20000;
    set(2, "{\"n\":3}");
    assert_int_equal(records(), 1);
}

/* A record that cannot be read is passed over; the rest is collected. */
static void sweep_passes_over_what_is_damaged(void **state)
{
    (void)state;
    struct hr_arena saved = {0};
    set(10, "{}");
    struct hr_str alone = hr_arena_copy(&saved, fake_get(&fake, "m/cfg"));
    fake.sites = "3"; /* nothing goes before the damage is done */
    fake_serve(&fake);
    for (unsigned i = 0; i < 10; i++) {
        set(i, "{\"n\":1}");
        del(i);
    }
    set(10, "{}");
    fake.sites = NULL;
    fake_put(&fake, DKV_KEY_CFG, alone);
    hr_arena_release(&saved);
    fake_find(&fake, HR_STR("r/k000003"))->value[20] ^= 1;
    for (unsigned i = 0; i < 3; i++) {
        fake.wall += 20000;
        set(10, "{}");
    }
    assert_null(fake_get(&fake, "r/k000004").ptr);
    assert_null(fake_get(&fake, "r/k000009").ptr);
    assert_non_null(fake_get(&fake, "r/k000003").ptr);
    assert_true(swept_to_the_end());
    assert_true(fake.warnings >= 1);
    fake_release(&fake);
    fake = fake_new(1);
}

/* The heaviest batches leave room for the sweep or go without it; a commit's limits hold, and lighter
 * ones go on. (The fake store ends the program at a commit that is too large.) */
static void sweep_keeps_to_the_limits_of_a_commit(void **state)
{
    (void)state;
    static char subjects[64][32];
    static char bodies[64][64];
    struct dkv_message messages[64];
    struct dkv_handled handled[64];
    struct dkv_env env = fake_env(&fake);
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < 64; i++) {
            snprintf(subjects[i], sizeof subjects[i], "wasmkv.%s.b%u-%u", round % 2 ? "del" : "set",
                     round - round % 2, i);
            snprintf(bodies[i], sizeof bodies[i], "{\"$request-id\":\"%u-%u\"}", round, i);
            messages[i] =
                (struct dkv_message){hr_str_c(subjects[i]), hr_str_c(bodies[i]), HR_STR("r")};
        }
        uint64_t commits = fake.commits;
        dkv_batch_handle(&env, messages, 64, handled);
        assert_int_equal(fake.commits, commits + 1 + (round == 0));
        fake.wall += 20000;
    }
    for (unsigned i = 0; i < 4; i++) {
        set(1, "{}");
        fake.wall += 20000;
    }
    assert_int_equal(records(), 1);
}

/* Deletions of everything count exactly without looking at the records. */
static void sweep_keeps_the_count(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        set(i, "{\"n\":1}");
    }
    for (unsigned i = 0; i < 20; i++) {
        del(i);
        del(i);
    }
    set(1, "{\"$if-absent\":true}");
    fake.wall += 20000;
    set(2, "{}");
    uint64_t scans = fake.scans;
    struct dkv_env env = fake_env(&fake);
    struct dkv_handled handled[3];
    const struct dkv_message batch[3] = {
        {HR_STR("wasmkv.set.x"), HR_STR("{}"), HR_STR("r0")},
        {HR_STR("wasmkv.set.x"), HR_STR("{\"$if-absent\":true}"), HR_STR("r1")},
        {HR_STR("wasmkv.del"), {0}, HR_STR("r2")}};
    fake_forget_replies(&fake);
    dkv_batch_handle(&env, batch, 3, handled);
    assert_non_null(strstr(fake.replies[2].body, "\"count\":33"));
    assert_in_range(fake.scans - scans, 1, 5); /* results, and the sweep that follows */
    /* A tally that is lost is made anew; then the records are counted. */
    set(1, "{}");
    set(2, "{}");
    fake_delete(&fake, HR_STR("m/tally"));
    set(3, "{}");
    assert_non_null(strstr(fake_send(&fake, "wasmkv.del", ""), "\"count\":3"));
    fake_find(&fake, HR_STR("m/tally"))->value[9] ^= 1;
    set(4, "{}");
    assert_true(fake.errors > 0);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.del", ""), "\"count\":1"));
    fake_release(&fake); /* a tally made anew does not know the feed's bytes */
    fake = fake_new(1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sweep_collects_tombstones),
        CASE(sweep_of_a_lone_site_ends_with_its_loneliness),
        CASE(sweep_collects_nothing_above_the_floor),
        CASE(sweep_of_a_group_collects_what_a_clear_covers),
        CASE(sweep_collects_removed_fields),
        CASE(sweep_costs_nothing_when_there_is_nothing_to_do),
        CASE(sweep_waits_until_it_is_worth_it),
        CASE(sweep_is_eager_after_a_clear),
        CASE(sweep_after_a_clear_is_bounded),
        CASE(sweep_alone_moves_the_clock),
        CASE(sweep_begins_anew_at_a_clear),
        CASE(sweep_never_undoes_a_write),
        CASE(sweep_that_is_overtaken_is_skipped),
        CASE(sweep_that_fails_is_logged),
        CASE(sweep_passes_over_what_is_damaged),
        CASE(sweep_keeps_to_the_limits_of_a_commit),
        CASE(sweep_keeps_the_count),
    };
    return cmocka_run_group_tests_name("dkv_sweep", tests, NULL, NULL);
}
