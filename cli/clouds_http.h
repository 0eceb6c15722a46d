/* Several HTTP requests at once to servers on this machine, with one time limit for all. */
#ifndef CLI_CLOUDS_HTTP_H
#define CLI_CLOUDS_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"

#define CLOUDS_HTTP_URL_BYTES_MAX 192u
#define CLOUDS_HTTP_ANSWER_BYTES_MAX (16u << 20)

struct clouds_request {
    const char *method;
    char url[CLOUDS_HTTP_URL_BYTES_MAX];
    struct hr_str body; /* JSON; empty: none */
    int status;         /* out: 0 when there was no whole answer in time */
    struct hr_buf answer;
};

/* Makes them all and waits for all answers, at most @timeout_ms. Answers of more than
 * CLOUDS_HTTP_ANSWER_BYTES_MAX count as none.
 * Owns:   borrows @requests and their bodies; the answers are released by clouds_http_release.
 * Errors: HR_NO_MEMORY, HR_INTERNAL (libcurl refuses); requests without an answer are no error. */
HR_MUST_CHECK enum hr_err clouds_http_run(struct clouds_request *requests, size_t count,
                                          uint32_t timeout_ms);
void clouds_http_release(struct clouds_request *requests, size_t count);

/* One request whose answer must be 2xx. The diag names the URL and what was wrong. @ret_answer may be NULL.
 * Errors: HR_NOT_FOUND (404), HR_IO (no or another answer), HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err clouds_http_do(const char *method, const char *url, struct hr_str body,
                                         struct hr_buf *ret_answer, struct hr_diag *diag);
#define CLOUDS_HTTP_TIMEOUT_MS 2000u

#endif
