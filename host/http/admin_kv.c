/* Requests to the Distributed-KV actor over HTTP. */
#include "host/http/admin_kv.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "host/bus/subject.h"

#define SUBJECT_BYTES_MAX 192u
#define BUCKET_BYTES_MAX 64u

enum call_state {
    CALL_READING, /* the body comes in */
    CALL_WAITING, /* the actor has it; the connection is suspended */
    CALL_ANSWER,  /* there is something to send */
    CALL_SENT
};

struct hr_admin_kv_call {
    struct hr_list node;
    struct hr_admin_kv *kv;
    struct MHD_Connection *connection;
    struct hr_bus_request *request;
    enum call_state state;
    unsigned status; /* of an answer that is the host's own; 200: @reply is the answer */
    const char *problem;
    char subject[SUBJECT_BYTES_MAX];
    struct hr_buf body;
    struct hr_buf reply;
};

void hr_admin_kv_init(struct hr_admin_kv *kv, struct hr_mhd *mhd, struct hr_bus_port *bus)
{
    *kv = (struct hr_admin_kv){.mhd = mhd, .bus = bus};
    hr_list_init(&kv->calls);
}

bool hr_admin_kv_is(const char *url)
{
    size_t len = strlen(HR_ADMIN_KV_PATH);
    return strncmp(url, HR_ADMIN_KV_PATH, len) == 0 && (url[len] == '\0' || url[len] == '/');
}

static void refuse(struct hr_admin_kv_call *call, unsigned status, const char *problem)
{
    if (call->status == 200) {
        call->status = status;
        call->problem = problem;
    }
}

/* The subject for @url; false if it names no bucket. */
static bool take_subject(struct hr_admin_kv_call *call, const char *url)
{
    const char *rest = url + strlen(HR_ADMIN_KV_PATH);
    const char *bucket = *rest == '/' ? rest + 1 : "default";
    bool valid = bucket[0] != '\0' && strlen(bucket) <= BUCKET_BYTES_MAX;
    for (const char *c = bucket; valid && *c; c++) {
        valid = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                *c == '-' || *c == '_';
    }
    if (valid) {
        snprintf(call->subject, sizeof call->subject, HR_BUS_LOCAL_TOKEN ".wasmkv.%s.admin",
                 bucket);
    }
    return valid;
}

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t len = sizeof json - 1;
    return type && strncmp(type, json, len) == 0 &&
           (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

static void check_head(struct hr_admin_kv_call *call, const char *url, const char *method)
{
    struct MHD_Connection *connection = call->connection;
    if (strcmp(method, "POST") != 0) {
        refuse(call, 405, "only POST");
    } else if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Origin") ||
               MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Sec-Fetch-Site")) {
        refuse(call, 403, "not for browsers");
    } else if (!is_json(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type"))) {
        refuse(call, 415, "the body must be application/json");
    } else if (!take_subject(call, url)) {
        refuse(call, 404, "the path is /kv, or /kv/ and the name of a bucket");
    } else if (!call->kv->bus || call->kv->count > HR_ADMIN_KV_CALLS_MAX) {
        refuse(call, 503, "too many such requests are under way");
    }
}

struct hr_admin_kv_call *hr_admin_kv_begin(struct hr_admin_kv *kv,
                                           struct MHD_Connection *connection, const char *url,
                                           const char *method)
{
    struct hr_admin_kv_call *call = hr_alloc(sizeof *call);
    if (call) {
        call->kv = kv;
        call->connection = connection;
        call->status = 200;
        call->body = (struct hr_buf){.max = HR_ADMIN_KV_BODY_BYTES_MAX};
        call->reply = (struct hr_buf){.max = HR_BUS_LARGE_BYTES_MAX};
        hr_list_push_back(&kv->calls, &call->node);
        kv->count++;
        check_head(call, url, method);
    }
    return call;
}

/* --- answers ------------------------------------------------------------------------------------------ */

static enum MHD_Result send_answer(struct hr_admin_kv_call *call)
{
    char text[320];
    struct hr_str body = hr_buf_str(&call->reply);
    const char *type = "application/json";
    if (call->status != 200) {
        int len = snprintf(text, sizeof text,
                           "{\"type\":\"about:blank\",\"status\":%u,\"detail\":\"%s\"}\n",
                           call->status, call->problem);
        body = hr_str_of(text, (size_t)len);
        type = "application/problem+json";
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)(body.len > 0 ? body.ptr : ""), MHD_RESPMEM_MUST_COPY);
    if (!response) {
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    enum MHD_Result result = MHD_queue_response(call->connection, call->status, response);
    MHD_destroy_response(response);
    call->state = CALL_SENT;
    return result;
}

static void fail(struct hr_admin_kv_call *call, enum hr_err err)
{
    if (err == HR_NO_RESPONDERS) {
        refuse(call, 503,
               "nobody serves it: the kv actor of the manifest must subscribe to "
               "_LOCAL.wasmkv.<bucket>.admin");
    } else if (err == HR_TIMEOUT) {
        refuse(call, 504, "the kv actor did not answer in time; the host's log may say why");
    } else {
        refuse(call, 503, hr_err_text(err));
    }
}

/* --- the call ----------------------------------------------------------------------------------------- */

static void on_reply(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct hr_admin_kv_call *call = arg;
    call->request = NULL;
    if (!err) {
        struct hr_str failure = hr_bus_header(reply, HR_STR(HR_BUS_HEADER_ERROR));
        err = failure.len > 0 ? HR_IO : hr_buf_append(&call->reply, reply->body);
    }
    if (err) {
        fail(call, err);
    }
    call->state = CALL_ANSWER;
    MHD_resume_connection(call->connection);
    hr_mhd_kick(call->kv->mhd);
}

static enum MHD_Result submit(struct hr_admin_kv_call *call)
{
    const struct hr_bus_msg msg = {.subject = hr_str_c(call->subject),
                                   .body = hr_buf_str(&call->body)};
    if (call->status != 200) {
        return send_answer(call);
    }
    enum hr_err err =
        hr_bus_request(call->kv->bus, &msg, HR_ADMIN_KV_TIMEOUT_MS, on_reply, call, &call->request);
    if (err) {
        fail(call, err);
        return send_answer(call);
    }
    call->state = CALL_WAITING;
    MHD_suspend_connection(call->connection);
    return MHD_YES;
}

enum MHD_Result hr_admin_kv_go_on(struct hr_admin_kv_call *call, const char *data, size_t *data_len)
{
    switch (call->state) {
    case CALL_READING:
        if (*data_len > 0) {
            if (call->status == 200 && hr_buf_append(&call->body, hr_str_of(data, *data_len))) {
                refuse(call, 413, "the body is too large");
            }
            *data_len = 0;
            return MHD_YES;
        }
        return submit(call);
    case CALL_ANSWER:
        return send_answer(call);
    case CALL_WAITING:
    case CALL_SENT:
        break;
    }
    return MHD_YES;
}

void hr_admin_kv_end(struct hr_admin_kv_call *call)
{
    if (call) {
        hr_bus_cancel(call->request);
        hr_list_remove(&call->node);
        call->kv->count--;
        hr_buf_release(&call->body);
        hr_buf_release(&call->reply);
        hr_free(call);
    }
}

void hr_admin_kv_stop(struct hr_admin_kv *kv)
{
    struct hr_list *next;
    for (struct hr_list *node = kv->calls.next; node != &kv->calls; node = next) {
        struct hr_admin_kv_call *call = (struct hr_admin_kv_call *)(void *)node;
        next = node->next;
        if (call->state == CALL_WAITING) {
            hr_bus_cancel(call->request);
            call->request = NULL;
            fail(call, HR_CANCELED);
            call->state = CALL_ANSWER;
            MHD_resume_connection(call->connection);
        }
    }
}
