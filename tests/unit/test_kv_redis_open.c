/* links: hr_kv */
/* What opening a Redis store refuses, how it says so, and that it never says a password; that two hosts can
 * share one; and that a server that lies harms nobody. */
#include "tests/unit/redis_proxy.h"

#include "host/kv/hiredis.h"

#define BUCKET HR_STR("bucket")
#define URL_MAX 512

static struct server server; /* syncs every write */

static void fresh(char *to, size_t size)
{
    server_tell(&server, "FLUSHALL");
    snprintf(to, size, "redis://127.0.0.1:%u/3?answer-ms=60000&reconnect-ms=60000", server.port);
}

/* Opening fails with @want, the message has @text, and nothing of a password. */
static void assert_refused_as(const char *url, enum hr_kv_durability durability, enum hr_err want,
                              const char *text)
{
    struct hr_diag diag = {{0}};
    struct hr_kv *kv = NULL;
    enum hr_err err = hr_kv_open(hr_str_c(url), durability, &kv, &diag);
    hr_kv_close(kv);
    if (err != want || !strstr(diag.text, text)) {
        fail_msg("%s gives %s \"%s\", not %s with \"%s\"", url, hr_err_name(err), diag.text,
                 hr_err_name(want), text);
    }
    assert_null(strstr(diag.text, "geheim"));
    assert_null(strstr(diag.text, "anselm"));
}

static void assert_refused(const char *url, enum hr_err want, const char *text)
{
    assert_refused_as(url, HR_KV_SYNC, want, text);
}

static void assert_opens(const char *url)
{
    struct rig rig;
    rig_open(&rig, url);
    assert_err(rig_put(&rig, "opened", "yes"), HR_OK);
    assert_holds(&rig, "opened", "yes");
    rig_close(&rig);
}

/* What is no URL is refused with what it lacks. */
static void open_refuses_bad_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *text;
    } bad[] = {
        {"redis:host", "no //"},
        {"redis://", "host or port"},
        {"redis://anselm:geheim@", "host or port"},
        {"redis://h:0", "host or port"},
        {"redis://h:65536", "host or port"},
        {"redis://h:x", "host or port"},
        {"redis://h:", "host or port"},
        {"redis://[::1", "host or port"},
        {"redis://[h]:1", "host or port"},
        {"redis://[::1]x", "host or port"},
        {"redis://h h", "host or port"},
        {"redis://h/x", "no database's number"},
        {"redis://h/99999999999", "no database's number"},
        {"redis://h/-1", "no database's number"},
        {"redis://anselm:geheim%2@h", "bad %XX"},
        {"redis://anselm:geheim%zz@h", "bad %XX"},
        {"redis://anselm:geheim%00@h", "bad %XX"},
        {"redis://h/0?x=1", "option"},
        {"redis://h/0?answer-ms", "option"},
        {"redis://h/0?answer-ms=0", "option"},
        {"redis://h/0?answer-ms=600001", "option"},
        {"redis://h/0?reconnect-ms=1s", "option"},
        {"redis://anselm:geheim@h?=", "option"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_refused(bad[i].url, HR_BAD_INPUT, bad[i].text);
    }
    char url[2048] = "redis://anselm:";
    memset(url + strlen(url), 'x', 600);
    strcat(url, "@h");
    assert_refused(url, HR_BAD_INPUT, "too long");
    assert_refused("Redis://ann:geheim@h", HR_BAD_INPUT, "\"Redis\"");
}

/* A server that cannot be reached is named, with the reason and what to do, without the password. */
static void open_refuses_unreachable_servers(void **state)
{
    (void)state;
    char url[URL_MAX];
    char shown[URL_MAX];
    uint16_t port = free_port();
    snprintf(url, sizeof url, "redis://anselm:geheim@127.0.0.1:%u/2", port);
    snprintf(shown, sizeof shown,
             "store redis://127.0.0.1:%u/2: cannot be reached: Connection refused", port);
    assert_refused(url, HR_IO, shown);
    assert_refused(url, HR_IO, "start the server, or give another url");
    assert_refused("redis://no-such-host.invalid", HR_IO, "redis://no-such-host.invalid:6379/0");
}

/* Without TLS in the build, rediss:// is refused before anything is sent. */
static void open_refuses_tls_without_tls(void **state)
{
    (void)state;
    char url[URL_MAX];
    snprintf(url, sizeof url, "rediss://ann:geheim@127.0.0.1:%u", server.port);
    if (hr_hiredis_has_tls()) {
        assert_refused(url, HR_IO, "TLS"); /* the server speaks none */
    } else {
        assert_refused(url, HR_UNSUPPORTED, "this build has no TLS");
    }
}

/* A database that is not there is refused by the server's own words. */
static void open_refuses_wrong_database(void **state)
{
    (void)state;
    char url[URL_MAX];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u/16", server.port);
    assert_refused(url, HR_IO,
                   "choosing the database after the url's /: ERR DB index is out of range");
}

/* User and password: right ones open, encoded or not; wrong ones and none are refused. */
static void open_logs_in(void **state)
{
    (void)state;
    char url[URL_MAX];
    fresh(url, sizeof url);
    server_tell(&server, "ACL SETUSER anselm on >geheim:@/%% ~* +@all");
    snprintf(url, sizeof url, "redis://anselm:geheim%%3A%%40%%2f%%25@127.0.0.1:%u/1", server.port);
    assert_opens(url);
    snprintf(url, sizeof url, "redis://anselm:geheim@127.0.0.1:%u/1", server.port);
    assert_refused(url, HR_DENIED, "logging in: WRONGPASS");
    assert_refused(url, HR_DENIED, "user:password@ part");
    server_tell(&server, "CONFIG SET requirepass geheim");
    snprintf(url, sizeof url, "redis://127.0.0.1:%u", server.port);
    assert_refused(url, HR_DENIED, "NOAUTH");
    snprintf(url, sizeof url, "redis://:geheim@127.0.0.1:%u", server.port);
    assert_opens(url);
    redisContext *c = redisConnect("127.0.0.1", server.port);
    freeReplyObject(redisCommand(c, "AUTH geheim"));
    freeReplyObject(redisCommand(c, "CONFIG SET requirepass %s", ""));
    redisFree(c);
    server_tell(&server, "ACL DELUSER anselm");
}

/* A user that may not do all that the scripts need is refused at the start, not at the first commit, which
 * could then be done by half. */
static void open_refuses_users_without_rights(void **state)
{
    (void)state;
    static const char *const denied[] = {"zadd", "zrem", "hset", "hdel", "evalsha", "zrangebylex"};
    char url[URL_MAX];
    fresh(url, sizeof url);
    snprintf(url, sizeof url, "redis://anselm:geheim@127.0.0.1:%u/1", server.port);
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++) {
        char command[128];
        snprintf(command, sizeof command, "ACL SETUSER anselm reset on >geheim ~* +@all -%s",
                 denied[i]);
        server_tell(&server, command);
        struct hr_diag diag = {{0}};
        struct hr_kv *kv = NULL;
        enum hr_err err = hr_kv_open(hr_str_c(url), HR_KV_SYNC, &kv, &diag);
        hr_kv_close(kv);
        assert_true(err != HR_OK);
        assert_non_null(strstr(diag.text, "trying to "));
        assert_null(strstr(diag.text, "geheim"));
    }
    server_tell(&server, "ACL DELUSER anselm");
}

/* Where the server does not tell how durable it is, it is believed, with a warning. */
static void open_believes_managed_servers(void **state)
{
    (void)state;
    char url[URL_MAX];
    fresh(url, sizeof url);
    server_tell(&server, "ACL SETUSER anselm on >geheim ~* +@all -config");
    snprintf(url, sizeof url, "redis://anselm:geheim@127.0.0.1:%u/1", server.port);
    struct rig rig;
    rig_open(&rig, url);
    assert_non_null(strstr(rig.kv->warning, "does not tell its appendonly"));
    rig_close(&rig);
    server_tell(&server, "ACL DELUSER anselm");
    fresh(url, sizeof url);
    rig_open(&rig, url);
    assert_string_equal(rig.kv->warning, "");
    rig_close(&rig);
}

/* `sync` takes a server that syncs every write only, and says what to do; `lazy` takes any. */
static void open_holds_the_server_to_its_durability(void **state)
{
    (void)state;
    char url[URL_MAX];
    fresh(url, sizeof url);
    server_tell(&server, "CONFIG SET appendfsync everysec");
    assert_refused(url, HR_UNSUPPORTED, "appendonly yes, appendfsync everysec");
    assert_refused(url, HR_UNSUPPORTED, "CONFIG SET appendfsync always, or set durability: lazy");
    struct rig rig;
    rig_open_as(&rig, url, HR_KV_LAZY);
    rig_close(&rig);
    server_tell(&server, "CONFIG SET appendfsync always");
    server_tell(&server, "CONFIG SET appendonly no");
    assert_refused(url, HR_UNSUPPORTED, "appendonly no");
    server_tell(&server, "CONFIG SET appendonly yes");
    assert_opens(url);
}

/* A server that evicts what it stores is refused. */
static void open_refuses_eviction(void **state)
{
    (void)state;
    char url[URL_MAX];
    fresh(url, sizeof url);
    server_tell(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    assert_opens(url); /* it has no limit */
    server_tell(&server, "CONFIG SET maxmemory 100mb");
    assert_refused_as(url, HR_KV_LAZY, HR_UNSUPPORTED, "CONFIG SET maxmemory-policy noeviction");
    server_tell(&server, "CONFIG SET maxmemory-policy noeviction");
    assert_opens(url);
    server_tell(&server, "CONFIG SET maxmemory 0");
}

/* A server that cannot be written to is no store, and neither is a fresh one without memory. */
static void open_refuses_servers_that_take_nothing(void **state)
{
    (void)state;
    char url[URL_MAX];
    fresh(url, sizeof url);
    server_tell(&server, "CONFIG SET min-replicas-to-write 1");
    assert_refused(url, HR_READ_ONLY, "NOREPLICAS");
    server_tell(&server, "CONFIG SET min-replicas-to-write 0");
    server_tell(&server, "CONFIG SET maxmemory 1");
    assert_refused(url, HR_NO_SPACE, "raise maxmemory");
    server_tell(&server, "CONFIG SET maxmemory 0");
    assert_opens(url);
}

/* A database with a record that is not ours, or of another version, is left alone. */
static void open_refuses_foreign_records(void **state)
{
    (void)state;
    char url[URL_MAX];
    fresh(url, sizeof url);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u", server.port);
    server_tell(&server, "SET hedgerow:store mine");
    assert_refused(url, HR_UNSUPPORTED, "not Hedgerow's");
    server_tell(&server, "DEL hedgerow:store");
    server_tell(&server, "HSET hedgerow:store a b");
    assert_refused(url, HR_CORRUPT, "WRONGTYPE");
    server_tell(&server, "DEL hedgerow:store");
    redisContext *c = redisConnect("127.0.0.1", server.port);
    freeReplyObject(redisCommand(c, "SET hedgerow:store %s", "hedgerow 2 abc"));
    redisFree(c);
    assert_refused(url, HR_UNSUPPORTED, "another version");
}

/* A database is fresh once. With every write synced, a restart loses nothing. The record and the bucket
 * for trying leave no bucket behind. */
static void open_finds_what_was(void **state)
{
    (void)state;
    char url[URL_MAX];
    fresh(url, sizeof url);
    struct rig rig;
    rig_open(&rig, url);
    assert_int_equal(rig.kv->past, HR_KV_FRESH);
    struct hr_kv_stats stats;
    hr_kv_stats(rig.kv, &stats);
    assert_true(stats.map_bytes_used > 0);
    rig_close(&rig);
    char answer[64];
    redisContext *c = redisConnect("127.0.0.1", server.port);
    freeReplyObject(redisCommand(c, "SELECT 3"));
    redisReply *size = redisCommand(c, "DBSIZE");
    assert_int_equal(size->integer, 1);
    freeReplyObject(size);
    redisFree(c);
    server_ask(&server, answer, sizeof answer, "PING");
    server_end(&server, SIGKILL);
    server_restart(&server);
    rig_open(&rig, url);
    assert_int_equal(rig.kv->past, HR_KV_INTACT);
    rig_close(&rig);
}

/* Two hosts, each with a store of its own on one server, both try to be the first in each of many rounds:
 * exactly one is, and both see who. */
static void open_two_hosts_share_a_store(void **state)
{
    (void)state;
    char url[URL_MAX];
    fresh(url, sizeof url);
    struct rig rigs[2];
    int wins[2] = {0};
    rig_open(&rigs[0], url);
    rig_open(&rigs[1], url);
    assert_int_equal(rigs[1].kv->past, HR_KV_INTACT);
    for (int round = 0; round < 200; round++) {
        char key[16];
        struct answer answers[2];
        snprintf(key, sizeof key, "r%d", round);
        for (int at = 0; at < 2; at++) {
            int i = (round + at) % 2;
            struct hr_kv_check check = {.key = hr_str_c(key), .absent = true};
            struct hr_kv_entry put = {check.key, i == 0 ? HR_STR("0") : HR_STR("1")};
            struct hr_kv_commit commit = {
                .bucket = BUCKET, .checks = &check, .check_count = 1, .puts = &put, .put_count = 1};
            answers[i] = (struct answer){.rig = &rigs[i]};
            assert_err(hr_kv_commit(rigs[i].port, &commit, on_commit, &answers[i]), HR_OK);
        }
        for (int at = 0; at < 2; at++) {
            int i = (round / 2 + at) % 2; /* both orders of sending */
            hr_loop_run(&rigs[i].loop);
        }
        int winner = answers[0].err == HR_OK ? 0 : 1;
        assert_err(answers[winner].err, HR_OK);
        assert_err(answers[1 - winner].err, HR_CONFLICT);
        wins[winner]++;
        assert_holds(&rigs[0], key, winner == 0 ? "0" : "1");
        assert_holds(&rigs[1], key, winner == 0 ? "0" : "1");
    }
    assert_true(wins[0] > 0 && wins[1] > 0);
    rig_close(&rigs[0]);
    rig_close(&rigs[1]);
}

/* ---- a server that lies ---- */

struct liar {
    struct proxy proxy; /* its listener and thread */
    const char *says;
    size_t len;
    size_t times;
};

/* Passes the greeting on to a real server, then says what it is to say. */
static void liar_serve(struct liar *liar, int client)
{
    int real = proxy_connect(liar->proxy.server_port);
    while (!atomic_load(&liar->proxy.ends)) {
        struct pollfd fds[] = {{.fd = client, .events = POLLIN}, {.fd = real, .events = POLLIN}};
        poll(fds, 2, 20);
        if (atomic_load(&liar->proxy.mode) == PROXY_CUT_AT_REPLY && fds[0].revents) {
            atomic_fetch_add(&liar->proxy.cuts, 1);
            bool good = true;
            for (size_t i = 0; good && i < liar->times; i++) {
                good = proxy_write(client, liar->says, (ssize_t)liar->len);
            }
            break;
        }
        if ((fds[0].revents && !proxy_pass(&liar->proxy, client, real, PROXY_CUT_AT_REQUEST)) ||
            (fds[1].revents && !proxy_pass(&liar->proxy, real, client, PROXY_PASS + 9))) {
            break;
        }
    }
    char byte; /* until the other side has had enough */
    struct pollfd end = {.fd = client, .events = POLLIN};
    while (!atomic_load(&liar->proxy.ends) &&
           (poll(&end, 1, 20) == 0 || read(client, &byte, 1) > 0)) {
    }
    close(real);
    close(client);
}

static void *liar_main(void *arg)
{
    struct liar *liar = arg;
    while (!atomic_load(&liar->proxy.ends)) {
        struct pollfd fds = {.fd = liar->proxy.listener, .events = POLLIN};
        if (poll(&fds, 1, 20) > 0) {
            liar_serve(liar, accept(liar->proxy.listener, NULL, NULL));
        }
    }
    return NULL;
}

/* Whatever a server answers, in whatever shape and size, the host goes on, and what it was asked for is an
 * error or of unknown outcome. */
static void open_survives_servers_that_lie(void **state)
{
    (void)state;
    static char flood[65536];
    memset(flood, '7', sizeof flood);
    static const struct {
        const char *says;
        size_t times;
    } lies[] = {
        {"+OK\r\n+OK\r\n:1\r\n$-1\r\n", 1},
        {":12289\r\n", 1},
        {":-7\r\n", 1},
        {"$-1\r\n", 1},
        {"*1000000000\r\n", 1},
        {"*2\r\n*2\r\n:1\r\n:2\r\n:3\r\n", 1},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 1},
        {"$99999999999\r\n", 1},
        {"$9000000\r\n", 1},
        {"?what\r\n", 1},
        {"\r\n\r\n\r\n", 1},
        {"-\r\n", 1},
        {"-ERR \xff\x01\x1b[2J\r\n", 1},
        {"HTTP/1.1 200 OK\r\n\r\n", 1},
        {":99999999999999999999999999\r\n", 1},
        {flood, 200},
    };
    char url[URL_MAX];
    fresh(url, sizeof url);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct liar liar = {.proxy.server_port = server.port, .says = lies[i].says};
        liar.len = lies[i].says == flood ? sizeof flood : strlen(lies[i].says);
        liar.times = lies[i].times;
        liar.proxy.listener = listen_anywhere(&liar.proxy.port);
        assert_int_equal(pthread_create(&liar.proxy.thread, NULL, liar_main, &liar), 0);
        snprintf(url, sizeof url, "redis://127.0.0.1:%u/3?answer-ms=1000&reconnect-ms=1000",
                 liar.proxy.port);
        struct rig rig;
        rig_open(&rig, url);
        uint64_t until_ns = hr_now_ns() + SERVER_WAIT_NS;
        while (rig_put(&rig, "k", "v") != HR_OK) {
            breathe(until_ns, "the first connection");
        }
        atomic_store(&liar.proxy.mode, PROXY_CUT_AT_REPLY);
        enum hr_err err = rig_put(&rig, "k", "w");
        assert_true(err == HR_UNKNOWN_OUTCOME || err == HR_IO || err == HR_OK);
        assert_true(atomic_load(&liar.proxy.cuts) > 0);
        struct hr_kv_scan scan = {.bucket = BUCKET, .limit = 5};
        err = rig_scan(&rig, &scan).err;
        assert_true(err == HR_CORRUPT || err == HR_IO || err == HR_TIMEOUT);
        rig_close(&rig);
        proxy_stop(&liar.proxy);
    }
}

/* A server that lies while it is being opened is refused. */
static void open_refuses_what_is_no_redis(void **state)
{
    (void)state;
    static const char *const lies[] = {"HTTP/1.1 400 Bad Request\r\n\r\n",
                                       "$30\r\nredis_version:5.0.14\nrun_id:ab\r\n",
                                       "$3\r\nabc\r\n",
                                       "+OK\r\n",
                                       "*1000000000\r\n",
                                       "$-1\r\n"};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct liar liar = {.proxy.server_port = server.port,
                            .proxy.mode = PROXY_CUT_AT_REPLY,
                            .says = lies[i],
                            .len = strlen(lies[i]),
                            .times = 1};
        liar.proxy.listener = listen_anywhere(&liar.proxy.port);
        assert_int_equal(pthread_create(&liar.proxy.thread, NULL, liar_main, &liar), 0);
        char url[URL_MAX];
        snprintf(url, sizeof url, "redis://127.0.0.1:%u", liar.proxy.port);
        struct hr_diag diag = {{0}};
        struct hr_kv *kv = NULL;
        enum hr_err err = hr_kv_open(hr_str_c(url), HR_KV_SYNC, &kv, &diag);
        assert_true(err == HR_IO || err == HR_UNSUPPORTED);
        assert_true(strlen(diag.text) > 0);
        proxy_stop(&liar.proxy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_refuses_bad_urls),
        cmocka_unit_test(open_refuses_unreachable_servers),
        cmocka_unit_test(open_refuses_tls_without_tls),
        cmocka_unit_test(open_refuses_wrong_database),
        cmocka_unit_test(open_logs_in),
        cmocka_unit_test(open_refuses_users_without_rights),
        cmocka_unit_test(open_believes_managed_servers),
        cmocka_unit_test(open_holds_the_server_to_its_durability),
        cmocka_unit_test(open_refuses_eviction),
        cmocka_unit_test(open_refuses_servers_that_take_nothing),
        cmocka_unit_test(open_refuses_foreign_records),
        cmocka_unit_test(open_finds_what_was),
        cmocka_unit_test(open_two_hosts_share_a_store),
        cmocka_unit_test(open_survives_servers_that_lie),
        cmocka_unit_test(open_refuses_what_is_no_redis),
    };
    server_start(&server, SERVER_SYNC);
    int failed = cmocka_run_group_tests_name("kv_redis_open", tests, NULL, NULL);
    server_drop(&server);
    return failed;
}
