/* What a site may say of itself for the stability floor: a clock up to which it has applied every change of any
 * origin, and will make none. It is the lowest of
 *
 *   its own clock, above which all its later changes are;
 *   of each other site the clock that it told, if all changes that it told of are here, else the clock of the
 *     last one here without a gap;
 *   of each older origin that anybody knows the clock of the last one here, unless the origin is over: sealed by
 *     its own site, with nothing beyond at anybody's, and complete here; or of a site that was taken out, with
 *     nothing beyond at anybody's.
 *
 * An origin that is gathered up here (retire.h) holds nothing back, and that its own site has gathered up counts as
 * sealed by it: such a site has no entry of it, and its floor has passed what is here. All of it is only true of lists from every member, each of them whole.
 * Stateless. Must not know: the store, time. */
#ifndef DKV_LOW_H
#define DKV_LOW_H

#include "actors/kv/core/site/holdings.h"

/* All lists, origin by origin. Where one has no entry, its row is NULL. */
struct dkv_rows {
    const struct dkv_holdings *holdings;
    size_t *at;
    dkv_origin origin;
    const struct dkv_have_row **rows; /* as many as there are lists */
};

/* Before the first. Owns: it lives in @arena. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_rows_init(struct dkv_rows *rows, const struct dkv_holdings *holdings,
                                        struct hr_arena *arena);
/* Goes to the next origin; false: there is none. */
bool dkv_rows_next(struct dkv_rows *rows);
/* Whether some site says that it makes its changes as this origin. */
bool dkv_rows_present(const struct dkv_rows *rows);
/* Whether the origin is over and here as a whole: whatever is known of it anywhere is. */
bool dkv_rows_over(const struct dkv_rows *rows);

/* Of complete @holdings (holdings.h), whose first list is this site's. 0: nothing can be said.
 * Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_low_of(const struct dkv_holdings *holdings, struct hr_arena *arena,
                                     dkv_hlc *ret_low);
/* The clock of the newest change that any of the lists knows; 0: there is none. */
dkv_hlc dkv_low_newest(const struct dkv_holdings *holdings);

#endif
