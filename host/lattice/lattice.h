/* The lattice as one host sees it: which hosts and sites there are, what each serves, and how far away it is.
 *
 * Every host announces itself on `hedgerow.<lattice>.evt.host` once a second, with jitter, and says so when it
 * leaves. One that was silent for HR_LATTICE_SILENT_MS is gone. A host asks all others for their announcements
 * when it starts (`.ctl.hello`), and measures its way to each (`.ctl.<host>.ping`).
 *
 * Refused, at the later of two: a host id that another host has, a site's name with another store or another
 * number, a number with another name. The earlier of the two ignores what the later one announces, and so does
 * everybody else. Which one is the later is decided by the time of its start, then by its boot's number.
 *
 * The lattice owns a port of the NATS bus on the loop that it is opened on (the host's main loop); what it
 * knows is read from any thread. The order of a host's start: open; the lattice's bus (host/lattice/bus.h) and
 * the workers' ports and subscriptions, which enter what the announcements list; join. Of its end: leave; the
 * workers' ports; close.
 */
#ifndef HR_LATTICE_H
#define HR_LATTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"
#include "host/bus/bus.h"
#include "host/loop/loop.h"

#define HR_LATTICE_NAME_BYTES_MAX 32u /* of a lattice and of a site */
#define HR_LATTICE_HOST_BYTES_MAX 32u
#define HR_LATTICE_VERSION_BYTES_MAX 64u
#define HR_LATTICE_STORE_ID_BYTES 16u
#define HR_LATTICE_SITES_MAX 64u
#define HR_LATTICE_HOSTS_MAX 256u
#define HR_LATTICE_SERVED_MAX 256u              /* subjects in a host's announcement */
#define HR_LATTICE_SERVED_BYTES_MAX (64u << 10) /* of their names and queues */
#define HR_LATTICE_ANNOUNCE_MS 1000u
#define HR_LATTICE_SILENT_MS 3000u
#define HR_LATTICE_HELLO_MS 1000u /* the longest that joining waits for answers */
#define HR_LATTICE_WHY_BYTES_MAX 512u
/* After so long with a connection, or since it was opened, the lattice has heard of whom there is. */
#define HR_LATTICE_SETTLED_CONNECTED_MS 1500u
#define HR_LATTICE_SETTLED_MS 3000u

struct hr_lattice;

/* Who this host is. */
struct hr_lattice_self {
    struct hr_str lattice; /* as a site: letters, digits, - and _, 1 to 32 */
    struct hr_str host;    /* its id: letters, digits and -, 1 to 32 */
    struct hr_str site;
    uint16_t site_id; /* 1 or more */
    unsigned char
        store_id[HR_LATTICE_STORE_ID_BYTES]; /* of the site's store; all zero: it has none */
    struct hr_str version;                   /* printable ASCII, 1 to 64 */
};

enum hr_lattice_event {
    HR_LATTICE_JOINED,   /* a host that was not known, or had gone */
    HR_LATTICE_LEFT,     /* it said so */
    HR_LATTICE_GONE,     /* it fell silent */
    HR_LATTICE_NEW_SITE, /* it is the first one of its site since this host started */
    HR_LATTICE_REFUSED,  /* it cannot be together with one that was there before: it is ignored */
};

/* The later of two that cannot be together has found out: it has to stop. @why names both and says what to do;
 * borrowed. On the loop, at most once. */
typedef void (*hr_lattice_conflict_cb)(void *arg, const char *why);
/* Something worth a line in a log; @why is empty but for HR_LATTICE_REFUSED. Borrowed. On the loop. */
typedef void (*hr_lattice_event_cb)(void *arg, enum hr_lattice_event event, struct hr_str host,
                                    struct hr_str site, const char *why);
/* HR_OK, or HR_CONFLICT with the text of a hr_lattice_conflict_cb; HR_CANCELED at close. */
typedef void (*hr_lattice_joined_cb)(void *arg, enum hr_err err, const char *why);
typedef void (*hr_lattice_closed_cb)(void *arg);
/* Calls in flight on this host. Any thread. */
typedef uint32_t (*hr_lattice_load_cb)(void *arg);

struct hr_lattice_options {
    const struct hr_lattice_self *self; /* copied */
    struct hr_bus *nats;
    struct hr_loop *loop;
    hr_lattice_conflict_cb conflict_cb; /* may be NULL */
    hr_lattice_event_cb event_cb;       /* may be NULL */
    void *arg;                          /* of both */
    uint64_t start_ms;                  /* wall clock; 0 = now */
    uint32_t announce_ms;               /* 0 = HR_LATTICE_ANNOUNCE_MS */
    uint32_t silent_ms;                 /* 0 = HR_LATTICE_SILENT_MS */
    uint32_t hello_ms;                  /* 0 = HR_LATTICE_HELLO_MS */
};

/* One site, for who asks. */
struct hr_lattice_site {
    char name[HR_LATTICE_NAME_BYTES_MAX + 1];
    uint16_t id;
    bool here;
    bool alive;
    bool has_store;
    bool catching_up;       /* a host of it says so */
    uint32_t hosts;         /* alive */
    uint64_t round_trip_us; /* to its nearest host; 0: not known, or here */
    uint64_t silent_ms;
    bool clock_known;
    int64_t clock_ahead_ms; /* the wall clock of the nearest host before this one's */
};

struct hr_lattice_stats {
    uint64_t hosts_alive; /* with this one */
    uint64_t sites_alive;
    uint64_t sites_catching_up; /* of those */
    uint64_t conflicts;         /* hosts that were refused, each once */
    uint64_t announcements;     /* heard */
    uint64_t malformed;         /* announcements that were not understood */
    uint64_t overflows;         /* announcements that no room was left for */
    uint64_t unannounced; /* subjects of this host, now, that its announcement has no room for */
};

/* Nothing is sent or heard before hr_lattice_join. Errors: HR_BAD_INPUT (@self), HR_NO_MEMORY, HR_IO.
 * Keeps the bus and the loop. Returns own: hr_lattice_close. On the loop's thread, or before it runs. */
HR_MUST_CHECK enum hr_err hr_lattice_open(const struct hr_lattice_options *options,
                                          struct hr_lattice **ret_lattice, struct hr_diag *diag);
/* Asks who is there, waits for the answers (at most HR_LATTICE_HELLO_MS; not at all while NATS is away), and
 * then announces this host, unless @cb is told of a conflict: the host must not start then, and closes the
 * lattice. To be called once NATS is there, or has been waited for in vain: what is found out later stops the
 * later one of two by their clocks. Errors: HR_BUSY, HR_NO_MEMORY, HR_CLOSED; the lattice can be closed then. */
HR_MUST_CHECK enum hr_err hr_lattice_join(struct hr_lattice *lattice, hr_lattice_joined_cb cb,
                                          void *arg, struct hr_diag *diag);
/* Tells all others that nothing more should be asked of this host; what is under way goes on. On the loop. */
void hr_lattice_leave(struct hr_lattice *lattice);
/* Leaves, and is gone once @cb runs (may be NULL). Its bus' ports are closed before. Accepts a lattice that
 * has not joined. On the loop, which runs until @cb. */
void hr_lattice_close(struct hr_lattice *lattice, hr_lattice_closed_cb cb, void *arg);

/* The lattice's port of the NATS bus, on its loop: for who watches the connection there. Not to be closed. */
struct hr_bus_port *hr_lattice_port(struct hr_lattice *lattice);
/* Whether NATS is connected; true when the lattice is opened. While it is not, nobody else can be asked
 * anything. Any thread. */
void hr_lattice_set_connected(struct hr_lattice *lattice, bool connected);
/* Whether the others have had the time to be heard of: NATS has been connected for
 * HR_LATTICE_SETTLED_CONNECTED_MS, another site was heard of, or the lattice was opened HR_LATTICE_SETTLED_MS ago.
 * Any thread. */
bool hr_lattice_settled(struct hr_lattice *lattice);
/* Before hr_lattice_join. Keeps @arg until hr_lattice_close. */
void hr_lattice_set_load(struct hr_lattice *lattice, hr_lattice_load_cb cb, void *arg);

/* Whether this site takes in what it lacks; told to all. Nothing is decided by it: a site that does not serve refuses,
 * and the next one is asked. False until it is set. Any thread. */
void hr_lattice_set_catching_up(struct hr_lattice *lattice, bool catching_up);

/* What the announcements list. A subject that is entered several times is listed once, until it has been taken
 * out as often. One beyond the limits is not listed, and counted. @direct: requests for it may be sent to this
 * host by name. Any thread. */
HR_MUST_CHECK enum hr_err hr_lattice_serve(struct hr_lattice *lattice, struct hr_str subject,
                                           struct hr_str queue, bool direct);
void hr_lattice_unserve(struct hr_lattice *lattice, struct hr_str subject, struct hr_str queue,
                        bool direct);

/* The sites seen since this host started, the own one first, then by name; at most @max. Any thread. */
void hr_lattice_sites(struct hr_lattice *lattice, struct hr_lattice_site *ret_sites, size_t max,
                      size_t *ret_count);
/* Any thread. */
void hr_lattice_stats(struct hr_lattice *lattice, struct hr_lattice_stats *ret_stats);
/* Appends all that is known as one JSON object. On an error @buf is as it was.
 * Errors: HR_TOO_BIG (the limit of @buf), HR_NO_MEMORY. Any thread. */
HR_MUST_CHECK enum hr_err hr_lattice_render_json(struct hr_lattice *lattice, struct hr_buf *buf);

#endif
