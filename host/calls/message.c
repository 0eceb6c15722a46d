/* broker-message: subject string@0, body list<u8>@8, reply-to option<string> discriminant@16,
 * string@20; 28 bytes, alignment 4. */
#include "host/calls/message.h"

#include <stdio.h>
#include <string.h>

void hr_message_out(struct hr_abi_out *out, uint32_t offset, const struct hr_message *message)
{
    hr_abi_out_bytes(out, offset, message->subject);
    hr_abi_out_bytes(out, offset + 8, message->body);
    hr_abi_out_u8(out, offset + 16, message->reply_to.len > 0);
    if (message->reply_to.len > 0) {
        hr_abi_out_bytes(out, offset + 20, message->reply_to);
    }
}

enum hr_err hr_message_copy(struct hr_arena *arena, const struct hr_bus_msg *msg,
                            struct hr_message *ret_message)
{
    if (!hr_str_is_utf8(msg->subject) || !hr_str_is_utf8(msg->reply_to)) {
        return HR_BAD_INPUT;
    }
    struct hr_message copy = {
        .subject = hr_arena_copy(arena, msg->subject),
        .body = hr_arena_copy(arena, msg->body),
        .reply_to = hr_arena_copy(arena, msg->reply_to),
    };
    if (!copy.subject.ptr || !copy.body.ptr || !copy.reply_to.ptr) {
        return HR_NO_MEMORY;
    }
    *ret_message = copy;
    return HR_OK;
}

struct hr_str hr_message_error(const struct hr_bus_msg *msg)
{
    return hr_bus_header(msg, HR_STR(HR_MESSAGE_ERROR_HEADER));
}

void hr_message_refuse(struct hr_bus_port *port, struct hr_str reply_to, enum hr_err err,
                       const char *cause)
{
    if (reply_to.len == 0) {
        return;
    }
    char text[256];
    snprintf(text, sizeof text, "%s: %s", hr_err_text(err), cause);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ') {
            *c = ' ';
        }
    }
    const struct hr_bus_header header = {HR_STR(HR_MESSAGE_ERROR_HEADER), hr_str_c(text)};
    const struct hr_bus_msg msg = {.subject = reply_to, .headers = &header, .header_count = 1};
    HR_IGNORE(hr_bus_publish(port, &msg)); /* the requester's own time limit remains */
}

static enum hr_err handler_failed(struct hr_fiber *fiber, uint32_t ptr, uint32_t len)
{
    struct hr_str text;
    enum hr_err err = hr_abi_string(fiber, ptr, len, &text);
    if (err) {
        return err;
    }
    HR_IGNORE(hr_fiber_trap(fiber, "the handler answered: %.*s", /* not a trap: only the text */
                            text.len > 300 ? 300 : (int)text.len, text.ptr));
    return HR_INTERNAL;
}

enum hr_err hr_message_call_one(struct hr_fiber *fiber, const struct hr_message *message)
{
    uint32_t subject = 0;
    uint32_t body = 0;
    uint32_t reply = 0;
    enum hr_err err = hr_abi_lower(fiber, message->subject, &subject);
    if (!err) {
        err = hr_abi_lower(fiber, message->body, &body);
    }
    if (!err) {
        err = hr_abi_lower(fiber, message->reply_to, &reply);
    }
    if (err) {
        return err;
    }
    wasmtime_val_raw_t values[7] = {
        {.i32 = (int32_t)subject},
        {.i32 = (int32_t)message->subject.len},
        {.i32 = (int32_t)body},
        {.i32 = (int32_t)message->body.len},
        {.i32 = message->reply_to.len > 0},
        {.i32 = (int32_t)reply},
        {.i32 = (int32_t)message->reply_to.len},
    };
    err = hr_fiber_call_export(fiber, values, 7);
    if (err) {
        return err;
    }
    uint32_t result = (uint32_t)values[0].i32;
    uint8_t is_err;
    err = hr_abi_get_u8(fiber, result, &is_err);
    if (err || !is_err) {
        return err;
    }
    uint32_t ptr;
    uint32_t len;
    err = hr_abi_get_pair(fiber, result + 4, &ptr, &len);
    return err ? err : handler_failed(fiber, ptr, len);
}

enum hr_err hr_message_call_batch(struct hr_fiber *fiber, const struct hr_message *messages,
                                  uint32_t count, bool *ret_failed)
{
    uint32_t list;
    enum hr_err err = hr_abi_alloc(fiber, count * HR_MESSAGE_RECORD_BYTES, 4, &list);
    if (err) {
        return err;
    }
    struct hr_abi_out out = hr_abi_out(fiber, (int32_t)list);
    for (uint32_t i = 0; i < count; i++) {
        hr_message_out(&out, i * HR_MESSAGE_RECORD_BYTES, &messages[i]);
    }
    err = hr_abi_out_end(&out);
    if (err) {
        return err;
    }
    wasmtime_val_raw_t values[2] = {{.i32 = (int32_t)list}, {.i32 = (int32_t)count}};
    err = hr_fiber_call_export(fiber, values, 2);
    uint32_t results = 0;
    uint32_t result_count = 0;
    if (!err) {
        err = hr_abi_get_pair(fiber, (uint32_t)values[0].i32, &results, &result_count);
    }
    if (!err && result_count != count) {
        err = hr_fiber_trap(fiber, "handle-batch answered %u results for %u messages", result_count,
                            count);
    }
    uint8_t *view;
    if (!err) {
        err = hr_abi_view(fiber, results, count, 12, 4, &view);
    }
    for (uint32_t i = 0; i < count && !err; i++) {
        ret_failed[i] = view[12 * i] != 0;
    }
    return err;
}
