/* links: sim_world core_kv yyjson */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "sim/store.h"

struct told {
    unsigned commits;
    unsigned lost;
    unsigned forged;
};

static void watch(void *arg, enum sim_change why, struct hr_str key, const struct sim_item *now)
{
    struct told *told = arg;
    (void)now;
    assert_true(key.len > 0);
    told->commits += why == SIM_CHANGE_COMMIT;
    told->lost += why == SIM_CHANGE_LOST;
    told->forged += why == SIM_CHANGE_FORGED;
}

static void put(struct sim_store *store, const char *key, const char *value, sim_us now)
{
    const struct dkv_pair pair = {hr_str_c(key), hr_str_c(value)};
    const struct dkv_commit commit = {.puts = &pair, .put_count = 1};
    size_t conflict;
    assert_int_equal(sim_store_commit(store, &commit, now, &conflict), HR_OK);
}

static bool has(const struct sim_store *store, const char *key, const char *value)
{
    const struct sim_item *item = sim_store_get(store, hr_str_c(key));
    return item && hr_str_eq(sim_item_value(item), hr_str_c(value));
}

/* A commit whose check does not hold changes nothing and names the check. */
static void commit_is_all_or_nothing(void **state)
{
    (void)state;
    struct sim_store store;
    struct told told = {0};
    sim_store_init(&store, false, watch, &told);
    put(&store, "b", "1", 1);
    const struct dkv_check checks[2] = {{HR_STR("b"), {HR_STR("1"), true}},
                                        {HR_STR("b"), {{0}, false}}};
    const struct dkv_pair pair = {HR_STR("a"), HR_STR("2")};
    const struct hr_str gone = HR_STR("b");
    struct dkv_commit commit = {checks, 2, &pair, 1, &gone, 1};
    size_t conflict = 9;
    assert_int_equal(sim_store_commit(&store, &commit, 2, &conflict), HR_CONFLICT);
    assert_int_equal(conflict, 1);
    assert_true(has(&store, "b", "1"));
    assert_null(sim_store_get(&store, HR_STR("a")));
    commit.check_count = 1;
    assert_int_equal(sim_store_commit(&store, &commit, 2, &conflict), HR_OK);
    assert_true(has(&store, "a", "2"));
    assert_null(sim_store_get(&store, HR_STR("b")));
    assert_int_equal(told.commits, 3);
    assert_int_equal(store.bytes, 2);
    sim_store_release(&store);
}

/* Keys stand in the bytewise order, whatever the order in which they came. */
static void keys_stand_in_order(void **state)
{
    (void)state;
    struct sim_store store;
    sim_store_init(&store, false, NULL, NULL);
    const char *const keys[] = {"m", "a", "z", "ab", "b", "aa"};
    for (size_t i = 0; i < 6; i++) {
        put(&store, keys[i], "x", i);
    }
    for (size_t i = 1; i < store.count; i++) {
        assert_true(hr_str_cmp(sim_item_key(store.items[i - 1]), sim_item_key(store.items[i])) < 0);
    }
    assert_int_equal(sim_store_at(&store, HR_STR("ab")), 2);
    assert_int_equal(sim_store_at(&store, HR_STR("ac")), 3);
    sim_store_release(&store);
}

/* A lazy store that dies loses what was done since it was synced, in the right order, and nothing before. */
static void crash_of_a_lazy_store_loses_its_tail(void **state)
{
    (void)state;
    struct sim_store store;
    struct told told = {0};
    sim_store_init(&store, true, watch, &told);
    put(&store, "a", "1", 10);
    put(&store, "b", "1", 20);
    sim_store_sync(&store, 20);
    put(&store, "a", "2", 30);
    put(&store, "a", "3", 40);
    put(&store, "c", "1", 50);
    const struct hr_str gone = HR_STR("b");
    const struct dkv_commit removal = {.deletes = &gone, .delete_count = 1};
    size_t conflict;
    assert_int_equal(sim_store_commit(&store, &removal, 60, &conflict), HR_OK);
    assert_int_equal(sim_store_crash(&store), 4);
    assert_true(has(&store, "a", "1"));
    assert_true(has(&store, "b", "1"));
    assert_null(sim_store_get(&store, HR_STR("c")));
    assert_int_equal(told.lost, 4);
    assert_int_equal(store.bytes, 4);
    assert_int_equal(sim_store_crash(&store), 0);
    sim_store_release(&store);
}

/* One that syncs each commit loses nothing. */
static void crash_of_a_synced_store_loses_nothing(void **state)
{
    (void)state;
    struct sim_store store;
    sim_store_init(&store, false, NULL, NULL);
    put(&store, "a", "1", 10);
    assert_int_equal(sim_store_crash(&store), 0);
    assert_true(has(&store, "a", "1"));
    sim_store_release(&store);
}

/* A restored store is what was saved, whatever came after. */
static void restored_store_is_what_was_saved(void **state)
{
    (void)state;
    struct sim_store store;
    struct sim_backup backup;
    struct told told = {0};
    sim_store_init(&store, true, watch, &told);
    put(&store, "a", "1", 10);
    put(&store, "b", "1", 10);
    sim_store_save(&store, &backup);
    put(&store, "a", "2", 20);
    put(&store, "c", "1", 20);
    sim_store_forge(&store, HR_STR("b"), HR_STR("?"));
    assert_int_equal(told.forged, 1);
    sim_store_restore(&store, &backup);
    assert_int_equal(store.count, 2);
    assert_true(has(&store, "a", "1"));
    assert_true(has(&store, "b", "1"));
    assert_int_equal(sim_store_crash(&store), 0);
    sim_store_clear(&store);
    assert_int_equal(store.count, 0);
    assert_int_equal(store.bytes, 0);
    sim_store_release(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commit_is_all_or_nothing),
        cmocka_unit_test(keys_stand_in_order),
        cmocka_unit_test(crash_of_a_lazy_store_loses_its_tail),
        cmocka_unit_test(crash_of_a_synced_store_loses_nothing),
        cmocka_unit_test(restored_store_is_what_was_saved),
    };
    return cmocka_run_group_tests_name("sim_store", tests, NULL, NULL);
}
