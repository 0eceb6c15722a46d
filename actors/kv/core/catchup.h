/* Getting what this site lacks: a message of the route TICK comes every now and then. It asks the others
 * what they hold, pulls ranges of changes from those who have them, and hands these to the lane in which
 * everything is applied (APPLY), waiting for each piece. What is not done when the time is up is
 * for the next tick. It also lets the sweep go on, between the writes that wait.
 *
 * An origin's changes come from its own site if that is alive, else from who has them without a gap up
 * to the highest number, else, if all have a gap in the same place, from any that has later ones.
 * Must not know: how changes are merged. */
#ifndef DKV_CATCHUP_H
#define DKV_CATCHUP_H

#include "actors/kv/core/config.h"
#include "actors/kv/core/group.h"

#define DKV_TICK_MS_MAX ((dkv_mono_ms)2000)
#define DKV_HAVE_TIMEOUT_MS 300u
#define DKV_PULL_TIMEOUT_MS 1000u
#define DKV_APPLY_TIMEOUT_MS 2000u
/* Pieces of one origin before the next one's turn. */
#define DKV_PULL_PIECES_MAX 8u
/* Origins that are behind, in one round. */
#define DKV_LACKING_MAX 1024u
#define DKV_TICK_ROUNDS_MAX 256u

/* Errors: those of opening the site, HR_NO_MEMORY. What goes wrong with others is logged. */
HR_MUST_CHECK enum hr_err dkv_catchup_tick(const struct dkv_env *env,
                                           const struct dkv_config *config,
                                           const struct dkv_group *group, struct hr_diag *diag);

#endif
