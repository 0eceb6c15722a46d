/* One HTTP exchange as a guest sees it: a request that is there whole, and a response that is collected
 * until the call ends. The HTTP daemon fills the one and sends the other; wasi:http (http.c) is
 * the guest's view. Nothing here knows sockets.
 *
 * Everything lives in the exchange's own arena. One loop thread.
 */
#ifndef HR_HTTP_H
#define HR_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "host/run/fiber.h"
#include "host/run/lane.h"

#define HR_HTTP_FIELDS_MAX 256u
#define HR_HTTP_FIELD_BYTES_MAX (64u << 10) /* names and values of one set of fields */

struct hr_http_field {
    struct hr_str name;
    struct hr_str value;
};

struct hr_http_fields {
    struct hr_http_field *items;
    size_t count;
    size_t cap;
    size_t bytes;
};

struct hr_http_exchange {
    struct hr_arena arena;
    /* request */
    struct hr_str method;
    struct hr_str target; /* path and query */
    struct hr_str authority;
    struct hr_http_fields request_fields;
    struct hr_buf request_body;
    /* response */
    bool answered;       /* response-outparam was set with a response */
    enum hr_err refused; /* response-outparam was set with an error: what became of it */
    uint32_t bodies;     /* response bodies that were opened; only the last one is kept */
    uint32_t finished;   /* the number of the one that was finished last */
    uint16_t status;
    struct hr_http_fields response_fields;
    struct hr_buf response_body;
    size_t body_bytes_max;
};

void hr_http_exchange_init(struct hr_http_exchange *exchange, size_t body_bytes_max);
void hr_http_exchange_release(struct hr_http_exchange *exchange);
/* Adds a field; name and value are copied into @arena. Errors: HR_BAD_INPUT (not a token, or a
 * forbidden byte in the value, RFC 9110 section 5), HR_TOO_BIG, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_http_fields_add(struct hr_http_fields *fields, struct hr_arena *arena,
                                             struct hr_str name, struct hr_str value);
/* Removes every field of this name, whatever its case. */
void hr_http_fields_remove(struct hr_http_fields *fields, struct hr_str name);
/* The first value of that name; an empty run with NULL if there is none. */
struct hr_str hr_http_fields_get(const struct hr_http_fields *fields, struct hr_str name);
/* How many fields have that name. */
uint32_t hr_http_fields_count(const struct hr_http_fields *fields, struct hr_str name);
/* Whether the field belongs to the connection and not to the message (RFC 9110, section 7.6.1): the
 * host's business, which guests neither see nor set. */
bool hr_http_is_of_connection(struct hr_str name);

/* What guests get as `string`: is it one, and one that means what it seems to mean? */
bool hr_http_is_method(struct hr_str method); /* a token */
bool hr_http_is_target(struct hr_str target); /* UTF-8 without spaces and control characters */
bool hr_http_is_authority(struct hr_str authority); /* host and port, no user (RFC 3986) */

typedef void (*hr_http_done_cb)(void *arg, enum hr_err err, const char *cause);

/* Calls the actor's incoming-handler with the exchange. The callback runs exactly once, on the loop,
 * never before this returns; with HR_OK the response is whole. Keeps @exchange until the callback.
 * Errors at once: as hr_lane_submit. */
HR_MUST_CHECK enum hr_err hr_http_call(struct hr_lane *lane, struct hr_http_exchange *exchange,
                                       hr_http_done_cb cb, void *arg, struct hr_fiber **ret_fiber);

#endif
