/* Who is to be a state transfer's donor: those that can be, best first. Must not know: what is asked of them. */
#ifndef DKV_DONOR_H
#define DKV_DONOR_H

#include "actors/kv/core/holdings.h"

/* Puts the numbers of the lists of @holdings whose sites may be asked into @ret_order, which has a place for each
 * list, and returns how many they are. @forced: also those that have nothing that this site lacks. */
size_t dkv_donor_order(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                       bool forced, size_t *ret_order);
/* Whether some site in @holdings has more of an origin than this one. */
bool dkv_donor_any_more(const struct dkv_holdings *holdings);

#endif
