/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/etag.h"

static enum hr_err parse(const char *value, struct gw_etags *ret_etags)
{
    memset(ret_etags, 0xa5, sizeof *ret_etags);
    return gw_etags_parse(hr_str_c(value), ret_etags);
}

/* Lists with weak and strong tags, empty elements and odd spacing are read as RFC 9110 has them. */
static void etag_reads_lists(void **state)
{
    (void)state;
    struct gw_etags etags;
    assert_int_equal(parse(" , \"a\" ,,W/\"b\",\t\"\", \"x,yW/\" ,", &etags), HR_OK);
    assert_int_equal(etags.kind, GW_ETAGS_LIST);
    assert_int_equal(etags.count, 4);
    assert_str(etags.tags[0].opaque, "a");
    assert_false(etags.tags[0].weak);
    assert_str(etags.tags[1].opaque, "b");
    assert_true(etags.tags[1].weak);
    assert_int_equal(etags.tags[2].opaque.len, 0);
    assert_str(etags.tags[3].opaque, "x,yW/");
}

/* "*" alone is anything; a "*" among tags, or in quotes, is not. */
static void etag_reads_the_star_alone(void **state)
{
    (void)state;
    struct gw_etags etags;
    assert_int_equal(parse(" * ", &etags), HR_OK);
    assert_int_equal(etags.kind, GW_ETAGS_ANY);
    assert_int_equal(parse("*, \"a\"", &etags), HR_BAD_INPUT);
    assert_int_equal(parse("\"a\", *", &etags), HR_BAD_INPUT);
    assert_int_equal(parse("\"*\"", &etags), HR_OK);
    assert_int_equal(etags.kind, GW_ETAGS_LIST);
}

/* What is no list of entity tags is refused. */
static void etag_refuses_malformed_lists(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         " ",         ",",          ", ,",         "a",
        "\"a",      "a\"",       "w/\"a\"",    "W/a",         "W/",
        "W /\"a\"", "\"a b\"",   "\"a\"\"b\"", "\"a\" \"b\"", "\"a\";\"b\"",
        "\"\x01\"", "\"a\x7f\"", "'a'",        "\"",          "\"a\",b",
    };
    struct gw_etags etags;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(bad[i], &etags) != HR_BAD_INPUT) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_int_equal(gw_etags_parse(HR_STR("\"a\0b\""), &etags), HR_BAD_INPUT);
    assert_int_equal(gw_etags_parse(HR_STR("\"a\"\0"), &etags), HR_BAD_INPUT);
}

/* GW_ETAGS_MAX tags fit, one more does not. */
static void etag_stops_at_its_limit(void **state)
{
    (void)state;
    struct gw_etags etags;
    char text[(GW_ETAGS_MAX + 1) * 4 + 1] = "";
    for (size_t i = 0; i < GW_ETAGS_MAX; i++) {
        strcat(text, "\"a\",");
    }
    assert_int_equal(parse(text, &etags), HR_OK);
    assert_int_equal(etags.count, GW_ETAGS_MAX);
    strcat(text, "\"b\"");
    assert_int_equal(parse(text, &etags), HR_TOO_BIG);
}

/* The table of RFC 9110 section 8.8.3.2: two tags match strongly if both are strong and equal,
 * weakly if they are equal. What is compared with here is always strong. */
static void etag_compares_strong_and_weak(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool strong;
        bool weak;
    } rows[] = {
        {"W/\"1\"", false, true},  {"\"1\"", true, true},           {"\"2\"", false, false},
        {"W/\"2\"", false, false}, {"\"2\", W/\"1\"", false, true}, {"W/\"1\", \"1\"", true, true},
        {"*", true, true},         {"\"11\"", false, false},
    };
    struct gw_etags etags;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(parse(rows[i].list, &etags), HR_OK);
        assert_int_equal(gw_etags_match_strong(&etags, HR_STR("1")), rows[i].strong);
        assert_int_equal(gw_etags_match_weak(&etags, HR_STR("1")), rows[i].weak);
    }
    etags.kind = GW_ETAGS_ABSENT;
    assert_false(gw_etags_match_strong(&etags, HR_STR("1")));
    assert_false(gw_etags_match_weak(&etags, HR_STR("1")));
}

/* A single tag must fill the text. */
static void etag_reads_one(void **state)
{
    (void)state;
    struct gw_etag etag;
    assert_int_equal(gw_etag_parse(HR_STR("\"abc\""), &etag), HR_OK);
    assert_str(etag.opaque, "abc");
    assert_int_equal(gw_etag_parse(HR_STR("\"abc\" "), &etag), HR_BAD_INPUT);
    assert_int_equal(gw_etag_parse(HR_STR("\"a\",\"b\""), &etag), HR_BAD_INPUT);
    assert_int_equal(gw_etag_parse(HR_STR(""), &etag), HR_BAD_INPUT);
}

/* A version is 32 hexadecimal digits, no more, no fewer, nothing else. */
static void etag_knows_versions(void **state)
{
    (void)state;
    assert_true(gw_version_is_valid(HR_STR(V1)));
    assert_true(gw_version_is_valid(HR_STR("ABCDEF0123456789abcdef0123456789")));
    assert_false(gw_version_is_valid(HR_STR("")));
    assert_false(gw_version_is_valid(HR_STR(V1 "0")));
    assert_false(gw_version_is_valid(hr_str_of(V1, 31)));
    assert_false(gw_version_is_valid(HR_STR("0000018bcfe56800000100000000000g")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(etag_reads_lists),
        cmocka_unit_test(etag_reads_the_star_alone),
        cmocka_unit_test(etag_refuses_malformed_lists),
        cmocka_unit_test(etag_stops_at_its_limit),
        cmocka_unit_test(etag_compares_strong_and_weak),
        cmocka_unit_test(etag_reads_one),
        cmocka_unit_test(etag_knows_versions),
    };
    return cmocka_run_group_tests_name("gw_etag", tests, NULL, NULL);
}
