/* What a key's record ought to be, when this site's and another one's disagree. Each piece of the two
 * records (a field, or the dead stamp) is weighed:
 *
 *   shared    both have it
 *   witnessed the feed has it (history.h), or has something newer in its place
 *   forged    the feed has everything that its origin did at that time, and not this; or it has something
 *             else under the same stamp
 *   genuine   the feed has it, but may have lost what deleted it
 *   unknown   the feed cannot tell: it was cut off, or the origin is not known
 *
 * Up to the floor, what an absent piece was deleted by may have been collected; so there the feed is
 * believed only if nothing was cut off it since. The outcome has what is shared, all that the feed
 * says, and nothing that is forged; and what was lost with a store, so that its number was filled (seal.h), and an old copy has: the feed
 * would have what has taken its place since. What is unknown is decided by the record that most sites have, if there
 * is one; else what is newer than the floor is taken, because nobody can have collected what deleted it;
 * else nothing is changed, and that is said. What is genuine is decided
 * likewise, but taken where there is a record of the key: then nothing has deleted it.
 * Pure; one arena. Must not know: the store, messages. */
#ifndef DKV_JUDGE_H
#define DKV_JUDGE_H

#include "actors/kv/core/compare/history.h"

struct dkv_case {
    struct hr_str key;
    const struct dkv_record *own; /* NULL: it cannot be read; empty: there is none */
    const struct dkv_record *other;
    const struct dkv_record *winner; /* what most sites have; NULL if there is no such */
    const struct dkv_history *history;
    size_t at; /* of the key in @history */
    struct dkv_stamp clear;
    dkv_hlc floor;
};

struct dkv_verdict {
    struct dkv_record record; /* what this site's ought to be; empty: there ought to be none */
    bool undecided;           /* something is neither proved nor outvoted */
    bool forged;              /* something was found that is nobody's change of this key */
};

/* Owns: what it gives lives in @arena or is borrowed from the case. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_judge(const struct dkv_case *dispute, struct hr_arena *arena,
                                    struct dkv_verdict *ret_verdict);

#endif
