/* links: hr_lattice
 * Two hosts of a lattice over a real nats-server, each with its own connection: that what test_lattice.c and
 * test_bus_lattice.c show on a wire of their own holds over NATS, and what becomes of it when the server goes and
 * comes back. Skipped, and said so, where there is no nats-server (HEDGEROW_TEST_NATS_SERVER names one). */
#include "host/lattice/bus.h"
#include "host/bus/nats.h"
#include "host/lattice/table.h"
#include "base/alloc.h"
#include "nats_rig.h"
#include "tests/unit/wait_rig.h"

#define BIG_BYTES ((size_t)3 << 20)

struct host {
    struct hr_bus *local;
    struct hr_bus *nats;
    struct hr_lattice *lattice;
    struct hr_bus *bus;
    struct hr_bus_port *port;
    struct hr_bus_sub *sub;
    struct hr_bus_sub *group;
    const char *id;
    int heard;
    bool joined;
    bool closed;
};

struct answer {
    int count;
    enum hr_err err;
    size_t replies;
    size_t bytes;
    char body[8];
};

static struct nats_server server;
static struct host hosts[2];
static char big[BIG_BYTES];

static void on_joined(void *arg, enum hr_err err, const char *why)
{
    (void)why;
    assert_int_equal(err, HR_OK);
    ((struct host *)arg)->joined = true;
}

static bool is_live(void *arg)
{
    return hr_bus_nats_live(((struct host *)arg)->nats);
}

static void on_connection(void *arg, bool connected)
{
    hr_lattice_set_connected(((struct host *)arg)->lattice, connected);
}

static void on_request(void *arg, const struct hr_bus_msg *msg)
{
    struct host *host = arg;
    host->heard++;
    if (msg->reply_to.len > 0) {
        const struct hr_bus_msg reply = {
            .subject = msg->reply_to, .body = msg->body.len > 8 ? msg->body : hr_str_c(host->id)};
        assert_int_equal(hr_bus_publish(host->port, &reply), HR_OK);
    }
}

static void listen_to(struct host *host, const char *subject, const char *queue,
                      struct hr_bus_sub **ret_sub)
{
    const struct hr_bus_sub_options options = {.subject = hr_str_c(subject),
                                               .queue = hr_str_c(queue)};
    assert_int_equal(hr_bus_subscribe(host->port, &options, on_request, host, ret_sub), HR_OK);
}

static void open_host(struct host *host, uint16_t number)
{
    struct hr_diag diag = {0};
    struct hr_str url = hr_str_c(server.url);
    const struct hr_bus_nats_options nats = {
        .urls = &url, .url_count = 1, .no_echo = true, .reconnect_wait_ms = 20};
    host->id = number == 1 ? "a" : "b";
    const struct hr_lattice_self self = {.lattice = HR_STR("test"),
                                         .host = hr_str_c(host->id),
                                         .site = hr_str_c(host->id),
                                         .site_id = number,
                                         .version = HR_STR("1")};
    assert_int_equal(hr_bus_local_open(&host->local, &diag), HR_OK);
    assert_int_equal(hr_bus_nats_open(&nats, &host->nats, &diag), HR_OK);
    const struct hr_lattice_options options = {
        .self = &self, .nats = host->nats, .loop = &loop, .announce_ms = 100};
    assert_int_equal(hr_lattice_open(&options, &host->lattice, &diag), HR_OK);
    hr_bus_nats_watch(hr_lattice_port(host->lattice), on_connection, host);
    assert_int_equal(hr_bus_lattice_open(host->local, host->nats, host->lattice, &host->bus, &diag),
                     HR_OK);
    assert_int_equal(hr_bus_port_open(host->bus, &loop, &host->port, &diag), HR_OK);
    wait_until(is_live, host);
    assert_int_equal(hr_lattice_join(host->lattice, on_joined, host, &diag), HR_OK);
    wait_until(is_true, &host->joined);
}

static int begin(void **state)
{
    (void)state;
    memset(hosts, 0, sizeof hosts);
    hr_timer_init(&watchdog, on_watchdog, NULL);
    hr_timer_init(&poll, on_poll, NULL);
    nats_rig_init(&server);
    nats_rig_start(&server);
    if (hr_loop_init(&loop, NULL)) {
        return -1;
    }
    open_host(&hosts[0], 1);
    open_host(&hosts[1], 2);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct host *host = &hosts[i];
        host->closed = false;
        hr_bus_port_close(host->port, set_true, &host->closed);
        wait_until(is_true, &host->closed);
        host->closed = false;
        hr_lattice_close(host->lattice, set_true, &host->closed);
        wait_until(is_true, &host->closed);
        hr_bus_close(host->bus);
        hr_bus_close(host->nats);
        hr_bus_close(host->local);
    }
    hr_loop_release(&loop);
    nats_rig_release(&server);
    return hr_alloc_live() == 0 ? 0 : -1;
}

static void on_answer(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct answer *answer = arg;
    answer->count++;
    answer->err = err;
    if (reply) {
        answer->bytes = reply->body.len;
        snprintf(answer->body, sizeof answer->body, "%.*s", HR_STR_ARG(reply->body));
    }
}

static void on_gathered(void *arg, enum hr_err err, const struct hr_bus_msg *replies, size_t count)
{
    struct answer *answer = arg;
    (void)replies;
    answer->count++;
    answer->err = err;
    answer->replies = count;
}

static bool is_answered(void *arg)
{
    return ((struct answer *)arg)->count > 0;
}

static struct answer ask(struct host *from, struct hr_str body, enum hr_bus_repeat repeat)
{
    static struct answer answer;
    const struct hr_bus_msg msg = {.subject = HR_STR("kv.x"), .body = body, .repeat = repeat};
    memset(&answer, 0, sizeof answer);
    assert_int_equal(hr_bus_request(from->port, &msg, 20000, on_answer, &answer, NULL), HR_OK);
    wait_until(is_answered, &answer);
    return answer;
}

static struct answer gather(struct host *from, uint32_t want, uint32_t timeout_ms)
{
    static struct answer answer;
    const struct hr_bus_msg msg = {.subject = HR_STR("kv.x"), .body = HR_STR("?")};
    memset(&answer, 0, sizeof answer);
    assert_int_equal(hr_bus_gather(from->port, &msg, want, timeout_ms, on_gathered, &answer, NULL),
                     HR_OK);
    wait_until(is_answered, &answer);
    return answer;
}

static bool knows_remote(void *arg)
{
    struct hr_lattice_table *table = hr_lattice_table_get(((struct host *)arg)->lattice);
    bool knows = table->entry_count > 0;
    hr_lattice_table_unref(table);
    return knows;
}

static bool has_heard(void *arg)
{
    return ((struct host *)arg)->heard > 0;
}

static bool has_dropped(void *arg)
{
    struct hr_bus_lattice_stats stats;
    hr_bus_lattice_stats(((struct host *)arg)->bus, &stats);
    return stats.groups_served > 0;
}

/* Requests, replies of several pieces, gathers and groups work between two hosts. */
static void bus_lattice_nats_connects_two_hosts(void **state)
{
    (void)state;
    struct host *a = &hosts[0];
    struct host *b = &hosts[1];
    listen_to(b, "kv.>", "kv", &b->sub);
    wait_until(knows_remote, a);
    assert_string_equal(ask(a, HR_STR("?"), HR_BUS_ONCE).body, "b");
    assert_int_equal(ask(a, hr_str_of(big, sizeof big), HR_BUS_ONCE).bytes, sizeof big);
    assert_int_equal(gather(a, 1, 20000).replies, 1);

    listen_to(a, "kv.>", "kv", &a->sub);
    assert_string_equal(ask(a, HR_STR("?"), HR_BUS_SAFE).body, "a");
    hr_bus_unsubscribe(b->sub);
    /* Nobody else is there: the server's word for that is no reply. */
    assert_int_equal(gather(a, 2, 100).replies, 1);
    listen_to(b, "kv.>", "b-only", &b->sub);
    wait_until(is_live, b);
    assert_int_equal(gather(a, 2, 20000).replies, 2);

    a->heard = 0;
    b->heard = 0;
    listen_to(b, "kv.x", "kv", &b->group); /* a has a member: b's gets nothing */
    wait_until(is_live, b);
    const struct hr_bus_msg msg = {.subject = HR_STR("kv.x")};
    assert_int_equal(hr_bus_publish(a->port, &msg), HR_OK);
    wait_until(has_heard, b);
    wait_until(has_dropped, b);
    assert_int_equal(a->heard, 1);
    assert_int_equal(b->heard, 1);
}

/* When the server dies, what was asked elsewhere fails at once, and this host serves itself; when it is back, so is
 * the other host. */
static void bus_lattice_nats_survives_its_server(void **state)
{
    (void)state;
    struct host *a = &hosts[0];
    struct host *b = &hosts[1];
    listen_to(b, "kv.>", "kv", &b->sub);
    wait_until(knows_remote, a);
    assert_string_equal(ask(a, HR_STR("?"), HR_BUS_SAFE).body, "b");
    nats_rig_stop(&server);
    uint64_t began_ns = hr_now_ns();
    enum hr_err err = HR_OK;
    const struct hr_bus_msg msg = {.subject = HR_STR("kv.x"), .repeat = HR_BUS_SAFE};
    static struct answer answer;
    memset(&answer, 0, sizeof answer);
    err = hr_bus_request(a->port, &msg, 20000, on_answer, &answer, NULL);
    if (!err) {
        wait_until(is_answered, &answer);
        err = answer.err;
    }
    assert_true(err == HR_NO_RESPONDERS || err == HR_CLOSED);
    assert_true(hr_now_ns() - began_ns < (uint64_t)5000000000);
    listen_to(a, "kv.>", "kv", &a->sub);
    assert_string_equal(ask(a, HR_STR("?"), HR_BUS_SAFE).body, "a");
    hr_bus_unsubscribe(a->sub);
    nats_rig_start(&server);
    wait_until(is_live, a);
    wait_until(is_live, b);
    wait_until(knows_remote, a);
    assert_string_equal(ask(a, HR_STR("?"), HR_BUS_SAFE).body, "b");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bus_lattice_nats_connects_two_hosts),
        CASE(bus_lattice_nats_survives_its_server),
    };
    if (!nats_rig_is_there()) {
        print_message("skipped: no %s\n", nats_rig_program());
        return 0;
    }
    return cmocka_run_group_tests_name("bus_lattice_nats", tests, NULL, NULL);
}
