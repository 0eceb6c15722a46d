/* The bus inside one process: opening, closing, and each port's task, which runs the callbacks.
 *
 * A port has one queue and one task. Whoever puts something into the queue posts the task if it is
 * not posted; from the port's own loop that takes no wake-up, from another it takes one for many
 * messages. The task runs a bounded number of callbacks and posts itself again for the rest. A
 * callback may unsubscribe, cancel, publish or close the port: nothing of a delivery but the message
 * is touched after it.
 */
#include "host/bus_local.h"

#include "base/alloc.h"
#include "base/assert.h"

#define UNIQUE_BYTES 16u

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

/* Writes "_INBOX.<unique>.*". The random part keeps the inboxes of all hosts of a lattice apart, and
 * makes them hard to guess for an actor that may publish to `_INBOX.>`. */
static int make_inbox_pattern(char *ret_pattern)
{
    unsigned char unique[UNIQUE_BYTES];
    int rc = uv_random(NULL, NULL, unique, sizeof unique, 0, NULL);
    if (rc < 0) {
        return rc;
    }
    static const char digits[] = "0123456789abcdef";
    char *at = ret_pattern;
    memcpy(at, "_INBOX.", 7);
    at += 7;
    for (size_t i = 0; i < sizeof unique; i++) {
        *at++ = digits[unique[i] >> 4];
        *at++ = digits[unique[i] & 15];
    }
    *at++ = '.';
    *at++ = '*';
    HR_ASSERT(at == ret_pattern + HR_BUS_LOCAL_INBOX_PATTERN_BYTES);
    return 0;
}

static void on_port_task(void *arg);

static void init_port(struct hr_bus_local_port *port, struct hr_bus *bus, struct hr_loop *loop)
{
    port->base.bus = bus;
    port->base.loop = loop;
    hr_task_init(&port->task, on_port_task, port);
    hr_list_init(&port->incoming);
    hr_list_init(&port->subs);
    hr_list_init(&port->requests);
    hr_list_init(&port->settled);
    for (uint32_t i = 0; i < HR_BUS_LOCAL_SLOTS; i++) {
        hr_list_init(&port->slots[i]);
    }
}

static enum hr_err open_port(struct hr_bus *base, struct hr_loop *loop,
                             struct hr_bus_port **ret_port, struct hr_diag *diag)
{
    struct hr_bus_local_port *port = hr_alloc(sizeof *port);
    if (!port) {
        return hr_diag_set(diag, HR_NO_MEMORY, "local bus: port: out of memory");
    }
    enum hr_err err = HR_OK;
    init_port(port, base, loop);
    int rc = make_inbox_pattern(port->inbox_pattern);
    if (rc < 0) {
        err = hr_diag_set(diag, HR_IO, "local bus: random bytes: %s", uv_strerror(rc));
        goto free_port;
    }
    rc = uv_mutex_init(&port->lock);
    if (rc < 0) {
        err = hr_diag_set(diag, HR_IO, "local bus: port's lock: %s", uv_strerror(rc));
        goto free_port;
    }
    struct hr_bus_sub_options options = {
        .subject = hr_str_of(port->inbox_pattern, sizeof port->inbox_pattern)};
    err = hr_bus_local_sub_open(port, &options, hr_bus_local_on_reply, port, true, &port->inbox);
    if (err) {
        hr_diag_set(diag, err, "local bus: inbox: %s", hr_err_text(err));
        goto destroy_lock;
    }
    atomic_fetch_add(&((struct hr_bus_local *)base)->ports, 1);
    *ret_port = &port->base;
    return HR_OK;

destroy_lock:
    uv_mutex_destroy(&port->lock);
free_port:
    hr_free(port);
    return err;
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
    hr_bus_local_wake(port);
}

/* The port's last act: nobody can reach it any more but its own loop. */
static void finish_close(struct hr_bus_local_port *port)
{
    struct hr_bus_local *bus = hr_bus_local_of(&port->base);
    hr_bus_local_cancel_all(port);
    hr_bus_closed_cb cb = port->closed_cb;
    void *arg = port->closed_arg;
    HR_ASSERT(hr_list_empty(&port->incoming));
    uv_mutex_destroy(&port->lock);
    hr_free(port);
    atomic_fetch_sub(&bus->ports, 1);
    if (cb) {
        cb(arg);
    }
}

void hr_bus_local_wake_locked(struct hr_bus_local_port *port)
{
    if (!port->scheduled) {
        port->scheduled = true;
        hr_loop_post(port->base.loop, &port->task);
    }
}

void hr_bus_local_wake(struct hr_bus_local_port *port)
{
    uv_mutex_lock(&port->lock);
    hr_bus_local_wake_locked(port);
    uv_mutex_unlock(&port->lock);
}

static struct hr_bus_local_delivery *take_first(struct hr_bus_local_port *port)
{
    struct hr_bus_local_delivery *first = NULL;
    uv_mutex_lock(&port->lock);
    if (!hr_list_empty(&port->incoming)) {
        first = HR_LIST_OWNER(port->incoming.next, struct hr_bus_local_delivery, in_port);
        hr_bus_local_unqueue(first);
    }
    uv_mutex_unlock(&port->lock);
    return first;
}

static void on_port_task(void *arg)
{
    struct hr_bus_local_port *port = arg;
    uv_mutex_lock(&port->lock);
    port->scheduled = false;
    uv_mutex_unlock(&port->lock);
    if (port->closing) {
        finish_close(port);
        return;
    }
    hr_bus_local_settle(port);
    struct hr_bus_local *bus = hr_bus_local_of(&port->base);
    for (uint32_t i = 0; i < HR_BUS_LOCAL_ROUND_MAX; i++) {
        struct hr_bus_local_delivery *delivery = take_first(port);
        if (!delivery) {
            return;
        }
        atomic_fetch_add_explicit(&bus->delivered, 1, memory_order_relaxed);
        delivery->sub->cb(delivery->sub->arg, &delivery->message->view);
        hr_bus_local_delivery_free(delivery);
    }
    hr_bus_local_wake(port);
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

static uint64_t count_of(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void stats(struct hr_bus *base, struct hr_bus_stats *ret_stats)
{
    struct hr_bus_local *bus = (struct hr_bus_local *)base;
    *ret_stats = (struct hr_bus_stats){
        .published = count_of(&bus->published),
        .delivered = count_of(&bus->delivered),
        .dropped = count_of(&bus->dropped),
        .requests = count_of(&bus->requests),
        .timeouts = count_of(&bus->timeouts),
        .no_responders = count_of(&bus->no_responders),
        .subscriptions = count_of(&bus->subscriptions),
        .pending = count_of(&bus->pending),
    };
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
    .cancel = hr_bus_local_cancel,
    .has_interest = has_interest,
    .stats = stats,
    .close = close_bus,
};
