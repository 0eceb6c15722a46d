/* Messages between actors, hosts and anyone else: one table of operations, one implementation a
 * file (local.c inside the process, bus/nats.c over NATS, lattice/bus.c both, with a choice of
 * responders). Subjects, wildcards, queue groups and request/reply are as NATS defines them (docs.nats.io, "Subject-Based Messaging"): tokens between
 * dots, `*` for one token, `>` for one or more at the end (host/bus/subject.h).
 *
 * A bus is shared by all loops of a host; each loop uses it through a port of its own. Every callback
 * of a port runs on that port's loop thread, never before the submitter returns.
 *
 * Delivery is at most once. What one port publishes reaches a subscription in that order. A
 * subscription has a bounded queue: when its owner is slower than what comes, further messages are
 * dropped and counted (a slow consumer), the publisher is never blocked.
 *
 * A queue group is a name: of all its members whose subjects match a message, one gets it, also when
 * their patterns differ. A member on the publisher's loop is preferred; members that are equal in
 * that take turns.
 */
#ifndef HR_BUS_H
#define HR_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"
#include "host/loop/loop.h"

#define HR_BUS_SUBJECT_BYTES_MAX 512u
#define HR_BUS_QUEUE_BYTES_MAX 64u
#define HR_BUS_PAYLOAD_BYTES_MAX (1u << 20) /* subject and headers not counted, as NATS' default */
/* Of a request and of what is published to an inbox: over NATS they travel in pieces. And of what never leaves
 * the host. */
#define HR_BUS_LARGE_BYTES_MAX ((size_t)64 << 20)
#define HR_BUS_HEADERS_MAX 32u
#define HR_BUS_HEADER_BYTES_MAX 4096u /* names and values of one message together */
#define HR_BUS_PENDING_MESSAGES_MAX 65536u
#define HR_BUS_PENDING_BYTES_MAX (64u << 20)
#define HR_BUS_SUBSCRIPTIONS_MAX 16384u     /* of one bus */
#define HR_BUS_REQUESTS_MAX 65536u          /* requests and gathers in flight of one port */
#define HR_BUS_GATHER_REPLIES_MAX 1024u     /* the most that can be wanted */
#define HR_BUS_GATHER_BYTES_MAX (64u << 20) /* a gather ends early rather than pass this */

/* Headers that hosts give to messages for each other. */
/* Milliseconds that the requester goes on waiting, as of the message's sending; decimal. */
#define HR_BUS_HEADER_TIMEOUT "Hedgerow-Timeout-Ms"
/* W3C Trace Context, section 3.2. */
#define HR_BUS_HEADER_TRACE "traceparent"
/* A reply that says no, of whoever could not do it: its body is for people and for the actor that asked, if
 * nobody else can do better. The value is a reason. */
#define HR_BUS_HEADER_REFUSED "Hedgerow-Refused"
/* The reason of a responder that is well, but has not yet what this one request needs: it goes on being asked. */
#define HR_BUS_REFUSED_BEHIND "behind"
/* A reply that says no by what its sender knows: final, unless somebody else was asked before who may have done
 * what was asked for. The value is a reason. */
#define HR_BUS_HEADER_JUDGED "Hedgerow-Judged"
/* A host says no, in the place of a responder: no body; the value is the error's text, a colon, and why. */
#define HR_BUS_HEADER_ERROR "Hedgerow-Error"

/* Subjects of this first token never leave the host. */
#define HR_BUS_LOCAL_TOKEN "_LOCAL"

struct hr_bus;      /* any thread */
struct hr_bus_port; /* one loop's use of it; that loop's thread */
struct hr_bus_sub;
struct hr_bus_request;

struct hr_bus_header {
    struct hr_str name;
    struct hr_str value;
};

/* How often a request may be handed to somebody. */
enum hr_bus_repeat {
    HR_BUS_ONCE,       /* to the next only if the one before cannot have got it */
    HR_BUS_IDEMPOTENT, /* to the next if the one before fails (RFC 9110, section 9.2.2) */
    HR_BUS_SAFE        /* to two at a time, too: it changes nothing (RFC 9110, section 9.2.1) */
};

/* What is published, and what a callback gets: borrowed for the call. */
struct hr_bus_msg {
    struct hr_str subject;
    struct hr_str reply_to; /* empty = none */
    struct hr_str body;
    const struct hr_bus_header *headers;
    size_t header_count;
    enum hr_bus_repeat repeat; /* of a request; nothing in other messages */
};

typedef void (*hr_bus_msg_cb)(void *arg, const struct hr_bus_msg *msg);
/* HR_OK with the reply; at once HR_NO_RESPONDERS when nobody subscribes, or HR_BUSY when the queues
 * of all who do are full (where the bus can see that; else it is a HR_TIMEOUT); HR_TIMEOUT;
 * HR_CANCELED when the port closes; over a network HR_CLOSED or HR_UNKNOWN_OUTCOME when the way to
 * whoever got it has gone. @reply is NULL unless HR_OK. */
typedef void (*hr_bus_reply_cb)(void *arg, enum hr_err err, const struct hr_bus_msg *reply);
/* All replies that came: HR_OK, also with none of them. HR_CANCELED at close, with none. */
typedef void (*hr_bus_gather_cb)(void *arg, enum hr_err err, const struct hr_bus_msg *replies,
                                 size_t count);
typedef void (*hr_bus_closed_cb)(void *arg);

struct hr_bus_sub_options {
    struct hr_str subject;         /* may hold wildcards */
    struct hr_str queue;           /* empty = every message; else one member of the group gets it */
    uint32_t pending_messages_max; /* 0 = HR_BUS_PENDING_MESSAGES_MAX */
    size_t pending_bytes_max;      /* 0 = HR_BUS_PENDING_BYTES_MAX */
    bool no_echo; /* not what this host itself publishes; as NATS' option of that name */
};

struct hr_bus_stats {
    uint64_t published; /* replies are messages too, here and in delivered */
    uint64_t delivered; /* handed to subscriptions and requests */
    uint64_t dropped;   /* at slow consumers */
    uint64_t requests;  /* and gathers */
    uint64_t timeouts;  /* of requests */
    uint64_t no_responders;
    uint64_t subscriptions; /* now; those that the bus makes for itself are not counted */
    uint64_t pending;       /* messages queued now */
};

/* An implementation embeds these three as first members of its own structs. */
struct hr_bus {
    const struct hr_bus_ops *ops;
};

struct hr_bus_port {
    struct hr_bus *bus;
    struct hr_loop *loop;
};

struct hr_bus_sub {
    struct hr_bus_port *port;
};

struct hr_bus_request {
    struct hr_bus_port *port;
};

/* One implementation. bus.c has checked the arguments against this header before it calls these. */
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
    bool (*has_interest)(struct hr_bus *bus, struct hr_str subject);
    void (*stats)(struct hr_bus *bus, struct hr_bus_stats *ret_stats);
    void (*close)(struct hr_bus *bus);
};

/* The bus inside this process. Errors: HR_NO_MEMORY, HR_IO. Returns own: hr_bus_close. */
HR_MUST_CHECK enum hr_err hr_bus_local_open(struct hr_bus **ret_bus, struct hr_diag *diag);
/* All ports are closed before. Accepts NULL. Any thread. */
void hr_bus_close(struct hr_bus *bus);

/* Errors: HR_NO_MEMORY, HR_IO. Returns own: hr_bus_port_close. */
HR_MUST_CHECK enum hr_err hr_bus_port_open(struct hr_bus *bus, struct hr_loop *loop,
                                           struct hr_bus_port **ret_port, struct hr_diag *diag);
/* Ends its subscriptions as hr_bus_unsubscribe does, at once: their handles are gone when this
 * returns. Then, on the loop, completes its requests with HR_CANCELED in the order in which they were
 * made, and calls @cb (may be NULL): the port is gone then. Meanwhile it answers HR_CLOSED. Called
 * once; the loop runs until @cb. */
void hr_bus_port_close(struct hr_bus_port *port, hr_bus_closed_cb cb, void *arg);

/* Copies the options. Errors: HR_BAD_INPUT (a subject or queue that NATS would refuse, or longer than
 * its limit), HR_BUSY (too many subscriptions), HR_CLOSED, HR_NO_MEMORY. Returns own:
 * hr_bus_unsubscribe. */
HR_MUST_CHECK enum hr_err hr_bus_subscribe(struct hr_bus_port *port,
                                           const struct hr_bus_sub_options *options,
                                           hr_bus_msg_cb cb, void *arg,
                                           struct hr_bus_sub **ret_sub);
/* After this no callback of the subscription runs, and it is gone; it may be called from its own
 * callback. Queued messages are dropped (those of a queue group go to another member, if there is
 * one). Accepts NULL. */
void hr_bus_unsubscribe(struct hr_bus_sub *sub);

/* Copies the message. Nobody listening is not an error. On an error nobody gets it.
 * Errors: HR_BAD_INPUT (a subject or reply_to that is empty, malformed or has wildcards; a header
 * name that is empty or has a colon, a space or a byte that is no printable ASCII; a header value
 * with CR, LF or NUL), HR_TOO_BIG (limits above), HR_CLOSED, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_bus_publish(struct hr_bus_port *port, const struct hr_bus_msg *msg);
/* Publishes with a reply subject of its own (msg's reply_to must be empty) and waits for the first
 * reply; later ones are dropped.
 * Units:  @timeout_ms milliseconds, 1 or more.
 * Owns:   as hr_bus_publish; the request is gone once its callback runs. @ret_request may be NULL.
 * Errors: as hr_bus_publish, and HR_BUSY (HR_BUS_REQUESTS_MAX). */
HR_MUST_CHECK enum hr_err hr_bus_request(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                         uint32_t timeout_ms, hr_bus_reply_cb cb, void *arg,
                                         struct hr_bus_request **ret_request);
/* As a request, but collects until @want replies (1..HR_BUS_GATHER_REPLIES_MAX) have come or the time
 * is up; nobody listening ends it at once with none. Refusals are no replies here. */
HR_MUST_CHECK enum hr_err hr_bus_gather(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                        uint32_t want, uint32_t timeout_ms, hr_bus_gather_cb cb,
                                        void *arg, struct hr_bus_request **ret_request);
/* Forgets a pending request or gather: its callback does not run. Accepts NULL. */
void hr_bus_cancel(struct hr_bus_request *request);
/* Whether something on this bus, a port's own inbox included, would get a message on @subject now, as
 * far as this host can know. Any thread. */
bool hr_bus_has_interest(struct hr_bus *bus, struct hr_str subject);
/* Whether @reply says no: a host's (HR_BUS_HEADER_ERROR) or an actor's (HR_BUS_HEADER_REFUSED). */
bool hr_bus_is_refusal(const struct hr_bus_msg *reply);
/* The value of the header called @name, whatever its case; empty if there is none. */
struct hr_str hr_bus_header(const struct hr_bus_msg *msg, struct hr_str name);
/* Any thread. */
void hr_bus_stats(struct hr_bus *bus, struct hr_bus_stats *ret_stats);

#endif
