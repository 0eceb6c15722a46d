/* One HTTP request on its way through the gateway: what every step of it needs. Lives on the
 * stack of gw_api_handle. A step of a call returns HR_OK for "go on", HR_NO_MEMORY, or
 * GW_ANSWERED once the response is complete and nothing more is to be done. One thread. */
#ifndef GW_CALL_H
#define GW_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/todo/core/env.h"
#include "actors/todo/core/http.h"
#include "actors/todo/core/route.h"

/* A site's name, as it is taken over into Hedgerow-Site. */
#define GW_SITE_BYTES_MAX ((size_t)64)

#define GW_ANSWERED HR_CANCELED

/* Of a token of the kv actor. */
#define GW_SESSION_CHARS_MAX ((size_t)691)

enum gw_session_source { GW_SESSION_NOT_GIVEN, GW_SESSION_HEADER_GIVEN, GW_SESSION_COOKIE_GIVEN };

/* What the client has seen (session.h). */
struct gw_session {
    enum gw_session_source source;
    struct hr_str cookie; /* as brought; NULL ptr: none that may be a token */
    bool told;            /* the token is one of a reply */
    char token[691];
    size_t token_len;
};

struct gw_call {
    const struct gw_env *env;
    const struct gw_request *request;
    struct gw_response *response;
    struct gw_route route;
    struct hr_str base; /* "http://example.com:8080", or empty: then urls are paths */
    uint64_t kv_ns;     /* time spent waiting for the kv actor */
    uint32_t kv_requests;
    char site[64]; /* the site that answered, if one has */
    size_t site_len;
    struct gw_session session;
    struct hr_str behind; /* the header's value (behind.h); empty: nothing is to be said */
};

/* GW_ANSWERED if the answer could be written, else what it failed with. */
static inline enum hr_err gw_call_end(enum hr_err err)
{
    return err ? err : GW_ANSWERED;
}

/* Answers with a problem (problem.h). Errors: GW_ANSWERED, HR_NO_MEMORY; never HR_OK. */
HR_MUST_CHECK enum hr_err gw_call_refuse(struct gw_call *call, unsigned status,
                                         struct hr_str detail);
/* @a, @b and @c behind each other, in the response's arena; ptr is NULL when memory is out. */
struct hr_str gw_call_join(struct gw_call *call, struct hr_str a, struct hr_str b, struct hr_str c);
/* A todo's url, in the response's arena; ptr is NULL when memory is out. */
struct hr_str gw_call_url(struct gw_call *call, struct hr_str id);
/* Takes over @site if it can stand in a header: 1 to GW_SITE_BYTES_MAX visible ASCII characters.
 * Otherwise nothing changes. */
void gw_call_set_site(struct gw_call *call, struct hr_str site);
/* Logs "<event>: <text>", what is not printable ASCII in @text replaced by '?', cut if too long. */
void gw_call_log(const struct gw_call *call, enum gw_log_level level, const char *event,
                 struct hr_str text);

#endif
