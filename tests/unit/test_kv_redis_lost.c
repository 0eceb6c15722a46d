/* links: hr_kv */
/* What a store knows of the commits that its server has lost. Each case has a server of its own, which keeps nothing but its
 * snapshots: what it loses is what came after the last one. */
#include "tests/unit/redis_rig.h"

#define BUCKET HR_STR("bucket")
#define MANY 3000u

#define WAITS "answer-ms=20000&reconnect-ms=20000"

static int setup(void **state)
{
    const char *const args[] = {"--appendonly", "no", NULL};
    return place_open(state, args, WAITS, HR_KV_LAZY);
}

static void save(struct place *place)
{
    server_tell(&place->server, "SAVE");
}

/* The server dies and comes back, and the port has found that out. */
static void lose(struct place *place)
{
    uint64_t before = atomic_load(&place->rig.kv->losses);
    server_end(&place->server, SIGKILL);
    server_restart(&place->server);
    uint64_t until_ns = hr_now_ns() + SERVER_WAIT_NS;
    while (rig_get(&place->rig, "nothing").err != HR_NOT_FOUND) {
        breathe(until_ns, "the store to work again");
    }
    assert_int_equal(atomic_load(&place->rig.kv->losses), before + 1);
}

static struct hr_kv_lost_page lost_after(struct rig *rig, struct hr_str bucket, uint64_t after)
{
    struct hr_kv_lost_page page = {0};
    assert_err(hr_kv_lost(rig->kv, bucket, after, &rig->arena, &page), HR_OK);
    return page;
}

static struct hr_kv_lost_page lost(struct place *place)
{
    return lost_after(&place->rig, BUCKET, 0);
}

static void assert_one_key(const struct hr_kv_lost *commit, const char *key)
{
    assert_int_equal(commit->key_count, 1);
    assert_str(commit->keys[0], hr_str_c(key));
}

/* Commits after the snapshot are lost, and handed out with the keys that they put, one by one, bucket by bucket, until each
 * is forgotten. Those before it are not. */
static void lost_commits_are_named(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "kept", "1"), HR_OK);
    save(place);
    const struct hr_kv_entry puts[] = {{HR_STR("kept"), HR_STR("2")},
                                       {HR_STR("b\xff\r\n$1"), HR_STR("\r\n")},
                                       {HR_STR("a"), HR_STR("")}};
    const struct hr_kv_check check = {.key = HR_STR("kept"), .value = HR_STR("1")};
    const struct hr_str deleted = HR_STR("deleted");
    const struct hr_kv_commit commit = {.bucket = BUCKET,
                                        .checks = &check,
                                        .check_count = 1,
                                        .puts = puts,
                                        .put_count = 3,
                                        .deletes = &deleted,
                                        .delete_count = 1};
    assert_err(rig_commit(rig, &commit).err, HR_OK);
    assert_err(rig_commit(rig, &commit).err, HR_CONFLICT); /* it does nothing, and is not lost */
    assert_err(rig_put_str(rig, HR_STR("an other"), HR_STR("c"), HR_STR("3")), HR_OK);
    assert_err(rig_put(rig, "d", "4"), HR_OK);
    assert_int_equal(lost(place).count, 0);
    lose(place);
    struct hr_kv_lost_page page = lost(place);
    assert_int_equal(page.count, 2);
    assert_false(page.more);
    assert_int_equal(page.commits[0].key_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_str(page.commits[0].keys[i], puts[i].key);
    }
    assert_one_key(&page.commits[1], "d");
    assert_true(page.commits[0].id < page.commits[1].id);
    assert_one_key(lost_after(rig, HR_STR("an other"), 0).commits, "c");
    assert_int_equal(lost_after(rig, HR_STR("others"), 0).count, 0);
    assert_one_key(lost_after(rig, BUCKET, page.commits[0].id).commits, "d");

    hr_kv_lost_forget(rig->kv, HR_STR("an other"), page.commits[0].id); /* not there */
    hr_kv_lost_forget(rig->kv, BUCKET, page.commits[0].id);
    hr_kv_lost_forget(rig->kv, BUCKET, page.commits[0].id);
    assert_int_equal(lost(place).count, 1);
    assert_one_key(&lost(place).commits[0], "d");
}

/* What was deleted or written again after a commit is not missed; what is there is not missed either. */
static void lost_is_only_what_ought_to_be_there(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "deleted", "1"), HR_OK);
    assert_err(rig_delete(rig, "deleted"), HR_OK);
    assert_err(rig_put(rig, "there", "1"), HR_OK);
    save(place);
    assert_err(rig_put(rig, "there", "2"), HR_OK); /* lost, and nothing shows it */
    assert_err(rig_put(rig, "gone", "1"), HR_OK);
    assert_err(rig_delete(rig, "gone"), HR_OK);
    assert_err(rig_put(rig, "again", "1"), HR_OK);
    assert_err(rig_put(rig, "again", "2"), HR_OK);
    lose(place);
    assert_holds(rig, "there", "1");
    struct hr_kv_lost_page page = lost(place);
    assert_int_equal(page.count, 1);
    assert_one_key(&page.commits[0], "again");
}

/* A second death adds to what the first one left, and asks after nothing that was asked after before. */
static void lost_twice_is_told_of_both(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    save(place);
    assert_err(rig_put(rig, "first", "1"), HR_OK);
    lose(place);
    assert_err(rig_put(rig, "first", "2"), HR_OK);
    save(place);
    assert_err(rig_put(rig, "second", "1"), HR_OK);
    lose(place);
    struct hr_kv_lost_page page = lost(place);
    assert_int_equal(page.count, 2);
    assert_one_key(&page.commits[0], "first");
    assert_one_key(&page.commits[1], "second");
}

/* A deletion of which nobody knows whether it was done takes what it deleted with it. */
static void lost_is_not_what_may_have_been_deleted(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    char url[256];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u/0?answer-ms=300&reconnect-ms=20000",
             place->server.port);
    rig_close(rig);
    rig_open_as(rig, url, HR_KV_LAZY);
    save(place);
    assert_err(rig_put(rig, "a", "1"), HR_OK);
    assert_err(rig_put(rig, "b", "1"), HR_OK);
    server_freeze(&place->server);
    assert_err(rig_delete(rig, "a"), HR_UNKNOWN_OUTCOME);
    lose(place);
    assert_absent(rig, "a");
    struct hr_kv_lost_page page = lost(place);
    assert_int_equal(page.count, 1);
    assert_one_key(&page.commits[0], "b");
}

static void on_moment(void *arg)
{
    hr_loop_stop(arg);
}

/* A port that hears of its commit only after another one has asked what is lost asks itself; until then nobody says that he
 * knows. */
static void lost_by_a_port_that_hears_late(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    struct rig late = {.kv = rig->kv};
    struct hr_diag diag;
    struct hr_kv_lost_page page;
    assert_err(hr_loop_init(&late.loop, &diag), HR_OK);
    assert_err(hr_kv_port_open(late.kv, &late.loop, &late.port, &diag), HR_OK);
    hr_arena_init(&late.arena, 0);
    assert_err(rig_put(&late, "early", "1"), HR_OK);
    save(place);
    assert_err(rig_put(rig, "own", "1"), HR_OK);

    struct answer answer = {.rig = &late};
    struct hr_kv_entry put = {HR_STR("late"), HR_STR("1")};
    const struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
    struct hr_timer moment;
    server_freeze(&place->server);
    assert_err(hr_kv_commit(late.port, &commit, on_commit, &answer), HR_OK);
    hr_timer_init(&moment, on_moment, &late.loop);
    hr_loop_timer_start(&late.loop, &moment, 20);
    hr_loop_run(&late.loop); /* it is sent */
    server_thaw(&place->server);
    uint64_t until_ns = hr_now_ns() + SERVER_WAIT_NS;
    while (rig_get(rig, "late").err) {
        breathe(until_ns, "the server to do it");
    }
    assert_holds(rig, "late", "1"); /* what it answered a round before is written */
    lose(place);
    assert_int_equal(lost(place).count, 1);
    assert_one_key(&lost(place).commits[0], "own");
    assert_int_equal(answer.calls, 0);
    hr_loop_run(&late.loop);
    assert_int_equal(answer.calls, 1);
    assert_err(answer.err, HR_OK);
    assert_err(hr_kv_lost(rig->kv, BUCKET, 0, &rig->arena, &page), HR_AGAIN);
    assert_holds(&late, "early", "1");
    page = lost(place);
    assert_int_equal(page.count, 2);
    assert_one_key(&page.commits[0], "own");
    assert_one_key(&page.commits[1], "late");
    rig_close_port(&late);
    hr_loop_release(&late.loop);
    hr_arena_release(&late.arena);
}

/* Whatever the number of commits. */
static void lost_are_many(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    char key[16];
    save(place);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "k%u", i);
        assert_err(rig_put(rig, key, "v"), HR_OK);
    }
    lose(place);
    unsigned count = 0;
    uint64_t after = 0;
    for (bool more = true; more;) {
        struct hr_kv_lost_page page = lost_after(rig, BUCKET, after);
        more = page.more;
        assert_true(page.count > 0);
        for (size_t i = 0; i < page.count; i++) {
            snprintf(key, sizeof key, "k%u", count++);
            assert_one_key(&page.commits[i], key);
        }
        after = page.commits[page.count - 1].id;
    }
    assert_int_equal(count, MANY);
    struct hr_kv_stats stats;
    hr_kv_stats(rig->kv, &stats);
    assert_int_equal(stats.unremembered, 0);
}

/* Commits of which there is no room to remember the keys are counted, and so are those before them. */
static void lost_is_forgotten_where_there_is_no_room(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    enum { KEYS = 12000, KEY_BYTES = 400 };
    struct hr_kv_entry *puts = calloc(KEYS, sizeof *puts);
    char *names = malloc((size_t)KEYS * KEY_BYTES);
    save(place);
    assert_err(rig_put(rig, "small", "v"), HR_OK);
    for (char round = 'a'; round <= 'b'; round++) {
        for (int i = 0; i < KEYS; i++) {
            char *name = names + (ptrdiff_t)i * KEY_BYTES;
            memset(name, round, KEY_BYTES);
            snprintf(name, 8, "%07d", i);
            puts[i].key = hr_str_of(name, KEY_BYTES);
        }
        const struct hr_kv_commit commit = {.bucket = BUCKET, .puts = puts, .put_count = KEYS};
        assert_err(rig_commit(rig, &commit).err, HR_OK);
    }
    lose(place);
    struct hr_kv_stats stats;
    hr_kv_stats(rig->kv, &stats);
    assert_int_equal(stats.unremembered, 2); /* the small one, and the first large one */
    assert_int_equal(lost(place).count, 1);
    assert_int_equal(lost(place).commits[0].key_count, KEYS);
    free(puts);
    free(names);
}

static int sync_setup(void **state)
{
    const char *const args[] = {SERVER_SYNC, NULL};
    return place_open(state, args, WAITS, HR_KV_SYNC);
}

/* A server that syncs every write loses nothing, and nothing is remembered of it. */
static void lost_is_nothing_of_a_server_that_syncs(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    server_end(&place->server, SIGKILL);
    server_restart(&place->server);
    server_tell(&place->server, "FLUSHALL");
    uint64_t until_ns = hr_now_ns() + SERVER_WAIT_NS;
    while (rig_get(rig, "k").err != HR_NOT_FOUND) {
        breathe(until_ns, "the store to work again");
    }
    assert_int_equal(lost(place).count, 0);
}

/* Nor does an embedded store. */
static void lost_is_nothing_of_lmdb(void **state)
{
    (void)state;
    char folder[256];
    char url[300];
    struct rig rig;
    struct hr_kv_lost_page page = {.count = 1};
    folder_make(folder, sizeof folder);
    snprintf(url, sizeof url, "lmdb:%s/store", folder);
    rig_open_as(&rig, url, HR_KV_LAZY);
    assert_err(rig_put(&rig, "k", "v"), HR_OK);
    assert_err(hr_kv_lost(rig.kv, BUCKET, 0, &rig.arena, &page), HR_OK);
    assert_int_equal(page.count, 0);
    assert_err(hr_kv_lost(rig.kv, HR_STR(""), 0, &rig.arena, &page), HR_BAD_INPUT);
    hr_kv_lost_forget(rig.kv, BUCKET, 1);
    rig_close(&rig);
    folder_remove(folder);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, place_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lost_commits_are_named),
        CASE(lost_is_only_what_ought_to_be_there),
        CASE(lost_twice_is_told_of_both),
        CASE(lost_is_not_what_may_have_been_deleted),
        CASE(lost_by_a_port_that_hears_late),
        CASE(lost_are_many),
        CASE(lost_is_forgotten_where_there_is_no_room),
        cmocka_unit_test_setup_teardown(lost_is_nothing_of_a_server_that_syncs, sync_setup,
                                        place_close),
        cmocka_unit_test(lost_is_nothing_of_lmdb),
    };
    return cmocka_run_group_tests_name("kv_redis_lost", tests, NULL, NULL);
}
