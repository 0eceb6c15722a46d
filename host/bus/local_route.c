/* Routing in the in-process bus: who gets a message, and putting it into their queues.
 *
 * First all deliveries are made (memory may run out: then nobody gets the message), then all are
 * queued. Of a queue group one member is chosen: one that has room before one that has not, one on
 * the publisher's loop before another, then the one that was served longest ago, then the oldest.
 * "Longest ago" makes equal members take turns without a list of the group anywhere; while several
 * threads publish at once it is as exact as their clocks would be. The cost of a publish grows with
 * the product of the matching subscriptions and the matching groups.
 */
#include "host/bus/local.h"

/* Whether @a should rather have the message than @b, of the same group. */
static bool is_better(const struct hr_bus_local_port *port, const struct hr_bus_message *message,
                      struct hr_bus_local_sub *a, struct hr_bus_local_sub *b)
{
    bool a_room = hr_bus_sink_has_room(&a->sink, message);
    bool b_room = hr_bus_sink_has_room(&b->sink, message);
    if (a_room != b_room) {
        return a_room;
    }
    bool a_near = a->base.port->loop == port->base.loop;
    bool b_near = b->base.port->loop == port->base.loop;
    if (a_near != b_near) {
        return a_near;
    }
    uint64_t a_served = atomic_load_explicit(&a->served, memory_order_relaxed);
    uint64_t b_served = atomic_load_explicit(&b->served, memory_order_relaxed);
    if (a_served != b_served) {
        return a_served < b_served;
    }
    return a->id < b->id;
}

/* The delivery for the group @queue among those chosen so far, or NULL. */
static struct hr_bus_delivery *find_group(const struct hr_list *chosen, struct hr_str queue)
{
    for (const struct hr_list *node = chosen->next; node != chosen; node = node->next) {
        struct hr_bus_delivery *delivery = HR_LIST_OWNER(node, struct hr_bus_delivery, in_mailbox);
        if (hr_str_eq(hr_bus_local_sub_of(delivery)->queue, queue)) {
            return delivery;
        }
    }
    return NULL;
}

static void free_all(struct hr_list *deliveries)
{
    struct hr_list *node;
    while ((node = hr_list_pop_front(deliveries))) {
        hr_bus_delivery_free(HR_LIST_OWNER(node, struct hr_bus_delivery, in_mailbox));
    }
}

/* Makes a delivery for each who should have @message. Under the bus' lock. */
static enum hr_err choose(struct hr_bus_local_port *port, struct hr_bus_message *message,
                          struct hr_list *ret_chosen)
{
    struct hr_bus_index_walk walk;
    struct hr_bus_index_entry *entry;
    hr_bus_index_walk_init(&walk, &hr_bus_local_of(&port->base)->index, message->view.subject);
    while ((entry = hr_bus_index_walk_next(&walk))) {
        struct hr_bus_local_sub *sub = HR_LIST_OWNER(entry, struct hr_bus_local_sub, entry);
        struct hr_bus_delivery *same =
            sub->queue.len > 0 ? find_group(ret_chosen, sub->queue) : NULL;
        if (same) {
            if (is_better(port, message, sub, hr_bus_local_sub_of(same))) {
                same->sink = &sub->sink;
            }
            continue;
        }
        struct hr_bus_delivery *delivery = hr_bus_delivery_new(&sub->sink, message);
        if (!delivery) {
            free_all(ret_chosen);
            return HR_NO_MEMORY;
        }
        hr_list_push_back(ret_chosen, &delivery->in_mailbox);
    }
    return HR_OK;
}

/* Queues @delivery for its subscription and takes it, or frees it when there is no room. Under the
 * bus' lock. */
static bool enqueue(struct hr_bus_local *bus, struct hr_bus_delivery *delivery)
{
    struct hr_bus_local_sub *sub = hr_bus_local_sub_of(delivery);
    if (sub->queue.len > 0) {
        uint64_t turn = atomic_fetch_add_explicit(&bus->turn, 1, memory_order_relaxed);
        atomic_store_explicit(&sub->served, turn + 1, memory_order_relaxed);
    }
    bool room = hr_bus_mailbox_put(delivery);
    if (!room) {
        hr_bus_count(&bus->counters.dropped);
        hr_bus_delivery_free(delivery);
    }
    return room;
}

enum hr_err hr_bus_local_route(struct hr_bus_local_port *port, struct hr_bus_message *message,
                               struct hr_bus_local_outcome *ret_outcome)
{
    struct hr_bus_local *bus = hr_bus_local_of(&port->base);
    struct hr_bus_local_outcome outcome = {0};
    struct hr_list chosen;
    struct hr_list *node;
    hr_list_init(&chosen);
    uv_rwlock_rdlock(&bus->lock);
    enum hr_err err = choose(port, message, &chosen);
    while ((node = hr_list_pop_front(&chosen))) {
        struct hr_bus_delivery *delivery = HR_LIST_OWNER(node, struct hr_bus_delivery, in_mailbox);
        outcome.matched++;
        outcome.accepted += enqueue(bus, delivery);
    }
    uv_rwlock_rdunlock(&bus->lock);
    if (err) {
        return err;
    }
    hr_bus_count(&bus->counters.published);
    *ret_outcome = outcome;
    return HR_OK;
}

void hr_bus_local_reroute(struct hr_bus_local_port *port, struct hr_bus_delivery *delivery,
                          struct hr_str queue)
{
    struct hr_bus_local *bus = hr_bus_local_of(&port->base);
    struct hr_bus_local_sub *best = NULL;
    struct hr_bus_index_walk walk;
    struct hr_bus_index_entry *entry;
    uv_rwlock_rdlock(&bus->lock);
    hr_bus_index_walk_init(&walk, &bus->index, delivery->message->view.subject);
    while ((entry = hr_bus_index_walk_next(&walk))) {
        struct hr_bus_local_sub *sub = HR_LIST_OWNER(entry, struct hr_bus_local_sub, entry);
        if (hr_str_eq(sub->queue, queue) &&
            (!best || is_better(port, delivery->message, sub, best))) {
            best = sub;
        }
    }
    if (best) {
        delivery->sink = &best->sink;
        HR_IGNORE(enqueue(bus, delivery)); /* a full queue is counted there */
    } else {
        hr_bus_delivery_free(delivery);
    }
    uv_rwlock_rdunlock(&bus->lock);
}
