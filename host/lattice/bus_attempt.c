/* Sending a request to one candidate, on the bus that leads there, with the time that is left. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/lattice/bus_impl.h"

#define NS_PER_MS ((uint64_t)1000000)
#define DIGITS_MAX 20

/* A message as one attempt sends it. */
struct envelope {
    struct hr_bus_msg msg;
    struct hr_bus_header headers[HR_BUS_HEADERS_MAX];
    char subject[HR_BUS_SUBJECT_BYTES_MAX + 1];
    char left[DIGITS_MAX + 1];
};

static uint32_t left_ms(const struct hr_bus_lattice_request *request)
{
    uint64_t now_ns = hr_now_ns();
    if (now_ns >= request->due_ns) {
        return 1;
    }
    return (uint32_t)((request->due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static size_t header_bytes(const struct hr_bus_msg *msg)
{
    size_t bytes = 0;
    for (size_t i = 0; i < msg->header_count; i++) {
        bytes += msg->headers[i].name.len + msg->headers[i].value.len;
    }
    return bytes;
}

/* Says how long the requester goes on waiting: in the place of what the message says of it, or besides. Where
 * there is no room for that, nobody is told. */
static void put_time(struct envelope *envelope, const struct hr_bus_msg *msg, uint32_t time_ms)
{
    int len = snprintf(envelope->left, sizeof envelope->left, "%u", time_ms);
    struct hr_bus_header header = {HR_STR(HR_BUS_HEADER_TIMEOUT),
                                   hr_str_of(envelope->left, (size_t)len)};
    size_t at = 0;
    while (at < msg->header_count && !hr_str_eq_nocase(msg->headers[at].name, header.name)) {
        at++;
    }
    size_t bytes = header_bytes(msg) + header.name.len + header.value.len;
    if (at == HR_BUS_HEADERS_MAX || bytes > HR_BUS_HEADER_BYTES_MAX) {
        return;
    }
    if (msg->header_count > 0) {
        memcpy(envelope->headers, msg->headers, msg->header_count * sizeof *msg->headers);
    }
    envelope->headers[at] = header;
    envelope->msg.headers = envelope->headers;
    envelope->msg.header_count = at < msg->header_count ? msg->header_count : at + 1;
}

/* hedgerow.<lattice>.to.<host>.<subject>: the prefix of this host, with the other one's id. */
static void put_address(struct envelope *envelope, const struct hr_bus_lattice_port *port,
                        struct hr_str host)
{
    bool large = envelope->msg.body.len > HR_BUS_LATTICE_LARGE_BYTES;
    int len = snprintf(envelope->subject, sizeof envelope->subject, "hedgerow.%.*s.%s.%.*s.%.*s",
                       HR_STR_ARG(hr_lattice_name(hr_bus_lattice_of(&port->base)->lattice)),
                       large ? "large" : "to", HR_STR_ARG(host), HR_STR_ARG(envelope->msg.subject));
    HR_ASSERT(len > 0 && (size_t)len < sizeof envelope->subject); /* candidates are chosen so */
    envelope->msg.subject = hr_str_of(envelope->subject, (size_t)len);
}

static void on_reply(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct hr_bus_lattice_attempt *attempt = arg;
    attempt->part = NULL;
    hr_bus_lattice_on_answer(attempt, err, reply);
}

/* Whether this is a write that somebody else may be asked to do if this one does not answer. Until then it may be
 * begun here, and no longer. */
static bool may_be_moved_on(const struct hr_bus_lattice_attempt *attempt)
{
    return attempt->request->repeat == HR_BUS_IDEMPOTENT && !attempt->plain &&
           attempt->port->table->entry_count > 0;
}

static enum hr_err send_it(struct hr_bus_lattice_attempt *attempt, const struct hr_bus_msg *msg)
{
    struct hr_bus_lattice_port *port = attempt->port;
    uint32_t time_ms = left_ms(attempt->request);
    bool here = !attempt->plain && attempt->host == HR_BUS_LATTICE_HERE;
    uint32_t valid_ms = time_ms;
    if (may_be_moved_on(attempt) && valid_ms > HR_RESPONDER_WRITE_VALID_MS) {
        valid_ms = HR_RESPONDER_WRITE_VALID_MS;
    }
    if (here && attempt->request->tried_count == 0 && valid_ms == time_ms) {
        /* As it is, and past the front, which has checked it: this is the way of most requests. */
        return port->local->bus->ops->request(port->local, msg, time_ms, on_reply, attempt,
                                              &attempt->part);
    }
    struct envelope envelope;
    envelope.msg = *msg;
    put_time(&envelope, msg, valid_ms);
    if (!here && !attempt->plain) {
        const struct hr_lattice_table_host *host =
            hr_lattice_table_find(port->table, attempt->host);
        HR_ASSERT(host); /* it has just been chosen from there */
        put_address(&envelope, port, host->said->host);
    }
    return hr_bus_request(here ? port->local : port->nats, &envelope.msg, time_ms, on_reply,
                          attempt, &attempt->part);
}

static void start_sweep(struct hr_bus_lattice_port *port)
{
    if (!hr_timer_active(&port->sweep_timer)) {
        hr_loop_timer_start(port->base.loop, &port->sweep_timer, HR_BUS_LATTICE_SWEEP_MS);
    }
}

enum hr_err hr_bus_lattice_attempt(struct hr_bus_lattice_request *request,
                                   const struct hr_bus_msg *msg,
                                   const struct hr_responder_option *option, bool plain,
                                   struct hr_bus_lattice_attempt **ret_attempt)
{
    struct hr_bus_lattice_port *port = (struct hr_bus_lattice_port *)request->base.port;
    struct hr_bus_lattice_attempt *attempt = hr_alloc(sizeof *attempt);
    if (!attempt) {
        return HR_NO_MEMORY;
    }
    attempt->port = port;
    attempt->request = request;
    attempt->plain = plain;
    attempt->host = option ? option->owner : HR_BUS_LATTICE_HERE;
    hr_list_init(&attempt->in_moved);
    enum hr_err err = send_it(attempt, msg);
    if (err) {
        hr_free(attempt);
        return err;
    }
    if (option) {
        hr_responder_begin(option->responder, &attempt->call, hr_now_ns());
    }
    hr_list_push_back(&port->attempts, &attempt->in_port);
    hr_list_push_back(&request->attempts, &attempt->in_request);
    port->attempt_count++;
    if (request->message && request->repeat != HR_BUS_ONCE) {
        start_sweep(port);
    }
    *ret_attempt = attempt;
    return HR_OK;
}

void hr_bus_lattice_attempt_end(struct hr_bus_lattice_attempt *attempt,
                                enum hr_responder_outcome outcome)
{
    struct hr_bus_lattice_port *port = attempt->port;
    hr_bus_cancel(attempt->part);
    if (attempt->call.responder) {
        hr_responder_end(&attempt->call, outcome, hr_now_ns());
    }
    hr_list_remove(&attempt->in_port);
    hr_list_remove(&attempt->in_request);
    hr_list_remove(&attempt->in_moved);
    HR_ASSERT(port->attempt_count > 0);
    port->attempt_count--;
    hr_free(attempt);
}

void hr_bus_lattice_attempt_lose(struct hr_bus_lattice_attempt *attempt)
{
    if (!attempt->call.responder || attempt->port->attempt_count > HR_BUS_REQUESTS_MAX) {
        hr_bus_lattice_attempt_end(attempt, HR_RESPONDER_FORGOTTEN);
        return;
    }
    attempt->request = NULL;
    hr_list_remove(&attempt->in_request);
}
