/* links: hr_kv */
/* What becomes of operations when the server or the way to it fails. Each case has a server of its own. */
#include "tests/unit/redis_proxy.h"

#define BUCKET HR_STR("bucket")
#define URL_MAX 256
#define SECOND_NS 1000000000u

/* Fast enough to wait for, and far enough apart to be told from each other. */
#define WAITS "answer-ms=700&reconnect-ms=150"

/* Puts until it works; every refusal on the way says that nothing was changed. */
static void put_until_it_works(struct rig *rig, const char *key, const char *value)
{
    uint64_t until_ns = hr_now_ns() + SERVER_WAIT_NS;
    struct hr_kv_entry put = {hr_str_c(key), hr_str_c(value)};
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
    for (;;) {
        struct answer answer = rig_commit(rig, &commit);
        if (answer.err == HR_OK) {
            return;
        }
        if (answer.err != HR_UNKNOWN_OUTCOME) {
            assert_non_null(strstr(answer.detail, "nothing was changed"));
        }
        breathe(until_ns, "the store to work again");
    }
}

static int setup_with(void **state, const char *const *args, enum hr_kv_durability durability)
{
    int failed = place_open(state, args, WAITS, durability);
    struct place *place = *state;
    put_until_it_works(&place->rig, "first", "x"); /* on a slow machine the link takes its time */
    assert_err(rig_delete(&place->rig, "first"), HR_OK);
    return failed;
}

static int sync_setup(void **state)
{
    const char *const args[] = {SERVER_SYNC, NULL};
    return setup_with(state, args, HR_KV_SYNC);
}

static int lazy_setup(void **state)
{
    const char *const args[] = {SERVER_LAZY, NULL};
    return setup_with(state, args, HR_KV_LAZY);
}

static struct answer put_answer(struct rig *rig, const char *key, const char *value)
{
    struct hr_kv_entry put = {hr_str_c(key), hr_str_c(value)};
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
    return rig_commit(rig, &commit);
}

/* A server that dies loses nothing that was acknowledged; while it is away operations are refused soon,
 * and the refusal says that nothing was changed; when it is back the same port goes on. */
static void faults_killed_server_comes_back(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    char value[16];
    for (int i = 0; i < 50; i++) {
        snprintf(value, sizeof value, "%d", i);
        assert_err(rig_put(rig, "k", value), HR_OK);
    }
    for (int round = 0; round < 3; round++) {
        server_end(&place->server, SIGKILL);
        uint64_t from_ns = hr_now_ns();
        struct answer answer = put_answer(rig, "other", "x");
        assert_err(answer.err, HR_IO);
        assert_non_null(strstr(answer.detail, "no connection ("));
        assert_non_null(strstr(answer.detail, "nothing was changed"));
        assert_err(rig_get(rig, "k").err, HR_IO);
        assert_true(hr_now_ns() - from_ns < 2 * (uint64_t)SECOND_NS);
        server_restart(&place->server);
        put_until_it_works(rig, "again", "yes");
        assert_holds(rig, "k", "49");
        assert_absent(rig, "other");
        assert_int_equal(atomic_load(&rig->kv->losses), 0);
    }
}

/* When the link has been down for longer than the grace, an operation is refused at once. */
static void faults_lost_link_fails_fast(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    server_end(&place->server, SIGKILL);
    assert_err(rig_put(rig, "k", "v"), HR_IO); /* the grace passes */
    uint64_t from_ns = hr_now_ns();
    enum { COUNT = 100 };
    for (int i = 0; i < COUNT; i++) {
        assert_err(rig_put(rig, "k", "v"), HR_IO);
    }
    assert_true((hr_now_ns() - from_ns) / COUNT < 20000000u);
}

/* A server that does not answer: what was sent is of unknown outcome and says so, reads time out, then its
 * connection is given up, and what comes after that is refused as never sent. */
static void faults_frozen_server_times_out(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "k", "old"), HR_OK);
    server_freeze(&place->server);
    uint64_t from_ns = hr_now_ns();
    struct answer answer = put_answer(rig, "k", "new");
    uint64_t took_ns = hr_now_ns() - from_ns;
    assert_err(answer.err, HR_UNKNOWN_OUTCOME);
    assert_non_null(strstr(answer.detail, "no answer within 700 ms"));
    assert_non_null(strstr(answer.detail, "may be done"));
    assert_true(took_ns >= 690000000u && took_ns < 3 * (uint64_t)SECOND_NS);
    assert_err(put_answer(rig, "k", "newer").err, HR_IO);
    assert_err(rig_get(rig, "k").err, HR_IO);
    server_thaw(&place->server);
    put_until_it_works(rig, "again", "yes");
    struct answer now = rig_get(rig, "k");
    assert_true(hr_str_eq(now.value, HR_STR("new")) || hr_str_eq(now.value, HR_STR("old")));
}

/* Reads that were sent to a server that stops are answered in time as well. */
static void faults_frozen_server_times_out_reads(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    server_freeze(&place->server);
    enum hr_err err = rig_get(rig, "k").err;
    assert_true(err == HR_TIMEOUT || err == HR_IO);
    server_thaw(&place->server);
    put_until_it_works(rig, "again", "yes");
    assert_holds(rig, "k", "v");
}

/* Commits of a connection that was given up are never done after those of the connection after it: the
 * new one makes an end of the old one first. */
static void faults_frozen_commits_do_not_come_late(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    for (int round = 0; round < 5; round++) {
        assert_err(rig_put(rig, "k", "old"), HR_OK);
        server_freeze(&place->server);
        assert_err(put_answer(rig, "k", "late").err, HR_UNKNOWN_OUTCOME);
        server_thaw(&place->server);
        put_until_it_works(rig, "k", "newest");
        for (int i = 0; i < 20; i++) {
            assert_holds(rig, "k", "newest");
        }
    }
}

/* A connection that is cut after the server has done the commit, before its answer is here: the outcome
 * is unknown, the commit is done, and it is not done twice. */
static void faults_cut_before_the_reply_is_unknown(void **state)
{
    struct place *place = *state;
    struct proxy proxy;
    proxy_start(&proxy, &place->server);
    char url[URL_MAX];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u/0?answer-ms=20000&reconnect-ms=20000",
             proxy.port);
    struct rig rig;
    rig_open(&rig, url);
    assert_int_equal(rig_increment(&rig, "n", 1).number, 1);
    for (uint64_t i = 0; i < 10; i++) {
        char number[8];
        snprintf(number, sizeof number, "%d", (int)i);
        atomic_store(&proxy.mode, PROXY_CUT_AT_REPLY);
        struct answer answer = put_answer(&rig, "k", number);
        assert_err(answer.err, HR_UNKNOWN_OUTCOME);
        assert_non_null(strstr(answer.detail, "the connection broke ("));
        assert_non_null(strstr(answer.detail, "it may be done"));
        assert_holds(&rig, "k", number);
        atomic_store(&proxy.mode, PROXY_CUT_AT_REPLY);
        assert_err(rig_increment(&rig, "n", 1).err, HR_UNKNOWN_OUTCOME);
        assert_int_equal(rig_increment(&rig, "n", 0).number, i + 2);
    }
    assert_int_equal(atomic_load(&proxy.cuts), 20);
    rig_close(&rig);
    proxy_stop(&proxy);
}

/* A read whose connection is cut is done again. */
static void faults_cut_read_is_done_again(void **state)
{
    struct place *place = *state;
    struct proxy proxy;
    proxy_start(&proxy, &place->server);
    char url[URL_MAX];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u/0?answer-ms=20000&reconnect-ms=20000",
             proxy.port);
    struct rig rig;
    rig_open(&rig, url);
    assert_err(rig_put(&rig, "k", "v"), HR_OK);
    atomic_store(&proxy.mode, PROXY_CUT_AT_REPLY);
    assert_holds(&rig, "k", "v");
    atomic_store(&proxy.mode, PROXY_CUT_AT_REQUEST);
    struct hr_kv_scan scan = {.bucket = BUCKET, .limit = 5};
    assert_int_equal(rig_scan(&rig, &scan).page.count, 1);
    assert_int_equal(atomic_load(&proxy.cuts), 2);
    rig_close(&rig);
    proxy_stop(&proxy);
}

/* A connection that is cut while a commit is being written: the server cannot have done half a command,
 * so it is sent again, and done once. */
static void faults_cut_within_the_request_is_sent_again(void **state)
{
    struct place *place = *state;
    struct proxy proxy;
    proxy_start(&proxy, &place->server);
    char url[URL_MAX];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u/0?answer-ms=20000&reconnect-ms=20000",
             proxy.port);
    struct rig rig;
    rig_open(&rig, url);
    char *bytes = calloc(1, HR_KV_VALUE_BYTES_MAX);
    struct hr_kv_check check = {.key = HR_STR("a"), .absent = true};
    struct hr_kv_entry puts[] = {{HR_STR("a"), hr_str_of(bytes, HR_KV_VALUE_BYTES_MAX)},
                                 {HR_STR("b"), hr_str_of(bytes, HR_KV_VALUE_BYTES_MAX - 3)}};
    struct hr_kv_commit commit = {
        .bucket = BUCKET, .checks = &check, .check_count = 1, .puts = puts, .put_count = 2};
    assert_err(rig_put(&rig, "k", "v"), HR_OK);
    atomic_store(&proxy.mode, PROXY_CUT_AT_REQUEST);
    assert_err(rig_commit(&rig, &commit).err, HR_OK);
    assert_int_equal(atomic_load(&proxy.cuts), 1);
    assert_err(rig_commit(&rig, &commit).err, HR_CONFLICT);
    assert_int_equal(rig_get(&rig, "b").value.len, HR_KV_VALUE_BYTES_MAX - 3);
    free(bytes);
    rig_close(&rig);
    proxy_stop(&proxy);
}

static void assert_refused(struct rig *rig, enum hr_err want, const char *text)
{
    struct answer answer = put_answer(rig, "refused", "x");
    assert_err(answer.err, want);
    if (!strstr(answer.detail, text)) {
        fail_msg("\"%s\" does not say \"%s\"", answer.detail, text);
    }
    assert_non_null(strstr(answer.detail, "nothing was changed"));
    assert_absent(rig, "refused");
    assert_holds(rig, "k", "v");
}

/* A server that is read-only refuses commits, in either of its ways, and answers reads; the next commit
 * after that has ended is done. */
static void faults_read_only_server(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    server_tell(&place->server, "CONFIG SET min-replicas-to-write 1");
    assert_refused(rig, HR_READ_ONLY, "NOREPLICAS");
    server_tell(&place->server, "CONFIG SET min-replicas-to-write 0");
    put_until_it_works(rig, "a", "b");
    server_tell(&place->server, "REPLICAOF 127.0.0.1 1");
    assert_refused(rig, HR_READ_ONLY, "READONLY");
    assert_refused(rig, HR_READ_ONLY, "READONLY");
    server_tell(&place->server, "REPLICAOF NO ONE");
    put_until_it_works(rig, "c", "d");
}

/* A server without memory refuses what needs some, by halves never, and takes deletes and answers reads. */
static void faults_server_out_of_memory(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    assert_err(rig_put(rig, "victim", "v"), HR_OK);
    server_tell(&place->server, "CONFIG SET maxmemory 1");
    assert_refused(rig, HR_NO_SPACE, "OOM");
    assert_err(rig_increment(rig, "n", 1).err, HR_NO_SPACE);
    struct hr_str gone = HR_STR("victim");
    struct hr_kv_entry put = {HR_STR("refused"), HR_STR("x")};
    struct hr_kv_commit both = {
        .bucket = BUCKET, .puts = &put, .put_count = 1, .deletes = &gone, .delete_count = 1};
    assert_err(rig_commit(rig, &both).err, HR_NO_SPACE);
    assert_holds(rig, "victim", "v");
    assert_err(rig_delete(rig, "victim"), HR_OK);
    assert_absent(rig, "victim");
    rig_close(rig); /* and it can be opened, with a warning */
    rig_open(rig, place->url);
    assert_non_null(strstr(rig->kv->warning, "memory is full"));
    assert_holds(rig, "k", "v");
    server_tell(&place->server, "CONFIG SET maxmemory 0");
    put_until_it_works(rig, "a", "b");
}

/* A server that has forgotten the scripts is given them again; commits that were on their way are done,
 * in their order. */
static void faults_flushed_scripts_are_loaded_again(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    enum { COUNT = 200 };
    static struct answer answers[COUNT];
    assert_err(rig_put(rig, "n", "0"), HR_OK);
    for (size_t i = 0; i < COUNT; i++) {
        char before[8];
        char after[8];
        snprintf(before, sizeof before, "%d", (int)i);
        snprintf(after, sizeof after, "%d", (int)i + 1);
        struct hr_kv_check check = {.key = HR_STR("n"), .value = hr_str_c(before)};
        struct hr_kv_entry put = {HR_STR("n"), hr_str_c(after)};
        struct hr_kv_commit commit = {
            .bucket = BUCKET, .checks = &check, .check_count = 1, .puts = &put, .put_count = 1};
        answers[i] = (struct answer){.rig = rig};
        if (i == COUNT / 2) {
            server_tell(&place->server, "SCRIPT FLUSH");
        }
        assert_err(hr_kv_commit(rig->port, &commit, on_commit, &answers[i]), HR_OK);
    }
    for (size_t i = 0; i < COUNT; i++) {
        while (answers[i].calls == 0) {
            hr_loop_run(&rig->loop);
        }
        assert_err(answers[i].err, HR_OK);
    }
    server_tell(&place->server, "SCRIPT FLUSH");
    struct hr_kv_scan scan = {.bucket = BUCKET, .limit = 5};
    assert_int_equal(rig_scan(rig, &scan).page.count, 1);
    server_tell(&place->server, "SCRIPT FLUSH");
    assert_int_equal(rig_increment(rig, "n", 1).number, COUNT + 1);
}

/* Where somebody else wrote something of another type, or half of a bucket, it is corrupt, and a commit
 * changes neither half. */
static void faults_foreign_data_is_corrupt(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    char answer[16];
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    server_tell(&place->server, "DEL hedgerow:{bucket}:keys");
    server_tell(&place->server, "SET hedgerow:{bucket}:keys oops");
    assert_err(put_answer(rig, "new", "x").err, HR_CORRUPT);
    assert_err(rig_increment(rig, "n", 1).err, HR_CORRUPT);
    server_ask(&place->server, answer, sizeof answer, "HLEN hedgerow:{bucket}:values");
    assert_string_equal(answer, "1");
    server_tell(&place->server, "DEL hedgerow:{bucket}:keys");
    server_tell(&place->server, "ZADD hedgerow:{bucket}:keys 0 k 0 ghost");
    struct hr_kv_scan scan = {.bucket = BUCKET, .limit = 5};
    assert_err(rig_scan(rig, &scan).err, HR_CORRUPT);
    server_tell(&place->server, "DEL hedgerow:{bucket}:values");
    server_tell(&place->server, "SET hedgerow:{bucket}:values oops");
    assert_err(rig_get(rig, "k").err, HR_CORRUPT);
}

/* When the password is changed while the host runs, operations are refused with the server's reason. */
static void faults_password_changes(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    redisContext *c = redisConnect("127.0.0.1", place->server.port);
    freeReplyObject(redisCommand(c, "CONFIG SET requirepass geheim"));
    freeReplyObject(redisCommand(c, "AUTH geheim"));
    freeReplyObject(redisCommand(c, "CLIENT KILL TYPE normal SKIPME yes"));
    struct answer answer = put_answer(rig, "k", "v");
    assert_true(answer.err == HR_IO);
    answer = put_answer(rig, "k", "v");
    assert_non_null(strstr(answer.detail, "NOAUTH"));
    freeReplyObject(redisCommand(c, "CONFIG SET requirepass %s", ""));
    redisFree(c);
    put_until_it_works(rig, "k", "v2");
}

/* Closing a port whose server does not answer ends, with the outcome that is known: none. */
static void faults_port_closes_while_frozen(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    server_freeze(&place->server);
    struct hr_kv_entry put = {HR_STR("k"), HR_STR("w")};
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
    struct answer sent = {.rig = rig};
    struct answer waiting = {.rig = rig};
    assert_err(hr_kv_commit(rig->port, &commit, on_commit, &sent), HR_OK);
    struct hr_timer timer; /* one round of the loop, so that it is sent */
    hr_timer_init(&timer, rig_stop, &rig->loop);
    hr_loop_timer_start(&rig->loop, &timer, 20);
    hr_loop_run(&rig->loop);
    assert_err(hr_kv_commit(rig->port, &commit, on_commit, &waiting), HR_OK);
    hr_kv_port_close(rig->port, rig_stop, &rig->loop);
    hr_loop_run(&rig->loop); /* stopped by the canceled one */
    while (sent.calls == 0) {
        hr_loop_run(&rig->loop);
    }
    hr_loop_run(&rig->loop);
    rig->port = NULL;
    assert_err(waiting.err, HR_CANCELED);
    assert_err(sent.err, HR_UNKNOWN_OUTCOME);
    server_thaw(&place->server);
}

/* A lazy store's server that is restarted may have lost something: that is counted, for as long as it is
 * open, and found at the next opening. */
static void faults_lazy_restart_is_noticed(void **state)
{
    struct place *place = *state;
    struct rig *rig = &place->rig;
    assert_int_equal(rig->kv->past, HR_KV_FRESH);
    put_until_it_works(rig, "k", "v");
    server_end(&place->server, SIGTERM);
    server_restart(&place->server);
    put_until_it_works(rig, "k", "w");
    assert_int_equal(atomic_load(&rig->kv->losses), 1);
    rig_close(rig);
    rig_open_as(rig, place->url, HR_KV_LAZY);
    assert_int_equal(rig->kv->past, HR_KV_LOSSY);
    rig_close(rig);
    rig_open_as(rig, place->url, HR_KV_LAZY);
    assert_int_equal(rig->kv->past, HR_KV_INTACT);
}

#define SYNC_CASE(name) cmocka_unit_test_setup_teardown(name, sync_setup, place_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNC_CASE(faults_killed_server_comes_back),
        SYNC_CASE(faults_lost_link_fails_fast),
        SYNC_CASE(faults_frozen_server_times_out),
        SYNC_CASE(faults_frozen_server_times_out_reads),
        SYNC_CASE(faults_frozen_commits_do_not_come_late),
        SYNC_CASE(faults_cut_before_the_reply_is_unknown),
        SYNC_CASE(faults_cut_read_is_done_again),
        SYNC_CASE(faults_cut_within_the_request_is_sent_again),
        SYNC_CASE(faults_read_only_server),
        SYNC_CASE(faults_server_out_of_memory),
        SYNC_CASE(faults_flushed_scripts_are_loaded_again),
        SYNC_CASE(faults_foreign_data_is_corrupt),
        SYNC_CASE(faults_password_changes),
        SYNC_CASE(faults_port_closes_while_frozen),
        cmocka_unit_test_setup_teardown(faults_lazy_restart_is_noticed, lazy_setup, place_close),
    };
    return cmocka_run_group_tests_name("kv_redis_faults", tests, NULL, NULL);
}
