/* A message of the route TICK comes every now and then: the site asks the others what they hold (holdings.h), pulls
 * what it lacks (pull.h), and lets the sweep go on between the writes that wait. What is not done when the
 * time is up is for the next tick.
 * Must not know: how changes are merged. */
#ifndef DKV_CATCHUP_H
#define DKV_CATCHUP_H

#include "actors/kv/core/site/config.h"
#include "actors/kv/core/site/group.h"

#define DKV_TICK_ROUNDS_MAX 256u
/* Between two rounds of a site that is in SYNC. */
#define DKV_SYNC_PAUSE_MS 50u

/* Errors: those of opening the site, HR_NO_MEMORY. What goes wrong with others is logged. */
HR_MUST_CHECK enum hr_err dkv_catchup_tick(const struct dkv_env *env,
                                           const struct dkv_config *config,
                                           const struct dkv_group *group, struct hr_diag *diag);

#endif
