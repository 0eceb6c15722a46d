/* links: hr_lattice
 * The estimates of responders, in virtual time. What depends on chance prints its seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "host/lattice/responders.h"
#include "tests/unit/dice.h"

#define MS ((uint64_t)1000000)
#define START (1000 * MS)

static struct hr_responders *responders;
static struct dice dice;

static int begin(void **state)
{
    (void)state;
    dice = dice_from("responders");
    responders = hr_responders_new(dice_roll(&dice, 1u << 30), START);
    return responders ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    hr_responders_free(responders);
    return hr_alloc_live() == 0 ? 0 : -1;
}

static struct hr_responder *responder(uint64_t key)
{
    struct hr_responder *found = hr_responders_get(responders, key, START);
    assert_non_null(found);
    return found;
}

static void answer(struct hr_responder *r, uint64_t at_ns, uint64_t round_trip_ns)
{
    struct hr_responder_call call;
    hr_responder_begin(r, &call, at_ns);
    hr_responder_end(&call, HR_RESPONDER_ANSWERED, at_ns + round_trip_ns);
}

static struct hr_responder_view view(const struct hr_responder *r, uint64_t now_ns)
{
    struct hr_responder_view seen;
    hr_responder_view(r, now_ns, &seen);
    return seen;
}

static struct hr_responder_option option(uint64_t key, bool here)
{
    return (struct hr_responder_option){.responder = responder(key), .here = here, .owner = key};
}

/* The round trip and its spread come to what is measured, and follow when it changes. */
static void responders_estimates_converge(void **state)
{
    (void)state;
    struct hr_responder *r = responder(1);
    assert_int_equal(view(r, START).round_trip_ns, 0);
    uint64_t now = START;
    for (int i = 0; i < 1000; i++) {
        answer(r, now += 10 * MS, 18 * MS + dice_roll(&dice, 4 * MS));
    }
    struct hr_responder_view seen = view(r, now);
    assert_in_range(seen.round_trip_ns, 19 * MS, 21 * MS);
    assert_in_range(seen.spread_ns, MS / 4, 2 * MS);
    for (int i = 0; i < 50; i++) {
        answer(r, now += 10 * MS, 100 * MS);
    }
    assert_in_range(view(r, now).round_trip_ns, 99 * MS, 101 * MS);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The 95th percentile of the last few hundred is at most a bucket above the true one (and what chance adds to
 * so few samples), whatever the distribution looks like; one slow answer in a hundred does not move it. */
static void responders_p95_is_near_the_true_one(void **state)
{
    (void)state;
    static uint64_t all[20000];
    for (int shape = 0; shape < 3; shape++) {
        struct hr_responder *r = responder(10 + (uint64_t)shape);
        for (size_t i = 0; i < 20000; i++) {
            uint64_t u = dice_roll(&dice, 1000000);
            all[i] = shape == 0   ? 2 * MS + u * 3
                     : shape == 1 ? MS + (uint64_t)(20.0 * (double)MS / (1.05 - (double)u / 1e6))
                                  : (u < 10000 ? 900 * MS : 5 * MS + u);
            answer(r, START + i * MS, all[i]);
        }
        qsort(all, 20000, sizeof all[0], by_size);
        uint64_t p95 = view(r, START + 20000 * MS).p95_ns;
        print_message("shape %d: p95 is %.2f ms, estimated %.2f ms\n", shape,
                      (double)all[19000] / 1e6, (double)p95 / 1e6);
        assert_true(p95 > all[19000] / 2);
        assert_true(p95 < all[19000] * 2);
    }
}

/* The hedge delay keeps within 2 and 250 ms. */
static void responders_hedge_delay_is_bounded(void **state)
{
    (void)state;
    struct hr_responder *quick = responder(1);
    struct hr_responder *slow = responder(2);
    struct hr_responder *unknown = responder(3);
    for (int i = 0; i < 100; i++) {
        answer(quick, START + (uint64_t)i * MS, MS / 10);
        answer(slow, START + (uint64_t)i * MS, 2000 * MS);
    }
    assert_int_equal(hr_responder_hedge_delay_ns(quick, 0), 2 * MS);
    assert_int_equal(hr_responder_hedge_delay_ns(slow, 0), 250 * MS);
    assert_int_equal(hr_responder_hedge_delay_ns(unknown, 0), 50 * MS);
    assert_int_equal(hr_responder_hedge_delay_ns(unknown, 20 * MS), 60 * MS);
}

/* This host first, then the fastest, then who is not known; of equals the one with fewer calls. */
static void responders_order_by_place_and_round_trip(void **state)
{
    (void)state;
    struct hr_responder_option options[] = {option(1, false), option(2, false), option(3, false),
                                            option(4, true), option(5, false)};
    for (int i = 0; i < 30; i++) {
        answer(responder(1), START, 30 * MS);
        answer(responder(2), START, 10 * MS);
        answer(responder(4), START, 50 * MS);
    }
    options[4].prior_ns = 20 * MS; /* pinged, but never asked */
    assert_int_equal(hr_responders_order(responders, false, START, options, 5), 5);
    const uint32_t expected[] = {4, 2, 5, 1, 3};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(options[i].owner, expected[i]);
    }

    struct hr_responder_call call;
    for (int i = 0; i < 30; i++) {
        answer(responder(5), START, 10 * MS);
    }
    hr_responder_begin(responder(2), &call, START);
    assert_int_equal(hr_responders_order(responders, false, START, options, 5), 5);
    assert_int_equal(options[1].owner, 5);
    assert_int_equal(options[2].owner, 2);
    hr_responder_end(&call, HR_RESPONDER_FORGOTTEN, START);
}

/* One that fails is avoided for longer each time, tried again by one request when its time has come, and back
 * as soon as it answers. */
static void responders_avoid_who_fails(void **state)
{
    (void)state;
    struct hr_responder_option options[] = {option(1, true), option(2, false)};
    struct hr_responder_call call;
    uint64_t now = START;
    answer(responder(2), now, 5 * MS);
    uint64_t penalty = 100 * MS;
    for (int i = 0; i < 10; i++) {
        hr_responder_begin(responder(1), &call, now);
        hr_responder_end(&call, HR_RESPONDER_REFUSED, now);
        assert_true(view(responder(1), now + penalty - 1).penalised);
        assert_false(view(responder(1), now + penalty).penalised);
        assert_int_equal(hr_responders_order(responders, false, now + penalty - 1, options, 2), 1);
        assert_int_equal(options[0].owner, 2);
        assert_int_equal(hr_responders_order(responders, false, now + penalty, options, 2), 2);
        assert_int_equal(options[0].owner, 1);
        now += penalty;
        penalty = penalty * 2 > 5000 * MS ? 5000 * MS : penalty * 2;
    }
    hr_responder_begin(responder(1), &call, now);
    assert_int_equal(hr_responders_order(responders, false, now, options, 2), 1);
    hr_responder_end(&call, HR_RESPONDER_ANSWERED, now + MS);
    assert_int_equal(hr_responders_order(responders, false, now + MS, options, 2), 2);
    assert_int_equal(options[0].owner, 1);
}

/* One that cannot do a certain request is well: it is asked as before, and back at once if it was avoided. */
static void responders_do_not_avoid_who_declines(void **state)
{
    (void)state;
    struct hr_responder_option options[] = {option(1, true), option(2, false)};
    struct hr_responder_call call;
    for (int i = 0; i < 10; i++) {
        hr_responder_begin(responder(1), &call, START);
        hr_responder_end(&call, HR_RESPONDER_DECLINED, START + 200 * MS);
    }
    assert_int_equal(hr_responders_order(responders, false, START + 200 * MS, options, 2), 2);
    assert_int_equal(options[0].owner, 1);
    assert_int_equal(view(responder(1), START + 200 * MS).round_trip_ns, 0);
    hr_responder_begin(responder(1), &call, START + 200 * MS);
    hr_responder_end(&call, HR_RESPONDER_FAILED, START + 200 * MS);
    assert_true(view(responder(1), START + 200 * MS).penalised);
    hr_responder_begin(responder(1), &call, START + 201 * MS);
    hr_responder_end(&call, HR_RESPONDER_DECLINED, START + 202 * MS);
    assert_false(view(responder(1), START + 202 * MS).penalised);
}

/* When nobody is well, somebody is asked all the same. */
static void responders_order_all_even_if_none_is_well(void **state)
{
    (void)state;
    struct hr_responder_option options[] = {option(1, false), option(2, true)};
    struct hr_responder_call call;
    for (uint64_t key = 1; key <= 2; key++) {
        hr_responder_begin(responder(key), &call, START);
        hr_responder_end(&call, HR_RESPONDER_FAILED, START);
    }
    assert_int_equal(hr_responders_order(responders, false, START, options, 2), 0);
    assert_int_equal(options[0].owner, 2);
}

/* A responder has stalled when nothing came for twice its p95, and at least 100 ms, since a call that it was
 * sent; all its reads move on, it is avoided until it answers, and a write is given more time. */
static void responders_stall_is_seen_and_forgiven(void **state)
{
    (void)state;
    struct hr_responder_option options[] = {option(1, true), option(2, false)};
    struct hr_responder *r = responder(1);
    struct hr_responder_call calls[3];
    bool is_new;
    for (int i = 0; i < 30; i++) {
        answer(r, START, 80 * MS);
        answer(responder(2), START, 20 * MS);
    }
    uint64_t now = START + 100 * MS;
    hr_responder_begin(r, &calls[0], now);
    hr_responder_begin(r, &calls[1], now + 10 * MS);
    assert_false(hr_responder_check_stall(&calls[0], false, now + 150 * MS, &is_new));
    assert_false(hr_responder_check_stall(&calls[1], false, now + 150 * MS, &is_new));
    hr_responder_begin(r, &calls[2], now + 150 * MS);
    assert_true(hr_responder_check_stall(&calls[0], false, now + 190 * MS, &is_new));
    assert_true(is_new);
    assert_true(hr_responder_check_stall(&calls[2], false, now + 190 * MS, &is_new));
    assert_false(is_new);
    assert_int_equal(hr_responders_order(responders, false, now + 190 * MS, options, 2), 1);
    assert_int_equal(options[0].owner, 2);
    /* Tried again after a while, but not by what must not be asked twice. */
    assert_int_equal(hr_responders_order(responders, false, now + 2200 * MS, options, 2), 2);
    assert_int_equal(hr_responders_order(responders, true, now + 2200 * MS, options, 2), 1);
    hr_responder_end(&calls[1], HR_RESPONDER_ANSWERED, now + 2300 * MS);
    assert_false(hr_responder_check_stall(&calls[0], false, now + 9000 * MS, &is_new));
    assert_int_equal(hr_responders_order(responders, true, now + 2300 * MS, options, 2), 2);
    assert_int_equal(options[0].owner, 1);
    hr_responder_end(&calls[0], HR_RESPONDER_FORGOTTEN, now);
    hr_responder_end(&calls[2], HR_RESPONDER_FORGOTTEN, now);

    struct hr_responder *writer = responder(3);
    for (int i = 0; i < 30; i++) {
        answer(writer, START, 300 * MS);
    }
    hr_responder_begin(writer, &calls[0], now);
    assert_false(hr_responder_check_stall(&calls[0], true, now + 1600 * MS, &is_new));
    assert_true(hr_responder_check_stall(&calls[0], true, now + 1800 * MS, &is_new));
    hr_responder_end(&calls[0], HR_RESPONDER_SILENT, now + 1900 * MS);
}

/* A call that is lost does not hide that a later one stalls, nor make those stall that are answered. */
static void responders_stall_survives_a_lost_call(void **state)
{
    (void)state;
    struct hr_responder *r = responder(1);
    struct hr_responder_call lost;
    struct hr_responder_call call;
    bool is_new;
    uint64_t now = START;
    hr_responder_begin(r, &lost, now);
    for (int i = 0; i < 100; i++) {
        answer(r, now += 50 * MS, 5 * MS);
        assert_false(hr_responder_check_stall(&lost, false, now + 40 * MS, &is_new));
    }
    hr_responder_begin(r, &call, now += 50 * MS);
    assert_false(hr_responder_check_stall(&call, false, now + 90 * MS, &is_new));
    assert_true(hr_responder_check_stall(&call, false, now + 110 * MS, &is_new));
    hr_responder_end(&call, HR_RESPONDER_FORGOTTEN, now);
    hr_responder_end(&lost, HR_RESPONDER_FORGOTTEN, now);
}

/* Of 100,000 requests that all want a hedge, 5 % and the burst get one. */
static void responders_budget_holds(void **state)
{
    (void)state;
    uint32_t hedges = 0;
    for (uint32_t i = 1; i <= 100000; i++) {
        hr_responders_count_request(responders);
        hedges += hr_responders_take_hedge(responders);
        assert_true(hedges * 1000 <= i * HR_RESPONDERS_TOKENS_EACH + HR_RESPONDERS_TOKENS_MAX);
    }
    assert_in_range(hedges, 5000, 5010);
}

/* A responder that becomes the fastest is found within 10 s of requests, however few or many there are, and the
 * copies that find it are few. */
static void responders_exploration_finds_a_faster_one(void **state)
{
    (void)state;
    for (uint64_t gap_ms = 1; gap_ms <= 500; gap_ms *= 5) {
        struct hr_responder_option options[6];
        uint64_t trips_ms[6] = {40, 60, 80, 100, 120, 140};
        uint64_t copies = 0;
        uint64_t found_ns = 0;
        hr_responders_free(responders);
        responders = hr_responders_new(dice_roll(&dice, 1u << 30), START);
        for (uint32_t i = 0; i < 6; i++) {
            options[i] = option(i, false);
        }
        for (uint64_t now = START; now < START + 40000 * MS; now += gap_ms * MS) {
            trips_ms[5] = now < START + 20000 * MS ? 140 : 4;
            hr_responders_order(responders, false, now, options, 6);
            struct hr_responder_option *other = hr_responders_explore(responders, now, options, 6);
            if (options[0].owner == 5 && now >= START + 20000 * MS && !found_ns) {
                found_ns = now - START - 20000 * MS;
            }
            if (other) {
                copies++;
                answer(other->responder, now, trips_ms[other->owner] * MS);
            }
            answer(options[0].responder, now, trips_ms[options[0].owner] * MS);
        }
        print_message("a request each %llu ms: found after %.1f s, %llu copies in 40 s\n",
                      (unsigned long long)gap_ms, (double)found_ns / 1e9,
                      (unsigned long long)copies);
        assert_true(found_ns > 0 && found_ns <= 10000 * MS);
        assert_true(copies <= 40 * 4 + 1);
    }
}

/* The table keeps its limit: what was not asked for longest goes, what is being asked stays. */
static void responders_table_is_bounded(void **state)
{
    (void)state;
    struct hr_responder_call call;
    struct hr_responder *busy = responder(0);
    hr_responder_begin(busy, &call, START);
    answer(responder(1), START, MS);
    for (uint64_t key = 2; key < 3 * HR_RESPONDERS_MAX; key++) {
        responder(key);
    }
    assert_int_equal(view(responder(1), START).round_trip_ns, 0);
    assert_ptr_equal(responder(0), busy);
    hr_responder_end(&call, HR_RESPONDER_FORGOTTEN, START);
}

/* --- a simulation of hedging ------------------------------------------------------------------------- */

#define REQUESTS 100000u
#define EVENTS_MAX 65536u

enum kind { ARRIVE, HEDGE, REPLY };

struct event {
    uint64_t at_ns;
    uint64_t number; /* between equals: in order */
    enum kind kind;
    uint32_t request;
    uint32_t half; /* which of a request's two */
};

struct asked {
    uint64_t began_ns;
    uint64_t took_ns; /* 0 = no answer yet */
    struct hr_responder_call calls[2];
    uint64_t owners[2];
};

static struct event heap[EVENTS_MAX];
static uint32_t heap_count;
static uint64_t event_number;
static struct asked asked[REQUESTS];
static uint32_t explorations;

static bool is_sooner(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

static void push(uint64_t at_ns, enum kind kind, uint32_t request, uint32_t half)
{
    assert_true(heap_count < EVENTS_MAX);
    struct event event = {at_ns, event_number++, kind, request, half};
    uint32_t at = heap_count++;
    while (at > 0 && is_sooner(&event, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = event;
}

static struct event pop(void)
{
    struct event first = heap[0];
    struct event last = heap[--heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= heap_count) {
            break;
        }
        child += child + 1 < heap_count && is_sooner(&heap[child + 1], &heap[child]);
        if (!is_sooner(&heap[child], &last)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

/* The first is fast, and stalls for one request in a hundred. */
static uint64_t service_ns(uint64_t owner)
{
    static const uint64_t base_ms[] = {2, 8, 100};
    bool stalls = owner == 0 && dice_roll(&dice, 100) == 0;
    return base_ms[owner] * MS + dice_roll(&dice, MS) + (stalls ? 400 * MS : 0);
}

static void send_half(uint32_t request, uint32_t half, const struct hr_responder_option *to,
                      uint64_t now_ns)
{
    hr_responder_begin(to->responder, &asked[request].calls[half], now_ns);
    asked[request].owners[half] = to->owner;
    push(now_ns + service_ns(to->owner), REPLY, request, half);
}

static void arrive(uint32_t request, struct hr_responder_option *options, bool hedged,
                   uint64_t now_ns)
{
    asked[request] = (struct asked){.began_ns = now_ns};
    hr_responders_count_request(responders);
    hr_responders_order(responders, false, now_ns, options, 3);
    send_half(request, 0, &options[0], now_ns);
    struct hr_responder_option *other = hr_responders_explore(responders, now_ns, options, 3);
    if (other) {
        explorations++;
        answer(other->responder, now_ns, service_ns(other->owner));
    }
    if (hedged) {
        push(now_ns + hr_responder_hedge_delay_ns(options[0].responder, 0), HEDGE, request, 1);
    }
    if (request + 1 < REQUESTS) {
        push(now_ns + MS, ARRIVE, request + 1, 0);
    }
}

static uint32_t hedge(uint32_t request, struct hr_responder_option *options, uint64_t now_ns)
{
    if (asked[request].took_ns || !hr_responders_take_hedge(responders)) {
        return 0;
    }
    hr_responders_order(responders, false, now_ns, options, 3);
    send_half(request, 1, &options[options[0].owner == asked[request].owners[0]], now_ns);
    return 1;
}

static uint64_t simulate(bool hedged, uint32_t *ret_hedges)
{
    struct hr_responder_option options[3];
    static uint64_t took_ns[REQUESTS];
    hr_responders_free(responders);
    responders = hr_responders_new(1, START);
    for (uint32_t i = 0; i < 3; i++) {
        options[i] = option(i, false);
        answer(options[i].responder, START, service_ns(i));
    }
    *ret_hedges = 0;
    explorations = 0;
    push(START, ARRIVE, 0, 0);
    while (heap_count > 0) {
        struct event event = pop();
        struct asked *request = &asked[event.request];
        if (event.kind == ARRIVE) {
            arrive(event.request, options, hedged, event.at_ns);
        } else if (event.kind == HEDGE) {
            *ret_hedges += hedge(event.request, options, event.at_ns);
        } else {
            hr_responder_end(&request->calls[event.half], HR_RESPONDER_ANSWERED, event.at_ns);
            request->took_ns =
                request->took_ns ? request->took_ns : event.at_ns - request->began_ns;
        }
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        took_ns[i] = asked[i].took_ns;
    }
    qsort(took_ns, REQUESTS, sizeof took_ns[0], by_size);
    print_message("hedging %s: p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, worst %.1f ms; %u hedges "
                  "(%.2f %%), %u explorations (%.2f %%)\n",
                  hedged ? "on" : "off", (double)took_ns[REQUESTS / 2] / 1e6,
                  (double)took_ns[REQUESTS / 100 * 99] / 1e6,
                  (double)took_ns[REQUESTS / 1000 * 999] / 1e6, (double)took_ns[REQUESTS - 1] / 1e6,
                  *ret_hedges, 100.0 * *ret_hedges / REQUESTS, explorations,
                  100.0 * explorations / REQUESTS);
    return took_ns[REQUESTS / 100 * 99];
}

/* Three responders, of which the fastest stalls for 1 % of the requests: what hedging does to the slowest
 * answers is printed; its share of messages keeps to the budget. */
static void responders_hedging_cuts_the_tail(void **state)
{
    (void)state;
    uint32_t hedges;
    simulate(false, &hedges);
    assert_int_equal(hedges, 0);
    simulate(true, &hedges);
    assert_true(hedges <= REQUESTS / 20 + 10);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(responders_estimates_converge),
        CASE(responders_p95_is_near_the_true_one),
        CASE(responders_hedge_delay_is_bounded),
        CASE(responders_order_by_place_and_round_trip),
        CASE(responders_avoid_who_fails),
        CASE(responders_do_not_avoid_who_declines),
        CASE(responders_order_all_even_if_none_is_well),
        CASE(responders_stall_is_seen_and_forgiven),
        CASE(responders_stall_survives_a_lost_call),
        CASE(responders_budget_holds),
        CASE(responders_exploration_finds_a_faster_one),
        CASE(responders_table_is_bounded),
        CASE(responders_hedging_cuts_the_tail),
    };
    return cmocka_run_group_tests_name("responders", tests, NULL, NULL);
}
