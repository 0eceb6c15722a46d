/* Reading an incoming request into the core's plain struct. */
#include "actors/todo/guest.h"

#include "actors/todo/core/api.h"
#include "base/alloc.h"

#define READ_BYTES_MAX ((size_t)16384)

static struct hr_str method_name(const wasi_http_types_method_t *method)
{
    static const char *const names[] = {
        [WASI_HTTP_TYPES_METHOD_GET] = "GET",         [WASI_HTTP_TYPES_METHOD_HEAD] = "HEAD",
        [WASI_HTTP_TYPES_METHOD_POST] = "POST",       [WASI_HTTP_TYPES_METHOD_PUT] = "PUT",
        [WASI_HTTP_TYPES_METHOD_DELETE] = "DELETE",   [WASI_HTTP_TYPES_METHOD_CONNECT] = "CONNECT",
        [WASI_HTTP_TYPES_METHOD_OPTIONS] = "OPTIONS", [WASI_HTTP_TYPES_METHOD_TRACE] = "TRACE",
        [WASI_HTTP_TYPES_METHOD_PATCH] = "PATCH",
    };
    if (method->tag < sizeof names / sizeof names[0]) {
        return hr_str_c(names[method->tag]);
    }
    return gw_guest_str(method->val.other);
}

/* Appends what comes until the end of the stream or one byte over the limit. */
static enum hr_err read_stream(wasi_io_streams_borrow_input_stream_t stream,
                               struct gw_guest_request *in)
{
    while (in->body.len <= GW_BODY_BYTES_MAX) {
        size_t left = GW_BODY_BYTES_MAX + 1 - in->body.len;
        todo_list_u8_t piece;
        wasi_io_streams_stream_error_t failure;
        if (!wasi_io_streams_method_input_stream_blocking_read(
                stream, left < READ_BYTES_MAX ? left : READ_BYTES_MAX, &piece, &failure)) {
            bool at_end = failure.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
            in->request.body_state = at_end ? GW_BODY_COMPLETE : GW_BODY_BROKEN;
            wasi_io_streams_stream_error_free(&failure);
            return HR_OK;
        }
        enum hr_err err = hr_buf_append(&in->body, hr_str_of(piece.ptr, piece.len));
        todo_list_u8_free(&piece);
        if (err) {
            return err;
        }
    }
    in->request.body_state = GW_BODY_TOO_BIG;
    return HR_OK;
}

static enum hr_err read_body(wasi_http_types_borrow_incoming_request_t from,
                             struct gw_guest_request *in)
{
    wasi_http_types_own_incoming_body_t body;
    wasi_http_types_own_input_stream_t stream;
    in->request.body_state = GW_BODY_BROKEN;
    if (!wasi_http_types_method_incoming_request_consume(from, &body)) {
        return HR_OK;
    }
    enum hr_err err = HR_OK;
    if (wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body),
                                                    &stream)) {
        err = read_stream(wasi_io_streams_borrow_input_stream(stream), in);
        wasi_io_streams_input_stream_drop_own(stream);
    }
    wasi_http_types_incoming_body_drop_own(body);
    in->request.body = hr_buf_str(&in->body);
    return err;
}

static enum hr_err read_headers(wasi_http_types_borrow_incoming_request_t from,
                                struct gw_guest_request *in)
{
    wasi_http_types_own_headers_t fields = wasi_http_types_method_incoming_request_headers(from);
    wasi_http_types_method_fields_entries(wasi_http_types_borrow_fields(fields), &in->entries);
    wasi_http_types_fields_drop_own(fields);
    in->headers = hr_alloc_array(in->entries.len, sizeof *in->headers);
    if (!in->headers) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < in->entries.len; i++) {
        const wasi_http_types_tuple2_field_name_field_value_t *entry = &in->entries.ptr[i];
        in->headers[i].name = gw_guest_str(entry->f0);
        in->headers[i].value = hr_str_of(entry->f1.ptr, entry->f1.len);
    }
    in->request.headers = in->headers;
    in->request.header_count = in->entries.len;
    return HR_OK;
}

enum hr_err gw_guest_request_read(wasi_http_types_borrow_incoming_request_t from,
                                  struct gw_guest_request *ret_in)
{
    struct gw_guest_request *in = ret_in;
    *in = (struct gw_guest_request){.request = {.body_state = GW_BODY_COMPLETE}};
    wasi_http_types_method_incoming_request_method(from, &in->method);
    in->path_and_query.is_some =
        wasi_http_types_method_incoming_request_path_with_query(from, &in->path_and_query.val);
    in->authority.is_some =
        wasi_http_types_method_incoming_request_authority(from, &in->authority.val);
    in->scheme.is_some = wasi_http_types_method_incoming_request_scheme(from, &in->scheme.val);
    in->request.method = method_name(&in->method);
    if (in->path_and_query.is_some) {
        in->request.path_and_query = gw_guest_str(in->path_and_query.val);
    }
    if (in->authority.is_some) {
        in->request.authority = gw_guest_str(in->authority.val);
    }
    bool is_tls = in->scheme.is_some && in->scheme.val.tag == WASI_HTTP_TYPES_SCHEME_HTTPS;
    in->request.scheme = is_tls ? HR_STR("https") : HR_STR("http");
    enum hr_err err = read_headers(from, in);
    if (!err && gw_api_wants_body(in->request.method)) {
        err = read_body(from, in);
    }
    return err;
}

void gw_guest_request_release(struct gw_guest_request *in)
{
    hr_buf_release(&in->body);
    hr_free(in->headers);
    wasi_http_types_list_tuple2_field_name_field_value_free(&in->entries);
    todo_option_string_free(&in->authority);
    todo_option_string_free(&in->path_and_query);
    wasi_http_types_option_scheme_free(&in->scheme);
    wasi_http_types_method_free(&in->method);
}
