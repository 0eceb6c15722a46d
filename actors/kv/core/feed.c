/* Cutting of the feed. */
#include "actors/kv/core/feed.h"

#include "actors/kv/core/text.h"

/* Check and write of another origin's v/. */
#define ORIGIN_OPS 2u
#define ENTRY_BYTES_MAX 256u

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
    if (seq >= progress.prefix && attempt->config->sites == 1) {
        return dkv_txn_delete(&attempt->txn, name);
    }
    progress.trunc_below = seq + 1;
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

/* Cuts from the front of @page while there is too much, with @ops operations at most. */
static enum hr_err cut_page(struct dkv_attempt *attempt, const struct dkv_page *page, size_t ops,
                            struct hr_diag *diag)
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
        size_t cost = origin == last || origin == attempt->ctr.origin ? 1 : 1 + ORIGIN_OPS;
        if (cost > ops) {
            break;
        }
        ops -= cost;
        last = origin;
        err = cut_one(attempt, &page->pairs[i], origin, seq, diag);
    }
    return err;
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
    ops += DKV_FEED_CUT_OPS(attempt->change_count);
    bytes += DKV_FEED_CUT_OPS(attempt->change_count) * ENTRY_BYTES_MAX;
    size_t count = bytes / ENTRY_BYTES_MAX < ops ? bytes / ENTRY_BYTES_MAX : ops;
    uint32_t limit = count < DKV_SCAN_LIMIT_MAX ? (uint32_t)count : DKV_SCAN_LIMIT_MAX;
    enum hr_err err = attempt->env->scan(attempt->env->arg, DKV_KEYS_FEED, (struct hr_str){0},
                                         limit, attempt->arena, &page, diag);
    return err ? err : cut_page(attempt, &page, ops, diag);
}
