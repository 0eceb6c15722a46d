/* The joint between the gateway's core and its world's bindings: what guest*.c share. One thread,
 * one request for each instance (and no harm if a host keeps the instance). */
#ifndef GW_GUEST_H
#define GW_GUEST_H

#include "actors/todo/core/env.h"
#include "actors/todo/core/http.h"
#include "todo.h"

/* The environment's own state: what the request has asked for, the asset or the sites, which lives
 * until it is answered. */
struct gw_guest_env {
    hedgerow_ui_assets_option_asset_t asset;
    struct gw_header *asset_headers;
    hedgerow_lattice_members_list_site_t members;
    struct gw_site *sites;
};

/* A request read out of its resource; the strings of @request lie in the other members. */
struct gw_guest_request {
    struct gw_request request;
    wasi_http_types_method_t method;
    wasi_http_types_option_scheme_t scheme;
    todo_option_string_t path_and_query;
    todo_option_string_t authority;
    wasi_http_types_list_tuple2_field_name_field_value_t entries;
    struct gw_header *headers;
    struct hr_buf body;
};

static inline struct hr_str gw_guest_str(todo_string_t text)
{
    return hr_str_of(text.ptr, text.len);
}

/* Borrows @text: the bindings take strings they do not write to by non-const pointers. */
static inline todo_string_t gw_guest_borrow(struct hr_str text)
{
    return (todo_string_t){(uint8_t *)(uintptr_t)text.ptr, text.len};
}

/* The table for the core; keeps @state. */
struct gw_env gw_guest_env_init(struct gw_guest_env *state);
void gw_guest_env_release(struct gw_guest_env *state);

/* Reads everything, and the body if the method has one. @ret_in is to be released in any case.
 * Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_guest_request_read(wasi_http_types_borrow_incoming_request_t from,
                                                struct gw_guest_request *ret_in);
void gw_guest_request_release(struct gw_guest_request *in);

/* Sends @response; takes @out. A client that has gone is nobody's error. */
void gw_guest_respond(const struct gw_response *response,
                      wasi_http_types_own_response_outparam_t out);

#endif
