/* Wiring. Start goes down this file, stop goes back up; each step frees what it made.
 *
 *   process -> engine -> fibers -> actors -> sockets -> stores -> bus -> lattice -> workers -> threads ->
 *   ready
 *
 * What can be wrong with the request itself (modules, links, addresses) comes before the stores, so that a
 * start that fails by it leaves no data folder behind.
 *
 * Stop: not ready; every worker drains; when nothing is in flight anywhere (a call on one worker may
 * need an actor on another), or the time is over, every worker closes; threads end; stores sync.
 */
#include "host/host.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/http/admin.h"
#include "host/calls/asset.h"
#include "host/host_lattice.h"
#include "host/host_metrics.h"
#include "host/host_process.h"
#include "host/host_worker.h"
#include "host/http/httpd.h"
#include "host/manifest/link.h"
#include "host/http/listen.h"
#include "host/imports/all.h"
#include "host/obs/log.h"
#include "host/kv/store_id.h"

#define DRAIN_CHECK_MS 5
#define NS_PER_MS ((uint64_t)1000000)
/* Instances that the pool holds besides those that the limits ask for: cancelled ones on their way out. */
#define SPARE_SLOTS 16u
#define ACTORS_MAX 64u
#define ROUTES_MAX 64u
#define FOLDER_BYTES_MAX 4096u

enum stop_state { STOP_NOT, STOP_DRAINING, STOP_CLOSING };

struct host {
    const struct hr_plan *plan;
    struct hr_engine *engine;
    struct hr_fibers *fibers;
    struct hr_kv *stores[HR_PLAN_STORES_MAX];
    size_t store_count;
    struct hr_bus *local_bus;
    struct hr_host_lattice *lattice;  /* NULL: the lattice is this process */
    char conflict[HR_DIAG_BYTES_MAX]; /* why the lattice made this host stop; empty = it did not */
    struct hr_actor *actors[ACTORS_MAX];
    size_t actor_count;
    struct hr_host_metrics *metrics;
    struct hr_worker *workers;
    size_t worker_count;               /* initialised */
    size_t thread_count;               /* running */
    int http_fds[HR_PLAN_WORKERS_MAX]; /* -1 once a worker has it */
    int admin_fd;                      /* -1 if there is none, or once the admin address has it */
    char http_bound[HR_LISTEN_ADDRESS_BYTES_MAX];
    char admin_bound[HR_LISTEN_ADDRESS_BYTES_MAX];

    struct hr_loop loop; /* the main thread's: signals and the admin address */
    bool loop_open;
    struct hr_admin *admin;
    struct hr_bus_port *admin_bus; /* on the main loop */
    uv_signal_t signals[2];
    struct hr_timer check;
    enum stop_state stop;
    uint64_t drain_began_ns;
    uint64_t drain_until_ns;
};

/* --- stopping ------------------------------------------------------------------------------------------- */

static bool drained(struct host *host)
{
    for (size_t i = 0; i < host->worker_count; i++) {
        if (atomic_load(&host->workers[i].in_flight) > 0) {
            return false;
        }
    }
    return true;
}

static void check_drained(void *arg)
{
    struct host *host = arg;
    bool done = drained(host);
    if (!done && hr_now_ns() < host->drain_until_ns) {
        hr_loop_timer_start(&host->loop, &host->check, DRAIN_CHECK_MS);
        return;
    }
    if (!done) {
        HR_LOG(HR_LOG_WARN, "host.drain_cut_short",
               HR_LOG_INT("after_ms", (hr_now_ns() - host->drain_began_ns) / NS_PER_MS));
    }
    host->stop = STOP_CLOSING;
    for (size_t i = 0; i < host->worker_count; i++) {
        hr_worker_close(&host->workers[i]);
    }
    hr_loop_stop(&host->loop);
}

static void begin_stop(struct host *host)
{
    host->stop = STOP_DRAINING;
    if (host->lattice) {
        hr_host_lattice_leave(host->lattice);
    }
    host->drain_began_ns = hr_now_ns();
    host->drain_until_ns = host->drain_began_ns + HR_HOST_DRAIN_MS * NS_PER_MS;
    for (size_t i = 0; i < host->worker_count; i++) {
        hr_worker_drain(&host->workers[i]);
    }
    hr_loop_timer_start(&host->loop, &host->check, DRAIN_CHECK_MS);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct host *host = handle->data;
    if (host->stop == STOP_DRAINING) {
        host->drain_until_ns = 0; /* asked twice: no more waiting */
        return;
    }
    if (host->stop == STOP_NOT) {
        HR_LOG(HR_LOG_INFO, "host.stopping", HR_LOG_CSTR("signal", strsignal(signum)));
        begin_stop(host);
    }
}

/* Another host was there before this one: it has to go. */
static void on_conflict(void *arg, const char *why)
{
    struct host *host = arg;
    snprintf(host->conflict, sizeof host->conflict, "%s", why);
    HR_LOG(HR_LOG_ERROR, "lattice.conflict", HR_LOG_CSTR("reason", why));
    if (host->stop == STOP_NOT) {
        begin_stop(host);
    }
}

/* --- starting ------------------------------------------------------------------------------------------- */

static enum hr_err start_engine(struct host *host, struct hr_diag *diag)
{
    struct hr_engine_options options = {.slots = SPARE_SLOTS};
    for (size_t i = 0; i < host->plan->actor_count; i++) {
        const struct hr_actor_limits *limits = &host->plan->actors[i].limits;
        options.slots += limits->concurrent + host->plan->workers;
        if (limits->memory_bytes > options.memory_bytes_max) {
            options.memory_bytes_max = limits->memory_bytes;
        }
    }
    enum hr_err err = hr_engine_new(&options, &host->engine, diag);
    return err ? err : hr_fibers_new(host->engine, &host->fibers, diag);
}

/* A store's URL without user and password. */
static struct hr_str without_secret(struct hr_str url)
{
    size_t scheme = hr_str_find(url, ':', 0);
    size_t at = SIZE_MAX; /* the last one: a password that was not encoded may have others */
    for (size_t i = 0; i < url.len; i++) {
        at = url.ptr[i] == '@' ? i : at;
    }
    bool has_user = scheme != SIZE_MAX && at != SIZE_MAX &&
                    hr_str_starts(hr_str_from(url, scheme), HR_STR("://"));
    return has_user ? hr_str_from(url, at + 1) : url;
}

/* What an opening found matters to whoever finds the list empty, or shorter than it was. */
static void log_store(struct hr_str url, const struct hr_kv *store)
{
    static const char *const names[] = {
        [HR_KV_FRESH] = "fresh", [HR_KV_INTACT] = "intact", [HR_KV_LOSSY] = "lossy"};
    HR_LOG(store->past == HR_KV_LOSSY ? HR_LOG_WARN : HR_LOG_INFO, "store.opened",
           HR_LOG_STR("store", without_secret(url)), HR_LOG_CSTR("found", names[store->past]));
    if (store->warning[0]) {
        HR_LOG(HR_LOG_WARN, "store.warning", HR_LOG_STR("store", without_secret(url)),
               HR_LOG_CSTR("cause", store->warning));
    }
}

static enum hr_err open_stores(struct host *host, struct hr_diag *diag)
{
    for (size_t i = 0; i < host->plan->store_count; i++) {
        struct hr_str url = host->plan->stores[i];
        enum hr_err err = hr_kv_open(url, host->plan->durability, &host->stores[i], diag);
        if (err) {
            return err;
        }
        host->store_count++;
        log_store(url, host->stores[i]);
    }
    return HR_OK;
}

/* Whether the module has the exports that its routes and subscriptions will call. */
static enum hr_err check_handlers(const struct hr_plan_actor *plan, const struct hr_actor *actor,
                                  struct hr_diag *diag)
{
    if (plan->route_count > 0 && !actor->exports[HR_EXPORT_HTTP_HANDLE]) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "actor %s has http routes but exports no wasi:http/incoming-handler; "
                           "take the routes out or give it another module",
                           actor->name);
    }
    for (size_t i = 0; i < plan->subscription_count; i++) {
        const struct hr_inbox_options *options = &plan->subscriptions[i];
        enum hr_export needed = options->batch ? HR_EXPORT_HANDLE_BATCH : HR_EXPORT_HANDLE_MESSAGE;
        if (!actor->exports[needed]) {
            return hr_diag_set(diag, HR_BAD_INPUT, "actor %s subscribes to %.*s but exports no %s",
                               actor->name, HR_STR_ARG(options->subject),
                               hr_actor_export_name(needed));
        }
    }
    return HR_OK;
}

static enum hr_err load_actors(struct host *host, struct hr_diag *diag)
{
    if (host->plan->actor_count > ACTORS_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT, "%zu actors; the limit is %u",
                           host->plan->actor_count, ACTORS_MAX);
    }
    for (size_t i = 0; i < host->plan->actor_count; i++) {
        const struct hr_plan_actor *plan = &host->plan->actors[i];
        const struct hr_actor_options options = {
            .name = plan->name,
            .bytes = plan->bytes,
            .limits = plan->limits,
            .links = plan->links,
            .imports = &hr_imports_all,
            .advise = hr_link_advise,
        };
        uint64_t began_ns = hr_now_ns();
        enum hr_err err = hr_actor_load(host->engine, &options, &host->actors[i], diag);
        if (err) {
            return err;
        }
        host->actor_count++;
        err = check_handlers(plan, host->actors[i], diag);
        if (err) {
            return err;
        }
        HR_LOG(HR_LOG_INFO, "actor.loaded", HR_LOG_STR("actor", plan->name),
               HR_LOG_CSTR("sha256", host->actors[i]->module.digest),
               HR_LOG_INT("bytes", host->actors[i]->module.size_bytes),
               HR_LOG_CSTR("code", host->actors[i]->module.from_cache ? "cached" : "compiled"),
               HR_LOG_INT("ms", (hr_now_ns() - began_ns) / NS_PER_MS));
    }
    return HR_OK;
}

/* The routes of all actors, as lanes of one worker. */
static enum hr_err serve(struct host *host, struct hr_worker *worker, struct hr_diag *diag)
{
    struct hr_httpd_route routes[ROUTES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < host->plan->actor_count; i++) {
        const struct hr_plan_actor *actor = &host->plan->actors[i];
        for (size_t r = 0; r < actor->route_count; r++) {
            if (count == ROUTES_MAX) {
                return hr_diag_set(diag, HR_BAD_INPUT, "more than %u http routes", ROUTES_MAX);
            }
            routes[count++] = (struct hr_httpd_route){actor->routes[r], &worker->lanes[i]};
        }
    }
    int fd = host->http_fds[worker->index];
    enum hr_err err = hr_worker_serve(worker, fd, routes, count, diag);
    if (!err) {
        host->http_fds[worker->index] = -1;
    }
    return err;
}

/* Calls in flight, roughly: what other hosts see as this one's load. */
static uint32_t load_of(void *arg)
{
    const struct host *host = arg;
    uint32_t calls = 0;
    for (size_t i = 0; i < host->actor_count; i++) {
        int64_t running = host->actors[i]->running ? hr_gauge_get(host->actors[i]->running) : 0;
        calls += running > 0 ? (uint32_t)running : 0;
    }
    return calls;
}

static enum hr_err join_lattice(struct host *host, struct hr_diag *diag)
{
    const struct hr_plan *plan = host->plan;
    struct hr_host_lattice_options options = {
        .plan = plan,
        .local = host->local_bus,
        .loop = &host->loop,
        .load = load_of,
        .conflict = on_conflict,
        .arg = host,
    };
    enum hr_err err = HR_OK;
    if (plan->nats_count == 0) {
        return HR_OK;
    }
    if (plan->site_store < host->store_count) {
        err = hr_store_id_read(host->stores[plan->site_store], options.store_id, diag);
    }
    return err ? err : hr_host_lattice_open(&options, &host->lattice, diag);
}

/* What other hosts call by name. */
static enum hr_err offer_assets(struct host *host, struct hr_worker *worker, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; host->lattice && i < worker->lane_count && !err; i++) {
        if (host->actors[i]->exports[HR_EXPORT_GET_ASSET]) {
            err = hr_asset_service_open(worker, &worker->lanes[i], host->plan->lattice);
        }
    }
    return err ? hr_diag_set(diag, err, "offer assets to other hosts: %s", hr_err_text(err))
               : HR_OK;
}

static struct hr_bus *bus_of(const struct host *host)
{
    return host->lattice ? hr_host_lattice_bus(host->lattice) : host->local_bus;
}

static struct hr_lattice *members_of(const struct host *host)
{
    return host->lattice ? hr_host_lattice_members(host->lattice) : NULL;
}

/* What is known of this site without a lattice. */
static struct hr_lattice_site describe_site(const struct hr_plan *plan)
{
    struct hr_lattice_site site = {
        .id = plan->site_id,
        .here = true,
        .alive = true,
        .has_store = plan->site_store < plan->store_count,
        .hosts = 1,
    };
    snprintf(site.name, sizeof site.name, "%.*s", HR_STR_ARG(plan->site));
    return site;
}

/* A subscription of a queue group has a member on every worker; one without, and an ordered batch, exactly one
 * on the host: the first worker's. */
static enum hr_err subscribe(struct host *host, struct hr_worker *worker, struct hr_diag *diag)
{
    for (size_t i = 0; i < host->plan->actor_count; i++) {
        const struct hr_plan_actor *actor = &host->plan->actors[i];
        for (size_t s = 0; s < actor->subscription_count; s++) {
            const struct hr_inbox_options *options = &actor->subscriptions[s];
            bool everywhere = options->queue.len > 0 && options->every_ms == 0 &&
                              (options->batch == 0 || options->unordered);
            if (!everywhere && worker->index != 0) {
                continue;
            }
            enum hr_err err = hr_inbox_open(worker, &worker->lanes[i], options);
            if (err) {
                return hr_diag_set(diag, err, "actor %.*s: subscribe to %.*s: %s",
                                   HR_STR_ARG(actor->name), HR_STR_ARG(options->subject),
                                   hr_err_text(err));
            }
        }
    }
    return HR_OK;
}

static enum hr_err open_workers(struct host *host, struct hr_diag *diag)
{
    host->workers = hr_alloc_array(host->plan->workers, sizeof *host->workers);
    if (!host->workers) {
        return hr_diag_set(diag, HR_NO_MEMORY, "workers");
    }
    for (uint32_t i = 0; i < host->plan->workers; i++) {
        const struct hr_worker_options options = {
            .index = i,
            .worker_count = host->plan->workers,
            .fibers = host->fibers,
            .bus = bus_of(host),
            .lattice = members_of(host),
            .lattice_name = host->plan->lattice,
            .here = describe_site(host->plan),
            .stores = host->stores,
            .store_count = host->store_count,
            .actors = host->actors,
            .actor_count = host->actor_count,
        };
        enum hr_err err = hr_worker_init(&host->workers[i], &options, diag);
        if (err) {
            return err;
        }
        host->worker_count++;
        err = serve(host, &host->workers[i], diag);
        if (!err) {
            err = subscribe(host, &host->workers[i], diag);
        }
        if (!err) {
            err = offer_assets(host, &host->workers[i], diag);
        }
        if (err) {
            return err;
        }
    }
    return HR_OK;
}

static bool is_ready(void *arg)
{
    const struct host *host = arg;
    return host->stop == STOP_NOT && host->thread_count == host->worker_count &&
           (!host->lattice || hr_host_lattice_ready(host->lattice));
}

static bool is_catching_up(void *arg)
{
    const struct host *host = arg;
    struct hr_lattice_site here;
    size_t count = 0;
    if (host->lattice) {
        hr_lattice_sites(hr_host_lattice_members(host->lattice), &here, 1, &count);
    }
    return count == 1 && here.catching_up;
}

static enum hr_err render_lattice(void *arg, struct hr_buf *buf)
{
    const struct host *host = arg;
    return host->lattice
               ? hr_lattice_render_json(hr_host_lattice_members(host->lattice), buf)
               : hr_buf_printf(buf, "{\"lattice\":\"%.*s\",\"site\":\"%.*s\",\"nats\":null}\n",
                               HR_STR_ARG(host->plan->lattice), HR_STR_ARG(host->plan->site));
}

static enum hr_err render_metrics(void *arg, struct hr_buf *buf)
{
    struct host *host = arg;
    return hr_host_metrics_render(host->metrics, buf);
}

static enum hr_err open_sockets(struct host *host, struct hr_diag *diag)
{
    const struct hr_plan *plan = host->plan;
    enum hr_err err = hr_listen(plan->http, plan->workers, host->http_fds, host->http_bound, diag);
    if (err) {
        return hr_diag_prefix(diag, err, "http");
    }
    if (plan->admin.len == 0) {
        return HR_OK;
    }
    err = hr_listen(plan->admin, 1, &host->admin_fd, host->admin_bound, diag);
    return err ? hr_diag_prefix(diag, err, "admin") : HR_OK;
}

static enum hr_err open_admin(struct host *host, struct hr_diag *diag)
{
    if (host->admin_fd < 0) {
        return HR_OK;
    }
    enum hr_err err = hr_bus_port_open(host->local_bus, &host->loop, &host->admin_bus, diag);
    if (err) {
        return err;
    }
    const struct hr_admin_source source = {is_ready,       is_catching_up,  render_metrics,
                                           render_lattice, host->admin_bus, host};
    err = hr_admin_start(&host->loop, host->admin_fd, &source, &host->admin, diag);
    if (!err) {
        host->admin_fd = -1;
    }
    return err;
}

static enum hr_err open_main_loop(struct host *host, struct hr_diag *diag)
{
    static const int signals[] = {SIGINT, SIGTERM};
    enum hr_err err = hr_loop_init(&host->loop, diag);
    if (err) {
        return err;
    }
    host->loop_open = true;
    hr_timer_init(&host->check, check_drained, host);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        int rc = uv_signal_init(&host->loop.uv, &host->signals[i]);
        host->signals[i].data = host;
        rc = rc ? rc : uv_signal_start(&host->signals[i], on_signal, signals[i]);
        if (rc) {
            return hr_diag_set(diag, HR_IO, "wait for signals: %s", uv_strerror(rc));
        }
    }
    return HR_OK;
}

static enum hr_err start_threads(struct host *host, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < host->worker_count && !err; i++) {
        err = hr_worker_start(&host->workers[i], diag);
        host->thread_count += err == HR_OK;
    }
    return err;
}

static enum hr_err start(struct host *host, struct hr_diag *diag)
{
    enum hr_err err = hr_host_process_prepare(host->plan->workers, diag);
    if (!err && sodium_init() < 0) {
        err = hr_diag_set(diag, HR_INTERNAL, "libsodium did not initialise");
    }
    err = err ? err : start_engine(host, diag);
    err = err ? err : load_actors(host, diag);
    err = err ? err : open_sockets(host, diag);
    err = err ? err : open_stores(host, diag);
    err = err ? err : hr_bus_local_open(&host->local_bus, diag);
    err = err ? err : open_main_loop(host, diag);
    err = err ? err : join_lattice(host, diag);
    err = err ? err : open_workers(host, diag);
    const struct hr_host_metrics_sources sources = {
        .site = host->plan->site,
        .actors = host->actors,
        .actor_count = host->actor_count,
        .stores = host->stores,
        .store_count = host->store_count,
        .bus = bus_of(host),
        .lattice = members_of(host),
    };
    err = err ? err : hr_host_metrics_new(&sources, &host->metrics, diag);
    err = err ? err : open_admin(host, diag);
    return err ? err : start_threads(host, diag);
}

/* --- the end --------------------------------------------------------------------------------------------- */

/* Threads that run although the start failed are stopped as by a signal, without waiting. */
static void stop_threads(struct host *host)
{
    for (size_t i = 0; i < host->thread_count && host->stop != STOP_CLOSING; i++) {
        hr_worker_drain(&host->workers[i]);
        hr_worker_close(&host->workers[i]);
    }
}

static void on_admin_bus_closed(void *arg)
{
    struct host *host = arg;
    hr_loop_stop(&host->loop);
}

/* After the loop's own run. */
static void close_admin(struct host *host)
{
    hr_admin_stop(host->admin);
    if (host->admin_bus) {
        hr_bus_port_close(host->admin_bus, on_admin_bus_closed, host);
        hr_loop_run(&host->loop);
    }
    hr_loop_release(&host->loop);
    hr_admin_free(host->admin);
}

static void release(struct host *host)
{
    stop_threads(host);
    for (size_t i = 0; i < host->worker_count; i++) {
        hr_worker_release(&host->workers[i]);
    }
    hr_free(host->workers);
    hr_host_lattice_close(host->lattice);
    for (size_t i = 0; i < HR_PLAN_WORKERS_MAX; i++) {
        if (host->http_fds[i] >= 0) {
            close(host->http_fds[i]);
        }
    }
    if (host->admin_fd >= 0) {
        close(host->admin_fd);
    }
    if (host->loop_open) {
        close_admin(host);
    }
    for (size_t i = 0; i < host->actor_count; i++) {
        hr_actor_free(host->actors[i]);
    }
    hr_host_metrics_free(host->metrics);
    hr_bus_close(host->local_bus);
    for (size_t i = 0; i < host->store_count; i++) {
        hr_kv_close(host->stores[i]);
    }
    hr_fibers_free(host->fibers);
    hr_engine_free(host->engine);
    hr_free(host);
}

static struct host *host_new(const struct hr_plan *plan)
{
    struct host *host = hr_alloc(sizeof *host);
    if (host) {
        host->plan = plan;
        memset(host->http_fds, -1, sizeof host->http_fds);
        host->admin_fd = -1;
    }
    return host;
}

enum hr_err hr_host_check(const struct hr_plan *plan, struct hr_diag *diag)
{
    struct host *host = host_new(plan);
    if (!host) {
        return hr_diag_set(diag, HR_NO_MEMORY, "host");
    }
    enum hr_err err = start_engine(host, diag);
    err = err ? err : load_actors(host, diag);
    release(host);
    return err;
}

static void log_starting(void)
{
    char folder[FOLDER_BYTES_MAX];
    HR_LOG(HR_LOG_INFO, "host.starting", HR_LOG_CSTR("version", HEDGEROW_VERSION),
           HR_LOG_INT("pid", getpid()),
           HR_LOG_CSTR("folder", getcwd(folder, sizeof folder) ? folder : "gone"));
}

enum hr_err hr_host_run(const struct hr_plan *plan, struct hr_diag *diag)
{
    struct host *host = host_new(plan);
    if (!host) {
        return hr_diag_set(diag, HR_NO_MEMORY, "host");
    }
    uint64_t began_ns = hr_now_ns();
    log_starting();
    enum hr_err err = start(host, diag);
    if (!err) {
        HR_LOG(HR_LOG_INFO, "host.ready", HR_LOG_STR("site", plan->site),
               HR_LOG_CSTR("http", host->http_bound), HR_LOG_CSTR("admin", host->admin_bound),
               HR_LOG_INT("workers", host->worker_count),
               HR_LOG_INT("ms", (hr_now_ns() - began_ns) / NS_PER_MS));
        hr_loop_run(&host->loop);
        if (host->conflict[0]) {
            err = hr_diag_set(diag, HR_CONFLICT, "%s", host->conflict);
        }
    }
    if (err == HR_CANCELED && host->stop != STOP_NOT) {
        err = HR_OK; /* told to stop before it was ready */
    }
    release(host);
    if (!err) {
        HR_LOG(HR_LOG_INFO, "host.stopped", HR_LOG_STR("site", plan->site));
    }
    return err;
}
