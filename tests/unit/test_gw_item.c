/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/json.h"

#define VALUE "{\"title\":\"milk\",\"completed\":false,\"order\":3}"
#define GOT(id, version, value) \
    "{\"site\":\"aws\",\"key\":\"" id "\",\"version\":\"" version "\",\"value\":" value "}"
#define WROTE(id, version, value)                                                       \
    "{\"site\":\"aws\",\"key\":\"" id "\",\"version\":\"" version "\",\"value\":" value \
    ",\"created\":false,\"acks\":2,\"sites\":3}"
#define REFUSED(code, more) \
    "{\"site\":\"aws\",\"error\":{\"code\":\"" code "\",\"message\":\"so it is\"" more "}}"
#define DELETED "{\"site\":\"aws\",\"key\":\"" ID1 "\",\"deleted\":true,\"acks\":3,\"sites\":3}"
#define SHOWN                                         \
    "{\"id\":\"" ID1 "\",\"url\":\"" BASE "/api/" ID1 \
    "\",\"title\":\"milk\",\"completed\":false,\"order\":3}"

/* The ids that the scripted clock and randomness give. */
#define NEW_ID "018bcfe5-6800-7000-8001-020304050607"
#define NEW_REQUEST "018bcfe5-6800-7000-8809-0a0b0c0d0e0f"
#define FIRST_REQUEST NEW_ID

static void send(struct fake *fake, const char *method, const char *body)
{
    fake_send(fake, method, "/api/" ID1, body);
}

/* --- GET --- */

/* A todo comes with its version as its tag. */
static void item_get_answers_the_todo(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, GOT(ID1, V1, VALUE))->takes_ns = 1234567;
    send(&fake, "GET", "");
    assert_status(&fake, 200);
    assert_str(fake.response.body, SHOWN);
    assert_header(&fake, "ETag", "\"" V1 "\"");
    assert_header(&fake, "Content-Type", "application/json; charset=utf-8");
    assert_header(&fake, "Cache-Control", "no-cache");
    assert_header(&fake, "Hedgerow-Site", "aws");
    assert_header(&fake, "Server-Timing", "kv;dur=1.234");
    assert_string_equal(fake.steps[0].subject, "wasmkv.get." ID1);
    assert_string_equal(fake.steps[0].body, "");
    fake_release(&fake);
}

/* No value, or one that is no todo, is a 404. */
static void item_get_misses(void **state)
{
    (void)state;
    static const char *const replies[] = {
        REFUSED("not-found", ""),
        GOT(ID1, V1, "{\"completed\":true}"),
        GOT(ID1, V1, "{}"),
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_reply(&fake, replies[i]);
        send(&fake, "GET", "");
        assert_problem(&fake, 404, "There is no such todo");
        assert_header(&fake, "Hedgerow-Site", "aws");
        fake_release(&fake);
    }
}

/* A reply about something else is not taken. */
static void item_get_refuses_another_key(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, GOT(ID2, V1, VALUE));
    send(&fake, "GET", "");
    assert_problem(&fake, 502, "makes no sense");
    fake_release(&fake);
}

/* The conditions of RFC 9110 section 13 on a read. */
static void item_get_is_conditional(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        unsigned status;
    } rows[] = {
        {"If-None-Match", "\"" V1 "\"", 304},
        {"If-None-Match", "W/\"" V1 "\"", 304},
        {"If-None-Match", "*", 304},
        {"If-None-Match", "\"" V2 "\", \"" V1 "\"", 304},
        {"If-None-Match", "\"" V2 "\"", 200},
        {"If-None-Match", "malformed", 200},
        {"If-None-Match", "\"" V1 "\", malformed", 200},
        {"If-None-Match", "", 200},
        {"If-Match", "\"" V1 "\"", 200},
        {"If-Match", "*", 200},
        {"If-Match", "\"" V2 "\"", 412},
        {"If-Match", "W/\"" V1 "\"", 412},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_header(&fake, rows[i / 2].name, rows[i / 2].value);
        fake_reply(&fake, GOT(ID1, V1, VALUE));
        send(&fake, i % 2 ? "HEAD" : "GET", "");
        assert_status(&fake, rows[i / 2].status);
        if (rows[i / 2].status == 304) {
            assert_int_equal(fake.response.body.len, 0);
            assert_header(&fake, "ETag", "\"" V1 "\"");
            assert_header(&fake, "Content-Length", NULL);
        }
        fake_release(&fake);
    }
}

/* An If-Match that cannot be read is refused: ignoring it could destroy what it protects. */
static void item_refuses_a_malformed_if_match(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "PATCH", "DELETE"};
    for (size_t i = 0; i < 3; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_header(&fake, "If-Match", V1);
        send(&fake, methods[i], "{\"order\":1}");
        assert_problem(&fake, 400, "If-Match");
        fake_release(&fake);
    }
}

/* --- POST --- */

/* A new todo gets an id of ours and is written only if that is free. */
static void item_create_stores_a_new_todo(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "Content-Type", "application/json; charset=utf-8");
    fake_reply(&fake, WROTE(NEW_ID, V1, "{\"title\":\"milk\",\"completed\":false}"));
    fake_send(&fake, "POST", "/api", "{\"title\":\"milk\"}");
    assert_status(&fake, 201);
    assert_string_equal(fake.steps[0].subject, "wasmkv.set." NEW_ID);
    assert_string_equal(fake.steps[0].body,
                        "{\"title\":\"milk\",\"completed\":false,\"$if-absent\":true,"
                        "\"$request-id\":\"" NEW_REQUEST "\",\"$session\":\"\"}");
    assert_str(fake.response.body, "{\"id\":\"" NEW_ID "\",\"url\":\"" BASE "/api/" NEW_ID
                                   "\",\"title\":\"milk\",\"completed\":false,\"order\":null}");
    assert_header(&fake, "Location", BASE "/api/" NEW_ID);
    assert_header(&fake, "ETag", "\"" V1 "\"");
    assert_header(&fake, "Hedgerow-Acks", "2/3");
    assert_header(&fake, "Hedgerow-Site", "aws");
    fake_release(&fake);
}

/* All fields that are given are stored as they are. */
static void item_create_stores_all_fields(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, WROTE(NEW_ID, V1, "{\"title\":\"x\",\"completed\":true,\"order\":1.5}"));
    fake_send(&fake, "POST", "/api/", "{\"completed\":true,\"order\":1.5,\"title\":\"x\"}");
    assert_status(&fake, 201);
    assert_has(hr_str_c(fake.steps[0].body),
               "{\"title\":\"x\",\"completed\":true,\"order\":1.5,\"$if-absent\":true,");
    fake_release(&fake);
}

/* Content types that are JSON's are taken, and none at all; anything else is a 415 with the
 * header that says what would be. */
static void item_checks_the_content_type(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *type;
        bool good;
    } rows[] = {
        {"POST", NULL, true},
        {"POST", "application/json", true},
        {"POST", "Application/JSON;x=y", true},
        {"POST", "application/merge-patch+json", false},
        {"POST", "text/plain", false},
        {"POST", "", false},
        {"POST", "application/x-www-form-urlencoded", false},
        {"PATCH", NULL, true},
        {"PATCH", "application/json", true},
        {"PATCH", "application/merge-patch+json; charset=utf-8", true},
        {"PATCH", "application/json-patch+json", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        bool is_post = strcmp(rows[i].method, "POST") == 0;
        fake_init(&fake);
        if (rows[i].type) {
            fake_header(&fake, "Content-Type", rows[i].type);
        }
        if (rows[i].good) {
            fake_reply(&fake, is_post ? WROTE(NEW_ID, V1, VALUE) : WROTE(ID1, V1, VALUE));
        }
        fake_send(&fake, rows[i].method, is_post ? "/api" : "/api/" ID1, "{\"title\":\"milk\"}");
        if (rows[i].good) {
            assert_status(&fake, is_post ? 201 : 200);
        } else {
            assert_problem(&fake, 415, "application/json");
            assert_header(&fake, is_post ? "Accept-Post" : "Accept-Patch",
                          is_post ? "application/json"
                                  : "application/merge-patch+json, application/json");
        }
        fake_release(&fake);
    }
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "Content-Type", "application/json");
    fake_header(&fake, "content-type", "application/json");
    fake_send(&fake, "POST", "/api", "{\"title\":\"milk\"}");
    assert_problem(&fake, 415, "");
    fake_release(&fake);
}

/* Bodies that are too big, broken off, malformed or wrong are refused before anything is asked. */
static void item_refuses_bad_bodies(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PATCH"};
    for (size_t i = 0; i < 2; i++) {
        struct fake fake;
        const char *path = i == 0 ? "/api" : "/api/" ID1;
        fake_init(&fake);
        fake.request.body_state = GW_BODY_TOO_BIG;
        fake_send(&fake, methods[i], path, "{\"title\":\"a\"}");
        assert_problem(&fake, 413, "at most 65536 bytes");
        fake.request.body_state = GW_BODY_BROKEN;
        fake_send(&fake, methods[i], path, "{\"title\":\"a\"}");
        assert_problem(&fake, 400, "broke off");
        fake.request.body_state = GW_BODY_COMPLETE;
        fake_send(&fake, methods[i], path, "{\"title\":}");
        assert_problem(&fake, 400, "line 1, column 10");
        fake_send(&fake, methods[i], path, "");
        assert_problem(&fake, 400, "nothing there");
        fake_send(&fake, methods[i], path, "{\"title\":\"\\u0000\"}");
        assert_problem(&fake, 400, "U+0000");
        fake_send(&fake, methods[i], path, "{\"x\\\"\\u0000y\":1}");
        assert_problem(&fake, 400, "Unknown field 'x\\\"");
        fake_release(&fake);
    }
}

/* The biggest body that is allowed is read. */
static void item_reads_the_biggest_body(void **state)
{
    (void)state;
    struct fake fake;
    char *body = malloc(GW_BODY_BYTES_MAX + 1);
    memset(body, ' ', GW_BODY_BYTES_MAX + 1);
    memcpy(body, "{\"title\":\"milk\"}", 16);
    fake_init(&fake);
    fake_reply(&fake, WROTE(NEW_ID, V1, VALUE));
    fake_send_bytes(&fake, "POST", "/api", hr_str_of(body, GW_BODY_BYTES_MAX));
    assert_status(&fake, 201);
    fake_send_bytes(&fake, "POST", "/api", hr_str_of(body, GW_BODY_BYTES_MAX + 1));
    assert_status(&fake, 413);
    free(body);
    fake_release(&fake);
}

/* A repeated write has the same id, the same request id, and one answer. */
static void item_create_is_repeated_under_its_id(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_fail(&fake, HR_TIMEOUT, "timed out");
    fake_reply(&fake, WROTE(NEW_ID, V1, VALUE));
    fake_send(&fake, "POST", "/api", "{\"title\":\"milk\"}");
    assert_status(&fake, 201);
    assert_string_equal(fake.steps[1].subject, fake.steps[0].subject);
    assert_string_equal(fake.steps[1].body, fake.steps[0].body);
    fake_release(&fake);
}

/* What the kv actor refuses of a new todo. */
static void item_create_reports_failures(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        unsigned status;
        const char *part;
    } rows[] = {
        {REFUSED("conflict", ",\"version\":\"" V1 "\""), 503, "try again"},
        {REFUSED("unknown-outcome", ""), 503, "may have been done: read before"},
        {REFUSED("busy", ""), 503, "too busy: so it is."},
        {REFUSED("too-large", ""), 413, "so it is"},
        {REFUSED("corrupt", ""), 500, "so it is"},
        {REFUSED("internal", ""), 500, "so it is"},
        {REFUSED("bad-request", ""), 500, "so it is"},
        {GOT(ID1, V1, VALUE), 503,
         "makes no sense: no key, version or value. It may have been done"},
        {"{\"site\":\"aws\"}", 503, "It may have been done"},
        {"oops", 503, "It may have been done"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_reply(&fake, rows[i].reply);
        fake_send(&fake, "POST", "/api", "{\"title\":\"milk\"}");
        assert_problem(&fake, rows[i].status, rows[i].part);
        /* Where to look for what may have been done. */
        bool is_unsure = strstr(rows[i].part, "may have been done") != NULL;
        assert_header(&fake, "Location", is_unsure ? BASE "/api/" NEW_ID : NULL);
        assert_header(&fake, "ETag", NULL);
        assert_header(&fake, "Hedgerow-Acks", NULL);
        fake_release(&fake);
    }
}

/* A write that too few sites confirmed is a 503 which says how many have it, and where a new todo
 * is to be looked for. It is not repeated: it was done. */
static void item_writes_report_too_few_acks(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *path;
        const char *location;
    } rows[] = {
        {"POST", "/api", BASE "/api/" NEW_ID},
        {"PATCH", "/api/" ID1, NULL},
        {"DELETE", "/api/" ID1, NULL},
        {"DELETE", "/api", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_reply(&fake, REFUSED("too-few-acks", ",\"acks\":1,\"sites\":5"));
        fake_send(&fake, rows[i].method, rows[i].path, "{\"title\":\"milk\"}");
        assert_problem(&fake, 503,
                       "fewer sites than wanted. It is on 1 of 5 sites and may still "
                       "spread: read before you repeat it.\"}");
        assert_header(&fake, "Hedgerow-Acks", "1/5");
        assert_header(&fake, "Hedgerow-Site", "aws");
        assert_header(&fake, "Location", rows[i].location);
        fake_release(&fake);
    }
}

/* A lost write is repeated with the same body, so under the same id, whichever write it is. */
static void item_writes_are_repeated_under_their_id(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"POST", "/api"}, {"PATCH", "/api/" ID1}, {"DELETE", "/api/" ID1}, {"DELETE", "/api"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_fail(&fake, HR_IO, "cut off");
        fake_reply(&fake, REFUSED("busy", ""));
        fake_send(&fake, rows[i][0], rows[i][1], "{\"title\":\"milk\"}");
        assert_problem(&fake, 503, "It may have been done");
        assert_string_equal(fake.steps[1].subject, fake.steps[0].subject);
        assert_string_equal(fake.steps[1].body, fake.steps[0].body);
        assert_has(hr_str_c(fake.steps[0].body), "\"$request-id\":\"018bcfe5-6800-7000-8");
        fake_release(&fake);
    }
}

/* The condition's read and the write have the kv actor's time together. */
static void item_writes_share_the_time_with_their_reads(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "If-Match", "\"" V1 "\", \"x\"");
    fake_reply(&fake, GOT(ID1, V1, VALUE))->takes_ns = UINT64_C(4000) * 1000000u;
    fake_reply(&fake, DELETED);
    send(&fake, "DELETE", "");
    assert_status(&fake, 204);
    assert_int_equal(fake.steps[0].timeout_ms, 5000);
    assert_int_equal(fake.steps[1].timeout_ms, 1000);
    fake_release(&fake);

    fake_init(&fake);
    fake_header(&fake, "If-Match", "\"" V1 "\", \"x\"");
    fake_reply(&fake, GOT(ID1, V1, VALUE))->takes_ns = UINT64_C(5000) * 1000000u;
    send(&fake, "DELETE", "");
    assert_problem(&fake, 503, "did not answer: its time was over before it was asked.\"}");
    fake_release(&fake);
}

/* --- PATCH --- */

/* Without conditions the kv actor is told that there must be a value. */
static void item_patch_wants_a_present_todo(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, WROTE(ID1, V2, VALUE));
    send(&fake, "PATCH", "{\"completed\":false,\"order\":null}");
    assert_status(&fake, 200);
    assert_str(fake.response.body, SHOWN);
    assert_header(&fake, "ETag", "\"" V2 "\"");
    assert_header(&fake, "Hedgerow-Acks", "2/3");
    assert_string_equal(fake.steps[0].subject, "wasmkv.set." ID1);
    assert_string_equal(fake.steps[0].body,
                        "{\"completed\":false,\"order\":null,\"$if-present\":true,"
                        "\"$request-id\":\"" FIRST_REQUEST "\",\"$session\":\"\"}");
    fake_release(&fake);
}

/* The conditions that the kv actor can evaluate go to it as they are. */
static void item_writes_hand_simple_conditions_on(void **state)
{
    (void)state;
    static const struct {
        const char *if_match;
        const char *option;
    } rows[] = {
        {"\"" V1 "\"", "\"$if-present\":true,\"$if-version\":\"" V1 "\",\"$request-id\""},
        {" , \"" V1 "\"", "\"$if-present\":true,\"$if-version\":\"" V1 "\""},
        {"*", "\"$if-present\":true,\"$request-id\""},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        bool is_patch = i % 2 == 0;
        fake_init(&fake);
        fake_header(&fake, "if-match", rows[i / 2].if_match);
        fake_reply(&fake, is_patch ? WROTE(ID1, V2, VALUE) : DELETED);
        send(&fake, is_patch ? "PATCH" : "DELETE", "{\"title\":\"milk\"}");
        assert_status(&fake, is_patch ? 200 : 204);
        assert_has(hr_str_c(fake.steps[0].body), rows[i / 2].option);
        fake_release(&fake);
    }
}

/* Other conditions are evaluated on a read; the write then wants just that version. */
static void item_writes_read_for_other_conditions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        bool passes;
    } rows[] = {
        {"If-Match", "\"" V2 "\", \"" V1 "\"", true},
        {"If-Match", "\"" V2 "\", W/\"" V1 "\"", false},
        {"If-Match", "W/\"" V1 "\"", false},
        {"If-Match", "\"no-version\"", false},
        {"If-None-Match", "*", false},
        {"If-None-Match", "\"" V1 "\"", false},
        {"If-None-Match", "\"" V2 "\"", true},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        bool is_patch = i % 2 == 0;
        fake_init(&fake);
        fake_header(&fake, rows[i / 2].name, rows[i / 2].value);
        fake_reply(&fake, GOT(ID1, V1, VALUE));
        if (rows[i / 2].passes) {
            fake_reply(&fake, is_patch ? WROTE(ID1, V2, VALUE) : DELETED);
        }
        send(&fake, is_patch ? "PATCH" : "DELETE", "{\"title\":\"milk\"}");
        assert_string_equal(fake.steps[0].subject, "wasmkv.get." ID1);
        if (rows[i / 2].passes) {
            assert_status(&fake, is_patch ? 200 : 204);
            assert_has(hr_str_c(fake.steps[1].body), "\"$if-version\":\"" V1 "\"");
        } else {
            assert_problem(&fake, 412, rows[i / 2].name);
        }
        fake_release(&fake);
    }
}

/* The two lines of a header are one list. */
static void item_writes_join_if_match_lines(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "If-Match", "\"" V2 "\"");
    fake_header(&fake, "If-Match", "\"" V1 "\"");
    fake_reply(&fake, GOT(ID1, V1, VALUE));
    fake_reply(&fake, DELETED);
    send(&fake, "DELETE", "");
    assert_status(&fake, 204);
    fake_release(&fake);
}

/* A conflict with a wanted version is a 412, with or without a read before. */
static void item_writes_answer_conflicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct fake fake;
        bool is_patch = i % 2 == 0;
        fake_init(&fake);
        fake_header(&fake, "If-Match", "\"" V1 "\"");
        if (i / 2 == 0) {
            fake_header(&fake, "If-Match", "\"" V2 "\"");
            fake_reply(&fake, GOT(ID1, V1, VALUE));
        }
        fake_reply(&fake, REFUSED("conflict", ",\"version\":\"" V2 "\""));
        send(&fake, is_patch ? "PATCH" : "DELETE", "{\"title\":\"milk\"}");
        assert_problem(&fake, 412, "changed in between");
        fake_release(&fake);
    }
}

/* A conflict that no condition of the client explains is for it to try again. */
static void item_writes_answer_odd_conflicts(void **state)
{
    (void)state;
    static const char *const methods[] = {"PATCH", "DELETE"};
    for (size_t i = 0; i < 2; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_reply(&fake, REFUSED("conflict", ",\"version\":\"" V2 "\""));
        send(&fake, methods[i], "{\"title\":\"milk\"}");
        assert_problem(&fake, 503, "try again");
        fake_release(&fake);
    }
}

/* What is not there can neither be changed nor deleted, whatever the conditions. */
static void item_writes_miss(void **state)
{
    (void)state;
    static const char *const conditions[] = {NULL, "*", "\"a\", \"b\""};
    for (size_t i = 0; i < 6; i++) {
        struct fake fake;
        fake_init(&fake);
        if (conditions[i / 2]) {
            fake_header(&fake, "If-Match", conditions[i / 2]);
        }
        fake_reply(&fake, REFUSED("not-found", ""));
        send(&fake, i % 2 ? "PATCH" : "DELETE", "{\"title\":\"milk\"}");
        assert_problem(&fake, 404, "There is no such todo");
        fake_release(&fake);
    }
}

/* A patch that changes nothing writes nothing, and answers what is there. */
static void item_patch_of_nothing_only_reads(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{}",
                                         "{\"id\":\"" ID1 "\",\"url\":\"" BASE "/api/" ID1 "\"}"};
    for (size_t i = 0; i < 2; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_reply(&fake, GOT(ID1, V1, VALUE));
        send(&fake, "PATCH", bodies[i]);
        assert_status(&fake, 200);
        assert_str(fake.response.body, SHOWN);
        assert_header(&fake, "ETag", "\"" V1 "\"");
        assert_header(&fake, "Hedgerow-Acks", NULL);
        assert_string_equal(fake.steps[0].subject, "wasmkv.get." ID1);
        fake_release(&fake);
    }
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "If-Match", "\"" V2 "\"");
    fake_reply(&fake, GOT(ID1, V1, VALUE));
    send(&fake, "PATCH", "{}");
    assert_problem(&fake, 412, "If-Match");
    fake_release(&fake);
}

/* A patch whose todo was deleted at the same time leaves a value that is none: 404. */
static void item_patch_of_a_vanished_todo_misses(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, WROTE(ID1, V2, "{\"completed\":true}"));
    send(&fake, "PATCH", "{\"completed\":true}");
    assert_problem(&fake, 404, "no such todo");
    fake_release(&fake);
}

/* A patch of id or url is refused unless it repeats them; the url is the request's own. */
static void item_patch_keeps_id_and_url(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    send(&fake, "PATCH", "{\"title\":\"a\",\"id\":\"" ID2 "\"}");
    assert_problem(&fake, 400, "'id' is read-only");
    send(&fake, "PATCH", "{\"url\":\"https://todo.example:8080/api/" ID1 "\"}");
    assert_problem(&fake, 400, "'url' is read-only");
    fake.request.scheme = HR_STR("https");
    fake_reply(&fake, GOT(ID1, V1, VALUE));
    send(&fake, "PATCH", "{\"url\":\"https://todo.example:8080/api/" ID1 "\"}");
    assert_status(&fake, 200);
    fake_release(&fake);
}

/* --- DELETE --- */

/* A deletion has no body, says how many hold it, and is told to want a value. */
static void item_delete_answers_204(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, DELETED);
    send(&fake, "DELETE", "");
    assert_status(&fake, 204);
    assert_int_equal(fake.response.body.len, 0);
    assert_header(&fake, "Content-Length", NULL);
    assert_header(&fake, "Content-Type", NULL);
    assert_header(&fake, "Hedgerow-Acks", "3/3");
    assert_string_equal(fake.steps[0].subject, "wasmkv.del." ID1);
    assert_string_equal(fake.steps[0].body, "{\"$if-present\":true,\"$request-id\":\"" FIRST_REQUEST
                                            "\",\"$session\":\"\"}");
    fake_release(&fake);
}

/* Deleting all is one message; no entity tag can protect the list. */
static void item_delete_all_clears(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        unsigned status;
    } rows[] = {
        {"Accept", "*/*", 204},      {"If-Match", "*", 204},          {"If-Match", "\"a\"", 412},
        {"If-None-Match", "*", 412}, {"If-None-Match", "\"a\"", 412}, {"If-Match", "a", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_header(&fake, rows[i].name, rows[i].value);
        if (rows[i].status == 204) {
            fake_reply(&fake,
                       "{\"site\":\"aws\",\"cleared\":true,\"count\":7,\"acks\":1,\"sites\":1}");
        }
        fake_send(&fake, "DELETE", "/api", "");
        assert_status(&fake, rows[i].status);
        if (rows[i].status == 204) {
            assert_header(&fake, "Hedgerow-Acks", "1/1");
            assert_string_equal(fake.steps[0].subject, "wasmkv.del");
            assert_string_equal(fake.steps[0].body,
                                "{\"$request-id\":\"" FIRST_REQUEST "\",\"$session\":\"\"}");
        }
        fake_release(&fake);
    }
}

/* POST too is a write on the list. */
static void item_create_cannot_be_conditional(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_header(&fake, "If-None-Match", "*");
    fake_send(&fake, "POST", "/api", "{\"title\":\"a\"}");
    assert_problem(&fake, 412, "whole list");
    fake_release(&fake);
}

/* A reply without acks, or with odd ones, is still a success; the header is left out. */
static void item_acks_are_optional(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "{\"site\":\"aws\",\"deleted\":true}",
        "{\"site\":\"aws\",\"deleted\":true,\"acks\":-1,\"sites\":3}",
        "{\"site\":\"aws\",\"deleted\":true,\"acks\":\"1\",\"sites\":3}",
        "{\"site\":\"aws\",\"deleted\":true,\"acks\":4,\"sites\":3}",
        "{\"site\":\"aws\",\"deleted\":true,\"acks\":0,\"sites\":0}",
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_reply(&fake, replies[i]);
        send(&fake, "DELETE", "");
        assert_status(&fake, 204);
        assert_header(&fake, "Hedgerow-Acks", NULL);
        fake_release(&fake);
    }
}

/* Nobody there, on each method: 503 with the reason, and no word of "may have been done". */
static void item_reports_a_missing_kv_actor(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "HEAD", "PATCH", "DELETE"};
    for (size_t i = 0; i < 4; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_fail(&fake, HR_NO_RESPONDERS, "nobody answers there: wasmkv");
        send(&fake, methods[i], "{\"title\":\"a\"}");
        assert_status(&fake, 503);
        assert_header(&fake, "Retry-After", "1");
        assert_header(&fake, "Hedgerow-Site", "here");
        if (i != 1) {
            assert_problem(&fake, 503, "did not answer: nobody answers there: wasmkv.\"}");
        }
        fake_release(&fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(item_get_answers_the_todo),
        cmocka_unit_test(item_get_misses),
        cmocka_unit_test(item_get_refuses_another_key),
        cmocka_unit_test(item_get_is_conditional),
        cmocka_unit_test(item_refuses_a_malformed_if_match),
        cmocka_unit_test(item_create_stores_a_new_todo),
        cmocka_unit_test(item_create_stores_all_fields),
        cmocka_unit_test(item_checks_the_content_type),
        cmocka_unit_test(item_refuses_bad_bodies),
        cmocka_unit_test(item_reads_the_biggest_body),
        cmocka_unit_test(item_create_is_repeated_under_its_id),
        cmocka_unit_test(item_create_reports_failures),
        cmocka_unit_test(item_writes_report_too_few_acks),
        cmocka_unit_test(item_writes_are_repeated_under_their_id),
        cmocka_unit_test(item_writes_share_the_time_with_their_reads),
        cmocka_unit_test(item_create_cannot_be_conditional),
        cmocka_unit_test(item_patch_wants_a_present_todo),
        cmocka_unit_test(item_writes_hand_simple_conditions_on),
        cmocka_unit_test(item_writes_read_for_other_conditions),
        cmocka_unit_test(item_writes_join_if_match_lines),
        cmocka_unit_test(item_writes_answer_conflicts),
        cmocka_unit_test(item_writes_answer_odd_conflicts),
        cmocka_unit_test(item_writes_miss),
        cmocka_unit_test(item_patch_of_nothing_only_reads),
        cmocka_unit_test(item_patch_of_a_vanished_todo_misses),
        cmocka_unit_test(item_patch_keeps_id_and_url),
        cmocka_unit_test(item_delete_answers_204),
        cmocka_unit_test(item_delete_all_clears),
        cmocka_unit_test(item_acks_are_optional),
        cmocka_unit_test(item_reports_a_missing_kv_actor),
    };
    return cmocka_run_group_tests_name("gw_item", tests, NULL, NULL);
}
