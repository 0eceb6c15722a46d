/* The windows of a shape, as they begin and end. One thread. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "sim/world.h"

/* Arranges all windows that are not removed. */
void sim_faults_arrange(struct sim_world *world);
/* A window begins (@on) or ends. */
void sim_faults_turn(struct sim_world *world, uint32_t window, bool on);
/* The site's store dies: what it has not synced is gone, and everybody's connection to it. */
void sim_faults_kill_store(struct sim_world *world, struct sim_site *site);
/* All windows end; who is down is started; clocks agree, on the latest time that any of them has shown, so
 * that what was written by it is in nobody's future. */
void sim_faults_heal(struct sim_world *world);

#endif
