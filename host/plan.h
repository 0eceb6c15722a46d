/* What a host is going to run, with nothing left to look up: module bytes read and checked, links
 * expanded, stores numbered. Made from the manifest (plan.c), carried out by the host (host.c).
 * Everything lives in the plan's arena. Making a plan opens and starts nothing.
 */
#ifndef HR_PLAN_H
#define HR_PLAN_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "host/run/actor.h"
#include "host/calls/inbox.h"
#include "host/kv/kv.h"
#include "host/manifest/manifest.h"

#define HR_PLAN_WORKERS_MAX HR_KV_PORTS_MAX /* each has a port of every store */
#define HR_PLAN_STORES_MAX 16u

struct hr_plan_actor {
    struct hr_str name;
    struct hr_str bytes; /* the module */
    struct hr_actor_limits limits;
    struct hr_actor_links links;
    const struct hr_str *routes; /* path prefixes that it serves over HTTP */
    size_t route_count;
    const struct hr_inbox_options *subscriptions;
    size_t subscription_count;
};

struct hr_plan {
    struct hr_arena arena;
    struct hr_str lattice;
    struct hr_str site;
    uint16_t site_id;
    struct hr_str host;        /* its id */
    const struct hr_str *nats; /* URLs */
    size_t nats_count;         /* 0 = a lattice within this process */
    struct hr_manifest_nats_files nats_files;
    const struct hr_manifest_site *sites; /* those that the manifest names */
    size_t site_count;
    bool hedge;
    struct hr_str http;
    struct hr_str admin; /* empty = none */
    uint32_t workers;    /* at least 1 */
    enum hr_kv_durability durability;
    const struct hr_str *stores; /* URLs of those that an actor's keyvalue link names */
    size_t store_count;
    size_t site_store; /* which of them is the site's own; store_count if none is */
    struct hr_plan_actor *actors;
    size_t actor_count;
};

/* Reads the modules that the manifest names, or takes the embedded ones. Borrows the manifest until
 * the plan is released. The diag names actor and file. Returns own: hr_plan_release. Blocks. */
HR_MUST_CHECK enum hr_err hr_plan_make(const struct hr_manifest *manifest, struct hr_plan *ret_plan,
                                       struct hr_diag *diag);
void hr_plan_release(struct hr_plan *plan);

#endif
