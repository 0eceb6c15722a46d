/* Many seeds, in several processes, so that one that crashes is a seed that failed and not the end. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include <stddef.h>

#include "sim/options.h"

/* Sums over the seeds. */
struct sim_totals {
    uint64_t passed;
    uint64_t failed;
    uint64_t time_us;
    uint64_t events;
    uint64_t env_calls;
    uint64_t changes;
    uint64_t requests;
    uint64_t done;
    uint64_t kills;
    uint64_t healing_us_max;
};

/* @seeds: run before the options' range. */
void sim_jobs_run(const struct sim_options *options, const uint64_t *seeds, size_t count,
                  struct sim_totals *ret_totals);

#endif
