/* The lattice's bus for the tests of what every bus must do (bus_fixture.h): with a NATS that is there and on which
 * nobody else is ("lattice"), or with one that is away ("lattice-away"; this one may be used from several threads). */
#ifndef HR_TEST_LATTICE_FIXTURE_H
#define HR_TEST_LATTICE_FIXTURE_H

#include "host/lattice/bus.h"
#include "wire.h"

/* All that is behind one such bus; its lattice has a loop of its own, and never joins. */
struct lattice_stack {
    struct hr_bus_ops ops;
    void (*close)(struct hr_bus *bus);
    struct hr_loop loop;
    struct hr_task stop;
    struct wire wire;
    struct hr_bus *local;
    struct hr_bus *nats;
    struct hr_lattice *lattice;
};

static struct lattice_stack lattice_stack;

static inline void lattice_stack_stop(void *arg)
{
    (void)arg;
    hr_loop_stop(&lattice_stack.loop);
}

static inline void lattice_stack_close(struct hr_bus *bus)
{
    struct lattice_stack *stack = &lattice_stack;
    stack->close(bus);
    hr_lattice_close(stack->lattice, lattice_stack_stop, NULL);
    hr_loop_run(&stack->loop);
    wire_release(&stack->wire);
    hr_bus_close(stack->nats);
    hr_bus_close(stack->local);
    hr_loop_release(&stack->loop);
}

static inline enum hr_err lattice_stack_open(bool away, struct hr_bus **ret_bus,
                                             struct hr_diag *diag)
{
    struct lattice_stack *stack = &lattice_stack;
    static const struct hr_lattice_self self = {.lattice = {"test", 4},
                                                .host = {"a", 1},
                                                .site = {"here", 4},
                                                .site_id = 1,
                                                .version = {"1", 1}};
    memset(stack, 0, sizeof *stack);
    wire_init(&stack->wire);
    enum hr_err err = hr_loop_init(&stack->loop, diag);
    if (!err) {
        err = hr_bus_local_open(&stack->local, diag);
    }
    if (!err && away) {
        err = hr_bus_local_open(&stack->nats, diag);
    } else if (!err) {
        stack->nats = &wire_attach(&stack->wire)->base;
    }
    const struct hr_lattice_options options = {
        .self = &self, .nats = stack->nats, .loop = &stack->loop};
    if (!err) {
        err = hr_lattice_open(&options, &stack->lattice, diag);
    }
    if (!err) {
        err = hr_bus_lattice_open(stack->local, stack->nats, stack->lattice, ret_bus, diag);
    }
    if (err) {
        return err;
    }
    stack->ops = *(*ret_bus)->ops;
    stack->close = stack->ops.close;
    stack->ops.close = lattice_stack_close;
    (*ret_bus)->ops = &stack->ops;
    if (away) {
        hr_task_init(&stack->stop, lattice_stack_stop, NULL);
        hr_lattice_set_connected(stack->lattice, false);
        hr_loop_post(&stack->loop, &stack->stop);
        hr_loop_run(&stack->loop);
    }
    return HR_OK;
}

#endif
