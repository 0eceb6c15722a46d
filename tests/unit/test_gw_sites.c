/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/sites.h"

static const struct gw_site three[] = {
    {.name = {"aws", 3}, .id = 7, .here = true, .alive = true, .has_store = true, .hosts = 2},
    {.name = {"gcp", 3},
     .id = 65535,
     .alive = true,
     .catching_up = true,
     .is_measured = true,
     .hosts = 1,
     .round_trip_us = 41007,
     .silent_ms = 950},
    {.name = {"oracle", 6}, .id = 1, .is_measured = true, .round_trip_us = 999, .silent_ms = 61234},
};

static void ask(struct fake *fake, const struct gw_site *sites, size_t count)
{
    fake_init(fake);
    fake->sites = sites;
    fake->site_count = count;
    fake_send(fake, "GET", "/api/sites", "");
}

/* Each site is told as the host has it, times in milliseconds; nobody else is asked. */
static void sites_are_told_as_they_are(void **state)
{
    (void)state;
    struct fake fake;
    ask(&fake, three, 3);
    assert_status(&fake, 200);
    assert_str(fake.response.body, "{\"here\":\"aws\",\"sites\":["
                                   "{\"name\":\"aws\",\"id\":7,\"here\":true,\"alive\":true,"
                                   "\"state\":\"active\",\"store\":true,\"hosts\":2,"
                                   "\"round_trip_ms\":null,\"silent_ms\":0},"
                                   "{\"name\":\"gcp\",\"id\":65535,\"here\":false,\"alive\":true,"
                                   "\"state\":\"catching-up\",\"store\":false,\"hosts\":1,"
                                   "\"round_trip_ms\":41.007,\"silent_ms\":950},"
                                   "{\"name\":\"oracle\",\"id\":1,\"here\":false,\"alive\":false,"
                                   "\"state\":\"gone\",\"store\":false,\"hosts\":0,"
                                   "\"round_trip_ms\":0.999,\"silent_ms\":61234}]}");
    assert_header(&fake, "Content-Type", "application/json; charset=utf-8");
    assert_header(&fake, "Hedgerow-Site", "here");
    assert_header(&fake, "Server-Timing", NULL);
    fake_release(&fake);
}

/* It is of the moment: nobody may keep it, and there is no tag to ask for it by. */
static void sites_are_not_stored(void **state)
{
    (void)state;
    struct fake fake;
    ask(&fake, three, 1);
    assert_header(&fake, "Cache-Control", "no-store");
    assert_header(&fake, "ETag", NULL);
    fake_release(&fake);
}

/* A host that knows no site, not even its own, is answered for all the same. */
static void sites_may_be_none(void **state)
{
    (void)state;
    struct fake fake;
    ask(&fake, NULL, 0);
    assert_str(fake.response.body, "{\"here\":null,\"sites\":[]}");
    fake_release(&fake);
    ask(&fake, &three[1], 1);
    assert_has(fake.response.body, "{\"here\":null,\"sites\":[{\"name\":\"gcp\"");
    fake_release(&fake);
}

/* Names are text, and the largest numbers have room. */
static void sites_are_written_as_json(void **state)
{
    (void)state;
    static const struct gw_site odd = {
        .name = {"a\"\\\n\xc3\xa4", 6},
        .here = true,
        .is_measured = true,
        .hosts = UINT32_MAX,
        .round_trip_us = UINT64_MAX,
        .silent_ms = UINT64_MAX,
    };
    struct fake fake;
    ask(&fake, &odd, 1);
    assert_str(fake.response.body,
               "{\"here\":\"a\\\"\\\\\\n\xc3\xa4\",\"sites\":[{\"name\":\"a\\\"\\\\\\n\xc3\xa4\","
               "\"id\":0,\"here\":true,\"alive\":false,\"state\":\"gone\",\"store\":false,"
               "\"hosts\":4294967295,\"round_trip_ms\":18446744073709551.615,\"silent_ms\":"
               "18446744073709551615}]}");
    fake_release(&fake);
}

/* However many there are, the answer ends. */
static void sites_are_limited(void **state)
{
    (void)state;
    static struct gw_site many[GW_SITES_MAX + 1];
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        many[i] = three[1];
    }
    many[GW_SITES_MAX - 1].name = HR_STR("last");
    many[GW_SITES_MAX].name = HR_STR("beyond");
    struct fake fake;
    ask(&fake, many, GW_SITES_MAX + 1);
    assert_status(&fake, 200);
    assert_has(fake.response.body, "\"last\"");
    assert_false(has(fake.response.body, "\"beyond\""));
    fake_release(&fake);
}

/* Without memory for them the answer is a 503. */
static void sites_want_memory(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    fake.sites_err = HR_NO_MEMORY;
    fake_send(&fake, "GET", "/api/sites", "");
    assert_problem(&fake, 503, "out of memory");
    fake_release(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_are_told_as_they_are), cmocka_unit_test(sites_are_not_stored),
        cmocka_unit_test(sites_may_be_none),          cmocka_unit_test(sites_are_written_as_json),
        cmocka_unit_test(sites_are_limited),          cmocka_unit_test(sites_want_memory),
    };
    return cmocka_run_group_tests_name("gw_sites", tests, NULL, NULL);
}
