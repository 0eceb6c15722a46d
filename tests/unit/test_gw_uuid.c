/* links: core_todo */
#include "tests/unit/test_gw_fake.h"

#include "actors/todo/core/uuid.h"

/* The example of RFC 9562 appendix A.6 has this time, version and variant; its random bits are
 * those after the fraction of the millisecond. */
static void uuid_has_the_layout_of_rfc_9562(void **state)
{
    (void)state;
    const unsigned char random[8] = {0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    struct gw_uuid uuid = gw_uuid_of(UINT64_C(0x017f22e279b0) * 1000000u, random);
    assert_string_equal(uuid.text, "017f22e2-79b0-7000-98c4-dc0c0c07398f");
}

/* Two made in one millisecond, 245 ns apart, are in the order of their making. */
static void uuid_orders_within_a_millisecond(void **state)
{
    (void)state;
    const unsigned char high[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const unsigned char low[8] = {0};
    for (uint64_t ns = 0; ns + 245 < 1000000; ns += 245) {
        struct gw_uuid first = gw_uuid_of(FAKE_START_NS + ns, high);
        struct gw_uuid second = gw_uuid_of(FAKE_START_NS + ns + 245, low);
        assert_true(strcmp(first.text, second.text) < 0);
    }
}

/* The last nanosecond of a millisecond does not spill into the version. */
static void uuid_keeps_version_and_variant_at_the_edges(void **state)
{
    (void)state;
    const unsigned char ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct gw_uuid uuid = gw_uuid_of(UINT64_MAX, ones);
    assert_int_equal(uuid.text[14], '7');
    assert_int_equal(uuid.text[19], 'b');
    uuid = gw_uuid_of(999999, ones);
    assert_string_equal(uuid.text, "00000000-0000-7fff-bfff-ffffffffffff");
}

/* A new one uses the environment's clock and fresh randomness each time. */
static void uuid_new_asks_the_environment(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake);
    struct gw_uuid first = gw_uuid_new(&fake.env);
    struct gw_uuid second = gw_uuid_new(&fake.env);
    assert_string_equal(first.text, "018bcfe5-6800-7000-8001-020304050607");
    assert_string_equal(second.text, "018bcfe5-6800-7000-8809-0a0b0c0d0e0f");
    assert_int_equal(gw_uuid_str(&first).len, GW_UUID_CHARS);
    fake_release(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuid_has_the_layout_of_rfc_9562),
        cmocka_unit_test(uuid_orders_within_a_millisecond),
        cmocka_unit_test(uuid_keeps_version_and_variant_at_the_edges),
        cmocka_unit_test(uuid_new_asks_the_environment),
    };
    return cmocka_run_group_tests_name("gw_uuid", tests, NULL, NULL);
}
