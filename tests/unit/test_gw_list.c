/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/list.h"

#define ITEM(id, version, title) \
    "{\"key\":\"" id "\",\"version\":\"" version "\",\"value\":{\"title\":\"" title "\"}}"
#define SHOWN(id, title)                                                    \
    "{\"id\":\"" id "\",\"url\":\"" BASE "/api/" id "\",\"title\":\"" title \
    "\",\"completed\":false,\"order\":null}"
#define PAGE(items, next) "{\"site\":\"aws\",\"items\":[" items "],\"next\":" next "}"

/* Without a limit all pages of the kv actor become one array, in its order. */
static void list_gathers_all_pages(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, PAGE(ITEM(ID1, V1, "a") "," ITEM(ID2, V2, "b"), "\"" ID2 "\""));
    fake_reply(&fake, PAGE(ITEM(ID3, V1, "c"), "null"));
    fake_send(&fake, "GET", "/api", "");
    assert_status(&fake, 200);
    assert_str(fake.response.body, "[" SHOWN(ID1, "a") "," SHOWN(ID2, "b") "," SHOWN(ID3, "c") "]");
    assert_header(&fake, "Content-Type", "application/json; charset=utf-8");
    assert_header(&fake, "Cache-Control", "no-cache");
    assert_header(&fake, "Hedgerow-Site", "aws");
    assert_header(&fake, "Server-Timing", "kv;dur=0.000");
    assert_header(&fake, "Link", NULL);
    assert_header(&fake, "Hedgerow-Acks", NULL);
    assert_string_equal(fake.steps[0].subject, "wasmkv.get");
    assert_string_equal(fake.steps[0].body, "{\"limit\":1000}");
    assert_string_equal(fake.steps[1].body, "{\"limit\":1000,\"after\":\"" ID2 "\"}");
    fake_release(&fake);
}

/* No todos are an empty array. */
static void list_of_none_is_an_empty_array(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, PAGE("", "null"));
    fake_send(&fake, "GET", "/api/", "");
    assert_status(&fake, 200);
    assert_str(fake.response.body, "[]");
    assert_header(&fake, "Content-Length", "2");
    fake_release(&fake);
}

/* With a limit just so many come, and a Link leads on. */
static void list_pages_by_limit(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, PAGE(ITEM(ID2, V1, "b"), "\"" ID2 "\""));
    fake_send(&fake, "GET", "/api?limit=1&after=" ID1, "");
    assert_status(&fake, 200);
    assert_str(fake.response.body, "[" SHOWN(ID2, "b") "]");
    assert_header(&fake, "Link", "<" BASE "/api?limit=1&after=" ID2 ">; rel=\"next\"");
    assert_string_equal(fake.steps[0].body, "{\"limit\":1,\"after\":\"" ID1 "\"}");
    fake_release(&fake);
}

/* A page of the kv actor that ended early is filled up to the limit. */
static void list_fills_a_short_page(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, PAGE(ITEM(ID1, V1, "a"), "\"" ID1 "\""));
    fake_reply(&fake, PAGE(ITEM(ID2, V1, "b"), "null"));
    fake_send(&fake, "GET", "/api?limit=2", "");
    assert_string_equal(fake.steps[1].body, "{\"limit\":1,\"after\":\"" ID1 "\"}");
    assert_str(fake.response.body, "[" SHOWN(ID1, "a") "," SHOWN(ID2, "b") "]");
    assert_header(&fake, "Link", NULL);
    fake_release(&fake);
}

/* More items than were asked for are not taken: the Link leads to the first that was left out. */
static void list_takes_no_more_than_the_limit(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, PAGE(ITEM(ID1, V1, "a") "," ITEM(ID2, V1, "b"), "null"));
    fake_send(&fake, "GET", "/api?limit=1", "");
    assert_str(fake.response.body, "[" SHOWN(ID1, "a") "]");
    assert_header(&fake, "Link", "<" BASE "/api?limit=1&after=" ID1 ">; rel=\"next\"");
    fake_release(&fake);
}

/* What is no todo is left out, and the page is filled with what is one. */
static void list_leaves_out_what_is_no_todo(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, PAGE("{\"key\":\"a\",\"version\":\"" V1 "\",\"value\":{\"completed\":true}}",
                           "\"a\""));
    fake_reply(&fake, PAGE(ITEM("b", V1, "b"), "null"));
    fake_send(&fake, "GET", "/api?limit=1", "");
    assert_status(&fake, 200);
    assert_str(fake.response.body, "[" SHOWN("b", "b") "]");
    assert_has(hr_str_c(fake.last_log), "skipped: ");
    fake_release(&fake);
}

/* Replies that do not hold together are a 502, not an endless loop or a half list. */
static void list_refuses_nonsense(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"site\":\"a\",\"next\":null}",
        "{\"site\":\"a\",\"items\":[]}",
        "{\"site\":\"a\",\"items\":{},\"next\":null}",
        PAGE("", "7"),
        PAGE("", "\"\""),
        PAGE("", "\"a b\""),
        PAGE("1", "null"),
        PAGE("{}", "null"),
        PAGE(ITEM("a", "short", "a"), "null"),
        PAGE("", "\"" ID1 "\""),
        PAGE("", "\"0\""),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fake fake;
        fake_init(&fake);
        fake_reply(&fake, bad[i]);
        fake_send(&fake, "GET", "/api?after=" ID1, "");
        assert_problem(&fake, 502, "makes no sense");
        assert_header(&fake, "Hedgerow-Site", i < 3 ? "a" : "aws");
        fake_release(&fake);
    }
}

/* A failure in the middle fails the whole: no half list is taken for all of it. */
static void list_fails_whole(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, PAGE(ITEM(ID1, V1, "a"), "\"" ID1 "\""));
    fake_fail(&fake, HR_TIMEOUT, NULL);
    fake_fail(&fake, HR_NO_RESPONDERS, "nobody answers there");
    fake_send(&fake, "GET", "/api", "");
    assert_problem(&fake, 503, "nobody answers there");
    fake_release(&fake);
}

static void copy_tag(const struct fake *fake, char ret_tag[64])
{
    const struct hr_str *tag = gw_response_header(&fake->response, HR_STR("ETag"));
    assert_non_null(tag);
    snprintf(ret_tag, 64, "%.*s", HR_STR_ARG(*tag));
}

static void get_tag(const char *path, const char *reply, char ret_tag[64])
{
    struct fake fake;
    fake_init(&fake);
    fake_reply(&fake, reply);
    fake_send(&fake, "GET", path, "");
    assert_status(&fake, 200);
    copy_tag(&fake, ret_tag);
    fake_release(&fake);
}

/* The entity tag is the same for the same answer, and another as soon as anything differs, be it
 * only that there is more. */
static void list_tag_follows_the_answer(void **state)
{
    (void)state;
    char one[64], same[64], other[64], more[64];
    get_tag("/api?limit=1", PAGE(ITEM(ID1, V1, "a"), "null"), one);
    get_tag("/api?limit=1", PAGE(ITEM(ID1, V2, "a"), "null"), same);
    get_tag("/api?limit=1", PAGE(ITEM(ID1, V1, "b"), "null"), other);
    get_tag("/api?limit=1", PAGE(ITEM(ID1, V1, "a"), "\"" ID1 "\""), more);
    assert_int_equal(strlen(one), 34);
    assert_int_equal(one[0], '"');
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
    assert_string_not_equal(one, more);
}

/* If-None-Match with the present tag gives 304 without a body; with another, the list. */
static void list_answers_304(void **state)
{
    (void)state;
    char tag[64], list[200];
    get_tag("/api", PAGE(ITEM(ID1, V1, "a"), "null"), tag);
    snprintf(list, sizeof list, "\"x\", W/%s", tag);
    for (int changed = 0; changed < 2; changed++) {
        struct fake fake;
        fake_init(&fake);
        fake_header(&fake, "If-None-Match", list);
        fake_reply(&fake,
                   changed ? PAGE(ITEM(ID1, V1, "b"), "null") : PAGE(ITEM(ID1, V1, "a"), "null"));
        fake_send(&fake, "GET", "/api", "");
        assert_status(&fake, changed ? 200 : 304);
        if (!changed) {
            assert_int_equal(fake.response.body.len, 0);
            assert_header(&fake, "ETag", tag);
            assert_header(&fake, "Cache-Control", "no-cache");
            assert_header(&fake, "Content-Type", NULL);
            assert_header(&fake, "Content-Length", NULL);
            assert_header(&fake, "Hedgerow-Site", "aws");
        }
        fake_release(&fake);
    }
}

/* A bad query is refused before anybody is asked. */
static void list_refuses_a_bad_query(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake_send(&fake, "GET", "/api?limit=1001", "");
    assert_problem(&fake, 400, "'limit' must be a whole number from 1 to 1000");
    assert_header(&fake, "Hedgerow-Site", "here");
    assert_header(&fake, "Server-Timing", NULL);
    fake_release(&fake);
}

/* A kv actor with more than one answer takes: pages of 100 todos with titles of this length, or of
 * none at all if it is 0. */
struct crowd {
    struct fake fake;
    size_t title_bytes;
    size_t served;
};

static enum hr_err crowd_request(void *arg, struct hr_str subject, struct hr_str body,
                                 uint32_t timeout_ms, struct hr_buf *ret_reply,
                                 struct hr_diag *diag)
{
    struct crowd *crowd = arg;
    (void)subject;
    (void)body;
    (void)timeout_ms;
    (void)diag;
    char title[4096];
    size_t count = crowd->title_bytes > 0 ? 100 : 0;
    memset(title, 't', sizeof title);
    enum hr_err err = hr_buf_append(ret_reply, HR_STR("{\"site\":\"a\",\"items\":["));
    for (size_t i = 0; i < count && !err; i++) {
        err = hr_buf_printf(ret_reply,
                            "%s{\"key\":\"k%09zu\",\"version\":\"" V1
                            "\",\"value\":{\"title\":\"%.*s\"}}",
                            i ? "," : "", crowd->served++, (int)crowd->title_bytes, title);
    }
    crowd->served += count == 0;
    return err ? err : hr_buf_printf(ret_reply, "],\"next\":\"k%09zu\"}", crowd->served - 1);
}

static void crowd_get(struct crowd *crowd, size_t title_bytes)
{
    memset(crowd, 0, sizeof *crowd);
    fake_init(&crowd->fake);
    crowd->title_bytes = title_bytes;
    crowd->fake.env.request = crowd_request;
    crowd->fake.env.arg = crowd;
    fake_send(&crowd->fake, "GET", "/api", "");
    assert_status(&crowd->fake, 200);
}

/* However many pages without a todo the kv actor gives, the answer comes, and its Link leads on. */
static void list_ends_after_the_most_pages(void **state)
{
    (void)state;
    struct crowd crowd;
    crowd_get(&crowd, 0);
    assert_int_equal(crowd.served, GW_LIST_PAGES_MAX);
    assert_str(crowd.fake.response.body, "[]");
    assert_header(&crowd.fake, "Link", "<" BASE "/api?after=k000004095>; rel=\"next\"");
    fake_release(&crowd.fake);
}

/* An answer never passes GW_LIST_BYTES_MAX, and its Link leads on after the last that fitted. */
static void list_ends_at_the_most_bytes(void **state)
{
    (void)state;
    struct crowd crowd;
    char link[128];
    crowd_get(&crowd, 4096);
    struct hr_str body = crowd.fake.response.body;
    assert_true(body.len <= GW_LIST_BYTES_MAX);
    assert_true(body.len > GW_LIST_BYTES_MAX - 2 * 4096);
    assert_true(hr_str_ends(body, HR_STR("\"order\":null}]")));
    assert_true(crowd.served * 4096 <
                GW_LIST_BYTES_MAX + 100 * 4096); /* one page too many at most */
    size_t at = body.len;
    while (!hr_str_starts(hr_str_from(body, at), HR_STR("{\"id\":\""))) {
        at--;
    }
    snprintf(link, sizeof link, "<" BASE "/api?after=%.10s>; rel=\"next\"", body.ptr + at + 7);
    assert_header(&crowd.fake, "Link", link);
    fake_release(&crowd.fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_gathers_all_pages),
        cmocka_unit_test(list_of_none_is_an_empty_array),
        cmocka_unit_test(list_pages_by_limit),
        cmocka_unit_test(list_fills_a_short_page),
        cmocka_unit_test(list_takes_no_more_than_the_limit),
        cmocka_unit_test(list_leaves_out_what_is_no_todo),
        cmocka_unit_test(list_refuses_nonsense),
        cmocka_unit_test(list_fails_whole),
        cmocka_unit_test(list_tag_follows_the_answer),
        cmocka_unit_test(list_answers_304),
        cmocka_unit_test(list_refuses_a_bad_query),
        cmocka_unit_test(list_ends_after_the_most_pages),
        cmocka_unit_test(list_ends_at_the_most_bytes),
    };
    return cmocka_run_group_tests_name("gw_list", tests, NULL, NULL);
}
