/* Requests and gathers of the in-process bus. Each has a number; replies come to the port's inbox
 * `_INBOX.<unique>.*` under that number and find their request in a table. A reply whose request is
 * over finds nothing and is dropped. Loop thread of the port.
 *
 * A request is in port->requests from its start to its end, and besides in exactly one of: its slot
 * of the table (replies may come, its timer runs) or port->settled (the outcome was known at once and
 * waits for the port's task).
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/bus_local.h"

#define NUMBER_DIGITS_MAX 20

struct hr_bus_local_request {
    struct hr_bus_request base;
    struct hr_list in_port;  /* port->requests */
    struct hr_list in_table; /* a slot, or port->settled */
    struct hr_timer timer;
    uint64_t number;
    enum hr_err outcome; /* of a settled one */
    hr_bus_reply_cb reply_cb;
    hr_bus_gather_cb gather_cb; /* one of the two is set */
    void *arg;
    uint32_t want;  /* gathers only, as all below */
    uint32_t count; /* replies kept */
    size_t bytes;   /* of theirs */
    struct hr_bus_msg *replies;
    struct hr_bus_message **kept; /* what the replies point into */
};

static struct hr_bus_local_port *port_of(const struct hr_bus_local_request *request)
{
    return (struct hr_bus_local_port *)request->base.port;
}

/* Takes @request out of the port: from here on nothing finds it. */
static void detach(struct hr_bus_local_request *request)
{
    struct hr_bus_local_port *port = port_of(request);
    hr_loop_timer_stop(port->base.loop, &request->timer);
    hr_list_remove(&request->in_table);
    hr_list_remove(&request->in_port);
    HR_ASSERT(port->request_count > 0);
    port->request_count--;
}

static void free_request(struct hr_bus_local_request *request)
{
    for (uint32_t i = 0; i < request->count; i++) {
        hr_bus_message_unref(request->kept[i]);
    }
    hr_free(request->kept);
    hr_free(request->replies);
    hr_free(request);
}

/* Ends @request with @err; @reply for a request that succeeded. */
static void complete(struct hr_bus_local_request *request, enum hr_err err,
                     const struct hr_bus_msg *reply)
{
    detach(request);
    if (request->reply_cb) {
        request->reply_cb(request->arg, err, err ? NULL : reply);
    } else {
        request->gather_cb(request->arg, err, request->replies, err ? 0 : request->count);
    }
    free_request(request);
}

static void on_timeout(void *arg)
{
    struct hr_bus_local_request *request = arg;
    if (request->gather_cb) {
        complete(request, HR_OK, NULL);
        return;
    }
    atomic_fetch_add_explicit(&hr_bus_local_of(request->base.port)->timeouts, 1,
                              memory_order_relaxed);
    complete(request, HR_TIMEOUT, NULL);
}

static struct hr_list *slot_of(struct hr_bus_local_port *port, uint64_t number)
{
    return &port->slots[number % HR_BUS_LOCAL_SLOTS];
}

static struct hr_bus_local_request *find(struct hr_bus_local_port *port, uint64_t number)
{
    struct hr_list *slot = slot_of(port, number);
    for (struct hr_list *node = slot->next; node != slot; node = node->next) {
        struct hr_bus_local_request *request =
            HR_LIST_OWNER(node, struct hr_bus_local_request, in_table);
        if (request->number == number) {
            return request;
        }
    }
    return NULL;
}

static void add_reply(struct hr_bus_local_request *request, struct hr_bus_message *message)
{
    if (message->bytes > HR_BUS_GATHER_BYTES_MAX - request->bytes) {
        complete(request, HR_OK, NULL);
        return;
    }
    hr_bus_message_ref(message);
    request->kept[request->count] = message;
    request->replies[request->count] = message->view;
    request->count++;
    request->bytes += message->bytes;
    if (request->count == request->want) {
        complete(request, HR_OK, NULL);
    }
}

void hr_bus_local_on_reply(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_bus_local_port *port = arg;
    uint64_t number;
    if (!hr_str_to_u64(hr_str_from(msg->subject, HR_BUS_LOCAL_INBOX_BYTES), &number)) {
        return; /* somebody made up an inbox of ours */
    }
    struct hr_bus_local_request *request = find(port, number);
    if (!request) {
        return;
    }
    if (request->gather_cb) {
        /* The view that a callback gets is the message's own. */
        add_reply(request, HR_LIST_OWNER(msg, struct hr_bus_message, view));
    } else {
        complete(request, HR_OK, msg);
    }
}

static struct hr_bus_local_request *new_request(struct hr_bus_local_port *port, uint32_t want)
{
    struct hr_bus_local_request *request = hr_alloc(sizeof *request);
    if (!request) {
        return NULL;
    }
    request->base.port = &port->base;
    request->want = want;
    hr_list_init(&request->in_port);
    hr_list_init(&request->in_table);
    hr_timer_init(&request->timer, on_timeout, request);
    if (want > 0) {
        request->replies = hr_alloc_array(want, sizeof request->replies[0]);
        request->kept = hr_alloc_array(want, sizeof(struct hr_bus_message *));
        if (!request->replies || !request->kept) {
            free_request(request);
            return NULL;
        }
    }
    return request;
}

/* Publishes @msg with the inbox of @request for its reply subject. */
static enum hr_err send_out(struct hr_bus_local_request *request, const struct hr_bus_msg *msg,
                            struct hr_bus_local_outcome *ret_outcome)
{
    struct hr_bus_local_port *port = port_of(request);
    char inbox[HR_BUS_LOCAL_INBOX_BYTES + NUMBER_DIGITS_MAX + 1];
    int len = snprintf(inbox, sizeof inbox, "%.*s%llu", (int)HR_BUS_LOCAL_INBOX_BYTES,
                       port->inbox_pattern, (unsigned long long)request->number);
    HR_ASSERT(len > 0 && (size_t)len < sizeof inbox);
    struct hr_bus_message *message = hr_bus_message_new(msg, hr_str_of(inbox, (size_t)len));
    if (!message) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = hr_bus_local_route(port, message, ret_outcome);
    hr_bus_message_unref(message);
    return err;
}

/* What is known at once about a request that was sent; HR_OK = wait for replies. */
static enum hr_err outcome_at_once(struct hr_bus_local *bus,
                                   const struct hr_bus_local_outcome *outcome)
{
    if (outcome->matched == 0) {
        atomic_fetch_add_explicit(&bus->no_responders, 1, memory_order_relaxed);
        return HR_NO_RESPONDERS;
    }
    return outcome->accepted == 0 ? HR_BUSY : HR_OK;
}

static enum hr_err start(struct hr_bus_local_request *request, const struct hr_bus_msg *msg,
                         uint32_t timeout_ms)
{
    struct hr_bus_local_port *port = port_of(request);
    struct hr_bus_local *bus = hr_bus_local_of(&port->base);
    struct hr_bus_local_outcome outcome;
    request->number = ++port->last_number;
    enum hr_err err = send_out(request, msg, &outcome);
    if (err) {
        return err;
    }
    atomic_fetch_add_explicit(&bus->requests, 1, memory_order_relaxed);
    hr_list_push_back(&port->requests, &request->in_port);
    port->request_count++;
    request->outcome = outcome_at_once(bus, &outcome);
    if (request->outcome) {
        hr_list_push_back(&port->settled, &request->in_table);
        hr_bus_local_wake(port);
    } else {
        hr_list_push_back(slot_of(port, request->number), &request->in_table);
        hr_loop_timer_start(port->base.loop, &request->timer, timeout_ms);
    }
    return HR_OK;
}

/* Exactly one of the callbacks is set; @want is 0 for a request. */
static enum hr_err open_request(struct hr_bus_port *base, const struct hr_bus_msg *msg,
                                const struct hr_bus_local_request *wish, uint32_t timeout_ms,
                                struct hr_bus_request **ret_request)
{
    struct hr_bus_local_port *port = (struct hr_bus_local_port *)base;
    if (port->closing) {
        return HR_CLOSED;
    }
    if (port->request_count >= HR_BUS_REQUESTS_MAX) {
        return HR_BUSY;
    }
    struct hr_bus_local_request *request = new_request(port, wish->want);
    if (!request) {
        return HR_NO_MEMORY;
    }
    request->reply_cb = wish->reply_cb;
    request->gather_cb = wish->gather_cb;
    request->arg = wish->arg;
    enum hr_err err = start(request, msg, timeout_ms);
    if (err) {
        free_request(request);
        return err;
    }
    if (ret_request) {
        *ret_request = &request->base;
    }
    return HR_OK;
}

enum hr_err hr_bus_local_request(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                 uint32_t timeout_ms, hr_bus_reply_cb cb, void *arg,
                                 struct hr_bus_request **ret_request)
{
    struct hr_bus_local_request wish = {.reply_cb = cb, .arg = arg};
    return open_request(port, msg, &wish, timeout_ms, ret_request);
}

enum hr_err hr_bus_local_gather(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                uint32_t want, uint32_t timeout_ms, hr_bus_gather_cb cb, void *arg,
                                struct hr_bus_request **ret_request)
{
    struct hr_bus_local_request wish = {.gather_cb = cb, .arg = arg, .want = want};
    return open_request(port, msg, &wish, timeout_ms, ret_request);
}

void hr_bus_local_cancel(struct hr_bus_request *base)
{
    struct hr_bus_local_request *request = (struct hr_bus_local_request *)base;
    detach(request);
    free_request(request);
}

void hr_bus_local_settle(struct hr_bus_local_port *port)
{
    struct hr_list settled;
    hr_list_init(&settled);
    hr_list_move_all(&settled, &port->settled); /* what callbacks add waits for the next round */
    while (!hr_list_empty(&settled)) {
        struct hr_bus_local_request *request =
            HR_LIST_OWNER(settled.next, struct hr_bus_local_request, in_table);
        complete(request, request->gather_cb ? HR_OK : request->outcome, NULL);
    }
}

void hr_bus_local_cancel_all(struct hr_bus_local_port *port)
{
    while (!hr_list_empty(&port->requests)) {
        complete(HR_LIST_OWNER(port->requests.next, struct hr_bus_local_request, in_port),
                 HR_CANCELED, NULL);
    }
}
