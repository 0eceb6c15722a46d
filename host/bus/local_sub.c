/* Subscriptions of the in-process bus: into the index and out of it again. Loop thread of the
 * subscription's port; publishers on other threads see a subscription only through the index. */
#include "base/alloc.h"
#include "host/bus/local.h"

static struct hr_bus_local_sub *new_sub(const struct hr_bus_sub_options *options)
{
    size_t text_bytes = options->subject.len + options->queue.len;
    struct hr_bus_local_sub *sub = hr_alloc(sizeof *sub + text_bytes);
    if (!sub) {
        return NULL;
    }
    memcpy(sub->text, options->subject.ptr, options->subject.len);
    if (options->queue.len > 0) {
        memcpy(sub->text + options->subject.len, options->queue.ptr, options->queue.len);
        sub->queue = hr_str_of(sub->text + options->subject.len, options->queue.len);
    }
    hr_list_init(&sub->entry.node);
    hr_list_init(&sub->in_port);
    return sub;
}

/* Under the bus' lock, so that the count and the index agree. Who does not want what this process
 * publishes gets nothing here, and is in no index. */
static enum hr_err enter(struct hr_bus_local *bus, struct hr_bus_local_sub *sub, size_t pattern_len,
                         bool no_echo)
{
    uint64_t count = hr_bus_count_of(&bus->counters.subscriptions);
    if (!sub->internal && count >= HR_BUS_SUBSCRIPTIONS_MAX) {
        return HR_BUSY;
    }
    if (!sub->internal) {
        atomic_store_explicit(&bus->counters.subscriptions, count + 1, memory_order_relaxed);
    }
    sub->id = bus->next_sub_id++;
    if (!no_echo) {
        hr_bus_index_add(&bus->index, &sub->entry, hr_str_of(sub->text, pattern_len));
    }
    return HR_OK;
}

enum hr_err hr_bus_local_sub_open(struct hr_bus_local_port *port,
                                  const struct hr_bus_sub_options *options, hr_bus_msg_cb cb,
                                  void *arg, bool internal, struct hr_bus_local_sub **ret_sub)
{
    struct hr_bus_local *bus = hr_bus_local_of(&port->base);
    struct hr_bus_local_sub *sub = new_sub(options);
    if (!sub) {
        return HR_NO_MEMORY;
    }
    sub->base.port = &port->base;
    hr_bus_sink_init(&sub->sink, &port->mailbox, options, cb, arg);
    sub->internal = internal;
    uv_rwlock_wrlock(&bus->lock);
    enum hr_err err = enter(bus, sub, options->subject.len, options->no_echo);
    uv_rwlock_wrunlock(&bus->lock);
    if (err) {
        hr_free(sub);
        return err;
    }
    hr_list_push_back(&port->subs, &sub->in_port);
    *ret_sub = sub;
    return HR_OK;
}

void hr_bus_local_sub_close(struct hr_bus_local_sub *sub)
{
    struct hr_bus_local_port *port = (struct hr_bus_local_port *)sub->base.port;
    struct hr_bus_local *bus = hr_bus_local_of(&port->base);
    uv_rwlock_wrlock(&bus->lock);
    hr_bus_index_remove(&sub->entry);
    if (!sub->internal) {
        atomic_fetch_sub_explicit(&bus->counters.subscriptions, 1, memory_order_relaxed);
    }
    uv_rwlock_wrunlock(&bus->lock);
    hr_list_remove(&sub->in_port);

    struct hr_list orphans;
    struct hr_list *node;
    hr_list_init(&orphans);
    hr_bus_sink_empty(&sub->sink, &orphans);
    while ((node = hr_list_pop_front(&orphans))) {
        struct hr_bus_delivery *delivery = HR_LIST_OWNER(node, struct hr_bus_delivery, in_mailbox);
        if (sub->queue.len > 0) {
            hr_bus_local_reroute(port, delivery, sub->queue);
        } else {
            hr_bus_delivery_free(delivery);
        }
    }
    hr_free(sub);
}
