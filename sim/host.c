/* Boots, deaths, lanes, ticks. */
#include "sim/host.h"

#include <stdio.h>

#include "sim/call.h"
#include "sim/net.h"
#include "sim/trace.h"

static void arrange_tick(struct sim_world *world, const struct sim_host *host, sim_us in)
{
    struct sim_event event = sim_event_of(SIM_EVENT_TICK, world->now + in, host->index);
    event.life = host->life;
    sim_events_add(&world->events, event);
}

void sim_host_name_nonce(struct sim_host *host)
{
    snprintf(host->nonce_text, sizeof host->nonce_text, "%016llx%08x%08x",
             (unsigned long long)host->nonce[0], (unsigned)(host->nonce[1] >> 32),
             (uint32_t)host->nonce[1] + host->losses);
}

void sim_host_boot(struct sim_world *world, struct sim_host *host)
{
    if (host->up || !host->exists) {
        return;
    }
    struct sim_random *random = &world->host_random;
    host->up = true;
    host->life++;
    host->booted_at = world->now;
    host->nonce[0] = sim_random_next(random);
    host->nonce[1] = sim_random_next(random);
    host->losses = 0;
    sim_host_name_nonce(host);
    struct sim_site *site = sim_site_of(world, host);
    host->found_lossy = site->store.lazy && site->store_life != site->booted_life;
    host->store_life = site->store_life;
    host->paused_until = 0;
    memset(host->sight, 0, sizeof host->sight);
    sim_net_look(world);
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        /* It asks who is there, and waits for the answers. */
        host->sight[i].alive_from = world->now;
    }
    arrange_tick(world, host, sim_random_below(random, SIM_TICK_US));
    sim_trace_say(world, host->site, "host %u is started", host->index % 2);
}

void sim_host_kill(struct sim_world *world, struct sim_host *host)
{
    if (!host->up) {
        return;
    }
    host->up = false;
    host->dying = true;
    world->counts.kills++;
    sim_call_mark_dead(world, host);
    sim_trace_say(world, host->site, "host %u is killed", host->index % 2);
}

void sim_host_release(struct sim_host *host)
{
    for (; host->lane_count > 0; host->lane_count--) {
        sim_letter_unref(host->lane[host->lane_first]);
        host->lane_first = (host->lane_first + 1) % SIM_LANE_MAX;
    }
    sim_recent_release(&host->recent);
}

void sim_host_reap(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        struct sim_host *host = &world->hosts[i];
        if (host->dying) {
            host->dying = false;
            sim_call_end_dead(world);
            sim_host_release(host);
            host->lane_busy = false;
            host->lane_arranged = false;
            host->ticking = false;
            sim_net_look(world);
        }
    }
}

/* --- the lane ----------------------------------------------------------------------------------------- */

static void arrange_batch(struct sim_world *world, struct sim_host *host)
{
    if (!host->up || host->lane_busy || host->lane_arranged || host->lane_count == 0) {
        return;
    }
    struct sim_event event = sim_event_of(SIM_EVENT_LANE, world->now + 10, host->index);
    event.life = host->life;
    host->lane_arranged = true;
    sim_events_add(&world->events, event);
}

void sim_host_batch_ended(struct sim_world *world, struct sim_host *host)
{
    host->lane_busy = false;
    arrange_batch(world, host);
}

void sim_host_begin_batch(struct sim_world *world, struct sim_host *host)
{
    struct sim_letter *letters[SIM_BATCH];
    size_t count = 0;
    host->lane_arranged = false;
    while (count < SIM_BATCH && host->lane_count > 0) {
        struct sim_letter *letter = host->lane[host->lane_first];
        host->lane_first = (host->lane_first + 1) % SIM_LANE_MAX;
        host->lane_count--;
        if (letter->due > 0 && letter->due <= world->now) {
            sim_letter_unref(letter); /* nobody waits for it any more */
        } else {
            letters[count++] = letter;
        }
    }
    if (count > 0) {
        host->lane_busy = true;
        sim_call_begin(world, host, letters, count, SIM_CALL_LANE);
    }
}

static bool is_for_lane(struct hr_str subject)
{
    return hr_str_starts(subject, HR_STR("wasmkv.set.")) ||
           hr_str_starts(subject, HR_STR("wasmkv.del")) ||
           hr_str_eq(subject, HR_STR("wasmkv.peer.default.w")) ||
           hr_str_eq(subject, HR_STR("_LOCAL.wasmkv.default.apply")) ||
           hr_str_eq(subject, HR_STR("_LOCAL.wasmkv.default.fill")) ||
           hr_str_eq(subject, HR_STR("_LOCAL.wasmkv.default.mend"));
}

void sim_host_take(struct sim_world *world, struct sim_host *host, struct sim_letter *letter)
{
    if (!is_for_lane(letter->subject)) {
        sim_call_begin(world, host, &letter, 1, SIM_CALL_ONE);
    } else if (host->lane_count == SIM_LANE_MAX) {
        sim_call_refuse(world, host, letter);
        sim_letter_unref(letter);
    } else {
        host->lane[(host->lane_first + host->lane_count++) % SIM_LANE_MAX] = letter;
        arrange_batch(world, host);
    }
}

void sim_host_tick(struct sim_world *world, struct sim_host *host)
{
    const struct hr_str none = {0};
    arrange_tick(world, host, SIM_TICK_US);
    if (host->ticking) {
        return;
    }
    struct sim_letter *letter =
        sim_letter_new(SIM_LETTER_MESSAGE, HR_STR("_LOCAL.wasmkv.default.tick"), none, none);
    host->ticking = true;
    sim_call_begin(world, host, &letter, 1, SIM_CALL_TICK);
}
