/* links: core_todo core_kv */
/* The gateway's core over the kv actor's own core, with a store in memory between a request and its
 * answer: what both sides take docs/protocol.md to mean is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/todo/core/api.h"
#include "test_dkv_fake.h"

#define BASE "http://todo.example"

struct site {
    struct fake kv;
    struct gw_env env;
    struct gw_response response;
    struct gw_header headers[2];
    size_t header_count;
    bool lose_reply; /* of the next message, which is acted on */
    uint64_t now_ns;
};

static enum hr_err site_request(void *arg, struct hr_str subject, struct hr_str body,
                                uint32_t timeout_ms, struct hr_buf *ret_reply, struct hr_diag *diag)
{
    struct site *site = arg;
    char *to = strndup(subject.ptr, subject.len);
    char *text = strndup(body.ptr ? body.ptr : "", body.len);
    (void)timeout_ms;
    const char *reply = fake_send(&site->kv, to, text);
    enum hr_err err = HR_OK;
    if (site->lose_reply) {
        site->lose_reply = false;
        err = hr_diag_set(diag, HR_TIMEOUT, "timed out");
    } else {
        assert_non_null(reply);
        err = hr_buf_append(ret_reply, hr_str_c(reply));
    }
    free(to);
    free(text);
    return err;
}

static enum hr_err site_get_asset(void *arg, struct hr_str path, struct hr_str accept_encoding,
                                  struct gw_asset *ret_asset, struct hr_diag *diag)
{
    (void)arg;
    (void)path;
    (void)accept_encoding;
    (void)ret_asset;
    (void)diag;
    return HR_NOT_FOUND;
}

static gw_wall_ns site_now(void *arg)
{
    struct site *site = arg;
    site->now_ns += 1000000;
    return site->now_ns;
}

static enum hr_err site_sites(void *arg, const struct gw_site **ret_sites, size_t *ret_count)
{
    (void)arg;
    *ret_sites = NULL;
    *ret_count = 0;
    return HR_OK;
}

static void site_random(void *arg, unsigned char *ret_bytes, size_t len)
{
    struct site *site = arg;
    fake_random_bytes(&site->kv, ret_bytes, len);
}

static void site_log(void *arg, enum gw_log_level level, struct hr_str text)
{
    (void)arg;
    (void)level;
    (void)text;
}

static enum hr_err site_config(void *arg, struct hr_str key, struct hr_buf *ret_value)
{
    (void)arg;
    (void)key;
    (void)ret_value;
    return HR_NOT_FOUND;
}

static int setup(void **state)
{
    struct site *site = calloc(1, sizeof *site);
    if (!site) {
        return -1;
    }
    site->kv = fake_new(11);
    site->now_ns = (uint64_t)FAKE_WALL * 1000000;
    site->env = (struct gw_env){
        .arg = site,
        .request = site_request,
        .get_asset = site_get_asset,
        .sites = site_sites,
        .now = site_now,
        .random = site_random,
        .log = site_log,
        .config = site_config,
    };
    *state = site;
    return 0;
}

static int teardown(void **state)
{
    struct site *site = *state;
    gw_response_release(&site->response);
    fake_release(&site->kv);
    free(site);
    return 0;
}

static void header(struct site *site, const char *name, const char *value)
{
    site->headers[site->header_count++] = (struct gw_header){hr_str_c(name), hr_str_c(value)};
}

/* Sends it with the headers so far, which are used up, and checks the answer's status. */
static void expect(struct site *site, const char *method, const char *path, const char *body,
                   unsigned status)
{
    struct gw_request request = {
        .method = hr_str_c(method),
        .path_and_query = hr_str_c(path),
        .authority = HR_STR("todo.example"),
        .headers = site->headers,
        .header_count = site->header_count,
        .body = hr_str_c(body),
    };
    gw_response_release(&site->response);
    gw_api_handle(&site->env, &request, &site->response);
    site->header_count = 0;
    if (site->response.status != status) {
        fail_msg("%s %s: got %u, want %u: %.*s", method, path, site->response.status, status,
                 HR_STR_ARG(site->response.body));
    }
}

static void copy_header(const struct site *site, const char *name, char ret_value[256])
{
    const struct hr_str *value = gw_response_header(&site->response, hr_str_c(name));
    assert_non_null(value);
    snprintf(ret_value, 256, "%.*s", HR_STR_ARG(*value));
}

static void has(const struct site *site, const char *part)
{
    char *body = strndup(site->response.body.ptr, site->response.body.len);
    bool found = strstr(body, part) != NULL;
    free(body);
    if (!found) {
        fail_msg("%s is not in %.*s", part, HR_STR_ARG(site->response.body));
    }
}

/* Creates a todo; its path and its tag. */
static void create(struct site *site, const char *body, char ret_path[256], char ret_tag[256])
{
    char location[256];
    expect(site, "POST", "/api", body, 201);
    copy_header(site, "Location", location);
    copy_header(site, "ETag", ret_tag);
    assert_int_equal(strncmp(location, BASE "/api/", sizeof BASE "/api/" - 1), 0);
    snprintf(ret_path, 256, "%s", location + sizeof BASE - 1);
}

/* A todo lives: created, read, changed, read, listed, deleted, gone. */
static void contract_of_a_todos_life(void **state)
{
    struct site *site = *state;
    char path[256], tag[256], same[256];
    create(site, "{\"title\":\"walk \\u0001 \\ud83c\\udf3f\",\"order\":7.5}", path, tag);
    copy_header(site, "Hedgerow-Acks", same);
    assert_string_equal(same, "1/1");
    copy_header(site, "Hedgerow-Site", same);
    assert_string_equal(same, "here");
    expect(site, "GET", path, "", 200);
    has(site, "\"title\":\"walk \\u0001 \xf0\x9f\x8c\xbf\",\"completed\":false,\"order\":7.5}");
    copy_header(site, "ETag", same);
    assert_string_equal(same, tag);
    expect(site, "PATCH", path, "{\"completed\":true,\"order\":null}", 200);
    has(site, "\"completed\":true,\"order\":null}");
    copy_header(site, "ETag", same);
    assert_string_not_equal(same, tag);
    expect(site, "GET", "/api", "", 200);
    has(site, "[{\"id\":\"");
    has(site, "\"completed\":true,\"order\":null}]");
    expect(site, "DELETE", path, "", 204);
    expect(site, "GET", path, "", 404);
    expect(site, "PATCH", path, "{\"title\":\"x\"}", 404);
    expect(site, "PATCH", path, "{}", 404);
    expect(site, "DELETE", path, "", 404);
    expect(site, "GET", "/api", "", 200);
    has(site, "[]");
}

/* Tags protect: one version, several, "*", none that fits, and what is gone. */
static void contract_of_conditions(void **state)
{
    struct site *site = *state;
    char path[256], old[256], now[256], both[600];
    create(site, "{\"title\":\"a\"}", path, old);
    header(site, "If-Match", old);
    expect(site, "PATCH", path, "{\"title\":\"b\"}", 200);
    copy_header(site, "ETag", now);
    header(site, "If-Match", old);
    expect(site, "PATCH", path, "{\"title\":\"c\"}", 412);
    header(site, "If-Match", old);
    expect(site, "DELETE", path, "", 412);
    snprintf(both, sizeof both, "%s, %s", old, now);
    header(site, "If-Match", both);
    expect(site, "PATCH", path, "{\"title\":\"d\"}", 200);
    has(site, "\"title\":\"d\"");
    copy_header(site, "ETag", now);
    header(site, "If-None-Match", now);
    expect(site, "GET", path, "", 304);
    header(site, "If-Match", "*");
    expect(site, "DELETE", path, "", 204);
    header(site, "If-Match", now);
    expect(site, "PATCH", path, "{\"title\":\"e\"}", 404);
    header(site, "If-Match", now);
    expect(site, "DELETE", path, "", 404);
}

/* Todos come in the order of their creation, page by page, each once. */
static void contract_of_pages(void **state)
{
    struct site *site = *state;
    char path[256], tag[256], link[256];
    for (int i = 0; i < 7; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"title\":\"t%d\"}", i);
        create(site, body, path, tag);
    }
    char next[256] = "/api?limit=3";
    for (int page = 0; page < 3; page++) {
        expect(site, "GET", next, "", 200);
        for (int i = 3 * page; i < 3 * page + 3 && i < 7; i++) {
            char title[64];
            snprintf(title, sizeof title, "\"title\":\"t%d\"", i);
            has(site, title);
        }
        if (page < 2) {
            copy_header(site, "Link", link);
            assert_int_equal(sscanf(link, "<" BASE "%255[^>]>", next), 1);
        }
    }
    assert_null(gw_response_header(&site->response, HR_STR("Link")));
    /* The kv actor may give less at once than it is asked for. */
    site->kv.page_max = 2;
    expect(site, "GET", "/api", "", 200);
    has(site, "t0");
    has(site, "t6");
    assert_null(gw_response_header(&site->response, HR_STR("Link")));
    expect(site, "DELETE", "/api", "", 204);
    expect(site, "GET", "/api", "", 200);
    has(site, "[]");
}

/* A write whose answer is lost is repeated and yet done once: one todo, and a condition that held
 * still holds. */
static void contract_of_lost_answers(void **state)
{
    struct site *site = *state;
    char path[256], tag[256], now[256];
    site->lose_reply = true;
    create(site, "{\"title\":\"once\"}", path, tag);
    expect(site, "GET", "/api?limit=1", "", 200);
    assert_null(gw_response_header(&site->response, HR_STR("Link")));
    site->lose_reply = true;
    header(site, "If-Match", tag);
    expect(site, "PATCH", path, "{\"title\":\"twice\"}", 200);
    copy_header(site, "ETag", now);
    site->lose_reply = true;
    header(site, "If-Match", now);
    expect(site, "DELETE", path, "", 204);
    site->lose_reply = true;
    expect(site, "DELETE", "/api", "", 204);
}

/* The longest title and the biggest list of fields that the gateway takes, the kv actor takes too. */
static void contract_of_limits(void **state)
{
    struct site *site = *state;
    char path[256], tag[256];
    struct hr_buf body = {0};
    assert_int_equal(hr_buf_append(&body, HR_STR("{\"title\":\"")), HR_OK);
    for (int i = 0; i < 4096; i++) {
        assert_int_equal(hr_buf_append(&body, HR_STR("\\u0001")), HR_OK);
    }
    assert_int_equal(hr_buf_append(&body, HR_STR("\",\"order\":1e308}\0")), HR_OK);
    create(site, body.ptr, path, tag);
    hr_buf_release(&body);
    expect(site, "GET", path, "", 200);
    has(site, "\\u0001\",\"completed\":false,\"order\":1e308}");
}

/* Values that others put there do not break the list; those that are todos can be used. */
static void contract_of_foreign_values(void **state)
{
    struct site *site = *state;
    assert_non_null(fake_send(&site->kv, "wasmkv.set.a.b", "{\"title\":\"theirs\"}"));
    assert_non_null(fake_send(&site->kv, "wasmkv.set.z", "{\"count\":1}"));
    expect(site, "GET", "/api", "", 200);
    has(site, "[{\"id\":\"a.b\",\"url\":\"" BASE "/api/a.b\",\"title\":\"theirs\","
              "\"completed\":false,\"order\":null}]");
    expect(site, "PATCH", "/api/a.b", "{\"completed\":true}", 200);
    expect(site, "GET", "/api/z", "", 404);
    expect(site, "DELETE", "/api/a.b", "", 204);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(contract_of_a_todos_life, setup, teardown),
        cmocka_unit_test_setup_teardown(contract_of_conditions, setup, teardown),
        cmocka_unit_test_setup_teardown(contract_of_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(contract_of_lost_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(contract_of_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(contract_of_foreign_values, setup, teardown),
    };
    return cmocka_run_group_tests_name("gw_contract", tests, NULL, NULL);
}
