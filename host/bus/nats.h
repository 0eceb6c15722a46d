/* The bus over NATS (docs.nats.io), with plain NATS semantics: one connection of this process to one
 * server at a time. What host/bus/bus.h promises holds, and besides:
 *
 * - Opening does not wait for a server. The connection is made, and made again, by a thread of the bus,
 *   for ever, with growing and jittered pauses. Subscriptions survive: each new connection has them all.
 * - While there is no connection, publishing and requesting fail at once with HR_CLOSED, and nothing is
 *   kept for later. When it drops, requests in flight end at once with HR_CLOSED (whether somebody acted
 *   on them is unknown), gathers with what has come. What others publish meanwhile is lost.
 * - No loop waits for the network: what the socket does not take goes out by the bus' thread; when more
 *   than HR_BUS_NATS_OUT_BYTES_MAX wait, publishing fails with HR_BUSY.
 * - A request that nobody subscribes to ends at once with HR_NO_RESPONDERS: the server says so.
 * - Bodies of requests, and of what is published to `_INBOX.`, that are more than the server takes at
 *   once travel in pieces (host/bus/pieces.h); others are HR_TOO_BIG.
 * - A member of a queue group that leaves loses what is on its way to it.
 * - Messages whose headers pass the limits of host/bus/bus.h are dropped, and counted as dropped.
 * - Subscriptions with no_echo need a connection with no_echo (HR_UNSUPPORTED otherwise).
 *
 * Sending a subscription to the server is no proof that it works. A second, small connection publishes
 * to a subject that the first one has subscribed after all others; when that arrives, all are live. */
#ifndef HR_BUS_NATS_H
#define HR_BUS_NATS_H

#include "host/bus/bus.h"

#define HR_BUS_NATS_URLS_MAX 16u
#define HR_BUS_NATS_URL_BYTES_MAX 512u
#define HR_BUS_NATS_FILE_BYTES_MAX 65536u /* of credentials */
#define HR_BUS_NATS_OUT_BYTES_MAX ((size_t)192 << 20)
#define HR_BUS_NATS_RECONNECT_WAIT_MS 250u /* defaults */
#define HR_BUS_NATS_RECONNECT_JITTER_MS 250u
#define HR_BUS_NATS_RECONNECT_WAIT_MS_MAX 8000u

struct hr_bus_nats_options {
    /* 1..HR_BUS_NATS_URLS_MAX of `nats://[user:password@|token@]host[:port]`, or all of them tls://. */
    const struct hr_str *urls;
    size_t url_count;
    /* Files; empty = none. */
    struct hr_str creds_file; /* a user's JWT and seed, as `nsc` writes them */
    struct hr_str nkey_file;  /* a user's seed */
    struct hr_str ca_file;    /* PEM; else the system's */
    struct hr_str cert_file;  /* PEM, with key_file: our own certificate */
    struct hr_str key_file;
    struct hr_str name;           /* of the connection, for the server's operator */
    bool no_echo;                 /* nothing that this bus publishes comes back to it */
    uint32_t reconnect_wait_ms;   /* the first pause, doubled up to ..._WAIT_MS_MAX; 0 = default */
    uint32_t reconnect_jitter_ms; /* added at random; 0 = default */
};

struct hr_bus_nats_state {
    bool connected;
    bool live;
    uint64_t since_ns;                      /* of being connected or not; hr_now_ns's clock */
    char server[HR_BUS_NATS_URL_BYTES_MAX]; /* the present one without user info; "" = none */
    char error[HR_DIAG_BYTES_MAX];          /* why there is none; "" = no attempt has failed yet */
    uint64_t reconnects;
    uint64_t in_bytes; /* bodies and headers */
    uint64_t out_bytes;
    size_t max_payload;     /* of the present or last server; 0 = never connected */
    uint64_t round_trip_ns; /* of the last probe through the server; 0 = none yet */
    uint64_t joins_dropped; /* bodies in pieces that never became whole */
};

/* Told on the port's loop after every change, the first included: a short loss is told, too. */
typedef void (*hr_bus_nats_event_cb)(void *arg, bool connected);

/* Copies the options. Files are checked now; those of credentials are read again for each connection. Errors, with a diag that names
 * the option and what to do: HR_BAD_INPUT (URLs, contents of files, combinations), HR_NOT_FOUND, HR_DENIED
 * or HR_IO (reading files), HR_NO_MEMORY. Returns own: hr_bus_close, which may take as long as an attempt
 * to connect. */
HR_MUST_CHECK enum hr_err hr_bus_nats_open(const struct hr_bus_nats_options *options,
                                           struct hr_bus **ret_bus, struct hr_diag *diag);
/* @bus is one of hr_bus_nats_open. Any thread. */
void hr_bus_nats_state(struct hr_bus *bus, struct hr_bus_nats_state *ret_state);
/* Whether all subscriptions made so far are proved to work on the present connection. Any thread. */
bool hr_bus_nats_live(struct hr_bus *bus);
/* Calls @cb (NULL: no longer) at changes; one watcher a port. Keeps @arg until the port is closed. Loop
 * thread of the port. */
void hr_bus_nats_watch(struct hr_bus_port *port, hr_bus_nats_event_cb cb, void *arg);

#endif
