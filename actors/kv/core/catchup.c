/* Ticks. */
#include "actors/kv/core/catchup.h"

#include "actors/kv/core/batch.h"
#include "actors/kv/core/keys.h"
#include "actors/kv/core/parcel.h"
#include "actors/kv/core/route.h"
#include "actors/kv/core/serve.h"
#include "actors/kv/core/site.h"
#include "actors/kv/core/sweep.h"
#include "actors/kv/core/text.h"

struct tick {
    const struct dkv_env *env;
    const struct dkv_config *config;
    const struct dkv_group *group;
    dkv_mono_ms start;
    bool told_truncated; /* once a tick is enough */
    bool told_not_held;
    bool sibling; /* another host of this site answers what is asked of others */
};

/* An origin of which others have more. */
struct lacking {
    dkv_origin origin;
    uint16_t home; /* the site to ask: its own one, or the one without gaps, or any */
    uint64_t home_high;
    uint64_t prefix; /* the highest of the others' */
    bool own;        /* @home is the origin's own site */
    bool whole;      /* @home has cut off nothing that is wanted */
    bool done;       /* for this tick */
};

static bool time_is_up(const struct tick *tick)
{
    return tick->env->mono(tick->env->arg) - tick->start >= DKV_TICK_MS_MAX;
}

/* One line of an event that has to do with an origin. */
static void tell(const struct tick *tick, enum dkv_log_level level, struct hr_str what,
                 dkv_origin origin, const char *reason)
{
    char digits[16];
    struct hr_diag line;
    dkv_text_hex(digits, origin, sizeof digits);
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event="), what, HR_STR(" origin="),
                       hr_str_of(digits, sizeof digits), HR_STR(" reason=\""), hr_str_c(reason),
                       HR_STR("\""))); /* only put together here */
    tick->env->log(tick->env->arg, level, hr_str_c(line.text));
}

/* --- what is missing ---------------------------------------------------------------------------------- */

/* Lists of what sites hold, this one's first. */
struct holdings {
    struct dkv_have *lists;
    size_t count;
};

/* Reads the others' lists out of @replies. ret_sibling: another host of this site is among those who sent
 * them. */
static void take_lists(const struct tick *tick, const struct dkv_message *replies, size_t count,
                       struct hr_arena *arena, struct holdings *holdings, bool *ret_sibling)
{
    holdings->count = 1;
    for (size_t i = 0; i < count; i++) {
        struct dkv_have *have = &holdings->lists[holdings->count];
        struct hr_diag why;
        if (dkv_have_decode(replies[i].body, arena, have, &why)) {
            tell(tick, DKV_LOG_WARN, HR_STR("bad-have"), 0, why.text);
        } else if (have->site == tick->config->site_id) {
            *ret_sibling = true;
        } else if (dkv_group_find(tick->group, have->site)) {
            holdings->count++;
        }
    }
}

/* Asks until @want have answered, or the time is up. */
static enum hr_err ask_others(const struct tick *tick, dkv_origin after, uint32_t want,
                              struct hr_arena *arena, struct holdings *ret_holdings,
                              bool *ret_sibling, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    struct dkv_message *replies = NULL;
    size_t count = 0;
    struct hr_str body;
    struct hr_str subject =
        dkv_route_subject(DKV_ROUTE_HAVE, tick->config, (struct hr_str){0}, arena);
    enum hr_err err = subject.ptr ? dkv_ask_encode(after, arena, &body) : HR_NO_MEMORY;
    if (!err) {
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
    take_lists(tick, replies, count, arena, ret_holdings, ret_sibling);
    return HR_OK;
}

static enum hr_err ask(struct tick *tick, dkv_origin after, struct hr_arena *arena,
                       struct holdings *ret_holdings, struct hr_diag *diag)
{
    struct holdings holdings = {0};
    bool expected = tick->sibling;
    uint32_t want = (uint32_t)tick->group->alive;
    enum hr_err err =
        ask_others(tick, after, want + expected, arena, &holdings, &tick->sibling, diag);
    if (!err && tick->sibling && !expected) {
        /* It has taken another site's place: once more, with room for both. */
        err = ask_others(tick, after, want + 1, arena, &holdings, &tick->sibling, diag);
    }
    if (!err) {
        /* This site's after the others', so that what has come meanwhile is not asked for. */
        err = dkv_serve_read(tick->env, tick->config, after, arena, &holdings.lists[0], diag);
    }
    if (!err) {
        *ret_holdings = holdings;
    }
    return err;
}

/* The row of @origin, from @at on; rows and origins come in their order. */
static const struct dkv_have_row *row_of(const struct dkv_have *have, size_t *at, dkv_origin origin)
{
    while (*at < have->count && have->rows[*at].origin < origin) {
        ++*at;
    }
    return *at < have->count && have->rows[*at].origin == origin ? &have->rows[*at] : NULL;
}

static bool is_alive(const struct tick *tick, uint16_t site)
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
static void weigh(const struct tick *tick, struct lacking *lacking, const struct dkv_have *have,
                  const struct dkv_have_row *row, uint64_t mine)
{
    bool own = dkv_origin_site(row->origin) == have->site;
    bool whole = row->trunc_below - 1 <= mine;
    unsigned char coin;
    bool better = lacking->home == 0 || whole > lacking->whole || (own && whole == lacking->whole);
    if (!better && whole < lacking->whole) {
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
        lacking->own = own;
        lacking->whole = whole;
    }
    lacking->prefix = row->prefix > lacking->prefix ? row->prefix : lacking->prefix;
}

/* What a site has that this one lacks. */
static void compare(const struct tick *tick, const struct dkv_have *mine,
                    const struct dkv_have *theirs, struct lacking *list, size_t *count)
{
    size_t at = 0;
    if (!is_alive(tick, theirs->site)) {
        return;
    }
    for (size_t i = 0; i < theirs->count; i++) {
        const struct dkv_have_row *row = &theirs->rows[i];
        const struct dkv_have_row *own = row_of(mine, &at, row->origin);
        uint64_t prefix = own ? own->prefix : 0;
        bool past_page = mine->more && mine->count > 0 && !own &&
                         row->origin > mine->rows[mine->count - 1].origin;
        if (row->high <= prefix || past_page || row->origin == mine->origin) {
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

static enum hr_err read_gap(const struct tick *tick, dkv_origin origin, struct hr_arena *arena,
                            struct gap *ret_gap, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    struct gap gap = {.progress = {.trunc_below = 1}, .end = UINT64_MAX};
    struct dkv_value value;
    struct dkv_page page;
    struct hr_str key = dkv_key_progress(arena, origin);
    enum hr_err err =
        key.ptr ? env->get_many(env->arg, &key, 1, arena, &value, diag) : HR_NO_MEMORY;
    if (!err && value.present) {
        err = dkv_progress_decode(value.bytes, &gap.progress, diag);
    }
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

/* Hands changes to the lane that applies them. ret_held: all of them are here now. */
static enum hr_err hand_over(const struct tick *tick, struct hr_str parcel, struct hr_arena *arena,
                             bool *ret_held, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    struct dkv_ack ack;
    struct hr_str reply;
    struct hr_str subject =
        dkv_route_subject(DKV_ROUTE_APPLY, tick->config, (struct hr_str){0}, arena);
    enum hr_err err = subject.ptr ? env->request(env->arg, subject, parcel, DKV_APPLY_TIMEOUT_MS,
                                                 arena, &reply, diag)
                                  : HR_NO_MEMORY;
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

static enum hr_err fetch(const struct tick *tick, const struct lacking *lacking,
                         const struct dkv_pull *pull, struct hr_arena *arena,
                         struct dkv_log *ret_log, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    const struct dkv_peer *peer = dkv_group_find(tick->group, lacking->home);
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

static void tell_truncated(struct tick *tick, dkv_origin origin)
{
    if (!tick->told_truncated) {
        tick->told_truncated = true;
        tell(tick, DKV_LOG_ERROR, HR_STR("changes-gone"), origin,
             "the others have cut off changes that this site lacks; it stays behind");
    }
}

/* One piece. ret_more: there may be others after it. */
static enum hr_err pull_piece(struct tick *tick, const struct lacking *lacking,
                              struct dkv_pull *pull, struct hr_arena *arena, bool *ret_more,
                              struct hr_diag *diag)
{
    struct dkv_log log;
    bool held = false;
    enum hr_err err = fetch(tick, lacking, pull, arena, &log, diag);
    *ret_more = false;
    if (!err && log.truncated) {
        tell_truncated(tick, lacking->origin);
        return HR_OK;
    }
    if (err || log.number <= pull->after) {
        return err;
    }
    err = hand_over(tick, log.changes, arena, &held, diag);
    if (!err && !held && !tick->told_not_held) {
        tick->told_not_held = true;
        tell(tick, DKV_LOG_WARN, HR_STR("not-held"), lacking->origin,
             "changes were pulled that cannot be applied, or not yet: see the clocks");
    }
    if (!err && held) {
        pull->after = log.number;
        *ret_more = log.more;
    }
    return err;
}

/* The change that is there already, so that v/ goes on over it. */
static enum hr_err nudge(const struct tick *tick, struct hr_str change, struct hr_arena *arena,
                         struct hr_diag *diag)
{
    struct hr_str body;
    bool held;
    const struct dkv_parcel parcel = {.changes = &change, .count = 1};
    enum hr_err err = dkv_parcel_encode(&parcel, arena, &body);
    return err ? err : hand_over(tick, body, arena, &held, diag);
}

/* A few pieces of one origin. Returns whether this site got further. */
static bool pull_some(struct tick *tick, struct lacking *lacking)
{
    struct gap gap;
    struct hr_diag diag = {0};
    struct hr_arena arena;
    bool more = true;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = read_gap(tick, lacking->origin, &arena, &gap, &diag);
    if (!err && gap.end == 0) {
        err = nudge(tick, gap.first, &arena, &diag);
        more = false;
    } else if (!err) {
        /* Where all have a gap, whatever comes after it is wanted too. The origin's own site may have
         * it as well: its store may have lost what it had told. */
        bool closable = lacking->prefix > gap.progress.prefix;
        uint64_t upto = closable && gap.end < lacking->home_high ? gap.end : lacking->home_high;
        struct dkv_pull pull = {lacking->origin, gap.progress.prefix, upto};
        more = upto > pull.after;
        for (unsigned i = 0; !err && more && i < DKV_PULL_PIECES_MAX && !time_is_up(tick); i++) {
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
        tell(tick, DKV_LOG_DEBUG, HR_STR("pull-failed"), lacking->origin, diag.text);
    }
    hr_arena_release(&arena);
    return further;
}

/* Everybody's turn again and again, until nobody gets further. */
static void pull_all(struct tick *tick, struct lacking *list, size_t count)
{
    bool further = true;
    while (further && !time_is_up(tick)) {
        further = false;
        for (size_t i = 0; i < count && !time_is_up(tick); i++) {
            list[i].done = list[i].done || !pull_some(tick, &list[i]);
            further = further || !list[i].done;
        }
    }
}

/* If others have more of this incarnation than its store, the store has lost the newest changes: they
 * would be made again, different ones under their numbers. */
static enum hr_err watch_tail(const struct tick *tick, const struct holdings *holdings,
                              struct hr_arena *arena, struct hr_diag *diag)
{
    const struct dkv_have *mine = &holdings->lists[0];
    struct dkv_site site;
    uint64_t high = 0;
    for (size_t i = 1; i < holdings->count; i++) {
        size_t at = 0;
        const struct dkv_have_row *row = row_of(&holdings->lists[i], &at, mine->origin);
        high = row && row->high > high ? row->high : high;
    }
    enum hr_err err = dkv_site_open(tick->env, tick->config, arena, &site, diag);
    if (err || site.ctr.origin != mine->origin || high <= site.ctr.seq) {
        return err;
    }
    tell(tick, DKV_LOG_ERROR, HR_STR("tail-lost"), mine->origin,
         "other sites hold changes of this one that its store has lost; it goes on as a new one");
    return dkv_site_renew(tick->env, tick->config, mine->origin, arena, diag);
}

/* The last origin that all lists go up to; UINT64_MAX if none ends early. */
static dkv_origin page_end(const struct holdings *holdings)
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

/* One page of everybody's lists. ret_after: where the next one begins; UINT64_MAX: there is none. */
static enum hr_err catch_up(struct tick *tick, dkv_origin after, dkv_origin *ret_after,
                            struct hr_diag *diag)
{
    struct hr_arena arena;
    struct holdings holdings;
    size_t count = 0;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    struct lacking *list = hr_arena_alloc(&arena, DKV_LACKING_MAX * sizeof *list);
    enum hr_err err = list ? ask(tick, after, &arena, &holdings, diag) : HR_NO_MEMORY;
    if (!err) {
        err = watch_tail(tick, &holdings, &arena, diag);
    }
    if (!err) {
        for (size_t i = 1; i < holdings.count; i++) {
            compare(tick, &holdings.lists[0], &holdings.lists[i], list, &count);
        }
        pull_all(tick, list, count);
        *ret_after = page_end(&holdings);
    }
    hr_arena_release(&arena);
    return err;
}

/* --- the rest ----------------------------------------------------------------------------------------- */

/* Empty messages to the lane, each followed by a little of the sweep, as long as it has something to do. */
static void let_sweep(const struct tick *tick)
{
    struct hr_diag diag = {0};
    bool more = true;
    uint32_t before = 0;
    for (unsigned i = 0; more && i < DKV_TICK_ROUNDS_MAX && !time_is_up(tick); i++) {
        uint32_t mark;
        struct hr_arena arena;
        struct hr_str body;
        const struct dkv_parcel parcel = {.count = 0};
        bool held;
        hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
        enum hr_err err = dkv_sweep_waits(tick->env, &arena, &more, &mark, &diag);
        if (!err && i > 0 && mark == before) {
            more = false; /* something is in its way, which is logged */
        }
        before = err ? 0 : mark;
        if (!err && more) {
            err = dkv_parcel_encode(&parcel, &arena, &body);
        }
        if (!err && more) {
            err = hand_over(tick, body, &arena, &held, &diag);
        }
        if (err) {
            tell(tick, DKV_LOG_DEBUG, HR_STR("sweep-not-asked"), 0, diag.text);
            more = false;
        }
        hr_arena_release(&arena);
    }
}

static enum hr_err boot(const struct tick *tick, struct hr_diag *diag)
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
    struct tick tick = {.env = env, .config = config, .group = group, .start = env->mono(env->arg)};
    dkv_origin after = group->alive > 0 ? 0 : UINT64_MAX;
    enum hr_err err = boot(&tick, diag);
    if (group->id_taken) {
        env->log(env->arg, DKV_LOG_ERROR,
                 HR_STR("event=site-id-taken reason=\"another site has this one's id\""));
    }
    while (!err && after != UINT64_MAX && !time_is_up(&tick)) {
        err = catch_up(&tick, after, &after, diag);
    }
    if (!err) {
        let_sweep(&tick);
    }
    return err;
}
