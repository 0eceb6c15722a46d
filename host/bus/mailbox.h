/* A port's mailbox: the messages that other threads (or its own) have put there for the port's
 * subscriptions, and the loop task that hands them over.
 *
 * Whoever puts something in posts the task if it is not posted; from the port's own loop that takes
 * no wake-up, from another it takes one for many messages. The task's callback is the port's: it
 * calls hr_bus_mailbox_begin first and hr_bus_mailbox_run last.
 *
 * A sink is what a subscription has in its port's mailbox: bounded, and part of the subscription's
 * own struct. The mailbox' lock guards all queues; no callback runs under it. Putting and waking: any
 * thread. All else: the loop's thread. */
#ifndef HR_BUS_MAILBOX_H
#define HR_BUS_MAILBOX_H

#include "host/bus/counters.h"
#include "host/bus/message.h"

/* Callbacks that a port runs before input and output get their turn again. */
#define HR_BUS_MAILBOX_ROUND_MAX 256u

struct hr_bus_mailbox {
    struct hr_loop *loop;
    struct hr_task task;
    struct hr_bus_counters *counters;
    uv_mutex_t lock;         /* guards all below, and the queues of the sinks */
    struct hr_list incoming; /* deliveries in the order in which they came */
    bool scheduled;          /* @task is posted */
};

struct hr_bus_sink {
    struct hr_bus_mailbox *mailbox;
    hr_bus_msg_cb cb;
    void *arg;
    uint32_t messages_max;
    size_t bytes_max;
    /* Written under the mailbox' lock, read by publishers without it. */
    _Atomic uint32_t messages;
    _Atomic size_t bytes;
    struct hr_list queued; /* its deliveries, also in the mailbox */
};

/* One message on its way to one subscription. */
struct hr_bus_delivery {
    struct hr_list in_mailbox;
    struct hr_list in_sink;
    struct hr_bus_sink *sink;
    struct hr_bus_message *message;
};

/* Caller's storage. Keeps @counters until released. Errors: HR_IO. */
HR_MUST_CHECK enum hr_err hr_bus_mailbox_init(struct hr_bus_mailbox *mailbox, struct hr_loop *loop,
                                              struct hr_bus_counters *counters, hr_task_cb cb,
                                              void *arg, struct hr_diag *diag);
/* Nothing is in it, and its task is not posted. */
void hr_bus_mailbox_release(struct hr_bus_mailbox *mailbox);
/* Makes the task run soon. */
void hr_bus_mailbox_wake(struct hr_bus_mailbox *mailbox);
/* Takes @delivery into its sink's queue, or returns false (and has not taken it) when there is no
 * room. */
HR_MUST_CHECK bool hr_bus_mailbox_put(struct hr_bus_delivery *delivery);
/* The task's first act: what is put from here on posts it again. */
void hr_bus_mailbox_begin(struct hr_bus_mailbox *mailbox);
/* The task's last act: a bounded number of callbacks; the rest gets the task posted again. A callback
 * may end any subscription, and begin to close the port. */
void hr_bus_mailbox_run(struct hr_bus_mailbox *mailbox);

/* @options' limits, and whom to call. */
void hr_bus_sink_init(struct hr_bus_sink *sink, struct hr_bus_mailbox *mailbox,
                      const struct hr_bus_sub_options *options, hr_bus_msg_cb cb, void *arg);
/* Whether @message would fit now: any single message fits into an empty queue. Any thread. */
bool hr_bus_sink_has_room(struct hr_bus_sink *sink, const struct hr_bus_message *message);
/* Moves what is queued to @ret_orphans (struct hr_bus_delivery, in_mailbox), oldest first. */
void hr_bus_sink_empty(struct hr_bus_sink *sink, struct hr_list *ret_orphans);

/* Takes a reference to @message of its own. NULL when memory is out. */
struct hr_bus_delivery *hr_bus_delivery_new(struct hr_bus_sink *sink,
                                            struct hr_bus_message *message);
void hr_bus_delivery_free(struct hr_bus_delivery *delivery);

#endif
