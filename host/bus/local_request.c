/* Requests and gathers of the in-process bus: the table of host/bus/replies.h, and what is known at once
 * because everybody who could answer is in this process. Loop thread of the port. */
#include "host/bus/local.h"

/* What is known at once about a request that was sent; HR_OK = wait for replies. */
static enum hr_err outcome_at_once(struct hr_bus_local *bus,
                                   const struct hr_bus_local_outcome *outcome)
{
    if (outcome->matched == 0) {
        hr_bus_count(&bus->counters.no_responders);
        return HR_NO_RESPONDERS;
    }
    return outcome->accepted == 0 ? HR_BUSY : HR_OK;
}

/* Publishes @msg with the inbox of @request for its reply subject. */
static enum hr_err send_out(struct hr_bus_local_port *port, const struct hr_bus_request *request,
                            const struct hr_bus_msg *msg, struct hr_bus_local_outcome *ret_outcome)
{
    struct hr_bus_inbox inbox;
    hr_bus_replies_inbox(request, &inbox);
    struct hr_bus_message *message = hr_bus_message_new(msg, hr_str_of(inbox.text, inbox.len));
    if (!message) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = hr_bus_local_route(port, message, ret_outcome);
    hr_bus_message_unref(message);
    return err;
}

static enum hr_err open_request(struct hr_bus_port *base, const struct hr_bus_msg *msg,
                                const struct hr_bus_wish *wish, uint32_t timeout_ms,
                                struct hr_bus_request **ret_request)
{
    struct hr_bus_local_port *port = (struct hr_bus_local_port *)base;
    struct hr_bus_local_outcome outcome;
    struct hr_bus_request *request;
    if (port->closing) {
        return HR_CLOSED;
    }
    enum hr_err err = hr_bus_replies_new(&port->replies, wish, &request);
    if (err) {
        return err;
    }
    err = send_out(port, request, msg, &outcome);
    if (err) {
        hr_bus_replies_drop(request);
        return err;
    }
    enum hr_err known = outcome_at_once(hr_bus_local_of(base), &outcome);
    hr_bus_replies_start(request, timeout_ms, known);
    if (known) {
        hr_bus_mailbox_wake(&port->mailbox);
    }
    if (ret_request) {
        *ret_request = request;
    }
    return HR_OK;
}

enum hr_err hr_bus_local_request(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                 uint32_t timeout_ms, hr_bus_reply_cb cb, void *arg,
                                 struct hr_bus_request **ret_request)
{
    struct hr_bus_wish wish = {.reply_cb = cb, .arg = arg};
    return open_request(port, msg, &wish, timeout_ms, ret_request);
}

enum hr_err hr_bus_local_gather(struct hr_bus_port *port, const struct hr_bus_msg *msg,
                                uint32_t want, uint32_t timeout_ms, hr_bus_gather_cb cb, void *arg,
                                struct hr_bus_request **ret_request)
{
    struct hr_bus_wish wish = {.gather_cb = cb, .arg = arg, .want = want};
    return open_request(port, msg, &wish, timeout_ms, ret_request);
}
