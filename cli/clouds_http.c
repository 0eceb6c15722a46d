/* HTTP by way of libcurl. */
#include "cli/clouds_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define POLL_MS_MAX 100
#define REQUESTS_MAX 64u

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    struct clouds_request *request = arg;
    /* A short count ends the request as failed. */
    return hr_buf_append(&request->answer, hr_str_of(bytes, size * count)) ? 0 : size * count;
}

static CURL *make_handle(struct clouds_request *request, struct curl_slist *headers,
                         uint32_t timeout_ms)
{
    CURL *handle = curl_easy_init();
    if (!handle) {
        return NULL;
    }
    CURLcode code = curl_easy_setopt(handle, CURLOPT_URL, request->url);
    code = code ? code : curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http");
    code = code ? code : curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
    code = code ? code : curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    code = code ? code : curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    code = code ? code : curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    code = code ? code : curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_bytes);
    code = code ? code : curl_easy_setopt(handle, CURLOPT_WRITEDATA, request);
    code = code ? code : curl_easy_setopt(handle, CURLOPT_PRIVATE, request);
    if (!code && request->body.len > 0) {
        code = curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
        code =
            code ? code : curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, (long)request->body.len);
        code = code ? code : curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request->body.ptr);
    }
    if (code) {
        curl_easy_cleanup(handle);
        return NULL;
    }
    return handle;
}

static void take_results(CURLM *multi)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
        char *request = NULL;
        long status = 0;
        if (message->msg == CURLMSG_DONE && message->data.result == CURLE_OK &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request) == CURLE_OK &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK) {
            ((struct clouds_request *)(void *)request)->status = (int)status;
        }
    }
}

/* Every request has its time limit with libcurl: the loop ends when the last one has ended. */
static enum hr_err drive(CURLM *multi)
{
    int running = 1;
    while (running > 0) {
        CURLMcode code = curl_multi_perform(multi, &running);
        code = code ? code : curl_multi_poll(multi, NULL, 0, running > 0 ? POLL_MS_MAX : 0, NULL);
        if (code) {
            return HR_INTERNAL;
        }
    }
    take_results(multi);
    return HR_OK;
}

enum hr_err clouds_http_run(struct clouds_request *requests, size_t count, uint32_t timeout_ms)
{
    static bool initialised;
    CURL *handles[REQUESTS_MAX] = {NULL};
    enum hr_err err = HR_OK;
    if (!initialised && curl_global_init(CURL_GLOBAL_NOTHING)) {
        return HR_INTERNAL;
    }
    initialised = true;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURLM *multi = curl_multi_init();
    if (!headers || !multi || count > REQUESTS_MAX) {
        err = HR_NO_MEMORY;
    }
    for (size_t i = 0; !err && i < count; i++) {
        requests[i].status = 0;
        requests[i].answer = (struct hr_buf){.max = CLOUDS_HTTP_ANSWER_BYTES_MAX};
        handles[i] = make_handle(&requests[i], headers, timeout_ms);
        if (!handles[i] || curl_multi_add_handle(multi, handles[i])) {
            err = HR_NO_MEMORY;
        }
    }
    if (!err) {
        err = drive(multi);
    }
    for (size_t i = 0; i < REQUESTS_MAX && handles[i]; i++) {
        curl_multi_remove_handle(multi, handles[i]);
        curl_easy_cleanup(handles[i]);
    }
    curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    return err;
}

void clouds_http_release(struct clouds_request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hr_buf_release(&requests[i].answer);
    }
}

enum hr_err clouds_http_do(const char *method, const char *url, struct hr_str body,
                           struct hr_buf *ret_answer, struct hr_diag *diag)
{
    struct clouds_request request = {.method = method, .body = body};
    snprintf(request.url, sizeof request.url, "%s", url);
    enum hr_err err = clouds_http_run(&request, 1, CLOUDS_HTTP_TIMEOUT_MS);
    if (err) {
        hr_diag_set(diag, err, "%s %s: %s", method, url, hr_err_text(err));
    } else if (request.status == 0) {
        err = hr_diag_set(diag, HR_IO, "%s %s: no answer within %u ms", method, url,
                          CLOUDS_HTTP_TIMEOUT_MS);
    } else if (request.status < 200 || request.status > 299) {
        struct hr_str text = hr_buf_str(&request.answer);
        text.len = text.len > 200 ? 200 : text.len;
        err = hr_diag_set(diag, request.status == 404 ? HR_NOT_FOUND : HR_IO, "%s %s: %d %.*s",
                          method, url, request.status, HR_STR_ARG(text));
    }
    if (!err && ret_answer) {
        *ret_answer = request.answer;
        request.answer = (struct hr_buf){0};
    }
    clouds_http_release(&request, 1);
    return err;
}
