/* links: sim_world core_kv yyjson */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sim/events.h"
#include "sim/fiber.h"
#include "sim/random.h"

#define MANY 200u

struct worker {
    struct sim_fibers *fibers;
    unsigned steps; /* that it takes before it returns */
    unsigned taken;
};

static void work(void *arg)
{
    struct worker *worker = arg;
    while (worker->taken < worker->steps) {
        worker->taken++;
        sim_fiber_pause(worker->fibers);
    }
}

/* A fiber goes on where it paused, beside many others, and its stack serves the next one. */
static void fiber_goes_on_where_it_paused(void **state)
{
    (void)state;
    struct sim_fibers *fibers = sim_fibers_new();
    struct worker workers[MANY];
    struct sim_fiber *running[MANY];
    for (unsigned round = 0; round < 3; round++) {
        unsigned left = 0;
        for (unsigned i = 0; i < MANY; i++) {
            workers[i] = (struct worker){fibers, i % 7, 0};
            running[i] = sim_fiber_start(fibers, work, &workers[i]);
            assert_int_equal(running[i] == NULL, i % 7 == 0);
            left += running[i] != NULL;
        }
        assert_int_equal(sim_fibers_alive(fibers), left);
        while (left > 0) {
            for (unsigned i = 0; i < MANY; i++) {
                if (running[i] && sim_fiber_resume(running[i])) {
                    assert_int_equal(workers[i].taken, workers[i].steps);
                    running[i] = NULL;
                    left--;
                }
            }
        }
        assert_int_equal(sim_fibers_alive(fibers), 0);
    }
    sim_fibers_free(fibers);
}

struct deep {
    struct sim_fibers *fibers;
    unsigned sum;
};

static void dig(void *arg)
{
    struct deep *deep = arg;
    volatile unsigned char room[64 * 1024];
    for (size_t i = 0; i < sizeof room; i++) {
        room[i] = (unsigned char)i;
    }
    sim_fiber_pause(deep->fibers);
    for (size_t i = 0; i < sizeof room; i++) {
        deep->sum += room[i] == (unsigned char)i;
    }
}

/* What lies on a fiber's stack stays there while others run. */
static void fiber_keeps_its_stack(void **state)
{
    (void)state;
    struct sim_fibers *fibers = sim_fibers_new();
    struct deep deep[2] = {{fibers, 0}, {fibers, 0}};
    struct sim_fiber *first = sim_fiber_start(fibers, dig, &deep[0]);
    struct sim_fiber *second = sim_fiber_start(fibers, dig, &deep[1]);
    assert_true(sim_fiber_resume(first));
    assert_true(sim_fiber_resume(second));
    assert_int_equal(deep[0].sum, 64 * 1024);
    assert_int_equal(deep[1].sum, 64 * 1024);
    sim_fibers_free(fibers);
}

/* Events come in the order of their time, those of one time in the order in which they were arranged. */
static void events_come_in_order(void **state)
{
    (void)state;
    struct sim_events events = {0};
    struct sim_random random = sim_random_of(7, 7);
    struct sim_event event = {0};
    struct sim_event last = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        sim_events_add(&events, (struct sim_event){.at = sim_random_below(&random, 50), .who = i});
    }
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(sim_events_take(&events, &event));
        assert_true(event.at > last.at || (event.at == last.at && event.order > last.order));
        last = event;
    }
    assert_false(sim_events_take(&events, &event));
    sim_events_release(&events);
}

/* Drawn numbers stay in their ranges, and streams differ. */
static void random_stays_in_its_range(void **state)
{
    (void)state;
    struct sim_random one = sim_random_of(1, 1);
    struct sim_random again = sim_random_of(1, 1);
    struct sim_random other = sim_random_of(1, 2);
    unsigned same = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t scaled = sim_random_scaled(&one, 10, 5000);
        assert_in_range(scaled, 10, 5000);
        assert_int_equal(scaled, sim_random_scaled(&again, 10, 5000));
        same += sim_random_next(&other) == scaled;
        assert_in_range(sim_random_range(&other, 3, 5), 3, 5);
        assert_false(sim_random_chance(&other, 0));
        assert_true(sim_random_chance(&other, 1000000));
    }
    assert_int_equal(same, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fiber_goes_on_where_it_paused),
        cmocka_unit_test(fiber_keeps_its_stack),
        cmocka_unit_test(events_come_in_order),
        cmocka_unit_test(random_stays_in_its_range),
    };
    return cmocka_run_group_tests_name("sim_fiber", tests, NULL, NULL);
}
