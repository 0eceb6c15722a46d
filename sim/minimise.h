/* Makes a failing run smaller: takes away kinds of faults, then single windows, then parts of windows, as long
 * as the same claim goes on failing. One thread. */
#ifndef SIM_MINIMISE_H
#define SIM_MINIMISE_H

#include "sim/run.h"

/* @shape fails @claim (struct sim_result); it becomes one that still does, with less. Returns how many
 * runs that took. */
uint32_t sim_minimise(struct sim_shape *shape, const char *claim);

#endif
