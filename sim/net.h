/* The net: who hears whom, and how long a letter takes, if it arrives. Hosts of one site always reach each
 * other. Clients stand at a site. One thread. */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "sim/world.h"

/* Lets @event happen when what leaves @from now is at @to: once, not at all, or twice (each of the
 * letters of its own reference then). Takes event->data, a letter. Returns how many are on their way. */
unsigned sim_net_send(struct sim_world *world, uint32_t from, uint32_t to, struct sim_event event);
/* After anything that may change who hears whom. */
void sim_net_look(struct sim_world *world);
/* Whether @host takes @site for alive. */
bool sim_net_alive(const struct sim_world *world, const struct sim_host *host, uint32_t site);
/* One host of @site that is up, NULL if none is. @from: it is the first choice, if it is of that site. */
struct sim_host *sim_net_pick(struct sim_world *world, uint32_t site, const struct sim_host *from);

/* Hands a message to the bus, as of @host. Owns: borrows @letter. */
void sim_net_publish(struct sim_world *world, struct sim_host *host, struct sim_letter *letter);
/* Something has arrived. Takes @letter. */
void sim_net_arrive(struct sim_world *world, struct sim_host *host, struct sim_letter *letter);
void sim_net_reply(struct sim_world *world, struct sim_letter *letter);

#endif
