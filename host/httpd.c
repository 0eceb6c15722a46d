/* From connection to call and back. Per request libmicrohttpd calls `begun` (request line), `access`
 * (headers; then body pieces; then the end, upon which the call is submitted and the connection suspended; then once
 * more after resuming, to send), and `completed`.
 */
#include "host/httpd.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/call_log.h"
#include "host/http.h"
#include "host/mhd.h"

#define TARGET_BYTES_MAX 8192u
#define ROUTES_MAX 64u
#define DROPPED_BYTES_MAX (16u << 20)

enum request_state {
    REQUEST_HEAD,    /* nothing but the request line is known */
    REQUEST_BODY,    /* its body is coming */
    REQUEST_CALLING, /* the actor has it; the connection is suspended */
    REQUEST_ANSWER,  /* the answer is there, to be queued */
    REQUEST_SENT,    /* the daemon sends it */
    REQUEST_STATE_COUNT
};

static const bool allowed[REQUEST_STATE_COUNT][REQUEST_STATE_COUNT] = {
    [REQUEST_HEAD] = {[REQUEST_BODY] = true, [REQUEST_SENT] = true},
    [REQUEST_BODY] = {[REQUEST_CALLING] = true, [REQUEST_SENT] = true},
    [REQUEST_CALLING] = {[REQUEST_ANSWER] = true},
    [REQUEST_ANSWER] = {[REQUEST_SENT] = true},
};

struct request {
    enum request_state state;
    struct hr_httpd *httpd;
    struct MHD_Connection *connection;
    const struct hr_lane *lane;
    struct hr_http_exchange exchange;
    enum hr_err err; /* how the call ended */
    bool too_big;
    bool out_of_memory;
    size_t dropped_bytes;
};

struct hr_httpd {
    struct hr_worker *worker;
    struct hr_mhd mhd;
    struct hr_httpd_route routes[ROUTES_MAX];
    size_t route_count;
    uint32_t active;
    bool draining;
};

static void request_move(struct request *request, enum request_state to)
{
    HR_ASSERT(allowed[request->state][to]);
    request->state = to;
}

/* --- answers ------------------------------------------------------------------------------------------ */

static const char *reason_of(int status)
{
    const char *reason = MHD_get_reason_phrase_for((unsigned)status);
    return reason ? reason : "Error";
}

/* An answer of the host's own. */
static enum MHD_Result send_problem(struct request *request, int status, const char *detail)
{
    char body[512];
    int len =
        snprintf(body, sizeof body,
                 "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}",
                 reason_of(status), status, detail);
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)len, body, MHD_RESPMEM_MUST_COPY);
    if (!response) {
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", "application/problem+json");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (status == 503) {
        MHD_add_response_header(response, "Retry-After", "1");
    }
    if (status == 413 || request->httpd->draining) {
        MHD_add_response_header(response, "Connection", "close");
    }
    enum MHD_Result result = MHD_queue_response(request->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    request_move(request, REQUEST_SENT);
    return result;
}

/* What a client is told of a failed call: its kind, not its inside; the log has the cause. */
static enum MHD_Result send_failure(struct request *request)
{
    int status = hr_err_http(request->err);
    const char *detail = hr_err_text(request->err);
    if (request->err == HR_UNSUPPORTED) {
        status = 500;
    }
    return send_problem(request, status, detail);
}

static ssize_t no_body(void *arg, uint64_t pos, char *buf, size_t max)
{
    (void)arg, (void)pos, (void)buf, (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* HEAD: the length that GET would have, as the actor says it or as its body has it. */
static struct MHD_Response *make_response(struct request *request)
{
    struct hr_http_exchange *exchange = &request->exchange;
    uint64_t length;
    if (hr_str_eq(exchange->method, HR_STR("HEAD")) && exchange->response_body.len == 0 &&
        hr_str_to_u64(hr_http_fields_get(&exchange->response_fields, HR_STR("content-length")),
                      &length)) {
        return MHD_create_response_from_callback(length, 1024, no_body, NULL, NULL);
    }
    return MHD_create_response_from_buffer(
        exchange->response_body.len, exchange->response_body.ptr ? exchange->response_body.ptr : "",
        MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_answer(struct request *request)
{
    struct hr_http_exchange *exchange = &request->exchange;
    struct MHD_Response *response = make_response(request);
    if (!response) {
        return MHD_NO;
    }
    for (size_t i = 0; i < exchange->response_fields.count; i++) {
        const struct hr_http_field *field = &exchange->response_fields.items[i];
        if (!hr_str_eq_nocase(field->name, HR_STR("content-length"))) {
            MHD_add_response_header(response, field->name.ptr, field->value.ptr);
        }
    }
    if (request->httpd->draining) {
        MHD_add_response_header(response, "Connection", "close");
    }
    enum MHD_Result result = MHD_queue_response(request->connection, exchange->status, response);
    MHD_destroy_response(response);
    request_move(request, REQUEST_SENT);
    return result;
}

/* --- the call ----------------------------------------------------------------------------------------- */

static void on_called(void *arg, enum hr_err err, const char *cause)
{
    (void)cause;
    struct request *request = arg;
    request->err = err;
    request_move(request, REQUEST_ANSWER);
    MHD_resume_connection(request->connection);
    hr_mhd_kick(&request->httpd->mhd);
}

static enum MHD_Result submit(struct request *request)
{
    if (request->too_big) {
        return send_problem(request, 413, "the request body is too large");
    }
    if (request->out_of_memory) {
        return send_problem(request, 503, "out of memory");
    }
    struct hr_lane *lane = (struct hr_lane *)request->lane;
    request_move(request, REQUEST_CALLING);
    enum hr_err err = hr_http_call(lane, &request->exchange, on_called, request, NULL);
    if (err) {
        hr_call_refused(lane->actor, HR_EXPORT_HTTP_HANDLE, err);
        request_move(request, REQUEST_ANSWER);
        request->err = err;
        return send_failure(request);
    }
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

/* --- the request -------------------------------------------------------------------------------------- */

/* An absolute-form target (RFC 9112 section 3.2.2) names its own authority. */
static void split_target(struct hr_http_exchange *exchange)
{
    struct hr_str target = exchange->target;
    if (!hr_str_starts(target, HR_STR("http://"))) {
        return;
    }
    struct hr_str rest = hr_str_from(target, 7);
    size_t slash = hr_str_find(rest, '/', 0);
    exchange->authority = hr_str_of(rest.ptr, slash == SIZE_MAX ? rest.len : slash);
    exchange->target = slash == SIZE_MAX ? HR_STR("/") : hr_str_from(rest, slash);
}

struct reading {
    struct hr_http_exchange *exchange;
    enum hr_err err;
};

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                const char *value, size_t value_len)
{
    (void)kind;
    struct reading *reading = arg;
    struct hr_http_exchange *exchange = reading->exchange;
    struct hr_str name = hr_str_of(key, key_len);
    struct hr_str text = hr_str_of(value, value_len);
    if (hr_str_eq_nocase(name, HR_STR("host"))) {
        if (exchange->authority.len == 0) {
            exchange->authority = hr_arena_copy(&exchange->arena, text);
        }
        return MHD_YES;
    }
    reading->err = hr_http_fields_add(&exchange->request_fields, &exchange->arena, name, text);
    return reading->err ? MHD_NO : MHD_YES;
}

static const struct hr_lane *route(const struct hr_httpd *httpd, struct hr_str target)
{
    const struct hr_httpd_route *best = NULL;
    for (size_t i = 0; i < httpd->route_count; i++) {
        const struct hr_httpd_route *candidate = &httpd->routes[i];
        if (hr_str_starts(target, candidate->prefix) &&
            (!best || candidate->prefix.len > best->prefix.len)) {
            best = candidate;
        }
    }
    return best ? best->lane : NULL;
}

/* The body's announced length is over the limit: say so before it is sent. */
static bool announced_too_big(const struct hr_http_exchange *exchange)
{
    uint64_t length;
    struct hr_str text = hr_http_fields_get(&exchange->request_fields, HR_STR("content-length"));
    return hr_str_to_u64(text, &length) && length > exchange->body_bytes_max;
}

static enum MHD_Result on_head(struct request *request, const char *method)
{
    struct hr_http_exchange *exchange = &request->exchange;
    struct reading reading = {exchange, HR_OK};
    if (!exchange->target.ptr || exchange->target.len > TARGET_BYTES_MAX) {
        return send_problem(request, 414, "the request target is too long");
    }
    split_target(exchange);
    request->lane = route(request->httpd, exchange->target);
    if (!request->lane) {
        return send_problem(request, 404, "no actor serves this path");
    }
    size_t body_max = request->lane->actor->limits.body_bytes;
    exchange->body_bytes_max = body_max;
    exchange->request_body.max = body_max;
    exchange->response_body.max = body_max;
    exchange->method = hr_arena_copy(&exchange->arena, hr_str_c(method));
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, on_field, &reading);
    if (reading.err == HR_TOO_BIG) {
        return send_problem(request, 431, "too many or too large header fields");
    }
    if (reading.err || !exchange->method.ptr) {
        return send_problem(request, 400, "a header field is malformed");
    }
    if (announced_too_big(exchange)) {
        return send_problem(request, 413, "the request body is too large");
    }
    request_move(request, REQUEST_BODY);
    return MHD_YES;
}

/* A body without an announced length that grows too large is read on and dropped, so that the client
 * gets its answer; one that does not end is cut off. */
static enum MHD_Result on_body(struct request *request, const char *data, size_t *len)
{
    if (!request->too_big && !request->out_of_memory) {
        enum hr_err err = hr_buf_append(&request->exchange.request_body, hr_str_of(data, *len));
        request->too_big = err == HR_TOO_BIG;
        request->out_of_memory = err == HR_NO_MEMORY;
    }
    if (request->too_big || request->out_of_memory) {
        request->dropped_bytes += *len;
    }
    *len = 0;
    return request->dropped_bytes > DROPPED_BYTES_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result access_callback(void *arg, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *data, size_t *data_len, void **state)
{
    (void)arg, (void)url, (void)version;
    struct request *request = *state;
    if (!request) {
        return MHD_NO; /* memory was out when it began */
    }
    request->connection = connection;
    switch (request->state) {
    case REQUEST_HEAD:
        return on_head(request, method);
    case REQUEST_BODY:
        return *data_len > 0 ? on_body(request, data, data_len) : submit(request);
    case REQUEST_ANSWER:
        return request->err ? send_failure(request) : send_answer(request);
    case REQUEST_SENT:
        *data_len = 0; /* the rest of a body that nobody wants */
        return MHD_YES;
    case REQUEST_CALLING:
    case REQUEST_STATE_COUNT:
        break;
    }
    return MHD_YES;
}

static void *begun_callback(void *arg, const char *target, struct MHD_Connection *connection)
{
    (void)connection;
    struct hr_httpd *httpd = arg;
    struct request *request = hr_alloc(sizeof *request);
    if (!request) {
        return NULL;
    }
    request->httpd = httpd;
    hr_http_exchange_init(&request->exchange, 0);
    request->exchange.target = hr_arena_copy(&request->exchange.arena, hr_str_c(target));
    httpd->active++;
    return request;
}

static void completed_callback(void *arg, struct MHD_Connection *connection, void **state,
                               enum MHD_RequestTerminationCode code)
{
    (void)arg, (void)connection, (void)code;
    struct request *request = *state;
    if (request) {
        request->httpd->active--;
        hr_http_exchange_release(&request->exchange);
        hr_free(request);
        *state = NULL;
    }
}

/* --- life ---------------------------------------------------------------------------------------------- */

enum hr_err hr_httpd_start(struct hr_worker *worker, int fd, const struct hr_httpd_route *routes,
                           size_t count, struct hr_httpd **ret_httpd, struct hr_diag *diag)
{
    if (count > ROUTES_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT, "%zu HTTP routes; the limit is %u", count,
                           ROUTES_MAX);
    }
    struct hr_httpd *httpd = hr_alloc(sizeof *httpd);
    if (!httpd) {
        return hr_diag_set(diag, HR_NO_MEMORY, "HTTP daemon");
    }
    httpd->worker = worker;
    httpd->route_count = count;
    if (count) {
        memcpy(httpd->routes, routes, count * sizeof *routes);
    }
    const struct hr_mhd_callbacks callbacks = {
        .access = access_callback,
        .completed = completed_callback,
        .begun = begun_callback,
        .arg = httpd,
    };
    enum hr_err err = hr_mhd_start(&httpd->mhd, &worker->loop, fd, &callbacks, diag);
    if (err) {
        hr_free(httpd);
        return err;
    }
    *ret_httpd = httpd;
    return HR_OK;
}

void hr_httpd_drain(struct hr_httpd *httpd)
{
    httpd->draining = true;
    hr_mhd_quiesce(&httpd->mhd);
}

uint32_t hr_httpd_active(const struct hr_httpd *httpd)
{
    return httpd->active;
}

void hr_httpd_stop(struct hr_httpd *httpd)
{
    if (httpd) {
        hr_mhd_stop(&httpd->mhd);
    }
}

void hr_httpd_free(struct hr_httpd *httpd)
{
    hr_free(httpd);
}
