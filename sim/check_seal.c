/* Claim: an origin that its site has sealed ends there: no other site holds a change of it with a higher number, or takes one
 * in. A store that was put back seals what it knows, before it can have heard of the rest.
 *
 * Formats: docs/storage.md. */
#include "sim/model.h"
#include "sim/trace.h"

#define SEALED_AT 17u
#define LAST_AT 18u

static uint32_t home_of(const struct sim_world *world, uint64_t origin)
{
    uint64_t home = origin >> 48;
    return home >= 1 && home <= world->shape->site_count ? (uint32_t)home - 1 : SIM_NOWHERE;
}

static bool may_be_wrong(const struct sim_world *world, uint32_t home)
{
    return home == SIM_NOWHERE || world->model->removals > 0 || world->model->marks[home].emptied;
}

void sim_check_seal(struct sim_world *world, const struct sim_site *site, enum sim_change why,
                    struct sim_origin *row, const struct sim_item *now)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    struct hr_str value = now ? sim_item_value(now) : (struct hr_str){0};
    uint32_t home = home_of(world, row->origin);
    if (home != site->index) {
        return;
    }
    uint64_t before = row->end;
    bool sealed = value.len >= LAST_AT + 8 && value.ptr[SEALED_AT] != 0;
    row->end = sealed ? sim_known_be(value.ptr + LAST_AT, 8) : 0;
    if (why != SIM_CHANGE_COMMIT || !sealed || row->end == before || may_be_wrong(world, home)) {
        return;
    }
    for (size_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        if (known->origin == row->origin && known->seq > row->end && known->held != 0) {
            sim_trace_fail(world, "%s seals %016llx at %llu, of which others have %llu", site->name,
                           (unsigned long long)row->origin, (unsigned long long)row->end,
                           (unsigned long long)known->seq);
            return;
        }
    }
}

void sim_check_seal_held(struct sim_world *world, const struct sim_site *site,
                         const struct sim_known *known)
{
    const struct sim_origin *row = sim_known_origin(&world->model->knowledge, known->origin);
    uint32_t home = home_of(world, known->origin);
    if (row->end > 0 && known->seq > row->end && !may_be_wrong(world, home)) {
        sim_trace_fail(world, "%s takes change %016llx/%llu, which ended with %llu", site->name,
                       (unsigned long long)known->origin, (unsigned long long)known->seq,
                       (unsigned long long)row->end);
    }
}
