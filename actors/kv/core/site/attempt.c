/* Beginning and committing of attempts. */
#include "actors/kv/core/site/attempt.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/feed.h"
#include "actors/kv/core/site/results.h"

/* m/ctr, v/, m/tally and what is cut off the feed: two for each new entry, so that a feed that is too
 * long gets shorter. */
#define CLOSING_OPS(changes) (3 + DKV_FEED_CUT_OPS(changes))
#define CLOSING_BYTES(changes) (2048 + DKV_FEED_CUT_OPS(changes) * 256)
#define PREFETCH_PER_REQUEST 2u

/* Of how many origins a request wants v/ to be looked at (meet.h). */
static size_t origins_of(const struct dkv_attempt *attempt, const struct dkv_request *request)
{
    bool meets =
        attempt->site.grouped && request->session && dkv_options_judge(&request->patch.options);
    return meets ? request->session->count : 0;
}

static enum hr_err prefetch(struct dkv_attempt *attempt, const struct dkv_request *requests,
                            size_t count, struct hr_str progress_key, struct hr_diag *diag)
{
    struct hr_arena *arena = attempt->arena;
    size_t room = 5 + count * PREFETCH_PER_REQUEST;
    for (size_t i = 0; i < count; i++) {
        room += origins_of(attempt, &requests[i]);
    }
    struct hr_str *keys = hr_arena_alloc(arena, room * sizeof *keys);
    size_t n = 0;
    if (!keys) {
        return HR_NO_MEMORY;
    }
    keys[n++] = DKV_KEY_CLEAR;
    keys[n++] = DKV_KEY_TALLY;
    keys[n++] = progress_key;
    keys[n++] = DKV_KEY_FLOOR;
    keys[n++] = DKV_KEY_AHEAD;
    for (size_t i = 0; i < count; i++) {
        if (requests[i].patch.options.has_request_id) {
            keys[n++] = dkv_key_result(arena, &requests[i].opid);
        }
        if (requests[i].op != DKV_OP_CLEAR) {
            keys[n++] = dkv_key_record(arena, requests[i].key);
        }
        for (size_t j = 0; j < origins_of(attempt, &requests[i]); j++) {
            keys[n++] = dkv_key_progress(arena, requests[i].session->seen[j].origin);
        }
    }
    return dkv_txn_prefetch(&attempt->txn, keys, n, diag);
}

static enum hr_err load_progress(struct dkv_attempt *attempt, struct hr_str key,
                                 struct hr_diag *diag)
{
    struct dkv_value value;
    enum hr_err err = dkv_txn_get(&attempt->txn, key, &value, diag);
    if (!err && !value.present) {
        return DKV_FAIL(diag, HR_CORRUPT, key, HR_STR(" is missing"));
    }
    if (!err) {
        err = dkv_progress_decode(value.bytes, &attempt->progress, diag);
    }
    return err;
}

/* The tally, or a new one if there is none that can be read. */
static enum hr_err load_tally(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    struct dkv_value value;
    enum hr_err err = dkv_txn_get(&attempt->txn, DKV_KEY_TALLY, &value, diag);
    if (!err && value.present) {
        err = dkv_tally_decode(value.bytes, &attempt->tally, diag);
        if (err != HR_CORRUPT) {
            return err;
        }
        attempt->env->log(attempt->env->arg, DKV_LOG_ERROR, hr_str_c(diag->text));
        err = HR_OK;
    }
    return err ? err : dkv_tally_take(attempt->env, attempt->arena, &attempt->tally, diag);
}

enum hr_err dkv_attempt_begin(struct dkv_attempt *attempt, const struct dkv_env *env,
                              const struct dkv_config *config, const struct dkv_request *requests,
                              size_t count, struct hr_arena *arena, struct hr_diag *diag)
{
    *attempt = (struct dkv_attempt){.env = env, .config = config, .arena = arena};
    enum hr_err err = dkv_site_open(env, config, arena, &attempt->site, diag);
    if (err) {
        return err;
    }
    dkv_txn_init(&attempt->txn, env, arena);
    attempt->ctr = attempt->site.ctr;
    struct hr_str progress_key = dkv_key_progress(arena, attempt->ctr.origin);
    struct dkv_value ctr = {.bytes = attempt->site.ctr_bytes, .present = true};
    err = dkv_txn_expect(&attempt->txn, DKV_KEY_CTR, ctr);
    if (!err) {
        err = prefetch(attempt, requests, count, progress_key, diag);
    }
    if (!err) {
        err = load_progress(attempt, progress_key, diag);
    }
    if (!err) {
        err = load_tally(attempt, diag);
    }
    if (!err) {
        err = dkv_results_purge(attempt, count, diag);
    }
    return err;
}

struct dkv_attempt_mark dkv_attempt_mark(const struct dkv_attempt *attempt)
{
    return (struct dkv_attempt_mark){dkv_txn_mark(&attempt->txn), attempt->ctr, attempt->tally,
                                     attempt->change_count, attempt->logged_count};
}

void dkv_attempt_undo(struct dkv_attempt *attempt, struct dkv_attempt_mark mark)
{
    dkv_txn_undo(&attempt->txn, mark.txn);
    attempt->ctr = mark.ctr;
    attempt->tally = mark.tally;
    attempt->change_count = mark.change_count;
    attempt->logged_count = mark.logged_count;
}

void dkv_attempt_forget(struct dkv_attempt *attempt, struct dkv_attempt_mark mark)
{
    dkv_attempt_undo(attempt, mark);
    dkv_txn_forget(&attempt->txn, mark.txn);
}

enum hr_err dkv_attempt_clear(struct dkv_attempt *attempt, struct dkv_stamp *ret_clear,
                              struct hr_diag *diag)
{
    struct dkv_value value;
    enum hr_err err = dkv_txn_get(&attempt->txn, DKV_KEY_CLEAR, &value, diag);
    return err ? err : dkv_clear_decode(value, ret_clear, diag);
}

enum hr_err dkv_attempt_number(struct dkv_attempt *attempt, dkv_hlc floor,
                               struct dkv_change *change, struct hr_diag *diag)
{
    enum hr_err err =
        dkv_clock_next(attempt->ctr.hlc, floor, attempt->site.wall, &attempt->ctr.hlc);
    if (err) {
        return DKV_FAIL(diag, err, HR_STR("the clock in m/ctr is at its end"));
    }
    attempt->ctr.seq++;
    change->seq = attempt->ctr.seq;
    change->stamp = (struct dkv_stamp){attempt->ctr.hlc, attempt->ctr.origin};
    if (change->seq % DKV_CLOCK_WATCH_CHANGES == 0) {
        dkv_site_watch_clock(attempt->env, attempt->ctr.hlc, attempt->site.wall);
    }
    return HR_OK;
}

/* A new entry of the feed. */
static enum hr_err add_entry(struct dkv_attempt *attempt, struct hr_str key, struct hr_str bytes)
{
    enum hr_err err = dkv_txn_expect(&attempt->txn, key, (struct dkv_value){0});
    if (!err) {
        err = dkv_txn_put(&attempt->txn, key, bytes);
    }
    if (!err) {
        attempt->tally.feed_count++;
        attempt->tally.feed_bytes += key.len + bytes.len;
        attempt->logged_count++;
    }
    return err;
}

enum hr_err dkv_attempt_log_foreign(struct dkv_attempt *attempt, const struct dkv_change *change,
                                    struct hr_str bytes)
{
    return add_entry(attempt, dkv_key_change(attempt->arena, change->stamp.origin, change->seq),
                     bytes);
}

enum hr_err dkv_attempt_log(struct dkv_attempt *attempt, const struct dkv_change *change,
                            struct hr_diag *diag)
{
    struct hr_str key = dkv_key_change(attempt->arena, attempt->ctr.origin, change->seq);
    struct hr_str bytes;
    enum hr_err err = dkv_change_encode(change, attempt->arena, &bytes, diag);
    if (!err) {
        err = add_entry(attempt, key, bytes);
    }
    if (err) {
        return err;
    }
    if (attempt->change_count++ == 0) {
        attempt->first_key = key;
        attempt->first_change = bytes;
    }
    return HR_OK;
}

void dkv_attempt_count(struct dkv_attempt *attempt, bool before, bool after)
{
    struct dkv_tally *tally = &attempt->tally;
    if (before && !after && tally->visible == 0) {
        tally->counted = false; /* of what never was counted; it will be, at the next clear */
    }
    tally->visible += after;
    tally->visible -= before && tally->visible > 0;
}

void dkv_attempt_litter(struct dkv_attempt *attempt, dkv_hlc made)
{
    struct dkv_tally *tally = &attempt->tally;
    tally->litter++;
    tally->made = made > tally->made ? made : tally->made;
    /* One that comes late is not among what passes up to its clock have seen. */
    tally->done = made < tally->done ? made : tally->done;
    tally->began = made < tally->began ? made : tally->began;
}

bool dkv_attempt_fits(const struct dkv_attempt *attempt)
{
    size_t ops;
    size_t bytes;
    dkv_txn_weigh(&attempt->txn, &ops, &bytes);
    return ops + CLOSING_OPS(attempt->logged_count) <= DKV_COMMIT_OPS_MAX &&
           bytes + CLOSING_BYTES(attempt->logged_count) <= DKV_COMMIT_BYTES_MAX;
}

void dkv_attempt_room(const struct dkv_attempt *attempt, size_t *ret_ops, size_t *ret_bytes)
{
    size_t ops;
    size_t bytes;
    dkv_txn_weigh(&attempt->txn, &ops, &bytes);
    ops += CLOSING_OPS(attempt->logged_count);
    bytes += CLOSING_BYTES(attempt->logged_count);
    *ret_ops = ops < DKV_COMMIT_OPS_MAX ? DKV_COMMIT_OPS_MAX - ops : 0;
    *ret_bytes = bytes < DKV_COMMIT_BYTES_MAX ? DKV_COMMIT_BYTES_MAX - bytes : 0;
}

/* Writes what moves with every commit. */
static enum hr_err close_changes(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    struct hr_str ctr;
    struct hr_str progress;
    struct hr_str tally;
    enum hr_err err = dkv_feed_cut(attempt, diag);
    if (attempt->change_count > 0) {
        attempt->progress.prefix = attempt->ctr.seq;
        attempt->progress.hlc = attempt->ctr.hlc;
    }
    if (!err) {
        err = dkv_ctr_encode(&attempt->ctr, attempt->arena, &ctr);
    }
    if (!err) {
        err = dkv_txn_put(&attempt->txn, DKV_KEY_CTR, ctr);
    }
    if (!err) {
        err = dkv_progress_encode(&attempt->progress, attempt->arena, &progress);
    }
    if (!err) {
        err = dkv_txn_put(&attempt->txn, dkv_key_progress(attempt->arena, attempt->ctr.origin),
                          progress);
    }
    if (!err) {
        err = dkv_tally_encode(&attempt->tally, attempt->arena, &tally);
    }
    return err ? err : dkv_txn_put(&attempt->txn, DKV_KEY_TALLY, tally);
}

/* Whether the first change may have been in the feed and been cut off since. */
static bool truncated(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_progress progress;
    const struct hr_str key = dkv_key_progress(attempt->arena, attempt->ctr.origin);
    enum hr_err err =
        key.ptr ? attempt->env->get_many(attempt->env->arg, &key, 1, attempt->arena, &value, diag)
                : HR_NO_MEMORY;
    if (!err && value.present) {
        err = dkv_progress_decode(value.bytes, &progress, diag);
    }
    return err || !value.present || progress.trunc_below > attempt->site.ctr.seq + 1;
}

/* Whether m/ctr is still what the commit checks. A reading that is not sound tells nothing. */
static enum hr_err look_at_ctr(struct dkv_attempt *attempt, bool *ret_moved, struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_CTR;
    struct dkv_value value;
    struct dkv_ctr ctr;
    enum hr_err err =
        attempt->env->get_many(attempt->env->arg, &key, 1, attempt->arena, &value, diag);
    if (!err && value.present) {
        err = dkv_ctr_decode(value.bytes, &ctr, diag);
        *ret_moved = !hr_str_eq(value.bytes, attempt->site.ctr_bytes);
    }
    return !err && !value.present ? HR_NOT_FOUND : err;
}

/* What the feed holds in the place of the first change. HR_OK: that change. HR_CONFLICT: another one,
 * or nothing, so that ours was not done. */
static enum hr_err look_at_feed(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_change change;
    enum hr_err err = attempt->env->get_many(attempt->env->arg, &attempt->first_key, 1,
                                             attempt->arena, &value, diag);
    if (!err && value.present) {
        err = dkv_change_decode(value.bytes, attempt->arena, &change, diag);
    }
    if (err) {
        return HR_UNKNOWN_OUTCOME;
    }
    if (value.present) {
        return hr_str_eq(value.bytes, attempt->first_change) ? HR_OK : HR_CONFLICT;
    }
    return truncated(attempt, diag) ? HR_UNKNOWN_OUTCOME : HR_CONFLICT;
}

/* After a lost answer: HR_OK if the commit was done, HR_CONFLICT if it was not and never will be,
 * anything else if nobody can say yet. m/ctr is read first: if it has moved, our commit is behind
 * us, one way or the other, and the feed says which. */
static enum hr_err look(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    bool moved = false;
    enum hr_err err = look_at_ctr(attempt, &moved, diag);
    if (err || !moved) {
        return HR_UNKNOWN_OUTCOME;
    }
    return look_at_feed(attempt, diag);
}

/* Submits the very same commit until its outcome is known: as it checks m/ctr, it cannot be done
 * twice. */
static enum hr_err settle(struct dkv_attempt *attempt, const struct dkv_commit *commit,
                          struct hr_diag *diag)
{
    const struct dkv_env *env = attempt->env;
    bool lost = false;
    for (unsigned i = 0; i < DKV_SETTLE_TRIES_MAX; i++) {
        size_t conflict;
        enum hr_err err = env->commit(env->arg, commit, &conflict, diag);
        if (!err || (!lost && err != HR_UNKNOWN_OUTCOME)) {
            return err;
        }
        lost = true;
        err = look(attempt, diag);
        if (err == HR_OK || err == HR_CONFLICT) {
            return err;
        }
    }
    return dkv_text_prefix(diag, HR_UNKNOWN_OUTCOME,
                           HR_STR("the store's answer was lost, so that this may have been done"),
                           HR_STR(""));
}

enum hr_err dkv_attempt_commit(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    struct dkv_commit commit;
    if (attempt->change_count == 0) {
        return HR_OK;
    }
    enum hr_err err = close_changes(attempt, diag);
    if (!err) {
        err = dkv_txn_commit(&attempt->txn, &commit);
    }
    return err ? err : settle(attempt, &commit, diag);
}

enum hr_err dkv_attempt_commit_alone(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    struct dkv_commit commit;
    size_t conflict;
    /* In a group only stamps follow the wall, which may be wrong. */
    dkv_wall_ms wall = attempt->site.grouped ? 0 : attempt->site.wall;
    enum hr_err err = dkv_clock_next(attempt->ctr.hlc, 0, wall, &attempt->ctr.hlc);
    if (!err) {
        err = close_changes(attempt, diag);
    }
    if (!err) {
        err = dkv_txn_commit(&attempt->txn, &commit);
    }
    return err ? err : attempt->env->commit(attempt->env->arg, &commit, &conflict, diag);
}
