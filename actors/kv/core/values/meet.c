/* Comparing sessions with v/. */
#include "actors/kv/core/values/meet.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/floor.h"

#define ARENA_BYTES_MAX ((size_t)1 << 20)

enum hr_err dkv_meet_admit(const struct dkv_site *site, const struct dkv_session *session,
                           struct hr_diag *diag)
{
    dkv_hlc newest = dkv_session_newest(session);
    /* After its wall went back, a site's own clock is ahead, and lifts nothing. */
    if (newest <= site->ctr.hlc || dkv_clock_ahead_ms(newest, site->wall) <= DKV_DRIFT_MS_MAX) {
        return HR_OK;
    }
    return DKV_FAIL(diag, HR_BAD_INPUT,
                    HR_STR("$session has a clock that is ahead of this site's"));
}

/* @value is what v/ says of the stamp's origin. */
static enum hr_err look_at(struct dkv_stamp stamp, struct dkv_value value,
                           const struct dkv_floor *floor, bool *ret_here, struct hr_diag *diag)
{
    struct dkv_progress progress;
    *ret_here = stamp.hlc <= floor->group || dkv_floor_retired(floor, stamp.origin);
    if (*ret_here || !value.present) {
        return HR_OK;
    }
    enum hr_err err = dkv_progress_decode(value.bytes, &progress, diag);
    if (!err) {
        /* A stamp beyond the end of a sealed origin is of a change that was lost, or that this store has lost. */
        *ret_here = progress.hlc >= stamp.hlc;
    }
    return err;
}

static enum hr_err behind(struct hr_diag *diag)
{
    return DKV_FAIL(diag, HR_AGAIN,
                    HR_STR("this site does not yet have what the session has seen"));
}

/* One look. Errors: HR_AGAIN, too. */
static enum hr_err look(const struct dkv_env *env, const struct dkv_session *session,
                        struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_value values[DKV_SESSION_ORIGINS_MAX + 1];
    struct hr_str keys[DKV_SESSION_ORIGINS_MAX + 1];
    struct dkv_floor floor;
    bool here = true;
    for (size_t i = 0; i < session->count; i++) {
        keys[i] = dkv_key_progress(arena, session->seen[i].origin);
        if (!keys[i].ptr) {
            return HR_NO_MEMORY;
        }
    }
    keys[session->count] = DKV_KEY_FLOOR;
    enum hr_err err = env->get_many(env->arg, keys, session->count + 1, arena, values, diag);
    if (!err) {
        err = dkv_floor_decode(values[session->count], &floor, diag);
    }
    for (size_t i = 0; !err && here && i < session->count; i++) {
        err = look_at(session->seen[i], values[i], &floor, &here, diag);
    }
    return err || here ? err : behind(diag);
}

/* A site that has never known another one has all there is, unless the session has been elsewhere, or here when the site
 * had another store. */
static bool may_lack(const struct dkv_site *site, const struct dkv_session *session)
{
    bool elsewhere = site->grouped;
    for (size_t i = 0; i < session->count; i++) {
        dkv_origin origin = session->seen[i].origin;
        elsewhere = elsewhere || dkv_origin_site(origin) != dkv_origin_site(site->ctr.origin) ||
                    dkv_origin_inc(origin) < site->since;
    }
    return elsewhere && session->count > 0;
}

enum hr_err dkv_meet_wait(const struct dkv_env *env, const struct dkv_site *site,
                          const struct dkv_session *session, struct hr_diag *diag)
{
    dkv_mono_ms start = env->mono(env->arg);
    enum hr_err err = dkv_meet_admit(site, session, diag);
    if (err || !session || !may_lack(site, session)) {
        return err;
    }
    for (unsigned i = 0; i < DKV_MEET_LOOKS_MAX; i++) {
        struct hr_arena arena;
        hr_arena_init(&arena, ARENA_BYTES_MAX);
        err = look(env, session, &arena, diag);
        hr_arena_release(&arena);
        if (err != HR_AGAIN || env->in_lane ||
            env->mono(env->arg) - start + DKV_MEET_PAUSE_MS > DKV_MEET_MS_MAX) {
            break;
        }
        env->sleep(env->arg, DKV_MEET_PAUSE_MS);
    }
    return err;
}

enum hr_err dkv_meet_now(struct dkv_attempt *attempt, const struct dkv_session *session,
                         struct hr_diag *diag)
{
    struct dkv_floor floor;
    if (!session || !may_lack(&attempt->site, session)) {
        return HR_OK;
    }
    enum hr_err err = dkv_floor_load(attempt, &floor, diag);
    for (size_t i = 0; !err && i < session->count; i++) {
        struct dkv_value value;
        bool here = false;
        struct hr_str key = dkv_key_progress(attempt->arena, session->seen[i].origin);
        err = key.ptr ? dkv_txn_get(&attempt->txn, key, &value, diag) : HR_NO_MEMORY;
        if (!err) {
            err = look_at(session->seen[i], value, &floor, &here, diag);
        }
        if (!err && !here) {
            err = behind(diag);
        }
    }
    return err;
}
