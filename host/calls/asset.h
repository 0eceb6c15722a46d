/* Web assets from actor to actor (wit/ui/ui.wit): a call of an actor's get-asset on this worker, and the
 * same thing as bytes, for hosts of one lattice to ask each other (asset_wire.c, asset_service.c). One loop
 * thread.
 */
#ifndef HR_ASSET_H
#define HR_ASSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "host/run/lane.h"

#define HR_ASSET_HEADERS_MAX 64u
/* Of one call: what is asked with, and what comes with an asset's bytes. */
#define HR_ASSET_REQUEST_BYTES_MAX (64u << 10)
#define HR_ASSET_FIELDS_BYTES_MAX (64u << 10)
#define HR_ASSET_SUBJECT_BYTES_MAX 160u

struct hr_asset_request {
    struct hr_str path;
    struct hr_str accept_encoding;
};

struct hr_asset_header {
    struct hr_str name;
    struct hr_str value;
};

struct hr_asset {
    bool found;
    struct hr_str etag;
    struct hr_str bytes;
    struct hr_asset_header *headers;
    uint32_t header_count;
};

/* A call under way, and afterwards what became of it. */
struct hr_asset_call;
typedef void (*hr_asset_cb)(void *arg, struct hr_asset_call *call);

/* Begins a call of the lane's actor, with its own limits and at most @wall_ms.
 * Owns:   copies @request and @trace (a traceparent, may be empty). Returns own: hr_asset_call_free.
 * Errors: as hr_lane_submit; HR_TOO_BIG for a request beyond its limit. @cb runs exactly once unless the call
 *         is freed before, on the loop, never before this returns. */
HR_MUST_CHECK enum hr_err hr_asset_call_new(struct hr_lane *lane,
                                            const struct hr_asset_request *request,
                                            struct hr_str trace, uint32_t wall_ms, hr_asset_cb cb,
                                            void *arg, struct hr_asset_call **ret_call);
/* Ends the call if it is under way. Accepts NULL. From the loop or a fiber. */
void hr_asset_call_free(struct hr_asset_call *call);
/* Once the callback runs: the outcome; @ret_cause is the detail of an error. Lives as long as the call. */
enum hr_err hr_asset_call_outcome(const struct hr_asset_call *call,
                                  const struct hr_asset **ret_asset, const char **ret_cause);

/* asset_wire.c. Numbers are big-endian, a text is u32 length | bytes.
 *   request: u8 version = 1 | path | accept-encoding
 *   reply:   u8 version = 1 | u8 found | if found: etag | u16 headers | (name | value)... | bytes */
HR_MUST_CHECK enum hr_err hr_asset_request_encode(const struct hr_asset_request *request,
                                                  struct hr_buf *buf);
/* Borrows @bytes. HR_BAD_INPUT, also for texts that are not UTF-8; HR_UNSUPPORTED (another version). */
HR_MUST_CHECK enum hr_err hr_asset_request_decode(struct hr_str bytes,
                                                  struct hr_asset_request *ret_request);
HR_MUST_CHECK enum hr_err hr_asset_encode(const struct hr_asset *asset, struct hr_buf *buf);
/* Texts and bytes are borrowed from @bytes, the headers live in @arena. Errors: as above, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_asset_decode(struct hr_str bytes, struct hr_arena *arena,
                                          struct hr_asset *ret_asset);
/* "hedgerow.<lattice>.call.<actor>.get-asset", written to @ret_text. */
struct hr_str hr_asset_subject(struct hr_str lattice, struct hr_str actor,
                               char ret_text[HR_ASSET_SUBJECT_BYTES_MAX]);

/* asset_service.c: answers other hosts' calls of the lane's actor, from now until its bus port closes. The
 * worker owns it: hr_asset_service_free_all. Errors: as hr_bus_subscribe. */
HR_MUST_CHECK enum hr_err hr_asset_service_open(struct hr_worker *worker, struct hr_lane *lane,
                                                struct hr_str lattice);
/* After the bus port has closed and every call has ended. */
void hr_asset_service_free_all(struct hr_worker *worker);

#endif
