/* m/self, m/ctr and m/cfg as they lie in a store: what a site is, before it is known whether it is booted.
 * Must not know: what they become. */
#ifndef DKV_STORED_H
#define DKV_STORED_H

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/state.h"
#include "actors/kv/core/site/config.h"

enum dkv_stored_key { DKV_STORED_SELF, DKV_STORED_CTR, DKV_STORED_CFG, DKV_STORED_COUNT };

/* Raw and read. What is not present is zeroes. */
struct dkv_stored {
    struct hr_str keys[DKV_STORED_COUNT];
    struct dkv_value values[DKV_STORED_COUNT];
    struct dkv_self self;
    struct dkv_ctr ctr;
    struct dkv_cfg cfg;
};

/* Owns: what it gives lives in @arena. Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_stored_load(const struct dkv_env *env, struct hr_arena *arena,
                                          struct dkv_stored *ret_stored, struct hr_diag *diag);
/* Whether this host may go on with what is stored. Errors: HR_DENIED: it is another site's. */
HR_MUST_CHECK enum hr_err dkv_stored_admit(const struct dkv_stored *stored,
                                           const struct dkv_config *config, struct hr_diag *diag);
/* Whether the host's start was a boot of the site already, or another host of it was booted after that. @stored has
 * m/self. */
bool dkv_stored_booted(const struct dkv_stored *stored, const struct dkv_config *config);

#endif
