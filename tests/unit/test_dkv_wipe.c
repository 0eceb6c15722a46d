/* links: core_kv */
/* A site that was taken out of its group comes back, and its old store goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/fence.h"
#include "test_dkv_world.h"

static struct world *world;

static void quiet(void)
{
    bool busy = true;
    for (unsigned i = 0; busy && i < 2000; i++) {
        go_on(world);
        busy = false;
        for (size_t j = 0; j < PACKETS_MAX; j++) {
            busy = busy || world->packets[j].used;
        }
    }
    assert_false(busy);
}

static void write_to(unsigned site, const char *subject, const char *body)
{
    static unsigned number;
    struct client *client = &world->clients[world->client_count++];
    char id[24];
    snprintf(id, sizeof id, "x%u", ++number);
    dkv_siphash128((const unsigned char *)"hedgerow opid 1", hr_str_c(id), client->opid);
    snprintf(client->subject, sizeof client->subject, "%s", subject);
    snprintf(client->body, sizeof client->body, "{\"$request-id\":\"%s\"%s%s}", id,
             body[0] ? "," : "", body);
    send_client(world, world->client_count - 1, site);
    quiet();
}

static void ticks(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t next_ms = world->now_ms + 500;
        for (unsigned j = 0; j < world->count; j++) {
            tick(&world->sites[j]);
        }
        quiet();
        world->now_ms = next_ms > world->now_ms ? next_ms : world->now_ms;
    }
}

static uint64_t inc_of(unsigned site)
{
    return check_be(fake_get(&world->sites[site].fake, "m/ctr"), 1, 8) & DKV_INC_MAX;
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

static bool stored(unsigned site, const char *key)
{
    return fake_get(&world->sites[site].fake, key).ptr != NULL;
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

static int teardown(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (unsigned i = 0; i < world->count; i++) {
        failures += check_failures(&world->sites[i].fake, false);
    }
    release_world(world);
    return failures > 0 ? -1 : 0;
}

static void agree(void)
{
    for (unsigned i = 1; i < world->count; i++) {
        char *first = listing(&world->sites[0]);
        char *other = listing(&world->sites[i]);
        assert_string_equal(first, other);
        free(first);
        free(other);
    }
    assert_false(stored(2, "m/wipe"));
}

static uint64_t since_of(unsigned site)
{
    struct dkv_self self;
    struct hr_diag diag;
    assert_int_equal(dkv_self_decode(fake_get(&world->sites[site].fake, "m/self"), &self, &diag),
                     HR_OK);
    return self.since;
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
    assert_true(since_of(2) > out);
    assert_true(serves(&world->sites[2]));
    agree();
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
    take_out(0, 2, since_of(2) - 1);
    take_out(1, 2, since_of(2) - 1);
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
    agree();
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
    assert_true(since_of(2) > out);
    agree();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wipe_takes_two_ticks, setup, teardown),
        cmocka_unit_test_setup_teardown(wipe_takes_everybody, setup, teardown),
        cmocka_unit_test_setup_teardown(wipe_is_forgotten_if_it_is_not_said_again, setup, teardown),
        cmocka_unit_test_setup_teardown(wipe_goes_on_after_a_crash, setup, teardown),
    };
    return cmocka_run_group_tests_name("dkv_wipe", tests, NULL, NULL);
}
