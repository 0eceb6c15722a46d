/* links: core_kv */
/* The stability floor of a group: what goes once all sites have it, and that nothing goes before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/replicate/low.h"
#include "actors/kv/core/replicate/stable.h"
#include "actors/kv/core/values/sweep.h"
#include "test_dkv_ask.h"

static int setup(void **state)
{
    (void)state;
    world = new_serving_world(11, 3);
    return 0;
}

static void put_to(unsigned site, const char *subject, const char *body)
{
    fake_forget_replies(&world->sites[site].fake);
    const struct dkv_message message = {hr_str_c(subject), hr_str_c(body), {0}};
    handle(&world->sites[site], &message, 1);
    quiet();
}

static void write_key(unsigned site, const char *verb, unsigned key, const char *body)
{
    char subject[48];
    snprintf(subject, sizeof subject, "wasmkv.%s.k%u", verb, key);
    put_to(site, subject, body);
}

static size_t litter_of(unsigned site)
{
    struct check check = check_store(&world->sites[site].fake, true);
    size_t count = check.litter_count;
    assert_int_equal(check.failures, 0);
    check_release(&check);
    return count;
}

static size_t litter(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < world->count; i++) {
        count += litter_of(i);
    }
    return count;
}

static size_t origins_of(unsigned site)
{
    size_t count = 0;
    const struct fake *fake = &world->sites[site].fake;
    for (size_t i = 0; i < fake->count; i++) {
        count += fake->pairs[i].key[0] == 'v';
    }
    return count;
}

static bool shows(unsigned site, const char *subject)
{
    return strstr(fake_send(&world->sites[site].fake, subject, ""), "\"value\":") != NULL;
}

/* Values of all sites, some deleted, some with fields removed. */
static void make_litter(unsigned from)
{
    for (unsigned i = from; i < from + 12; i++) {
        write_key(i % 3, "set", i, "{\"n\":1,\"m\":2}");
    }
    for (unsigned i = from; i < from + 6; i++) {
        write_key((i + 1) % 3, "del", i, "");
    }
    for (unsigned i = from + 6; i < from + 9; i++) {
        write_key((i + 2) % 3, "set", i, "{\"m\":null}");
        write_key((i + 1) % 3, "set", i, "{\"n\":3}");
    }
}

/* --- m/S ---------------------------------------------------------------------------------------------- */

/* It comes back as it went; version 1 knows only what was collected; what is damaged is refused. */
static void floor_is_stored(void **state)
{
    (void)state;
    struct hr_arena arena;
    struct hr_diag diag;
    struct dkv_floor back;
    struct dkv_floor floor = {.collected = 1,
                              .group = 2,
                              .low = 3,
                              .pending = 4,
                              .pending_at = 5,
                              .pending_wall = 6,
                              .waits_from = 7,
                              .retired_count = DKV_RETIRED_MAX};
    memset(floor.nonce.bytes, 9, sizeof floor.nonce.bytes);
    for (size_t i = 0; i < DKV_RETIRED_MAX; i++) {
        floor.retired[i] = (struct dkv_retired){(uint16_t)(i + 1), i + 100};
    }
    struct dkv_value value = {.present = true};
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_floor_encode(&floor, &arena, &value.bytes), HR_OK);
    assert_int_equal(dkv_floor_decode(value, &back, &diag), HR_OK);
    assert_memory_equal(&back, &floor, sizeof floor);
    assert_true(dkv_floor_retired(&back, dkv_origin_of(3, 102)));
    assert_false(dkv_floor_retired(&back, dkv_origin_of(3, 103)));
    assert_false(dkv_floor_retired(&back, dkv_origin_of(DKV_RETIRED_MAX + 1, 1)));
    for (size_t len = 0; len < value.bytes.len; len++) {
        const struct dkv_value cut = {hr_str_of(value.bytes.ptr, len), true};
        assert_int_not_equal(dkv_floor_decode(cut, &back, &diag), HR_OK);
    }
    unsigned char first[13] = {1, 0, 0, 0, 0, 0, 0, 0, 77};
    uint32_t crc = hr_crc32c(hr_str_of(first, 9));
    for (size_t i = 0; i < 4; i++) {
        first[9 + i] = (unsigned char)(crc >> (24 - 8 * i));
    }
    const struct dkv_value old = {hr_str_of(first, sizeof first), true};
    assert_int_equal(dkv_floor_decode(old, &back, &diag), HR_OK);
    assert_int_equal(back.collected, 77);
    assert_int_equal(back.group, 0);
    assert_int_equal(back.low, 0);
    hr_arena_release(&arena);
}

/* --- what lists allow --------------------------------------------------------------------------------- */

/* Three sites; origins 1 and 2 of each, the second of which is present. All of it may be said up to 500. */
struct lists {
    struct dkv_have lists[3];
    struct dkv_have_row rows[3][6];
    struct dkv_floor floor; /* of the first */
};

static dkv_origin origin_at(size_t index)
{
    return dkv_origin_of((uint16_t)(index / 2 + 1), index % 2 + 1);
}

static struct lists whole_lists(void)
{
    struct lists lists = {0};
    for (size_t i = 0; i < 3; i++) {
        lists.lists[i] = (struct dkv_have){.site = (uint16_t)(i + 1),
                                           .origin = origin_at(2 * i + 1),
                                           .seq = 20,
                                           .clock = 500 + i,
                                           .state = DKV_SITE_ACTIVE,
                                           .low = 100,
                                           .floor = 100,
                                           .count = 6};
        for (size_t j = 0; j < 6; j++) {
            bool sealed = j == 2 * i;
            lists.rows[i][j] = (struct dkv_have_row){
                origin_at(j), 20, 200 + 50 * j, 20, 1, sealed, sealed ? 20 : 0};
        }
    }
    return lists;
}

static dkv_hlc low_of(struct lists *lists)
{
    struct hr_arena arena;
    dkv_hlc low;
    const struct dkv_holdings holdings = {.lists = lists->lists, .count = 3, .floor = lists->floor};
    for (size_t i = 0; i < 3; i++) {
        lists->lists[i].rows = lists->rows[i];
    }
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_low_of(&holdings, &arena, &low), HR_OK);
    hr_arena_release(&arena);
    return low;
}

/* Takes row @index out of list @list. */
static void drop_row(struct lists *lists, size_t list, size_t index)
{
    struct dkv_have *have = &lists->lists[list];
    for (size_t i = index; i + 1 < have->count; i++) {
        lists->rows[list][i] = lists->rows[list][i + 1];
    }
    have->count--;
}

/* With everything here it is the lowest clock; what is missing of a present origin holds it. */
static void low_is_held_by_present_origins(void **state)
{
    (void)state;
    struct lists lists = whole_lists();
    assert_int_equal(low_of(&lists), 500);
    lists.lists[0].clock = 900;
    assert_int_equal(low_of(&lists), 501);
    lists.rows[0][5].prefix = 19; /* of the third site's present origin */
    lists.rows[0][5].hlc = 440;
    assert_int_equal(low_of(&lists), 440);
    lists = whole_lists();
    drop_row(&lists, 0, 3);
    assert_int_equal(low_of(&lists), 0);
    /* A site that has made nothing yet holds it by its clock alone. */
    lists = whole_lists();
    for (size_t i = 0; i < 3; i++) {
        drop_row(&lists, i, 5);
    }
    lists.lists[2].seq = 0;
    lists.lists[2].clock = 77;
    assert_int_equal(low_of(&lists), 77);
    /* Somebody holds more of an origin than its own site, which has lost it: its clock does not count. */
    lists = whole_lists();
    lists.rows[1][5].prefix = lists.rows[1][5].high = 21;
    assert_int_equal(low_of(&lists), 450);
}

/* An older origin holds it until its site says that it is over, and it is here up to there. */
static void low_is_held_by_older_origins(void **state)
{
    (void)state;
    struct lists lists = whole_lists();
    lists.rows[1][2].sealed = false;
    lists.rows[1][2].last = 0;
    assert_int_equal(low_of(&lists), 300);
    lists = whole_lists();
    lists.rows[0][2].prefix = 19;
    lists.rows[0][2].hlc = 290;
    assert_int_equal(low_of(&lists), 290);
    lists = whole_lists();
    lists.rows[2][2].high = 21; /* beyond the seal */
    assert_int_equal(low_of(&lists), 300);
    lists.rows[0][2].prefix = lists.rows[0][2].high = 21;
    assert_int_equal(low_of(&lists), 300); /* its own site has not got it yet */
    lists = whole_lists();
    drop_row(&lists, 0, 2);
    assert_int_equal(low_of(&lists), 0);
    /* Its own site has no entry of it any more: it gathered it up, if its floor says so. */
    lists = whole_lists();
    drop_row(&lists, 1, 2);
    assert_int_equal(low_of(&lists), 300);
    lists.lists[1].floor = 300;
    assert_int_equal(low_of(&lists), 500);
    lists.lists[1].state = DKV_SITE_SYNC;
    assert_int_equal(low_of(&lists), 300);
    /* This site has gathered it up, others have not yet. */
    lists = whole_lists();
    drop_row(&lists, 0, 2);
    lists.lists[0].floor = 900;
    assert_int_equal(low_of(&lists),
                     0); /* that its floor is higher does not say that it ever had it */
    lists.floor.retired_count = 1;
    lists.floor.retired[0] = (struct dkv_retired){2, 1};
    assert_int_equal(low_of(&lists), 500);
}

/* Origins of a site that was taken out hold it only while somebody has more of them. */
static void low_is_not_held_by_sites_that_were_taken_out(void **state)
{
    (void)state;
    struct lists lists = whole_lists();
    drop_row(&lists, 2, 5);
    drop_row(&lists, 2, 4);
    lists.lists[2].origin = dkv_origin_of(9, 1);
    lists.lists[2].site = 9;
    lists.lists[2].seq = 0;
    assert_int_equal(low_of(&lists),
                     400); /* the third site's are known, and nobody says they are over */
    lists.lists[0].removed_count = 1;
    lists.lists[0].removed[0] = (struct dkv_removed){3, 2, 0, 0};
    assert_int_equal(low_of(&lists), 500);
    lists.rows[1][4].high = 21;
    assert_int_equal(low_of(&lists), 400);
}

/* --- collection --------------------------------------------------------------------------------------- */

/* In a healthy group everything that was deleted is gone after a few seconds without a write, everywhere;
 * then nothing is committed any more. */
static void floor_lets_an_idle_group_forget(void **state)
{
    (void)state;
    uint64_t commits[3];
    make_litter(0);
    assert_true(litter() > 0);
    ticks(20);
    assert_int_equal(litter(), 0);
    agree();
    for (unsigned i = 0; i < 3; i++) {
        assert_null(fake_get(&world->sites[i].fake, "r/k1").ptr);
        assert_true(shows(i, "wasmkv.get.k9"));
        commits[i] = world->sites[i].fake.commits;
    }
    ticks(40);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(world->sites[i].fake.commits, commits[i]);
        assert_int_equal(world->sites[i].fake.errors, 0);
        assert_int_equal(floor_of(i).waits_from, 0);
    }
}

/* While a site is away nothing goes, however long, and hardly anything is committed; when it is back, all of
 * it does. Once an hour the one who holds it up is named. */
static void floor_waits_for_a_site_that_is_away(void **state)
{
    (void)state;
    ticks(10);
    world->sites[2].up = false;
    for (unsigned i = 0; i < 12; i++) {
        write_key(i % 2, "set", i, "{\"n\":1}");
        write_key((i + 1) % 2, "del", i, "");
    }
    uint64_t commits = world->sites[0].fake.commits;
    ticks(200);
    assert_int_equal(litter_of(0), 12);
    assert_int_equal(litter_of(1), 12);
    assert_in_range(world->sites[0].fake.commits - commits, 0, 4);
    unsigned warnings = world->sites[0].fake.warnings;
    world->now_ms += DKV_FLOOR_HELD_MS;
    ticks(20);
    assert_int_equal(world->sites[0].fake.warnings, warnings + 1);
    assert_non_null(
        strstr(world->sites[0].fake.logged, "event=floor-held reason=\"site site2 is away"));
    world->now_ms += DKV_FLOOR_HELD_MS;
    ticks(20);
    assert_int_equal(world->sites[0].fake.warnings, warnings + 2);
    assert_int_equal(litter_of(0), 12);
    start_site(&world->sites[2]);
    ticks(20);
    assert_int_equal(litter(), 0);
    agree();
    assert_int_equal(world->sites[0].fake.warnings, warnings + 2);
}

/* Nor is one named that was taken out of the group. */
static void floor_is_not_held_by_a_site_that_is_out(void **state)
{
    (void)state;
    ticks(10);
    world->sites[1].up = false;
    ticks(2);
    fake_send(&world->sites[0].fake, "_LOCAL.wasmkv.default.admin",
              "{\"verb\":\"member-remove\",\"name\":\"2\"}");
    ticks(2);
    world->sites[2].up = false;
    write_key(0, "set", 1, "{\"n\":1}");
    write_key(0, "del", 1, "");
    ticks(20);
    world->now_ms += DKV_FLOOR_HELD_MS;
    ticks(20);
    assert_non_null(
        strstr(world->sites[0].fake.logged, "event=floor-held reason=\"site site2 is away"));
    start_site(&world->sites[2]);
    ticks(20);
    assert_int_equal(litter_of(0), 0);
}

/* What site 0 knows of site 2, which is out. */
static char out_bytes[64];
static size_t out_len;

static void put_out(void)
{
    fake_put(&world->sites[0].fake, HR_STR("h/0003"), hr_str_of(out_bytes, out_len));
}

/* Site 2 begins anew, and asks site 0 as its first one, while that one waits for the answers of the others. */
static void bring_back(struct world *at)
{
    struct dkv_env env = fake_env(&at->sites[0].fake);
    struct dkv_config config;
    struct hr_arena arena;
    struct hr_diag diag;
    const struct dkv_fence want = {.site = 3, .inc = DKV_INC_MAX - 1, .begun = DKV_INC_MAX - 1};
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    assert_int_equal(dkv_fence_raise(&env, &config, &want, &arena, &diag), HR_OK);
    hr_arena_release(&arena);
}

/* A site that is back while the others are being asked has none of what they say, and is not in their answers. */
static void floor_waits_for_a_site_that_is_back_meanwhile(void **state)
{
    (void)state;
    ticks(10);
    world->sites[2].up = false;
    ticks(2);
    fake_send(&world->sites[0].fake, "_LOCAL.wasmkv.default.admin",
              "{\"verb\":\"member-remove\",\"name\":\"3\"}");
    ticks(2);
    struct hr_str out = fake_get(&world->sites[0].fake, "h/0003");
    assert_true(out.len <= sizeof out_bytes);
    memcpy(out_bytes, out.ptr, out.len);
    out_len = out.len;
    write_key(0, "set", 1, "{\"n\":1}");
    write_key(0, "del", 1, "");
    dkv_hlc floor = floor_of(0).group;
    world->healed = false; /* so that things happen */
    for (unsigned i = 0; i < 20; i++) {
        put_out();
        world->happens = bring_back;
        tick(&world->sites[0]);
        world->happens = NULL;
        put_out(); /* so that it is new each time, and the other does not hear of it */
        tick(&world->sites[1]);
        quiet();
        world->now_ms += 500;
    }
    assert_int_equal(floor_of(0).group, floor);
    assert_int_equal(litter_of(0), 1);
    world->healed = true;
    ticks(20);
    assert_int_equal(litter_of(0), 0);
}

/* A site that is alive and does not get the changes holds the floor as well. */
static void floor_waits_for_a_site_that_hears_nothing(void **state)
{
    (void)state;
    ticks(4);
    world->cut[0][2] = world->cut[1][2] = true; /* it is heard, and answers nobody's questions */
    make_litter(0);
    ticks(40);
    assert_true(litter_of(0) > 0);
    memset(world->cut, 0, sizeof world->cut);
    ticks(24);
    assert_int_equal(litter(), 0);
    agree();
}

/* With several hosts on one store each finds another host's number to wait for; the floor grows all the same. */
static void floor_grows_with_two_hosts_on_a_store(void **state)
{
    (void)state;
    char nonces[2][33];
    struct site *site = &world->sites[1];
    ticks(1);
    memcpy(nonces[0], site->nonce, sizeof nonces[0]);
    start_site(site);
    memcpy(nonces[1], site->nonce, sizeof nonces[1]);
    make_litter(0);
    for (unsigned i = 0; i < 30; i++) {
        site->fake.nonce = nonces[i % 2];
        ticks(1);
    }
    assert_int_equal(litter(), 0);
    /* The one whose number waits ends. */
    make_litter(20);
    site->fake.nonce = nonces[1];
    ticks(1);
    site->fake.nonce = nonces[0];
    ticks(50);
    assert_int_equal(litter(), 0);
    /* Neither of them is the one that was started last: that one is over. */
    start_site(site);
    ticks(1);
    make_litter(40);
    for (unsigned i = 0; i < 60; i++) {
        site->fake.nonce = nonces[i % 2];
        ticks(1);
    }
    assert_int_equal(litter(), 0);
    agree();
}

/* A change that is repeated long after what it did was deleted and forgotten does nothing. */
static void floor_keeps_the_dead_dead(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t len = 0;
    struct site *site = &world->sites[1];
    put_to(0, "wasmkv.set.gone", "{\"n\":1}");
    struct fake *fake = &world->sites[0].fake;
    for (size_t i = 0; i < fake->count; i++) {
        if (fake->pairs[i].key[0] == 'f') {
            bytes = fake_copy(fake->pairs[i].value, fake->pairs[i].value_len);
            len = fake->pairs[i].value_len;
        }
    }
    assert_non_null(bytes);
    put_to(2, "wasmkv.del.gone", "");
    ticks(20);
    assert_null(fake_get(&site->fake, "r/gone").ptr);
    for (unsigned i = 0; i < 3; i++) {
        struct hr_arena arena;
        struct hr_str change = hr_str_of(bytes, len);
        struct hr_str body;
        const struct dkv_parcel parcel = {.changes = &change, .count = 1};
        hr_arena_init(&arena, 0);
        assert_int_equal(dkv_parcel_encode(&parcel, &arena, &body), HR_OK);
        const struct dkv_message message = {HR_STR("wasmkv.peer.default.w"), body, {0}};
        handle(site, &message, 1);
        assert_null(fake_get(&site->fake, "r/gone").ptr);
        hr_arena_release(&arena);
        /* The second time its origin is over and gathered up, the third time the feed is empty too. */
        if (i == 0) {
            start_site(&world->sites[0]);
            ticks(20);
            assert_int_equal(origins_of(1), 2); /* site0 has made nothing since */
        } else {
            while (fake_at(&site->fake, HR_STR("f/")) < site->fake.count &&
                   site->fake.pairs[fake_at(&site->fake, HR_STR("f/"))].key[0] == 'f') {
                struct fake_pair *pair = &site->fake.pairs[fake_at(&site->fake, HR_STR("f/"))];
                fake_delete(&site->fake, hr_str_of(pair->key, pair->key_len));
            }
            fake_delete(&site->fake, HR_STR("m/tally"));
        }
    }
    assert_false(shows(1, "wasmkv.get.gone"));
    free(bytes);
}

/* A deletion of everything and one of a value at the same moment, which the former does not cover, as it is of a
 * lower origin: it is collected all the same once the floor has passed both. */
static void floor_collects_what_bears_the_clock_of_a_clear(void **state)
{
    (void)state;
    put_to(0, "wasmkv.set.same", "{\"n\":1}");
    put_to(0, "wasmkv.set.other", "{\"n\":1}");
    world->now_ms += 100;
    uint64_t moment = world->now_ms;
    world->cut[0][1] = true;
    put_to(0, "wasmkv.del", "");
    world->cut[0][1] = false;
    world->sites[1].skew_ms = (int64_t)moment - (int64_t)world->now_ms;
    put_to(1, "wasmkv.del.same", "");
    world->sites[1].skew_ms = 0;
    ticks(1);
    for (unsigned i = 0; i < world->count; i++) {
        struct fake *fake = &world->sites[i].fake;
        assert_true(check_be(fake_get(fake, "b/clear"), 1, 8) == moment << 16);
        assert_non_null(fake_get(fake, "r/same").ptr);
        assert_null(fake_get(fake, "r/other").ptr);
    }
    ticks(40);
    assert_int_equal(litter(), 0);
}

/* A site that comes late with a change older than what was collected: the deletion is found in the feed. */
static void floor_remembers_deletions_for_who_comes_late(void **state)
{
    (void)state;
    struct hr_arena arena;
    struct hr_diag diag;
    struct hr_str bytes;
    struct hr_str body;
    struct dkv_field fields[2] = {{.type = DKV_FIELD_BYTES},
                                  {.name = HR_STR("n"), .value = HR_STR("\"old\"")}};
    struct dkv_change change = {.op = DKV_CHANGE_SET,
                                .stamp = {world->now_ms << 16, dkv_origin_of(7, 1)},
                                .seq = 1,
                                .key = HR_STR("gone"),
                                .fields = fields,
                                .count = 2};
    world->now_ms += 100;
    put_to(0, "wasmkv.set.gone", "{\"n\":1}");
    put_to(1, "wasmkv.del.gone", "");
    ticks(20);
    assert_null(fake_get(&world->sites[1].fake, "r/gone").ptr);
    assert_true(floor_of(1).collected > change.stamp.hlc);
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_change_encode(&change, &arena, &bytes, &diag), HR_OK);
    const struct dkv_parcel parcel = {.changes = &bytes, .count = 1};
    assert_int_equal(dkv_parcel_encode(&parcel, &arena, &body), HR_OK);
    const struct dkv_message message = {HR_STR("wasmkv.peer.default.w"), body, {0}};
    unsigned warnings = world->sites[1].fake.warnings;
    handle(&world->sites[1], &message, 1);
    assert_false(shows(1, "wasmkv.get.gone"));
    assert_int_equal(world->sites[1].fake.warnings, warnings + 1);
    assert_non_null(strstr(world->sites[1].fake.logged, "event=below-floor count=1"));
    /* What it remembered again it forgets again, though no pass would look for anything so old. */
    assert_non_null(fake_get(&world->sites[1].fake, "r/gone").ptr);
    ticks(2);
    assert_null(fake_get(&world->sites[1].fake, "r/gone").ptr);
    hr_arena_release(&arena);
}

/* What is found true is told after some time, which the clock of another start of the host cannot measure. */
static void floor_is_told_after_a_while(void **state)
{
    (void)state;
    make_litter(0);
    ticks(2);
    assert_true(floor_of(1).pending > 0);
    for (unsigned i = 0; i < 4; i++) {
        start_site(&world->sites[1]);
        world->sites[1].mono_base_ms += 1000000;
        ticks(4);
        assert_int_equal(floor_of(1).low, 0);
        assert_int_equal(floor_of(0).group, 0);
    }
    ticks(4);
    assert_true(floor_of(1).low > 0);
}

static void sweep_first(struct fake *fake)
{
    struct dkv_env env = fake_env(fake);
    struct dkv_config config;
    struct hr_arena arena;
    struct hr_diag diag;
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    dkv_sweep_on(&env, &config);
    hr_arena_release(&arena);
}

/* Another host on the store collects a deletion at any moment while a change that is older is taken in. */
static void floor_remembers_what_is_collected_meanwhile(void **state)
{
    (void)state;
    bool reached = true;
    struct hr_str bytes;
    struct hr_str body;
    struct hr_arena arena;
    struct hr_diag diag;
    struct dkv_field fields[2] = {{.type = DKV_FIELD_BYTES},
                                  {.name = HR_STR("n"), .value = HR_STR("\"old\"")}};
    struct dkv_change change = {.op = DKV_CHANGE_SET,
                                .stamp = {world->now_ms << 16, dkv_origin_of(3, 1)},
                                .seq = 1,
                                .key = HR_STR("gone"),
                                .fields = fields,
                                .count = 2};
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_change_encode(&change, &arena, &bytes, &diag), HR_OK);
    const struct dkv_parcel parcel = {.changes = &bytes, .count = 1};
    assert_int_equal(dkv_parcel_encode(&parcel, &arena, &body), HR_OK);
    const struct dkv_message message = {HR_STR("wasmkv.peer.default.w"), body, {0}};
    for (uint64_t call = 1; reached; call++) {
        release_world(world);
        world = new_serving_world(11, 3);
        struct site *site = &world->sites[1];
        world->now_ms += 100;
        put_to(0, "wasmkv.set.gone", "{\"n\":1}");
        put_to(0, "wasmkv.del.gone", "");
        struct dkv_floor floor = {.group = (world->now_ms + 1000) << 16};
        struct hr_str stored;
        assert_int_equal(dkv_floor_encode(&floor, &arena, &stored), HR_OK);
        fake_put(&site->fake, HR_STR("m/S"), stored);
        site->fake.intruder = sweep_first;
        site->fake.fault = FAKE_INTRUDER;
        site->fake.fault_at = site->fake.calls + call;
        handle(site, &message, 1);
        reached = site->fake.calls >= site->fake.fault_at;
        site->fake.fault_at = 0;
        assert_false(shows(1, "wasmkv.get.gone"));
    }
    hr_arena_release(&arena);
}

/* A site that comes late with all that it made, older than the floor as it may be, is asked for it. */
static void floor_takes_in_who_comes_late(void **state)
{
    (void)state;
    release_world(world);
    world = new_world(11, 4);
    for (unsigned i = 0; i < 3; i++) {
        world->seen[i][3] = world->seen[3][i] = false;
    }
    let_serve(world);
    put_to(3, "wasmkv.set.late", "{\"n\":1}");
    world->now_ms += 1000;
    make_litter(0);
    ticks(20);
    assert_true(floor_of(0).group >> 16 > world->now_ms - 15000);
    memset(world->seen, 1, sizeof world->seen);
    ticks(4);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(shows(i, "wasmkv.get.late"));
    }
    /* Feeds differ: who comes late takes over records. */
    for (unsigned i = 1; i < 4; i++) {
        char *first = listing(&world->sites[0]);
        char *other = listing(&world->sites[i]);
        assert_string_equal(first, other);
        free(first);
        free(other);
    }
}

/* A store that the floor was never worked out with says so, and says nothing of itself. */
static void floor_does_not_count_on_a_new_store(void **state)
{
    (void)state;
    make_litter(0);
    ticks(20);
    struct fake *fake = &world->sites[2].fake;
    while (fake->count > 0) {
        fake_delete(fake, hr_str_of(fake->pairs[0].key, fake->pairs[0].key_len));
    }
    start_site(&world->sites[2]);
    dkv_hlc before = floor_of(0).group;
    write_key(0, "set", 50, "{\"n\":1}");
    ticks(20);
    assert_true(floor_of(2).group >= before);
    char *first = listing(&world->sites[0]);
    char *other = listing(&world->sites[2]);
    assert_string_equal(first, other);
    free(first);
    free(other);
}

/* --- origins ------------------------------------------------------------------------------------------ */

/* Starts of hosts leave no v/ behind once all have what they made; what they made stays in the feed. */
static void floor_gathers_origins_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        start_site(&world->sites[i % 3]);
        let_serve(world);
        write_key(i % 3, "set", i, "{\"n\":1}");
    }
    assert_true(origins_of(0) > 40);
    char name[32];
    struct fake_pair *first =
        &world->sites[1].fake.pairs[fake_at(&world->sites[1].fake, HR_STR("v/"))];
    snprintf(name, sizeof name, "%s", first->key);
    struct hr_arena kept;
    hr_arena_init(&kept, 0);
    struct hr_str progress = hr_arena_copy(&kept, hr_str_of(first->value, first->value_len));
    ticks(30);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(origins_of(i), 3);
        assert_int_equal(check_failures(&world->sites[i].fake, true), 0);
    }
    agree();
    /* They are not pulled again, and hold nothing up. */
    uint64_t commits = world->sites[0].fake.commits;
    ticks(10);
    assert_int_equal(world->sites[0].fake.commits, commits);
    make_litter(100);
    ticks(20);
    assert_int_equal(litter(), 0);
    /* A site that is not so far yet is not asked for them. */
    fake_put(&world->sites[1].fake, hr_str_c(name), progress);
    unsigned warnings = world->sites[0].fake.warnings;
    tick(&world->sites[0]);
    assert_int_equal(world->sites[0].fake.warnings, warnings);
    assert_null(fake_get(&world->sites[0].fake, name).ptr);
    ticks(1);
    assert_null(fake_get(&world->sites[1].fake, name).ptr);
    /* The feed is counted anew with what they left, and loses that first. */
    struct hr_arena arena;
    struct hr_diag diag;
    struct dkv_tally tally;
    struct dkv_env env = fake_env(&world->sites[0].fake);
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_tally_take(&env, &arena, &tally, &diag), HR_OK);
    hr_arena_release(&arena);
    assert_int_equal(tally.feed_count, 60 + 12 + 6 + 6);
    world->sites[1].fake.feed_max = "1024";
    for (unsigned i = 0; i < 1200; i++) {
        write_key(1, "set", i % 10, "{\"n\":3}");
    }
    size_t left = 0;
    const struct fake *fake = &world->sites[1].fake;
    for (size_t i = fake_at(fake, HR_STR("f/")); i < fake->count && fake->pairs[i].key[0] == 'f';
         i++) {
        char row[32];
        snprintf(row, sizeof row, "v/%.16s", fake->pairs[i].key + 2);
        left += fake_get(fake, row).ptr == NULL;
    }
    assert_int_equal(left, 0);
    ticks(2);
    agree_on_values();
    hr_arena_release(&kept);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floor_is_stored),
        cmocka_unit_test(low_is_held_by_present_origins),
        cmocka_unit_test(low_is_held_by_older_origins),
        cmocka_unit_test(low_is_not_held_by_sites_that_were_taken_out),
        CASE(floor_lets_an_idle_group_forget),
        CASE(floor_waits_for_a_site_that_is_away),
        CASE(floor_is_not_held_by_a_site_that_is_out),
        CASE(floor_waits_for_a_site_that_is_back_meanwhile),
        CASE(floor_waits_for_a_site_that_hears_nothing),
        CASE(floor_grows_with_two_hosts_on_a_store),
        CASE(floor_keeps_the_dead_dead),
        CASE(floor_collects_what_bears_the_clock_of_a_clear),
        CASE(floor_remembers_deletions_for_who_comes_late),
        CASE(floor_remembers_what_is_collected_meanwhile),
        CASE(floor_is_told_after_a_while),
        CASE(floor_takes_in_who_comes_late),
        CASE(floor_does_not_count_on_a_new_store),
        CASE(floor_gathers_origins_up),
    };
    return cmocka_run_group_tests_name("dkv_floor", tests, NULL, NULL);
}
