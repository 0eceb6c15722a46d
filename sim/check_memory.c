/* Claim: a store holds a bounded amount for each change that was ever made. */
#include "sim/model.h"
#include "sim/trace.h"

/* A change, its record, its name in the index, its result twice: all small here. */
#define BYTES_PER_CHANGE ((uint64_t)2048)
#define BYTES_ANYWAY ((uint64_t)64 << 10)

void sim_check_memory(struct sim_world *world)
{
    const struct sim_model *model = world->model;
    uint64_t most = BYTES_ANYWAY + BYTES_PER_CHANGE * model->knowledge.count +
                    256 * model->knowledge.origin_count;
    if (model->bytes_max > most) {
        sim_trace_fail(world, "a store holds %llu bytes after %llu changes",
                       (unsigned long long)model->bytes_max,
                       (unsigned long long)model->knowledge.count);
    }
}
