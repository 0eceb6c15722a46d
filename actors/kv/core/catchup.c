/* Ticks. */
#include "actors/kv/core/catchup.h"

#include "actors/kv/core/compare/round.h"
#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/replicate/join.h"
#include "actors/kv/core/replicate/pull.h"
#include "actors/kv/core/replicate/seal.h"
#include "actors/kv/core/replicate/stable.h"
#include "actors/kv/core/replicate/wipe.h"
#include "actors/kv/core/site/behind.h"
#include "actors/kv/core/site/drift.h"
#include "actors/kv/core/site/site.h"
#include "actors/kv/core/transfer/transfer.h"
#include "actors/kv/core/values/sweep.h"

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
    return dkv_site_renew(tick->env, tick->config, mine->origin, 0, arena, diag);
}

/* If others have heard of a higher incarnation of this site, its store is new or an old copy, and its wall behind:
 * they would take none of its changes as they happen, and it might use numbers that were used before. */
static enum hr_err watch_fence(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                               struct hr_arena *arena, struct hr_diag *diag)
{
    uint64_t fence = 0;
    for (size_t i = 1; i < holdings->count; i++) {
        fence = holdings->lists[i].fence > fence ? holdings->lists[i].fence : fence;
    }
    if (fence <= dkv_origin_inc(holdings->asked_as) || fence == DKV_INC_MAX) {
        return HR_OK;
    }
    dkv_tick_tell(tick, DKV_LOG_WARN, HR_STR("incarnation-behind"), holdings->asked_as,
                  "other sites know a later life of this one; it goes on as one after that");
    return dkv_site_renew(tick->env, tick->config, holdings->asked_as, fence, arena, diag);
}

/* Goes on with a state transfer, or else pulls; and begins one if that shows that it is needed. What was pulled for a
 * transfer is not in @holdings, so nothing else is pulled in its last round either. */
static enum hr_err pull(struct dkv_tick *tick, const struct dkv_holdings *holdings, bool first,
                        struct hr_arena *arena, struct hr_diag *diag)
{
    /* Donors are chosen by the first page of the lists. */
    enum hr_err err = first ? dkv_transfer_step(tick, holdings, diag) : HR_OK;
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

/* Whether @row of another's list shows that this store lacks what it once had: more of an older incarnation than
 * this site sealed it with, or an incarnation that is not known here, though it was after the store's
 * beginning. */
static bool shows_loss(const struct dkv_holdings *holdings, const struct dkv_have_row *row,
                       uint64_t since)
{
    const struct dkv_have *mine = &holdings->lists[0];
    size_t at = 0;
    const struct dkv_have_row *own = dkv_holdings_row(mine, &at, row->origin);
    bool older = dkv_origin_site(row->origin) == mine->site && row->origin < holdings->asked_as &&
                 dkv_origin_inc(row->origin) >= since && row->high > 0;
    bool beyond = mine->more && mine->count > 0 && row->origin > mine->rows[mine->count - 1].origin;
    if (!older || beyond || dkv_holdings_retired(holdings, row)) {
        return false;
    }
    return own ? own->sealed && row->high > own->last : true;
}

/* A store that was taken for intact, and is not: an old copy of it was put in its place, for example. The
 * site is not to serve what it lacks. */
static enum hr_err watch_store(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                               struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_site site;
    dkv_origin lost = 0;
    enum hr_err err = dkv_site_open(tick->env, tick->config, arena, &site, diag);
    for (size_t i = 1; !err && i < holdings->count; i++) {
        for (size_t j = 0; j < holdings->lists[i].count; j++) {
            const struct dkv_have_row *row = &holdings->lists[i].rows[j];
            lost = shows_loss(holdings, row, site.since) ? row->origin : lost;
        }
    }
    if (err || lost == 0 || site.boot_class != DKV_BOOT_INTACT) {
        return err;
    }
    dkv_tick_tell(
        tick, DKV_LOG_ERROR, HR_STR("store-behind"), lost,
        "other sites hold changes of this one that its store has not; it catches up first");
    return dkv_site_doubt(tick->env, tick->config, site.ctr.origin, arena, diag);
}

/* What the list of a site tells by having come: it has begun anew after it was taken out, and has not asked yet; or what
 * this store had promised it may be forgotten, and it has answered now. */
static enum hr_err learn_of_sender(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                                   const struct dkv_site *site, const struct dkv_have *have,
                                   bool *ret_learned, struct hr_arena *arena, struct hr_diag *diag)
{
    const struct dkv_fence known = dkv_fence_of(&holdings->fences, have->site);
    const struct dkv_fence want = {
        .site = have->site, .inc = dkv_origin_inc(have->origin), .answered = true};
    bool back = known.removed > 0 && known.inc < want.inc;
    bool forgotten = known.doubtful || (known.inc == 0 && dkv_site_forgetful(site));
    *ret_learned = back;
    return back || forgotten ? dkv_fence_raise(tick->env, tick->config, &want, arena, diag) : HR_OK;
}

/* Whether the site is out, for all that is known here, and has begun anew, by what is told. */
static bool is_back(const struct dkv_removed *told, const struct dkv_fence *known)
{
    uint64_t out = told->inc > known->removed ? told->inc : known->removed;
    return dkv_inc_is_out(known->inc, out) && told->heard > out;
}

/* What a list tells of one site. Who knows all whom another store knows has known the group for as long. */
static enum hr_err learn_of(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                            const struct dkv_site *site, const struct dkv_removed *told,
                            bool *ret_learned, struct hr_arena *arena, struct hr_diag *diag)
{
    const struct dkv_fence known = dkv_fence_of(&holdings->fences, told->site);
    bool back = is_back(told, &known);
    bool earlier = told->since > 0 && (known.since == 0 || told->since < known.since);
    const struct dkv_fence want = {.site = told->site,
                                   .inc = back ? told->heard : 0,
                                   .removed = told->inc,
                                   .since = told->since};
    *ret_learned = told->inc > known.removed || back || !dkv_site_member(&site->cfg, told->site);
    return *ret_learned || earlier ? dkv_fence_raise(tick->env, tick->config, &want, arena, diag)
                                   : HR_OK;
}

/* What others know of the group's sites: which ones there are, and which were taken out. A store that was lost has
 * forgotten those that are away. */
static enum hr_err learn_members(struct dkv_tick *tick, struct dkv_holdings *holdings,
                                 struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_site site;
    bool learned = false;
    enum hr_err err = dkv_site_open(tick->env, tick->config, arena, &site, diag);
    for (size_t i = 1; !err && i < holdings->count; i++) {
        const struct dkv_have *have = &holdings->lists[i];
        bool any;
        err = learn_of_sender(tick, holdings, &site, have, &any, arena, diag);
        learned = learned || any;
        for (size_t j = 0; !err && j < have->removed_count; j++) {
            if (have->removed[j].site != tick->config->site_id) {
                err = learn_of(tick, holdings, &site, &have->removed[j], &any, arena, diag);
                learned = learned || any;
            }
        }
    }
    return err || !learned ? err : dkv_holdings_fence(tick, holdings, arena, diag);
}

/* Who is asked for what is lacking. A store that is new, or has lost something, may have forgotten that a site was taken out. One
 * that has, and is back, catches up until it hears so itself; what it has must not be taken for the group's before somebody is
 * heard who would know. */
static enum hr_err choose_givers(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                                 struct hr_arena *arena, struct dkv_holdings *ret_givers,
                                 struct hr_diag *diag)
{
    struct dkv_site site;
    enum hr_err err = HR_OK;
    *ret_givers = *holdings;
    tick->wary = false;
    if (holdings->lists[0].state == DKV_SITE_SYNC) {
        err = dkv_site_open(tick->env, tick->config, arena, &site, diag);
        tick->wary =
            !err && dkv_site_forgetful(&site) && !dkv_holdings_answered(holdings, &site.cfg);
    }
    return err || !tick->wary ? err : dkv_holdings_active(holdings, arena, ret_givers);
}

/* One page of everybody's lists. ret_after: where the next one begins; UINT64_MAX: there is none. */
static enum hr_err catch_up(struct dkv_tick *tick, struct dkv_join *join, dkv_origin after,
                            dkv_origin *ret_after, struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_holdings holdings;
    struct dkv_holdings givers;
    uint64_t lacking;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_holdings_ask(tick, after, &arena, &holdings, diag);
    if (!err && after == 0) {
        err = dkv_wipe_watch(tick, &holdings, diag);
    }
    if (err || tick->out) {
        hr_arena_release(&arena);
        *ret_after = UINT64_MAX;
        return err;
    }
    err = learn_members(tick, &holdings, &arena, diag);
    if (!err) {
        err = watch_fence(tick, &holdings, &arena, diag);
    }
    if (!err) {
        err = watch_tail(tick, &holdings, &arena, diag);
    }
    if (!err) {
        err = watch_store(tick, &holdings, &arena, diag);
    }
    if (!err) {
        err = choose_givers(tick, &holdings, &arena, &givers, diag);
    }
    if (!err) {
        err = pull(tick, &givers, after == 0, &arena, diag);
    }
    if (!err && !tick->transferring && !dkv_tick_over(tick)) {
        err = dkv_seal_origins(tick, &holdings, diag);
        err = err ? err : dkv_seal_tell_lost(tick, &holdings, diag);
    }
    if (!err && !tick->transferring && holdings.lists[0].state == DKV_SITE_SYNC) {
        err = dkv_join_weigh(tick, join, &holdings, diag);
    }
    if (!err && after == 0 && !tick->transferring && !dkv_tick_over(tick)) {
        err = dkv_stable_tick(tick, &holdings, &arena, diag);
    }
    if (!err && after == 0) {
        err = dkv_drift_step(tick, &holdings, diag);
    }
    if (!err && after == 0 && !tick->transferring && !dkv_tick_over(tick)) {
        dkv_round_step(tick, &holdings);
    }
    if (!err) {
        err = dkv_behind_count(tick->env, &holdings, &arena, &lacking, diag);
    }
    if (!err) {
        tick->lacking += lacking;
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
            err = dkv_pull_apply(tick, 0, body, &arena, &held, &diag);
        }
        if (err) {
            dkv_tick_tell(tick, DKV_LOG_DEBUG, HR_STR("sweep-not-asked"), 0, diag.text);
            more = false;
        }
        hr_arena_release(&arena);
    }
}

/* ret_state: of the site. */
static enum hr_err boot(const struct dkv_tick *tick, enum dkv_site_state *ret_state,
                        struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_site site;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_site_open(tick->env, tick->config, &arena, &site, diag);
    if (!err) {
        *ret_state = site.state;
    }
    hr_arena_release(&arena);
    return err;
}

/* All pages once. What another commit came before is done in the next round. */
static enum hr_err go_round(struct dkv_tick *tick, enum dkv_site_state *ret_state,
                            struct hr_diag *diag)
{
    struct dkv_join join = {0};
    dkv_origin after = 0;
    enum hr_err err = HR_OK;
    tick->lacking = 0;
    tick->transferring = false;
    tick->lost = NULL;
    while (!err && after != UINT64_MAX && !dkv_tick_over(tick)) {
        err = catch_up(tick, &join, after, &after, diag);
    }
    tick->counted = !err && after == UINT64_MAX;
    if (!err && after == UINT64_MAX && !tick->out) {
        err = dkv_join_decide(tick, &join, ret_state, diag);
    }
    return err == HR_CONFLICT || err == HR_UNKNOWN_OUTCOME ? HR_OK : err;
}

/* The next round, with what the host knows of the others by now. */
static enum hr_err go_round_anew(struct dkv_tick *tick, enum dkv_site_state *ret_state,
                                 struct hr_diag *diag)
{
    struct dkv_tick now = *tick;
    struct dkv_config config = *tick->config;
    struct dkv_group group;
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_group_read(tick->env, tick->config, &arena, &group, diag);
    for (size_t i = 0; !err && i < group.count; i++) {
        dkv_group_note(&config, group.peers[i].id);
    }
    now.config = &config;
    now.group = &group;
    if (!err) {
        err = go_round(&now, ret_state, diag);
    }
    now.config = tick->config;
    now.group = tick->group;
    *tick = now; /* what it has told stays told */
    hr_arena_release(&arena);
    return err;
}

enum hr_err dkv_catchup_tick(const struct dkv_env *env, const struct dkv_config *config,
                             const struct dkv_group *group, struct hr_diag *diag)
{
    struct dkv_tick tick = {
        .env = env, .config = config, .group = group, .start = env->mono(env->arg)};
    enum dkv_site_state state = DKV_SITE_ACTIVE;
    bool wiping;
    enum hr_err err = dkv_wipe_step(&tick, &wiping, diag);
    if (err || wiping) {
        return err;
    }
    err = boot(&tick, &state, diag);
    if (!err || err == HR_NOT_READY) {
        env->standing(env->arg, err || state == DKV_SITE_SYNC);
    }
    if (err == HR_NOT_READY) {
        return HR_OK; /* the host does not know yet who is there: a later tick */
    }
    if (group->id_taken) {
        env->log(env->arg, DKV_LOG_ERROR,
                 HR_STR("event=site-id-taken reason=\"another site has this one's id\""));
    }
    if (!err && (group->alive > 0 || state == DKV_SITE_SYNC)) {
        err = go_round(&tick, &state, diag);
    }
    /* Who waits to serve clients does not wait for the next tick. */
    while (!err && state == DKV_SITE_SYNC && group->alive > 0 && !tick.out &&
           !dkv_tick_over(&tick)) {
        env->sleep(env->arg, DKV_SYNC_PAUSE_MS);
        err = go_round_anew(&tick, &state, diag);
    }
    if (err || tick.out) {
        return err;
    }
    env->standing(env->arg, state == DKV_SITE_SYNC);
    if (group->alive > 0 && (tick.counted || tick.lacking > 0)) {
        /* Else it is as it was: nobody was asked, or not of everything. */
        err = dkv_behind_note(env, tick.lacking, diag);
    }
    if (!err && group->alive == 0 && !dkv_tick_over(&tick)) {
        dkv_round_step(&tick, NULL);
    }
    if (!err && group->alive == 0) {
        err = dkv_seal_tell_lost(&tick, NULL, diag);
        err = err ? err : watch_floor(&tick, diag);
    }
    if (!err) {
        let_sweep(&tick);
    }
    return err;
}
