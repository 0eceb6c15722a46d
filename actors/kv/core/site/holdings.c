/* Questions to the others and their answers. */
#include "actors/kv/core/site/holdings.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/site/route.h"
#include "actors/kv/core/site/serve.h"
#include "actors/kv/core/site/site.h"

/* Of a site that is back, what it made before it was taken out of the group counts as nothing: the members have
 * what counts of that. */
static void strip(const struct dkv_fences *fences, struct dkv_have *have)
{
    uint64_t removed = dkv_fence_of(fences, have->site).removed;
    for (size_t i = 0; i < have->count; i++) {
        struct dkv_have_row *row = &have->rows[i];
        if (dkv_origin_site(row->origin) == have->site &&
            dkv_inc_is_out(dkv_origin_inc(row->origin), removed)) {
            *row = (struct dkv_have_row){.origin = row->origin, .trunc_below = 1};
        }
    }
}

static bool has_list(const struct dkv_holdings *holdings, uint16_t site)
{
    for (size_t i = 1; i < holdings->count; i++) {
        if (holdings->lists[i].site == site) {
            return true;
        }
    }
    return false;
}

/* Reads the others' lists of origins after @after out of @replies. ret_sibling: another host of this site is among those who sent
 * them. */
static void take_lists(const struct dkv_tick *tick, dkv_origin after,
                       const struct dkv_message *replies, size_t count, struct hr_arena *arena,
                       struct dkv_holdings *holdings, bool *ret_sibling)
{
    holdings->count = 1;
    for (size_t i = 0; i < count; i++) {
        struct dkv_have *have = &holdings->lists[holdings->count];
        struct hr_diag why;
        if (dkv_have_decode(replies[i].body, arena, have, &why)) {
            dkv_tick_tell(tick, DKV_LOG_WARN, HR_STR("bad-have"), 0, why.text);
        } else if (!dkv_have_follows(have, after)) {
            dkv_tick_tell(tick, DKV_LOG_WARN, HR_STR("bad-have"), have->origin,
                          "an answer to another question");
        } else if (have->site == tick->config->site_id) {
            *ret_sibling = true;
        } else if (dkv_group_find(tick->group, have->site) && !has_list(holdings, have->site) &&
                   !dkv_fence_is_store_out(&holdings->fences, have->site, have->begun)) {
            strip(&holdings->fences, have);
            holdings->count++;
        }
    }
}

/* How much longer the tick may last, as all have answered after @took. */
static dkv_mono_ms extra_for(dkv_mono_ms took)
{
    dkv_mono_ms extra = took * DKV_TICK_QUESTIONS;
    dkv_mono_ms usual = DKV_TICK_MS_MAX;
    extra = extra > usual ? extra - usual : 0;
    return extra < DKV_TICK_EXTRA_MS_MAX ? extra : DKV_TICK_EXTRA_MS_MAX;
}

/* Asks until @want have answered, or the time is up. */
static enum hr_err ask_others(const struct dkv_tick *tick, const struct dkv_ask *ask, uint32_t want,
                              struct hr_arena *arena, struct dkv_holdings *ret_holdings,
                              bool *ret_sibling, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    struct dkv_message *replies = NULL;
    size_t count = 0;
    struct hr_str body;
    struct hr_str subject =
        dkv_route_subject(DKV_ROUTE_HAVE, tick->config, (struct hr_str){0}, arena);
    enum hr_err err = subject.ptr ? dkv_ask_encode(ask, arena, &body) : HR_NO_MEMORY;
    if (!err && want > 0) {
        err = env->gather(env->arg, subject, body, want, DKV_HAVE_TIMEOUT_MS, arena, &replies,
                          &count, diag);
    }
    if (err) {
        return err;
    }
    ret_holdings->lists = hr_arena_alloc(arena, (count + 1) * sizeof *ret_holdings->lists);
    if (!ret_holdings->lists) {
        return HR_NO_MEMORY;
    }
    take_lists(tick, ask->after, replies, count, arena, ret_holdings, ret_sibling);
    return HR_OK;
}

enum hr_err dkv_holdings_ask(struct dkv_tick *tick, dkv_origin after, struct hr_arena *arena,
                             struct dkv_holdings *ret_holdings, struct hr_diag *diag)
{
    struct dkv_holdings holdings = {.after = after};
    struct dkv_site site;
    bool expected = tick->sibling;
    uint32_t want = (uint32_t)tick->group->alive;
    enum hr_err err = dkv_site_open(tick->env, tick->config, arena, &site, diag);
    if (!err) {
        err = dkv_fence_read(tick->env, arena, &holdings.fences, diag);
    }
    if (err) {
        return err;
    }
    const struct dkv_ask ask = {site.ctr.origin, site.since, site.state, after};
    holdings.asked_as = tick->asked_as = site.ctr.origin;
    tick->fences = holdings.fences;
    dkv_mono_ms start = tick->env->mono(tick->env->arg);
    err = ask_others(tick, &ask, want + expected, arena, &holdings, &tick->sibling, diag);
    if (!err && tick->sibling && !expected) {
        /* It has taken another site's place: once more, with room for both. */
        start = tick->env->mono(tick->env->arg);
        err = ask_others(tick, &ask, want + 1, arena, &holdings, &tick->sibling, diag);
    }
    if (!err && holdings.count > want) {
        tick->extra = extra_for(tick->env->mono(tick->env->arg) - start);
    }
    if (!err) {
        /* This site's after the others', so that what has come meanwhile is not asked for. */
        err = dkv_serve_read(tick->env, tick->config, after, 0, arena, &holdings.lists[0], diag);
    }
    if (!err) {
        err = dkv_floor_now(tick->env, arena, &holdings.floor, diag);
    }
    if (!err) {
        *ret_holdings = holdings;
    }
    return err;
}

enum hr_err dkv_holdings_fence(struct dkv_tick *tick, struct dkv_holdings *holdings,
                               struct hr_arena *arena, struct hr_diag *diag)
{
    size_t kept = 1;
    enum hr_err err = dkv_fence_read(tick->env, arena, &holdings->fences, diag);
    for (size_t i = 1; !err && i < holdings->count; i++) {
        struct dkv_have *have = &holdings->lists[i];
        if (!dkv_fence_is_store_out(&holdings->fences, have->site, have->begun)) {
            strip(&holdings->fences, have);
            holdings->lists[kept++] = *have;
        }
    }
    if (!err) {
        tick->fences = holdings->fences;
        holdings->count = kept;
    }
    return err;
}

enum hr_err dkv_holdings_active(const struct dkv_holdings *holdings, struct hr_arena *arena,
                                struct dkv_holdings *ret_active)
{
    struct dkv_holdings active = *holdings;
    active.lists = hr_arena_alloc(arena, holdings->count * sizeof *active.lists);
    if (!active.lists) {
        return HR_NO_MEMORY;
    }
    active.count = 0;
    for (size_t i = 0; i < holdings->count; i++) {
        if (i == 0 || holdings->lists[i].state == DKV_SITE_ACTIVE) {
            active.lists[active.count++] = holdings->lists[i];
        }
    }
    *ret_active = active;
    return HR_OK;
}

/* The row of @origin, from @at on; rows and origins come in their order. */
const struct dkv_have_row *dkv_holdings_row(const struct dkv_have *have, size_t *at,
                                            dkv_origin origin)
{
    while (*at < have->count && have->rows[*at].origin < origin) {
        ++*at;
    }
    return *at < have->count && have->rows[*at].origin == origin ? &have->rows[*at] : NULL;
}

const struct dkv_have *dkv_holdings_of(const struct dkv_holdings *holdings, uint16_t site)
{
    for (size_t i = 0; i < holdings->count; i++) {
        if (holdings->lists[i].site == site) {
            return &holdings->lists[i];
        }
    }
    return NULL;
}

bool dkv_holdings_complete(const struct dkv_holdings *holdings, const struct dkv_cfg *cfg)
{
    for (size_t i = 0; i < holdings->count; i++) {
        if (holdings->lists[i].more) {
            return false;
        }
    }
    return dkv_holdings_answered(holdings, cfg);
}

bool dkv_holdings_answered(const struct dkv_holdings *holdings, const struct dkv_cfg *cfg)
{
    for (size_t i = 0; i < cfg->member_count; i++) {
        if (!dkv_fence_is_out(&holdings->fences, cfg->members[i]) &&
            !dkv_holdings_of(holdings, cfg->members[i])) {
            return false;
        }
    }
    return true;
}

bool dkv_holdings_retired(const struct dkv_holdings *holdings, const struct dkv_have_row *row)
{
    return dkv_floor_retired(&holdings->floor, row->origin);
}

static bool says_out(const struct dkv_have *have, dkv_origin origin)
{
    return dkv_inc_is_out(dkv_origin_inc(origin),
                          dkv_have_removed(have, dkv_origin_site(origin)).inc);
}

bool dkv_holdings_out(const struct dkv_holdings *holdings, dkv_origin origin)
{
    for (size_t i = 0; i < holdings->count; i++) {
        if (says_out(&holdings->lists[i], origin)) {
            return true;
        }
    }
    return false;
}

bool dkv_holdings_out_for_all(const struct dkv_holdings *holdings, dkv_origin origin)
{
    for (size_t i = 0; i < holdings->count; i++) {
        const struct dkv_have *have = &holdings->lists[i];
        if (have->site != dkv_origin_site(origin) && !says_out(have, origin)) {
            return false;
        }
    }
    return true;
}

dkv_origin dkv_holdings_end(const struct dkv_holdings *holdings)
{
    dkv_origin end = UINT64_MAX;
    for (size_t i = 0; i < holdings->count; i++) {
        const struct dkv_have *have = &holdings->lists[i];
        if (have->more && have->rows[have->count - 1].origin < end) {
            end = have->rows[have->count - 1].origin;
        }
    }
    return end;
}
