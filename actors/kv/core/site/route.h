/* Where a message belongs, by its subject (docs/protocol.md):
 *
 *   wasmkv.peer.<bucket>.w             CHANGES: of another site, as they happen
 *   _LOCAL.wasmkv.<bucket>.apply       APPLY: the same, pulled by this site
 *   _LOCAL.wasmkv.<bucket>.ship        SHIP: replies that wait for other sites
 *   wasmkv.peer.<bucket>.have          HAVE: what this site holds
 *   wasmkv.peer.<bucket>.log.<site>    LOG: a piece of what this site holds
 *   wasmkv.peer.<bucket>.dig.<site>    DIG: a comparison of records
 *   wasmkv.peer.<bucket>.st.<site>     STATE: a piece of the records that this site has
 *   _LOCAL.wasmkv.<bucket>.fill        FILL: a piece of another site's records, for this store
 *   _LOCAL.wasmkv.<bucket>.tick        TICK: it is time to look what is missing
 *   _LOCAL.wasmkv.<bucket>.mend        MEND: a record or a piece of the index to be put right
 *   _LOCAL.wasmkv.<bucket>.admin       ADMIN: the operator's, through the host
 *   _LOCAL.wasmkv.<bucket>.meet.<...>  MEET: a client's read, with its subject behind, that waits for what
 *                                      its session has seen
 *
 * Everything else is a client's. Stateless. Must not know: bodies. */
#ifndef DKV_ROUTE_H
#define DKV_ROUTE_H

#include "actors/kv/core/site/config.h"

enum dkv_route {
    DKV_ROUTE_CLIENT,
    DKV_ROUTE_CHANGES,
    DKV_ROUTE_APPLY,
    DKV_ROUTE_SHIP,
    DKV_ROUTE_HAVE,
    DKV_ROUTE_LOG,
    DKV_ROUTE_DIG,
    DKV_ROUTE_STATE,
    DKV_ROUTE_FILL,
    DKV_ROUTE_TICK,
    DKV_ROUTE_MEND,
    DKV_ROUTE_ADMIN,
    DKV_ROUTE_MEET,
    DKV_ROUTE_NOWHERE /* of another bucket or site, or unknown */
};

enum dkv_route dkv_route_of(struct hr_str subject, const struct dkv_config *config);
/* The subject that has @route; @rest is the site or the client's subject, of those that end in one. A NULL pointer:
 * memory is out. */
struct hr_str dkv_route_subject(enum dkv_route route, const struct dkv_config *config,
                                struct hr_str rest, struct hr_arena *arena);
/* The client's subject behind @subject, which is of route MEET. */
struct hr_str dkv_route_client(struct hr_str subject, const struct dkv_config *config);

#endif
