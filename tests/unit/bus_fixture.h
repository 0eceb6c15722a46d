/* What the bus' tests share: a loop on the test's thread, a bus and a port on it, and a subscription
 * that writes down what it gets. Included once by each test program.
 *
 * A test calls the bus between runs of the loop (then this thread is the loop's) and runs the loop
 * with flush(), which ends when a message sent after all others has come back; nothing depends on
 * time but a watchdog. HEDGEROW_TEST_BUS names the bus under test: "local" (the default), "nats", over
 * a nats-server that the test starts, "lattice" or "lattice-away" (lattice_fixture.h). */
#ifndef HR_TEST_BUS_FIXTURE_H
#define HR_TEST_BUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "host/bus/nats.h"
#include "lattice_fixture.h"
#include "nats_rig.h"

#define WATCHDOG_MS 60000u
#define NOTES_MAX 4096 /* of one log */

struct fixture {
    struct hr_loop loop;
    struct hr_bus *bus;
    struct hr_bus_port *port;
    struct hr_timer watchdog;
    bool port_closed;
};

/* What one subscription or request was told. */
struct log {
    struct fixture *fixture;
    struct hr_bus_port *answer_from; /* set: every message is answered with its own body */
    struct hr_bus_sub *sub;
    size_t count;
    char bodies[NOTES_MAX][24];
    char subject[64]; /* of the last */
    enum hr_err err;
    size_t replies; /* of a gather */
    bool stop;      /* end the loop's run when called */
};

/* The server of a test over NATS, for all of its cases. */
static struct nats_server bus_server;

static inline bool is_over_nats(void)
{
    const char *name = getenv("HEDGEROW_TEST_BUS");
    return name && strcmp(name, "nats") == 0;
}

static inline void end_bus_server(void)
{
    if (bus_server.pid > 0) {
        kill(bus_server.pid, SIGKILL);
        waitpid(bus_server.pid, NULL, 0);
    }
    if (bus_server.dir[0]) {
        char command[128];
        snprintf(command, sizeof command, "rm -rf '%s'", bus_server.dir);
        HR_IGNORE(system(command)); /* the test's result counts */
    }
}

static inline enum hr_err open_nats_bus(struct hr_bus **ret_bus, struct hr_diag *diag)
{
    if (bus_server.pid == 0) {
        nats_rig_init(&bus_server);
        nats_rig_start(&bus_server);
        atexit(end_bus_server);
    }
    struct hr_str url = hr_str_c(bus_server.url);
    struct hr_bus_nats_options options = {.urls = &url, .url_count = 1};
    enum hr_err err = hr_bus_nats_open(&options, ret_bus, diag);
    if (!err) {
        NATS_RIG_AWAIT(hr_bus_nats_live(*ret_bus));
    }
    return err;
}

static inline enum hr_err open_bus(struct hr_bus **ret_bus, struct hr_diag *diag)
{
    const char *name = getenv("HEDGEROW_TEST_BUS");
    if (!name || strcmp(name, "local") == 0) {
        return hr_bus_local_open(ret_bus, diag);
    }
    if (is_over_nats()) {
        return open_nats_bus(ret_bus, diag);
    }
    if (strncmp(name, "lattice", 7) == 0) {
        return lattice_stack_open(strcmp(name, "lattice-away") == 0, ret_bus, diag);
    }
    return hr_diag_set(diag, HR_BAD_INPUT, "HEDGEROW_TEST_BUS=%s: no such bus", name);
}

static inline void on_watchdog(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for %u ms", WATCHDOG_MS);
}

static inline void run_loop(struct fixture *f)
{
    hr_loop_timer_start(&f->loop, &f->watchdog, WATCHDOG_MS);
    hr_loop_run(&f->loop);
    hr_loop_timer_stop(&f->loop, &f->watchdog);
}

static inline int setup(void **state)
{
    static struct fixture f;
    struct hr_diag diag = {0};
    memset(&f, 0, sizeof f);
    hr_timer_init(&f.watchdog, on_watchdog, &f);
    if (hr_loop_init(&f.loop, &diag) || open_bus(&f.bus, &diag) ||
        hr_bus_port_open(f.bus, &f.loop, &f.port, &diag)) {
        print_error("%s\n", diag.text);
        return -1;
    }
    *state = &f;
    return 0;
}

static inline void on_port_closed(void *arg)
{
    struct fixture *f = arg;
    f->port_closed = true;
    hr_loop_stop(&f->loop);
}

static inline void close_port(struct fixture *f)
{
    if (!f->port_closed) {
        hr_bus_port_close(f->port, on_port_closed, f);
        while (!f->port_closed) {
            run_loop(f);
        }
    }
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    close_port(f);
    hr_bus_close(f->bus);
    hr_loop_release(&f->loop);
    int64_t live = hr_alloc_live();
    if (live != 0) {
        print_error("%lld allocations are left\n", (long long)live);
    }
    return live == 0 ? 0 : -1;
}

static inline struct hr_bus_msg message_of(const char *subject, const char *body)
{
    return (struct hr_bus_msg){.subject = hr_str_c(subject), .body = hr_str_c(body)};
}

static inline void note(struct log *log, const struct hr_bus_msg *msg)
{
    assert_true(log->count < NOTES_MAX);
    snprintf(log->bodies[log->count++], sizeof log->bodies[0], "%.*s", HR_STR_ARG(msg->body));
    snprintf(log->subject, sizeof log->subject, "%.*s", HR_STR_ARG(msg->subject));
}

static inline void on_message(void *arg, const struct hr_bus_msg *msg)
{
    struct log *log = arg;
    assert_true(hr_loop_is_own_thread(&log->fixture->loop));
    note(log, msg);
    if (log->answer_from && msg->reply_to.len > 0) {
        struct hr_bus_msg reply = {.subject = msg->reply_to, .body = msg->body};
        assert_int_equal(hr_bus_publish(log->answer_from, &reply), HR_OK);
    }
    if (log->stop) {
        hr_loop_stop(&log->fixture->loop);
    }
}

static inline void on_reply(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct log *log = arg;
    assert_true(hr_loop_is_own_thread(&log->fixture->loop));
    assert_int_equal(err == HR_OK, reply != NULL);
    log->err = err;
    if (reply) {
        note(log, reply);
    } else {
        log->count++;
    }
    if (log->stop) {
        hr_loop_stop(&log->fixture->loop);
    }
}

static inline void on_gathered(void *arg, enum hr_err err, const struct hr_bus_msg *replies,
                               size_t count)
{
    struct log *log = arg;
    assert_true(hr_loop_is_own_thread(&log->fixture->loop));
    log->err = err;
    log->replies = count;
    log->count = 0;
    for (size_t i = 0; i < count; i++) {
        note(log, &replies[i]);
    }
    log->count = 1; /* how often it was called is what counts */
    if (log->stop) {
        hr_loop_stop(&log->fixture->loop);
    }
}

/* A subscription to @subject (of group @queue, or "") that writes to @log. */
static inline void hear(struct fixture *f, struct log *log, const char *subject, const char *queue)
{
    struct hr_bus_sub_options options = {.subject = hr_str_c(subject), .queue = hr_str_c(queue)};
    log->fixture = f;
    assert_int_equal(hr_bus_subscribe(f->port, &options, on_message, log, &log->sub), HR_OK);
}

static inline void say(struct fixture *f, const char *subject, const char *body)
{
    struct hr_bus_msg msg = message_of(subject, body);
    assert_int_equal(hr_bus_publish(f->port, &msg), HR_OK);
}

/* Runs the loop until everything that was sent before has been handled, and what that sent too. */
static inline void flush(struct fixture *f)
{
    static struct log fence;
    for (int round = 0; round < 3; round++) { /* a message, its reply, and what the reply causes */
        memset(&fence, 0, sizeof fence);
        fence.stop = true;
        hear(f, &fence, "test.fence", "");
        say(f, "test.fence", "");
        while (fence.count == 0) {
            run_loop(f);
        }
        hr_bus_unsubscribe(fence.sub);
    }
}

/* Runs the loop until @log has been told something. */
static inline void wait_for(struct log *log)
{
    log->stop = true;
    while (log->count == 0) {
        run_loop(log->fixture);
    }
    log->stop = false;
}

static inline struct hr_bus_stats stats_of(struct fixture *f)
{
    struct hr_bus_stats stats;
    hr_bus_stats(f->bus, &stats);
    return stats;
}

/* Waits, without running the loop, until @count messages have come as far as the subscriptions' queues
 * (or were dropped there). In the process they are there at once. */
static inline void wait_for_arrivals(struct fixture *f, uint64_t count)
{
    struct hr_bus_stats stats;
    NATS_RIG_AWAIT((stats = stats_of(f), stats.pending + stats.delivered + stats.dropped >= count));
}

#endif
