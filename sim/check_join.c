/* Claims: a site that begins to serve after a boot has every change that a client was told of before that boot, if as many
 * sites hold it as a write has to have, and none of the others has lost it. Clients get no answer from a site that is
 * catching up, and none from a new one before its host can know who else is there.
 *
 * Formats: docs/storage.md. A site that does not know all others yet may take fewer for enough, and so may one that has not heard that a
 * site which was taken out is back. */
#include "sim/call.h"
#include "sim/json.h"
#include "sim/model.h"
#include "sim/trace.h"

#define SELF_ORIGIN_AT 17u
#define SELF_STATE_AT 41u
#define ACTIVE 1u
#define SYNC 2u
/* So long a host looks for others before a new store may take itself to be alone. */
#define ALONE_US (1500 * SIM_MS)

static uint32_t wanted(const struct sim_world *world)
{
    const char *acks = world->shape->write_acks;
    uint32_t sites = world->shape->site_count;
    uint64_t number = 0;
    if (!hr_str_to_u64(hr_str_c(acks), &number)) {
        return acks[0] == 'm' ? sites / 2 + 1 : sites;
    }
    return number < sites ? (uint32_t)number : sites;
}

/* How many stores that held it count no more: they have lost it, or are about to be deleted. */
static uint32_t losses(const struct sim_world *world, const struct sim_known *known)
{
    uint32_t count = known->losses;
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        count += (known->held >> i & 1) && sim_model_is_to_go(world, i);
    }
    return count;
}

/* Whether @site takes for out one of those that hold it: such a one is back, as others know, and its word may be what was enough. */
static bool is_held_by_strangers(const struct sim_world *world, const struct sim_site *site,
                                 const struct sim_known *known)
{
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        struct sim_fence fence = sim_model_fence(site, i);
        if ((known->held >> i & 1) && fence.removed > 0 && fence.heard <= fence.removed) {
            return true;
        }
    }
    return false;
}

/* Whether it has to be at @site by now. A store that was put back to what it was need not know that it has lost
 * anything, and so may ask one site too few. */
static bool is_due(const struct sim_world *world, const struct sim_site *site,
                   const struct sim_join *join, const struct sim_known *known)
{
    uint32_t bit = (uint32_t)1 << site->index;
    bool told = site->store.lazy || join->is_new;
    uint32_t own_losses = (known->ever & bit) && !(known->held & bit) && told ? 1 : 0;
    bool filled = known->kind == SIM_KNOWN_NOOP; /* the change itself is gone */
    return !filled && known->promised >= wanted(world) && known->promised_at < join->booted_at &&
           losses(world, known) == own_losses && known->promised > own_losses &&
           !is_held_by_strangers(world, site, known);
}

static void check_entry(struct sim_world *world, const struct sim_site *site,
                        const struct sim_join *join)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    for (size_t i = 0; i < knowledge->count && !world->failed; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        if (!(known->held >> site->index & 1) && is_due(world, site, join, known) &&
            sim_known_counted(knowledge, known->origin)) {
            sim_trace_fail(world,
                           "%s serves again without change %016llx/%llu, which %u sites have",
                           site->name, (unsigned long long)known->origin,
                           (unsigned long long)known->seq, known->promised);
        }
    }
}

void sim_check_join_self(struct sim_world *world, const struct sim_site *site, enum sim_change why,
                         const struct sim_item *now)
{
    struct sim_join *join = &world->model->joins[site->index];
    struct hr_str value = now ? sim_item_value(now) : (struct hr_str){0};
    if (value.len <= SELF_STATE_AT) {
        *join = (struct sim_join){.is_new = true};
        return;
    }
    /* What comes back is an old copy, which does not look new. */
    join->is_new = join->is_new && why == SIM_CHANGE_COMMIT;
    uint64_t origin = sim_known_be(value.ptr + SELF_ORIGIN_AT, 8);
    uint32_t state = (unsigned char)value.ptr[SELF_STATE_AT];
    bool first = join->origin == 0;
    bool same = origin == join->origin && why == SIM_CHANGE_COMMIT;
    if (same && join->state == SYNC && state == ACTIVE && sim_model_knows_all(world, site)) {
        check_entry(world, site, join);
    }
    if (!same) {
        join->booted_at = world->now;
    }
    if (!same || join->state != state) {
        join->since = world->now;
    }
    join->origin = origin;
    join->state = state;
    join->is_new = join->is_new && (first || state == SYNC);
    join->first = first || (join->first && same);
}

/* Whether @letter is a good answer to a client by an invocation that the client has begun. */
static bool serves(const struct sim_call *call, const struct sim_letter *letter)
{
    struct hr_str asked = call->count > 0 ? call->letters[0]->subject : (struct hr_str){0};
    struct hr_str error;
    return hr_str_starts(asked, HR_STR("wasmkv.")) &&
           !hr_str_starts(asked, HR_STR("wasmkv.peer.")) && letter->kind == SIM_LETTER_MESSAGE &&
           hr_str_starts(letter->subject, HR_STR("_INBOX.c")) &&
           !sim_json_member(letter->body, HR_STR("error"), &error);
}

void sim_check_join_published(struct sim_world *world, const struct sim_call *call,
                              const struct sim_letter *letter)
{
    const struct sim_site *site = &world->sites[call->host->site];
    const struct sim_join *join = &world->model->joins[site->index];
    if (!serves(call, letter)) {
        return;
    }
    if (join->state == SYNC && join->since < call->began) {
        sim_trace_fail(world, "%s answers a client, and has been catching up since %.4f s: %.*s",
                       site->name, (double)join->since / 1e6, SIM_ARG(letter->body));
    }
    if (join->first && world->shape->site_count > 1 && sim_model_members(site) == 1 &&
        world->now < call->host->booted_at + ALONE_US) {
        sim_trace_fail(world, "%s is new, and answers a client before it can know of others: %.*s",
                       site->name, SIM_ARG(letter->body));
    }
}
