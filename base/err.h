/* The one list of ways in which a Hedgerow function can fail.
 *
 * Each row gives the code, the text that a person reads, the HTTP status that a request ending
 * with it gets, and whether trying the same thing again may succeed. Zero is success. Foreign
 * errors (uv, lmdb, nats, wasmtime, ...) are turned into these in the one file that owns that
 * library; what they said goes into a struct hr_diag.
 */
#ifndef HR_ERR_H
#define HR_ERR_H

#include <stdbool.h>

/* code, text, HTTP status, retryable */
#define HR_ERR_LIST(X)                                                \
    X(HR_OK, "ok", 200, false)                                        \
    X(HR_NOT_FOUND, "not found", 404, false)                          \
    X(HR_BAD_INPUT, "bad input", 400, false)                          \
    X(HR_TOO_BIG, "too big", 413, false)                              \
    X(HR_DENIED, "denied", 403, false)                                \
    X(HR_EXISTS, "already there", 409, false)                         \
    X(HR_CONFLICT, "changed by another since it was read", 409, true) \
    X(HR_BUSY, "too busy", 503, true)                                 \
    X(HR_AGAIN, "would have to wait", 503, true)                      \
    X(HR_NOT_READY, "not ready yet", 503, true)                       \
    X(HR_TIMEOUT, "timed out", 504, true)                             \
    X(HR_CANCELED, "canceled", 503, true)                             \
    X(HR_NO_RESPONDERS, "nobody answers there", 503, true)            \
    X(HR_CLOSED, "closed", 503, true)                                 \
    X(HR_UNKNOWN_OUTCOME, "outcome unknown", 503, true)               \
    X(HR_LOCKED, "in use by another process", 503, true)              \
    X(HR_NO_MEMORY, "out of memory", 503, true)                       \
    X(HR_NO_SPACE, "no space left", 507, true)                        \
    X(HR_READ_ONLY, "read only", 503, false)                          \
    X(HR_CORRUPT, "corrupt", 500, false)                              \
    X(HR_IO, "input or output failed", 500, true)                     \
    X(HR_UNSUPPORTED, "not supported", 501, false)                    \
    X(HR_TRAP, "the guest trapped", 500, false)                       \
    X(HR_INTERNAL, "internal error", 500, false)

enum hr_err {
#define HR_ERR_ENUM(code, text, http, retryable) code,
    HR_ERR_LIST(HR_ERR_ENUM)
#undef HR_ERR_ENUM
        HR_ERR_COUNT
};

#define HR_MUST_CHECK __attribute__((warn_unused_result))

/* Drops a result on purpose; say why beside it. */
#define HR_IGNORE(expr) \
    do {                \
        if (expr) {     \
        }               \
    } while (0)

/* The short text of @err, for people. Static storage. Any thread. */
const char *hr_err_text(enum hr_err err);
/* The enumerator's own name ("HR_BUSY"), for logs. Static storage. Any thread. */
const char *hr_err_name(enum hr_err err);
/* The HTTP status that ends a request which failed with @err. Any thread. */
int hr_err_http(enum hr_err err);
/* Whether the same call may succeed later. Any thread. */
bool hr_err_retryable(enum hr_err err);

#endif
