/* links: hr_subject */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "host/bus/subject.h"

/* The matches that NATS' documentation on wildcards names, and the edges around them. */
static void subject_matches_as_the_nats_table_says(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *subject;
        bool match;
    } rows[] = {
        {"time.us.east", "time.us.east", true},
        {"time.us.east", "time.us.west", false},
        {"time.us.east", "time.us", false},
        {"time.us", "time.us.east", false},
        {"time.*.east", "time.us.east", true},
        {"time.*.east", "time.eu.east", true},
        {"time.*.east", "time.us.east.atlanta", false},
        {"time.*.east", "time.New.York.east", false},
        {"time.us.*", "time.us.east", true},
        {"time.us.*", "time.us.east.atlanta", false},
        {"time.us.*", "time.us", false},
        {"time.us.>", "time.us.east", true},
        {"time.us.>", "time.us.east.atlanta", true},
        {"time.us.>", "time.us", false},
        {"time.us.>", "time.eu.east", false},
        {"*.*.east.>", "time.us.east.atlanta", true},
        {"*.*.east.>", "time.us.east", false},
        {">", "time", true},
        {">", "time.us.east", true},
        {"*", "time", true},
        {"*", "time.us", false},
        {"*.*", "time.us", true},
        {"foo.*.>", "foo.bar", false},
        {"foo.*.>", "foo.bar.baz", true},
        {"Foo", "foo", false},
        {"foo", "foobar", false},
        {"foobar", "foo", false},
        {"foo*", "foobar", false}, /* not a token of its own: stands for itself */
        {"foo*", "foo*", true},
        {"foo.>bar", "foo.>bar", true},
        {"foo.>bar", "foo.bar", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s ~ %s\n", rows[i].pattern, rows[i].subject);
        assert_true(hr_subject_is_pattern(hr_str_c(rows[i].pattern)));
        assert_true(hr_subject_is_literal(hr_str_c(rows[i].subject)));
        assert_int_equal(hr_subject_matches(hr_str_c(rows[i].pattern), hr_str_c(rows[i].subject)),
                         rows[i].match);
    }
}

/* What can be subscribed to, and what of it can be published to. */
static void subject_is_valid_only_when_nats_would_take_it(void **state)
{
    (void)state;
    const struct {
        struct hr_str subject;
        bool pattern;
        bool literal;
    } rows[] = {
        {HR_STR("foo"), true, true},
        {HR_STR("foo.bar"), true, true},
        {HR_STR("$SYS.a-b_c=D"), true, true},
        {HR_STR("gr\xc3\xbc\xc3\x9f.dich"), true, true},
        {HR_STR("foo.*"), true, false},
        {HR_STR("*"), true, false},
        {HR_STR(">"), true, false},
        {HR_STR("foo.>"), true, false},
        {HR_STR("*.foo.*.>"), true, false},
        {HR_STR("foo*.bar"), true, true},
        {HR_STR("foo.>>"), true, true},
        {HR_STR(""), false, false},
        {HR_STR("."), false, false},
        {HR_STR(".foo"), false, false},
        {HR_STR("foo."), false, false},
        {HR_STR("foo..bar"), false, false},
        {HR_STR("foo.>.bar"), false, false},
        {HR_STR(">.foo"), false, false},
        {HR_STR("foo bar"), false, false},
        {HR_STR("foo\tbar"), false, false},
        {HR_STR("foo\r\nPUB x 0"), false, false},
        {HR_STR("foo\0bar"), false, false},
        {HR_STR("foo\x7f"), false, false},
        {HR_STR("foo.\xff"), false, false},
        {HR_STR("foo.\xc3"), false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("row %zu: %.*s\n", i, HR_STR_ARG(rows[i].subject));
        assert_int_equal(hr_subject_is_pattern(rows[i].subject), rows[i].pattern);
        assert_int_equal(hr_subject_is_literal(rows[i].subject), rows[i].literal);
    }
    assert_false(hr_subject_is_pattern((struct hr_str){0}));
}

/* A queue group's name may hold dots and stars, but nothing that ends a protocol field. */
static void subject_queue_refuses_spaces_only(void **state)
{
    (void)state;
    assert_true(hr_subject_is_queue(HR_STR("kv")));
    assert_true(hr_subject_is_queue(HR_STR("s.1.*")));
    assert_false(hr_subject_is_queue(HR_STR("")));
    assert_false(hr_subject_is_queue(HR_STR("k v")));
    assert_false(hr_subject_is_queue(HR_STR("k\n")));
}

/* The first token is what stands before the first dot. */
static void subject_first_token_ends_at_the_dot(void **state)
{
    (void)state;
    assert_true(hr_str_eq(hr_subject_first_token(HR_STR("wasmkv.get.a")), HR_STR("wasmkv")));
    assert_true(hr_str_eq(hr_subject_first_token(HR_STR("wasmkv")), HR_STR("wasmkv")));
}

/* A pattern made to send a backtracking matcher astray costs one pass: 200 stars against 200 tokens
 * are matched a thousand times, which takes exponential time with any scheme that goes back. */
static void subject_matching_takes_one_pass(void **state)
{
    (void)state;
    char pattern[400];
    char subject[400];
    for (size_t i = 0; i < 200; i++) {
        memcpy(pattern + 2 * i, "*.", 2);
        memcpy(subject + 2 * i, "a.", 2);
    }
    pattern[398] = 'b'; /* the last token differs */
    int matches = 0;
    for (int i = 0; i < 1000; i++) {
        matches += hr_subject_matches(hr_str_of(pattern, 399), hr_str_of(subject, 399));
    }
    assert_int_equal(matches, 0);
    pattern[398] = '>';
    assert_true(hr_subject_matches(hr_str_of(pattern, 399), hr_str_of(subject, 399)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subject_matches_as_the_nats_table_says),
        cmocka_unit_test(subject_is_valid_only_when_nats_would_take_it),
        cmocka_unit_test(subject_queue_refuses_spaces_only),
        cmocka_unit_test(subject_first_token_ends_at_the_dot),
        cmocka_unit_test(subject_matching_takes_one_pass),
    };
    return cmocka_run_group_tests_name("subject", tests, NULL, NULL);
}
