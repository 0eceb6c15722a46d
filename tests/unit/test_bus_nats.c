/* links: hr_lattice
 * The bus over NATS beyond the common contract: connecting, losing the connection and getting it back,
 * credentials, TLS, large bodies, several hosts. HEDGEROW_TEST_NATS_SERVER chooses the server program. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "bus_fixture.h"
#include "host/bus/pieces.h"
#include "host/obs/log.h"
#include "nats_jwt.h"

#define LOGS 4
#define SKIPPED 77

static struct log logs[LOGS];
static struct nats_server server;

static void options_for(struct hr_bus_nats_options *ret_options, struct hr_str *url_storage)
{
    *url_storage = hr_str_c(server.url);
    *ret_options = (struct hr_bus_nats_options){
        .urls = url_storage, .url_count = 1, .reconnect_wait_ms = 5, .reconnect_jitter_ms = 5};
}

/* A host: a loop on this thread, a bus and a port. */
static void open_host(struct fixture *f, const struct hr_bus_nats_options *options)
{
    struct hr_diag diag = {0};
    memset(f, 0, sizeof *f);
    hr_timer_init(&f->watchdog, on_watchdog, f);
    assert_int_equal(hr_loop_init(&f->loop, &diag), HR_OK);
    if (hr_bus_nats_open(options, &f->bus, &diag)) {
        fail_msg("%s", diag.text);
    }
    assert_int_equal(hr_bus_port_open(f->bus, &f->loop, &f->port, &diag), HR_OK);
}

static void open_live(struct fixture *f)
{
    struct hr_bus_nats_options options;
    struct hr_str url;
    options_for(&options, &url);
    open_host(f, &options);
    NATS_RIG_AWAIT(hr_bus_nats_live(f->bus));
}

static void close_host(struct fixture *f)
{
    close_port(f);
    hr_bus_close(f->bus);
    hr_loop_release(&f->loop);
}

static int begin(void **state)
{
    (void)state;
    memset(logs, 0, sizeof logs);
    nats_rig_init(&server);
    return 0;
}

static int end(void **state)
{
    (void)state;
    nats_rig_release(&server);
    int64_t live = hr_alloc_live();
    if (live != 0) {
        print_error("%lld allocations are left\n", (long long)live);
    }
    return live == 0 ? 0 : -1;
}

static struct hr_bus_nats_state state_of(struct fixture *f)
{
    static struct hr_bus_nats_state state;
    hr_bus_nats_state(f->bus, &state);
    return state;
}

static char events[16];

static void on_event(void *arg, bool connected)
{
    struct fixture *f = arg;
    assert_true(hr_loop_is_own_thread(&f->loop));
    strcat(events, connected ? "+" : "-");
    hr_loop_stop(&f->loop);
}

static void await_events(struct fixture *f, const char *expected)
{
    while (strlen(events) < strlen(expected)) {
        run_loop(f);
    }
    assert_string_equal(events, expected);
}

/* When the server dies, requests in flight end at once with HR_CLOSED and gathers with what they have,
 * publishing says HR_CLOSED, and nothing is kept; when it is back, subscriptions work without anybody's
 * doing. The watcher is told of each change. */
static void bus_nats_survives_the_server(void **state)
{
    struct fixture a;
    struct fixture b;
    struct hr_bus_msg silent = message_of("silent", "x");
    struct hr_bus_msg echo = message_of("echo", "x");
    (void)state;
    events[0] = '\0';
    nats_rig_start(&server);
    open_live(&a);
    open_live(&b);
    hr_bus_nats_watch(b.port, on_event, &b);
    await_events(&b, "+");
    hear(&a, &logs[0], "silent", "");
    hear(&a, &logs[1], "echo", "");
    logs[1].answer_from = a.port;
    NATS_RIG_AWAIT(hr_bus_nats_live(a.bus));
    logs[2].fixture = &b;
    logs[3].fixture = &b;
    assert_int_equal(hr_bus_request(b.port, &silent, UINT32_MAX, on_reply, &logs[2], NULL), HR_OK);
    assert_int_equal(hr_bus_gather(b.port, &silent, 1, UINT32_MAX, on_gathered, &logs[3], NULL),
                     HR_OK);
    wait_for(&logs[0]);
    assert_string_equal(state_of(&b).server, server.url);
    uint64_t killed_ns = hr_now_ns();
    nats_rig_stop(&server);
    wait_for(&logs[2]);
    assert_int_equal(logs[2].err, HR_CLOSED);
    assert_true(hr_now_ns() - killed_ns < UINT64_C(2000000000));
    assert_int_equal(logs[3].count, 1);
    assert_int_equal(logs[3].err, HR_OK);
    assert_int_equal(logs[3].replies, 0);
    await_events(&b, "+-");
    assert_int_equal(hr_bus_publish(b.port, &echo), HR_CLOSED);
    assert_int_equal(hr_bus_request(b.port, &echo, 1000, on_reply, &logs[2], NULL), HR_CLOSED);
    assert_false(hr_bus_nats_live(b.bus));
    assert_false(state_of(&b).connected);
    assert_string_equal(state_of(&b).server, "");

    nats_rig_start(&server);
    NATS_RIG_AWAIT(hr_bus_nats_live(a.bus) && hr_bus_nats_live(b.bus));
    await_events(&b, "+-+");
    assert_int_equal(state_of(&b).reconnects, 1);
    memset(&logs[2], 0, sizeof logs[2]);
    logs[2].fixture = &b;
    assert_int_equal(hr_bus_request(b.port, &echo, WATCHDOG_MS, on_reply, &logs[2], NULL), HR_OK);
    wait_for(&logs[1]);
    wait_for(&logs[2]);
    assert_int_equal(logs[2].err, HR_OK);
    close_host(&a);
    close_host(&b);
}

/* Opening does not wait for a server that is away; the connection is there when the server is. */
static void bus_nats_waits_for_a_server_that_is_away(void **state)
{
    struct fixture f;
    struct hr_bus_msg msg = message_of("a", "");
    struct hr_bus_nats_options options;
    struct hr_str url;
    (void)state;
    nats_rig_start(&server); /* for a port that is free a moment later */
    nats_rig_stop(&server);
    options_for(&options, &url);
    open_host(&f, &options);
    NATS_RIG_AWAIT(state_of(&f).error[0]);
    assert_int_equal(hr_bus_publish(f.port, &msg), HR_CLOSED);
    hear(&f, &logs[0], "a", "");
    nats_rig_start(&server);
    NATS_RIG_AWAIT(hr_bus_nats_live(f.bus));
    say(&f, "a", "there");
    wait_for(&logs[0]);
    assert_true(state_of(&f).round_trip_ns > 0);
    assert_int_equal(state_of(&f).max_payload, 1 << 20);
    close_host(&f);
}

/* Of several addresses one that works is enough. */
static void bus_nats_takes_the_server_that_is_there(void **state)
{
    struct fixture f;
    struct hr_bus_nats_options options;
    struct hr_str urls[3];
    (void)state;
    nats_rig_start(&server);
    options_for(&options, &urls[0]);
    urls[2] = urls[0];
    urls[0] = HR_STR("nats://127.0.0.1:1");
    urls[1] = HR_STR("nats://127.0.0.1:2");
    options.urls = urls;
    options.url_count = 3;
    open_host(&f, &options);
    NATS_RIG_AWAIT(hr_bus_nats_live(f.bus));
    assert_string_equal(state_of(&f).server, server.url);
    close_host(&f);
}

/* Opens a bus with @url_format (of the port) and the other options of @options. */
static void open_with(struct fixture *f, struct hr_bus_nats_options *options, const char *scheme,
                      const char *user, const char *host)
{
    static char text[128];
    static struct hr_str url;
    snprintf(text, sizeof text, "%s://%s%s:%d", scheme, user, host, server.port);
    url = hr_str_c(text);
    options->urls = &url;
    options->url_count = 1;
    options->reconnect_wait_ms = 5;
    options->reconnect_jitter_ms = 5;
    open_host(f, options);
}

static void expect_live(struct fixture *f)
{
    NATS_RIG_AWAIT(hr_bus_nats_live(f->bus));
    close_host(f);
}

static void expect_refused(struct fixture *f)
{
    NATS_RIG_AWAIT(state_of(f).error[0]);
    print_message("refused: %s\n", state_of(f).error);
    assert_false(state_of(f).connected);
    close_host(f);
}

/* What the host has logged since hr_log_set_fd(@fd). */
static void read_log(int fd, char *ret_text, size_t size)
{
    ssize_t n = pread(fd, ret_text, size - 1, 0);
    assert_true(n >= 0);
    ret_text[n] = '\0';
}

/* A user and password in the address work; wrong ones are said once, without showing them, and tried on
 * until the server takes them. */
static void bus_nats_takes_user_and_password(void **state)
{
    static char text[65536];
    struct fixture f;
    struct hr_bus_nats_options options = {0};
    (void)state;
    nats_rig_write(&server, "conf", "authorization { user: anna, password: s3cret }\n");
    nats_rig_start(&server);
    open_with(&f, &options, "nats", "anna:s3cret@", "127.0.0.1");
    NATS_RIG_AWAIT(hr_bus_nats_live(f.bus));
    assert_string_equal(state_of(&f).server, server.url); /* without them */
    close_host(&f);

    FILE *file = tmpfile();
    assert_non_null(file);
    hr_log_set_fd(fileno(file));
    open_with(&f, &options, "nats", "anna:wr0ng@", "127.0.0.1");
    NATS_RIG_AWAIT(state_of(&f).error[0]);
    uint64_t first_ns = hr_now_ns();
    NATS_RIG_AWAIT(hr_now_ns() - first_ns > 300 * UINT64_C(1000000)); /* many attempts */
    assert_non_null(strstr(state_of(&f).error, "uthorization"));
    nats_rig_stop(&server);
    nats_rig_write(&server, "conf", "authorization { user: anna, password: wr0ng }\n");
    nats_rig_start(&server);
    NATS_RIG_AWAIT(hr_bus_nats_live(f.bus));
    close_host(&f);
    hr_log_set_fd(2);
    read_log(fileno(file), text, sizeof text);
    print_message("%s", text);
    assert_null(strstr(text, "s3cret"));
    assert_null(strstr(text, "wr0ng"));
    size_t said = 0;
    for (const char *at = text; (at = strstr(at, "uthorization")); at++) {
        said++;
    }
    assert_int_equal(said, 1);
    fclose(file);
}

/* A token in the address works, another one does not. */
static void bus_nats_takes_a_token(void **state)
{
    struct fixture f;
    struct hr_bus_nats_options options = {0};
    (void)state;
    nats_rig_write(&server, "conf", "authorization { token: t0ken }\n");
    nats_rig_start(&server);
    open_with(&f, &options, "nats", "t0ken@", "127.0.0.1");
    expect_live(&f);
    open_with(&f, &options, "nats", "other@", "127.0.0.1");
    expect_refused(&f);
}

/* An NKey's seed in a file works; without it, or with another one, the server says no. */
static void bus_nats_takes_an_nkey(void **state)
{
    struct fixture f;
    struct hr_bus_nats_options options = {0};
    struct jwt_key user;
    struct jwt_key other;
    char path[128];
    char text[256];
    (void)state;
    jwt_make_key('U', &user);
    jwt_make_key('U', &other);
    snprintf(text, sizeof text, "authorization { users = [ { nkey: %s } ] }\n", user.public_text);
    nats_rig_write(&server, "conf", text);
    nats_rig_write(&server, "mine", user.seed_text);
    nats_rig_write(&server, "other", other.seed_text);
    nats_rig_start(&server);
    nats_rig_path(&server, "mine", path, sizeof path);
    options.nkey_file = hr_str_c(path);
    open_with(&f, &options, "nats", "", "127.0.0.1");
    expect_live(&f);
    nats_rig_path(&server, "other", path, sizeof path);
    options.nkey_file = hr_str_c(path);
    open_with(&f, &options, "nats", "", "127.0.0.1");
    expect_refused(&f);
}

/* A credentials file works with a server that knows the operator and the account. */
static void bus_nats_takes_a_credentials_file(void **state)
{
    static struct jwt_operator made;
    static char text[8192];
    struct fixture f;
    struct hr_bus_nats_options options = {0};
    char path[128];
    (void)state;
    jwt_make_operator(&made);
    snprintf(text, sizeof text, "operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s }\n",
             made.operator_jwt, made.account.public_text, made.account_jwt);
    nats_rig_write(&server, "conf", text);
    snprintf(text, sizeof text,
             "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
             "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
             made.user_jwt, made.user.seed_text);
    nats_rig_write(&server, "creds", text);
    nats_rig_start(&server);
    nats_rig_path(&server, "creds", path, sizeof path);
    options.creds_file = hr_str_c(path);
    open_with(&f, &options, "nats", "", "127.0.0.1");
    expect_live(&f);
    options.creds_file = HR_STR("");
    open_with(&f, &options, "nats", "", "127.0.0.1");
    expect_refused(&f);
}

/* What is wrong with the options is said at once: what, where, what to do; and no password. */
static void bus_nats_refuses_bad_options(void **state)
{
    struct hr_str none = HR_STR("nats://127.0.0.1:4222");
    struct hr_str secure = HR_STR("tls://localhost");
    char bad[128];
    char seed[128];
    char text[512];
    struct jwt_key user;
    (void)state;
    jwt_make_key('U', &user);
    nats_rig_write(&server, "bad", "nonsense\n");
    user.seed_text[20] ^= 1;
    nats_rig_write(&server, "seed", user.seed_text);
    snprintf(text, sizeof text,
             "-----BEGIN NATS USER JWT-----\na.b.c\n-----BEGIN USER NKEY SEED-----\n%s\n",
             user.seed_text);
    nats_rig_write(&server, "creds", text);
    nats_rig_path(&server, "bad", bad, sizeof bad);
    nats_rig_path(&server, "seed", seed, sizeof seed);
    char creds[128];
    nats_rig_path(&server, "creds", creds, sizeof creds);
    struct hr_str urls[] = {HR_STR("http://u:s3cret@h"),     HR_STR("nats://"),
                            HR_STR("nats://u:s3cret@h:0"),   HR_STR("nats://u:s3cret@h:x"),
                            HR_STR("nats://u:s3cret@[::1"),  HR_STR("nats://u:s3cret@h:70000"),
                            HR_STR("nats://u:s3cret@h h:1"), HR_STR("nats://u:s3cret@h/path")};
    struct hr_str mixed[] = {none, secure};
    const struct {
        struct hr_bus_nats_options options;
        enum hr_err err;
        const char *says;
    } rows[] = {
        {{0}, HR_BAD_INPUT, "addresses"},
        {{.urls = &urls[0], .url_count = 1}, HR_BAD_INPUT, "nats://host:port"},
        {{.urls = &urls[1], .url_count = 1}, HR_BAD_INPUT, "malformed"},
        {{.urls = &urls[2], .url_count = 1}, HR_BAD_INPUT, "malformed"},
        {{.urls = &urls[3], .url_count = 1}, HR_BAD_INPUT, "malformed"},
        {{.urls = &urls[4], .url_count = 1}, HR_BAD_INPUT, "malformed"},
        {{.urls = &urls[5], .url_count = 1}, HR_BAD_INPUT, "malformed"},
        {{.urls = &urls[6], .url_count = 1}, HR_BAD_INPUT, "space"},
        {{.urls = &urls[7], .url_count = 1}, HR_BAD_INPUT, "malformed"},
        {{.urls = mixed, .url_count = 2}, HR_BAD_INPUT, "mixed"},
        {{.urls = &none, .url_count = 1, .ca_file = HR_STR("x")}, HR_BAD_INPUT, "tls://"},
        {{.urls = &secure, .url_count = 1, .cert_file = HR_STR("x")}, HR_BAD_INPUT, "both"},
        {{.urls = &secure, .url_count = 1, .ca_file = HR_STR("/no/such")},
         HR_NOT_FOUND,
         "CA file `/no/such`"},
        {{.urls = &secure, .url_count = 1, .ca_file = hr_str_c(bad)}, HR_BAD_INPUT, "PEM"},
        {{.urls = &secure, .url_count = 1, .cert_file = hr_str_c(bad), .key_file = hr_str_c(bad)},
         HR_BAD_INPUT,
         "PEM"},
        {{.urls = &none, .url_count = 1, .creds_file = HR_STR("/no/such")},
         HR_NOT_FOUND,
         "credentials file"},
        {{.urls = &none, .url_count = 1, .creds_file = hr_str_c(bad)}, HR_BAD_INPUT, "JWT"},
        {{.urls = &none, .url_count = 1, .creds_file = hr_str_c(creds)}, HR_BAD_INPUT, "seed"},
        {{.urls = &none, .url_count = 1, .creds_file = HR_STR("/tmp")}, HR_IO, "/tmp"},
        {{.urls = &none, .url_count = 1, .nkey_file = hr_str_c(bad)}, HR_BAD_INPUT, "seed"},
        {{.urls = &none, .url_count = 1, .nkey_file = hr_str_c(seed)}, HR_BAD_INPUT, "seed"},
        {{.urls = &none, .url_count = 1, .nkey_file = HR_STR("a"), .creds_file = HR_STR("b")},
         HR_BAD_INPUT,
         "one of them"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hr_bus *bus = NULL;
        struct hr_diag diag = {0};
        enum hr_err err = hr_bus_nats_open(&rows[i].options, &bus, &diag);
        print_message("%s\n", diag.text);
        assert_int_equal(err, rows[i].err);
        assert_null(bus);
        assert_int_equal(strncmp(diag.text, "nats: ", 6), 0);
        assert_non_null(strstr(diag.text, rows[i].says));
        assert_null(strstr(diag.text, "s3cret"));
        assert_null(strstr(diag.text, user.seed_text));
    }
}

/* With no_echo nothing that a bus publishes comes back to it, and others get it. */
static void bus_nats_does_not_echo_if_told_so(void **state)
{
    struct fixture a;
    struct fixture b;
    struct hr_bus_nats_options options;
    struct hr_str url;
    struct hr_bus_sub_options no_echo = {.subject = HR_STR("a"), .no_echo = true};
    struct hr_bus_sub *sub;
    (void)state;
    nats_rig_start(&server);
    options_for(&options, &url);
    options.no_echo = true;
    open_host(&a, &options);
    open_live(&b);
    logs[0].fixture = &a;
    assert_int_equal(hr_bus_subscribe(a.port, &no_echo, on_message, &logs[0], &sub), HR_OK);
    assert_int_equal(hr_bus_subscribe(b.port, &no_echo, on_message, &logs[0], &sub),
                     HR_UNSUPPORTED);
    hear(&b, &logs[1], "a", "");
    NATS_RIG_AWAIT(hr_bus_nats_live(a.bus) && hr_bus_nats_live(b.bus));
    say(&a, "a", "mine");
    wait_for(&logs[1]);
    say(&b, "a", "other");
    wait_for(&logs[0]);
    assert_int_equal(logs[0].count, 1);
    assert_string_equal(logs[0].bodies[0], "other");
    close_host(&a);
    close_host(&b);
}

/* "Live" means that what others publish from then on arrives: subscription after subscription. */
static void bus_nats_is_live_only_when_it_is(void **state)
{
    struct fixture a;
    struct fixture b;
    char subject[32];
    (void)state;
    nats_rig_start(&server);
    open_live(&a);
    open_live(&b);
    for (int i = 0; i < 100; i++) {
        memset(&logs[0], 0, sizeof logs[0]);
        snprintf(subject, sizeof subject, "s.%d", i);
        hear(&a, &logs[0], subject, "");
        NATS_RIG_AWAIT(hr_bus_nats_live(a.bus));
        say(&b, subject, "x");
        wait_for(&logs[0]);
        hr_bus_unsubscribe(logs[0].sub);
    }
    close_host(&a);
    close_host(&b);
}

/* Wildcards and queue groups reach over several hosts: each message once in a group, a copy for each
 * plain subscription. */
static void bus_nats_groups_reach_over_hosts(void **state)
{
    struct fixture a;
    struct fixture b;
    (void)state;
    nats_rig_start(&server);
    open_live(&a);
    open_live(&b);
    hear(&a, &logs[0], "job.*", "workers");
    hear(&b, &logs[1], "job.>", "workers");
    hear(&b, &logs[2], "job.x", "");
    NATS_RIG_AWAIT(hr_bus_nats_live(a.bus) && hr_bus_nats_live(b.bus));
    for (int i = 0; i < 200; i++) {
        say(&a, "job.x", "x");
    }
    NATS_RIG_AWAIT(stats_of(&a).pending + stats_of(&b).pending == 400);
    flush(&a);
    flush(&b);
    assert_int_equal(logs[0].count + logs[1].count, 200);
    assert_true(logs[0].count > 0 && logs[1].count > 0);
    assert_int_equal(logs[2].count, 200);
    close_host(&a);
    close_host(&b);
}

struct large {
    struct fixture *fixture;
    size_t answer_bytes;
    size_t got_bytes;
    uint64_t got_sum;
    enum hr_err err;
    bool done;
};

static char large_body[HR_BUS_LARGE_BYTES_MAX + 1];

static uint64_t sum_of(struct hr_str s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s.len; i++) {
        sum = sum * 31 + (unsigned char)s.ptr[i];
    }
    return sum;
}

static void on_large(void *arg, const struct hr_bus_msg *msg)
{
    struct large *large = arg;
    assert_int_equal(msg->header_count, 1);
    assert_true(hr_str_eq(msg->headers[0].name, HR_STR("Kind")));
    large->got_bytes = msg->body.len;
    large->got_sum = sum_of(msg->body);
    struct hr_bus_msg reply = {.subject = msg->reply_to,
                               .body = hr_str_of(large_body, large->answer_bytes),
                               .headers = msg->headers,
                               .header_count = 1};
    assert_int_equal(hr_bus_publish(large->fixture->port, &reply), HR_OK);
    hr_loop_stop(&large->fixture->loop);
}

static void on_large_reply(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct large *large = arg;
    large->err = err;
    large->done = true;
    if (reply) {
        large->got_bytes = reply->body.len;
        large->got_sum = sum_of(reply->body);
    }
    hr_loop_stop(&large->fixture->loop);
}

/* Sends @there_bytes from @b to @a in a request, which answers with @here_bytes. */
static void send_large(struct fixture *a, struct fixture *b, size_t there_bytes, size_t here_bytes)
{
    struct hr_bus_header header = {HR_STR("Kind"), HR_STR("large")};
    struct hr_bus_sub_options options = {.subject = HR_STR("large")};
    struct large there = {.fixture = a, .answer_bytes = here_bytes};
    struct large here = {.fixture = b};
    struct hr_bus_sub *sub;
    for (size_t i = 0; i < sizeof large_body; i++) {
        large_body[i] = (char)(i * 7 + i / 1000);
    }
    struct hr_bus_msg msg = {.subject = HR_STR("large"),
                             .body = hr_str_of(large_body, there_bytes),
                             .headers = &header,
                             .header_count = 1};
    assert_int_equal(hr_bus_subscribe(a->port, &options, on_large, &there, &sub), HR_OK);
    NATS_RIG_AWAIT(hr_bus_nats_live(a->bus));
    assert_int_equal(hr_bus_request(b->port, &msg, WATCHDOG_MS, on_large_reply, &here, NULL),
                     HR_OK);
    while (there.got_bytes == 0) {
        run_loop(a);
    }
    while (!here.done) {
        run_loop(b);
    }
    assert_int_equal(there.got_bytes, there_bytes);
    assert_true(there.got_sum == sum_of(msg.body));
    assert_int_equal(here.err, HR_OK);
    assert_int_equal(here.got_bytes, here_bytes);
    assert_true(here.got_sum == sum_of(hr_str_of(large_body, here_bytes)));
    hr_bus_unsubscribe(sub);
}

/* Bodies of 5 and of 64 MiB go and come in pieces, with their headers; a byte more is HR_TOO_BIG, and so
 * is more than a server takes in a message that is no request. */
static void bus_nats_carries_large_bodies(void **state)
{
    struct fixture a;
    struct fixture b;
    struct large here = {0};
    struct hr_bus_header header = {HR_STR("Kind"), HR_STR("large")};
    struct hr_bus_msg msg = {.subject = HR_STR("large"), .headers = &header, .header_count = 1};
    (void)state;
    nats_rig_start(&server);
    open_live(&a);
    open_live(&b);
    send_large(&a, &b, (size_t)5 << 20, HR_BUS_LARGE_BYTES_MAX);
    send_large(&a, &b, HR_BUS_LARGE_BYTES_MAX, (size_t)5 << 20);
    msg.body = hr_str_of(large_body, HR_BUS_LARGE_BYTES_MAX + 1);
    assert_int_equal(hr_bus_request(b.port, &msg, 1, on_large_reply, &here, NULL), HR_TOO_BIG);
    msg.body = hr_str_of(large_body, HR_BUS_PAYLOAD_BYTES_MAX);
    assert_int_equal(hr_bus_publish(b.port, &msg), HR_TOO_BIG); /* with its headers */
    assert_int_equal(state_of(&a).joins_dropped + state_of(&b).joins_dropped, 0);
    close_host(&a);
    close_host(&b);
}

/* Two authorities, a server's and a client's certificate of the first. */
static void make_certificates(void)
{
    char command[2048];
    snprintf(
        command, sizeof command,
        "cd '%s' && exec 2>openssl.log && for ca in ca other; do "
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "
        "/CN=$ca "
        "-keyout $ca.key -out $ca.pem || exit 1; done && "
        "printf 'subjectAltName=DNS:localhost' >san && for name in server client; do "
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name "
        "-keyout $name.key -out $name.csr && openssl x509 -req -in $name.csr -CA ca.pem -CAkey "
        "ca.key -CAcreateserial -days 2 -extfile san -out $name.pem || exit 1; done",
        server.dir);
    assert_int_equal(system(command), 0);
}

/* tls:// checks the server's certificate against the given authority, and shows our own; bodies of any
 * size go over it. */
static void bus_nats_speaks_tls(void **state)
{
    struct fixture f;
    struct hr_bus_nats_options options = {0};
    char text[1024];
    char ca[128];
    char other[128];
    char cert[128];
    char key[128];
    struct hr_bus_msg msg = message_of("a", "over TLS");
    (void)state;
    make_certificates();
    snprintf(text, sizeof text,
             "tls { cert_file: '%s/server.pem', key_file: '%s/server.key', ca_file: '%s/ca.pem', "
             "verify: true }\n",
             server.dir, server.dir, server.dir);
    nats_rig_write(&server, "conf", text);
    nats_rig_start(&server);
    nats_rig_path(&server, "ca.pem", ca, sizeof ca);
    nats_rig_path(&server, "other.pem", other, sizeof other);
    nats_rig_path(&server, "client.pem", cert, sizeof cert);
    nats_rig_path(&server, "client.key", key, sizeof key);
    options.ca_file = hr_str_c(ca);
    options.cert_file = hr_str_c(cert);
    options.key_file = hr_str_c(key);
    open_with(&f, &options, "tls", "", "localhost");
    NATS_RIG_AWAIT(hr_bus_nats_live(f.bus));
    hear(&f, &logs[0], "a", "");
    assert_int_equal(hr_bus_publish(f.port, &msg), HR_OK);
    wait_for(&logs[0]);
    assert_string_equal(logs[0].bodies[0], "over TLS");
    send_large(&f, &f, (size_t)5 << 20, (size_t)20 << 20);
    close_host(&f);

    options.ca_file = hr_str_c(other);
    open_with(&f, &options, "tls", "", "localhost");
    expect_refused(&f);
    options.ca_file = hr_str_c(ca);
    options.cert_file = HR_STR("");
    options.key_file = HR_STR("");
    open_with(&f, &options, "tls", "", "localhost");
    expect_refused(&f);
}

static int connect_raw(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)server.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_raw(int fd, const char *block, const char *body)
{
    char text[1024];
    int len = snprintf(text, sizeof text, "HPUB raw %zu %zu\r\n%s%s\r\n", strlen(block),
                       strlen(block) + strlen(body), block, body);
    assert_int_equal(write(fd, text, (size_t)len), len);
}

/* Headers that are no headers, and pieces that are no pieces, are dropped and counted, whoever sends
 * them; what comes after is delivered. */
static void bus_nats_survives_hostile_messages(void **state)
{
    static const char *const blocks[] = {
        "NATS/1.0\r\nfoo\r\n\r\n",
        "NATS/1.0\r\nfoo",
        "NATS/1.0\r\n\r\n\r\n",
        "NATS/1.0\r\n: v\r\n\r\n",
        "NATS/1.0\r\na b: v\r\n\r\n",
        "HTTP/1.1\r\na: v\r\n\r\n",
        "NATS/1.0\r\na: v\r\n",
        "NATS/1.0\r\n" HR_BUS_HEADER_PIECE ": x 0 1 5\r\n\r\n",
        "NATS/1.0\r\n" HR_BUS_HEADER_PIECE ": x 0 2 99999999999\r\n\r\n",
        "NATS/1.0\r\n" HR_BUS_HEADER_PIECE ": x 1 2 5\r\n\r\n",
    };
    struct fixture f;
    (void)state;
    nats_rig_start(&server);
    open_live(&f);
    hear(&f, &logs[0], "raw", "");
    NATS_RIG_AWAIT(hr_bus_nats_live(f.bus));
    int fd = connect_raw();
    const char *hello = "CONNECT {\"headers\":true,\"verbose\":false}\r\n";
    assert_int_equal(write(fd, hello, strlen(hello)), (ssize_t)strlen(hello));
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        send_raw(fd, blocks[i], "a: b");
        send_raw(fd, blocks[i], "");
    }
    send_raw(fd, "NATS/1.0\r\na: v\r\n\r\n", "good");
    wait_for(&logs[0]);
    assert_int_equal(logs[0].count, 1);
    assert_string_equal(logs[0].bodies[0], "good");
    assert_true(stats_of(&f).dropped >= 16);
    close(fd);
    close_host(&f);
}

/* A server that stands still does not make a publisher wait: what it does not take is kept up to a bound,
 * then refused with HR_BUSY; and it all goes out when the server goes on. */
static void bus_nats_never_waits_for_the_network(void **state)
{
    struct fixture a;
    struct fixture b;
    struct hr_bus_msg msg = {.subject = HR_STR("much"),
                             .body = {large_body, HR_BUS_PAYLOAD_BYTES_MAX}};
    enum hr_err err = HR_OK;
    uint64_t longest_ns = 0;
    uint64_t sent = 0;
    (void)state;
    nats_rig_start(&server);
    open_live(&a);
    open_live(&b);
    hear(&a, &logs[0], "last", "");
    NATS_RIG_AWAIT(hr_bus_nats_live(a.bus));
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    while (!err && sent < 1000) {
        uint64_t began_ns = hr_now_ns();
        err = hr_bus_publish(b.port, &msg);
        uint64_t took_ns = hr_now_ns() - began_ns;
        longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
        sent += err == HR_OK;
    }
    assert_int_equal(kill(server.pid, SIGCONT), 0);
    print_message("%llu MiB kept, the longest publish took %llu us\n", (unsigned long long)sent,
                  (unsigned long long)longest_ns / 1000);
    assert_int_equal(err, HR_BUSY);
    assert_true(sent >= HR_BUS_NATS_OUT_BYTES_MAX >> 20);
    assert_true(longest_ns < UINT64_C(10000000000)); /* it would not come back at all */
    msg.subject = HR_STR("last");
    msg.body = HR_STR("done");
    NATS_RIG_AWAIT((err = hr_bus_publish(b.port, &msg)) != HR_BUSY);
    assert_int_equal(err, HR_OK);
    wait_for(&logs[0]);
    assert_string_equal(logs[0].bodies[0], "done");
    close_host(&a);
    close_host(&b);
}

/* has_interest knows this bus' own subscriptions and inboxes. */
static void bus_nats_knows_its_own_interest(void **state)
{
    struct fixture f;
    struct hr_bus_msg msg = message_of("who", "");
    (void)state;
    nats_rig_start(&server);
    open_live(&f);
    hear(&f, &logs[0], "_INBOX.>", "");
    hear(&f, &logs[1], "who", "");
    logs[1].answer_from = f.port;
    logs[2].fixture = &f;
    assert_int_equal(hr_bus_request(f.port, &msg, WATCHDOG_MS, on_reply, &logs[2], NULL), HR_OK);
    wait_for(&logs[2]);
    flush(&f);
    assert_true(hr_bus_has_interest(f.bus, HR_STR("who")));
    assert_false(hr_bus_has_interest(f.bus, HR_STR("whom")));
    hr_bus_unsubscribe(logs[0].sub);
    assert_true(hr_bus_has_interest(f.bus, hr_str_c(logs[2].subject))); /* its inbox */
    assert_false(hr_bus_has_interest(f.bus, HR_STR("_INBOX.other.1")));
    close_host(&f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bus_nats_survives_the_server),
        CASE(bus_nats_waits_for_a_server_that_is_away),
        CASE(bus_nats_takes_the_server_that_is_there),
        CASE(bus_nats_takes_user_and_password),
        CASE(bus_nats_takes_a_token),
        CASE(bus_nats_takes_an_nkey),
        CASE(bus_nats_takes_a_credentials_file),
        CASE(bus_nats_speaks_tls),
        CASE(bus_nats_refuses_bad_options),
        CASE(bus_nats_does_not_echo_if_told_so),
        CASE(bus_nats_is_live_only_when_it_is),
        CASE(bus_nats_groups_reach_over_hosts),
        CASE(bus_nats_carries_large_bodies),
        CASE(bus_nats_survives_hostile_messages),
        CASE(bus_nats_never_waits_for_the_network),
        CASE(bus_nats_knows_its_own_interest),
    };
    if (!nats_rig_is_there()) {
        fprintf(stderr, "skipped: no %s\n", nats_rig_program());
        return SKIPPED;
    }
    return cmocka_run_group_tests_name("bus_nats", tests, NULL, NULL);
}
