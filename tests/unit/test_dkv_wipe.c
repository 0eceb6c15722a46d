/* links: core_kv */
/* A site that was taken out of its group comes back, and its old store goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/site/fence.h"
#include "test_dkv_ask.h"

static uint64_t inc_of(unsigned site)
{
    return dkv_origin_inc(origin_of(site));
}

/* Says at @site that @out was taken out with its incarnation @inc and all before it. */
static void take_out(unsigned site, unsigned out, uint64_t inc)
{
    struct dkv_env env = fake_env(&world->sites[site].fake);
    struct dkv_config config;
    struct hr_arena arena;
    struct hr_diag diag;
    const struct dkv_fence want = {.site = (uint16_t)(out + 1), .removed = inc};
    hr_arena_init(&arena, 0);
    set_clock(&world->sites[site]);
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    assert_int_equal(dkv_fence_raise(&env, &config, &want, &arena, &diag), HR_OK);
    hr_arena_release(&arena);
}

/* Three sites, the last of which is away while something is deleted. */
static int setup(void **state)
{
    (void)state;
    world = new_serving_world(5, 3);
    write_to(0, "wasmkv.set.stays", "\"n\":1");
    write_to(2, "wasmkv.set.goes", "\"n\":1");
    ticks(1);
    world->sites[2].up = false;
    ticks(1);
    write_to(0, "wasmkv.del.goes", "");
    return 0;
}

static void agree_at_rest(void)
{
    agree_on_values();
    assert_false(stored(2, "m/wipe"));
}

/* The store goes when the others have said so in two ticks, and the site is a new one. */
static void wipe_takes_two_ticks(void **state)
{
    (void)state;
    uint64_t out = inc_of(2);
    take_out(0, 2, out);
    take_out(1, 2, out);
    start_site(&world->sites[2]);
    tick(&world->sites[2]);
    assert_true(stored(2, "m/wipe"));
    assert_true(stored(2, "r/goes"));
    assert_false(serves(&world->sites[2]));
    tick(&world->sites[2]); /* too soon after the first */
    assert_true(stored(2, "r/goes"));
    world->now_ms += 500;
    unsigned errors = world->sites[2].fake.errors;
    tick(&world->sites[2]);
    assert_int_equal(world->sites[2].fake.errors, errors + 1);
    assert_false(stored(2, "m/ctr"));
    assert_non_null(strstr(fake_send(&world->sites[2].fake, "wasmkv.get.goes", ""), "error"));
    ticks(6);
    assert_true(self_of(2).since > out);
    assert_true(serves(&world->sites[2]));
    agree_at_rest();
}

/* One of two is not enough, whoever says it; nor is an incarnation before the store's beginning. */
static void wipe_takes_everybody(void **state)
{
    (void)state;
    take_out(0, 2, inc_of(2));
    world->cut[0][1] = world->cut[1][0] = true;
    start_site(&world->sites[2]);
    for (unsigned i = 0; i < 4; i++) {
        tick(&world->sites[2]);
        world->now_ms += 500;
        assert_false(stored(2, "m/wipe"));
        world->cut[2][1] = false;
        /* The second one hears it from the third at last, and is kept from saying it. */
        fake_delete(&world->sites[1].fake, HR_STR("h/0003"));
    }
    assert_true(stored(2, "r/stays"));
    memset(world->cut, 0, sizeof world->cut);
    fake_delete(&world->sites[0].fake, HR_STR("h/0003"));
    take_out(0, 2, self_of(2).since - 1);
    take_out(1, 2, self_of(2).since - 1);
    ticks(4);
    assert_true(stored(2, "r/stays"));
    assert_false(stored(2, "m/wipe"));
}

/* What is not said again is forgotten. */
static void wipe_is_forgotten_if_it_is_not_said_again(void **state)
{
    (void)state;
    take_out(0, 2, inc_of(2));
    take_out(1, 2, inc_of(2));
    start_site(&world->sites[2]);
    tick(&world->sites[2]);
    assert_true(stored(2, "m/wipe"));
    fake_delete(&world->sites[0].fake, HR_STR("h/0003"));
    fake_delete(&world->sites[1].fake, HR_STR("h/0003"));
    world->now_ms += 500;
    ticks(4);
    assert_false(stored(2, "m/wipe"));
    assert_true(stored(2, "r/stays"));
    agree_at_rest();
}

/* As long as one site says so and another has not heard of it, the site neither goes nor serves. */
static void wipe_that_is_disputed_keeps_the_site_from_serving(void **state)
{
    (void)state;
    uint64_t out = inc_of(2);
    take_out(0, 2, out);
    start_site(&world->sites[2]);
    for (unsigned i = 0; i < 6; i++) {
        tick(&world->sites[2]);
        world->now_ms += 500;
    }
    assert_false(serves(&world->sites[2]));
    assert_true(stored(2, "r/stays"));
    ticks(6); /* now the others tell each other */
    assert_true(self_of(2).since > out);
    agree_at_rest();
}

/* Who hears in the same tick that a site is out and what that site has takes nothing of it. */
static void wipe_is_heard_before_anything_is_pulled(void **state)
{
    (void)state;
    start_site(&world->sites[2]);
    let_serve(world);
    world->sites[0].up = world->sites[1].up = false;
    write_to(2, "wasmkv.set.alone", "\"n\":1");
    uint64_t out = inc_of(2);
    world->sites[0].up = world->sites[1].up = true;
    take_out(0, 2, out);
    start_site(&world->sites[2]);
    tick(&world->sites[2]);
    tick(&world->sites[1]);
    assert_false(stored(1, "r/alone"));
    ticks(6);
    agree_at_rest();
}

/* A further life in the store that is to go is not the site's new beginning: nothing is taken from it, whoever
 * made it, and the site is no member until its store is another one. */
static void wipe_is_not_outrun_by_another_life(void **state)
{
    (void)state;
    start_site(&world->sites[2]);
    let_serve(world);
    world->cut[0][1] = world->cut[1][0] = true;
    world->cut[0][2] = world->cut[2][0] = true;
    write_to(1, "wasmkv.set.alone", "\"n\":1");
    quiet();
    assert_true(stored(2, "r/alone"));
    assert_false(stored(0, "r/alone"));
    world->sites[1].up = false;
    memset(world->cut, 0, sizeof world->cut);
    uint64_t out = inc_of(2);
    take_out(0, 2, out);
    start_site(&world->sites[2]);
    tick(&world->sites[2]);
    uint64_t further = inc_of(2);
    assert_true(further > out);
    for (unsigned i = 0; i < 3; i++) {
        tick(&world->sites[0]);
        assert_false(stored(0, "r/alone"));
    }
    start_site(&world->sites[1]);
    ticks(8);
    assert_true(self_of(2).since > further);
    assert_true(stored(0, "r/alone"));
    agree_at_rest();
}

/* Wherever it is interrupted, nothing of it is ever served. */
static void wipe_goes_on_after_a_crash(void **state)
{
    (void)state;
    uint64_t out = inc_of(2);
    take_out(0, 2, out);
    take_out(1, 2, out);
    start_site(&world->sites[2]);
    tick(&world->sites[2]);
    world->now_ms += 500;
    tick(&world->sites[2]);
    assert_false(stored(2, "m/ctr"));
    unsigned crashes = 0;
    while (stored(2, "m/wipe")) {
        struct fake *fake = &world->sites[2].fake;
        fake->fault_at = fake->calls + 1 + crashes / 2 % 40;
        fake->fault = crashes % 2 ? FAKE_CRASH_BEFORE : FAKE_CRASH_AFTER;
        tick(&world->sites[2]);
        fake->fault_at = 0;
        start_site(&world->sites[2]);
        if (stored(2, "m/wipe")) {
            assert_non_null(strstr(fake_send(fake, "wasmkv.get.goes", ""), "error"));
        }
        assert_true(++crashes < 400);
    }
    assert_true(crashes > 20);
    ticks(6);
    assert_true(self_of(2).since > out);
    agree_at_rest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wipe_takes_two_ticks, setup, teardown_world),
        cmocka_unit_test_setup_teardown(wipe_takes_everybody, setup, teardown_world),
        cmocka_unit_test_setup_teardown(wipe_is_forgotten_if_it_is_not_said_again, setup,
                                        teardown_world),
        cmocka_unit_test_setup_teardown(wipe_that_is_disputed_keeps_the_site_from_serving, setup,
                                        teardown_world),
        cmocka_unit_test_setup_teardown(wipe_is_heard_before_anything_is_pulled, setup,
                                        teardown_world),
        cmocka_unit_test_setup_teardown(wipe_is_not_outrun_by_another_life, setup, teardown_world),
        cmocka_unit_test_setup_teardown(wipe_goes_on_after_a_crash, setup, teardown_world),
    };
    return cmocka_run_group_tests_name("dkv_wipe", tests, NULL, NULL);
}
