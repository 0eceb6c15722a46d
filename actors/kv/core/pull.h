/* Getting changes that others have: ranges of an origin's feed from who has them, handed piece by piece to the
 * lane in which everything is applied (APPLY).
 *
 * An origin's changes come from its own site if that is alive, else from who has them without a gap up
 * to the highest number, else, if all have a gap in the same place, from any that has later ones.
 * Must not know: how changes are merged. */
#ifndef DKV_PULL_H
#define DKV_PULL_H

#include "actors/kv/core/holdings.h"

#define DKV_PULL_TIMEOUT_MS 1000u
#define DKV_APPLY_TIMEOUT_MS 2000u
/* Pieces of one origin before the next one's turn. */
#define DKV_PULL_PIECES_MAX 8u
/* Origins that are behind, in one round. */
#define DKV_LACKING_MAX 1024u

/* Gets what the first of @holdings lacks, until it has all, nobody gets further or the tick is over. What goes
 * wrong with others is logged. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_pull_all(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                                       struct hr_arena *arena);
/* Gets whatever @site has of @origin beyond @after, up to @upto. ret_all: nothing of that is lacking here any
 * more; false also if the site has cut some of it off, or something cannot be applied now.
 * Errors: HR_NO_MEMORY, those of the bus and of the answers. */
HR_MUST_CHECK enum hr_err dkv_pull_from(struct dkv_tick *tick, uint16_t site,
                                        const struct dkv_pull *range, bool *ret_all,
                                        struct hr_diag *diag);
/* v/ of @origin as it is now; empty if there is none. Errors: HR_CORRUPT, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_pull_progress(const struct dkv_tick *tick, dkv_origin origin,
                                            struct hr_arena *arena, struct dkv_value *ret_value,
                                            struct dkv_progress *ret_progress,
                                            struct hr_diag *diag);
/* Hands an encoded parcel to the lane that applies it. ret_held: all of it is here now. Errors: the bus', of
 * an answer that is not sound HR_CORRUPT. */
HR_MUST_CHECK enum hr_err dkv_pull_apply(const struct dkv_tick *tick, struct hr_str parcel,
                                         struct hr_arena *arena, bool *ret_held,
                                         struct hr_diag *diag);

#endif
