/* One worker: a thread with its loop, its way to the bus and to the stores, its HTTP daemon and a
 * lane for each actor. Calls never leave the worker on which they began. Everything in it is
 * touched on its loop thread only, except what the host does before the thread runs and after it
 * has ended.
 *
 *   OPEN -> RUNNING -> DRAINING (no new connections; calls finish) -> CLOSING (what is left is
 *   cancelled; ports close) -> CLOSED (the loop has stopped)
 */
#ifndef HR_WORKER_H
#define HR_WORKER_H

#include <stdatomic.h>

#include "base/diag.h"
#include "base/err.h"
#include "host/bus/bus.h"
#include "host/kv/kv.h"
#include "host/run/lane.h"
#include "host/lattice/lattice.h"
#include "host/loop/loop.h"

struct hr_httpd;

enum hr_worker_state {
    HR_WORKER_OPEN,
    HR_WORKER_RUNNING,
    HR_WORKER_DRAINING,
    HR_WORKER_CLOSING,
    HR_WORKER_CLOSED,
    HR_WORKER_STATE_COUNT
};

struct hr_worker {
    enum hr_worker_state state;
    uint32_t index;
    uint32_t worker_count; /* of the host */
    struct hr_loop loop;
    uv_thread_t thread;
    struct hr_bus_port *bus;
    struct hr_lattice *lattice; /* NULL: this process alone */
    struct hr_str lattice_name;
    struct hr_lattice_site here; /* what is known of the own site then */
    struct hr_kv_port **stores;  /* one for each store of the host */
    size_t store_count;
    struct hr_lane *lanes; /* one for each actor of the host */
    size_t lane_count;
    struct hr_httpd *httpd;
    struct hr_list inboxes; /* subscriptions of actors on this worker */
    struct hr_list asset_services;
    struct hr_task drain;
    struct hr_task close;
    struct hr_timer census;
    size_t ports_open;
    _Atomic uint32_t in_flight; /* requests and calls, as of the last census; any thread */
};

/* The lane of the actor called @name, or NULL. */
struct hr_lane *hr_worker_lane(struct hr_worker *worker, struct hr_str name);

#endif
