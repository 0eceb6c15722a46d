/* Taking over what the donor's rows say. */
#include "actors/kv/core/transfer/close.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/scan.h"
#include "actors/kv/core/transfer/fill.h"
#include "actors/kv/core/values/clear.h"

#define ROWS_PER_SCAN 64u
/* v/ and s/: check, write, write. */
#define ROW_OPS 3u
#define ROW_BYTES 1024u

/* What is gathered up at the donor is here too. */
static void take_retired(struct dkv_floor *floor, const struct dkv_retired *theirs)
{
    size_t at = 0;
    while (at < floor->retired_count && floor->retired[at].site != theirs->site) {
        at++;
    }
    if (at == floor->retired_count && at < DKV_RETIRED_MAX) {
        floor->retired[floor->retired_count++] = *theirs;
    } else if (at < floor->retired_count && floor->retired[at].inc < theirs->inc) {
        floor->retired[at].inc = theirs->inc;
    }
}

/* Everything up to the donor's floor is here now. */
static enum hr_err take_floor(struct dkv_attempt *attempt, const struct dkv_sync *sync,
                              struct dkv_floor *ret_floor, struct hr_diag *diag)
{
    struct dkv_floor floor;
    struct hr_str bytes;
    enum hr_err err = dkv_floor_load(attempt, &floor, diag);
    if (err) {
        return err;
    }
    floor.group = sync->floor > floor.group ? sync->floor : floor.group;
    for (size_t i = 0; i < sync->retired_count; i++) {
        take_retired(&floor, &sync->retired[i]);
    }
    *ret_floor = floor;
    err = dkv_floor_encode(&floor, attempt->arena, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, DKV_KEY_FLOOR, bytes);
}

/* Clear mark, floor and clock. The mark before the clock: whether it covers everything here shows by it. */
static enum hr_err take_marks(struct dkv_attempt *attempt, const struct dkv_sync *sync,
                              struct dkv_floor *ret_floor, struct hr_diag *diag)
{
    const struct dkv_change clear = {.op = DKV_CHANGE_CLEAR, .stamp = sync->clear};
    enum hr_err err =
        dkv_stamp_is_none(sync->clear) ? HR_OK : dkv_clear_merge(attempt, &clear, diag);
    if (!err) {
        err = take_floor(attempt, sync, ret_floor, diag);
    }
    dkv_hlc clock = sync->clock > sync->clear.hlc ? sync->clock : sync->clear.hlc;
    attempt->ctr.hlc = clock > attempt->ctr.hlc ? clock : attempt->ctr.hlc;
    return err;
}

/* v/ of an origin with what the donor's row says. The feed has what it had, which may be nothing of what comes
 * right before the new prefix. */
static void lift(struct dkv_progress *progress, const struct dkv_cover_row *row)
{
    if (row->prefix > progress->prefix) {
        progress->prefix = row->prefix;
        progress->hlc = row->hlc;
        progress->trunc_below = row->prefix + 1;
    }
    progress->high = progress->prefix > progress->high ? progress->prefix : progress->high;
    if (row->sealed && row->last >= progress->last) {
        progress->sealed = true;
        progress->last = row->last;
    }
    if (progress->sealed && progress->high > progress->last) {
        progress->sealed = false;
        progress->last = 0;
    }
}

static enum hr_err take_row(struct dkv_attempt *attempt, const struct dkv_cover_row *row,
                            struct dkv_progress *ret_progress, struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_progress progress = {.trunc_below = 1};
    struct hr_str bytes;
    struct hr_str name = dkv_key_progress(attempt->arena, row->origin);
    enum hr_err err = dkv_txn_get(&attempt->txn, name, &value, diag);
    if (!err && value.present) {
        err = dkv_progress_decode(value.bytes, &progress, diag);
    }
    if (err) {
        return err;
    }
    const struct dkv_progress before = progress;
    lift(&progress, row);
    *ret_progress = progress;
    if (before.prefix == progress.prefix && before.sealed == progress.sealed &&
        before.last == progress.last) {
        return HR_OK;
    }
    err = dkv_progress_encode(&progress, attempt->arena, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, name, bytes);
}

/* Takes entries of the feed away that lie before where it begins now. ret_left: there may be others. */
static enum hr_err drop_entries(struct dkv_attempt *attempt, dkv_origin origin, uint64_t below,
                                bool *ret_left, struct hr_diag *diag)
{
    const struct dkv_env *env = attempt->env;
    struct dkv_tally *tally = &attempt->tally;
    struct dkv_page page;
    size_t ops;
    size_t bytes;
    struct hr_str name = dkv_key_change(attempt->arena, origin, 0);
    *ret_left = false;
    if (below <= 1) {
        return HR_OK;
    }
    dkv_attempt_room(attempt, &ops, &bytes);
    ops = ops < bytes / DKV_KEY_BYTES_MAX ? ops : bytes / DKV_KEY_BYTES_MAX;
    enum hr_err err =
        name.ptr ? env->scan(env->arg, hr_str_of(name.ptr, DKV_CHANGE_ORIGIN_BYTES),
                             (struct hr_str){0}, DKV_FILL_ENTRIES_MAX, attempt->arena, &page, diag)
                 : HR_NO_MEMORY;
    for (size_t i = 0; !err && i < page.count; i++) {
        const struct dkv_pair *pair = &page.pairs[i];
        dkv_origin there;
        uint64_t seq;
        size_t weight = pair->key.len + pair->value.len;
        if (!dkv_key_change_parse(pair->key, &there, &seq) || seq >= below) {
            return HR_OK;
        }
        if (ops-- <= ROW_OPS) {
            *ret_left = true;
            return HR_OK;
        }
        err = dkv_txn_delete(&attempt->txn, pair->key);
        tally->feed_count -= tally->feed_count > 0;
        tally->feed_bytes -= weight < tally->feed_bytes ? weight : tally->feed_bytes;
    }
    *ret_left = !err && page.more;
    return err;
}

/* One origin. ret_left: it needs another commit. */
static enum hr_err close_row(struct dkv_attempt *attempt, const struct dkv_sync *sync,
                             const struct dkv_pair *pair, bool *ret_left, struct hr_diag *diag)
{
    struct dkv_cover_row row;
    size_t ops;
    size_t bytes;
    enum hr_err err = dkv_cover_row_decode(pair->value, &row, diag);
    dkv_attempt_room(attempt, &ops, &bytes);
    *ret_left = ops < 2 * ROW_OPS || bytes < ROW_BYTES;
    if (err || *ret_left) {
        return err;
    }
    if (!dkv_key_cover_parse(pair->key, &row.origin)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("s/ holds a name that is none"));
    }
    /* Nobody knows this site's present origin better than itself. */
    if (row.session == sync->session && row.origin != attempt->ctr.origin && row.prefix > 0) {
        struct dkv_progress progress;
        err = take_row(attempt, &row, &progress, diag);
        if (!err) {
            err = drop_entries(attempt, row.origin, progress.trunc_below, ret_left, diag);
        }
    }
    return err || *ret_left ? err : dkv_txn_delete(&attempt->txn, pair->key);
}

/* Origins that are gathered up at the donor, and so complete here, have no v/ any more. ret_left: there may be
 * others. */
static enum hr_err retire(struct dkv_attempt *attempt, const struct dkv_floor *floor,
                          bool *ret_left, struct hr_diag *diag)
{
    const struct dkv_env *env = attempt->env;
    struct dkv_page page = {.more = true};
    struct hr_str after = {0};
    size_t ops;
    size_t bytes;
    enum hr_err err = HR_OK;
    dkv_attempt_room(attempt, &ops, &bytes);
    *ret_left = false;
    while (!err && !*ret_left && page.more) {
        err = dkv_scan_page(env, DKV_KEYS_PROGRESS, after, DKV_SCAN_LIMIT_MAX, attempt->arena,
                            &page, diag);
        for (size_t i = 0; !err && !*ret_left && i < page.count; i++) {
            dkv_origin origin;
            after = page.pairs[i].key;
            bool goes = dkv_key_progress_parse(after, &origin) && origin != attempt->ctr.origin &&
                        dkv_floor_retired(floor, origin);
            *ret_left = goes && ops < ROW_OPS;
            if (goes && !*ret_left) {
                ops--;
                err = dkv_txn_delete(&attempt->txn, after);
            }
        }
    }
    return err;
}

enum hr_err dkv_close_step(struct dkv_attempt *attempt, const struct dkv_sync *sync, bool *ret_done,
                           struct hr_diag *diag)
{
    const struct dkv_env *env = attempt->env;
    struct dkv_page page;
    struct dkv_floor floor;
    bool left = false;
    enum hr_err err = take_marks(attempt, sync, &floor, diag);
    if (!err) {
        err = env->scan(env->arg, DKV_KEYS_COVER, (struct hr_str){0}, ROWS_PER_SCAN, attempt->arena,
                        &page, diag);
    }
    for (size_t i = 0; !err && !left && i < page.count; i++) {
        err = close_row(attempt, sync, &page.pairs[i], &left, diag);
    }
    left = left || err || page.more;
    if (!left) {
        err = retire(attempt, &floor, &left, diag);
    }
    *ret_done = !err && !left;
    return err;
}
