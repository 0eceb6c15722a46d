/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

static const struct gw_header page_headers[] = {
    {{"content-type", 12}, {"text/html; charset=utf-8", 24}},
    {{"content-encoding", 16}, {"br", 2}},
    {{"cache-control", 13}, {"no-cache", 8}},
    {{"vary", 4}, {"Accept-Encoding", 15}},
    {{"content-length", 14}, {"99", 2}},
    {{"etag", 4}, {"\"other\"", 7}},
};

static void start(struct fake *fake, const char *path)
{
    fake_init(fake);
    fake->asset_path = path;
    fake->asset = (struct gw_asset){
        .etag = HR_STR("\"page\""),
        .headers = page_headers,
        .header_count = sizeof page_headers / sizeof page_headers[0],
        .bytes = HR_STR("<!doctype html>"),
    };
}

static size_t count_headers(const struct fake *fake, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < fake->response.header_count; i++) {
        count += hr_str_eq_nocase(fake->response.headers[i].name, hr_str_c(name));
    }
    return count;
}

/* The ui actor's bytes, headers and tag are the answer; what the gateway says itself comes once. */
static void asset_answers_what_ui_has(void **state)
{
    (void)state;
    struct fake fake;
    start(&fake, "/app.js");
    fake_header(&fake, "Accept-Encoding", "br");
    fake_header(&fake, "accept-encoding", "gzip;q=0.5");
    fake_send(&fake, "GET", "/app.js?v=1", "");
    assert_status(&fake, 200);
    assert_str(fake.response.body, "<!doctype html>");
    assert_string_equal(fake.asset_asked[0], "/app.js");
    assert_string_equal(fake.accept_encoding, "br, gzip;q=0.5");
    assert_header(&fake, "ETag", "\"page\"");
    assert_header(&fake, "Content-Type", "text/html; charset=utf-8");
    assert_header(&fake, "Content-Encoding", "br");
    assert_header(&fake, "Cache-Control", "no-cache");
    assert_header(&fake, "Content-Length", "15");
    assert_header(&fake, "Vary", "Accept-Encoding");
    assert_header(&fake, "Hedgerow-Site", "here");
    assert_header(&fake, "Server-Timing", NULL);
    assert_header(&fake, "Access-Control-Allow-Origin", "*");
    assert_int_equal(count_headers(&fake, "etag"), 1);
    assert_int_equal(count_headers(&fake, "vary"), 1);
    assert_int_equal(count_headers(&fake, "content-length"), 1);
    fake_release(&fake);
}

/* The path goes to ui as it came, without the query; what it means is ui's business. */
static void asset_asks_for_the_path_as_sent(void **state)
{
    (void)state;
    static const struct {
        const char *sent;
        const char *asked;
    } rows[] = {
        {"/", "/"},           {"", "/"},          {"?x=/y", "/"}, {"/a/?x", "/a/"},
        {"/a%2fb", "/a%2fb"}, {"/../x", "/../x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        start(&fake, rows[i].asked);
        fake_send(&fake, "GET", rows[i].sent, "");
        assert_status(&fake, 200);
        assert_int_equal(fake.asset_asked_count, 1);
        assert_string_equal(fake.asset_asked[0], rows[i].asked);
        fake_release(&fake);
    }
}

/* If-None-Match gives a 304 that keeps the tag, Vary and Cache-Control, and nothing of a body. */
static void asset_answers_304(void **state)
{
    (void)state;
    struct fake fake;
    start(&fake, "/");
    fake_header(&fake, "If-None-Match", "W/\"page\"");
    fake_send(&fake, "GET", "/", "");
    assert_status(&fake, 304);
    assert_int_equal(fake.response.body.len, 0);
    assert_header(&fake, "ETag", "\"page\"");
    assert_header(&fake, "Vary", "Accept-Encoding");
    assert_header(&fake, "Cache-Control", "no-cache");
    assert_header(&fake, "Content-Type", NULL);
    assert_header(&fake, "Content-Encoding", NULL);
    assert_header(&fake, "Content-Length", NULL);
    fake_release(&fake);
}

/* An asset whose tag is none is answered without one. */
static void asset_with_a_bad_tag_has_none(void **state)
{
    (void)state;
    struct fake fake;
    start(&fake, "/");
    fake.asset.etag = HR_STR("page\r\nX: y");
    fake_header(&fake, "If-None-Match", "*");
    fake_send(&fake, "GET", "/", "");
    assert_status(&fake, 200);
    assert_header(&fake, "ETag", NULL);
    fake_release(&fake);
}

/* No such page: 404. No ui actor: 503. Too many headers: 502. */
static void asset_reports_failures(void **state)
{
    (void)state;
    struct fake fake;
    start(&fake, NULL);
    fake_send(&fake, "GET", "/", "");
    assert_problem(&fake, 404, "no such page");
    assert_int_equal(fake.asset_asked_count, 1);
    fake.asset_err = HR_NO_RESPONDERS;
    fake_send(&fake, "GET", "/", "");
    assert_problem(&fake, 503, "did not answer: nobody answers there\"");
    assert_has(hr_str_c(fake.last_log), "ui-failed: ");
    fake.asset_reason = "actor ui is not linked";
    fake_send(&fake, "GET", "/", "");
    assert_problem(&fake, 503, "did not answer: actor ui is not linked\"");
    fake_release(&fake);

    start(&fake, "/");
    fake.asset.header_count = GW_ASSET_HEADERS_MAX + 1;
    fake_send(&fake, "GET", "/", "");
    assert_problem(&fake, 502, "too many headers");
    fake_release(&fake);
}

/* As many headers as allowed fit with all of ours. */
static void asset_takes_the_most_headers(void **state)
{
    (void)state;
    struct fake fake;
    struct gw_header many[GW_ASSET_HEADERS_MAX];
    start(&fake, "/");
    for (size_t i = 0; i < GW_ASSET_HEADERS_MAX; i++) {
        many[i] = (struct gw_header){HR_STR("x"), HR_STR("y")};
    }
    fake.asset.headers = many;
    fake.asset.header_count = GW_ASSET_HEADERS_MAX;
    fake_send(&fake, "GET", "/", "");
    assert_status(&fake, 200);
    assert_int_equal(count_headers(&fake, "X"), GW_ASSET_HEADERS_MAX);
    fake_release(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asset_answers_what_ui_has),
        cmocka_unit_test(asset_asks_for_the_path_as_sent),
        cmocka_unit_test(asset_answers_304),
        cmocka_unit_test(asset_with_a_bad_tag_has_none),
        cmocka_unit_test(asset_reports_failures),
        cmocka_unit_test(asset_takes_the_most_headers),
    };
    return cmocka_run_group_tests_name("gw_asset", tests, NULL, NULL);
}
