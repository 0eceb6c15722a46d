/* Looking around on a worker; its life is host/host_worker.c. */
#include "host/run/worker.h"

struct hr_lane *hr_worker_lane(struct hr_worker *worker, struct hr_str name)
{
    for (size_t i = 0; i < worker->lane_count; i++) {
        if (hr_str_eq(name, hr_str_c(worker->lanes[i].actor->name))) {
            return &worker->lanes[i];
        }
    }
    return NULL;
}
