/* The change from one stack to another; fiber_switch_<how>.c, chosen by CMake. */
#ifndef SIM_FIBER_SWITCH_H
#define SIM_FIBER_SWITCH_H

#include <stddef.h>

struct sim_context {
    void *state; /* owned by the implementation */
};

/* Makes @context one that calls @entry with @arg at the top of the stack at @stack. @entry never returns. */
void sim_context_make(struct sim_context *context, void *stack, size_t bytes,
                      void (*entry)(void *arg), void *arg);
/* Keeps where the caller is in @from, and goes to @to. */
void sim_context_switch(struct sim_context *from, struct sim_context *to);
void sim_context_release(struct sim_context *context);

#endif
