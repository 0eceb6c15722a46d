/* Claim: a change is stamped later than everything that its site has when it is made, so that whoever has seen
 * something and then writes, deletes or deletes everything is not overruled by what was seen. */
#include "sim/model.h"
#include "sim/trace.h"

void sim_check_order(struct sim_world *world, const struct sim_site *site,
                     const struct sim_known *known)
{
    uint64_t latest = sim_known_latest(&world->model->knowledge, site->index);
    /* What fills a number that everybody has lost is as old as the number. */
    if (known->hlc <= latest && known->kind != SIM_KNOWN_NOOP) {
        sim_trace_fail(world, "%s stamps change %016llx/%llu with %016llx, not later than %016llx",
                       site->name, (unsigned long long)known->origin,
                       (unsigned long long)known->seq, (unsigned long long)known->hlc,
                       (unsigned long long)latest);
    }
}
