/* One event loop, on one thread. Everything that belongs to a loop (its timers, its calls, its
 * subscriptions) is touched on that loop's thread only; other threads reach it by hr_loop_post.
 *
 * A task is embedded in what it is about, so posting never allocates and cannot fail. A task is
 * posted at most once until it has run. Tasks posted on the loop's own thread run after the
 * present callback has returned: this is how "never before the submitter returns" is kept.
 */
#ifndef HR_LOOP_H
#define HR_LOOP_H

#include <stdint.h>
#include <uv.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/list.h"
#include "host/loop/timer.h"

#define HR_LOOP_SPARE_NS ((uint64_t)5 * 1000 * 1000)

typedef void (*hr_task_cb)(void *arg);

struct hr_task {
    struct hr_list node;
    hr_task_cb cb;
    void *arg;
};

struct hr_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t prepare; /* runs the tasks that the loop's own callbacks posted */
    uv_idle_t idle;       /* active while such tasks wait, so that polling does not block */
    uv_timer_t clock;     /* drives @timers */
    struct hr_timers timers;
    uv_mutex_t lock;          /* guards @remote */
    struct hr_list remote;    /* tasks from other threads */
    struct hr_list local;     /* tasks from this thread */
    struct hr_list last;      /* those that come after a round's others */
    struct hr_list spare;     /* those that wait until there is nothing else to run */
    uint64_t spare_due_ns;    /* when the first of them waits no longer */
    struct hr_task stop_task; /* posted by a stop from another thread */
};

/* Caller's storage. The loop belongs to the thread that calls hr_loop_run. */
HR_MUST_CHECK enum hr_err hr_loop_init(struct hr_loop *loop, struct hr_diag *diag);
/* Runs until hr_loop_stop. Tasks and timers posted before are served. */
void hr_loop_run(struct hr_loop *loop);
/* Makes hr_loop_run return after the present round, or at once if it is yet to be called. Any
 * thread. */
void hr_loop_stop(struct hr_loop *loop);
/* Closes the loop's own handles and waits for every handle on it to close; call after
 * hr_loop_run has returned, on its thread or after joining it. */
void hr_loop_release(struct hr_loop *loop);

/* Sets a task's callback; the storage is the caller's until it has run. */
void hr_task_init(struct hr_task *task, hr_task_cb cb, void *arg);
/* Queues the task; it runs once on the loop's thread, never inside this call. Any thread.
 * Keeps @task until it has run. */
void hr_loop_post(struct hr_loop *loop, struct hr_task *task);
/* Queues the task for the end of this round, after the tasks that run in it and before the loop waits: for what is
 * cheaper once for all that a round does. On the loop's own thread. Keeps @task until it has run. */
void hr_loop_post_last(struct hr_loop *loop, struct hr_task *task);
/* Queues the task for a round that has no other task to run, or one of the next rounds if that takes longer than
 * HR_LOOP_SPARE_NS; a round runs one of them. For what takes long and is in no hurry: whatever comes in meanwhile goes
 * first, with all that it posts in turn. On the loop's own thread. Keeps @task until it has run. */
void hr_loop_post_spare(struct hr_loop *loop, struct hr_task *task);
/* Takes a task that was posted from the loop's own thread out again, if it has not run. */
void hr_loop_unpost(struct hr_task *task);
/* Whether the caller is on this loop's thread. */
bool hr_loop_is_own_thread(const struct hr_loop *loop);
/* Monotonic time in nanoseconds; only differences mean anything. Any thread. */
uint64_t hr_now_ns(void);
/* Wall-clock time in milliseconds since 1970 (may jump). Any thread. */
uint64_t hr_wall_ms(void);

/* Starts (or restarts) an embedded timer that fires once, @delay_ms from now or up to a millisecond
 * later (more if the loop is busy), never earlier, on the loop's thread. Cancelling is immediate: after hr_loop_timer_stop the callback does not run. */
void hr_loop_timer_start(struct hr_loop *loop, struct hr_timer *timer, uint64_t delay_ms);
void hr_loop_timer_stop(struct hr_loop *loop, struct hr_timer *timer);

#endif
