/* Everything that the gateway's core wants from outside, as one table. In the guest the calls go
 * to WIT imports; in tests to a script. Every call returns when it is done: the core is
 * straight-line code. One thread.
 * Must not know: how any of it is done. */
#ifndef GW_ENV_H
#define GW_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actors/todo/core/http.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

/* Nanoseconds since 1970-01-01T00:00:00Z. It may step either way between two readings. */
typedef uint64_t gw_wall_ns;

/* The longest reply of the kv actor that is read. */
#define GW_REPLY_BYTES_MAX ((size_t)4194304)

enum gw_log_level { GW_LOG_DEBUG, GW_LOG_INFO, GW_LOG_WARN, GW_LOG_ERROR };

/* A file of the web page. Everything in it is borrowed from the environment and lives until the
 * response has been sent. */
struct gw_asset {
    struct hr_str etag; /* strong, with its quotes */
    const struct gw_header *headers;
    size_t header_count;
    struct hr_str bytes;
};

/* A site of the lattice as this gateway's host knows it. The name is borrowed from the environment
 * and lives until the response has been sent. */
struct gw_site {
    struct hr_str name; /* UTF-8 */
    uint16_t id;
    bool here;  /* the gateway's own */
    bool alive; /* somebody there has been heard of lately */
    bool has_store;
    bool catching_up;
    bool is_measured;
    uint32_t hosts;
    uint64_t round_trip_us; /* from here; only if it is measured */
    uint64_t silent_ms;     /* since somebody there was heard of */
};

struct gw_env {
    void *arg;
    /* Sends @body to @subject and appends the reply to @ret_reply, whose max is set by the caller.
     * Errors: HR_NO_RESPONDERS, HR_DENIED, HR_BUSY: nobody has got the message. HR_NO_MEMORY:
     * ours. HR_TIMEOUT, HR_IO and any other: somebody may have acted on it. The reason goes to
     * @diag. */
    enum hr_err (*request)(void *arg, struct hr_str subject, struct hr_str body,
                           uint32_t timeout_ms, struct hr_buf *ret_reply, struct hr_diag *diag);
    /* The asset at @path, in an encoding that @accept_encoding allows.
     * Errors: HR_NOT_FOUND: the ui actor has none. Any other: it could not be asked, the reason
     * goes to @diag. */
    enum hr_err (*get_asset)(void *arg, struct hr_str path, struct hr_str accept_encoding,
                             struct gw_asset *ret_asset, struct hr_diag *diag);
    /* Every site that the host has seen since it started. Not to be called twice for one request.
     * Errors: HR_NO_MEMORY. */
    enum hr_err (*sites)(void *arg, const struct gw_site **ret_sites, size_t *ret_count);
    gw_wall_ns (*now)(void *arg);
    /* Fills @ret_bytes with unpredictable bytes. */
    void (*random)(void *arg, unsigned char *ret_bytes, size_t len);
    void (*log)(void *arg, enum gw_log_level level, struct hr_str text);
    /* Appends the value of configuration key @key to @ret_value.
     * Errors: HR_NOT_FOUND: not set. Any other: the configuration cannot be read. */
    enum hr_err (*config)(void *arg, struct hr_str key, struct hr_buf *ret_value);
};

/* The error behind a messaging error's text: hosts give only a text, and one that begins with a
 * row's text of base/err.h ("timed out after 5 s") means that row. Anything else is HR_IO, after
 * which somebody may have acted on the message; so is HR_NO_MEMORY, which stands for memory of our
 * own. Any thread. */
enum hr_err gw_env_err(struct hr_str text);

#endif
