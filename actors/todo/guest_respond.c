/* Sending the core's response through the bindings. An empty body is not opened at all, so that a
 * HEAD's Content-Length is not held against what was written. */
#include "actors/todo/guest.h"

/* What blocking-write-and-flush takes at most. */
#define FLUSHED_PIECE_BYTES_MAX ((size_t)4096)

static wasi_http_types_own_fields_t make_fields(const struct gw_response *response)
{
    wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
    for (size_t i = 0; i < response->header_count; i++) {
        todo_string_t name = gw_guest_borrow(response->headers[i].name);
        struct hr_str value = response->headers[i].value;
        wasi_http_types_field_value_t bytes = {(uint8_t *)(uintptr_t)value.ptr, value.len};
        wasi_http_types_header_error_t failure;
        /* A host may keep a header to itself (Content-Length); the answer is good without it. */
        HR_IGNORE(!wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields),
                                                        &name, &bytes, &failure));
    }
    return fields;
}

/* How much may be written now; waits until it is something. 0: the stream is at its end. */
static size_t wait_for_room(wasi_io_streams_borrow_output_stream_t stream)
{
    for (;;) {
        uint64_t room;
        wasi_io_streams_stream_error_t failure;
        if (!wasi_io_streams_method_output_stream_check_write(stream, &room, &failure)) {
            wasi_io_streams_stream_error_free(&failure);
            return 0;
        }
        if (room > 0) {
            return room < SIZE_MAX ? (size_t)room : SIZE_MAX;
        }
        wasi_io_streams_own_pollable_t ready =
            wasi_io_streams_method_output_stream_subscribe(stream);
        wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
        wasi_io_poll_pollable_drop_own(ready);
    }
}

/* Writes all of @body and flushes; false if the client has gone. */
static bool write_body(wasi_io_streams_borrow_output_stream_t stream, struct hr_str body)
{
    wasi_io_streams_stream_error_t failure;
    while (body.len > FLUSHED_PIECE_BYTES_MAX) {
        size_t room = wait_for_room(stream);
        if (room == 0) {
            return false;
        }
        size_t len = room < body.len ? room : body.len;
        todo_list_u8_t piece = {(uint8_t *)(uintptr_t)body.ptr, len};
        if (!wasi_io_streams_method_output_stream_write(stream, &piece, &failure)) {
            wasi_io_streams_stream_error_free(&failure);
            return false;
        }
        body = hr_str_from(body, len);
    }
    todo_list_u8_t rest = {(uint8_t *)(uintptr_t)body.ptr, body.len};
    bool done =
        wasi_io_streams_method_output_stream_blocking_write_and_flush(stream, &rest, &failure);
    if (!done) {
        wasi_io_streams_stream_error_free(&failure);
    }
    return done;
}

static void send_body(wasi_http_types_own_outgoing_body_t out, struct hr_str body)
{
    wasi_http_types_own_output_stream_t stream;
    wasi_http_types_error_code_t failure;
    bool done = wasi_http_types_method_outgoing_body_write(
        wasi_http_types_borrow_outgoing_body(out), &stream);
    if (done) {
        done = write_body(wasi_io_streams_borrow_output_stream(stream), body);
        wasi_io_streams_output_stream_drop_own(stream);
    }
    if (!done) {
        wasi_http_types_outgoing_body_drop_own(out); /* tells the host that it is not complete */
    } else if (!wasi_http_types_static_outgoing_body_finish(out, NULL, &failure)) {
        wasi_http_types_error_code_free(&failure);
    }
}

void gw_guest_respond(const struct gw_response *response,
                      wasi_http_types_own_response_outparam_t out)
{
    wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = false};
    wasi_http_types_own_outgoing_response_t head =
        wasi_http_types_constructor_outgoing_response(make_fields(response));
    wasi_http_types_borrow_outgoing_response_t borrowed =
        wasi_http_types_borrow_outgoing_response(head);
    wasi_http_types_own_outgoing_body_t body;
    /* Every status of ours is a valid one. */
    HR_IGNORE(!wasi_http_types_method_outgoing_response_set_status_code(
        borrowed, (uint16_t)response->status));
    bool has_body =
        response->body.len > 0 && wasi_http_types_method_outgoing_response_body(borrowed, &body);
    result.val.ok = head;
    wasi_http_types_static_response_outparam_set(out, &result);
    if (has_body) {
        send_body(body, response->body);
    }
}
