/* Claim: what a deletion has left goes only once every site of the group has had that deletion: who has not could bring back
 * what it deleted. A deletion of everything is known to all by its mark, and what that covers may go at once.
 * Claimed where the manifest names the sites, and of deletions that no store has lost.
 *
 * Formats: docs/storage.md. */
#include "sim/model.h"
#include "sim/trace.h"

static bool is_after(const struct sim_known *one, const struct sim_known *other)
{
    return one->hlc > other->hlc || (one->hlc == other->hlc && one->origin > other->origin);
}

/* The last change of a kind about @key that @site has. NULL: there is none. */
static const struct sim_known *newest(const struct sim_knowledge *knowledge, uint32_t site,
                                      uint32_t key, enum sim_known_kind kind)
{
    const struct sim_known *found = NULL;
    for (size_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        if (known->kind == kind && sim_known_is_about(known, key) && (known->held >> site & 1) &&
            (!found || is_after(known, found))) {
            found = known;
        }
    }
    return found;
}

/* Whether @site needs no deletion of @known's origin any more, as it has all that there ever will be. */
static bool has_all(const struct sim_world *world, uint32_t site, const struct sim_known *known)
{
    return (known->ever >> site & 1) ||
           sim_model_retired(&world->model->marks[site], known->origin) ||
           !sim_known_counted(&world->model->knowledge, known->origin);
}

static void check_gone(struct sim_world *world, uint32_t site, uint32_t key)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    const struct sim_known *deletion = newest(knowledge, site, key, SIM_KNOWN_DEL);
    const struct sim_known *clear = newest(knowledge, site, key, SIM_KNOWN_CLEAR);
    bool covered = deletion && clear && is_after(clear, deletion);
    if (!deletion || covered || deletion->losses > 0 || deletion->found) {
        return;
    }
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        if (!has_all(world, i, deletion)) {
            sim_trace_fail(world,
                           "%s has collected the deletion %016llx/%llu of k%u, which %s never had",
                           world->sites[site].name, (unsigned long long)deletion->origin,
                           (unsigned long long)deletion->seq, key, world->sites[i].name);
        }
    }
}

void sim_check_collect_record(struct sim_world *world, const struct sim_site *site, uint32_t key,
                              const struct sim_item *now)
{
    uint64_t bit = (uint64_t)1 << key;
    if (!now) {
        world->model->collected[site->index] |= bit;
    }
}

void sim_check_collect_committed(struct sim_world *world)
{
    const struct sim_shape *shape = world->shape;
    for (uint32_t i = 0; i < shape->site_count; i++) {
        const struct sim_site *site = &world->sites[i];
        uint64_t keys = world->model->collected[i];
        world->model->collected[i] = 0;
        /* Who is being filled has what the donor has. */
        bool filled = keys && sim_store_get(&site->store, HR_STR("m/sync"));
        bool claimed = shape->members[0] != '\0' && world->model->removals == 0 &&
                       !world->model->forgeries.any && sim_model_members(site) == shape->site_count;
        for (uint32_t key = 0; key < SIM_KEYS_MAX && !filled && claimed && keys >> key; key++) {
            if (keys >> key & 1) {
                check_gone(world, i, key);
            }
        }
    }
}
