/* Claim: a write of which everybody who was asked said that it was not done is nowhere. */
#include "sim/client.h"
#include "sim/model.h"
#include "sim/trace.h"

void sim_check_refused_end(struct sim_world *world)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    for (size_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        const struct sim_op *op = sim_clients_op(world, known->op);
        /* What its store has lost by now was refused because of that. */
        if (known->held != 0 && known->sets > 0 && (!op || op->outcome == SIM_NO)) {
            sim_trace_fail(world, "request %u was refused by everybody, and was done: %016llx/%llu",
                           known->op, (unsigned long long)known->origin,
                           (unsigned long long)known->seq);
        }
    }
}
