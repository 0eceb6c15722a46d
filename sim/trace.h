/* What happened: a hash of it, and a line for a person who asks for the story. A check that fails says so
 * here, once: the first one counts. One thread. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "sim/world.h"

#define SIM_ARG(s) (int)((s).len > 160 ? 160 : (s).len), (s).ptr ? (s).ptr : ""

/* Mixes a number into the hash. */
void sim_trace_number(struct sim_world *world, uint64_t number);
void sim_trace_bytes(struct sim_world *world, struct hr_str bytes);
/* A line of the story, at the site's (or SIM_SITES_MAX: nobody's); nothing unless it is wanted. */
void sim_trace_say(struct sim_world *world, uint32_t site, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A check has failed. */
void sim_trace_fail(struct sim_world *world, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
