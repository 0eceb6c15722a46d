/* links: core_kv */
/* Seals: how many changes an incarnation made that is over, and what becomes of those that nobody has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/compare/history.h"
#include "actors/kv/core/site/fence.h"
#include "test_dkv_ask.h"

static struct hr_arena arena;

static int setup(void **state)
{
    (void)state;
    world = new_serving_world(21, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return end_world(true);
}

/* What site 0 would have sent as the change @seq of its present incarnation, to @site alone. */
static void send_change(unsigned site, dkv_origin origin, uint64_t seq)
{
    struct hr_str change = made_change(&arena, origin, seq, "made", "1");
    assert_int_equal(hand_over(site, &arena, &change, 1), 1);
}

static void write_two(void)
{
    fake_send(&world->sites[0].fake, "wasmkv.set.a", "{\"n\":1}");
    fake_send(&world->sites[0].fake, "wasmkv.set.b", "{\"n\":1}");
    ticks(1);
    world->now_ms += 1000;
}

static void restart(const char *durability)
{
    world->sites[0].fake.durability = durability;
    world->now_ms += 1000;
    start_site(&world->sites[0]);
}

/* A sound store knows its last number at the boot; one that may have lost some asks all others first. */
static void seal_waits_for_all_if_something_may_be_lost(void **state)
{
    (void)state;
    dkv_origin first = origin_of(0);
    write_two();
    restart(NULL);
    tick(&world->sites[0]);
    assert_true(progress_of(0, first).sealed);
    assert_int_equal(progress_of(0, first).last, 2);
    dkv_origin second = origin_of(0);
    write_two();
    world->sites[2].up = false;
    restart("lazy");
    ticks(3);
    assert_false(serves(&world->sites[0])); /* it takes both others */
    assert_false(progress_of(0, second).sealed);
    assert_int_equal(progress_of(0, second).prefix, 2);
    start_site(&world->sites[2]);
    let_serve(world);
    ticks(1);
    assert_true(progress_of(0, second).sealed);
    assert_int_equal(progress_of(0, second).last, 2);
    assert_int_equal(world->sites[0].fake.lost_count, 0);
}

/* What only others have is got before; numbers that nobody has are filled and reported, and everybody goes on over
 * them. A second time nothing happens. */
static void seal_fills_what_nobody_has(void **state)
{
    (void)state;
    char line[200];
    dkv_origin first = origin_of(0);
    write_two();
    send_change(1, first, 3); /* the store of site 0 has lost them */
    send_change(1, first, 5);
    send_change(2, first, 8);
    restart("lazy");
    let_serve(world);
    ticks(2);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(progress_of(i, first).prefix, 8);
        assert_int_equal(progress_of(i, first).high, 8);
    }
    assert_true(progress_of(0, first).sealed);
    assert_int_equal(progress_of(0, first).last, 8);
    assert_int_equal(world->sites[0].fake.lost_count, 2);
    snprintf(line, sizeof line, "event=writes-lost origin=%016llx first=4 last=4 keys=unknown",
             (unsigned long long)first);
    assert_string_equal(world->sites[0].fake.lost[0], line);
    snprintf(line, sizeof line, "event=writes-lost origin=%016llx first=6 last=7 keys=unknown",
             (unsigned long long)first);
    assert_string_equal(world->sites[0].fake.lost[1], line);
    assert_true(settled(world));
    restart("lazy");
    let_serve(world);
    ticks(2);
    assert_int_equal(world->sites[0].fake.lost_count, 2);
    assert_true(settled(world));
}

/* Also if not even the first ones are left, and there are more than go into one message. */
static void seal_fills_from_the_first_number_on(void **state)
{
    (void)state;
    dkv_origin first = origin_of(0);
    world->now_ms += 1000;
    send_change(2, first, 700);
    restart("lazy");
    let_serve(world);
    ticks(6);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(progress_of(i, first).prefix, 700);
    }
    assert_int_equal(progress_of(0, first).last, 700);
    assert_true(settled(world));
}

/* Nothing is filled while somebody has not been asked: it may have what the others have not. */
static void seal_fills_nothing_that_somebody_may_have(void **state)
{
    (void)state;
    dkv_origin first = origin_of(0);
    write_two();
    send_change(1, first, 4);
    send_change(2, first, 3);
    world->sites[2].up = false;
    restart("lazy");
    ticks(4);
    assert_int_equal(progress_of(0, first).prefix, 2);
    assert_int_equal(progress_of(0, first).high, 4);
    start_site(&world->sites[2]);
    let_serve(world);
    ticks(2);
    assert_int_equal(progress_of(0, first).prefix, 4);
    assert_int_equal(progress_of(0, first).last, 4);
    assert_int_equal(world->sites[0].fake.lost_count, 0);
}

/* The store of a site is lost. */
static void lose_store(unsigned site)
{
    fake_release(&world->sites[site].fake);
    world->sites[site].fake = fake_new(site + 100);
    world->sites[site].fake.site = world->sites[site].name;
    world->sites[site].fake.site_id = world->sites[site].id;
    world->now_ms += 1000;
    start_site(&world->sites[site]);
}

/* Two stores that were lost do not know of a third site that is out of reach: they fill nothing of the lives before the loss
 * until somebody answers whose store has been there all the time. */
static void seal_fills_nothing_before_somebody_remembers(void **state)
{
    (void)state;
    dkv_origin first = origin_of(0);
    write_two();
    world->sites[2].up = false;
    world->seen[0][2] = world->seen[1][2] = false; /* their hosts start anew, too */
    lose_store(1);
    fake_send(&world->sites[1].fake, "wasmkv.get", "");
    struct hr_str change = made_change(&arena, first, 3, "made", "1");
    const struct dkv_pulled pulled = {.asked_as = origin_of(1), .heard_inc = dkv_origin_inc(first)};
    assert_int_equal(hand_over_pulled(1, &pulled, &arena, &change, 1), 1); /* it was under way */
    lose_store(0);
    let_serve(world);
    ticks(8);
    assert_int_equal(progress_of(0, first).prefix, 0);
    assert_int_equal(progress_of(0, first).high, 3);
    assert_int_equal(world->sites[0].fake.lost_count, 0);
    restart(NULL); /* a new life of the new store makes nobody remember */
    let_serve(world);
    ticks(4);
    assert_int_equal(progress_of(0, first).prefix, 0);
    world->seen[0][2] = world->seen[1][2] = true;
    start_site(&world->sites[2]);
    let_serve(world);
    ticks(2);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(progress_of(i, first).prefix, 3);
    }
    assert_int_equal(progress_of(0, first).last, 3);
    assert_int_equal(world->sites[0].fake.lost_count, 0);
    assert_true(settled(world));
}

/* What is lost is filled if one who remembers does not have it either, also if all others are catching up. */
static void seal_fills_what_who_remembers_has_not(void **state)
{
    (void)state;
    dkv_origin first = origin_of(0);
    world->now_ms += 1000;
    send_change(2, first, 3);
    world->sites[2].up = false;
    lose_store(1);
    lose_store(0);
    ticks(2);
    start_site(&world->sites[2]);
    let_serve(world);
    ticks(3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(progress_of(i, first).prefix, 3);
    }
    assert_int_equal(world->sites[0].fake.lost_count, 1);
    assert_true(settled(world));
}

/* Hands the change @seq of @origin, as it lies at the site @from, to @site. */
static void pass_on(unsigned from, unsigned site, dkv_origin origin, uint64_t seq)
{
    char name[48];
    snprintf(name, sizeof name, "f/%016llx/%016llx", (unsigned long long)origin,
             (unsigned long long)seq);
    struct hr_str change = fake_get(&world->sites[from].fake, name);
    assert_int_equal(hand_over(site, &arena, &change, 1), 1);
}

/* Site 0 hears that site 2 was taken out, up to @out. */
static void take_out(dkv_origin out)
{
    struct hr_diag diag;
    struct dkv_config config;
    struct dkv_env env = fake_env(&world->sites[0].fake);
    const struct dkv_fence want = {.site = 3, .removed = dkv_origin_inc(out)};
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    assert_int_equal(dkv_fence_raise(&env, &config, &want, &arena, &diag), HR_OK);
}

/* A member that has not heard yet that a site is out takes that site's old changes from it, so that nothing is filled before all
 * have heard; and from the moment when it hears, it does not. */
static void seal_fills_what_is_out_once_all_know(void **state)
{
    (void)state;
    dkv_origin out = origin_of(2);
    fake_send(&world->sites[2].fake, "wasmkv.set.a", "{\"n\":1}");
    fake_send(&world->sites[2].fake, "wasmkv.set.b", "{\"n\":1}");
    fake_send(&world->sites[2].fake, "wasmkv.set.c", "{\"n\":1}");
    pass_on(2, 0, out, 1);
    pass_on(2, 0, out, 3);
    pass_on(2, 1, out, 1);
    world->now_ms += 1000;
    start_site(&world->sites[2]);
    take_out(out);
    tick(&world->sites[0]);
    assert_int_equal(progress_of(0, out).prefix, 1);
    tick(&world->sites[1]);
    assert_int_equal(progress_of(1, out).prefix, 1);
    assert_int_equal(progress_of(1, out).high, 3); /* of site 0 */
    assert_false(stored(1, "r/b"));
    ticks(6);
    assert_int_equal(progress_of(0, out).prefix, 3);
    assert_int_equal(progress_of(1, out).prefix, 3);
    assert_true(world->sites[0].fake.lost_count + world->sites[1].fake.lost_count > 0);
    let_serve(world);
    agree_on_values();
}

/* --- what the host remembers -------------------------------------------------------------------------- */

/* Writes of site 0 that no other site gets; each body one commit. */
static void write_alone(const char *const *subjects, size_t count)
{
    struct dkv_message messages[8];
    struct dkv_handled handled[8];
    struct dkv_env env = fake_env(&world->sites[0].fake);
    for (size_t i = 0; i < count; i++) {
        bool sets = hr_str_starts(hr_str_c(subjects[i]), HR_STR("wasmkv.set."));
        messages[i] = (struct dkv_message){
            hr_str_c(subjects[i]), sets ? HR_STR("{\"n\":1}") : (struct hr_str){0}, {0}};
    }
    dkv_batch_handle(&env, messages, count, handled);
}

static void write_alone_one(const char *subject)
{
    write_alone(&subject, 1);
}

/* The store of site 0 dies and comes back as @as, while its host lives on. */
static void lose_tail(struct fake *as)
{
    fake_lose(&world->sites[0].fake, as);
    fake_release(as);
    restart("lazy");
}

static struct fake copy_of_store(void)
{
    struct fake copy = fake_new(1);
    fake_copy_store(&copy, &world->sites[0].fake);
    world->sites[0].fake.remembers = true;
    return copy;
}

static void assert_lost(unsigned at, dkv_origin origin, const char *rest)
{
    char line[200];
    assert_true(at < world->sites[0].fake.lost_count);
    snprintf(line, sizeof line, "event=writes-lost origin=%016llx %s", (unsigned long long)origin,
             rest);
    assert_string_equal(world->sites[0].fake.lost[at], line);
}

/* The last line of the log. */
static void assert_doubtful(dkv_origin origin, const char *rest)
{
    char line[200];
    snprintf(line, sizeof line, "event=writes-doubtful origin=%016llx %s",
             (unsigned long long)origin, rest);
    assert_string_equal(world->sites[0].fake.logged, line);
}

/* What was lost for good is named with its keys, also after the last number that anybody has; what another site had is not. It
 * is told once. */
static void seal_names_what_the_host_remembers(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    write_two();
    struct fake copy = copy_of_store();
    write_alone_one("wasmkv.set.c");
    write_alone_one("wasmkv.del.a");
    write_alone((const char *[]){"wasmkv.set.d", "wasmkv.set.e", "wasmkv.set.f"}, 3);
    write_alone_one("wasmkv.set.g");
    pass_on(0, 1, first, 6);
    lose_tail(&copy);
    assert_int_equal(fake_in_mind(fake), 4);
    let_serve(world);
    ticks(2);
    assert_int_equal(progress_of(0, first).last, 6);
    assert_int_equal(fake->lost_count, 2);
    assert_lost(0, first, "first=3 last=5 keys=c,a,d");
    assert_lost(1, first, "first=7 last=8 keys=f,g");
    assert_true(stored(0, "r/e"));
    assert_false(stored(0, "r/f"));
    assert_int_equal(fake_in_mind(fake), 0);
    assert_true(settled(world));
    restart("lazy");
    let_serve(world);
    ticks(2);
    assert_int_equal(fake->lost_count, 2);
}

/* Of what lies between, and is older than what the host remembers, it is told that it was. */
static void seal_says_where_the_host_does_not_know(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    write_two();
    struct fake copy = copy_of_store();
    fake->remembers = false;
    write_alone_one("wasmkv.set.c");
    write_alone_one("wasmkv.set.d");
    fake->remembers = true;
    write_alone_one("wasmkv.set.e");
    lose_tail(&copy);
    let_serve(world);
    ticks(1);
    assert_int_equal(fake->lost_count, 2);
    assert_lost(0, first, "first=3 last=4 keys=unknown");
    assert_lost(1, first, "first=5 last=5 keys=e");
}

/* Where a key was changed twice in one commit, or everything was deleted, each of its numbers has all of them. */
static void seal_names_all_where_it_cannot_tell(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    write_two();
    struct fake copy = copy_of_store();
    write_alone((const char *[]){"wasmkv.set.c", "wasmkv.set.d", "wasmkv.set.c"}, 3);
    write_alone_one("wasmkv.del");
    write_alone((const char *[]){"wasmkv.set.h", "wasmkv.del"}, 2);
    pass_on(0, 2, first, 4);
    lose_tail(&copy);
    let_serve(world);
    ticks(1);
    assert_int_equal(fake->lost_count, 2);
    assert_lost(0, first, "first=3 last=3 keys=c,d");
    assert_lost(1, first, "first=5 last=8 keys=c,d,*,h");
    assert_int_equal(fake_in_mind(fake), 0);
}

/* Numbers that were filled, and are lost once more: the host knows of the commit, and not what it was about. */
static void seal_does_not_name_what_was_filled(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    write_two();
    send_change(1, first, 4);
    struct fake copy = copy_of_store();
    restart("lazy");
    let_serve(world);
    tick(&world->sites[0]);
    assert_int_equal(progress_of(0, first).last, 4);
    assert_int_equal(fake->lost_count, 1);
    lose_tail(&copy);
    let_serve(world);
    ticks(2);
    assert_int_equal(progress_of(0, first).last, 4);
    for (unsigned i = 0; i < fake->lost_count; i++) {
        assert_lost(i, first, "first=3 last=3 keys=unknown");
    }
    assert_int_equal(fake_in_mind(fake), 0);
}

/* More than go into one line, one page or one parcel of numbers, between what others have and beyond it. */
static void seal_names_many(void **state)
{
    (void)state;
    enum { BELOW = 300, ALL = 340 };
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    struct fake copy = copy_of_store();
    char subject[32];
    for (unsigned i = 1; i <= ALL; i++) {
        snprintf(subject, sizeof subject, "wasmkv.set.k%u", i);
        write_alone_one(subject);
    }
    pass_on(0, 1, first, BELOW);
    lose_tail(&copy);
    fake->watch = "keys=k65,k66,";
    let_serve(world);
    ticks(3);
    assert_int_equal(progress_of(0, first).last, BELOW);
    assert_int_equal(fake->lost_count, 4 + 1 + 1); /* 256 numbers, 43, 40 */
    assert_int_equal(fake->watched, 1);
    assert_int_equal(fake_in_mind(fake), 0);
    for (unsigned i = 1; i <= ALL; i++) {
        snprintf(subject, sizeof subject, "r/k%u", i);
        assert_int_equal(stored(0, subject), i == BELOW);
    }
}

/* Nothing is filled or sealed while the host is finding out what it knows. */
static void seal_waits_for_the_host(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    write_two();
    struct fake copy = copy_of_store();
    write_alone_one("wasmkv.set.c");
    send_change(1, first, 4);
    lose_tail(&copy);
    fake->lost_unknown = true;
    let_serve(world);
    ticks(2);
    assert_int_equal(progress_of(0, first).prefix, 2);
    assert_int_equal(fake->lost_count, 0);
    fake->lost_unknown = false;
    ticks(1);
    assert_int_equal(progress_of(0, first).last, 4);
    assert_int_equal(fake->lost_count, 1);
    assert_lost(0, first, "first=3 last=3 keys=c");
}

/* Numbers 3 to 5 of @first, of which another site has 4; it is another host of this site that remembers them. */
static void lose_what_another_host_made(dkv_origin first)
{
    struct fake *fake = &world->sites[0].fake;
    write_two();
    struct fake copy = copy_of_store();
    write_alone_one("wasmkv.set.c");
    write_alone_one("wasmkv.set.d");
    write_alone_one("wasmkv.set.e");
    pass_on(0, 1, first, 4);
    fake->hidden = fake->remembered_count;
    lose_tail(&copy);
    let_serve(world);
}

/* What another host of the site has filled and sealed, without knowing what it was, is named by the one that knows. */
static void seal_is_completed_by_the_other_host(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    lose_what_another_host_made(first);
    ticks(2);
    assert_int_equal(progress_of(0, first).last, 4);
    assert_int_equal(fake->lost_count, 1);
    assert_lost(0, first, "first=3 last=3 keys=unknown");
    fake->hidden = 0;
    ticks(2);
    assert_int_equal(fake->lost_count, 3);
    assert_lost(1, first, "first=3 last=3 keys=c");
    assert_lost(2, first, "first=5 last=5 keys=e");
    assert_int_equal(fake_in_mind(fake), 0);
}

/* The other host finds out when all of it is gathered up already: what is not in the feed may be elsewhere, or nowhere. */
static void lost_is_doubtful_if_it_is_found_out_late(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    lose_what_another_host_made(first);
    ticks(20);
    assert_int_equal(progress_of(0, first).prefix, 0); /* it has none any more */
    assert_int_equal(fake->lost_count, 1);
    fake->hidden = 0;
    ticks(2);
    assert_int_equal(fake->lost_count, 2);
    assert_lost(1, first, "first=3 last=3 keys=c");
    assert_doubtful(first, "first=5 last=5 keys=e");
    assert_int_equal(fake_in_mind(fake), 0);
}

/* An incarnation of which nobody has anything has no end to be sealed; it is told once all have said so. */
static void lost_without_a_trace_is_told(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    struct fake copy = copy_of_store();
    write_alone_one("wasmkv.set.c");
    write_alone_one("wasmkv.set.d");
    world->sites[2].up = false;
    lose_tail(&copy);
    ticks(3);
    assert_int_equal(fake->lost_count, 0);
    start_site(&world->sites[2]);
    let_serve(world);
    ticks(1);
    assert_int_equal(fake->lost_count, 1);
    assert_lost(0, first, "first=1 last=2 keys=c,d");
    assert_int_equal(fake_in_mind(fake), 0);
}

/* Nobody knows who was there when an incarnation lived: it is told when a later one is gathered up, which is the last moment. */
static void lost_before_anybody_remembers_is_told_in_the_end(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    fake->remembers = true;
    write_alone_one("wasmkv.set.c");
    write_alone_one("wasmkv.set.d");
    world->sites[1].up = world->sites[2].up = false;
    struct fake empty = fake_new(1);
    lose_tail(&empty);
    lose_store(1);
    lose_store(2);
    let_serve(world);
    write_two();
    ticks(2);
    assert_int_equal(fake->lost_count, 0);
    restart("lazy");
    let_serve(world);
    ticks(20);
    assert_int_equal(fake->lost_count, 1);
    assert_lost(0, first, "first=1 last=2 keys=c,d");
    assert_int_equal(fake_in_mind(fake), 0);
    assert_true(settled(world));
}

/* What was lost with a store, told and filled, is in a copy of it from before that is put back. Numbers that were filled after the copy's
 * end have older clocks than what the copy has before them; and who has them filled does not know what had been there. */
static void lost_is_found_in_an_old_copy(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    struct fake copy = fake_new(1);
    write_two();
    write_alone_one("wasmkv.set.c");
    struct dkv_stamp stamp = {progress_of(0, first).hlc, first};
    fake_copy_store(&copy, fake);
    write_alone_one("wasmkv.set.d");
    write_alone_one("wasmkv.set.e");
    pass_on(0, 1, first, 5);
    lose_store(0);
    let_serve(world);
    ticks(1);
    assert_lost(0, first, "first=3 last=4 keys=unknown");
    struct dkv_env env = fake_env(&world->sites[1].fake);
    struct dkv_history history;
    struct hr_str key = HR_STR("c");
    struct hr_diag diag;
    assert_int_equal(dkv_history_read(&env, &key, 1, &arena, &history, &diag), HR_OK);
    assert_true(dkv_history_filled(&history, stamp));
    assert_false(dkv_history_covers(&history, stamp));
    stamp.hlc = progress_of(1, first).hlc; /* of the fifth */
    assert_false(dkv_history_filled(&history, stamp));
    assert_true(dkv_history_covers(&history, stamp));
    fake_copy_store(fake, &copy);
    fake_release(&copy);
    restart(NULL);
    let_serve(world);
    assert_int_equal(progress_of(0, first).prefix, 5);
    assert_int_equal(progress_of(0, first).hlc, stamp.hlc);
    assert_int_equal(fake->errors, 2); /* that they are lost, and that the store is behind */
    /* Its records are not those of the others' feeds now. */
    release_world(world);
    world = new_serving_world(21, 3);
}

/* A site that is alone asks nobody: it tells what it has lost after the boot, also if all is gone. */
static void lost_by_a_site_that_is_alone(void **state)
{
    (void)state;
    for (unsigned empty = 0; empty < 2; empty++) {
        release_world(world);
        world = new_serving_world(21, 1);
        struct fake *fake = &world->sites[0].fake;
        dkv_origin first = origin_of(0);
        write_alone_one("wasmkv.set.a");
        struct fake copy = copy_of_store();
        if (empty) {
            fake_release(&copy);
            copy = fake_new(1);
        }
        write_alone_one("wasmkv.set.c");
        write_alone_one("wasmkv.del.a");
        lose_tail(&copy);
        ticks(2);
        assert_int_equal(fake->lost_count, 1);
        assert_lost(0, first, "first=2 last=3 keys=c,a");
        assert_int_equal(fake_in_mind(fake), 0);
    }
}

/* A commit that takes in what an earlier life made and others had kept need not name all that it holds: newer values may have been there. */
static void lost_after_it_was_got_back_may_have_more_keys(void **state)
{
    (void)state;
    release_world(world);
    world = new_serving_world(21, 1);
    struct fake *fake = &world->sites[0].fake;
    dkv_origin first = origin_of(0);
    write_alone_one("wasmkv.set.a");
    restart(NULL);
    ticks(1);
    struct fake copy = copy_of_store();
    struct hr_str progress = dkv_key_progress(&arena, origin_of(0));
    const struct dkv_pair puts[4] = {{HR_STR("r/c"), HR_STR("c")},
                                     {dkv_key_change(&arena, first, 2), HR_STR("2")},
                                     {dkv_key_change(&arena, first, 3), HR_STR("3")},
                                     {progress, HR_STR("v")}};
    const struct dkv_commit commit = {.puts = puts, .put_count = 4};
    struct dkv_env env = fake_env(fake);
    struct hr_diag diag;
    size_t conflict;
    assert_int_equal(env.commit(env.arg, &commit, &conflict, &diag), HR_OK);
    lose_tail(&copy);
    ticks(2);
    assert_int_equal(fake->lost_count, 1);
    assert_lost(0, first, "first=2 last=3 keys=c more=2");
}

/* What it finds out once it has cut that off is doubtful: no trace is left of what was kept either. */
static void lost_is_doubtful_once_it_is_cut_off(void **state)
{
    (void)state;
    release_world(world);
    world = new_serving_world(21, 1);
    struct fake *fake = &world->sites[0].fake;
    fake->feed_max = "16";
    dkv_origin first = origin_of(0);
    write_alone_one("wasmkv.set.a");
    struct fake copy = copy_of_store();
    write_alone_one("wasmkv.set.c");
    fake->hidden = fake->remembered_count;
    lose_tail(&copy);
    for (unsigned i = 0; i < 120; i++) {
        write_alone_one("wasmkv.set.a");
    }
    assert_null(fake_find(fake, HR_STR("r/c")));
    assert_int_equal(progress_of(0, first).prefix, 0);
    assert_int_equal(fake->lost_count, 0);
    fake->hidden = 0;
    ticks(2);
    assert_int_equal(fake->lost_count, 0);
    assert_doubtful(first, "first=2 last=2 keys=c");
    assert_int_equal(fake_in_mind(fake), 0);
    /* Its records are more than its feed tells. */
    release_world(world);
    world = new_serving_world(21, 3);
}

/* A write of another host of this site, in the middle of the boot, is no damage. */
static void write_beside(struct fake *fake)
{
    struct dkv_env env = fake_env(fake);
    struct dkv_handled handled;
    const char *nonce = fake->nonce;
    static char before[33];
    const struct dkv_message message = {HR_STR("wasmkv.set.c"), HR_STR("{\"n\":1}"), {0}};
    snprintf(before, sizeof before, "%032x", 1u); /* of the first start of site 0 */
    fake->nonce = before;
    dkv_batch_handle(&env, &message, 1, &handled);
    fake->nonce = nonce;
}

static void seal_is_not_alarmed_by_a_write_beside_the_boot(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    for (uint64_t call = 1; call < 30; call++) {
        release_world(world);
        world = new_serving_world(21, 3);
        fake = &world->sites[0].fake;
        dkv_origin first = origin_of(0);
        write_two();
        start_site(&world->sites[0]);
        fake->intruder = write_beside;
        fake->fault = FAKE_INTRUDER;
        fake->fault_at = fake->calls + call;
        fake_send(fake, "wasmkv.get.a", "");
        fake->fault_at = 0;
        assert_int_equal(fake->errors, 0);
        assert_true(origin_of(0) > first);
        assert_true(progress_of(0, first).sealed);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(seal_waits_for_all_if_something_may_be_lost),
        CASE(seal_fills_what_nobody_has),
        CASE(seal_fills_from_the_first_number_on),
        CASE(seal_fills_nothing_that_somebody_may_have),
        CASE(seal_fills_nothing_before_somebody_remembers),
        CASE(seal_fills_what_who_remembers_has_not),
        CASE(seal_fills_what_is_out_once_all_know),
        CASE(seal_names_what_the_host_remembers),
        CASE(seal_says_where_the_host_does_not_know),
        CASE(seal_names_all_where_it_cannot_tell),
        CASE(seal_does_not_name_what_was_filled),
        CASE(seal_names_many),
        CASE(seal_waits_for_the_host),
        CASE(seal_is_completed_by_the_other_host),
        CASE(lost_is_doubtful_if_it_is_found_out_late),
        CASE(lost_without_a_trace_is_told),
        CASE(lost_is_found_in_an_old_copy),
        CASE(lost_before_anybody_remembers_is_told_in_the_end),
        CASE(lost_by_a_site_that_is_alone),
        CASE(lost_after_it_was_got_back_may_have_more_keys),
        CASE(lost_is_doubtful_once_it_is_cut_off),
        CASE(seal_is_not_alarmed_by_a_write_beside_the_boot),
    };
    return cmocka_run_group_tests_name("dkv_seal", tests, NULL, NULL);
}
