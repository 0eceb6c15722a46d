/* Claim: when nothing is wrong, a write costs each other site one message with the change, and now and then one
 * more where the first answer was slow. */
#include "sim/model.h"
#include "sim/trace.h"

void sim_check_traffic(struct sim_world *world, uint64_t writes, uint64_t letters)
{
    if (world->shape->net_us >= 80 * SIM_MS) {
        return; /* a ship's first rounds end before an acknowledgement can be back */
    }
    uint64_t others = world->shape->site_count - 1;
    if (letters > writes * others * 2) {
        sim_trace_fail(world, "%llu writes were %llu messages to %llu other sites",
                       (unsigned long long)writes, (unsigned long long)letters,
                       (unsigned long long)others);
    }
}
