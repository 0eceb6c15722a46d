/* For the story of a run that failed: what the stores say of origins, fences and floors at that moment. */
#ifndef SIM_TELL_H
#define SIM_TELL_H

#include "sim/world.h"

/* A line for each m/self, m/tally, m/S, h/ and v/ of each site. */
void sim_tell_stores(struct sim_world *world);

#endif
