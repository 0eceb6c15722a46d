/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_dkv_check.h"
#include "test_has.h"

static int setup(void **state)
{
    struct fake *fake = malloc(sizeof *fake);
    if (!fake) {
        return -1;
    }
    *fake = fake_new(7);
    *state = fake;
    return 0;
}

static int teardown(void **state)
{
    struct fake *fake = *state;
    unsigned failures = check_failures(fake, true);
    fake_release(fake);
    free(fake);
    return failures > 0 ? -1 : 0;
}

/* The version in a reply, copied. */
static void version_of(const char *reply, char ret_version[33])
{
    const char *at = strstr(reply, "\"version\":\"");
    assert_non_null(at);
    memcpy(ret_version, at + 11, 32);
    ret_version[32] = '\0';
}

/* A set of what is not there creates it, and get gives it back, fields in the order of their names. */
static void write_creates_and_reads_back(void **state)
{
    const char *reply = fake_send(*state, "wasmkv.set.todo.1", "{\"b\":[1, 2.50],\"a\":\"x\"}");
    has(reply, "{\"site\":\"here\",\"key\":\"todo.1\",\"version\":\"");
    has(reply, "\"value\":{\"a\":\"x\",\"b\":[1,2.50]},\"created\":true,\"acks\":1,\"sites\":1}");
    char version[33];
    version_of(reply, version);
    reply = fake_send(*state, "wasmkv.get.todo.1", "");
    has(reply, version);
    has(reply, "\"value\":{\"a\":\"x\",\"b\":[1,2.50]}}");
}

/* A patch replaces the fields that it names, null removes one, the others stay. */
static void write_patches_fields(void **state)
{
    fake_send(*state, "wasmkv.set.k", "{\"a\":1,\"b\":2,\"c\":{\"x\":1}}");
    const char *reply =
        fake_send(*state, "wasmkv.set.k", "{\"b\":null,\"d\":4,\"c\":{\"y\":null}}");
    has(reply, "\"value\":{\"a\":1,\"c\":{\"y\":null},\"d\":4},\"created\":false");
}

/* Numbers come back digit for digit. */
static void write_keeps_numbers_exact(void **state)
{
    const char *reply =
        fake_send(*state, "wasmkv.set.k", "{\"n\":[123456789012345678901234567890,1e2,-0.10,1.0]}");
    has(reply, "{\"n\":[123456789012345678901234567890,1e2,-0.10,1.0]}");
}

/* An empty object is a value, whether written so or left so. */
static void write_keeps_empty_values(void **state)
{
    has(fake_send(*state, "wasmkv.set.k", "{}"), "\"value\":{},\"created\":true");
    has(fake_send(*state, "wasmkv.set.k", "{\"a\":1}"), "\"value\":{\"a\":1},\"created\":false");
    has(fake_send(*state, "wasmkv.set.k", "{\"a\":null}"), "\"value\":{},\"created\":false");
    has(fake_send(*state, "wasmkv.get.k", ""), "\"value\":{}}");
    has(fake_send(*state, "wasmkv.get", ""), "\"value\":{}}");
    fake_send(*state, "wasmkv.set.l", "{\"a\":1}");
    has(fake_send(*state, "wasmkv.set.l", "{\"a\":null}"), "\"value\":{},\"created\":false");
    has(fake_send(*state, "wasmkv.get.l", ""), "\"value\":{}}");
}

/* A patch without members changes the version and nothing else. */
static void write_touches_with_an_empty_patch(void **state)
{
    char before[33];
    char after[33];
    version_of(fake_send(*state, "wasmkv.set.k", "{\"a\":1}"), before);
    const char *reply = fake_send(*state, "wasmkv.set.k", "{}");
    has(reply, "\"value\":{\"a\":1},\"created\":false");
    version_of(reply, after);
    assert_string_not_equal(before, after);
    version_of(fake_send(*state, "wasmkv.set.k", "{}"), before);
    assert_string_not_equal(before, after);
}

/* A deleted value is gone, and can be created anew without its old fields. */
static void write_deletes(void **state)
{
    fake_send(*state, "wasmkv.set.k", "{\"a\":1}");
    has(fake_send(*state, "wasmkv.del.k", ""),
        "{\"site\":\"here\",\"key\":\"k\",\"deleted\":true,\"acks\":1,\"sites\":1}");
    has(fake_send(*state, "wasmkv.get.k", ""),
        "{\"site\":\"here\",\"error\":{\"code\":\"not-found\"");
    has(fake_send(*state, "wasmkv.set.k", "{\"b\":2}"), "\"value\":{\"b\":2},\"created\":true");
}

/* Deleting what is not there is done all the same, unless it has to be there. */
static void write_deletes_what_is_not_there(void **state)
{
    has(fake_send(*state, "wasmkv.del.k", ""), "\"deleted\":true");
    has(fake_send(*state, "wasmkv.del.k", "{\"$if-present\":true}"), "\"code\":\"not-found\"");
}

/* Conditions are judged against what is there; a conflict tells the version. */
static void write_judges_conditions(void **state)
{
    char version[33];
    char body[80];
    char expected[120];
    has(fake_send(*state, "wasmkv.set.k", "{\"$if-present\":true,\"a\":1}"), "\"not-found\"");
    version_of(fake_send(*state, "wasmkv.set.k", "{\"$if-absent\":true,\"a\":1}"), version);
    snprintf(expected, sizeof expected,
             "\"code\":\"conflict\",\"message\":\"there is a value already\",\"retryable\":false,"
             "\"version\":\"%s\"}}",
             version);
    has(fake_send(*state, "wasmkv.set.k", "{\"$if-absent\":true,\"a\":2}"), expected);
    snprintf(body, sizeof body, "{\"$if-version\":\"%s\",\"a\":3}", version);
    has(fake_send(*state, "wasmkv.set.k", body), "\"value\":{\"a\":3}");
    has(fake_send(*state, "wasmkv.set.k", body), "\"code\":\"conflict\"");
    snprintf(body, sizeof body, "{\"$if-version\":\"%s\"}", version);
    version_of(fake_send(*state, "wasmkv.get.k", ""), version);
    const char *reply = fake_send(*state, "wasmkv.del.k", body);
    has(reply, "\"code\":\"conflict\"");
    has(reply, version);
    has(fake_send(*state, "wasmkv.del.k", "{\"$if-absent\":true}"), version);
    fake_send(*state, "wasmkv.del.k", "");
    has(fake_send(*state, "wasmkv.del.k", body), "\"version\":null");
}

/* Deleting everything is one change, hides all at once, and counts what was visible. */
static void write_clears_in_one_change(void **state)
{
    struct fake *fake = *state;
    fake->page_max = 2;
    for (int i = 0; i < 7; i++) {
        char subject[32];
        snprintf(subject, sizeof subject, "wasmkv.set.k%d", i);
        fake_send(fake, subject, "{\"a\":1}");
    }
    fake_send(fake, "wasmkv.del.k3", "");
    fake->page_max = 1000;
    has(fake_send(fake, "wasmkv.del", ""),
        "{\"site\":\"here\",\"cleared\":true,\"count\":6,\"acks\":1,\"sites\":1}");
    has(fake_send(fake, "wasmkv.get", ""), "\"items\":[],\"next\":null");
    has(fake_send(fake, "wasmkv.get.k1", ""), "not-found");
    has(fake_send(fake, "wasmkv.del", ""), "\"count\":0");
    has(fake_send(fake, "wasmkv.set.k1", "{\"b\":2}"), "\"value\":{\"b\":2},\"created\":true");
    has(fake_send(fake, "wasmkv.get", ""), "\"key\":\"k1\"");
    assert_int_equal(fake_get(fake, "r/k1").len, 24 + 22 + 24);
}

/* A repeated request gets the first one's outcome and changes nothing. */
static void write_repeats_are_harmless(void **state)
{
    struct fake *fake = *state;
    char *first = strdup(fake_send(fake, "wasmkv.set.k", "{\"$request-id\":\"r1\",\"a\":1}"));
    fake_send(fake, "wasmkv.set.k", "{\"a\":2}");
    uint64_t commits = fake->commits;
    assert_string_equal(fake_send(fake, "wasmkv.set.k", "{\"$request-id\":\"r1\",\"a\":1}"), first);
    assert_int_equal(fake->commits, commits);
    free(first);
    has(fake_send(fake, "wasmkv.get.k", ""), "{\"a\":2}");
    has(fake_send(fake, "wasmkv.set.k", "{\"$request-id\":\"r1\",\"a\":9}"), "\"bad-request\"");
    has(fake_send(fake, "wasmkv.del", "{\"$request-id\":\"r2\"}"), "\"count\":1");
    has(fake_send(fake, "wasmkv.del", "{\"$request-id\":\"r2\"}"), "\"count\":1");
}

/* After ten minutes a request id may be used again, and old results go away with later writes. */
static void write_forgets_results_after_ten_minutes(void **state)
{
    struct fake *fake = *state;
    fake_send(fake, "wasmkv.set.k", "{\"$request-id\":\"r1\",\"a\":1}");
    for (int i = 0; i < 9; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"$request-id\":\"s%d\",\"a\":1}", i);
        fake_send(fake, "wasmkv.set.k", body);
    }
    fake->wall += 10 * 60 * 1000;
    has(fake_send(fake, "wasmkv.set.k", "{\"$request-id\":\"r1\",\"a\":9}"), "bad-request");
    fake->wall += 1;
    has(fake_send(fake, "wasmkv.set.k", "{\"$request-id\":\"r1\",\"a\":9}"), "{\"a\":9}");
    for (int i = 0; i < 4; i++) {
        fake_send(fake, "wasmkv.set.k", "{\"a\":1}");
    }
    size_t results = 0;
    for (size_t i = 0; i < fake->count; i++) {
        results += fake->pairs[i].key[0] == 'q';
    }
    assert_int_equal(results, 1);
}

/* A wall that goes back changes nothing about the order of writes; one warning says so at a boot. */
static void write_goes_on_when_the_wall_goes_back(void **state)
{
    struct fake *fake = *state;
    char first[33];
    char second[33];
    version_of(fake_send(fake, "wasmkv.set.k", "{\"a\":1}"), first);
    fake->wall -= 3600 * 1000;
    version_of(fake_send(fake, "wasmkv.set.k", "{\"a\":2}"), second);
    assert_true(strcmp(second, first) > 0);
    has(fake_send(fake, "wasmkv.get.k", ""), "{\"a\":2}");
    fake->nonce = "100102030405060708090a0b0c0d0e0f";
    version_of(fake_send(fake, "wasmkv.set.k", "{\"a\":3}"), first);
    assert_true(strcmp(first, second) > 0);
    assert_int_equal(fake->warnings, 1);
}

/* What a value may have at most is enforced, and the way back stays open. */
static void write_enforces_limits(void **state)
{
    struct fake *fake = *state;
    size_t room = 300 * 1024;
    char *body = malloc(room);
    assert_non_null(body);
    size_t at = 0;
    body[at++] = '{';
    for (int i = 0; i < 64; i++) {
        at += (size_t)snprintf(body + at, room - at, "%s\"f%d\":1", i ? "," : "", i);
    }
    snprintf(body + at, room - at, "}");
    has(fake_send(fake, "wasmkv.set.k", body), "\"created\":true");
    has(fake_send(fake, "wasmkv.set.k", "{\"g\":1}"), "\"code\":\"too-large\"");
    has(fake_send(fake, "wasmkv.set.k", "{\"g\":1,\"f0\":null}"), "\"g\":1");
    memset(body, 'x', 65 * 1024);
    memcpy(body, "{\"a\":\"", 6);
    strcpy(body + 65 * 1024, "\"}");
    has(fake_send(fake, "wasmkv.set.j", body), "\"code\":\"too-large\"");
    memset(body, ' ', 257 * 1024);
    body[257 * 1024] = '\0';
    has(fake_send(fake, "wasmkv.set.j", body), "\"code\":\"too-large\"");
    /* Four fields of 60 KiB go, a fifth does not. */
    for (int i = 0; i < 5; i++) {
        memset(body, 'x', 60 * 1024);
        snprintf(body, 8, "{\"f%d\":", i);
        body[6] = '"';
        strcpy(body + 60 * 1024, "\"}");
        has(fake_send(fake, "wasmkv.set.big", body), i < 4 ? "\"key\":\"big\"" : "too-large");
    }
    free(body);
}

/* A value that has had a thousand different fields has to be written anew. */
static void write_bounds_what_a_record_remembers(void **state)
{
    struct fake *fake = *state;
    char body[64];
    const char *reply = NULL;
    fake->sites = "2"; /* so that nothing is collected */
    fake_serve(fake);
    fake_send(fake, "wasmkv.set.k", "{}");
    for (int i = 0; i < 1023; i++) {
        snprintf(body, sizeof body, "{\"f%d\":null}", i);
        reply = fake_send(fake, "wasmkv.set.k", body);
    }
    has(reply, "\"value\":{}");
    has(fake_send(fake, "wasmkv.set.k", "{\"one-more\":null}"), "too-large");
    fake_send(fake, "wasmkv.del.k", "");
    has(fake_send(fake, "wasmkv.set.k", "{\"one-more\":1}"), "\"created\":true");
}

/* A site that is alone forgets removed fields with the next write of their value. */
static void write_forgets_removed_fields(void **state)
{
    struct fake *fake = *state;
    char body[64];
    char before[33];
    for (int i = 0; i < 3000; i++) {
        snprintf(body, sizeof body, "{\"f%d\":null}", i);
        version_of(fake_send(fake, "wasmkv.set.k", body), before);
    }
    /* The mark, and the field that bears the version. */
    assert_int_equal(fake_get(fake, "r/k").len, 24 + 22 + 22 + 5);
    has(fake_send(fake, "wasmkv.get.k", ""), before);
}

/* A record with a wrong bit is an error that names the key, and a deletion is the way out. */
static void write_reports_corruption(void **state)
{
    struct fake *fake = *state;
    fake_send(fake, "wasmkv.set.k", "{\"a\":1}");
    fake_send(fake, "wasmkv.set.l", "{\"a\":1}");
    fake_find(fake, HR_STR("r/k"))->value[30] ^= 4;
    has(fake_send(fake, "wasmkv.get.k", ""),
        "\"error\":{\"code\":\"corrupt\",\"message\":\"value k: record: checksum is wrong\","
        "\"retryable\":false}");
    has(fake_send(fake, "wasmkv.get", ""), "value k: record");
    has(fake_send(fake, "wasmkv.set.k", "{\"b\":1}"), "\"corrupt\"");
    assert_true(fake->errors >= 3);
    has(fake_send(fake, "wasmkv.del.k", ""), "\"deleted\":true");
    has(fake_send(fake, "wasmkv.get", ""), "\"items\":[{\"key\":\"l\"");
}

/* The feed is cut at feed-max, and v/ says where it begins. */
static void write_cuts_the_feed(void **state)
{
    struct fake *fake = *state;
    fake->feed_max = "1024";
    for (int i = 0; i < 1500; i++) {
        fake_send(fake, "wasmkv.set.k", i % 2 ? "{\"a\":1}" : "{\"a\":2}");
    }
    size_t entries = 0;
    for (size_t i = 0; i < fake->count; i++) {
        entries += fake->pairs[i].key[0] == 'f';
    }
    assert_in_range(entries, 1024, 1024 + 64);
    assert_int_equal(check_failures(fake, false), 0);
    /* The rest of the feed no longer gives the state; the teardown looks at a whole one. */
    fake_release(fake);
    *fake = fake_new(1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(write_creates_and_reads_back),
        CASE(write_patches_fields),
        CASE(write_keeps_numbers_exact),
        CASE(write_keeps_empty_values),
        CASE(write_touches_with_an_empty_patch),
        CASE(write_deletes),
        CASE(write_deletes_what_is_not_there),
        CASE(write_judges_conditions),
        CASE(write_clears_in_one_change),
        CASE(write_repeats_are_harmless),
        CASE(write_forgets_results_after_ten_minutes),
        CASE(write_goes_on_when_the_wall_goes_back),
        CASE(write_enforces_limits),
        CASE(write_bounds_what_a_record_remembers),
        CASE(write_forgets_removed_fields),
        CASE(write_reports_corruption),
        CASE(write_cuts_the_feed),
    };
    return cmocka_run_group_tests_name("dkv_write", tests, NULL, NULL);
}
