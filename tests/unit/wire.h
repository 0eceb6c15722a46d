/* A bus between several hosts in one process and on one thread, which behaves as NATS does: nothing comes back to
 * the host that published it, a queue group is one over all hosts, and a request that nobody subscribes to fails
 * at once. Each host can be slow, silent or away, so that tests can have every failure when they want it.
 *
 * wire_init, then wire_attach for each host; its struct hr_bus is closed with hr_bus_close as any other. */
#ifndef HR_TEST_WIRE_H
#define HR_TEST_WIRE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "host/bus/message.h"
#include "host/bus/subject.h"

#define WIRE_HOSTS_MAX 8

enum wire_state {
    WIRE_UP,
    WIRE_SILENT, /* subscribed, but nothing comes or goes: a cut cable, a stopped process */
    WIRE_AWAY    /* not connected: not subscribed, and requests fail */
};

struct wire {
    struct hr_list subs;
    struct hr_list ports;
    struct hr_list packets;
    uint64_t number; /* of subscriptions, ports and requests */
    uint64_t turn;
    size_t (*sniff)(void *arg, const struct hr_bus_msg *msg); /* sees all that is published */
    void *sniff_arg;
};

struct wire_host {
    struct hr_bus base;
    struct wire *wire;
    enum wire_state state;
    uint32_t delay_ms; /* of what it sends and of what it gets */
};

struct wire_port {
    struct hr_bus_port base;
    struct hr_list node;
    struct hr_list requests;
    uint64_t number;
    bool closing;
    struct hr_timer close_timer;
    hr_bus_closed_cb closed_cb;
    void *closed_arg;
};

struct wire_sub {
    struct hr_bus_sub base;
    struct hr_list node;
    uint64_t number;
    uint64_t served;
    hr_bus_msg_cb cb;
    void *arg;
    char pattern[HR_BUS_SUBJECT_BYTES_MAX + 1];
    char queue[HR_BUS_QUEUE_BYTES_MAX + 1];
};

struct wire_request {
    struct hr_bus_request base;
    struct hr_list node;
    uint64_t number;
    struct hr_timer timer;
    enum hr_err at_once;
    hr_bus_reply_cb reply_cb;
    hr_bus_gather_cb gather_cb;
    void *arg;
    uint32_t want;
    uint32_t count;
    struct hr_bus_msg *replies;
    struct hr_bus_message **kept;
};

/* One message on its way to one subscription or one port's inbox. */
struct wire_packet {
    struct hr_list node;
    struct hr_timer timer;
    struct wire *wire;
    struct hr_loop *loop;
    struct wire_host *to;
    uint64_t sub;  /* its number, or 0 */
    uint64_t port; /* likewise */
    struct hr_bus_message *message;
};

static inline struct wire_host *wire_host_of(const struct hr_bus_port *port)
{
    return (struct wire_host *)port->bus;
}

static inline void wire_init(struct wire *wire)
{
    memset(wire, 0, sizeof *wire);
    hr_list_init(&wire->subs);
    hr_list_init(&wire->ports);
    hr_list_init(&wire->packets);
    wire->number = 1;
}

static inline void wire_packet_free(struct wire_packet *packet)
{
    hr_loop_timer_stop(packet->loop, &packet->timer);
    hr_list_remove(&packet->node);
    hr_bus_message_unref(packet->message);
    hr_free(packet);
}

/* Drops what is still on its way. The loops are still there. */
static inline void wire_release(struct wire *wire)
{
    while (!hr_list_empty(&wire->packets)) {
        wire_packet_free(HR_LIST_OWNER(wire->packets.next, struct wire_packet, node));
    }
}

/* --- requests ---------------------------------------------------------------------------------------- */

static inline void wire_request_free(struct wire_request *request)
{
    hr_loop_timer_stop(request->base.port->loop, &request->timer);
    hr_list_remove(&request->node);
    for (uint32_t i = 0; i < request->count; i++) {
        hr_bus_message_unref(request->kept[i]);
    }
    hr_free(request->replies);
    hr_free(request->kept);
    hr_free(request);
}

static inline void wire_complete(struct wire_request *request, enum hr_err err,
                                 const struct hr_bus_msg *reply)
{
    hr_list_remove(&request->node);
    hr_loop_timer_stop(request->base.port->loop, &request->timer);
    if (request->reply_cb) {
        request->reply_cb(request->arg, err, reply);
    } else {
        request->gather_cb(request->arg, err == HR_CANCELED ? err : HR_OK, request->replies,
                           err == HR_CANCELED ? 0 : request->count);
    }
    wire_request_free(request);
}

static inline void wire_on_request_time(void *arg)
{
    struct wire_request *request = arg;
    wire_complete(request, request->at_once ? request->at_once : HR_TIMEOUT, NULL);
}

static inline void wire_on_reply(struct wire_port *port, struct hr_bus_message *message)
{
    unsigned long long number = 0;
    char subject[64];
    snprintf(subject, sizeof subject, "%.*s", HR_STR_ARG(message->view.subject));
    sscanf(subject, "_INBOX.w%*u.%llu", &number);
    for (struct hr_list *node = port->requests.next; node != &port->requests; node = node->next) {
        struct wire_request *request = HR_LIST_OWNER(node, struct wire_request, node);
        if (request->number != number) {
            continue;
        }
        if (request->reply_cb) {
            wire_complete(request, HR_OK, &message->view);
            return;
        }
        hr_bus_message_ref(message);
        request->kept[request->count] = message;
        request->replies[request->count++] = message->view;
        if (request->count == request->want) {
            wire_complete(request, HR_OK, NULL);
        }
        return;
    }
}

/* --- carrying ---------------------------------------------------------------------------------------- */

static inline void wire_on_arrival(void *arg)
{
    struct wire_packet *packet = arg;
    struct hr_bus_message *message = packet->message;
    struct wire *wire = packet->wire;
    uint64_t sub_number = packet->sub;
    uint64_t port_number = packet->port;
    bool lost = packet->to->state != WIRE_UP;
    hr_bus_message_ref(message);
    wire_packet_free(packet);
    for (struct hr_list *node = wire->subs.next; node != &wire->subs && !lost; node = node->next) {
        struct wire_sub *sub = HR_LIST_OWNER(node, struct wire_sub, node);
        if (sub->number == sub_number) {
            sub->cb(sub->arg, &message->view);
            break;
        }
    }
    for (struct hr_list *node = wire->ports.next; node != &wire->ports && port_number && !lost;
         node = node->next) {
        struct wire_port *port = HR_LIST_OWNER(node, struct wire_port, node);
        if (port->number == port_number) {
            wire_on_reply(port, message);
            break;
        }
    }
    hr_bus_message_unref(message);
}

static inline void wire_send(struct wire_host *from, struct hr_bus_port *to,
                             struct hr_bus_message *message, uint64_t sub, uint64_t port)
{
    struct wire_packet *packet = hr_alloc(sizeof *packet);
    if (!packet) {
        abort();
    }
    packet->wire = from->wire;
    packet->loop = to->loop;
    packet->to = wire_host_of(to);
    packet->sub = sub;
    packet->port = port;
    packet->message = message;
    hr_bus_message_ref(message);
    hr_list_push_back(&from->wire->packets, &packet->node);
    hr_timer_init(&packet->timer, wire_on_arrival, packet);
    hr_loop_timer_start(packet->loop, &packet->timer,
                        (uint64_t)from->delay_ms + packet->to->delay_ms);
}

static inline bool wire_hears(const struct wire_host *from, const struct wire_sub *sub,
                              struct hr_str subject)
{
    const struct wire_host *to = wire_host_of(sub->base.port);
    return to != from && to->state != WIRE_AWAY &&
           hr_subject_matches(hr_str_c(sub->pattern), subject);
}

/* Whether @sub is the member of its group that was served longest ago. */
static inline bool wire_is_next(struct wire_host *from, const struct wire_sub *sub,
                                struct hr_str subject)
{
    struct wire *wire = from->wire;
    for (struct hr_list *node = wire->subs.next; node != &wire->subs; node = node->next) {
        struct wire_sub *other = HR_LIST_OWNER(node, struct wire_sub, node);
        if (strcmp(other->queue, sub->queue) == 0 && wire_hears(from, other, subject) &&
            (other->served < sub->served ||
             (other->served == sub->served && other->number < sub->number))) {
            return false;
        }
    }
    return true;
}

static inline uint32_t wire_deliver_to_inbox(struct wire_host *from, struct hr_bus_message *message)
{
    unsigned long long number = 0;
    char subject[64];
    snprintf(subject, sizeof subject, "%.*s", HR_STR_ARG(message->view.subject));
    if (sscanf(subject, "_INBOX.w%llu.", &number) != 1) {
        return 0;
    }
    for (struct hr_list *node = from->wire->ports.next; node != &from->wire->ports;
         node = node->next) {
        struct wire_port *port = HR_LIST_OWNER(node, struct wire_port, node);
        if (port->number == number && wire_host_of(&port->base) != from) {
            wire_send(from, &port->base, message, 0, number);
            return 1;
        }
    }
    return 0;
}

/* How many get it. */
static inline uint32_t wire_route(struct wire_host *from, const struct hr_bus_msg *msg,
                                  struct hr_str reply_to)
{
    struct wire *wire = from->wire;
    struct hr_bus_message *message = hr_bus_message_new(msg, reply_to);
    struct wire_sub *chosen[64];
    uint32_t count = 0;
    if (!message) {
        abort();
    }
    if (wire->sniff) {
        wire->sniff(wire->sniff_arg, &message->view);
    }
    for (struct hr_list *node = wire->subs.next; node != &wire->subs; node = node->next) {
        struct wire_sub *sub = HR_LIST_OWNER(node, struct wire_sub, node);
        if (wire_hears(from, sub, msg->subject) &&
            (!sub->queue[0] || wire_is_next(from, sub, msg->subject)) && count < 64) {
            chosen[count++] = sub;
        }
    }
    for (uint32_t i = 0; i < count && from->state == WIRE_UP; i++) {
        chosen[i]->served = ++wire->turn;
        wire_send(from, chosen[i]->base.port, message, chosen[i]->number, 0);
    }
    if (from->state == WIRE_UP) {
        count += wire_deliver_to_inbox(from, message);
    }
    hr_bus_message_unref(message);
    return count;
}

/* --- the bus ----------------------------------------------------------------------------------------- */

static inline enum hr_err wire_publish(struct hr_bus_port *port, const struct hr_bus_msg *msg)
{
    if (((struct wire_port *)port)->closing) {
        return HR_CLOSED;
    }
    wire_route(wire_host_of(port), msg, msg->reply_to);
    return HR_OK;
}

static inline enum hr_err wire_subscribe(struct hr_bus_port *port,
                                         const struct hr_bus_sub_options *options, hr_bus_msg_cb cb,
                                         void *arg, struct hr_bus_sub **ret_sub)
{
    struct wire *wire = wire_host_of(port)->wire;
    struct wire_sub *sub = ((struct wire_port *)port)->closing ? NULL : hr_alloc(sizeof *sub);
    if (!sub) {
        return HR_CLOSED;
    }
    sub->base.port = port;
    sub->number = ++wire->number;
    sub->cb = cb;
    sub->arg = arg;
    snprintf(sub->pattern, sizeof sub->pattern, "%.*s", HR_STR_ARG(options->subject));
    snprintf(sub->queue, sizeof sub->queue, "%.*s", HR_STR_ARG(options->queue));
    hr_list_push_back(&wire->subs, &sub->node);
    *ret_sub = &sub->base;
    return HR_OK;
}

static inline void wire_unsubscribe(struct hr_bus_sub *base)
{
    struct wire_sub *sub = (struct wire_sub *)base;
    hr_list_remove(&sub->node);
    hr_free(sub);
}

static inline enum hr_err wire_ask(struct hr_bus_port *base, const struct hr_bus_msg *msg,
                                   const struct wire_request *wish, uint32_t timeout_ms,
                                   struct hr_bus_request **ret_request)
{
    struct wire_port *port = (struct wire_port *)base;
    struct wire_host *host = wire_host_of(base);
    char inbox[64];
    if (port->closing || host->state == WIRE_AWAY) {
        return HR_CLOSED;
    }
    struct wire_request *request = hr_alloc(sizeof *request);
    if (!request) {
        return HR_NO_MEMORY;
    }
    *request = *wish;
    request->base.port = base;
    request->number = ++host->wire->number;
    if (request->want > 0) {
        request->replies = hr_alloc_array(request->want, sizeof *request->replies);
        request->kept = hr_alloc_array(request->want, sizeof(struct hr_bus_message *));
    }
    hr_list_push_back(&port->requests, &request->node);
    int len = snprintf(inbox, sizeof inbox, "_INBOX.w%llu.%llu", (unsigned long long)port->number,
                       (unsigned long long)request->number);
    uint32_t heard = wire_route(host, msg, hr_str_of(inbox, (size_t)len));
    request->at_once = heard == 0 && host->state == WIRE_UP ? HR_NO_RESPONDERS : HR_OK;
    hr_timer_init(&request->timer, wire_on_request_time, request);
    hr_loop_timer_start(base->loop, &request->timer,
                        request->at_once ? 2u * host->delay_ms : timeout_ms);
    if (ret_request) {
        *ret_request = &request->base;
    }
    return HR_OK;
}

static inline enum hr_err wire_ask_one(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                       uint32_t timeout_ms, hr_bus_reply_cb cb, void *arg,
                                       struct hr_bus_request **ret_request)
{
    const struct wire_request wish = {.reply_cb = cb, .arg = arg};
    return wire_ask(port, msg, &wish, timeout_ms, ret_request);
}

static inline enum hr_err wire_gather(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                      uint32_t want, uint32_t timeout_ms, hr_bus_gather_cb cb,
                                      void *arg, struct hr_bus_request **ret_request)
{
    const struct wire_request wish = {.gather_cb = cb, .arg = arg, .want = want};
    return wire_ask(port, msg, &wish, timeout_ms, ret_request);
}

static inline void wire_cancel(struct hr_bus_request *request)
{
    wire_request_free((struct wire_request *)request);
}

static inline bool wire_has_interest(struct hr_bus *bus, struct hr_str subject)
{
    struct wire_host *host = (struct wire_host *)bus;
    unsigned long long number = 0;
    char text[64];
    snprintf(text, sizeof text, "%.*s", HR_STR_ARG(subject));
    sscanf(text, "_INBOX.w%llu.", &number);
    for (struct hr_list *node = host->wire->ports.next; node != &host->wire->ports;
         node = node->next) {
        struct wire_port *port = HR_LIST_OWNER(node, struct wire_port, node);
        if (port->number == number && wire_host_of(&port->base) == host) {
            return true;
        }
    }
    for (struct hr_list *node = host->wire->subs.next; node != &host->wire->subs;
         node = node->next) {
        struct wire_sub *sub = HR_LIST_OWNER(node, struct wire_sub, node);
        if (wire_host_of(sub->base.port) == host &&
            hr_subject_matches(hr_str_c(sub->pattern), subject)) {
            return true;
        }
    }
    return false;
}

static inline void wire_stats(struct hr_bus *bus, struct hr_bus_stats *ret_stats)
{
    (void)bus;
    *ret_stats = (struct hr_bus_stats){0};
}

static inline void wire_on_close_time(void *arg)
{
    struct wire_port *port = arg;
    while (!hr_list_empty(&port->requests)) {
        wire_complete(HR_LIST_OWNER(port->requests.next, struct wire_request, node), HR_CANCELED,
                      NULL);
    }
    hr_bus_closed_cb cb = port->closed_cb;
    void *closed_arg = port->closed_arg;
    hr_list_remove(&port->node);
    hr_free(port);
    if (cb) {
        cb(closed_arg);
    }
}

static inline void wire_port_close(struct hr_bus_port *base, hr_bus_closed_cb cb, void *arg)
{
    struct wire_port *port = (struct wire_port *)base;
    struct wire *wire = wire_host_of(base)->wire;
    port->closing = true;
    port->closed_cb = cb;
    port->closed_arg = arg;
    for (struct hr_list *node = wire->subs.next; node != &wire->subs;) {
        struct wire_sub *sub = HR_LIST_OWNER(node, struct wire_sub, node);
        node = node->next;
        if (sub->base.port == base) {
            wire_unsubscribe(&sub->base);
        }
    }
    hr_loop_timer_start(base->loop, &port->close_timer, 0);
}

static inline enum hr_err wire_port_open(struct hr_bus *bus, struct hr_loop *on_loop,
                                         struct hr_bus_port **ret_port, struct hr_diag *diag)
{
    struct wire *wire = ((struct wire_host *)bus)->wire;
    struct wire_port *port = hr_alloc(sizeof *port);
    if (!port) {
        return hr_diag_set(diag, HR_NO_MEMORY, "wire: out of memory");
    }
    port->base.bus = bus;
    port->base.loop = on_loop;
    port->number = ++wire->number;
    hr_list_init(&port->requests);
    hr_timer_init(&port->close_timer, wire_on_close_time, port);
    hr_list_push_back(&wire->ports, &port->node);
    *ret_port = &port->base;
    return HR_OK;
}

static inline void wire_close(struct hr_bus *bus)
{
    struct wire_host *host = (struct wire_host *)bus;
    for (struct hr_list *node = host->wire->packets.next; node != &host->wire->packets;) {
        struct wire_packet *packet = HR_LIST_OWNER(node, struct wire_packet, node);
        node = node->next;
        if (packet->to == host) {
            wire_packet_free(packet);
        }
    }
    hr_free(host);
}

/* NULL when memory is out. Returns own: hr_bus_close of its base. */
static inline struct wire_host *wire_attach(struct wire *wire)
{
    static const struct hr_bus_ops ops = {
        .name = "wire",
        .port_open = wire_port_open,
        .port_close = wire_port_close,
        .subscribe = wire_subscribe,
        .unsubscribe = wire_unsubscribe,
        .publish = wire_publish,
        .request = wire_ask_one,
        .gather = wire_gather,
        .cancel = wire_cancel,
        .has_interest = wire_has_interest,
        .stats = wire_stats,
        .close = wire_close,
    };
    struct wire_host *host = hr_alloc(sizeof *host);
    if (host) {
        host->base.ops = &ops;
        host->wire = wire;
    }
    return host;
}

#endif
