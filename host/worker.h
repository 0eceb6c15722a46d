/* One worker: a thread with its loop, its way to the bus and to the stores, its HTTP daemon and a
 * lane for each actor. Calls never leave the worker on which they began. Everything in it is
 * touched on its loop thread only, except what host.c does before the thread runs and after it
 * has ended.
 */
#ifndef HR_WORKER_H
#define HR_WORKER_H

#include "base/diag.h"
#include "base/err.h"
#include "host/bus.h"
#include "host/kv.h"
#include "host/lane.h"
#include "host/loop.h"

struct hr_host;
struct hr_httpd;
struct hr_inbox;

struct hr_worker {
    struct hr_host *host;
    uint32_t index;
    struct hr_loop loop;
    uv_thread_t thread;
    bool running;
    struct hr_bus_port *bus;
    struct hr_kv_port **stores; /* one for each store of the host */
    size_t store_count;
    struct hr_lane *lanes; /* one for each actor of the host */
    size_t lane_count;
    struct hr_httpd *httpd;
    struct hr_list inboxes; /* subscriptions of actors on this worker */
};

/* The lane of the actor called @name, or NULL. */
struct hr_lane *hr_worker_lane(struct hr_worker *worker, struct hr_str name);

#endif
