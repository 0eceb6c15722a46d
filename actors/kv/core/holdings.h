/* What every site holds, asked of all that are alive: this site's own list first, which is read after the others
 * came. One arena. Must not know: what is done about it. */
#ifndef DKV_HOLDINGS_H
#define DKV_HOLDINGS_H

#include "actors/kv/core/have.h"
#include "actors/kv/core/tick.h"

#define DKV_HAVE_TIMEOUT_MS 300u

struct dkv_holdings {
    struct dkv_have *lists; /* of different sites; the first one is this site's */
    size_t count;
};

/* Asks for the origins after @after. Sites that do not answer in time are not in it. Owns: it lives in @arena.
 * Errors: HR_NO_MEMORY, the store's, the bus'. */
HR_MUST_CHECK enum hr_err dkv_holdings_ask(struct dkv_tick *tick, dkv_origin after,
                                           struct hr_arena *arena,
                                           struct dkv_holdings *ret_holdings, struct hr_diag *diag);
/* The row of @origin, looked for from @at on; for several origins in their order, @at goes along. NULL: there
 * is none. */
const struct dkv_have_row *dkv_holdings_row(const struct dkv_have *have, size_t *at,
                                            dkv_origin origin);
/* Whether every other member of the group has a list here, and each list is whole: what is in none of them is
 * nowhere. */
bool dkv_holdings_complete(const struct dkv_holdings *holdings, const struct dkv_cfg *cfg);
/* The last origin that all lists go up to; UINT64_MAX if none ends early. */
dkv_origin dkv_holdings_end(const struct dkv_holdings *holdings);

#endif
