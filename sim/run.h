/* One seed from beginning to end: faults, healing, agreement, and some writes in the calm after it. One thread. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "sim/shape.h"

/* After the last fault everything has to agree within this. */
#define SIM_HEAL_US (60 * SIM_S)
/* A forged record is found in the turn of its leaf, of which a slow tick misses some. */
#define SIM_MEND_US (180 * SIM_S)
/* So long after that, in a calm, nothing that was deleted is remembered. */
#define SIM_FORGET_US (30 * SIM_S)

struct sim_result {
    bool failed;
    char failure[512];
    const char *claim; /* the failure's sentence without its particulars; NULL: none */
    uint64_t hash;
    sim_us time_us;    /* of the world */
    sim_us healing_us; /* from the last fault until all agreed */
    uint64_t events;
    uint64_t env_calls;
    uint64_t changes;
    uint64_t requests;
    uint64_t done; /* requests with a good reply */
    uint64_t kills;
};

/* Owns: borrows @shape. */
void sim_run(const struct sim_shape *shape, bool tracing, struct sim_result *ret_result);

#endif
