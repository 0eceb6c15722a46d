/* What became of changes of this site that its store has lost, as far as the host still knows of them: it remembers which keys
 * the newest commits put (env.h), so that what is lost for good can be told with the keys of its values.
 *
 * A commit puts f/ for each of its changes and r/ for each value. Writes have all of their values before the
 * first change, in the same order, so that where there are as many of one as of the other, each change has its key. Where a
 * key was changed twice in one commit, or everything was deleted (`*`), each of the changes has all of the keys.
 *
 * One of two hosts may find out only after the other one has filled a number, and the feed was cut off there, or all of the incarnation is
 * gathered up. What others may have is told as `writes-doubtful` then.
 *
 * Of the site's numbers only those are told that are lost: a change that another site had is in the feed again, or was, and
 * is not told. What the host does not know of is told as `keys=unknown`, where it is clear that there was something: below a number that
 * somebody has, or that the host knows. Two hosts on one store each know of their own commits.
 * Must not know: when an incarnation is over (seal.h). */
#ifndef DKV_LOST_H
#define DKV_LOST_H

#include "actors/kv/core/format/state.h"
#include "actors/kv/core/site/tick.h"

/* Of one line. */
#define DKV_LOST_NAMES_MAX 64u
#define DKV_LOST_LINE_BYTES_MAX ((size_t)3072)
/* Entries of the feed that are read at a time. */
#define DKV_LOST_READS_MAX 64u

/* One change. */
struct dkv_loss {
    dkv_origin origin;
    uint64_t seq;
    uint64_t id;  /* of its commit, at the host */
    size_t *left; /* how many of that commit's changes are not settled */
    const struct hr_str *names;
    size_t name_count;
    bool pulled; /* from others, so that its commit need not name it */
    bool told;
    bool settled; /* there is nothing more to tell of it */
};

/* In the order of origins and numbers. */
struct dkv_lost {
    struct dkv_loss *rows;
    size_t count;
};

/* What the host knows of this site's changes; what it knows besides is forgotten. Owns: it lives in @arena. Errors: HR_AGAIN: it
 * is finding out; HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_lost_read(const struct dkv_tick *tick, struct hr_arena *arena,
                                        struct dkv_lost *ret_lost, struct hr_diag *diag);
/* Logs that the changes @first to @last of @origin are lost. */
void dkv_lost_tell(const struct dkv_tick *tick, struct dkv_lost *lost, dkv_origin origin,
                   uint64_t first, uint64_t last);
/* Tells what is lost of @origin and not told yet: up to @progress->prefix, what was filled; and if @over, so that nothing comes any
 * more, all beyond @progress->high, which is 0 if that is not known. Then the host forgets the commits of which that was all.
 * Errors: HR_NO_MEMORY, HR_CORRUPT, the store's. */
HR_MUST_CHECK enum hr_err dkv_lost_settle(const struct dkv_tick *tick, struct dkv_lost *lost,
                                          dkv_origin origin, const struct dkv_progress *progress,
                                          bool over, struct hr_diag *diag);

#endif
