/* A whole host: engine, stores, bus, actors, workers, and their orderly start and stop. */
#ifndef HR_HOST_H
#define HR_HOST_H

#include "base/diag.h"
#include "base/err.h"
#include "host/plan.h"

#define HR_HOST_DRAIN_MS 10000u

/* Starts what the plan says and serves until SIGINT or SIGTERM: then it stops accepting, finishes
 * what is under way (HR_HOST_DRAIN_MS; a second signal ends that), syncs the stores and returns.
 * Either everything has started or nothing is left behind. The diag says what could not be started
 * and why. Borrows the plan. Blocks; the caller's thread becomes the host's main loop. */
HR_MUST_CHECK enum hr_err hr_host_run(const struct hr_plan *plan, struct hr_diag *diag);
/* Loads every actor as hr_host_run would, and starts nothing. Errors and diag as there. */
HR_MUST_CHECK enum hr_err hr_host_check(const struct hr_plan *plan, struct hr_diag *diag);

#endif
