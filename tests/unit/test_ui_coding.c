/* links: core_ui */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/ui/core/coding.h"

#define NO UI_WEIGHT_REFUSED
#define UNNAMED UI_WEIGHT_UNNAMED

struct expectation {
    const char *value;
    int identity, gzip, br;
};

static void check(const struct expectation *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ui_accept accept = ui_accept_parse(hr_str_c(cases[i].value));
        const int *weights = accept.weights;
        if (weights[UI_CODING_IDENTITY] != cases[i].identity ||
            weights[UI_CODING_GZIP] != cases[i].gzip || weights[UI_CODING_BR] != cases[i].br) {
            fail_msg("\"%s\": identity %d, gzip %d, br %d", cases[i].value,
                     weights[UI_CODING_IDENTITY], weights[UI_CODING_GZIP], weights[UI_CODING_BR]);
        }
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof(cases)[0])

/* RFC 9110 section 12.5.3, its examples among them. */
static void coding_reads_weights_as_the_rfc_has_them(void **state)
{
    static const struct expectation cases[] = {
        {"compress, gzip", UNNAMED, 1000, NO},
        {"", UNNAMED, NO, NO},
        {"*", 1000, 1000, 1000},
        {"compress;q=0.5, gzip;q=1.0", UNNAMED, 1000, NO},
        {"gzip;q=1.0, identity; q=0.5, *;q=0", 500, 1000, NO},
        {"gzip, deflate, br, zstd", UNNAMED, 1000, 1000},
        {"br;q=0.001,gzip;q=0.999", UNNAMED, 999, 1},
        {"identity;q=0", NO, NO, NO},
        {"*;q=0", NO, NO, NO},
        {"*;q=0.3, br;q=0", 300, 300, NO},
        {"identity, *;q=0", 1000, NO, NO},
    };
    (void)state;
    CHECK(cases);
}

/* Names and the q are of any case; spaces and tabs may stand around them; x-gzip is gzip. */
static void coding_takes_what_the_grammar_allows(void **state)
{
    static const struct expectation cases[] = {
        {"GZip \t;\tQ=0.5 ,\tBR", UNNAMED, 500, 1000},
        {"x-gzip", UNNAMED, 1000, NO},
        {",, gzip,,", UNNAMED, 1000, NO},
        {"gzip;q=1.000", UNNAMED, 1000, NO},
        {"gzip;q=0.", UNNAMED, NO, NO},
        {"gzip;q=1.", UNNAMED, 1000, NO},
        {"gzip;q=0.05", UNNAMED, 50, NO},
        {"gzip;q=0.000", UNNAMED, NO, NO},
    };
    (void)state;
    CHECK(cases);
}

/* An element that is not well-formed says nothing, and the others still count. */
static void coding_skips_what_is_malformed(void **state)
{
    static const struct expectation cases[] = {
        {"gzip;q=2, br", UNNAMED, NO, 1000}, {"gzip;q=1.001", UNNAMED, NO, NO},
        {"gzip;q=0.1234", UNNAMED, NO, NO},  {"gzip;q=", UNNAMED, NO, NO},
        {"gzip;q=-1", UNNAMED, NO, NO},      {"gzip;q=.5", UNNAMED, NO, NO},
        {"gzip;x=1, br", UNNAMED, NO, 1000}, {"gzip;q=0.5;q=1", UNNAMED, NO, NO},
        {"gzip br", UNNAMED, NO, NO},        {"gz\xc3\xa9, br;q=0.2", UNNAMED, NO, 200},
        {"gzip;q=0,5", UNNAMED, NO, NO},     {";q=1", UNNAMED, NO, NO},
    };
    (void)state;
    CHECK(cases);
}

/* Of two elements about one coding the later one counts. */
static void coding_takes_the_later_of_two(void **state)
{
    static const struct expectation cases[] = {
        {"gzip;q=0.2, gzip;q=0.8", UNNAMED, 800, NO},
        {"gzip, x-gzip;q=0", UNNAMED, NO, NO},
    };
    (void)state;
    CHECK(cases);
}

/* A value beyond the limit is not read: identity it is. */
static void coding_has_a_length_limit(void **state)
{
    (void)state;
    char text[UI_ACCEPT_BYTES_MAX + 1];
    memset(text, ' ', sizeof text);
    memcpy(text, "br,", 3);
    struct ui_accept accept = ui_accept_parse(hr_str_of(text, UI_ACCEPT_BYTES_MAX));
    assert_int_equal(accept.weights[UI_CODING_BR], UI_WEIGHT_MAX);
    accept = ui_accept_parse(hr_str_of(text, UI_ACCEPT_BYTES_MAX + 1));
    assert_int_equal(accept.weights[UI_CODING_BR], UI_WEIGHT_REFUSED);
    assert_int_equal(accept.weights[UI_CODING_IDENTITY], UI_WEIGHT_UNNAMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coding_reads_weights_as_the_rfc_has_them),
        cmocka_unit_test(coding_takes_what_the_grammar_allows),
        cmocka_unit_test(coding_skips_what_is_malformed),
        cmocka_unit_test(coding_takes_the_later_of_two),
        cmocka_unit_test(coding_has_a_length_limit),
    };
    return cmocka_run_group_tests_name("ui_coding", tests, NULL, NULL);
}
