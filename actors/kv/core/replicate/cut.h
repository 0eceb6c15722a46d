/* The cut: a clock up to which all sites that answered hold the same changes, and will. Two records that differ
 * in something newer may be on their way to being the same. It is the lowest of
 *
 *   what each site has of an origin without a gap, for every origin of which they do not all have the same;
 *   the sites' clocks, because later changes of those sites are above them;
 *   the wall a few seconds ago, because a site that did not answer may have made a change meanwhile;
 *
 * or the lowest of the lows that all of them state (have.h), if that is higher.
 * Must not know: records. */
#ifndef DKV_CUT_H
#define DKV_CUT_H

#include "actors/kv/core/site/holdings.h"

#define DKV_CUT_YOUNG_MS 10000u

/* 0: nothing can be compared. */
dkv_hlc dkv_cut_of(const struct dkv_env *env, const struct dkv_holdings *holdings);
/* The row of @origin; NULL if there is none. */
const struct dkv_have_row *dkv_cut_row(const struct dkv_have *list, dkv_origin origin);

#endif
