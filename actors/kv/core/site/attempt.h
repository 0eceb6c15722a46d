/* One attempt to do a run of writes with one commit: the site as it was found, a transaction, and
 * the clock, feed and tally as they move with every change. Every change gets a number, a stamp and
 * a feed entry of its own; m/ctr, v/, m/tally and the feed's cutting are stored at the end.
 *
 *   begin; for each write: mark, apply (write.c), undo on an error, forget if it is too much; commit
 *
 * Everything lives in the arena of the attempt. One thread. Must not know: what the changes are. */
#ifndef DKV_ATTEMPT_H
#define DKV_ATTEMPT_H

#include "actors/kv/core/format/change.h"
#include "actors/kv/core/site/config.h"
#include "actors/kv/core/site/request.h"
#include "actors/kv/core/site/site.h"
#include "actors/kv/core/site/tally.h"
#include "actors/kv/core/site/txn.h"

/* Submissions of one commit whose answers keep being lost. */
#define DKV_SETTLE_TRIES_MAX 8u
/* A warning about the clock comes with one in so many changes. */
#define DKV_CLOCK_WATCH_CHANGES 256u

struct dkv_attempt {
    const struct dkv_env *env;
    const struct dkv_config *config;
    struct hr_arena *arena;
    struct dkv_site site;
    struct dkv_txn txn;
    struct dkv_ctr ctr;
    struct dkv_progress progress;
    struct dkv_tally tally;
    size_t change_count;     /* of this site's own */
    size_t logged_count;     /* entries added to the feed, of all origins */
    struct hr_str first_key; /* of the first change: it tells whether the commit was done */
    struct hr_str first_change;
};

/* To go back to. */
struct dkv_attempt_mark {
    struct dkv_txn_mark txn;
    struct dkv_ctr ctr;
    struct dkv_tally tally;
    size_t change_count;
    size_t logged_count;
};

/* Opens the site and reads what @requests will need. Keeps @env, @config and @arena; borrows the
 * requests. Errors: those of dkv_site_open. */
HR_MUST_CHECK enum hr_err dkv_attempt_begin(struct dkv_attempt *attempt, const struct dkv_env *env,
                                            const struct dkv_config *config,
                                            const struct dkv_request *requests, size_t count,
                                            struct hr_arena *arena, struct hr_diag *diag);
struct dkv_attempt_mark dkv_attempt_mark(const struct dkv_attempt *attempt);
void dkv_attempt_undo(struct dkv_attempt *attempt, struct dkv_attempt_mark mark);
/* As if nothing had been read either. */
void dkv_attempt_forget(struct dkv_attempt *attempt, struct dkv_attempt_mark mark);

/* The bucket's clear mark as this attempt sees it; none if there is none. */
HR_MUST_CHECK enum hr_err dkv_attempt_clear(struct dkv_attempt *attempt,
                                            struct dkv_stamp *ret_clear, struct hr_diag *diag);
/* Gives @change the next number and a stamp above @floor. Errors: HR_CORRUPT. */
HR_MUST_CHECK enum hr_err dkv_attempt_number(struct dkv_attempt *attempt, dkv_hlc floor,
                                             struct dkv_change *change, struct hr_diag *diag);
/* Puts the change into the feed. Errors: HR_TOO_BIG, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_attempt_log(struct dkv_attempt *attempt,
                                          const struct dkv_change *change, struct hr_diag *diag);
/* Puts another origin's change, encoded as @bytes, into the feed. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_attempt_log_foreign(struct dkv_attempt *attempt,
                                                  const struct dkv_change *change,
                                                  struct hr_str bytes);
/* Counts a value that was @before and is @after visible, and notes that a change with clock @made, which is
 * above 0, left something to collect, if it did. */
void dkv_attempt_count(struct dkv_attempt *attempt, bool before, bool after);
void dkv_attempt_litter(struct dkv_attempt *attempt, dkv_hlc made);
/* Whether what was read and written so far goes into one commit. */
bool dkv_attempt_fits(const struct dkv_attempt *attempt);
/* What would go into the commit besides that. */
void dkv_attempt_room(const struct dkv_attempt *attempt, size_t *ret_ops, size_t *ret_bytes);
/* Stores it all; does nothing if there was no change. An answer that was lost is looked for.
 * Errors: HR_CONFLICT: nothing was done, begin anew. HR_UNKNOWN_OUTCOME. Others: nothing was done. */
HR_MUST_CHECK enum hr_err dkv_attempt_commit(struct dkv_attempt *attempt, struct hr_diag *diag);
/* Stores what was done without a change of this site's own. The clock in m/ctr moves, as with every commit. Tries once: an
 * answer that was lost stays so. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_attempt_commit_alone(struct dkv_attempt *attempt,
                                                   struct hr_diag *diag);

#endif
