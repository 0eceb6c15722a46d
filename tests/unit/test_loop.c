/* links: hr_loop */
/* The event loop: posted tasks, stopping, timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "host/loop/loop.h"

static struct hr_loop loop;

static int loop_setup(void **state)
{
    (void)state;
    struct hr_diag diag;
    return (int)hr_loop_init(&loop, &diag);
}

static int loop_teardown(void **state)
{
    (void)state;
    hr_loop_release(&loop);
    return 0;
}

static void stop(void *arg)
{
    (void)arg;
    hr_loop_stop(&loop);
}

struct step {
    struct hr_task task;
    int order;
    bool own_thread;
};
static int steps;

static void on_step(void *arg)
{
    struct step *step = arg;
    step->order = steps++;
    step->own_thread = hr_loop_is_own_thread(&loop);
}

/* Tasks posted before the loop runs are run by it, in order, on its thread. */
static void loop_runs_what_was_posted_before(void **state)
{
    (void)state;
    steps = 0;
    struct step list[5] = {0};
    struct hr_task end;
    for (size_t i = 0; i < 5; i++) {
        hr_task_init(&list[i].task, on_step, &list[i]);
        hr_loop_post(&loop, &list[i].task);
    }
    hr_task_init(&end, stop, NULL);
    hr_loop_post(&loop, &end);
    assert_false(hr_loop_is_own_thread(&loop));
    assert_int_equal(steps, 0);
    hr_loop_run(&loop);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(list[i].order, i);
        assert_true(list[i].own_thread);
    }
}

struct nested {
    struct hr_task outer;
    struct hr_task inner;
    struct hr_task never;
    bool outer_returned;
    bool inner_ran;
};

static void on_inner(void *arg)
{
    struct nested *nested = arg;
    assert_true(nested->outer_returned);
    nested->inner_ran = true;
    hr_loop_stop(&loop);
}

static void fail_task(void *arg)
{
    (void)arg;
    fail_msg("a task that was taken back has run");
}

static void on_outer(void *arg)
{
    struct nested *nested = arg;
    hr_task_init(&nested->never, fail_task, NULL);
    hr_loop_post(&loop, &nested->never);
    hr_task_init(&nested->inner, on_inner, nested);
    hr_loop_post(&loop, &nested->inner);
    assert_false(nested->inner_ran);
    hr_loop_unpost(&nested->never);
    nested->outer_returned = true;
}

/* A task that a callback posts runs after that callback has returned; one that it takes back does not
 * run. */
static void loop_task_never_runs_inside_its_poster(void **state)
{
    (void)state;
    struct nested nested = {0};
    hr_task_init(&nested.outer, on_outer, &nested);
    hr_loop_post(&loop, &nested.outer);
    hr_loop_run(&loop);
    assert_true(nested.inner_ran);
}

struct rounds {
    struct step steps[3]; /* of the first round, for that round's end, of the second */
    struct hr_task first;
};

static void on_first(void *arg)
{
    struct rounds *rounds = arg;
    hr_loop_post_last(&loop, &rounds->steps[1].task);
    hr_loop_post(&loop, &rounds->steps[2].task);
}

static void on_third(void *arg)
{
    on_step(arg);
    hr_loop_stop(&loop);
}

/* What is for a round's end comes after the round's other tasks, and before those of the next round. */
static void loop_runs_last_tasks_at_the_end_of_a_round(void **state)
{
    (void)state;
    struct rounds rounds = {0};
    steps = 0;
    hr_task_init(&rounds.first, on_first, &rounds);
    hr_task_init(&rounds.steps[0].task, on_step, &rounds.steps[0]);
    hr_task_init(&rounds.steps[1].task, on_step, &rounds.steps[1]);
    hr_task_init(&rounds.steps[2].task, on_third, &rounds.steps[2]);
    hr_loop_post(&loop, &rounds.first);
    hr_loop_post(&loop, &rounds.steps[0].task);
    hr_loop_run(&loop);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rounds.steps[i].order, i);
        assert_true(rounds.steps[i].own_thread);
    }
}

struct spares {
    struct step steps[4]; /* three that post one another, and one that can wait */
    size_t posted;
};

static void on_hop(void *arg)
{
    struct spares *spares = arg;
    on_step(&spares->steps[spares->posted]);
    if (++spares->posted < 3) {
        hr_loop_post(&loop, &spares->steps[spares->posted].task);
    }
}

static void on_begin(void *arg)
{
    struct spares *spares = arg;
    hr_loop_post_spare(&loop, &spares->steps[3].task);
    hr_loop_post(&loop, &spares->steps[0].task);
    loop.spare_due_ns = UINT64_MAX; /* however slow this machine is */
}

/* What can wait lets others go first, and what they post in turn. */
static void loop_runs_spare_tasks_when_there_is_nothing_else(void **state)
{
    (void)state;
    struct spares spares = {0};
    struct hr_task begin;
    steps = 0;
    for (size_t i = 0; i < 3; i++) {
        hr_task_init(&spares.steps[i].task, on_hop, &spares);
    }
    hr_task_init(&spares.steps[3].task, on_third, &spares.steps[3]);
    hr_task_init(&begin, on_begin, &spares);
    hr_loop_post(&loop, &begin);
    hr_loop_run(&loop);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(spares.steps[i].order, i);
        assert_true(spares.steps[i].own_thread);
    }
}

struct hurry {
    struct hr_task busy;
    struct hr_task spare;
    int spare_runs;
};

static void on_spare(void *arg)
{
    struct hurry *hurry = arg;
    if (++hurry->spare_runs < 3) {
        hr_loop_post_spare(&loop, &hurry->spare);
    }
}

static void on_hurry(void *arg)
{
    struct hurry *hurry = arg;
    if (hurry->spare_runs == 3) {
        hr_loop_stop(&loop);
    } else {
        hr_loop_post(&loop, &hurry->busy);
    }
}

static void on_begin_hurry(void *arg)
{
    struct hurry *hurry = arg;
    hr_loop_post_spare(&loop, &hurry->spare);
}

/* A loop that always has something to run comes to what can wait all the same. */
static void loop_runs_spare_tasks_though_it_is_busy(void **state)
{
    (void)state;
    struct hurry hurry = {0};
    hr_task_init(&hurry.busy, on_hurry, &hurry);
    hr_task_init(&hurry.spare, on_spare, &hurry);
    hr_loop_post(&loop, &hurry.busy);
    /* From the loop's own thread, as everything that can wait. */
    struct hr_task begin;
    hr_task_init(&begin, on_begin_hurry, &hurry);
    hr_loop_post(&loop, &begin);
    hr_loop_run(&loop);
    assert_int_equal(hurry.spare_runs, 3);
}

static void on_taken_back(void *arg)
{
    struct hr_task *never = arg;
    hr_loop_post_spare(&loop, never);
    hr_loop_unpost(never);
    hr_loop_stop(&loop);
}

/* One that is taken back does not run, nor keep the loop awake. */
static void loop_forgets_a_spare_task_that_is_taken_back(void **state)
{
    (void)state;
    struct hr_task never;
    struct hr_task begin;
    hr_task_init(&never, fail_task, NULL);
    hr_task_init(&begin, on_taken_back, &never);
    hr_loop_post(&loop, &begin);
    hr_loop_run(&loop);
    assert_true(hr_list_empty(&loop.spare));
}

#define POSTERS 4
#define POSTS 2000

struct post {
    struct hr_task task;
    size_t poster;
    size_t number;
};

static struct post posts[POSTERS][POSTS];
static size_t next_number[POSTERS];
static size_t out_of_order;
static size_t posts_left;

static void on_post(void *arg)
{
    struct post *post = arg;
    out_of_order += next_number[post->poster] != post->number;
    next_number[post->poster]++;
    if (--posts_left == 0) {
        hr_loop_stop(&loop);
    }
}

static void *post_many(void *arg)
{
    struct post *own = arg;
    for (size_t i = 0; i < POSTS; i++) {
        hr_task_init(&own[i].task, on_post, &own[i]);
        hr_loop_post(&loop, &own[i].task);
    }
    return NULL;
}

/* Tasks from other threads all run, once, in each thread's order. */
static void loop_runs_tasks_of_other_threads(void **state)
{
    (void)state;
    pthread_t threads[POSTERS];
    posts_left = (size_t)POSTERS * POSTS;
    out_of_order = 0;
    for (size_t i = 0; i < POSTERS; i++) {
        next_number[i] = 0;
        for (size_t j = 0; j < POSTS; j++) {
            posts[i][j] = (struct post){.poster = i, .number = j};
        }
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, posts[i]), 0);
    }
    hr_loop_run(&loop);
    for (size_t i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(next_number[i], POSTS);
    }
    assert_int_equal(out_of_order, 0);
}

static void *stop_from_outside(void *arg)
{
    (void)arg;
    hr_loop_stop(&loop);
    return NULL;
}

/* Another thread stops the loop, as often as it runs; several stops of one run are one. */
static void loop_stops_from_another_thread(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        pthread_t threads[2];
        assert_int_equal(pthread_create(&threads[0], NULL, stop_from_outside, NULL), 0);
        assert_int_equal(pthread_create(&threads[1], NULL, stop_from_outside, NULL), 0);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        hr_loop_run(&loop);
    }
}

struct busy {
    struct hr_task task;
    struct hr_task remote;
    struct hr_timer timer;
    uint64_t rounds;
    int others;
};

static void on_busy(void *arg)
{
    struct busy *busy = arg;
    busy->rounds++;
    hr_loop_post(&loop, &busy->task);
    if (busy->others == 2) {
        hr_loop_unpost(&busy->task);
        hr_loop_stop(&loop);
    }
}

static void on_other(void *arg)
{
    struct busy *busy = arg;
    busy->others++;
}

static void *post_one(void *arg)
{
    struct busy *busy = arg;
    hr_loop_post(&loop, &busy->remote);
    return NULL;
}

/* A task that posts itself for ever keeps neither timers nor other threads from their turn. */
static void loop_tasks_leave_room_for_others(void **state)
{
    (void)state;
    struct busy busy = {0};
    hr_task_init(&busy.task, on_busy, &busy);
    hr_task_init(&busy.remote, on_other, &busy);
    hr_timer_init(&busy.timer, on_other, &busy);
    hr_loop_post(&loop, &busy.task);
    hr_loop_timer_start(&loop, &busy.timer, 5);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_one, &busy), 0);
    hr_loop_run(&loop);
    pthread_join(thread, NULL);
    assert_int_equal(busy.others, 2);
    assert_true(busy.rounds > 1);
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* With nothing to do but wait, the loop sleeps; also after it has run tasks of its own. */
static void loop_sleeps_when_idle(void **state)
{
    (void)state;
    struct nested nested = {0};
    hr_task_init(&nested.outer, on_outer, &nested);
    hr_loop_post(&loop, &nested.outer);
    hr_loop_run(&loop);
    struct hr_timer timer;
    hr_timer_init(&timer, stop, NULL);
    hr_loop_timer_start(&loop, &timer, 200);
    uint64_t wall = hr_now_ns();
    uint64_t cpu = cpu_ns();
    hr_loop_run(&loop);
    assert_true(hr_now_ns() - wall >= 200000000u);
    assert_true(cpu_ns() - cpu < 50000000u);
}

struct alarm {
    struct hr_timer timer;
    uint64_t from_ns;
    uint64_t delay_ms;
    uint64_t early;
    int order;
    int fired;
};
static int alarms_left;
static int alarm_order;

static void on_alarm(void *arg)
{
    struct alarm *alarm = arg;
    alarm->fired++;
    alarm->order = alarm_order++;
    alarm->early = hr_now_ns() - alarm->from_ns < alarm->delay_ms * 1000000u;
    if (--alarms_left == 0) {
        hr_loop_stop(&loop);
    }
}

static void alarm_start(struct alarm *alarm, uint64_t delay_ms)
{
    *alarm = (struct alarm){.from_ns = hr_now_ns(), .delay_ms = delay_ms};
    hr_timer_init(&alarm->timer, on_alarm, alarm);
    hr_loop_timer_start(&loop, &alarm->timer, delay_ms);
}

/* Timers fire in the order of their times whatever the order of their starts, never early, once. */
static void loop_timers_fire_in_time(void **state)
{
    (void)state;
    const uint64_t delays[] = {40, 3, 25, 0, 60, 1, 10};
    struct alarm alarms[7];
    alarms_left = 7;
    alarm_order = 0;
    for (size_t i = 0; i < 7; i++) {
        alarm_start(&alarms[i], delays[i]);
    }
    hr_loop_run(&loop);
    const int order[] = {5, 2, 4, 0, 6, 1, 3};
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(alarms[i].fired, 1);
        assert_int_equal(alarms[i].early, 0);
        assert_int_equal(alarms[i].order, order[i]);
    }
}

static struct alarm first;
static struct alarm second;
static struct alarm stopped;
static struct alarm far_away;

static void start_more(void *arg)
{
    (void)arg;
    hr_loop_timer_stop(&loop, &stopped.timer);
    alarm_start(&second, 5); /* before the one that the clock is aimed at */
}

/* A timer stopped in a callback does not fire; one started there for earlier than all others is not
 * late; one that is far away, or at the end of time, does not disturb. */
static void loop_timers_start_and_stop_in_callbacks(void **state)
{
    (void)state;
    struct hr_timer starter;
    alarms_left = 2;
    alarm_start(&far_away, UINT64_MAX);
    alarm_start(&stopped, 10);
    alarm_start(&first, 5000);
    hr_timer_init(&starter, start_more, NULL);
    hr_loop_timer_start(&loop, &starter, 1);
    hr_loop_timer_start(&loop, &first.timer, 1500); /* again: moves it */
    first.delay_ms = 1500;
    uint64_t from_ns = hr_now_ns();
    hr_loop_run(&loop);
    assert_int_equal(second.fired, 1);
    assert_int_equal(first.fired, 1);
    assert_int_equal(first.early + second.early, 0);
    assert_true(second.order < first.order);
    assert_int_equal(stopped.fired, 0);
    assert_int_equal(far_away.fired, 0);
    assert_true(hr_now_ns() - from_ns < 4500000000u);
    hr_loop_timer_stop(&loop, &far_away.timer);
}

static int slow_left;

static void on_slow(void *arg)
{
    (void)arg;
    uint64_t from_ns = hr_now_ns();
    while (hr_now_ns() - from_ns < 2000000) {
    }
    slow_left--;
}

static void on_turn(void *arg)
{
    *(int *)arg = slow_left;
}

static void stop_if_done(void *arg)
{
    struct hr_timer *timer = arg;
    if (slow_left == 0) {
        hr_loop_stop(&loop);
    } else {
        hr_loop_timer_start(&loop, timer, 1);
    }
}

/* Tasks that take long together do not keep timers waiting for all of them; none is lost or run twice. */
static void loop_ends_a_long_round_of_tasks(void **state)
{
    (void)state;
    struct hr_task slow[60];
    struct hr_timer turn;
    struct hr_timer done;
    int left_at_turn = -1;
    slow_left = 60;
    for (size_t i = 0; i < 60; i++) {
        hr_task_init(&slow[i], on_slow, NULL);
        hr_loop_post(&loop, &slow[i]);
    }
    hr_timer_init(&turn, on_turn, &left_at_turn);
    hr_timer_init(&done, stop_if_done, &done);
    hr_loop_timer_start(&loop, &turn, 1);
    hr_loop_timer_start(&loop, &done, 1);
    hr_loop_run(&loop);
    assert_int_equal(slow_left, 0);
    assert_true(left_at_turn > 0);
}

/* The clocks: monotonic time does not go back; the wall clock is of this age. */
static void loop_clocks(void **state)
{
    (void)state;
    uint64_t before = hr_now_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = hr_now_ns();
        assert_true(now >= before);
        before = now;
    }
    assert_true(hr_wall_ms() > 1700000000000u);
    assert_true(hr_wall_ms() / 1000 - (uint64_t)time(NULL) <= 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, loop_setup, loop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(loop_runs_what_was_posted_before),
        CASE(loop_task_never_runs_inside_its_poster),
        CASE(loop_runs_tasks_of_other_threads),
        CASE(loop_stops_from_another_thread),
        CASE(loop_tasks_leave_room_for_others),
        CASE(loop_sleeps_when_idle),
        CASE(loop_timers_fire_in_time),
        CASE(loop_timers_start_and_stop_in_callbacks),
        CASE(loop_ends_a_long_round_of_tasks),
        CASE(loop_runs_last_tasks_at_the_end_of_a_round),
        CASE(loop_runs_spare_tasks_when_there_is_nothing_else),
        CASE(loop_runs_spare_tasks_though_it_is_busy),
        CASE(loop_forgets_a_spare_task_that_is_taken_back),
        CASE(loop_clocks),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
