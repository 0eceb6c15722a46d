/* What another site's change does to an attempt: its entry in the feed, its record, the index, the
 * clear mark, v/ of its origin, the counts, the clock, and the result of its request.
 *
 * A change is logged and merged in one commit, so that whatever is in the feed is in the records too.
 * v/ says up to where an origin's changes are all here; one that comes before an earlier one waits in
 * the feed until those between have come. Must not know: messages, commits. */
#ifndef DKV_MERGE_H
#define DKV_MERGE_H

#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/site/attempt.h"
#include "actors/kv/core/site/floor.h"

/* Changes that came out of order, passed in one commit when the gap before them is filled. */
#define DKV_ADVANCE_MAX 512u
/* Of a record that merging makes: it has to go into a commit twice, as it was and as it will be. */
#define DKV_RECORD_BYTES_MAX ((size_t)3 << 20)

enum dkv_fate {
    DKV_FATE_OPEN,   /* nothing was decided: memory or the store failed, or nobody came to it */
    DKV_FATE_HELD,   /* it is in this site's feed, or was */
    DKV_FATE_FENCED, /* its origin is over: it is taken from whoever has it in its feed (fence.h) */
    DKV_FATE_PARKED, /* its clock is too far ahead of this site's wall */
    DKV_FATE_REFUSED, /* it cannot be right */
    DKV_FATE_LATE, /* its origin is gathered up: it was applied long ago, and may be gone since */
};

/* A change as it came. */
struct dkv_incoming {
    struct hr_str bytes;
    struct dkv_change change;
    const struct dkv_pulled *pulled; /* what it came with out of a feed; NULL: as it happened */
    enum dkv_fate fate;
};

/* What merging did; all of it only grows. */
struct dkv_merged {
    bool changed; /* there is something to commit */
    bool more;    /* v/ could go on further than DKV_ADVANCE_MAX allows */
    size_t below; /* changes that were new here, and not above the group's floor */
};

/* Merges @incoming and sets its fate: HELD is true once the attempt is committed. @floor: m/S as the attempt
 * has loaded it.
 * Errors: HR_CORRUPT and HR_TOO_BIG: this change cannot be merged here, @diag says why, and what was
 * written is to be undone; HR_UNSUPPORTED likewise; others are the store's or HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_merge_change(struct dkv_attempt *attempt,
                                           struct dkv_incoming *incoming,
                                           const struct dkv_floor *floor, struct dkv_merged *merged,
                                           struct hr_diag *diag);
/* Deletions that changes not newer than what m/S says is collected must not get around: they are collected from
 * the records, the feed still has them. */
struct dkv_memory {
    dkv_hlc collected;            /* as m/S said */
    struct dkv_change *deletions; /* with the fields that they delete, and no others */
    size_t count;
    size_t cap;
};

/* Looks through the feed for what @incoming needs of it; mostly that is nothing, and the feed is not read.
 * The site is to be in its group already. Owns: it lives in @arena. Errors: HR_CORRUPT, HR_UNSUPPORTED,
 * HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_merge_recall(const struct dkv_env *env,
                                           const struct dkv_incoming *incoming, size_t count,
                                           struct hr_arena *arena, struct dkv_memory *ret_memory,
                                           struct hr_diag *diag);
/* Makes those of @memory that @incoming is about part of the records again. Errors: as of
 * dkv_merge_change. */
HR_MUST_CHECK enum hr_err dkv_merge_remember(struct dkv_attempt *attempt,
                                             const struct dkv_incoming *incoming, size_t count,
                                             const struct dkv_memory *memory, struct hr_diag *diag);

#endif
