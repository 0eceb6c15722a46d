/* The in-process bus' own structs, for local*.c only.
 *
 * Who may touch what: the index and what it leads to are read under the bus' lock and changed under
 * it as writer, so a subscription that is out of the index is in nobody's hands but its own loop's.
 * A port's queue and its subscriptions' queues are its mailbox' business (host/bus/mailbox.h). The rest
 * of a port, its requests among it, belongs to its loop thread. Locks are taken in the order bus,
 * mailbox, loop; no callback runs under any of them.
 */
#ifndef HR_BUS_LOCAL_H
#define HR_BUS_LOCAL_H

#include "host/bus/index.h"
#include "host/bus/mailbox.h"
#include "host/bus/replies.h"

struct hr_bus_local {
    struct hr_bus base;
    uv_rwlock_t lock; /* guards @index and @next_sub_id */
    struct hr_bus_index index;
    uint64_t next_sub_id;
    _Atomic uint64_t turn; /* counts what queue groups were given */
    _Atomic uint32_t ports;
    struct hr_bus_counters counters;
};

struct hr_bus_local_port {
    struct hr_bus_port base;
    struct hr_bus_mailbox mailbox;
    bool closing;
    hr_bus_closed_cb closed_cb;
    void *closed_arg;
    struct hr_list subs;
    struct hr_bus_replies replies;
    struct hr_bus_local_sub *inbox;
};

struct hr_bus_local_sub {
    struct hr_bus_sub base;
    struct hr_bus_index_entry entry;
    struct hr_bus_sink sink;
    struct hr_list in_port;  /* port->subs */
    uint64_t id;             /* in order of subscribing: the last word between equals */
    struct hr_str queue;     /* empty = none */
    bool internal;           /* a port's inbox */
    _Atomic uint64_t served; /* the turn at which its group last chose it */
    char text[];             /* the pattern, then the queue */
};

/* How many subscriptions matched, and how many of them had room. */
struct hr_bus_local_outcome {
    uint32_t matched;
    uint32_t accepted;
};

static inline struct hr_bus_local *hr_bus_local_of(struct hr_bus_port *port)
{
    return (struct hr_bus_local *)port->bus;
}

/* The subscription to which @delivery goes. */
static inline struct hr_bus_local_sub *hr_bus_local_sub_of(struct hr_bus_delivery *delivery)
{
    return HR_LIST_OWNER(delivery->sink, struct hr_bus_local_sub, sink);
}

/* local_sub.c: subscriptions. As the operations of the same names; ending one that is queued to
 * hands its queue group's messages on. */
HR_MUST_CHECK enum hr_err hr_bus_local_sub_open(struct hr_bus_local_port *port,
                                                const struct hr_bus_sub_options *options,
                                                hr_bus_msg_cb cb, void *arg, bool internal,
                                                struct hr_bus_local_sub **ret_sub);
void hr_bus_local_sub_close(struct hr_bus_local_sub *sub);

/* local_route.c: from a publisher to the ports' queues. Gives @message to all who should have
 * it, or to nobody (HR_NO_MEMORY). @message stays the caller's. */
HR_MUST_CHECK enum hr_err hr_bus_local_route(struct hr_bus_local_port *port,
                                             struct hr_bus_message *message,
                                             struct hr_bus_local_outcome *ret_outcome);
/* Takes @delivery, whose subscription has ended, to another member of the queue group @queue, or
 * frees it when there is none. */
void hr_bus_local_reroute(struct hr_bus_local_port *port, struct hr_bus_delivery *delivery,
                          struct hr_str queue);

/* local_request.c: requests and gathers. */
HR_MUST_CHECK enum hr_err hr_bus_local_request(struct hr_bus_port *port,
                                               const struct hr_bus_msg *msg, uint32_t timeout_ms,
                                               hr_bus_reply_cb cb, void *arg,
                                               struct hr_bus_request **ret_request);
HR_MUST_CHECK enum hr_err hr_bus_local_gather(struct hr_bus_port *port,
                                              const struct hr_bus_msg *msg, uint32_t want,
                                              uint32_t timeout_ms, hr_bus_gather_cb cb, void *arg,
                                              struct hr_bus_request **ret_request);

#endif
