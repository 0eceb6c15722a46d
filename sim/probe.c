/* Listings. */
#include "sim/probe.h"

#include "sim/call.h"
#include "sim/json.h"
#include "sim/model.h"
#include "sim/net.h"
#include "sim/trace.h"

static const struct hr_str ask_all = {"{\"limit\":1000}", 14};

/* The answer lies in world->probed. False: there is none, or it is no listing. */
static bool list(struct sim_world *world, struct sim_host *host)
{
    struct hr_str items;
    struct sim_letter *letter =
        sim_letter_new(SIM_LETTER_MESSAGE, HR_STR("wasmkv.get"), ask_all, HR_STR("_INBOX.probe"));
    sim_call_begin(world, host, &letter, 1, SIM_CALL_PROBE);
    if (!world->probed) {
        sim_trace_fail(world, "%s does not answer a check's question",
                       world->sites[host->site].name);
        return false;
    }
    return sim_json_member(world->probed->body, HR_STR("items"), &items);
}

static void forget(struct sim_world *world)
{
    sim_letter_unref(world->probed);
    world->probed = NULL;
}

static bool can_be_asked(const struct sim_world *world, const struct sim_host *host)
{
    return host->up && host->paused_until <= world->now &&
           !sim_site_store_away(world, &world->sites[host->site]);
}

void sim_probe_all(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->shape->site_count && !world->failed; i++) {
        sim_check_index(world, &world->sites[i]);
    }
    for (uint32_t i = 0; i < SIM_HOSTS_MAX && !world->failed; i++) {
        struct sim_host *host = &world->hosts[i];
        if (can_be_asked(world, host) && list(world, host)) {
            sim_check_agreement(world, host->site, world->probed->body);
        }
        forget(world);
    }
}

/* Whether every host has seen that every site is there. */
static bool all_seen(const struct sim_world *world)
{
    bool seen = true;
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        for (uint32_t site = 0; site < world->shape->site_count; site++) {
            const struct sim_host *host = &world->hosts[i];
            seen = seen && (!host->up || sim_net_alive(world, host, site));
        }
    }
    return seen;
}

bool sim_probe_ready(struct sim_world *world)
{
    bool ready = all_seen(world);
    for (uint32_t i = 0; i < SIM_HOSTS_MAX && ready; i++) {
        struct sim_host *host = &world->hosts[i];
        ready = !host->up || list(world, host);
        forget(world);
    }
    return ready;
}
