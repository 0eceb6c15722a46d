/* Admission control for one actor on one worker. */
#include "host/run/lane.h"

#include "base/assert.h"
#include "host/obs/metrics.h"

static uint32_t share(uint32_t total, uint32_t worker_count)
{
    uint32_t part = total / worker_count;
    return part > 0 ? part : 1;
}

void hr_lane_init(struct hr_lane *lane, struct hr_worker *worker, struct hr_loop *loop,
                  struct hr_fibers *fibers, const struct hr_actor *actor, uint32_t worker_count)
{
    *lane = (struct hr_lane){
        .worker = worker,
        .loop = loop,
        .fibers = fibers,
        .actor = actor,
        .running_max = share(actor->limits.concurrent, worker_count),
        .queued_max = actor->limits.queue ? share(actor->limits.queue, worker_count) : 0,
    };
    hr_list_init(&lane->running);
    hr_list_init(&lane->queued);
}

static void count_running(struct hr_lane *lane, int change)
{
    lane->running_count += (uint32_t)change;
    if (lane->actor->running) {
        hr_gauge_add(lane->actor->running, change);
    }
}

static void count_queued(struct hr_lane *lane, int change)
{
    lane->queued_count += (uint32_t)change;
    if (lane->actor->queued) {
        hr_gauge_add(lane->actor->queued, change);
    }
}

static void run(struct hr_lane *lane, struct hr_fiber *fiber)
{
    hr_list_push_back(&lane->running, &fiber->node);
    count_running(lane, 1);
    hr_fiber_begin(fiber);
}

enum hr_err hr_lane_submit(struct hr_lane *lane, const struct hr_fiber_options *options,
                           struct hr_fiber **ret_fiber)
{
    if (!lane->actor->exports[options->export_id]) {
        return HR_UNSUPPORTED;
    }
    bool full = lane->running_count >= lane->running_max;
    if (full && lane->queued_count >= lane->queued_max) {
        return HR_BUSY;
    }
    struct hr_fiber *fiber;
    enum hr_err err = hr_fiber_new(lane, options, &fiber);
    if (err) {
        return err;
    }
    if (full) {
        hr_list_push_back(&lane->queued, &fiber->node);
        count_queued(lane, 1);
    } else {
        run(lane, fiber);
    }
    if (ret_fiber) {
        *ret_fiber = fiber;
    }
    return HR_OK;
}

void hr_lane_ended(struct hr_lane *lane, struct hr_fiber *fiber)
{
    hr_list_remove(&fiber->node);
    if (fiber->state == HR_FIBER_QUEUED) {
        HR_ASSERT(lane->queued_count > 0);
        count_queued(lane, -1);
        return;
    }
    HR_ASSERT(lane->running_count > 0);
    count_running(lane, -1);
    struct hr_list *next = hr_list_pop_front(&lane->queued);
    if (next) {
        count_queued(lane, -1);
        run(lane, HR_LIST_OWNER(next, struct hr_fiber, node));
    }
}

void hr_lane_cancel_all(struct hr_lane *lane)
{
    while (!hr_list_empty(&lane->queued)) {
        hr_fiber_cancel(HR_LIST_OWNER(lane->queued.next, struct hr_fiber, node), HR_CANCELED,
                        "the host is stopping");
    }
    while (!hr_list_empty(&lane->running)) {
        hr_fiber_cancel(HR_LIST_OWNER(lane->running.next, struct hr_fiber, node), HR_CANCELED,
                        "the host is stopping");
    }
}
