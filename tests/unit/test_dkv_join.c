/* links: core_kv */
/* Joining: a site that was started serves clients once it has what the others have, and not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_dkv_ask.h"

static int setup(void **state)
{
    (void)state;
    world = new_serving_world(11, 3);
    return 0;
}

static const char *read_at(unsigned site, const char *subject)
{
    return fake_send(&world->sites[site].fake, subject, "");
}

/* The store of a site is lost. */
static void lose_store(unsigned site)
{
    fake_release(&world->sites[site].fake);
    world->sites[site].fake = fake_new(site + 100);
    world->sites[site].fake.site = world->sites[site].name;
    world->sites[site].fake.site_id = world->sites[site].id;
    world->sites[site].up = false;
}

/* It goes into SYNC at its start, in which it refuses clients and acknowledges others' writes, and out of it with
 * everything that was written meanwhile; its clock is not behind anybody's. */
static void join_waits_for_what_others_have(void **state)
{
    (void)state;
    world->sites[1].up = false;
    for (unsigned i = 0; i < 50; i++) {
        has(write_to(0, "wasmkv.set.a", "\"n\":1"), "\"acks\":2");
    }
    world->now_ms += 5000;
    start_site(&world->sites[1]);
    has(read_at(1, "wasmkv.get"), "this site is catching up");
    has(read_at(1, "wasmkv.get.a"), "\"code\":\"unavailable\"");
    has(write_to(1, "wasmkv.set.b", "\"n\":1"), "catching up");
    assert_int_equal(self_of(1).state, DKV_SITE_SYNC);
    assert_int_equal(self_of(1).boot_class, DKV_BOOT_INTACT);
    world->sites[2].up = false;
    has(write_to(0, "wasmkv.set.c", "\"n\":1"), "\"acks\":2");
    start_site(&world->sites[2]);
    let_serve(world);
    assert_true(clock_of(1) >= clock_of(0) - 65536);
    has(read_at(1, "wasmkv.get.a"), "\"n\":1");
    has(read_at(1, "wasmkv.get.c"), "\"n\":1");
}

/* A site with nothing lost needs N - W others; one that may have lost something one more, as does a new one. The host
 * is told that it waits. */
static void join_needs_a_quorum(void **state)
{
    (void)state;
    write_to(0, "wasmkv.set.a", "\"n\":1");
    world->sites[2].up = false;
    start_site(&world->sites[0]);
    let_serve(world); /* one of two others suffices */
    has(read_at(0, "wasmkv.get.a"), "\"n\":1");
    start_site(&world->sites[0]);
    world->sites[0].fake.durability = "lazy";
    for (unsigned i = 0; i < 5; i++) {
        tick(&world->sites[0]);
        world->now_ms += 5000;
    }
    assert_int_equal(self_of(0).state, DKV_SITE_SYNC);
    assert_int_equal(self_of(0).boot_class, DKV_BOOT_LOSSY);
    assert_true(world->sites[0].fake.catching_up);
    start_site(&world->sites[2]);
    let_serve(world);
    assert_false(world->sites[0].fake.catching_up);
    assert_int_equal(self_of(0).boot_class, DKV_BOOT_INTACT);
    world->sites[0].fake.durability = NULL;
    lose_store(1);
    world->sites[2].up = false;
    start_site(&world->sites[1]);
    for (unsigned i = 0; i < 5; i++) {
        tick(&world->sites[1]);
        world->now_ms += 5000;
    }
    has(read_at(1, "wasmkv.get"), "unavailable");
    assert_int_equal(self_of(1).boot_class, DKV_BOOT_FRESH);
    start_site(&world->sites[2]);
    let_serve(world);
    has(read_at(1, "wasmkv.get.a"), "\"n\":1");
}

/* With write-acks 1 all others are needed, and with `all` none; with `join: any` nobody is, after a while. */
static void join_goes_by_the_configuration(void **state)
{
    (void)state;
    static const struct {
        const char *acks;
        const char *join;
        bool serves;
    } rows[] = {{"1", NULL, false},    {"2", NULL, false},  {"majority", NULL, false},
                {"3", NULL, true},     {"all", NULL, true}, {"1", "any", true},
                {"2", "quorum", false}};
    world->sites[1].up = world->sites[2].up = false;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world->sites[0].fake.write_acks = rows[i].acks;
        world->sites[0].fake.join = rows[i].join;
        start_site(&world->sites[0]);
        tick(&world->sites[0]);
        world->now_ms += 4000;
        for (unsigned j = 0; j < 3; j++) {
            tick(&world->sites[0]);
        }
        assert_int_equal(serves(&world->sites[0]), rows[i].serves);
    }
}

/* Several that are started at once, with nothing in their stores, do not wait for each other for ever. */
static void join_of_several_new_sites(void **state)
{
    (void)state;
    release_world(world);
    world = new_world(3, 5);
    has(read_at(4, "wasmkv.get"), "\"items\":[]"); /* it has not heard of the others yet */
    let_serve(world);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(self_of(i).boot_class, DKV_BOOT_INTACT);
        has(read_at(i, "wasmkv.get"), "\"items\":[]");
    }
    has(write_to(3, "wasmkv.set.a", "\"n\":1"), "\"acks\":2");
}

/* The third site has a new store, hears of nobody, and takes a write. */
static void begin_alone(void)
{
    lose_store(2);
    memset(world->seen[2], 0, sizeof world->seen[2]);
    for (unsigned i = 0; i < 3; i++) {
        world->seen[i][2] = false;
    }
    start_site(&world->sites[2]);
    has(write_to(2, "wasmkv.set.b", "\"n\":2"), "\"acks\":1,\"sites\":1}");
}

/* A new site that has been alone for a moment, and hears of others, serves no empty list; what was written at it
 * meanwhile stays. */
static void join_of_a_site_that_was_alone(void **state)
{
    (void)state;
    write_to(0, "wasmkv.set.a", "\"n\":1");
    begin_alone();
    memset(world->seen, 1, sizeof world->seen);
    has(write_to(2, "wasmkv.set.c", "\"n\":3"), "catching up");
    let_serve(world);
    has(read_at(2, "wasmkv.get.a"), "\"n\":1");
    has(read_at(2, "wasmkv.get.b"), "\"n\":2");
    for (unsigned i = 0; i < 3; i++) {
        tick(&world->sites[0]);
    }
    has(read_at(0, "wasmkv.get.b"), "\"n\":2");
}

/* Nor does it after a restart in between: its store is no less new by that. */
static void join_of_a_site_that_was_alone_and_restarted(void **state)
{
    (void)state;
    write_to(0, "wasmkv.set.a", "\"n\":1");
    begin_alone();
    start_site(&world->sites[2]);
    has(read_at(2, "wasmkv.get.b"), "\"n\":2");
    assert_int_equal(self_of(2).boot_class, DKV_BOOT_FRESH);
    memset(world->seen, 1, sizeof world->seen);
    world->sites[0].up = world->sites[1].up = false;
    start_site(&world->sites[2]);
    for (unsigned i = 0; i < 5; i++) {
        tick(&world->sites[2]);
        world->now_ms += 5000;
    }
    assert_false(serves(&world->sites[2]));
    start_site(&world->sites[0]);
    start_site(&world->sites[1]);
    let_serve(world);
    has(read_at(2, "wasmkv.get.a"), "\"n\":1");
}

/* Two whose stores are lost have forgotten a third one that is away; where the manifest names it, they wait for it. */
static void join_waits_for_whom_the_manifest_names(void **state)
{
    (void)state;
    for (unsigned named = 0; named < 2; named++) {
        release_world(world);
        world = new_serving_world(11, 3);
        write_to(2, "wasmkv.set.a", "\"n\":1");
        world->sites[2].up = false;
        for (unsigned i = 0; i < 2; i++) {
            lose_store(i);
            world->seen[i][2] = false;
            world->sites[i].fake.members = named ? "1,2,3" : NULL;
        }
        start_site(&world->sites[0]);
        start_site(&world->sites[1]);
        for (unsigned i = 0; i < 10; i++) {
            tick_all();
            world->now_ms += 1000;
        }
        assert_int_equal(serves(&world->sites[0]), !named);
        assert_int_equal(serves(&world->sites[1]), !named);
    }
    has(read_at(0, "wasmkv.get"), "it waits for those with the ids 3");
    memset(world->seen, 1, sizeof world->seen);
    start_site(&world->sites[2]);
    let_serve(world);
    has(read_at(0, "wasmkv.get.a"), "\"n\":1");
    has(read_at(1, "wasmkv.get.a"), "\"n\":1");
}

/* A store that was lost takes nothing of a site that is catching up itself, and may have been taken out, as long as somebody is
 * missing who would know; it does of one that serves. */
static void join_is_wary_of_strays(void **state)
{
    (void)state;
    write_to(2, "wasmkv.set.a", "\"n\":1");
    world->sites[0].up = false;
    lose_store(1);
    world->sites[1].fake.members = "1,2,3";
    start_site(&world->sites[1]);
    start_site(&world->sites[2]);
    ticks(4);
    assert_int_equal(self_of(2).state, DKV_SITE_SYNC);
    assert_false(stored(1, "r/a"));
    world->sites[2].fake.join = "any";
    world->now_ms += 4000;
    ticks(2);
    assert_int_equal(self_of(2).state, DKV_SITE_ACTIVE);
    assert_true(stored(1, "r/a"));
    start_site(&world->sites[0]);
    let_serve(world);
    has(read_at(1, "wasmkv.get.a"), "\"n\":1");
}

/* One whose clock is far ahead is not waited for if nothing is lacking of what it has, nor does it lift the clock;
 * a site of which something is lacking is left out when the others suffice, after a long time. */
static void join_beside_a_clock_that_is_ahead(void **state)
{
    (void)state;
    write_to(0, "wasmkv.set.a", "\"n\":1");
    world->sites[2].skew_ms = 3600 * 1000;
    world->sites[2].fake.ack_timeout_ms = "300";
    write_to(2, "wasmkv.set.a", "\"n\":2");
    start_site(&world->sites[1]);
    for (unsigned i = 0; i < 2; i++) {
        tick(&world->sites[1]);
        world->now_ms += 500;
    }
    assert_true(serves(&world->sites[1])); /* it is intact, and one other suffices */
    assert_true(clock_of(1) >> 16 < world->now_ms + 1000);
    world->sites[1].fake.durability = "lazy";
    start_site(&world->sites[1]);
    for (unsigned i = 0; i < 20; i++) {
        tick(&world->sites[1]);
        world->now_ms += 5000;
    }
    assert_false(serves(&world->sites[1])); /* what it may have lost, only that one may have */
    world->sites[2].skew_ms = 0;
    world->now_ms += 3600 * 1000;
    let_serve(world);
    has(read_at(1, "wasmkv.get.a"), "\"n\":2");
}

/* An old copy of the store, put in its place behind the site's back, is found out by what others have. */
static void join_finds_out_an_old_copy(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    struct fake copy = fake_new(1);
    write_to(0, "wasmkv.set.a", "\"n\":1");
    fake_copy_store(&copy, fake);
    write_to(0, "wasmkv.set.a", "\"n\":2");
    world->now_ms += 1000;
    start_site(&world->sites[0]);
    let_serve(world);
    write_to(0, "wasmkv.set.b", "\"n\":3");
    fake_copy_store(fake, &copy);
    fake_release(&copy);
    world->now_ms += 1000;
    start_site(&world->sites[0]);
    world->sites[2].up = false; /* as intact as it seems, one other would do */
    for (unsigned i = 0; i < 5; i++) {
        tick(&world->sites[0]);
        world->now_ms += 5000;
    }
    assert_false(serves(&world->sites[0]));
    assert_int_equal(self_of(0).boot_class, DKV_BOOT_LOSSY);
    start_site(&world->sites[2]);
    let_serve(world);
    has(read_at(0, "wasmkv.get.a"), "\"n\":2");
    has(read_at(0, "wasmkv.get.b"), "\"n\":3");
}

/* Who asks a site that waits for long is told for what; a reason of an earlier boot is none. */
static void join_says_what_it_waits_for(void **state)
{
    (void)state;
    static const char why[] =
        "this site is catching up: too few others have answered (caught up "
        "with 1 of 2 other sites, 2 needed; it waits for those with the ids 3)";
    world->sites[2].up = false;
    world->sites[0].fake.write_acks = "1";
    start_site(&world->sites[0]);
    tick(&world->sites[0]);
    has(read_at(0, "wasmkv.get"), "this site is catching up\"");
    world->now_ms += 4000;
    tick(&world->sites[0]);
    has(read_at(0, "wasmkv.get"), why);
    has(read_at(0, "wasmkv.get.a"), why);
    has(write_to(0, "wasmkv.set.a", "\"n\":1"), why);
    has(fake_get(&world->sites[0].fake, "m/joining").ptr + 11, "too few");
    start_site(&world->sites[0]);
    has(read_at(0, "wasmkv.get"), "this site is catching up\"");
    world->now_ms += 4000;
    world->sites[1].up = false; /* nobody can be its donor */
    has(fake_send(&world->sites[0].fake, "_LOCAL.wasmkv.default.admin",
                  "{\"verb\":\"repair\",\"rebuild\":true}"),
        "{\"site\":\"site0\"}");
    tick(&world->sites[0]);
    has(read_at(0, "wasmkv.get"), "catching up: the values are being transferred\"");
    start_site(&world->sites[1]);
    start_site(&world->sites[2]);
    let_serve(world);
    assert_null(fake_get(&world->sites[0].fake, "m/joining").ptr);
}

/* Sites that may all have lost something cannot make it good for each other: the one that is missing may have it. */
static void join_needs_sites_that_lost_nothing(void **state)
{
    (void)state;
    release_world(world);
    world = new_serving_world(12, 5);
    for (unsigned i = 0; i < 5; i++) {
        world->sites[i].fake.durability = "lazy";
        world->sites[i].fake.write_acks = "3";
        world->sites[i].up = false;
    }
    for (unsigned i = 0; i < 4; i++) {
        start_site(&world->sites[i]);
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 4; i++) {
            tick(&world->sites[i]);
        }
        world->now_ms += 5000;
    }
    has(read_at(0, "wasmkv.get"),
        "the others may have lost something, too (caught up with 3 of 4 other sites, 3 needed; ");
    start_site(&world->sites[4]);
    let_serve(world);
    has(read_at(0, "wasmkv.get"), "\"items\":[]");
}

/* Nothing is decided before the host knows who is there, nor while values are being transferred. */
static void join_waits_for_host_and_transfer(void **state)
{
    (void)state;
    world->sites[0].fake.unsettled = true;
    start_site(&world->sites[0]);
    tick(&world->sites[0]);
    assert_false(serves(&world->sites[0]));
    world->sites[0].fake.unsettled = false;
    fake_put(&world->sites[0].fake, HR_STR("m/sync"), HR_STR("x"));
    tick(&world->sites[0]);
    assert_false(serves(&world->sites[0]));
    fake_delete(&world->sites[0].fake, HR_STR("m/sync"));
    tick(&world->sites[0]);
    assert_true(serves(&world->sites[0]));
}

static uint64_t inc_of(unsigned site)
{
    return dkv_origin_inc(check_be(fake_get(&world->sites[site].fake, "m/ctr"), 1, 8));
}

/* A new store beside a wall that is behind: the incarnation is not one that others take for an old one. */
static void join_goes_beyond_what_others_know(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[2].fake;
    tick(&world->sites[2]);
    quiet();
    uint64_t before = inc_of(2);
    while (fake->count > 0) {
        fake_delete(fake, hr_str_of(fake->pairs[0].key, fake->pairs[0].key_len));
    }
    world->sites[2].skew_ms = -60000;
    start_site(&world->sites[2]);
    let_serve(world);
    assert_true(inc_of(2) > before);
    has(write_to(2, "wasmkv.set.a", "\"n\":1"), "\"acks\":2");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(join_waits_for_what_others_have),
        CASE(join_needs_a_quorum),
        CASE(join_goes_by_the_configuration),
        CASE(join_of_several_new_sites),
        CASE(join_of_a_site_that_was_alone),
        CASE(join_of_a_site_that_was_alone_and_restarted),
        CASE(join_waits_for_whom_the_manifest_names),
        CASE(join_is_wary_of_strays),
        CASE(join_beside_a_clock_that_is_ahead),
        CASE(join_finds_out_an_old_copy),
        CASE(join_waits_for_host_and_transfer),
        CASE(join_says_what_it_waits_for),
        CASE(join_needs_sites_that_lost_nothing),
        CASE(join_goes_beyond_what_others_know),
    };
    return cmocka_run_group_tests_name("dkv_join", tests, NULL, NULL);
}
