/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "actors/kv/core/format/json.h"
#include "actors/kv/core/values/reply.h"

static struct hr_arena arena;
static const struct dkv_config config = {.site = {"here", 4}};

static int release(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return 0;
}

static const char *text(const struct dkv_answer *answer)
{
    struct hr_str body = {0};
    assert_int_equal(dkv_reply_write(&config, (struct dkv_acks){1, 1}, answer, &arena, &body),
                     HR_OK);
    return hr_arena_copy(&arena, body).ptr;
}

/* Strings are escaped as RFC 8259 wants. */
static void reply_strings_are_escaped(void **state)
{
    (void)state;
    struct hr_str json;
    struct dkv_out out = dkv_out_in(&arena, 0);
    dkv_json_string(&out, hr_str_of("a\"b\\c\n\0\x1f\xc3\xa9", 10));
    assert_int_equal(dkv_out_take(&out, &json), HR_OK);
    assert_true(hr_str_eq(json, HR_STR("\"a\\\"b\\\\c\\u000a\\u0000\\u001f\xc3\xa9\"")));
}

/* Each of our errors has a public code, and says whether to try again. */
static void reply_errors_have_public_codes(void **state)
{
    (void)state;
    static const struct {
        enum hr_err err;
        const char *code;
        bool retryable;
    } rows[] = {
        {HR_BAD_INPUT, "bad-request", false},
        {HR_NOT_FOUND, "not-found", false},
        {HR_CONFLICT, "conflict", false},
        {HR_TOO_BIG, "too-large", false},
        {HR_BUSY, "busy", true},
        {HR_NO_MEMORY, "busy", true},
        {HR_IO, "unavailable", true},
        {HR_LOCKED, "unavailable", true},
        {HR_NO_SPACE, "unavailable", true},
        {HR_UNSUPPORTED, "unavailable", false},
        {HR_UNKNOWN_OUTCOME, "unknown-outcome", true},
        {HR_CORRUPT, "corrupt", false},
        {HR_INTERNAL, "internal", false},
        {HR_TRAP, "internal", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[128];
        struct dkv_answer answer = {.err = rows[i].err, .diag = {"why"}};
        snprintf(expected, sizeof expected,
                 "{\"site\":\"here\",\"error\":{\"code\":\"%s\",\"message\":\"why\","
                 "\"retryable\":%s%s}}",
                 rows[i].code, rows[i].retryable ? "true" : "false",
                 rows[i].err == HR_CONFLICT ? ",\"version\":null" : "");
        assert_string_equal(text(&answer), expected);
    }
}

/* A reason that is cut within a character, or is no text, still makes a reply; none gets our words. */
static void reply_reasons_are_always_text(void **state)
{
    (void)state;
    struct dkv_answer answer = {.err = HR_IO, .diag = {"caf\xc3"}};
    assert_non_null(strstr(text(&answer), "\"message\":\"caf\""));
    answer.diag = (struct hr_diag){"\xff\xfe"};
    assert_non_null(strstr(text(&answer), "\"message\":\"input or output failed\""));
    answer.diag = (struct hr_diag){""};
    assert_non_null(strstr(text(&answer), "\"message\":\"input or output failed\""));
}

/* Kept results come back, and every flipped bit of them is noticed. */
static void reply_results_round_trip(void **state)
{
    (void)state;
    const enum dkv_op ops[] = {DKV_OP_SET, DKV_OP_DEL, DKV_OP_CLEAR};
    const unsigned char hash[DKV_HASH128_BYTES] = {7, 7};
    struct hr_diag diag;
    for (size_t i = 0; i < 3; i++) {
        struct dkv_answer answer = {.op = ops[i],
                                    .version = {5, 6},
                                    .created = i == 0,
                                    .seq = 9,
                                    .count = 8,
                                    .value = HR_STR("{\"a\":1}")};
        struct dkv_result result = {0};
        struct hr_str bytes;
        assert_int_equal(dkv_result_encode(99, hash, &answer, &arena, &bytes), HR_OK);
        assert_int_equal(dkv_result_decode(bytes, &result, &diag), HR_OK);
        assert_int_equal(result.time, 99);
        assert_memory_equal(result.hash, hash, sizeof hash);
        assert_int_equal(result.answer.op, ops[i]);
        assert_int_equal(result.answer.created, i == 0);
        assert_int_equal(result.answer.seq, 9);
        assert_int_equal(result.answer.count, 8);
        assert_int_equal(dkv_stamp_cmp(result.answer.version, answer.version), 0);
        assert_true(hr_str_eq(result.answer.value, answer.value));
        char *writable = (char *)(uintptr_t)bytes.ptr;
        for (size_t bit = 0; bit < bytes.len * 8; bit++) {
            writable[bit / 8] ^= (char)(1 << bit % 8);
            assert_int_equal(dkv_result_decode(bytes, &result, &diag), HR_CORRUPT);
            writable[bit / 8] ^= (char)(1 << bit % 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reply_strings_are_escaped, release),
        cmocka_unit_test_teardown(reply_errors_have_public_codes, release),
        cmocka_unit_test_teardown(reply_reasons_are_always_text, release),
        cmocka_unit_test_teardown(reply_results_round_trip, release),
    };
    return cmocka_run_group_tests_name("dkv_reply", tests, NULL, NULL);
}
