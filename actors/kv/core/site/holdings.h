/* What every site holds, asked of all that are alive: this site's own list first, which is read after the others
 * came. One arena. Must not know: what is done about it. */
#ifndef DKV_HOLDINGS_H
#define DKV_HOLDINGS_H

#include "actors/kv/core/format/have.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/tick.h"

#define DKV_HAVE_TIMEOUT_MS 1000u

struct dkv_holdings {
    struct dkv_have *lists; /* of different sites; the first one is this site's */
    size_t count;
    dkv_origin asked_as; /* this site's incarnation when it asked */
    dkv_origin after;    /* the lists begin after that origin */
    struct dkv_fences fences;
    struct dkv_floor
        floor; /* m/S, read after the first list: what is gathered up is in one of them */
};

/* Asks for the origins after @after. Sites that do not answer in time are not in it, nor are those that were
 * taken out of the group; one that is back tells nothing of what it made before. If nobody is @alive, this site's list
 * is the only one. Owns: it lives in @arena.
 * Errors: HR_NO_MEMORY, the store's, the bus'. */
HR_MUST_CHECK enum hr_err dkv_holdings_ask(struct dkv_tick *tick, dkv_origin after,
                                           struct hr_arena *arena,
                                           struct dkv_holdings *ret_holdings, struct hr_diag *diag);
/* Looks at the lists anew, as some of them have just told this site who was taken out: their sites' lists go, and so does
 * what others made before. Errors: HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_holdings_fence(struct dkv_tick *tick, struct dkv_holdings *holdings,
                                             struct hr_arena *arena, struct hr_diag *diag);
/* The lists of ACTIVE sites alone, and this one's. Owns: it lives in @arena, and borrows from @holdings. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_holdings_active(const struct dkv_holdings *holdings,
                                              struct hr_arena *arena,
                                              struct dkv_holdings *ret_active);
/* The row of @origin, looked for from @at on; for several origins in their order, @at goes along. NULL: there
 * is none. */
const struct dkv_have_row *dkv_holdings_row(const struct dkv_have *have, size_t *at,
                                            dkv_origin origin);
/* Whether every member but this site has a list, and each of the lists goes to the end: what is in none of them is
 * nowhere. Members that were taken out do not count. */
bool dkv_holdings_complete(const struct dkv_holdings *holdings, const struct dkv_cfg *cfg);
/* Whether every member but this site has a list, as far as it goes. */
bool dkv_holdings_answered(const struct dkv_holdings *holdings, const struct dkv_cfg *cfg);
/* The list of @site; NULL if it has not answered. */
const struct dkv_have *dkv_holdings_of(const struct dkv_holdings *holdings, uint16_t site);
/* Whether @row, of another's list, is of an origin that is over and known everywhere, so that this site has
 * gathered it up. */
bool dkv_holdings_retired(const struct dkv_holdings *holdings, const struct dkv_have_row *row);
/* Whether any list says that @origin was taken out of the group; also of this site's own, which knows that from the
 * others alone. */
bool dkv_holdings_out(const struct dkv_holdings *holdings, dkv_origin origin);
/* Whether all lists say so, but for that of its own site: nobody takes its changes from that site any more. */
bool dkv_holdings_out_for_all(const struct dkv_holdings *holdings, dkv_origin origin);
/* The last origin that all lists go up to; UINT64_MAX if none ends early. */
dkv_origin dkv_holdings_end(const struct dkv_holdings *holdings);

#endif
