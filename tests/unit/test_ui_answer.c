/* links: core_ui */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/ui/core/answer.h"

static const struct ui_variant index_variants[] = {
    {UI_CODING_IDENTITY, {"\"i\"", 3}, {"<page>", 6}},
    {UI_CODING_BR, {"\"ib\"", 4}, {"BR", 2}},
    {UI_CODING_GZIP, {"\"ig\"", 4}, {"GZ", 2}},
};
static const struct ui_variant script_variants[] = {
    {UI_CODING_IDENTITY, {"\"s\"", 3}, {"script", 6}},
    {UI_CODING_GZIP, {"\"sg\"", 4}, {"GZS", 3}},
};
static const struct ui_variant icon_variants[] = {
    {UI_CODING_IDENTITY, {"\"c\"", 3}, {"icon", 4}},
};
static const struct ui_file files[] = {
    {{"index.html", 10}, {"text/html; charset=utf-8", 24}, false, index_variants, 3},
    {{"assets/a-12345678.js", 20}, {"text/javascript", 15}, true, script_variants, 2},
    {{"icon.svg", 8}, {"image/svg+xml", 13}, false, icon_variants, 1},
};
static const struct ui_bundle bundle = {files, 3};

static struct ui_answer found(const char *path, const char *accept_encoding)
{
    struct ui_answer answer;
    assert_int_equal(ui_answer_find(&bundle, hr_str_c(path), hr_str_c(accept_encoding), &answer),
                     HR_OK);
    return answer;
}

static void expect_missing(const char *path)
{
    struct ui_answer answer;
    assert_int_equal(ui_answer_find(&bundle, hr_str_c(path), HR_STR("br"), &answer), HR_NOT_FOUND);
}

static void expect_bytes(const struct ui_answer *answer, const char *bytes)
{
    assert_true(hr_str_eq(answer->bytes, hr_str_c(bytes)));
}

/* The value of the header, or an empty run; fails when it is there twice. */
static struct hr_str header(const struct ui_answer *answer, const char *name)
{
    struct hr_str value = {0};
    int count = 0;
    for (size_t i = 0; i < answer->header_count; i++) {
        if (hr_str_eq(answer->headers[i].name, hr_str_c(name))) {
            value = answer->headers[i].value;
            count++;
        }
    }
    assert_in_range(count, 0, 1);
    return value;
}

static void expect_header(const struct ui_answer *answer, const char *name, const char *value)
{
    struct hr_str is = header(answer, name);
    if (!hr_str_eq(is, hr_str_c(value))) {
        fail_msg("%s: %.*s", name, HR_STR_ARG(is));
    }
}

/* The root, and any path without an extension, is the page. */
static void answer_gives_the_page_for_places_within_it(void **state)
{
    static const char *const places[] = {"/", "/index.html", "/lists/today", "/lists/", "/apiary"};
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct ui_answer answer = found(places[i], "");
        expect_bytes(&answer, "<page>");
        expect_header(&answer, "content-type", "text/html; charset=utf-8");
    }
}

/* A file that is not there is missing, not the page; so is what could lead elsewhere. */
static void answer_is_missing_when_a_file_is(void **state)
{
    (void)state;
    expect_missing("/assets/a-99999999.js");
    expect_missing("/favicon.ico");
    expect_missing("/a-12345678.js");
    expect_missing("/assets/../index.html");
    expect_missing("/%2e%2e/etc/passwd");
    expect_missing("//icon.svg");
    expect_missing("/ICON.SVG");
    expect_missing("");
}

/* The heaviest weight wins; br, then gzip, when they are equal. */
static void answer_is_in_the_coding_liked_best(void **state)
{
    static const struct {
        const char *accept_encoding;
        const char *bytes;
        const char *coding;
        const char *etag;
    } cases[] = {
        {"gzip, deflate, br", "BR", "br", "\"ib\""},
        {"gzip, deflate", "GZ", "gzip", "\"ig\""},
        {"br;q=0.8, gzip;q=0.9", "GZ", "gzip", "\"ig\""},
        {"br;q=0.1", "BR", "br", "\"ib\""},
        {"identity, br;q=0.9", "<page>", "", "\"i\""},
        {"identity;q=0.5, *;q=0.5", "BR", "br", "\"ib\""},
        {"*;q=0.2, identity;q=0.3", "<page>", "", "\"i\""},
        {"deflate", "<page>", "", "\"i\""},
        {"", "<page>", "", "\"i\""},
        {"gzip;q=0", "<page>", "", "\"i\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ui_answer answer = found("/", cases[i].accept_encoding);
        expect_bytes(&answer, cases[i].bytes);
        expect_header(&answer, "content-encoding", cases[i].coding);
        assert_true(hr_str_eq(answer.etag, hr_str_c(cases[i].etag)));
    }
}

/* A coding that a file does not come in is passed over, and identity is served to who refuses all. */
static void answer_falls_back_to_what_there_is(void **state)
{
    (void)state;
    struct ui_answer answer = found("/assets/a-12345678.js", "br, gzip;q=0.1");
    expect_bytes(&answer, "GZS");
    answer = found("/icon.svg", "br, gzip");
    expect_bytes(&answer, "icon");
    answer = found("/icon.svg", "*;q=0");
    expect_bytes(&answer, "icon");
}

/* Only a name that tells the content may be kept for ever. */
static void answer_says_how_long_it_keeps(void **state)
{
    (void)state;
    struct ui_answer answer = found("/assets/a-12345678.js", "br");
    expect_header(&answer, "cache-control", "public, max-age=31536000, immutable");
    answer = found("/", "br");
    expect_header(&answer, "cache-control", "no-cache");
    answer = found("/icon.svg", "");
    expect_header(&answer, "cache-control", "no-cache");
}

/* Every answer carries the same protection, word by word as it was decided. */
static void answer_carries_the_security_headers(void **state)
{
    static const char *const paths[] = {"/", "/assets/a-12345678.js", "/icon.svg"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct ui_answer answer = found(paths[i], "br, gzip");
        expect_header(&answer, "content-security-policy",
                      "default-src 'none'; script-src 'self'; style-src 'self'; "
                      "img-src 'self' data:; connect-src 'self'; manifest-src 'self'; "
                      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
        expect_header(&answer, "x-content-type-options", "nosniff");
        expect_header(&answer, "referrer-policy", "no-referrer");
        expect_header(&answer, "cross-origin-opener-policy", "same-origin");
        expect_header(&answer, "cross-origin-resource-policy", "same-origin");
        expect_header(&answer, "vary", "accept-encoding");
        assert_true(header(&answer, "permissions-policy").len > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_gives_the_page_for_places_within_it),
        cmocka_unit_test(answer_is_missing_when_a_file_is),
        cmocka_unit_test(answer_is_in_the_coding_liked_best),
        cmocka_unit_test(answer_falls_back_to_what_there_is),
        cmocka_unit_test(answer_says_how_long_it_keeps),
        cmocka_unit_test(answer_carries_the_security_headers),
    };
    return cmocka_run_group_tests_name("ui_answer", tests, NULL, NULL);
}
