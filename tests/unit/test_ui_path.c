/* links: core_ui */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/ui/core/path.h"

static void expect(const char *url_path, const char *decoded)
{
    struct ui_path path;
    assert_int_equal(ui_path_decode(hr_str_c(url_path), &path), HR_OK);
    assert_int_equal(path.len, strlen(decoded));
    assert_memory_equal(path.text, decoded, path.len);
}

/* Decoding drops the leading slash and the percent signs, whatever the digits' case. */
static void path_decodes_what_is_well_formed(void **state)
{
    (void)state;
    expect("/", "");
    expect("/index.html", "index.html");
    expect("/assets/index-1a2b.js", "assets/index-1a2b.js");
    expect("/%69ndex%2Ehtml", "index.html");
    expect("/caf%c3%A9", "caf\xc3\xa9");
    expect("/some/place/", "some/place/");
    expect("/...", "...");
    expect("/a%25b", "a%b");
}

/* Whatever could lead out of the bundle, or be read in two ways, is refused. */
static void path_refuses_what_is_not_plain(void **state)
{
    static const char *const refused[] = {
        "",         "index.html", "//",      "//index.html", "/a//b",  "/.",     "/..",
        "/../x.js", "/a/../b",    "/a/.",    "/%2e%2e/x",    "/%2E/x", "/a%2Fb", "/a%2fb",
        "/%",       "/%4",        "/%4g",    "/%g4",         "/a%00b", "/a%0Ab", "/a\tb",
        "/a\\b",    "/a%5Cb",     "/a?b",    "/a#b",         "/%7f",   "/%ff",   "/%c3",
        "/%c0%af",  "/%ed%a0%80", "/caf\xe9"};
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ui_path path;
        if (ui_path_decode(hr_str_c(refused[i]), &path) != HR_BAD_INPUT) {
            fail_msg("taken: \"%s\"", refused[i]);
        }
    }
}

/* A path of exactly the limit is decoded; one byte more is too big. */
static void path_has_a_length_limit(void **state)
{
    (void)state;
    char text[UI_PATH_BYTES_MAX + 1];
    memset(text, 'a', sizeof text);
    text[0] = '/';
    struct ui_path path;
    assert_int_equal(ui_path_decode(hr_str_of(text, UI_PATH_BYTES_MAX), &path), HR_OK);
    assert_int_equal(path.len, UI_PATH_BYTES_MAX - 1);
    assert_int_equal(ui_path_decode(hr_str_of(text, UI_PATH_BYTES_MAX + 1), &path), HR_TOO_BIG);
}

/* Only the last segment tells whether a file is meant. */
static void path_extension_is_of_the_last_segment(void **state)
{
    static const struct {
        const char *url_path;
        bool has;
    } cases[] = {{"/", false},       {"/place", false}, {"/v1.2/place", false},
                 {"/place/", false}, {"/a.js", true},   {"/deep/er/a.js", true},
                 {"/.hidden", true}, {"/a%2ejs", true}, {"/v1.2/", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ui_path path;
        assert_int_equal(ui_path_decode(hr_str_c(cases[i].url_path), &path), HR_OK);
        assert_int_equal(ui_path_has_extension(&path), cases[i].has);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_decodes_what_is_well_formed),
        cmocka_unit_test(path_refuses_what_is_not_plain),
        cmocka_unit_test(path_has_a_length_limit),
        cmocka_unit_test(path_extension_is_of_the_last_segment),
    };
    return cmocka_run_group_tests_name("ui_path", tests, NULL, NULL);
}
