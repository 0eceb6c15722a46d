/* The receiver's side of a state transfer: this store lacks what no site can send it as changes any more, so it
 * takes over the records of one that has them, the donor, key by key (fill.h says how), while others' changes
 * go on coming in.
 *
 *   1. m/sync says durably that a transfer is wanted; with it the site is SYNC, and serves no clients.
 *   2. A donor is found among those who answered in the tick: ACTIVE before SYNC, then who lacks least, then
 *      who answered first. It tells what it has of each origin, which goes into s/ under a session number. If this
 *      site has changes that the donor has not, and that may be older than deletions which the donor has
 *      collected, it waits a while for the donor to pull them: that finds those deletions in its feed.
 *   3. It is asked for a page of records after another, each with what it has of each origin after the page was
 *      read. Whatever of that is beyond s/ is pulled into the feed here before the page is
 *      applied, so that no record here bears what this site could not account for.
 *   4. At the end v/ is lifted to s/, and m/sync goes. Whether the site is ACTIVE then is join.c's to say.
 *
 * If the donor was started anew, has cut off what is needed, or has been silent for DKV_DONOR_MS_MAX, all begins
 * again with another session, at the first key. A site that is being filled is no donor. Of two
 * that have begun to be filled by each other one gives way: the one that has nothing of the other yet.
 * One page is under way at a time. Must not know: how records are merged. */
#ifndef DKV_TRANSFER_H
#define DKV_TRANSFER_H

#include "actors/kv/core/site/holdings.h"

#define DKV_STATE_TIMEOUT_MS 2000u
#define DKV_FILL_TIMEOUT_MS 5000u
/* Without news from the donor. */
#define DKV_DONOR_MS_MAX ((dkv_wall_ms)5000)
/* How long a donor may take to get what this site alone knows of the time before it forgot deletions. */
#define DKV_NEWS_MS_MAX ((dkv_wall_ms)10000)
/* Records of one message to the own lane, and about how long they are together: about one commit. */
#define DKV_FILL_RECORDS_MAX 128u
#define DKV_FILL_BYTES_GOAL ((size_t)512 << 10)

/* Goes on with a transfer, if one is wanted or under way, until the tick is over or it can go no further;
 * tick->transferring says whether one was. What goes wrong with others is logged. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_transfer_step(struct dkv_tick *tick,
                                            const struct dkv_holdings *holdings,
                                            struct hr_diag *diag);
/* Says that a transfer is wanted, and that the site is SYNC; does nothing if that is said already. @forced: also if
 * nothing seems to be missing, over all that is here (`kv repair --rebuild`). Errors: those of opening
 * the site, HR_CORRUPT, HR_CONFLICT, HR_UNKNOWN_OUTCOME. */
HR_MUST_CHECK enum hr_err dkv_transfer_want(const struct dkv_env *env,
                                            const struct dkv_config *config, bool forced,
                                            struct hr_diag *diag);
/* Whether one is wanted or under way. Errors: HR_CORRUPT, HR_UNSUPPORTED, the store's. */
HR_MUST_CHECK enum hr_err dkv_transfer_pending(const struct dkv_env *env, bool *ret_pending,
                                               struct hr_diag *diag);

#endif
