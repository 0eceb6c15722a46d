/* links: core_kv */
/* What one site does with another's changes, case by case: acknowledgements, catching up, and what is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/have.h"
#include "actors/kv/core/site/tally.h"
#include "test_dkv_ask.h"

static int setup(void **state)
{
    (void)state;
    world = new_serving_world(7, 3);
    return 0;
}

static struct dkv_tally tally_of(unsigned site)
{
    struct hr_diag diag;
    struct dkv_tally tally = {0};
    struct hr_str bytes = fake_get(&world->sites[site].fake, "m/tally");
    assert_int_equal(dkv_tally_decode(bytes, &tally, &diag), HR_OK);
    return tally;
}

static struct hr_str change_of(struct hr_arena *arena, dkv_origin origin, uint64_t seq,
                               const char *value)
{
    return made_change(arena, origin, seq, "made", value);
}

/* Hands changes to @site as a broadcast. Returns how many of them it says it holds; -1: no answer. */
static int push(unsigned site, struct hr_arena *arena, struct hr_str *changes, size_t count)
{
    return hand_over(site, arena, changes, count);
}

/* What many changes need is read a few changes at a time, whether their values are there already or not. */
static void replica_reads_ahead(void **state)
{
    (void)state;
    struct hr_str changes[32];
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    dkv_origin origin = dkv_origin_of(9, 12345);
    for (uint64_t round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < 32; i++) {
            char key[8];
            snprintf(key, sizeof key, "k%u", (unsigned)i);
            changes[i] = made_change(&arena, origin, 32 * round + i + 1, key, round ? "2" : "1");
        }
        uint64_t readings = world->sites[0].fake.readings;
        assert_int_equal(push(0, &arena, changes, 32), 32);
        /* 4 of them, and those for the site, m/S and what every commit needs. */
        assert_true(world->sites[0].fake.readings - readings <= 12);
    }
    hr_arena_release(&arena);
}

/* A write is answered when one other site has it, and all get it. */
static void replica_acknowledges_a_write(void **state)
{
    (void)state;
    has(write_to(0, "wasmkv.set.a", "\"n\":1"), "\"created\":true,\"acks\":2,\"sites\":3}");
    agree();
    has(write_to(1, "wasmkv.set.a", "\"m\":2"), "\"value\":{\"m\":2,\"n\":1},\"created\":false");
    has(write_to(2, "wasmkv.del.a", ""), "\"deleted\":true,\"acks\":2,\"sites\":3}");
    has(write_to(2, "wasmkv.del", ""), "\"cleared\":true,\"count\":0,\"acks\":2,\"sites\":3}");
    agree();
}

/* If one site suffices, nothing is waited for; the others get the write all the same. */
static void replica_gets_what_was_answered_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        world->sites[i].fake.write_acks = "1";
    }
    has(write_to(0, "wasmkv.set.a", "\"n\":1"), "\"acks\":1,\"sites\":3}");
    agree();
}

/* All of them may be wanted. */
static void replica_of_every_site_may_be_wanted(void **state)
{
    (void)state;
    world->sites[0].fake.write_acks = "all";
    has(write_to(0, "wasmkv.set.a", "\"n\":1"), "\"acks\":3,\"sites\":3}");
    world->sites[2].up = false;
    has(write_to(0, "wasmkv.set.a", "\"n\":2"), "\"acks\":2,\"sites\":3}");
}

/* Those that are dead are not waited for, but by a majority. */
static void replica_that_is_dead_is_not_waited_for(void **state)
{
    (void)state;
    world->sites[1].up = false;
    world->sites[2].up = false;
    uint64_t before = world->now_ms;
    has(write_to(0, "wasmkv.set.a", "\"n\":1"), "\"acks\":1,\"sites\":3}");
    assert_true(world->now_ms - before < 250);
    world->sites[0].fake.write_acks = "majority";
    has(write_to(0, "wasmkv.set.a", "\"n\":2"),
        "{\"site\":\"site0\",\"error\":{\"code\":\"too-few-acks\",\"message\":\"1 of 3 sites");
    has(world->answer,
        "\"retryable\":false,\"acks\":1,\"sites\":3,\"missing\":[\"site1\",\"site2\"]}}");
    assert_in_range(world->now_ms - before, 5000, 6000);
    start_site(&world->sites[1]);
    ticks(2);
    has(write_to(0, "wasmkv.set.a", "\"n\":3"), "\"acks\":2,\"sites\":3}");
}

/* Who seems to be alive and is silent is waited for, no longer than is configured. The write stays. */
static void replica_that_is_silent_costs_the_time(void **state)
{
    (void)state;
    world->loss_per_mille = 1000;
    world->sites[0].fake.ack_timeout_ms = "700";
    uint64_t before = world->now_ms;
    has(write_to(0, "wasmkv.set.a", "\"n\":1"), "\"code\":\"too-few-acks\"");
    assert_in_range(world->now_ms - before, 700, 1000);
    world->loss_per_mille = 0;
    ticks(2);
    agree();
    has(fake_send(&world->sites[2].fake, "wasmkv.get.a", ""), "\"n\":1");
}

/* The same request at another site gives the first outcome; another one with the same id does not pass. */
static void replica_knows_requests_that_were_done_elsewhere(void **state)
{
    (void)state;
    char version[64] = {0};
    has(ask_as(0, "one", "wasmkv.set.a", "\"n\":1"), "\"created\":true,\"acks\":2");
    memcpy(version, strstr(world->answer, "\"version\":"), 44);
    ticks(1);
    write_to(1, "wasmkv.set.b", "\"n\":1");
    has(ask_as(1, "one", "wasmkv.set.a", "\"n\":1"), version);
    has(world->answer, "\"value\":{\"n\":1},\"created\":true,\"acks\":2,\"sites\":3}");
    has(ask_as(2, "one", "wasmkv.set.a", "\"n\":2"), "\"code\":\"bad-request\"");
    has(ask_as(0, "two", "wasmkv.del", ""), "\"count\":2");
    ticks(1);
    has(ask_as(2, "two", "wasmkv.del", ""), "\"cleared\":true,\"count\":2,\"acks\":2");
    agree();
}

/* A request that is repeated where it was done waits for the other sites again. */
static void replica_is_asked_again_for_a_repeated_request(void **state)
{
    (void)state;
    world->sites[0].fake.ack_timeout_ms = "300";
    world->loss_per_mille = 1000;
    has(ask_as(0, "one", "wasmkv.set.a", "\"n\":1"), "too-few-acks");
    has(ask_as(0, "one", "wasmkv.set.a", "\"n\":1"), "too-few-acks");
    world->loss_per_mille = 0;
    has(ask_as(0, "one", "wasmkv.set.a", "\"n\":1"), "\"created\":true,\"acks\":2,\"sites\":3}");
}

/* A change from a clock that is ahead waits for its time, and is not acknowledged before it. */
static void replica_parks_what_is_ahead_of_its_time(void **state)
{
    (void)state;
    world->sites[0].skew_ms = 1500;
    world->sites[0].fake.ack_timeout_ms = "300";
    has(write_to(0, "wasmkv.set.a", "\"n\":1"), "\"code\":\"too-few-acks\",\"message\":\"1 of 3");
    assert_null(fake_get(&world->sites[1].fake, "r/a").ptr);
    tick(&world->sites[1]);
    assert_null(fake_get(&world->sites[1].fake, "r/a").ptr);
    assert_true(world->sites[1].fake.warnings > 0);
    world->now_ms += 1500;
    ticks(1);
    assert_non_null(fake_get(&world->sites[1].fake, "r/a").ptr);
    agree();
}

/* Changes may come in any order and more than once; v/ goes on when the gap is filled, however many wait. */
static void replica_takes_changes_in_any_order(void **state)
{
    (void)state;
    struct hr_arena arena = {0};
    const dkv_origin origin = dkv_origin_of(9, 77);
    enum { COUNT = 400 };
    struct hr_str changes[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        changes[i] = change_of(&arena, origin, i + 1, "1");
    }
    for (uint64_t i = COUNT; i > 1; i--) {
        assert_int_equal(push(0, &arena, &changes[i - 1], 1), 1);
    }
    assert_int_equal(progress_of(0, origin).prefix, 0);
    assert_int_equal(progress_of(0, origin).high, COUNT);
    assert_int_equal(push(0, &arena, changes, 2), 2);
    assert_int_equal(progress_of(0, origin).prefix, COUNT);
    assert_int_equal(push(0, &arena, changes, 200), 200);
    assert_int_equal(tally_of(0).feed_count, COUNT);
    hr_arena_release(&arena);
}

/* Another change under a number that is taken, an own number, or a clock that goes back is no change:
 * it is said, not acknowledged, and the rest of the message is taken. */
static void replica_refuses_what_cannot_be(void **state)
{
    (void)state;
    struct hr_arena arena = {0};
    const dkv_origin origin = dkv_origin_of(9, 77);
    write_to(0, "wasmkv.set.a", "\"n\":1");
    struct hr_str changes[3] = {change_of(&arena, origin, 1, "1"),
                                change_of(&arena, origin, 1, "2"),
                                change_of(&arena, origin, 2, "3")};
    assert_int_equal(push(0, &arena, changes, 3), 2);
    assert_int_equal(world->sites[0].fake.errors, 1);
    has(fake_send(&world->sites[0].fake, "wasmkv.get.made", ""), "\"a\":3");
    changes[0] = change_of(&arena, origin_of(0), 1, "4");
    changes[1] = change_of(&arena, origin_of(0), 2, "5");
    assert_int_equal(push(0, &arena, changes, 2), 0);
    world->now_ms -= 60000;
    changes[0] = change_of(&arena, origin, 3, "6");
    world->now_ms += 60000;
    assert_int_equal(push(0, &arena, changes, 1), 0);
    assert_int_equal(world->sites[0].fake.errors, 4);
    /* Its own, as it is, is held. */
    char name[48];
    snprintf(name, sizeof name, "f/%016llx/%016x", (unsigned long long)origin_of(0), 1);
    changes[0] = hr_arena_copy(&arena, fake_get(&world->sites[0].fake, name));
    assert_int_equal(push(0, &arena, changes, 1), 1);
    hr_arena_release(&arena);
}

/* A message that is not sound as a whole changes nothing and gets no answer, whatever it comes as. */
static void replica_takes_no_damaged_message(void **state)
{
    (void)state;
    static const char *subjects[] = {
        "wasmkv.peer.default.w",         "_LOCAL.wasmkv.default.apply",
        "_LOCAL.wasmkv.default.ship",    "wasmkv.peer.default.have",
        "wasmkv.peer.default.log.site0", "wasmkv.peer.other.w",
        "wasmkv.peer.default.log.site1", "wasmkv.peer.default.dig.site0",
        "_LOCAL.wasmkv.default.mend"};
    struct hr_arena arena = {0};
    struct hr_str body = {0};
    struct hr_str changes[1] = {change_of(&arena, dkv_origin_of(9, 77), 1, "1")};
    const struct dkv_parcel parcel = {.changes = changes, .count = 1};
    write_to(0, "wasmkv.set.a", "\"n\":1");
    assert_int_equal(dkv_parcel_encode(&parcel, &arena, &body), HR_OK);
    uint64_t commits = world->sites[0].fake.commits;
    struct dkv_env env = fake_env(&world->sites[0].fake);
    fake_forget_replies(&world->sites[0].fake);
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        for (size_t bit = 0; bit < body.len * 8; bit++) {
            struct dkv_handled handled;
            ((char *)(uintptr_t)body.ptr)[bit / 8] ^= (char)(1 << bit % 8);
            const struct dkv_message message = {hr_str_c(subjects[i]), body, HR_STR("_INBOX.1")};
            dkv_batch_handle(&env, &message, 1, &handled);
            assert_int_not_equal(handled.err, HR_OK);
            ((char *)(uintptr_t)body.ptr)[bit / 8] ^= (char)(1 << bit % 8);
        }
    }
    assert_int_equal(world->sites[0].fake.reply_count, 0);
    assert_int_equal(world->sites[0].fake.commits, commits);
    hr_arena_release(&arena);
}

/* A site that was away gets all it missed, from whoever has it, in bounded time. */
static void replica_catches_up(void **state)
{
    (void)state;
    ticks(1);
    world->sites[1].up = false;
    struct hr_arena arena = {0};
    const dkv_origin dead = dkv_origin_of(9, 5); /* of a site that nobody sees */
    for (uint64_t i = 0; i < 3000; i++) {
        struct hr_str change = change_of(&arena, dead, i + 1, "1");
        assert_int_equal(push(2, &arena, &change, 1), 1);
    }
    for (unsigned i = 0; i < 100; i++) {
        write_to(0, "wasmkv.set.a", "\"n\":1");
    }
    start_site(&world->sites[1]);
    ticks(3);
    assert_int_equal(progress_of(1, dead).prefix, 3000);
    assert_int_equal(progress_of(0, dead).prefix, 3000);
    agree();
    hr_arena_release(&arena);
}

static void damage(struct fake *fake)
{
    struct fake_pair *pair = fake_find(fake, HR_STR("r/made"));
    assert_non_null(pair);
    pair->value[8] ^= 1; /* in the dead stamp */
    pair->value[9] = (char)(pair->value[9] + 1);
}

/* A record that cannot be read does not hold up what comes after a change of it, and is mended with that. */
static void replica_goes_on_beside_a_damaged_record(void **state)
{
    (void)state;
    struct hr_arena arena = {0};
    const dkv_origin other = dkv_origin_of(9, 5);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        struct hr_str change = change_of(&arena, other, seq, seq < 3 ? "1" : "7");
        if (seq > 1) {
            damage(&world->sites[0].fake);
        }
        for (unsigned i = 0; i < world->count; i++) {
            assert_int_equal(push(i, &arena, &change, 1), 1);
        }
    }
    assert_int_equal(progress_of(0, other).prefix, 3);
    ticks(60);
    const char *reply = fake_send(&world->sites[0].fake, "wasmkv.get.made", "");
    assert_non_null(strstr(reply, ":7"));
    agree();
    hr_arena_release(&arena);
}

/* A gap that nobody can fill does not keep what comes after it from spreading. */
static void replica_catches_up_beyond_a_gap(void **state)
{
    (void)state;
    struct hr_arena arena = {0};
    const dkv_origin dead = dkv_origin_of(9, 5);
    ticks(1);
    struct hr_str changes[8];
    for (uint64_t i = 0; i < 8; i++) {
        changes[i] = change_of(&arena, dead, i + 1, "1");
    }
    push(0, &arena, &changes[0], 1);
    push(0, &arena, &changes[3], 1);
    push(1, &arena, &changes[5], 1);
    push(2, &arena, &changes[7], 1);
    ticks(12);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(progress_of(i, dead).prefix, 1);
        assert_int_equal(progress_of(i, dead).high, 8);
    }
    agree();
    hr_arena_release(&arena);
}

/* Changes that the others have cut off cannot be had; their records can. */
static void replica_takes_over_what_was_cut_off(void **state)
{
    (void)state;
    struct hr_arena arena = {0};
    const dkv_origin dead = dkv_origin_of(9, 5);
    ticks(1);
    world->sites[1].up = false;
    world->sites[0].fake.feed_max = "1024";
    world->sites[2].fake.feed_max = "1024";
    for (uint64_t i = 0; i < 1400; i++) {
        struct hr_str change = change_of(&arena, dead, i + 1, "1");
        push(0, &arena, &change, 1);
    }
    ticks(2);
    assert_true(progress_of(0, dead).trunc_below > 1);
    start_site(&world->sites[1]);
    unsigned errors = world->sites[1].fake.errors;
    tick(&world->sites[1]);
    assert_int_equal(world->sites[1].fake.errors, errors);
    assert_int_equal(progress_of(1, dead).prefix, 1400);
    assert_int_equal(progress_of(1, dead).trunc_below, 1401);
    hr_arena_release(&arena);
}

/* In a group the feed loses its oldest changes, whosever they are, and not those of one site. */
static void replica_cuts_the_oldest_of_all_sites(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        world->sites[i].fake.feed_max = "1024";
    }
    for (unsigned i = 0; i < 1500; i++) {
        char body[32];
        snprintf(body, sizeof body, "\"n\":%u", i);
        has(write_to(i % 3, "wasmkv.set.a", body), "\"acks\":");
    }
    ticks(2);
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(tally_of(i).feed_count, 1024, 1024 + 64);
        for (unsigned j = 0; j < 3; j++) {
            struct dkv_progress progress = progress_of(i, origin_of(j));
            assert_int_equal(progress.prefix, 500);
            assert_in_range(progress.prefix + 1 - progress.trunc_below, 330, 375);
        }
    }
}

/* After another site's clear the number of values is known if the clear is newer than all that is here. */
static void replica_counts_after_a_clear(void **state)
{
    (void)state;
    write_to(0, "wasmkv.set.a", "\"n\":1");
    write_to(0, "wasmkv.set.b", "\"n\":1");
    has(write_to(1, "wasmkv.del", ""), "\"count\":2");
    for (unsigned i = 0; i < 3; i++) {
        assert_true(tally_of(i).counted);
        assert_int_equal(tally_of(i).visible, 0);
    }
    /* A clear that comes late, to a site that has written since. */
    world->cut[1][0] = true;
    write_to(1, "wasmkv.del", "");
    world->now_ms += 100;
    write_to(0, "wasmkv.set.c", "\"n\":1");
    world->cut[1][0] = false;
    ticks(2);
    assert_false(tally_of(0).counted);
    has(write_to(0, "wasmkv.del", ""), "\"count\":1");
    assert_true(tally_of(0).counted);
    agree();
}

/* A clear of another site is swept, without a write here. */
static void replica_sweeps_what_a_clear_covers(void **state)
{
    (void)state;
    char subject[32];
    for (unsigned i = 0; i < 2000; i++) {
        struct hr_arena arena = {0};
        snprintf(subject, sizeof subject, "wasmkv.set.k%u", i);
        fake_send(&world->sites[0].fake, subject, "{\"n\":1}");
        hr_arena_release(&arena);
    }
    ticks(2);
    agree();
    write_to(2, "wasmkv.del", "");
    ticks(2);
    for (unsigned i = 0; i < 3; i++) {
        struct check check = check_store(&world->sites[i].fake, true);
        assert_int_equal(check.record_count, 0);
        check_release(&check);
    }
}

/* Two sites that were each alone, and had collected what they deleted, meet: the deletions still count. */
static void replica_remembers_what_it_collected_when_alone(void **state)
{
    (void)state;
    release_world(world);
    world = new_world(7, 2);
    memset(world->seen, 0, sizeof world->seen);
    write_to(1, "wasmkv.set.a", "\"n\":\"old\"");
    write_to(1, "wasmkv.set.b", "\"x\":1,\"y\":1");
    write_to(1, "wasmkv.set.c", "\"n\":1");
    world->now_ms += 100;
    write_to(0, "wasmkv.set.a", "\"n\":1");
    write_to(0, "wasmkv.set.b", "\"x\":2,\"y\":2");
    write_to(0, "wasmkv.del.a", "");
    write_to(0, "wasmkv.set.b", "\"x\":null");
    for (unsigned i = 0; i < 10; i++) {
        world->now_ms += 20000;
        write_to(0, "wasmkv.set.b", "\"y\":3");
    }
    assert_null(fake_get(&world->sites[0].fake, "r/a").ptr);
    memset(world->seen, 1, sizeof world->seen);
    ticks(3);
    agree();
    has(fake_send(&world->sites[0].fake, "wasmkv.get.a", ""), "not-found");
    has(fake_send(&world->sites[0].fake, "wasmkv.get.b", ""), "\"value\":{\"y\":3}");
    has(fake_send(&world->sites[0].fake, "wasmkv.get.c", ""), "\"n\":1");
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(check_failures(&world->sites[i].fake, true), 0);
    }
}

/* A site whose store lost its newest changes does not make others under their numbers: it gets a new
 * incarnation, and what it lost from those who have it. */
static void replica_gives_back_a_lost_tail(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    write_to(0, "wasmkv.set.a", "\"n\":1");
    struct fake saved = fake_new(1);
    for (size_t i = 0; i < fake->count; i++) {
        fake_put(&saved, hr_str_of(fake->pairs[i].key, fake->pairs[i].key_len),
                 hr_str_of(fake->pairs[i].value, fake->pairs[i].value_len));
    }
    write_to(0, "wasmkv.set.b", "\"n\":2");
    write_to(0, "wasmkv.set.a", "\"n\":3");
    dkv_origin before = origin_of(0);
    while (fake->count > 0) {
        fake_delete(fake, hr_str_of(fake->pairs[0].key, fake->pairs[0].key_len));
    }
    for (size_t i = 0; i < saved.count; i++) {
        fake_put(fake, hr_str_of(saved.pairs[i].key, saved.pairs[i].key_len),
                 hr_str_of(saved.pairs[i].value, saved.pairs[i].value_len));
    }
    fake_release(&saved);
    ticks(3);
    assert_true(origin_of(0) > before);
    has(write_to(0, "wasmkv.set.c", "\"n\":4"), "\"acks\":2");
    agree();
    has(fake_send(fake, "wasmkv.get.a", ""), "\"n\":3");
    has(fake_send(fake, "wasmkv.get.b", ""), "\"n\":2");
}

static struct fake saved_store;
static char next_nonce[33];

/* The store's server starts again without its newest changes; the host notices as it connects again. */
static void restart_store(struct fake *fake)
{
    fake_copy_store(fake, &saved_store);
    snprintf(next_nonce, sizeof next_nonce, "%032x", 0xabcdefu);
    fake->nonce = next_nonce;
}

/* The same if that happens in the middle of a write, at whatever moment: the write is not done under a number
 * that others know as another change's, or it is refused, because the site has to catch up first. */
static void replica_gives_back_a_tail_that_is_lost_during_a_write(void **state)
{
    (void)state;
    bool reached = true;
    for (uint64_t call = 1; reached; call++) {
        release_world(world);
        world = new_serving_world(7, 3);
        struct fake *fake = &world->sites[0].fake;
        saved_store = fake_new(1);
        write_to(0, "wasmkv.set.a", "\"n\":1");
        fake_copy_store(&saved_store, fake);
        has(write_to(0, "wasmkv.set.b", "\"n\":2"), "\"acks\":2");
        fake->intruder = restart_store;
        fake->fault = FAKE_INTRUDER;
        fake->fault_at = fake->calls + call;
        bool done = strstr(write_to(0, "wasmkv.set.c", "\"n\":3"), "\"acks\":2") != NULL;
        reached = fake->calls >= fake->fault_at && call < 20;
        ticks(4);
        agree();
        has(fake_send(fake, "wasmkv.get.b", ""), "\"n\":2");
        has(fake_send(fake, "wasmkv.get.c", ""), done ? "\"n\":3" : "not-found");
        fake_release(&saved_store);
    }
}

/* A second host of the own site, which is nearer than anybody and holds every change before it is sent, does
 * not take the place of another site: neither where acknowledgements are counted, ... */
static void replica_is_not_mistaken_for_a_host_of_this_site(void **state)
{
    (void)state;
    release_world(world);
    world = new_serving_world(7, 2);
    world->siblings = true;
    world->delay_ms = 40;
    has(write_to(0, "wasmkv.set.k", "\"a\":1"), "\"acks\":2,\"sites\":2");
    agree();
}

/* ... nor where a site asks what the others hold. */
static void replica_catches_up_beside_a_host_of_this_site(void **state)
{
    (void)state;
    release_world(world);
    world = new_serving_world(7, 2);
    world->siblings = true;
    world->delay_ms = 40;
    world->cut[0][1] = world->cut[1][0] = true;
    has(write_to(0, "wasmkv.set.k", "\"a\":1"), "\"acks\":1,\"sites\":2");
    world->cut[0][1] = world->cut[1][0] = false;
    ticks(4);
    agree();
}

/* Each start makes an origin; hundreds of them are no trouble, and those without a change leave nothing. */
static void replica_lives_with_many_origins(void **state)
{
    (void)state;
    release_world(world);
    world = new_serving_world(7, 2);
    for (unsigned i = 0; i < 300; i++) {
        start_site(&world->sites[0]);
        world->now_ms += 10;
        fake_serve(&world->sites[0].fake);
        if (i % 2 == 0) {
            fake_send(&world->sites[0].fake, "wasmkv.set.a", "{\"n\":1}");
        } else {
            fake_send(&world->sites[0].fake, "wasmkv.get.a", "");
        }
    }
    ticks(2);
    agree();
    size_t origins = 0;
    for (size_t i = 0; i < world->sites[1].fake.count; i++) {
        origins += world->sites[1].fake.pairs[i].key[0] == 'v';
    }
    assert_int_equal(origins, 151); /* and its own */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(replica_reads_ahead),
        CASE(replica_acknowledges_a_write),
        CASE(replica_gets_what_was_answered_at_once),
        CASE(replica_of_every_site_may_be_wanted),
        CASE(replica_that_is_dead_is_not_waited_for),
        CASE(replica_that_is_silent_costs_the_time),
        CASE(replica_knows_requests_that_were_done_elsewhere),
        CASE(replica_is_asked_again_for_a_repeated_request),
        CASE(replica_parks_what_is_ahead_of_its_time),
        CASE(replica_takes_changes_in_any_order),
        CASE(replica_refuses_what_cannot_be),
        CASE(replica_takes_no_damaged_message),
        CASE(replica_catches_up),
        CASE(replica_goes_on_beside_a_damaged_record),
        CASE(replica_catches_up_beyond_a_gap),
        CASE(replica_takes_over_what_was_cut_off),
        CASE(replica_cuts_the_oldest_of_all_sites),
        CASE(replica_counts_after_a_clear),
        CASE(replica_sweeps_what_a_clear_covers),
        CASE(replica_remembers_what_it_collected_when_alone),
        CASE(replica_gives_back_a_lost_tail),
        CASE(replica_gives_back_a_tail_that_is_lost_during_a_write),
        CASE(replica_is_not_mistaken_for_a_host_of_this_site),
        CASE(replica_catches_up_beside_a_host_of_this_site),
        CASE(replica_lives_with_many_origins),
    };
    return cmocka_run_group_tests_name("dkv_replica", tests, NULL, NULL);
}
