/* Looking at clocks, and the note of what is wrong. */
#include "actors/kv/core/site/drift.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/note.h"

dkv_wall_ms dkv_drift_own(const struct dkv_config *config, dkv_wall_ms wall)
{
    int64_t ahead_ms = -config->clock_ahead_ms;
    bool counts = ahead_ms > (int64_t)DKV_DRIFT_MS_MAX && (uint64_t)ahead_ms < wall;
    return counts ? wall - (uint64_t)ahead_ms : wall;
}

dkv_wall_ms dkv_drift_others(const struct dkv_config *config, dkv_wall_ms wall)
{
    bool counts = config->clock_ahead_ms > (int64_t)DKV_DRIFT_MS_MAX;
    return counts ? wall + (uint64_t)config->clock_ahead_ms : wall;
}

/* By how much this site's clock is ahead of what the others take; 0 if they do. */
static uint64_t ahead_of(const struct dkv_tick *tick, const struct dkv_holdings *holdings)
{
    const struct dkv_have *mine = &holdings->lists[0];
    dkv_wall_ms own = dkv_drift_own(tick->config, tick->env->wall(tick->env->arg));
    dkv_wall_ms wall = dkv_drift_others(tick->config, own);
    uint64_t ahead_ms = dkv_clock_ahead_ms(mine->clock, wall);
    size_t others = holdings->count - 1;
    size_t as_high = 0;
    for (size_t i = 1; i < holdings->count; i++) {
        as_high += dkv_clock_ahead_ms(holdings->lists[i].clock, wall) > DKV_DRIFT_MS_MAX;
    }
    return ahead_ms > DKV_DRIFT_MS_MAX && 2 * as_high <= others ? ahead_ms : 0;
}

static void tell(const struct dkv_tick *tick, uint64_t ahead_ms)
{
    char digits[DKV_DEC_BYTES_MAX];
    struct hr_diag line;
    if (ahead_ms == 0) {
        tick->env->log(tick->env->arg, DKV_LOG_INFO,
                       HR_STR("event=clock-right reason=\"this site makes writes again\""));
        return;
    }
    HR_IGNORE(DKV_FAIL(
        &line, HR_OK, HR_STR("event=clock-wrong ahead_ms="), dkv_text_dec(digits, ahead_ms),
        HR_STR(" reason=\"this site has made changes with a clock that was ahead of the "
               "others': it makes no more until time has caught up\"")));
    tick->env->log(tick->env->arg, DKV_LOG_ERROR, hr_str_c(line.text));
}

/* What writes read; whether there is a note matters to them, not what it says. */
static enum hr_err note(const struct dkv_tick *tick, struct dkv_value before, uint64_t ahead_ms,
                        struct hr_arena *arena, struct hr_diag *diag)
{
    const struct dkv_check check = {DKV_KEY_AHEAD, before};
    enum hr_err err = dkv_note_put(tick->env, &check, ahead_ms, arena, diag);
    if (!err) {
        tell(tick, ahead_ms);
    }
    /* Otherwise the next tick finds it as it is. */
    return err == HR_CONFLICT || err == HR_UNKNOWN_OUTCOME ? HR_OK : err;
}

enum hr_err dkv_drift_step(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                           struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_AHEAD;
    struct dkv_value value;
    struct hr_arena arena;
    if (holdings->count < 2) {
        return HR_OK;
    }
    hr_arena_init(&arena, 0);
    uint64_t ahead_ms = ahead_of(tick, holdings);
    enum hr_err err = tick->env->get_many(tick->env->arg, &key, 1, &arena, &value, diag);
    if (!err && value.present != (ahead_ms > 0)) {
        err = note(tick, value, ahead_ms, &arena, diag);
    }
    hr_arena_release(&arena);
    return err;
}

enum hr_err dkv_drift_admit(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    char digits[DKV_DEC_BYTES_MAX];
    struct dkv_value value;
    if (!attempt->site.grouped) {
        return HR_OK;
    }
    enum hr_err err = dkv_txn_get(&attempt->txn, DKV_KEY_AHEAD, &value, diag);
    dkv_wall_ms wall = dkv_drift_others(attempt->config, attempt->site.wall);
    uint64_t ahead_ms = dkv_clock_ahead_ms(attempt->site.ctr.hlc, wall);
    /* Time may have caught up since the note was made. */
    if (err || !value.present || ahead_ms <= DKV_DRIFT_MS_MAX) {
        return err;
    }
    return DKV_FAIL(diag, HR_NOT_READY, HR_STR("this site's newest change is "),
                    dkv_text_dec(digits, ahead_ms), HR_STR(" ms ahead of the others' clocks"));
}
