/* The command line. One thread. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_JOBS_MAX 64u

struct sim_options {
    uint64_t first; /* seeds from first to last */
    uint64_t last;
    bool single; /* --seed */
    bool trace;
    bool minimise;
    bool twice; /* each seed runs twice, and the hashes have to agree */
    bool quiet;
    bool stop; /* at the first seed that fails, in each job */
    uint32_t jobs;
    uint32_t seconds;  /* 0: no limit; else seeds after first until the time is over */
    uint32_t left_out; /* bits of faults that are removed */
    uint32_t sites;    /* 0: as drawn */
    const char *file;  /* of seeds, one a line, before the others */
};

/* False: it cannot be understood. */
bool sim_options_read(int argc, char **argv, struct sim_options *ret_options);
const char *sim_options_help(void);

#endif
