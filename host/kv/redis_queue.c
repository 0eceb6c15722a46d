/* One port's operations: which of them are sent, what becomes of them, and when their time is up.
 * redis_impl.h has the lists.
 *
 * Time. An operation is answered `answer_ms` after it was submitted at the latest. While there is no link
 * it waits for one until `reconnect_ms` after the link was lost; after that it is refused at once, so
 * that its caller can turn to another site. A server that has said nothing for `answer_ms` while it owes
 * answers is given up with its connection; one that answers, but too late, keeps it, and what is answered
 * to nobody any more is dropped.
 *
 * What was sent may be done. So a commit or increment that has no answer is HR_UNKNOWN_OUTCOME and is
 * never sent again, unless the connection broke before all its bytes were written: a server does
 * nothing on half a command. Reads are sent again. */
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/kv/redis_impl.h"

static struct hr_kv_redis *store_of(const struct hr_kv_redis_port *port)
{
    return (struct hr_kv_redis *)port->base.kv; /* its first member */
}

static struct hr_kv_redis_op *op_of(struct hr_list *node)
{
    return HR_LIST_OWNER(node, struct hr_kv_redis_op, node);
}

static struct hr_kv_redis_op *first(struct hr_list *list)
{
    return hr_list_empty(list) ? NULL : op_of(list->next);
}

static bool is_change(const struct hr_kv_redis_op *op)
{
    return op->kind == HR_KV_REDIS_OP_COMMIT || op->kind == HR_KV_REDIS_OP_INCREMENT;
}

/* Puts all of @from before all of @to. */
static void put_before(struct hr_list *to, struct hr_list *from)
{
    hr_list_move_all(from, to);
    hr_list_move_all(to, from);
}

/* ---- answers ---- */

/* Leaves the operation's place to others; before its callback can take it. */
static void give_back(struct hr_kv_redis_op *op)
{
    struct hr_kv_redis *kv = store_of(op->port);
    if (is_change(op)) {
        atomic_fetch_sub(&kv->queued, 1);
        atomic_fetch_sub(&kv->queued_bytes, op->bytes);
    } else if (op->kind != HR_KV_REDIS_OP_BEAT) {
        op->port->reads--;
    }
}

static void count_change(struct hr_kv_redis *kv, enum hr_err err)
{
    atomic_fetch_add(err == HR_OK         ? &kv->commits
                     : err == HR_CONFLICT ? &kv->conflicts
                                          : &kv->errors,
                     1);
}

/* What became of an operation. */
struct outcome {
    enum hr_err err;
    size_t conflict;
    uint64_t number;
    struct hr_str value;
    const struct hr_kv_page *page;
    const char *detail;
};

static void tell(struct hr_kv_redis_op *op, const struct outcome *outcome)
{
    HR_ASSERT(!op->answered);
    op->answered = true;
    give_back(op);
    if (is_change(op) && outcome->err != HR_CANCELED) {
        count_change(store_of(op->port), outcome->err);
    }
    switch (op->kind) {
    case HR_KV_REDIS_OP_GET:
        op->cb.get(op->arg, outcome->err, outcome->value);
        break;
    case HR_KV_REDIS_OP_SCAN:
        op->cb.scan(op->arg, outcome->err, outcome->err ? NULL : outcome->page);
        break;
    case HR_KV_REDIS_OP_COMMIT:
        op->cb.commit(op->arg, outcome->err, outcome->conflict,
                      outcome->detail ? outcome->detail : "");
        break;
    case HR_KV_REDIS_OP_INCREMENT:
        op->cb.increment(op->arg, outcome->err, outcome->number);
        break;
    case HR_KV_REDIS_OP_BEAT:
        op->port->beating = false;
        break;
    }
}

__attribute__((format(printf, 3, 4))) static void fail(struct hr_kv_redis_op *op, enum hr_err err,
                                                       const char *fmt, ...)
{
    char detail[HR_KV_REDIS_DETAIL_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    const struct outcome outcome = {.err = err, .detail = detail};
    tell(op, &outcome);
}

/* Of operations that are in no list. */
static void end(struct hr_kv_redis_op *op)
{
    struct hr_kv_redis_port *port = op->port;
    hr_free(op);
    hr_kv_redis_port_settle(port);
}

/* ---- time ---- */

/* When a waiting operation's time is up. */
static uint64_t waits_until_ns(const struct hr_kv_redis_port *port, const struct hr_kv_redis_op *op)
{
    if (port->link == HR_KV_REDIS_LINK_READY) {
        return op->due_ns;
    }
    uint64_t until_ns = port->down_ns + (uint64_t)store_of(port)->url.reconnect_ms * 1000000u;
    return until_ns < op->due_ns ? until_ns : op->due_ns;
}

/* Takes them out first: a callback may submit again, and what it submits waits for the next round. */
static void fail_waiting(struct hr_kv_redis_port *port, uint64_t now_ns)
{
    struct hr_list late;
    hr_list_init(&late);
    struct hr_kv_redis_op *op;
    while ((op = first(&port->waiting)) && waits_until_ns(port, op) <= now_ns) {
        hr_list_remove(&op->node);
        hr_list_push_back(&late, &op->node);
    }
    while ((op = first(&late))) {
        hr_list_remove(&op->node);
        if (port->link == HR_KV_REDIS_LINK_READY) {
            fail(op, HR_TIMEOUT, "redis: not sent within %u ms; nothing was changed",
                 store_of(port)->url.answer_ms);
        } else {
            fail(op, HR_IO, "redis: no connection (%.100s); nothing was changed", port->trouble);
        }
        end(op);
    }
}

/* Since when the server has owed an answer and said nothing; UINT64_MAX: it owes none. */
static uint64_t silent_since_ns(const struct hr_kv_redis_port *port)
{
    if (hr_list_empty(&port->sent)) {
        return UINT64_MAX;
    }
    uint64_t sent_ns = op_of(port->sent.next)->sent_ns;
    return sent_ns > port->heard_ns ? sent_ns : port->heard_ns;
}

static void answer_late(struct hr_kv_redis_port *port, uint64_t now_ns)
{
    struct hr_list *node = port->sent.next;
    while (node != &port->sent) {
        struct hr_kv_redis_op *op = op_of(node);
        if (op->due_ns > now_ns) {
            break; /* those behind it are due later */
        }
        node = node->next; /* a callback adds to other lists only */
        if (!op->answered) {
            fail(op, is_change(op) ? HR_UNKNOWN_OUTCOME : HR_TIMEOUT,
                 "redis: sent, but not answered within %u ms; it may still be done",
                 store_of(port)->url.answer_ms);
        }
    }
}

static uint64_t earliest_ns(const struct hr_kv_redis_port *port)
{
    uint64_t due_ns = UINT64_MAX;
    if (!hr_list_empty(&port->waiting)) {
        due_ns = waits_until_ns(port, op_of(port->waiting.next));
    }
    for (struct hr_list *node = port->sent.next; node != &port->sent; node = node->next) {
        if (!op_of(node)->answered) {
            due_ns = op_of(node)->due_ns < due_ns ? op_of(node)->due_ns : due_ns;
            break;
        }
    }
    uint64_t silent_ns = silent_since_ns(port);
    if (silent_ns != UINT64_MAX) {
        silent_ns += (uint64_t)store_of(port)->url.answer_ms * 1000000u;
        due_ns = silent_ns < due_ns ? silent_ns : due_ns;
    }
    return due_ns;
}

static void arm(struct hr_kv_redis_port *port)
{
    uint64_t due_ns = earliest_ns(port);
    if (due_ns == UINT64_MAX) {
        return;
    }
    uint64_t now_ns = hr_now_ns();
    uint64_t wait_ms = due_ns > now_ns ? (due_ns - now_ns) / 1000000u + 1 : 1;
    hr_loop_timer_start(port->base.loop, &port->op_timer, wait_ms);
}

static void on_op_timer(void *arg)
{
    struct hr_kv_redis_port *port = arg;
    uint64_t now_ns = hr_now_ns();
    uint64_t silent_ns = silent_since_ns(port);
    uint32_t answer_ms = store_of(port)->url.answer_ms;
    if (silent_ns != UINT64_MAX && port->conn &&
        now_ns - silent_ns >= (uint64_t)answer_ms * 1000000u) {
        hr_kv_redis_link_drop(port, "no answer within %u ms", answer_ms);
    }
    answer_late(port, now_ns);
    fail_waiting(port, now_ns);
    arm(port);
}

/* ---- replies ---- */

static void on_read(struct hr_kv_redis_op *op, const redisReply *reply)
{
    struct outcome outcome = {.detail = ""};
    struct hr_kv_page page;
    if (reply->type == REDIS_REPLY_ERROR) {
        outcome.err = hr_kv_redis_refusal(hr_kv_redis_text(reply));
    } else if (op->kind == HR_KV_REDIS_OP_SCAN) {
        outcome.err = hr_kv_redis_page(reply, op->keys_only, op->limit, op->arena, &page);
        outcome.page = &page;
    } else if (reply->type == REDIS_REPLY_NIL) {
        outcome.err = HR_NOT_FOUND;
    } else if (reply->type == REDIS_REPLY_STRING && reply->len <= HR_KV_VALUE_BYTES_MAX) {
        outcome.value = hr_kv_redis_text(reply);
    } else {
        outcome.err = HR_CORRUPT;
    }
    tell(op, &outcome);
}

/* Whether what a commit or increment answered makes sense. */
static bool read_change(struct hr_kv_redis_op *op, const redisReply *reply, struct outcome *outcome)
{
    if (op->kind == HR_KV_REDIS_OP_COMMIT) {
        bool good = reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0 &&
                    reply->integer <= HR_KV_COMMIT_OPS_MAX;
        outcome->err = good && reply->integer > 0 ? HR_CONFLICT : HR_OK;
        outcome->conflict = good && reply->integer > 0 ? (size_t)reply->integer - 1 : 0;
        return good;
    }
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == -1) {
        outcome->err = HR_BAD_INPUT;
        return true;
    }
    return reply->type == REDIS_REPLY_STRING &&
           hr_str_to_u64(hr_kv_redis_text(reply), &outcome->number);
}

/* Remembers a commit that the server has done, or may have. */
static void remember(const struct hr_kv_redis_op *op, const redisReply *reply)
{
    bool done = reply->type == REDIS_REPLY_INTEGER && reply->integer == 0;
    bool not_done = reply->type == REDIS_REPLY_ERROR ||
                    (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0);
    if (!not_done) {
        hr_kv_redis_recent_note(op, done);
    }
}

static void on_change(struct hr_kv_redis_op *op, const redisReply *reply)
{
    struct hr_str text = hr_kv_redis_text(reply);
    if (reply->type == REDIS_REPLY_ERROR) {
        enum hr_err err = hr_kv_redis_refusal(text);
        struct hr_kv_redis_port *port = op->port;
        uint64_t now_ns = hr_now_ns();
        if (err == HR_READ_ONLY && port->drain == HR_KV_REDIS_FLOWING &&
            now_ns - port->moved_ns >= (uint64_t)HR_KV_REDIS_MOVED_MS * 1000000u) {
            port->moved_ns = now_ns;
            port->drain = HR_KV_REDIS_MOVING;
        }
        fail(op, err, "redis: %.150s; nothing was changed", text.ptr);
        return;
    }
    struct outcome outcome = {.detail = ""};
    if (read_change(op, reply, &outcome)) {
        tell(op, &outcome);
    } else {
        fail(op, HR_UNKNOWN_OUTCOME, "redis: an answer that makes no sense");
    }
}

static void on_beat(struct hr_kv_redis_op *op, const redisReply *reply)
{
    hr_kv_redis_note_memory(store_of(op->port), hr_kv_redis_text(reply));
    const struct outcome outcome = {.err = HR_OK};
    tell(op, &outcome);
}

/* Changes that were certainly not done, when a later one was: sent again they would come after that. */
static void give_up_held(struct hr_kv_redis_port *port)
{
    struct hr_list held;
    hr_list_init(&held);
    hr_list_move_all(&held, &port->held);
    struct hr_list *node;
    while ((node = hr_list_pop_front(&held))) {
        struct hr_kv_redis_op *op = op_of(node);
        if (is_change(op)) {
            fail(op, HR_IO, "redis: the server had lost its scripts; nothing was changed");
            end(op);
        } else {
            hr_list_push_back(&port->held, node);
        }
    }
}

/* The connection broke before the reply. */
static void on_lost(struct hr_kv_redis_op *op, const struct hr_kv_redis_conn *conn,
                    const redisAsyncContext *ac)
{
    struct hr_kv_redis_port *port = op->port;
    bool again = !is_change(op) || op->end > hr_kv_redis_link_written(conn, ac);
    const char *why = ac->err && ac->errstr ? ac->errstr : port->trouble;
    if (!again) {
        hr_kv_redis_recent_note(op, false);
    }
    if (op->answered || op->kind == HR_KV_REDIS_OP_BEAT) {
        port->beating = port->beating && op->kind != HR_KV_REDIS_OP_BEAT;
        end(op);
    } else if (again && op->sends < HR_KV_REDIS_SENDS_MAX) {
        hr_list_push_back(&port->returned, &op->node);
    } else if (!again) {
        fail(op, HR_UNKNOWN_OUTCOME,
             "redis: sent, but the connection broke (%.100s); it may be done", why);
        end(op);
    } else {
        fail(op, HR_IO, "redis: the connection broke (%.100s); nothing was changed", why);
        end(op);
    }
}

static void on_reply(redisAsyncContext *ac, void *raw, void *arg)
{
    struct hr_kv_redis_conn *conn = ac->ev.data;
    struct hr_kv_redis_op *op = arg;
    struct hr_kv_redis_port *port = op->port;
    const redisReply *reply = raw;
    conn->guard.expected--;
    hr_list_remove(&op->node);
    port->sent_count--;
    port->sent_bytes -= op->bytes;
    if (!reply) {
        on_lost(op, conn, ac);
        return;
    }
    bool unknown = reply->type == REDIS_REPLY_ERROR &&
                   hr_kv_redis_has_code(hr_kv_redis_text(reply), "NOSCRIPT");
    if (unknown) {
        port->drain = HR_KV_REDIS_RELOADING;
    }
    if (unknown && !op->answered && op->sends < HR_KV_REDIS_SENDS_MAX) {
        hr_list_push_back(&port->held, &op->node);
        return;
    }
    if (is_change(op) && !unknown) {
        remember(op, reply);
        give_up_held(port);
    }
    if (op->answered) {
        /* nobody waits for it */
    } else if (is_change(op)) {
        on_change(op, reply);
    } else if (op->kind == HR_KV_REDIS_OP_BEAT) {
        on_beat(op, reply);
    } else {
        on_read(op, reply);
    }
    end(op);
}

/* ---- sending ---- */

/* All that was sent has its reply: does what that was waited for. */
static void end_drain(struct hr_kv_redis_port *port)
{
    if (port->drain == HR_KV_REDIS_MOVING) {
        hr_kv_redis_link_drop(port, "the server is read-only");
    } else if (port->greetings == 0) {
        hr_kv_redis_link_reload(port);
    }
}

static bool has_room(const struct hr_kv_redis_port *port)
{
    return port->sent_count < HR_KV_REDIS_SENT_MAX &&
           port->sent_bytes < HR_KV_REDIS_SENT_BYTES_MAX &&
           sdslen(port->conn->ac->c.obuf) < HR_KV_REDIS_UNWRITTEN_BYTES_MAX;
}

static bool send_one(struct hr_kv_redis_port *port, struct hr_kv_redis_op *op)
{
    struct hr_kv_redis_conn *conn = port->conn;
    if (redisAsyncFormattedCommand(conn->ac, on_reply, op, op->command, op->command_len) !=
        REDIS_OK) {
        return false; /* it breaks at this moment, or has no memory: later */
    }
    hr_list_remove(&op->node);
    hr_list_push_back(&port->sent, &op->node);
    conn->given += op->command_len;
    conn->guard.expected++;
    op->end = conn->given;
    op->sends++;
    op->sent_ns = hr_now_ns();
    port->sent_count++;
    port->sent_bytes += op->bytes;
    return true;
}

void hr_kv_redis_flush(struct hr_kv_redis_port *port)
{
    if (port->link != HR_KV_REDIS_LINK_READY) {
        return;
    }
    if (port->drain != HR_KV_REDIS_FLOWING) {
        if (hr_list_empty(&port->sent)) {
            end_drain(port);
        }
        return;
    }
    if (hr_list_empty(&port->sent) && !hr_list_empty(&port->waiting) &&
        !hr_kv_redis_link_probe(port)) {
        return;
    }
    struct hr_kv_redis_conn *conn = port->conn;
    struct hr_kv_redis_op *op;
    bool sent = false;
    hr_kv_redis_link_flush(conn, true);
    while ((op = first(&port->waiting)) && has_room(port) && send_one(port, op)) {
        sent = true;
    }
    if (sent) {
        redisAsyncHandleWrite(conn->ac); /* at once: the next round would be a poll later */
    }
    hr_kv_redis_link_flush(conn, false);
}

static void on_flush(void *arg)
{
    struct hr_kv_redis_port *port = arg;
    port->flush_posted = false;
    if (port->state == HR_KV_REDIS_PORT_CLOSING) {
        hr_kv_redis_queue_close(port);
    }
    hr_kv_redis_flush(port);
    fail_waiting(port, hr_now_ns()); /* at once, if the link has been lost for long */
    arm(port);
    hr_kv_redis_port_settle(port);
}

void hr_kv_redis_post_flush(struct hr_kv_redis_port *port)
{
    if (!port->flush_posted) {
        port->flush_posted = true;
        hr_loop_post_last(port->base.loop, &port->flush_task);
    }
}

/* Takes a place in the store's queue, or among the port's reads. */
static bool reserve(struct hr_kv_redis_port *port, const struct hr_kv_redis_op *op)
{
    struct hr_kv_redis *kv = store_of(port);
    if (op->kind == HR_KV_REDIS_OP_BEAT) {
        return true;
    }
    if (!is_change(op)) {
        bool fits = port->reads < HR_KV_REDIS_READS_MAX;
        port->reads += fits;
        return fits;
    }
    uint64_t queued = atomic_fetch_add(&kv->queued, 1);
    uint64_t queued_bytes = atomic_fetch_add(&kv->queued_bytes, op->bytes);
    if (queued < HR_KV_QUEUE_MAX && queued_bytes + op->bytes <= HR_KV_QUEUE_BYTES_MAX) {
        return true;
    }
    atomic_fetch_sub(&kv->queued, 1);
    atomic_fetch_sub(&kv->queued_bytes, op->bytes);
    return false;
}

enum hr_err hr_kv_redis_op_new(struct hr_kv_redis_port *port, enum hr_kv_redis_op_kind kind,
                               size_t command_len, struct hr_kv_redis_op **ret_op)
{
    if (port->state != HR_KV_REDIS_PORT_OPEN) {
        return HR_CLOSED;
    }
    size_t bytes = sizeof(struct hr_kv_redis_op) + command_len;
    struct hr_kv_redis_op *op = hr_alloc(bytes);
    if (!op) {
        return HR_NO_MEMORY;
    }
    hr_list_init(&op->node);
    op->port = port;
    op->kind = kind;
    op->bytes = bytes;
    op->command_len = command_len;
    *ret_op = op;
    return HR_OK;
}

enum hr_err hr_kv_redis_submit(struct hr_kv_redis_port *port, struct hr_kv_redis_op *op)
{
    if (!reserve(port, op)) {
        hr_free(op);
        return HR_BUSY;
    }
    op->due_ns = hr_now_ns() + (uint64_t)store_of(port)->url.answer_ms * 1000000u;
    hr_list_push_back(&port->waiting, &op->node);
    hr_kv_redis_post_flush(port);
    return HR_OK;
}

/* ---- the link's coming and going, and the port's ---- */

void hr_kv_redis_queue_ready(struct hr_kv_redis_port *port)
{
    port->drain = HR_KV_REDIS_FLOWING;
    put_before(&port->waiting, &port->held);
    hr_kv_redis_post_flush(port);
}

/* What comes back goes before what waits; and what was held, before that: it was sent earlier. */
void hr_kv_redis_queue_lost(struct hr_kv_redis_port *port)
{
    HR_ASSERT(hr_list_empty(&port->sent));
    port->drain = HR_KV_REDIS_FLOWING;
    put_before(&port->waiting, &port->returned);
    put_before(&port->waiting, &port->held);
    if (!hr_list_empty(&port->waiting)) {
        hr_kv_redis_post_flush(port);
    }
}

void hr_kv_redis_queue_close(struct hr_kv_redis_port *port)
{
    struct hr_list canceled;
    hr_list_init(&canceled);
    hr_list_move_all(&canceled, &port->held);
    hr_list_move_all(&canceled, &port->returned);
    hr_list_move_all(&canceled, &port->waiting);
    struct hr_list *node;
    while ((node = hr_list_pop_front(&canceled))) {
        struct hr_kv_redis_op *op = op_of(node);
        fail(op, HR_CANCELED, "redis: the store is being closed; nothing was changed");
        end(op);
    }
}

/* Asks how the server is, if nothing else is being asked. */
static void on_beat_timer(void *arg)
{
    struct hr_kv_redis_port *port = arg;
    const struct hr_str words[] = {HR_STR("INFO"), HR_STR("memory")};
    struct hr_kv_redis_writer writer = {0};
    struct hr_kv_redis_op *op;
    hr_loop_timer_start(port->base.loop, &port->beat_timer, HR_KV_REDIS_BEAT_MS);
    hr_kv_redis_write_words(&writer, words, 2);
    if (port->link != HR_KV_REDIS_LINK_READY || port->beating ||
        hr_kv_redis_op_new(port, HR_KV_REDIS_OP_BEAT, writer.len, &op) != HR_OK) {
        return; /* the next one may do */
    }
    writer = (struct hr_kv_redis_writer){.to = op->command};
    hr_kv_redis_write_words(&writer, words, 2);
    port->beating = true;
    HR_IGNORE(hr_kv_redis_submit(port, op)); /* a beat is never refused */
}

void hr_kv_redis_queue_init(struct hr_kv_redis_port *port)
{
    hr_list_init(&port->waiting);
    hr_list_init(&port->sent);
    hr_list_init(&port->held);
    hr_list_init(&port->returned);
    hr_task_init(&port->flush_task, on_flush, port);
    hr_timer_init(&port->op_timer, on_op_timer, port);
    hr_timer_init(&port->beat_timer, on_beat_timer, port);
    hr_loop_timer_start(port->base.loop, &port->beat_timer, HR_KV_REDIS_BEAT_MS);
}
