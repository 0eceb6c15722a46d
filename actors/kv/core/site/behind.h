/* What a site knows that its lists may lack: changes that others hold and it could not get, as of its last tick, and
 * sites of its group that are silent now, whose newest changes it cannot have. Every list says so.
 *
 * The number of changes is the note m/behind (note.h).
 * Must not know: how changes are got. */
#ifndef DKV_BEHIND_H
#define DKV_BEHIND_H

#include "actors/kv/core/site/group.h"
#include "actors/kv/core/site/holdings.h"
#include "actors/kv/core/site/site.h"

struct dkv_behind {
    uint64_t changes;
    struct hr_str
        silent[DKV_MEMBERS_MAX]; /* sites' names; of one that the host has not seen, "site-<id>" */
    size_t silent_count;
};

/* What is to be said; a note that cannot be read is logged and says nothing. Owns: the names live in @arena, or
 * where @group has them. Errors: HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_behind_read(const struct dkv_env *env, const struct dkv_site *site,
                                          const struct dkv_group *group, struct hr_arena *arena,
                                          struct dkv_behind *ret_behind, struct hr_diag *diag);
/* How many of the changes that @holdings tells of are not here even now. Errors: HR_NO_MEMORY, HR_CORRUPT, the
 * store's. */
HR_MUST_CHECK enum hr_err dkv_behind_count(const struct dkv_env *env,
                                           const struct dkv_holdings *holdings,
                                           struct hr_arena *arena, uint64_t *ret_changes,
                                           struct hr_diag *diag);
/* Puts the note, if it is another one than there is. Errors: the store's. */
HR_MUST_CHECK enum hr_err dkv_behind_note(const struct dkv_env *env, uint64_t changes,
                                          struct hr_diag *diag);

#endif
