/* The gateway: one HTTP request in, one response out, as docs/api.md has it. One thread.
 * Must not know: WASI. */
#ifndef GW_API_H
#define GW_API_H

#include <stdbool.h>

#include "actors/todo/core/env.h"
#include "actors/todo/core/http.h"

/* Answers @request; whatever happens, @ret_response is complete afterwards (gw_response_release).
 * For HEAD, body is empty and Content-Length what GET has. */
void gw_api_handle(const struct gw_env *env, const struct gw_request *request,
                   struct gw_response *ret_response);
/* Whether the gateway reads the body of requests with this method. */
bool gw_api_wants_body(struct hr_str method);

#endif
