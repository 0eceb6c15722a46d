/* Phases. */
#include "sim/run.h"

#include <stdio.h>

#include "sim/client.h"
#include "sim/faults.h"
#include "sim/model.h"
#include "sim/probe.h"
#include "sim/request.h"
#include "sim/trace.h"

#define QUESTIONS_US (2 * SIM_S)
#define STEP_US (250 * SIM_MS)
#define CALM_WRITES_MAX 8u
/* Of v/, where some of the numbers are missing (docs/storage.md). */
#define GAP_VERSION 2
#define PROBE_US (700 * SIM_MS)

/* For the story: who lacks what. */
static void tell_missing(struct sim_world *world)
{
    uint32_t all = ((uint32_t)1 << world->shape->site_count) - 1;
    for (size_t i = 0; i < world->model->knowledge.count; i++) {
        const struct sim_known *known = &world->model->knowledge.changes[i];
        if (known->held != all) {
            sim_trace_say(world, SIM_SITES_MAX, "change %016llx/%llu is held by sites of mask %x",
                          (unsigned long long)known->origin, (unsigned long long)known->seq,
                          known->held);
        }
    }
}

/* Whether there are numbers that nobody has, and nobody fills, as no store is left that knew the group then: they hold the
 * floor (docs/protocol.md, Seals). All sites have the same by now. */
static bool is_held(const struct sim_world *world)
{
    const struct sim_store *store = &world->sites[0].store;
    for (size_t i = 0; i < store->count; i++) {
        if (hr_str_starts(sim_item_key(store->items[i]), HR_STR("v/")) &&
            sim_item_value(store->items[i]).ptr[0] == GAP_VERSION) {
            return true;
        }
    }
    return false;
}

/* In a long calm, until deletions are forgotten. */
static void forget(struct sim_world *world)
{
    if (is_held(world)) {
        return;
    }
    uint32_t site = 0;
    uint32_t key = 0;
    sim_us end = world->now + SIM_FORGET_US;
    const char *what = sim_check_litter(world, &site, &key);
    while (!world->failed && what && world->now < end) {
        sim_world_run(world, world->now + STEP_US);
        what = sim_check_litter(world, &site, &key);
    }
    for (uint32_t i = 0; what && i < world->shape->site_count; i++) {
        sim_trace_say(world, i, "its group's floor is %016llx, record %u has %016llx at the latest",
                      (unsigned long long)world->model->marks[i].floor, key,
                      (unsigned long long)sim_check_litter_stamp(world, i, key));
    }
    if (what && !world->failed) {
        sim_trace_fail(world, "%s %s k%u, long after it", world->sites[site].name, what, key);
    }
}

/* Until what was forged is as it was. */
static void mend(struct sim_world *world)
{
    uint32_t site = 0;
    uint32_t key = 0;
    sim_us end = world->now + SIM_MEND_US;
    world->clients->stopped = true; /* what is written all the time is not compared */
    while (!world->failed && sim_forged_is_left(world, &site, &key) && world->now < end) {
        sim_world_run(world, world->now + STEP_US);
        sim_probe_all(world);
    }
    if (!world->failed && sim_forged_is_left(world, &site, &key)) {
        sim_trace_fail(world, "%s has not mended its record of k%u", world->sites[site].name, key);
    }
}

/* Until all have what is left, and no client waits. */
static void settle(struct sim_world *world, sim_us end)
{
    uint32_t missing = 0;
    uint32_t site = 0;
    world->clients->stopped = true;
    while (!world->failed && world->now < end) {
        sim_world_run(world, world->now + STEP_US);
        if (world->clients->pending == 0 && sim_model_settled(world, &missing, &site) &&
            !sim_model_to_wipe(world, &site) && sim_probe_ready(world)) {
            return;
        }
    }
    if (world->clients->pending > 0) {
        sim_trace_fail(world, "%u requests are still under way", world->clients->pending);
        return;
    }
    if (sim_model_to_wipe(world, &site)) {
        sim_trace_fail(world, "%s was taken out and has not deleted its store",
                       world->sites[site].name);
        return;
    }
    if (sim_model_settled(world, &missing, &site)) {
        sim_trace_fail(world, "not every host serves its clients");
        return;
    }
    const struct sim_known *known = &world->model->knowledge.changes[missing];
    tell_missing(world);
    sim_trace_fail(world, "%s still lacks change %016llx/%llu", world->sites[site].name,
                   (unsigned long long)known->origin, (unsigned long long)known->seq);
}

/* Until @op has its outcome. */
static void await(struct sim_world *world, const struct sim_op *op)
{
    sim_us end = world->now + 2 * SIM_PATIENCE_US;
    while (!world->failed && op->outcome == SIM_PENDING && world->now < end) {
        sim_world_run(world, world->now + 20 * SIM_MS);
    }
}

/* Asks a host of each site for everything, and compares. */
static void compare(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_HOSTS_MAX && !world->failed; i++) {
        if (!world->hosts[i].exists) {
            continue;
        }
        world->clients->probing = i;
        struct sim_op *op = sim_clients_probe(world, SIM_OP_LIST, 0, i);
        await(world, op);
        if (!world->failed && op->outcome != SIM_DONE) {
            sim_trace_fail(world, "%s does not list its values when all is well",
                           world->sites[world->hosts[i].site].name);
        }
    }
}

/* Until all have asked each other once more, as some may doubt what others send until then (fence.h of the core), and nobody
 * is still busy with anything of before: ships wait for acks of their own. */
static void rest(struct sim_world *world)
{
    sim_world_run(world, world->now + QUESTIONS_US);
    sim_us end = world->now + SIM_CALL_US;
    while (!world->failed && sim_fibers_alive(world->fibers) > 0 && world->now < end) {
        sim_world_run(world, world->now + 20 * SIM_MS);
    }
}

/* A few writes, one after the other, with nothing wrong. */
static void write_calmly(struct sim_world *world)
{
    uint32_t site;
    rest(world);
    if (!world->failed && sim_model_to_wipe(world, &site)) {
        /* It was taken out only now: an operator's question has waited for a site that was away. */
        settle(world, world->now + SIM_HEAL_US);
        rest(world);
    }
    uint64_t before = world->counts.peer_letters;
    uint64_t count = 0;
    for (uint32_t i = 0; i < SIM_HOSTS_MAX && !world->failed && count < CALM_WRITES_MAX; i++) {
        if (!world->hosts[i].exists) {
            continue;
        }
        const struct sim_op *op = sim_clients_probe(world, SIM_OP_SET, 0, i);
        count++;
        await(world, op);
        if (!world->failed && op->outcome != SIM_DONE) {
            sim_trace_fail(world, "%s does not do a write when all is well",
                           world->sites[world->hosts[i].site].name);
        }
    }
    sim_check_traffic(world, count, world->counts.peer_letters - before);
}

static void fill(const struct sim_world *world, sim_us healed_at, sim_us settled_at,
                 struct sim_result *result)
{
    *result = (struct sim_result){.failed = world->failed,
                                  .claim = world->failed_claim,
                                  .hash = world->hash,
                                  .time_us = world->now,
                                  .healing_us = settled_at - healed_at,
                                  .events = world->counts.events,
                                  .env_calls = world->counts.env_calls,
                                  .changes = world->model->knowledge.count,
                                  .requests = world->clients->count,
                                  .kills = world->counts.kills};
    for (uint32_t i = 1; i <= world->clients->count; i++) {
        result->done += world->clients->ops[i]->outcome == SIM_DONE;
    }
    snprintf(result->failure, sizeof result->failure, "%s", world->failure);
}

void sim_run(const struct sim_shape *shape, bool tracing, struct sim_result *ret_result)
{
    struct sim_world *world = sim_world_new(shape, tracing);
    sim_us settled_at = shape->faults_us;
    while (!world->failed && world->now < shape->faults_us) {
        sim_us next = world->now + PROBE_US;
        sim_world_run(world, next < shape->faults_us ? next : shape->faults_us);
        sim_probe_all(world);
    }
    if (!world->failed) {
        sim_faults_heal(world);
        mend(world);
        settle(world, world->now + SIM_HEAL_US);
        settled_at = world->now;
    }
    if (!world->failed) {
        sim_model_check_end(world);
        compare(world);
    }
    if (!world->failed) {
        write_calmly(world);
        settle(world, world->now + SIM_HEAL_US);
    }
    if (!world->failed) {
        compare(world);
    }
    if (!world->failed && shape->long_calm && shape->site_count > 1) {
        forget(world);
    }
    fill(world, shape->faults_us, settled_at, ret_result);
    sim_world_free(world);
}
