/* Claim: what a deletion has left goes only once every site of the group has had that deletion: who has not could bring back
 * what it deleted. A deletion of everything is known to all by its mark, and what that covers may go at once.
 * Claimed where the manifest names the sites, and of deletions that no store has lost.
 *
 * Formats: docs/storage.md. */
#include "sim/model.h"
#include "sim/trace.h"

static bool is_after(const struct sim_known *one, const struct sim_known *other)
{
    return sim_version_cmp((struct sim_version){one->hlc, one->origin},
                           (struct sim_version){other->hlc, other->origin}) > 0;
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

/* Who is being filled has what the donor has. */
static bool is_claimed(const struct sim_world *world, const struct sim_site *site)
{
    return world->shape->members[0] != '\0' && world->model->removals == 0 &&
           !world->model->forgeries.any && sim_model_knows_all(world, site) &&
           !sim_model_is_filled(site);
}

void sim_check_collect_committed(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        uint64_t keys = world->model->collected[i];
        world->model->collected[i] = 0;
        if (keys == 0 || !is_claimed(world, &world->sites[i])) {
            continue;
        }
        for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
            if (keys >> key & 1) {
                check_gone(world, i, key);
            }
        }
    }
}
