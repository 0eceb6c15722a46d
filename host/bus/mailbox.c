/* Mailboxes: bounded queues with one task a port. Nothing of a delivery but the message is touched
 * after its callback: the callback may have ended the subscription. */
#include "host/bus/mailbox.h"

#include "base/alloc.h"
#include "base/assert.h"

enum hr_err hr_bus_mailbox_init(struct hr_bus_mailbox *mailbox, struct hr_loop *loop,
                                struct hr_bus_counters *counters, hr_task_cb cb, void *arg,
                                struct hr_diag *diag)
{
    int rc = uv_mutex_init(&mailbox->lock);
    if (rc < 0) {
        return hr_diag_set(diag, HR_IO, "port's lock: %s", uv_strerror(rc));
    }
    mailbox->loop = loop;
    mailbox->counters = counters;
    mailbox->scheduled = false;
    hr_task_init(&mailbox->task, cb, arg);
    hr_list_init(&mailbox->incoming);
    return HR_OK;
}

void hr_bus_mailbox_release(struct hr_bus_mailbox *mailbox)
{
    HR_ASSERT(hr_list_empty(&mailbox->incoming));
    uv_mutex_destroy(&mailbox->lock);
}

static void wake_locked(struct hr_bus_mailbox *mailbox)
{
    if (!mailbox->scheduled) {
        mailbox->scheduled = true;
        hr_loop_post(mailbox->loop, &mailbox->task);
    }
}

void hr_bus_mailbox_wake(struct hr_bus_mailbox *mailbox)
{
    uv_mutex_lock(&mailbox->lock);
    wake_locked(mailbox);
    uv_mutex_unlock(&mailbox->lock);
}

/* Takes a delivery out of its queues; the lock is held. */
static void unqueue(struct hr_bus_delivery *delivery)
{
    struct hr_bus_sink *sink = delivery->sink;
    hr_list_remove(&delivery->in_mailbox);
    hr_list_remove(&delivery->in_sink);
    atomic_fetch_sub_explicit(&sink->messages, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&sink->bytes, delivery->message->bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&sink->mailbox->counters->pending, 1, memory_order_relaxed);
}

bool hr_bus_mailbox_put(struct hr_bus_delivery *delivery)
{
    struct hr_bus_sink *sink = delivery->sink;
    struct hr_bus_mailbox *mailbox = sink->mailbox;
    uv_mutex_lock(&mailbox->lock);
    bool room = hr_bus_sink_has_room(sink, delivery->message);
    if (room) {
        hr_list_push_back(&mailbox->incoming, &delivery->in_mailbox);
        hr_list_push_back(&sink->queued, &delivery->in_sink);
        atomic_fetch_add_explicit(&sink->messages, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&sink->bytes, delivery->message->bytes, memory_order_relaxed);
        hr_bus_count(&mailbox->counters->pending);
        wake_locked(mailbox);
    }
    uv_mutex_unlock(&mailbox->lock);
    return room;
}

void hr_bus_mailbox_begin(struct hr_bus_mailbox *mailbox)
{
    uv_mutex_lock(&mailbox->lock);
    mailbox->scheduled = false;
    uv_mutex_unlock(&mailbox->lock);
}

static struct hr_bus_delivery *take_first(struct hr_bus_mailbox *mailbox)
{
    struct hr_bus_delivery *first = NULL;
    uv_mutex_lock(&mailbox->lock);
    if (!hr_list_empty(&mailbox->incoming)) {
        first = HR_LIST_OWNER(mailbox->incoming.next, struct hr_bus_delivery, in_mailbox);
        unqueue(first);
    }
    uv_mutex_unlock(&mailbox->lock);
    return first;
}

void hr_bus_mailbox_run(struct hr_bus_mailbox *mailbox)
{
    for (uint32_t i = 0; i < HR_BUS_MAILBOX_ROUND_MAX; i++) {
        struct hr_bus_delivery *delivery = take_first(mailbox);
        if (!delivery) {
            return;
        }
        hr_bus_count(&mailbox->counters->delivered);
        delivery->sink->cb(delivery->sink->arg, &delivery->message->view);
        hr_bus_delivery_free(delivery);
    }
    hr_bus_mailbox_wake(mailbox);
}

void hr_bus_sink_init(struct hr_bus_sink *sink, struct hr_bus_mailbox *mailbox,
                      const struct hr_bus_sub_options *options, hr_bus_msg_cb cb, void *arg)
{
    sink->mailbox = mailbox;
    sink->cb = cb;
    sink->arg = arg;
    sink->messages_max =
        options->pending_messages_max ? options->pending_messages_max : HR_BUS_PENDING_MESSAGES_MAX;
    sink->bytes_max =
        options->pending_bytes_max ? options->pending_bytes_max : HR_BUS_PENDING_BYTES_MAX;
    hr_list_init(&sink->queued);
}

bool hr_bus_sink_has_room(struct hr_bus_sink *sink, const struct hr_bus_message *message)
{
    uint32_t messages = atomic_load_explicit(&sink->messages, memory_order_relaxed);
    size_t bytes = atomic_load_explicit(&sink->bytes, memory_order_relaxed);
    if (messages == 0) {
        return true; /* a message of the largest size must get through */
    }
    return messages < sink->messages_max && bytes <= sink->bytes_max &&
           message->bytes <= sink->bytes_max - bytes;
}

void hr_bus_sink_empty(struct hr_bus_sink *sink, struct hr_list *ret_orphans)
{
    uv_mutex_lock(&sink->mailbox->lock);
    while (!hr_list_empty(&sink->queued)) {
        struct hr_bus_delivery *delivery =
            HR_LIST_OWNER(sink->queued.next, struct hr_bus_delivery, in_sink);
        unqueue(delivery);
        hr_list_push_back(ret_orphans, &delivery->in_mailbox);
    }
    uv_mutex_unlock(&sink->mailbox->lock);
}

struct hr_bus_delivery *hr_bus_delivery_new(struct hr_bus_sink *sink,
                                            struct hr_bus_message *message)
{
    struct hr_bus_delivery *delivery = hr_alloc(sizeof *delivery);
    if (delivery) {
        hr_bus_message_ref(message);
        delivery->message = message;
        delivery->sink = sink;
        hr_list_init(&delivery->in_mailbox);
        hr_list_init(&delivery->in_sink);
    }
    return delivery;
}

void hr_bus_delivery_free(struct hr_bus_delivery *delivery)
{
    hr_bus_message_unref(delivery->message);
    hr_free(delivery);
}
