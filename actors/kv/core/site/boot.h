/* The boot of a site: the commit that mints its new incarnation and ends the one before (site.h). Of several
 * invocations that race for it one wins.
 * Must not know: when a boot is called for. */
#ifndef DKV_BOOT_H
#define DKV_BOOT_H

#include "actors/kv/core/site/stored.h"

/* A store that began so lately, and has been alone since, may be a new one of a site of a group that it has not met yet.
 * After that what is here is taken for all there is: a group that grows out of one site does not stop it. */
#define DKV_BOOT_YOUNG_MS ((dkv_wall_ms)600000)

/* What a boot finds beside the store's state. */
struct dkv_occasion {
    bool lost;      /* the store may lack its newest changes */
    uint64_t above; /* others know of this incarnation */
};

/* Boots the site that @stored is. @given: as far as it is not the host that says that the store may have lost
 * something. Errors: HR_NOT_READY (nobody knows yet whether the site is alone, and that matters), HR_CONFLICT and
 * HR_UNKNOWN_OUTCOME (read again), HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_boot(const struct dkv_env *env, const struct dkv_config *config,
                                   const struct dkv_stored *stored,
                                   const struct dkv_occasion *given, struct hr_arena *arena,
                                   struct hr_diag *diag);

#endif
