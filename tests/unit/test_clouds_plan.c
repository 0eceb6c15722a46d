/* links: hr_clouds */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/clouds_plan.h"

/* Each site is found by its name, and nothing else is. */
static void plan_finds_sites_and_parts_by_name(void **state)
{
    (void)state;
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        size_t found = CLOUDS_SITES;
        assert_true(clouds_site_find(clouds_site_name(site), &found));
        assert_int_equal(found, site);
    }
    for (size_t part = 0; part < CLOUDS_PARTS; part++) {
        enum clouds_part found = CLOUDS_PARTS;
        assert_true(clouds_part_find(clouds_part_name((enum clouds_part)part), &found));
        assert_int_equal(found, part);
    }
    size_t site = 77;
    enum clouds_part part = CLOUDS_PARTS;
    assert_false(clouds_site_find("", &site));
    assert_false(clouds_site_find("aw", &site));
    assert_false(clouds_site_find("AWS", &site));
    assert_false(clouds_part_find("all", &part));
    assert_int_equal(site, 77);
}

/* Round trips are the same both ways, none from a site to itself. */
static void plan_has_one_distance_for_each_pair(void **state)
{
    (void)state;
    for (size_t a = 0; a < CLOUDS_SITES; a++) {
        assert_int_equal(clouds_round_trip_ms(a, a), 0);
        for (size_t b = 0; b < CLOUDS_SITES; b++) {
            assert_int_equal(clouds_round_trip_ms(a, b), clouds_round_trip_ms(b, a));
            assert_true(a == b || clouds_round_trip_ms(a, b) >= 10);
            assert_true(clouds_round_trip_ms(a, b) < 1000);
        }
    }
}

/* Each pair has one link, each link its pair, and the end with the lower number dials. */
static void plan_numbers_links_by_pairs(void **state)
{
    (void)state;
    bool seen[CLOUDS_LINKS] = {false};
    char name[CLOUDS_LINK_NAME_BYTES_MAX];
    for (size_t a = 0; a < CLOUDS_SITES; a++) {
        for (size_t b = a + 1; b < CLOUDS_SITES; b++) {
            size_t dials;
            size_t accepts;
            size_t link = clouds_link_of(a, b);
            assert_true(link < CLOUDS_LINKS);
            assert_int_equal(clouds_link_of(b, a), link);
            assert_false(seen[link]);
            seen[link] = true;
            clouds_link_ends(link, &dials, &accepts);
            assert_int_equal(dials, a);
            assert_int_equal(accepts, b);
        }
    }
    assert_string_equal(clouds_link_name(0, name), "cosmonic-aws");
    assert_string_equal(clouds_link_name(CLOUDS_LINKS - 1, name), "gcp-oracle");
}

static int by_value(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void assert_distinct(uint32_t base_port, uint16_t ports[CLOUDS_PORTS])
{
    char what[CLOUDS_PORT_TEXT_BYTES_MAX];
    for (size_t i = 0; i < CLOUDS_PORTS; i++) {
        ports[i] = clouds_port_at(base_port, i, what);
        assert_true(strlen(what) > 0);
    }
    qsort(ports, CLOUDS_PORTS, sizeof ports[0], by_value);
    for (size_t i = 1; i < CLOUDS_PORTS; i++) {
        assert_true(ports[i] > ports[i - 1]);
    }
}

/* With a base port the ports are that many in a row, up to the very last one; without, they are all different and
 * below those that the system gives to whoever dials. */
static void plan_gives_every_listener_its_port(void **state)
{
    (void)state;
    uint16_t ports[CLOUDS_PORTS];
    assert_distinct(CLOUDS_BASE_PORT_MIN, ports);
    assert_int_equal(ports[0], CLOUDS_BASE_PORT_MIN);
    assert_int_equal(ports[CLOUDS_PORTS - 1], CLOUDS_BASE_PORT_MIN + CLOUDS_PORTS - 1);
    assert_distinct(CLOUDS_BASE_PORT_MAX, ports);
    assert_int_equal(ports[CLOUDS_PORTS - 1], 65535);
    assert_distinct(0, ports);
    assert_true(ports[0] >= 1024);
    assert_true(ports[CLOUDS_PORTS - 1] < 32768);
    assert_int_equal(clouds_port_of(0, CLOUDS_PORT_HTTP, 0), 8081);
    assert_int_equal(clouds_port_of(0, CLOUDS_PORT_ADMIN, 4), 9095);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_finds_sites_and_parts_by_name),
        cmocka_unit_test(plan_has_one_distance_for_each_pair),
        cmocka_unit_test(plan_numbers_links_by_pairs),
        cmocka_unit_test(plan_gives_every_listener_its_port),
    };
    return cmocka_run_group_tests_name("clouds_plan", tests, NULL, NULL);
}
