/* The boot of a site: the commit that mints its new incarnation and ends the one before (site.h). Of several
 * invocations that race for it one wins.
 * Must not know: when a boot is called for. */
#ifndef DKV_BOOT_H
#define DKV_BOOT_H

#include "actors/kv/core/stored.h"

/* Boots the site that @stored is. @lost: the store has lost its newest changes, as far as it is not the host that
 * says so. Errors: HR_NOT_READY (nobody knows yet whether the site is alone, and that matters), HR_CONFLICT and
 * HR_UNKNOWN_OUTCOME (read again), HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_boot(const struct dkv_env *env, const struct dkv_config *config,
                                   const struct dkv_stored *stored, bool lost,
                                   struct hr_arena *arena, struct hr_diag *diag);

#endif
