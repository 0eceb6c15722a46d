/* Hosts: the lane in which writes wait for each other, everything else at once, ticks, boots and deaths. As
 * host/calls/inbox.h and the default manifest have it. One thread. */
#ifndef SIM_HOST_H
#define SIM_HOST_H

#include "sim/world.h"

void sim_host_boot(struct sim_world *world, struct sim_host *host);
/* May be called on a fiber of the host's own: what it was doing ends later, in sim_host_reap. */
void sim_host_kill(struct sim_world *world, struct sim_host *host);
/* Ends what dead hosts were doing. On no fiber. */
void sim_host_reap(struct sim_world *world);
/* A message has come. Takes @letter. */
void sim_host_take(struct sim_world *world, struct sim_host *host, struct sim_letter *letter);
void sim_host_tick(struct sim_world *world, struct sim_host *host);
/* The lane begins its next batch. */
void sim_host_begin_batch(struct sim_world *world, struct sim_host *host);
/* The last batch has ended. */
void sim_host_batch_ended(struct sim_world *world, struct sim_host *host);
/* Writes host->nonce_text: as host/imports/config.c has it, the losses are counted in its last digits. */
void sim_host_name_nonce(struct sim_host *host);
void sim_host_release(struct sim_host *host);

#endif
