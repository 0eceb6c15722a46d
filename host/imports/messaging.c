/* wasmcloud:messaging/consumer, hedgerow:lattice/gather and hedgerow:lattice/replies. An actor may publish to, or ask, only
 * the subjects that its link names. A request's own time limit never exceeds what is left to the call. */
#include <stdio.h>

#include "host/run/abi.h"
#include "host/bus/bus.h"
#include "host/imports/all.h"
#include "host/calls/message.h"
#include "host/run/worker.h"

/* result<_, string> or result<T, string>: the error. */
static enum hr_err put_error(struct hr_fiber *fiber, int32_t ret, enum hr_err err,
                             struct hr_str detail)
{
    char text[400];
    snprintf(text, sizeof text, "%s%s%.*s", hr_err_text(err), detail.len ? ": " : "",
             detail.len > 300 ? 300 : (int)detail.len, detail.ptr ? detail.ptr : "");
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 1);
    hr_abi_out_text(&out, 4, text);
    return hr_abi_out_end(&out);
}

/* What the host adds to what an actor sends: the trace that it belongs to and, where an answer is wanted, for
 * how long. */
struct envelope {
    struct hr_bus_header headers[2];
    char timeout[12];
};

static void address(const struct hr_fiber *fiber, uint32_t timeout_ms, struct envelope *envelope,
                    struct hr_bus_msg *msg)
{
    envelope->headers[0] =
        (struct hr_bus_header){HR_STR(HR_BUS_HEADER_TRACE), hr_trace_str(&fiber->trace)};
    msg->headers = envelope->headers;
    msg->header_count = 1;
    if (timeout_ms > 0) {
        snprintf(envelope->timeout, sizeof envelope->timeout, "%u", timeout_ms);
        envelope->headers[msg->header_count++] =
            (struct hr_bus_header){HR_STR(HR_BUS_HEADER_TIMEOUT), hr_str_c(envelope->timeout)};
    }
}

static enum hr_bus_repeat repeat_of(const struct hr_actor_links *links, struct hr_str subject)
{
    if (hr_actor_subject_allowed(links->safe, links->safe_count, subject)) {
        return HR_BUS_SAFE;
    }
    return hr_actor_subject_allowed(links->idempotent, links->idempotent_count, subject)
               ? HR_BUS_IDEMPOTENT
               : HR_BUS_ONCE;
}

static enum hr_err lift_message(struct hr_fiber *fiber, const wasmtime_val_raw_t *values,
                                struct hr_bus_msg *ret_msg)
{
    *ret_msg = (struct hr_bus_msg){0};
    enum hr_err err =
        hr_abi_string(fiber, (uint32_t)values[0].i32, (uint32_t)values[1].i32, &ret_msg->subject);
    if (!err) {
        err = hr_abi_bytes(fiber, (uint32_t)values[2].i32, (uint32_t)values[3].i32, &ret_msg->body);
    }
    return err;
}

static uint32_t bounded_ms(const struct hr_fiber *fiber, int32_t asked)
{
    uint32_t left_ms = hr_fiber_left_ms(fiber);
    uint32_t asked_ms = (uint32_t)asked;
    if (asked_ms == 0) {
        asked_ms = 1;
    }
    return asked_ms < left_ms ? asked_ms : left_ms;
}

/* --- publish ---------------------------------------------------------------------------------------- */

static enum hr_err put_published(struct hr_fiber *fiber, int32_t ret, enum hr_err failed)
{
    if (failed) {
        return put_error(fiber, ret, failed, HR_STR(""));
    }
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 0);
    return hr_abi_out_end(&out);
}

static enum hr_err consumer_publish(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_bus_msg msg;
    enum hr_err err = lift_message(fiber, values, &msg);
    if (!err && values[4].i32) {
        err = hr_abi_string(fiber, (uint32_t)values[5].i32, (uint32_t)values[6].i32, &msg.reply_to);
    }
    if (err) {
        return err;
    }
    const struct hr_actor_links *links = &fiber->actor->links;
    if (!hr_actor_subject_allowed(links->publish, links->publish_count, msg.subject)) {
        return put_error(fiber, values[7].i32, HR_DENIED, HR_STR("the link does not name it"));
    }
    /* Whoever answers does so with rights of its own; the subject is still this actor's choice. */
    if (msg.reply_to.len > 0 &&
        !hr_actor_subject_allowed(links->publish, links->publish_count, msg.reply_to)) {
        return put_error(fiber, values[7].i32, HR_DENIED,
                         HR_STR("the link does not name its reply-to"));
    }
    struct envelope envelope;
    if (!hr_str_starts(msg.subject, HR_STR("_INBOX."))) {
        address(fiber, 0, &envelope, &msg); /* whoever waits for an answer has the trace */
    }
    return put_published(fiber, values[7].i32, hr_bus_publish(fiber->worker->bus, &msg));
}

/* --- request ---------------------------------------------------------------------------------------- */

/* On the fiber's stack; cancelled before the stack goes. */
struct asking {
    struct hr_fiber *fiber;
    bool done;
    enum hr_err err;
    struct hr_str refusal;
    struct hr_message reply;
};

static void on_reply(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct asking *asking = arg;
    asking->err = err;
    if (!err) {
        struct hr_str refusal = hr_message_error(reply);
        if (refusal.len) {
            asking->refusal = hr_arena_copy(&asking->fiber->arena, refusal);
            asking->err = HR_CLOSED;
        } else {
            asking->err = hr_message_copy(&asking->fiber->arena, reply, &asking->reply);
        }
    }
    asking->done = true;
    hr_fiber_wake(asking->fiber);
}

static enum hr_err put_reply(struct hr_fiber *fiber, int32_t ret, const struct asking *asking)
{
    if (asking->refusal.len) {
        return put_error(fiber, ret, HR_CLOSED, asking->refusal);
    }
    if (asking->err) {
        return put_error(fiber, ret, asking->err, HR_STR(""));
    }
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 0);
    hr_message_out(&out, 4, &asking->reply);
    return hr_abi_out_end(&out);
}

static enum hr_err consumer_request(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_bus_msg msg;
    enum hr_err err = lift_message(fiber, values, &msg);
    if (err) {
        return err;
    }
    int32_t ret = values[5].i32;
    const struct hr_actor_links *links = &fiber->actor->links;
    if (!hr_actor_subject_allowed(links->publish, links->publish_count, msg.subject)) {
        return put_error(fiber, ret, HR_DENIED, HR_STR("the link does not name it"));
    }
    struct asking asking = {.fiber = fiber};
    struct hr_bus_request *request;
    struct envelope envelope;
    uint32_t timeout_ms = bounded_ms(fiber, values[4].i32);
    msg.repeat = repeat_of(links, msg.subject);
    address(fiber, timeout_ms, &envelope, &msg);
    enum hr_err failed =
        hr_bus_request(fiber->worker->bus, &msg, timeout_ms, on_reply, &asking, &request);
    if (failed) {
        return put_error(fiber, ret, failed, HR_STR(""));
    }
    while (!asking.done) {
        err = hr_fiber_wait(fiber);
        if (err && !asking.done) {
            hr_bus_cancel(request);
            return err;
        }
    }
    return put_reply(fiber, ret, &asking);
}

/* --- gather ----------------------------------------------------------------------------------------- */

struct gathering {
    struct hr_fiber *fiber;
    bool done;
    enum hr_err err;
    uint32_t count;
    struct hr_message *replies;
};

static void on_replies(void *arg, enum hr_err err, const struct hr_bus_msg *replies, size_t count)
{
    struct gathering *gathering = arg;
    struct hr_arena *arena = &gathering->fiber->arena;
    if (!err && count > 0) {
        gathering->replies = hr_arena_alloc(arena, count * sizeof *gathering->replies);
        err = gathering->replies ? HR_OK : HR_NO_MEMORY;
    }
    for (size_t i = 0; i < count && !err; i++) {
        if (hr_message_error(&replies[i]).len > 0) {
            continue;
        }
        err = hr_message_copy(arena, &replies[i], &gathering->replies[gathering->count]);
        gathering->count += err == HR_OK;
        err = err == HR_BAD_INPUT ? HR_OK : err; /* somebody's rubbish is no reply */
    }
    gathering->err = err;
    gathering->done = true;
    hr_fiber_wake(gathering->fiber);
}

static enum hr_err put_replies(struct hr_fiber *fiber, int32_t ret,
                               const struct gathering *gathering)
{
    if (gathering->err) {
        return put_error(fiber, ret, gathering->err, HR_STR(""));
    }
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    struct hr_abi_out items;
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_list(&out, 4, gathering->count, HR_MESSAGE_RECORD_BYTES, 4, &items);
    for (uint32_t i = 0; i < gathering->count; i++) {
        hr_message_out(&items, i * HR_MESSAGE_RECORD_BYTES, &gathering->replies[i]);
    }
    return out.err ? out.err : hr_abi_out_end(&items);
}

static enum hr_err gather(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_bus_msg msg;
    enum hr_err err = lift_message(fiber, values, &msg);
    if (err) {
        return err;
    }
    int32_t ret = values[6].i32;
    const struct hr_actor_links *links = &fiber->actor->links;
    if (!hr_actor_subject_allowed(links->gather, links->gather_count, msg.subject)) {
        return put_error(fiber, ret, HR_DENIED, HR_STR("the link does not name it"));
    }
    struct gathering gathering = {.fiber = fiber};
    struct hr_bus_request *request;
    struct envelope envelope;
    uint32_t want = (uint32_t)values[4].i32;
    uint32_t timeout_ms = bounded_ms(fiber, values[5].i32);
    address(fiber, timeout_ms, &envelope, &msg);
    enum hr_err failed = hr_bus_gather(fiber->worker->bus, &msg, want ? want : 1, timeout_ms,
                                       on_replies, &gathering, &request);
    if (failed) {
        return put_error(fiber, ret, failed, HR_STR(""));
    }
    while (!gathering.done) {
        err = hr_fiber_wait(fiber);
        if (err && !gathering.done) {
            hr_bus_cancel(request);
            return err;
        }
    }
    return put_replies(fiber, ret, &gathering);
}

/* --- refuse ----------------------------------------------------------------------------------------- */

/* A header's value holds neither line breaks nor much. */
static struct hr_str reason_of(struct hr_str text, char *ret_reason, size_t size)
{
    size_t len = 0;
    for (; len < text.len && len < size; len++) {
        unsigned char c = (unsigned char)text.ptr[len];
        ret_reason[len] = c < ' ' || c > '~' ? '?' : (char)c;
    }
    return len > 0 ? hr_str_of(ret_reason, len) : HR_STR("refused");
}

static enum hr_err say_no(struct hr_fiber *fiber, wasmtime_val_raw_t *values, struct hr_str header)
{
    struct hr_bus_msg msg = {0};
    struct hr_str text = {0};
    char reason[200];
    enum hr_err err =
        hr_abi_string(fiber, (uint32_t)values[0].i32, (uint32_t)values[1].i32, &msg.subject);
    if (!err) {
        err = hr_abi_string(fiber, (uint32_t)values[2].i32, (uint32_t)values[3].i32, &text);
    }
    if (!err) {
        err = hr_abi_bytes(fiber, (uint32_t)values[4].i32, (uint32_t)values[5].i32, &msg.body);
    }
    if (err) {
        return err;
    }
    const struct hr_actor_links *links = &fiber->actor->links;
    if (!hr_actor_subject_allowed(links->publish, links->publish_count, msg.subject)) {
        return put_error(fiber, values[6].i32, HR_DENIED, HR_STR("the link does not name it"));
    }
    const struct hr_bus_header headers[] = {
        {header, reason_of(text, reason, sizeof reason)},
        {HR_STR(HR_BUS_HEADER_TRACE), hr_trace_str(&fiber->trace)},
    };
    msg.headers = headers;
    msg.header_count = sizeof headers / sizeof headers[0];
    return put_published(fiber, values[6].i32, hr_bus_publish(fiber->worker->bus, &msg));
}

static enum hr_err refuse(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return say_no(fiber, values, HR_STR(HR_BUS_HEADER_REFUSED));
}

static enum hr_err judge(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return say_no(fiber, values, HR_STR(HR_BUS_HEADER_JUDGED));
}

static const struct hr_import imports[] = {
    {"wasmcloud:messaging/consumer", "0.2", "request", "iiiiii>", consumer_request},
    {"wasmcloud:messaging/consumer", "0.2", "publish", "iiiiiiii>", consumer_publish},
    {"hedgerow:lattice/gather", "0.1", "gather", "iiiiiii>", gather},
    {"hedgerow:lattice/replies", "0.1", "refuse", "iiiiiii>", refuse},
    {"hedgerow:lattice/replies", "0.1", "judge", "iiiiiii>", judge},
};

const struct hr_imports_table hr_imports_messaging = HR_IMPORTS_TABLE(imports);
