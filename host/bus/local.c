/* The bus inside one process: opening, closing, and each port's task, which runs the callbacks.
 *
 * A callback may unsubscribe, cancel, publish or close the port.
 */
#include "host/bus/local.h"

#include "base/alloc.h"
#include "base/assert.h"

static const struct hr_bus_ops ops;

enum hr_err hr_bus_local_open(struct hr_bus **ret_bus, struct hr_diag *diag)
{
    struct hr_bus_local *bus = hr_alloc(sizeof *bus);
    if (!bus) {
        return hr_diag_set(diag, HR_NO_MEMORY, "local bus: out of memory");
    }
    int rc = uv_rwlock_init(&bus->lock);
    if (rc < 0) {
        hr_free(bus);
        return hr_diag_set(diag, HR_IO, "local bus: lock: %s", uv_strerror(rc));
    }
    bus->base.ops = &ops;
    hr_bus_index_init(&bus->index);
    *ret_bus = &bus->base;
    return HR_OK;
}

static void close_bus(struct hr_bus *base)
{
    struct hr_bus_local *bus = (struct hr_bus_local *)base;
    HR_ASSERT(atomic_load(&bus->ports) == 0);
    uv_rwlock_destroy(&bus->lock);
    hr_free(bus);
}

static void on_port_task(void *arg);

static enum hr_err open_port(struct hr_bus *base, struct hr_loop *loop,
                             struct hr_bus_port **ret_port, struct hr_diag *diag)
{
    struct hr_bus_local *bus = (struct hr_bus_local *)base;
    struct hr_bus_local_port *port = hr_alloc(sizeof *port);
    if (!port) {
        return hr_diag_set(diag, HR_NO_MEMORY, "local bus: port: out of memory");
    }
    port->base.bus = base;
    port->base.loop = loop;
    hr_list_init(&port->subs);
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
    err = hr_bus_local_sub_open(port, &options, hr_bus_replies_on_reply, &port->replies, true,
                                &port->inbox);
    if (err) {
        hr_diag_set(diag, err, "inbox: %s", hr_err_text(err));
        goto release_mailbox;
    }
    atomic_fetch_add(&bus->ports, 1);
    *ret_port = &port->base;
    return HR_OK;

release_mailbox:
    hr_bus_mailbox_release(&port->mailbox);
free_port:
    hr_free(port);
    return hr_diag_prefix(diag, err, "local bus");
}

static void close_port(struct hr_bus_port *base, hr_bus_closed_cb cb, void *arg)
{
    struct hr_bus_local_port *port = (struct hr_bus_local_port *)base;
    HR_ASSERT(!port->closing);
    port->closing = true;
    port->closed_cb = cb;
    port->closed_arg = arg;
    while (!hr_list_empty(&port->subs)) {
        hr_bus_local_sub_close(HR_LIST_OWNER(port->subs.next, struct hr_bus_local_sub, in_port));
    }
    hr_bus_mailbox_wake(&port->mailbox);
}

/* The port's last act: nobody can reach it any more but its own loop. */
static void finish_close(struct hr_bus_local_port *port)
{
    struct hr_bus_local *bus = hr_bus_local_of(&port->base);
    hr_bus_replies_fail_all(&port->replies, HR_CANCELED);
    hr_bus_closed_cb cb = port->closed_cb;
    void *arg = port->closed_arg;
    hr_bus_mailbox_release(&port->mailbox);
    hr_free(port);
    atomic_fetch_sub(&bus->ports, 1);
    if (cb) {
        cb(arg);
    }
}

static void on_port_task(void *arg)
{
    struct hr_bus_local_port *port = arg;
    hr_bus_mailbox_begin(&port->mailbox);
    if (port->closing) {
        finish_close(port);
        return;
    }
    hr_bus_replies_settle(&port->replies);
    hr_bus_mailbox_run(&port->mailbox);
}

static enum hr_err subscribe(struct hr_bus_port *base, const struct hr_bus_sub_options *options,
                             hr_bus_msg_cb cb, void *arg, struct hr_bus_sub **ret_sub)
{
    struct hr_bus_local_port *port = (struct hr_bus_local_port *)base;
    struct hr_bus_local_sub *sub;
    if (port->closing) {
        return HR_CLOSED;
    }
    enum hr_err err = hr_bus_local_sub_open(port, options, cb, arg, false, &sub);
    if (!err) {
        *ret_sub = &sub->base;
    }
    return err;
}

static void unsubscribe(struct hr_bus_sub *sub)
{
    hr_bus_local_sub_close((struct hr_bus_local_sub *)sub);
}

static enum hr_err publish(struct hr_bus_port *base, const struct hr_bus_msg *msg)
{
    struct hr_bus_local_port *port = (struct hr_bus_local_port *)base;
    if (port->closing) {
        return HR_CLOSED;
    }
    struct hr_bus_message *message = hr_bus_message_new(msg, msg->reply_to);
    if (!message) {
        return HR_NO_MEMORY;
    }
    struct hr_bus_local_outcome outcome;
    enum hr_err err = hr_bus_local_route(port, message, &outcome);
    hr_bus_message_unref(message);
    return err;
}

static bool has_interest(struct hr_bus *base, struct hr_str subject)
{
    struct hr_bus_local *bus = (struct hr_bus_local *)base;
    struct hr_bus_index_walk walk;
    uv_rwlock_rdlock(&bus->lock);
    hr_bus_index_walk_init(&walk, &bus->index, subject);
    bool found = hr_bus_index_walk_next(&walk) != NULL;
    uv_rwlock_rdunlock(&bus->lock);
    return found;
}

static void stats(struct hr_bus *base, struct hr_bus_stats *ret_stats)
{
    hr_bus_counters_read(&((struct hr_bus_local *)base)->counters, ret_stats);
}

static const struct hr_bus_ops ops = {
    .name = "local",
    .port_open = open_port,
    .port_close = close_port,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .publish = publish,
    .request = hr_bus_local_request,
    .gather = hr_bus_local_gather,
    .cancel = hr_bus_replies_drop,
    .has_interest = has_interest,
    .stats = stats,
    .close = close_bus,
};
