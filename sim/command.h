/* What the command line asks for. One thread; other processes for other jobs. */
#ifndef SIM_COMMAND_H
#define SIM_COMMAND_H

#include "sim/options.h"
#include "sim/run.h"

/* Returns the exit status: 0 if every seed passed. */
int sim_command(const struct sim_options *options);
/* Runs a seed as the options say, and prints what came of it. False: it failed. */
bool sim_command_seed(const struct sim_options *options, uint64_t seed,
                      struct sim_result *ret_result);

#endif
