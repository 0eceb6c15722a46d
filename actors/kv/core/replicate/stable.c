/* From lists to the floor. */
#include "actors/kv/core/replicate/stable.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/replicate/low.h"
#include "actors/kv/core/replicate/retire.h"
#include "actors/kv/core/replicate/seal.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/tally.h"

enum stored_key { FLOOR, SELF, CFG, CTR, TALLY, STORED_COUNT };
/* Of them, the first so many are checked by the commit. */
#define CHECKED_COUNT 3

/* What lies in the store, and what m/S is to become. */
struct stable {
    const struct dkv_tick *tick;
    const struct dkv_holdings *holdings;
    struct hr_str keys[STORED_COUNT];
    struct dkv_value values[STORED_COUNT];
    struct dkv_floor floor;
    struct dkv_self self;
    struct dkv_cfg cfg;
    struct dkv_ctr ctr;
    struct dkv_tally tally;
    struct dkv_floor next;
    struct dkv_retiring retiring;
    struct dkv_check outs[DKV_MEMBERS_MAX]; /* h/ of who was not waited for, being out */
    size_t out_count;
    bool changed;
};

/* HR_NOT_FOUND: the store is not a site's yet. */
static enum hr_err load(struct stable *stable, struct hr_arena *arena, struct hr_diag *diag)
{
    const struct dkv_env *env = stable->tick->env;
    const struct hr_str keys[STORED_COUNT] = {DKV_KEY_FLOOR, DKV_KEY_SELF, DKV_KEY_CFG, DKV_KEY_CTR,
                                              DKV_KEY_TALLY};
    struct dkv_value *values = stable->values;
    memcpy(stable->keys, keys, sizeof keys);
    enum hr_err err = env->get_many(env->arg, keys, STORED_COUNT, arena, values, diag);
    if (err || !values[SELF].present || !values[CFG].present || !values[CTR].present) {
        return err ? err : HR_NOT_FOUND;
    }
    err = dkv_floor_decode(values[FLOOR], &stable->floor, diag);
    if (!err) {
        err = dkv_self_decode(values[SELF].bytes, &stable->self, diag);
    }
    if (!err) {
        err = dkv_cfg_decode(values[CFG].bytes, &stable->cfg, diag);
    }
    if (!err) {
        err = dkv_ctr_decode(values[CTR].bytes, &stable->ctr, diag);
    }
    if (!err && values[TALLY].present &&
        dkv_tally_decode(values[TALLY].bytes, &stable->tally, diag)) {
        stable->tally = (struct dkv_tally){0}; /* the next write makes it anew, and says so */
    }
    stable->next = stable->floor;
    return err;
}

/* Reads h/ of the members that are out once more: one of them may be back since the others were asked, and have none
 * of what the floor would let go. ret_back: one is. */
static enum hr_err load_outs(struct stable *stable, struct hr_arena *arena, bool *ret_back,
                             struct hr_diag *diag)
{
    const struct dkv_env *env = stable->tick->env;
    uint16_t sites[DKV_MEMBERS_MAX];
    struct hr_str keys[DKV_MEMBERS_MAX];
    struct dkv_value values[DKV_MEMBERS_MAX];
    enum hr_err err = HR_OK;
    size_t count = 0;
    *ret_back = false;
    for (size_t i = 0; !err && i < stable->cfg.member_count; i++) {
        if (dkv_fence_is_out(&stable->holdings->fences, stable->cfg.members[i])) {
            sites[count] = stable->cfg.members[i];
            keys[count] = dkv_key_fence(arena, sites[count]);
            err = keys[count++].ptr ? HR_OK : HR_NO_MEMORY;
        }
    }
    if (!err && count > 0) {
        err = env->get_many(env->arg, keys, count, arena, values, diag);
    }
    for (size_t i = 0; !err && i < count; i++) {
        struct dkv_fence fence;
        err = dkv_fence_decode(values[i], sites[i], &fence, diag);
        *ret_back = *ret_back || (!err && !dkv_inc_is_out(fence.inc, fence.removed));
        stable->outs[i] = (struct dkv_check){keys[i], values[i]};
    }
    stable->out_count = count;
    return err;
}

/* --- what this site says of itself -------------------------------------------------------------------- */

bool dkv_stable_counted(const struct dkv_floor *floor, dkv_hlc peer)
{
    return peer <= floor->low || peer <= floor->pending || peer <= floor->group;
}

static bool counted_on(const struct stable *stable)
{
    for (size_t i = 1; i < stable->holdings->count; i++) {
        const struct dkv_have *have = &stable->holdings->lists[i];
        if (!dkv_stable_counted(&stable->floor, have->floor)) {
            dkv_tick_tell(stable->tick, DKV_LOG_ERROR, HR_STR("floor-unknown"), have->origin,
                          "another site's floor was worked out without this store, which may lack "
                          "what lies below it");
            return false;
        }
    }
    return true;
}

static bool nonce_eq(const struct dkv_nonce *a, const struct dkv_nonce *b)
{
    return memcmp(a->bytes, b->bytes, DKV_NONCE_BYTES) == 0;
}

/* Whether what is pending will never be told by the host that found it, as far as this one knows: the host that was started last waits for
 * none, all others for a while. That one may be over itself, so that not each may take the place of the other again and again. */
static bool forgotten(const struct stable *stable, dkv_wall_ms wall)
{
    const struct dkv_floor *next = &stable->next;
    const struct dkv_nonce *own = &stable->tick->config->nonce;
    if (nonce_eq(&next->nonce, own)) {
        return false;
    }
    dkv_wall_ms age = wall > next->pending_wall ? wall - next->pending_wall : 0;
    dkv_wall_ms ahead = next->pending_wall > wall ? next->pending_wall - wall : 0;
    return nonce_eq(own, &stable->self.nonce) || age >= DKV_LOW_FORGOTTEN_MS ||
           ahead >= DKV_LOW_FORGOTTEN_MS;
}

/* Tells what was found long enough ago, then keeps what is @found now, if that tells more. */
static void move_low(struct stable *stable, dkv_hlc found, dkv_hlc newest)
{
    struct dkv_floor *next = &stable->next;
    const struct dkv_env *env = stable->tick->env;
    const struct dkv_nonce *own = &stable->tick->config->nonce;
    dkv_mono_ms now = env->mono(env->arg);
    dkv_wall_ms wall = env->wall(env->arg);
    bool ripe = nonce_eq(&next->nonce, own) && now >= next->pending_at &&
                now - next->pending_at >= DKV_LOW_DELAY_MS;
    if (next->pending > next->low && ripe) {
        next->low = next->pending;
        stable->changed = true;
    }
    bool free = next->pending <= next->low || forgotten(stable, wall);
    if (free && found > next->low && next->low < newest) {
        next->pending = found;
        next->pending_at = now;
        next->pending_wall = wall;
        next->nonce = *own;
        stable->changed = true;
    }
}

/* --- what all say ------------------------------------------------------------------------------------- */

/* Whether something here can only be collected once the floor has grown. */
static bool waits(const struct stable *stable)
{
    const struct dkv_tally *tally = &stable->tally;
    return tally->made >= tally->done && tally->made > stable->next.group;
}

static void move_floor(struct stable *stable, dkv_hlc newest)
{
    struct dkv_floor *next = &stable->next;
    dkv_hlc lowest = next->low;
    for (size_t i = 1; i < stable->holdings->count; i++) {
        const struct dkv_have *have = &stable->holdings->lists[i];
        lowest = have->low < lowest ? have->low : lowest;
    }
    bool worth_it = stable->changed || waits(stable) || lowest >= newest ||
                    dkv_clock_ahead_ms(lowest, dkv_clock_ms(next->group)) >= DKV_FLOOR_STEP_MS;
    if (lowest > next->group && worth_it) {
        next->group = lowest;
        stable->changed = true;
    }
}

/* All that complete lists tell. */
static enum hr_err move(struct stable *stable, struct hr_arena *arena, struct hr_diag *diag)
{
    dkv_hlc found = 0;
    dkv_hlc newest = dkv_low_newest(stable->holdings);
    enum hr_err err = dkv_low_of(stable->holdings, arena, &found);
    if (err) {
        return err;
    }
    move_low(stable, found, newest);
    move_floor(stable, newest);
    err = dkv_retire_find(stable->tick->env, stable->holdings, &stable->next, arena,
                          &stable->retiring, diag);
    stable->changed = stable->changed || stable->retiring.count > 0;
    return err;
}

/* --- a floor that does not grow ----------------------------------------------------------------------- */

static const struct dkv_have *list_of(const struct stable *stable, uint16_t site)
{
    for (size_t i = 0; stable->holdings && i < stable->holdings->count; i++) {
        if (stable->holdings->lists[i].site == site) {
            return &stable->holdings->lists[i];
        }
    }
    return NULL;
}

/* The member that keeps the floor from growing, and what is the matter with it. */
static uint16_t find_holder(const struct stable *stable, const struct dkv_fences *fences,
                            struct hr_str *ret_why)
{
    uint16_t lowest = stable->tick->config->site_id;
    dkv_hlc low = stable->next.low;
    for (size_t i = 0; i < stable->cfg.member_count; i++) {
        uint16_t site = stable->cfg.members[i];
        const struct dkv_have *have = list_of(stable, site);
        if (site == stable->tick->config->site_id || dkv_fence_is_out(fences, site)) {
            continue;
        }
        if (!have || have->state != DKV_SITE_ACTIVE) {
            *ret_why = have ? HR_STR(" is catching up") : HR_STR(" is away");
            return site;
        }
        if (have->low < low) {
            low = have->low;
            lowest = site;
        }
    }
    *ret_why = HR_STR(" has not taken in everything");
    return lowest;
}

static enum hr_err tell_held(const struct stable *stable, struct hr_arena *arena,
                             struct hr_diag *diag)
{
    char digits[DKV_DEC_BYTES_MAX];
    struct hr_diag line;
    struct hr_str why;
    struct dkv_fences fences;
    const struct dkv_env *env = stable->tick->env;
    enum hr_err err = dkv_fence_read(env, arena, &fences, diag);
    if (err) {
        return err;
    }
    uint16_t site = find_holder(stable, &fences, &why);
    const struct dkv_peer *peer = dkv_group_find(stable->tick->group, site);
    struct hr_str name = peer                                    ? peer->name
                         : site == stable->tick->config->site_id ? stable->tick->config->site
                                                                 : (struct hr_str){0};
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event=floor-held reason=\"site "),
                       name.len > 0 ? name : dkv_text_dec(digits, site), why,
                       HR_STR(": deletions are kept\""))); /* only put together here */
    env->log(env->arg, DKV_LOG_WARN, hr_str_c(line.text));
    return HR_OK;
}

/* Complains now and then of a floor that something waits for. */
static enum hr_err watch(struct stable *stable, struct hr_arena *arena, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    struct dkv_floor *next = &stable->next;
    dkv_wall_ms wall = stable->tick->env->wall(stable->tick->env->arg);
    bool grown = next->group > stable->floor.group;
    bool waiting = waits(stable);
    dkv_wall_ms since = waiting ? next->waits_from : 0;
    if (waiting && since > 0 && !grown && wall >= since && wall - since >= DKV_FLOOR_HELD_MS) {
        err = tell_held(stable, arena, diag);
        since = wall;
    } else if (waiting && (since == 0 || grown || since > wall + DKV_FLOOR_HELD_MS)) {
        since = wall;
    }
    stable->changed = stable->changed || since != next->waits_from;
    next->waits_from = since;
    return err;
}

/* --- the whole ---------------------------------------------------------------------------------------- */

/* Stores it, or leaves it to the next tick if something else came first. */
static enum hr_err store(struct stable *stable, struct hr_arena *arena, struct hr_diag *diag)
{
    const struct dkv_env *env = stable->tick->env;
    const struct dkv_retiring *retiring = &stable->retiring;
    size_t conflict;
    struct dkv_pair put = {.key = stable->keys[FLOOR]};
    struct dkv_check checks[CHECKED_COUNT + DKV_MEMBERS_MAX + DKV_RETIRE_MAX];
    size_t check_count = CHECKED_COUNT + stable->out_count;
    for (size_t i = 0; i < CHECKED_COUNT; i++) {
        checks[i] = (struct dkv_check){stable->keys[i], stable->values[i]};
    }
    memcpy(&checks[CHECKED_COUNT], stable->outs, stable->out_count * sizeof *checks);
    memcpy(&checks[check_count], retiring->checks, retiring->count * sizeof *checks);
    enum hr_err err = dkv_floor_encode(&stable->next, arena, &put.value);
    if (err) {
        return err;
    }
    const struct dkv_commit commit = {.checks = checks,
                                      .check_count = check_count + retiring->count,
                                      .puts = &put,
                                      .put_count = 1,
                                      .deletes = retiring->names,
                                      .delete_count = retiring->count};
    err = env->commit(env->arg, &commit, &conflict, diag);
    return err == HR_CONFLICT || err == HR_UNKNOWN_OUTCOME ? HR_OK : err;
}

enum hr_err dkv_stable_tick(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                            struct hr_arena *arena, struct hr_diag *diag)
{
    struct stable stable = {.tick = tick, .holdings = holdings};
    enum hr_err err = load(&stable, arena, diag);
    if (err || stable.cfg.member_count < 2) {
        return err == HR_NOT_FOUND ? HR_OK : err;
    }
    bool complete = holdings && stable.self.state == DKV_SITE_ACTIVE &&
                    stable.ctr.origin == holdings->lists[0].origin &&
                    dkv_holdings_complete(holdings, &stable.cfg);
    bool back = false;
    if (complete) {
        err = load_outs(&stable, arena, &back, diag);
    }
    if (!err && complete && !back && counted_on(&stable)) {
        err = move(&stable, arena, diag);
    }
    if (!err) {
        err = watch(&stable, arena, diag);
    }
    if (!err && stable.retiring.count > 0) {
        err = dkv_seal_tell_last(tick, &stable.floor, &stable.next, diag);
    }
    if (!err && stable.changed) {
        err = store(&stable, arena, diag);
    }
    return err == HR_AGAIN ? HR_OK : err;
}
