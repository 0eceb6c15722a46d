/* Whether this site has what a session (session.h) has seen, and waiting for it. A stamp is here if its
 * origin's changes are applied without a gap up to it, or if the group's floor (floor.h) has passed it, which it does
 * in the end also where the stamp is of a change that was lost.
 * A site that has always been alone has whatever there is.
 *
 * What is missing is HR_AGAIN: another site may have it, or this one later. Reads wait for it a while;
 * writes do not, because the lane waits behind them, and only those with a condition need it: it is to be
 * judged by what the session has seen. Must not know: replies. */
#ifndef DKV_MEET_H
#define DKV_MEET_H

#include "actors/kv/core/format/session.h"
#include "actors/kv/core/site/attempt.h"

/* How long a read waits at most, and for how long from one look to the next. */
#define DKV_MEET_MS_MAX ((dkv_mono_ms)200)
#define DKV_MEET_PAUSE_MS 10u
#define DKV_MEET_LOOKS_MAX (1 + DKV_MEET_MS_MAX / DKV_MEET_PAUSE_MS)

/* Refuses a token with a clock that no site can have given: a write's stamp has to be above it, and so
 * anybody could set this site's clock ahead. Errors: HR_BAD_INPUT. */
HR_MUST_CHECK enum hr_err dkv_meet_admit(const struct dkv_site *site,
                                         const struct dkv_session *session, struct hr_diag *diag);
/* Comes back when everything is here. @session may be NULL. Errors: HR_BAD_INPUT, HR_AGAIN,
 * HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_meet_wait(const struct dkv_env *env, const struct dkv_site *site,
                                        const struct dkv_session *session, struct hr_diag *diag);
/* Whether everything is here as @attempt finds it. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_meet_now(struct dkv_attempt *attempt,
                                       const struct dkv_session *session, struct hr_diag *diag);

#endif
