/* The ends of this site's older incarnations, where the boot could not tell them, because its store may have lost
 * changes, or was wrong about them: v/ gets `sealed` with the number of the last change.
 *
 * What is filled cannot be taken back, so that all who may have it have to be known: of a life that was before this store
 * one who knew the group then has to be among those who answered (fence.h); of a site that is out all have to know
 * that it is, or one of them may still take its changes from itself.
 *
 * That is known once all other members have answered this incarnation, so that none of them takes anything older of
 * this site any more but out of another's feed (fence.h): the last change is the highest that anybody has. What any
 * of them has is got first. A number below it that nobody has belongs to a change that was lost with the store;
 * it gets a NOOP with the clock of the number before it (1 if there is none), so that the numbers are dense and
 * others can go on over it. What was in it is lost with the store: f/, q/ and the record were one commit, and went together. But the
 * host may remember which keys they were, if it lived on, and so the log names them, also those after the last one that anybody
 * has, which leave no trace in any store (lost.h). While the host is finding out nothing is filled or sealed.
 *
 * Must not know: how changes are merged. */
#ifndef DKV_SEAL_H
#define DKV_SEAL_H

#include "actors/kv/core/site/holdings.h"

/* Incarnations in one round. */
#define DKV_SEALS_MAX 16u
/* NOOPs in one parcel, and parcels for one incarnation in one round. */
#define DKV_SEAL_NOOPS_MAX 256u
#define DKV_SEAL_FILLS_MAX 64u

/* Does what can be done for the incarnations on this page of @holdings, after the pull. What cannot be done now is
 * left to a later tick. Errors: HR_NO_MEMORY, HR_CORRUPT, the store's. */
HR_MUST_CHECK enum hr_err dkv_seal_origins(struct dkv_tick *tick,
                                           const struct dkv_holdings *holdings,
                                           struct hr_diag *diag);

/* Tells what the host knows to be lost of incarnations that are over, where it was not told as they were sealed: by another
 * host of this site, or at a boot of a site that is alone, or because nothing of them is left anywhere. @holdings: a page of everybody's lists;
 * NULL if nobody was asked. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_seal_tell_lost(const struct dkv_tick *tick,
                                             const struct dkv_holdings *holdings,
                                             struct hr_diag *diag);
/* Tells what the host knows to be lost of incarnations that are gathered up by @next, and were not by @before: it is the last
 * time that v/ says how far they went. Errors: as above; HR_AGAIN: the host is finding out, and they have to stay. */
HR_MUST_CHECK enum hr_err dkv_seal_tell_last(const struct dkv_tick *tick,
                                             const struct dkv_floor *before,
                                             const struct dkv_floor *next, struct hr_diag *diag);

#endif
