/* System V x86-64: what a called function has to keep is pushed, and the stack pointers change places. */
#include "sim/fiber_switch.h"

#include <stdint.h>

/* Swaps: keeps the stack pointer in *@from and takes @to. */
void sim_stack_switch(void **from, void *to);
/* Where a new stack begins: r12 holds the argument, r13 the function. */
void sim_stack_begin(void);

__asm__(".text\n"
        ".p2align 4\n"
        ".globl sim_stack_switch\n"
        ".type sim_stack_switch, @function\n"
        "sim_stack_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size sim_stack_switch, .-sim_stack_switch\n"
        ".globl sim_stack_begin\n"
        ".type sim_stack_begin, @function\n"
        "sim_stack_begin:\n"
        "    movq %r12, %rdi\n"
        "    call *%r13\n"
        "    ud2\n"
        ".size sim_stack_begin, .-sim_stack_begin\n");

void sim_context_make(struct sim_context *context, void *stack, size_t bytes,
                      void (*entry)(void *arg), void *arg)
{
    /* From above: two unused words, the return address, then the six registers. After the return the
     * stack pointer is a multiple of 16, as a call wants it. */
    void **top = (void **)(((uintptr_t)stack + bytes) & ~(uintptr_t)15);
    void **at = top - 9;
    at[0] = NULL;                               /* r15 */
    at[1] = NULL;                               /* r14 */
    at[2] = (void *)(uintptr_t)entry;           /* r13 */
    at[3] = arg;                                /* r12 */
    at[4] = NULL;                               /* rbx */
    at[5] = NULL;                               /* rbp */
    at[6] = (void *)(uintptr_t)sim_stack_begin; /* where it returns to */
    at[7] = NULL;
    context->state = at;
}

void sim_context_switch(struct sim_context *from, struct sim_context *to)
{
    sim_stack_switch(&from->state, to->state);
}

void sim_context_release(struct sim_context *context)
{
    context->state = NULL;
}
