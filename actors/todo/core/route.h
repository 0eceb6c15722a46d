/* What a request is about, and what may be done with it: the table of docs/api.md. Stateless, any
 * thread. Must not know: how any of it is answered. */
#ifndef GW_ROUTE_H
#define GW_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* A key of the kv actor, which is a todo's id (docs/protocol.md). */
#define GW_ID_BYTES_MAX ((size_t)256)

enum gw_method {
    GW_METHOD_GET,
    GW_METHOD_HEAD,
    GW_METHOD_POST,
    GW_METHOD_PATCH,
    GW_METHOD_DELETE,
    GW_METHOD_OPTIONS,
    GW_METHOD_OTHER
};

enum gw_resource {
    GW_RESOURCE_LIST,  /* /api and /api/ */
    GW_RESOURCE_TODO,  /* /api/<id> */
    GW_RESOURCE_SITES, /* /api/sites, which no todo can be at */
    GW_RESOURCE_NONE,  /* anything else below /api/ */
    GW_RESOURCE_ASSET, /* the web page's files */
    GW_RESOURCE_SERVER /* the "*" of OPTIONS */
};

struct gw_route {
    enum gw_method method;
    enum gw_resource resource;
    struct hr_str path;  /* as sent, without the query; at least "/" */
    struct hr_str query; /* without its '?' */
    char id[256];        /* of a GW_RESOURCE_TODO, decoded and valid */
    size_t id_len;
};

/* Cannot fail: what is below /api/ and no todo's place is a GW_RESOURCE_NONE. Path and query
 * borrow @path_and_query. */
void gw_route_parse(struct hr_str method, struct hr_str path_and_query, struct gw_route *ret_route);
/* Whether the resource knows the method. */
bool gw_route_permits(const struct gw_route *route);
/* The resource's methods as an Allow header has them. */
struct hr_str gw_route_allow(enum gw_resource resource);
/* Whether @key is a key that the kv actor takes: tokens of A-Z a-z 0-9 - _ = with single dots
 * between them, 1 to GW_ID_BYTES_MAX bytes in all. */
bool gw_route_is_key(struct hr_str key);

#endif
