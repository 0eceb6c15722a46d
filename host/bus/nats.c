/* The NATS bus: opening, closing, its ports and the operations of host/bus/bus.h. */
#include "host/bus/nats.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/bus/nats_impl.h"
#include "host/bus/nats_options.h"

static const struct hr_bus_ops ops;

static enum hr_err init_locks(struct hr_bus_nats *bus, struct hr_diag *diag)
{
    uv_mutex_t *mutexes[] = {&bus->out_lock, &bus->join_lock, &bus->state_lock, &bus->feeds_lock};
    size_t count = sizeof mutexes / sizeof mutexes[0];
    size_t made = 0;
    int rc = uv_rwlock_init(&bus->lock);
    if (rc < 0) {
        return hr_diag_set(diag, HR_IO, "lock: %s", uv_strerror(rc));
    }
    while (made < count && rc == 0) {
        rc = uv_mutex_init(mutexes[made]);
        made += rc == 0;
    }
    rc = rc ? rc : uv_cond_init(&bus->feeds_done);
    if (rc == 0) {
        return HR_OK;
    }
    while (made > 0) {
        uv_mutex_destroy(mutexes[--made]);
    }
    uv_rwlock_destroy(&bus->lock);
    return hr_diag_set(diag, HR_IO, "lock: %s", uv_strerror(rc));
}

static void destroy_locks(struct hr_bus_nats *bus)
{
    uv_cond_destroy(&bus->feeds_done);
    uv_mutex_destroy(&bus->out_lock);
    uv_mutex_destroy(&bus->join_lock);
    uv_mutex_destroy(&bus->state_lock);
    uv_mutex_destroy(&bus->feeds_lock);
    uv_rwlock_destroy(&bus->lock);
}

static void init_bus(struct hr_bus_nats *bus, const struct hr_bus_nats_options *options)
{
    bus->base.ops = &ops;
    bus->no_echo = options->no_echo;
    bus->reconnect_wait_ms =
        options->reconnect_wait_ms ? options->reconnect_wait_ms : HR_BUS_NATS_RECONNECT_WAIT_MS;
    bus->reconnect_jitter_ms = options->reconnect_jitter_ms ? options->reconnect_jitter_ms
                                                            : HR_BUS_NATS_RECONNECT_JITTER_MS;
    hr_bus_index_init(&bus->index);
    hr_list_init(&bus->subs);
    hr_list_init(&bus->ports);
    hr_list_init(&bus->out);
    hr_list_init(&bus->stale_feeds);
    hr_bus_joiner_init(&bus->joiner);
    atomic_store(&bus->probe.wanted, 1);
}

enum hr_err hr_bus_nats_open(const struct hr_bus_nats_options *options, struct hr_bus **ret_bus,
                             struct hr_diag *diag)
{
    struct hr_bus_nats *bus = hr_alloc(sizeof *bus);
    if (!bus) {
        return hr_diag_set(diag, HR_NO_MEMORY, "nats: out of memory");
    }
    init_bus(bus, options);
    enum hr_err err =
        hr_bus_nats_options_make(options, &bus->options, &bus->probe.options, &bus->tls, diag);
    if (err) {
        goto free_bus;
    }
    err = init_locks(bus, diag);
    if (err) {
        goto destroy_options;
    }
    err = hr_bus_nats_link_start(bus, diag);
    if (err) {
        goto destroy_locks;
    }
    *ret_bus = &bus->base;
    return HR_OK;

destroy_locks:
    destroy_locks(bus);
destroy_options:
    natsOptions_Destroy(bus->options);
    natsOptions_Destroy(bus->probe.options);
free_bus:
    hr_free(bus);
    return hr_diag_prefix(diag, err, "nats");
}

static void close_bus(struct hr_bus *base)
{
    struct hr_bus_nats *bus = (struct hr_bus_nats *)base;
    HR_ASSERT(hr_list_empty(&bus->ports));
    hr_bus_nats_link_stop(bus);
    hr_bus_nats_feeds_finish(bus);
    hr_bus_nats_probe_close(bus);
    natsOptions_Destroy(bus->options);
    hr_bus_joiner_release(&bus->joiner);
    close(bus->wake_fd);
    destroy_locks(bus);
    hr_free(bus);
}

static void on_port_task(void *arg);

static enum hr_err open_port(struct hr_bus *base, struct hr_loop *loop,
                             struct hr_bus_port **ret_port, struct hr_diag *diag)
{
    struct hr_bus_nats *bus = (struct hr_bus_nats *)base;
    struct hr_bus_nats_port *port = hr_alloc(sizeof *port);
    if (!port) {
        return hr_diag_set(diag, HR_NO_MEMORY, "nats: port: out of memory");
    }
    port->base.bus = base;
    port->base.loop = loop;
    hr_list_init(&port->subs);
    hr_list_init(&port->in_bus);
    port->drops_seen = atomic_load(&bus->drops);
    hr_task_init(&port->flush, hr_bus_nats_port_flush, port);
    struct hr_bus_sub_options options = {
        .subject = {port->replies.inbox_pattern, sizeof port->replies.inbox_pattern}};
    enum hr_err err = hr_bus_replies_init(&port->replies, &port->base, &bus->counters, diag);
    if (err) {
        goto free_port;
    }
    err = hr_bus_mailbox_init(&port->mailbox, loop, &bus->counters, on_port_task, port, diag);
    if (err) {
        goto free_port;
    }
    err = hr_bus_nats_sub_open(port, &options, hr_bus_replies_on_reply, &port->replies, true,
                               &port->inbox);
    if (err) {
        hr_diag_set(diag, err, "inbox: %s", hr_err_text(err));
        goto release_mailbox;
    }
    uv_rwlock_wrlock(&bus->lock);
    hr_list_push_back(&bus->ports, &port->in_bus);
    uv_rwlock_wrunlock(&bus->lock);
    *ret_port = &port->base;
    return HR_OK;

release_mailbox:
    hr_bus_mailbox_release(&port->mailbox);
free_port:
    hr_free(port);
    return hr_diag_prefix(diag, err, "nats");
}

static void close_port(struct hr_bus_port *base, hr_bus_closed_cb cb, void *arg)
{
    struct hr_bus_nats_port *port = (struct hr_bus_nats_port *)base;
    struct hr_bus_nats *bus = hr_bus_nats_of(base);
    HR_ASSERT(!port->closing);
    port->closing = true;
    hr_loop_unpost(&port->flush);
    hr_bus_nats_port_flush(port);
    port->closed_cb = cb;
    port->closed_arg = arg;
    while (!hr_list_empty(&port->subs)) {
        hr_bus_nats_sub_close(HR_LIST_OWNER(port->subs.next, struct hr_bus_nats_sub, in_port));
    }
    uv_rwlock_wrlock(&bus->lock);
    hr_list_remove(&port->in_bus); /* from here on only the loop's own thread wakes it */
    uv_rwlock_wrunlock(&bus->lock);
    hr_bus_mailbox_wake(&port->mailbox);
}

/* The port's last act: nobody can reach it any more but its own loop. */
static void finish_close(struct hr_bus_nats_port *port)
{
    hr_bus_replies_fail_all(&port->replies, HR_CANCELED);
    hr_bus_closed_cb cb = port->closed_cb;
    void *arg = port->closed_arg;
    hr_bus_mailbox_release(&port->mailbox);
    hr_free(port);
    if (cb) {
        cb(arg);
    }
}

/* Ends the requests of a connection that is gone, and tells the watcher. */
static void follow_link(struct hr_bus_nats_port *port)
{
    struct hr_bus_nats *bus = hr_bus_nats_of(&port->base);
    uint64_t drops = atomic_load(&bus->drops);
    if (drops != port->drops_seen) {
        port->drops_seen = drops;
        hr_bus_replies_fail_all(&port->replies, HR_CLOSED);
        if (port->told_connected && !port->closing) {
            port->told_connected = false;
            if (port->event_cb) {
                port->event_cb(port->event_arg, false);
            }
        }
    }
    if (atomic_load(&bus->is_up) && !port->told_connected && !port->closing) {
        port->told_connected = true;
        if (port->event_cb) {
            port->event_cb(port->event_arg, true);
        }
    }
}

static void on_port_task(void *arg)
{
    struct hr_bus_nats_port *port = arg;
    hr_bus_mailbox_begin(&port->mailbox);
    if (port->closing) {
        finish_close(port);
        return;
    }
    follow_link(port);
    hr_bus_mailbox_run(&port->mailbox);
}

static enum hr_err subscribe(struct hr_bus_port *base, const struct hr_bus_sub_options *options,
                             hr_bus_msg_cb cb, void *arg, struct hr_bus_sub **ret_sub)
{
    struct hr_bus_nats_port *port = (struct hr_bus_nats_port *)base;
    struct hr_bus_nats_sub *sub;
    if (port->closing) {
        return HR_CLOSED;
    }
    enum hr_err err = hr_bus_nats_sub_open(port, options, cb, arg, false, &sub);
    if (!err) {
        *ret_sub = &sub->base;
    }
    return err;
}

static void unsubscribe(struct hr_bus_sub *sub)
{
    hr_bus_nats_sub_close((struct hr_bus_nats_sub *)sub);
}

static enum hr_err publish(struct hr_bus_port *base, const struct hr_bus_msg *msg)
{
    struct hr_bus_nats_port *port = (struct hr_bus_nats_port *)base;
    if (port->closing) {
        return HR_CLOSED;
    }
    bool is_reply = hr_str_starts(msg->subject, HR_STR("_INBOX."));
    return hr_bus_nats_send(port, msg, msg->reply_to, is_reply);
}

static enum hr_err open_request(struct hr_bus_port *base, const struct hr_bus_msg *msg,
                                const struct hr_bus_wish *wish, uint32_t timeout_ms,
                                struct hr_bus_request **ret_request)
{
    struct hr_bus_nats_port *port = (struct hr_bus_nats_port *)base;
    struct hr_bus_nats *bus = hr_bus_nats_of(base);
    struct hr_bus_inbox inbox;
    struct hr_bus_request *request;
    /* What this port asked of the connection before has to end before it asks the next. */
    if (port->closing || atomic_load(&bus->drops) != port->drops_seen) {
        return HR_CLOSED;
    }
    enum hr_err err = hr_bus_replies_new(&port->replies, wish, &request);
    if (err) {
        return err;
    }
    hr_bus_replies_inbox(request, &inbox);
    err = hr_bus_nats_send(port, msg, hr_str_of(inbox.text, inbox.len), true);
    if (err) {
        hr_bus_replies_drop(request);
        return err;
    }
    hr_bus_replies_start(request, timeout_ms, HR_OK);
    if (ret_request) {
        *ret_request = request;
    }
    return HR_OK;
}

static enum hr_err request_one(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                               uint32_t timeout_ms, hr_bus_reply_cb cb, void *arg,
                               struct hr_bus_request **ret_request)
{
    struct hr_bus_wish wish = {.reply_cb = cb, .arg = arg};
    return open_request(port, msg, &wish, timeout_ms, ret_request);
}

static enum hr_err gather(struct hr_bus_port *port, const struct hr_bus_msg *msg, uint32_t want,
                          uint32_t timeout_ms, hr_bus_gather_cb cb, void *arg,
                          struct hr_bus_request **ret_request)
{
    struct hr_bus_wish wish = {.gather_cb = cb, .arg = arg, .want = want};
    return open_request(port, msg, &wish, timeout_ms, ret_request);
}

static bool has_interest(struct hr_bus *base, struct hr_str subject)
{
    struct hr_bus_nats *bus = (struct hr_bus_nats *)base;
    struct hr_bus_index_walk walk;
    uv_rwlock_rdlock(&bus->lock);
    hr_bus_index_walk_init(&walk, &bus->index, subject);
    bool found = hr_bus_index_walk_next(&walk) != NULL;
    uv_rwlock_rdunlock(&bus->lock);
    return found;
}

static void stats(struct hr_bus *base, struct hr_bus_stats *ret_stats)
{
    struct hr_bus_nats *bus = (struct hr_bus_nats *)base;
    hr_bus_counters_read(&bus->counters, ret_stats);
    ret_stats->dropped += hr_bus_nats_sub_dropped_now(bus);
}

static struct hr_bus_nats *checked(struct hr_bus *bus)
{
    HR_ASSERT(bus->ops == &ops);
    return (struct hr_bus_nats *)bus;
}

void hr_bus_nats_state(struct hr_bus *base, struct hr_bus_nats_state *ret_state)
{
    struct hr_bus_nats *bus = checked(base);
    uv_mutex_lock(&bus->state_lock);
    *ret_state = bus->state;
    uv_mutex_unlock(&bus->state_lock);
    ret_state->live = hr_bus_nats_probe_is_live(bus);
    ret_state->in_bytes = atomic_load(&bus->in_bytes);
    ret_state->out_bytes = atomic_load(&bus->out_bytes_total);
    ret_state->round_trip_ns = atomic_load(&bus->probe.round_trip_ns);
    uv_mutex_lock(&bus->join_lock);
    ret_state->joins_dropped = bus->joiner.dropped;
    uv_mutex_unlock(&bus->join_lock);
}

bool hr_bus_nats_live(struct hr_bus *bus)
{
    return hr_bus_nats_probe_is_live(checked(bus));
}

void hr_bus_nats_watch(struct hr_bus_port *base, hr_bus_nats_event_cb cb, void *arg)
{
    struct hr_bus_nats_port *port = (struct hr_bus_nats_port *)base;
    HR_ASSERT(base->bus->ops == &ops);
    port->event_cb = cb;
    port->event_arg = arg;
    port->told_connected = false; /* a new watcher is told the present state too */
    hr_bus_mailbox_wake(&port->mailbox);
}

static const struct hr_bus_ops ops = {
    .name = "nats",
    .port_open = open_port,
    .port_close = close_port,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .publish = publish,
    .request = request_one,
    .gather = gather,
    .cancel = hr_bus_replies_drop,
    .has_interest = has_interest,
    .stats = stats,
    .close = close_bus,
};
