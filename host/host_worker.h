/* The life of a worker (host/run/worker.h): opened with all that it reaches, started, drained, closed. */
#ifndef HR_HOST_WORKER_H
#define HR_HOST_WORKER_H

#include "host/run/worker.h"

struct hr_httpd_route;

/* What all workers of a host share. Borrowed until the worker is released. */
struct hr_worker_options {
    uint32_t index;
    uint32_t worker_count;
    struct hr_fibers *fibers;
    struct hr_bus *bus;
    struct hr_lattice *lattice; /* may be NULL */
    struct hr_str lattice_name;
    struct hr_lattice_site here;
    struct hr_kv **stores;
    size_t store_count;
    struct hr_actor **actors;
    size_t actor_count;
};

/* Caller's storage. Opens loop, ports and lanes; no thread yet. On failure nothing is left open. */
HR_MUST_CHECK enum hr_err hr_worker_init(struct hr_worker *worker,
                                         const struct hr_worker_options *options,
                                         struct hr_diag *diag);
/* Begins serving HTTP on the listening socket, which it takes on success. Before the thread runs. */
HR_MUST_CHECK enum hr_err hr_worker_serve(struct hr_worker *worker, int fd,
                                          const struct hr_httpd_route *routes, size_t count,
                                          struct hr_diag *diag);
/* Starts the thread. */
HR_MUST_CHECK enum hr_err hr_worker_start(struct hr_worker *worker, struct hr_diag *diag);
/* Stops accepting connections; in_flight is kept up to date from now on. Any thread, once. */
void hr_worker_drain(struct hr_worker *worker);
/* Cancels what is in flight, closes the ports and ends the thread. Any thread, once, after drain. */
void hr_worker_close(struct hr_worker *worker);
/* Waits for the thread, if it runs, and frees. A worker whose thread never ran is closed first. */
void hr_worker_release(struct hr_worker *worker);

#endif
