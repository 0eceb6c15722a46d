/* The bus' front: checks what callers pass, once and for every implementation, then hands over to it.
 * Stateless. */
#include "host/bus/bus.h"

#include "host/bus/subject.h"

static enum hr_err check_literal(struct hr_str subject)
{
    if (subject.len > HR_BUS_SUBJECT_BYTES_MAX) {
        return HR_TOO_BIG;
    }
    return hr_subject_is_literal(subject) ? HR_OK : HR_BAD_INPUT;
}

/* NATS' ADR-4: a name is printable ASCII without the colon that ends it. */
static bool is_header_name(struct hr_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c <= ' ' || c > '~' || c == ':') {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_header_value(struct hr_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\r' || c == '\n' || c == '\0') {
            return false;
        }
    }
    return true;
}

static enum hr_err check_headers(const struct hr_bus_msg *msg)
{
    if (msg->header_count > HR_BUS_HEADERS_MAX) {
        return HR_TOO_BIG;
    }
    size_t left = HR_BUS_HEADER_BYTES_MAX;
    for (size_t i = 0; i < msg->header_count; i++) {
        const struct hr_bus_header *header = &msg->headers[i];
        if (header->name.len > left || header->value.len > left - header->name.len) {
            return HR_TOO_BIG;
        }
        left -= header->name.len + header->value.len;
        if (!is_header_name(header->name) || !is_header_value(header->value)) {
            return HR_BAD_INPUT;
        }
    }
    return HR_OK;
}

static enum hr_err check_message(const struct hr_bus_msg *msg, size_t body_bytes_max)
{
    enum hr_err err = check_literal(msg->subject);
    if (!err && msg->reply_to.len > 0) {
        err = check_literal(msg->reply_to);
    }
    if (!err && msg->body.len > body_bytes_max) {
        err = HR_TOO_BIG;
    }
    return err ? err : check_headers(msg);
}

/* What requests and gathers have in common. */
static enum hr_err check_request(const struct hr_bus_msg *msg, uint32_t timeout_ms)
{
    if (msg->reply_to.len > 0 || timeout_ms == 0) {
        return HR_BAD_INPUT;
    }
    return check_message(msg, HR_BUS_LARGE_BYTES_MAX);
}

void hr_bus_close(struct hr_bus *bus)
{
    if (bus) {
        bus->ops->close(bus);
    }
}

enum hr_err hr_bus_port_open(struct hr_bus *bus, struct hr_loop *loop,
                             struct hr_bus_port **ret_port, struct hr_diag *diag)
{
    return bus->ops->port_open(bus, loop, ret_port, diag);
}

void hr_bus_port_close(struct hr_bus_port *port, hr_bus_closed_cb cb, void *arg)
{
    port->bus->ops->port_close(port, cb, arg);
}

enum hr_err hr_bus_subscribe(struct hr_bus_port *port, const struct hr_bus_sub_options *options,
                             hr_bus_msg_cb cb, void *arg, struct hr_bus_sub **ret_sub)
{
    if (options->subject.len > HR_BUS_SUBJECT_BYTES_MAX ||
        !hr_subject_is_pattern(options->subject)) {
        return HR_BAD_INPUT;
    }
    if (options->queue.len > 0 &&
        (options->queue.len > HR_BUS_QUEUE_BYTES_MAX || !hr_subject_is_queue(options->queue))) {
        return HR_BAD_INPUT;
    }
    return port->bus->ops->subscribe(port, options, cb, arg, ret_sub);
}

void hr_bus_unsubscribe(struct hr_bus_sub *sub)
{
    if (sub) {
        sub->port->bus->ops->unsubscribe(sub);
    }
}

enum hr_err hr_bus_publish(struct hr_bus_port *port, const struct hr_bus_msg *msg)
{
    bool may_be_large = hr_str_starts(msg->subject, HR_STR("_INBOX.")) ||
                        hr_str_starts(msg->subject, HR_STR(HR_BUS_LOCAL_TOKEN "."));
    enum hr_err err =
        check_message(msg, may_be_large ? HR_BUS_LARGE_BYTES_MAX : HR_BUS_PAYLOAD_BYTES_MAX);
    return err ? err : port->bus->ops->publish(port, msg);
}

enum hr_err hr_bus_request(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                           uint32_t timeout_ms, hr_bus_reply_cb cb, void *arg,
                           struct hr_bus_request **ret_request)
{
    enum hr_err err = check_request(msg, timeout_ms);
    return err ? err : port->bus->ops->request(port, msg, timeout_ms, cb, arg, ret_request);
}

enum hr_err hr_bus_gather(struct hr_bus_port *port, const struct hr_bus_msg *msg, uint32_t want,
                          uint32_t timeout_ms, hr_bus_gather_cb cb, void *arg,
                          struct hr_bus_request **ret_request)
{
    enum hr_err err = check_request(msg, timeout_ms);
    if (!err && (want == 0 || want > HR_BUS_GATHER_REPLIES_MAX)) {
        err = HR_BAD_INPUT;
    }
    return err ? err : port->bus->ops->gather(port, msg, want, timeout_ms, cb, arg, ret_request);
}

void hr_bus_cancel(struct hr_bus_request *request)
{
    if (request) {
        request->port->bus->ops->cancel(request);
    }
}

bool hr_bus_has_interest(struct hr_bus *bus, struct hr_str subject)
{
    return bus->ops->has_interest(bus, subject);
}

struct hr_str hr_bus_header(const struct hr_bus_msg *msg, struct hr_str name)
{
    for (size_t i = 0; i < msg->header_count; i++) {
        if (hr_str_eq_nocase(msg->headers[i].name, name)) {
            return msg->headers[i].value;
        }
    }
    return HR_STR("");
}

bool hr_bus_is_refusal(const struct hr_bus_msg *reply)
{
    return reply->header_count > 0 && (hr_bus_header(reply, HR_STR(HR_BUS_HEADER_ERROR)).len > 0 ||
                                       hr_bus_header(reply, HR_STR(HR_BUS_HEADER_REFUSED)).len > 0);
}

void hr_bus_stats(struct hr_bus *bus, struct hr_bus_stats *ret_stats)
{
    bus->ops->stats(bus, ret_stats);
}
