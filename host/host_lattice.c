/* Opening, joining, leaving and closing. Opening waits on the host's main loop, which nothing else uses yet:
 * for a connection, but not for ever; then for the answers of those that are there. */
#include "host/host_lattice.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "host/lattice/bus.h"
#include "host/bus/nats.h"
#include "host/obs/log.h"

#define NS_PER_MS ((uint64_t)1000000)

struct hr_host_lattice {
    const struct hr_plan *plan;
    struct hr_loop *loop;
    void (*conflict)(void *arg, const char *why);
    void *arg;
    struct hr_bus *nats;
    struct hr_lattice *members;
    struct hr_bus *bus;
    struct hr_timer patience;
    bool connected;
    bool waiting; /* the loop runs until @waiting is over */
    enum hr_err joined;
    char why[HR_LATTICE_WHY_BYTES_MAX];
    uint64_t opened_ns;
};

/* --- what happens ------------------------------------------------------------------------------------- */

static void end_waiting(struct hr_host_lattice *lattice)
{
    if (lattice->waiting) {
        lattice->waiting = false;
        hr_loop_stop(lattice->loop);
    }
}

static void on_patience_over(void *arg)
{
    end_waiting(arg);
}

/* The bus itself tells the log when it is connected and why it is not. */
static void on_connection(void *arg, bool connected)
{
    struct hr_host_lattice *lattice = arg;
    lattice->connected = connected;
    hr_lattice_set_connected(lattice->members, connected);
    if (connected) {
        end_waiting(lattice);
    }
}

static void on_conflict(void *arg, const char *why)
{
    struct hr_host_lattice *lattice = arg;
    lattice->conflict(lattice->arg, why);
}

static uint16_t seen_id(struct hr_host_lattice *lattice, struct hr_str site)
{
    struct hr_lattice_site seen[HR_LATTICE_SITES_MAX];
    size_t count = 0;
    hr_lattice_sites(lattice->members, seen, HR_LATTICE_SITES_MAX, &count);
    for (size_t i = 0; i < count; i++) {
        if (hr_str_eq(hr_str_c(seen[i].name), site)) {
            return seen[i].id;
        }
    }
    return 0;
}

/* Whoever is not named, or by another number, is no member for a store that has been lost. */
static void check_named(struct hr_host_lattice *lattice, struct hr_str site)
{
    const struct hr_plan *plan = lattice->plan;
    char reason[HR_LATTICE_WHY_BYTES_MAX];
    uint16_t id = seen_id(lattice, site);
    size_t at = 0;
    while (at < plan->site_count && !hr_str_eq(plan->sites[at].name, site)) {
        at++;
    }
    if (plan->site_count == 0 || (at < plan->site_count && plan->sites[at].id == id)) {
        return;
    }
    if (at == plan->site_count) {
        snprintf(reason, sizeof reason,
                 "`sites` does not name it: add `%.*s=%u` in the manifests of all sites",
                 HR_STR_ARG(site), id);
    } else {
        snprintf(reason, sizeof reason,
                 "its number is %u, and not %u as in `sites`: write `%.*s=%u` in the manifests of "
                 "all sites",
                 id, plan->sites[at].id, HR_STR_ARG(site), id);
    }
    HR_LOG(HR_LOG_WARN, "lattice.unnamed_site", HR_LOG_STR("site", site),
           HR_LOG_CSTR("reason", reason));
}

static void on_event(void *arg, enum hr_lattice_event event, struct hr_str host, struct hr_str site,
                     const char *why)
{
    static const struct {
        const char *name;
        enum hr_log_level level;
    } events[] = {
        [HR_LATTICE_JOINED] = {"lattice.joined", HR_LOG_INFO},
        [HR_LATTICE_LEFT] = {"lattice.left", HR_LOG_INFO},
        [HR_LATTICE_GONE] = {"lattice.gone", HR_LOG_WARN},
        [HR_LATTICE_REFUSED] = {"lattice.refused", HR_LOG_WARN},
    };
    if (event == HR_LATTICE_NEW_SITE) {
        check_named(arg, site);
        return;
    }
    HR_LOG(events[event].level, events[event].name, HR_LOG_STR("host", host),
           HR_LOG_STR("site", site), HR_LOG_CSTR("reason", why));
}

static void on_joined(void *arg, enum hr_err err, const char *why)
{
    struct hr_host_lattice *lattice = arg;
    lattice->joined = err;
    snprintf(lattice->why, sizeof lattice->why, "%s", why ? why : "");
    end_waiting(lattice);
}

/* --- opening ------------------------------------------------------------------------------------------ */

/* Runs the loop until end_waiting. HR_CANCELED if something else stopped it: the host is to stop. */
static enum hr_err run_until_told(struct hr_host_lattice *lattice, struct hr_diag *diag)
{
    lattice->waiting = true;
    hr_loop_run(lattice->loop);
    if (lattice->waiting) {
        lattice->waiting = false;
        return hr_diag_set(diag, HR_CANCELED, "told to stop while joining the lattice");
    }
    return HR_OK;
}

static enum hr_err connect_nats(struct hr_host_lattice *lattice, const struct hr_plan *plan,
                                struct hr_diag *diag)
{
    char name[128];
    snprintf(name, sizeof name, "hedgerow %.*s %.*s", HR_STR_ARG(plan->site),
             HR_STR_ARG(plan->host));
    const struct hr_bus_nats_options options = {
        .urls = plan->nats,
        .url_count = plan->nats_count,
        .creds_file = plan->nats_files.creds,
        .nkey_file = plan->nats_files.nkey,
        .ca_file = plan->nats_files.ca,
        .cert_file = plan->nats_files.cert,
        .key_file = plan->nats_files.key,
        .name = hr_str_c(name),
        .no_echo = true,
    };
    return hr_bus_nats_open(&options, &lattice->nats, diag);
}

static enum hr_err open_members(struct hr_host_lattice *lattice,
                                const struct hr_host_lattice_options *options, struct hr_diag *diag)
{
    const struct hr_plan *plan = options->plan;
    struct hr_lattice_self self = {
        .lattice = plan->lattice,
        .host = plan->host,
        .site = plan->site,
        .site_id = plan->site_id,
        .version = HR_STR(HEDGEROW_VERSION),
    };
    _Static_assert(sizeof self.store_id == HR_STORE_ID_BYTES, "one identity");
    memcpy(self.store_id, options->store_id, sizeof self.store_id);
    const struct hr_lattice_options members = {
        .self = &self,
        .nats = lattice->nats,
        .loop = lattice->loop,
        .conflict_cb = on_conflict,
        .event_cb = on_event,
        .arg = lattice,
    };
    enum hr_err err = hr_lattice_open(&members, &lattice->members, diag);
    if (!err) {
        hr_lattice_set_load(lattice->members, options->load, options->arg);
        hr_bus_nats_watch(hr_lattice_port(lattice->members), on_connection, lattice);
        err = hr_bus_lattice_open(options->local, lattice->nats, lattice->members, &lattice->bus,
                                  diag);
    }
    if (!err) {
        hr_bus_lattice_set_hedging(lattice->bus, plan->hedge);
    }
    return err;
}

static enum hr_err join(struct hr_host_lattice *lattice, struct hr_diag *diag)
{
    hr_timer_init(&lattice->patience, on_patience_over, lattice);
    hr_loop_timer_start(lattice->loop, &lattice->patience, HR_HOST_LATTICE_CONNECT_MS);
    enum hr_err err = lattice->connected ? HR_OK : run_until_told(lattice, diag);
    hr_loop_timer_stop(lattice->loop, &lattice->patience);
    if (!err && !lattice->connected) {
        hr_lattice_set_connected(lattice->members, false);
        HR_LOG(HR_LOG_WARN, "lattice.alone", HR_LOG_INT("waited_ms", HR_HOST_LATTICE_CONNECT_MS));
    }
    err = err ? err : hr_lattice_join(lattice->members, on_joined, lattice, diag);
    err = err ? err : run_until_told(lattice, diag);
    if (!err && lattice->joined) {
        err = hr_diag_set(diag, lattice->joined, "%s", lattice->why);
    }
    return err;
}

enum hr_err hr_host_lattice_open(const struct hr_host_lattice_options *options,
                                 struct hr_host_lattice **ret_lattice, struct hr_diag *diag)
{
    struct hr_host_lattice *lattice = hr_alloc(sizeof *lattice);
    if (!lattice) {
        return hr_diag_set(diag, HR_NO_MEMORY, "lattice");
    }
    lattice->plan = options->plan;
    lattice->loop = options->loop;
    lattice->conflict = options->conflict;
    lattice->arg = options->arg;
    lattice->opened_ns = hr_now_ns();
    enum hr_err err = connect_nats(lattice, options->plan, diag);
    err = err ? err : open_members(lattice, options, diag);
    err = err ? err : join(lattice, diag);
    if (err) {
        hr_host_lattice_close(lattice);
        return hr_diag_prefix(diag, err, "lattice %.*s", HR_STR_ARG(options->plan->lattice));
    }
    *ret_lattice = lattice;
    return HR_OK;
}

/* --- in use ------------------------------------------------------------------------------------------- */

struct hr_bus *hr_host_lattice_bus(const struct hr_host_lattice *lattice)
{
    return lattice->bus;
}

struct hr_lattice *hr_host_lattice_members(const struct hr_host_lattice *lattice)
{
    return lattice->members;
}

bool hr_host_lattice_ready(struct hr_host_lattice *lattice)
{
    if (!hr_lattice_settled(lattice->members)) {
        return false; /* a new store does not serve before */
    }
    if (lattice->connected) {
        return hr_bus_nats_live(lattice->nats);
    }
    struct hr_bus_nats_state state;
    hr_bus_nats_state(lattice->nats, &state);
    uint64_t since_ns = state.since_ns > lattice->opened_ns ? state.since_ns : lattice->opened_ns;
    return state.reconnects > 0 || hr_now_ns() - since_ns > HR_HOST_LATTICE_GRACE_MS * NS_PER_MS;
}

void hr_host_lattice_leave(struct hr_host_lattice *lattice)
{
    hr_lattice_leave(lattice->members);
}

/* --- closing ------------------------------------------------------------------------------------------ */

static void on_closed(void *arg)
{
    end_waiting(arg);
}

/* Runs the loop until on_closed, whatever else stops it meanwhile. */
static void await_close(struct hr_host_lattice *lattice)
{
    while (lattice->waiting) {
        hr_loop_run(lattice->loop);
    }
}

void hr_host_lattice_close(struct hr_host_lattice *lattice)
{
    if (!lattice) {
        return;
    }
    hr_bus_close(lattice->bus);
    if (lattice->members) {
        hr_bus_nats_watch(hr_lattice_port(lattice->members), NULL, NULL);
        lattice->waiting = true;
        hr_lattice_close(lattice->members, on_closed, lattice);
        await_close(lattice);
    }
    hr_bus_close(lattice->nats);
    hr_free(lattice);
}
