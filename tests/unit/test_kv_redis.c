/* links: hr_kv */
/* The store's suite, on a Redis server. */
#include "tests/unit/kv_suite.h"
#include "tests/unit/kv_suite_threads.h"
#include "tests/unit/redis_rig.h"

static struct server server;

/* One database after the other; a machine with little time is given more of it. */
static void suite_fresh_url(char *to, size_t size)
{
    static unsigned next;
    char answer[16];
    unsigned number = next++ % 16;
    redisContext *c = redisConnect("127.0.0.1", server.port);
    assert_true(c && !c->err);
    freeReplyObject(redisCommand(c, "SELECT %u", number));
    freeReplyObject(redisCommand(c, "FLUSHDB"));
    redisFree(c);
    server_ask(&server, answer, sizeof answer, "PING");
    snprintf(to, size, "redis://127.0.0.1:%u/%u?answer-ms=60000&reconnect-ms=60000", server.port,
             number);
}

static void suite_drop(const char *url)
{
    (void)url; /* emptied before it is used again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {KV_SUITE};
    server_start(&server, SERVER_SYNC);
    int failed = cmocka_run_group_tests_name("kv_redis", tests, NULL, NULL);
    server_drop(&server);
    return failed;
}
