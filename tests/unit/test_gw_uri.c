/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/uri.h"

/* Every byte comes back from its encoding, in either case of the digits. */
static void uri_decodes_every_byte(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        char out[2];
        size_t len = 0;
        snprintf(text, sizeof text, "%%%02x", byte);
        assert_int_equal(gw_uri_decode(hr_str_c(text), out, sizeof out, &len), HR_OK);
        assert_int_equal(len, 1);
        assert_int_equal((unsigned char)out[0], byte);
        snprintf(text, sizeof text, "%%%02X", byte);
        assert_int_equal(gw_uri_decode(hr_str_c(text), out, sizeof out, &len), HR_OK);
        assert_int_equal((unsigned char)out[0], byte);
    }
}

/* A broken encoding, also at the very end, is an error; so is too long a text. */
static void uri_refuses_broken_encodings(void **state)
{
    (void)state;
    static const char *const bad[] = {"%", "%4", "a%", "a%4", "%zz", "%4g", "%-1", "% 1"};
    char out[4];
    size_t len = 77;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(gw_uri_decode(hr_str_c(bad[i]), out, sizeof out, &len), HR_BAD_INPUT);
    }
    assert_int_equal(gw_uri_decode(hr_str_of("a%41", 3), out, sizeof out, &len), HR_BAD_INPUT);
    assert_int_equal(gw_uri_decode(HR_STR("abcde"), out, sizeof out, &len), HR_TOO_BIG);
    assert_int_equal(len, 77);
    assert_int_equal(gw_uri_decode(HR_STR("abcd"), out, sizeof out, &len), HR_OK);
    assert_int_equal(len, 4);
}

/* Names, addresses and ports are authorities; what could end a URL, a header or a string is not. */
static void uri_knows_authorities(void **state)
{
    (void)state;
    static const char *const good[] = {"localhost", "a.example:8080", "127.0.0.1", "[::1]:80",
                                       "x_y-z~1"};
    static const char *const bad[] = {"",    "a b",    "a/b",  "u@h", "a\"b", "a\\b",     "a<b",
                                      "a>b", "a\r\nb", "a%20", "a?b", "a#b",  "\xc3\xa4", "a\x7f"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(gw_uri_is_authority(hr_str_c(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(gw_uri_is_authority(hr_str_c(bad[i])));
    }
    assert_false(gw_uri_is_authority(HR_STR("a\0b")));
    char longest[GW_AUTHORITY_BYTES_MAX + 1];
    memset(longest, 'a', sizeof longest);
    assert_true(gw_uri_is_authority(hr_str_of(longest, GW_AUTHORITY_BYTES_MAX)));
    assert_false(gw_uri_is_authority(hr_str_of(longest, sizeof longest)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uri_decodes_every_byte),
        cmocka_unit_test(uri_refuses_broken_encodings),
        cmocka_unit_test(uri_knows_authorities),
    };
    return cmocka_run_group_tests_name("gw_uri", tests, NULL, NULL);
}
