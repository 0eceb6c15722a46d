/* Claim: a site's stored clock is never later than the latest that its wall has shown, and the half second by
 * which others may be ahead of it. */
#include "sim/model.h"
#include "sim/trace.h"

#define AHEAD_MS 500u
#define SLACK_MS 10u

void sim_check_clock(struct sim_world *world, struct sim_site *site, struct hr_str ctr)
{
    /* u8 version | u64 origin | u64 clock | u64 number | crc; the clock's upper 48 bits are milliseconds. */
    if (ctr.len < 17) {
        return;
    }
    uint64_t clock_ms = sim_known_be(ctr.ptr + 9, 8) >> 16;
    uint64_t wall_ms = sim_world_wall_ms(world, site);
    uint64_t most_ms = site->wall_max_ms > wall_ms ? site->wall_max_ms : wall_ms;
    if (clock_ms > most_ms + AHEAD_MS + SLACK_MS) {
        sim_trace_fail(world, "%s: its clock is %llu ms ahead of all that its wall has shown",
                       site->name, (unsigned long long)(clock_ms - most_ms));
    }
}
