/* The other sites, as the host sees them at one moment. One arena.
 * Must not know: the store, messages. */
#ifndef DKV_GROUP_H
#define DKV_GROUP_H

#include "actors/kv/core/site/config.h"

/* Others beyond so many are not looked at: a group has DKV_MEMBERS_MAX members at most. */
#define DKV_GROUP_MAX (DKV_MEMBERS_MAX - 1)

struct dkv_group {
    struct dkv_peer *peers; /* without this site, each id once */
    size_t count;
    size_t alive;  /* of them */
    bool id_taken; /* another site has this one's id, and is left out */
    /* By how much the others' wall clocks are before this site's: the median of those that are alive, of two in
     * the middle the one nearer to 0; 0 if none is known. A single wrong clock does not move it, unless
     * there are but two sites. */
    int64_t clock_ahead_ms;
};

/* Asks the host. Errors: HR_NO_MEMORY, the env's. */
HR_MUST_CHECK enum hr_err dkv_group_read(const struct dkv_env *env, const struct dkv_config *config,
                                         struct hr_arena *arena, struct dkv_group *ret_group,
                                         struct hr_diag *diag);
/* NULL if there is no such site. */
const struct dkv_peer *dkv_group_find(const struct dkv_group *group, uint16_t id);
/* Notes in @config that the site exists; does nothing if it is this one, is noted or there is no room. */
void dkv_group_note(struct dkv_config *config, uint16_t id);

#endif
