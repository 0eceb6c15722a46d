/* For machines without a switch of their own: swapcontext, which also makes two system calls. */
#include "sim/fiber_switch.h"

#include <stdint.h>
#include <ucontext.h>

#include "base/alloc.h"
#include "sim/memory.h"

struct state {
    ucontext_t context;
    void (*entry)(void *arg);
    void *arg;
};

static struct state *state_of(struct sim_context *context)
{
    if (!context->state) {
        context->state = sim_alloc(sizeof(struct state));
    }
    return context->state;
}

/* makecontext passes ints only. */
static void begin(unsigned high, unsigned low)
{
    struct state *state = (struct state *)(uintptr_t)((uint64_t)high << 32 | low);
    state->entry(state->arg);
}

void sim_context_make(struct sim_context *context, void *stack, size_t bytes,
                      void (*entry)(void *arg), void *arg)
{
    struct state *state = state_of(context);
    uint64_t word = (uintptr_t)state;
    state->entry = entry;
    state->arg = arg;
    if (getcontext(&state->context) != 0) {
        return; /* it cannot fail on Linux */
    }
    state->context.uc_stack.ss_sp = stack;
    state->context.uc_stack.ss_size = bytes;
    state->context.uc_link = NULL;
    makecontext(&state->context, (void (*)(void))begin, 2, (unsigned)(word >> 32), (unsigned)word);
}

void sim_context_switch(struct sim_context *from, struct sim_context *to)
{
    if (swapcontext(&state_of(from)->context, &state_of(to)->context) != 0) {
        __builtin_trap();
    }
}

void sim_context_release(struct sim_context *context)
{
    hr_free(context->state);
    context->state = NULL;
}
