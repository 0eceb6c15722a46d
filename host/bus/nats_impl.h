/* The NATS bus' own structs, for nats*.c only.
 *
 * Threads: the ports' loops; the bus' own thread (nats_link.c), which connects, reads the socket and
 * writes what loops could not; one of nats.c's, which calls back with messages (nats_sub.c); and its
 * timers'. nats.c is used with an "external event loop", ours: so its sockets never make a loop wait.
 *
 * Locks, in the order in which they are taken: @lock (subscriptions, ports), @out_lock (sending),
 * @join_lock, a mailbox' lock, @state_lock; all before nats.c's own. nats.c calls the link's callbacks
 * under its locks: these touch atomics only. @nc is changed by the bus' thread under @lock and @out_lock,
 * so it may be used under either. */
#ifndef HR_BUS_NATS_IMPL_H
#define HR_BUS_NATS_IMPL_H

#include <nats/nats.h>

#include "host/bus/index.h"
#include "host/bus/mailbox.h"
#include "host/bus/nats.h"
#include "host/bus/pieces.h"
#include "host/bus/replies.h"

#define HR_BUS_NATS_PROBE_SUBJECT_BYTES 64u

/* The proof that subscriptions are live (nats_probe.c). The bus' thread only, but for the atomics. */
struct hr_bus_nats_probe {
    natsOptions *options;
    natsConnection *nc;    /* the second connection */
    natsSubscription *sub; /* of the first connection, to @subject */
    char subject[HR_BUS_NATS_PROBE_SUBJECT_BYTES];
    uint64_t number;     /* of subjects made so far */
    uint64_t generation; /* what an arrival on @subject proves */
    uint64_t next_ns;    /* when to send again */
    uint64_t next_connect_ns;
    uint32_t tries;          /* on the present subject */
    bool failed;             /* the last try could not be made */
    _Atomic uint64_t wanted; /* raised with each subscription and connection */
    _Atomic uint64_t proved; /* everything up to there is live */
    _Atomic uint64_t round_trip_ns;
};

struct hr_bus_nats {
    struct hr_bus base;
    struct hr_bus_counters counters;
    natsOptions *options;
    bool tls;
    bool no_echo;
    uint32_t reconnect_wait_ms;
    uint32_t reconnect_jitter_ms;

    uv_rwlock_t lock; /* guards what follows */
    struct hr_bus_index index;
    struct hr_list subs; /* in the order of subscribing */
    struct hr_list ports;
    uint64_t next_sub_id;

    uv_mutex_t out_lock; /* guards what follows */
    natsConnection *nc;
    bool connected;     /* @nc has all subscriptions, and takes messages */
    struct hr_list out; /* messages that wait to be sent */
    size_t out_bytes;
    uint64_t next_piece_id;

    uv_mutex_t join_lock;
    struct hr_bus_joiner joiner;

    uv_mutex_t state_lock;
    struct hr_bus_nats_state state;
    uint64_t errors_logged_ns;

    uv_thread_t thread;
    int wake_fd;
    _Atomic bool stop;
    _Atomic int fd;              /* @nc's socket, or -1 */
    _Atomic bool wants_to_write; /* nats.c has bytes for it */
    _Atomic bool is_up;          /* as @connected, for those without the lock */
    _Atomic uint64_t drops;      /* connections lost */
    _Atomic size_t max_payload;
    _Atomic uint64_t in_bytes;
    _Atomic uint64_t out_bytes_total;

    uv_mutex_t feeds_lock; /* guards the next three */
    uv_cond_t feeds_done;
    uint32_t feed_count;
    struct hr_list stale_feeds; /* of which nats.c will not say that they are done */

    struct hr_bus_nats_probe probe;
};

struct hr_bus_nats_port {
    struct hr_bus_port base;
    struct hr_bus_mailbox mailbox;
    struct hr_list in_bus;
    bool closing;
    hr_bus_closed_cb closed_cb;
    void *closed_arg;
    struct hr_list subs;
    struct hr_bus_replies replies;
    struct hr_bus_nats_sub *inbox;
    struct hr_task flush; /* posted if @flushes */
    bool flushes;         /* at the end of the loop's round */
    uint64_t drops_seen;  /* requests made before are over */
    bool told_connected;
    hr_bus_nats_event_cb event_cb;
    void *event_arg;
};

struct hr_bus_nats_sub {
    struct hr_bus_sub base;
    struct hr_bus_index_entry entry;
    struct hr_bus_sink sink;
    struct hr_list in_port;
    struct hr_list in_bus;
    uint64_t id;                   /* for the joiner */
    bool internal;                 /* a port's inbox */
    natsSubscription *nats;        /* on the present connection, or NULL; @bus->lock */
    struct hr_bus_nats_feed *feed; /* likewise */
    const char *queue;             /* NULL = none */
    char text[];                   /* the pattern, terminated, then the queue, terminated */
};

/* What nats.c calls back with: outlives the subscription, until nats.c is done with it. */
struct hr_bus_nats_feed {
    struct hr_bus_nats *bus;
    struct hr_list node;         /* bus->stale_feeds */
    struct hr_bus_nats_sub *sub; /* NULL = gone; @bus->lock */
    uint64_t generation;         /* of a probe's feed; else 0 */
};

static inline struct hr_bus_nats *hr_bus_nats_of(struct hr_bus_port *port)
{
    return (struct hr_bus_nats *)port->bus;
}

/* nats_link.c: the thread. */
HR_MUST_CHECK enum hr_err hr_bus_nats_link_start(struct hr_bus_nats *bus, struct hr_diag *diag);
/* Ends the thread and its connections. */
void hr_bus_nats_link_stop(struct hr_bus_nats *bus);
/* Makes the thread look at what there is to do. Any thread. */
void hr_bus_nats_link_wake(struct hr_bus_nats *bus);
/* Tells nats.c's callbacks that this thread writes itself after what it does now, or no longer. */
void hr_bus_nats_link_writes_itself(bool yes);
/* Writes what nats.c has for the socket; not with TLS but on the bus' thread. Under @out_lock, or with
 * TLS without it. */
void hr_bus_nats_link_flush(struct hr_bus_nats *bus, natsConnection *nc);
/* Keeps and logs @text as what is wrong, unless it is what was wrong before. */
void hr_bus_nats_link_complain(struct hr_bus_nats *bus, const char *event, const char *text);

/* nats_out.c: sending. */
/* Copies or sends @msg with @reply_to. Errors: HR_CLOSED, HR_BUSY, HR_TOO_BIG, HR_UNSUPPORTED (a server
 * without headers), HR_NO_MEMORY, HR_IO. */
HR_MUST_CHECK enum hr_err hr_bus_nats_send(struct hr_bus_nats_port *port,
                                           const struct hr_bus_msg *msg, struct hr_str reply_to,
                                           bool may_split);
/* Writes what the port has handed over. A task's callback (struct hr_bus_nats_port). */
void hr_bus_nats_port_flush(void *arg);
/* Moves on what waits. The bus' thread. Returns whether more waits for nothing but its turn. */
bool hr_bus_nats_out_feed(struct hr_bus_nats *bus, natsConnection *nc);
/* Forgets all that waits. Under @out_lock. */
void hr_bus_nats_out_clear(struct hr_bus_nats *bus);
enum hr_err hr_bus_nats_error_of(natsStatus s);

/* nats_sub.c: subscriptions, and what comes for them. */
HR_MUST_CHECK enum hr_err hr_bus_nats_sub_open(struct hr_bus_nats_port *port,
                                               const struct hr_bus_sub_options *options,
                                               hr_bus_msg_cb cb, void *arg, bool internal,
                                               struct hr_bus_nats_sub **ret_sub);
void hr_bus_nats_sub_close(struct hr_bus_nats_sub *sub);
/* Puts all subscriptions on the new connection @nc, or takes them off the old one. Under @lock as
 * writer. */
HR_MUST_CHECK enum hr_err hr_bus_nats_sub_attach_all(struct hr_bus_nats *bus, natsConnection *nc);
void hr_bus_nats_sub_detach_all(struct hr_bus_nats *bus);
/* Messages that nats.c has dropped before they came here, and that are not in @bus->counters yet. */
uint64_t hr_bus_nats_sub_dropped_now(struct hr_bus_nats *bus);
/* Subscribes on @nc with a feed of its own: for @sub, or for a probe (NULL, and a generation). */
HR_MUST_CHECK enum hr_err hr_bus_nats_feed_open(struct hr_bus_nats *bus, natsConnection *nc,
                                                const char *subject, const char *queue,
                                                uint64_t generation, struct hr_bus_nats_sub *sub,
                                                natsSubscription **ret_nats);
/* Waits until nats.c is done with all feeds, and frees them. */
void hr_bus_nats_feeds_finish(struct hr_bus_nats *bus);
/* The block of headers in @msg, as it came; empty = none. False if it is not where it should be. */
bool hr_bus_nats_raw_headers(natsMsg *msg, struct hr_str *ret_block);

/* nats_probe.c: see struct hr_bus_nats_probe. All on the bus' thread, but for the third. */
void hr_bus_nats_probe_step(struct hr_bus_nats *bus, uint64_t now_ns);
/* Milliseconds until the next step. */
int hr_bus_nats_probe_wait_ms(struct hr_bus_nats *bus, uint64_t now_ns);
void hr_bus_nats_probe_arrived(struct hr_bus_nats *bus, const struct hr_bus_nats_feed *feed,
                               natsMsg *msg);
/* The first connection is gone: forgets what was under way. */
void hr_bus_nats_probe_reset(struct hr_bus_nats *bus);
void hr_bus_nats_probe_close(struct hr_bus_nats *bus);
bool hr_bus_nats_probe_is_live(struct hr_bus_nats *bus);

#endif
