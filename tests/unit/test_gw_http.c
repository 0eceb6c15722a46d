/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/media.h"
#include "base/alloc.h"

/* Header names are found in any case; the first line counts. */
static void http_finds_headers_in_any_case(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "x-a", "1");
    fake_header(&fake, "X-A", "2");
    assert_str(*gw_request_header(&fake.request, HR_STR("X-a")), "1");
    assert_null(gw_request_header(&fake.request, HR_STR("X-")));
    assert_int_equal(gw_request_header_count(&fake.request, HR_STR("x-A")), 2);
    fake_release(&fake);
}

/* Several lines of one name are one list. */
static void http_joins_lines(void **state)
{
    (void)state;
    struct fake fake;
    struct hr_arena arena;
    struct hr_str value;
    fake_init(&fake);
    hr_arena_init(&arena, 64);
    fake_header(&fake, "a", "1");
    fake_header(&fake, "b", "x");
    assert_int_equal(gw_request_header_joined(&fake.request, HR_STR("A"), &arena, &value), HR_OK);
    assert_str(value, "1");
    fake_header(&fake, "A", "");
    fake_header(&fake, "A", "2");
    assert_int_equal(gw_request_header_joined(&fake.request, HR_STR("A"), &arena, &value), HR_OK);
    assert_str(value, "1, , 2");
    assert_int_equal(gw_request_header_joined(&fake.request, HR_STR("C"), &arena, &value), HR_OK);
    assert_int_equal(value.len, 0);
    char big[100];
    memset(big, 'x', sizeof big);
    fake.headers[0].value = hr_str_of(big, sizeof big);
    assert_int_equal(gw_request_header_joined(&fake.request, HR_STR("A"), &arena, &value),
                     HR_NO_MEMORY);
    hr_arena_release(&arena);
    fake_release(&fake);
}

/* Copied values outlive their source, and clearing leaves nothing of an answer. */
static void http_response_keeps_copies(void **state)
{
    (void)state;
    struct gw_response response;
    char value[] = "abc";
    gw_response_init(&response);
    assert_int_equal(response.status, 500);
    assert_int_equal(gw_response_copy(&response, HR_STR("A"), hr_str_c(value)), HR_OK);
    value[0] = 'x';
    assert_str(*gw_response_header(&response, HR_STR("a")), "abc");
    assert_int_equal(gw_response_copy(&response, HR_STR("Empty"), hr_str_of(NULL, 0)), HR_OK);
    gw_response_clear(&response);
    assert_null(gw_response_header(&response, HR_STR("a")));
    assert_int_equal(response.body.len, 0);
    gw_response_release(&response);
    gw_response_release(&response);
}

/* Media types are compared without parameters, spaces and case. */
static void http_compares_media_types(void **state)
{
    (void)state;
    struct hr_str json = HR_STR("application/json");
    assert_true(gw_media_is(HR_STR("application/json"), json));
    assert_true(gw_media_is(HR_STR(" Application/JSON ; charset=\"utf-8\""), json));
    assert_true(gw_media_is(HR_STR("application/json;"), json));
    assert_false(gw_media_is(HR_STR("application/jsonp"), json));
    assert_false(gw_media_is(HR_STR("application/json+x"), json));
    assert_false(gw_media_is(HR_STR("text/plain; application/json"), json));
    assert_false(gw_media_is(HR_STR("application/json, text/plain"), json));
    assert_false(gw_media_is(HR_STR(""), json));
}

/* A site's name is taken over only if it can stand in a header. */
static void http_site_must_be_plain(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a b", "a\r\nX: y", "\x7f", "\xc3\xa4"};
    struct gw_call call = {.site_len = 0};
    char longest[GW_SITE_BYTES_MAX + 1];
    memset(longest, 's', sizeof longest);
    gw_call_set_site(&call, HR_STR("aws-1"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        gw_call_set_site(&call, hr_str_c(bad[i]));
        assert_str(hr_str_of(call.site, call.site_len), "aws-1");
    }
    gw_call_set_site(&call, hr_str_of(longest, sizeof longest));
    assert_int_equal(call.site_len, 5);
    gw_call_set_site(&call, hr_str_of(longest, GW_SITE_BYTES_MAX));
    assert_int_equal(call.site_len, GW_SITE_BYTES_MAX);
}

/* A log line is one line of printable text and bounded length. */
static void http_log_lines_are_one_line(void **state)
{
    (void)state;
    struct fake fake;
    char big[4000];
    fake_init(&fake);
    struct gw_call call = {.env = &fake.env};
    gw_call_log(&call, GW_LOG_WARN, "x", HR_STR("a\"b\nc\xff"));
    assert_string_equal(fake.last_log, "x: a\"b?c?");
    memset(big, 'y', sizeof big);
    gw_call_log(&call, GW_LOG_WARN, "x", hr_str_of(big, sizeof big));
    assert_true(strlen(fake.last_log) <= 640);
    fake_release(&fake);
}

/* A host's error text that begins as a row of base/err.h means that row; any other may hide that
 * the message was acted on. */
static void http_env_err_reads_host_texts(void **state)
{
    (void)state;
    for (int err = HR_OK + 1; err < HR_ERR_COUNT; err++) {
        char text[128];
        snprintf(text, sizeof text, "%s: wasmkv.get", hr_err_text((enum hr_err)err));
        assert_int_equal(gw_env_err(hr_str_c(text)), err == HR_NO_MEMORY ? HR_IO : err);
    }
    assert_int_equal(gw_env_err(HR_STR("")), HR_IO);
    assert_int_equal(gw_env_err(HR_STR("ok")), HR_IO);
    assert_int_equal(gw_env_err(HR_STR("request timed out")), HR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_finds_headers_in_any_case),
        cmocka_unit_test(http_joins_lines),
        cmocka_unit_test(http_response_keeps_copies),
        cmocka_unit_test(http_compares_media_types),
        cmocka_unit_test(http_site_must_be_plain),
        cmocka_unit_test(http_log_lines_are_one_line),
        cmocka_unit_test(http_env_err_reads_host_texts),
    };
    return cmocka_run_group_tests_name("gw_http", tests, NULL, NULL);
}
