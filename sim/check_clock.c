/* Claims: a site's stored clock is never later than the latest that its wall has shown, and the half second by
 * which others may be ahead of it. And in one incarnation neither the clock nor the number of the newest change goes
 * back, unless the store has. */
#include "sim/model.h"
#include "sim/trace.h"

#define AHEAD_MS 500u
#define SLACK_MS 10u

static void check_ahead(struct sim_world *world, struct sim_site *site, uint64_t clock_ms)
{
    uint64_t wall_ms = sim_world_wall_ms(world, site);
    uint64_t most_ms = site->wall_max_ms > wall_ms ? site->wall_max_ms : wall_ms;
    if (clock_ms > most_ms + AHEAD_MS + SLACK_MS) {
        sim_trace_fail(world, "%s: its clock is %llu ms ahead of all that its wall has shown",
                       site->name, (unsigned long long)(clock_ms - most_ms));
    }
}

void sim_check_clock(struct sim_world *world, struct sim_site *site, enum sim_change why,
                     const struct sim_item *now)
{
    struct sim_counter *counter = &world->model->counters[site->index];
    const struct sim_counter before = *counter;
    struct hr_str ctr = now ? sim_item_value(now) : (struct hr_str){0};
    /* u8 version | u64 origin | u64 clock | u64 number | crc; the clock's upper 48 bits are milliseconds. */
    if (ctr.len < 25) {
        *counter = (struct sim_counter){0};
        return;
    }
    *counter = (struct sim_counter){sim_known_be(ctr.ptr + 1, 8), sim_known_be(ctr.ptr + 9, 8),
                                    sim_known_be(ctr.ptr + 17, 8)};
    if (why != SIM_CHANGE_COMMIT) {
        return;
    }
    if (counter->origin == before.origin && counter->seq < before.seq) {
        sim_trace_fail(world, "%s: the number of its newest change goes back from %llu to %llu",
                       site->name, (unsigned long long)before.seq,
                       (unsigned long long)counter->seq);
    } else if (counter->origin == before.origin && counter->hlc < before.hlc) {
        sim_trace_fail(world, "%s: its clock goes back from %016llx to %016llx", site->name,
                       (unsigned long long)before.hlc, (unsigned long long)counter->hlc);
    }
    check_ahead(world, site, counter->hlc >> 16);
}
