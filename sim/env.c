/* Clocks, configuration, and the store with what may be wrong with it. */
#include "sim/env.h"

#include <stdio.h>
#include <stdlib.h>

#include "actors/kv/core/batch.h"
#include "sim/call.h"
#include "sim/faults.h"
#include "sim/host.h"
#include "sim/late.h"
#include "sim/model.h"
#include "sim/trace.h"

/* How often a host says, of a million questions, that it is finding out what is lost. Once it knows the first page it knows all. */
#define FINDING_OUT 100000u

bool sim_env_enter(struct sim_call *call)
{
    struct sim_world *world = call->world;
    struct sim_site *site = sim_site_of(world, call->host);
    world->counts.env_calls++;
    if (call->probe) {
        return true;
    }
    if (call->dead) {
        if (++call->failed_calls > SIM_FAILED_CALLS_MAX) {
            fprintf(stderr, "sim: an invocation for %.*s does not end\n",
                    SIM_ARG(call->letters[0]->subject));
            abort();
        }
        return false;
    }
    if (site->kill_at_call > 0 && sim_random_chance(&world->host_random, site->kill_at_call)) {
        sim_host_kill(world, call->host);
        struct sim_event boot = sim_event_of(SIM_EVENT_BOOT, world->now, call->host->index);
        boot.at += sim_random_scaled(&world->host_random, 10 * SIM_MS, 4 * SIM_S);
        sim_events_add(&world->events, boot);
        return false;
    }
    if (site->store_kill_at_call > 0 &&
        sim_random_chance(&world->host_random, site->store_kill_at_call)) {
        /* No process is started again within a millisecond, which would be one incarnation twice. */
        sim_faults_kill_store(world, site);
        site->store_back_at =
            world->now + sim_random_range(&world->host_random, 3 * SIM_MS, 30 * SIM_MS);
    }
    if (sim_random_chance(&world->call_random, world->shape->pause_chance)) {
        sim_call_wait(call, sim_random_below(&world->call_random, 200));
    }
    return !call->dead;
}

enum hr_err sim_env_dead(struct hr_diag *diag)
{
    return hr_diag_set(diag, HR_CANCELED, "the host is dead");
}

/* --- the store ---------------------------------------------------------------------------------------- */

/* A host that has lost its connection to a store that may have lost something draws another nonce. */
static void connect(struct sim_call *call, struct sim_site *site)
{
    struct sim_host *host = call->host;
    if (host->store_life != site->store_life) {
        host->store_life = site->store_life;
        host->losses += site->store.lazy;
        sim_recent_judge(&host->recent, &site->store);
        sim_host_name_nonce(host);
    }
}

static void take_time(struct sim_call *call, struct sim_site *site, sim_us usual)
{
    struct sim_random *random = &call->world->store_random;
    sim_us us = sim_random_below(random, usual) + usual / 2;
    if (site->store_slow_us > 0) {
        us += sim_random_below(random, site->store_slow_us);
    }
    sim_call_wait(call, us);
}

/* Before a call of the store. HR_OK: it goes on. */
static enum hr_err store_begins(struct sim_call *call, struct sim_site *site, sim_us usual,
                                struct hr_diag *diag)
{
    struct sim_world *world = call->world;
    if (!sim_env_enter(call)) {
        return sim_env_dead(diag);
    }
    if (call->probe) {
        connect(call, site);
        return HR_OK;
    }
    if (sim_site_store_away(world, site)) {
        sim_call_wait(call, SIM_MS);
        return call->dead ? sim_env_dead(diag) : hr_diag_set(diag, HR_IO, "the store is away");
    }
    connect(call, site);
    uint64_t life = site->store_life;
    bool waits = site->store_slow_us > 0 ||
                 sim_random_chance(&world->store_random, world->shape->pause_chance);
    if (waits) {
        take_time(call, site, usual);
    }
    if (call->dead) {
        return sim_env_dead(diag);
    }
    if (sim_site_store_away(world, site) || life != site->store_life) {
        return hr_diag_set(diag, HR_IO, "the store has gone");
    }
    if (sim_random_chance(&world->store_random, site->store_errors)) {
        sim_trace_say(world, site->index, "its store fails");
        return hr_diag_set(diag, HR_IO, "the store fails");
    }
    return HR_OK;
}

static enum hr_err env_get_many(void *arg, const struct hr_str *keys, size_t count,
                                struct hr_arena *arena, struct dkv_value *ret_values,
                                struct hr_diag *diag)
{
    struct sim_call *call = arg;
    struct sim_world *world = call->world;
    struct sim_site *site = sim_site_of(world, call->host);
    enum hr_err err = store_begins(call, site, world->shape->read_us, diag);
    size_t torn_at = sim_random_below(&world->store_random, 64);
    for (size_t i = 0; !err && i < count; i++) {
        if (i == torn_at && i > 0) {
            /* They are not read at one moment. */
            err = store_begins(call, site, world->shape->read_us, diag);
            if (err) {
                break;
            }
        }
        const struct sim_item *item = sim_store_get(&site->store, keys[i]);
        ret_values[i] = (struct dkv_value){.present = item != NULL};
        if (item) {
            ret_values[i].bytes = hr_arena_copy(arena, sim_item_value(item));
            err = ret_values[i].bytes.ptr ? HR_OK : HR_NO_MEMORY;
        }
    }
    sim_trace_number(world, (uint64_t)err);
    return err;
}

static enum hr_err copy_page(const struct sim_store *store, struct hr_str prefix,
                             struct hr_str after, uint32_t limit, struct hr_arena *arena,
                             struct dkv_page *ret_page)
{
    struct dkv_page page = {0};
    size_t first = sim_store_at(store, hr_str_cmp(prefix, after) > 0 ? prefix : after);
    size_t end = first;
    if (after.len > 0 && first < store->count &&
        hr_str_eq(sim_item_key(store->items[first]), after)) {
        end = ++first;
    }
    while (end < store->count && end - first < limit &&
           hr_str_starts(sim_item_key(store->items[end]), prefix)) {
        end++;
    }
    page.more = end < store->count && hr_str_starts(sim_item_key(store->items[end]), prefix);
    page.pairs = hr_arena_alloc(arena, (end - first) * sizeof *page.pairs);
    if (!page.pairs) {
        return HR_NO_MEMORY;
    }
    for (; page.count < end - first; page.count++) {
        struct dkv_pair *pair = &page.pairs[page.count];
        pair->key = hr_arena_copy(arena, sim_item_key(store->items[first + page.count]));
        pair->value = hr_arena_copy(arena, sim_item_value(store->items[first + page.count]));
        if (!pair->key.ptr || !pair->value.ptr) {
            return HR_NO_MEMORY;
        }
    }
    *ret_page = page;
    return HR_OK;
}

static enum hr_err env_scan(void *arg, struct hr_str prefix, struct hr_str after, uint32_t limit,
                            struct hr_arena *arena, struct dkv_page *ret_page, struct hr_diag *diag)
{
    struct sim_call *call = arg;
    struct sim_world *world = call->world;
    struct sim_site *site = sim_site_of(world, call->host);
    enum hr_err err = store_begins(call, site, world->shape->read_us, diag);
    uint32_t most = sim_random_chance(&world->store_random, 50000) ? 3 : limit;
    if (!err) {
        err = copy_page(&site->store, prefix, after, most < limit ? most : limit, arena, ret_page);
    }
    sim_trace_number(world, (uint64_t)err);
    return err;
}

/* --- commits ------------------------------------------------------------------------------------------ */

enum lost_answer { ANSWER_COMES, LOST_NOT_DONE, LOST_DONE, LOST_DONE_LATER };

static bool writes_self(const struct dkv_commit *commit)
{
    for (size_t i = 0; i < commit->put_count; i++) {
        if (hr_str_eq(commit->puts[i].key, HR_STR("m/self"))) {
            return true;
        }
    }
    return false;
}

static enum hr_err commit_now(struct sim_call *call, struct sim_site *site,
                              const struct dkv_commit *commit, size_t *ret_conflict)
{
    struct sim_world *world = call->world;
    world->counts.commits++;
    sim_model_committer(world, call);
    enum hr_err err = sim_store_commit(&site->store, commit, world->now, ret_conflict);
    sim_model_committed(world);
    if (!err && writes_self(commit)) {
        site->booted_life = call->host->store_life;
    }
    return err;
}

static void weigh(const struct dkv_commit *commit)
{
    size_t bytes = 0;
    for (size_t i = 0; i < commit->check_count; i++) {
        bytes += commit->checks[i].key.len + commit->checks[i].expected.bytes.len;
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        bytes += commit->puts[i].key.len + commit->puts[i].value.len;
    }
    if (commit->check_count + commit->put_count + commit->delete_count > DKV_COMMIT_OPS_MAX ||
        bytes > DKV_COMMIT_BYTES_MAX) {
        fputs("sim: a commit is larger than commits may be\n", stderr);
        abort();
    }
}

static enum hr_err lose_answer(struct sim_call *call, struct sim_site *site,
                               const struct dkv_commit *commit, enum lost_answer how,
                               struct hr_diag *diag)
{
    struct sim_world *world = call->world;
    size_t conflict;
    if (how == LOST_DONE) {
        HR_IGNORE(commit_now(call, site, commit, &conflict)); /* nobody is told */
    } else if (how == LOST_DONE_LATER) {
        struct sim_event event = sim_event_of(SIM_EVENT_STORE, world->now, site->index);
        event.at += sim_random_scaled(&world->store_random, 100, 3 * SIM_S);
        event.life = site->store_life;
        event.data = sim_late_new(commit);
        sim_events_add(&world->events, event);
    }
    sim_trace_say(world, site->index, "commit of %zu puts: outcome unknown, %s", commit->put_count,
                  how == LOST_DONE ? "was done"
                                   : (how == LOST_NOT_DONE ? "not done" : "done later"));
    return hr_diag_set(diag, HR_UNKNOWN_OUTCOME, "the answer is lost");
}

static enum hr_err env_commit(void *arg, const struct dkv_commit *commit, size_t *ret_conflict,
                              struct hr_diag *diag)
{
    struct sim_call *call = arg;
    struct sim_world *world = call->world;
    struct sim_site *site = sim_site_of(world, call->host);
    struct sim_random *random = &world->store_random;
    weigh(commit);
    enum hr_err err = store_begins(call, site, world->shape->commit_us, diag);
    if (err) {
        return err;
    }
    if (call->probe) {
        return commit_now(call, site, commit, ret_conflict);
    }
    if (site->store_full > 0) {
        return hr_diag_set(diag, HR_NO_SPACE, "the store is full");
    }
    if (sim_random_chance(random, site->store_unknown)) {
        enum lost_answer how = (enum lost_answer)(1 + sim_random_below(random, 3));
        return lose_answer(call, site, commit, how, diag);
    }
    uint64_t life = site->store_life;
    err = commit_now(call, site, commit, ret_conflict);
    sim_trace_number(world, (uint64_t)err + 64);
    sim_trace_say(world, site->index, "commit of %zu puts -> %s", commit->put_count,
                  hr_err_name(err));
    if (world->shape->pause_chance > 0) {
        take_time(call, site, world->shape->commit_us);
    }
    if (call->dead || !sim_env_enter(call)) {
        return sim_env_dead(diag);
    }
    if (life != site->store_life || sim_site_store_away(world, site)) {
        return hr_diag_set(diag, HR_UNKNOWN_OUTCOME, "the store has gone");
    }
    if (!err && site->store.lazy) {
        sim_recent_note(&call->host->recent, commit, world->now);
    }
    return err;
}

/* In the host's own memory, so that nothing of the store's faults is in its way. */
static enum hr_err env_lost_commits(void *arg, uint64_t after, struct hr_arena *arena,
                                    struct dkv_lost_page *ret_page, struct hr_diag *diag)
{
    struct sim_call *call = arg;
    struct sim_world *world = call->world;
    if (!sim_recent_has_lost(&call->host->recent)) {
        *ret_page = (struct dkv_lost_page){0};
        return HR_OK;
    }
    if (!sim_env_enter(call)) {
        return sim_env_dead(diag);
    }
    if (after == 0 && sim_random_chance(&world->call_random, FINDING_OUT)) {
        return HR_AGAIN;
    }
    return sim_recent_page(&call->host->recent, after, arena, ret_page);
}

static void env_lost_forget(void *arg, uint64_t id)
{
    struct sim_call *call = arg;
    const struct sim_recent_commit *commit = sim_recent_find(&call->host->recent, id);
    if (!call->dead && commit) {
        sim_check_lost_forgotten(call->world, call->host->site, commit->keys, commit->count);
    }
    if (!call->dead) {
        sim_recent_forget(&call->host->recent, id);
    }
}

/* --- the rest ----------------------------------------------------------------------------------------- */

static dkv_wall_ms env_wall(void *arg)
{
    struct sim_call *call = arg;
    return sim_world_wall_ms(call->world, sim_site_of(call->world, call->host));
}

static dkv_mono_ms env_mono(void *arg)
{
    struct sim_call *call = arg;
    if (!sim_env_enter(call)) {
        /* Whatever waits for its time to be up is to come to its end. */
        return sim_world_mono_ms(call->world, sim_site_of(call->world, call->host)) +
               call->failed_calls * 1000;
    }
    return sim_world_mono_ms(call->world, sim_site_of(call->world, call->host));
}

static void env_sleep(void *arg, uint32_t ms)
{
    struct sim_call *call = arg;
    if (sim_env_enter(call)) {
        sim_call_wait(call, ms * SIM_MS);
    }
}

static void env_random(void *arg, void *ret_bytes, size_t len)
{
    struct sim_call *call = arg;
    sim_random_bytes(&sim_site_of(call->world, call->host)->random, ret_bytes, len);
}

static void env_log(void *arg, enum dkv_log_level level, struct hr_str text)
{
    struct sim_call *call = arg;
    if (!call->dead && level > DKV_LOG_DEBUG) {
        sim_trace_say(call->world, call->host->site, "log: %.*s", SIM_ARG(text));
    }
    if (!call->dead) {
        sim_model_logged(call->world, call->host->site, text);
    }
}

static enum hr_err env_config(void *arg, struct hr_str key, struct hr_arena *arena,
                              struct hr_str *ret_value, struct hr_diag *diag)
{
    struct sim_call *call = arg;
    const struct sim_host *host = call->host;
    const struct sim_site *site = sim_site_of(call->world, host);
    const char *value = NULL;
    /* The host's own knowledge: nothing can go wrong with it but the host. */
    if (!sim_env_enter(call)) {
        return sim_env_dead(diag);
    }
    if (hr_str_eq(key, HR_STR("site"))) {
        value = site->name;
    } else if (hr_str_eq(key, HR_STR("site-id"))) {
        value = site->id;
    } else if (hr_str_eq(key, HR_STR("boot-nonce"))) {
        value = host->nonce_text;
    } else if (hr_str_eq(key, HR_STR("write-acks"))) {
        value = call->world->shape->write_acks;
    } else if (hr_str_eq(key, HR_STR("ack-timeout-ms"))) {
        value = call->world->shape->ack_timeout_ms;
    } else if (hr_str_eq(key, HR_STR("feed-max")) && call->world->shape->feed_max[0]) {
        value = call->world->shape->feed_max;
    } else if (hr_str_eq(key, HR_STR("members")) && call->world->shape->members[0]) {
        value = call->world->shape->members;
    } else if (hr_str_eq(key, HR_STR("store-durability"))) {
        value = host->found_lossy || host->losses > 0 ? "lazy" : "sync";
    }
    if (!value) {
        return HR_NOT_FOUND;
    }
    *ret_value = hr_arena_copy(arena, hr_str_c(value));
    return ret_value->ptr ? HR_OK : HR_NO_MEMORY;
}

struct dkv_env sim_env_of(struct sim_call *call)
{
    struct dkv_env env = {
        .arg = call,
        .get_many = env_get_many,
        .scan = env_scan,
        .commit = env_commit,
        .wall = env_wall,
        .mono = env_mono,
        .sleep = env_sleep,
        .random = env_random,
        .lost_commits = env_lost_commits,
        .lost_forget = env_lost_forget,
        .log = env_log,
        .config = env_config,
    };
    sim_env_add_bus(&env);
    return env;
}
