/* Steps of a state transfer, from the wish for one to its end. */
#include "actors/kv/core/transfer/transfer.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/route.h"
#include "actors/kv/core/transfer/open.h"
#include "actors/kv/core/transfer/transfer_impl.h"

void dkv_transfer_keep(struct dkv_transfer *transfer, const struct dkv_sync *sync)
{
    size_t len = sync->cursor.len < sizeof transfer->cursor ? sync->cursor.len : 0;
    if (len > 0) {
        memcpy(transfer->cursor, sync->cursor.ptr, len);
    }
    transfer->sync = *sync;
    transfer->sync.cursor = hr_str_of(transfer->cursor, len);
}

void dkv_transfer_tell(const struct dkv_transfer *transfer, enum dkv_log_level level,
                       const char *what, const char *why)
{
    dkv_tick_tell(transfer->tick, level, hr_str_c(what), transfer->sync.donor_origin, why);
}

/* --- questions ---------------------------------------------------------------------------------------- */

enum hr_err dkv_transfer_ask(const struct dkv_transfer *transfer, uint16_t site,
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
                 !hr_str_eq(ret_state->cursor, ask->cursor) ||
                 !dkv_have_follows(&ret_state->have, ask->after))) {
        err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("state: an answer to another question"));
    }
    return err;
}

enum hr_err dkv_transfer_fill(const struct dkv_transfer *transfer, const struct dkv_fill *fill,
                              struct hr_arena *arena, struct dkv_filled *ret_filled,
                              struct hr_diag *diag)
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

/* --- a tick ------------------------------------------------------------------------------------------- */

static enum dkv_transfer_turn close_some(struct dkv_transfer *transfer, struct hr_diag *diag)
{
    struct dkv_filled filled;
    const struct dkv_fill message = {.what = DKV_FILL_CLOSE, .session = transfer->sync.session};
    if (dkv_transfer_fill(transfer, &message, transfer->arena, &filled, diag)) {
        return DKV_TURN_WAIT;
    }
    if (filled.phase == DKV_SYNC_NONE) {
        dkv_transfer_tell(transfer, DKV_LOG_INFO, "transfer-done",
                          "all that the donor had is here");
    }
    transfer->sync.phase = filled.phase;
    return filled.phase == DKV_SYNC_NONE || filled.session == transfer->sync.session
               ? DKV_TURN_ON
               : DKV_TURN_WAIT;
}

/* Nothing is to be had any more: whoever had what this site lacks is gone, or it came as changes. */
static bool needless(const struct dkv_transfer *transfer)
{
    const struct dkv_holdings *holdings = transfer->holdings;
    return !transfer->sync.forced && holdings->count > 1 &&
           holdings->count > transfer->tick->group->alive && !dkv_donors_any(&transfer->donors);
}

/* What to do after the donor gave nothing. */
static enum dkv_transfer_turn after_silence(const struct dkv_transfer *transfer)
{
    const struct dkv_env *env = transfer->tick->env;
    dkv_wall_ms wall = env->wall(env->arg);
    bool long_ago = wall < transfer->sync.heard || wall - transfer->sync.heard > DKV_DONOR_MS_MAX;
    return long_ago ? DKV_TURN_ANEW : DKV_TURN_WAIT;
}

static enum dkv_transfer_turn go_on(struct dkv_transfer *transfer, struct hr_diag *diag)
{
    switch (transfer->sync.phase) {
    case DKV_SYNC_WANTED:
    case DKV_SYNC_OPENING:
        return needless(transfer) ? DKV_TURN_YIELD : dkv_transfer_find_donor(transfer);
    case DKV_SYNC_FILLING:
        return dkv_transfer_take_page(transfer, diag);
    case DKV_SYNC_CLOSING:
        return close_some(transfer, diag);
    case DKV_SYNC_NONE:
        break;
    }
    return DKV_TURN_WAIT;
}

/* Back to the wish, or to nothing. */
static enum dkv_transfer_turn begin_anew(struct dkv_transfer *transfer, enum dkv_transfer_turn why,
                                         struct hr_diag *diag)
{
    const struct dkv_tick *tick = transfer->tick;
    struct dkv_sync sync;
    bool drop = transfer->sync.phase <= DKV_SYNC_OPENING;
    dkv_transfer_tell(transfer, DKV_LOG_WARN, drop ? "transfer-dropped" : "transfer-anew",
                      drop ? "nobody has more than this site" : diag->text);
    if (dkv_open_back(tick->env, tick->config, transfer->sync.session, drop, &sync, diag)) {
        return DKV_TURN_WAIT;
    }
    dkv_transfer_keep(transfer, &sync);
    return why == DKV_TURN_YIELD ? DKV_TURN_WAIT : DKV_TURN_ON;
}

static enum hr_err read_sync(struct dkv_transfer *transfer, struct hr_diag *diag)
{
    struct dkv_sync sync;
    enum hr_err err = dkv_sync_read(transfer->tick->env, transfer->arena, &sync, diag);
    if (!err) {
        dkv_transfer_keep(transfer, &sync);
    }
    return err;
}

enum hr_err dkv_transfer_step(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                              struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_transfer transfer = {.tick = tick, .holdings = holdings, .arena = &arena};
    struct hr_diag why = {0};
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = read_sync(&transfer, diag);
    enum dkv_transfer_turn turn = DKV_TURN_ON;
    if (!err) {
        err = dkv_donors_init(&transfer.donors, tick, holdings, transfer.sync.forced, &arena, diag);
    }
    tick->transferring = tick->transferring || err || transfer.sync.phase != DKV_SYNC_NONE;
    while (!err && turn == DKV_TURN_ON && transfer.sync.phase != DKV_SYNC_NONE &&
           !dkv_tick_over(tick)) {
        hr_arena_release(&arena);
        why.text[0] = '\0';
        turn = go_on(&transfer, &why);
        turn = turn == DKV_TURN_SILENT ? after_silence(&transfer) : turn;
        if (turn == DKV_TURN_ANEW || turn == DKV_TURN_YIELD) {
            turn = begin_anew(&transfer, turn, &why);
        }
    }
    if (turn == DKV_TURN_WAIT && why.text[0] != '\0') {
        dkv_transfer_tell(&transfer, DKV_LOG_WARN, "transfer-waits", why.text);
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
