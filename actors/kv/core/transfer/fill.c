/* Ranges of records, and the end, one commit a message. */
#include "actors/kv/core/transfer/fill.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/index.h"
#include "actors/kv/core/site/scan.h"
#include "actors/kv/core/transfer/close.h"
#include "actors/kv/core/transfer/replace.h"
#include "actors/kv/core/transfer/state_wire.h"

/* Records read at once. */
#define RECORDS_PER_SCAN 128u

/* A range on its way through one commit. */
struct walk {
    struct dkv_attempt *attempt;
    const struct dkv_fill *fill;
    const struct dkv_cover *cover;
    struct hr_str cursor; /* the last key that is done */
    struct dkv_page page; /* of records here, after the cursor */
    size_t here;          /* the next of them */
    size_t there;         /* the next of the donor's */
    bool full;            /* the rest is for the next commit */
};

/* --- a range ------------------------------------------------------------------------------------------ */

static enum hr_err read_page(struct walk *walk, struct hr_diag *diag)
{
    struct dkv_attempt *attempt = walk->attempt;
    struct hr_str after = {0};
    if (walk->page.count > 0) {
        after = walk->page.pairs[walk->page.count - 1].key;
    } else if (walk->cursor.len > 0) {
        after = dkv_key_record(attempt->arena, walk->cursor);
    }
    walk->here = 0;
    return dkv_scan_page(attempt->env, DKV_KEYS_RECORDS, after, RECORDS_PER_SCAN, attempt->arena,
                         &walk->page, diag);
}

/* The next key of the range, here or at the donor. False: there is none. */
static bool next_key(const struct walk *walk, struct hr_str *ret_key, bool *ret_here,
                     bool *ret_there)
{
    const struct dkv_fill *fill = walk->fill;
    struct hr_str here = {0};
    *ret_here = walk->here < walk->page.count;
    *ret_there = walk->there < fill->count;
    if (*ret_here) {
        here = hr_str_from(walk->page.pairs[walk->here].key, DKV_KEYS_RECORDS.len);
    }
    if (*ret_here && *ret_there) {
        int order = hr_str_cmp(here, fill->records[walk->there].key);
        *ret_here = order <= 0;
        *ret_there = order >= 0;
    }
    *ret_key = *ret_here ? here : *ret_there ? fill->records[walk->there].key : (struct hr_str){0};
    return (*ret_here || *ret_there) && (fill->end || hr_str_cmp(*ret_key, fill->to) <= 0);
}

/* Makes one record what it is to be. What the donor cannot read stays as it is here. */
static enum hr_err replace(struct walk *walk, struct hr_str key, bool here, bool there,
                           struct hr_diag *diag)
{
    struct dkv_attempt *attempt = walk->attempt;
    struct dkv_value found = {.present = here};
    struct dkv_record donor;
    enum hr_err err = HR_OK;
    if (here) {
        found.bytes = walk->page.pairs[walk->here].value;
    }
    if (there && walk->fill->records[walk->there].bytes.len == 0) {
        return HR_OK;
    }
    if (there) {
        err =
            dkv_record_decode(walk->fill->records[walk->there].bytes, attempt->arena, &donor, diag);
    }
    return err ? err : dkv_replace(attempt, walk->cover, key, found, there ? &donor : NULL, diag);
}

/* The next key's turn. ret_end: there is none in the range. */
static enum hr_err step(struct walk *walk, bool first, bool *ret_end, struct hr_diag *diag)
{
    struct hr_str key;
    bool here;
    bool there;
    enum hr_err err = HR_OK;
    if (walk->here == walk->page.count && walk->page.more) {
        err = read_page(walk, diag);
    }
    if (err) {
        return err;
    }
    *ret_end = !next_key(walk, &key, &here, &there);
    if (*ret_end) {
        return HR_OK;
    }
    struct dkv_attempt_mark mark = dkv_attempt_mark(walk->attempt);
    err = replace(walk, key, here, there, diag);
    if (err) {
        return dkv_text_prefix(diag, err, HR_STR("value "), key);
    }
    if (!dkv_attempt_fits(walk->attempt)) {
        dkv_attempt_forget(walk->attempt, mark);
        walk->full = true;
        return first
                   ? DKV_FAIL(diag, HR_TOO_BIG, HR_STR("a record does not go into a commit: "), key)
                   : HR_OK;
    }
    walk->here += here;
    walk->there += there;
    walk->cursor = dkv_key_valid(key) ? key : walk->cursor;
    return HR_OK;
}

static enum hr_err walk_range(struct walk *walk, struct hr_diag *diag)
{
    bool end = false;
    enum hr_err err = HR_OK;
    while (walk->there < walk->fill->count &&
           hr_str_cmp(walk->fill->records[walk->there].key, walk->cursor) <= 0) {
        walk->there++;
    }
    err = read_page(walk, diag);
    for (size_t i = 0; !err && !end && !walk->full; i++) {
        walk->full = i == DKV_FILL_KEYS_MAX;
        if (!walk->full) {
            err = step(walk, i == 0, &end, diag);
        }
    }
    return err;
}

/* Notes that what the donor had after its rows is held here. */
static enum hr_err keep_notes(struct dkv_attempt *attempt, const struct dkv_fill *fill,
                              const struct dkv_cover *cover)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; !err && i < fill->note_count && i < DKV_FILL_KEYS_MAX / 8; i++) {
        struct dkv_cover_row row = {.origin = fill->notes[i].origin, .session = cover->session};
        const struct dkv_cover_row *known = dkv_cover_find(cover, row.origin);
        struct hr_str bytes;
        if (known && known->session == cover->session) {
            row = *known;
        } else if (known) {
            row.taint = known->taint;
        }
        if (fill->notes[i].upto <= row.upto) {
            continue;
        }
        row.upto = fill->notes[i].upto;
        err = dkv_cover_row_encode(&row, attempt->arena, &bytes);
        if (!err) {
            err = dkv_txn_put(&attempt->txn, dkv_key_cover(attempt->arena, row.origin), bytes);
        }
    }
    return err;
}

static enum hr_err put_sync(struct dkv_attempt *attempt, const struct dkv_sync *sync)
{
    struct hr_str bytes;
    enum hr_err err = dkv_sync_encode(sync, attempt->arena, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, DKV_KEY_SYNC, bytes);
}

static enum hr_err fill_range(struct dkv_attempt *attempt, const struct dkv_fill *fill,
                              struct dkv_sync *sync, struct hr_diag *diag)
{
    struct dkv_cover cover;
    struct walk walk = {.attempt = attempt, .fill = fill, .cover = &cover, .cursor = sync->cursor};
    enum hr_err err = dkv_cover_read(attempt->env, sync, attempt->arena, &cover, diag);
    if (!err) {
        err = keep_notes(attempt, fill, &cover);
    }
    sync->heard = attempt->site.wall;
    if (!err && fill->what == DKV_FILL_NOTES) {
        return put_sync(attempt, sync);
    }
    if (!err) {
        err = walk_range(&walk, diag);
    }
    if (err) {
        return err;
    }
    sync->torn = true;
    sync->cursor = walk.full || fill->end ? walk.cursor : fill->to;
    if (!walk.full && fill->end) {
        sync->phase = DKV_SYNC_CLOSING;
    }
    return put_sync(attempt, sync);
}

/* --- one commit --------------------------------------------------------------------------------------- */

/* Whether the message is about what is to be done next. */
static bool fits(const struct dkv_fill *fill, const struct dkv_sync *sync)
{
    if (sync->session != fill->session) {
        return false;
    }
    if (fill->what == DKV_FILL_CLOSE) {
        return sync->phase == DKV_SYNC_CLOSING;
    }
    bool next = hr_str_cmp(fill->from, sync->cursor) <= 0 &&
                (fill->end || hr_str_cmp(sync->cursor, fill->to) < 0);
    return sync->phase == DKV_SYNC_FILLING && (next || fill->what == DKV_FILL_NOTES);
}

/* One attempt. ret_sync: as it is after it. */
static enum hr_err attempt_once(const struct dkv_env *env, const struct dkv_config *config,
                                const struct dkv_fill *fill, struct hr_arena *arena,
                                struct dkv_sync *ret_sync, struct hr_diag *diag)
{
    struct dkv_attempt attempt;
    struct dkv_value value;
    enum hr_err err = dkv_attempt_begin(&attempt, env, config, NULL, 0, arena, diag);
    if (!err) {
        err = dkv_txn_get(&attempt.txn, DKV_KEY_SYNC, &value, diag);
    }
    if (!err) {
        err = dkv_sync_decode(value, ret_sync, diag);
    }
    if (err || !fits(fill, ret_sync)) {
        return err;
    }
    if (fill->what != DKV_FILL_CLOSE) {
        err = fill_range(&attempt, fill, ret_sync, diag);
    } else {
        bool done;
        err = dkv_close_step(&attempt, ret_sync, &done, diag);
        if (!err && done) {
            err = dkv_txn_delete(&attempt.txn, DKV_KEY_SYNC);
            *ret_sync = (struct dkv_sync){0};
        }
    }
    return err ? err : dkv_attempt_commit_alone(&attempt, diag);
}

/* Tries until a commit goes through. What an attempt with a lost answer did is found by the next one. */
static enum hr_err fill_some(const struct dkv_env *env, const struct dkv_config *config,
                             const struct dkv_fill *fill, struct hr_arena *arena,
                             struct dkv_sync *ret_sync, struct hr_diag *diag)
{
    dkv_mono_ms start = env->mono(env->arg);
    enum hr_err err = HR_CONFLICT;
    for (unsigned i = 0; i < DKV_FILL_TRIES_MAX; i++) {
        hr_arena_release(arena);
        err = attempt_once(env, config, fill, arena, ret_sync, diag);
        if ((err != HR_CONFLICT && err != HR_UNKNOWN_OUTCOME) ||
            env->mono(env->arg) - start > DKV_WRITE_MS_MAX) {
            break;
        }
    }
    return err == HR_CONFLICT ? DKV_FAIL(diag, HR_BUSY, HR_STR("other writes kept coming first"))
                              : err;
}

static enum hr_err answer(const struct dkv_env *env, const struct dkv_message *message,
                          const struct dkv_sync *sync, struct hr_arena *arena, struct hr_diag *diag)
{
    const struct dkv_filled filled = {sync->session, sync->phase, sync->cursor};
    struct dkv_message reply = {.subject = message->reply_to};
    enum hr_err err = dkv_filled_encode(&filled, arena, &reply.body);
    return err || message->reply_to.len == 0 ? err : env->publish(env->arg, &reply, diag);
}

enum hr_err dkv_fill(const struct dkv_env *env, const struct dkv_config *config,
                     const struct dkv_message *message, struct hr_diag *diag)
{
    struct hr_arena message_arena;
    struct hr_arena arena;
    struct dkv_fill fill;
    struct dkv_sync sync;
    hr_arena_init(&message_arena, DKV_ARENA_BYTES_MAX);
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_fill_decode(message->body, &message_arena, &fill, diag);
    if (!err) {
        err = fill_some(env, config, &fill, &arena, &sync, diag);
    }
    if (!err) {
        err = answer(env, message, &sync, &arena, diag);
    }
    hr_arena_release(&arena);
    hr_arena_release(&message_arena);
    return err;
}
