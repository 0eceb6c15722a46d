/* Fibers on mapped stacks. Below each stack lies a page that nobody may touch. A fiber's stack is
 * used again by the next one: the loop in run() begins the next body where the last one returned. */
#include "sim/fiber.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "sim/fiber_switch.h"
#include "sim/memory.h"
#include "sim/sanitizer.h"

#define GUARD_BYTES ((size_t)4096)

struct sim_fiber {
    struct sim_fibers *fibers;
    struct sim_fiber *next; /* of those that wait for a body */
    struct sim_context context;
    void *stack; /* above the guard */
    void *fake;  /* the sanitizer's, while paused */
    sim_fiber_body body;
    void *arg;
};

struct sim_fibers {
    struct sim_fiber *idle;
    struct sim_fiber *current;
    size_t alive;
    struct sim_context outside;
    void *outside_fake;
    const void *outside_stack;
    size_t outside_bytes;
};

struct sim_fibers *sim_fibers_new(void)
{
    return sim_alloc(sizeof(struct sim_fibers));
}

void sim_fibers_free(struct sim_fibers *fibers)
{
    if (!fibers) {
        return;
    }
    HR_ASSERT(fibers->alive == 0);
    while (fibers->idle) {
        struct sim_fiber *fiber = fibers->idle;
        fibers->idle = fiber->next;
        sim_context_release(&fiber->context);
        int failed = munmap((char *)fiber->stack - GUARD_BYTES, SIM_STACK_BYTES + GUARD_BYTES);
        HR_ASSERT(!failed);
        hr_free(fiber);
    }
    sim_context_release(&fibers->outside);
    hr_free(fibers);
}

static void leave(struct sim_fiber *fiber)
{
    struct sim_fibers *fibers = fiber->fibers;
    sim_switch_begins(&fiber->fake, fibers->outside_stack, fibers->outside_bytes);
    sim_context_switch(&fiber->context, &fibers->outside);
    sim_switch_ended(fiber->fake, &fibers->outside_stack, &fibers->outside_bytes);
}

static void run(void *arg)
{
    struct sim_fiber *fiber = arg;
    sim_switch_ended(NULL, &fiber->fibers->outside_stack, &fiber->fibers->outside_bytes);
    for (;;) {
        fiber->body(fiber->arg);
        fiber->body = NULL;
        leave(fiber);
    }
}

static struct sim_fiber *fiber_new(struct sim_fibers *fibers)
{
    struct sim_fiber *fiber = sim_alloc(sizeof *fiber);
    char *map = mmap(NULL, SIM_STACK_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    HR_ASSERT(map != MAP_FAILED);
    int failed = mprotect(map, GUARD_BYTES, PROT_NONE);
    HR_ASSERT(!failed);
    fiber->fibers = fibers;
    fiber->stack = map + GUARD_BYTES;
    sim_context_make(&fiber->context, fiber->stack, SIM_STACK_BYTES, run, fiber);
    return fiber;
}

/* Runs @fiber until it pauses or its body has returned; true then. */
static bool enter(struct sim_fiber *fiber)
{
    struct sim_fibers *fibers = fiber->fibers;
    HR_ASSERT(!fibers->current);
    fibers->current = fiber;
    sim_switch_begins(&fibers->outside_fake, fiber->stack, SIM_STACK_BYTES);
    sim_context_switch(&fibers->outside, &fiber->context);
    sim_switch_ended(fibers->outside_fake, NULL, NULL);
    fibers->current = NULL;
    if (fiber->body) {
        return false;
    }
    fiber->next = fibers->idle;
    fibers->idle = fiber;
    fibers->alive--;
    return true;
}

struct sim_fiber *sim_fiber_start(struct sim_fibers *fibers, sim_fiber_body body, void *arg)
{
    struct sim_fiber *fiber = fibers->idle;
    if (fiber) {
        fibers->idle = fiber->next;
    } else {
        fiber = fiber_new(fibers);
    }
    fiber->body = body;
    fiber->arg = arg;
    fibers->alive++;
    return enter(fiber) ? NULL : fiber;
}

bool sim_fiber_resume(struct sim_fiber *fiber)
{
    return enter(fiber);
}

void sim_fiber_pause(struct sim_fibers *fibers)
{
    HR_ASSERT(fibers->current);
    leave(fibers->current);
}

size_t sim_fibers_alive(const struct sim_fibers *fibers)
{
    return fibers->alive;
}
