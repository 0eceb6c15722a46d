/* The receiver's commits of a state transfer, in the lane of writes: a message of the route FILL brings what the
 * donor has in a range of keys, in their order, and the range becomes, one commit after the other,
 *
 *   the donor's record, merged with what of the record here is not covered
 *
 * where a stamp is covered if the donor had applied its change when the transfer began (sync.h). What is
 * covered and not in the donor's record was deleted there, though the deletion may be forgotten since; what
 * is not covered is news to the donor, and stays. A key that the donor has not is one of which it has the
 * empty record. Where an earlier donor was lost, what it brought of changes that are neither covered now
 * nor held here goes too: nobody may know of them any more.
 *
 * m/sync moves with each commit, so that a crash loses none and repeats none. When the range without an end
 * is done, messages that close take over what the donor's rows say: the clear mark, the clock and the
 * floor first, then each origin's v/, of which the feed here lacks the entries; older ones that a gap parts from it go.
 * Must not know: who the donor is, how its records came. */
#ifndef DKV_FILL_H
#define DKV_FILL_H

#include "actors/kv/core/site/config.h"

/* Keys that one commit looks at, and entries of the feed that it takes away, at most. */
#define DKV_FILL_KEYS_MAX 1024u
#define DKV_FILL_ENTRIES_MAX 512u
/* Attempts at one commit that others overtake. */
#define DKV_FILL_TRIES_MAX 64u

/* Does one commit of what @message asks for, if it fits m/sync, and answers how far it is now. Errors:
 * HR_CORRUPT, HR_UNSUPPORTED, HR_TOO_BIG, HR_BUSY, HR_NO_MEMORY, the store's, those of publishing. */
HR_MUST_CHECK enum hr_err dkv_fill(const struct dkv_env *env, const struct dkv_config *config,
                                   const struct dkv_message *message, struct hr_diag *diag);

#endif
