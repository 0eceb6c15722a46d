/* The HTTP side of one worker: requests come in whole, become a call of the actor whose route fits
 * best, and the actor's answer goes out. What cannot become a call is answered here, with
 * application/problem+json (RFC 9457): too large, too busy, failed, late. One loop thread. */
#ifndef HR_HTTPD_H
#define HR_HTTPD_H

#include "base/diag.h"
#include "base/err.h"
#include "host/run/worker.h"

/* What one worker holds of all its requests' and answers' bodies together; 503 above. At least twice
 * the largest limits.body of the actors that it serves. */
#define HR_HTTPD_BODIES_BYTES_MAX ((size_t)256 << 20)
/* From the end of a request's head to the end of its body. */
#define HR_HTTPD_BODY_MS 120000u

/* A path prefix and the lane that serves it. */
struct hr_httpd_route {
    struct hr_str prefix;
    struct hr_lane *lane;
};

/* Takes the listening socket on success. Copies the routes (their prefixes keep until stop).
 * Returns own: hr_httpd_stop, then
 * hr_httpd_free. */
HR_MUST_CHECK enum hr_err hr_httpd_start(struct hr_worker *worker, int fd,
                                         const struct hr_httpd_route *routes, size_t count,
                                         struct hr_httpd **ret_httpd, struct hr_diag *diag);
/* Stops accepting; answers what is under way, and closes connections after that. */
void hr_httpd_drain(struct hr_httpd *httpd);
/* Requests whose answer has not been handed to the daemon and sent. */
uint32_t hr_httpd_active(const struct hr_httpd *httpd);
/* Ends what is left. No call of it is in flight. Accepts NULL. */
void hr_httpd_stop(struct hr_httpd *httpd);
/* After the loop has been released. Accepts NULL. */
void hr_httpd_free(struct hr_httpd *httpd);

#endif
