/* links: hr_lattice
 * What the in-process bus does beyond the common contract: turns, nearness, messages that move on
 * when a member leaves, no wake-ups on one loop, and running out of memory. */
#include "bus_fixture.h"

#define LOGS 4

static struct log logs[LOGS];

static int begin(void **state)
{
    memset(logs, 0, sizeof logs);
    return setup(state);
}

/* Equal members of a group take turns, from the oldest on. */
static void bus_local_members_take_turns(void **state)
{
    struct fixture *f = *state;
    char body[16];
    for (int i = 0; i < 3; i++) {
        hear(f, &logs[i], "job", "workers");
    }
    for (int i = 0; i < 9; i++) {
        snprintf(body, sizeof body, "%d", i);
        say(f, "job", body);
    }
    flush(f);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(atoi(logs[i % 3].bodies[i / 3]), i);
    }
}

/* A member whose queue is full is passed over while another has room. */
static void bus_local_group_passes_over_a_full_member(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_sub_options options = {
        .subject = HR_STR("job"), .queue = HR_STR("workers"), .pending_messages_max = 1};
    logs[0].fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, &logs[0], &logs[0].sub),
                     HR_OK);
    hear(f, &logs[1], "job", "workers");
    for (int i = 0; i < 10; i++) {
        say(f, "job", "x");
    }
    flush(f);
    assert_int_equal(logs[0].count, 1);
    assert_int_equal(logs[1].count, 9);
    assert_int_equal(stats_of(f).dropped, 0);
}

/* When a member with queued messages leaves, the others get them, in their order and none twice;
 * members of another group or without one do not. */
static void bus_local_leaving_member_hands_its_messages_on(void **state)
{
    struct fixture *f = *state;
    bool seen[100] = {false};
    char body[16];
    hear(f, &logs[0], "job", "workers");
    hear(f, &logs[1], "job", "workers");
    hear(f, &logs[2], "job", "");
    for (int i = 0; i < 100; i++) {
        snprintf(body, sizeof body, "%d", i);
        say(f, "job", body);
    }
    hr_bus_unsubscribe(logs[0].sub);
    flush(f);
    assert_int_equal(logs[0].count, 0);
    assert_int_equal(logs[1].count, 100);
    assert_int_equal(logs[2].count, 100);
    for (int i = 0; i < 100; i++) {
        int job = atoi(logs[1].bodies[i]);
        assert_false(seen[job]);
        seen[job] = true;
        assert_true(i < 51 || job > atoi(logs[1].bodies[i - 1])); /* what moved kept its order */
    }
    assert_int_equal(stats_of(f).dropped, 0);
}

/* Closing a port hands its members' messages to those of another port. */
static void bus_local_closing_port_hands_its_messages_on(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.bus = f->bus};
    hr_timer_init(&other.watchdog, on_watchdog, NULL);
    assert_int_equal(hr_loop_init(&other.loop, NULL), HR_OK);
    assert_int_equal(hr_bus_port_open(f->bus, &other.loop, &other.port, NULL), HR_OK);
    hear(f, &logs[0], "job", "workers");
    hear(&other, &logs[1], "job", "workers");
    for (int i = 0; i < 10; i++) {
        say(f, "job", "x");
    }
    hr_bus_port_close(f->port, on_port_closed, f);
    run_loop(f);
    assert_true(f->port_closed);
    assert_int_equal(logs[0].count, 0);
    flush(&other);
    assert_int_equal(logs[1].count, 10);
    close_port(&other);
    hr_loop_release(&other.loop);
}

/* A member on the publisher's loop is preferred to one on another, which gets the rest. */
static void bus_local_group_prefers_the_publishers_loop(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.bus = f->bus};
    hr_timer_init(&other.watchdog, on_watchdog, NULL);
    assert_int_equal(hr_loop_init(&other.loop, NULL), HR_OK);
    assert_int_equal(hr_bus_port_open(f->bus, &other.loop, &other.port, NULL), HR_OK);
    hear(&other, &logs[0], "job", "workers");
    hear(f, &logs[1], "job", "workers");
    for (int i = 0; i < 10; i++) {
        say(f, "job", "near");
    }
    say(&other, "job", "there");
    flush(f);
    flush(&other);
    assert_int_equal(logs[1].count, 10);
    assert_int_equal(logs[0].count, 1);
    assert_string_equal(logs[0].bodies[0], "there");
    hr_bus_unsubscribe(logs[1].sub);
    say(f, "job", "far");
    flush(&other);
    assert_int_equal(logs[0].count, 2);
    close_port(&other);
    hr_loop_release(&other.loop);
}

/* A request whose only receivers are full is told so at once, not after its timeout. */
static void bus_local_request_to_full_queues_is_busy_at_once(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("work", "x");
    struct hr_bus_sub_options options = {.subject = HR_STR("work"), .pending_messages_max = 1};
    logs[0].fixture = f;
    logs[1].fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, &logs[0], &logs[0].sub),
                     HR_OK);
    say(f, "work", "fills it");
    assert_int_equal(hr_bus_request(f->port, &msg, UINT32_MAX, on_reply, &logs[1], NULL), HR_OK);
    wait_for(&logs[1]);
    assert_int_equal(logs[1].err, HR_BUSY);
}

static void look_at_the_loop(void *arg, const struct hr_bus_msg *msg)
{
    struct log *log = arg;
    struct hr_loop *loop = &log->fixture->loop;
    note(log, msg);
    say(log->fixture, "here", "");
    uv_mutex_lock(&loop->lock);
    assert_true(hr_list_empty(&loop->remote)); /* where other threads' tasks would be */
    uv_mutex_unlock(&loop->lock);
    assert_false(hr_list_empty(&loop->local));
}

/* Publisher and subscriber on one loop: nothing goes through the loop's cross-thread queue. */
static void bus_local_takes_no_wake_up_within_a_loop(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_sub_options options = {.subject = HR_STR("begin")};
    logs[0].fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, look_at_the_loop, &logs[0], &logs[0].sub),
                     HR_OK);
    hear(f, &logs[1], "here", "");
    say(f, "begin", "");
    flush(f);
    assert_int_equal(logs[0].count, 1);
    assert_int_equal(logs[1].count, 1);
}

/* Inboxes are `_INBOX.<unique>.<number>`, different for each port and each request. */
static void bus_local_inboxes_are_unique(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("who", "");
    struct hr_bus_port *port;
    char inboxes[3][80];
    struct fixture second = *f;
    assert_int_equal(hr_bus_port_open(f->bus, &f->loop, &port, NULL), HR_OK);
    second.port = port;
    hear(f, &logs[0], "_INBOX.>", "");
    hear(f, &logs[1], "who", "");
    logs[1].answer_from = f->port;
    for (int i = 0; i < 3; i++) {
        memset(&logs[2], 0, sizeof logs[2]);
        logs[2].fixture = f;
        assert_int_equal(
            hr_bus_request(i == 2 ? second.port : f->port, &msg, 1000, on_reply, &logs[2], NULL),
            HR_OK);
        wait_for(&logs[2]);
        flush(f);
        snprintf(inboxes[i], sizeof inboxes[i], "%s", logs[0].subject);
        print_message("%s\n", inboxes[i]);
        assert_int_equal(strncmp(inboxes[i], "_INBOX.", 7), 0);
        assert_int_equal(strcspn(inboxes[i] + 7, "."), 32);
    }
    assert_memory_equal(inboxes[0], inboxes[1], 40);
    assert_string_not_equal(inboxes[0], inboxes[1]);
    assert_memory_not_equal(inboxes[0], inboxes[2], 40);
    hr_bus_port_close(port, NULL, NULL);
    flush(f);
}

/* The table of requests in flight is bounded, and free again when they are over. */
static void bus_local_bounds_requests_in_flight(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("silent", "");
    struct hr_bus_request **requests = calloc(HR_BUS_REQUESTS_MAX, sizeof(struct hr_bus_request *));
    struct hr_bus_sub_options options = {.subject = HR_STR("silent")};
    logs[0].fixture = f;
    logs[1].fixture = f;
    assert_non_null(requests);
    assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, &logs[0], &logs[0].sub),
                     HR_OK);
    for (size_t i = 0; i < HR_BUS_REQUESTS_MAX; i++) {
        assert_int_equal(hr_bus_request(f->port, &msg, 60000, on_reply, &logs[1], &requests[i]),
                         HR_OK);
    }
    assert_int_equal(hr_bus_request(f->port, &msg, 60000, on_reply, &logs[1], NULL), HR_BUSY);
    hr_bus_cancel(requests[0]);
    assert_int_equal(hr_bus_request(f->port, &msg, 60000, on_reply, &logs[1], &requests[0]), HR_OK);
    for (size_t i = 0; i < HR_BUS_REQUESTS_MAX; i++) {
        hr_bus_cancel(requests[i]);
    }
    free(requests);
    assert_int_equal(logs[1].count, 0);
    hr_bus_unsubscribe(logs[0].sub);
}

/* The number of subscriptions is bounded, and free again after unsubscribing. */
static void bus_local_bounds_subscriptions(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_sub_options options = {.subject = HR_STR("a")};
    struct hr_bus_sub **subs = calloc(HR_BUS_SUBSCRIPTIONS_MAX, sizeof(struct hr_bus_sub *));
    struct hr_bus_sub *more;
    assert_non_null(subs);
    for (size_t i = 0; i < HR_BUS_SUBSCRIPTIONS_MAX; i++) {
        assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, &logs[0], &subs[i]),
                         HR_OK);
    }
    assert_int_equal(stats_of(f).subscriptions, HR_BUS_SUBSCRIPTIONS_MAX);
    assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, &logs[0], &more), HR_BUSY);
    hr_bus_unsubscribe(subs[7]);
    assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, &logs[0], &subs[7]), HR_OK);
    for (size_t i = 0; i < HR_BUS_SUBSCRIPTIONS_MAX; i++) {
        hr_bus_unsubscribe(subs[i]);
    }
    free(subs);
    assert_int_equal(stats_of(f).subscriptions, 0);
}

/* Answers with 40 MiB, and the first time asks itself for 40 more behind them. */
static void answer_much(void *arg, const struct hr_bus_msg *msg)
{
    static char body[HR_BUS_PAYLOAD_BYTES_MAX];
    struct log *log = arg;
    struct hr_bus_msg reply = {.subject = msg->reply_to, .body = {body, sizeof body}};
    struct hr_bus_msg again = {.subject = HR_STR("many.again"), .reply_to = msg->reply_to};
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(hr_bus_publish(log->fixture->port, &reply), HR_OK);
    }
    if (log->count++ == 0) {
        assert_int_equal(hr_bus_publish(log->fixture->port, &again), HR_OK);
    }
}

/* A gather that would keep too many bytes ends early with what it has: of 80 replies of 1 MiB (in
 * two halves, so that the inbox holds them) 63 fit into 64 MiB with their subjects. */
static void bus_local_gather_is_bounded_in_bytes(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("many", "");
    struct hr_bus_sub_options options[] = {{.subject = HR_STR("many")},
                                           {.subject = HR_STR("many.again")}};
    struct hr_bus_sub *subs[2];
    logs[0].fixture = f;
    logs[1].fixture = f;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hr_bus_subscribe(f->port, &options[i], answer_much, &logs[0], &subs[i]),
                         HR_OK);
    }
    assert_int_equal(hr_bus_gather(f->port, &msg, HR_BUS_GATHER_REPLIES_MAX, UINT32_MAX,
                                   on_gathered, &logs[1], NULL),
                     HR_OK);
    wait_for(&logs[1]);
    assert_int_equal(logs[1].err, HR_OK);
    assert_int_equal(logs[1].replies, 63);
    assert_int_equal(stats_of(f).dropped, 0);
}

static void open_and_close(void)
{
    struct hr_bus *bus = NULL;
    struct hr_diag diag = {0};
    struct fixture f = {0};
    enum hr_err err;
    int64_t countdown = 0;
    assert_int_equal(hr_loop_init(&f.loop, NULL), HR_OK);
    hr_timer_init(&f.watchdog, on_watchdog, NULL);
    do {
        hr_alloc_fail_after(countdown++);
        err = hr_bus_local_open(&bus, &diag);
        if (!err) {
            err = hr_bus_port_open(bus, &f.loop, &f.port, &diag);
            if (err) {
                hr_bus_close(bus);
            }
        }
        hr_alloc_fail_after(-1);
        if (err) {
            assert_int_equal(err, HR_NO_MEMORY);
            assert_string_not_equal(diag.text, "");
            assert_int_equal(hr_alloc_live(), 0);
        }
    } while (err);
    assert_true(countdown > 3);
    close_port(&f);
    hr_bus_close(bus);
    hr_loop_release(&f.loop);
}

/* Opening a bus and a port survives the failure of any allocation, says so, and leaks nothing. */
static void bus_local_opening_survives_lack_of_memory(void **state)
{
    (void)state;
    open_and_close();
    assert_int_equal(hr_alloc_live(), 0);
}

/* Whichever allocation of a publish to three receivers fails: either all get the message or nobody. */
static void bus_local_publish_is_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("a.b", "x");
    size_t published = 0;
    size_t failed = 0;
    hear(f, &logs[0], "a.b", "");
    hear(f, &logs[1], "a.*", "");
    hear(f, &logs[2], "a.b", "group");
    for (int64_t countdown = 0; published == 0; countdown++) {
        hr_alloc_fail_after(countdown);
        enum hr_err err = hr_bus_publish(f->port, &msg);
        hr_alloc_fail_after(-1);
        assert_true(err == HR_OK || err == HR_NO_MEMORY);
        published += err == HR_OK;
        failed += err != HR_OK;
        assert_int_equal(stats_of(f).pending, 3 * published);
    }
    assert_int_equal(failed, 4); /* the message and three deliveries */
    flush(f);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(logs[i].count, published);
    }
}

/* A request, gather or subscription that lacks memory fails at once, never calls back, leaks nothing
 * and leaves the port as usable as it was. */
static void bus_local_requests_survive_lack_of_memory(void **state)
{
    struct fixture *f = *state;
    struct hr_bus_msg msg = message_of("echo", "x");
    struct hr_bus_sub_options options = {.subject = HR_STR("b")};
    hear(f, &logs[0], "echo", "");
    logs[0].answer_from = f->port;
    logs[1].fixture = f;
    for (int64_t countdown = 0; countdown < 12; countdown++) {
        struct hr_bus_sub *sub;
        int64_t live = hr_alloc_live();
        hr_alloc_fail_after(countdown);
        enum hr_err err = hr_bus_request(f->port, &msg, 60000, on_reply, &logs[1], NULL);
        hr_alloc_fail_after(-1);
        assert_int_equal(err, countdown < 3 ? HR_NO_MEMORY : HR_OK);
        assert_true(err == HR_OK || hr_alloc_live() == live);
        flush(f);
        assert_int_equal(logs[1].count, err == HR_OK);
        logs[1].count = 0;

        hr_alloc_fail_after(countdown);
        err = hr_bus_gather(f->port, &msg, 1, 60000, on_gathered, &logs[1], NULL);
        hr_alloc_fail_after(-1);
        assert_int_equal(err, countdown < 5 ? HR_NO_MEMORY : HR_OK);
        flush(f);
        assert_int_equal(logs[1].count, err == HR_OK);
        logs[1].count = 0;
        assert_int_equal(hr_alloc_live(), live);

        hr_alloc_fail_after(countdown);
        err = hr_bus_subscribe(f->port, &options, on_message, &logs[2], &sub);
        hr_alloc_fail_after(-1);
        assert_int_equal(err, countdown < 1 ? HR_NO_MEMORY : HR_OK);
        if (!err) {
            hr_bus_unsubscribe(sub);
        }
        assert_int_equal(hr_alloc_live(), live);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bus_local_members_take_turns),
        CASE(bus_local_group_passes_over_a_full_member),
        CASE(bus_local_leaving_member_hands_its_messages_on),
        CASE(bus_local_closing_port_hands_its_messages_on),
        CASE(bus_local_group_prefers_the_publishers_loop),
        CASE(bus_local_request_to_full_queues_is_busy_at_once),
        CASE(bus_local_takes_no_wake_up_within_a_loop),
        CASE(bus_local_inboxes_are_unique),
        CASE(bus_local_bounds_requests_in_flight),
        CASE(bus_local_bounds_subscriptions),
        CASE(bus_local_gather_is_bounded_in_bytes),
        cmocka_unit_test(bus_local_opening_survives_lack_of_memory),
        CASE(bus_local_publish_is_all_or_nothing),
        CASE(bus_local_requests_survive_lack_of_memory),
    };
    return cmocka_run_group_tests_name("bus_local", tests, NULL, NULL);
}
