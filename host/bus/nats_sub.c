/* Subscriptions of the NATS bus, and what comes for them: nats.c's delivery thread copies each message
 * once and puts it into the port's mailbox.
 *
 * nats.c may still be calling back for a subscription that has ended. So it calls back with a feed, which
 * knows its subscription only as long as that is there, and which is freed when nats.c says that it is
 * done with it. */
#include "base/alloc.h"
#include "base/assert.h"
#include "host/bus/nats_headers.h"
#include "host/bus/nats_impl.h"

static struct hr_bus_nats_sub *new_sub(const struct hr_bus_sub_options *options)
{
    size_t subject = options->subject.len;
    size_t queue = options->queue.len;
    struct hr_bus_nats_sub *sub = hr_alloc(sizeof *sub + subject + 1 + queue + 1);
    if (!sub) {
        return NULL;
    }
    memcpy(sub->text, options->subject.ptr, subject);
    if (queue > 0) {
        memcpy(sub->text + subject + 1, options->queue.ptr, queue);
        sub->queue = sub->text + subject + 1;
    }
    hr_list_init(&sub->entry.node);
    hr_list_init(&sub->in_port);
    hr_list_init(&sub->in_bus);
    return sub;
}

/* nats.c keeps the block between the reply subject (or the subject) and the body, all in one piece of
 * memory. The probe checks that it does, with a message whose headers are known. */
bool hr_bus_nats_raw_headers(natsMsg *msg, struct hr_str *ret_block)
{
    const char *before = natsMsg_GetReply(msg);
    const char *data = natsMsg_GetData(msg);
    before = before ? before : natsMsg_GetSubject(msg);
    const char *begin = before + strlen(before) + 1;
    if (data == begin) {
        *ret_block = (struct hr_str){0};
        return true;
    }
    if (data < begin + 2 || data - begin > (ptrdiff_t)HR_BUS_LARGE_BYTES_MAX || data[-1] != '\0') {
        return false;
    }
    *ret_block = hr_str_of(begin, (size_t)(data - begin) - 1);
    return true;
}

/* Hands a whole message on. */
static void deliver(struct hr_bus_nats_sub *sub, struct hr_bus_message *message)
{
    struct hr_bus_counters *counters = &hr_bus_nats_of(sub->base.port)->counters;
    struct hr_bus_delivery *delivery = hr_bus_delivery_new(&sub->sink, message);
    if (!delivery || !hr_bus_mailbox_put(delivery)) {
        hr_bus_count(&counters->dropped);
        if (delivery) {
            hr_bus_delivery_free(delivery);
        }
    }
}

static struct hr_bus_message *join_piece(struct hr_bus_nats *bus, uint64_t owner,
                                         struct hr_str value, const struct hr_bus_msg *msg)
{
    struct hr_bus_piece piece;
    struct hr_bus_message *whole = NULL;
    if (!hr_bus_piece_parse(value, &piece)) {
        hr_bus_count(&bus->counters.dropped);
        return NULL;
    }
    uv_mutex_lock(&bus->join_lock);
    enum hr_bus_join_result result =
        hr_bus_joiner_add(&bus->joiner, owner, &piece, msg, hr_now_ns(), &whole);
    uv_mutex_unlock(&bus->join_lock);
    return result == HR_BUS_JOIN_WHOLE ? whole : NULL;
}

/* Reads what nats.c brings, and copies it. NULL when it is dropped, or more pieces have to come. */
static struct hr_bus_message *take_in(struct hr_bus_nats_sub *sub, natsMsg *from)
{
    struct hr_bus_nats *bus = hr_bus_nats_of(sub->base.port);
    struct hr_bus_nats_headers headers;
    struct hr_str block;
    headers.count = 0;
    headers.status = (struct hr_str){0};
    headers.piece = (struct hr_str){0};
    struct hr_bus_msg msg = {
        .subject = hr_str_c(natsMsg_GetSubject(from)),
        .reply_to = hr_str_c(natsMsg_GetReply(from)),
        .body = hr_str_of(natsMsg_GetData(from), (size_t)natsMsg_GetDataLength(from))};
    if (!hr_bus_nats_raw_headers(from, &block) ||
        (block.len > 0 && !hr_bus_nats_headers_parse(block, &headers)) ||
        msg.subject.len > HR_BUS_SUBJECT_BYTES_MAX || msg.reply_to.len > HR_BUS_SUBJECT_BYTES_MAX) {
        hr_bus_count(&bus->counters.dropped);
        return NULL;
    }
    atomic_fetch_add_explicit(&bus->in_bytes, block.len + msg.body.len, memory_order_relaxed);
    msg.headers = headers.items;
    msg.header_count = headers.count;
    bool no_responders = msg.body.len == 0 && hr_str_eq(headers.status, HR_STR("503"));
    if (no_responders && !sub->internal) {
        return NULL; /* the server's word on a reply subject that somebody made himself: no message */
    }
    if (headers.piece.len > 0) {
        return join_piece(bus, sub->id, headers.piece, &msg);
    }
    struct hr_bus_message *message = hr_bus_message_new(&msg, msg.reply_to);
    if (!message) {
        hr_bus_count(&bus->counters.dropped);
        return NULL;
    }
    message->no_responders = no_responders;
    return message;
}

static void on_message(natsConnection *nc, natsSubscription *nats, natsMsg *msg, void *closure)
{
    struct hr_bus_nats_feed *feed = closure;
    struct hr_bus_nats *bus = feed->bus;
    (void)nc;
    (void)nats;
    if (feed->generation > 0) {
        hr_bus_nats_probe_arrived(bus, feed, msg);
    } else {
        uv_rwlock_rdlock(&bus->lock);
        struct hr_bus_message *message = feed->sub ? take_in(feed->sub, msg) : NULL;
        if (message) {
            deliver(feed->sub, message);
            hr_bus_message_unref(message);
        }
        uv_rwlock_rdunlock(&bus->lock);
    }
    natsMsg_Destroy(msg);
}

static void on_complete(void *closure)
{
    struct hr_bus_nats_feed *feed = closure;
    struct hr_bus_nats *bus = feed->bus;
    uv_rwlock_wrlock(&bus->lock);
    if (feed->sub) {
        feed->sub->feed = NULL;
    }
    uv_rwlock_wrunlock(&bus->lock);
    hr_free(feed);
    uv_mutex_lock(&bus->feeds_lock);
    bus->feed_count--;
    uv_cond_signal(&bus->feeds_done);
    uv_mutex_unlock(&bus->feeds_lock);
}

enum hr_err hr_bus_nats_feed_open(struct hr_bus_nats *bus, natsConnection *nc, const char *subject,
                                  const char *queue, uint64_t generation,
                                  struct hr_bus_nats_sub *sub, natsSubscription **ret_nats)
{
    struct hr_bus_nats_feed *feed = hr_alloc(sizeof *feed);
    natsSubscription *nats = NULL;
    if (!feed) {
        return HR_NO_MEMORY;
    }
    feed->bus = bus;
    feed->generation = generation;
    feed->sub = sub;
    hr_list_init(&feed->node);
    natsStatus s = queue
                       ? natsConnection_QueueSubscribe(&nats, nc, subject, queue, on_message, feed)
                       : natsConnection_Subscribe(&nats, nc, subject, on_message, feed);
    if (s) {
        hr_free(feed);
        return hr_bus_nats_error_of(s);
    }
    uv_mutex_lock(&bus->feeds_lock);
    bus->feed_count++;
    if (natsSubscription_SetOnCompleteCB(nats, on_complete, feed)) {
        /* The connection has ended meanwhile: nobody will say when the feed is no longer used. */
        bus->feed_count--;
        hr_list_push_back(&bus->stale_feeds, &feed->node);
    }
    uv_mutex_unlock(&bus->feeds_lock);
    if (sub) {
        sub->feed = feed;
    }
    *ret_nats = nats;
    return HR_OK;
}

void hr_bus_nats_feeds_finish(struct hr_bus_nats *bus)
{
    struct hr_list *node;
    uv_mutex_lock(&bus->feeds_lock);
    while (bus->feed_count > 0) {
        uv_cond_wait(&bus->feeds_done, &bus->feeds_lock);
    }
    while ((node = hr_list_pop_front(&bus->stale_feeds))) {
        hr_free(HR_LIST_OWNER(node, struct hr_bus_nats_feed, node));
    }
    uv_mutex_unlock(&bus->feeds_lock);
}

/* Puts @sub on @nc. That the connection has ended is no error: the next one will have it. */
static enum hr_err attach(struct hr_bus_nats *bus, struct hr_bus_nats_sub *sub, natsConnection *nc)
{
    enum hr_err err = hr_bus_nats_feed_open(bus, nc, sub->text, sub->queue, 0, sub, &sub->nats);
    return err == HR_CLOSED ? HR_OK : err;
}

/* Messages that nats.c itself has dropped for @sub, on the present connection. */
static uint64_t dropped_before_us(struct hr_bus_nats_sub *sub)
{
    int64_t dropped = 0;
    if (!sub->nats || natsSubscription_GetDropped(sub->nats, &dropped) != NATS_OK) {
        return 0;
    }
    return (uint64_t)dropped;
}

uint64_t hr_bus_nats_sub_dropped_now(struct hr_bus_nats *bus)
{
    uint64_t dropped = 0;
    uv_rwlock_rdlock(&bus->lock);
    for (struct hr_list *node = bus->subs.next; node != &bus->subs; node = node->next) {
        dropped += dropped_before_us(HR_LIST_OWNER(node, struct hr_bus_nats_sub, in_bus));
    }
    uv_rwlock_rdunlock(&bus->lock);
    return dropped;
}

static void detach(struct hr_bus_nats_sub *sub)
{
    struct hr_bus_nats *bus = hr_bus_nats_of(sub->base.port);
    atomic_fetch_add_explicit(&bus->counters.dropped, dropped_before_us(sub), memory_order_relaxed);
    if (sub->feed) {
        sub->feed->sub = NULL;
        sub->feed = NULL;
    }
    natsSubscription_Destroy(sub->nats);
    sub->nats = NULL;
}

enum hr_err hr_bus_nats_sub_attach_all(struct hr_bus_nats *bus, natsConnection *nc)
{
    for (struct hr_list *node = bus->subs.next; node != &bus->subs; node = node->next) {
        enum hr_err err = attach(bus, HR_LIST_OWNER(node, struct hr_bus_nats_sub, in_bus), nc);
        if (err) {
            return err;
        }
    }
    return HR_OK;
}

void hr_bus_nats_sub_detach_all(struct hr_bus_nats *bus)
{
    for (struct hr_list *node = bus->subs.next; node != &bus->subs; node = node->next) {
        detach(HR_LIST_OWNER(node, struct hr_bus_nats_sub, in_bus));
    }
}

/* Under @lock as writer. */
static enum hr_err enter(struct hr_bus_nats *bus, struct hr_bus_nats_sub *sub, size_t pattern_len)
{
    uint64_t count = hr_bus_count_of(&bus->counters.subscriptions);
    if (!sub->internal && count >= HR_BUS_SUBSCRIPTIONS_MAX) {
        return HR_BUSY;
    }
    enum hr_err err = bus->nc ? attach(bus, sub, bus->nc) : HR_OK;
    if (err) {
        return err;
    }
    if (!sub->internal) {
        atomic_store_explicit(&bus->counters.subscriptions, count + 1, memory_order_relaxed);
    }
    sub->id = bus->next_sub_id++;
    hr_bus_index_add(&bus->index, &sub->entry, hr_str_of(sub->text, pattern_len));
    hr_list_push_back(&bus->subs, &sub->in_bus);
    atomic_fetch_add(&bus->probe.wanted, 1);
    return HR_OK;
}

enum hr_err hr_bus_nats_sub_open(struct hr_bus_nats_port *port,
                                 const struct hr_bus_sub_options *options, hr_bus_msg_cb cb,
                                 void *arg, bool internal, struct hr_bus_nats_sub **ret_sub)
{
    struct hr_bus_nats *bus = hr_bus_nats_of(&port->base);
    if (options->no_echo && !bus->no_echo) {
        return HR_UNSUPPORTED;
    }
    struct hr_bus_nats_sub *sub = new_sub(options);
    if (!sub) {
        return HR_NO_MEMORY;
    }
    sub->base.port = &port->base;
    sub->internal = internal;
    hr_bus_sink_init(&sub->sink, &port->mailbox, options, cb, arg);
    uv_rwlock_wrlock(&bus->lock);
    enum hr_err err = enter(bus, sub, options->subject.len);
    uv_rwlock_wrunlock(&bus->lock);
    if (err) {
        hr_free(sub);
        return err;
    }
    hr_list_push_back(&port->subs, &sub->in_port);
    hr_bus_nats_link_wake(bus); /* to probe it */
    *ret_sub = sub;
    return HR_OK;
}

/* Gives @delivery to another member of the group @queue on this bus, or drops it: the server has given it
 * to the member that has left, and cannot be asked to give it to one elsewhere. */
static void hand_on(struct hr_bus_nats *bus, struct hr_bus_delivery *delivery, const char *queue)
{
    struct hr_bus_index_walk walk;
    struct hr_bus_index_entry *entry;
    bool taken = false;
    uv_rwlock_rdlock(&bus->lock);
    hr_bus_index_walk_init(&walk, &bus->index, delivery->message->view.subject);
    while (queue && !taken && (entry = hr_bus_index_walk_next(&walk))) {
        struct hr_bus_nats_sub *sub = HR_LIST_OWNER(entry, struct hr_bus_nats_sub, entry);
        if (sub->queue && strcmp(sub->queue, queue) == 0) {
            delivery->sink = &sub->sink;
            taken = hr_bus_mailbox_put(delivery);
        }
    }
    uv_rwlock_rdunlock(&bus->lock);
    if (!taken) {
        hr_bus_delivery_free(delivery);
    }
}

void hr_bus_nats_sub_close(struct hr_bus_nats_sub *sub)
{
    struct hr_bus_nats *bus = hr_bus_nats_of(sub->base.port);
    struct hr_list orphans;
    struct hr_list *node;
    uv_rwlock_wrlock(&bus->lock);
    detach(sub);
    hr_bus_index_remove(&sub->entry);
    hr_list_remove(&sub->in_bus);
    if (!sub->internal) {
        atomic_fetch_sub_explicit(&bus->counters.subscriptions, 1, memory_order_relaxed);
    }
    uv_rwlock_wrunlock(&bus->lock);
    hr_list_remove(&sub->in_port);
    uv_mutex_lock(&bus->join_lock);
    hr_bus_joiner_forget(&bus->joiner, sub->id);
    uv_mutex_unlock(&bus->join_lock);
    hr_list_init(&orphans);
    hr_bus_sink_empty(&sub->sink, &orphans);
    while ((node = hr_list_pop_front(&orphans))) {
        hand_on(bus, HR_LIST_OWNER(node, struct hr_bus_delivery, in_mailbox), sub->queue);
    }
    hr_free(sub);
}
