/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/json.h"
#include "base/alloc.h"

/* Malformed JSON is refused with the place of the error. */
static void json_says_where_it_is_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"", "nothing there"},
        {"   ", "malformed JSON"},
        {"{\"title\":}", "line 1, column 10 (byte 9)"},
        {"{\n\"a\": tru}", "line 2, column 6 (byte 7)"},
        {"{\"a\":1,}", "malformed JSON at line 1"},
        {"{'a':1}", "malformed JSON at line 1, column 2"},
        {"[1] x", "malformed JSON at line 1, column 5"},
        {"{\"a\":01}", "malformed JSON at line 1"},
        {"{\"a\":1e999}", "infinity"},
        {"{\"a\":-1e999}", "infinity"},
        {"NaN", "malformed JSON"},
        {"\xef\xbb\xbf{}", "malformed JSON at line 1, column 1"},
        {"\"\xff\"", "malformed JSON"},
        {"\"\xc0\xaf\"", "malformed JSON"},
        {"\"\xed\xa0\x80\"", "malformed JSON"},
        {"\"\\ud800\"", "malformed JSON"},
        {"\"\\ud800\\u0041\"", "malformed JSON"},
        {"\"a\nb\"", "malformed JSON"},
        {"\"abc", "malformed JSON"},
        {"/**/{}", "malformed JSON"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hr_diag diag = {""};
        yyjson_doc *doc = NULL;
        enum hr_err err = gw_json_read(hr_str_c(rows[i].text), &doc, &diag);
        if (err != HR_BAD_INPUT) {
            fail_msg("taken: %s", rows[i].text);
        }
        assert_null(doc);
        assert_has(hr_str_c(diag.text), rows[i].why);
    }
}

/* Nesting as deep as a body allows costs no stack. */
static void json_reads_deep_nesting(void **state)
{
    (void)state;
    size_t depth = GW_BODY_BYTES_MAX / 2;
    char *text = malloc(2 * depth);
    struct hr_diag diag;
    yyjson_doc *doc = NULL;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(gw_json_read(hr_str_of(text, 2 * depth), &doc, &diag), HR_OK);
    yyjson_doc_free(doc);
    assert_int_equal(gw_json_read(hr_str_of(text, 2 * depth - 1), &doc, &diag), HR_BAD_INPUT);
    free(text);
}

/* A string of every character below U+0080, and of others, reads back as it was. */
static void json_strings_read_back(void **state)
{
    (void)state;
    char text[0x80 + 16];
    struct hr_buf out = {0};
    struct hr_diag diag;
    yyjson_doc *doc = NULL;
    for (int i = 0; i < 0x80; i++) {
        text[i] = (char)i;
    }
    memcpy(text + 0x80, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\xbf\xe2\x80\xa8\xed\x9f\xbf", 15);
    struct hr_str whole = hr_str_of(text, 0x80 + 15);
    assert_int_equal(gw_json_put_string(&out, whole), HR_OK);
    assert_has(hr_buf_str(&out), "\\u0000\\u0001");
    assert_has(hr_buf_str(&out), "\\t\\n\\u000b\\u000c\\r");
    assert_int_equal(gw_json_read(hr_buf_str(&out), &doc, &diag), HR_OK);
    assert_true(hr_str_eq(gw_json_str(yyjson_doc_get_root(doc)), whole));
    yyjson_doc_free(doc);
    hr_buf_clear(&out);
    assert_int_equal(gw_json_put_string(&out, HR_STR("")), HR_OK);
    assert_str(hr_buf_str(&out), "\"\"");
    hr_buf_release(&out);
}

/* Numbers are written as they were meant, without loss within a double or 64 bits. */
static void json_numbers_read_back(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"0", "0"},
        {"1", "1"},
        {"-7", "-7"},
        {"1.5", "1.5"},
        {"0.1", "0.1"},
        {"18446744073709551615", "18446744073709551615"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"5e-324", "5e-324"},
        {"1.7976931348623157e308", "1.7976931348623157e308"},
        {"1e-400", "0.0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hr_buf out = {0};
        struct hr_diag diag;
        yyjson_doc *doc = NULL;
        assert_int_equal(gw_json_read(hr_str_c(rows[i].in), &doc, &diag), HR_OK);
        assert_int_equal(gw_json_put_number(&out, yyjson_doc_get_root(doc)), HR_OK);
        assert_str(hr_buf_str(&out), rows[i].out);
        hr_buf_release(&out);
        yyjson_doc_free(doc);
    }
}

/* Clipping keeps whole characters. */
static void json_clips_between_characters(void **state)
{
    (void)state;
    struct hr_str text = HR_STR("a\xc3\xa4\xf0\x9f\x8c\xbf");
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 3, 7, 7};
    for (size_t max = 0; max < sizeof want / sizeof want[0]; max++) {
        assert_int_equal(gw_json_clip(text, max).len, want[max]);
    }
}

/* Only strings have a text. */
static void json_str_is_empty_for_other_values(void **state)
{
    (void)state;
    struct hr_diag diag;
    yyjson_doc *doc = NULL;
    assert_int_equal(gw_json_read(HR_STR("[1,[2],null,\"x\"]"), &doc, &diag), HR_OK);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_int_equal(gw_json_str(NULL).len, 0);
    assert_int_equal(gw_json_str(root).len, 0);
    assert_int_equal(gw_json_str(yyjson_arr_get(root, 0)).len, 0);
    assert_str(gw_json_str(yyjson_arr_get(root, 3)), "x");
    yyjson_doc_free(doc);
}

/* When memory is out, that is said, and nothing leaks. */
static void json_read_reports_no_memory(void **state)
{
    (void)state;
    int64_t live = hr_alloc_live();
    unsigned failures = 0;
    for (int64_t countdown = 0;; countdown++) {
        struct hr_diag diag;
        yyjson_doc *doc = NULL;
        hr_alloc_fail_after(countdown);
        enum hr_err err = gw_json_read(HR_STR("{\"a\":[1,2,3]}"), &doc, &diag);
        hr_alloc_fail_after(-1);
        if (!err) {
            yyjson_doc_free(doc);
            break;
        }
        assert_int_equal(err, HR_NO_MEMORY);
        failures++;
    }
    assert_true(failures >= 2);
    assert_int_equal(hr_alloc_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_says_where_it_is_malformed),
        cmocka_unit_test(json_reads_deep_nesting),
        cmocka_unit_test(json_strings_read_back),
        cmocka_unit_test(json_numbers_read_back),
        cmocka_unit_test(json_clips_between_characters),
        cmocka_unit_test(json_str_is_empty_for_other_values),
        cmocka_unit_test(json_read_reports_no_memory),
    };
    return cmocka_run_group_tests_name("gw_json", tests, NULL, NULL);
}
