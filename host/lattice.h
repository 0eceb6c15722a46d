/* The lattice as one host sees it: which hosts and sites there are, what each serves, and how far away it is.
 *
 * Every host announces itself on `hedgerow.<lattice>.evt.host` once a second, with jitter, and says so when it
 * leaves. One that was silent for HR_LATTICE_SILENT_MS is gone. A host asks all others for their announcements
 * when it starts (`.ctl.hello`), and measures its way to each (`.ctl.<host>.ping`).
 *
 * Refused, at the later of two: a host id that another host has, a site's name with another store or another
 * number, a number with another name.
 *
 * The lattice owns a port of the NATS bus on the loop that it is opened on (the host's main loop); what it
 * knows is read from any thread.
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
#include "host/bus.h"
#include "host/loop.h"

#define HR_LATTICE_NAME_BYTES_MAX 32u
#define HR_LATTICE_HOST_BYTES_MAX 32u
#define HR_LATTICE_STORE_ID_BYTES 16u
#define HR_LATTICE_SITES_MAX 64u
#define HR_LATTICE_HOSTS_MAX 256u
#define HR_LATTICE_ANNOUNCE_MS 1000u
#define HR_LATTICE_SILENT_MS 3000u

struct hr_lattice;

/* Who this host is. */
struct hr_lattice_self {
    struct hr_str lattice;
    struct hr_str host; /* its id: letters, digits and -, 1 to 32 */
    struct hr_str site;
    uint16_t site_id;
    unsigned char
        store_id[HR_LATTICE_STORE_ID_BYTES]; /* of the site's store; all zero: it has none */
    struct hr_str version;
};

struct hr_lattice_site {
    char name[HR_LATTICE_NAME_BYTES_MAX + 1];
    uint16_t id;
    bool here;
    bool alive;
    uint32_t hosts;         /* alive */
    uint64_t round_trip_us; /* to its nearest host; 0: not known, or here */
    uint64_t silent_ms;
};

/* The later of two that cannot be together has found out: it has to stop. @why names both. On the loop. */
typedef void (*hr_lattice_conflict_cb)(void *arg, const char *why);

#endif
