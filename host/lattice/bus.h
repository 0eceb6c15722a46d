/* The bus that actors use on a lattice: the bus inside the process and the NATS bus together, and for every
 * request a choice of who answers it (host/lattice/responders.h), among this host and those that announced a matching
 * subject (host/lattice/lattice.h).
 *
 * A request goes to this host if it serves the subject and is well, else to whoever answers fastest. What
 * happens next depends on hr_bus_msg.repeat:
 * - HR_BUS_ONCE: to the next only if this one certainly did nothing with it: nobody subscribes, it was refused
 *   before its handler was called, or its handler says no (HR_BUS_HEADER_REFUSED).
 * - HR_BUS_IDEMPOTENT: to the next when this one fails, is gone, or has stalled.
 * - HR_BUS_SAFE: that, and to a second one at the same time when no answer has come after the first one's 95th
 *   percentile (a hedge). Hedges are at most 5 % of the requests, and 10 more.
 * The first good reply wins. If there is none, the requester gets the first refusal that has a body, else one
 * without, else an error: those of bus/bus.h, and HR_UNKNOWN_OUTCOME when somebody who got it has gone.
 *
 * Subjects of the first token `_LOCAL` stay in the process. A queue group's name may have no comma here.
 */
#ifndef HR_BUS_LATTICE_H
#define HR_BUS_LATTICE_H

#include "host/bus/bus.h"
#include "host/lattice/lattice.h"

/* Another host's message for a queue group that had a member on the sender's host, which got it. The value is
 * the groups' names with commas between. */
#define HR_BUS_HEADER_GROUPS_SERVED "Hedgerow-Groups-Served"
#define HR_BUS_LATTICE_ATTEMPTS_MAX 32u /* of one request */

/* All since the bus was opened. */
struct hr_bus_lattice_stats {
    uint64_t requests_local;  /* first sent to this host */
    uint64_t requests_remote; /* first sent to another one */
    uint64_t requests_plain;  /* sent to nobody by name: no host announced the subject */
    uint64_t hedges;
    uint64_t hedges_won;
    uint64_t hedges_saved; /* not sent: the budget was used up */
    uint64_t
        failovers; /* further attempts after a failure, a refusal, a stall or a host that went */
    uint64_t refusals;
    uint64_t replies_dropped; /* of losers */
    uint64_t explorations;
    uint64_t stalls;
    uint64_t groups_served; /* messages that were not handed to a group that had them already */
    uint64_t unsent;        /* messages that stayed in the process: their headers had no room */
};

/* Keeps all three until closed; they are closed after it, by who opened them. Errors: HR_NO_MEMORY, HR_IO.
 * Returns own: hr_bus_close. */
HR_MUST_CHECK enum hr_err hr_bus_lattice_open(struct hr_bus *local, struct hr_bus *nats,
                                              struct hr_lattice *lattice, struct hr_bus **ret_bus,
                                              struct hr_diag *diag);
/* Whether slow safe requests are hedged, as they are unless this is called with false. @bus is one of
 * hr_bus_lattice_open, and has no port yet. */
void hr_bus_lattice_set_hedging(struct hr_bus *bus, bool on);
/* @bus is one of hr_bus_lattice_open. Any thread. */
void hr_bus_lattice_stats(struct hr_bus *bus, struct hr_bus_lattice_stats *ret_stats);

#endif
