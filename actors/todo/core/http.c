/* Header lookups of requests, and the building of responses. Stateless, any thread. */
#include "actors/todo/core/http.h"

#include "base/assert.h"

const struct hr_str *gw_request_header(const struct gw_request *request, struct hr_str name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (hr_str_eq_nocase(request->headers[i].name, name)) {
            return &request->headers[i].value;
        }
    }
    return NULL;
}

size_t gw_request_header_count(const struct gw_request *request, struct hr_str name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        count += hr_str_eq_nocase(request->headers[i].name, name);
    }
    return count;
}

enum hr_err gw_request_header_joined(const struct gw_request *request, struct hr_str name,
                                     struct hr_arena *arena, struct hr_str *ret_value)
{
    size_t total_bytes = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        if (hr_str_eq_nocase(request->headers[i].name, name)) {
            total_bytes += request->headers[i].value.len + 2;
        }
    }
    if (gw_request_header_count(request, name) <= 1) {
        const struct hr_str *only = gw_request_header(request, name);
        *ret_value = only ? *only : hr_str_of(NULL, 0);
        return HR_OK;
    }
    char *joined = hr_arena_alloc(arena, total_bytes);
    if (!joined) {
        return HR_NO_MEMORY;
    }
    size_t at = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct hr_str value = request->headers[i].value;
        if (!hr_str_eq_nocase(request->headers[i].name, name)) {
            continue;
        }
        if (at > 0) {
            joined[at++] = ',';
            joined[at++] = ' ';
        }
        if (value.len > 0) {
            memcpy(joined + at, value.ptr, value.len);
            at += value.len;
        }
    }
    *ret_value = hr_str_of(joined, at);
    return HR_OK;
}

void gw_response_init(struct gw_response *response)
{
    *response = (struct gw_response){.status = 500};
    hr_arena_init(&response->arena, GW_RESPONSE_ARENA_BYTES_MAX);
}

void gw_response_release(struct gw_response *response)
{
    gw_response_clear(response);
    hr_buf_release(&response->own_body);
    hr_arena_release(&response->arena);
}

void gw_response_clear(struct gw_response *response)
{
    response->header_count = 0;
    response->body = hr_str_of(NULL, 0);
    hr_buf_clear(&response->own_body);
    response->own_body.max = 0;
}

void gw_response_keep(struct gw_response *response, struct hr_str name, struct hr_str value)
{
    HR_ASSERT(response->header_count < GW_RESPONSE_HEADERS_MAX);
    response->headers[response->header_count++] = (struct gw_header){name, value};
}

enum hr_err gw_response_copy(struct gw_response *response, struct hr_str name, struct hr_str value)
{
    struct hr_str copy = hr_arena_copy(&response->arena, value);
    if (!copy.ptr) {
        return HR_NO_MEMORY;
    }
    gw_response_keep(response, name, copy);
    return HR_OK;
}

enum hr_err gw_response_take(struct gw_response *response, struct hr_str name, struct hr_buf *value,
                             enum hr_err err)
{
    if (!err) {
        err = gw_response_copy(response, name, hr_buf_str(value));
    }
    hr_buf_release(value);
    return err;
}

const struct hr_str *gw_response_header(const struct gw_response *response, struct hr_str name)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (hr_str_eq_nocase(response->headers[i].name, name)) {
            return &response->headers[i].value;
        }
    }
    return NULL;
}

void gw_response_use_own_body(struct gw_response *response)
{
    response->body = hr_buf_str(&response->own_body);
}
