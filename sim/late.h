/* A commit whose answer was lost, and which is done some time later. One thread. */
#ifndef SIM_LATE_H
#define SIM_LATE_H

#include "actors/kv/core/env.h"

struct sim_late;

/* Copies everything. Returns own: sim_late_free. */
struct sim_late *sim_late_new(const struct dkv_commit *commit);
const struct dkv_commit *sim_late_commit(const struct sim_late *late);
void sim_late_free(struct sim_late *late);

#endif
