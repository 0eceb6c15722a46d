/* links: hr_loop */
/* The timer wheel, fed with made-up time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "host/loop/timer.h"
#include "tests/unit/dice.h"

#define START_MS 1000000u

static struct hr_timers wheel;

static int wheel_setup(void **state)
{
    (void)state;
    hr_timers_init(&wheel, START_MS);
    return 0;
}

/* A timer that notes when and in which order it fired. */
static int fired_count;
struct probe {
    struct hr_timer timer;
    uint64_t due_ms;
    uint64_t fired_ms;
    int order;
    int fired;
};

static void note(void *arg)
{
    struct probe *probe = arg;
    probe->fired++;
    probe->fired_ms = wheel.now_ms;
    probe->order = fired_count++;
}

static void probe_start(struct probe *probe, uint64_t due_ms)
{
    hr_timer_init(&probe->timer, note, probe);
    probe->due_ms = due_ms;
    hr_timers_add(&wheel, &probe->timer, due_ms);
}

/* A timer fires once, at its millisecond, neither before nor again. */
static void timer_fires_once_at_its_time(void **state)
{
    (void)state;
    struct probe probe = {0};
    probe_start(&probe, START_MS + 10);
    assert_true(hr_timer_active(&probe.timer));
    hr_timers_advance(&wheel, START_MS + 9);
    assert_int_equal(probe.fired, 0);
    hr_timers_advance(&wheel, START_MS + 10);
    assert_int_equal(probe.fired, 1);
    assert_false(hr_timer_active(&probe.timer));
    assert_int_equal(wheel.count, 0);
    hr_timers_advance(&wheel, START_MS + 3 * HR_TIMER_SLOTS);
    assert_int_equal(probe.fired, 1);
}

/* Timers of later rounds wait in the same slot for their own time. */
static void timer_waits_for_its_round(void **state)
{
    (void)state;
    struct probe probes[4] = {0};
    for (uint64_t i = 0; i < 4; i++) {
        probe_start(&probes[3 - i], START_MS + 5 + (3 - i) * HR_TIMER_SLOTS);
    }
    for (uint64_t i = 0; i < 4; i++) {
        hr_timers_advance(&wheel, START_MS + 4 + i * HR_TIMER_SLOTS);
        assert_int_equal(probes[i].fired, 0);
        hr_timers_advance(&wheel, START_MS + 5 + i * HR_TIMER_SLOTS);
        assert_int_equal(probes[i].fired, 1);
        assert_int_equal(wheel.count, 3 - i);
    }
}

/* What is due in the past fires at the next advance. */
static void timer_past_is_next(void **state)
{
    (void)state;
    struct probe probe = {0};
    probe_start(&probe, 5);
    assert_int_equal(probe.fired, 0);
    assert_int_equal(hr_timers_next_ms(&wheel), 1);
    hr_timers_advance(&wheel, START_MS + 1);
    assert_int_equal(probe.fired, 1);
}

/* Those of one millisecond fire in the order in which they were started, also when a later round is
 * among them. */
static void timer_same_time_keeps_order(void **state)
{
    (void)state;
    struct probe probes[6] = {0};
    fired_count = 0;
    for (size_t i = 0; i < 6; i++) {
        probe_start(&probes[i], START_MS + 7 + (i == 2 ? HR_TIMER_SLOTS : 0));
    }
    hr_timers_advance(&wheel, START_MS + 8);
    struct probe late = {0};
    probe_start(&late, START_MS + 7 + HR_TIMER_SLOTS);
    hr_timers_advance(&wheel, START_MS + 8 + HR_TIMER_SLOTS);
    const int want[] = {0, 1, 5, 2, 3, 4};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(probes[i].order, want[i]);
    }
    assert_int_equal(late.order, 6);
}

/* A stopped timer does not fire; stopping twice, or one that never started, does no harm; adding an
 * active one moves it. */
static void timer_stops_and_moves(void **state)
{
    (void)state;
    struct probe stopped = {0};
    struct probe moved = {0};
    probe_start(&stopped, START_MS + 3);
    probe_start(&moved, START_MS + 3);
    hr_timers_remove(&wheel, &stopped.timer);
    hr_timers_remove(&wheel, &stopped.timer);
    hr_timers_add(&wheel, &moved.timer, START_MS + 6);
    assert_int_equal(wheel.count, 1);
    hr_timers_advance(&wheel, START_MS + 5);
    assert_int_equal(stopped.fired + moved.fired, 0);
    hr_timers_advance(&wheel, START_MS + 6);
    assert_int_equal(stopped.fired, 0);
    assert_int_equal(moved.fired, 1);
}

static struct probe victim;
static struct probe next;

static void stop_and_start(void *arg)
{
    struct probe *self = arg;
    note(self);
    hr_timers_remove(&wheel, &victim.timer); /* due in the same millisecond */
    if (self->fired < 3) {
        hr_timers_add(&wheel, &self->timer, wheel.now_ms + HR_TIMER_SLOTS); /* the same slot */
    }
    probe_start(&next, wheel.now_ms); /* at once means the next millisecond */
}

/* A callback may stop others of its millisecond, start itself again into its own slot, and start
 * others. */
static void timer_callbacks_may_start_and_stop(void **state)
{
    (void)state;
    struct probe self = {0};
    victim = (struct probe){0};
    next = (struct probe){0};
    hr_timer_init(&self.timer, stop_and_start, &self);
    hr_timers_add(&wheel, &self.timer, START_MS + 4);
    probe_start(&victim, START_MS + 4);
    hr_timers_advance(&wheel, START_MS + 4);
    assert_int_equal(self.fired, 1);
    assert_int_equal(victim.fired, 0);
    assert_int_equal(next.fired, 0);
    hr_timers_advance(&wheel, START_MS + 5);
    assert_int_equal(next.fired, 1);
    hr_timers_advance(&wheel, START_MS + 5 + 3 * HR_TIMER_SLOTS);
    assert_int_equal(self.fired, 3);
    assert_int_equal(self.fired_ms, START_MS + 4 + 2 * HR_TIMER_SLOTS);
}

/* The time to the next timer: exact within a round, and never more than a round. */
static void timer_next_is_when_to_advance(void **state)
{
    (void)state;
    assert_true(hr_timers_next_ms(&wheel) == UINT64_MAX);
    struct probe far = {0};
    probe_start(&far, START_MS + 10 * HR_TIMER_SLOTS + 17);
    assert_int_equal(hr_timers_next_ms(&wheel), HR_TIMER_SLOTS);
    struct probe near = {0};
    probe_start(&near, START_MS + HR_TIMER_SLOTS);
    assert_int_equal(hr_timers_next_ms(&wheel), HR_TIMER_SLOTS);
    struct probe nearer = {0};
    probe_start(&nearer, START_MS + 100);
    assert_int_equal(hr_timers_next_ms(&wheel), 100);
}

/* Over random starts, stops and steps of time, every timer fires at its millisecond or, if time made
 * a leap, in the advance that passed it; none fires early, twice or after it was stopped; and
 * advancing by what next_ms says never misses one. */
static void timer_agrees_with_a_list(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static struct probe probes[COUNT];
    struct dice dice = dice_from("timer_agrees_with_a_list");
    uint64_t now = START_MS;
    memset(probes, 0, sizeof probes);
    for (size_t i = 0; i < COUNT; i++) {
        hr_timer_init(&probes[i].timer, note, &probes[i]);
    }
    for (int step = 0; step < 20000; step++) {
        struct probe *probe = &probes[dice_roll(&dice, COUNT)];
        uint64_t what = dice_roll(&dice, 4);
        if (what < 2) {
            probe->due_ms = now + 1 + dice_roll(&dice, 2 * HR_TIMER_SLOTS);
            probe->fired = 0;
            hr_timers_add(&wheel, &probe->timer, probe->due_ms);
        } else if (what == 2) {
            hr_timers_remove(&wheel, &probe->timer);
            probe->due_ms = 0;
        }
        uint64_t step_ms = hr_timers_next_ms(&wheel);
        if (step_ms == UINT64_MAX || dice_roll(&dice, 3) == 0) {
            step_ms = dice_roll(&dice, 50);
        }
        now += step_ms;
        hr_timers_advance(&wheel, now);
        uint32_t active = 0;
        for (size_t i = 0; i < COUNT; i++) {
            bool due = probes[i].due_ms != 0 && probes[i].due_ms <= now;
            assert_int_equal(probes[i].fired, due);
            assert_true(!due || probes[i].fired_ms == probes[i].due_ms);
            active += probes[i].due_ms > now;
            if (due) {
                probes[i].due_ms = 0;
                probes[i].fired = 0;
            }
        }
        assert_int_equal(wheel.count, active);
    }
}

#define CASE(name) cmocka_unit_test_setup(name, wheel_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(timer_fires_once_at_its_time),
        CASE(timer_waits_for_its_round),
        CASE(timer_past_is_next),
        CASE(timer_same_time_keeps_order),
        CASE(timer_stops_and_moves),
        CASE(timer_callbacks_may_start_and_stop),
        CASE(timer_next_is_when_to_advance),
        CASE(timer_agrees_with_a_list),
    };
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
