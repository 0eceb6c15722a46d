/* Answers every request with the same 14 bytes. The same module runs in Hedgerow and, wrapped as a component, under
 * `wasmtime serve`. */
#include <hello.h>

static const char text[] = "Hello, world!\n";

static void add(wasi_http_types_own_fields_t fields, const char *name, size_t name_len,
                const char *value, size_t value_len)
{
    wasi_http_types_field_name_t key = {(uint8_t *)name, name_len};
    wasi_http_types_field_value_t bytes = {(uint8_t *)value, value_len};
    wasi_http_types_header_error_t error;
    if (!wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &key, &bytes,
                                              &error)) {
        __builtin_trap();
    }
}

#define ADD(fields, name, value) add(fields, name, sizeof name - 1, value, sizeof value - 1)

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t request,
    exports_wasi_http_incoming_handler_own_response_outparam_t outparam)
{
    (void)request;
    wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
    ADD(fields, "content-type", "text/plain");
    ADD(fields, "content-length", "14");
    wasi_http_types_own_outgoing_response_t response =
        wasi_http_types_constructor_outgoing_response(fields);
    wasi_http_types_own_outgoing_body_t body;
    wasi_http_types_own_output_stream_t stream;
    wasi_io_streams_stream_error_t stream_error;
    wasi_http_types_error_code_t error;
    if (!wasi_http_types_method_outgoing_response_body(
            wasi_http_types_borrow_outgoing_response(response), &body)) {
        __builtin_trap();
    }
    wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = false,
                                                                        .val.ok = response};
    wasi_http_types_static_response_outparam_set(outparam, &result);
    hello_list_u8_t bytes = {(uint8_t *)text, sizeof text - 1};
    if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body),
                                                    &stream) ||
        !wasi_io_streams_method_output_stream_blocking_write_and_flush(
            wasi_io_streams_borrow_output_stream(stream), &bytes, &stream_error)) {
        __builtin_trap();
    }
    wasi_io_streams_output_stream_drop_own(stream);
    if (!wasi_http_types_static_outgoing_body_finish(body, NULL, &error)) {
        __builtin_trap();
    }
}
