/* Exchanges and header fields, and the call of wasi:http/incoming-handler. */
#include "host/imports/exchange.h"

#include <string.h>

#include "host/run/abi.h"
#include "host/bus/bus.h"
#include "host/run/call_log.h"
#include "host/imports/http.h"

void hr_http_exchange_init(struct hr_http_exchange *exchange, size_t body_bytes_max)
{
    memset(exchange, 0, sizeof *exchange);
    hr_arena_init(&exchange->arena, 0);
    exchange->body_bytes_max = body_bytes_max;
    exchange->request_body.max = body_bytes_max;
    exchange->response_body.max = body_bytes_max;
}

void hr_http_exchange_release(struct hr_http_exchange *exchange)
{
    hr_buf_release(&exchange->request_body);
    hr_buf_release(&exchange->response_body);
    hr_arena_release(&exchange->arena);
}

/* RFC 9110 section 5.6.2. */
static bool is_token(struct hr_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c))) {
            return false;
        }
    }
    return name.len > 0;
}

/* RFC 9110 section 5.5: visible bytes, space, tab and bytes above 0x7f. */
static bool is_field_value(struct hr_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

bool hr_http_is_method(struct hr_str method)
{
    return is_token(method);
}

bool hr_http_is_target(struct hr_str target)
{
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= ' ' || c == 0x7f) {
            return false;
        }
    }
    return target.len > 0 && hr_str_is_utf8(target);
}

bool hr_http_is_authority(struct hr_str authority)
{
    for (size_t i = 0; i < authority.len; i++) {
        unsigned char c = (unsigned char)authority.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && (c == 0 || !strchr("-._~!$&'()*+,;=%:[]", c))) {
            return false;
        }
    }
    return true;
}

bool hr_http_is_of_connection(struct hr_str name)
{
    static const char *const names[] = {
        "connection",          "keep-alive",       "proxy-authenticate", "host",
        "proxy-authorization", "proxy-connection", "transfer-encoding",  "upgrade",
        "http2-settings",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (hr_str_eq_nocase(name, hr_str_c(names[i]))) {
            return true;
        }
    }
    return false;
}

static enum hr_err grow(struct hr_http_fields *fields, struct hr_arena *arena)
{
    if (fields->count < fields->cap) {
        return HR_OK;
    }
    size_t cap = fields->cap ? fields->cap * 2 : 16;
    struct hr_http_field *items = hr_arena_alloc(arena, cap * sizeof *items);
    if (!items) {
        return HR_NO_MEMORY;
    }
    if (fields->count) {
        memcpy(items, fields->items, fields->count * sizeof *items);
    }
    fields->items = items;
    fields->cap = cap;
    return HR_OK;
}

enum hr_err hr_http_fields_add(struct hr_http_fields *fields, struct hr_arena *arena,
                               struct hr_str name, struct hr_str value)
{
    if (!is_token(name) || !is_field_value(value)) {
        return HR_BAD_INPUT;
    }
    if (fields->count >= HR_HTTP_FIELDS_MAX ||
        name.len + value.len > HR_HTTP_FIELD_BYTES_MAX - fields->bytes) {
        return HR_TOO_BIG;
    }
    enum hr_err err = grow(fields, arena);
    if (err) {
        return err;
    }
    struct hr_http_field field = {hr_arena_copy(arena, name), hr_arena_copy(arena, value)};
    if (!field.name.ptr || !field.value.ptr) {
        return HR_NO_MEMORY;
    }
    fields->items[fields->count++] = field;
    fields->bytes += name.len + value.len;
    return HR_OK;
}

void hr_http_fields_remove(struct hr_http_fields *fields, struct hr_str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < fields->count; i++) {
        struct hr_http_field field = fields->items[i];
        if (hr_str_eq_nocase(field.name, name)) {
            fields->bytes -= field.name.len + field.value.len;
        } else {
            fields->items[kept++] = field;
        }
    }
    fields->count = kept;
}

struct hr_str hr_http_fields_get(const struct hr_http_fields *fields, struct hr_str name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (hr_str_eq_nocase(fields->items[i].name, name)) {
            return fields->items[i].value;
        }
    }
    return (struct hr_str){0};
}

uint32_t hr_http_fields_count(const struct hr_http_fields *fields, struct hr_str name)
{
    uint32_t count = 0;
    for (size_t i = 0; i < fields->count; i++) {
        count += hr_str_eq_nocase(fields->items[i].name, name);
    }
    return count;
}

/* --- the call ---------------------------------------------------------------------------------------- */

struct http_call {
    struct hr_http_exchange *exchange;
    hr_http_done_cb cb;
    void *arg;
};

/* handle(request: own<incoming-request>, response-out: own<response-outparam>) */
static enum hr_err body(struct hr_fiber *fiber, void *arg)
{
    struct http_call *call = arg;
    fiber->http = call->exchange;
    uint32_t request;
    uint32_t outparam;
    enum hr_err err = hr_http_give_request(fiber, &request, &outparam);
    if (err) {
        return err;
    }
    wasmtime_val_raw_t values[2] = {{.i32 = (int32_t)request}, {.i32 = (int32_t)outparam}};
    err = hr_fiber_call_export(fiber, values, 2);
    if (err) {
        return err;
    }
    const struct hr_http_exchange *exchange = call->exchange;
    if (exchange->refused) {
        return hr_fiber_trap(fiber, "the actor answered with an error-code: %s",
                             hr_err_text(exchange->refused));
    }
    if (!exchange->answered) {
        return hr_fiber_trap(fiber, "the actor returned without setting its response-outparam");
    }
    if (exchange->finished != exchange->bodies) {
        return hr_fiber_trap(fiber, "the actor did not finish its response body");
    }
    return HR_OK;
}

static void done(struct hr_fiber *fiber, enum hr_err err, const char *cause, void *arg)
{
    struct http_call *call = arg;
    hr_call_ended(fiber, err, cause);
    call->cb(call->arg, err, cause);
}

enum hr_err hr_http_call(struct hr_lane *lane, struct hr_http_exchange *exchange,
                         hr_http_done_cb cb, void *arg, struct hr_fiber **ret_fiber)
{
    struct http_call *call = hr_arena_alloc(&exchange->arena, sizeof *call);
    if (!call) {
        return HR_NO_MEMORY;
    }
    *call = (struct http_call){exchange, cb, arg};
    const struct hr_fiber_options options = {
        .export_id = HR_EXPORT_HTTP_HANDLE,
        .body = body,
        .done = done,
        .arg = call,
        .trace = hr_http_fields_get(&exchange->request_fields, HR_STR(HR_BUS_HEADER_TRACE)),
    };
    return hr_lane_submit(lane, &options, ret_fiber);
}
