/* The lattice's bus: opening and closing it and its ports. */
#include "host/lattice/bus.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/lattice/bus_impl.h"

#define UNIQUE_BYTES 16u

static const struct hr_bus_ops ops;

enum hr_err hr_bus_lattice_open(struct hr_bus *local, struct hr_bus *nats,
                                struct hr_lattice *lattice, struct hr_bus **ret_bus,
                                struct hr_diag *diag)
{
    struct hr_bus_lattice *bus = hr_alloc(sizeof *bus);
    if (!bus) {
        return hr_diag_set(diag, HR_NO_MEMORY, "lattice's bus: out of memory");
    }
    int rc = uv_rwlock_init(&bus->lock);
    if (rc < 0) {
        hr_free(bus);
        return hr_diag_set(diag, HR_IO, "lattice's bus: lock: %s", uv_strerror(rc));
    }
    bus->base.ops = &ops;
    bus->local = local;
    bus->nats = nats;
    bus->lattice = lattice;
    hr_bus_index_init(&bus->groups);
    *ret_bus = &bus->base;
    return HR_OK;
}

static void close_bus(struct hr_bus *base)
{
    struct hr_bus_lattice *bus = (struct hr_bus_lattice *)base;
    HR_ASSERT(atomic_load(&bus->ports) == 0);
    uv_rwlock_destroy(&bus->lock);
    hr_free(bus);
}

bool hr_bus_lattice_is_local(struct hr_str subject)
{
    return hr_str_starts(subject, HR_STR(HR_BUS_LOCAL_TOKEN)) &&
           (subject.len == sizeof HR_BUS_LOCAL_TOKEN - 1 ||
            subject.ptr[sizeof HR_BUS_LOCAL_TOKEN - 1] == '.');
}

/* --- ports ------------------------------------------------------------------------------------------ */

void hr_bus_lattice_refresh(struct hr_bus_lattice_port *port)
{
    struct hr_lattice *lattice = hr_bus_lattice_of(&port->base)->lattice;
    if (port->table->version != hr_lattice_table_version(lattice)) {
        hr_lattice_table_unref(port->table);
        port->table = hr_lattice_table_get(lattice);
    }
}

int hr_bus_lattice_make_inbox(char *ret_inbox)
{
    unsigned char unique[UNIQUE_BYTES];
    int rc = uv_random(NULL, NULL, unique, sizeof unique, 0, NULL);
    char *at = ret_inbox + snprintf(ret_inbox, HR_BUS_LATTICE_INBOX_BYTES, "_INBOX.");
    for (size_t i = 0; i < sizeof unique && rc == 0; i++) {
        at += snprintf(at, 3, "%02x", unique[i]);
    }
    *at = '.';
    return rc;
}

static void on_finish(void *arg);
static void on_table(void *arg);

static void init_port(struct hr_bus_lattice_port *port, struct hr_bus_lattice *bus,
                      struct hr_loop *loop)
{
    port->base.bus = &bus->base;
    port->base.loop = loop;
    hr_list_init(&port->subs);
    hr_list_init(&port->requests);
    hr_list_init(&port->attempts);
    hr_list_init(&port->moved);
    hr_timer_init(&port->sweep_timer, hr_bus_lattice_on_sweep, port);
    hr_task_init(&port->finish, on_finish, port);
    int len = snprintf(port->prefix, sizeof port->prefix, "hedgerow.%.*s.to.%.*s.",
                       HR_STR_ARG(hr_lattice_name(bus->lattice)),
                       HR_STR_ARG(hr_lattice_host_id(bus->lattice)));
    HR_ASSERT(len > 0 && (size_t)len < sizeof port->prefix);
}

/* What other hosts send to this one by name: one of its ports gets it. */
static enum hr_err listen_for_direct(struct hr_bus_lattice_port *port)
{
    char subject[HR_BUS_LATTICE_PREFIX_BYTES + 1];
    int len = snprintf(subject, sizeof subject, "%s>", port->prefix);
    const struct hr_bus_sub_options options = {
        .subject = hr_str_of(subject, (size_t)len),
        .queue = hr_lattice_host_id(hr_bus_lattice_of(&port->base)->lattice),
        .no_echo = true,
    };
    return hr_bus_subscribe(port->nats, &options, hr_bus_lattice_on_direct, port, &port->direct);
}

/* And what comes in pieces: the first port does that for all. */
static enum hr_err listen_for_large(struct hr_bus_lattice_port *port)
{
    struct hr_bus_lattice *bus = hr_bus_lattice_of(&port->base);
    char subject[HR_BUS_LATTICE_PREFIX_BYTES + 8];
    if (atomic_exchange(&bus->hears_large, true)) {
        return HR_OK;
    }
    int len = snprintf(subject, sizeof subject, "hedgerow.%.*s.large.%.*s.>",
                       HR_STR_ARG(hr_lattice_name(bus->lattice)),
                       HR_STR_ARG(hr_lattice_host_id(bus->lattice)));
    const struct hr_bus_sub_options options = {.subject = hr_str_of(subject, (size_t)len),
                                               .no_echo = true};
    enum hr_err err =
        hr_bus_subscribe(port->nats, &options, hr_bus_lattice_on_direct, port, &port->large);
    if (err) {
        atomic_store(&bus->hears_large, false);
    }
    return err;
}

static void stop_listening(struct hr_bus_lattice_port *port)
{
    hr_bus_unsubscribe(port->direct);
    if (port->large) {
        hr_bus_unsubscribe(port->large);
        atomic_store(&hr_bus_lattice_of(&port->base)->hears_large, false);
    }
}

static enum hr_err open_parts(struct hr_bus_lattice_port *port, struct hr_diag *diag)
{
    struct hr_bus_lattice *bus = hr_bus_lattice_of(&port->base);
    uint64_t seed = 0;
    int rc = uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL);
    if (rc == 0) {
        rc = hr_bus_lattice_make_inbox(port->inbox);
    }
    if (rc < 0) {
        return hr_diag_set(diag, HR_IO, "lattice's bus: random bytes: %s", uv_strerror(rc));
    }
    port->inbox[HR_BUS_LATTICE_INBOX_BYTES] = '*';
    port->responders = hr_responders_new(seed, hr_now_ns());
    if (!port->responders) {
        return hr_diag_set(diag, HR_NO_MEMORY, "lattice's bus: port: out of memory");
    }
    enum hr_err err = hr_bus_port_open(bus->local, port->base.loop, &port->local, diag);
    if (!err) {
        err = hr_bus_port_open(bus->nats, port->base.loop, &port->nats, diag);
    }
    if (!err) {
        err = listen_for_direct(port);
        err = err ? err : listen_for_large(port);
        hr_diag_set(diag, err, "subscribing to %s>: %s", port->prefix, hr_err_text(err));
    }
    return err;
}

/* The parts of a port that was not opened to the end close by themselves. */
static void abandon_port(struct hr_bus_lattice_port *port)
{
    if (port->nats) {
        hr_bus_port_close(port->nats, NULL, NULL);
    }
    if (port->local) {
        hr_bus_port_close(port->local, NULL, NULL);
    }
    hr_responders_free(port->responders);
    hr_free(port);
}

static enum hr_err open_port(struct hr_bus *base, struct hr_loop *loop,
                             struct hr_bus_port **ret_port, struct hr_diag *diag)
{
    struct hr_bus_lattice *bus = (struct hr_bus_lattice *)base;
    struct hr_bus_lattice_port *port = hr_alloc(sizeof *port);
    if (!port) {
        return hr_diag_set(diag, HR_NO_MEMORY, "lattice's bus: port: out of memory");
    }
    init_port(port, bus, loop);
    enum hr_err err = open_parts(port, diag);
    if (err) {
        abandon_port(port);
        return err;
    }
    port->table = hr_lattice_table_get(bus->lattice);
    hr_lattice_watch(bus->lattice, &port->watch, loop, on_table, port);
    atomic_fetch_add(&bus->ports, 1);
    *ret_port = &port->base;
    return HR_OK;
}

static void close_port(struct hr_bus_port *base, hr_bus_closed_cb cb, void *arg)
{
    struct hr_bus_lattice_port *port = (struct hr_bus_lattice_port *)base;
    HR_ASSERT(!port->closing);
    port->closing = true;
    port->closed_cb = cb;
    port->closed_arg = arg;
    while (!hr_list_empty(&port->subs)) {
        hr_bus_lattice_unsubscribe(
            &HR_LIST_OWNER(port->subs.next, struct hr_bus_lattice_sub, in_port)->base);
    }
    stop_listening(port);
    hr_bus_unsubscribe(port->inboxes[0]);
    hr_bus_unsubscribe(port->inboxes[1]);
    hr_bus_lattice_mute_all(port);
    hr_loop_timer_stop(base->loop, &port->sweep_timer);
    port->open_parts = 3; /* the two ports, and the watch */
    hr_loop_post(base->loop, &port->finish);
}

static void on_part_closed(void *arg)
{
    struct hr_bus_lattice_port *port = arg;
    if (--port->open_parts > 0) {
        return;
    }
    hr_bus_closed_cb cb = port->closed_cb;
    void *closed_arg = port->closed_arg;
    hr_lattice_table_unref(port->table);
    hr_responders_free(port->responders);
    atomic_fetch_sub(&hr_bus_lattice_of(&port->base)->ports, 1);
    hr_free(port);
    if (cb) {
        cb(closed_arg);
    }
}

static void on_finish(void *arg)
{
    struct hr_bus_lattice_port *port = arg;
    hr_bus_lattice_cancel_all(port);
    struct hr_bus_port *local = port->local;
    struct hr_bus_port *nats = port->nats;
    bool unwatched = hr_lattice_unwatch(&port->watch);
    port->unwatched = true;
    hr_bus_port_close(local, on_part_closed, port);
    hr_bus_port_close(nats, on_part_closed, port);
    if (unwatched) {
        on_part_closed(port); /* neither of the two has been called yet: this is not the last */
    }
}

static void on_table(void *arg)
{
    struct hr_bus_lattice_port *port = arg;
    if (!port->closing) {
        hr_bus_lattice_refresh(port);
        hr_bus_lattice_on_table(port);
    } else if (port->unwatched) {
        on_part_closed(port); /* the callback that was still to run when the watch ended */
    }
}

/* --- the table of operations ------------------------------------------------------------------------ */

static bool has_interest(struct hr_bus *base, struct hr_str subject)
{
    struct hr_bus_lattice *bus = (struct hr_bus_lattice *)base;
    return hr_bus_has_interest(bus->local, subject) || hr_bus_has_interest(bus->nats, subject);
}

static uint64_t count_of(const struct hr_bus_lattice *bus, enum hr_bus_lattice_count which)
{
    return atomic_load_explicit(&bus->counts[which], memory_order_relaxed);
}

static void stats(struct hr_bus *base, struct hr_bus_stats *ret_stats)
{
    const struct hr_bus_lattice *bus = (struct hr_bus_lattice *)base;
    struct hr_bus_stats local;
    struct hr_bus_stats nats;
    hr_bus_stats(bus->local, &local);
    hr_bus_stats(bus->nats, &nats);
    *ret_stats = (struct hr_bus_stats){
        .published = count_of(bus, HR_BUS_LATTICE_PUBLISHED),
        .delivered = local.delivered + nats.delivered,
        .dropped = local.dropped + nats.dropped,
        .requests = count_of(bus, HR_BUS_LATTICE_REQUESTS),
        .timeouts = count_of(bus, HR_BUS_LATTICE_TIMEOUTS),
        .no_responders = count_of(bus, HR_BUS_LATTICE_NO_RESPONDERS),
        .subscriptions = count_of(bus, HR_BUS_LATTICE_SUBSCRIPTIONS),
        .pending = local.pending + nats.pending,
    };
}

void hr_bus_lattice_stats(struct hr_bus *base, struct hr_bus_lattice_stats *ret_stats)
{
    const struct hr_bus_lattice *bus = (struct hr_bus_lattice *)base;
    *ret_stats = (struct hr_bus_lattice_stats){
        .requests_local = count_of(bus, HR_BUS_LATTICE_LOCAL),
        .requests_remote = count_of(bus, HR_BUS_LATTICE_REMOTE),
        .requests_plain = count_of(bus, HR_BUS_LATTICE_PLAIN),
        .hedges = count_of(bus, HR_BUS_LATTICE_HEDGES),
        .hedges_won = count_of(bus, HR_BUS_LATTICE_HEDGES_WON),
        .hedges_saved = count_of(bus, HR_BUS_LATTICE_HEDGES_SAVED),
        .failovers = count_of(bus, HR_BUS_LATTICE_FAILOVERS),
        .refusals = count_of(bus, HR_BUS_LATTICE_REFUSALS),
        .replies_dropped = count_of(bus, HR_BUS_LATTICE_REPLIES_DROPPED),
        .explorations = count_of(bus, HR_BUS_LATTICE_EXPLORATIONS),
        .stalls = count_of(bus, HR_BUS_LATTICE_STALLS),
        .groups_served = count_of(bus, HR_BUS_LATTICE_GROUPS_SERVED),
        .unsent = count_of(bus, HR_BUS_LATTICE_UNSENT),
    };
}

static const struct hr_bus_ops ops = {
    .name = "lattice",
    .port_open = open_port,
    .port_close = close_port,
    .subscribe = hr_bus_lattice_subscribe,
    .unsubscribe = hr_bus_lattice_unsubscribe,
    .publish = hr_bus_lattice_publish,
    .request = hr_bus_lattice_request,
    .gather = hr_bus_lattice_gather,
    .cancel = hr_bus_lattice_cancel,
    .has_interest = has_interest,
    .stats = stats,
    .close = close_bus,
};

void hr_bus_lattice_set_hedging(struct hr_bus *bus, bool on)
{
    ((struct hr_bus_lattice *)bus)->no_hedges = !on;
}
