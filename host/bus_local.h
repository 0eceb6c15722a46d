/* The in-process bus' own structs, for bus_local*.c only.
 *
 * Who may touch what: the index and what it leads to are read under the bus' lock and changed under
 * it as writer, so a subscription that is out of the index is in nobody's hands but its own loop's.
 * A port's queue and its subscriptions' queues are guarded by the port's lock. The rest of a port,
 * its requests among it, belongs to its loop thread. Locks are taken in the order bus, port, loop;
 * no callback runs under any of them.
 */
#ifndef HR_BUS_LOCAL_H
#define HR_BUS_LOCAL_H

#include <stdatomic.h>

#include "host/bus_index.h"
#include "host/bus_message.h"

/* Callbacks that a port runs before input and output get their turn again. */
#define HR_BUS_LOCAL_ROUND_MAX 256u
#define HR_BUS_LOCAL_SLOTS 1024u     /* of a port's table of requests */
#define HR_BUS_LOCAL_INBOX_BYTES 40u /* "_INBOX.", 32 hexadecimal digits, "." */
#define HR_BUS_LOCAL_INBOX_PATTERN_BYTES (HR_BUS_LOCAL_INBOX_BYTES + 1u)

struct hr_bus_local {
    struct hr_bus base;
    uv_rwlock_t lock; /* guards @index and @next_sub_id */
    struct hr_bus_index index;
    uint64_t next_sub_id;
    _Atomic uint64_t turn; /* counts what queue groups were given */
    _Atomic uint32_t ports;
    _Atomic uint64_t published;
    _Atomic uint64_t delivered;
    _Atomic uint64_t dropped;
    _Atomic uint64_t requests;
    _Atomic uint64_t timeouts;
    _Atomic uint64_t no_responders;
    _Atomic uint64_t subscriptions;
    _Atomic uint64_t pending;
};

struct hr_bus_local_port {
    struct hr_bus_port base;
    struct hr_task task;
    uv_mutex_t lock;         /* guards the next two, and the queues of @subs */
    struct hr_list incoming; /* deliveries in the order in which they came */
    bool scheduled;          /* @task is posted */

    bool closing;
    hr_bus_closed_cb closed_cb;
    void *closed_arg;
    struct hr_list subs;

    struct hr_list requests; /* all that are pending, oldest first */
    struct hr_list settled;  /* those among them whose outcome is known: the task completes them */
    struct hr_list slots[HR_BUS_LOCAL_SLOTS]; /* those that wait for replies, by number */
    uint64_t last_number;
    uint32_t request_count;
    struct hr_bus_local_sub *inbox;
    char inbox_pattern[HR_BUS_LOCAL_INBOX_PATTERN_BYTES]; /* "_INBOX.<unique>.*" */
};

struct hr_bus_local_sub {
    struct hr_bus_sub base;
    struct hr_bus_index_entry entry;
    struct hr_list in_port; /* port->subs */
    uint64_t id;            /* in order of subscribing: the last word between equals */
    struct hr_str queue;    /* empty = none */
    hr_bus_msg_cb cb;
    void *arg;
    bool internal; /* a port's inbox */
    uint32_t messages_max;
    size_t bytes_max;
    /* Written under the port's lock, read by publishers without it. */
    _Atomic uint32_t messages;
    _Atomic size_t bytes;
    _Atomic uint64_t served; /* the turn at which its group last chose it */
    struct hr_list queued;   /* its deliveries, also in port->incoming */
    char text[];             /* the pattern, then the queue */
};

/* One message on its way to one subscription. */
struct hr_bus_local_delivery {
    struct hr_list in_port;
    struct hr_list in_sub;
    struct hr_bus_local_sub *sub;
    struct hr_bus_message *message;
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

/* bus_local_sub.c: subscriptions. As the operations of the same names; ending one that is queued to
 * hands its queue group's messages on. */
HR_MUST_CHECK enum hr_err hr_bus_local_sub_open(struct hr_bus_local_port *port,
                                                const struct hr_bus_sub_options *options,
                                                hr_bus_msg_cb cb, void *arg, bool internal,
                                                struct hr_bus_local_sub **ret_sub);
void hr_bus_local_sub_close(struct hr_bus_local_sub *sub);

/* bus_local_route.c: from a publisher to the ports' queues. Gives @message to all who should have
 * it, or to nobody (HR_NO_MEMORY). @message stays the caller's. */
HR_MUST_CHECK enum hr_err hr_bus_local_route(struct hr_bus_local_port *port,
                                             struct hr_bus_message *message,
                                             struct hr_bus_local_outcome *ret_outcome);
/* Takes @delivery, whose subscription has ended, to another member of the queue group @queue, or
 * frees it when there is none. */
void hr_bus_local_reroute(struct hr_bus_local_port *port, struct hr_bus_local_delivery *delivery,
                          struct hr_str queue);
/* Takes a delivery out of its queues; the port's lock is held. */
void hr_bus_local_unqueue(struct hr_bus_local_delivery *delivery);
void hr_bus_local_delivery_free(struct hr_bus_local_delivery *delivery);

/* bus_local.c: makes the port's task run soon. Any thread; the second form with the port's lock
 * held. */
void hr_bus_local_wake(struct hr_bus_local_port *port);
void hr_bus_local_wake_locked(struct hr_bus_local_port *port);

/* bus_local_request.c: requests and gathers. */
HR_MUST_CHECK enum hr_err hr_bus_local_request(struct hr_bus_port *port,
                                               const struct hr_bus_msg *msg, uint32_t timeout_ms,
                                               hr_bus_reply_cb cb, void *arg,
                                               struct hr_bus_request **ret_request);
HR_MUST_CHECK enum hr_err hr_bus_local_gather(struct hr_bus_port *port,
                                              const struct hr_bus_msg *msg, uint32_t want,
                                              uint32_t timeout_ms, hr_bus_gather_cb cb, void *arg,
                                              struct hr_bus_request **ret_request);
void hr_bus_local_cancel(struct hr_bus_request *request);
/* The callback of a port's inbox; @arg is the port. */
void hr_bus_local_on_reply(void *arg, const struct hr_bus_msg *msg);
/* Completes those whose outcome was known at once. */
void hr_bus_local_settle(struct hr_bus_local_port *port);
/* Completes all with HR_CANCELED. */
void hr_bus_local_cancel_all(struct hr_bus_local_port *port);

#endif
