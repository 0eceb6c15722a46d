/* Steps of a state transfer, from the wish for one to its end. */
#include "actors/kv/core/transfer.h"

#include "actors/kv/core/batch.h"
#include "actors/kv/core/donor.h"
#include "actors/kv/core/keys.h"
#include "actors/kv/core/open.h"
#include "actors/kv/core/pull.h"
#include "actors/kv/core/route.h"
#include "actors/kv/core/state_wire.h"
#include "actors/kv/core/text.h"

/* What came of asking the donor. */
enum turn {
    TURN_ON,     /* it got further */
    TURN_WAIT,   /* not in this tick */
    TURN_SILENT, /* nothing came of the donor */
    TURN_ANEW,   /* with this donor, or as it was begun, it goes no further */
    TURN_YIELD,  /* the donor waits for this site */
};

/* A transfer in one tick. */
struct transfer {
    struct dkv_tick *tick;
    const struct dkv_holdings *holdings;
    struct dkv_donors donors;
    struct dkv_sync sync; /* its cursor lies in @cursor */
    char cursor[DKV_KEY_BYTES_MAX];
    struct hr_arena *arena; /* of the page under way */
};

static void keep_sync(struct transfer *transfer, const struct dkv_sync *sync)
{
    size_t len = sync->cursor.len < sizeof transfer->cursor ? sync->cursor.len : 0;
    if (len > 0) {
        memcpy(transfer->cursor, sync->cursor.ptr, len);
    }
    transfer->sync = *sync;
    transfer->sync.cursor = hr_str_of(transfer->cursor, len);
}

static void tell(const struct transfer *transfer, enum dkv_log_level level, const char *what,
                 const char *why)
{
    dkv_tick_tell(transfer->tick, level, hr_str_c(what), transfer->sync.donor_origin, why);
}

/* --- questions ---------------------------------------------------------------------------------------- */

static enum hr_err ask(const struct transfer *transfer, uint16_t site,
                       const struct dkv_state_ask *ask, struct dkv_state *ret_state,
                       struct hr_diag *diag)
{
    const struct dkv_tick *tick = transfer->tick;
    const struct dkv_env *env = tick->env;
    const struct dkv_peer *peer = dkv_group_find(tick->group, site);
    struct hr_str body;
    struct hr_str reply;
    if (!peer || !peer->alive) {
        return DKV_FAIL(diag, HR_NO_RESPONDERS, HR_STR("the donor is not there"));
    }
    struct hr_str subject =
        dkv_route_subject(DKV_ROUTE_STATE, tick->config, peer->name, transfer->arena);
    enum hr_err err =
        subject.ptr ? dkv_state_ask_encode(ask, transfer->arena, &body) : HR_NO_MEMORY;
    if (!err) {
        err = env->request(env->arg, subject, body, DKV_STATE_TIMEOUT_MS, transfer->arena, &reply,
                           diag);
    }
    if (!err) {
        err = dkv_state_decode(reply, transfer->arena, ret_state, diag);
    }
    if (!err && (ret_state->session != ask->session || ret_state->have.site != site ||
                 !hr_str_eq(ret_state->cursor, ask->cursor))) {
        err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("state: an answer to another question"));
    }
    return err;
}

static enum hr_err fill(const struct transfer *transfer, const struct dkv_fill *fill,
                        struct hr_arena *arena, struct dkv_filled *ret_filled, struct hr_diag *diag)
{
    const struct dkv_tick *tick = transfer->tick;
    const struct dkv_env *env = tick->env;
    struct hr_str body;
    struct hr_str reply;
    struct hr_str subject =
        dkv_route_subject(DKV_ROUTE_FILL, tick->config, (struct hr_str){0}, arena);
    enum hr_err err = subject.ptr ? dkv_fill_encode(fill, arena, &body) : HR_NO_MEMORY;
    if (!err) {
        err = env->request(env->arg, subject, body, DKV_FILL_TIMEOUT_MS, arena, &reply, diag);
    }
    return err ? err : dkv_filled_decode(reply, ret_filled, diag);
}

/* --- beginning ---------------------------------------------------------------------------------------- */

/* All rows of @site, its marks last, as the beginning of a session. HR_BUSY: it cannot be a donor now. */
static enum hr_err ask_rows(struct transfer *transfer, uint16_t site, uint64_t session,
                            struct dkv_open *ret_open, struct hr_diag *diag)
{
    struct dkv_state_ask question = {.what = DKV_STATE_ROWS, .session = session};
    struct dkv_open open = {.session = session, .donor = site};
    bool more = true;
    enum hr_err err = HR_OK;
    while (!err && more) {
        struct dkv_state state;
        err = ask(transfer, site, &question, &state, diag);
        if (!err && state.what != DKV_STATE_ROWS) {
            err = DKV_FAIL(diag, HR_BUSY, HR_STR("it is being filled itself"));
        }
        if (!err && open.donor_origin != 0 && open.donor_origin != state.have.origin) {
            err = DKV_FAIL(diag, HR_CONFLICT, HR_STR("it was started anew meanwhile"));
        }
        if (!err) {
            err = dkv_open_add(&open, &state, transfer->arena);
            more = state.have.more;
            question.after = more ? state.have.rows[state.have.count - 1].origin : 0;
        }
    }
    if (!err) {
        *ret_open = open;
    }
    return err;
}

/* Whether this site has changes of which the donor may have collected newer deletions. */
static bool has_old_news(const struct transfer *transfer, const struct dkv_open *open)
{
    const struct dkv_have *mine = &transfer->holdings->lists[0];
    size_t at = 0;
    for (size_t i = 0; i < mine->count; i++) {
        const struct dkv_have_row *row = &mine->rows[i];
        while (at < open->count && open->rows[at].origin < row->origin) {
            at++;
        }
        bool known = at < open->count && open->rows[at].origin == row->origin;
        dkv_hlc after = known ? open->rows[at].hlc : 0;
        bool retired = false;
        for (size_t j = 0; !known && j < open->retired_count; j++) {
            retired = retired || (open->retired[j].site == dkv_origin_site(row->origin) &&
                                  dkv_origin_inc(row->origin) <= open->retired[j].inc);
        }
        if (!retired && row->high > (known ? open->rows[at].prefix : 0) &&
            after < open->collected) {
            return true;
        }
    }
    return false;
}

/* Whether the donor is to have them first. */
static bool waits_for_news(const struct transfer *transfer, const struct dkv_open *open)
{
    const struct dkv_env *env = transfer->tick->env;
    dkv_wall_ms wall = env->wall(env->arg);
    bool patient = wall >= transfer->sync.heard && wall - transfer->sync.heard < DKV_NEWS_MS_MAX;
    return patient && has_old_news(transfer, open);
}

static uint64_t new_session(const struct dkv_env *env)
{
    uint64_t session = 0;
    while (session == 0) {
        env->random(env->arg, &session, sizeof session);
    }
    return session;
}

/* Whether the donor's clock would carry this site's away from its wall; its records may bear that clock. */
static bool is_ahead(const struct transfer *transfer, const struct dkv_open *open)
{
    const struct dkv_env *env = transfer->tick->env;
    return dkv_clock_ahead_ms(open->clock, env->wall(env->arg)) > DKV_DRIFT_MS_MAX;
}

/* Asks one after the other until one is the donor. */
static enum turn find_donor(struct transfer *transfer)
{
    const struct dkv_tick *tick = transfer->tick;
    const struct dkv_holdings *holdings = transfer->holdings;
    struct hr_diag diag = {0};
    size_t *order = hr_arena_alloc(transfer->arena, holdings->count * sizeof *order);
    if (!order) {
        return TURN_WAIT;
    }
    size_t count = dkv_donors_order(&transfer->donors, order);
    for (size_t i = 0; i < count && !dkv_tick_over(tick); i++) {
        struct dkv_open open;
        struct dkv_sync sync;
        uint64_t session = new_session(tick->env);
        enum hr_err err = ask_rows(transfer, holdings->lists[order[i]].site, session, &open, &diag);
        if (!err && is_ahead(transfer, &open)) {
            err = DKV_FAIL(&diag, HR_AGAIN, HR_STR("its clock is far ahead of this site's"));
        }
        if (!err && waits_for_news(transfer, &open)) {
            err = DKV_FAIL(&diag, HR_AGAIN, HR_STR("it has yet to get what is known here alone"));
        }
        if (!err) {
            dkv_hlc floor = dkv_donors_floor(&transfer->donors, order[i]);
            open.floor = floor > open.floor ? floor : open.floor;
            err = dkv_open_session(tick->env, tick->config, &open, &sync, &diag);
        }
        if (!err) {
            keep_sync(transfer, &sync);
            tell(transfer, DKV_LOG_INFO, "transfer-begun", "records come from this site");
            return TURN_ON;
        }
        dkv_tick_tell(tick, DKV_LOG_WARN, HR_STR("not-a-donor"), holdings->lists[order[i]].origin,
                      diag.text);
    }
    dkv_tick_tell(tick, DKV_LOG_ERROR, HR_STR("no-donor"), 0,
                  "this site needs a state transfer, and no site can give it now");
    return TURN_WAIT;
}

/* --- a page ------------------------------------------------------------------------------------------- */

/* Where a row's changes are to be pulled from: after what is covered, what was pulled before and what is
 * here without a gap. */
static enum hr_err pulled_upto(const struct transfer *transfer, const struct dkv_cover *cover,
                               const struct dkv_have_row *row, uint64_t *ret_after,
                               struct hr_diag *diag)
{
    const struct dkv_env *env = transfer->tick->env;
    const struct dkv_cover_row *known = dkv_cover_find(cover, row->origin);
    uint64_t after = 0;
    if (known && known->session == cover->session) {
        after = known->prefix > known->upto ? known->prefix : known->upto;
    }
    *ret_after = after;
    if (after >= row->high) {
        return HR_OK;
    }
    struct dkv_value value;
    struct dkv_progress progress = {0};
    struct hr_str key = dkv_key_progress(transfer->arena, row->origin);
    enum hr_err err =
        key.ptr ? env->get_many(env->arg, &key, 1, transfer->arena, &value, diag) : HR_NO_MEMORY;
    if (!err && value.present) {
        err = dkv_progress_decode(value.bytes, &progress, diag);
    }
    *ret_after = progress.prefix > after ? progress.prefix : after;
    return err;
}

/* Pulls what the donor has of an origin beyond what is covered. */
static enum turn stage_row(struct transfer *transfer, const struct dkv_cover *cover,
                           const struct dkv_have_row *row, struct dkv_fill *notes,
                           struct hr_diag *diag)
{
    struct dkv_pull_range range = {.site = transfer->sync.donor,
                                   .pull = {.origin = row->origin, .upto = row->high}};
    if (row->origin == transfer->holdings->lists[0].origin) {
        return TURN_ON;
    }
    enum hr_err err = pulled_upto(transfer, cover, row, &range.pull.after, diag);
    if (err || range.pull.after >= row->high) {
        return err ? TURN_WAIT : TURN_ON;
    }
    uint64_t before = range.pull.after;
    err = dkv_pull_range(transfer->tick, &range, diag);
    if (range.gone) {
        HR_IGNORE(
            DKV_FAIL(diag, HR_NOT_FOUND, HR_STR("the donor has cut off too much"))); /* its text */
        return TURN_ANEW;
    }
    /* The donor's gaps may be filled later: beyond its prefix nothing is settled. */
    uint64_t upto = range.whole || range.pull.after > row->prefix ? row->prefix : range.pull.after;
    if (upto > before) {
        notes->notes[notes->note_count++] = (struct dkv_fill_note){row->origin, upto};
    }
    if (range.silent) {
        return TURN_SILENT;
    }
    return err || !range.whole ? TURN_WAIT : TURN_ON;
}

/* Pulls whatever may be in the page's records and is not covered. @fill gets the notes of it. */
static enum turn stage(struct transfer *transfer, const struct dkv_have *first,
                       struct dkv_fill *fill, struct hr_diag *diag)
{
    struct dkv_cover cover;
    struct dkv_state state = {.have = *first};
    enum turn turn = TURN_ON;
    fill->notes = hr_arena_alloc(transfer->arena, DKV_FILL_NOTES_MAX * sizeof *fill->notes);
    if (!fill->notes ||
        dkv_cover_read(transfer->tick->env, &transfer->sync, transfer->arena, &cover, diag)) {
        return TURN_WAIT;
    }
    for (;;) {
        const struct dkv_have *have = &state.have;
        for (size_t i = 0; turn == TURN_ON && i < have->count; i++) {
            if (fill->note_count == DKV_FILL_NOTES_MAX) {
                return TURN_WAIT;
            }
            turn = stage_row(transfer, &cover, &have->rows[i], fill, diag);
        }
        if (turn != TURN_ON || !have->more) {
            return turn;
        }
        const struct dkv_state_ask question = {.what = DKV_STATE_ROWS,
                                               .session = transfer->sync.session,
                                               .after = have->rows[have->count - 1].origin};
        if (ask(transfer, transfer->sync.donor, &question, &state, diag)) {
            return TURN_SILENT;
        }
        if (state.what != DKV_STATE_ROWS || state.have.origin != transfer->sync.donor_origin) {
            return TURN_ANEW;
        }
    }
}

/* The records of one message. */
static void cut_piece(const struct dkv_state *page, size_t first, struct dkv_fill *fill)
{
    size_t bytes = 0;
    fill->records = page->records ? page->records + first : NULL;
    fill->count = 0;
    while (first + fill->count < page->count && fill->count < DKV_FILL_RECORDS_MAX) {
        const struct dkv_state_record *record = &fill->records[fill->count];
        bytes += record->key.len + record->bytes.len;
        if (fill->count > 0 && bytes > DKV_FILL_BYTES_GOAL) {
            break;
        }
        fill->count++;
    }
    fill->end = page->end && first + fill->count == page->count;
    fill->to = fill->count > 0 ? fill->records[fill->count - 1].key : (struct hr_str){0};
}

/* One message to the lane. TURN_ON: it got further. */
static enum turn apply_piece(struct transfer *transfer, struct dkv_fill *piece,
                             struct hr_diag *diag)
{
    struct dkv_sync now = transfer->sync;
    struct dkv_filled filled;
    struct hr_arena arena;
    enum turn turn = TURN_WAIT;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    piece->from = now.cursor;
    enum hr_err err = fill(transfer, piece, &arena, &filled, diag);
    if (!err && filled.session == now.session) {
        bool further = filled.phase != now.phase || hr_str_cmp(filled.cursor, now.cursor) > 0;
        turn = further ? TURN_ON : TURN_WAIT;
        now.torn = true;
        now.phase = filled.phase;
        now.cursor = filled.cursor;
        keep_sync(transfer, &now);
    }
    hr_arena_release(&arena);
    return turn;
}

/* Hands the page to the lane, piece by piece. */
static enum turn apply_page(struct transfer *transfer, const struct dkv_state *page,
                            struct dkv_fill *piece, struct hr_diag *diag)
{
    enum turn turn = TURN_ON;
    size_t first = 0;
    while (turn == TURN_ON && transfer->sync.phase == DKV_SYNC_FILLING) {
        while (first < page->count &&
               hr_str_cmp(page->records[first].key, transfer->sync.cursor) <= 0) {
            first++;
        }
        if (first == page->count && !page->end) {
            return TURN_ON;
        }
        cut_piece(page, first, piece);
        turn = apply_piece(transfer, piece, diag);
    }
    return turn;
}

/* The page is not for this tick, but what was pulled for it need not be pulled again. */
static enum turn keep_notes(struct transfer *transfer, struct dkv_fill *notes, enum turn turn)
{
    struct dkv_filled filled;
    struct hr_diag diag;
    notes->what = DKV_FILL_NOTES;
    return fill(transfer, notes, transfer->arena, &filled, &diag) ? TURN_WAIT : turn;
}

/* What a donor that is being filled itself says. Who has nothing of the other yet gives way; if neither has, the one
 * with the higher number. */
static enum turn refused(const struct transfer *transfer, enum dkv_state_what what)
{
    bool torn = what == DKV_STATE_TORN;
    bool higher = transfer->tick->config->site_id > transfer->sync.donor;
    bool yields = transfer->sync.torn == torn ? higher : torn;
    return yields ? TURN_YIELD : TURN_SILENT;
}

static enum turn take_page(struct transfer *transfer, struct hr_diag *diag)
{
    const struct dkv_sync *sync = &transfer->sync;
    struct dkv_state state;
    struct dkv_fill piece = {.session = sync->session};
    const struct dkv_state_ask question = {
        .what = DKV_STATE_PAGE, .session = sync->session, .cursor = sync->cursor};
    if (ask(transfer, sync->donor, &question, &state, diag)) {
        return TURN_SILENT;
    }
    if (state.have.origin != sync->donor_origin) {
        HR_IGNORE(DKV_FAIL(diag, HR_CONFLICT, HR_STR("the donor was started anew"))); /* its text */
        return TURN_ANEW;
    }
    if (state.what != DKV_STATE_PAGE) {
        HR_IGNORE(
            DKV_FAIL(diag, HR_BUSY, HR_STR("the donor is being filled itself"))); /* its text */
        return refused(transfer, state.what);
    }
    enum turn turn = stage(transfer, &state.have, &piece, diag);
    if (turn == TURN_ON) {
        return apply_page(transfer, &state, &piece, diag);
    }
    return turn == TURN_ANEW || piece.note_count == 0 ? turn : keep_notes(transfer, &piece, turn);
}

static enum turn close_some(struct transfer *transfer, struct hr_diag *diag)
{
    struct dkv_filled filled;
    const struct dkv_fill message = {.what = DKV_FILL_CLOSE, .session = transfer->sync.session};
    if (fill(transfer, &message, transfer->arena, &filled, diag)) {
        return TURN_WAIT;
    }
    if (filled.phase == DKV_SYNC_NONE) {
        tell(transfer, DKV_LOG_INFO, "transfer-done", "all that the donor had is here");
    }
    transfer->sync.phase = filled.phase;
    return filled.phase == DKV_SYNC_NONE || filled.session == transfer->sync.session ? TURN_ON
                                                                                     : TURN_WAIT;
}

/* --- a tick ------------------------------------------------------------------------------------------- */

/* Nothing is to be had any more: whoever had what this site lacks is gone, or it came as changes. */
static bool needless(const struct transfer *transfer)
{
    const struct dkv_holdings *holdings = transfer->holdings;
    return !transfer->sync.forced && holdings->count > 1 &&
           holdings->count > transfer->tick->group->alive && !dkv_donors_any(&transfer->donors);
}

/* What to do after the donor gave nothing. */
static enum turn after_silence(const struct transfer *transfer)
{
    const struct dkv_env *env = transfer->tick->env;
    dkv_wall_ms wall = env->wall(env->arg);
    bool long_ago = wall < transfer->sync.heard || wall - transfer->sync.heard > DKV_DONOR_MS_MAX;
    return long_ago ? TURN_ANEW : TURN_WAIT;
}

static enum turn go_on(struct transfer *transfer, struct hr_diag *diag)
{
    switch (transfer->sync.phase) {
    case DKV_SYNC_WANTED:
    case DKV_SYNC_OPENING:
        return needless(transfer) ? TURN_YIELD : find_donor(transfer);
    case DKV_SYNC_FILLING:
        return take_page(transfer, diag);
    case DKV_SYNC_CLOSING:
        return close_some(transfer, diag);
    case DKV_SYNC_NONE:
        break;
    }
    return TURN_WAIT;
}

/* Back to the wish, or to nothing. */
static enum turn begin_anew(struct transfer *transfer, enum turn why, struct hr_diag *diag)
{
    const struct dkv_tick *tick = transfer->tick;
    struct dkv_sync sync;
    bool drop = transfer->sync.phase <= DKV_SYNC_OPENING;
    tell(transfer, DKV_LOG_WARN, drop ? "transfer-dropped" : "transfer-anew",
         drop ? "nobody has more than this site" : diag->text);
    if (dkv_open_back(tick->env, tick->config, transfer->sync.session, drop, &sync, diag)) {
        return TURN_WAIT;
    }
    keep_sync(transfer, &sync);
    return why == TURN_YIELD ? TURN_WAIT : TURN_ON;
}

static enum hr_err read_sync(struct transfer *transfer, struct hr_diag *diag)
{
    struct dkv_sync sync;
    enum hr_err err = dkv_sync_read(transfer->tick->env, transfer->arena, &sync, diag);
    if (!err) {
        keep_sync(transfer, &sync);
    }
    return err;
}

enum hr_err dkv_transfer_step(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                              struct hr_diag *diag)
{
    struct hr_arena arena;
    struct transfer transfer = {.tick = tick, .holdings = holdings, .arena = &arena};
    struct hr_diag why = {0};
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = read_sync(&transfer, diag);
    enum turn turn = TURN_ON;
    if (!err) {
        err = dkv_donors_init(&transfer.donors, tick, holdings, transfer.sync.forced, &arena, diag);
    }
    tick->transferring = tick->transferring || err || transfer.sync.phase != DKV_SYNC_NONE;
    while (!err && turn == TURN_ON && transfer.sync.phase != DKV_SYNC_NONE &&
           !dkv_tick_over(tick)) {
        hr_arena_release(&arena);
        why.text[0] = '\0';
        turn = go_on(&transfer, &why);
        turn = turn == TURN_SILENT ? after_silence(&transfer) : turn;
        if (turn == TURN_ANEW || turn == TURN_YIELD) {
            turn = begin_anew(&transfer, turn, &why);
        }
    }
    if (turn == TURN_WAIT && why.text[0] != '\0') {
        tell(&transfer, DKV_LOG_WARN, "transfer-waits", why.text);
    }
    hr_arena_release(&arena);
    return err;
}

enum hr_err dkv_transfer_pending(const struct dkv_env *env, bool *ret_pending, struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_sync sync;
    hr_arena_init(&arena, 0);
    enum hr_err err = dkv_sync_read(env, &arena, &sync, diag);
    hr_arena_release(&arena);
    *ret_pending = err || sync.phase != DKV_SYNC_NONE;
    return err;
}

enum hr_err dkv_transfer_want(const struct dkv_env *env, const struct dkv_config *config,
                              bool forced, struct hr_diag *diag)
{
    return dkv_open_want(env, config, forced, diag);
}
