/* Ticks. */
#include "actors/kv/core/catchup.h"

#include "actors/kv/core/batch.h"
#include "actors/kv/core/parcel.h"
#include "actors/kv/core/pull.h"
#include "actors/kv/core/round.h"
#include "actors/kv/core/site.h"
#include "actors/kv/core/stable.h"
#include "actors/kv/core/sweep.h"
#include "actors/kv/core/transfer.h"

/* If others have more of this incarnation than its store, the store has lost the newest changes: they
 * would be made again, different ones under their numbers. */
static enum hr_err watch_tail(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                              struct hr_arena *arena, struct hr_diag *diag)
{
    const struct dkv_have *mine = &holdings->lists[0];
    struct dkv_site site;
    uint64_t high = 0;
    for (size_t i = 1; i < holdings->count; i++) {
        size_t at = 0;
        const struct dkv_have_row *row = dkv_holdings_row(&holdings->lists[i], &at, mine->origin);
        high = row && row->high > high ? row->high : high;
    }
    enum hr_err err = dkv_site_open(tick->env, tick->config, arena, &site, diag);
    if (err || site.ctr.origin != mine->origin || high <= site.ctr.seq) {
        return err;
    }
    dkv_tick_tell(
        tick, DKV_LOG_ERROR, HR_STR("tail-lost"), mine->origin,
        "other sites hold changes of this one that its store has lost; it goes on as a new one");
    return dkv_site_renew(tick->env, tick->config, mine->origin, arena, diag);
}

/* Goes on with a state transfer, or else pulls; and begins one if that shows that it is needed. What was pulled for a
 * transfer is not in @holdings, so nothing else is pulled in its last tick either. */
static enum hr_err pull(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                        struct hr_arena *arena, struct hr_diag *diag)
{
    enum hr_err err = dkv_transfer_step(tick, holdings, diag);
    if (!err && !tick->transferring) {
        err = dkv_pull_all(tick, holdings, arena);
    }
    if (!err && tick->lost && !tick->transferring) {
        err = dkv_transfer_want(tick->env, tick->config, false, diag);
        if (!err) {
            err = dkv_transfer_step(tick, holdings, diag);
        }
    }
    return err;
}

/* One page of everybody's lists. ret_after: where the next one begins; UINT64_MAX: there is none. */
static enum hr_err catch_up(struct dkv_tick *tick, dkv_origin after, dkv_origin *ret_after,
                            struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_holdings holdings;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_holdings_ask(tick, after, &arena, &holdings, diag);
    if (!err) {
        err = watch_tail(tick, &holdings, &arena, diag);
    }
    if (!err) {
        err = pull(tick, &holdings, &arena, diag);
    }
    if (!err && after == 0 && !tick->transferring && !dkv_tick_over(tick)) {
        err = dkv_stable_tick(tick, &holdings, &arena, diag);
    }
    if (!err && after == 0 && !tick->transferring && !dkv_tick_over(tick)) {
        dkv_round_step(tick, &holdings);
    }
    if (!err) {
        *ret_after = dkv_holdings_end(&holdings);
    }
    hr_arena_release(&arena);
    return err;
}

/* With nobody to ask, the floor stays; that is all there is to see. */
static enum hr_err watch_floor(const struct dkv_tick *tick, struct hr_diag *diag)
{
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_stable_tick(tick, NULL, &arena, diag);
    hr_arena_release(&arena);
    return err;
}

/* Empty messages to the lane, each followed by a little of the sweep: one, so that it takes a share of the time
 * and no more; after a deletion of everything as many as it has something to do for. */
static void let_sweep(const struct dkv_tick *tick)
{
    struct hr_diag diag = {0};
    bool more = true;
    bool eager = true;
    uint32_t before = 0;
    for (unsigned i = 0; more && i < DKV_TICK_ROUNDS_MAX && !dkv_tick_over(tick); i++) {
        uint32_t mark;
        struct hr_arena arena;
        struct hr_str body;
        const struct dkv_parcel parcel = {.count = 0};
        bool held;
        hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
        enum hr_err err = dkv_sweep_waits(tick->env, &arena, &more, &eager, &mark, &diag);
        if (!err && i > 0 && (mark == before || !eager)) {
            more = false; /* something is in its way, which is logged */
        }
        before = err ? 0 : mark;
        if (!err && more) {
            err = dkv_parcel_encode(&parcel, &arena, &body);
        }
        if (!err && more) {
            err = dkv_pull_apply(tick, body, &arena, &held, &diag);
        }
        if (err) {
            dkv_tick_tell(tick, DKV_LOG_DEBUG, HR_STR("sweep-not-asked"), 0, diag.text);
            more = false;
        }
        hr_arena_release(&arena);
    }
}

static enum hr_err boot(const struct dkv_tick *tick, struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_site site;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_site_open(tick->env, tick->config, &arena, &site, diag);
    hr_arena_release(&arena);
    return err;
}

enum hr_err dkv_catchup_tick(const struct dkv_env *env, const struct dkv_config *config,
                             const struct dkv_group *group, struct hr_diag *diag)
{
    struct dkv_tick tick = {
        .env = env, .config = config, .group = group, .start = env->mono(env->arg)};
    dkv_origin after = group->alive > 0 ? 0 : UINT64_MAX;
    enum hr_err err = boot(&tick, diag);
    if (group->id_taken) {
        env->log(env->arg, DKV_LOG_ERROR,
                 HR_STR("event=site-id-taken reason=\"another site has this one's id\""));
    }
    while (!err && after != UINT64_MAX && !dkv_tick_over(&tick)) {
        err = catch_up(&tick, after, &after, diag);
    }
    if (!err && group->alive == 0 && !dkv_tick_over(&tick)) {
        dkv_round_step(&tick, NULL);
    }
    if (!err && group->alive == 0) {
        err = watch_floor(&tick, diag);
    }
    if (!err) {
        let_sweep(&tick);
    }
    return err;
}
