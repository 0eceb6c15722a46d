/* From connection to call and back. Per request libmicrohttpd calls `begun` (request line), `access`
 * (headers; then body pieces; then the end, upon which the call is submitted and the connection suspended; then once
 * more after resuming, to send), and `completed`.
 */
#include "host/http/httpd.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/run/call_log.h"
#include "host/imports/exchange.h"
#include "host/http/mhd.h"

#define TARGET_BYTES_MAX 8192u
#define ROUTES_MAX 64u
#define DROPPED_BYTES_MAX (16u << 20)
/* What an actor may say of a body that it does not give; beyond this the daemon would frame it anew. */
#define HEAD_LENGTH_MAX ((uint64_t)INT64_MAX)

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
    const char *sent_target; /* the daemon's, as it stands in what was received */
    struct hr_http_exchange exchange;
    enum hr_err err;     /* how the call ended */
    enum hr_err refused; /* why its body is not kept, or HR_OK */
    uint64_t head_ns;    /* when its head was there */
    size_t dropped_bytes;
    size_t held_bytes; /* of bodies, as counted in the daemon's total */
};

struct hr_httpd {
    struct hr_worker *worker;
    struct hr_mhd mhd;
    struct hr_httpd_route routes[ROUTES_MAX];
    size_t route_count;
    uint32_t active;
    size_t held_bytes; /* of all requests' bodies, both ways */
    size_t held_bytes_max;
    bool draining;
    bool stopping;
};

static void request_move(struct request *request, enum request_state to)
{
    HR_ASSERT(allowed[request->state][to]);
    request->state = to;
}

/* Counts what the request's two bodies hold now. */
static void count_held(struct request *request)
{
    size_t bytes = request->exchange.request_body.len + request->exchange.response_body.len;
    request->httpd->held_bytes += bytes - request->held_bytes;
    request->held_bytes = bytes;
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
                      &length) &&
        length <= HEAD_LENGTH_MAX) {
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
    count_held(request);
    request_move(request, REQUEST_ANSWER);
    MHD_resume_connection(request->connection);
    hr_mhd_kick(&request->httpd->mhd);
}

static enum MHD_Result submit(struct request *request)
{
    if (request->refused == HR_TOO_BIG) {
        return send_problem(request, 413, "the request body is too large");
    }
    if (request->refused) {
        return send_problem(request, 503, "no room for the request body");
    }
    if (request->httpd->stopping) {
        return send_problem(request, 503, "the host is stopping");
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
    struct hr_str scheme = HR_STR("http://");
    struct hr_str target = exchange->target;
    if (target.len < scheme.len || !hr_str_eq_nocase(hr_str_of(target.ptr, scheme.len), scheme)) {
        return;
    }
    struct hr_str rest = hr_str_from(target, scheme.len);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?') {
        end++;
    }
    if (end == 0) {
        return; /* no authority: no target that anybody serves */
    }
    exchange->authority = hr_str_of(rest.ptr, end);
    exchange->target = hr_str_from(rest, end);
    if (end == rest.len || rest.ptr[end] == '?') {
        char *path = hr_arena_alloc(&exchange->arena, rest.len - end + 2);
        if (path) {
            path[0] = '/';
            memcpy(path + 1, rest.ptr + end, rest.len - end);
        }
        exchange->target = hr_str_of(path, path ? rest.len - end + 1 : 0);
    }
}

/* What a request says of itself outside its fields. */
struct reading {
    struct hr_http_exchange *exchange;
    enum hr_err err;
    uint32_t hosts;
    uint32_t lengths;
    uint32_t encodings;
    bool chunked;
};

/* True for a field that is not the guest's. */
static bool read_special(struct reading *reading, struct hr_str name, struct hr_str text)
{
    struct hr_http_exchange *exchange = reading->exchange;
    if (hr_str_eq_nocase(name, HR_STR("host"))) {
        reading->hosts++;
        if (!exchange->authority.ptr) {
            exchange->authority = hr_arena_copy(&exchange->arena, text);
        }
    } else if (hr_str_eq_nocase(name, HR_STR("content-length"))) {
        reading->lengths++;
    } else if (hr_str_eq_nocase(name, HR_STR("transfer-encoding"))) {
        reading->encodings++;
        reading->chunked = hr_str_eq_nocase(text, HR_STR("chunked"));
    }
    return hr_http_is_of_connection(name);
}

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                const char *value, size_t value_len)
{
    (void)kind;
    struct reading *reading = arg;
    struct hr_http_exchange *exchange = reading->exchange;
    struct hr_str name = hr_str_of(key, key_len);
    struct hr_str text = hr_str_of(value, value_len);
    if (!read_special(reading, name, text)) {
        reading->err = hr_http_fields_add(&exchange->request_fields, &exchange->arena, name, text);
    }
    return reading->err ? MHD_NO : MHD_YES;
}

/* Whether there is one way only to find the body's end (RFC 9112 section 6.3); the daemon takes the
 * first of several lengths, any coding for its own, and a coding before a length. */
static bool is_framed_clearly(const struct reading *reading, bool http_1_1)
{
    if (reading->encodings > 0) {
        return http_1_1 && reading->encodings == 1 && reading->chunked && reading->lengths == 0;
    }
    return reading->lengths <= 1;
}

/* Whether there is a NUL in the target, of which the daemon tells only what is before it. It cuts the
 * request line up where it was received, so the version begins one byte after the target's end. A
 * daemon that puts the version elsewhere gives no sign either way. */
static bool is_cut_by_nul(const struct request *request, const char *version)
{
    uintptr_t apart = (uintptr_t)version - (uintptr_t)request->sent_target;
    return apart < HR_MHD_CONNECTION_BYTES && apart != request->exchange.target.len + 1;
}

/* "*" stands for the server as a whole (RFC 9110 section 9.3.7), which is whoever serves its root. */
static const struct hr_lane *route(const struct hr_httpd *httpd, struct hr_str method,
                                   struct hr_str target)
{
    const struct hr_httpd_route *best = NULL;
    if (hr_str_eq(target, HR_STR("*")) && hr_str_eq(method, HR_STR("OPTIONS"))) {
        target = HR_STR("/");
    }
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

/* Reads the fields. The status that refuses the request, with its reason, or 0. */
static int read_head(struct request *request, const char *method, const char *version,
                     const char **ret_why)
{
    struct hr_http_exchange *exchange = &request->exchange;
    bool http_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    struct reading reading = {.exchange = exchange};
    exchange->method = hr_arena_copy(&exchange->arena, hr_str_c(method));
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, on_field, &reading);
    if (reading.err == HR_TOO_BIG) {
        *ret_why = "too many or too large header fields";
        return 431;
    }
    if (reading.err || !exchange->method.ptr) {
        *ret_why = "a header field is malformed";
        return 400;
    }
    if (!hr_http_is_method(exchange->method) || !hr_http_is_target(exchange->target)) {
        *ret_why = "the request line is malformed";
        return 400;
    }
    if (reading.hosts > 1 || (reading.hosts == 0 && http_1_1) ||
        !hr_http_is_authority(exchange->authority)) {
        *ret_why = "the request needs one host field, with a host";
        return 400;
    }
    if (!is_framed_clearly(&reading, http_1_1)) {
        *ret_why = "the length of the request body is ambiguous";
        return 400;
    }
    return 0;
}

static enum MHD_Result on_head(struct request *request, const char *method, const char *version)
{
    struct hr_http_exchange *exchange = &request->exchange;
    const char *why;
    request->head_ns = hr_now_ns();
    if (!exchange->target.ptr || exchange->target.len > TARGET_BYTES_MAX) {
        return send_problem(request, 414, "the request target is too long");
    }
    if (is_cut_by_nul(request, version)) {
        return send_problem(request, 400, "the request line is malformed");
    }
    split_target(exchange);
    int refusal = read_head(request, method, version, &why);
    if (refusal) {
        return send_problem(request, refusal, why);
    }
    request->lane = route(request->httpd, exchange->method, exchange->target);
    if (!request->lane) {
        return send_problem(request, 404, "no actor serves this path");
    }
    size_t body_max = request->lane->actor->limits.body_bytes;
    exchange->body_bytes_max = body_max;
    exchange->request_body.max = body_max;
    exchange->response_body.max = body_max;
    if (announced_too_big(exchange)) {
        return send_problem(request, 413, "the request body is too large");
    }
    if (request->httpd->held_bytes >= request->httpd->held_bytes_max) {
        return send_problem(request, 503, "too many bodies of other requests are held");
    }
    request_move(request, REQUEST_BODY);
    return MHD_YES;
}

/* Keeps a piece of the body, as far as the actor's limit and the daemon's total allow. */
static enum hr_err keep_piece(struct request *request, struct hr_str piece)
{
    struct hr_httpd *httpd = request->httpd;
    if (piece.len > httpd->held_bytes_max ||
        httpd->held_bytes > httpd->held_bytes_max - piece.len) {
        return HR_BUSY;
    }
    enum hr_err err = hr_buf_append(&request->exchange.request_body, piece);
    count_held(request);
    return err;
}

/* A body that cannot be kept is read on and dropped, so that the client gets its answer; one that does
 * not end, or takes too long, is cut off. */
static enum MHD_Result on_body(struct request *request, const char *data, size_t *len)
{
    if (!request->refused) {
        request->refused = keep_piece(request, hr_str_of(data, *len));
    }
    if (request->refused) {
        hr_buf_release(&request->exchange.request_body);
        count_held(request);
        request->dropped_bytes += *len;
    }
    *len = 0;
    bool late = hr_now_ns() - request->head_ns > (uint64_t)HR_HTTPD_BODY_MS * 1000000u;
    return late || request->dropped_bytes > DROPPED_BYTES_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result access_callback(void *arg, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *data, size_t *data_len, void **state)
{
    (void)arg, (void)url;
    struct request *request = *state;
    if (!request) {
        return MHD_NO; /* memory was out when it began */
    }
    request->connection = connection;
    switch (request->state) {
    case REQUEST_HEAD:
        return on_head(request, method, version);
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
    request->sent_target = target;
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
        count_held(request);
        hr_free(request);
        *state = NULL;
    }
}

/* --- life ---------------------------------------------------------------------------------------------- */

/* Room for the named total, or for two bodies of the largest kind. */
static size_t held_max(const struct hr_httpd_route *routes, size_t count)
{
    size_t max = HR_HTTPD_BODIES_BYTES_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t body = routes[i].lane->actor->limits.body_bytes;
        max = max < 2 * body ? 2 * body : max;
    }
    return max;
}

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
    httpd->held_bytes_max = held_max(routes, count);
    if (count) {
        memcpy(httpd->routes, routes, count * sizeof *routes);
    }
    const struct hr_mhd_callbacks callbacks = {
        .access = access_callback,
        .completed = completed_callback,
        .begun = begun_callback,
        .arg = httpd,
        .share = worker->worker_count,
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
        httpd->stopping = true; /* what the daemon still reads does not become a call */
        hr_mhd_stop(&httpd->mhd);
    }
}

void hr_httpd_free(struct hr_httpd *httpd)
{
    hr_free(httpd);
}
