/* What every store must do when several loops use it at once, when memory is out, and over many
 * random operations. Included after kv_suite.h. */
#ifndef KV_SUITE_THREADS_H
#define KV_SUITE_THREADS_H

#include "tests/unit/kv_suite.h"

#define LOOPS 4
#define WANTED 250 /* increments each */

/* One loop on one thread that adds to a shared counter by reading it and committing under a check. */
struct adder {
    struct hr_kv *kv;
    struct hr_loop loop;
    struct hr_kv_port *port;
    pthread_t thread;
    struct hr_task start;
    size_t done;
    size_t conflicts;
    size_t mixed; /* scans that saw half of a commit */
    bool by_increment;
    enum hr_err failed;
};

static void adder_step(struct adder *adder);

static void adder_end(struct adder *adder)
{
    hr_kv_port_close(adder->port, rig_stop, &adder->loop);
}

static void adder_after(struct adder *adder, enum hr_err err)
{
    if (err == HR_CONFLICT) {
        adder->conflicts++;
    } else if (err) {
        adder->failed = err;
        adder_end(adder);
        return;
    } else if (++adder->done == WANTED) {
        adder_end(adder);
        return;
    }
    adder_step(adder);
}

static void adder_committed(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    (void)conflict;
    (void)detail;
    adder_after(arg, err);
}

static void adder_incremented(void *arg, enum hr_err err, uint64_t value)
{
    (void)value;
    adder_after(arg, err);
}

/* The two counters are always written together: a view in which they differ is no view. */
static void adder_scanned(void *arg, enum hr_err err, const struct hr_kv_page *page)
{
    struct adder *adder = arg;
    if (err) {
        adder_after(adder, err);
        return;
    }
    uint64_t number = 0;
    struct hr_str old = {0};
    if (page->count == 2) {
        old = page->entries[0].value;
        adder->mixed += !hr_str_eq(old, page->entries[1].value);
        if (!hr_str_to_u64(old, &number)) {
            adder_after(adder, HR_CORRUPT);
            return;
        }
    } else {
        adder->mixed += page->count != 0;
    }
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number + 1);
    struct hr_kv_check check = {.key = HR_STR("pair/a"), .value = old, .absent = page->count == 0};
    struct hr_kv_entry puts[] = {{HR_STR("pair/a"), hr_str_c(text)},
                                 {HR_STR("pair/b"), hr_str_c(text)}};
    struct hr_kv_commit commit = {
        .bucket = BUCKET, .checks = &check, .check_count = 1, .puts = puts, .put_count = 2};
    err = hr_kv_commit(adder->port, &commit, adder_committed, adder);
    if (err) {
        adder_after(adder, err);
    }
}

struct adder_read {
    struct hr_arena arena;
    struct adder *adder;
};

static void adder_read(void *arg, enum hr_err err, const struct hr_kv_page *page)
{
    struct adder_read *read = arg;
    adder_scanned(read->adder, err, page);
    hr_arena_release(&read->arena);
    free(read);
}

static void adder_step(struct adder *adder)
{
    enum hr_err err;
    if (adder->by_increment) {
        err = hr_kv_increment(adder->port, BUCKET, HR_STR("sum"), 1, adder_incremented, adder);
    } else {
        struct adder_read *read = calloc(1, sizeof *read);
        hr_arena_init(&read->arena, 0);
        read->adder = adder;
        struct hr_kv_scan scan = {.bucket = BUCKET, .prefix = HR_STR("pair/"), .limit = 3};
        err = hr_kv_scan(adder->port, &scan, &read->arena, adder_read, read);
        if (err) {
            free(read);
        }
    }
    if (err) {
        adder->failed = err;
        adder_end(adder);
    }
}

static void adder_start(void *arg)
{
    struct adder *adder = arg;
    struct hr_diag diag;
    adder->failed = hr_kv_port_open(adder->kv, &adder->loop, &adder->port, &diag);
    if (adder->failed) {
        hr_loop_stop(&adder->loop);
        return;
    }
    adder_step(adder);
}

static void *adder_main(void *arg)
{
    struct adder *adder = arg;
    hr_loop_run(&adder->loop);
    return NULL;
}

/* Runs the adders to their end and returns how many conflicts they had. */
static size_t run_adders(struct hr_kv *kv, bool by_increment)
{
    static struct adder adders[LOOPS];
    struct hr_diag diag;
    for (size_t i = 0; i < LOOPS; i++) {
        struct adder *adder = &adders[i];
        *adder = (struct adder){.kv = kv, .by_increment = by_increment};
        assert_err(hr_loop_init(&adder->loop, &diag), HR_OK);
        hr_task_init(&adder->start, adder_start, adder);
        hr_loop_post(&adder->loop, &adder->start);
    }
    for (size_t i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&adders[i].thread, NULL, adder_main, &adders[i]), 0);
    }
    size_t conflicts = 0;
    for (size_t i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_join(adders[i].thread, NULL), 0);
        hr_loop_release(&adders[i].loop);
        assert_err(adders[i].failed, HR_OK);
        assert_int_equal(adders[i].done, WANTED);
        assert_int_equal(adders[i].mixed, 0);
        conflicts += adders[i].conflicts;
    }
    return conflicts;
}

/* Four loops on four threads add to one counter by read, check and commit: no addition is lost, and
 * no scan sees half of a commit. */
static void kv_loops_lose_no_update(void **state)
{
    struct rig *rig = suite_rig(state);
    char want[24];
    snprintf(want, sizeof want, "%d", LOOPS * WANTED);
    size_t conflicts = run_adders(rig->kv, false);
    print_message("%d commits, %zu conflicts\n", LOOPS * WANTED, conflicts);
    assert_true(conflicts > 0); /* else they did not run at once, and nothing was shown */
    assert_holds(rig, "pair/a", want);
    assert_holds(rig, "pair/b", want);
}

/* The same by increments, which never conflict. */
static void kv_loops_increment_without_conflict(void **state)
{
    struct rig *rig = suite_rig(state);
    assert_int_equal(run_adders(rig->kv, true), 0);
    char want[24];
    snprintf(want, sizeof want, "%d", LOOPS * WANTED);
    assert_holds(rig, "sum", want);
}

/* Every step of a store's life with every allocation of it failing in turn: each step says
 * HR_NO_MEMORY or works, a commit that failed changed nothing, and nothing is left behind. */
static enum hr_err life(const char *url)
{
    struct rig rig;
    struct hr_diag diag;
    rig = (struct rig){0};
    enum hr_err err = hr_kv_open(hr_str_c(url), HR_KV_SYNC, &rig.kv, &diag);
    if (err) {
        return err;
    }
    assert_err(hr_loop_init(&rig.loop, &diag), HR_OK);
    hr_arena_init(&rig.arena, 0);
    err = hr_kv_port_open(rig.kv, &rig.loop, &rig.port, &diag);
    if (!err) {
        err = rig_put(&rig, "k", "v");
        struct hr_kv_scan scan = {.bucket = BUCKET, .limit = 10};
        enum hr_err steps[4] = {0};
        steps[0] = rig_get(&rig, "k").err;
        if (steps[0] == HR_NOT_FOUND) { /* also right: the put was refused */
            assert_err(err, HR_NO_MEMORY);
            steps[0] = HR_OK;
        }
        steps[1] = rig_scan(&rig, &scan).err;
        steps[2] = rig_increment(&rig, "n", 1).err;
        steps[3] = rig_delete(&rig, "n");
        for (size_t i = 0; i < 4; i++) {
            assert_true(steps[i] == HR_OK || steps[i] == HR_NO_MEMORY);
            err = err ? err : steps[i];
        }
    }
    rig_close(&rig);
    return err;
}

static void kv_survives_failing_allocations(void **state)
{
    (void)state;
    char url[SUITE_URL_MAX];
    suite_fresh_url(url, sizeof url);
    int64_t live = hr_alloc_live();
    int64_t countdown = 0;
    int good = 0; /* in a row: a store may get over an allocation that failed */
    do {
        hr_alloc_fail_after(countdown);
        enum hr_err err = life(url);
        hr_alloc_fail_after(-1);
        assert_true(err == HR_OK || err == HR_NO_MEMORY);
        assert_int_equal(hr_alloc_live(), live);
        good = err ? 0 : good + 1;
        countdown++;
    } while (good < 20 && countdown < 1000);
    assert_int_equal(good, 20);
    assert_true(countdown > 8); /* store, port, and one for each step at least */
    suite_drop(url);
}

/* The model: a plain sorted array. */
#define MODEL_MAX 64
struct model {
    struct hr_kv_entry entries[MODEL_MAX];
    char keys[MODEL_MAX][4];
    char values[MODEL_MAX][12];
    bool there[MODEL_MAX];
};

/* The key of index @i: short strings over a few bytes, in ascending order of i. */
static struct hr_str model_key(size_t i, char *to)
{
    static const char alphabet[] = {'\0', 'a', 'b', '\xff'};
    to[0] = alphabet[i / 16];
    to[1] = alphabet[i / 4 % 4];
    to[2] = alphabet[i % 4];
    return hr_str_of(to, 3);
}

static void model_commit(struct rig *rig, struct model *model, struct dice *dice)
{
    char keys[6][4];
    char values[6][12];
    struct hr_kv_check checks[2];
    struct hr_kv_entry puts[2];
    struct hr_str deletes[2];
    size_t indexes[6];
    for (size_t i = 0; i < 6; i++) {
        indexes[i] = dice_roll(dice, MODEL_MAX);
        model_key(indexes[i], keys[i]);
        snprintf(values[i], sizeof values[i], "%u", (unsigned)dice_roll(dice, 3));
    }
    size_t conflict = SIZE_MAX;
    for (size_t i = 0; i < 2; i++) {
        checks[i] = (struct hr_kv_check){.key = hr_str_of(keys[i], 3),
                                         .value = hr_str_c(values[i]),
                                         .absent = dice_roll(dice, 2) == 0};
        bool there = model->there[indexes[i]];
        bool holds =
            checks[i].absent ? !there : there && strcmp(model->values[indexes[i]], values[i]) == 0;
        conflict = !holds && conflict == SIZE_MAX ? i : conflict;
        puts[i] = (struct hr_kv_entry){hr_str_of(keys[2 + i], 3), hr_str_c(values[2 + i])};
        deletes[i] = hr_str_of(keys[4 + i], 3);
    }
    struct hr_kv_commit commit = {BUCKET, checks, 2, puts, 2, deletes, dice_roll(dice, 3)};
    if (dice_roll(dice, 2) == 0) {
        commit.check_count = 0;
        conflict = SIZE_MAX;
    }
    struct answer answer = rig_commit(rig, &commit);
    assert_err(answer.err, conflict == SIZE_MAX ? HR_OK : HR_CONFLICT);
    if (answer.err) {
        assert_int_equal(answer.conflict, conflict);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        model->there[indexes[2 + i]] = true;
        memcpy(model->values[indexes[2 + i]], values[2 + i], sizeof values[0]);
    }
    for (size_t i = 0; i < commit.delete_count; i++) {
        model->there[indexes[4 + i]] = false;
    }
}

static void model_scan(struct rig *rig, const struct model *model, struct dice *dice)
{
    char prefix[4];
    char after[4];
    char key[4];
    struct hr_kv_scan scan = {.bucket = BUCKET, .limit = 1 + (uint32_t)dice_roll(dice, 20)};
    scan.prefix = model_key(dice_roll(dice, MODEL_MAX), prefix);
    scan.prefix.len = dice_roll(dice, 3);
    scan.after = model_key(dice_roll(dice, MODEL_MAX), after);
    scan.after.len = dice_roll(dice, 4);
    struct answer answer = rig_scan(rig, &scan);
    assert_err(answer.err, HR_OK);
    size_t count = 0;
    bool more = false;
    for (size_t i = 0; i < MODEL_MAX; i++) {
        struct hr_str name = model_key(i, key);
        if (!model->there[i] || !hr_str_starts(name, scan.prefix) ||
            (scan.after.len > 0 && hr_str_cmp(name, scan.after) <= 0)) {
            continue;
        }
        if (count == scan.limit) {
            more = true;
            break;
        }
        assert_true(count < answer.page.count);
        assert_str(answer.page.entries[count].key, name);
        assert_str(answer.page.entries[count].value, hr_str_c(model->values[i]));
        count++;
    }
    assert_int_equal(answer.page.count, count);
    assert_int_equal(answer.page.more, more);
}

/* Over random commits with checks, the store says and holds what a plain array says and holds. */
static void kv_agrees_with_a_model(void **state)
{
    struct rig *rig = suite_rig(state);
    struct dice dice = dice_from("kv_agrees_with_a_model");
    static struct model model;
    model = (struct model){0};
    for (int i = 0; i < 1000; i++) {
        model_commit(rig, &model, &dice);
        model_scan(rig, &model, &dice);
    }
}

#define KV_CASE(name) cmocka_unit_test_setup_teardown(name, suite_setup, suite_teardown)
/* The suite's cases, for an array of struct CMUnitTest. */
#define KV_SUITE                                                                             \
    KV_CASE(kv_get_returns_what_was_committed), KV_CASE(kv_values_are_any_bytes),            \
        KV_CASE(kv_get_now_agrees_with_get), KV_CASE(kv_commit_applies_puts_then_deletes),   \
        KV_CASE(kv_commit_may_be_empty_or_only_check),                                       \
        KV_CASE(kv_commit_tells_the_first_check_that_fails),                                 \
        KV_CASE(kv_commits_of_one_port_take_effect_in_order),                                \
        KV_CASE(kv_conflict_within_a_group_skips_just_that_commit),                          \
        KV_CASE(kv_scan_is_ordered_bytewise), KV_CASE(kv_scan_agrees_with_a_plain_loop),     \
        KV_CASE(kv_scan_keeps_to_its_prefix), KV_CASE(kv_scan_pages_see_every_key_once),     \
        KV_CASE(kv_scan_page_is_bounded_in_bytes), KV_CASE(kv_buckets_do_not_leak),          \
        KV_CASE(kv_increment_counts), KV_CASE(kv_limits_are_kept),                           \
        KV_CASE(kv_commit_limits_are_kept), KV_CASE(kv_full_queue_refuses),                  \
        KV_CASE(kv_queue_is_bounded_in_bytes), KV_CASE(kv_callbacks_come_later_on_the_loop), \
        KV_CASE(kv_close_answers_what_is_pending), KV_CASE(kv_close_from_a_callback),        \
        KV_CASE(kv_ports_are_bounded), KV_CASE(kv_commits_survive_closing),                  \
        KV_CASE(kv_stats_count), KV_CASE(kv_loops_lose_no_update),                           \
        KV_CASE(kv_loops_increment_without_conflict),                                        \
        cmocka_unit_test(kv_survives_failing_allocations), KV_CASE(kv_agrees_with_a_model)

#endif
