/* Methods and paths. Stateless, any thread. */
#include "actors/todo/core/route.h"

#include "actors/todo/core/uri.h"

#define METHODS_READ (1u << GW_METHOD_GET | 1u << GW_METHOD_HEAD | 1u << GW_METHOD_OPTIONS)

static const char *const method_names[GW_METHOD_OTHER] = {"GET",   "HEAD",   "POST",
                                                          "PATCH", "DELETE", "OPTIONS"};

struct resource_row {
    unsigned methods; /* bit 1 << enum gw_method */
    const char *allow;
};

static const struct resource_row resources[] = {
    [GW_RESOURCE_LIST] = {METHODS_READ | 1u << GW_METHOD_POST | 1u << GW_METHOD_DELETE,
                          "GET, HEAD, POST, DELETE, OPTIONS"},
    [GW_RESOURCE_TODO] = {METHODS_READ | 1u << GW_METHOD_PATCH | 1u << GW_METHOD_DELETE,
                          "GET, HEAD, PATCH, DELETE, OPTIONS"},
    [GW_RESOURCE_SITES] = {METHODS_READ, "GET, HEAD, OPTIONS"},
    [GW_RESOURCE_NONE] = {METHODS_READ, "GET, HEAD, OPTIONS"},
    [GW_RESOURCE_ASSET] = {METHODS_READ, "GET, HEAD, OPTIONS"},
    [GW_RESOURCE_SERVER] = {1u << GW_METHOD_OPTIONS, "GET, HEAD, POST, PATCH, DELETE, OPTIONS"},
};

static enum gw_method method_of(struct hr_str name)
{
    for (int method = 0; method < GW_METHOD_OTHER; method++) {
        if (hr_str_eq(name, hr_str_c(method_names[method]))) {
            return (enum gw_method)method;
        }
    }
    return GW_METHOD_OTHER;
}

bool gw_route_is_key(struct hr_str key)
{
    bool in_token = false;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool token_byte = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '=';
        if (!token_byte && !(c == '.' && in_token)) {
            return false;
        }
        in_token = token_byte;
    }
    return in_token && key.len <= GW_ID_BYTES_MAX;
}

static void parse_api_path(struct hr_str below, struct gw_route *route)
{
    route->resource = GW_RESOURCE_NONE;
    enum hr_err err = gw_uri_decode(below, route->id, sizeof route->id, &route->id_len);
    if (err) {
        route->id_len = 0;
    } else if (hr_str_eq(hr_str_of(route->id, route->id_len), HR_STR("sites"))) {
        route->resource = GW_RESOURCE_SITES;
    } else if (gw_route_is_key(hr_str_of(route->id, route->id_len))) {
        route->resource = GW_RESOURCE_TODO;
    }
}

void gw_route_parse(struct hr_str method, struct hr_str path_and_query, struct gw_route *ret_route)
{
    *ret_route = (struct gw_route){.method = method_of(method), .path = path_and_query};
    size_t mark = hr_str_find(path_and_query, '?', 0);
    if (mark != SIZE_MAX) {
        ret_route->path.len = mark;
        ret_route->query = hr_str_from(path_and_query, mark + 1);
    }
    if (ret_route->path.len == 0) {
        ret_route->path = HR_STR("/");
    }
    struct hr_str path = ret_route->path;
    if (hr_str_eq(path, HR_STR("*")) && ret_route->method == GW_METHOD_OPTIONS) {
        ret_route->resource = GW_RESOURCE_SERVER;
    } else if (hr_str_eq(path, HR_STR("/api")) || hr_str_eq(path, HR_STR("/api/"))) {
        ret_route->resource = GW_RESOURCE_LIST;
    } else if (hr_str_starts(path, HR_STR("/api/"))) {
        parse_api_path(hr_str_from(path, sizeof "/api/" - 1), ret_route);
    } else {
        ret_route->resource = GW_RESOURCE_ASSET;
    }
}

bool gw_route_permits(const struct gw_route *route)
{
    return resources[route->resource].methods >> route->method & 1u;
}

struct hr_str gw_route_allow(enum gw_resource resource)
{
    return hr_str_c(resources[resource].allow);
}
