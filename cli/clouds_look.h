/* What can be seen of running clouds from outside, asked of all sites at once and within a time limit. */
#ifndef CLI_CLOUDS_LOOK_H
#define CLI_CLOUDS_LOOK_H

#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/clouds_links.h"
#include "cli/clouds_state.h"

#define CLOUDS_UNKNOWN UINT32_MAX

/* One site. Numbers are CLOUDS_UNKNOWN where nobody told. */
struct clouds_seen {
    enum clouds_life lives[CLOUDS_PARTS];
    bool serves[CLOUDS_PARTS];         /* the host: /readyz says 200 */
    uint32_t route_us[CLOUDS_SITES];   /* round trips that its nats-server has measured */
    uint32_t lattice_us[CLOUDS_SITES]; /* round trips that its host has measured */
    uint32_t sites_alive;              /* as its host sees the lattice */
    uint32_t sites_known;
    uint32_t todos;
};

/* Each asks for what the ones before it do, and more. */
enum clouds_look_what {
    CLOUDS_LOOK_SERVES, /* whether all serves, and the routes */
    CLOUDS_LOOK_SITES,  /* the lattice, as the hosts see it */
    CLOUDS_LOOK_ALL,    /* the number of todos, for which all of them are read */
};

/* Errors: HR_NO_MEMORY, HR_INTERNAL; who does not answer is no error. */
HR_MUST_CHECK enum hr_err clouds_look(const struct clouds_state *state, enum clouds_look_what what,
                                      uint32_t timeout_ms,
                                      struct clouds_seen ret_seen[CLOUDS_SITES]);

/* Reads a time as Go prints it ("35.3ms", "1m2.5s"), in microseconds, and fails on anything else and on more than
 * an hour. */
bool clouds_look_duration(struct hr_str text, uint32_t *ret_us);

/* What was started and is to serve. */
struct clouds_wanted {
    bool parts[CLOUDS_SITES][CLOUDS_PARTS];
    bool together; /* and each host sees all sites alive */
};

/* Who did not come to serve. */
struct clouds_late {
    size_t site;
    enum clouds_part part;
    bool ended;    /* its process is down */
    char text[96]; /* what it lacked */
};

/* Waits until all of @wanted serve and each of their nats-servers has its routes: to all servers that run and whose link
 * is not cut in @cuts.
 * Errors: HR_TIMEOUT, HR_CLOSED (a process has ended); both say who in @ret_late. HR_NO_MEMORY, HR_IO. */
HR_MUST_CHECK enum hr_err clouds_look_wait(const struct clouds_state *state,
                                           const struct clouds_wanted *wanted,
                                           const enum clouds_cut cuts[CLOUDS_LINKS],
                                           uint32_t timeout_ms, struct clouds_late *ret_late);

#endif
