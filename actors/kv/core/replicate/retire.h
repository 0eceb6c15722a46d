/* Gathering up origins that are over: sealed by their own site, complete everywhere and not above the floor. Their
 * v/ goes; m/S remembers of each site up to which incarnation that is so, and what still comes of them is a copy of
 * what was applied long ago (merge.h). What they left in the feed stays until it is cut (feed.h).
 *
 * A site's origins go in their order, so that nothing of an older one is taken for such a copy.
 * Must not know: when. */
#ifndef DKV_RETIRE_H
#define DKV_RETIRE_H

#include "actors/kv/core/replicate/low.h"
#include "actors/kv/core/site/floor.h"

/* Origins that go with one commit. */
#define DKV_RETIRE_MAX 64u

struct dkv_retiring {
    size_t count;
    struct dkv_check checks[DKV_RETIRE_MAX]; /* their v/ as they are, which the commit checks */
    struct hr_str names[DKV_RETIRE_MAX];     /* and deletes */
};

/* Which origins may go by @floor->group, as @holdings say, which are complete; notes them in @floor->retired.
 * Owns: names and values live in @arena. Errors: HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_retire_find(const struct dkv_env *env,
                                          const struct dkv_holdings *holdings,
                                          struct dkv_floor *floor, struct hr_arena *arena,
                                          struct dkv_retiring *ret_retiring, struct hr_diag *diag);

#endif
