/* The world's life and its loop. */
#include "sim/world.h"

#include <stdio.h>

#include "base/alloc.h"
#include "sim/call.h"
#include "sim/client.h"
#include "sim/faults.h"
#include "sim/host.h"
#include "sim/late.h"
#include "sim/memory.h"
#include "sim/model.h"
#include "sim/net.h"
#include "sim/trace.h"

enum { STREAM_NET = 20, STREAM_STORE, STREAM_HOST, STREAM_CALL, STREAM_SITE };

/* --- clocks ------------------------------------------------------------------------------------------- */

uint64_t sim_world_wall_ms(struct sim_world *world, struct sim_site *site)
{
    int64_t now_ms = (int64_t)(world->now / 1000);
    int64_t ms = (int64_t)SIM_WALL_MS + now_ms + now_ms * site->ppm / 1000000 + site->ahead_ms;
    if ((uint64_t)ms > site->wall_max_ms) {
        site->wall_max_ms = (uint64_t)ms;
    }
    return (uint64_t)ms;
}

uint64_t sim_world_mono_ms(struct sim_world *world, const struct sim_site *site)
{
    return world->now / 1000 + 1000 * (uint64_t)(site->index + 1);
}

/* --- life --------------------------------------------------------------------------------------------- */

/* Whom a store tells of its changes. */
struct watcher {
    struct sim_world *world;
    struct sim_site *site;
};

static void on_change(void *arg, enum sim_change why, struct hr_str key, const struct sim_item *now)
{
    const struct watcher *watcher = arg;
    sim_model_changed(watcher->world, watcher->site, why, key, now);
}

static void make_site(struct sim_world *world, uint32_t index)
{
    struct sim_site *site = &world->sites[index];
    struct watcher *watcher = sim_alloc(sizeof *watcher);
    *watcher = (struct watcher){world, site};
    site->index = index;
    snprintf(site->name, sizeof site->name, "s%u", (index + 1) & 7u);
    snprintf(site->id, sizeof site->id, "%u", (index + 1) & 7u);
    site->random = sim_random_of(world->shape->seed, STREAM_SITE + index);
    sim_store_init(&site->store, world->shape->lazy[index], on_change, watcher);
    sim_events_add(&world->events, sim_event_of(SIM_EVENT_SYNC, SIM_S / 2, index));
}

static void make_hosts(struct sim_world *world)
{
    world->hosts = sim_alloc(SIM_HOSTS_MAX * sizeof *world->hosts);
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        struct sim_host *host = &world->hosts[i];
        host->index = i;
        host->site = i / 2;
        host->exists =
            host->site < world->shape->site_count && i % 2 < world->shape->hosts_of[host->site];
        if (host->exists) {
            sim_us at = world->shape->start_ms[host->site] * SIM_MS;
            sim_events_add(&world->events, sim_event_of(SIM_EVENT_BOOT, at, i));
        }
    }
}

struct sim_world *sim_world_new(const struct sim_shape *shape, bool tracing)
{
    struct sim_world *world = sim_alloc(sizeof *world);
    world->shape = shape;
    world->tracing = tracing;
    world->hash = shape->seed;
    world->net_random = sim_random_of(shape->seed, STREAM_NET);
    world->store_random = sim_random_of(shape->seed, STREAM_STORE);
    world->host_random = sim_random_of(shape->seed, STREAM_HOST);
    world->call_random = sim_random_of(shape->seed, STREAM_CALL);
    world->fibers = sim_fibers_new();
    world->model = sim_model_new();
    world->calls = sim_alloc(SIM_CALLS_MAX * sizeof *world->calls);
    world->free_calls = sim_alloc(SIM_CALLS_MAX * sizeof *world->free_calls);
    for (uint32_t i = 0; i < SIM_CALLS_MAX; i++) {
        world->calls[i] = (struct sim_call){.world = world, .slot = i};
        world->free_calls[world->free_count++] = SIM_CALLS_MAX - 1 - i;
    }
    for (uint32_t i = 0; i < shape->site_count; i++) {
        make_site(world, i);
    }
    make_hosts(world);
    world->clients = sim_clients_new(world);
    sim_faults_arrange(world);
    return world;
}

static void drop_events(struct sim_world *world)
{
    struct sim_event event;
    while (sim_events_take(&world->events, &event)) {
        if (event.kind == SIM_EVENT_STORE) {
            sim_late_free(event.data);
        } else if (event.data) {
            sim_letter_unref(event.data);
        }
    }
}

void sim_world_free(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        sim_host_kill(world, &world->hosts[i]);
    }
    sim_host_reap(world);
    drop_events(world);
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        struct sim_site *site = &world->sites[i];
        hr_free(site->store.arg);
        site->store.watch = NULL;
        sim_store_release(&site->store);
        sim_backup_release(&site->backup);
    }
    sim_clients_free(world->clients);
    sim_model_free(world->model);
    sim_fibers_free(world->fibers);
    sim_events_release(&world->events);
    hr_free(world->calls);
    hr_free(world->free_calls);
    hr_free(world->hosts);
    hr_free(world);
}

/* --- the loop ----------------------------------------------------------------------------------------- */

/* A standing host does nothing now; @event comes when it goes on. */
static bool put_off(struct sim_world *world, const struct sim_event *event)
{
    sim_us until = world->hosts[event->who].paused_until;
    if (until <= world->now) {
        return false;
    }
    struct sim_event later = *event;
    later.at = until;
    sim_events_add(&world->events, later);
    return true;
}

static void do_late(struct sim_world *world, const struct sim_event *event)
{
    struct sim_site *site = &world->sites[event->who];
    size_t conflict;
    if (event->life == site->store_life && !sim_site_store_away(world, site)) {
        enum hr_err err =
            sim_store_commit(&site->store, sim_late_commit(event->data), world->now, &conflict);
        sim_model_committed(world);
        sim_trace_say(world, site->index, "a commit of before is done now -> %s", hr_err_name(err));
    }
    sim_late_free(event->data);
}

static void sync_store(struct sim_world *world, uint32_t index)
{
    struct sim_site *site = &world->sites[index];
    sim_us behind = sim_random_below(&world->store_random, SIM_S);
    if (world->now > behind) {
        sim_store_sync(&site->store, world->now - behind);
    }
    if (world->now > site->backup_at + world->shape->backup_us) {
        site->backup_at = world->now;
        sim_backup_release(&site->backup);
        sim_store_save(&site->store, &site->backup);
        sim_model_saved(world, index);
    }
    sim_events_add(&world->events, sim_event_of(SIM_EVENT_SYNC, world->now + SIM_S, index));
}

static void host_event(struct sim_world *world, const struct sim_event *event)
{
    struct sim_host *host = &world->hosts[event->who];
    if (host->life != event->life || !host->up) {
        sim_letter_unref(event->data);
        return;
    }
    if (put_off(world, event)) {
        return;
    }
    if (event->kind == SIM_EVENT_DELIVER) {
        sim_net_arrive(world, host, event->data);
    } else if (event->kind == SIM_EVENT_TICK) {
        sim_host_tick(world, host);
    } else {
        sim_host_begin_batch(world, host);
    }
}

static void happen(struct sim_world *world, const struct sim_event *event)
{
    switch (event->kind) {
    case SIM_EVENT_DELIVER:
    case SIM_EVENT_TICK:
    case SIM_EVENT_LANE:
        host_event(world, event);
        break;
    case SIM_EVENT_REPLY:
        sim_net_reply(world, event->data);
        break;
    case SIM_EVENT_WAKE:
        sim_call_wake(world, event->who, event->life);
        break;
    case SIM_EVENT_END:
        sim_call_time_is_up(world, event->who, event->life);
        break;
    case SIM_EVENT_BOOT:
        sim_host_boot(world, &world->hosts[event->who]);
        sim_net_look(world);
        break;
    case SIM_EVENT_STORE:
        do_late(world, event);
        break;
    case SIM_EVENT_SYNC:
        sync_store(world, event->who);
        break;
    case SIM_EVENT_FAULT:
        sim_faults_turn(world, event->who, event->life == 1);
        break;
    case SIM_EVENT_CLIENT:
        sim_clients_event(world, event->who, event->life);
        break;
    }
}

void sim_world_run(struct sim_world *world, sim_us until)
{
    struct sim_event event;
    while (!world->failed && world->events.count > 0 && world->events.heap[0].at <= until &&
           sim_events_take(&world->events, &event)) {
        world->now = event.at;
        world->counts.events++;
        sim_trace_number(world, event.at * 16 + (uint64_t)event.kind);
        sim_trace_number(world, event.who);
        happen(world, &event);
        sim_host_reap(world);
    }
    if (!world->failed) {
        world->now = until;
    }
}
