/* Sending. A message goes to nats.c's buffer at once, and to the socket at the end of the round of the publisher's loop
 * together with what else the round sends (a batch's replies), on that loop's thread, if
 * nothing waits before it, the buffer is short and no TLS is in the way (whose writes may block); else
 * it is queued for the bus' thread. Large bodies always are, and go piece by piece as the buffer gets
 * short, so that it stays short. Under @out_lock; the queue is in the order of publishing. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/bus/nats_headers.h"
#include "host/bus/nats_impl.h"

#define BUFFER_BYTES_MAX (1 << 20) /* in nats.c's buffer before messages queue up */
#define FLUSH_BYTES_MIN (1 << 16)  /* in it before a round's end is not waited for */
#define PIECE_BYTES_MAX ((size_t)256 << 10)

struct waiting {
    struct hr_list node;
    struct hr_bus_message *message;
    size_t piece_bytes; /* 0 = whole */
    size_t sent_bytes;
    struct hr_bus_piece piece; /* the next; its id points to @id */
    char id[HR_BUS_PIECE_ID_BYTES_MAX];
};

enum hr_err hr_bus_nats_error_of(natsStatus s)
{
    if (s == NATS_OK) {
        return HR_OK;
    }
    if (s == NATS_NO_MEMORY) {
        return HR_NO_MEMORY;
    }
    if (s == NATS_MAX_PAYLOAD) {
        return HR_TOO_BIG;
    }
    if (s == NATS_NO_SERVER_SUPPORT) {
        return HR_UNSUPPORTED;
    }
    return s == NATS_CONNECTION_CLOSED || s == NATS_DRAINING ? HR_CLOSED : HR_IO;
}

static void terminate(struct hr_str s, char ret_text[HR_BUS_SUBJECT_BYTES_MAX + 1])
{
    HR_ASSERT(s.len <= HR_BUS_SUBJECT_BYTES_MAX);
    if (s.len > 0) {
        memcpy(ret_text, s.ptr, s.len);
    }
    ret_text[s.len] = '\0';
}

/* Hands a message with headers to nats.c. It writes a header's name as it gets it, and it gets all lines
 * as one name, because it would put several headers into an order of its own. */
static natsStatus publish_headers(natsConnection *nc, const char *subject, const char *reply,
                                  const struct hr_bus_msg *msg)
{
    char lines[HR_BUS_NATS_LINES_BYTES_MAX];
    char last[HR_BUS_HEADER_BYTES_MAX + 1];
    const struct hr_bus_header *header = &msg->headers[msg->header_count - 1];
    natsMsg *made = NULL;
    hr_bus_nats_headers_write(msg->headers, msg->header_count, lines);
    if (header->value.len > 0) {
        memcpy(last, header->value.ptr, header->value.len);
    }
    last[header->value.len] = '\0';
    natsStatus s = natsMsg_Create(&made, subject, reply, msg->body.ptr, (int)msg->body.len);
    s = s ? s : natsMsgHeader_Add(made, lines, last);
    s = s ? s : natsConnection_PublishMsg(nc, made);
    natsMsg_Destroy(made);
    return s;
}

/* Hands @msg to nats.c, which copies it into its buffer. */
static enum hr_err hand_over(struct hr_bus_nats *bus, natsConnection *nc,
                             const struct hr_bus_msg *msg, struct hr_str reply_to)
{
    char subject[HR_BUS_SUBJECT_BYTES_MAX + 1];
    char reply[HR_BUS_SUBJECT_BYTES_MAX + 1];
    natsStatus s;
    terminate(msg->subject, subject);
    terminate(reply_to, reply);
    if (msg->header_count > 0) {
        s = publish_headers(nc, subject, reply_to.len > 0 ? reply : NULL, msg);
    } else if (reply_to.len > 0) {
        s = natsConnection_PublishRequest(nc, subject, reply, msg->body.ptr, (int)msg->body.len);
    } else {
        s = natsConnection_Publish(nc, subject, msg->body.ptr, (int)msg->body.len);
    }
    atomic_fetch_add_explicit(&bus->out_bytes_total, msg->body.len, memory_order_relaxed);
    return hr_bus_nats_error_of(s);
}

/* Makes the next piece of @item and hands it over. */
static enum hr_err hand_piece_over(struct hr_bus_nats *bus, natsConnection *nc,
                                   struct waiting *item)
{
    const struct hr_bus_msg *whole = &item->message->view;
    struct hr_bus_header headers[HR_BUS_NATS_HEADERS_MAX];
    char value[HR_BUS_PIECE_VALUE_BYTES_MAX];
    struct hr_bus_msg part = *whole;
    size_t left = whole->body.len - item->sent_bytes;
    size_t len = hr_bus_piece_format(&item->piece, value);
    headers[0].name = HR_STR(HR_BUS_HEADER_PIECE);
    headers[0].value = hr_str_of(value, len);
    part.headers = headers;
    part.header_count = 1;
    if (item->piece.index == 0) {
        for (size_t i = 0; i < whole->header_count; i++) {
            headers[part.header_count++] = whole->headers[i];
        }
    }
    part.body = hr_str_of(whole->body.ptr + item->sent_bytes,
                          left < item->piece_bytes ? left : item->piece_bytes);
    item->sent_bytes += part.body.len;
    item->piece.index++;
    return hand_over(bus, nc, &part, whole->reply_to);
}

static void free_item(struct hr_bus_nats *bus, struct waiting *item)
{
    hr_list_remove(&item->node);
    bus->out_bytes -= item->message->bytes;
    hr_bus_message_unref(item->message);
    hr_free(item);
}

void hr_bus_nats_out_clear(struct hr_bus_nats *bus)
{
    while (!hr_list_empty(&bus->out)) {
        free_item(bus, HR_LIST_OWNER(bus->out.next, struct waiting, node));
    }
}

/* How much of a body goes into one piece; 0 = the server takes too little for pieces. */
static size_t piece_bytes_of(const struct hr_bus_msg *msg, size_t max_payload)
{
    struct hr_bus_header piece = {HR_STR(HR_BUS_HEADER_PIECE),
                                  {NULL, HR_BUS_PIECE_VALUE_BYTES_MAX}};
    size_t head = hr_bus_nats_headers_bytes(msg->headers, msg->header_count) +
                  hr_bus_nats_headers_bytes(&piece, 1);
    size_t room = max_payload > head ? max_payload - head : 0;
    room = room < PIECE_BYTES_MAX ? room : PIECE_BYTES_MAX;
    return room > 0 && msg->body.len / room < HR_BUS_PIECE_COUNT_MAX ? room : 0;
}

static struct waiting *new_item(const struct hr_bus_msg *msg, struct hr_str reply_to,
                                size_t piece_bytes)
{
    struct waiting *item = hr_alloc(sizeof *item);
    if (!item) {
        return NULL;
    }
    hr_list_init(&item->node);
    item->message = hr_bus_message_new(msg, reply_to);
    if (!item->message) {
        hr_free(item);
        return NULL;
    }
    item->piece_bytes = piece_bytes;
    if (piece_bytes > 0) {
        item->piece.count = (uint32_t)((msg->body.len + piece_bytes - 1) / piece_bytes);
        item->piece.total_bytes = msg->body.len;
    }
    return item;
}

/* Queues @item, or says why not. Under @out_lock. */
static enum hr_err enqueue(struct hr_bus_nats *bus, struct waiting *item)
{
    if (!bus->connected) {
        return HR_CLOSED;
    }
    if (item->message->bytes > HR_BUS_NATS_OUT_BYTES_MAX - bus->out_bytes) {
        return HR_BUSY;
    }
    if (item->piece_bytes > 0) {
        int len =
            snprintf(item->id, sizeof item->id, "%llx", (unsigned long long)bus->next_piece_id++);
        item->piece.id = hr_str_of(item->id, (size_t)len);
    }
    hr_list_push_back(&bus->out, &item->node);
    bus->out_bytes += item->message->bytes;
    return HR_OK;
}

/* The copy is made outside the lock: it may be a large one. */
static enum hr_err send_later(struct hr_bus_nats *bus, const struct hr_bus_msg *msg,
                              struct hr_str reply_to, size_t piece_bytes)
{
    struct waiting *item = new_item(msg, reply_to, piece_bytes);
    if (!item) {
        return HR_NO_MEMORY;
    }
    uv_mutex_lock(&bus->out_lock);
    enum hr_err err = enqueue(bus, item);
    uv_mutex_unlock(&bus->out_lock);
    if (err) {
        hr_bus_message_unref(item->message);
        hr_free(item);
        return err;
    }
    hr_bus_nats_link_wake(bus);
    return HR_OK;
}

/* Under @out_lock. */
static void flush(struct hr_bus_nats *bus)
{
    if (bus->nc) {
        hr_bus_nats_link_writes_itself(true);
        hr_bus_nats_link_flush(bus, bus->nc);
        hr_bus_nats_link_writes_itself(false);
    }
}

void hr_bus_nats_port_flush(void *arg)
{
    struct hr_bus_nats_port *port = arg;
    struct hr_bus_nats *bus = hr_bus_nats_of(&port->base);
    port->flushes = false;
    uv_mutex_lock(&bus->out_lock);
    flush(bus);
    uv_mutex_unlock(&bus->out_lock);
}

/* Under @out_lock. */
static void flush_soon(struct hr_bus_nats_port *port, int buffered_before)
{
    struct hr_loop *loop = port->base.loop;
    if (buffered_before >= FLUSH_BYTES_MIN || !hr_loop_is_own_thread(loop)) {
        flush(hr_bus_nats_of(&port->base));
    } else if (!port->flushes) {
        port->flushes = true;
        hr_loop_post_last(loop, &port->flush);
    }
}

/* Sends @msg on this thread if it may go at once: *ret_sent says whether it was tried. */
static enum hr_err send_now(struct hr_bus_nats_port *port, const struct hr_bus_msg *msg,
                            struct hr_str reply_to, bool *ret_sent)
{
    struct hr_bus_nats *bus = hr_bus_nats_of(&port->base);
    enum hr_err err = HR_OK;
    uv_mutex_lock(&bus->out_lock);
    int buffered = bus->connected ? natsConnection_Buffered(bus->nc) : 0;
    if (!bus->connected) {
        err = HR_CLOSED;
        *ret_sent = true;
    } else if (hr_list_empty(&bus->out) && buffered <= BUFFER_BYTES_MAX) {
        hr_bus_nats_link_writes_itself(true);
        err = hand_over(bus, bus->nc, msg, reply_to);
        hr_bus_nats_link_writes_itself(false);
        flush_soon(port, buffered);
        *ret_sent = true;
    }
    uv_mutex_unlock(&bus->out_lock);
    return err;
}

enum hr_err hr_bus_nats_send(struct hr_bus_nats_port *port, const struct hr_bus_msg *msg,
                             struct hr_str reply_to, bool may_split)
{
    struct hr_bus_nats *bus = hr_bus_nats_of(&port->base);
    size_t max_payload = atomic_load(&bus->max_payload);
    size_t head = hr_bus_nats_headers_bytes(msg->headers, msg->header_count);
    size_t piece_bytes = 0;
    bool sent = false;
    enum hr_err err = HR_OK;
    if (!atomic_load(&bus->is_up)) {
        return HR_CLOSED;
    }
    if (head + msg->body.len > max_payload) {
        piece_bytes = may_split ? piece_bytes_of(msg, max_payload) : 0;
        if (piece_bytes == 0) {
            return HR_TOO_BIG;
        }
    } else if (!bus->tls) {
        err = send_now(port, msg, reply_to, &sent);
    }
    if (!sent) {
        err = send_later(bus, msg, reply_to, piece_bytes);
    }
    if (!err) {
        hr_bus_count(&bus->counters.published);
    }
    return err;
}

/* Hands over the first that waits, or its next piece. What nats.c refuses (the server may take less than
 * it did) is dropped: its publisher was told that it would be sent, as with any message that is lost. */
static void feed_one(struct hr_bus_nats *bus, natsConnection *nc)
{
    struct waiting *item = HR_LIST_OWNER(bus->out.next, struct waiting, node);
    enum hr_err err = item->piece_bytes > 0
                          ? hand_piece_over(bus, nc, item)
                          : hand_over(bus, nc, &item->message->view, item->message->view.reply_to);
    if (err) {
        hr_bus_count(&bus->counters.dropped);
    }
    if (err || item->piece_bytes == 0 || item->piece.index == item->piece.count) {
        free_item(bus, item);
    }
}

bool hr_bus_nats_out_feed(struct hr_bus_nats *bus, natsConnection *nc)
{
    bool more = false;
    uv_mutex_lock(&bus->out_lock);
    while (!hr_list_empty(&bus->out) && natsConnection_Buffered(nc) <= BUFFER_BYTES_MAX) {
        feed_one(bus, nc);
    }
    if (!bus->tls) {
        hr_bus_nats_link_flush(bus, nc);
        more = !hr_list_empty(&bus->out) && natsConnection_Buffered(nc) <= BUFFER_BYTES_MAX;
    }
    uv_mutex_unlock(&bus->out_lock);
    if (bus->tls) {
        hr_bus_nats_link_flush(bus, nc);
        uv_mutex_lock(&bus->out_lock);
        more = !hr_list_empty(&bus->out);
        uv_mutex_unlock(&bus->out_lock);
    }
    return more;
}
