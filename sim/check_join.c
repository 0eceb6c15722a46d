/* Claims: a site that begins to serve after a boot has every change that a client was told of before that boot, if as many
 * sites hold it as a write has to have, and none of the others has lost it. Whoever asks a site that is catching up
 * gets no answer from it.
 *
 * Formats: docs/storage.md. A site that does not know all others yet may take fewer for enough. */
#include "sim/call.h"
#include "sim/json.h"
#include "sim/model.h"
#include "sim/trace.h"

#define SELF_ORIGIN_AT 17u
#define SELF_STATE_AT 41u
#define SELF_CLASS_AT 42u
#define CFG_COUNT_AT 16u
#define ACTIVE 1u
#define SYNC 2u
#define INTACT 1u

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

static bool knows_all(const struct sim_world *world, const struct sim_site *site)
{
    const struct sim_item *cfg = sim_store_get(&site->store, HR_STR("m/cfg"));
    struct hr_str value = cfg ? sim_item_value(cfg) : (struct hr_str){0};
    return value.len > CFG_COUNT_AT &&
           (unsigned char)value.ptr[CFG_COUNT_AT] == world->shape->site_count;
}

/* Whether it has to be at @site by now. */
static bool is_due(const struct sim_world *world, const struct sim_site *site,
                   const struct sim_join *join, const struct sim_known *known)
{
    uint32_t bit = (uint32_t)1 << site->index;
    bool own_loss = (known->ever & bit) && !(known->held & bit) && join->boot_class != INTACT;
    return known->promised >= wanted(world) && known->promised_at < join->booted_at &&
           known->losses == (own_loss ? 1u : 0u) && known->losses < known->promised;
}

static void check_entry(struct sim_world *world, const struct sim_site *site,
                        const struct sim_join *join)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    for (size_t i = 0; i < knowledge->count && !world->failed; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        if (!(known->held >> site->index & 1) && is_due(world, site, join, known)) {
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
    if (value.len <= SELF_CLASS_AT) {
        *join = (struct sim_join){0};
        return;
    }
    uint64_t origin = sim_known_be(value.ptr + SELF_ORIGIN_AT, 8);
    uint32_t state = (unsigned char)value.ptr[SELF_STATE_AT];
    bool same = origin == join->origin && why == SIM_CHANGE_COMMIT;
    if (same && join->state == SYNC && state == ACTIVE && knows_all(world, site)) {
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
    join->boot_class = (unsigned char)value.ptr[SELF_CLASS_AT];
}

void sim_check_join_published(struct sim_world *world, const struct sim_call *call,
                              const struct sim_letter *letter)
{
    const struct sim_join *join = &world->model->joins[call->host->site];
    struct hr_str asked = call->count > 0 ? call->letters[0]->subject : (struct hr_str){0};
    bool client =
        hr_str_starts(asked, HR_STR("wasmkv.")) && !hr_str_starts(asked, HR_STR("wasmkv.peer."));
    struct hr_str error;
    bool good = !sim_json_member(letter->body, HR_STR("error"), &error);
    if (client && good && letter->kind == SIM_LETTER_MESSAGE &&
        hr_str_starts(letter->subject, HR_STR("_INBOX.c")) && join->state == SYNC &&
        join->since < call->began) {
        sim_trace_fail(world, "%s answers a client, and has been catching up since %.4f s: %.*s",
                       world->sites[call->host->site].name, (double)join->since / 1e6,
                       SIM_ARG(letter->body));
    }
}
