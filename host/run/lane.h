/* Admission: how many calls of one actor one worker runs at once, and how many wait for that. The
 * actor's limits are divided evenly among the workers, so no lane ever asks another thread. One
 * loop thread. */
#ifndef HR_LANE_H
#define HR_LANE_H

#include "host/run/fiber.h"

struct hr_lane {
    struct hr_worker *worker;
    struct hr_loop *loop;
    struct hr_fibers *fibers;
    const struct hr_actor *actor;
    struct hr_list running;
    struct hr_list queued;
    uint32_t running_count;
    uint32_t running_max;
    uint32_t queued_count;
    uint32_t queued_max;
};

void hr_lane_init(struct hr_lane *lane, struct hr_worker *worker, struct hr_loop *loop,
                  struct hr_fibers *fibers, const struct hr_actor *actor, uint32_t worker_count);
/* Starts the call, or queues it. The done callback runs exactly once, never before this returns.
 * Errors (done does not run): HR_BUSY (queue full), HR_NO_MEMORY, HR_UNSUPPORTED (the actor has
 * no such export). @ret_fiber may be NULL; it is valid until done has run. */
HR_MUST_CHECK enum hr_err hr_lane_submit(struct hr_lane *lane,
                                         const struct hr_fiber_options *options,
                                         struct hr_fiber **ret_fiber);
/* Ends every call, running or queued, with HR_CANCELED. */
void hr_lane_cancel_all(struct hr_lane *lane);
/* Called by a fiber that has ended: gives its place to the next in the queue. */
void hr_lane_ended(struct hr_lane *lane, struct hr_fiber *fiber);

#endif
