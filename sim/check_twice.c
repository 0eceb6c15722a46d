/* Claims: a site that has got a request's change as one (a state transfer brings outcomes only) does not do the
 * request again, if it has an id. A request without one is done once for each time that it was sent. Sets only, whose
 * changes tell the request. */
#include "sim/client.h"
#include "sim/model.h"
#include "sim/trace.h"

/* Results are kept for ten minutes of the site's wall, whose steps may be longer, either way. */
#define STEP_US_MAX (5 * 60 * SIM_S)

/* Healing takes every wall to the latest, so that one site's step may be all others'. */
static bool steps_far(const struct sim_world *world)
{
    for (size_t i = 0; i < world->shape->window_count; i++) {
        const struct sim_window *window = &world->shape->windows[i];
        if (window->fault == SIM_FAULT_CLOCK_STEP && !window->removed &&
            window->amount > STEP_US_MAX) {
            return true;
        }
    }
    return false;
}

static uint32_t count_changes(const struct sim_world *world, uint32_t op, uint32_t *ret_held)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    uint32_t count = 0;
    for (size_t i = knowledge->count; i > 0; i--) {
        const struct sim_known *known = &knowledge->changes[i - 1];
        bool lost = known->held == 0 && known->losses > 0; /* nobody can tell that it was done */
        if (known->op == op && !lost) {
            count++;
            *ret_held |= known->fed;
        }
    }
    return count;
}

void sim_check_twice(struct sim_world *world, const struct sim_site *site,
                     const struct sim_known *known)
{
    const struct sim_op *op = sim_clients_op(world, known->op);
    uint32_t held = 0;
    if (!op || known->sets == 0) {
        return;
    }
    uint32_t count = count_changes(world, known->op, &held);
    bool knows = (held >> site->index & 1) && !steps_far(world);
    if (op->identified && knows) {
        sim_trace_fail(world, "%s does request %u, whose change it has already", site->name,
                       op->number);
    } else if (!op->identified && count >= op->copies) {
        sim_trace_fail(world, "%s does request %u for the %uth time; it was sent %u times",
                       site->name, op->number, count + 1, op->copies);
    }
}
