/* A scripted environment for the gateway's core: replies of the kv actor in the order in which they
 * will be asked for, one asset, a clock that only the script moves, counted randomness. It records
 * what was asked. Asking for more than the script has fails the test. */
#ifndef TEST_GW_FAKE_H
#define TEST_GW_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "actors/todo/core/api.h"
#include "actors/todo/core/call.h"

#define FAKE_STEPS_MAX 24
#define FAKE_HEADERS_MAX 96
#define FAKE_START_NS (UINT64_C(1700000000000) * 1000000u)

#define ID1 "018bcfe5-6800-7000-8000-000000000001"
#define ID2 "018bcfe5-6800-7000-8000-000000000002"
#define ID3 "018bcfe5-6800-7000-8000-000000000003"
#define V1 "0000018bcfe568000001000000000001"
#define V2 "0000018bcfe568000002000000000001"
#define BASE "http://todo.example:8080"

struct fake_step {
    enum hr_err err;
    const char *text; /* the reply, or the diagnostic of an error */
    uint64_t takes_ns;
    /* Recorded. */
    char subject[320];
    char *body;
    uint32_t timeout_ms;
};

struct fake {
    struct gw_env env;
    struct fake_step steps[FAKE_STEPS_MAX];
    size_t step_count;
    size_t asked;
    uint64_t now_ns;
    unsigned char next_random;
    /* Configuration; NULL: not set. */
    const char *site;
    const char *kv_timeout_ms;
    enum hr_err config_err;
    /* The only asset; NULL: none. */
    const char *asset_path;
    struct gw_asset asset;
    enum hr_err asset_err;
    const char *asset_reason;
    char asset_asked[4][128];
    size_t asset_asked_count;
    char accept_encoding[128];
    const struct gw_site *sites;
    size_t site_count;
    enum hr_err sites_err;
    /* The request being built, and its answer. */
    struct gw_header headers[FAKE_HEADERS_MAX];
    struct gw_request request;
    struct gw_response response;
    unsigned log_count;
    char last_log[1024];
};

static enum hr_err fake_request(void *arg, struct hr_str subject, struct hr_str body,
                                uint32_t timeout_ms, struct hr_buf *ret_reply, struct hr_diag *diag)
{
    struct fake *fake = arg;
    if (fake->asked >= fake->step_count) {
        fail_msg("the script has no reply for %.*s %.*s", HR_STR_ARG(subject), HR_STR_ARG(body));
    }
    struct fake_step *step = &fake->steps[fake->asked++];
    snprintf(step->subject, sizeof step->subject, "%.*s", HR_STR_ARG(subject));
    free(step->body);
    step->body = strndup(body.ptr ? body.ptr : "", body.len);
    step->timeout_ms = timeout_ms;
    fake->now_ns += step->takes_ns;
    if (step->err) {
        return step->text ? hr_diag_set(diag, step->err, "%s", step->text) : step->err;
    }
    return hr_buf_append(ret_reply, hr_str_c(step->text));
}

static enum hr_err fake_get_asset(void *arg, struct hr_str path, struct hr_str accept_encoding,
                                  struct gw_asset *ret_asset, struct hr_diag *diag)
{
    struct fake *fake = arg;
    assert_true(fake->asset_asked_count < 4);
    snprintf(fake->asset_asked[fake->asset_asked_count++], sizeof fake->asset_asked[0], "%.*s",
             HR_STR_ARG(path));
    snprintf(fake->accept_encoding, sizeof fake->accept_encoding, "%.*s",
             HR_STR_ARG(accept_encoding));
    if (fake->asset_err) {
        return hr_diag_set(diag, fake->asset_err, "%s",
                           fake->asset_reason ? fake->asset_reason : "");
    }
    if (!fake->asset_path || !hr_str_eq(path, hr_str_c(fake->asset_path))) {
        return HR_NOT_FOUND;
    }
    *ret_asset = fake->asset;
    return HR_OK;
}

static enum hr_err fake_sites(void *arg, const struct gw_site **ret_sites, size_t *ret_count)
{
    struct fake *fake = arg;
    if (fake->sites_err) {
        return fake->sites_err;
    }
    *ret_sites = fake->sites;
    *ret_count = fake->site_count;
    return HR_OK;
}

static gw_wall_ns fake_now(void *arg)
{
    struct fake *fake = arg;
    return fake->now_ns;
}

static void fake_random(void *arg, unsigned char *ret_bytes, size_t len)
{
    struct fake *fake = arg;
    for (size_t i = 0; i < len; i++) {
        ret_bytes[i] = fake->next_random++;
    }
}

static void fake_log(void *arg, enum gw_log_level level, struct hr_str text)
{
    struct fake *fake = arg;
    (void)level;
    fake->log_count++;
    snprintf(fake->last_log, sizeof fake->last_log, "%.*s", HR_STR_ARG(text));
}

static enum hr_err fake_config(void *arg, struct hr_str key, struct hr_buf *ret_value)
{
    struct fake *fake = arg;
    const char *value = hr_str_eq(key, HR_STR("site"))            ? fake->site
                        : hr_str_eq(key, HR_STR("kv-timeout-ms")) ? fake->kv_timeout_ms
                                                                  : NULL;
    if (fake->config_err) {
        return fake->config_err;
    }
    return value ? hr_buf_append(ret_value, hr_str_c(value)) : HR_NOT_FOUND;
}

static inline void fake_init(struct fake *fake)
{
    memset(fake, 0, sizeof *fake);
    fake->env = (struct gw_env){
        .arg = fake,
        .request = fake_request,
        .get_asset = fake_get_asset,
        .sites = fake_sites,
        .now = fake_now,
        .random = fake_random,
        .log = fake_log,
        .config = fake_config,
    };
    fake->now_ns = FAKE_START_NS;
    fake->site = "here";
    fake->request.headers = fake->headers;
    fake->request.scheme = HR_STR("http");
    fake->request.authority = HR_STR("todo.example:8080");
}

static inline void fake_release(struct fake *fake)
{
    gw_response_release(&fake->response);
    for (size_t i = 0; i < FAKE_STEPS_MAX; i++) {
        free(fake->steps[i].body);
    }
}

/* The next request gets this reply. */
static inline struct fake_step *fake_reply(struct fake *fake, const char *text)
{
    assert_true(fake->step_count < FAKE_STEPS_MAX);
    struct fake_step *step = &fake->steps[fake->step_count++];
    step->text = text;
    return step;
}

/* The next request fails. */
static inline struct fake_step *fake_fail(struct fake *fake, enum hr_err err, const char *text)
{
    struct fake_step *step = fake_reply(fake, text);
    step->err = err;
    return step;
}

static inline void fake_header(struct fake *fake, const char *name, const char *value)
{
    assert_true(fake->request.header_count < FAKE_HEADERS_MAX);
    fake->headers[fake->request.header_count++] =
        (struct gw_header){hr_str_c(name), hr_str_c(value)};
}

/* Sends the request with the headers so far and checks that the whole script was used. */
static inline void fake_send_bytes(struct fake *fake, const char *method, const char *path,
                                   struct hr_str body)
{
    gw_response_release(&fake->response);
    fake->request.method = hr_str_c(method);
    fake->request.path_and_query = hr_str_c(path);
    fake->request.body = body;
    gw_api_handle(&fake->env, &fake->request, &fake->response);
    assert_int_equal(fake->asked, fake->step_count);
}

static inline void fake_send(struct fake *fake, const char *method, const char *path,
                             const char *body)
{
    fake_send_bytes(fake, method, path, hr_str_c(body));
}

static inline void assert_str(struct hr_str got, const char *want)
{
    if (!hr_str_eq(got, hr_str_c(want))) {
        fail_msg("got  %.*s\nwant %s", HR_STR_ARG(got), want);
    }
}

static inline bool has(struct hr_str got, const char *part)
{
    char *text = strndup(got.ptr ? got.ptr : "", got.len);
    bool found = strstr(text, part) != NULL;
    free(text);
    return found;
}

static inline void assert_has(struct hr_str got, const char *part)
{
    if (!has(got, part)) {
        fail_msg("got %.*s\nwithout %s", HR_STR_ARG(got), part);
    }
}

static inline void assert_status(const struct fake *fake, unsigned status)
{
    if (fake->response.status != status) {
        fail_msg("got %u, want %u: %.*s", fake->response.status, status,
                 HR_STR_ARG(fake->response.body));
    }
}

/* NULL @want: the header must not be there. */
static inline void assert_header(const struct fake *fake, const char *name, const char *want)
{
    const struct hr_str *got = gw_response_header(&fake->response, hr_str_c(name));
    if (!want) {
        if (got) {
            fail_msg("header %s: %.*s, want none", name, HR_STR_ARG(*got));
        }
        return;
    }
    if (!got) {
        fail_msg("header %s is missing", name);
        return;
    }
    assert_str(*got, want);
}

/* The answer is a problem with that status whose detail has that part. */
static inline void assert_problem(const struct fake *fake, unsigned status, const char *part)
{
    char start[64];
    assert_status(fake, status);
    assert_header(fake, "Content-Type", "application/problem+json");
    snprintf(start, sizeof start, "\"status\":%u,\"detail\":\"", status);
    assert_has(fake->response.body, start);
    assert_has(fake->response.body, part);
    assert_header(fake, "Retry-After", status == 503 ? "1" : NULL);
    assert_header(fake, "Access-Control-Allow-Origin", "*");
}

#endif
