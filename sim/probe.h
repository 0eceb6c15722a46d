/* Questions of checks, asked of a host between two events: the core answers them at once, with nothing going
 * wrong, and nothing else happens meanwhile. One thread. */
#ifndef SIM_PROBE_H
#define SIM_PROBE_H

#include "sim/world.h"

/* Lists every value at every site that has a host and a store that can be asked, and compares that with the
 * changes that the site has. */
void sim_probe_all(struct sim_world *world);
/* Whether every host that is up lists its values, and does not say that it is not ready. */
bool sim_probe_ready(struct sim_world *world);

#endif
