/* The stability floor: a clock up to which every site has applied every change, and below which no site
 * can make another. What only guards against older changes, a deletion's memory above all, is not
 * needed once its stamps are not above the floor.
 *
 * A site that is alone, and always was, has what it has applied itself. Of a group of sites nobody
 * computes one yet: there the floor is what m/S says, which nobody raises: nothing more is collected
 * but what b/clear covers. What a site collected while it was alone may still be needed when the others'
 * older changes come; apply.c finds it in the feed then. m/S remembers the highest floor that anything was collected by, and only grows.
 * Layout of m/S, version 1: u8 version | u64 clock | u32 CRC-32C. Must not know: records. */
#ifndef DKV_FLOOR_H
#define DKV_FLOOR_H

#include "actors/kv/core/attempt.h"

/* The floor as of the beginning of @attempt. Errors: HR_CORRUPT, HR_UNSUPPORTED, the store's. */
HR_MUST_CHECK enum hr_err dkv_floor_read(struct dkv_attempt *attempt, dkv_hlc *ret_floor,
                                         struct hr_diag *diag);
/* Notes in m/S that something is collected by @floor. Errors: as above, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_floor_keep(struct dkv_attempt *attempt, dkv_hlc floor,
                                         struct hr_diag *diag);

HR_MUST_CHECK enum hr_err dkv_floor_decode(struct dkv_value value, dkv_hlc *ret_floor,
                                           struct hr_diag *diag);

#endif
