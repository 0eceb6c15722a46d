/* The beginning of a session: who gives, and what it had then. */
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/transfer/open.h"
#include "actors/kv/core/transfer/transfer_impl.h"

/* All rows of @site, its marks last, as the beginning of a session. HR_BUSY: it cannot be a donor now. */
static enum hr_err ask_rows(struct dkv_transfer *transfer, uint16_t site, uint64_t session,
                            struct dkv_open *ret_open, struct hr_diag *diag)
{
    struct dkv_state_ask question = {.what = DKV_STATE_ROWS, .session = session};
    struct dkv_open open = {.session = session, .donor = site};
    bool more = true;
    enum hr_err err = HR_OK;
    while (!err && more) {
        struct dkv_state state;
        err =
            dkv_tick_over(transfer->tick)
                ? DKV_FAIL(diag, HR_TIMEOUT, HR_STR("it has more origins than a tick has time for"))
                : dkv_transfer_ask(transfer, site, &question, &state, diag);
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
static bool has_old_news(const struct dkv_transfer *transfer, const struct dkv_open *open)
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
static bool waits_for_news(const struct dkv_transfer *transfer, const struct dkv_open *open)
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
static bool is_ahead(const struct dkv_transfer *transfer, const struct dkv_open *open)
{
    const struct dkv_env *env = transfer->tick->env;
    return dkv_clock_ahead_ms(open->clock, env->wall(env->arg)) > DKV_DRIFT_MS_MAX;
}

/* Asks one after the other until one is the donor. */
enum dkv_transfer_turn dkv_transfer_find_donor(struct dkv_transfer *transfer)
{
    const struct dkv_tick *tick = transfer->tick;
    const struct dkv_holdings *holdings = transfer->holdings;
    struct hr_diag diag = {0};
    size_t *order = hr_arena_alloc(transfer->arena, holdings->count * sizeof *order);
    if (!order) {
        return DKV_TURN_WAIT;
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
            dkv_transfer_keep(transfer, &sync);
            dkv_transfer_tell(transfer, DKV_LOG_INFO, "transfer-begun",
                              "records come from this site");
            return DKV_TURN_ON;
        }
        dkv_tick_tell(tick, DKV_LOG_WARN, HR_STR("not-a-donor"), holdings->lists[order[i]].origin,
                      diag.text);
    }
    dkv_tick_tell(tick, DKV_LOG_ERROR, HR_STR("no-donor"), 0,
                  "this site needs a state transfer, and no site can give it now");
    return DKV_TURN_WAIT;
}
