/* links: core_todo */
/* Sessions between clients and the kv actor, and what is said of sites that are behind. */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/session.h"

#define VALUE "{\"title\":\"milk\",\"completed\":false}"
#define GOT(more) \
    "{\"site\":\"aws\",\"key\":\"" ID1 "\",\"version\":\"" V1 "\",\"value\":" VALUE more "}"
#define LIST(more) "{\"site\":\"aws\",\"items\":[],\"next\":null" more "}"
#define TOKEN(text) ",\"session\":\"" text "\""
#define BAD_TOKEN                                                                             \
    "{\"site\":\"aws\",\"error\":{\"code\":\"bad-request\",\"message\":\"$session must be a " \
    "token\",\"retryable\":false}}"
#define ATTRIBUTES "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"

static void send(struct fake *fake, const char *method, const char *body)
{
    fake_send(fake, method, "/api/" ID1, body);
}

/* Who brings no token reads as ever. */
static void session_is_not_for_plain_reads(void **state)
{
    (void)state;
    static const char *const cookies[] = {NULL, "", "other=1; x-hedgerow-session=AA",
                                          "hedgerow-session=A+B", "hedgerow-session"};
    for (size_t i = 0; i < sizeof cookies / sizeof cookies[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        if (cookies[i]) {
            fake_header(&fake, "Cookie", cookies[i]);
        }
        fake_reply(&fake, GOT(""));
        send(&fake, "GET", "");
        assert_status(&fake, 200);
        assert_string_equal(fake.steps[0].body, "");
        assert_header(&fake, "Hedgerow-Session", NULL);
        assert_header(&fake, "Set-Cookie", NULL);
        assert_header(&fake, "Cache-Control", "no-cache");
        fake_release(&fake);
    }
}

/* Each write gives a token and a cookie, to its client alone. */
static void session_begins_with_a_write(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *body, *reply;
        unsigned status;
    } rows[] = {
        {"POST", "/api", "{\"title\":\"milk\"}",
         "{\"site\":\"aws\",\"key\":\"018bcfe5-6800-7000-8001-020304050607\",\"version\":\"" V1
         "\",\"value\":" VALUE ",\"created\":true" TOKEN("New-_1") "}",
         201},
        {"PATCH", "/api/" ID1, "{\"completed\":true}", GOT(TOKEN("New-_1")), 200},
        {"DELETE", "/api/" ID1, "", "{\"site\":\"aws\",\"deleted\":true" TOKEN("New-_1") "}", 204},
        {"DELETE", "/api", "", "{\"site\":\"aws\",\"cleared\":true" TOKEN("New-_1") "}", 204},
        {"PATCH", "/api/" ID1, "{\"completed\":true}",
         "{\"site\":\"aws\",\"error\":{\"code\":\"too-few-acks\",\"message\":\"\"}" TOKEN(
             "New-_1") "}",
         503},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_reply(&fake, rows[i].reply);
        fake_header(&fake, "Content-Type",
                    rows[i].method[1] == 'A' ? "application/merge-patch+json" : "application/json");
        fake_send(&fake, rows[i].method, rows[i].path, rows[i].body);
        assert_status(&fake, rows[i].status);
        assert_has(hr_str_c(fake.steps[0].body), ",\"$session\":\"\"}");
        assert_header(&fake, "Hedgerow-Session", "New-_1");
        assert_header(&fake, "Set-Cookie", "hedgerow-session=New-_1" ATTRIBUTES);
        assert_header(&fake, "Cache-Control", "private, no-cache");
        fake_release(&fake);
    }
}

/* A read with a token asks with it and gives the newer one; the cookie only if there was one, and it changed. */
static void session_goes_on_with_reads(void **state)
{
    (void)state;
    static const struct {
        const char *header, *cookie, *sent, *given, *set;
    } rows[] = {
        {"Old", NULL, "Old", "New", NULL},
        {"", NULL, "", "New", NULL},
        {NULL, "hedgerow-session=Old", "Old", "New", "hedgerow-session=New" ATTRIBUTES},
        {NULL, "a=b; hedgerow-session=Old ;c=d", "Old", "Old", NULL},
        {"Old", "hedgerow-session=Older", "Old", "New", "hedgerow-session=New" ATTRIBUTES},
        {"", "hedgerow-session=Older", "", "New", "hedgerow-session=New" ATTRIBUTES},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[64];
        char reply[256];
        struct fake fake;
        fake_init(&fake);
        if (rows[i].header) {
            fake_header(&fake, "hedgerow-session", rows[i].header);
        }
        fake_header(&fake, "Cookie", "first=1");
        if (rows[i].cookie) {
            fake_header(&fake, "cookie", rows[i].cookie);
        }
        snprintf(reply, sizeof reply, GOT(TOKEN("%s")), rows[i].given);
        fake_reply(&fake, reply);
        send(&fake, "GET", "");
        assert_status(&fake, 200);
        snprintf(body, sizeof body, "{\"$session\":\"%s\"}", rows[i].sent);
        assert_string_equal(fake.steps[0].body, body);
        assert_header(&fake, "Hedgerow-Session", rows[i].given);
        assert_header(&fake, "Set-Cookie", rows[i].set);
        assert_header(&fake, "Cache-Control", "private, no-cache");
        fake_release(&fake);
    }
}

/* So it is if there is no such todo, or the client has it already: both tell what has been seen. */
static void session_goes_on_without_a_body(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "Cookie", "hedgerow-session=Old");
    fake_reply(
        &fake,
        "{\"site\":\"aws\",\"error\":{\"code\":\"not-found\",\"message\":\"no\"}" TOKEN("New") "}");
    send(&fake, "GET", "");
    assert_problem(&fake, 404, "no such todo");
    assert_header(&fake, "Hedgerow-Session", "New");
    assert_header(&fake, "Set-Cookie", "hedgerow-session=New" ATTRIBUTES);
    fake_header(&fake, "If-None-Match", "\"" V1 "\"");
    fake_reply(&fake, GOT(TOKEN("Newer")));
    send(&fake, "HEAD", "");
    assert_status(&fake, 304);
    assert_header(&fake, "Hedgerow-Session", "Newer");
    assert_header(&fake, "Set-Cookie", "hedgerow-session=Newer" ATTRIBUTES);
    assert_header(&fake, "Cache-Control", "private, no-cache");
    fake_release(&fake);
}

/* The pages of one list follow one another: each is asked for with what the one before has shown. */
static void session_goes_on_from_page_to_page(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "Hedgerow-Session", "One");
    fake_reply(&fake, "{\"site\":\"aws\",\"items\":[],\"next\":\"" ID1 "\"" TOKEN("Two") "}");
    fake_reply(&fake, LIST(TOKEN("Three")));
    fake_send(&fake, "GET", "/api", "");
    assert_status(&fake, 200);
    assert_string_equal(fake.steps[0].body, "{\"limit\":1000,\"$session\":\"One\"}");
    assert_string_equal(fake.steps[1].body,
                        "{\"limit\":1000,\"after\":\"" ID1 "\",\"$session\":\"Two\"}");
    assert_header(&fake, "Hedgerow-Session", "Three");
    fake_release(&fake);
}

/* A header that is no token is the client's mistake, whether that is seen here or by the kv actor. */
static void session_in_a_header_is_checked(void **state)
{
    (void)state;
    char long_token[GW_SESSION_CHARS_MAX + 2];
    memset(long_token, 'A', sizeof long_token - 1);
    long_token[sizeof long_token - 1] = '\0';
    const char *const values[] = {"a b", "\"A\"", "AA==", long_token, "\xc3\xa9"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_header(&fake, "Hedgerow-Session", values[i]);
        send(&fake, "GET", "");
        assert_problem(&fake, 400, "Header Hedgerow-Session must be a token");
        fake_release(&fake);
    }
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "Hedgerow-Session", long_token + 1);
    fake_reply(&fake, BAD_TOKEN);
    send(&fake, "GET", "");
    assert_problem(&fake, 400, "Header Hedgerow-Session is not valid");
    assert_header(&fake, "Hedgerow-Session", NULL);
    fake_header(&fake, "Hedgerow-Session", "BB");
    send(&fake, "GET", "");
    assert_problem(&fake, 400, "Header Hedgerow-Session must be a token");
    fake_release(&fake);
}

/* A cookie that the kv actor does not take, one of another lattice perhaps, is replaced. */
static void session_in_a_cookie_is_replaced(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "Cookie", "hedgerow-session=Foreign");
    fake_reply(&fake, BAD_TOKEN);
    fake_reply(&fake, GOT(TOKEN("New")));
    send(&fake, "GET", "");
    assert_status(&fake, 200);
    assert_string_equal(fake.steps[1].body, "{\"$session\":\"\"}");
    assert_header(&fake, "Set-Cookie", "hedgerow-session=New" ATTRIBUTES);
    fake_reply(&fake, BAD_TOKEN);
    fake_reply(&fake, BAD_TOKEN);
    send(&fake, "GET", "");
    assert_problem(&fake, 400, "Hedgerow-Session");
    fake_release(&fake);
}

/* A session that no site can go on with is a 503, and keeps its token. */
static void session_that_is_ahead_of_all_waits(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "Cookie", "hedgerow-session=Old");
    fake_reply(&fake, "{\"site\":\"aws\",\"error\":{\"code\":\"behind\",\"message\":\"not yet\","
                      "\"retryable\":true}}");
    send(&fake, "GET", "");
    assert_problem(&fake, 503, "No site in reach has what this session has seen: not yet.");
    assert_header(&fake, "Hedgerow-Behind", "session");
    assert_header(&fake, "Hedgerow-Session", NULL);
    assert_header(&fake, "Set-Cookie", NULL);
    fake_release(&fake);
}

/* What a reply has for a token that cannot be one is not given to anybody. */
static void session_of_a_reply_is_checked(void **state)
{
    (void)state;
    static const char *const tokens[] = {"", "a;b", "a\\r\\nSet-Cookie: x"};
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        char reply[256];
        struct fake fake;
        fake_init(&fake);
        fake_header(&fake, "Hedgerow-Session", "Old");
        snprintf(reply, sizeof reply, GOT(TOKEN("%s")), tokens[i]);
        fake_reply(&fake, reply);
        send(&fake, "GET", "");
        assert_status(&fake, 200);
        assert_header(&fake, "Hedgerow-Session", NULL);
        fake_release(&fake);
    }
}

/* A list from a site that may lack something says what, and nothing else does. */
static void list_says_that_it_is_behind(void **state)
{
    (void)state;
    static const struct {
        const char *more, *header;
    } rows[] = {
        {"", NULL},
        {",\"behind\":{\"changes\":12,\"silent\":[]}", "changes=12"},
        {",\"behind\":{\"changes\":0,\"silent\":[\"oslo\"]}", "silent=(\"oslo\")"},
        {",\"behind\":{\"changes\":3,\"silent\":[\"oslo\",\"a\\\"b\\\\\xc3\xa9\"]}",
         "changes=3, silent=(\"oslo\" \"a\\\"b\\\\??\")"},
        {",\"behind\":{\"changes\":\"3\",\"silent\":[\"\",7,null]}", NULL},
        {",\"behind\":{\"changes\":18446744073709551615}", "changes=999999999999999"},
        {",\"behind\":[]", NULL},
        {",\"behind\":null", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char reply[256];
        struct fake fake;
        fake_init(&fake);
        snprintf(reply, sizeof reply, LIST("%s"), rows[i].more);
        fake_reply(&fake, reply);
        fake_send(&fake, "GET", "/api", "");
        assert_status(&fake, 200);
        assert_header(&fake, "Hedgerow-Behind", rows[i].header);
        fake_release(&fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_is_not_for_plain_reads),
        cmocka_unit_test(session_begins_with_a_write),
        cmocka_unit_test(session_goes_on_with_reads),
        cmocka_unit_test(session_goes_on_without_a_body),
        cmocka_unit_test(session_goes_on_from_page_to_page),
        cmocka_unit_test(session_in_a_header_is_checked),
        cmocka_unit_test(session_in_a_cookie_is_replaced),
        cmocka_unit_test(session_that_is_ahead_of_all_waits),
        cmocka_unit_test(session_of_a_reply_is_checked),
        cmocka_unit_test(list_says_that_it_is_behind),
    };
    return cmocka_run_group_tests_name("gw_session", tests, NULL, NULL);
}
