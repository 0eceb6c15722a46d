/* The stability floor: a clock up to which every site has applied every change, and below which no site
 * can make another. What only guards against older changes, a deletion's memory above all, is not
 * needed once its stamps are not above the floor.
 *
 * A site that is alone, and always was, has what it has applied itself. The floor of a group is the lowest
 * of what its sites say of themselves (low.h); ticks work it out (stable.h), and m/S keeps it:
 *
 *   collected  the highest floor that anything was collected by here, also while the site was alone. A change
 *              that comes and is not newer may need deletions that are collected already: merge.h finds them in
 *              the feed
 *   group      the group's floor as this site knows it; only grows
 *   low        what this site tells others: every change up to it is applied here, and none up to it will be
 *              made here. It was true of the store DKV_LOW_DELAY_MS before it was told, so that a store which
 *              loses its newest second or two does not take it back
 *   pending    what low will be, as of pending_at of the clock of the host with `nonce`; 0: nothing waits
 *   waits_from since when something waits for the floor to grow, or when that was last complained of; 0:
 *              nothing does
 *   retired    of each site the incarnation up to which all its origins are gathered up: complete everywhere,
 *              not above the floor, and without a v/ here (retire.h)
 *
 * Layout of m/S: u8 version, 2 | u64 collected | u64 group | u64 low | u64 pending | u64 pending_at |
 *   u64 wall ms of the same moment | 16 B nonce | u64 waits_from | u8 number of retired |
 *   (u16 site, u64 incarnation) each | u32 CRC-32C. Version 1: u8 version | u64 collected | u32 CRC-32C.
 * Must not know: records, messages. */
#ifndef DKV_FLOOR_H
#define DKV_FLOOR_H

#include "actors/kv/core/site/attempt.h"

/* Members, and sites that were taken out. */
#define DKV_RETIRED_MAX (2 * DKV_MEMBERS_MAX)

struct dkv_retired {
    uint16_t site;
    uint64_t inc;
};

struct dkv_floor {
    dkv_hlc collected;
    dkv_hlc group;
    dkv_hlc low;
    dkv_hlc pending;
    dkv_mono_ms pending_at;
    dkv_wall_ms pending_wall;
    struct dkv_nonce nonce;
    dkv_wall_ms waits_from;
    size_t retired_count;
    struct dkv_retired retired[DKV_RETIRED_MAX];
};

/* The floor as of the beginning of @attempt. Errors: HR_CORRUPT, HR_UNSUPPORTED, the store's. */
HR_MUST_CHECK enum hr_err dkv_floor_read(struct dkv_attempt *attempt, dkv_hlc *ret_floor,
                                         struct hr_diag *diag);
/* Notes in m/S that something is collected by @floor. Errors: as above, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_floor_keep(struct dkv_attempt *attempt, dkv_hlc floor,
                                         struct hr_diag *diag);
/* m/S as of the beginning of @attempt, whose commit checks it. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_floor_load(struct dkv_attempt *attempt, struct dkv_floor *ret_floor,
                                         struct hr_diag *diag);
/* m/S as it is now. Errors: HR_NO_MEMORY, as above. */
HR_MUST_CHECK enum hr_err dkv_floor_now(const struct dkv_env *env, struct hr_arena *arena,
                                        struct dkv_floor *ret_floor, struct hr_diag *diag);
/* Whether @origin is gathered up. */
bool dkv_floor_retired(const struct dkv_floor *floor, dkv_origin origin);

/* An absent value gives all zero. Errors: HR_CORRUPT, HR_UNSUPPORTED. */
HR_MUST_CHECK enum hr_err dkv_floor_decode(struct dkv_value value, struct dkv_floor *ret_floor,
                                           struct hr_diag *diag);
/* Owns: it lives in @arena. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_floor_encode(const struct dkv_floor *floor, struct hr_arena *arena,
                                           struct hr_str *ret_bytes);

#endif
