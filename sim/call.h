/* Invocations of the core, each a fiber with an env of its own. What of them a host's death leaves
 * behind cannot be taken from the stack of a C function: it is told by every call of its env that
 * it fails, does nothing any more, and so comes to its end by itself. One thread. */
#ifndef SIM_CALL_H
#define SIM_CALL_H

#include "sim/world.h"

enum sim_call_kind { SIM_CALL_ONE, SIM_CALL_LANE, SIM_CALL_TICK, SIM_CALL_PROBE };

/* Calls of the env after which a dead invocation has to have ended. */
#define SIM_FAILED_CALLS_MAX 100000u

/* Takes the letters. On no fiber. */
void sim_call_begin(struct sim_world *world, struct sim_host *host, struct sim_letter **letters,
                    size_t count, enum sim_call_kind kind);
/* Tells whoever waits for an answer to @letter that there will be none. Borrows @letter. */
void sim_call_refuse(struct sim_world *world, struct sim_host *host,
                     const struct sim_letter *letter);
/* On the call's fiber: comes back @us later, or when sim_call_go_on is called, or dead. */
void sim_call_wait(struct sim_call *call, sim_us us);
/* The wake number @wake of the call in @slot is due. On no fiber. */
void sim_call_wake(struct sim_world *world, uint32_t slot, uint64_t wake);
/* The time of the call @serial in @slot is over. */
void sim_call_time_is_up(struct sim_world *world, uint32_t slot, uint64_t serial);
/* All calls of @host are dead from now on. On a fiber or not. */
void sim_call_mark_dead(struct sim_world *world, const struct sim_host *host);
/* Lets dead calls come to their ends. On no fiber. */
void sim_call_end_dead(struct sim_world *world);

/* Begins to wait for @want replies, good ones only, or for a single one of any kind if @want is 0; the
 * inbox's name goes to @ret_name. */
void sim_call_open_inbox(struct sim_call *call, uint32_t want, char ret_name[32]);
/* What was asked. Refers to @asked from now on. */
void sim_call_ask(struct sim_call *call, struct sim_letter *asked);
void sim_call_close_inbox(struct sim_call *call);
/* The call that waits at the inbox of this name, or NULL. */
struct sim_call *sim_call_of_inbox(struct sim_world *world, struct hr_str name);
/* Takes @letter. On no fiber. */
void sim_call_reply(struct sim_call *call, struct sim_letter *letter);

#endif
