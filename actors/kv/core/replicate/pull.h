/* Getting changes that others have: ranges of an origin's feed from who has them, handed piece by piece to the
 * lane in which everything is applied (APPLY).
 *
 * An origin's changes come from its own site if that is alive, else from who has them without a gap up
 * to the highest number, else, if all have a gap in the same place, from any that has later ones.
 *
 * Two things say that this store lacks what nobody will send it: a change that all who had it have cut off, and a
 * floor that was worked out without this store being counted on, below which there may be what no list
 * tells of, and deletions that are forgotten everywhere. Then nothing is pulled any more, and a state transfer is asked
 * for (transfer.h). A change below a floor that did count on this store is a latecomer's, and is merged.
 * Must not know: how changes are merged. */
#ifndef DKV_PULL_H
#define DKV_PULL_H

#include "actors/kv/core/site/holdings.h"

#define DKV_PULL_TIMEOUT_MS 1000u
#define DKV_APPLY_TIMEOUT_MS 2000u
/* Pieces of one origin before the next one's turn. */
#define DKV_PULL_PIECES_MAX 8u
/* Origins that are behind, in one round. */
#define DKV_LACKING_MAX 1024u

/* Gets what the first of @holdings lacks, until it has all, nobody gets further or the tick is over. What goes
 * wrong with others is logged; tick->lost says that a state transfer is needed. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_pull_all(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                                       struct hr_arena *arena);
/* A range of an origin's changes that is wanted of one site, whatever its floor is. */
struct dkv_pull_range {
    uint16_t site;
    struct dkv_pull pull; /* goes along: after it, what is left */
    bool gone;            /* some of them are not in that site's feed any more */
    bool whole;           /* all that the site has of them is here now */
    bool silent;          /* the site did not answer, as opposed to the own lane */
};

/* Gets @range, until it is whole or gone, something cannot be applied or the tick is over. Errors: HR_NO_MEMORY, the
 * bus', of answers that are not sound HR_CORRUPT. */
HR_MUST_CHECK enum hr_err dkv_pull_range(struct dkv_tick *tick, struct dkv_pull_range *range,
                                         struct hr_diag *diag);
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
/* Hands an encoded parcel of changes of @origin to the lane that applies it. ret_held: all of it is here now. Errors:
 * the bus', of an answer that is not sound HR_CORRUPT. */
HR_MUST_CHECK enum hr_err dkv_pull_apply(const struct dkv_tick *tick, dkv_origin origin,
                                         struct hr_str parcel, struct hr_arena *arena,
                                         bool *ret_held, struct hr_diag *diag);

#endif
