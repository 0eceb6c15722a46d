/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "actors/kv/core/format/body.h"

static struct hr_arena arena;
static struct hr_diag diag;
static struct dkv_patch patch;
static struct dkv_listing listing;

static int release(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return 0;
}

static enum hr_err read_patch(const char *body, enum dkv_op op)
{
    return dkv_body_patch(hr_str_c(body), op, &arena, &patch, &diag);
}

static enum hr_err read_listing(const char *body)
{
    return dkv_body_listing(hr_str_c(body), &arena, &listing, &diag);
}

/* Members become fields in the order of their names, as compact JSON; null becomes a removal. */
static void body_patch_becomes_fields(void **state)
{
    (void)state;
    assert_int_equal(
        read_patch(" { \"b\" : [ 1 , 2.0 ] , \"a\\u0041\" : \"\\u00e9\\n\", \"c\":null,"
                   "\"\xc3\xa9\":{\"x\" : null}} ",
                   DKV_OP_SET),
        HR_OK);
    assert_int_equal(patch.count, 4);
    assert_true(hr_str_eq(patch.fields[0].name, HR_STR("aA")));
    assert_true(hr_str_eq(patch.fields[0].value, HR_STR("\"\xc3\xa9\\n\"")));
    assert_true(hr_str_eq(patch.fields[1].value, HR_STR("[1,2.0]")));
    assert_int_equal(patch.fields[2].type, DKV_FIELD_DELETED);
    assert_true(hr_str_eq(patch.fields[3].value, HR_STR("{\"x\":null}")));
}

/* Options are taken out of the members. */
static void body_patch_reads_options(void **state)
{
    (void)state;
    assert_int_equal(read_patch("{\"$if-version\":\"0123456789abcdef0123456789abcdef\","
                                "\"$if-present\":true,\"$request-id\":\"id \xc3\xa9\",\"a\":1}",
                                DKV_OP_SET),
                     HR_OK);
    assert_int_equal(patch.count, 1);
    assert_true(patch.options.if_version && patch.options.if_present);
    assert_false(patch.options.if_absent);
    assert_int_equal(patch.options.version.hlc, 0x0123456789abcdef);
    assert_true(hr_str_eq(patch.options.request_id, HR_STR("id \xc3\xa9")));
    assert_int_equal(read_patch("{\"$if-absent\":true}", DKV_OP_DEL), HR_OK);
    assert_int_equal(read_patch("", DKV_OP_DEL), HR_OK);
    assert_int_equal(patch.count, 0);
    assert_int_equal(read_patch("{\"$request-id\":\"x\"}", DKV_OP_CLEAR), HR_OK);
}

/* What is wrong with a body is said, and it is not taken. */
static void body_patch_is_strict(void **state)
{
    (void)state;
    static const struct {
        enum dkv_op op;
        const char *body;
        const char *reason;
    } rows[] = {
        {DKV_OP_SET, "", "the body must be one JSON object"},
        {DKV_OP_SET, "[]", "the body must be one JSON object"},
        {DKV_OP_SET, "{\"a\":1", "the body is not JSON: "},
        {DKV_OP_SET, "{\"a\":1}x", "the body is not JSON: "},
        {DKV_OP_SET, "{\"a\":01}", "the body is not JSON: "},
        {DKV_OP_SET, "{\"a\":NaN}", "the body is not JSON: "},
        {DKV_OP_SET, "{\"a\":\"\xff\"}", "the body is not JSON: "},
        {DKV_OP_SET, "{\"a\":\"\\ud800\"}", "the body is not JSON: "},
        {DKV_OP_SET, "{\"a\":1,\"a\":2}", "field a comes twice"},
        {DKV_OP_SET, "{\"\":1}", "a field's name is 1 to 64 bytes"},
        {DKV_OP_SET, "{\"$unknown\":1}", "unknown option $unknown"},
        {DKV_OP_SET, "{\"$\":1}", "unknown option $"},
        {DKV_OP_SET, "{\"$if-absent\":false}", "$if-absent must be true"},
        {DKV_OP_SET, "{\"$if-absent\":1}", "$if-absent must be true"},
        {DKV_OP_SET, "{\"$if-version\":\"1\"}", "$if-version must be a version"},
        {DKV_OP_SET, "{\"$if-version\":7}", "$if-version must be a version"},
        {DKV_OP_SET, "{\"$request-id\":\"\"}", "$request-id must be a string"},
        {DKV_OP_SET, "{\"$request-id\":{}}", "$request-id must be a string"},
        {DKV_OP_SET, "{\"$if-absent\":true,\"$if-absent\":true}", "$if-absent comes twice"},
        {DKV_OP_SET, "{\"$if-absent\":true,\"$if-present\":true}", "$if-absent cannot be joined"},
        {DKV_OP_DEL, "{\"a\":1}", "a deletion takes options only, not a"},
        {DKV_OP_CLEAR, "{\"$if-present\":true}", "unknown option $if-present for deleting"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        diag.text[0] = '\0';
        assert_int_equal(read_patch(rows[i].body, rows[i].op), HR_BAD_INPUT);
        if (strncmp(diag.text, rows[i].reason, strlen(rows[i].reason)) != 0) {
            fail_msg("%s gives: %s", rows[i].body, diag.text);
        }
    }
}

/* Limits are those of docs/protocol.md, and they are inclusive. */
static void body_patch_has_limits(void **state)
{
    (void)state;
    size_t room = DKV_BODY_BYTES_MAX + 2;
    char *body = malloc(room);
    assert_non_null(body);
    char name[70];
    memset(name, 'n', sizeof name);
    snprintf(body, room, "{\"%.64s\":1}", name);
    assert_int_equal(read_patch(body, DKV_OP_SET), HR_OK);
    snprintf(body, room, "{\"%.65s\":1}", name);
    assert_int_equal(read_patch(body, DKV_OP_SET), HR_TOO_BIG);
    snprintf(body, room, "{\"$request-id\":\"%.64s\"}", name);
    assert_int_equal(read_patch(body, DKV_OP_DEL), HR_OK);
    snprintf(body, room, "{\"$request-id\":\"%.65s\"}", name);
    assert_int_equal(read_patch(body, DKV_OP_DEL), HR_BAD_INPUT);
    for (size_t extra = 0; extra < 2; extra++) {
        size_t len = DKV_FIELD_VALUE_BYTES_MAX + extra;
        memcpy(body, "{\"a\":\"", 6);
        memset(body + 6, 'v', len - 2);
        memcpy(body + 4 + len, "\"}", 3);
        body[5] = '"';
        assert_int_equal(read_patch(body, DKV_OP_SET), extra ? HR_TOO_BIG : HR_OK);
        hr_arena_release(&arena);
    }
    memset(body, ' ', room);
    memcpy(body, "{}", 2);
    for (size_t extra = 0; extra < 2; extra++) {
        assert_int_equal(dkv_body_patch(hr_str_of(body, DKV_BODY_BYTES_MAX + extra), DKV_OP_SET,
                                        &arena, &patch, &diag),
                         extra ? HR_TOO_BIG : HR_OK);
    }
    size_t at = 1;
    for (int i = 0; i < 129; i++) {
        at += (size_t)snprintf(body + at, room - at, "%s\"f%d\":%d}", i ? "," : "", i, i) - 1;
        assert_int_equal(read_patch(body, DKV_OP_SET), i < 128 ? HR_OK : HR_TOO_BIG);
    }
    assert_true(hr_str_eq(patch.fields[1].name, HR_STR("f1")));
    free(body);
}

/* Nesting costs memory, not stack. */
static void body_patch_survives_deep_nesting(void **state)
{
    (void)state;
    size_t depth = 32000;
    char *body = malloc(2 * depth + 16);
    assert_non_null(body);
    memcpy(body, "{\"a\":", 5);
    memset(body + 5, '[', depth);
    memset(body + 5 + depth, ']', depth);
    strcpy(body + 5 + 2 * depth, "}");
    assert_int_equal(read_patch(body, DKV_OP_SET), HR_OK);
    assert_int_equal(patch.fields[0].value.len, 2 * depth);
    free(body);
}

/* Memory that is out is told as such, wherever it runs out. */
static void body_patch_says_when_memory_is_out(void **state)
{
    (void)state;
    enum hr_err err = HR_NO_MEMORY;
    for (size_t limit = 16; err == HR_NO_MEMORY; limit += 16) {
        struct hr_arena tight;
        hr_arena_init(&tight, limit);
        err = dkv_body_patch(HR_STR("{\"a\":[1,2,3],\"b\":null,\"$if-absent\":true}"), DKV_OP_SET,
                             &tight, &patch, &diag);
        hr_arena_release(&tight);
    }
    assert_int_equal(err, HR_OK);
}

/* A listing's members are optional, and checked. */
static void body_listing_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_listing(""), HR_OK);
    assert_int_equal(listing.limit, 1000);
    assert_int_equal(listing.after.len + listing.prefix.len, 0);
    assert_int_equal(read_listing("{\"limit\":7,\"after\":\"a.b\",\"prefix\":\"a.\"}"), HR_OK);
    assert_int_equal(listing.limit, 7);
    assert_true(hr_str_eq(listing.after, HR_STR("a.b")));
    assert_true(hr_str_eq(listing.prefix, HR_STR("a.")));
    const char *bad[] = {"[]",
                         "{\"limit\":0}",
                         "{\"limit\":1001}",
                         "{\"limit\":1.5}",
                         "{\"limit\":\"7\"}",
                         "{\"limit\":-1}",
                         "{\"limit\":null}",
                         "{\"after\":\"\"}",
                         "{\"after\":\"a..b\"}",
                         "{\"after\":7}",
                         "{\"prefix\":\"a b\"}",
                         "{\"prefix\":[\"a\"]}",
                         "{\"limit\":1,\"limit\":2}",
                         "{\"other\":1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (read_listing(bad[i]) != HR_BAD_INPUT) {
            fail_msg("%s was taken", bad[i]);
        }
    }
}

/* A get of one key takes nothing, or an empty object. */
static void body_none_takes_nothing(void **state)
{
    (void)state;
    struct dkv_session *session = NULL;
    assert_int_equal(dkv_body_get(HR_STR(""), &arena, &session, &diag), HR_OK);
    assert_int_equal(dkv_body_get(HR_STR("{}"), &arena, &session, &diag), HR_OK);
    assert_null(session);
    assert_int_equal(dkv_body_get(HR_STR("{\"a\":1}"), &arena, &session, &diag), HR_BAD_INPUT);
    assert_int_equal(dkv_body_get(HR_STR("x"), &arena, &session, &diag), HR_BAD_INPUT);
    assert_int_equal(
        dkv_body_get(HR_STR("{\"$session\":\"\",\"$session\":\"\"}"), &arena, &session, &diag),
        HR_BAD_INPUT);
    assert_null(session);
    assert_int_equal(dkv_body_get(HR_STR("{\"$session\":\"\"}"), &arena, &session, &diag), HR_OK);
    assert_non_null(session);
    assert_int_equal(session->count, 0);
}

#define CASE(name) cmocka_unit_test_teardown(name, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(body_patch_becomes_fields),
        CASE(body_patch_reads_options),
        CASE(body_patch_is_strict),
        CASE(body_patch_has_limits),
        CASE(body_patch_survives_deep_nesting),
        CASE(body_patch_says_when_memory_is_out),
        CASE(body_listing_is_read),
        CASE(body_none_takes_nothing),
    };
    return cmocka_run_group_tests_name("dkv_body", tests, NULL, NULL);
}
