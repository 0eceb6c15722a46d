/* Makes this site's records of some keys what they ought to be, after asking every other active site what it
 * has of them: judge.h decides, mend.h does it. Each site repairs only its own store.
 *
 * Nothing is decided by what may still be on its way: a key is left for later if any site has a stamp of it
 * above the cut (cut.h). Both, the difference and what it is with, are looked
 * at again before anything is done.
 * One arena. Must not know: which keys, subjects. */
#ifndef DKV_REPAIR_H
#define DKV_REPAIR_H

#include "actors/kv/core/format/dig.h"
#include "actors/kv/core/site/holdings.h"

#define DKV_REPAIR_KEYS_MAX 32u

struct dkv_repair {
    const struct dkv_env *env;
    const struct dkv_config *config;
    const struct dkv_group *group;
    const struct dkv_holdings *holdings;
    dkv_hlc cut;
    dkv_hlc floor;
    /* What came of it so far, in keys. */
    uint64_t repaired;
    uint64_t undecided;
    uint64_t later;
    uint64_t index; /* names of the index put right */
};

/* A repair with what the sites of @tick and @holdings agree on; NULL: this site is alone. */
void dkv_repair_begin(struct dkv_repair *repair, const struct dkv_tick *tick,
                      const struct dkv_holdings *holdings);
/* The site of list @at if it can be compared with: it is alive and active. NULL otherwise. */
const struct dkv_peer *dkv_repair_peer(const struct dkv_repair *repair, size_t at);
/* Up to DKV_REPAIR_KEYS_MAX keys. Owns: borrows the keys. Errors: HR_NO_MEMORY, the store's; a site that does
 * not answer is left out, and what cannot be put right is logged. */
HR_MUST_CHECK enum hr_err dkv_repair_keys(struct dkv_repair *repair, struct hr_str *keys,
                                          size_t count, struct hr_diag *diag);
/* Raises this site's clear mark to @clear, which another site has, if its own feed has that deletion too. */
void dkv_repair_clear(struct dkv_repair *repair, struct dkv_stamp clear);

#endif
