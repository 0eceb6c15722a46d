/* From what is missing to who is asked for it, and from there to the lane. */
#include "actors/kv/core/replicate/pull.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/replicate/donor.h"
#include "actors/kv/core/site/route.h"

/* What a site is good for. Who has cut off what is wanted is still better than who has the same gap: it shows that
 * somebody has had it. */
enum use { USE_BEYOND_GAP, USE_CUT_OFF, USE_WHOLE };

/* An origin of which others have more. */
struct lacking {
    dkv_origin origin;
    uint16_t home; /* the site to ask: its own one, or the one without gaps, or any */
    uint64_t home_high;
    uint64_t prefix; /* the highest of the others' */
    uint64_t cut;    /* @home's feed has nothing up to this */
    bool own;        /* @home is the origin's own site */
    enum use use;    /* of @home */
    bool done;       /* for this tick */
};

/* --- what is missing ---------------------------------------------------------------------------------- */

static bool is_alive(const struct dkv_tick *tick, uint16_t site)
{
    const struct dkv_peer *peer = dkv_group_find(tick->group, site);
    return peer && peer->alive;
}

static struct lacking *find_lacking(struct lacking *list, size_t count, dkv_origin origin)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].origin == origin) {
            return &list[i];
        }
    }
    return NULL;
}

/* Weighs the site of @have as the one to ask. */
static void weigh(const struct dkv_tick *tick, struct lacking *lacking, const struct dkv_have *have,
                  const struct dkv_have_row *row, uint64_t mine)
{
    bool own = dkv_origin_site(row->origin) == have->site;
    enum use use = row->prefix <= mine           ? USE_BEYOND_GAP
                   : row->trunc_below - 1 > mine ? USE_CUT_OFF
                                                 : USE_WHOLE;
    unsigned char coin;
    bool better = lacking->home == 0 || use > lacking->use || (own && use == lacking->use);
    if (!better && use < lacking->use) {
        better = false;
    } else if (!better && !lacking->own && row->prefix != lacking->prefix) {
        better = row->prefix > lacking->prefix;
    } else if (!better && !lacking->own && row->prefix <= mine) {
        /* All have the gap: one of them may have what another has not. */
        tick->env->random(tick->env->arg, &coin, 1);
        better = (coin & 1) == 1;
    } else if (!better && !lacking->own) {
        better = row->high > lacking->home_high;
    }
    if (better) {
        lacking->home = have->site;
        lacking->home_high = row->high;
        lacking->cut = row->trunc_below - 1;
        lacking->own = own;
        lacking->use = use;
    }
    lacking->prefix = row->prefix > lacking->prefix ? row->prefix : lacking->prefix;
}

/* What a site has that this one lacks. */
static void compare(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                    const struct dkv_have *theirs, struct lacking *list, size_t *count)
{
    const struct dkv_have *mine = &holdings->lists[0];
    size_t at = 0;
    if (!is_alive(tick, theirs->site)) {
        return;
    }
    for (size_t i = 0; i < theirs->count; i++) {
        const struct dkv_have_row *row = &theirs->rows[i];
        const struct dkv_have_row *own = dkv_holdings_row(mine, &at, row->origin);
        uint64_t prefix = own ? own->prefix : 0;
        bool past_page = mine->more && mine->count > 0 && !own &&
                         row->origin > mine->rows[mine->count - 1].origin;
        bool retired = !own && dkv_floor_retired(&holdings->floor, row->origin);
        if (row->high <= prefix || past_page || retired || row->origin == mine->origin) {
            continue;
        }
        struct lacking *lacking = find_lacking(list, *count, row->origin);
        if (!lacking && *count < DKV_LACKING_MAX) {
            lacking = &list[(*count)++];
            *lacking = (struct lacking){.origin = row->origin};
        }
        if (lacking) {
            weigh(tick, lacking, theirs, row, prefix);
        }
    }
}

/* --- pulling ------------------------------------------------------------------------------------------ */

/* What this site holds of an origin, and the first change that it lacks and the last before one that it
 * has. */
struct gap {
    struct dkv_progress progress;
    uint64_t end;        /* the last that is missing; 0: not even the first one is */
    struct hr_str first; /* then: the change that is there, though v/ does not count it */
};

enum hr_err dkv_pull_progress(const struct dkv_tick *tick, dkv_origin origin,
                              struct hr_arena *arena, struct dkv_value *ret_value,
                              struct dkv_progress *ret_progress, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    struct hr_str key = dkv_key_progress(arena, origin);
    enum hr_err err =
        key.ptr ? env->get_many(env->arg, &key, 1, arena, ret_value, diag) : HR_NO_MEMORY;
    *ret_progress = (struct dkv_progress){.trunc_below = 1};
    return err || !ret_value->present ? err
                                      : dkv_progress_decode(ret_value->bytes, ret_progress, diag);
}

static enum hr_err read_gap(const struct dkv_tick *tick, dkv_origin origin, struct hr_arena *arena,
                            struct gap *ret_gap, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    struct gap gap = {.end = UINT64_MAX};
    struct dkv_value value;
    struct dkv_page page;
    enum hr_err err = dkv_pull_progress(tick, origin, arena, &value, &gap.progress, diag);
    if (!err && gap.progress.high > gap.progress.prefix) {
        struct hr_str name = dkv_key_change(arena, origin, gap.progress.prefix);
        dkv_origin there;
        uint64_t seq;
        err = name.ptr ? env->scan(env->arg, hr_str_of(name.ptr, DKV_CHANGE_ORIGIN_BYTES), name, 1,
                                   arena, &page, diag)
                       : HR_NO_MEMORY;
        if (!err && page.count > 0 && dkv_key_change_parse(page.pairs[0].key, &there, &seq)) {
            gap.end = seq == gap.progress.prefix + 1 ? 0 : seq - 1;
            gap.first = page.pairs[0].value;
        }
    }
    if (!err) {
        *ret_gap = gap;
    }
    return err;
}

enum hr_err dkv_pull_apply(const struct dkv_tick *tick, dkv_origin origin, struct hr_str parcel,
                           struct hr_arena *arena, bool *ret_held, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    const struct dkv_pulled pulled = {.asked_as = tick->asked_as,
                                      .heard_inc =
                                          dkv_fence_of(&tick->fences, dkv_origin_site(origin)).inc,
                                      .changes = parcel};
    struct dkv_ack ack;
    struct hr_str body;
    struct hr_str reply;
    struct hr_str subject =
        dkv_route_subject(DKV_ROUTE_APPLY, tick->config, (struct hr_str){0}, arena);
    enum hr_err err = subject.ptr ? dkv_pulled_encode(&pulled, arena, &body) : HR_NO_MEMORY;
    if (!err) {
        err = env->request(env->arg, subject, body, DKV_APPLY_TIMEOUT_MS, arena, &reply, diag);
    }
    if (!err) {
        err = dkv_ack_decode(reply, &ack, diag);
    }
    if (!err) {
        *ret_held = true;
        for (size_t i = 0; i < ack.count; i++) {
            *ret_held = *ret_held && ack.held[i];
        }
    }
    return err;
}

static enum hr_err fetch(const struct dkv_tick *tick, uint16_t home, const struct dkv_pull *pull,
                         struct hr_arena *arena, struct dkv_log *ret_log, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    const struct dkv_peer *peer = dkv_group_find(tick->group, home);
    struct hr_str body;
    struct hr_str reply;
    struct hr_str subject = peer ? dkv_route_subject(DKV_ROUTE_LOG, tick->config, peer->name, arena)
                                 : (struct hr_str){0};
    enum hr_err err = subject.ptr ? dkv_pull_encode(pull, arena, &body) : HR_NO_MEMORY;
    if (!err) {
        err = env->request(env->arg, subject, body, DKV_PULL_TIMEOUT_MS, arena, &reply, diag);
    }
    return err ? err : dkv_log_decode(reply, ret_log, diag);
}

static void lose(struct dkv_tick *tick, dkv_origin origin, const char *why)
{
    if (!tick->lost) {
        tick->lost = why;
        dkv_tick_tell(tick, DKV_LOG_WARN, HR_STR("state-lost"), origin, why);
    }
}

/* One piece. ret_more: there may be others after it. */
static enum hr_err pull_piece(struct dkv_tick *tick, const struct lacking *lacking,
                              struct dkv_pull *pull, struct hr_arena *arena, bool *ret_more,
                              struct hr_diag *diag)
{
    struct dkv_log log;
    bool held = false;
    enum hr_err err = fetch(tick, lacking->home, pull, arena, &log, diag);
    *ret_more = false;
    if (err || log.truncated || log.number <= pull->after) {
        return err; /* if it was cut off just now, the next tick knows */
    }
    err = dkv_pull_apply(tick, lacking->origin, log.changes, arena, &held, diag);
    if (!err && !held && !tick->told_not_held) {
        tick->told_not_held = true;
        dkv_tick_tell(tick, DKV_LOG_WARN, HR_STR("not-held"), lacking->origin,
                      "changes were pulled that cannot be applied, or not yet: see the clocks, or "
                      "a site has just been started");
    }
    if (!err && held) {
        pull->after = log.number;
        *ret_more = log.more;
    }
    return err;
}

enum hr_err dkv_pull_range(struct dkv_tick *tick, struct dkv_pull_range *range,
                           struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    struct hr_arena arena;
    bool stuck = false;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    range->whole = range->pull.after >= range->pull.upto;
    range->gone = false;
    range->silent = false;
    while (!err && !stuck && !range->whole && !range->gone && !dkv_tick_over(tick)) {
        struct dkv_log log;
        bool held = true;
        hr_arena_release(&arena);
        err = fetch(tick, range->site, &range->pull, &arena, &log, diag);
        range->silent = err != HR_OK;
        range->gone = !err && log.truncated;
        bool any = !err && !log.truncated && log.number > range->pull.after;
        if (any) {
            err = dkv_pull_apply(tick, range->pull.origin, log.changes, &arena, &held, diag);
        }
        if (!err && any && held) {
            range->pull.after = log.number;
        }
        stuck = !err && any && !held;
        range->whole = !err && !range->gone && !stuck &&
                       (!any || !log.more || range->pull.after >= range->pull.upto);
    }
    hr_arena_release(&arena);
    return err;
}

enum hr_err dkv_pull_from(struct dkv_tick *tick, uint16_t site, const struct dkv_pull *pull,
                          bool *ret_all, struct hr_diag *diag)
{
    struct dkv_pull_range range = {.site = site, .pull = *pull};
    enum hr_err err = dkv_pull_range(tick, &range, diag);
    *ret_all = !err && range.whole;
    return err;
}

/* The change that is there already, so that v/ goes on over it. */
static enum hr_err nudge(const struct dkv_tick *tick, dkv_origin origin, struct hr_str change,
                         struct hr_arena *arena, struct hr_diag *diag)
{
    struct hr_str body;
    bool held;
    const struct dkv_parcel parcel = {.changes = &change, .count = 1};
    enum hr_err err = dkv_parcel_encode(&parcel, arena, &body);
    return err ? err : dkv_pull_apply(tick, origin, body, arena, &held, diag);
}

/* A few pieces of one origin. Returns whether this site got further. */
static bool pull_some(struct dkv_tick *tick, struct lacking *lacking)
{
    struct gap gap;
    struct hr_diag diag = {0};
    struct hr_arena arena;
    bool more = true;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = read_gap(tick, lacking->origin, &arena, &gap, &diag);
    if (!err && lacking->use == USE_CUT_OFF && gap.progress.prefix < lacking->cut) {
        lose(tick, lacking->origin, "the others have cut off changes that this site lacks");
        more = false;
    } else if (!err && gap.end == 0) {
        err = nudge(tick, lacking->origin, gap.first, &arena, &diag);
        more = false;
    } else if (!err) {
        /* Where all have a gap, whatever comes after it is wanted too. The origin's own site may have
         * it as well: its store may have lost what it had told. */
        bool closable = lacking->prefix > gap.progress.prefix;
        uint64_t upto = closable && gap.end < lacking->home_high ? gap.end : lacking->home_high;
        struct dkv_pull pull = {lacking->origin, gap.progress.prefix, upto};
        more = upto > pull.after;
        for (unsigned i = 0; !err && more && i < DKV_PULL_PIECES_MAX && !dkv_tick_over(tick); i++) {
            hr_arena_release(&arena);
            err = pull_piece(tick, lacking, &pull, &arena, &more, &diag);
        }
    }
    bool further = false;
    if (!err) {
        uint64_t before = gap.progress.prefix;
        hr_arena_release(&arena);
        err = read_gap(tick, lacking->origin, &arena, &gap, &diag);
        further = !err && gap.progress.prefix > before;
    }
    if (err) {
        dkv_tick_tell(tick, DKV_LOG_DEBUG, HR_STR("pull-failed"), lacking->origin, diag.text);
    }
    hr_arena_release(&arena);
    return further;
}

/* Everybody's turn again and again, until nobody gets further. */
static void pull_listed(struct dkv_tick *tick, struct lacking *list, size_t count)
{
    bool further = true;
    while (further && !tick->lost && !dkv_tick_over(tick)) {
        further = false;
        for (size_t i = 0; i < count && !tick->lost && !dkv_tick_over(tick); i++) {
            list[i].done = list[i].done || !pull_some(tick, &list[i]);
            further = further || !list[i].done;
        }
    }
}

enum hr_err dkv_pull_all(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                         struct hr_arena *arena)
{
    size_t count = 0;
    struct hr_diag diag = {0};
    struct dkv_donors donors;
    enum hr_err err = dkv_donors_init(&donors, tick, holdings, false, arena, &diag);
    const struct dkv_have *uncounted = err ? NULL : dkv_donors_uncounted(&donors);
    struct lacking *list = hr_arena_alloc(arena, DKV_LACKING_MAX * sizeof *list);
    if (!list) {
        return HR_NO_MEMORY;
    }
    if (err) {
        dkv_tick_tell(tick, DKV_LOG_WARN, HR_STR("nothing-pulled"), 0, diag.text);
        return err == HR_NO_MEMORY ? err : HR_OK;
    }
    if (uncounted) {
        lose(tick, uncounted->origin, "a site's floor was worked out without this store");
        return HR_OK;
    }
    for (size_t i = 1; i < holdings->count; i++) {
        compare(tick, holdings, &holdings->lists[i], list, &count);
    }
    pull_listed(tick, list, count);
    return HR_OK;
}
