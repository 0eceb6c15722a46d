/* Cutting of the feed. */
#include "actors/kv/core/site/feed.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/floor.h"

/* Check and write of another origin's v/. */
#define ORIGIN_OPS 2u
#define ENTRY_BYTES_MAX 256u
/* Origins that a cut looks at: in the order of names, so that it is the same ones each time, whose
 * entries are gone first then. */
#define ORIGINS_PER_PAGE 256u
#define ORIGIN_PAGES_MAX 4u

static bool too_long(const struct dkv_attempt *attempt, uint64_t slack)
{
    const struct dkv_tally *tally = &attempt->tally;
    return tally->feed_count > attempt->config->feed_max + slack ||
           tally->feed_bytes > DKV_FEED_BYTES_MAX;
}

/* The feed of an origin of an earlier boot begins after @seq now. */
static enum hr_err begin_after(struct dkv_attempt *attempt, dkv_origin origin, uint64_t seq,
                               struct hr_diag *diag)
{
    struct hr_str name = dkv_key_progress(attempt->arena, origin);
    struct dkv_value value;
    struct dkv_progress progress;
    struct hr_str bytes;
    enum hr_err err = dkv_txn_get(&attempt->txn, name, &value, diag);
    if (err || !value.present) {
        return err; /* an entry of an origin that is forgotten already just goes */
    }
    err = dkv_progress_decode(value.bytes, &progress, diag);
    if (err) {
        return err;
    }
    if (seq >= progress.prefix && !attempt->site.grouped) {
        return dkv_txn_delete(&attempt->txn, name);
    }
    /* What a state transfer has left of older entries is not in the feed any more (close.h). */
    progress.trunc_below = seq + 1 > progress.trunc_below ? seq + 1 : progress.trunc_below;
    err = dkv_progress_encode(&progress, attempt->arena, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, name, bytes);
}

static enum hr_err cut_one(struct dkv_attempt *attempt, const struct dkv_pair *pair,
                           dkv_origin origin, uint64_t seq, struct hr_diag *diag)
{
    struct dkv_tally *tally = &attempt->tally;
    size_t bytes = pair->key.len + pair->value.len;
    enum hr_err err = dkv_txn_delete(&attempt->txn, pair->key);
    if (err) {
        return err;
    }
    tally->feed_count -= tally->feed_count > 0;
    tally->feed_bytes -= bytes < tally->feed_bytes ? bytes : tally->feed_bytes;
    if (origin == attempt->ctr.origin) {
        attempt->progress.trunc_below = seq + 1;
        return HR_OK;
    }
    return begin_after(attempt, origin, seq, diag);
}

/* Where the cutting of a page has to end. */
struct end {
    uint64_t seq; /* the last that may go */
    dkv_hlc hlc;  /* the clock up to which they may */
};

static const struct end no_end = {UINT64_MAX, UINT64_MAX};

/* Whether @pair may go. One that cannot be read may: it is older than others that are to go. */
static bool before_end(struct dkv_attempt *attempt, const struct dkv_pair *pair, uint64_t seq,
                       const struct end *end)
{
    struct dkv_change change;
    struct hr_diag diag;
    if (seq > end->seq) {
        return false;
    }
    return end->hlc == UINT64_MAX ||
           dkv_change_decode(pair->value, attempt->arena, &change, &diag) ||
           change.stamp.hlc <= end->hlc;
}

/* Cuts from the front of @page while there is too much, with @ops operations at most, which it uses up. */
static enum hr_err cut_page(struct dkv_attempt *attempt, const struct dkv_page *page, size_t *ops,
                            const struct end *end, struct hr_diag *diag)
{
    dkv_origin last = attempt->ctr.origin;
    enum hr_err err = HR_OK;
    for (size_t i = 0; !err && i < page->count && too_long(attempt, 0); i++) {
        dkv_origin origin;
        uint64_t seq;
        if (!dkv_key_change_parse(page->pairs[i].key, &origin, &seq)) {
            attempt->env->log(attempt->env->arg, DKV_LOG_ERROR,
                              HR_STR("event=not-cut reason=\"f/ holds a name that is none\""));
            continue;
        }
        if (!before_end(attempt, &page->pairs[i], seq, end)) {
            break;
        }
        size_t cost = origin == last || origin == attempt->ctr.origin ? 1 : 1 + ORIGIN_OPS;
        if (cost > *ops) {
            break;
        }
        *ops -= cost;
        last = origin;
        err = cut_one(attempt, &page->pairs[i], origin, seq, diag);
    }
    return err;
}

/* An origin's entries that may be cut. */
struct stretch {
    dkv_origin origin;
    uint64_t first;
    uint64_t prefix;
    dkv_hlc hlc; /* of the first */
};

/* Reads the clock of the first entry. An entry that is missing or damaged is as old as can be, so that
 * it does not stay for ever. */
static enum hr_err read_first(struct dkv_attempt *attempt, struct stretch *stretch,
                              struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_change change;
    struct hr_str key = dkv_key_change(attempt->arena, stretch->origin, stretch->first);
    enum hr_err err =
        key.ptr ? attempt->env->get_many(attempt->env->arg, &key, 1, attempt->arena, &value, diag)
                : HR_NO_MEMORY;
    if (!err && value.present && !dkv_change_decode(value.bytes, attempt->arena, &change, diag)) {
        stretch->hlc = change.stamp.hlc;
    }
    return err;
}

/* Of the origins in @page, and @best and @limit so far: the one whose first entry is the oldest, and
 * the clock of the second oldest. */
static enum hr_err look_for_oldest(struct dkv_attempt *attempt, const struct dkv_page *page,
                                   struct stretch *best, dkv_hlc *limit, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; !err && i < page->count; i++) {
        struct dkv_progress progress;
        struct stretch stretch = {0};
        if (!dkv_key_progress_parse(page->pairs[i].key, &stretch.origin) ||
            dkv_progress_decode(page->pairs[i].value, &progress, diag) ||
            progress.trunc_below > progress.prefix) {
            continue; /* what is damaged is said where it is used */
        }
        stretch.first = progress.trunc_below;
        stretch.prefix = progress.prefix;
        err = read_first(attempt, &stretch, diag);
        if (!err && (best->first == 0 || stretch.hlc < best->hlc)) {
            *limit = best->first == 0 ? *limit : best->hlc;
            *best = stretch;
        } else if (!err && stretch.hlc < *limit) {
            *limit = stretch.hlc;
        }
    }
    return err;
}

/* In a group: cuts the origin whose first entry is the oldest. Those of @attempt's own commit are not
 * looked at. */
static enum hr_err cut_oldest(struct dkv_attempt *attempt, uint32_t limit, size_t *ops,
                              struct hr_diag *diag)
{
    const struct dkv_env *env = attempt->env;
    struct stretch best = {0};
    struct end end = no_end;
    struct hr_str after = {0};
    struct dkv_page page = {.more = true};
    enum hr_err err = HR_OK;
    for (unsigned i = 0; !err && page.more && i < ORIGIN_PAGES_MAX; i++) {
        err = env->scan(env->arg, DKV_KEYS_PROGRESS, after, ORIGINS_PER_PAGE, attempt->arena, &page,
                        diag);
        if (!err && page.count > 0) {
            after = page.pairs[page.count - 1].key;
            err = look_for_oldest(attempt, &page, &best, &end.hlc, diag);
        }
    }
    if (err || best.first == 0) {
        return err;
    }
    struct hr_str name = dkv_key_change(attempt->arena, best.origin, 0);
    if (!name.ptr) {
        return HR_NO_MEMORY;
    }
    end.seq = best.prefix;
    err = env->scan(env->arg, hr_str_of(name.ptr, DKV_CHANGE_ORIGIN_BYTES), (struct hr_str){0},
                    limit, attempt->arena, &page, diag);
    return err ? err : cut_page(attempt, &page, ops, &end, diag);
}

/* What the gathered up origins of one site have left in the feed. They have no v/. */
static enum hr_err cut_retired_of(struct dkv_attempt *attempt, const struct dkv_retired *retired,
                                  uint32_t limit, size_t *ops, struct hr_diag *diag)
{
    struct dkv_page page;
    dkv_origin last = dkv_origin_of(retired->site, retired->inc);
    struct hr_str name = dkv_key_change(attempt->arena, last, 0);
    if (!name.ptr) {
        return HR_NO_MEMORY;
    }
    enum hr_err err =
        attempt->env->scan(attempt->env->arg, hr_str_of(name.ptr, DKV_CHANGE_SITE_BYTES),
                           (struct hr_str){0}, limit, attempt->arena, &page, diag);
    for (size_t i = 0; !err && i < page.count; i++) {
        dkv_origin origin;
        uint64_t seq;
        if (dkv_key_change_parse(page.pairs[i].key, &origin, &seq) && origin > last) {
            page.count = i;
        }
    }
    return err ? err : cut_page(attempt, &page, ops, &no_end, diag);
}

/* In a group: first what is left of origins that everybody has gathered up, then the oldest. */
static enum hr_err cut_of_group(struct dkv_attempt *attempt, uint32_t limit, size_t ops,
                                struct hr_diag *diag)
{
    struct dkv_floor floor;
    enum hr_err err = dkv_floor_load(attempt, &floor, diag);
    for (size_t i = 0; !err && i < floor.retired_count && too_long(attempt, 0); i++) {
        err = cut_retired_of(attempt, &floor.retired[i], limit, &ops, diag);
    }
    return err || !too_long(attempt, 0) ? err : cut_oldest(attempt, limit, &ops, diag);
}

enum hr_err dkv_feed_cut(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    size_t ops;
    size_t bytes;
    struct dkv_page page;
    if (!too_long(attempt, DKV_FEED_SLACK)) {
        return HR_OK;
    }
    dkv_attempt_room(attempt, &ops, &bytes);
    ops += DKV_FEED_CUT_OPS(attempt->logged_count);
    bytes += DKV_FEED_CUT_OPS(attempt->logged_count) * ENTRY_BYTES_MAX;
    size_t count = bytes / ENTRY_BYTES_MAX < ops ? bytes / ENTRY_BYTES_MAX : ops;
    uint32_t limit = count < DKV_SCAN_LIMIT_MAX ? (uint32_t)count : DKV_SCAN_LIMIT_MAX;
    if (attempt->site.grouped) {
        return cut_of_group(attempt, limit, ops, diag);
    }
    enum hr_err err = attempt->env->scan(attempt->env->arg, DKV_KEYS_FEED, (struct hr_str){0},
                                         limit, attempt->arena, &page, diag);
    return err ? err : cut_page(attempt, &page, &ops, &no_end, diag);
}
