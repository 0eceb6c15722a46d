/* One piece of memory for a message: the struct, its headers' table, then all bytes in a row. */
#include "host/bus/message.h"

#include "base/alloc.h"

static size_t bytes_of(const struct hr_bus_msg *msg, struct hr_str reply_to)
{
    size_t bytes = msg->subject.len + reply_to.len + msg->body.len;
    for (size_t i = 0; i < msg->header_count; i++) {
        bytes += msg->headers[i].name.len + msg->headers[i].value.len;
    }
    return bytes;
}

/* Copies @s to *@at and moves it on; returns where the copy is. */
static struct hr_str put(char **at, struct hr_str s)
{
    struct hr_str copy = hr_str_of(*at, s.len);
    if (s.len > 0) {
        memcpy(*at, s.ptr, s.len);
        *at += s.len;
    }
    return copy;
}

struct hr_bus_message *hr_bus_message_reserve(const struct hr_bus_msg *msg, struct hr_str reply_to,
                                              char **ret_body)
{
    size_t bytes = bytes_of(msg, reply_to);
    size_t head = sizeof(struct hr_bus_message) + msg->header_count * sizeof(struct hr_bus_header);
    struct hr_bus_message *message = hr_alloc(head + bytes);
    if (!message) {
        return NULL;
    }
    char *at = (char *)message + head;
    message->bytes = bytes;
    atomic_init(&message->refs, 1);
    message->view.subject = put(&at, msg->subject);
    message->view.reply_to = put(&at, reply_to);
    for (size_t i = 0; i < msg->header_count; i++) {
        message->headers[i].name = put(&at, msg->headers[i].name);
        message->headers[i].value = put(&at, msg->headers[i].value);
    }
    message->view.headers = message->headers;
    message->view.header_count = msg->header_count;
    message->view.body = hr_str_of(at, msg->body.len);
    *ret_body = at;
    return message;
}

struct hr_bus_message *hr_bus_message_new(const struct hr_bus_msg *msg, struct hr_str reply_to)
{
    char *body;
    struct hr_bus_message *message = hr_bus_message_reserve(msg, reply_to, &body);
    if (message && msg->body.len > 0) {
        memcpy(body, msg->body.ptr, msg->body.len);
    }
    return message;
}

void hr_bus_message_ref(struct hr_bus_message *message)
{
    atomic_fetch_add_explicit(&message->refs, 1, memory_order_relaxed);
}

void hr_bus_message_unref(struct hr_bus_message *message)
{
    /* Release what this thread did with it, and let the one that frees see what all others did. */
    if (message && atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) == 1) {
        hr_free(message);
    }
}
