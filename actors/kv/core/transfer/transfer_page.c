/* Pages of records: from the donor, with the changes behind them, to the lane. */
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/replicate/pull.h"
#include "actors/kv/core/transfer/transfer_impl.h"

/* Where a row's changes are to be pulled from: after what is covered, what was pulled before and what is
 * here without a gap. */
static enum hr_err pulled_upto(const struct dkv_transfer *transfer, const struct dkv_cover *cover,
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
static enum dkv_transfer_turn stage_row(struct dkv_transfer *transfer,
                                        const struct dkv_cover *cover,
                                        const struct dkv_have_row *row, struct dkv_fill *notes,
                                        struct hr_diag *diag)
{
    struct dkv_pull_range range = {.site = transfer->sync.donor,
                                   .pull = {.origin = row->origin, .upto = row->high}};
    if (row->origin == transfer->holdings->lists[0].origin) {
        return DKV_TURN_ON;
    }
    enum hr_err err = pulled_upto(transfer, cover, row, &range.pull.after, diag);
    if (err || range.pull.after >= row->high) {
        return err ? DKV_TURN_WAIT : DKV_TURN_ON;
    }
    uint64_t before = range.pull.after;
    err = dkv_pull_range(transfer->tick, &range, diag);
    if (range.gone) {
        HR_IGNORE(
            DKV_FAIL(diag, HR_NOT_FOUND, HR_STR("the donor has cut off too much"))); /* its text */
        return DKV_TURN_ANEW;
    }
    /* The donor's gaps may be filled later: beyond its prefix nothing is settled. */
    uint64_t upto = range.whole || range.pull.after > row->prefix ? row->prefix : range.pull.after;
    if (upto > before) {
        notes->notes[notes->note_count++] = (struct dkv_fill_note){row->origin, upto};
    }
    if (range.silent) {
        return DKV_TURN_SILENT;
    }
    return err || !range.whole ? DKV_TURN_WAIT : DKV_TURN_ON;
}

/* Pulls whatever may be in the page's records and is not covered. @fill gets the notes of it. */
static enum dkv_transfer_turn stage(struct dkv_transfer *transfer, const struct dkv_have *first,
                                    struct dkv_fill *fill, struct hr_diag *diag)
{
    struct dkv_cover cover;
    struct dkv_state state = {.have = *first};
    enum dkv_transfer_turn turn = DKV_TURN_ON;
    fill->notes = hr_arena_alloc(transfer->arena, DKV_FILL_NOTES_MAX * sizeof *fill->notes);
    if (!fill->notes ||
        dkv_cover_read(transfer->tick->env, &transfer->sync, transfer->arena, &cover, diag)) {
        return DKV_TURN_WAIT;
    }
    for (;;) {
        const struct dkv_have *have = &state.have;
        for (size_t i = 0; turn == DKV_TURN_ON && i < have->count; i++) {
            if (fill->note_count == DKV_FILL_NOTES_MAX) {
                return DKV_TURN_WAIT;
            }
            turn = stage_row(transfer, &cover, &have->rows[i], fill, diag);
        }
        if (turn != DKV_TURN_ON || !have->more) {
            return turn;
        }
        if (dkv_tick_over(transfer->tick)) {
            return DKV_TURN_WAIT;
        }
        const struct dkv_state_ask question = {.what = DKV_STATE_ROWS,
                                               .session = transfer->sync.session,
                                               .after = have->rows[have->count - 1].origin};
        if (dkv_transfer_ask(transfer, transfer->sync.donor, &question, &state, diag)) {
            return DKV_TURN_SILENT;
        }
        if (state.what != DKV_STATE_ROWS || state.have.origin != transfer->sync.donor_origin) {
            return DKV_TURN_ANEW;
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

/* One message to the lane. DKV_TURN_ON: it got further. */
static enum dkv_transfer_turn apply_piece(struct dkv_transfer *transfer, struct dkv_fill *piece,
                                          struct hr_diag *diag)
{
    struct dkv_sync now = transfer->sync;
    struct dkv_filled filled;
    struct hr_arena arena;
    enum dkv_transfer_turn turn = DKV_TURN_WAIT;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    piece->from = now.cursor;
    enum hr_err err = dkv_transfer_fill(transfer, piece, &arena, &filled, diag);
    if (!err && filled.session == now.session) {
        bool further = filled.phase != now.phase || hr_str_cmp(filled.cursor, now.cursor) > 0;
        turn = further ? DKV_TURN_ON : DKV_TURN_WAIT;
        now.torn = true;
        now.phase = filled.phase;
        now.cursor = filled.cursor;
        dkv_transfer_keep(transfer, &now);
    }
    hr_arena_release(&arena);
    return turn;
}

/* Hands the page to the lane, piece by piece. */
static enum dkv_transfer_turn apply_page(struct dkv_transfer *transfer,
                                         const struct dkv_state *page, struct dkv_fill *piece,
                                         struct hr_diag *diag)
{
    enum dkv_transfer_turn turn = DKV_TURN_ON;
    size_t first = 0;
    while (turn == DKV_TURN_ON && transfer->sync.phase == DKV_SYNC_FILLING) {
        while (first < page->count &&
               hr_str_cmp(page->records[first].key, transfer->sync.cursor) <= 0) {
            first++;
        }
        if (first == page->count && !page->end) {
            return DKV_TURN_ON;
        }
        cut_piece(page, first, piece);
        turn = apply_piece(transfer, piece, diag);
    }
    return turn;
}

/* The page is not for this tick, but what was pulled for it need not be pulled again. */
static enum dkv_transfer_turn keep_notes(struct dkv_transfer *transfer, struct dkv_fill *notes,
                                         enum dkv_transfer_turn turn)
{
    struct dkv_filled filled;
    struct hr_diag diag;
    notes->what = DKV_FILL_NOTES;
    return dkv_transfer_fill(transfer, notes, transfer->arena, &filled, &diag) ? DKV_TURN_WAIT
                                                                               : turn;
}

/* What a donor that is being filled itself says. Who has nothing of the other yet gives way; if neither has, the one
 * with the higher number. */
static enum dkv_transfer_turn refused(const struct dkv_transfer *transfer, enum dkv_state_what what)
{
    bool torn = what == DKV_STATE_TORN;
    bool higher = transfer->tick->config->site_id > transfer->sync.donor;
    bool yields = transfer->sync.torn == torn ? higher : torn;
    return yields ? DKV_TURN_YIELD : DKV_TURN_SILENT;
}

enum dkv_transfer_turn dkv_transfer_take_page(struct dkv_transfer *transfer, struct hr_diag *diag)
{
    const struct dkv_sync *sync = &transfer->sync;
    struct dkv_state state;
    struct dkv_fill piece = {.session = sync->session};
    const struct dkv_state_ask question = {
        .what = DKV_STATE_PAGE, .session = sync->session, .cursor = sync->cursor};
    if (dkv_transfer_ask(transfer, sync->donor, &question, &state, diag)) {
        return DKV_TURN_SILENT;
    }
    if (state.have.origin != sync->donor_origin) {
        HR_IGNORE(DKV_FAIL(diag, HR_CONFLICT, HR_STR("the donor was started anew"))); /* its text */
        return DKV_TURN_ANEW;
    }
    if (state.what != DKV_STATE_PAGE) {
        HR_IGNORE(
            DKV_FAIL(diag, HR_BUSY, HR_STR("the donor is being filled itself"))); /* its text */
        return refused(transfer, state.what);
    }
    enum dkv_transfer_turn turn = stage(transfer, &state.have, &piece, diag);
    if (turn == DKV_TURN_ON) {
        return apply_page(transfer, &state, &piece, diag);
    }
    return turn == DKV_TURN_ANEW || piece.note_count == 0 ? turn
                                                          : keep_notes(transfer, &piece, turn);
}
