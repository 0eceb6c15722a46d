/* A client's session: the token of what it has seen (docs/protocol.md, Sessions), which it brings in the header
 * Hedgerow-Session or the cookie hedgerow-session, and gets back, newer, in both. The header goes before
 * the cookie; an empty one begins anew. Every write gives a token; a read gives one to who brought one, and is
 * the same as ever for all others. A response that has one is for its client alone: it is private.
 *
 * A header that is no token is the client's mistake, a 400. A cookie that is none, or is not one of this
 * lattice, is nobody's: it is as if it had not been brought, and the next one replaces it.
 * One thread. Must not know: what a token says. */
#ifndef GW_SESSION_H
#define GW_SESSION_H

#include <stdbool.h>

#include <yyjson.h>

#include "actors/todo/core/call.h"
#include "base/err.h"

#define GW_SESSION_HEADER "Hedgerow-Session"
#define GW_SESSION_COOKIE "hedgerow-session"
#define GW_SESSION_MAX_AGE_S "86400"

/* Takes the request's token. A step of a call (call.h). */
HR_MUST_CHECK enum hr_err gw_session_read(struct gw_call *call);
/* Writes @body, an object or nothing, to @out, with the token as its last member if it is to have one.
 * Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_session_put(const struct gw_call *call, bool is_read,
                                         struct hr_str body, struct hr_buf *out);
/* Takes over the token of the kv actor's reply, if it has one. */
void gw_session_take(struct gw_call *call, yyjson_val *root);
/* After the kv actor did not take the token: forgets it, if it came in a cookie. False: it did not. */
bool gw_session_forget(struct gw_call *call);
/* Adds the token to the response, if there is one to be given. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_session_finish(struct gw_call *call);

#endif
