/* The process as the system sees it: which signals do not end it, how many files it may have open, and what
 * it takes. Knows nothing of what the host does. */
#ifndef HR_HOST_PROCESS_H
#define HR_HOST_PROCESS_H

#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "host/obs/metrics.h"

/* Open files that a host needs besides its connections. */
#define HR_HOST_PROCESS_FILES 32u
#define HR_HOST_PROCESS_FILES_WORKER 8u
/* Open files that it allows itself, if the system's hard limit does. */
#define HR_HOST_PROCESS_FILES_MAX 1048576u

/* Before any thread: ignores the signals that are errors of a call here (SIGPIPE, SIGXFSZ), and raises the
 * limit of open files as far as the hard limit allows. Errors: HR_BAD_INPUT when that is too low for
 * @workers; the diag says how many it takes. */
HR_MUST_CHECK enum hr_err hr_host_process_prepare(uint32_t workers, struct hr_diag *diag);

/* Adds the series that Prometheus' clients call process_*: files, memory, CPU time and start. Errors: as
 * hr_metrics_read. */
HR_MUST_CHECK enum hr_err hr_host_process_metrics(struct hr_metrics *registry,
                                                  struct hr_diag *diag);

#endif
