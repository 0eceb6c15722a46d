/* Commits that begin a state transfer. */
#include "actors/kv/core/transfer/open.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/attempt.h"

/* Rows of one commit. */
#define ROWS_PER_COMMIT 512u
/* Rows of one transfer: the origins of a group. */
#define ROWS_MAX ((size_t)65536)

/* What a commit does, given m/sync as it is. */
struct opening {
    enum hr_err (*act)(struct opening *opening, struct dkv_attempt *attempt, struct hr_diag *diag);
    const struct dkv_env *env;
    const struct dkv_config *config;
    struct dkv_sync sync; /* as it is, and then as it will be */
    bool forced;
    bool drop;
    uint64_t session;
    const struct dkv_cover_row *rows;
    size_t count;
    bool last;
};

enum hr_err dkv_open_add(struct dkv_open *open, const struct dkv_state *state,
                         struct hr_arena *arena)
{
    const struct dkv_have *have = &state->have;
    if (open->count + have->count > ROWS_MAX) {
        return HR_TOO_BIG;
    }
    if (open->count + have->count > open->cap) {
        size_t cap = 2 * (open->count + have->count);
        struct dkv_cover_row *grown = hr_arena_alloc(arena, cap * sizeof *grown);
        if (!grown) {
            return HR_NO_MEMORY;
        }
        if (open->count > 0) {
            memcpy(grown, open->rows, open->count * sizeof *grown);
        }
        open->rows = grown;
        open->cap = cap;
    }
    for (size_t i = 0; i < have->count; i++) {
        const struct dkv_have_row *row = &have->rows[i];
        open->rows[open->count++] = (struct dkv_cover_row){.origin = row->origin,
                                                           .session = open->session,
                                                           .prefix = row->prefix,
                                                           .hlc = row->hlc,
                                                           .sealed = row->sealed,
                                                           .last = row->last};
    }
    open->donor_origin = have->origin;
    open->clock = have->clock;
    open->clear = state->clear;
    open->floor = state->floor > open->floor ? state->floor : open->floor;
    open->collected = state->collected > open->collected ? state->collected : open->collected;
    open->retired_count = state->retired_count;
    memcpy(open->retired, state->retired, sizeof open->retired);
    return HR_OK;
}

static enum hr_err attempt_once(struct opening *opening, struct hr_arena *arena,
                                struct hr_diag *diag)
{
    struct dkv_attempt attempt;
    struct dkv_value value;
    struct hr_str bytes;
    enum hr_err err =
        dkv_attempt_begin(&attempt, opening->env, opening->config, NULL, 0, arena, diag);
    if (!err) {
        err = dkv_txn_get(&attempt.txn, DKV_KEY_SYNC, &value, diag);
    }
    if (!err) {
        err = dkv_sync_decode(value, &opening->sync, diag);
    }
    if (!err) {
        err = opening->act(opening, &attempt, diag);
    }
    if (err) {
        return err == HR_EXISTS ? HR_OK : err;
    }
    if (opening->sync.phase == DKV_SYNC_NONE) {
        err = dkv_txn_delete(&attempt.txn, DKV_KEY_SYNC);
    } else {
        opening->sync.heard = attempt.site.wall;
        err = dkv_sync_encode(&opening->sync, arena, &bytes);
        if (!err) {
            err = dkv_txn_put(&attempt.txn, DKV_KEY_SYNC, bytes);
        }
    }
    return err ? err : dkv_attempt_commit_alone(&attempt, diag);
}

/* Tries until a commit goes through. HR_EXISTS of @act: there is nothing to do. */
static enum hr_err commit(struct opening *opening, struct hr_diag *diag)
{
    enum hr_err err = HR_CONFLICT;
    for (unsigned i = 0; i < DKV_OPEN_TRIES_MAX; i++) {
        struct hr_arena arena;
        hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
        err = attempt_once(opening, &arena, diag);
        opening->sync.cursor = (struct hr_str){0};
        hr_arena_release(&arena);
        if (err != HR_CONFLICT && err != HR_UNKNOWN_OUTCOME) {
            return err;
        }
    }
    return DKV_FAIL(diag, HR_BUSY, HR_STR("other writes kept coming first"));
}

/* --- the wish ----------------------------------------------------------------------------------------- */

static enum hr_err enter_sync(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_self self;
    struct hr_str bytes;
    enum hr_err err = dkv_txn_get(&attempt->txn, DKV_KEY_SELF, &value, diag);
    if (!err && !value.present) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/self is missing"));
    }
    if (!err) {
        err = dkv_self_decode(value.bytes, &self, diag);
    }
    if (err || self.state == DKV_SITE_SYNC) {
        return err;
    }
    self.state = DKV_SITE_SYNC;
    err = dkv_self_encode(&self, attempt->arena, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, DKV_KEY_SELF, bytes);
}

static enum hr_err want(struct opening *opening, struct dkv_attempt *attempt, struct hr_diag *diag)
{
    struct dkv_sync *sync = &opening->sync;
    bool anew = opening->forced && !sync->forced;
    if (sync->phase != DKV_SYNC_NONE && !anew) {
        return HR_EXISTS;
    }
    sync->forced = opening->forced;
    if (sync->phase == DKV_SYNC_NONE) {
        sync->phase = DKV_SYNC_WANTED;
    }
    return enter_sync(attempt, diag);
}

enum hr_err dkv_open_want(const struct dkv_env *env, const struct dkv_config *config, bool forced,
                          struct hr_diag *diag)
{
    struct opening opening = {.act = want, .env = env, .config = config, .forced = forced};
    return commit(&opening, diag);
}

/* --- a session ---------------------------------------------------------------------------------------- */

/* Adds what an earlier session may have left to a row of the new one. */
static void add_taint(const struct dkv_cover_row *before, bool torn, struct dkv_cover_row *row)
{
    row->taint = before->taint;
    if (torn && before->hlc > row->taint) {
        row->taint = before->hlc;
    }
}

static enum hr_err put_row(struct dkv_attempt *attempt, const struct dkv_cover_row *row)
{
    struct hr_str bytes;
    enum hr_err err = dkv_cover_row_encode(row, attempt->arena, &bytes);
    return err ? err
               : dkv_txn_put(&attempt->txn, dkv_key_cover(attempt->arena, row->origin), bytes);
}

static enum hr_err put_rows(struct opening *opening, struct dkv_attempt *attempt,
                            struct hr_diag *diag)
{
    struct dkv_sync *sync = &opening->sync;
    enum hr_err err = HR_OK;
    if (sync->session == opening->session && sync->phase == DKV_SYNC_FILLING && opening->last) {
        return HR_EXISTS; /* by an attempt whose answer was lost */
    }
    if (sync->session != opening->session || sync->phase != DKV_SYNC_OPENING) {
        return DKV_FAIL(diag, HR_DENIED, HR_STR("another host of this site has begun it anew"));
    }
    for (size_t i = 0; !err && i < opening->count; i++) {
        err = put_row(attempt, &opening->rows[i]);
    }
    sync->phase = opening->last ? DKV_SYNC_FILLING : DKV_SYNC_OPENING;
    return err;
}

/* The session's number and donor. */
struct announcing {
    struct opening opening; /* first */
    const struct dkv_open *open;
};

static enum hr_err announce(struct opening *opening, struct dkv_attempt *attempt,
                            struct hr_diag *diag)
{
    const struct dkv_open *open = ((struct announcing *)opening)->open;
    struct dkv_sync *sync = &opening->sync;
    (void)attempt;
    if (sync->phase != DKV_SYNC_WANTED && sync->phase != DKV_SYNC_OPENING) {
        return DKV_FAIL(diag, HR_DENIED, HR_STR("another host of this site has begun it"));
    }
    *sync = (struct dkv_sync){.phase = DKV_SYNC_OPENING,
                              .torn = sync->torn,
                              .forced = sync->forced,
                              .session = open->session,
                              .donor = open->donor,
                              .donor_origin = open->donor_origin,
                              .floor = open->floor,
                              .clock = open->clock,
                              .clear = open->clear,
                              .retired_count = open->retired_count};
    memcpy(sync->retired, open->retired, sizeof sync->retired);
    return HR_OK;
}

/* The rows of the session: the donor's, and those of earlier sessions that it lacks, for what they tell of
 * taints. */
static enum hr_err all_rows(const struct dkv_open *open, const struct dkv_cover *before, bool torn,
                            struct hr_arena *arena, struct dkv_cover_row **ret_rows,
                            size_t *ret_count)
{
    struct dkv_cover_row *rows =
        hr_arena_alloc(arena, (open->count + before->count) * sizeof *rows);
    size_t count = 0;
    size_t i = 0;
    size_t j = 0;
    if (!rows) {
        return HR_NO_MEMORY;
    }
    while (i < open->count || j < before->count) {
        bool old = j < before->count &&
                   (i == open->count || before->rows[j].origin <= open->rows[i].origin);
        bool present = i < open->count &&
                       (j == before->count || open->rows[i].origin <= before->rows[j].origin);
        struct dkv_cover_row *row = &rows[count++];
        *row = present ? open->rows[i]
                       : (struct dkv_cover_row){.origin = before->rows[j].origin,
                                                .session = open->session};
        if (old) {
            add_taint(&before->rows[j], torn, row);
        }
        i += present;
        j += old;
    }
    *ret_rows = rows;
    *ret_count = count;
    return HR_OK;
}

enum hr_err dkv_open_session(const struct dkv_env *env, const struct dkv_config *config,
                             const struct dkv_open *open, struct dkv_sync *ret_sync,
                             struct hr_diag *diag)
{
    struct announcing announcing = {.opening = {.act = announce, .env = env, .config = config},
                                    .open = open};
    struct dkv_cover before;
    struct dkv_cover_row *rows;
    struct hr_arena arena;
    size_t count = 0;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = commit(&announcing.opening, diag);
    struct opening opening = announcing.opening;
    if (!err) {
        err = dkv_cover_read(env, &opening.sync, &arena, &before, diag);
    }
    if (!err) {
        err = all_rows(open, &before, opening.sync.torn, &arena, &rows, &count);
    }
    opening.act = put_rows;
    opening.session = open->session;
    for (size_t at = 0; !err && !opening.last; at += opening.count) {
        opening.rows = rows + at;
        opening.count = count - at < ROWS_PER_COMMIT ? count - at : ROWS_PER_COMMIT;
        opening.last = at + opening.count == count;
        err = commit(&opening, diag);
    }
    if (!err) {
        *ret_sync = opening.sync;
    }
    hr_arena_release(&arena);
    return err;
}

/* --- going back --------------------------------------------------------------------------------------- */

static enum hr_err go_back(struct opening *opening, struct dkv_attempt *attempt,
                           struct hr_diag *diag)
{
    struct dkv_sync *sync = &opening->sync;
    (void)attempt;
    if (sync->phase == DKV_SYNC_NONE || sync->session != opening->session) {
        return DKV_FAIL(diag, HR_DENIED, HR_STR("another host of this site has gone on"));
    }
    if (opening->drop) {
        *sync = (struct dkv_sync){0};
    } else {
        *sync =
            (struct dkv_sync){.phase = DKV_SYNC_WANTED, .torn = sync->torn, .forced = sync->forced};
    }
    return HR_OK;
}

enum hr_err dkv_open_back(const struct dkv_env *env, const struct dkv_config *config,
                          uint64_t session, bool drop, struct dkv_sync *ret_sync,
                          struct hr_diag *diag)
{
    struct opening opening = {
        .act = go_back, .env = env, .config = config, .session = session, .drop = drop};
    enum hr_err err = commit(&opening, diag);
    if (!err) {
        *ret_sync = opening.sync;
    }
    return err;
}
