/* The event loop: libuv's, with posted tasks and a timer wheel. This file owns libuv's loop and the
 * handles that drive it; other files put handles of their own on the loop's uv member. */
#include "host/loop/loop.h"

#include <string.h>
#include <time.h>

#include "base/assert.h"

#define ROUND_NS_MAX ((uint64_t)10 * 1000 * 1000)

/* The loop that this thread runs, if any: how a post tells its own thread from others. */
static _Thread_local const struct hr_loop *running_loop;

static uint64_t now_ms(void)
{
    return hr_now_ns() / 1000000;
}

/* One of the tasks that can wait, if nothing else is there to be run or it has waited for long. */
static void run_spare(struct hr_loop *loop)
{
    bool others = !hr_list_empty(&loop->local);
    if (hr_list_empty(&loop->spare) || (others && hr_now_ns() < loop->spare_due_ns)) {
        return;
    }
    struct hr_list *node = hr_list_pop_front(&loop->spare);
    struct hr_task *task = HR_LIST_OWNER(node, struct hr_task, node);
    task->cb(task->arg);
    loop->spare_due_ns = hr_now_ns() + HR_LOOP_SPARE_NS;
}

/* One round of local tasks: those that wait now, as far as they take no longer than a round may. The
 * others, and those that they post, wait for the next one, so that input and output get their turn in
 * between. */
static void run_local(struct hr_loop *loop)
{
    uint64_t until_ns = hr_now_ns() + ROUND_NS_MAX;
    const struct hr_list *last = loop->local.prev; /* if it is taken out, time ends the round */
    const struct hr_list *ran = NULL;
    while (ran != last && !hr_list_empty(&loop->local) && hr_now_ns() < until_ns) {
        struct hr_list *node = hr_list_pop_front(&loop->local);
        struct hr_task *task = HR_LIST_OWNER(node, struct hr_task, node);
        ran = node;
        task->cb(task->arg);
    }
}

/* Comes after input and output, so what these have brought goes before a task that can wait. */
static void on_idle(uv_idle_t *idle)
{
    struct hr_loop *loop = idle->data;
    run_spare(loop);
    run_local(loop);
    if (hr_list_empty(&loop->local) && hr_list_empty(&loop->spare)) {
        uv_idle_stop(&loop->idle);
    }
}

/* What other threads have posted goes behind what waits already. */
static void on_wake(uv_async_t *wake)
{
    struct hr_loop *loop = wake->data;
    uv_mutex_lock(&loop->lock);
    hr_list_move_all(&loop->local, &loop->remote);
    uv_mutex_unlock(&loop->lock);
    if (!hr_list_empty(&loop->local)) {
        uv_idle_start(&loop->idle, on_idle);
    }
}

static void on_clock(uv_timer_t *clock);

/* Sets the one uv timer to the wheel's next due time. */
static void aim_clock(struct hr_loop *loop)
{
    uint64_t next_ms = hr_timers_next_ms(&loop->timers);
    if (next_ms == UINT64_MAX) {
        uv_timer_stop(&loop->clock);
        return;
    }
    uint64_t due_ms = loop->timers.now_ms + next_ms;
    uint64_t now = now_ms();
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->clock, on_clock, due_ms > now ? due_ms - now : 0, 0);
}

static void on_clock(uv_timer_t *clock)
{
    struct hr_loop *loop = clock->data;
    hr_timers_advance(&loop->timers, now_ms());
    aim_clock(loop);
}

static void run_last(struct hr_loop *loop)
{
    struct hr_list now;
    struct hr_list *node;
    hr_list_init(&now);
    hr_list_move_all(&now, &loop->last);
    while ((node = hr_list_pop_front(&now))) {
        struct hr_task *task = HR_LIST_OWNER(node, struct hr_task, node);
        task->cb(task->arg);
    }
}

/* Timers are aimed once per round, not at each start: a call that ends before its deadline costs no
 * system call. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct hr_loop *loop = prepare->data;
    run_last(loop);
    if (loop->timers.count > 0 && !uv_is_active((uv_handle_t *)&loop->clock)) {
        aim_clock(loop);
    }
}

enum hr_err hr_loop_init(struct hr_loop *loop, struct hr_diag *diag)
{
    memset(loop, 0, sizeof *loop);
    int rc = uv_loop_init(&loop->uv);
    if (rc < 0) {
        return hr_diag_set(diag, HR_IO, "event loop: %s", uv_strerror(rc));
    }
    rc = uv_mutex_init(&loop->lock);
    if (rc < 0) {
        uv_loop_close(&loop->uv);
        return hr_diag_set(diag, HR_IO, "event loop's lock: %s", uv_strerror(rc));
    }
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc < 0) {
        uv_mutex_destroy(&loop->lock);
        uv_loop_close(&loop->uv);
        return hr_diag_set(diag, HR_IO, "event loop's wake-up: %s", uv_strerror(rc));
    }
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_idle_init(&loop->uv, &loop->idle);
    uv_timer_init(&loop->uv, &loop->clock);
    loop->wake.data = loop;
    loop->prepare.data = loop;
    loop->idle.data = loop;
    loop->clock.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    hr_list_init(&loop->remote);
    hr_list_init(&loop->local);
    hr_list_init(&loop->last);
    hr_list_init(&loop->spare);
    hr_timers_init(&loop->timers, now_ms());
    return HR_OK;
}

void hr_loop_run(struct hr_loop *loop)
{
    running_loop = loop;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    running_loop = NULL;
}

static void stop_task(void *arg)
{
    struct hr_loop *loop = arg;
    uv_mutex_lock(&loop->lock);
    loop->stop_task.cb = NULL; /* the next run can be stopped again */
    uv_mutex_unlock(&loop->lock);
    uv_stop(&loop->uv);
}

void hr_loop_stop(struct hr_loop *loop)
{
    if (hr_loop_is_own_thread(loop)) {
        uv_stop(&loop->uv);
        return;
    }
    uv_mutex_lock(&loop->lock);
    if (!loop->stop_task.cb) {
        hr_task_init(&loop->stop_task, stop_task, loop);
        hr_list_push_back(&loop->remote, &loop->stop_task.node);
    }
    uv_mutex_unlock(&loop->lock);
    uv_async_send(&loop->wake);
}

static void close_own(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void hr_loop_release(struct hr_loop *loop)
{
    uv_walk(&loop->uv, close_own, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&loop->uv);
    HR_ASSERT(rc == 0);
    uv_mutex_destroy(&loop->lock);
}

void hr_task_init(struct hr_task *task, hr_task_cb cb, void *arg)
{
    hr_list_init(&task->node);
    task->cb = cb;
    task->arg = arg;
}

bool hr_loop_is_own_thread(const struct hr_loop *loop)
{
    return running_loop == loop;
}

static void start_idle(struct hr_loop *loop)
{
    if (!uv_is_active((uv_handle_t *)&loop->idle)) {
        uv_idle_start(&loop->idle, on_idle);
    }
}

void hr_loop_post(struct hr_loop *loop, struct hr_task *task)
{
    if (hr_loop_is_own_thread(loop)) {
        hr_list_push_back(&loop->local, &task->node);
        start_idle(loop);
        return;
    }
    uv_mutex_lock(&loop->lock);
    hr_list_push_back(&loop->remote, &task->node);
    uv_mutex_unlock(&loop->lock);
    uv_async_send(&loop->wake);
}

void hr_loop_post_last(struct hr_loop *loop, struct hr_task *task)
{
    hr_list_push_back(&loop->last, &task->node);
}

void hr_loop_post_spare(struct hr_loop *loop, struct hr_task *task)
{
    if (hr_list_empty(&loop->spare)) {
        loop->spare_due_ns = hr_now_ns() + HR_LOOP_SPARE_NS;
    }
    hr_list_push_back(&loop->spare, &task->node);
    start_idle(loop);
}

void hr_loop_unpost(struct hr_task *task)
{
    hr_list_remove(&task->node);
}

uint64_t hr_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t hr_wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

void hr_loop_timer_start(struct hr_loop *loop, struct hr_timer *timer, uint64_t delay_ms)
{
    uint64_t from_ms = hr_now_ns() / 1000000 + 1; /* rounded up, so that it is never early */
    uint64_t due_ms = delay_ms > UINT64_MAX - from_ms ? UINT64_MAX : from_ms + delay_ms;
    if (loop->timers.count == 0) {
        hr_timers_advance(&loop->timers, now_ms()); /* nothing waits: the wheel may jump */
    }
    hr_timers_add(&loop->timers, timer, due_ms);
    /* If the clock is aimed at something later, aim again; otherwise it will come by anyway. */
    if (uv_is_active((uv_handle_t *)&loop->clock) && uv_timer_get_due_in(&loop->clock) > delay_ms) {
        uv_timer_stop(&loop->clock);
    }
}

void hr_loop_timer_stop(struct hr_loop *loop, struct hr_timer *timer)
{
    hr_timers_remove(&loop->timers, timer);
}
