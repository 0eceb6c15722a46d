/* Messages between actors, hosts and anyone else: one table of operations, one implementation a
 * file (bus_local.c inside the process; later bus_nats.c). Subjects, wildcards, queue groups and
 * request/reply are as NATS defines them (docs.nats.io, "Subject-Based Messaging"): tokens between
 * dots, `*` for one token, `>` for one or more at the end.
 *
 * A bus is shared by all loops of a host; each loop uses it through a port of its own. Every callback
 * of a port runs on that port's loop thread, never before the submitter returns.
 *
 * Delivery is at most once. A subscription has a bounded queue: when its owner is slower than what
 * comes, further messages are dropped and counted (a slow consumer), the publisher is never blocked.
 */
#ifndef HR_BUS_H
#define HR_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"
#include "host/loop.h"

#define HR_BUS_SUBJECT_BYTES_MAX 512u
#define HR_BUS_PAYLOAD_BYTES_MAX (1u << 20) /* subject and headers not counted, as NATS' default */
#define HR_BUS_HEADERS_MAX 32u
#define HR_BUS_HEADER_BYTES_MAX 4096u /* names and values of one message together */
#define HR_BUS_PENDING_MESSAGES_MAX 65536u
#define HR_BUS_PENDING_BYTES_MAX (64u << 20)

struct hr_bus;      /* any thread */
struct hr_bus_port; /* one loop's use of it; that loop's thread */
struct hr_bus_sub;
struct hr_bus_request;

struct hr_bus_header {
    struct hr_str name;
    struct hr_str value;
};

/* What is published, and what a callback gets: borrowed for the call. */
struct hr_bus_msg {
    struct hr_str subject;
    struct hr_str reply_to; /* empty = none */
    struct hr_str body;
    const struct hr_bus_header *headers;
    size_t header_count;
};

typedef void (*hr_bus_msg_cb)(void *arg, const struct hr_bus_msg *msg);
/* HR_OK with the reply; HR_NO_RESPONDERS at once when nobody subscribes; HR_TIMEOUT; HR_CANCELED.
 * @reply is NULL unless HR_OK. */
typedef void (*hr_bus_reply_cb)(void *arg, enum hr_err err, const struct hr_bus_msg *reply);
/* All replies that came: HR_OK, also with none of them. HR_CANCELED at close. */
typedef void (*hr_bus_gather_cb)(void *arg, enum hr_err err, const struct hr_bus_msg *replies,
                                 size_t count);
typedef void (*hr_bus_closed_cb)(void *arg);

struct hr_bus_sub_options {
    struct hr_str subject;         /* may hold wildcards */
    struct hr_str queue;           /* empty = every message; else one member of the group gets it */
    uint32_t pending_messages_max; /* 0 = HR_BUS_PENDING_MESSAGES_MAX */
    size_t pending_bytes_max;      /* 0 = HR_BUS_PENDING_BYTES_MAX */
};

struct hr_bus_stats {
    uint64_t published;
    uint64_t delivered;
    uint64_t dropped; /* at slow consumers */
    uint64_t requests;
    uint64_t timeouts;
    uint64_t no_responders;
    uint64_t subscriptions; /* now */
    uint64_t pending;       /* messages queued now */
};

struct hr_bus_ops {
    const char *name; /* "local" */
    enum hr_err (*port_open)(struct hr_bus *bus, struct hr_loop *loop,
                             struct hr_bus_port **ret_port, struct hr_diag *diag);
    void (*port_close)(struct hr_bus_port *port, hr_bus_closed_cb cb, void *arg);
    enum hr_err (*subscribe)(struct hr_bus_port *port, const struct hr_bus_sub_options *options,
                             hr_bus_msg_cb cb, void *arg, struct hr_bus_sub **ret_sub);
    void (*unsubscribe)(struct hr_bus_sub *sub);
    enum hr_err (*publish)(struct hr_bus_port *port, const struct hr_bus_msg *msg);
    enum hr_err (*request)(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                           uint32_t timeout_ms, hr_bus_reply_cb cb, void *arg,
                           struct hr_bus_request **ret_request);
    enum hr_err (*gather)(struct hr_bus_port *port, const struct hr_bus_msg *msg, uint32_t want,
                          uint32_t timeout_ms, hr_bus_gather_cb cb, void *arg,
                          struct hr_bus_request **ret_request);
    void (*cancel)(struct hr_bus_request *request);
    void (*stats)(struct hr_bus *bus, struct hr_bus_stats *ret_stats);
    void (*close)(struct hr_bus *bus);
};

struct hr_bus {
    const struct hr_bus_ops *ops;
};

struct hr_bus_port {
    struct hr_bus *bus;
    struct hr_loop *loop;
};

/* The bus inside this process. Returns own: hr_bus_close. */
HR_MUST_CHECK enum hr_err hr_bus_local_open(struct hr_bus **ret_bus, struct hr_diag *diag);
/* All ports are closed before. Accepts NULL. */
void hr_bus_close(struct hr_bus *bus);

HR_MUST_CHECK enum hr_err hr_bus_port_open(struct hr_bus *bus, struct hr_loop *loop,
                                           struct hr_bus_port **ret_port, struct hr_diag *diag);
/* Ends its subscriptions, completes its requests with HR_CANCELED, then @cb; the port is gone then. */
void hr_bus_port_close(struct hr_bus_port *port, hr_bus_closed_cb cb, void *arg);

/* Copies the options. Errors: HR_BAD_INPUT (a subject or queue that NATS would refuse), HR_BUSY
 * (too many subscriptions), HR_NO_MEMORY. Returns own: hr_bus_unsubscribe. */
HR_MUST_CHECK enum hr_err hr_bus_subscribe(struct hr_bus_port *port,
                                           const struct hr_bus_sub_options *options,
                                           hr_bus_msg_cb cb, void *arg,
                                           struct hr_bus_sub **ret_sub);
/* After this no callback of the subscription runs; queued messages are dropped (those of a queue
 * group go to another member, if there is one). Accepts NULL. */
void hr_bus_unsubscribe(struct hr_bus_sub *sub);

/* Copies the message. Nobody listening is not an error. Errors: HR_BAD_INPUT (subject empty, with
 * wildcards or malformed; a header name or value with CR, LF or a colon in the name), HR_TOO_BIG, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_bus_publish(struct hr_bus_port *port, const struct hr_bus_msg *msg);
/* Publishes with a reply subject of its own (msg's reply_to must be empty) and waits for the first
 * reply. Among a queue group a member on the same loop is preferred, then another of this host.
 * Units: @timeout_ms milliseconds, 1 or more. The request is gone once its callback has run. */
HR_MUST_CHECK enum hr_err hr_bus_request(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                         uint32_t timeout_ms, hr_bus_reply_cb cb, void *arg,
                                         struct hr_bus_request **ret_request);
/* As a request, but collects until @want replies have come or the time is up; nobody listening ends it
 * at once with none. */
HR_MUST_CHECK enum hr_err hr_bus_gather(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                        uint32_t want, uint32_t timeout_ms, hr_bus_gather_cb cb,
                                        void *arg, struct hr_bus_request **ret_request);
/* Forgets a pending request or gather: its callback does not run. */
void hr_bus_cancel(struct hr_bus_request *request);
/* Any thread. */
void hr_bus_stats(struct hr_bus *bus, struct hr_bus_stats *ret_stats);

#endif
