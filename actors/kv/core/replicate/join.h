/* When a site that was started serves clients again: SYNC -> ACTIVE, at the end of a round of questions.
 *
 * It does once everything is here that the answers say is there, of all other members, or of Q that are ACTIVE or
 * were INTACT. With N members, a write that is acknowledged once W sites hold it, and nothing lost here, Q = N - W
 * of the others have all of those writes between them and this site; if this site may have lost some of what it
 * held, it takes one more. The clock is lifted above the highest one of the answers before: no change of this site
 * is older than what others take to be settled.
 *
 * - Members that the host sees alive are waited for beyond Q, but no longer than join-timeout-ms since the boot. An
 *   answer that cannot be caught up with in ten times that is left out, if the others are enough.
 * - A site whose clock is more than DKV_DRIFT_MS_MAX ahead of this one's wall counts only if nothing is lacking of
 *   what it has; its clock lifts nothing.
 * - Not while a transfer is under way, nor before the host knows who is there.
 * - With `join: any` the site serves after join-timeout-ms in any case.
 *
 * Who waits says for what, about every DKV_JOIN_TELL_MS. Must not know: how changes are got. */
#ifndef DKV_JOIN_H
#define DKV_JOIN_H

#include "actors/kv/core/site/holdings.h"

#define DKV_JOIN_TELL_MS 3000u
#define DKV_JOIN_PATIENCE 10u

/* What one site has said, over all pages of one round. */
struct dkv_join_answer {
    uint16_t site;
    dkv_origin origin;
    dkv_hlc clock;
    bool sound;   /* ACTIVE, or INTACT at its boot */
    bool covered; /* all of it is here */
    size_t pages;
};

/* A round; begins as zeroes. */
struct dkv_join {
    dkv_origin asked_as;
    size_t pages;
    size_t count;
    struct dkv_join_answer answers[DKV_MEMBERS_MAX];
};

/* Takes in one page of a round, after what was lacking has been pulled. Errors: HR_NO_MEMORY, HR_CORRUPT, the
 * store's. */
HR_MUST_CHECK enum hr_err dkv_join_weigh(struct dkv_tick *tick, struct dkv_join *join,
                                         const struct dkv_holdings *holdings, struct hr_diag *diag);
/* Ends a round: enters ACTIVE if that may be. ret_state: what the site is then. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_join_decide(struct dkv_tick *tick, const struct dkv_join *join,
                                          enum dkv_site_state *ret_state, struct hr_diag *diag);

#endif
