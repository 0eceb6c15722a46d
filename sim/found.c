/* Changes that were given up, so that their numbers were filled with nothing, and that are there again: a store that was put back has one; or its
 * site was out then, and everybody has lost that. Then one number is two changes, and nobody is to blame. The change is known again, and of
 * those who have nothing in its place no more is claimed than that comparing records makes all agree in the end. */
#include "sim/model.h"

/* The site has nothing under the number of @change, and so its record may lack it. */
static void note_missing(struct sim_world *world, uint32_t site, const struct sim_known *change)
{
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        if (change->kind == SIM_KNOWN_CLEAR || key == change->key) {
            sim_model_note_wrong(world, site, key);
        }
    }
}

static bool is_found(const struct sim_site *site, enum sim_change why,
                     const struct sim_known *before, const struct sim_known *now)
{
    uint32_t home = (uint32_t)1 << (before->origin >> 48) >> 1;
    uint32_t self = (uint32_t)1 << site->index & ~before->fed; /* its v/ may be known already */
    return before->kind == SIM_KNOWN_NOOP && now->kind != SIM_KNOWN_NOOP &&
           (why == SIM_CHANGE_LOST || (before->held & ~home & ~self) == 0);
}

static void change_found(struct sim_world *world, const struct sim_site *site,
                         struct sim_known *known, const struct sim_known *now)
{
    struct sim_known before = *known;
    *known = *now;
    known->held = before.held;
    known->ever = before.ever;
    known->fed = before.fed;
    known->losses = before.losses;
    known->told = before.told;
    known->promised = before.promised;
    known->found = true;
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        if (i != site->index) {
            note_missing(world, i, now);
        }
    }
}

bool sim_found(struct sim_world *world, const struct sim_site *site, enum sim_change why,
               struct sim_known *known, const struct sim_known *now)
{
    if (is_found(site, why, known, now)) {
        change_found(world, site, known, now);
        return true;
    }
    if (known->found && now->kind == SIM_KNOWN_NOOP) {
        note_missing(world, site->index, known);
        return true;
    }
    return false;
}
