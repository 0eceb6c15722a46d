/* Wall clocks that are wrong. Each host holds its clock against the others' (group.h has the median), and what is more
 * than DKV_DRIFT_MS_MAX off counts:
 *
 *   - a site that is ahead makes its stamps by the others' clock: they would not take them otherwise (merge.h), and
 *     stamps need only grow;
 *   - a site that is behind takes the others' changes by theirs, but makes its own stamps by its own.
 *
 * So one wrong clock does no harm once it is known, which takes a second or so. A site that has made stamps in that
 * time, or while it was alone, has a clock in m/ctr that is ahead of what others take, and of at least half of
 * the others' clocks. Whatever it wrote would be acknowledged by nobody; so m/ahead says so, and it refuses
 * writes, which other sites then do, until time has caught up. Reads go on. m/ahead is
 * a note (note.h) with the ms; not there: all is well. Must not know: records. */
#ifndef DKV_DRIFT_H
#define DKV_DRIFT_H

#include "actors/kv/core/site/attempt.h"
#include "actors/kv/core/site/holdings.h"

/* Looks at the clocks and notes what has changed. Errors: HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_drift_step(const struct dkv_tick *tick,
                                         const struct dkv_holdings *holdings, struct hr_diag *diag);
/* HR_NOT_READY if this site is to make no writes now. Errors: those of reading. */
HR_MUST_CHECK enum hr_err dkv_drift_admit(struct dkv_attempt *attempt, struct hr_diag *diag);
/* The wall clock by which this site makes stamps, and the one by which it takes others'. */
dkv_wall_ms dkv_drift_own(const struct dkv_config *config, dkv_wall_ms wall);
dkv_wall_ms dkv_drift_others(const struct dkv_config *config, dkv_wall_ms wall);

#endif
