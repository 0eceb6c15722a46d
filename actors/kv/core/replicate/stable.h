/* The part of a tick that lets the group's stability floor (floor.h) grow: works out what this site may say of
 * itself (low.h), tells it once it has been durable for a while, takes the lowest of what all say, and gathers up
 * origins that are over (retire.h). One commit at most, and none while there is nothing to gain: when every
 * change that anybody knows of is below the floor, or when a site does not answer.
 *
 * The commit goes beside the lane of writes: it checks m/S, m/self and m/cfg, not m/ctr, and leaves that as it is.
 * What it claims was true when the lists were read, and stays true whatever is written meanwhile.
 *
 * A peer whose floor is above anything that this site ever said was not counting on this store: it has lost
 * what it had, or never had it, and what was collected below that floor may be missing here in a way that no list
 * shows. Then this site says nothing of itself.
 * Must not know: how anything is collected. */
#ifndef DKV_STABLE_H
#define DKV_STABLE_H

#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/holdings.h"

/* What was found true is told so much later. Longer than a store that syncs every second may forget. */
#define DKV_LOW_DELAY_MS ((dkv_mono_ms)3000)
/* What another host found, and never told, is given up after so long. */
#define DKV_LOW_FORGOTTEN_MS ((dkv_wall_ms)10000)
/* The floor is stored in steps of at least so much of the clock, if nothing waits for it. */
#define DKV_FLOOR_STEP_MS 1000u
/* How long something may wait for the floor before somebody should look. */
#define DKV_FLOOR_HELD_MS ((dkv_wall_ms)3600000)

/* @holdings: as of this tick, or NULL if nobody else is alive. What goes wrong with others is logged.
 * Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_stable_tick(const struct dkv_tick *tick,
                                          const struct dkv_holdings *holdings,
                                          struct hr_arena *arena, struct hr_diag *diag);
/* Whether this store was counted on when a floor as high as @peer was worked out. */
bool dkv_stable_counted(const struct dkv_floor *floor, dkv_hlc peer);

#endif
