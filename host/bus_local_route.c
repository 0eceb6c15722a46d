/* Routing in the in-process bus: who gets a message, and putting it into their queues.
 *
 * First all deliveries are made (memory may run out: then nobody gets the message), then all are
 * queued. Of a queue group one member is chosen: one that has room before one that has not, one on
 * the publisher's loop before another, then the one that was served longest ago, then the oldest.
 * "Longest ago" makes equal members take turns without a list of the group anywhere; while several
 * threads publish at once it is as exact as their clocks would be. The cost of a publish grows with
 * the product of the matching subscriptions and the matching groups.
 */
#include "base/alloc.h"
#include "host/bus_local.h"

static struct hr_bus_local_delivery *new_delivery(struct hr_bus_local_sub *sub,
                                                  struct hr_bus_message *message)
{
    struct hr_bus_local_delivery *delivery = hr_alloc(sizeof *delivery);
    if (delivery) {
        hr_bus_message_ref(message);
        delivery->message = message;
        delivery->sub = sub;
        hr_list_init(&delivery->in_port);
        hr_list_init(&delivery->in_sub);
    }
    return delivery;
}

void hr_bus_local_delivery_free(struct hr_bus_local_delivery *delivery)
{
    hr_bus_message_unref(delivery->message);
    hr_free(delivery);
}

void hr_bus_local_unqueue(struct hr_bus_local_delivery *delivery)
{
    struct hr_bus_local_sub *sub = delivery->sub;
    struct hr_bus_local *bus = hr_bus_local_of(sub->base.port);
    hr_list_remove(&delivery->in_port);
    hr_list_remove(&delivery->in_sub);
    atomic_fetch_sub_explicit(&sub->messages, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&sub->bytes, delivery->message->bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&bus->pending, 1, memory_order_relaxed);
}

static bool has_room(struct hr_bus_local_sub *sub, const struct hr_bus_message *message)
{
    uint32_t messages = atomic_load_explicit(&sub->messages, memory_order_relaxed);
    size_t bytes = atomic_load_explicit(&sub->bytes, memory_order_relaxed);
    return messages < sub->messages_max && bytes <= sub->bytes_max &&
           message->bytes <= sub->bytes_max - bytes;
}

/* Whether @a should rather have the message than @b, of the same group. */
static bool is_better(const struct hr_bus_local_port *port, const struct hr_bus_message *message,
                      struct hr_bus_local_sub *a, struct hr_bus_local_sub *b)
{
    bool a_room = has_room(a, message);
    bool b_room = has_room(b, message);
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
static struct hr_bus_local_delivery *find_group(const struct hr_list *chosen, struct hr_str queue)
{
    for (const struct hr_list *node = chosen->next; node != chosen; node = node->next) {
        struct hr_bus_local_delivery *delivery =
            HR_LIST_OWNER(node, struct hr_bus_local_delivery, in_port);
        if (hr_str_eq(delivery->sub->queue, queue)) {
            return delivery;
        }
    }
    return NULL;
}

static void free_all(struct hr_list *deliveries)
{
    struct hr_list *node;
    while ((node = hr_list_pop_front(deliveries))) {
        hr_bus_local_delivery_free(HR_LIST_OWNER(node, struct hr_bus_local_delivery, in_port));
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
        struct hr_bus_local_delivery *same =
            sub->queue.len > 0 ? find_group(ret_chosen, sub->queue) : NULL;
        if (same) {
            if (is_better(port, message, sub, same->sub)) {
                same->sub = sub;
            }
            continue;
        }
        struct hr_bus_local_delivery *delivery = new_delivery(sub, message);
        if (!delivery) {
            free_all(ret_chosen);
            return HR_NO_MEMORY;
        }
        hr_list_push_back(ret_chosen, &delivery->in_port);
    }
    return HR_OK;
}

/* Queues @delivery for its subscription and takes it, or frees it when there is no room. Under the
 * bus' lock. */
static bool enqueue(struct hr_bus_local *bus, struct hr_bus_local_delivery *delivery)
{
    struct hr_bus_local_sub *sub = delivery->sub;
    struct hr_bus_local_port *port = (struct hr_bus_local_port *)sub->base.port;
    if (sub->queue.len > 0) {
        uint64_t turn = atomic_fetch_add_explicit(&bus->turn, 1, memory_order_relaxed);
        atomic_store_explicit(&sub->served, turn + 1, memory_order_relaxed);
    }
    uv_mutex_lock(&port->lock);
    bool room = has_room(sub, delivery->message);
    if (room) {
        hr_list_push_back(&port->incoming, &delivery->in_port);
        hr_list_push_back(&sub->queued, &delivery->in_sub);
        atomic_fetch_add_explicit(&sub->messages, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&sub->bytes, delivery->message->bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&bus->pending, 1, memory_order_relaxed);
        hr_bus_local_wake_locked(port);
    }
    uv_mutex_unlock(&port->lock);
    if (!room) {
        atomic_fetch_add_explicit(&bus->dropped, 1, memory_order_relaxed);
        hr_bus_local_delivery_free(delivery);
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
        struct hr_bus_local_delivery *delivery =
            HR_LIST_OWNER(node, struct hr_bus_local_delivery, in_port);
        outcome.matched++;
        outcome.accepted += enqueue(bus, delivery);
    }
    uv_rwlock_rdunlock(&bus->lock);
    if (err) {
        return err;
    }
    atomic_fetch_add_explicit(&bus->published, 1, memory_order_relaxed);
    *ret_outcome = outcome;
    return HR_OK;
}

void hr_bus_local_reroute(struct hr_bus_local_port *port, struct hr_bus_local_delivery *delivery,
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
        delivery->sub = best;
        HR_IGNORE(enqueue(bus, delivery)); /* a full queue is counted there */
    } else {
        hr_bus_local_delivery_free(delivery);
    }
    uv_rwlock_rdunlock(&bus->lock);
}
