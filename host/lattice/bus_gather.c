/* Gathers on a lattice. One that only this host, or nobody here, listens to is a gather of the local or of the NATS
 * bus. If both are asked, the replies have to be counted together: they come to an inbox of the port's own, which is
 * subscribed to on both buses once it is needed. */
#include <stdio.h>

#include "base/alloc.h"
#include "host/lattice/bus_impl.h"

#define NS_PER_MS ((uint64_t)1000000)
#define DIGITS_MAX 20

static struct hr_bus_lattice_port *port_of(const struct hr_bus_lattice_request *request)
{
    return (struct hr_bus_lattice_port *)request->base.port;
}

static void complete(struct hr_bus_lattice_request *request)
{
    hr_bus_lattice_detach(request);
    request->gather_cb(request->arg, HR_OK, request->replies, request->count);
    hr_bus_lattice_request_free(request);
}

void hr_bus_lattice_on_gather_time(void *arg)
{
    complete(arg);
}

/* --- on one bus --------------------------------------------------------------------------------------- */

static void on_part(void *arg, enum hr_err err, const struct hr_bus_msg *replies, size_t count)
{
    struct hr_bus_lattice_request *request = arg;
    request->part = NULL;
    hr_bus_lattice_detach(request);
    request->gather_cb(request->arg, err, replies, count);
    hr_bus_lattice_request_free(request);
}

/* --- on both ------------------------------------------------------------------------------------------ */

static struct hr_bus_lattice_request *find(struct hr_bus_lattice_port *port, uint64_t number)
{
    for (struct hr_list *node = port->requests.next; node != &port->requests; node = node->next) {
        struct hr_bus_lattice_request *request =
            HR_LIST_OWNER(node, struct hr_bus_lattice_request, in_port);
        if (request->number == number) {
            return request;
        }
    }
    return NULL;
}

static void on_inbox(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_bus_lattice_port *port = arg;
    uint64_t number;
    struct hr_str digits = hr_str_from(msg->subject, HR_BUS_LATTICE_INBOX_BYTES);
    if (!hr_str_to_u64(digits, &number) || number == 0) {
        return; /* somebody made up an inbox of ours */
    }
    struct hr_bus_lattice_request *request = hr_bus_is_refusal(msg) ? NULL : find(port, number);
    struct hr_bus_message *copy = request ? hr_bus_message_new(msg, msg->reply_to) : NULL;
    if (!copy) {
        return; /* too late, or lost for want of memory as on the way */
    }
    if (copy->bytes > HR_BUS_GATHER_BYTES_MAX - request->bytes) {
        hr_bus_message_unref(copy);
        complete(request);
        return;
    }
    request->kept[request->count] = copy;
    request->replies[request->count] = copy->view;
    request->count++;
    request->bytes += copy->bytes;
    if (request->count == request->want) {
        complete(request);
    }
}

static enum hr_err open_inbox(struct hr_bus_lattice_port *port)
{
    const struct hr_bus_sub_options options = {
        .subject = hr_str_of(port->inbox, HR_BUS_LATTICE_INBOX_BYTES + 1)};
    enum hr_err err = HR_OK;
    if (!port->inboxes[0]) {
        err = hr_bus_subscribe(port->local, &options, on_inbox, port, &port->inboxes[0]);
    }
    if (!err && !port->inboxes[1]) {
        err = hr_bus_subscribe(port->nats, &options, on_inbox, port, &port->inboxes[1]);
    }
    return err;
}

static enum hr_err ask_both(struct hr_bus_lattice_request *request, const struct hr_bus_msg *msg,
                            uint32_t timeout_ms)
{
    struct hr_bus_lattice_port *port = port_of(request);
    char inbox[HR_BUS_LATTICE_INBOX_BYTES + DIGITS_MAX + 1];
    request->replies = hr_alloc_array(request->want, sizeof *request->replies);
    request->kept = hr_alloc_array(request->want, sizeof(struct hr_bus_message *));
    if (!request->replies || !request->kept) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = open_inbox(port);
    if (err) {
        return err;
    }
    request->number = ++port->last_number;
    int len = snprintf(inbox, sizeof inbox, "%.*s%llu", (int)HR_BUS_LATTICE_INBOX_BYTES,
                       port->inbox, (unsigned long long)request->number);
    struct hr_bus_msg asked = *msg;
    asked.reply_to = hr_str_of(inbox, (size_t)len);
    err = port->local->bus->ops->publish(port->local, &asked); /* the front has checked it */
    if (err) {
        return err;
    }
    if (port->nats->bus->ops->publish(port->nats, &asked)) {
        hr_bus_lattice_count(&port->base, HR_BUS_LATTICE_UNSENT); /* those here may still answer */
    }
    hr_loop_timer_start(port->base.loop, &request->timer, timeout_ms);
    return HR_OK;
}

/* --- the operation ---------------------------------------------------------------------------------- */

static enum hr_err ask(struct hr_bus_lattice_request *request, const struct hr_bus_msg *msg,
                       uint32_t timeout_ms)
{
    struct hr_bus_lattice_port *port = port_of(request);
    bool far = port->table->connected && !hr_bus_lattice_is_local(msg->subject);
    bool here = hr_bus_has_interest(port->local->bus, msg->subject);
    enum hr_err err = HR_CLOSED;
    if (far && here) {
        return ask_both(request, msg, timeout_ms);
    }
    if (far) {
        err = hr_bus_gather(port->nats, msg, request->want, timeout_ms, on_part, request,
                            &request->part);
    }
    if (err == HR_CLOSED) { /* the local bus says that nobody is there, if it is so */
        err = hr_bus_gather(port->local, msg, request->want, timeout_ms, on_part, request,
                            &request->part);
    }
    return err;
}

enum hr_err hr_bus_lattice_gather(struct hr_bus_port *base, const struct hr_bus_msg *msg,
                                  uint32_t want, uint32_t timeout_ms, hr_bus_gather_cb cb,
                                  void *arg, struct hr_bus_request **ret_request)
{
    struct hr_bus_lattice_port *port = (struct hr_bus_lattice_port *)base;
    if (port->closing) {
        return HR_CLOSED;
    }
    if (port->request_count >= HR_BUS_REQUESTS_MAX) {
        return HR_BUSY;
    }
    struct hr_bus_lattice_request *request = hr_bus_lattice_request_new(port, want);
    if (!request) {
        return HR_NO_MEMORY;
    }
    hr_bus_lattice_refresh(port);
    request->gather_cb = cb;
    request->arg = arg;
    enum hr_err err = ask(request, msg, timeout_ms);
    if (err) {
        hr_bus_lattice_request_free(request);
        return err;
    }
    hr_bus_lattice_attach(request);
    if (ret_request) {
        *ret_request = &request->base;
    }
    return HR_OK;
}
