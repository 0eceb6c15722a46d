/* What is out for good: of each site that was ever heard of, the highest incarnation that asked what there is
 * here, and the highest one that was taken out of the group. Layout of h/<site>, version 3:
 *
 *   u8 version | u64 incarnation | u64 incarnation that was taken out, with all before it; 0: none |
 *   u64 incarnation since which this store has known it; 0: it is not certain | u8 doubtful | crc
 *   version 2: without `doubtful`; version 1: without the number before it, too
 *
 * A site that asks has begun its incarnation, and will make no change in an older one. What it made in one
 * before may still be under way: once this site has answered, it takes such a change from nobody but who has
 * it in its feed, because the answer said what there is of it (seal.h rests on that). So the record is
 * committed before the answer goes out. As every commit moves m/ctr, no change gets past it. Nor does one that was
 * asked for, of whoever had it, before the answer: who gave it may have lost it since.
 *
 * A store that loses its newest commits may lose such a promise. So from a boot that finds that on, all of this is
 * doubtful, and nothing of a site is taken as it happens until it has answered a question of this life: it has no later
 * life than the one that it answers in. Nor is it of a site that the store does not know of, until the store has caught up.
 *
 * A store that is new has forgotten who is in the group, and may find only others that have forgotten it, too. So
 * it matters who has known a site through which of its lives: this store has since the one that it had heard of
 * when a later one came, if it was not new any more then, as a store is until it has caught up with others (join.h);
 * and whoever it hears this of, together with all whom that store knows, knows as much.
 *
 * A site that was taken out, and has not begun anew since, is no member: nobody waits for it, its word
 * counts for nothing, and nothing new of it is taken but what members hold. A further life in the store that was taken
 * out is not anew: it may begin before the site hears that its store is to go. So a life is out as well as soon as it
 * asks, if its store was begun before.
 * Must not know: how changes are merged. */
#ifndef DKV_FENCE_H
#define DKV_FENCE_H

#include "actors/kv/core/format/state.h"
#include "actors/kv/core/site/config.h"

/* Only members of the group have one. */
#define DKV_FENCES_MAX DKV_MEMBERS_MAX
#define DKV_FENCE_TRIES_MAX 64u

struct dkv_fence {
    uint16_t site;
    uint64_t inc;
    uint64_t removed;
    uint64_t since; /* this store knows who was in the group in that life and later; 0: in none */
    bool doubtful;  /* a later one may have been heard of, and was forgotten */
    bool answered;  /* of what is to be noted: the site has answered in @inc */
    uint64_t begun; /* of what is to be noted: the one that the store was begun under; 0: unknown */
};

struct dkv_fences {
    struct dkv_fence rows[DKV_FENCES_MAX];
    size_t count;
};

/* Reads a value of h/<site>; an absent one knows of nothing. Errors: HR_CORRUPT, HR_UNSUPPORTED. */
HR_MUST_CHECK enum hr_err dkv_fence_decode(struct dkv_value value, uint16_t site,
                                           struct dkv_fence *ret_fence, struct hr_diag *diag);
/* All that there are. Errors: as above, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_fence_read(const struct dkv_env *env, struct hr_arena *arena,
                                         struct dkv_fences *ret_fences, struct hr_diag *diag);
/* Commits that @want->inc of @want->site was heard of, that @want->removed was taken out, and that the group is known
 * since @want->since, as far as that is more than what is known; @want->inc is out, too, if the store of @want->begun is; the site becomes a member if it is none. Does nothing about this site itself.
 * Errors: HR_BUSY: overtaken too often, or the group is full; as above. */
HR_MUST_CHECK enum hr_err dkv_fence_raise(const struct dkv_env *env,
                                          const struct dkv_config *config,
                                          const struct dkv_fence *want, struct hr_arena *arena,
                                          struct hr_diag *diag);
/* All that there are, as they are to be stored from a boot on that finds that the store has lost something. Owns: they
 * live in @arena. Errors: as of dkv_fence_read. */
HR_MUST_CHECK enum hr_err dkv_fence_doubt(const struct dkv_env *env, struct hr_arena *arena,
                                          struct dkv_pair *ret_pairs, size_t *ret_count,
                                          struct hr_diag *diag);
/* How it stands with @site; all 0 if nothing is known. */
struct dkv_fence dkv_fence_of(const struct dkv_fences *fences, uint16_t site);
/* Whether a store of @site that was begun under @begun was taken out of the group. */
bool dkv_fence_is_store_out(const struct dkv_fences *fences, uint16_t site, uint64_t begun);
/* Whether the site was taken out and has not begun anew. */
bool dkv_fence_is_out(const struct dkv_fences *fences, uint16_t site);
/* Whether changes of @origin are taken only from who has them in its feed. */
bool dkv_fence_bars(const struct dkv_fence *fence, dkv_origin origin);
/* How many of the members are not out. */
size_t dkv_fence_members(const struct dkv_fences *fences, const struct dkv_cfg *cfg);

#endif
