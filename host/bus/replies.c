/* The table of requests. A started request is in replies->requests until its end, and besides in
 * exactly one of: its slot of the table (replies may come, its timer runs) or replies->settled (the
 * outcome is known and waits for the port's task).
 */
#include "host/bus/replies.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"

#define UNIQUE_BYTES 16u

struct request {
    struct hr_bus_request base;
    struct hr_bus_replies *owner;
    struct hr_list in_port;  /* owner->requests */
    struct hr_list in_table; /* a slot, or owner->settled */
    struct hr_timer timer;
    uint64_t number;
    enum hr_err outcome; /* of a settled one */
    struct hr_bus_wish wish;
    uint32_t count; /* replies kept; gathers only, as all below */
    size_t bytes;   /* of theirs */
    struct hr_bus_msg *replies;
    struct hr_bus_message **kept; /* what the replies point into */
};

/* Writes "_INBOX.<unique>.*". The random part keeps the inboxes of all hosts of a lattice apart, and
 * makes them hard to guess for an actor that may publish to `_INBOX.>`. */
static int make_inbox_pattern(char *ret_pattern)
{
    unsigned char unique[UNIQUE_BYTES];
    int rc = uv_random(NULL, NULL, unique, sizeof unique, 0, NULL);
    if (rc < 0) {
        return rc;
    }
    static const char digits[] = "0123456789abcdef";
    char *at = ret_pattern;
    memcpy(at, "_INBOX.", 7);
    at += 7;
    for (size_t i = 0; i < sizeof unique; i++) {
        *at++ = digits[unique[i] >> 4];
        *at++ = digits[unique[i] & 15];
    }
    *at++ = '.';
    *at++ = '*';
    HR_ASSERT(at == ret_pattern + HR_BUS_INBOX_PATTERN_BYTES);
    return 0;
}

enum hr_err hr_bus_replies_init(struct hr_bus_replies *replies, struct hr_bus_port *port,
                                struct hr_bus_counters *counters, struct hr_diag *diag)
{
    int rc = make_inbox_pattern(replies->inbox_pattern);
    if (rc < 0) {
        return hr_diag_set(diag, HR_IO, "random bytes: %s", uv_strerror(rc));
    }
    replies->port = port;
    replies->counters = counters;
    replies->last_number = 0;
    replies->request_count = 0;
    hr_list_init(&replies->requests);
    hr_list_init(&replies->settled);
    for (uint32_t i = 0; i < HR_BUS_REPLIES_SLOTS; i++) {
        hr_list_init(&replies->slots[i]);
    }
    return HR_OK;
}

static void free_request(struct request *request)
{
    for (uint32_t i = 0; i < request->count; i++) {
        hr_bus_message_unref(request->kept[i]);
    }
    hr_free(request->kept);
    hr_free(request->replies);
    hr_free(request);
}

/* Takes @request out of the table: from here on nothing finds it. */
static void detach(struct request *request)
{
    struct hr_bus_replies *owner = request->owner;
    hr_loop_timer_stop(owner->port->loop, &request->timer);
    hr_list_remove(&request->in_table);
    hr_list_remove(&request->in_port);
    HR_ASSERT(owner->request_count > 0);
    owner->request_count--;
}

/* Ends @request with @err; @reply for a request that succeeded. */
static void complete(struct request *request, enum hr_err err, const struct hr_bus_msg *reply)
{
    detach(request);
    if (request->wish.reply_cb) {
        request->wish.reply_cb(request->wish.arg, err, err ? NULL : reply);
    } else {
        request->wish.gather_cb(request->wish.arg, err, request->replies, err ? 0 : request->count);
    }
    free_request(request);
}

static void on_timeout(void *arg)
{
    struct request *request = arg;
    if (request->wish.gather_cb) {
        complete(request, HR_OK, NULL);
        return;
    }
    hr_bus_count(&request->owner->counters->timeouts);
    complete(request, HR_TIMEOUT, NULL);
}

static struct hr_list *slot_of(struct hr_bus_replies *replies, uint64_t number)
{
    return &replies->slots[number % HR_BUS_REPLIES_SLOTS];
}

static struct request *find(struct hr_bus_replies *replies, uint64_t number)
{
    struct hr_list *slot = slot_of(replies, number);
    for (struct hr_list *node = slot->next; node != slot; node = node->next) {
        struct request *request = HR_LIST_OWNER(node, struct request, in_table);
        if (request->number == number) {
            return request;
        }
    }
    return NULL;
}

static void add_reply(struct request *request, struct hr_bus_message *message)
{
    if (hr_bus_is_refusal(&message->view)) {
        return; /* others may still do it */
    }
    if (message->bytes > HR_BUS_GATHER_BYTES_MAX - request->bytes) {
        complete(request, HR_OK, NULL);
        return;
    }
    hr_bus_message_ref(message);
    request->kept[request->count] = message;
    request->replies[request->count] = message->view;
    request->count++;
    request->bytes += message->bytes;
    if (request->count == request->wish.want) {
        complete(request, HR_OK, NULL);
    }
}

void hr_bus_replies_on_reply(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_bus_replies *replies = arg;
    /* The view that a callback gets is the message's own. */
    struct hr_bus_message *message = HR_LIST_OWNER(msg, struct hr_bus_message, view);
    uint64_t number;
    if (!hr_str_to_u64(hr_str_from(msg->subject, HR_BUS_INBOX_BYTES), &number)) {
        return; /* somebody made up an inbox of ours */
    }
    struct request *request = find(replies, number);
    if (!request) {
        return;
    }
    if (message->no_responders) {
        hr_bus_count(&replies->counters->no_responders);
        complete(request, request->wish.gather_cb ? HR_OK : HR_NO_RESPONDERS, NULL);
    } else if (request->wish.gather_cb) {
        add_reply(request, message);
    } else {
        complete(request, HR_OK, msg);
    }
}

enum hr_err hr_bus_replies_new(struct hr_bus_replies *replies, const struct hr_bus_wish *wish,
                               struct hr_bus_request **ret_request)
{
    if (replies->request_count >= HR_BUS_REQUESTS_MAX) {
        return HR_BUSY;
    }
    struct request *request = hr_alloc(sizeof *request);
    if (!request) {
        return HR_NO_MEMORY;
    }
    request->base.port = replies->port;
    request->owner = replies;
    request->wish = *wish;
    request->number = ++replies->last_number;
    hr_timer_init(&request->timer, on_timeout, request);
    if (wish->want > 0) {
        request->replies = hr_alloc_array(wish->want, sizeof request->replies[0]);
        request->kept = hr_alloc_array(wish->want, sizeof(struct hr_bus_message *));
        if (!request->replies || !request->kept) {
            free_request(request);
            return HR_NO_MEMORY;
        }
    }
    hr_list_init(&request->in_table);
    hr_list_push_back(&replies->requests, &request->in_port);
    replies->request_count++;
    *ret_request = &request->base;
    return HR_OK;
}

void hr_bus_replies_inbox(const struct hr_bus_request *base, struct hr_bus_inbox *ret_inbox)
{
    const struct request *request = (const struct request *)base;
    int len = snprintf(ret_inbox->text, sizeof ret_inbox->text, "%.*s%llu", (int)HR_BUS_INBOX_BYTES,
                       request->owner->inbox_pattern, (unsigned long long)request->number);
    HR_ASSERT(len > 0 && (size_t)len < sizeof ret_inbox->text);
    ret_inbox->len = (size_t)len;
}

void hr_bus_replies_start(struct hr_bus_request *base, uint32_t timeout_ms, enum hr_err outcome)
{
    struct request *request = (struct request *)base;
    struct hr_bus_replies *replies = request->owner;
    hr_bus_count(&replies->counters->requests);
    request->outcome = outcome;
    if (outcome) {
        hr_list_push_back(&replies->settled, &request->in_table);
    } else {
        hr_list_push_back(slot_of(replies, request->number), &request->in_table);
        hr_loop_timer_start(replies->port->loop, &request->timer, timeout_ms);
    }
}

void hr_bus_replies_drop(struct hr_bus_request *base)
{
    struct request *request = (struct request *)base;
    detach(request);
    free_request(request);
}

void hr_bus_replies_settle(struct hr_bus_replies *replies)
{
    struct hr_list settled;
    hr_list_init(&settled);
    hr_list_move_all(&settled, &replies->settled);
    while (!hr_list_empty(&settled)) {
        struct request *request = HR_LIST_OWNER(settled.next, struct request, in_table);
        complete(request, request->wish.gather_cb ? HR_OK : request->outcome, NULL);
    }
}

void hr_bus_replies_fail_all(struct hr_bus_replies *replies, enum hr_err err)
{
    struct hr_list all;
    hr_list_init(&all);
    hr_list_move_all(&all, &replies->requests);
    while (!hr_list_empty(&all)) {
        struct request *request = HR_LIST_OWNER(all.next, struct request, in_port);
        bool is_gather = request->wish.gather_cb != NULL;
        complete(request, err == HR_CLOSED && is_gather ? HR_OK : err, NULL);
    }
}
