/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "base/alloc.h"

#define EXPOSED                                                                               \
    "ETag, Link, Location, Hedgerow-Site, Hedgerow-Acks, Hedgerow-Session, Hedgerow-Behind, " \
    "Server-Timing"
#define GOT                                                   \
    "{\"site\":\"aws\",\"key\":\"" ID1 "\",\"version\":\"" V1 \
    "\",\"value\":{\"title\":\"milk\",\"order\":1.5},\"acks\":1,\"sites\":2}"
#define PAGE                                                              \
    "{\"site\":\"aws\",\"items\":[{\"key\":\"" ID1 "\",\"version\":\"" V1 \
    "\",\"value\":{\"title\":\"milk\",\"order\":1.5}}],\"next\":\"" ID1 "\"}"
#define SPREADING                                                                     \
    "{\"site\":\"aws\",\"error\":{\"code\":\"too-few-acks\",\"message\":\"in time\"," \
    "\"acks\":1,\"sites\":5}}"
#define NEW_ID "018bcfe5-6800-7000-8001-020304050607"
#define CREATED                                                  \
    "{\"site\":\"aws\",\"key\":\"" NEW_ID "\",\"version\":\"" V1 \
    "\",\"value\":{\"title\":\"milk\"},\"acks\":1,\"sites\":2}"

/* A preflight, and any OPTIONS, tells the methods of its resource and asks nobody. */
static void api_answers_options(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *allow;
        const char *post;
        const char *patch;
    } rows[] = {
        {"/api", "GET, HEAD, POST, DELETE, OPTIONS", "application/json", NULL},
        {"/api/" ID1, "GET, HEAD, PATCH, DELETE, OPTIONS", NULL,
         "application/merge-patch+json, application/json"},
        {"/api/a/b", "GET, HEAD, OPTIONS", NULL, NULL},
        {"/api/sites", "GET, HEAD, OPTIONS", NULL, NULL},
        {"/", "GET, HEAD, OPTIONS", NULL, NULL},
        {"*", "GET, HEAD, POST, PATCH, DELETE, OPTIONS", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_header(&fake, "Origin", "https://elsewhere.example");
        fake_header(&fake, "Access-Control-Request-Method", "PATCH");
        fake_send(&fake, "OPTIONS", rows[i].path, "");
        assert_status(&fake, 204);
        assert_int_equal(fake.response.body.len, 0);
        assert_header(&fake, "Allow", rows[i].allow);
        assert_header(&fake, "Access-Control-Allow-Methods", rows[i].allow);
        assert_header(&fake, "Access-Control-Allow-Headers",
                      "Content-Type, If-Match, If-None-Match, X-Requested-With, Hedgerow-Session");
        assert_header(&fake, "Access-Control-Max-Age", "86400");
        assert_header(&fake, "Access-Control-Allow-Origin", "*");
        assert_header(&fake, "Accept-Post", rows[i].post);
        assert_header(&fake, "Accept-Patch", rows[i].patch);
        assert_header(&fake, "Content-Length", NULL);
        assert_header(&fake, "Hedgerow-Site", "here");
        fake_release(&fake);
    }
}

/* A method that the resource does not know is a 405 with its Allow. */
static void api_refuses_other_methods(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *path;
        const char *allow;
    } rows[] = {
        {"PUT", "/api", "GET, HEAD, POST, DELETE, OPTIONS"},
        {"PATCH", "/api/", "GET, HEAD, POST, DELETE, OPTIONS"},
        {"POST", "/api/" ID1, "GET, HEAD, PATCH, DELETE, OPTIONS"},
        {"PUT", "/api/" ID1, "GET, HEAD, PATCH, DELETE, OPTIONS"},
        {"TRACE", "/api/" ID1, "GET, HEAD, PATCH, DELETE, OPTIONS"},
        {"POST", "/", "GET, HEAD, OPTIONS"},
        {"DELETE", "/index.html", "GET, HEAD, OPTIONS"},
        {"POST", "/api/a/b", "GET, HEAD, OPTIONS"},
        {"POST", "/api/sites", "GET, HEAD, OPTIONS"},
        {"PATCH", "/api/sites", "GET, HEAD, OPTIONS"},
        {"DELETE", "/api/sites", "GET, HEAD, OPTIONS"},
        {"", "/", "GET, HEAD, OPTIONS"},
        {"get", "/api", "GET, HEAD, POST, DELETE, OPTIONS"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_send(&fake, rows[i].method, rows[i].path, "{\"title\":\"a\"}");
        assert_problem(&fake, 405, rows[i].allow);
        assert_header(&fake, "Allow", rows[i].allow);
        fake_release(&fake);
    }
}

/* Nothing is below /api/ but todos, and asking for it bothers no other actor. */
static void api_misses_below_api(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_send(&fake, "GET", "/api/a/b", "");
    assert_problem(&fake, 404, "nothing here");
    assert_int_equal(fake.asset_asked_count, 0);
    fake_release(&fake);
}

/* HEAD is GET without the body: same status, same headers, Content-Length of what GET has. */
static void api_head_is_get_without_the_body(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *reply;
        unsigned status;
    } rows[] = {
        {"/api?limit=1", PAGE, 200}, {"/api/" ID1, GOT, 200},
        {"/api/" ID2, GOT, 502},     {"/api/" ID1, "{\"error\":{\"code\":\"not-found\"}}", 404},
        {"/api?limit=x", NULL, 400}, {"/", NULL, 200},
        {"/none.js", NULL, 404},     {"/api/sites", NULL, 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake get, head;
        struct fake *both[] = {&get, &head};
        for (size_t f = 0; f < 2; f++) {
            fake_init(both[f]);
            both[f]->asset_path = "/";
            both[f]->asset.etag = HR_STR("\"x\"");
            both[f]->asset.bytes = HR_STR("page");
            if (rows[i].reply) {
                fake_reply(both[f], rows[i].reply);
            }
            fake_send(both[f], f == 0 ? "GET" : "HEAD", rows[i].path, "");
            assert_status(both[f], rows[i].status);
        }
        char length[24];
        snprintf(length, sizeof length, "%zu", get.response.body.len);
        assert_true(get.response.body.len > 0);
        assert_int_equal(head.response.body.len, 0);
        assert_header(&head, "Content-Length", length);
        assert_int_equal(get.response.header_count, head.response.header_count);
        for (size_t h = 0; h < get.response.header_count; h++) {
            assert_true(hr_str_eq(get.response.headers[h].name, head.response.headers[h].name));
            assert_true(hr_str_eq(get.response.headers[h].value, head.response.headers[h].value));
        }
        fake_release(&get);
        fake_release(&head);
    }
}

/* Whatever the answer, it has the CORS headers, each once. */
static void api_answers_have_cors_headers(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *path;
        const char *reply;
    } rows[] = {
        {"GET", "/api", PAGE "x"},     {"GET", "/api/" ID1, GOT}, {"DELETE", "/api/" ID1, GOT},
        {"GET", "/nothing.png", NULL}, {"PUT", "/api", NULL},     {"POST", "/api", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        if (rows[i].reply) {
            fake_reply(&fake, rows[i].reply);
        }
        fake_send(&fake, rows[i].method, rows[i].path, "");
        unsigned count = 0;
        for (size_t h = 0; h < fake.response.header_count; h++) {
            count +=
                hr_str_eq(fake.response.headers[h].name, HR_STR("Access-Control-Allow-Origin"));
        }
        assert_int_equal(count, 1);
        assert_header(&fake, "Access-Control-Allow-Origin", "*");
        assert_header(&fake, "Access-Control-Expose-Headers", EXPOSED);
        fake_release(&fake);
    }
}

/* Urls are made of scheme and authority, else of the Host header, else they are paths; a host that
 * could break out of them is refused. */
static void api_makes_urls_of_the_request(void **state)
{
    (void)state;
    static const struct {
        const char *scheme;
        const char *authority;
        const char *host;
        const char *url; /* NULL: 400 */
    } rows[] = {
        {"http", "a.example", NULL, "\"http://a.example/api/" ID1 "\""},
        {"https", "a.example", "b.example", "\"https://a.example/api/" ID1 "\""},
        {"HTTPS", "[::1]:8", NULL, "\"https://[::1]:8/api/" ID1 "\""},
        {"", "a.example", NULL, "\"http://a.example/api/" ID1 "\""},
        {"http", "", "b.example:1", "\"http://b.example:1/api/" ID1 "\""},
        {"http", "", NULL, "\"/api/" ID1 "\""},
        {"http", "a\"b", NULL, NULL},
        {"http", "a@b", NULL, NULL},
        {"http", "", "a/b", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake.request.scheme = hr_str_c(rows[i].scheme);
        fake.request.authority = hr_str_c(rows[i].authority);
        fake_header(&fake, "X-Forwarded-Proto", "https");
        fake_header(&fake, "X-Forwarded-Host", "evil.example");
        if (rows[i].host) {
            fake_header(&fake, "Host", rows[i].host);
        }
        if (rows[i].url) {
            fake_reply(&fake, GOT);
        }
        fake_send(&fake, "GET", "/api/" ID1, "");
        if (rows[i].url) {
            assert_status(&fake, 200);
            assert_has(fake.response.body, rows[i].url);
        } else {
            assert_problem(&fake, 400, "host");
        }
        fake_release(&fake);
    }
}

/* Without a site in the configuration the header is left out, not made up. */
static void api_leaves_out_an_unknown_site(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake.site = NULL;
    fake_send(&fake, "OPTIONS", "/", "");
    assert_header(&fake, "Hedgerow-Site", NULL);
    assert_int_equal(fake.log_count, 0);
    fake.config_err = HR_IO;
    fake_send(&fake, "OPTIONS", "/", "");
    assert_status(&fake, 204);
    assert_header(&fake, "Hedgerow-Site", NULL);
    assert_has(hr_str_c(fake.last_log), "no-site: ");
    fake_release(&fake);
}

/* The gateway reads the bodies of the methods that have one, and of no other. */
static void api_wants_bodies_of_writes(void **state)
{
    (void)state;
    assert_true(gw_api_wants_body(HR_STR("POST")));
    assert_true(gw_api_wants_body(HR_STR("PATCH")));
    assert_false(gw_api_wants_body(HR_STR("GET")));
    assert_false(gw_api_wants_body(HR_STR("DELETE")));
    assert_false(gw_api_wants_body(HR_STR("PUT")));
}

struct operation {
    const char *method;
    const char *path;
    const char *body;
    const char *replies[2];
    unsigned status;
};

/* Runs it with the allocation after @countdown further ones failing; whether it was done all the
 * same. */
static bool run_short_of_memory(const struct operation *operation, int64_t countdown)
{
    struct fake fake;
    fake_init(&fake);
    fake.asset_path = "/";
    fake.asset.etag = HR_STR("\"x\"");
    fake.asset.bytes = HR_STR("page");
    fake_header(&fake, "If-Match", "\"" V2 "\"");
    fake_header(&fake, "If-Match", "\"" V1 "\", \"x\"");
    fake_header(&fake, "If-None-Match", "\"" V2 "\"");
    fake_header(&fake, "If-None-Match", "\"y\"");
    fake_header(&fake, "Accept-Encoding", "gzip");
    fake_header(&fake, "Accept-Encoding", "br");
    if (strcmp(operation->path, "/api") == 0) {
        fake.request.header_count = 0;
    }
    for (size_t i = 0; i < 2 && operation->replies[i]; i++) {
        fake_reply(&fake, operation->replies[i]);
    }
    fake.request.method = hr_str_c(operation->method);
    fake.request.path_and_query = hr_str_c(operation->path);
    fake.request.body = hr_str_c(operation->body);
    hr_alloc_fail_after(countdown);
    gw_api_handle(&fake.env, &fake.request, &fake.response);
    hr_alloc_fail_after(-1);
    bool is_done = !has(fake.response.body, "out of memory");
    if (is_done) {
        assert_status(&fake, operation->status);
    } else {
        assert_problem(&fake, 503, "out of memory");
    }
    fake_release(&fake);
    return is_done;
}

/* Whichever allocation fails, the answer is a whole 503, and nothing leaks. */
static void api_survives_every_failed_allocation(void **state)
{
    (void)state;
    static const struct operation operations[] = {
        {"GET", "/api", "", {PAGE, "{\"items\":[],\"next\":null}"}, 200},
        {"GET", "/api/" ID1, "", {GOT}, 200},
        {"POST", "/api", "{\"title\":\"milk\"}", {CREATED}, 201},
        {"PATCH", "/api/" ID1, "{\"title\":\"milk\",\"order\":1.5}", {GOT, GOT}, 200},
        {"PATCH", "/api/" ID1, "{}", {GOT}, 200},
        {"DELETE", "/api/" ID1, "", {GOT, GOT}, 204},
        {"DELETE", "/api", "", {GOT}, 204},
        {"GET", "/", "", {NULL}, 200},
        {"PUT", "/api/" ID1, "", {NULL}, 405},
        {"GET", "/api/sites", "", {NULL}, 200},
        {"POST", "/api", "{\"title\":\"milk\"}", {SPREADING}, 503},
        {"DELETE", "/api/" ID1, "", {GOT, SPREADING}, 503},
    };
    int64_t live = hr_alloc_live();
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        unsigned failures = 0;
        int64_t countdown = 0;
        while (!run_short_of_memory(&operations[i], countdown)) {
            failures++;
            countdown++;
            assert_true(countdown < 200);
        }
        assert_true(failures > 0);
        assert_int_equal(hr_alloc_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(api_answers_options),
        cmocka_unit_test(api_refuses_other_methods),
        cmocka_unit_test(api_misses_below_api),
        cmocka_unit_test(api_head_is_get_without_the_body),
        cmocka_unit_test(api_answers_have_cors_headers),
        cmocka_unit_test(api_makes_urls_of_the_request),
        cmocka_unit_test(api_leaves_out_an_unknown_site),
        cmocka_unit_test(api_wants_bodies_of_writes),
        cmocka_unit_test(api_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("gw_api", tests, NULL, NULL);
}
