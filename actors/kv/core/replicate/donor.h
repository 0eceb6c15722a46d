/* Who is to be a state transfer's donor: those that can be, best first; and whether anybody is needed. A site has
 * something for this one if it has more of an origin, or if its floor was worked out without this store being
 * counted on (stable.h): then it may have what no list tells of. Must not know: what is asked of them. */
#ifndef DKV_DONOR_H
#define DKV_DONOR_H

#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/holdings.h"

struct dkv_donors {
    const struct dkv_tick *tick;
    const struct dkv_holdings *holdings;
    bool forced;            /* also those that have nothing for this site */
    struct dkv_floor floor; /* this site's */
};

/* Reads m/S. Keeps @tick and @holdings. Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_donors_init(struct dkv_donors *donors, const struct dkv_tick *tick,
                                          const struct dkv_holdings *holdings, bool forced,
                                          struct hr_arena *arena, struct hr_diag *diag);
/* Puts the numbers of the lists whose sites may be asked into @ret_order, which has a place for each list, and
 * returns how many they are. */
size_t dkv_donors_order(const struct dkv_donors *donors, size_t *ret_order);
/* Whether some site has something for this one. */
bool dkv_donors_any(const struct dkv_donors *donors);
/* The first site whose floor was worked out without this store; NULL: there is none. */
const struct dkv_have *dkv_donors_uncounted(const struct dkv_donors *donors);
/* The highest of all floors that the site of list @index was counted on for, so that it has all up to it. */
dkv_hlc dkv_donors_floor(const struct dkv_donors *donors, size_t index);

#endif
