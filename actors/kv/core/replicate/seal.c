/* Finding, filling and sealing of older incarnations. */
#include "actors/kv/core/replicate/seal.h"

#include "actors/kv/core/format/change.h"
#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/replicate/lost.h"
#include "actors/kv/core/replicate/pull.h"
#include "actors/kv/core/site/site.h"

/* --- which ones --------------------------------------------------------------------------------------- */

/* The highest number of @origin that another site has. */
static uint64_t highest(const struct dkv_holdings *holdings, dkv_origin origin)
{
    uint64_t high = 0;
    for (size_t i = 1; i < holdings->count; i++) {
        size_t at = 0;
        const struct dkv_have_row *row = dkv_holdings_row(&holdings->lists[i], &at, origin);
        high = row && row->high > high ? row->high : high;
    }
    return high;
}

static bool is_listed(const dkv_origin *list, size_t count, dkv_origin origin)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == origin) {
            return true;
        }
    }
    return false;
}

/* Whether nothing is to be done about @origin. What is out has nobody who seals it, so every member fills its gaps, all
 * with the same. */
static bool is_done(const struct dkv_holdings *holdings, const struct dkv_have_row *row)
{
    size_t at = 0;
    const struct dkv_have_row *own = dkv_holdings_row(&holdings->lists[0], &at, row->origin);
    if (dkv_holdings_out(holdings, row->origin)) {
        return !own || own->prefix == own->high;
    }
    return own ? own->sealed && highest(holdings, row->origin) <= own->last
               : dkv_holdings_retired(holdings, row);
}

/* Incarnations that are over, and open here or longer elsewhere: this site's, and those that are out. */
static size_t find_open(const struct dkv_holdings *holdings, dkv_origin *list)
{
    const struct dkv_have *mine = &holdings->lists[0];
    dkv_origin end = dkv_holdings_end(holdings);
    size_t count = 0;
    for (size_t i = 0; i < holdings->count; i++) {
        for (size_t j = 0; j < holdings->lists[i].count && count < DKV_SEALS_MAX; j++) {
            const struct dkv_have_row *row = &holdings->lists[i].rows[j];
            bool own = dkv_origin_site(row->origin) == mine->site;
            bool over =
                row->high > 0 && row->origin <= end &&
                (own ? row->origin < holdings->asked_as : dkv_holdings_out(holdings, row->origin));
            if (over && !is_listed(list, count, row->origin) && !is_done(holdings, row)) {
                list[count++] = row->origin;
            }
        }
    }
    return count;
}

/* --- filling and sealing ------------------------------------------------------------------------------ */

/* One incarnation, as it is here now. */
struct end {
    struct dkv_tick *tick;
    dkv_origin origin;
    struct hr_arena *arena;
    struct dkv_value stored;
    struct dkv_progress progress;
    struct dkv_lost lost; /* what the host knows; not in @arena */
};

static enum hr_err reload(struct end *end, struct hr_diag *diag)
{
    hr_arena_release(end->arena);
    return dkv_pull_progress(end->tick, end->origin, end->arena, &end->stored, &end->progress,
                             diag);
}

/* Gets whatever anybody has. ret_all: that is here now. */
static enum hr_err collect(struct end *end, const struct dkv_holdings *holdings, bool *ret_all,
                           struct hr_diag *diag)
{
    *ret_all = true;
    for (size_t i = 1; *ret_all && i < holdings->count; i++) {
        size_t at = 0;
        struct hr_diag why;
        const struct dkv_have_row *row = dkv_holdings_row(&holdings->lists[i], &at, end->origin);
        if (!row || row->high <= end->progress.prefix) {
            continue;
        }
        const struct dkv_pull pull = {end->origin, end->progress.prefix, row->high};
        if (dkv_pull_from(end->tick, holdings->lists[i].site, &pull, ret_all, &why)) {
            dkv_tick_tell(end->tick, DKV_LOG_DEBUG, HR_STR("pull-failed"), end->origin, why.text);
            *ret_all = false;
        }
    }
    return reload(end, diag);
}

/* The number of the first change that is here beyond the prefix. */
static enum hr_err next_held(const struct end *end, uint64_t *ret_seq, struct hr_diag *diag)
{
    const struct dkv_env *env = end->tick->env;
    struct dkv_page page;
    dkv_origin origin;
    struct hr_str name = dkv_key_change(end->arena, end->origin, end->progress.prefix);
    enum hr_err err = name.ptr ? env->scan(env->arg, hr_str_of(name.ptr, DKV_CHANGE_ORIGIN_BYTES),
                                           name, 1, end->arena, &page, diag)
                               : HR_NO_MEMORY;
    if (!err && (page.count == 0 || !dkv_key_change_parse(page.pairs[0].key, &origin, ret_seq))) {
        err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("f/ lacks what v/ says is there"));
    }
    return err;
}

/* NOOPs for the numbers @first to @last, encoded. */
static enum hr_err encode_noops(const struct end *end, uint64_t first, uint64_t last,
                                struct hr_str *ret_body, struct hr_diag *diag)
{
    struct dkv_parcel parcel = {.count = 0};
    struct dkv_change change = {
        .op = DKV_CHANGE_NOOP,
        .stamp = {end->progress.hlc > 0 ? end->progress.hlc : 1, end->origin}};
    enum hr_err err = HR_OK;
    parcel.changes = hr_arena_alloc(end->arena, DKV_SEAL_NOOPS_MAX * sizeof *parcel.changes);
    if (!parcel.changes) {
        return HR_NO_MEMORY;
    }
    for (uint64_t seq = first; !err && seq <= last; seq++) {
        change.seq = seq;
        err = dkv_change_encode(&change, end->arena, &parcel.changes[parcel.count++], diag);
    }
    return err ? err : dkv_parcel_encode(&parcel, end->arena, ret_body);
}

/* A piece of the first gap. It is told before it is filled, so that it is not filled and left untold. */
static enum hr_err fill_some(struct end *end, struct hr_diag *diag)
{
    uint64_t first = end->progress.prefix + 1;
    uint64_t next;
    struct hr_str body;
    bool held;
    enum hr_err err = next_held(end, &next, diag);
    if (!err && next > first) {
        uint64_t last =
            next - first > DKV_SEAL_NOOPS_MAX ? first + DKV_SEAL_NOOPS_MAX - 1 : next - 1;
        dkv_lost_tell(end->tick, &end->lost, end->origin, first, last);
        err = encode_noops(end, first, last, &body, diag);
    } else if (!err) {
        /* It is there, and v/ has not gone on over it yet: nothing is missing before it. */
        return HR_AGAIN;
    }
    return err ? err : dkv_pull_apply(end->tick, end->origin, body, end->arena, &held, diag);
}

static enum hr_err fill(struct end *end, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    uint64_t before = UINT64_MAX;
    for (unsigned i = 0;
         !err && i < DKV_SEAL_FILLS_MAX && !dkv_tick_over(end->tick) &&
         end->progress.high > end->progress.prefix && end->progress.prefix != before;
         i++) {
        before = end->progress.prefix;
        err = fill_some(end, diag);
        err = err ? err : reload(end, diag);
    }
    return err == HR_AGAIN ? HR_OK : err;
}

/* Every commit checks m/ctr, so that what was read of the site goes with what was read of v/. */
static enum hr_err seal(struct end *end, struct hr_diag *diag)
{
    const struct dkv_env *env = end->tick->env;
    struct dkv_site site;
    struct dkv_pair pair = {.key = dkv_key_progress(end->arena, end->origin)};
    end->progress.sealed = true;
    end->progress.last = end->progress.prefix;
    enum hr_err err = pair.key.ptr ? dkv_site_open(env, end->tick->config, end->arena, &site, diag)
                                   : HR_NO_MEMORY;
    if (!err) {
        err = dkv_progress_encode(&end->progress, end->arena, &pair.value);
    }
    return err ? err : dkv_site_put(env, &site, end->stored, pair, end->arena, diag);
}

/* Whether all who may have something of @origin are known, and have answered. If this store was there during that
 * life it knows them; else somebody has to answer whose store was. Other stores may be new, too, and all of
 * them not know of one that is away. */
static bool knows_all(const struct dkv_holdings *holdings, dkv_origin origin, uint64_t since)
{
    uint64_t inc = dkv_origin_inc(origin);
    bool known = inc >= since;
    for (size_t i = 1; !known && i < holdings->count; i++) {
        uint64_t first = dkv_have_removed(&holdings->lists[i], dkv_origin_site(origin)).since;
        known = first > 0 && first <= inc;
    }
    return known;
}

/* Whether what is missing of @origin may be filled. */
static bool may_fill(const struct dkv_holdings *holdings, dkv_origin origin, uint64_t since)
{
    return dkv_holdings_out(holdings, origin) ? dkv_holdings_out_for_all(holdings, origin)
                                              : knows_all(holdings, origin, since);
}

/* All that can be got is here: fills and seals what it is. @filled: what is missing may be. */
static enum hr_err end_known(struct end *end, bool out, bool filled, struct hr_diag *diag)
{
    enum hr_err err = filled ? fill(end, diag) : HR_OK;
    bool whole = !err && end->progress.prefix > 0 && end->progress.prefix == end->progress.high;
    if (!err) {
        err = dkv_lost_settle(end->tick, &end->lost, end->origin, &end->progress, whole && filled,
                              diag);
    }
    if (!err && whole && !out &&
        !(end->progress.sealed && end->progress.last == end->progress.prefix)) {
        err = seal(end, diag);
    }
    return err;
}

/* @since: the incarnation that began this store. */
static enum hr_err end_origin(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                              dkv_origin origin, uint64_t since, struct hr_diag *diag)
{
    struct hr_arena arena;
    struct hr_arena known;
    struct end end = {.tick = tick, .origin = origin, .arena = &arena};
    bool all = false;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    hr_arena_init(&known, DKV_ARENA_BYTES_MAX);
    enum hr_err err = reload(&end, diag);
    if (!err) {
        err = collect(&end, holdings, &all, diag);
    }
    /* Who says that it has more than can be got from it is asked again later. */
    all = all && !err && end.progress.high >= highest(holdings, origin);
    if (!err && all) {
        err = dkv_lost_read(tick, &known, &end.lost, diag);
    }
    if (!err && all) {
        err = end_known(&end, dkv_holdings_out(holdings, origin), may_fill(holdings, origin, since),
                        diag);
    }
    hr_arena_release(&known);
    hr_arena_release(&arena);
    return err == HR_CONFLICT || err == HR_UNKNOWN_OUTCOME || err == HR_AGAIN ? HR_OK : err;
}

/* Whether nobody of @holdings has more of @origin than up to @last, and all who may have are among them and were asked after it
 * was over: what was under way before they take no more (fence.h). */
static bool nobody_has(const struct dkv_holdings *holdings, const struct dkv_site *site,
                       dkv_origin origin, uint64_t last)
{
    return dkv_holdings_answered(holdings, &site->cfg) && origin < holdings->asked_as &&
           origin > holdings->after && origin <= dkv_holdings_end(holdings) &&
           highest(holdings, origin) <= last && knows_all(holdings, origin, site->since);
}

/* Whether @origin may have left nothing though all of it is held: it is gathered up, or a site that is alone has cut it off. Its store must
 * have known it, or it is without a trace because it is lost. */
static bool may_be_forgotten(const struct dkv_holdings *holdings, const struct dkv_site *site,
                             dkv_origin origin, bool stored)
{
    return holdings ? dkv_floor_retired(&holdings->floor, origin)
                    : !stored && !site->grouped && dkv_origin_inc(origin) >= site->since;
}

/* Tells what is lost of @origin, if it is over: sealed, or without a trace in the store. What is not sealed yet is told when it is.
 * Of what is forgotten nobody can tell any more whether others have it. A site that is alone asks nobody. */
static enum hr_err tell_of(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                           const struct dkv_site *site, struct dkv_lost *lost, dkv_origin origin,
                           struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_value stored;
    struct dkv_progress progress;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_pull_progress(tick, origin, &arena, &stored, &progress, diag);
    bool ended = !err && (!stored.present || progress.sealed);
    hr_arena_release(&arena);
    bool forgotten = !err && may_be_forgotten(holdings, site, origin, stored.present);
    progress.prefix = forgotten ? UINT64_MAX : ended ? progress.last : 0;
    progress.high = progress.prefix;
    bool over = forgotten ||
                (ended && origin < site->ctr.origin &&
                 (holdings ? nobody_has(holdings, site, origin, progress.last) : !site->grouped));
    return over ? dkv_lost_settle(tick, lost, origin, &progress, true, diag) : err;
}

enum hr_err dkv_seal_tell_lost(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                               struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_lost lost = {0};
    struct dkv_site site;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_lost_read(tick, &arena, &lost, diag);
    if (!err && lost.count > 0) {
        err = dkv_site_open(tick->env, tick->config, &arena, &site, diag);
    }
    for (size_t i = 0; !err && i < lost.count; i++) {
        if (i == 0 || lost.rows[i].origin != lost.rows[i - 1].origin) {
            err = tell_of(tick, holdings, &site, &lost, lost.rows[i].origin, diag);
        }
    }
    hr_arena_release(&arena);
    return err == HR_AGAIN ? HR_OK : err;
}

enum hr_err dkv_seal_tell_last(const struct dkv_tick *tick, const struct dkv_floor *before,
                               const struct dkv_floor *next, struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_lost lost = {0};
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_lost_read(tick, &arena, &lost, diag);
    for (size_t i = 0; !err && i < lost.count; i++) {
        struct dkv_value stored;
        struct dkv_progress progress;
        dkv_origin origin = lost.rows[i].origin;
        bool first = i == 0 || origin != lost.rows[i - 1].origin;
        if (first && dkv_floor_retired(next, origin) && !dkv_floor_retired(before, origin)) {
            err = dkv_pull_progress(tick, origin, &arena, &stored, &progress, diag);
            err = err ? err : dkv_lost_settle(tick, &lost, origin, &progress, true, diag);
        }
    }
    hr_arena_release(&arena);
    return err;
}

enum hr_err dkv_seal_origins(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                             struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_site site;
    dkv_origin list[DKV_SEALS_MAX];
    size_t count = find_open(holdings, list);
    if (count == 0) {
        return HR_OK;
    }
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_site_open(tick->env, tick->config, &arena, &site, diag);
    bool fenced = !err && dkv_holdings_answered(holdings, &site.cfg);
    hr_arena_release(&arena);
    for (size_t i = 0; !err && fenced && i < count && !dkv_tick_over(tick); i++) {
        err = end_origin(tick, holdings, list[i], site.since, diag);
    }
    return err;
}
