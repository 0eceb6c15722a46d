/* Listings. */
#include "sim/probe.h"

#include "sim/call.h"
#include "sim/model.h"
#include "sim/trace.h"

static void list(struct sim_world *world, struct sim_host *host)
{
    struct sim_letter *letter = sim_letter_new(SIM_LETTER_MESSAGE, HR_STR("wasmkv.get"),
                                               HR_STR("{\"limit\":1000}"), HR_STR("_INBOX.probe"));
    sim_call_begin(world, host, &letter, 1, SIM_CALL_PROBE);
    if (!world->probed) {
        sim_trace_fail(world, "%s does not answer a check's question",
                       world->sites[host->site].name);
        return;
    }
    sim_check_agreement(world, host->site, world->probed->body);
    sim_letter_unref(world->probed);
    world->probed = NULL;
}

void sim_probe_all(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_HOSTS_MAX && !world->failed; i++) {
        struct sim_host *host = &world->hosts[i];
        if (host->up && host->paused_until <= world->now &&
            world->sites[host->site].store_away == 0) {
            list(world, host);
        }
    }
}
