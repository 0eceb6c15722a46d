/* What another site's change does to an attempt: its entry in the feed, its record, the index, the
 * clear mark, v/ of its origin, the counts, the clock, and the result of its request.
 *
 * A change is logged and merged in one commit, so that whatever is in the feed is in the records too.
 * v/ says up to where an origin's changes are all here; one that comes before an earlier one waits in
 * the feed until those between have come. Must not know: messages, commits. */
#ifndef DKV_MERGE_H
#define DKV_MERGE_H

#include "actors/kv/core/attempt.h"

/* Changes that came out of order, passed in one commit when the gap before them is filled. */
#define DKV_ADVANCE_MAX 128u

enum dkv_fate {
    DKV_FATE_OPEN,    /* nothing was decided: memory or the store failed, or nobody came to it */
    DKV_FATE_HELD,    /* it is in this site's feed, or was */
    DKV_FATE_PARKED,  /* its clock is too far ahead of this site's wall */
    DKV_FATE_REFUSED, /* it cannot be right */
};

/* A change as it came. */
struct dkv_incoming {
    struct hr_str bytes;
    struct dkv_change change;
    enum dkv_fate fate;
};

/* What merging did; both only go from false to true. */
struct dkv_merged {
    bool changed; /* there is something to commit */
    bool more;    /* v/ could go on further than DKV_ADVANCE_MAX allows */
};

/* Merges @incoming and sets its fate: HELD is true once the attempt is committed.
 * Errors: HR_CORRUPT and HR_TOO_BIG: this change cannot be merged here, @diag says why, and what was
 * written is to be undone; HR_UNSUPPORTED likewise; others are the store's or HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_merge_change(struct dkv_attempt *attempt,
                                           struct dkv_incoming *incoming, struct dkv_merged *merged,
                                           struct hr_diag *diag);
/* Before changes that are not newer than m/S are merged: a site that was alone has collected deletions
 * that they must not get around. Those of the keys of @incoming that are still in the feed become part
 * of the records again. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_merge_remember(struct dkv_attempt *attempt,
                                             const struct dkv_incoming *incoming, size_t count,
                                             struct hr_diag *diag);

#endif
