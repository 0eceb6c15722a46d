/* Coroutines: a function that runs on a stack of its own, may pause anywhere in it, and goes on where
 * it was. Stacks are kept for the next one. Only whoever is on no fiber starts and resumes
 * fibers; only whoever is on one pauses. A fiber cannot be ended from outside: it has to return, which
 * is why what runs in one is told by its env that everything fails (call.h). One thread. */
#ifndef SIM_FIBER_H
#define SIM_FIBER_H

#include <stdbool.h>
#include <stddef.h>

struct sim_fiber;
struct sim_fibers;

typedef void (*sim_fiber_body)(void *arg);

struct sim_fibers *sim_fibers_new(void);
/* None of its fibers may be alive. Accepts NULL. */
void sim_fibers_free(struct sim_fibers *fibers);
/* Runs @body until it pauses or returns. Returns the fiber if it has paused, NULL if it has returned.
 * Owns: keeps @arg for @body. */
struct sim_fiber *sim_fiber_start(struct sim_fibers *fibers, sim_fiber_body body, void *arg);
/* Goes on where @fiber paused. True: it has returned, and is gone. */
bool sim_fiber_resume(struct sim_fiber *fiber);
/* Called on a fiber: back to whoever started or resumed it. */
void sim_fiber_pause(struct sim_fibers *fibers);
/* Fibers that have not returned. */
size_t sim_fibers_alive(const struct sim_fibers *fibers);

#endif
