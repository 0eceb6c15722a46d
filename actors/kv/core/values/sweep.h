/* Housekeeping: takes away what nobody needs any more, a bounded part of it with each commit. Passes go
 * over the records in the order of their names, from a place that m/tally remembers. What may go:
 *
 *   whatever b/clear covers, at once;
 *   a record without a visible field, once none of its stamps is above the floor (floor.h);
 *   deleted fields of a visible record, once not above the floor; but not such as are alone in bearing
 *   the record's newest stamp, which is the version that clients know.
 *
 * A pass begins only if some change since the last whole one left something to collect: otherwise the
 * sweep costs a comparison. It begins when there is enough of that to be worth the looking, or some
 * time after the last one began. In a group it waits for the group's floor to grow, which is when nobody
 * may be writing any more: there ticks (catchup.h) go on with it too. After a deletion of everything it begins at once, its steps are
 * longer, and every batch is followed by a few commits of nothing else; few, because what comes next waits
 * for them, and because writes of another host on the same store are overtaken by each. Ticks
 * send empty batches until the pass is through.
 *
 * A commit checks what the sweep read as it checks everything, so that it never undoes another's
 * write. The sweep never fails a write: what is wrong is logged, and a commit that was overtaken is
 * done anew without it. Must not know: requests, replies. */
#ifndef DKV_SWEEP_H
#define DKV_SWEEP_H

#include "actors/kv/core/site/attempt.h"

/* Records that one commit looks at; after a deletion of everything, and if it does nothing else. */
#define DKV_SWEEP_RECORDS_MAX 64u
#define DKV_SWEEP_EAGER_RECORDS_MAX 512u
/* A pass is worth it with one such change for so many values, or so long after the last one began. */
#define DKV_SWEEP_VALUES_PER_LITTER 64u
#define DKV_SWEEP_PAUSE_MS 10000u
/* Commits of nothing but sweeping after one batch, and the time for them. */
#define DKV_SWEEP_ROUNDS_MAX 8u
#define DKV_SWEEP_MS_MAX ((dkv_mono_ms)20)

/* Adds one step of the sweep to @attempt, as far as there is room in its commit. */
void dkv_sweep_step(struct dkv_attempt *attempt);
/* Whether something that b/clear covers may be left. */
bool dkv_sweep_eager(struct dkv_attempt *attempt);
/* Whether there is something for dkv_sweep_on, as the store says; whether that is something that b/clear covers;
 * and a number that changes with every step of the sweep. Errors: HR_CORRUPT, HR_UNSUPPORTED, the store's. */
HR_MUST_CHECK enum hr_err dkv_sweep_waits(const struct dkv_env *env, struct hr_arena *arena,
                                          bool *ret_waits, bool *ret_eager, uint32_t *ret_mark,
                                          struct hr_diag *diag);
/* Sweeps what b/clear covers, and in a group what the floor has passed, in commits of their own; ends early when
 * others write. */
void dkv_sweep_on(const struct dkv_env *env, const struct dkv_config *config);

#endif
