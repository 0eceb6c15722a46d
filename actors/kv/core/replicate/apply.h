/* The replica: changes of other sites go into the store, a bounded number with each commit. A commit that
 * is overtaken, or whose answer is lost, is done anew from what is there then: merging is idempotent, and
 * what went through is found in the feed. What is wrong with one change is logged and does not hold up
 * the others. Must not know: subjects. */
#ifndef DKV_APPLY_H
#define DKV_APPLY_H

#include "actors/kv/core/site/group.h"
#include "actors/kv/core/values/merge.h"

/* Changes of one commit at most. */
#define DKV_APPLY_MAX 1024u

/* Merges @incoming and sets their fates. ret_sweeps_on: something that a clear covers may be left.
 * Owns: borrows everything. Errors: the store's, after which some are still open. */
HR_MUST_CHECK enum hr_err dkv_apply_changes(const struct dkv_env *env, struct dkv_config *config,
                                            struct dkv_incoming *incoming, size_t count,
                                            bool *ret_sweeps_on, struct hr_diag *diag);

#endif
