/* Changes that were given up, so that their numbers were filled with nothing, and that are there again: a store that was put back has one; or its
 * site was out then, and everybody has lost that. Then one number is two changes, and nobody is to blame. The change is known again; of what
 * it was about no more is claimed than that comparing records makes all agree in the end. */
#include "sim/model.h"

/* There are two truths about what @change was about. */
static void note_found(struct sim_world *world, const struct sim_known *change)
{
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        for (uint32_t i = 0; i < world->shape->site_count && sim_known_is_about(change, key); i++) {
            sim_forged(world, i, key);
            world->model->forgeries.open[key] = true;
        }
    }
}

/* Who holds it, but for @site if that is known by its v/ alone, which may come first. */
static uint32_t holders(const struct sim_site *site, const struct sim_known *known)
{
    return known->held & ~((uint32_t)1 << site->index & ~known->fed);
}

static bool is_found(const struct sim_site *site, enum sim_change why,
                     const struct sim_known *before, const struct sim_known *now)
{
    uint32_t home = (uint32_t)1 << (before->origin >> 48) >> 1;
    return before->kind == SIM_KNOWN_NOOP && now->kind != SIM_KNOWN_NOOP &&
           (why == SIM_CHANGE_LOST || (holders(site, before) & ~home) == 0);
}

bool sim_found(struct sim_world *world, const struct sim_site *site, enum sim_change why,
               struct sim_known *known, const struct sim_known *now)
{
    struct sim_known before = *known;
    if (!is_found(site, why, known, now)) {
        return known->found && now->kind == SIM_KNOWN_NOOP && holders(site, known) != 0;
    }
    *known = *now;
    known->held = before.held;
    known->ever = before.ever;
    known->fed = before.fed;
    known->losses = before.losses;
    known->told = before.told;
    known->promised = before.promised;
    known->found = true;
    note_found(world, now);
    return true;
}
