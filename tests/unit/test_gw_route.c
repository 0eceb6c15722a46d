/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

static struct gw_route route(const char *method, const char *path)
{
    struct gw_route parsed;
    gw_route_parse(hr_str_c(method), hr_str_c(path), &parsed);
    return parsed;
}

/* Each path belongs to the resource that docs/api.md gives it. */
static void route_finds_the_resource(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum gw_resource resource;
    } rows[] = {
        {"", GW_RESOURCE_ASSET},
        {"/", GW_RESOURCE_ASSET},
        {"/app.js", GW_RESOURCE_ASSET},
        {"/API", GW_RESOURCE_ASSET},
        {"/apix", GW_RESOURCE_ASSET},
        {"/%61pi", GW_RESOURCE_ASSET},
        {"//api", GW_RESOURCE_ASSET},
        {"?limit=1", GW_RESOURCE_ASSET},
        {"/api", GW_RESOURCE_LIST},
        {"/api/", GW_RESOURCE_LIST},
        {"/api?limit=1", GW_RESOURCE_LIST},
        {"/api/?x", GW_RESOURCE_LIST},
        {"/api/" ID1, GW_RESOURCE_TODO},
        {"/api/" ID1 "?x=/y", GW_RESOURCE_TODO},
        {"/api/a.b_c=-D", GW_RESOURCE_TODO},
        {"/api/sites", GW_RESOURCE_SITES},
        {"/api/sites?x", GW_RESOURCE_SITES},
        {"/api/%73ites", GW_RESOURCE_SITES},
        {"/api/Sites", GW_RESOURCE_TODO},
        {"/api/site", GW_RESOURCE_TODO},
        {"/api/sites.x", GW_RESOURCE_TODO},
        {"/api/sites/", GW_RESOURCE_NONE},
        {"/api/a/", GW_RESOURCE_NONE},
        {"/api/a/b", GW_RESOURCE_NONE},
        {"/api//", GW_RESOURCE_NONE},
        {"/api/.", GW_RESOURCE_NONE},
        {"/api/..", GW_RESOURCE_NONE},
        {"/api/a..b", GW_RESOURCE_NONE},
        {"/api/a.", GW_RESOURCE_NONE},
        {"/api/*", GW_RESOURCE_NONE},
        {"/api/>", GW_RESOURCE_NONE},
        {"/api/a%2fb", GW_RESOURCE_NONE},
        {"/api/a%00", GW_RESOURCE_NONE},
        {"/api/a%", GW_RESOURCE_NONE},
        {"/api/a%4", GW_RESOURCE_NONE},
        {"/api/\xc3\xa4", GW_RESOURCE_NONE},
        {"*", GW_RESOURCE_ASSET},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_route got = route("GET", rows[i].path);
        if (got.resource != rows[i].resource) {
            fail_msg("%s: got %d", rows[i].path, (int)got.resource);
        }
        assert_true(got.path.len > 0);
    }
    assert_int_equal(route("OPTIONS", "*").resource, GW_RESOURCE_SERVER);
}

/* A percent-encoded id is the same id, and the query is cut off. */
static void route_decodes_the_id(void **state)
{
    (void)state;
    struct gw_route got = route("GET", "/api/%61%2Db?after=x");
    assert_int_equal(got.resource, GW_RESOURCE_TODO);
    assert_str(hr_str_of(got.id, got.id_len), "a-b");
    assert_str(got.query, "after=x");
    assert_str(got.path, "/api/%61%2Db");
}

/* 256 bytes of id are one, 257 are none, however they are encoded. */
static void route_limits_the_id(void **state)
{
    (void)state;
    char path[5 + 3 * 257 + 1] = "/api/";
    for (size_t i = 0; i < 256; i++) {
        strcat(path, "%61");
    }
    struct gw_route got = route("GET", path);
    assert_int_equal(got.resource, GW_RESOURCE_TODO);
    assert_int_equal(got.id_len, 256);
    strcat(path, "a");
    assert_int_equal(route("GET", path).resource, GW_RESOURCE_NONE);
}

/* Each resource permits just what its Allow says; methods are case-sensitive. */
static void route_permits_what_allow_says(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET",     "HEAD", "POST",  "PATCH",   "DELETE",
                                          "OPTIONS", "PUT",  "TRACE", "CONNECT", "get"};
    static const char *const paths[] = {"/api", "/api/a", "/api/a/b", "/x", "/api/sites"};
    for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++) {
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
            struct gw_route got = route(methods[m], paths[p]);
            char allow[128];
            char wanted[16];
            snprintf(allow, sizeof allow, "%.*s,", HR_STR_ARG(gw_route_allow(got.resource)));
            snprintf(wanted, sizeof wanted, "%s,", methods[m]);
            assert_int_equal(gw_route_permits(&got), strstr(allow, wanted) != NULL);
        }
    }
    assert_str(gw_route_allow(GW_RESOURCE_LIST), "GET, HEAD, POST, DELETE, OPTIONS");
    assert_str(gw_route_allow(GW_RESOURCE_TODO), "GET, HEAD, PATCH, DELETE, OPTIONS");
    assert_str(gw_route_allow(GW_RESOURCE_SITES), "GET, HEAD, OPTIONS");
    assert_str(gw_route_allow(GW_RESOURCE_ASSET), "GET, HEAD, OPTIONS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(route_finds_the_resource),
        cmocka_unit_test(route_decodes_the_id),
        cmocka_unit_test(route_limits_the_id),
        cmocka_unit_test(route_permits_what_allow_says),
    };
    return cmocka_run_group_tests_name("gw_route", tests, NULL, NULL);
}
