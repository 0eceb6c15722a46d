/* The host's own metrics: version and site, what the process takes, calls, errors and latencies by actor and
 * export, calls running and waiting by actor, and what stores and bus report of themselves.
 * docs/operating.md has them all. */
#ifndef HR_HOST_METRICS_H
#define HR_HOST_METRICS_H

#include "base/diag.h"
#include "base/err.h"
#include "host/run/actor.h"
#include "host/bus/bus.h"
#include "host/kv/kv.h"
#include "host/lattice/lattice.h"
#include "host/obs/metrics.h"

struct hr_host_metrics_sources {
    struct hr_str site;
    struct hr_actor **actors;
    size_t actor_count;
    struct hr_kv **stores;
    size_t store_count;
    struct hr_bus *bus;
    struct hr_lattice *lattice; /* NULL: none, and the bus is a local one */
};

struct hr_host_metrics;

/* Makes the registry and gives the actors their series, before any call of theirs. Keeps the sources'
 * stores and bus until free. Returns own: hr_host_metrics_free. */
HR_MUST_CHECK enum hr_err hr_host_metrics_new(const struct hr_host_metrics_sources *sources,
                                              struct hr_host_metrics **ret_metrics,
                                              struct hr_diag *diag);
/* No call is in flight. Accepts NULL. */
void hr_host_metrics_free(struct hr_host_metrics *metrics);
/* Any thread. */
HR_MUST_CHECK enum hr_err hr_host_metrics_render(struct hr_host_metrics *metrics,
                                                 struct hr_buf *buf);

#endif
