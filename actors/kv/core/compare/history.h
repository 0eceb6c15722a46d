/* What this site's feed says of some keys: the merged contents of all their changes that are still in it. The
 * feed is never altered and each entry has a checksum, so it is the witness when two records of one key
 * disagree: a stamp that it has belongs to the key, and one that lies where it has everything and is
 * not there was never given to it. Where a number was filled it does not know what had been there.
 * One reading of the whole feed, bounded by time. Must not know: what is decided. */
#ifndef DKV_HISTORY_H
#define DKV_HISTORY_H

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/record.h"

#define DKV_HISTORY_MS_MAX ((dkv_mono_ms)5000)
#define DKV_HISTORY_KEYS_MAX 64u
#define DKV_HISTORY_ORIGINS_MAX 4096u

/* The feed has all changes of the origin from one clock up to another; none if @to is 0. But numbers that were filled (seal.h) had
 * changes, which were lost, with clocks after @filled_from and before @filled_to. */
struct dkv_span {
    dkv_origin origin;
    dkv_hlc from;
    dkv_hlc to;
    uint64_t wanted;  /* entries that there must be */
    uint64_t counted; /* that there are */
    dkv_hlc filled_from;
    dkv_hlc filled_to; /* 0: none was */
};

struct dkv_history {
    struct hr_str *keys;
    struct dkv_record *records; /* of each key, what the feed says of it */
    size_t count;
    struct dkv_stamp clear; /* of the newest deletion of everything */
    struct dkv_span *spans; /* in the order of their origins */
    size_t span_count;
    dkv_hlc whole_from; /* from here on nothing was cut off the feed, of any origin */
    bool known;         /* the feed was read to its end */
};

/* Reads the feed. Owns: keys are kept; the rest lives in @arena. Errors: HR_NO_MEMORY, HR_CORRUPT (v/), the
 * store's. A feed that takes too long, or has an entry that cannot be read, is no error: then @known is
 * false, or the entry's origin has no span. */
HR_MUST_CHECK enum hr_err dkv_history_read(const struct dkv_env *env, struct hr_str *keys,
                                           size_t count, struct hr_arena *arena,
                                           struct dkv_history *ret_history, struct hr_diag *diag);
/* Whether the feed would have a change with @stamp if there ever was one. */
bool dkv_history_covers(const struct dkv_history *history, struct dkv_stamp stamp);
/* Whether it may be that of a change whose number was filled since. */
bool dkv_history_filled(const struct dkv_history *history, struct dkv_stamp stamp);

#endif
