/* From a request's route to its answer, and the headers that every answer has. One thread. */
#include "actors/todo/core/api.h"

#include "actors/todo/core/asset.h"
#include "actors/todo/core/behind.h"
#include "actors/todo/core/call.h"
#include "actors/todo/core/item.h"
#include "actors/todo/core/list.h"
#include "actors/todo/core/media.h"
#include "actors/todo/core/problem.h"
#include "actors/todo/core/session.h"
#include "actors/todo/core/sites.h"
#include "actors/todo/core/uri.h"

#define NS_PER_US 1000u
#define NS_PER_MS 1000000u

#define EXPOSED_HEADERS                                                                            \
    "ETag, Link, Location, Hedgerow-Site, Hedgerow-Acks, " GW_SESSION_HEADER ", " GW_BEHIND_HEADER \
    ", Server-Timing"
#define ALLOWED_HEADERS \
    "Content-Type, If-Match, If-None-Match, X-Requested-With, " GW_SESSION_HEADER
#define PREFLIGHT_MAX_AGE_S "86400"

bool gw_api_wants_body(struct hr_str method)
{
    return hr_str_eq(method, HR_STR("POST")) || hr_str_eq(method, HR_STR("PATCH"));
}

/* The start of every url, without a slash at its end. */
static enum hr_err find_base(struct gw_call *call)
{
    struct hr_str authority = call->request->authority;
    if (authority.len == 0) {
        const struct hr_str *host = gw_request_header(call->request, HR_STR("Host"));
        authority = host ? *host : authority;
    }
    if (authority.len == 0) {
        return HR_OK; /* HTTP/1.0: urls will be paths */
    }
    if (!gw_uri_is_authority(authority)) {
        return gw_call_refuse(call, 400,
                              HR_STR("The request's host must be a name or an address, with a port "
                                     "or without."));
    }
    bool is_tls = hr_str_eq_nocase(call->request->scheme, HR_STR("https"));
    call->base =
        gw_call_join(call, is_tls ? HR_STR("https") : HR_STR("http"), HR_STR("://"), authority);
    return call->base.ptr ? HR_OK : HR_NO_MEMORY;
}

static enum hr_err answer_options(struct gw_call *call)
{
    struct gw_response *response = call->response;
    struct hr_str allow = gw_route_allow(call->route.resource);
    response->status = 204;
    gw_response_keep(response, HR_STR("Allow"), allow);
    gw_response_keep(response, HR_STR("Access-Control-Allow-Methods"), allow);
    gw_response_keep(response, HR_STR("Access-Control-Allow-Headers"), HR_STR(ALLOWED_HEADERS));
    gw_response_keep(response, HR_STR("Access-Control-Max-Age"), HR_STR(PREFLIGHT_MAX_AGE_S));
    if (call->route.resource == GW_RESOURCE_LIST) {
        gw_response_keep(response, HR_STR("Accept-Post"), HR_STR(GW_MEDIA_POST));
    }
    if (call->route.resource == GW_RESOURCE_TODO) {
        gw_response_keep(response, HR_STR("Accept-Patch"), HR_STR(GW_MEDIA_PATCH));
    }
    return HR_OK;
}

static enum hr_err refuse_method(struct gw_call *call)
{
    struct hr_str allow = gw_route_allow(call->route.resource);
    struct hr_str detail =
        gw_call_join(call, HR_STR("This resource knows the methods "), allow, HR_STR("."));
    if (!detail.ptr) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = gw_call_refuse(call, 405, detail);
    if (err == GW_ANSWERED) {
        gw_response_keep(call->response, HR_STR("Allow"), allow);
    }
    return err;
}

static enum hr_err dispatch_list(struct gw_call *call)
{
    if (call->route.method == GW_METHOD_POST) {
        return gw_item_create(call);
    }
    return call->route.method == GW_METHOD_DELETE ? gw_item_delete_all(call) : gw_list_get(call);
}

static enum hr_err dispatch_todo(struct gw_call *call)
{
    if (call->route.method == GW_METHOD_PATCH) {
        return gw_item_patch(call);
    }
    return call->route.method == GW_METHOD_DELETE ? gw_item_delete(call) : gw_item_get(call);
}

static enum hr_err dispatch(struct gw_call *call)
{
    if (!gw_route_permits(&call->route)) {
        return refuse_method(call);
    }
    if (call->route.method == GW_METHOD_OPTIONS) {
        return answer_options(call);
    }
    if (call->route.resource == GW_RESOURCE_ASSET) {
        return gw_asset_get(call);
    }
    if (call->route.resource == GW_RESOURCE_NONE) {
        return gw_call_refuse(call, 404,
                              HR_STR("There is nothing here. The todos are at /api, each one at "
                                     "/api/ and its id."));
    }
    if (call->route.resource == GW_RESOURCE_SITES) {
        return gw_sites_get(call);
    }
    enum hr_err err = find_base(call);
    err = err ? err : gw_session_read(call);
    if (err) {
        return err;
    }
    return call->route.resource == GW_RESOURCE_LIST ? dispatch_list(call) : dispatch_todo(call);
}

/* The site that answered, else the one that this gateway is at, if the configuration tells. */
static enum hr_err add_site(struct gw_call *call)
{
    if (call->site_len == 0) {
        struct hr_buf value = {.max = GW_SITE_BYTES_MAX};
        enum hr_err err = call->env->config(call->env->arg, HR_STR("site"), &value);
        gw_call_set_site(call, hr_buf_str(&value));
        hr_buf_release(&value);
        if (err == HR_NO_MEMORY) {
            return err;
        }
        if (err && err != HR_NOT_FOUND) {
            gw_call_log(call, GW_LOG_WARN, "no-site", hr_str_c(hr_err_text(err)));
        }
    }
    if (call->site_len == 0) {
        return HR_OK;
    }
    return gw_response_copy(call->response, HR_STR("Hedgerow-Site"),
                            hr_str_of(call->site, call->site_len));
}

static enum hr_err add_timing(struct gw_call *call)
{
    struct hr_buf value = {0};
    if (call->kv_requests == 0) {
        return HR_OK;
    }
    enum hr_err err =
        hr_buf_printf(&value, "kv;dur=%llu.%03llu", (unsigned long long)(call->kv_ns / NS_PER_MS),
                      (unsigned long long)(call->kv_ns / NS_PER_US % 1000));
    return gw_response_take(call->response, HR_STR("Server-Timing"), &value, err);
}

static enum hr_err add_length(struct gw_call *call)
{
    struct hr_buf value = {0};
    unsigned status = call->response->status;
    if (status == 204 || status == 304) {
        return HR_OK;
    }
    enum hr_err err = hr_buf_printf(&value, "%zu", call->response->body.len);
    return gw_response_take(call->response, HR_STR("Content-Length"), &value, err);
}

static void add_cors(struct gw_response *response)
{
    gw_response_keep(response, HR_STR("Access-Control-Allow-Origin"), HR_STR("*"));
    gw_response_keep(response, HR_STR("Access-Control-Expose-Headers"), HR_STR(EXPOSED_HEADERS));
}

/* A 304 has no body, and none of the headers that describe one (RFC 9110 section 15.4.5). */
static void strip_body(struct gw_response *response)
{
    size_t kept = 0;
    for (size_t i = 0; i < response->header_count; i++) {
        struct hr_str name = response->headers[i].name;
        struct hr_str start = {name.ptr, name.len < 8 ? name.len : 8};
        if (!hr_str_eq_nocase(start, HR_STR("Content-"))) {
            response->headers[kept++] = response->headers[i];
        }
    }
    response->header_count = kept;
    response->body = hr_str_of(NULL, 0);
}

static enum hr_err finish(struct gw_call *call)
{
    if (call->response->status == 304) {
        strip_body(call->response);
    }
    enum hr_err err = add_length(call);
    err = err ? err : add_site(call);
    err = err ? err : add_timing(call);
    err = err ? err : gw_session_finish(call);
    if (err) {
        return err;
    }
    gw_behind_finish(call);
    add_cors(call->response);
    return HR_OK;
}

void gw_api_handle(const struct gw_env *env, const struct gw_request *request,
                   struct gw_response *ret_response)
{
    struct gw_call call = {.env = env, .request = request, .response = ret_response};
    gw_response_init(ret_response);
    gw_route_parse(request->method, request->path_and_query, &call.route);
    enum hr_err err = dispatch(&call);
    if (!err || err == GW_ANSWERED) {
        err = finish(&call);
    }
    if (err) {
        /* Every other failure has been answered: what is left is that memory is out. */
        gw_problem_out_of_memory(ret_response);
        add_cors(ret_response);
    }
    if (call.route.method == GW_METHOD_HEAD) {
        ret_response->body = hr_str_of(NULL, 0);
    }
}
