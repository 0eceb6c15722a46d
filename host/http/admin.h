/* The operator's HTTP address: /healthz (the process lives), /readyz (it serves, be it by what other sites answer), /metrics
 * (Prometheus text format), /lattice (hosts and sites, as JSON), and /kv (admin_kv.h). On the host's main loop, apart from the workers, so that it answers when
 * they are busy. */
#ifndef HR_ADMIN_H
#define HR_ADMIN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "host/bus/bus.h"
#include "host/loop/loop.h"

struct hr_admin;

struct hr_admin_source {
    bool (*ready)(void *arg);
    bool (*catching_up)(void *arg); /* the site: other sites answer its clients */
    enum hr_err (*metrics)(void *arg, struct hr_buf *buf);
    enum hr_err (*lattice)(void *arg, struct hr_buf *buf);
    struct hr_bus_port *bus; /* of @loop, for /kv; kept until the stop */
    void *arg;
};

/* Takes the listening socket on success. Returns own: hr_admin_stop, then hr_admin_free. */
HR_MUST_CHECK enum hr_err hr_admin_start(struct hr_loop *loop, int fd,
                                         const struct hr_admin_source *source,
                                         struct hr_admin **ret_admin, struct hr_diag *diag);
void hr_admin_stop(struct hr_admin *admin);
/* After the loop has been released. Accepts NULL. */
void hr_admin_free(struct hr_admin *admin);

#endif
