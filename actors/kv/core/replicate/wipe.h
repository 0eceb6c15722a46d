/* A store whose site was taken out of the group while it was away holds what the others may have forgotten the
 * deletions of, and changes that they do not wait for. It must not come back with that: it is deleted, all of it,
 * and the site begins as a new one.
 *
 * So much is not done on one word. In two ticks, DKV_WIPE_PAUSE_MS apart at least, every member that answers (one
 * at least, and not counting those that the others say are out themselves) has to tell in its sound `have` that an
 * incarnation of this site not older than the store's beginning was taken out. The first time is kept in m/wipe, and
 * forgotten if a tick comes in which that is not so. Then one commit marks the store and takes m/ctr away, so that
 * no commit that was under way can go through any more and nothing opens the site; then everything goes, bounded
 * parts at a time, over starts of the host too; m/self and m/wipe last.
 *
 *   m/wipe  u8 version, 1 | u8 state: 1 told once, 2 under way | u64 incarnation | u64 wall | u32 CRC-32C
 *
 * Must not know: who decides that a site is out. */
#ifndef DKV_WIPE_H
#define DKV_WIPE_H

#include "actors/kv/core/site/holdings.h"

#define DKV_WIPE_PAUSE_MS ((dkv_wall_ms)450)
/* Keys that go with one commit. */
#define DKV_WIPE_KEYS_MAX 512u

/* Looks whether this store is to go. tick->out: so it seems, and nothing else is to be done with it in this tick.
 * @holdings: the first page. What is found is logged. Errors: those of opening the site, HR_CONFLICT, HR_UNKNOWN_OUTCOME, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_wipe_watch(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                                         struct hr_diag *diag);
/* Goes on deleting, if that is under way, until nothing is left or the tick is over. To be called before the site is
 * opened. ret_wiping: something is left. Errors: the store's, HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_wipe_step(const struct dkv_tick *tick, bool *ret_wiping,
                                        struct hr_diag *diag);

#endif
