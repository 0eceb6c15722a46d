/* links: hr_lattice
 * What host/bus/bus.h promises of requests and gathers, tested through nothing but host/bus/bus.h
 * (HEDGEROW_TEST_BUS chooses the implementation). */
#include "bus_fixture.h"

#define LOGS 4

static struct log logs[LOGS];

static int begin(void **state)
{
    memset(logs, 0, sizeof logs);
    return setup(state);
}

/* A request gets the reply, on the loop, after the submitter has returned. */
static void bus_request_gets_the_reply(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("echo", "ping");
    hear(f, &logs[0], "echo", "");
    logs[0].answer_from = f->port;
    logs[1].fixture = f;
    assert_int_equal(hr_bus_request(f->port, &msg, WATCHDOG_MS, on_reply, &logs[1], NULL), HR_OK);
    assert_int_equal(logs[1].count, 0);
    wait_for(&logs[1]);
    assert_int_equal(logs[1].err, HR_OK);
    assert_string_equal(logs[1].bodies[0], "ping");
}

static void reply_twice(void *arg, const struct hr_bus_msg *msg)
{
    struct log *log = arg;
    struct hr_bus_msg reply = {.subject = msg->reply_to};
    assert_true(hr_str_starts(msg->reply_to, HR_STR("_INBOX.")));
    note(log, msg);
    reply.body = HR_STR("first");
    assert_int_equal(hr_bus_publish(log->fixture->port, &reply), HR_OK);
    reply.body = HR_STR("second");
    assert_int_equal(hr_bus_publish(log->fixture->port, &reply), HR_OK);
}

/* The first reply wins; later ones call nobody. */
static void bus_request_takes_the_first_reply_only(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_sub_options options = {.subject = HR_STR("echo")};
    struct hr_bus_msg msg = message_of("echo", "");
    logs[0].fixture = f;
    logs[1].fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, reply_twice, &logs[0], &logs[0].sub),
                     HR_OK);
    assert_int_equal(hr_bus_request(f->port, &msg, WATCHDOG_MS, on_reply, &logs[1], NULL), HR_OK);
    wait_for(&logs[1]);
    flush(f);
    assert_int_equal(logs[1].count, 1);
    assert_string_equal(logs[1].bodies[0], "first");
}

/* A request to nobody fails at once, long before its timeout, yet not before it has returned. */
static void bus_request_to_nobody_fails_at_once(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("nobody", "");
    logs[0].fixture = f;
    assert_int_equal(hr_bus_request(f->port, &msg, UINT32_MAX, on_reply, &logs[0], NULL), HR_OK);
    assert_int_equal(logs[0].count, 0);
    wait_for(&logs[0]);
    assert_int_equal(logs[0].err, HR_NO_RESPONDERS);
    assert_int_equal(stats_of(f).no_responders, 1);
}

/* A request that nobody answers ends with HR_TIMEOUT, and not early. */
static void bus_request_times_out(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("silent", "");
    hear(f, &logs[0], "silent", "");
    logs[1].fixture = f;
    uint64_t began_ns = hr_now_ns();
    assert_int_equal(hr_bus_request(f->port, &msg, 30, on_reply, &logs[1], NULL), HR_OK);
    wait_for(&logs[1]);
    assert_int_equal(logs[1].err, HR_TIMEOUT);
    assert_true(hr_now_ns() - began_ns >= 29 * 1000000u);
    assert_int_equal(logs[0].count, 1);
    assert_int_equal(stats_of(f).timeouts, 1);
}

/* Cancelled requests do not call back, whether they wait for a reply or for being told of nobody. */
static void bus_cancel_keeps_the_callback_from_running(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_request *requests[3];
    struct hr_bus_msg echo = message_of("echo", "x");
    struct hr_bus_msg nobody = message_of("nobody", "x");
    hear(f, &logs[0], "echo", "");
    logs[0].answer_from = f->port;
    logs[1].fixture = f;
    assert_int_equal(hr_bus_request(f->port, &echo, 20, on_reply, &logs[1], &requests[0]), HR_OK);
    assert_int_equal(hr_bus_request(f->port, &nobody, 20, on_reply, &logs[1], &requests[1]), HR_OK);
    assert_int_equal(hr_bus_gather(f->port, &echo, 2, 20, on_gathered, &logs[1], &requests[2]),
                     HR_OK);
    for (int i = 0; i < 3; i++) {
        hr_bus_cancel(requests[i]);
    }
    hr_bus_cancel(NULL);
    struct hr_bus_msg silent = message_of("silent", "");
    hear(f, &logs[2], "silent", "");
    logs[3].fixture = f;
    assert_int_equal(hr_bus_request(f->port, &silent, 40, on_reply, &logs[3], NULL), HR_OK);
    wait_for(&logs[3]); /* time enough for the cancelled ones' timers */
    assert_int_equal(logs[0].count, 2);
    assert_int_equal(logs[1].count, 0);
}

/* A request's own arguments are checked. */
static void bus_refuses_malformed_requests(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("a", "");
    struct hr_bus_msg with_reply = msg;
    with_reply.reply_to = HR_STR("b");
    assert_int_equal(hr_bus_request(f->port, &msg, 0, on_reply, &logs[0], NULL), HR_BAD_INPUT);
    assert_int_equal(hr_bus_request(f->port, &with_reply, 1, on_reply, &logs[0], NULL),
                     HR_BAD_INPUT);
    assert_int_equal(hr_bus_gather(f->port, &msg, 0, 1, on_gathered, &logs[0], NULL), HR_BAD_INPUT);
    assert_int_equal(
        hr_bus_gather(f->port, &msg, HR_BUS_GATHER_REPLIES_MAX + 1, 1, on_gathered, &logs[0], NULL),
        HR_BAD_INPUT);
    flush(f);
    assert_int_equal(logs[0].count, 0);
}

static void answer_with_name(void *arg, const struct hr_bus_msg *msg)
{
    struct log *log = arg;
    struct hr_bus_msg reply = {.subject = msg->reply_to, .body = hr_str_c(log->subject)};
    assert_int_equal(hr_bus_publish(log->fixture->port, &reply), HR_OK);
}

static void listen_as(struct fixture *f, struct log *log, const char *name)
{
    struct hr_bus_sub_options options = {.subject = HR_STR("all")};
    log->fixture = f;
    snprintf(log->subject, sizeof log->subject, "%s", name);
    assert_int_equal(hr_bus_subscribe(f->port, &options, answer_with_name, log, &log->sub), HR_OK);
}

/* A gather ends as soon as it has what it wants. */
static void bus_gather_ends_when_enough_have_come(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("all", "?");
    listen_as(f, &logs[0], "anna");
    listen_as(f, &logs[1], "bert");
    listen_as(f, &logs[2], "carl");
    logs[3].fixture = f;
    assert_int_equal(hr_bus_gather(f->port, &msg, 2, UINT32_MAX, on_gathered, &logs[3], NULL),
                     HR_OK);
    assert_int_equal(logs[3].count, 0);
    wait_for(&logs[3]);
    assert_int_equal(logs[3].err, HR_OK);
    assert_int_equal(logs[3].replies, 2);
    assert_string_not_equal(logs[3].bodies[0], logs[3].bodies[1]);
    flush(f); /* the third reply comes late and calls nobody */
    assert_int_equal(logs[3].count, 1);
}

static void answer_with_no(void *arg, const struct hr_bus_msg *msg)
{
    const struct log *log = arg;
    const struct hr_bus_header header = {HR_STR(HR_BUS_HEADER_REFUSED), HR_STR("not today")};
    const struct hr_bus_msg no = {
        .subject = msg->reply_to, .body = HR_STR("no"), .headers = &header, .header_count = 1};
    assert_int_equal(hr_bus_publish(log->fixture->port, &no), HR_OK);
}

/* Who refuses has not replied: a gather goes on for those who do. */
static void bus_gather_counts_no_refusals(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("all", "?");
    const struct hr_bus_sub_options options = {.subject = HR_STR("all")};
    logs[0].fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, answer_with_no, &logs[0], &logs[0].sub),
                     HR_OK);
    listen_as(f, &logs[1], "bert");
    logs[3].fixture = f;
    assert_int_equal(hr_bus_gather(f->port, &msg, 1, UINT32_MAX, on_gathered, &logs[3], NULL),
                     HR_OK);
    wait_for(&logs[3]);
    assert_int_equal(logs[3].replies, 1);
    assert_string_equal(logs[3].bodies[0], "bert");
}

/* A gather that gets fewer than it wants ends at its time with those. */
static void bus_gather_ends_with_fewer_when_time_is_up(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("all", "?");
    listen_as(f, &logs[0], "anna");
    listen_as(f, &logs[1], "bert");
    logs[3].fixture = f;
    assert_int_equal(hr_bus_gather(f->port, &msg, 3, 50, on_gathered, &logs[3], NULL), HR_OK);
    wait_for(&logs[3]);
    assert_int_equal(logs[3].err, HR_OK);
    assert_int_equal(logs[3].replies, 2);
}

/* A gather that nobody hears ends at once, empty and well. */
static void bus_gather_from_nobody_is_empty_at_once(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("nobody", "?");
    logs[3].fixture = f;
    assert_int_equal(hr_bus_gather(f->port, &msg, 3, UINT32_MAX, on_gathered, &logs[3], NULL),
                     HR_OK);
    wait_for(&logs[3]);
    assert_int_equal(logs[3].err, HR_OK);
    assert_int_equal(logs[3].replies, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bus_request_gets_the_reply),
        CASE(bus_request_takes_the_first_reply_only),
        CASE(bus_request_to_nobody_fails_at_once),
        CASE(bus_request_times_out),
        CASE(bus_cancel_keeps_the_callback_from_running),
        CASE(bus_refuses_malformed_requests),
        CASE(bus_gather_ends_when_enough_have_come),
        CASE(bus_gather_counts_no_refusals),
        CASE(bus_gather_ends_with_fewer_when_time_is_up),
        CASE(bus_gather_from_nobody_is_empty_at_once),
    };
    return cmocka_run_group_tests_name("bus_request", tests, NULL, NULL);
}
