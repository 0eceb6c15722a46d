/* links: core_todo */
/* Feeds the gateway's core with a request, and with what the kv and ui actors answer, and checks
 * what must hold of every answer and of every message that it sends.
 *
 * The input is cut at the bytes 0x1f into: method, path and query, authority, header lines
 * ("name:value", cut at 0x0a), body, then one reply of the kv actor after the other. A reply that
 * starts with '!' fails with the error that its next byte chooses; one that starts with '@' is
 * made whole around the value that follows, with the key that was asked for; any other is taken as
 * it is. When the replies are used up, nobody answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/todo/core/api.h"
#include "actors/todo/core/json.h"
#include "actors/todo/core/route.h"
#include "base/alloc.h"
#include "base/assert.h"

#define SEPARATOR '\x1f'
#define HEADERS_MAX 80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct feed {
    struct hr_str left; /* the replies not used yet */
    uint64_t now_ns;
    unsigned char random;
    bool is_out_of_memory; /* as far as the gateway was told */
};

static struct hr_str next_part(struct hr_str *left, char separator)
{
    size_t end = hr_str_find(*left, separator, 0);
    struct hr_str part = {left->ptr, end == SIZE_MAX ? left->len : end};
    *left = end == SIZE_MAX ? hr_str_of(NULL, 0) : hr_str_from(*left, end + 1);
    return part;
}

static void check_json(struct hr_str text)
{
    yyjson_doc *doc = NULL;
    struct hr_diag diag;
    HR_ASSERT(!gw_json_read(text, &doc, &diag));
    yyjson_doc_free(doc);
}

/* Subjects and bodies are what docs/protocol.md has, whatever the client sent. */
static void check_message(struct hr_str subject, struct hr_str body)
{
    HR_ASSERT(hr_str_starts(subject, HR_STR("wasmkv.")));
    HR_ASSERT(gw_route_is_key(subject) || subject.len > GW_ID_BYTES_MAX);
    if (body.len > 0) {
        check_json(body);
        HR_ASSERT(body.ptr[0] == '{');
    } else {
        HR_ASSERT(hr_str_starts(subject, HR_STR("wasmkv.get.")));
    }
}

static enum hr_err feed_request(void *arg, struct hr_str subject, struct hr_str body,
                                uint32_t timeout_ms, struct hr_buf *ret_reply, struct hr_diag *diag)
{
    struct feed *feed = arg;
    check_message(subject, body);
    HR_ASSERT(timeout_ms > 0);
    feed->now_ns += 1000003;
    if (feed->left.len == 0) {
        return hr_diag_set(diag, HR_NO_RESPONDERS, "nobody answers there");
    }
    struct hr_str reply = next_part(&feed->left, SEPARATOR);
    if (reply.len > 1 && reply.ptr[0] == '!') {
        enum hr_err err = (enum hr_err)(1 + (unsigned char)reply.ptr[1] % (HR_ERR_COUNT - 1));
        feed->is_out_of_memory |= err == HR_NO_MEMORY;
        return err;
    }
    if (reply.len == 0 || reply.ptr[0] != '@') {
        return hr_buf_append(ret_reply, reply);
    }
    struct hr_str key = hr_str_from(subject, sizeof "wasmkv.get." - 1);
    reply = hr_str_from(reply, 1);
    enum hr_err err =
        hr_buf_printf(ret_reply,
                      "{\"site\":\"s\",\"acks\":1,\"sites\":2,\"next\":null,\"key\":\"%.*s\","
                      "\"version\":\"00000000000000000000000000000001\",\"items\":[{\"key\":\"k\","
                      "\"version\":\"00000000000000000000000000000002\",\"value\":{}}],\"value\":",
                      HR_STR_ARG(key));
    err = err ? err : hr_buf_append(ret_reply, reply);
    return err ? err : hr_buf_append_byte(ret_reply, '}');
}

static enum hr_err feed_get_asset(void *arg, struct hr_str path, struct hr_str accept_encoding,
                                  struct gw_asset *ret_asset, struct hr_diag *diag)
{
    static const struct gw_header headers[] = {{{"content-type", 12}, {"text/html", 9}}};
    (void)arg;
    if (path.len % 3 == 1) {
        return HR_NOT_FOUND;
    }
    if (accept_encoding.len % 5 == 4) {
        return hr_diag_set(diag, HR_NO_RESPONDERS, "no ui \"here\"\n");
    }
    *ret_asset = (struct gw_asset){HR_STR("\"e\""), headers, 1, HR_STR("page")};
    return HR_OK;
}

static enum hr_err feed_sites(void *arg, const struct gw_site **ret_sites, size_t *ret_count)
{
    static const struct gw_site sites[] = {
        {.name = {"he\"re", 5}, .here = true, .alive = true},
        {.name = {"there", 5}, .is_measured = true, .round_trip_us = UINT64_MAX},
    };
    (void)arg;
    *ret_sites = sites;
    *ret_count = 2;
    return HR_OK;
}

static gw_wall_ns feed_now(void *arg)
{
    const struct feed *feed = arg;
    return feed->now_ns;
}

static void feed_random(void *arg, unsigned char *ret_bytes, size_t len)
{
    struct feed *feed = arg;
    for (size_t i = 0; i < len; i++) {
        ret_bytes[i] = feed->random++;
    }
}

static void feed_log(void *arg, enum gw_log_level level, struct hr_str text)
{
    (void)arg;
    (void)level;
    for (size_t i = 0; i < text.len; i++) {
        HR_ASSERT(text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f);
    }
}

static enum hr_err feed_config(void *arg, struct hr_str key, struct hr_buf *ret_value)
{
    (void)arg;
    return hr_str_eq(key, HR_STR("site")) ? hr_buf_append(ret_value, HR_STR("here")) : HR_NOT_FOUND;
}

static void check_headers(const struct gw_response *response, bool is_out_of_memory)
{
    for (size_t i = 0; i < response->header_count; i++) {
        struct hr_str value = response->headers[i].value;
        HR_ASSERT(response->headers[i].name.len > 0);
        for (size_t at = 0; at < value.len; at++) {
            unsigned char c = (unsigned char)value.ptr[at];
            HR_ASSERT(c >= 0x20 && c != 0x7f);
        }
    }
    HR_ASSERT(gw_response_header(response, HR_STR("Access-Control-Allow-Origin")));
    /* Where memory is out, there is none for the site's name. */
    HR_ASSERT(is_out_of_memory || gw_response_header(response, HR_STR("Hedgerow-Site")));
}

static void check_response(const struct gw_request *request, const struct gw_response *response,
                           bool is_out_of_memory)
{
    static const unsigned known[] = {200, 201, 204, 304, 400, 404, 405,
                                     412, 413, 415, 500, 502, 503};
    bool is_known = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        is_known |= response->status == known[i];
    }
    HR_ASSERT(is_known);
    check_headers(response, is_out_of_memory);
    const struct hr_str *length = gw_response_header(response, HR_STR("Content-Length"));
    const struct hr_str *type = gw_response_header(response, HR_STR("Content-Type"));
    if (response->status == 204 || response->status == 304) {
        HR_ASSERT(!length && !type && response->body.len == 0);
        return;
    }
    uint64_t said = 0;
    HR_ASSERT(length && hr_str_to_u64(*length, &said));
    if (hr_str_eq(request->method, HR_STR("HEAD"))) {
        HR_ASSERT(response->body.len == 0);
        return;
    }
    HR_ASSERT(said == response->body.len);
    HR_ASSERT(type);
    if (hr_str_starts(*type, HR_STR("application/"))) {
        check_json(response->body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hr_str left = hr_str_of(data, size);
    struct feed feed = {.now_ns = UINT64_C(1700000000000000000)};
    struct gw_env env = {
        .arg = &feed,
        .request = feed_request,
        .get_asset = feed_get_asset,
        .sites = feed_sites,
        .now = feed_now,
        .random = feed_random,
        .log = feed_log,
        .config = feed_config,
    };
    struct gw_header headers[HEADERS_MAX];
    struct gw_request request = {.scheme = HR_STR("http"), .headers = headers};
    struct gw_response response;
    request.method = next_part(&left, SEPARATOR);
    request.path_and_query = next_part(&left, SEPARATOR);
    request.authority = next_part(&left, SEPARATOR);
    struct hr_str lines = next_part(&left, SEPARATOR);
    while (lines.len > 0 && request.header_count < HEADERS_MAX) {
        struct hr_str line = next_part(&lines, '\n');
        struct hr_str name = next_part(&line, ':');
        headers[request.header_count++] = (struct gw_header){name, line};
    }
    request.body = next_part(&left, SEPARATOR);
    feed.left = left;

    int64_t live = hr_alloc_live();
    gw_api_handle(&env, &request, &response);
    check_response(&request, &response, feed.is_out_of_memory);
    gw_response_release(&response);
    HR_ASSERT(hr_alloc_live() == live);
    return 0;
}
