/* A request as the gateway sees it and the response that it builds: plain values, no streams.
 *
 * A response's header values are literals, lie in its arena, or are borrowed from the environment
 * that answered the request; all of them live until the response is released. Invariant: body
 * points at nothing, a literal, own_body, or such borrowed bytes. One thread.
 * Must not know: WASI, the kv actor, what a todo is. */
#ifndef GW_HTTP_H
#define GW_HTTP_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* A todo's body; beyond it the answer is 413. */
#define GW_BODY_BYTES_MAX ((size_t)65536)
#define GW_RESPONSE_HEADERS_MAX ((size_t)40)
/* Of what the ui actor may give for one asset. */
#define GW_ASSET_HEADERS_MAX ((size_t)16)
#define GW_RESPONSE_ARENA_BYTES_MAX ((size_t)262144)

struct gw_header {
    struct hr_str name;
    struct hr_str value;
};

/* How much of the request's body is in gw_request.body. */
enum gw_body_state {
    GW_BODY_COMPLETE, /* all of it; it may be empty */
    GW_BODY_TOO_BIG,  /* more than GW_BODY_BYTES_MAX came; body is of no use */
    GW_BODY_BROKEN    /* the stream failed before its end */
};

/* Borrowed for the whole call. */
struct gw_request {
    struct hr_str method;         /* as sent: "GET" */
    struct hr_str path_and_query; /* "/api?limit=2"; empty when the request had none */
    struct hr_str scheme;         /* "http" or "https"; anything else is taken for "http" */
    struct hr_str authority;      /* "example.com:8080"; empty: the Host header, if any */
    const struct gw_header *headers;
    size_t header_count;
    struct hr_str body;
    enum gw_body_state body_state;
};

struct gw_response {
    unsigned status;
    struct gw_header headers[GW_RESPONSE_HEADERS_MAX];
    size_t header_count;
    struct hr_str body;
    struct hr_buf own_body;
    struct hr_arena arena;
};

/* The value of the first header line named @name (case is ignored), or NULL. */
const struct hr_str *gw_request_header(const struct gw_request *request, struct hr_str name);
/* How many header lines have that name. */
size_t gw_request_header_count(const struct gw_request *request, struct hr_str name);
/* All values of that name joined by ", " (RFC 9110 section 5.3), in @arena when there is more than
 * one; ret_value is empty when there is none. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_request_header_joined(const struct gw_request *request,
                                                   struct hr_str name, struct hr_arena *arena,
                                                   struct hr_str *ret_value);

/* Caller's storage; status 500 until somebody says better. */
void gw_response_init(struct gw_response *response);
/* Frees own memory. Accepts a zeroed one. */
void gw_response_release(struct gw_response *response);
/* Drops headers and body, and keeps the arena: what a problem does to a half-built answer. */
void gw_response_clear(struct gw_response *response);
/* Adds a header whose name and value outlive the response (literals, or borrowed from the
 * environment). The caller keeps within GW_RESPONSE_HEADERS_MAX. */
void gw_response_keep(struct gw_response *response, struct hr_str name, struct hr_str value);
/* Adds a header: @name outlives the response, @value is copied. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_response_copy(struct gw_response *response, struct hr_str name,
                                           struct hr_str value);
/* The same with what has been written to @value, unless that failed with @err. Releases @value.
 * Errors: @err, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_response_take(struct gw_response *response, struct hr_str name,
                                           struct hr_buf *value, enum hr_err err);
/* The value of the first header named @name, or NULL. */
const struct hr_str *gw_response_header(const struct gw_response *response, struct hr_str name);
/* Makes own_body the body. */
void gw_response_use_own_body(struct gw_response *response);

#endif
