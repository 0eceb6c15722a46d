/* What a site keeps count of, so that nobody has to look through the store for it: how many values are
 * visible, how long the feed is, and how far the sweep is that collects what is no longer needed.
 * It is part of every commit. Layout under m/tally, version 1 (integers big-endian):
 *
 *   u8 version | u8 counted | u64 visible | u64 feed entries | u64 feed bytes | u64 litter | u64 made |
 *   u64 began | u64 done | u16 length of cursor | cursor | u32 CRC-32C
 *
 * It can be made anew from the rest of the store, but for the number of visible values, which is then
 * not known until a deletion of everything, and the bytes of the feed, which count from 0.
 * One arena. Must not know: what moves the counts. */
#ifndef DKV_TALLY_H
#define DKV_TALLY_H

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/stamp.h"

struct dkv_tally {
    bool counted; /* @visible is exact */
    uint64_t visible;
    uint64_t feed_count; /* entries of all origins */
    uint64_t feed_bytes; /* their names and contents */
    /* The sweep. A pass collects all that it may of what was made before its reach, which is a clock. */
    uint64_t litter;      /* changes since the last pass began that left something to collect */
    dkv_hlc made;         /* of the newest change that left something to collect; 0: none has */
    dkv_hlc began;        /* the reach of the pass under way; 0: none is */
    dkv_hlc done;         /* the reach of the last whole pass */
    struct hr_str cursor; /* the record that the pass under way looked at last; empty: none yet */
};

/* Owns: the cursor is borrowed from @bytes. Errors: HR_CORRUPT, HR_UNSUPPORTED. */
HR_MUST_CHECK enum hr_err dkv_tally_decode(struct hr_str bytes, struct dkv_tally *ret_tally,
                                           struct hr_diag *diag);
/* Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_tally_encode(const struct dkv_tally *tally, struct hr_arena *arena,
                                           struct hr_str *ret_bytes);
/* Makes a tally from what is in the store. Errors: HR_CORRUPT, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_tally_take(const struct dkv_env *env, struct hr_arena *arena,
                                         struct dkv_tally *ret_tally, struct hr_diag *diag);

#endif
