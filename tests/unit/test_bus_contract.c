/* links: hr_lattice
 * What host/bus/bus.h promises of messages and subscriptions (test_bus_request.c: of requests), tested through nothing but host/bus/bus.h, so that every implementation of
 * the bus can be held to it: HEDGEROW_TEST_BUS chooses which. */
#include "bus_fixture.h"

#define LOGS 4

static struct log logs[LOGS];

static int begin(void **state)
{
    memset(logs, 0, sizeof logs);
    return setup(state);
}

/* A publisher is never called back before it returns, and the message still comes. */
static void bus_delivers_after_publish_has_returned(void **state)
{
    struct fixture *f = *state;
    hear(f, &logs[0], "a.b", "");
    say(f, "a.b", "hello");
    assert_int_equal(logs[0].count, 0);
    flush(f);
    assert_int_equal(logs[0].count, 1);
    assert_string_equal(logs[0].bodies[0], "hello");
    assert_string_equal(logs[0].subject, "a.b");
}

static void publish_from_callback(void *arg, const struct hr_bus_msg *msg)
{
    struct log *log = arg;
    size_t before = logs[1].count;
    note(log, msg);
    say(log->fixture, "second", "from a callback");
    assert_int_equal(logs[1].count, before);
}

/* The same holds inside a callback on the loop's thread. */
static void bus_delivers_after_the_publishing_callback(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_sub_options options = {.subject = HR_STR("first")};
    logs[0].fixture = f;
    assert_int_equal(
        hr_bus_subscribe(f->port, &options, publish_from_callback, &logs[0], &logs[0].sub), HR_OK);
    hear(f, &logs[1], "second", "");
    say(f, "first", "");
    flush(f);
    assert_int_equal(logs[0].count, 1);
    assert_int_equal(logs[1].count, 1);
    assert_string_equal(logs[1].bodies[0], "from a callback");
}

/* The caller's bytes may change as soon as publish has returned. */
static void bus_copies_what_is_published(void **state)
{
    struct fixture *f = *state;
    char body[] = "before";
    hear(f, &logs[0], "a", "");
    say(f, "a", body);
    memcpy(body, "after!", 6);
    flush(f);
    assert_string_equal(logs[0].bodies[0], "before");
}

/* Wildcards choose who gets a message, as the table in NATS' documentation has it. */
static void bus_routes_by_wildcards(void **state)
{
    static const struct {
        const char *pattern;
        const char *subject;
        size_t count;
    } rows[] = {
        {"time.us.east", "time.us.east", 1},
        {"time.us.east", "time.us.west", 0},
        {"time.*.east", "time.us.east", 1},
        {"time.*.east", "time.eu.east", 1},
        {"time.*.east", "time.us", 0},
        {"time.us.*", "time.us.east", 1},
        {"time.us.*", "time.us.east.a", 0},
        {"time.us.>", "time.us.east.a", 1},
        {"time.us.>", "time.us", 0},
        {">", "time", 1},
        {"*", "time", 1},
        {"*", "time.us", 0},
        {"*.us", "time.us", 1},
        {"time.>", "time.us", 1},
        {"time", "time.us", 0},
        {"time.us", "time", 0},
        {"*.*.>", "a.b", 0},
        {"*.*.>", "a.b.c", 1},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(&logs[0], 0, sizeof logs[0]);
        hear(f, &logs[0], rows[i].pattern, "");
        say(f, rows[i].subject, "counts");
        flush(f);
        hr_bus_unsubscribe(logs[0].sub);
        print_message("%s gets %s\n", rows[i].pattern, rows[i].subject);
        size_t count = 0;
        for (size_t n = 0; n < logs[0].count; n++) {
            count += strcmp(logs[0].bodies[n], "counts") == 0; /* `>` hears the fences as well */
        }
        assert_int_equal(count, rows[i].count);
    }
}

/* Several subscriptions that match get a copy each, one that does not gets none. */
static void bus_gives_every_matching_subscription_a_copy(void **state)
{
    struct fixture *f = *state;
    hear(f, &logs[0], "a.b", "");
    hear(f, &logs[1], "a.*", "");
    hear(f, &logs[2], "a.>", "");
    hear(f, &logs[3], "a.c", "");
    say(f, "a.b", "x");
    flush(f);
    assert_int_equal(logs[0].count, 1);
    assert_int_equal(logs[1].count, 1);
    assert_int_equal(logs[2].count, 1);
    assert_int_equal(logs[3].count, 0);
}

/* What one port publishes arrives in that order. */
static void bus_keeps_the_order_of_a_publisher(void **state)
{
    struct fixture *f = *state;
    char body[16];
    hear(f, &logs[0], "n.*", "");
    for (int i = 0; i < 2000; i++) {
        snprintf(body, sizeof body, "%d", i);
        say(f, i % 2 ? "n.odd" : "n.even", body);
    }
    flush(f);
    assert_int_equal(logs[0].count, 2000);
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(atoi(logs[0].bodies[i]), i);
    }
}

static void check_headers(void *arg, const struct hr_bus_msg *msg)
{
    struct log *log = arg;
    static const char *const expected[][2] = {
        {"Trace", "1"}, {"trace", "2"}, {"Empty", ""}, {"Trace", "a: b;\tc \xc3\xbc"}};
    assert_int_equal(msg->header_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(hr_str_eq(msg->headers[i].name, hr_str_c(expected[i][0])));
        assert_true(hr_str_eq(msg->headers[i].value, hr_str_c(expected[i][1])));
    }
    assert_true(hr_str_eq(msg->reply_to, HR_STR("answer.here")));
    note(log, msg);
}

/* Headers keep their order, their letters' case, their repetitions and their empty values, and the
 * reply subject comes along. */
static void bus_keeps_headers_and_reply_subject(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_header headers[] = {{HR_STR("Trace"), HR_STR("1")},
                                      {HR_STR("trace"), HR_STR("2")},
                                      {HR_STR("Empty"), HR_STR("")},
                                      {HR_STR("Trace"), HR_STR("a: b;\tc \xc3\xbc")}};
    struct hr_bus_msg msg = {.subject = HR_STR("h"),
                             .reply_to = HR_STR("answer.here"),
                             .headers = headers,
                             .header_count = 4};
    struct hr_bus_sub_options options = {.subject = HR_STR("h")};
    logs[0].fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, check_headers, &logs[0], &logs[0].sub),
                     HR_OK);
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_OK);
    flush(f);
    assert_int_equal(logs[0].count, 1);
}

/* Malformed subjects and headers are refused with HR_BAD_INPUT, and nobody gets anything. */
static void bus_refuses_malformed_messages(void **state)
{
    const struct {
        struct hr_bus_msg msg;
        struct hr_bus_header header;
    } rows[] = {
        {{.subject = HR_STR("")}, {{0}, {0}}},
        {{.subject = HR_STR("a..b")}, {{0}, {0}}},
        {{.subject = HR_STR("a.*")}, {{0}, {0}}},
        {{.subject = HR_STR("a.>")}, {{0}, {0}}},
        {{.subject = HR_STR("a b")}, {{0}, {0}}},
        {{.subject = HR_STR("a\r\nb")}, {{0}, {0}}},
        {{.subject = HR_STR("a"), .reply_to = HR_STR("b.*")}, {{0}, {0}}},
        {{.subject = HR_STR("a"), .reply_to = HR_STR("b c")}, {{0}, {0}}},
        {{.subject = HR_STR("a"), .header_count = 1}, {HR_STR(""), HR_STR("v")}},
        {{.subject = HR_STR("a"), .header_count = 1}, {HR_STR("n:m"), HR_STR("v")}},
        {{.subject = HR_STR("a"), .header_count = 1}, {HR_STR("n m"), HR_STR("v")}},
        {{.subject = HR_STR("a"), .header_count = 1}, {HR_STR("n\r"), HR_STR("v")}},
        {{.subject = HR_STR("a"), .header_count = 1}, {HR_STR("\xc3\xbc"), HR_STR("v")}},
        {{.subject = HR_STR("a"), .header_count = 1}, {HR_STR("n"), HR_STR("v\r\nx: y")}},
        {{.subject = HR_STR("a"), .header_count = 1}, {HR_STR("n"), HR_STR("v\0")}},
    };
    struct fixture *f = *state;
    hear(f, &logs[0], "a", "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hr_bus_msg msg = rows[i].msg;
        msg.headers = &rows[i].header;
        print_message("row %zu\n", i);
        assert_int_equal(hr_bus_publish(f->port, &msg), HR_BAD_INPUT);
    }
    flush(f);
    assert_int_equal(logs[0].count, 0);
}

/* Subscriptions to malformed subjects or queues are refused. */
static void bus_refuses_malformed_subscriptions(void **state)
{
    struct fixture *f = *state;
    const struct hr_bus_sub_options rows[] = {
        {.subject = HR_STR("")},
        {.subject = HR_STR("a.")},
        {.subject = HR_STR("a.>.b")},
        {.subject = HR_STR("a b")},
        {.subject = HR_STR("a"), .queue = HR_STR("q q")},
        {.subject = HR_STR("a"), .queue = HR_STR("q\n")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hr_bus_sub *sub = NULL;
        assert_int_equal(hr_bus_subscribe(f->port, &rows[i], on_message, &logs[0], &sub),
                         HR_BAD_INPUT);
        assert_null(sub);
    }
}

/* Each limit admits what is exactly at it and refuses one more with HR_TOO_BIG. */
static void bus_refuses_what_passes_a_limit(void **state)
{
    struct fixture *f = *state;
    static char bytes[HR_BUS_PAYLOAD_BYTES_MAX + 1];
    static struct hr_bus_header headers[HR_BUS_HEADERS_MAX + 1];
    memset(bytes, 'x', sizeof bytes);
    hear(f, &logs[0], ">", "limits");

    struct hr_bus_msg msg = {.subject = HR_STR("a"), .body = {bytes, HR_BUS_PAYLOAD_BYTES_MAX}};
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_OK);
    msg.body.len++;
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_TOO_BIG);
    msg.subject = HR_STR("_LOCAL.a"); /* never on a wire, but of the bus that is nothing else */
    assert_int_equal(hr_bus_publish(f->port, &msg), is_over_nats() ? HR_TOO_BIG : HR_OK);
    msg.subject = HR_STR("_LOCALE.a");
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_TOO_BIG);

    msg = (struct hr_bus_msg){.subject = {bytes, HR_BUS_SUBJECT_BYTES_MAX}};
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_OK);
    msg.subject.len++;
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_TOO_BIG);

    for (size_t i = 0; i <= HR_BUS_HEADERS_MAX; i++) {
        headers[i].name = HR_STR("n");
    }
    msg = (struct hr_bus_msg){
        .subject = HR_STR("a"), .headers = headers, .header_count = HR_BUS_HEADERS_MAX};
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_OK);
    msg.header_count++;
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_TOO_BIG);

    msg.header_count = 1;
    headers[0].value = hr_str_of(bytes, HR_BUS_HEADER_BYTES_MAX - 1);
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_OK);
    headers[0].value.len++;
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_TOO_BIG);

    struct hr_bus_sub_options options = {.subject = {bytes, HR_BUS_SUBJECT_BYTES_MAX + 1}};
    struct hr_bus_sub *sub;
    assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, &logs[1], &sub), HR_BAD_INPUT);
    flush(f);
    assert_true(logs[0].count >= 4);
}

/* Of a queue group each message goes to exactly one member. */
static void bus_gives_a_queue_group_each_message_once(void **state)
{
    struct fixture *f = *state;
    bool seen[300] = {false};
    char body[16];
    for (int i = 0; i < 3; i++) {
        hear(f, &logs[i], "job.*", "workers");
    }
    for (int i = 0; i < 300; i++) {
        snprintf(body, sizeof body, "%d", i);
        say(f, "job.x", body);
    }
    flush(f);
    assert_int_equal(logs[0].count + logs[1].count + logs[2].count, 300);
    for (int i = 0; i < 3; i++) {
        for (size_t n = 0; n < logs[i].count; n++) {
            int job = atoi(logs[i].bodies[n]);
            assert_false(seen[job]);
            seen[job] = true;
        }
    }
}

/* A group is its name: members with different patterns are one group, other groups and plain
 * subscriptions get their own copy. */
static void bus_counts_a_group_by_its_name(void **state)
{
    struct fixture *f = *state;
    hear(f, &logs[0], "get.*", "kv");
    hear(f, &logs[1], "get.>", "kv");
    hear(f, &logs[2], "get.a", "other");
    hear(f, &logs[3], "get.a", "");
    for (int i = 0; i < 10; i++) {
        say(f, "get.a", "x");
    }
    flush(f);
    assert_int_equal(logs[0].count + logs[1].count, 10);
    assert_int_equal(logs[2].count, 10);
    assert_int_equal(logs[3].count, 10);
}

/* After unsubscribing no callback runs, not even for what was queued. */
static void bus_is_silent_after_unsubscribe(void **state)
{
    struct fixture *f = *state;
    hear(f, &logs[0], "a", "");
    hear(f, &logs[1], "a", "");
    say(f, "a", "1");
    hr_bus_unsubscribe(logs[0].sub);
    say(f, "a", "2");
    flush(f);
    assert_int_equal(logs[0].count, 0);
    assert_int_equal(logs[1].count, 2);
    hr_bus_unsubscribe(NULL);
}

static void unsubscribe_both(void *arg, const struct hr_bus_msg *msg)
{
    struct log *log = arg;
    note(log, msg);
    hr_bus_unsubscribe(logs[0].sub);
    hr_bus_unsubscribe(logs[1].sub);
}

/* A callback may end its own subscription and another with messages waiting. */
static void bus_allows_unsubscribing_in_a_callback(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_sub_options options = {.subject = HR_STR("a")};
    for (int i = 0; i < 2; i++) {
        logs[i].fixture = f;
        assert_int_equal(
            hr_bus_subscribe(f->port, &options, unsubscribe_both, &logs[i], &logs[i].sub), HR_OK);
    }
    for (int i = 0; i < 5; i++) {
        say(f, "a", "x");
    }
    flush(f);
    assert_int_equal(logs[0].count + logs[1].count, 1);
    assert_int_equal(stats_of(f).pending, 0);
}

/* A slow consumer loses what passes its limit, the publisher never notices, the losses are counted,
 * others are not touched, and the consumer works again once it has caught up. */
static void bus_drops_at_a_slow_consumer_and_counts(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_sub_options options = {.subject = HR_STR("flood"), .pending_messages_max = 10};
    logs[0].fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, &logs[0], &logs[0].sub),
                     HR_OK);
    hear(f, &logs[1], "flood", "");
    for (int i = 0; i < 25; i++) {
        say(f, "flood", "x");
    }
    wait_for_arrivals(f, 50);
    flush(f);
    assert_int_equal(logs[0].count, 10);
    assert_int_equal(logs[1].count, 25);
    assert_int_equal(stats_of(f).dropped, 15);
    say(f, "flood", "again");
    flush(f);
    assert_int_equal(logs[0].count, 11);
    assert_string_equal(logs[0].bodies[10], "again");
}

/* The queue is bounded in bytes too. */
static void bus_drops_by_bytes_too(void **state)
{
    struct fixture *f = *state;
    static char body[1000];
    struct hr_bus_sub_options options = {.subject = HR_STR("flood"), .pending_bytes_max = 2500};
    struct hr_bus_msg msg = {.subject = HR_STR("flood"), .body = {body, sizeof body}};
    logs[0].fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, &logs[0], &logs[0].sub),
                     HR_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(hr_bus_publish(f->port, &msg), HR_OK);
    }
    wait_for_arrivals(f, 5);
    flush(f);
    assert_int_equal(logs[0].count, 2);
    assert_int_equal(stats_of(f).dropped, 3);
}

/* Whom a closing port calls, in order. */
static char closing_order[8];

static void on_closing_reply(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct log *log = arg;
    struct hr_bus_msg msg = message_of("a", "");
    struct hr_bus_sub_options options = {.subject = HR_STR("a")};
    struct hr_bus_sub *sub;
    assert_int_equal(err, HR_CANCELED);
    assert_null(reply);
    strcat(closing_order, log->subject);
    /* The port is closing: it takes no more. */
    assert_int_equal(hr_bus_publish(log->fixture->port, &msg), HR_CLOSED);
    assert_int_equal(hr_bus_subscribe(log->fixture->port, &options, on_message, log, &sub),
                     HR_CLOSED);
    assert_int_equal(hr_bus_request(log->fixture->port, &msg, 1, on_reply, log, NULL), HR_CLOSED);
}

static void on_closing_gather(void *arg, enum hr_err err, const struct hr_bus_msg *replies,
                              size_t count)
{
    struct log *log = arg;
    (void)replies;
    assert_int_equal(err, HR_CANCELED);
    assert_int_equal(count, 0);
    strcat(closing_order, log->subject);
}

static void on_closing_done(void *arg)
{
    strcat(closing_order, ".");
    on_port_closed(arg);
}

/* Closing with work under way: no subscription is called again, each request gets HR_CANCELED once,
 * in the order of asking, and then the port is closed. None of it before the close has returned. */
static void bus_close_completes_what_is_pending(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("a", "x");
    struct hr_bus_msg nobody = message_of("nobody", "x");
    closing_order[0] = '\0';
    hear(f, &logs[0], "a", "");
    logs[0].answer_from = f->port;
    for (int i = 1; i < LOGS; i++) {
        logs[i].fixture = f;
        snprintf(logs[i].subject, sizeof logs[i].subject, "%d", i);
    }
    assert_int_equal(hr_bus_request(f->port, &msg, 5000, on_closing_reply, &logs[1], NULL), HR_OK);
    assert_int_equal(hr_bus_gather(f->port, &msg, 2, 5000, on_closing_gather, &logs[2], NULL),
                     HR_OK);
    assert_int_equal(hr_bus_request(f->port, &nobody, 5000, on_closing_reply, &logs[3], NULL),
                     HR_OK);
    hr_bus_port_close(f->port, on_closing_done, f);
    assert_string_equal(closing_order, "");
    while (!f->port_closed) {
        run_loop(f);
    }
    assert_string_equal(closing_order, "123.");
    assert_int_equal(logs[0].count, 0);
    assert_int_equal(stats_of(f).pending, 0);
    assert_int_equal(stats_of(f).subscriptions, 0);
}

static void close_in_callback(void *arg, const struct hr_bus_msg *msg)
{
    struct log *log = arg;
    note(log, msg);
    hr_bus_port_close(log->fixture->port, on_port_closed, log->fixture);
    assert_false(log->fixture->port_closed);
}

/* A port may be closed from one of its own callbacks, with messages still queued. */
static void bus_close_works_in_a_callback(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_sub_options options = {.subject = HR_STR("a")};
    logs[0].fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, close_in_callback, &logs[0], &logs[0].sub),
                     HR_OK);
    for (int i = 0; i < 5; i++) {
        say(f, "a", "x");
    }
    while (!f->port_closed) {
        run_loop(f);
    }
    assert_int_equal(logs[0].count, 1);
}

/* A bus without ports closes, and so does none at all. */
static void bus_close_takes_an_unused_bus_and_null(void **state)
{
    (void)state;
    struct hr_bus *bus;
    assert_int_equal(open_bus(&bus, NULL), HR_OK);
    hr_bus_close(bus);
    hr_bus_close(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bus_delivers_after_publish_has_returned),
        CASE(bus_delivers_after_the_publishing_callback),
        CASE(bus_copies_what_is_published),
        CASE(bus_routes_by_wildcards),
        CASE(bus_gives_every_matching_subscription_a_copy),
        CASE(bus_keeps_the_order_of_a_publisher),
        CASE(bus_keeps_headers_and_reply_subject),
        CASE(bus_refuses_malformed_messages),
        CASE(bus_refuses_malformed_subscriptions),
        CASE(bus_refuses_what_passes_a_limit),
        CASE(bus_gives_a_queue_group_each_message_once),
        CASE(bus_counts_a_group_by_its_name),
        CASE(bus_is_silent_after_unsubscribe),
        CASE(bus_allows_unsubscribing_in_a_callback),
        CASE(bus_drops_at_a_slow_consumer_and_counts),
        CASE(bus_drops_by_bytes_too),
        CASE(bus_close_completes_what_is_pending),
        CASE(bus_close_works_in_a_callback),
        cmocka_unit_test(bus_close_takes_an_unused_bus_and_null),
    };
    return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
