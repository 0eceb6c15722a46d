/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/page.h"

/* limit and after are read wherever they stand; what else there is does not matter. */
static void page_reads_its_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        uint32_t limit;
        const char *after;
    } rows[] = {
        {"", 0, ""},
        {"limit=1", 1, ""},
        {"limit=1000", 1000, ""},
        {"limit=007", 7, ""},
        {"limit=%31%30", 10, ""},
        {"after=a.b", 0, "a.b"},
        {"after=a%2Db&limit=5", 5, "a-b"},
        {"_=1&limit=5&&x&=&y=%zz", 5, ""},
        {"Limit=0&LIMIT=x", 0, ""},
        {"after=a=b", 0, "a=b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_page page;
        struct hr_diag diag;
        assert_int_equal(gw_page_parse(hr_str_c(rows[i].query), &page, &diag), HR_OK);
        assert_int_equal(page.limit, rows[i].limit);
        assert_str(hr_str_of(page.after, page.after_len), rows[i].after);
    }
}

/* A bad parameter is an error that names it. */
static void page_refuses_bad_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *why;
    } rows[] = {
        {"limit=0", "'limit' must"},    {"limit=1001", "'limit' must"},
        {"limit=", "'limit' must"},     {"limit", "'limit' must"},
        {"limit=-1", "'limit' must"},   {"limit=1.0", "'limit' must"},
        {"limit=1e2", "'limit' must"},  {"limit=18446744073709551617", "'limit' must"},
        {"limit=%", "'limit' must"},    {"limit=1&limit=1", "'limit' is given twice"},
        {"after=", "'after' must"},     {"after", "'after' must"},
        {"after=a/b", "'after' must"},  {"after=%", "'after' must"},
        {"after=a%00", "'after' must"}, {"after=a&after=b", "'after' is given twice"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_page page;
        struct hr_diag diag;
        assert_int_equal(gw_page_parse(hr_str_c(rows[i].query), &page, &diag), HR_BAD_INPUT);
        assert_has(hr_str_c(diag.text), rows[i].why);
    }
}

/* An after of more bytes than an id can have is refused, not cut. */
static void page_limits_after(void **state)
{
    (void)state;
    struct gw_page page;
    struct hr_diag diag;
    char query[6 + 257 + 1] = "after=";
    memset(query + 6, 'a', 257);
    assert_int_equal(gw_page_parse(hr_str_of(query, 6 + 256), &page, &diag), HR_OK);
    assert_int_equal(page.after_len, 256);
    assert_int_equal(gw_page_parse(hr_str_of(query, 6 + 257), &page, &diag), HR_BAD_INPUT);
}

/* The link repeats the limit, if there was one. */
static void page_links_to_the_next(void **state)
{
    (void)state;
    struct gw_page page = {.limit = 20};
    struct hr_buf link = {0};
    assert_int_equal(gw_page_link(&page, HR_STR(BASE), HR_STR("k"), &link), HR_OK);
    assert_str(hr_buf_str(&link), "<" BASE "/api?limit=20&after=k>; rel=\"next\"");
    hr_buf_clear(&link);
    page.limit = 0;
    assert_int_equal(gw_page_link(&page, HR_STR(""), HR_STR("k"), &link), HR_OK);
    assert_str(hr_buf_str(&link), "</api?after=k>; rel=\"next\"");
    hr_buf_release(&link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_reads_its_parameters),
        cmocka_unit_test(page_refuses_bad_parameters),
        cmocka_unit_test(page_limits_after),
        cmocka_unit_test(page_links_to_the_next),
    };
    return cmocka_run_group_tests_name("gw_page", tests, NULL, NULL);
}
