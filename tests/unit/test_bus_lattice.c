/* links: hr_lattice
 * Requests, messages and gathers between hosts of a lattice: three hosts in one process, each with a local bus, on a
 * wire that can be slow, cut or silent (wire.h). No wait is without a limit, none is for a time that is not part of
 * a claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host/lattice/bus.h"
#include "host/lattice/table.h"
#include "tests/unit/dice.h"
#include "tests/unit/wait_rig.h"
#include "tests/unit/wire.h"

#define HOSTS 3
#define TIMEOUT_MS 20000u /* longer than any test */
#define MS ((uint64_t)1000000)

/* What a subscription does with a request. */
enum mood {
    ANSWERS,
    HOLDS, /* for good */
    SAYS_NO,
    IS_BEHIND,  /* the actor, which has not what this one wants */
    JUDGES,     /* the actor, with a body */
    IS_BUSY,    /* the host, before the call */
    HAS_FAILED, /* the host, after the call began */
    ANSWERS_LATER,
    ANSWERS_LATE /* 60 ms */
};

struct service {
    struct host *host;
    struct hr_bus_sub *sub;
    enum mood mood;
    int count;
    int secrets;   /* messages that say so */
    char text[32]; /* of its answers; by default the host's id */
    char left[16]; /* the last message's Hedgerow-Timeout-Ms */
    char last[64]; /* the last message's body */
    struct hr_timer later;
    char reply_to[128];
};

struct host {
    const char *id;
    struct wire_host *wire;
    struct hr_bus *local;
    struct hr_lattice *lattice;
    struct hr_bus *bus;
    struct hr_bus_port *port;
    bool joined;
    bool closed;
};

struct answer {
    int count;
    enum hr_err err;
    char body[64];
    bool refused;
    size_t replies;
    uint64_t took_ns;
    uint64_t began_ns;
};

static struct wire wire;
static struct host hosts[HOSTS];
static struct host *const a = &hosts[0];
static struct host *const b = &hosts[1];
static struct host *const c = &hosts[2];

/* --- the rig ------------------------------------------------------------------------------------------ */

static void on_joined(void *arg, enum hr_err err, const char *why)
{
    (void)why;
    assert_int_equal(err, HR_OK);
    ((struct host *)arg)->joined = true;
}

static void open_host(struct host *host, uint16_t number)
{
    static const char *const ids[HOSTS] = {"a", "b", "c"};
    struct hr_diag diag = {0};
    char site[16];
    snprintf(site, sizeof site, "site-%u", number);
    host->id = ids[number - 1];
    host->wire = wire_attach(&wire);
    const struct hr_lattice_self self = {.lattice = HR_STR("test"),
                                         .host = hr_str_c(host->id),
                                         .site = hr_str_c(site),
                                         .site_id = number,
                                         .version = HR_STR("1")};
    const struct hr_lattice_options options = {.self = &self,
                                               .nats = &host->wire->base,
                                               .loop = &loop,
                                               .announce_ms = 20,
                                               .silent_ms = 1000,
                                               .hello_ms = 100};
    assert_int_equal(hr_bus_local_open(&host->local, &diag), HR_OK);
    assert_int_equal(hr_lattice_open(&options, &host->lattice, &diag), HR_OK);
    assert_int_equal(
        hr_bus_lattice_open(host->local, &host->wire->base, host->lattice, &host->bus, &diag),
        HR_OK);
    assert_int_equal(hr_bus_port_open(host->bus, &loop, &host->port, &diag), HR_OK);
    assert_int_equal(hr_lattice_join(host->lattice, on_joined, host, &diag), HR_OK);
    wait_until(is_true, &host->joined);
}

static int begin(void **state)
{
    struct hr_diag diag;
    (void)state;
    memset(hosts, 0, sizeof hosts);
    wire_init(&wire);
    hr_timer_init(&watchdog, on_watchdog, NULL);
    hr_timer_init(&poll, on_poll, NULL);
    if (hr_loop_init(&loop, &diag)) {
        return -1;
    }
    for (uint16_t i = 0; i < HOSTS; i++) {
        open_host(&hosts[i], i + 1);
    }
    return 0;
}

static void close_port(struct host *host)
{
    if (host->port) {
        host->closed = false;
        hr_bus_port_close(host->port, set_true, &host->closed);
        wait_until(is_true, &host->closed);
        host->port = NULL;
    }
}

static int end(void **state)
{
    (void)state;
    wire.sniff = NULL;
    for (int i = 0; i < HOSTS; i++) {
        close_port(&hosts[i]);
        hosts[i].closed = false;
        hr_lattice_close(hosts[i].lattice, set_true, &hosts[i].closed);
        wait_until(is_true, &hosts[i].closed);
        hr_bus_close(hosts[i].bus);
    }
    wire_release(&wire);
    for (int i = 0; i < HOSTS; i++) {
        hr_bus_close(&hosts[i].wire->base);
        hr_bus_close(hosts[i].local);
    }
    hr_loop_release(&loop);
    int64_t live = hr_alloc_live();
    if (live != 0) {
        print_error("%lld allocations are left\n", (long long)live);
    }
    return live == 0 ? 0 : -1;
}

/* --- services ----------------------------------------------------------------------------------------- */

static void reply_with(struct service *service, struct hr_str reply_to, const char *header,
                       const char *value, const char *body)
{
    const struct hr_bus_header headers = {hr_str_c(header), hr_str_c(value)};
    const struct hr_bus_msg reply = {.subject = reply_to,
                                     .body = hr_str_c(body),
                                     .headers = &headers,
                                     .header_count = header ? 1 : 0};
    assert_int_equal(hr_bus_publish(service->host->port, &reply), HR_OK);
}

static void on_later(void *arg)
{
    struct service *service = arg;
    reply_with(service, hr_str_c(service->reply_to), NULL, NULL, service->text);
}

static void on_request(void *arg, const struct hr_bus_msg *msg)
{
    struct service *service = arg;
    service->count++;
    service->secrets += hr_str_eq(msg->body, HR_STR("secret"));
    snprintf(service->left, sizeof service->left, "%.*s",
             HR_STR_ARG(hr_bus_header(msg, HR_STR(HR_BUS_HEADER_TIMEOUT))));
    snprintf(service->last, sizeof service->last, "%.*s", HR_STR_ARG(msg->body));
    if (msg->reply_to.len == 0) {
        return;
    }
    switch (service->mood) {
    case ANSWERS:
        reply_with(service, msg->reply_to, NULL, NULL, service->text);
        break;
    case ANSWERS_LATER:
    case ANSWERS_LATE:
        snprintf(service->reply_to, sizeof service->reply_to, "%.*s", HR_STR_ARG(msg->reply_to));
        hr_loop_timer_start(&loop, &service->later, service->mood == ANSWERS_LATE ? 2200 : 60);
        break;
    case SAYS_NO:
        reply_with(service, msg->reply_to, HR_BUS_HEADER_REFUSED, "full", service->text);
        break;
    case IS_BEHIND:
        reply_with(service, msg->reply_to, HR_BUS_HEADER_REFUSED, "behind", service->text);
        break;
    case JUDGES:
        reply_with(service, msg->reply_to, HR_BUS_HEADER_JUDGED, "not-found", service->text);
        break;
    case IS_BUSY:
        reply_with(service, msg->reply_to, HR_BUS_HEADER_ERROR, "too busy: kv", "");
        break;
    case HAS_FAILED:
        reply_with(service, msg->reply_to, HR_BUS_HEADER_ERROR, "the guest trapped: kv", "");
        break;
    case HOLDS:
        break;
    }
}

static void serve_on(struct service *service, struct host *host, const char *subject,
                     const char *queue, bool no_echo)
{
    const struct hr_bus_sub_options options = {
        .subject = hr_str_c(subject), .queue = hr_str_c(queue), .no_echo = no_echo};
    service->host = host;
    hr_timer_init(&service->later, on_later, service);
    if (!service->text[0]) {
        snprintf(service->text, sizeof service->text, "%s", host->id);
    }
    assert_int_equal(hr_bus_subscribe(host->port, &options, on_request, service, &service->sub),
                     HR_OK);
}

struct route {
    struct host *from;
    const char *to;
    const char *subject;
};

static bool is_known(void *arg)
{
    const struct route *route = arg;
    struct hr_lattice_table *table = hr_lattice_table_get(route->from->lattice);
    struct hr_bus_index_walk walk;
    struct hr_bus_index_entry *entry;
    bool found = false;
    hr_bus_index_walk_init(&walk, &table->index, hr_str_c(route->subject));
    while ((entry = hr_bus_index_walk_next(&walk))) {
        const struct hr_lattice_table_entry *at =
            HR_LIST_OWNER(entry, struct hr_lattice_table_entry, entry);
        found = found || hr_str_eq(at->host->said->host, hr_str_c(route->to));
    }
    hr_lattice_table_unref(table);
    return found;
}

/* Serves `kv.>` on @host, and waits until @from knows. */
static void serve(struct service *service, struct host *host, enum mood mood, struct host *from)
{
    service->mood = mood;
    serve_on(service, host, "kv.>", "kv", false);
    struct route route = {from, host->id, "kv.x"};
    if (from != host) {
        wait_until(is_known, &route);
    }
}

/* --- requests ----------------------------------------------------------------------------------------- */

static void on_answer(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct answer *answer = arg;
    answer->count++;
    answer->err = err;
    answer->took_ns = hr_now_ns() - answer->began_ns;
    if (reply) {
        answer->refused = hr_bus_header(reply, HR_STR(HR_BUS_HEADER_REFUSED)).len > 0 ||
                          hr_bus_header(reply, HR_STR(HR_BUS_HEADER_ERROR)).len > 0;
        snprintf(answer->body, sizeof answer->body, "%.*s", HR_STR_ARG(reply->body));
    }
}

static void ask_for(struct answer *answer, struct host *from, const char *subject,
                    enum hr_bus_repeat repeat, uint32_t timeout_ms)
{
    const struct hr_bus_header header = {HR_STR("hedgerow-timeout-ms"), HR_STR("999999")};
    const struct hr_bus_msg msg = {.subject = hr_str_c(subject),
                                   .body = HR_STR("question"),
                                   .headers = &header,
                                   .header_count = 1,
                                   .repeat = repeat};
    memset(answer, 0, sizeof *answer);
    answer->began_ns = hr_now_ns();
    assert_int_equal(hr_bus_request(from->port, &msg, timeout_ms, on_answer, answer, NULL), HR_OK);
    assert_int_equal(answer->count, 0);
}

static bool is_answered(void *arg)
{
    return ((struct answer *)arg)->count > 0;
}

static struct answer ask(struct host *from, enum hr_bus_repeat repeat)
{
    static struct answer answer;
    ask_for(&answer, from, "kv.x", repeat, TIMEOUT_MS);
    wait_until(is_answered, &answer);
    assert_int_equal(answer.count, 1);
    return answer;
}

static struct hr_bus_lattice_stats stats_of(struct host *host)
{
    struct hr_bus_lattice_stats stats;
    hr_bus_lattice_stats(host->bus, &stats);
    return stats;
}

/* What is served here is asked here, whatever others serve; nothing goes over NATS. */
static void bus_lattice_asks_here_first(void **state)
{
    (void)state;
    static struct service here;
    memset(&here, 0, sizeof here);
    static struct service there;
    memset(&there, 0, sizeof there);
    serve(&here, a, ANSWERS, a);
    serve(&there, b, ANSWERS, a);
    for (int i = 0; i < 10; i++) {
        assert_string_equal(ask(a, HR_BUS_ONCE).body, "a");
    }
    assert_int_equal(there.count, 0);
    assert_int_equal(stats_of(a).requests_local, 10);
    assert_int_equal(stats_of(a).requests_remote, 0);
}

/* What is not served here is asked at a host that announced it, by name, with the message as it was and the time
 * that is left. */
static void bus_lattice_asks_another_host(void **state)
{
    (void)state;
    static struct service there;
    memset(&there, 0, sizeof there);
    serve(&there, b, ANSWERS, a);
    struct answer answer = ask(a, HR_BUS_ONCE);
    assert_string_equal(answer.body, "b");
    assert_string_equal(there.last, "question");
    assert_in_range(atoi(there.left), 1, TIMEOUT_MS);
    assert_int_equal(stats_of(a).requests_remote, 1);
}

static size_t count_direct(void *arg, const struct hr_bus_msg *msg)
{
    int *counts = arg;
    counts[0] += hr_str_starts(msg->subject, HR_STR("hedgerow.test.to.b."));
    counts[1] += hr_str_starts(msg->subject, HR_STR("hedgerow.test.to.c."));
    return 0;
}

/* Asks until the last 20 answers all came from @id; the watchdog ends it. */
static void ask_until(struct host *from, const char *id)
{
    hr_loop_timer_start(&loop, &watchdog, WATCHDOG_MS);
    for (int same = 0; same < 20;) {
        same = strcmp(ask(from, HR_BUS_SAFE).body, id) == 0 ? same + 1 : 0;
    }
}

/* The faster of two is asked, by name and nobody else; when that changes, it is the other one. */
static void bus_lattice_asks_the_faster_one(void **state)
{
    (void)state;
    static struct service services[2];
    memset(services, 0, sizeof services);
    static int counts[2];
    serve(&services[0], b, ANSWERS, a);
    serve(&services[1], c, ANSWERS, a);
    b->wire->delay_ms = 20;
    ask_until(a, "c");
    memset(counts, 0, sizeof counts);
    wire.sniff = count_direct;
    wire.sniff_arg = counts;
    assert_string_equal(ask(a, HR_BUS_IDEMPOTENT).body, "c");
    assert_int_equal(counts[0] + counts[1], 1);
    b->wire->delay_ms = 0;
    c->wire->delay_ms = 40;
    ask_until(a, "b");
}

/* A subject that no host announced is asked on NATS itself: any client may answer. If nobody does, that is told at
 * once. */
static void bus_lattice_asks_any_client(void **state)
{
    (void)state;
    static struct service stranger;
    memset(&stranger, 0, sizeof stranger);
    struct host outside = {.wire = wire_attach(&wire)};
    assert_int_equal(hr_bus_port_open(&outside.wire->base, &loop, &outside.port, NULL), HR_OK);
    outside.id = "z";
    stranger.mood = ANSWERS;
    serve_on(&stranger, &outside, "kv.x", "", false);
    assert_string_equal(ask(a, HR_BUS_ONCE).body, "z");
    assert_int_equal(stats_of(a).requests_plain, 1);
    hr_bus_unsubscribe(stranger.sub);
    assert_int_equal(ask(a, HR_BUS_ONCE).err, HR_NO_RESPONDERS);

    /* And a client's requests reach a host. */
    static struct service here;
    memset(&here, 0, sizeof here);
    serve(&here, a, ANSWERS, a);
    assert_string_equal(ask(&outside, HR_BUS_ONCE).body, "a");
    bool closed = false;
    hr_bus_port_close(outside.port, set_true, &closed);
    wait_until(is_true, &closed);
    hr_bus_close(&outside.wire->base);
}

/* --- failover ----------------------------------------------------------------------------------------- */

/* After each kind of failure the next candidate is asked exactly if the kind of request allows it. */
static void bus_lattice_moves_on_as_it_may(void **state)
{
    (void)state;
    static const struct {
        enum mood mood;
        bool once;
        const char *left; /* what the requester gets else */
    } rows[] = {
        {SAYS_NO, true, ""},
        {IS_BUSY, true, ""},
        {HAS_FAILED, false, ""},
    };
    static struct service here;
    memset(&here, 0, sizeof here);
    static struct service there;
    memset(&there, 0, sizeof there);
    serve(&there, b, ANSWERS, a);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (enum hr_bus_repeat repeat = HR_BUS_ONCE; repeat <= HR_BUS_SAFE; repeat++) {
            serve(&here, a, rows[i].mood, a);
            int before_here = here.count;
            int before_there = there.count;
            bool moves = repeat != HR_BUS_ONCE || rows[i].once;
            run_for(5100 / 50); /* past the penalty of the last round */
            struct answer answer = ask(a, repeat);
            print_message("mood %d, repeat %d: %s\n", rows[i].mood, repeat, answer.body);
            assert_int_equal(answer.err, HR_OK);
            assert_int_equal(answer.refused, !moves);
            assert_string_equal(answer.body, moves ? "b" : "");
            if (here.count > before_here) { /* else it was still avoided */
                assert_int_equal(here.count, before_here + 1);
            }
            assert_true(moves || there.count == before_there);
            hr_bus_unsubscribe(here.sub);
            struct answer clear; /* it answers once, so that it is well again */
            serve(&here, a, ANSWERS, a);
            for (int n = 0; n < 1000 && strcmp((clear = ask(a, HR_BUS_SAFE)).body, "a") != 0; n++) {
                run_for(10);
            }
            assert_string_equal(clear.body, "a");
            hr_bus_unsubscribe(here.sub);
        }
    }
    assert_true(stats_of(a).failovers >= 8);
    assert_true(stats_of(a).refusals >= 9);
}

/* Who has not what one request needs is passed over for that one alone: the next request comes to it as ever. */
static void bus_lattice_passes_over_who_is_behind(void **state)
{
    (void)state;
    static struct service here;
    static struct service there;
    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    serve(&here, a, IS_BEHIND, a);
    serve(&there, b, ANSWERS, a);
    for (int i = 1; i <= 10; i++) {
        assert_string_equal(ask(a, i % 2 ? HR_BUS_SAFE : HR_BUS_IDEMPOTENT).body, "b");
        assert_int_equal(here.count, i);
    }
    here.mood = ANSWERS;
    assert_string_equal(ask(a, HR_BUS_SAFE).body, "a");
    here.mood = IS_BEHIND;
    there.mood = IS_BEHIND;
    struct answer answer = ask(a, HR_BUS_SAFE);
    assert_int_equal(answer.err, HR_OK);
    assert_true(answer.refused);
}

/* When a host refuses because nobody there subscribes any more, the next one is asked, also for what must not be
 * done twice. */
static void bus_lattice_moves_on_from_a_host_that_stopped_serving(void **state)
{
    (void)state;
    static struct service services[2];
    memset(services, 0, sizeof services);
    serve(&services[0], b, ANSWERS, a);
    serve(&services[1], c, ANSWERS, a);
    c->wire->delay_ms = 5;
    ask(a, HR_BUS_SAFE);
    run_for(20);
    hr_bus_unsubscribe(services[0].sub); /* b's next announcement is not there yet */
    assert_string_equal(ask(a, HR_BUS_ONCE).body, "c");
}

/* If all refuse, the requester gets the first refusal that has a body, whoever came before or after. */
static void bus_lattice_gives_the_best_refusal(void **state)
{
    (void)state;
    static struct service services[3];
    memset(services, 0, sizeof services);
    serve(&services[0], a, IS_BUSY, a);
    serve(&services[1], b, SAYS_NO, a);
    serve(&services[2], c, SAYS_NO, a);
    struct answer answer = ask(a, HR_BUS_IDEMPOTENT);
    assert_int_equal(answer.err, HR_OK);
    assert_true(answer.refused);
    assert_true(strcmp(answer.body, "b") == 0 || strcmp(answer.body, "c") == 0);
    assert_int_equal(services[0].count + services[1].count + services[2].count, 3);
    assert_int_equal(stats_of(a).failovers, 2);
}

/* A request that may be done once only is never sent a second time to anybody once somebody may have acted on it:
 * not when there is no answer, not when its host goes. */
static void bus_lattice_asks_once_only_once(void **state)
{
    (void)state;
    struct answer answer;
    static struct service services[2];
    memset(services, 0, sizeof services);
    serve(&services[0], b, HOLDS, a);
    serve(&services[1], c, HOLDS, a);
    ask_for(&answer, a, "kv.x", HR_BUS_ONCE, 400);
    wait_until(is_answered, &answer);
    assert_int_equal(answer.err, HR_TIMEOUT);
    assert_int_equal(services[0].count + services[1].count, 1);
    assert_true(answer.took_ns >= 399 * MS);

    ask_for(&answer, a, "kv.x", HR_BUS_ONCE, TIMEOUT_MS);
    run_for(20);
    assert_int_equal(services[0].count + services[1].count, 2);
    b->wire->state = WIRE_SILENT;
    c->wire->state = WIRE_SILENT;
    wait_until(is_answered, &answer);
    assert_int_equal(answer.err, HR_UNKNOWN_OUTCOME);
    assert_int_equal(services[0].count + services[1].count, 2);
    b->wire->state = WIRE_UP;
    c->wire->state = WIRE_UP;
}

/* When the host that was asked dies, another one is asked as soon as that is known; a request that knew of nobody else
 * ends then, too. */
static void check_death(enum hr_bus_repeat repeat, enum hr_err lonely)
{
    static struct answer first;
    static struct answer second;
    static struct service services[2];
    memset(services, 0, sizeof services);
    serve(&services[0], b, HOLDS, a);
    ask_for(&first, a, "kv.x", repeat, TIMEOUT_MS);
    run_for(20);
    assert_int_equal(services[0].count, 1);
    serve(&services[1], c, ANSWERS, a); /* only now, so that b was the one who was asked */
    b->wire->state = WIRE_SILENT;
    ask_for(&second, a, "kv.x", repeat, TIMEOUT_MS);
    wait_until(is_answered, &second);
    assert_string_equal(second.body, "c");
    wait_until(is_answered, &first);
    assert_int_equal(first.err, lonely);
    b->wire->state = WIRE_UP;
}

/* So it is with a write that may be repeated: nobody knows whether the dead one did it. */
static void bus_lattice_moves_writes_on_when_a_host_dies(void **state)
{
    (void)state;
    check_death(HR_BUS_IDEMPOTENT, HR_UNKNOWN_OUTCOME);
}

/* And with a read. */
static void bus_lattice_moves_reads_on_when_a_host_dies(void **state)
{
    (void)state;
    check_death(HR_BUS_SAFE, HR_NO_RESPONDERS);
}

/* A host that leaves is asked nothing more; what may be repeated is asked elsewhere, what may not is waited for. */
static void bus_lattice_moves_on_when_a_host_leaves(void **state)
{
    (void)state;
    struct answer once;
    struct answer again;
    static struct service services[2];
    memset(services, 0, sizeof services);
    serve(&services[0], b, ANSWERS_LATER, a);
    c->wire->delay_ms = 20;
    serve(&services[1], c, ANSWERS, a);
    run_for(100); /* it is known which one is near */
    ask_for(&once, a, "kv.x", HR_BUS_ONCE, TIMEOUT_MS);
    run_for(5);
    assert_int_equal(services[0].count, 1);
    services[0].mood = HOLDS;
    ask_for(&again, a, "kv.x", HR_BUS_IDEMPOTENT, TIMEOUT_MS);
    run_for(5);
    assert_int_equal(services[0].count, 2);
    hr_lattice_leave(b->lattice);
    wait_until(is_answered, &again);
    assert_string_equal(again.body, "c");
    wait_until(is_answered, &once);
    assert_string_equal(once.body, "b");
    assert_int_equal(services[0].count, 2);
}

/* While NATS is away this host serves itself, requests to others fail at once, and what was under way moves on. */
static void bus_lattice_works_alone(void **state)
{
    (void)state;
    struct answer answer;
    static struct service here;
    memset(&here, 0, sizeof here);
    static struct service there;
    memset(&there, 0, sizeof there);
    serve(&here, a, HOLDS, a);
    serve(&there, b, HOLDS, a);
    hr_bus_unsubscribe(here.sub);
    ask_for(&answer, a, "kv.x", HR_BUS_SAFE, TIMEOUT_MS);
    run_for(5);
    a->wire->state = WIRE_AWAY;
    hr_lattice_set_connected(a->lattice, false);
    wait_until(is_answered, &answer);
    assert_int_equal(answer.err, HR_NO_RESPONDERS);
    assert_int_equal(ask(a, HR_BUS_SAFE).err, HR_NO_RESPONDERS);
    serve(&here, a, ANSWERS, a);
    assert_string_equal(ask(a, HR_BUS_SAFE).body, "a");
    const struct hr_bus_msg msg = {.subject = HR_STR("kv.y")};
    assert_int_equal(hr_bus_publish(a->port, &msg), HR_OK);
    run_for(2);
    assert_int_equal(here.count, 2);
    a->wire->state = WIRE_UP;
    hr_lattice_set_connected(a->lattice, true);
    hr_bus_unsubscribe(here.sub);
    there.mood = ANSWERS;
    struct route route = {a, "b", "kv.x"};
    wait_until(is_known, &route);
    assert_string_equal(ask(a, HR_BUS_SAFE).body, "b");
}

/* --- hedges and stalls -------------------------------------------------------------------------------- */

/* A read that is not answered in time is asked a second time elsewhere; the loser's answer is dropped and
 * counted. */
static void bus_lattice_hedges_reads(void **state)
{
    (void)state;
    static struct service here;
    memset(&here, 0, sizeof here);
    static struct service there;
    memset(&there, 0, sizeof there);
    serve(&here, a, ANSWERS, a);
    serve(&there, b, ANSWERS, a);
    for (int i = 0; i < 30; i++) {
        ask(a, HR_BUS_SAFE);
    }
    int before = there.count; /* by exploration */
    here.mood = ANSWERS_LATER;
    struct answer answer = ask(a, HR_BUS_SAFE);
    print_message("answered after %.1f ms\n", (double)answer.took_ns / 1e6);
    assert_string_equal(answer.body, "b");
    assert_int_equal(there.count, before + 1);
    assert_int_equal(stats_of(a).hedges, 1);
    assert_int_equal(stats_of(a).hedges_won, 1);
    run_for(100);
    assert_int_equal(stats_of(a).replies_dropped, 1);
    assert_int_equal(stats_of(a).failovers, 0);
}

/* The budget ends hedging: the first dozen get one, then few do. */
static void bus_lattice_hedges_within_the_budget(void **state)
{
    (void)state;
    static struct answer answers[60];
    static struct service here;
    memset(&here, 0, sizeof here);
    static struct service there;
    memset(&there, 0, sizeof there);
    serve(&here, a, ANSWERS, a);
    serve(&there, b, HOLDS, a);
    ask(a, HR_BUS_SAFE);
    here.mood = HOLDS;
    for (int i = 0; i < 60; i++) {
        ask_for(&answers[i], a, "kv.x", HR_BUS_SAFE, 90); /* over before it is a stall */
    }
    for (int i = 0; i < 60; i++) {
        wait_until(is_answered, &answers[i]);
    }
    assert_in_range(stats_of(a).hedges, 10, 10 + 61 / 20);
    assert_true(stats_of(a).hedges_saved >= 40);
}

/* A write is not hedged; when its responder has stalled it is asked elsewhere, and the stalled one is passed over
 * until it answers something. */
static void bus_lattice_moves_on_from_a_stall(void **state)
{
    (void)state;
    static struct service here;
    memset(&here, 0, sizeof here);
    static struct service there;
    memset(&there, 0, sizeof there);
    serve(&here, a, HOLDS, a);
    serve(&there, b, ANSWERS, a);
    struct answer answer = ask(a, HR_BUS_IDEMPOTENT);
    print_message("answered after %.1f ms\n", (double)answer.took_ns / 1e6);
    assert_string_equal(answer.body, "b");
    assert_true(answer.took_ns >= 1700 * MS);
    assert_string_equal(here.left, "1500");
    assert_int_equal(stats_of(a).stalls, 1);
    assert_int_equal(stats_of(a).failovers, 1);
    assert_int_equal(stats_of(a).hedges, 0);
    answer = ask(a, HR_BUS_IDEMPOTENT);
    assert_string_equal(answer.body, "b");
    assert_int_equal(here.count, 1);
}

/* What the second one knows of is not enough for a no while the first one, who has stalled, may have done it: its
 * answer is waited for, and without one nobody can tell. */
static void bus_lattice_believes_no_judgement_over_a_stall(void **state)
{
    (void)state;
    static struct service here;
    static struct service there;
    static struct answer answer;
    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    serve(&here, a, ANSWERS_LATE, a);
    serve(&there, b, JUDGES, a);
    ask_for(&answer, a, "kv.x", HR_BUS_IDEMPOTENT, TIMEOUT_MS);
    wait_until(is_answered, &answer);
    assert_int_equal(there.count, 1);
    assert_string_equal(answer.body, "a");
    here.mood = HOLDS;
    ask_for(&answer, a, "kv.x", HR_BUS_IDEMPOTENT, 2800);
    wait_until(is_answered, &answer);
    assert_int_equal(there.count, 2);
    assert_int_equal(answer.err, HR_TIMEOUT);
}

/* Of the only one who was asked a judgement is the answer. */
static void bus_lattice_believes_a_judgement(void **state)
{
    (void)state;
    static struct service there;
    memset(&there, 0, sizeof there);
    serve(&there, b, JUDGES, a);
    struct answer answer = ask(a, HR_BUS_IDEMPOTENT);
    assert_int_equal(answer.err, HR_OK);
    assert_string_equal(answer.body, "b");
    assert_int_equal(stats_of(a).refusals, 0);
}

/* --- messages ----------------------------------------------------------------------------------------- */

/* A message reaches who subscribes on every host, and of a queue group one member, here before elsewhere. */
static void bus_lattice_publishes_to_all_hosts(void **state)
{
    (void)state;
    static struct service plain[3];
    memset(plain, 0, sizeof plain);
    static struct service group[3];
    memset(group, 0, sizeof group);
    static struct service other;
    memset(&other, 0, sizeof other);
    for (int i = 0; i < HOSTS; i++) {
        serve_on(&plain[i], &hosts[i], "news.*", "", false);
        serve_on(&group[i], &hosts[i], "news.>", "readers", false);
    }
    serve_on(&other, c, "news.x", "c-only", false);
    const struct hr_bus_msg msg = {.subject = HR_STR("news.x")};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(hr_bus_publish(a->port, &msg), HR_OK);
    }
    run_for(20);
    for (int i = 0; i < HOSTS; i++) {
        assert_int_equal(plain[i].count, 10);
    }
    assert_int_equal(group[0].count, 10);
    assert_int_equal(group[1].count + group[2].count, 0);
    assert_int_equal(stats_of(b).groups_served + stats_of(c).groups_served, 10);
    assert_int_equal(other.count, 10);
    hr_bus_unsubscribe(group[0].sub);
    assert_int_equal(hr_bus_publish(a->port, &msg), HR_OK);
    run_for(20);
    assert_int_equal(group[1].count + group[2].count, 1);
}

/* What is local stays local, whichever way somebody tries. */
static void bus_lattice_keeps_local_subjects(void **state)
{
    (void)state;
    static struct service services[2];
    memset(services, 0, sizeof services);
    static struct service all;
    memset(&all, 0, sizeof all);
    struct answer answer;
    serve_on(&services[0], a, "_LOCAL.x", "", false);
    serve_on(&services[1], b, "_LOCAL.x", "", false);
    serve_on(&all, b, ">", "", false);
    const struct hr_bus_msg msg = {.subject = HR_STR("_LOCAL.x")};
    assert_int_equal(hr_bus_publish(a->port, &msg), HR_OK);
    run_for(10);
    assert_int_equal(services[0].count, 1);
    assert_int_equal(services[1].count, 0);
    ask_for(&answer, a, "_LOCAL.y", HR_BUS_SAFE, TIMEOUT_MS);
    wait_until(is_answered, &answer);
    assert_int_equal(answer.err, HR_NO_RESPONDERS);
    ask_for(&answer, a, "hedgerow.test.to.b._LOCAL.x", HR_BUS_ONCE, TIMEOUT_MS);
    wait_until(is_answered, &answer);
    assert_true(answer.refused || answer.body[0]);
    assert_int_equal(services[1].count, 0);
    const struct hr_bus_msg outside = {.subject = HR_STR("_LOCAL.x"), .body = HR_STR("secret")};
    struct hr_bus_port *port;
    struct wire_host *stranger = wire_attach(&wire);
    assert_int_equal(hr_bus_port_open(&stranger->base, &loop, &port, NULL), HR_OK);
    assert_int_equal(hr_bus_publish(port, &outside), HR_OK);
    run_for(10);
    assert_int_equal(all.secrets, 0);
    /* Nor by a reply that somebody here is to send there. */
    static struct service asked;
    memset(&asked, 0, sizeof asked);
    serve_on(&asked, b, "kv.x", "", false);
    const char *const ways[] = {"kv.x", "hedgerow.test.to.b.kv.x"};
    for (size_t i = 0; i < 2; i++) {
        const struct hr_bus_msg lured = {.subject = hr_str_c(ways[i]),
                                         .reply_to = HR_STR("_LOCAL.x")};
        assert_int_equal(hr_bus_publish(port, &lured), HR_OK);
        run_for(10);
        assert_int_equal(services[1].count, 0);
    }
    bool closed = false;
    hr_bus_port_close(port, set_true, &closed);
    wait_until(is_true, &closed);
    hr_bus_close(&stranger->base);
}

/* Somebody who hears everything hears replies too, and does not keep them from those who wait for them. */
static void bus_lattice_replies_in_spite_of_eavesdroppers(void **state)
{
    (void)state;
    static struct service there;
    static struct service ear;
    memset(&there, 0, sizeof there);
    memset(&ear, 0, sizeof ear);
    ear.mood = HOLDS;
    serve_on(&ear, b, ">", "", false);
    serve(&there, b, ANSWERS, c);
    assert_string_equal(ask(c, HR_BUS_SAFE).body, "b");
    assert_string_equal(ask(b, HR_BUS_ONCE).body, "b");
}

/* A subscription without echo hears the other hosts, and not its own; a request for it goes to NATS. */
static void bus_lattice_has_subscriptions_without_echo(void **state)
{
    (void)state;
    static struct service services[2];
    memset(services, 0, sizeof services);
    serve_on(&services[0], a, "kv.x", "site-1", true);
    serve_on(&services[1], b, "kv.x", "site-2", true);
    const struct hr_bus_msg msg = {.subject = HR_STR("kv.x")};
    assert_int_equal(hr_bus_publish(a->port, &msg), HR_OK);
    run_for(30);
    assert_int_equal(services[0].count, 0);
    assert_int_equal(services[1].count, 1);
    assert_string_equal(ask(a, HR_BUS_ONCE).body, "b");
    assert_int_equal(stats_of(a).requests_plain, 1);
}

/* --- gathers ------------------------------------------------------------------------------------------ */

static void on_gathered(void *arg, enum hr_err err, const struct hr_bus_msg *replies, size_t count)
{
    struct answer *answer = arg;
    answer->count++;
    answer->err = err;
    answer->replies = count;
    answer->took_ns = hr_now_ns() - answer->began_ns;
    for (size_t i = 0; i < count; i++) {
        strncat(answer->body, replies[i].body.ptr, replies[i].body.len);
    }
}

static struct answer gather(struct host *from, uint32_t want, uint32_t timeout_ms)
{
    static struct answer answer;
    const struct hr_bus_msg msg = {.subject = HR_STR("all"), .body = HR_STR("?")};
    memset(&answer, 0, sizeof answer);
    answer.began_ns = hr_now_ns();
    assert_int_equal(hr_bus_gather(from->port, &msg, want, timeout_ms, on_gathered, &answer, NULL),
                     HR_OK);
    wait_until(is_answered, &answer);
    return answer;
}

/* Replies from here and from elsewhere are counted together. */
static void bus_lattice_gathers_from_all_hosts(void **state)
{
    (void)state;
    static struct service services[3];
    memset(services, 0, sizeof services);
    assert_int_equal(gather(a, 3, TIMEOUT_MS).replies, 0); /* nobody: at once */
    for (int i = 1; i < HOSTS; i++) {
        serve_on(&services[i], &hosts[i], "all", "", false);
    }
    struct answer answer = gather(a, 2, TIMEOUT_MS); /* only elsewhere */
    assert_int_equal(answer.replies, 2);
    serve_on(&services[0], a, "all", "", false);
    answer = gather(a, 3, TIMEOUT_MS);
    assert_int_equal(answer.err, HR_OK);
    assert_int_equal(answer.replies, 3);
    assert_non_null(strchr(answer.body, 'a'));
    assert_non_null(strchr(answer.body, 'b'));
    assert_non_null(strchr(answer.body, 'c'));
    answer = gather(a, 1, TIMEOUT_MS);
    assert_string_equal(answer.body, "a");
    answer = gather(a, 5, 60);
    assert_int_equal(answer.replies, 3);
    assert_true(answer.took_ns >= 59 * MS);
    a->wire->state = WIRE_AWAY;
    hr_lattice_set_connected(a->lattice, false);
    run_for(5);
    assert_int_equal(gather(a, 1, TIMEOUT_MS).replies, 1);
    a->wire->state = WIRE_UP;
}

/* --- ends --------------------------------------------------------------------------------------------- */

static struct answer ends[4];
static char order[8];

static void on_end(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    const struct answer *answer = arg;
    assert_int_equal(err, HR_CANCELED);
    assert_null(reply);
    order[strlen(order)] = (char)('0' + (answer - ends));
}

static void on_gather_end(void *arg, enum hr_err err, const struct hr_bus_msg *replies,
                          size_t count)
{
    (void)replies;
    assert_int_equal(count, 0);
    on_end(arg, err, NULL);
}

/* Closing a port completes all that is under way, to whomever, in the order of asking; what has been cancelled is
 * silent. */
static void bus_lattice_closes_with_work_under_way(void **state)
{
    (void)state;
    static struct service services[3];
    memset(services, 0, sizeof services);
    struct hr_bus_request *cancelled;
    struct hr_bus_msg msg = {.subject = HR_STR("kv.x"), .repeat = HR_BUS_SAFE};
    const struct hr_bus_msg all = {.subject = HR_STR("all")};
    memset(order, 0, sizeof order);
    serve(&services[0], b, HOLDS, a);
    serve(&services[1], c, HOLDS, a);
    services[2].mood = HOLDS;
    serve_on(&services[2], a, "all", "", false);
    assert_int_equal(hr_bus_request(a->port, &msg, TIMEOUT_MS, on_end, &ends[0], NULL), HR_OK);
    assert_int_equal(hr_bus_gather(a->port, &all, 3, TIMEOUT_MS, on_gather_end, &ends[1], NULL),
                     HR_OK);
    assert_int_equal(hr_bus_request(a->port, &msg, TIMEOUT_MS, on_end, &ends[3], &cancelled),
                     HR_OK);
    msg.repeat = HR_BUS_ONCE;
    assert_int_equal(hr_bus_request(a->port, &msg, TIMEOUT_MS, on_end, &ends[2], NULL), HR_OK);
    run_for(100); /* hedges are out */
    hr_bus_cancel(cancelled);
    close_port(a);
    assert_string_equal(order, "012");
}

static void on_measured(void *arg, const struct hr_bus_msg *msg)
{
    const struct hr_bus_msg reply = {.subject = msg->reply_to};
    assert_int_equal(hr_bus_publish(arg, &reply), HR_OK);
}

#define ROUNDS 20000

static uint64_t *rounds_left;
static struct hr_bus_port *rounds_port;

static void on_round(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    const struct hr_bus_msg msg = {.subject = HR_STR("kv.x"), .repeat = HR_BUS_SAFE};
    (void)arg;
    (void)reply;
    assert_int_equal(err, HR_OK);
    if (--*rounds_left > 0) {
        assert_int_equal(hr_bus_request(rounds_port, &msg, 5000, on_round, NULL, NULL), HR_OK);
    }
}

static bool is_zero(void *arg)
{
    return *(uint64_t *)arg == 0;
}

static double measure(struct hr_bus_port *port)
{
    uint64_t left = ROUNDS;
    struct hr_bus_sub *sub;
    const struct hr_bus_sub_options options = {.subject = HR_STR("kv.>"), .queue = HR_STR("kv")};
    const struct hr_bus_msg msg = {.subject = HR_STR("kv.x"), .repeat = HR_BUS_SAFE};
    assert_int_equal(hr_bus_subscribe(port, &options, on_measured, port, &sub), HR_OK);
    rounds_left = &left;
    rounds_port = port;
    uint64_t began_ns = hr_now_ns();
    assert_int_equal(hr_bus_request(port, &msg, 5000, on_round, NULL, NULL), HR_OK);
    wait_until(is_zero, &left);
    double each_us = (double)(hr_now_ns() - began_ns) / 1e3 / ROUNDS;
    hr_bus_unsubscribe(sub);
    return each_us;
}

/* What a lattice costs a request that stays here is printed (with the sanitizers on it is not the real figure). */
static void bus_lattice_costs_little_here(void **state)
{
    (void)state;
    struct hr_bus_port *local;
    bool closed = false;
    assert_int_equal(hr_bus_port_open(a->local, &loop, &local, NULL), HR_OK);
    measure(local);
    double plain_us = measure(local);
    double lattice_us = measure(a->port);
    print_message("a request and its reply: %.2f us on the local bus, %.2f us on the lattice's\n",
                  plain_us, lattice_us);
    hr_bus_port_close(local, set_true, &closed);
    wait_until(is_true, &closed);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bus_lattice_asks_here_first),
        CASE(bus_lattice_asks_another_host),
        CASE(bus_lattice_asks_the_faster_one),
        CASE(bus_lattice_asks_any_client),
        CASE(bus_lattice_moves_on_as_it_may),
        CASE(bus_lattice_passes_over_who_is_behind),
        CASE(bus_lattice_moves_on_from_a_host_that_stopped_serving),
        CASE(bus_lattice_gives_the_best_refusal),
        CASE(bus_lattice_asks_once_only_once),
        CASE(bus_lattice_moves_writes_on_when_a_host_dies),
        CASE(bus_lattice_moves_reads_on_when_a_host_dies),
        CASE(bus_lattice_moves_on_when_a_host_leaves),
        CASE(bus_lattice_works_alone),
        CASE(bus_lattice_hedges_reads),
        CASE(bus_lattice_hedges_within_the_budget),
        CASE(bus_lattice_moves_on_from_a_stall),
        CASE(bus_lattice_believes_no_judgement_over_a_stall),
        CASE(bus_lattice_believes_a_judgement),
        CASE(bus_lattice_publishes_to_all_hosts),
        CASE(bus_lattice_keeps_local_subjects),
        CASE(bus_lattice_replies_in_spite_of_eavesdroppers),
        CASE(bus_lattice_has_subscriptions_without_echo),
        CASE(bus_lattice_gathers_from_all_hosts),
        CASE(bus_lattice_closes_with_work_under_way),
        CASE(bus_lattice_costs_little_here),
    };
    return cmocka_run_group_tests_name("bus_lattice", tests, NULL, NULL);
}
