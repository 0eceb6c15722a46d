/* The lattice's bus' own structs, for bus*.c only.
 *
 * A port belongs to its loop, all of it: its requests, its attempts, what it has learned of the responders. What
 * ports share is the bus' index of queue groups (under its lock), counters, and the lattice's table, of which
 * each holds a snapshot. No callback runs under a lock.
 *
 * A request is in port->requests from its start to its end. An attempt is one sending of it to one candidate: in
 * port->attempts until its own request on the local or the NATS bus is over, and in request->attempts as long as
 * somebody waits for it. One whose request has been answered by another is a loser: its answer is measured,
 * counted and dropped.
 */
#ifndef HR_BUS_LATTICE_IMPL_H
#define HR_BUS_LATTICE_IMPL_H

#include <stdatomic.h>

#include "host/lattice/bus.h"
#include "host/bus/message.h"
#include "host/lattice/table.h"
#include "host/lattice/responders.h"

#define HR_BUS_LATTICE_OPTIONS_MAX 64u /* candidates that are looked at for one request */
#define HR_BUS_LATTICE_SWEEP_MS 20u
/* A request by name whose body is larger goes to a subject that one subscription has to itself: pieces
 * (host/bus/pieces.h) must not be shared out among the workers. */
#define HR_BUS_LATTICE_LARGE_BYTES ((size_t)32 << 10)
#define HR_BUS_LATTICE_PREFIX_BYTES 96u /* "hedgerow.<lattice>.to.<host>." and a terminator */
#define HR_BUS_LATTICE_INBOX_BYTES 40u  /* "_INBOX.", 32 hexadecimal digits, "." */
#define HR_BUS_LATTICE_HERE 0u          /* the number of this host: no other has it */

enum hr_bus_lattice_count {
    HR_BUS_LATTICE_LOCAL,
    HR_BUS_LATTICE_REMOTE,
    HR_BUS_LATTICE_PLAIN,
    HR_BUS_LATTICE_HEDGES,
    HR_BUS_LATTICE_HEDGES_WON,
    HR_BUS_LATTICE_HEDGES_SAVED,
    HR_BUS_LATTICE_FAILOVERS,
    HR_BUS_LATTICE_REFUSALS,
    HR_BUS_LATTICE_REPLIES_DROPPED,
    HR_BUS_LATTICE_EXPLORATIONS,
    HR_BUS_LATTICE_STALLS,
    HR_BUS_LATTICE_GROUPS_SERVED,
    HR_BUS_LATTICE_UNSENT,
    HR_BUS_LATTICE_PUBLISHED,
    HR_BUS_LATTICE_REQUESTS,
    HR_BUS_LATTICE_TIMEOUTS,
    HR_BUS_LATTICE_NO_RESPONDERS,
    HR_BUS_LATTICE_SUBSCRIPTIONS,
    HR_BUS_LATTICE_COUNTS
};

struct hr_bus_lattice {
    struct hr_bus base;
    bool no_hedges;
    struct hr_bus *local;
    struct hr_bus *nats;
    struct hr_lattice *lattice;
    _Atomic uint32_t ports;
    _Atomic bool hears_large; /* one of them does */
    uv_rwlock_t lock;         /* guards @groups */
    struct hr_bus_index
        groups; /* of subscriptions with a queue that hear what this host publishes */
    /* Subscriptions that would hear others' inboxes: as long as there are any, interest in an inbox here does not
     * mean that the one who waits for the reply is here. */
    _Atomic uint32_t eavesdroppers;
    _Atomic uint64_t counts[HR_BUS_LATTICE_COUNTS];
};

struct hr_bus_lattice_port {
    struct hr_bus_port base;
    struct hr_bus_port *local;
    struct hr_bus_port *nats;
    struct hr_lattice_watch watch;
    struct hr_lattice_table *table;
    struct hr_responders *responders;
    struct hr_list subs;
    struct hr_bus_sub *direct; /* what is sent to this host by name */
    struct hr_bus_sub
        *large; /* the same of what comes in pieces; of one port of the bus, else NULL */
    char prefix[HR_BUS_LATTICE_PREFIX_BYTES]; /* of subjects that name this host */

    struct hr_list requests; /* oldest first */
    uint32_t request_count;
    struct hr_list attempts;
    uint32_t attempt_count;
    struct hr_list moved; /* attempts to be moved on, while that is done */
    struct hr_timer sweep_timer;

    struct hr_bus_sub *inboxes[2];              /* of gathers: on the local bus, on the NATS bus */
    char inbox[HR_BUS_LATTICE_INBOX_BYTES + 2]; /* "_INBOX.<unique>.*" */
    uint64_t last_number;

    bool closing;
    bool unwatched;
    struct hr_task finish;
    uint32_t open_parts; /* that are still to say that they are closed */
    hr_bus_closed_cb closed_cb;
    void *closed_arg;
};

struct hr_bus_lattice_sub {
    struct hr_bus_sub base;
    struct hr_list in_port;
    struct hr_bus_sub *local; /* NULL if it does not hear this host */
    struct hr_bus_sub *nats;  /* NULL if its subjects never leave the host */
    struct hr_bus_index_entry entry;
    bool in_groups;
    bool eavesdrops;
    bool announced;
    bool direct;
    struct hr_str subject;
    struct hr_str queue; /* empty = none */
    hr_bus_msg_cb cb;
    void *arg;
    char text[];
};

struct hr_bus_lattice_request {
    struct hr_bus_request base;
    struct hr_list in_port;
    uint64_t due_ns;
    enum hr_bus_repeat repeat;
    hr_bus_reply_cb reply_cb;
    hr_bus_gather_cb gather_cb; /* one of the two is set */
    void *arg;
    struct hr_timer timer; /* of a request: when to hedge; of a gather: its end */

    struct hr_bus_message *message; /* a copy, if it may have to be sent again */
    struct hr_list attempts;
    uint32_t tried_count;
    uint64_t tried[HR_BUS_LATTICE_ATTEMPTS_MAX]; /* hosts' numbers */
    struct hr_bus_message *refusal;              /* the best so far */
    enum hr_err err;                             /* if there is none */

    struct hr_bus_request *part; /* a gather that is all on one of the two buses */
    uint64_t number;             /* of one that is on both, as all below */
    uint32_t want;
    uint32_t count;
    size_t bytes;
    struct hr_bus_msg *replies;
    struct hr_bus_message **kept;
};

struct hr_bus_lattice_attempt {
    struct hr_list in_port;
    struct hr_list in_request;
    struct hr_list in_moved;
    struct hr_bus_lattice_port *port;
    struct hr_bus_lattice_request *request; /* NULL: nobody waits for it any more */
    struct hr_bus_request *part;
    struct hr_responder_call call; /* its responder is NULL if there was no choice */
    uint64_t host;                 /* its number */
    bool plain;                    /* sent to whoever hears the subject */
    bool hedge;
    bool exploring;
    bool replaced; /* another one was sent in its place, though it may still be answered */
};

static inline struct hr_bus_lattice *hr_bus_lattice_of(const struct hr_bus_port *port)
{
    return (struct hr_bus_lattice *)port->bus;
}

static inline void hr_bus_lattice_count(const struct hr_bus_port *port,
                                        enum hr_bus_lattice_count which)
{
    atomic_fetch_add_explicit(&hr_bus_lattice_of(port)->counts[which], 1, memory_order_relaxed);
}

/* Whether @subject stays in the process. */
bool hr_bus_lattice_is_local(struct hr_str subject);

/* bus.c: takes the newest table, if there is a newer one. */
void hr_bus_lattice_refresh(struct hr_bus_lattice_port *port);
/* Writes "_INBOX.<unique>." and returns 0, or a negative number of libuv's. */
int hr_bus_lattice_make_inbox(char *ret_inbox);

/* bus_publish.c: messages and subscriptions. */
HR_MUST_CHECK enum hr_err hr_bus_lattice_publish(struct hr_bus_port *port,
                                                 const struct hr_bus_msg *msg);
HR_MUST_CHECK enum hr_err hr_bus_lattice_subscribe(struct hr_bus_port *port,
                                                   const struct hr_bus_sub_options *options,
                                                   hr_bus_msg_cb cb, void *arg,
                                                   struct hr_bus_sub **ret_sub);
void hr_bus_lattice_unsubscribe(struct hr_bus_sub *sub);
/* A message that was sent to this host by name; @arg is the port. */
void hr_bus_lattice_on_direct(void *arg, const struct hr_bus_msg *msg);

/* bus_request.c: requests, from their start to their end. */
HR_MUST_CHECK enum hr_err hr_bus_lattice_request(struct hr_bus_port *port,
                                                 const struct hr_bus_msg *msg, uint32_t timeout_ms,
                                                 hr_bus_reply_cb cb, void *arg,
                                                 struct hr_bus_request **ret_request);
void hr_bus_lattice_cancel(struct hr_bus_request *request);
/* Takes all attempts off the two buses: nothing is answered any more. */
void hr_bus_lattice_mute_all(struct hr_bus_lattice_port *port);
/* Completes all with HR_CANCELED. */
void hr_bus_lattice_cancel_all(struct hr_bus_lattice_port *port);
/* NULL when memory is out. */
struct hr_bus_lattice_request *hr_bus_lattice_request_new(struct hr_bus_lattice_port *port,
                                                          uint32_t want);
void hr_bus_lattice_request_free(struct hr_bus_lattice_request *request);
/* Puts a request into the port's list, and takes it out. */
void hr_bus_lattice_attach(struct hr_bus_lattice_request *request);
void hr_bus_lattice_detach(struct hr_bus_lattice_request *request);
/* Moves on what the newest table, or the time that has passed, says should not be waited for. @arg is the port. */
void hr_bus_lattice_on_table(void *arg);
void hr_bus_lattice_on_sweep(void *arg);

/* bus_attempt.c: sendings of requests. Sends @msg to @option; without one, @plain: to whoever hears its
 * subject on NATS, else to this host. Keeps @request until the attempt is over. */
HR_MUST_CHECK enum hr_err hr_bus_lattice_attempt(struct hr_bus_lattice_request *request,
                                                 const struct hr_bus_msg *msg,
                                                 const struct hr_responder_option *option,
                                                 bool plain,
                                                 struct hr_bus_lattice_attempt **ret_attempt);
/* Ends an attempt, on its bus too, and tells its responder how. */
void hr_bus_lattice_attempt_end(struct hr_bus_lattice_attempt *attempt,
                                enum hr_responder_outcome outcome);
/* Nobody waits for it any more, but it may still be measured. */
void hr_bus_lattice_attempt_lose(struct hr_bus_lattice_attempt *attempt);
/* bus_request.c: how @attempt ended. It is not on its bus any more. */
void hr_bus_lattice_on_answer(struct hr_bus_lattice_attempt *attempt, enum hr_err err,
                              const struct hr_bus_msg *reply);

/* bus_choose.c: the candidates for @subject that @request has not tried, best first; their owners are
 * the numbers of their hosts. @ret_well: how many of them are well, at the front. */
size_t hr_bus_lattice_candidates(struct hr_bus_lattice_port *port,
                                 const struct hr_bus_lattice_request *request,
                                 struct hr_str subject, struct hr_responder_option *ret_options,
                                 size_t *ret_well);

/* bus_gather.c. */
HR_MUST_CHECK enum hr_err hr_bus_lattice_gather(struct hr_bus_port *port,
                                                const struct hr_bus_msg *msg, uint32_t want,
                                                uint32_t timeout_ms, hr_bus_gather_cb cb, void *arg,
                                                struct hr_bus_request **ret_request);
/* The end of a gather on both buses; @arg is the request. */
void hr_bus_lattice_on_gather_time(void *arg);

#endif
