/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/json.h"
#include "actors/todo/core/problem.h"
#include "base/alloc.h"

/* A problem replaces a half-built answer and has all members of docs/api.md. */
static void problem_replaces_what_was_there(void **state)
{
    (void)state;
    struct fake fake = {.response = {.status = 0}};
    gw_response_init(&fake.response);
    fake.response.own_body.max = 3;
    assert_int_equal(hr_buf_append(&fake.response.own_body, HR_STR("[1")), HR_OK);
    gw_response_keep(&fake.response, HR_STR("ETag"), HR_STR("\"x\""));
    assert_int_equal(gw_problem(&fake.response, 404, HR_STR("No \"todo\".")), HR_OK);
    assert_str(fake.response.body,
               "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
               "\"detail\":\"No \\\"todo\\\".\"}");
    assert_header(&fake, "ETag", NULL);
    assert_header(&fake, "Cache-Control", "no-cache");
    assert_header(&fake, "Content-Type", "application/problem+json");
    assert_header(&fake, "Retry-After", NULL);
    gw_response_release(&fake.response);
}

/* Whatever is quoted in it, a detail is valid JSON of bounded length. */
static void problem_is_json_whatever_is_quoted(void **state)
{
    (void)state;
    char many[2000];
    struct gw_response response;
    struct hr_diag diag;
    yyjson_doc *doc = NULL;
    memset(many, 'x', sizeof many);
    for (size_t i = 1; i + 2 < sizeof many; i += 2) {
        memcpy(many + i, "\xc3\xa4", 2);
    }
    many[sizeof many - 1] = '\0';
    gw_response_init(&response);
    assert_int_equal(gw_problem(&response, 503, hr_str_c(many)), HR_OK);
    assert_int_equal(gw_json_read(response.body, &doc, &diag), HR_OK);
    struct hr_str detail = gw_json_str(yyjson_obj_get(yyjson_doc_get_root(doc), "detail"));
    assert_int_equal(detail.len, GW_PROBLEM_DETAIL_BYTES_MAX - 1);
    assert_int_equal((unsigned char)detail.ptr[1], 0xc3);
    yyjson_doc_free(doc);
    assert_int_equal(gw_problem(&response, 503, HR_STR("a\xff\xc3(\x01)")), HR_OK);
    assert_has(response.body, "\"a?"
                              "?(\\u0001)\"");
    /* A detail that was cut within a character loses that character only. */
    assert_int_equal(gw_problem(&response, 503, HR_STR("\xc3\xa4 \xf0\x9f\x8c")), HR_OK);
    assert_has(response.body, "\"\xc3\xa4 \"");
    gw_response_release(&response);
}

/* Each status that the gateway answers with has its reason phrase. */
static void problem_knows_its_titles(void **state)
{
    (void)state;
    static const unsigned statuses[] = {400, 404, 405, 412, 413, 415, 500, 502, 503};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        assert_string_not_equal(gw_problem_title(statuses[i]), "Error");
    }
}

/* The one for no memory needs none, and is a 503 to be retried. */
static void problem_out_of_memory_needs_no_memory(void **state)
{
    (void)state;
    struct gw_response response;
    struct hr_diag diag;
    yyjson_doc *doc = NULL;
    int64_t live = hr_alloc_live();
    gw_response_init(&response);
    gw_problem_out_of_memory(&response);
    assert_int_equal(hr_alloc_live(), live);
    assert_int_equal(response.status, 503);
    assert_str(*gw_response_header(&response, HR_STR("retry-after")), "1");
    char length[24];
    snprintf(length, sizeof length, "%zu", response.body.len);
    assert_str(*gw_response_header(&response, HR_STR("Content-Length")), length);
    assert_int_equal(gw_json_read(response.body, &doc, &diag), HR_OK);
    assert_int_equal(yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(doc), "status")), 503);
    yyjson_doc_free(doc);
    gw_response_release(&response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(problem_replaces_what_was_there),
        cmocka_unit_test(problem_is_json_whatever_is_quoted),
        cmocka_unit_test(problem_knows_its_titles),
        cmocka_unit_test(problem_out_of_memory_needs_no_memory),
    };
    return cmocka_run_group_tests_name("gw_problem", tests, NULL, NULL);
}
