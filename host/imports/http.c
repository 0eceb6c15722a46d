/* wasi:http/types, the incoming side: fields, incoming-request, incoming-body, future-trailers,
 * outgoing-response, outgoing-body, response-outparam. The guest's view of one struct hr_http_exchange
 * (exchange.h); a body that was read or written once is not given out again.
 */
#include "host/imports/http.h"

#include <string.h>

#include "base/alloc.h"
#include "host/run/abi.h"
#include "host/imports/exchange.h"
#include "host/imports/all.h"
#include "host/imports/io.h"

/* A set of fields: its own, or (immutable) the request's. Memory is the fiber's arena. */
struct fields {
    struct hr_resource base;
    struct hr_http_fields own;
    const struct hr_http_fields *shared;
    bool immutable;
};

struct incoming_request {
    struct hr_resource base;
    bool consumed;
};

struct incoming_body {
    struct hr_resource base;
    bool streamed;
};

/* Bodies are numbered in the exchange; 0 = none. */
struct outgoing_response {
    struct hr_resource base;
    uint16_t status;
    struct hr_http_fields headers;
    uint32_t body;
};

struct outgoing_body {
    struct hr_resource base;
    uint32_t number;
    bool write_given;
};

struct plain {
    struct hr_resource base;
};

static const struct hr_resource_type fields_type = {"fields", hr_abi_resource_free};
static const struct hr_resource_type request_type = {"incoming-request", hr_abi_resource_free};
static const struct hr_resource_type in_body_type = {"incoming-body", hr_abi_resource_free};
static const struct hr_resource_type trailers_type = {"future-trailers", hr_abi_resource_free};
static const struct hr_resource_type response_type = {"outgoing-response", hr_abi_resource_free};
static const struct hr_resource_type out_body_type = {"outgoing-body", hr_abi_resource_free};
static const struct hr_resource_type outparam_type = {"response-outparam", hr_abi_resource_free};

static struct hr_http_exchange *exchange_of(struct hr_fiber *fiber)
{
    return fiber->http;
}

/* Makes a resource and gives it; @values gets the handle. @ret (may be NULL) the resource. */
static enum hr_err give(struct hr_fiber *fiber, size_t size, const struct hr_resource_type *type,
                        wasmtime_val_raw_t *values, void *ret)
{
    struct hr_resource *resource = hr_abi_resource(size, type);
    uint32_t index = 0;
    enum hr_err err = hr_abi_give(fiber, resource, &index);
    values[0].i32 = (int32_t)index;
    if (!err && ret) {
        *(struct hr_resource **)ret = resource;
    }
    return err;
}

enum hr_err hr_http_give_request(struct hr_fiber *fiber, uint32_t *ret_request,
                                 uint32_t *ret_outparam)
{
    wasmtime_val_raw_t value;
    enum hr_err err = give(fiber, sizeof(struct incoming_request), &request_type, &value, NULL);
    if (err) {
        return err;
    }
    *ret_request = (uint32_t)value.i32;
    err = give(fiber, sizeof(struct plain), &outparam_type, &value, NULL);
    *ret_outparam = (uint32_t)value.i32;
    return err;
}

/* --- results ---------------------------------------------------------------------------------------- */

/* result<own<T>> and option<T> alike: a discriminant, then the handle. */
static enum hr_err put_handle(struct hr_fiber *fiber, int32_t ret, uint8_t discriminant,
                              uint32_t handle)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, discriminant);
    hr_abi_out_u32(&out, 4, handle);
    return hr_abi_out_end(&out);
}

static enum hr_err put_option_string(struct hr_fiber *fiber, int32_t ret, struct hr_str text)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, text.len > 0);
    if (text.len > 0) {
        hr_abi_out_bytes(&out, 4, text);
    }
    return hr_abi_out_end(&out);
}

enum header_error { INVALID_SYNTAX, FORBIDDEN, IMMUTABLE };

/* result<_, header-error>. */
static enum hr_err put_header_error(struct hr_fiber *fiber, int32_t ret, enum header_error error)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 1);
    hr_abi_out_u8(&out, 1, (uint8_t)error);
    return hr_abi_out_end(&out);
}

static enum hr_err put_unit(struct hr_fiber *fiber, int32_t ret)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 0);
    return hr_abi_out_end(&out);
}

/* --- fields ------------------------------------------------------------------------------------------ */

static const struct hr_http_fields *view(const struct fields *fields)
{
    return fields->shared ? fields->shared : &fields->own;
}

/* HR_OK, or false and the header-error in @ret_error; a host limit traps. */
static enum hr_err add(struct hr_fiber *fiber, struct fields *fields, struct hr_str name,
                       struct hr_str value, bool *ret_added, enum header_error *ret_error)
{
    *ret_added = false;
    if (hr_http_is_of_connection(name)) {
        *ret_error = FORBIDDEN;
        return HR_OK;
    }
    enum hr_err err = hr_http_fields_add(&fields->own, &fiber->arena, name, value);
    if (err == HR_BAD_INPUT) {
        *ret_error = INVALID_SYNTAX;
        return HR_OK;
    }
    if (err) {
        return hr_fiber_trap(fiber, "fields: %s (at most %u, and %u bytes)", hr_err_text(err),
                             HR_HTTP_FIELDS_MAX, HR_HTTP_FIELD_BYTES_MAX);
    }
    *ret_added = true;
    return HR_OK;
}

static enum hr_err fields_new(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return give(fiber, sizeof(struct fields), &fields_type, values, NULL);
}

static enum hr_err from_list_result(struct hr_fiber *fiber, int32_t ret, struct fields *fields,
                                    bool good, enum header_error error)
{
    if (!good) {
        hr_resource_unref(&fields->base);
        struct hr_abi_out out = hr_abi_out(fiber, ret);
        hr_abi_out_u8(&out, 0, 1);
        hr_abi_out_u8(&out, 4, (uint8_t)error);
        return hr_abi_out_end(&out);
    }
    uint32_t index;
    enum hr_err err = hr_abi_give(fiber, &fields->base, &index);
    return err ? err : put_handle(fiber, ret, 0, index);
}

static enum hr_err fields_from_list(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    uint32_t count = (uint32_t)values[1].i32;
    uint8_t *items;
    if (count > HR_HTTP_FIELDS_MAX) {
        return hr_fiber_trap(fiber, "%u fields; the limit is %u", count, HR_HTTP_FIELDS_MAX);
    }
    enum hr_err err = hr_abi_view(fiber, (uint32_t)values[0].i32, count, 16, 4, &items);
    if (err) {
        return err;
    }
    struct fields *fields = hr_abi_resource(sizeof *fields, &fields_type);
    if (!fields) {
        return hr_fiber_trap(fiber, "out of memory for a resource");
    }
    bool good = true;
    enum header_error error = INVALID_SYNTAX;
    for (uint32_t i = 0; i < count && good && !err; i++) {
        const uint8_t *item = items + 16 * i;
        struct hr_str name;
        struct hr_str value;
        err = hr_abi_string(fiber, hr_abi_le32(item), hr_abi_le32(item + 4), &name);
        if (!err) {
            err = hr_abi_bytes(fiber, hr_abi_le32(item + 8), hr_abi_le32(item + 12), &value);
        }
        if (!err) {
            err = add(fiber, fields, name, value, &good, &error);
        }
    }
    if (err) {
        hr_resource_unref(&fields->base);
        return err;
    }
    return from_list_result(fiber, values[2].i32, fields, good, error);
}

static enum hr_err use_fields_and_name(struct hr_fiber *fiber, const wasmtime_val_raw_t *values,
                                       struct fields **ret_fields, struct hr_str *ret_name)
{
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &fields_type, ret_fields);
    if (!err) {
        err = hr_abi_copy_string(fiber, (uint32_t)values[1].i32, (uint32_t)values[2].i32, ret_name);
    }
    return err;
}

static enum hr_err fields_get(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct fields *fields;
    struct hr_str name;
    enum hr_err err = use_fields_and_name(fiber, values, &fields, &name);
    if (err) {
        return err;
    }
    const struct hr_http_fields *all = view(fields);
    struct hr_abi_out out = hr_abi_out(fiber, values[3].i32);
    struct hr_abi_out items;
    hr_abi_out_list(&out, 0, hr_http_fields_count(all, name), 8, 4, &items);
    uint32_t offset = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (hr_str_eq_nocase(all->items[i].name, name)) {
            hr_abi_out_bytes(&items, offset, all->items[i].value);
            offset += 8;
        }
    }
    return out.err ? out.err : hr_abi_out_end(&items);
}

static enum hr_err fields_has(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct fields *fields;
    struct hr_str name;
    enum hr_err err = use_fields_and_name(fiber, values, &fields, &name);
    if (!err) {
        values[0].i32 = hr_http_fields_count(view(fields), name) > 0;
    }
    return err;
}

static enum hr_err fields_set(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct fields *fields;
    struct hr_str name;
    uint32_t count = (uint32_t)values[4].i32;
    uint8_t *items;
    enum hr_err err = use_fields_and_name(fiber, values, &fields, &name);
    if (!err) {
        err = hr_abi_view(fiber, (uint32_t)values[3].i32, count, 8, 4, &items);
    }
    if (err) {
        return err;
    }
    if (fields->immutable) {
        return put_header_error(fiber, values[5].i32, IMMUTABLE);
    }
    struct hr_http_fields before = fields->own;
    if (before.count) { /* removal moves items: keep the old order for an undo */
        before.items = hr_arena_alloc(&fiber->arena, before.count * sizeof *before.items);
        if (!before.items) {
            return hr_fiber_trap(fiber, "the call's host memory is used up");
        }
        before.cap = before.count;
        memcpy(before.items, fields->own.items, before.count * sizeof *before.items);
    }
    hr_http_fields_remove(&fields->own, name);
    bool good = true;
    enum header_error error = INVALID_SYNTAX;
    for (uint32_t i = 0; i < count && good && !err; i++) {
        struct hr_str value;
        err =
            hr_abi_bytes(fiber, hr_abi_le32(items + 8 * i), hr_abi_le32(items + 8 * i + 4), &value);
        if (!err) {
            err = add(fiber, fields, name, value, &good, &error);
        }
    }
    if (err) {
        return err;
    }
    if (!good) {
        fields->own = before;
        return put_header_error(fiber, values[5].i32, error);
    }
    return put_unit(fiber, values[5].i32);
}

static enum hr_err fields_delete(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct fields *fields;
    struct hr_str name;
    enum hr_err err = use_fields_and_name(fiber, values, &fields, &name);
    if (err) {
        return err;
    }
    if (fields->immutable) {
        return put_header_error(fiber, values[3].i32, IMMUTABLE);
    }
    hr_http_fields_remove(&fields->own, name);
    return put_unit(fiber, values[3].i32);
}

static enum hr_err fields_append(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct fields *fields;
    struct hr_str name;
    struct hr_str value;
    enum hr_err err = use_fields_and_name(fiber, values, &fields, &name);
    if (!err) {
        err = hr_abi_bytes(fiber, (uint32_t)values[3].i32, (uint32_t)values[4].i32, &value);
    }
    if (err) {
        return err;
    }
    if (fields->immutable) {
        return put_header_error(fiber, values[5].i32, IMMUTABLE);
    }
    bool good;
    enum header_error error = INVALID_SYNTAX;
    err = add(fiber, fields, name, value, &good, &error);
    if (err) {
        return err;
    }
    return good ? put_unit(fiber, values[5].i32) : put_header_error(fiber, values[5].i32, error);
}

static enum hr_err fields_entries(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct fields *fields;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &fields_type, &fields);
    if (err) {
        return err;
    }
    const struct hr_http_fields *all = view(fields);
    struct hr_abi_out out = hr_abi_out(fiber, values[1].i32);
    struct hr_abi_out items;
    hr_abi_out_list(&out, 0, (uint32_t)all->count, 16, 4, &items);
    for (uint32_t i = 0; i < all->count; i++) {
        hr_abi_out_bytes(&items, 16 * i, all->items[i].name);
        hr_abi_out_bytes(&items, 16 * i + 8, all->items[i].value);
    }
    return out.err ? out.err : hr_abi_out_end(&items);
}

static enum hr_err fields_clone(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct fields *fields;
    struct fields *clone;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &fields_type, &fields);
    if (!err) {
        err = give(fiber, sizeof *clone, &fields_type, values, &clone);
    }
    if (err) {
        return err;
    }
    const struct hr_http_fields *all = view(fields);
    for (size_t i = 0; i < all->count && !err; i++) {
        err =
            hr_http_fields_add(&clone->own, &fiber->arena, all->items[i].name, all->items[i].value);
    }
    return err ? hr_fiber_trap(fiber, "clone fields: %s", hr_err_text(err)) : HR_OK;
}

static enum hr_err drop_fields(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &fields_type);
}

/* --- incoming-request ---------------------------------------------------------------------------------- */

static const char *const method_names[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                           "CONNECT", "OPTIONS", "TRACE", "PATCH"};
#define METHOD_OTHER (sizeof method_names / sizeof method_names[0])

static enum hr_err use_request(struct hr_fiber *fiber, const wasmtime_val_raw_t *values,
                               struct incoming_request **ret)
{
    return hr_abi_use(fiber, values[0].i32, &request_type, ret);
}

static enum hr_err request_method(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct incoming_request *request;
    enum hr_err err = use_request(fiber, values, &request);
    if (err) {
        return err;
    }
    struct hr_str method = exchange_of(fiber)->method;
    uint8_t tag = 0;
    while (tag < METHOD_OTHER && !hr_str_eq(method, hr_str_c(method_names[tag]))) {
        tag++;
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[1].i32);
    hr_abi_out_u8(&out, 0, tag);
    if (tag == METHOD_OTHER) {
        hr_abi_out_bytes(&out, 4, method);
    }
    return hr_abi_out_end(&out);
}

static enum hr_err request_path(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct incoming_request *request;
    enum hr_err err = use_request(fiber, values, &request);
    return err ? err : put_option_string(fiber, values[1].i32, exchange_of(fiber)->target);
}

/* The host itself speaks plain HTTP. */
static enum hr_err request_scheme(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct incoming_request *request;
    enum hr_err err = use_request(fiber, values, &request);
    if (err) {
        return err;
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[1].i32);
    hr_abi_out_u8(&out, 0, 1);
    hr_abi_out_u8(&out, 4, 0);
    return hr_abi_out_end(&out);
}

static enum hr_err request_authority(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct incoming_request *request;
    enum hr_err err = use_request(fiber, values, &request);
    return err ? err : put_option_string(fiber, values[1].i32, exchange_of(fiber)->authority);
}

static enum hr_err request_headers(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct incoming_request *request;
    struct fields *fields;
    enum hr_err err = use_request(fiber, values, &request);
    if (!err) {
        err = give(fiber, sizeof *fields, &fields_type, values, &fields);
    }
    if (!err) {
        fields->shared = &exchange_of(fiber)->request_fields;
        fields->immutable = true;
    }
    return err;
}

static enum hr_err request_consume(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct incoming_request *request;
    enum hr_err err = use_request(fiber, values, &request);
    if (err) {
        return err;
    }
    if (request->consumed) {
        return put_handle(fiber, values[1].i32, 1, 0);
    }
    request->consumed = true;
    wasmtime_val_raw_t handle;
    err = give(fiber, sizeof(struct incoming_body), &in_body_type, &handle, NULL);
    return err ? err : put_handle(fiber, values[1].i32, 0, (uint32_t)handle.i32);
}

static enum hr_err drop_request(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &request_type);
}

/* --- incoming-body --------------------------------------------------------------------------------------- */

static enum hr_err body_stream(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct incoming_body *body;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &in_body_type, &body);
    if (err) {
        return err;
    }
    if (body->streamed) {
        return put_handle(fiber, values[1].i32, 1, 0);
    }
    body->streamed = true;
    uint32_t index;
    err =
        hr_io_give_input(fiber, hr_buf_str(&exchange_of(fiber)->request_body), &body->base, &index);
    return err ? err : put_handle(fiber, values[1].i32, 0, index);
}

static enum hr_err body_finish(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    enum hr_err err = hr_abi_drop(fiber, values[0].i32, &in_body_type);
    return err ? err : give(fiber, sizeof(struct plain), &trailers_type, values, NULL);
}

static enum hr_err drop_in_body(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &in_body_type);
}

static enum hr_err trailers_subscribe(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct plain *trailers;
    uint32_t index = 0;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &trailers_type, &trailers);
    if (!err) {
        err = hr_io_give_pollable(fiber, 0, &index);
    }
    values[0].i32 = (int32_t)index;
    return err;
}

/* some(ok(ok(none))): the request came whole, and trailers are not passed on. */
static enum hr_err trailers_get(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct plain *trailers;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &trailers_type, &trailers);
    if (err) {
        return err;
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[1].i32);
    hr_abi_out_u8(&out, 0, 1);
    hr_abi_out_u8(&out, 8, 0);
    hr_abi_out_u8(&out, 16, 0);
    hr_abi_out_u8(&out, 24, 0);
    return hr_abi_out_end(&out);
}

static enum hr_err drop_trailers(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &trailers_type);
}

/* --- outgoing-response ----------------------------------------------------------------------------------- */

static enum hr_err response_new(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct fields *headers;
    enum hr_err err = hr_abi_take(fiber, values[0].i32, &fields_type, &headers);
    if (err) {
        return err;
    }
    struct hr_http_fields taken = *view(headers);
    hr_resource_unref(&headers->base);
    struct outgoing_response *response;
    err = give(fiber, sizeof *response, &response_type, values, &response);
    if (!err) {
        response->status = 200;
        response->headers = taken;
    }
    return err;
}

static enum hr_err use_response(struct hr_fiber *fiber, const wasmtime_val_raw_t *values,
                                struct outgoing_response **ret)
{
    return hr_abi_use(fiber, values[0].i32, &response_type, ret);
}

static enum hr_err response_status(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct outgoing_response *response;
    enum hr_err err = use_response(fiber, values, &response);
    if (!err) {
        values[0].i32 = response->status;
    }
    return err;
}

static enum hr_err response_set_status(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct outgoing_response *response;
    enum hr_err err = use_response(fiber, values, &response);
    if (err) {
        return err;
    }
    uint32_t status = (uint32_t)values[1].i32;
    bool good = status >= 200 && status <= 999; /* 1xx is the host's */
    if (good) {
        response->status = (uint16_t)status;
    }
    values[0].i32 = !good;
    return HR_OK;
}

static enum hr_err response_headers(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct outgoing_response *response;
    struct fields *fields;
    enum hr_err err = use_response(fiber, values, &response);
    if (!err) {
        err = give(fiber, sizeof *fields, &fields_type, values, &fields);
    }
    if (!err) {
        fields->own = response->headers;
        fields->immutable = true;
    }
    return err;
}

/* A guest may give up a response that it has begun; its body then makes room for the next one's. */
static uint32_t begin_body(struct hr_http_exchange *exchange)
{
    hr_buf_clear(&exchange->response_body);
    return ++exchange->bodies;
}

static enum hr_err response_body(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct outgoing_response *response;
    enum hr_err err = use_response(fiber, values, &response);
    if (err) {
        return err;
    }
    struct hr_http_exchange *exchange = exchange_of(fiber);
    if (!exchange) {
        return hr_fiber_trap(fiber, "this call answers no HTTP request");
    }
    if (response->body || exchange->answered) {
        return put_handle(fiber, values[1].i32, 1, 0);
    }
    response->body = begin_body(exchange);
    struct outgoing_body *body;
    wasmtime_val_raw_t handle;
    uint32_t number = response->body;
    err = give(fiber, sizeof *body, &out_body_type, &handle, &body);
    if (!err) {
        body->number = number;
    }
    return err ? err : put_handle(fiber, values[1].i32, 0, (uint32_t)handle.i32);
}

static enum hr_err drop_response(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &response_type);
}

/* --- outgoing-body ----------------------------------------------------------------------------------------- */

static enum hr_err write_body(struct hr_fiber *fiber, void *arg, struct hr_str bytes)
{
    const struct outgoing_body *body = arg;
    struct hr_http_exchange *exchange = exchange_of(fiber);
    if (body->number != exchange->bodies) {
        return HR_CLOSED;
    }
    return hr_buf_append(&exchange->response_body, bytes);
}

static enum hr_err out_body_write(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct outgoing_body *body;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &out_body_type, &body);
    if (err) {
        return err;
    }
    if (body->write_given) {
        return put_handle(fiber, values[1].i32, 1, 0);
    }
    body->write_given = true;
    const struct hr_io_sink sink = {.write = write_body, .arg = body, .parent = &body->base};
    uint32_t index;
    err = hr_io_give_output(fiber, &sink, &index);
    return err ? err : put_handle(fiber, values[1].i32, 0, index);
}

/* finish(this, trailers: option<own<fields>>) -> result<_, error-code>; trailers are dropped. */
static enum hr_err out_body_finish(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct outgoing_body *body;
    enum hr_err err = hr_abi_take(fiber, values[0].i32, &out_body_type, &body);
    if (err) {
        return err;
    }
    struct hr_http_exchange *exchange = exchange_of(fiber);
    exchange->finished = body->number == exchange->bodies ? body->number : exchange->finished;
    hr_resource_unref(&body->base);
    if (values[1].i32) {
        err = hr_abi_drop(fiber, values[2].i32, &fields_type);
    }
    return err ? err : put_unit(fiber, values[3].i32);
}

static enum hr_err drop_out_body(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &out_body_type);
}

/* --- response-outparam --------------------------------------------------------------------------------------- */

/* The places of `error-code` that a status other than 500 belongs to (wasi:http types.wit). */
static enum hr_err refusal_of(int32_t error_code)
{
    enum { HTTP_REQUEST_DENIED = 15, HTTP_REQUEST_BODY_SIZE = 17, HTTP_RESPONSE_TIMEOUT = 33 };
    switch (error_code) {
    case HTTP_REQUEST_DENIED:
        return HR_DENIED;
    case HTTP_REQUEST_BODY_SIZE:
        return HR_TOO_BIG;
    case HTTP_RESPONSE_TIMEOUT:
        return HR_TIMEOUT;
    default:
        return HR_INTERNAL;
    }
}

static enum hr_err outparam_set(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    enum hr_err err = hr_abi_drop(fiber, values[0].i32, &outparam_type);
    if (err) {
        return err;
    }
    struct hr_http_exchange *exchange = exchange_of(fiber);
    if (values[1].i32) {
        exchange->refused = refusal_of(values[2].i32);
        return HR_OK;
    }
    struct outgoing_response *response;
    err = hr_abi_take(fiber, values[2].i32, &response_type, &response);
    if (err) {
        return err;
    }
    if (!response->body) {
        exchange->finished = begin_body(exchange); /* nothing to finish */
    } else if (response->body != exchange->bodies) {
        err = HR_CLOSED; /* given up for another response's */
    }
    for (size_t i = 0; i < response->headers.count && !err; i++) {
        err = hr_http_fields_add(&exchange->response_fields, &exchange->arena,
                                 response->headers.items[i].name, response->headers.items[i].value);
    }
    exchange->status = response->status;
    exchange->answered = true;
    hr_resource_unref(&response->base);
    return err ? hr_fiber_trap(fiber, "response: %s", hr_err_text(err)) : HR_OK;
}

static enum hr_err drop_outparam(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &outparam_type);
}

/* http-error-code(borrow<io-error>) -> option<error-code>: our stream errors carry none. */
static enum hr_err http_error_code(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_resource *error;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &hr_io_error, &error);
    return err ? err : put_unit(fiber, values[1].i32);
}

#define TYPES "wasi:http/types", "0.2"

static const struct hr_import imports[] = {
    {TYPES, "[constructor]fields", ">i", fields_new},
    {TYPES, "[static]fields.from-list", "iii>", fields_from_list},
    {TYPES, "[method]fields.get", "iiii>", fields_get},
    {TYPES, "[method]fields.has", "iii>i", fields_has},
    {TYPES, "[method]fields.set", "iiiiii>", fields_set},
    {TYPES, "[method]fields.delete", "iiii>", fields_delete},
    {TYPES, "[method]fields.append", "iiiiii>", fields_append},
    {TYPES, "[method]fields.entries", "ii>", fields_entries},
    {TYPES, "[method]fields.clone", "i>i", fields_clone},
    {TYPES, "[resource-drop]fields", "i>", drop_fields},
    {TYPES, "[method]incoming-request.method", "ii>", request_method},
    {TYPES, "[method]incoming-request.path-with-query", "ii>", request_path},
    {TYPES, "[method]incoming-request.scheme", "ii>", request_scheme},
    {TYPES, "[method]incoming-request.authority", "ii>", request_authority},
    {TYPES, "[method]incoming-request.headers", "i>i", request_headers},
    {TYPES, "[method]incoming-request.consume", "ii>", request_consume},
    {TYPES, "[resource-drop]incoming-request", "i>", drop_request},
    {TYPES, "[method]incoming-body.stream", "ii>", body_stream},
    {TYPES, "[static]incoming-body.finish", "i>i", body_finish},
    {TYPES, "[resource-drop]incoming-body", "i>", drop_in_body},
    {TYPES, "[method]future-trailers.subscribe", "i>i", trailers_subscribe},
    {TYPES, "[method]future-trailers.get", "ii>", trailers_get},
    {TYPES, "[resource-drop]future-trailers", "i>", drop_trailers},
    {TYPES, "[constructor]outgoing-response", "i>i", response_new},
    {TYPES, "[method]outgoing-response.status-code", "i>i", response_status},
    {TYPES, "[method]outgoing-response.set-status-code", "ii>i", response_set_status},
    {TYPES, "[method]outgoing-response.headers", "i>i", response_headers},
    {TYPES, "[method]outgoing-response.body", "ii>", response_body},
    {TYPES, "[resource-drop]outgoing-response", "i>", drop_response},
    {TYPES, "[method]outgoing-body.write", "ii>", out_body_write},
    {TYPES, "[static]outgoing-body.finish", "iiii>", out_body_finish},
    {TYPES, "[resource-drop]outgoing-body", "i>", drop_out_body},
    {TYPES, "[static]response-outparam.set", "iiiijiiii>", outparam_set},
    {TYPES, "[resource-drop]response-outparam", "i>", drop_outparam},
    {TYPES, "http-error-code", "ii>", http_error_code},
};

const struct hr_imports_table hr_imports_http = HR_IMPORTS_TABLE(imports);
