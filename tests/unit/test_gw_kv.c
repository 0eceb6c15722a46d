/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/kv.h"
#include "base/alloc.h"

#define MS UINT64_C(1000000)

struct asked {
    struct fake fake;
    struct gw_call call;
    struct gw_kv_reply reply;
};

static void start(struct asked *asked)
{
    memset(asked, 0, sizeof *asked);
    fake_init(&asked->fake);
    gw_response_init(&asked->fake.response);
    asked->call = (struct gw_call){.env = &asked->fake.env,
                                   .request = &asked->fake.request,
                                   .response = &asked->fake.response};
}

static enum gw_kv_code ask(struct asked *asked, const char *subject)
{
    assert_int_equal(gw_kv_call(&asked->call, hr_str_c(subject), HR_STR("{}"), &asked->reply),
                     HR_OK);
    assert_int_equal(asked->fake.asked, asked->fake.step_count);
    return asked->reply.code;
}

static void stop(struct asked *asked)
{
    gw_kv_reply_release(&asked->reply);
    fake_release(&asked->fake);
}

/* A good reply is handed on, with its site and the time that it took. */
static void kv_hands_on_a_good_reply(void **state)
{
    (void)state;
    struct asked asked;
    start(&asked);
    fake_reply(&asked.fake, "{\"site\":\"aws\",\"x\":1}")->takes_ns = 7 * MS;
    assert_int_equal(ask(&asked, "wasmkv.set.a"), GW_KV_OK);
    assert_int_equal(yyjson_get_uint(yyjson_obj_get(asked.reply.root, "x")), 1);
    assert_str(hr_str_of(asked.call.site, asked.call.site_len), "aws");
    assert_int_equal(asked.call.kv_ns, 7 * MS);
    assert_false(asked.reply.maybe_done);
    assert_string_equal(asked.fake.steps[0].subject, "wasmkv.set.a");
    assert_string_equal(asked.fake.steps[0].body, "{\"$session\":\"\"}");
    stop(&asked);
}

/* Each error code of docs/protocol.md is known, and becomes the status that docs/api.md says. */
static void kv_knows_every_code(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum gw_kv_code code;
        unsigned status;
    } rows[] = {
        {"bad-request", GW_KV_BAD_REQUEST, 500},
        {"not-found", GW_KV_NOT_FOUND, 404},
        {"conflict", GW_KV_CONFLICT, 412},
        {"too-large", GW_KV_TOO_LARGE, 413},
        {"busy", GW_KV_BUSY, 503},
        {"behind", GW_KV_BEHIND, 503},
        {"unavailable", GW_KV_UNAVAILABLE, 503},
        {"unknown-outcome", GW_KV_UNKNOWN_OUTCOME, 503},
        {"too-few-acks", GW_KV_TOO_FEW_ACKS, 503},
        {"corrupt", GW_KV_CORRUPT, 500},
        {"internal", GW_KV_INTERNAL, 500},
        {"other", GW_KV_NONSENSE, 503}, /* of a write: who knows whether it was done */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct asked asked;
        char text[200];
        start(&asked);
        snprintf(text, sizeof text,
                 "{\"site\":\"gcp\",\"error\":{\"code\":\"%s\",\"message\":\"why not\","
                 "\"retryable\":true}}",
                 rows[i].name);
        fake_reply(&asked.fake, text);
        assert_int_equal(ask(&asked, "wasmkv.set.a"), rows[i].code);
        assert_str(hr_str_of(asked.call.site, asked.call.site_len), "gcp");
        assert_int_equal(gw_kv_problem(&asked.call, &asked.reply), HR_OK);
        assert_int_equal(asked.fake.response.status, rows[i].status);
        assert_has(asked.fake.response.body, "why not");
        assert_int_equal(asked.fake.log_count, rows[i].status >= 500);
        stop(&asked);
    }
}

/* Replies that the protocol does not have are told apart from errors: 502 on reads. */
static void kv_refuses_nonsense(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "1",
        "null",
        "{\"error\":1}",
        "{\"error\":null}",
        "{\"error\":{}}",
        "{\"error\":{\"code\":7}}",
        "{\"error\":{\"code\":\"OK\"}}",
        "{\"a\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct asked asked;
        start(&asked);
        fake_reply(&asked.fake, bad[i]);
        assert_int_equal(ask(&asked, "wasmkv.get"), GW_KV_NONSENSE);
        assert_false(asked.reply.maybe_done);
        assert_int_equal(gw_kv_problem(&asked.call, &asked.reply), HR_OK);
        assert_int_equal(asked.fake.response.status, 502);
        stop(&asked);
    }
}

/* An attempt that was lost before the time was over is repeated once with the same body, in what is
 * left of the time. */
static void kv_repeats_a_lost_attempt_once(void **state)
{
    (void)state;
    struct asked asked;
    start(&asked);
    fake_fail(&asked.fake, HR_IO, NULL)->takes_ns = 2000 * MS;
    fake_reply(&asked.fake, "{\"site\":\"b\"}")->takes_ns = 10 * MS;
    assert_int_equal(ask(&asked, "wasmkv.set.a"), GW_KV_OK);
    assert_int_equal(asked.fake.steps[0].timeout_ms, 5000);
    assert_int_equal(asked.fake.steps[1].timeout_ms, 3000);
    assert_string_equal(asked.fake.steps[1].subject, asked.fake.steps[0].subject);
    assert_string_equal(asked.fake.steps[1].body, asked.fake.steps[0].body);
    assert_int_equal(asked.call.kv_ns, 2010 * MS);
    stop(&asked);

    start(&asked);
    fake_fail(&asked.fake, HR_TRAP, NULL);
    fake_fail(&asked.fake, HR_TRAP, NULL);
    assert_int_equal(ask(&asked, "wasmkv.get"), GW_KV_NO_ANSWER);
    stop(&asked);
}

/* The host asks everybody there is before it says that nobody is, or hands on a refusal: asking once
 * more would only ask all of them twice. */
static void kv_leaves_failing_over_to_the_host(void **state)
{
    (void)state;
    static const enum hr_err nobody[] = {HR_NO_RESPONDERS, HR_DENIED};
    struct asked asked;
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        start(&asked);
        fake_fail(&asked.fake, nobody[i], NULL);
        assert_int_equal(ask(&asked, "wasmkv.set.a"), GW_KV_NO_ANSWER);
        stop(&asked);
    }
    start(&asked);
    fake_reply(&asked.fake, "{\"site\":\"a\",\"error\":{\"code\":\"unavailable\"}}");
    assert_int_equal(ask(&asked, "wasmkv.get"), GW_KV_UNAVAILABLE);
    stop(&asked);
}

/* With no time left there is no second attempt, nor a first one of a later request: the time is one
 * for all that a call asks. */
static void kv_keeps_to_the_configured_time(void **state)
{
    (void)state;
    struct asked asked;
    start(&asked);
    asked.fake.kv_timeout_ms = "301";
    fake_fail(&asked.fake, HR_TIMEOUT, NULL)->takes_ns = 301 * MS;
    assert_int_equal(ask(&asked, "wasmkv.get"), GW_KV_NO_ANSWER);
    assert_int_equal(asked.fake.steps[0].timeout_ms, 301);
    stop(&asked);

    start(&asked);
    asked.fake.kv_timeout_ms = "300";
    fake_fail(&asked.fake, HR_TIMEOUT, NULL)->takes_ns = 299 * MS;
    fake_fail(&asked.fake, HR_TIMEOUT, NULL)->takes_ns = 1 * MS;
    assert_int_equal(ask(&asked, "wasmkv.get"), GW_KV_NO_ANSWER);
    assert_int_equal(asked.fake.steps[1].timeout_ms, 1);
    gw_kv_reply_release(&asked.reply);
    assert_int_equal(ask(&asked, "wasmkv.set.a"), GW_KV_NO_ANSWER);
    assert_false(asked.reply.maybe_done);
    assert_has(hr_str_c(asked.reply.reason.text), "before it was asked");
    stop(&asked);

    start(&asked);
    asked.fake.kv_timeout_ms = "1";
    fake_reply(&asked.fake, "{}");
    assert_int_equal(ask(&asked, "wasmkv.get"), GW_KV_OK);
    assert_int_equal(asked.fake.steps[0].timeout_ms, 1);
    stop(&asked);
}

/* A clock that is set back neither ends the waiting nor makes it longer than twice the time. */
static void kv_survives_a_clock_set_back(void **state)
{
    (void)state;
    struct asked asked;
    start(&asked);
    fake_fail(&asked.fake, HR_TIMEOUT, NULL)->takes_ns = (uint64_t)0 - 3600 * 1000 * MS;
    fake_reply(&asked.fake, "{}");
    assert_int_equal(ask(&asked, "wasmkv.get"), GW_KV_OK);
    assert_int_equal(asked.fake.steps[1].timeout_ms, 5000);
    assert_int_equal(asked.call.kv_ns, 0);
    stop(&asked);
}

/* After a write was lost on the way, no later refusal may hide that it may have been done; where
 * nobody had got it, that is not said; and never of a read. */
static void kv_says_when_a_write_may_have_been_done(void **state)
{
    (void)state;
    static const char unavailable[] =
        "{\"site\":\"a\",\"error\":{\"code\":\"unavailable\",\"message\":\"joining\"}}";
    static const struct {
        const char *subject;
        enum hr_err first;
        bool maybe_done;
    } rows[] = {
        {"wasmkv.set.a", HR_TIMEOUT, true}, {"wasmkv.set.a", HR_IO, true},
        {"wasmkv.del", HR_CLOSED, true},    {"wasmkv.get.a", HR_TIMEOUT, false},
        {"wasmkv.get", HR_IO, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct asked asked;
        start(&asked);
        fake_fail(&asked.fake, rows[i].first, "lost");
        fake_reply(&asked.fake, unavailable);
        assert_int_equal(ask(&asked, rows[i].subject), GW_KV_UNAVAILABLE);
        assert_int_equal(asked.reply.maybe_done, rows[i].maybe_done);
        assert_int_equal(gw_kv_problem(&asked.call, &asked.reply), HR_OK);
        assert_int_equal(asked.fake.response.status, 503);
        assert_has(asked.fake.response.body, "joining");
        char *body = strndup(asked.fake.response.body.ptr, asked.fake.response.body.len);
        assert_int_equal(strstr(body, "may have been done") != NULL, rows[i].maybe_done);
        free(body);
        stop(&asked);
    }
}

/* Of a write that too few sites have it is told how many, if the reply tells; a lost attempt before
 * changes nothing about that. */
static void kv_tells_of_too_few_acks(void **state)
{
    (void)state;
    static const struct {
        const char *numbers;
        const char *part;
        const char *acks;
    } rows[] = {
        {",\"acks\":1,\"sites\":5",
         "wanted. It is on 1 of 5 sites and may still spread: read "
         "before you repeat it.\"}",
         "1/5"},
        {"", ": cut off. It may still spread: read before you repeat it.\"}", NULL},
        {",\"acks\":6,\"sites\":5", ": cut off. It may still spread: read ", NULL},
        {",\"acks\":\"1\",\"sites\":5", ": cut off. It may still spread: read ", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct asked asked;
        char text[200];
        start(&asked);
        snprintf(
            text, sizeof text,
            "{\"site\":\"gcp\",\"error\":{\"code\":\"too-few-acks\",\"message\":\"cut off\"%s}}",
            rows[i].numbers);
        fake_fail(&asked.fake, HR_IO, "lost");
        fake_reply(&asked.fake, text);
        assert_int_equal(ask(&asked, "wasmkv.set.a"), GW_KV_TOO_FEW_ACKS);
        assert_int_equal(gw_kv_problem(&asked.call, &asked.reply), HR_OK);
        assert_int_equal(asked.fake.response.status, 503);
        assert_has(asked.fake.response.body, rows[i].part);
        assert_header(&asked.fake, "Hedgerow-Acks", rows[i].acks);
        stop(&asked);
    }
}

/* However long the reason, it does not push out that a write may have been done. */
static void kv_cuts_a_long_reason(void **state)
{
    (void)state;
    struct asked asked;
    char reason[HR_DIAG_BYTES_MAX];
    memset(reason, 'r', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    start(&asked);
    fake_fail(&asked.fake, HR_TIMEOUT, reason);
    fake_fail(&asked.fake, HR_TIMEOUT, reason);
    assert_int_equal(ask(&asked, "wasmkv.set.a"), GW_KV_NO_ANSWER);
    assert_int_equal(gw_kv_problem(&asked.call, &asked.reply), HR_OK);
    assert_has(asked.fake.response.body, "may have been done: read before you repeat it.\"}");
    stop(&asked);
}

/* A host that is too busy is not asked again at once. */
static void kv_does_not_press_a_busy_host(void **state)
{
    (void)state;
    struct asked asked;
    start(&asked);
    fake_fail(&asked.fake, HR_BUSY, "queue full");
    assert_int_equal(ask(&asked, "wasmkv.set.a"), GW_KV_BUSY);
    assert_false(asked.reply.maybe_done);
    assert_string_equal(asked.reply.reason.text, "queue full");
    stop(&asked);
}

/* A bad timeout in the configuration is an error that names the key; nothing is sent. */
static void kv_refuses_a_bad_timeout(void **state)
{
    (void)state;
    static const char *const bad[] = {"0",
                                      "60001",
                                      "",
                                      "5s",
                                      "-1",
                                      "99999999999999999999",
                                      "000000000000000000000000000000000000001"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct asked asked;
        start(&asked);
        asked.fake.kv_timeout_ms = bad[i];
        assert_int_equal(ask(&asked, "wasmkv.get"), GW_KV_MISCONFIGURED);
        assert_int_equal(gw_kv_problem(&asked.call, &asked.reply), HR_OK);
        assert_int_equal(asked.fake.response.status, 500);
        assert_has(asked.fake.response.body, "kv-timeout-ms");
        stop(&asked);
    }
    struct asked asked;
    start(&asked);
    asked.fake.config_err = HR_IO;
    assert_int_equal(ask(&asked, "wasmkv.get"), GW_KV_MISCONFIGURED);
    stop(&asked);
}

/* An item needs a valid key, a valid version and an object. */
static void kv_item_must_be_whole(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"{\"key\":\"a\",\"version\":\"" V1 "\",\"value\":{}}", true},
        {"{\"key\":\"a\",\"version\":\"" V1 "\",\"value\":[]}", false},
        {"{\"key\":\"a\",\"version\":\"" V1 "\"}", false},
        {"{\"key\":\"a\",\"version\":\"1\",\"value\":{}}", false},
        {"{\"key\":\"a\",\"version\":7,\"value\":{}}", false},
        {"{\"key\":\"a\",\"value\":{}}", false},
        {"{\"key\":\"\",\"version\":\"" V1 "\",\"value\":{}}", false},
        {"{\"key\":\"a\\\"\",\"version\":\"" V1 "\",\"value\":{}}", false},
        {"{\"key\":\"a\\u0000\",\"version\":\"" V1 "\",\"value\":{}}", false},
        {"{\"version\":\"" V1 "\",\"value\":{}}", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct asked asked;
        struct gw_kv_item item;
        start(&asked);
        fake_reply(&asked.fake, rows[i].text);
        assert_int_equal(ask(&asked, "wasmkv.get.a"), GW_KV_OK);
        assert_int_equal(gw_kv_item_read(asked.reply.root, &item), rows[i].good);
        stop(&asked);
    }
    struct gw_kv_item item;
    assert_false(gw_kv_item_read(NULL, &item));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kv_hands_on_a_good_reply),
        cmocka_unit_test(kv_knows_every_code),
        cmocka_unit_test(kv_refuses_nonsense),
        cmocka_unit_test(kv_repeats_a_lost_attempt_once),
        cmocka_unit_test(kv_leaves_failing_over_to_the_host),
        cmocka_unit_test(kv_keeps_to_the_configured_time),
        cmocka_unit_test(kv_survives_a_clock_set_back),
        cmocka_unit_test(kv_says_when_a_write_may_have_been_done),
        cmocka_unit_test(kv_tells_of_too_few_acks),
        cmocka_unit_test(kv_cuts_a_long_reason),
        cmocka_unit_test(kv_does_not_press_a_busy_host),
        cmocka_unit_test(kv_refuses_a_bad_timeout),
        cmocka_unit_test(kv_item_must_be_whole),
    };
    return cmocka_run_group_tests_name("gw_kv", tests, NULL, NULL);
}
