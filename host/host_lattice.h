/* A host's part of a lattice: its NATS connection, what it knows of the others, and the bus that its actors
 * use. Opened and closed by host.c, on the host's main loop. */
#ifndef HR_HOST_LATTICE_H
#define HR_HOST_LATTICE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "host/bus/bus.h"
#include "host/lattice/lattice.h"
#include "host/plan.h"
#include "host/kv/store_id.h"

/* How long a start waits for a NATS server. After that the host serves its own site, and joins later. */
#define HR_HOST_LATTICE_CONNECT_MS 2000u
/* How long subscriptions may be unproved while NATS is away, until the host counts as ready all the same. */
#define HR_HOST_LATTICE_GRACE_MS 3000u

struct hr_host_lattice;

struct hr_host_lattice_options {
    const struct hr_plan *plan;
    unsigned char store_id[HR_STORE_ID_BYTES]; /* all zero: the site has none */
    struct hr_bus *local;
    struct hr_loop *loop;
    uint32_t (*load)(void *arg);                  /* calls in flight */
    void (*conflict)(void *arg, const char *why); /* this host must stop; on the loop */
    void *arg;
};

/* Connects, and joins the others: runs the loop until it is known whether this host can be one of them.
 * Keeps plan, local bus and loop until closed. Errors: HR_CONFLICT with what is wrong and what to do; those of
 * hr_bus_nats_open and hr_lattice_open. Returns own: hr_host_lattice_close. */
HR_MUST_CHECK enum hr_err hr_host_lattice_open(const struct hr_host_lattice_options *options,
                                               struct hr_host_lattice **ret_lattice,
                                               struct hr_diag *diag);
/* The bus for the workers; its ports are closed before hr_host_lattice_close. */
struct hr_bus *hr_host_lattice_bus(const struct hr_host_lattice *lattice);
struct hr_lattice *hr_host_lattice_members(const struct hr_host_lattice *lattice);
/* Whether the others have had the time to be heard of, and everything that this host subscribed to is proved to be with
 * the servers, or NATS has been away for
 * so long that others cannot be waited for. On the loop. */
bool hr_host_lattice_ready(struct hr_host_lattice *lattice);
/* Tells the others to ask this host nothing more. On the loop. */
void hr_host_lattice_leave(struct hr_host_lattice *lattice);
/* Runs the loop until all is closed. Accepts NULL. */
void hr_host_lattice_close(struct hr_host_lattice *lattice);

#endif
