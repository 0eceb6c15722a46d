/* The todo actor's export: an HTTP request comes in, the core answers it. Must not know: what is
 * asked or answered. */
#include "actors/todo/guest.h"

#include "actors/todo/core/api.h"
#include "actors/todo/core/problem.h"

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t request,
    exports_wasi_http_incoming_handler_own_response_outparam_t response_out)
{
    struct gw_guest_env state = {.asset_headers = NULL};
    struct gw_env env = gw_guest_env_init(&state);
    struct gw_guest_request in;
    struct gw_response response;
    enum hr_err err = gw_guest_request_read(wasi_http_types_borrow_incoming_request(request), &in);
    if (err) {
        gw_response_init(&response);
        gw_problem_out_of_memory(&response);
    } else {
        gw_api_handle(&env, &in.request, &response);
    }
    gw_guest_respond(&response, response_out);
    gw_response_release(&response);
    gw_guest_request_release(&in);
    gw_guest_env_release(&state);
    wasi_http_types_incoming_request_drop_own(request);
}
