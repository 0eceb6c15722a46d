/* links: core_kv */
/* Wall clocks that are wrong: a site that is ahead writes by the others' clocks, one that is behind takes what
 * the others write, and whoever has written ahead of them goes on when time has caught up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_dkv_ask.h"

#define HOUR_MS ((int64_t)3600 * 1000)

static int setup(void **state)
{
    (void)state;
    world = new_serving_world(7, 3);
    world->clocks_known = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    release_world(world);
    return 0;
}

static void rounds(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        tick_all();
        go_on(world);
    }
}

static void cut_off(unsigned site, bool cut)
{
    for (unsigned other = 0; other < world->count; other++) {
        world->cut[site][other] = world->cut[other][site] = cut && other != site;
    }
}

/* It stamps by the others' clock, so that they take what it writes. */
static void drift_ahead_goes_by_the_others(void **state)
{
    (void)state;
    world->sites[0].skew_ms = HOUR_MS;
    rounds(2);
    has(send_to(0, "wasmkv.set.a", "{\"n\":1}"), "\"acks\":2");
    has(send_to(1, "wasmkv.set.a", "{\"n\":2}"), "\"acks\":2");
    rounds(2);
    has(send_to(0, "wasmkv.get.a", ""), "\"n\":2");
    start_site(&world->sites[0]);
    let_serve(world);
    has(send_to(0, "wasmkv.set.a", "{\"n\":3}"), "\"acks\":2");
    world->sites[0].skew_ms = 0;
    rounds(2);
    has(send_to(0, "wasmkv.set.a", "{\"n\":3}"), "\"acks\":2");
}

/* What it wrote before it knew keeps its stamps: the others take that when time has caught up, and till then it makes
 * nothing that they would not take, although its clock is right. */
static void drift_waits_for_time_to_catch_up(void **state)
{
    (void)state;
    cut_off(0, true);
    world->sites[0].skew_ms = HOUR_MS;
    has(send_to(0, "wasmkv.set.early", "{\"n\":1}"), "\"acks\":1");
    world->sites[0].skew_ms = 0;
    cut_off(0, false);
    rounds(3);
    has(send_to(0, "wasmkv.set.a", "{\"n\":1}"), "\"code\":\"unavailable\"");
    has(send_to(1, "wasmkv.get.early", ""), "not-found");
    has(send_to(1, "wasmkv.set.a", "{\"n\":2}"), "\"acks\":2");
    world->now_ms += (uint64_t)HOUR_MS;
    has(send_to(0, "wasmkv.set.b", "{\"n\":1}"), "\"acks\":2"); /* without waiting for a tick */
    rounds(4);
    has(send_to(1, "wasmkv.get.early", ""), "\"n\":1");
    has(send_to(0, "wasmkv.set.a", "{\"n\":3}"), "\"acks\":2");
}

/* A site whose wall is behind takes what the others write, and writes itself. */
static void drift_behind_takes_part(void **state)
{
    (void)state;
    world->sites[2].skew_ms = -HOUR_MS;
    rounds(2);
    has(send_to(0, "wasmkv.set.a", "{\"n\":1}"), "\"acks\":2");
    rounds(3);
    has(send_to(2, "wasmkv.get.a", ""), "\"n\":1");
    has(send_to(2, "wasmkv.set.a", "{\"n\":2}"), "\"acks\":2");
    rounds(3);
    has(send_to(0, "wasmkv.get.a", ""), "\"n\":2");
}

/* One wrong clock of three does not stop the two that are right. */
static void drift_of_one_stops_no_other(void **state)
{
    (void)state;
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        world->sites[2].skew_ms = wrong ? -HOUR_MS : HOUR_MS;
        rounds(3);
        for (unsigned site = 0; site < 2; site++) {
            has(send_to(site, "wasmkv.set.a", "{\"n\":5}"), "\"acks\":");
        }
    }
}

/* Sites that all were ahead once, and have set their clocks right, take each other's writes. */
static void drift_of_all_stops_nobody(void **state)
{
    (void)state;
    for (unsigned site = 0; site < 3; site++) {
        world->sites[site].skew_ms = HOUR_MS;
    }
    has(send_to(0, "wasmkv.set.a", "{\"n\":1}"), "\"acks\":2");
    rounds(3);
    for (unsigned site = 0; site < 3; site++) {
        world->sites[site].skew_ms = 0;
    }
    rounds(3);
    for (unsigned site = 0; site < 3; site++) {
        has(send_to(site, "wasmkv.set.a", "{\"n\":2}"), "\"acks\":2");
        rounds(2);
    }
    has(send_to(0, "wasmkv.get.a", ""), "\"n\":2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(drift_ahead_goes_by_the_others, setup, teardown),
        cmocka_unit_test_setup_teardown(drift_waits_for_time_to_catch_up, setup, teardown),
        cmocka_unit_test_setup_teardown(drift_behind_takes_part, setup, teardown),
        cmocka_unit_test_setup_teardown(drift_of_one_stops_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(drift_of_all_stops_nobody, setup, teardown),
    };
    return cmocka_run_group_tests_name("dkv_drift", tests, NULL, NULL);
}
