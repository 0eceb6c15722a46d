/* links: sim_world core_kv yyjson */
#include "tests/unit/test_sim_fake.h"

/* Checks of what a site writes into its store beside changes: m/ctr, m/self, m/S, m/sync, v/ and records, by hand as docs/storage.md
 * has them. */

enum { ACTIVE = 1, SYNC = 2 };
enum { INTACT = 1, FRESH = 2, LOSSY = 3 };

static void commit_bytes(struct sim_world *world, uint32_t site, const char *key,
                         const struct bytes *value)
{
    commit(world, site, hr_str_c(key), hr_str_of(value->ptr, value->len));
}

static void counts(struct sim_world *world, uint64_t origin, uint64_t hlc, uint64_t seq)
{
    struct bytes ctr = {.len = 0};
    number(&ctr, 1, 1);
    number(&ctr, origin, 8);
    number(&ctr, hlc, 8);
    number(&ctr, seq, 8);
    number(&ctr, 0, 4);
    commit_bytes(world, 0, "m/ctr", &ctr);
}

static void counter_does_not_go_back(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    counts(world, ORIGIN1, 10, 3);
    counts(world, ORIGIN1, 10, 3);
    counts(world, ORIGIN1 + 1, 9, 0);
    assert_true(passed(world));

    world = new_world();
    counts(world, ORIGIN1, 10, 3);
    counts(world, ORIGIN1, 11, 2);
    assert_true(failed(world, "goes back from 3 to 2"));

    world = new_world();
    counts(world, ORIGIN1, 10, 3);
    counts(world, ORIGIN1, 9, 4);
    assert_true(failed(world, "its clock goes back"));

    world = new_world();
    sim_store_sync(&world->sites[0].store, world->now);
    counts(world, ORIGIN1, 10, 3);
    sim_store_crash(&world->sites[0].store);
    counts(world, ORIGIN1, 9, 2);
    assert_true(passed(world));
}

/* --- m/self ------------------------------------------------------------------------------------------- */

static void says_it_is(struct sim_world *world, uint64_t origin, unsigned state, unsigned found,
                       uint64_t nonce)
{
    struct bytes self = {.len = 0};
    number(&self, 2, 1);
    number(&self, 0, 16);
    number(&self, origin, 8);
    number(&self, 0, 8);
    number(&self, nonce, 8);
    number(&self, state, 1);
    number(&self, found, 1);
    number(&self, 1, 8);
    commit_bytes(world, 0, "m/self", &self);
}

static void loss_is_not_forgotten_by_a_boot(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    says_it_is(world, ORIGIN1, SYNC, LOSSY, 1);
    says_it_is(world, ORIGIN1, ACTIVE, INTACT, 1); /* it has caught up */
    says_it_is(world, ORIGIN1 + 1, SYNC, INTACT, 1);
    assert_true(passed(world));

    world = new_world();
    says_it_is(world, ORIGIN1, SYNC, LOSSY, 1);
    says_it_is(world, ORIGIN1 + 1, SYNC, INTACT, 1);
    assert_true(failed(world, "calls itself intact after a boot"));
}

/* A boot by a host that may know of a loss. */
static struct sim_world *booted(unsigned found, bool lossy, uint64_t nonce)
{
    struct sim_world *world = new_world();
    struct sim_call call = {.world = world, .host = &world->hosts[0]};
    world->hosts[0].found_lossy = lossy;
    snprintf(world->hosts[0].nonce_text, sizeof world->hosts[0].nonce_text, "%032x", 5);
    sim_model_committer(world, &call);
    says_it_is(world, ORIGIN1, SYNC, found, nonce);
    sim_model_committed(world);
    return world;
}

static void loss_is_taken_from_the_host(void **state)
{
    (void)state;
    assert_true(passed(booted(LOSSY, true, 5)));
    assert_true(passed(booted(FRESH, true, 5)));
    assert_true(passed(booted(INTACT, false, 5)));
    assert_true(passed(booted(INTACT, true, 6))); /* it was told as another one */
    assert_true(failed(booted(INTACT, true, 5), "its host says that it has lost something"));
}

/* --- v/ ----------------------------------------------------------------------------------------------- */

static void seals(struct sim_world *world, uint32_t site, uint64_t last)
{
    struct bytes row = {.len = 0};
    number(&row, 1, 1);
    number(&row, last, 8);
    number(&row, 10, 8);
    number(&row, 1, 1);
    number(&row, last, 8);
    number(&row, 1, 8);
    number(&row, 0, 4);
    commit_bytes(world, site, "v/0001000000000007", &row);
}

static void sealed_origin_has_ended(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, draft_of(ORIGIN1, 2, 11, "2"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    seals(world, 0, 2);
    put(world, 1, draft_of(ORIGIN1, 2, 11, "2"));
    assert_true(passed(world));

    world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, draft_of(ORIGIN1, 2, 11, "2"));
    put(world, 1, draft_of(ORIGIN1, 2, 11, "2"));
    sim_store_crash(&world->sites[0].store);
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    seals(world, 0, 1);
    assert_true(failed(world, "of which others have 2"));

    world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, draft_of(ORIGIN1, 2, 11, "2"));
    sim_store_crash(&world->sites[0].store);
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    seals(world, 0, 1);
    assert_false(world->failed);
    put(world, 1, draft_of(ORIGIN1, 2, 11, "2"));
    assert_true(failed(world, "which ended with 1"));
}

/* --- what is lost ------------------------------------------------------------------------------------- */

/* Change 1 is at both sites; 2, of k1, and 3, a deletion of everything, are lost with the store of the first. */
static struct sim_world *lost_two(void)
{
    struct sim_world *world = new_world();
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, draft_of(ORIGIN1, 2, 11, "2"));
    put(world, 0, (struct draft){ORIGIN1, 3, 12, SIM_KNOWN_CLEAR, NULL, 0, NULL});
    sim_store_crash(&world->sites[0].store);
    return world;
}

static void tells_of(struct sim_world *world, const char *event, const char *rest)
{
    char line[128];
    snprintf(line, sizeof line, "event=%s origin=0001000000000007 %s", event, rest);
    sim_check_lost_told(world, 0, hr_str_c(line));
}

static void tells(struct sim_world *world, const char *rest)
{
    tells_of(world, "writes-lost", rest);
}

static void forgets(struct sim_world *world, uint64_t seq)
{
    char key[48];
    snprintf(key, sizeof key, "f/0001000000000007/%016llx", (unsigned long long)seq);
    const struct hr_str keys[] = {hr_str_c(key), HR_STR("r/k1")};
    sim_check_lost_forgotten(world, 0, keys, 1);
    assert_false(world->failed); /* it does not say what it was about */
    sim_check_lost_forgotten(world, 0, keys, 2);
}

static void what_is_told_to_be_lost_is_lost(void **state)
{
    (void)state;
    struct sim_world *world = lost_two();
    tells(world, "first=2 last=3 keys=k3,k1,*");
    forgets(world, 1);
    forgets(world, 2);
    forgets(world, 3);
    assert_true(passed(world));

    world = lost_two();
    tells(world, "first=2 last=3 keys=unknown");
    assert_true(passed(world));

    world = lost_two();
    tells(world, "first=1 last=3 keys=k1,*");
    assert_true(failed(world, "/1 is lost, which is held"));

    world = lost_two();
    tells_of(world, "writes-doubtful", "first=1 last=3 keys=k1,*");
    forgets(world, 2);
    assert_true(passed(world));

    world = lost_two();
    tells(world, "first=2 last=4 keys=unknown");
    assert_true(failed(world, "/4 is lost, which was never made"));

    world = lost_two();
    tells(world, "first=2 last=3 keys=k1");
    assert_true(failed(world, "/3 is lost, and names other keys"));

    world = lost_two();
    tells(world, "first=2 last=3 keys=k2,*");
    assert_true(failed(world, "/2 is lost, and names other keys"));

    world = lost_two();
    tells(world, "first=3 last=2 keys=k2");
    assert_true(failed(world, "cannot be read"));

    world = lost_two();
    tells(world, "first=2 last=2 keys=k1");
    forgets(world, 3);
    assert_true(failed(world, "/3 is lost, and has not told it"));

    world = lost_two();
    tells(world, "first=2 last=3 keys=unknown");
    forgets(world, 2);
    assert_true(failed(world, "/2 is lost, and has not told it"));
}

/* A host remembers what it committed, and knows what of it its store lacks. */
static void what_a_host_remembers(void **state)
{
    (void)state;
    struct sim_world *world = new_world();
    struct sim_store *store = &world->sites[0].store;
    struct sim_recent *recent = &world->hosts[0].recent;
    struct dkv_lost_page page;
    struct hr_arena arena;
    char names[6][8];
    hr_arena_init(&arena, 0);
    for (unsigned i = 0; i < 6; i++) {
        snprintf(names[i], sizeof names[i], "k%u", i);
        const struct dkv_pair pair = {hr_str_c(names[i]), HR_STR("v")};
        const struct dkv_commit one = {.puts = &pair, .put_count = 1};
        commit(world, 0, pair.key, pair.value);
        sim_recent_note(recent, &one, world->now);
        if (i == 1) {
            sim_store_sync(store, world->now);
        }
    }
    assert_false(sim_recent_has_lost(recent));
    sim_store_crash(store);
    sim_recent_judge(recent, store);
    assert_true(sim_recent_has_lost(recent));
    assert_int_equal(sim_recent_page(recent, 0, &arena, &page), HR_OK);
    assert_int_equal(page.count, 3);
    assert_true(page.more);
    assert_true(hr_str_eq(page.commits[0].keys[0], HR_STR("k2")));
    assert_int_equal(sim_recent_page(recent, page.commits[2].id, &arena, &page), HR_OK);
    assert_int_equal(page.count, 1);
    assert_false(page.more);
    assert_true(hr_str_eq(page.commits[0].keys[0], HR_STR("k5")));
    for (uint64_t id = 1; id <= 6; id++) {
        sim_recent_forget(recent, id);
    }
    assert_false(sim_recent_has_lost(recent));
    hr_arena_release(&arena);
    sim_recent_release(recent);
    assert_true(passed(world));
}

/* --- m/S ---------------------------------------------------------------------------------------------- */

static void knows_both(struct sim_world *world)
{
    struct bytes cfg = {.len = 0};
    number(&cfg, 0, 16);
    number(&cfg, 2, 1);
    commit_bytes(world, 0, "m/cfg", &cfg);
    commit_bytes(world, 1, "m/cfg", &cfg);
}

struct says {
    uint64_t floor;
    uint64_t low;
    uint64_t pending;
    uint64_t retired; /* incarnation of site 1 */
};

static void says(struct sim_world *world, uint32_t site, struct says what)
{
    struct bytes marks = {.len = 0};
    number(&marks, 2, 1);
    number(&marks, 0, 8);
    number(&marks, what.floor, 8);
    number(&marks, what.low, 8);
    number(&marks, what.pending, 8);
    number(&marks, 0, 40);
    number(&marks, what.retired > 0, 1);
    if (what.retired > 0) {
        number(&marks, 1, 2);
        number(&marks, what.retired, 8);
    }
    number(&marks, 0, 4);
    commit_bytes(world, site, "m/S", &marks);
}

static struct sim_world *two_that_know(void)
{
    struct sim_world *world = new_world();
    knows_both(world);
    put(world, 0, draft_of(ORIGIN1, 1, 10, "1"));
    put(world, 0, draft_of(ORIGIN1, 2, 20, "2"));
    put(world, 1, draft_of(ORIGIN1, 1, 10, "1"));
    return world;
}

static void who_says_that_it_has_all_has_it(void **state)
{
    (void)state;
    struct sim_world *world = two_that_know();
    says(world, 0, (struct says){.low = 30});
    says(world, 1, (struct says){.low = 10, .pending = 19});
    assert_true(passed(world));

    world = two_that_know();
    says(world, 1, (struct says){.pending = 20});
    assert_true(failed(world, "says that it has all up to"));

    world = two_that_know();
    says(world, 1, (struct says){.low = 15});
    put(world, 0, draft_of(ORIGIN1, 3, 21, "3"));
    assert_false(world->failed);
    says(world, 0, (struct says){.low = 30});
    put(world, 1, draft_of(ORIGIN2, 1, 25, "4"));
    assert_true(failed(world, "which is not after what s1 said"));
}

static void floor_is_what_all_remember(void **state)
{
    (void)state;
    struct sim_world *world = two_that_know();
    says(world, 0, (struct says){.low = 15});
    says(world, 1, (struct says){.pending = 12});
    says(world, 0, (struct says){.low = 15, .floor = 12});
    assert_true(passed(world));

    world = two_that_know();
    says(world, 0, (struct says){.low = 15});
    says(world, 1, (struct says){.low = 12});
    says(world, 0, (struct says){.low = 15, .floor = 13});
    assert_true(failed(world, "s1 has the floor"));

    /* A lazy store forgets what its site has said. */
    world = two_that_know();
    sim_store_sync(&world->sites[1].store, world->now);
    world->now += SIM_S;
    says(world, 1, (struct says){.low = 12});
    says(world, 0, (struct says){.low = 15, .floor = 12});
    sim_store_crash(&world->sites[1].store);
    assert_true(failed(world, "s1 has the floor"));

    /* One that was put back has forgotten more. */
    world = two_that_know();
    sim_store_sync(&world->sites[1].store, world->now);
    world->now += SIM_S;
    says(world, 1, (struct says){.low = 12});
    says(world, 0, (struct says){.low = 15, .floor = 12});
    sim_model_empties(world, 1);
    sim_store_crash(&world->sites[1].store);
    assert_true(passed(world));
}

static void what_is_gathered_up_is_all(void **state)
{
    (void)state;
    struct sim_world *world = two_that_know();
    put(world, 1, draft_of(ORIGIN1, 2, 20, "2"));
    says(world, 1, (struct says){.retired = 7});
    assert_false(world->failed);
    put(world, 0, draft_of(ORIGIN1, 3, 21, "3"));
    assert_true(failed(world, "has gathered up"));

    world = two_that_know();
    says(world, 1, (struct says){.retired = 7});
    assert_true(failed(world, "gathers up an origin, and lacks"));
}

/* --- m/sync ------------------------------------------------------------------------------------------- */

static void is_filled(struct sim_world *world, uint32_t site, unsigned phase, uint64_t session,
                      unsigned donor)
{
    struct bytes sync = {.len = 0};
    number(&sync, 1, 1);
    number(&sync, phase, 1);
    number(&sync, 0, 2);
    number(&sync, session, 8);
    number(&sync, donor, 2);
    number(&sync, 0, 48);
    number(&sync, 0, 1);
    number(&sync, 0, 2);
    number(&sync, 0, 4);
    commit_bytes(world, site, "m/sync", &sync);
}

static void give_records(struct sim_world *world, uint32_t site, unsigned what, sim_us asked)
{
    struct sim_letter *question =
        sim_letter_new(SIM_LETTER_MESSAGE, HR_STR("wasmkv.peer.default.st.s1"), (struct hr_str){0},
                       HR_STR("_INBOX.s3.5"));
    const char body[2] = {1, (char)what};
    struct sim_call call = {.world = world,
                            .host = &world->hosts[site * 2],
                            .began = asked,
                            .letters = {question},
                            .count = 1};
    struct sim_letter *reply = sim_letter_new(SIM_LETTER_MESSAGE, HR_STR("_INBOX.s3.5"),
                                              hr_str_of(body, sizeof body), (struct hr_str){0});
    sim_model_published(world, &call, reply);
    sim_letter_unref(reply);
    sim_letter_unref(question);
}

static void who_is_filled_gives_nothing(void **state)
{
    (void)state;
    enum { PAGE = 1, WAITS = 2 };
    struct sim_world *world = new_world();
    is_filled(world, 0, 1, 0, 0);
    give_records(world, 0, PAGE, world->now + 1); /* it only wants to be */
    is_filled(world, 0, 3, 5, 2);
    give_records(world, 0, PAGE, world->now - 1); /* it has begun since then */
    give_records(world, 0, WAITS, world->now + 1);
    assert_false(world->failed);
    give_records(world, 0, PAGE, world->now + 1);
    assert_true(failed(world, "is being filled itself"));
}

/* Site @of has been active for long, and the host of @site hears it. */
static void hears_an_active_one(struct sim_world *world, uint32_t site, uint32_t of)
{
    world->model->joins[of].state = ACTIVE;
    world->model->joins[of].since = world->now;
    world->hosts[site * 2].sight[of].hears = true;
    world->hosts[site * 2].sight[of].alive_from = world->now;
}

static void donor_that_has_lost_something_has_the_rest(void **state)
{
    (void)state;
    shape.site_count = 3;
    struct sim_world *world = two_that_know();
    says_it_is(world, ORIGIN1, SYNC, LOSSY, 1);
    put(world, 1, draft_of(ORIGIN2, 1, 30, "3"));
    put(world, 2, draft_of(ORIGIN2, 1, 30, "3"));
    hears_an_active_one(world, 1, 2);
    world->now += 4 * SIM_S;
    is_filled(world, 1, 2, 5, 1);
    assert_true(failed(world, "which has lost something and lacks"));
    shape.site_count = 2;

    /* There is no better one. */
    world = two_that_know();
    says_it_is(world, ORIGIN1, SYNC, LOSSY, 1);
    put(world, 1, draft_of(ORIGIN2, 1, 30, "3"));
    world->now += 4 * SIM_S;
    is_filled(world, 1, 2, 5, 1);
    assert_true(passed(world));

    world = two_that_know();
    says_it_is(world, ORIGIN1, SYNC, INTACT, 1);
    put(world, 1, draft_of(ORIGIN2, 1, 30, "3"));
    world->now += 4 * SIM_S;
    is_filled(world, 1, 2, 5, 1);
    assert_true(passed(world));

    world = two_that_know();
    says_it_is(world, ORIGIN1, SYNC, LOSSY, 1);
    world->now += 4 * SIM_S;
    is_filled(world, 1, 2, 5, 1);
    assert_true(passed(world));
}

/* Site 2, which is filled, stores a record of k1 with one field of this stamp. */
static void store_record(struct sim_world *world, uint64_t hlc, uint64_t origin)
{
    struct sim_call call = {.world = world, .host = &world->hosts[2]};
    struct bytes record = {.len = 0};
    number(&record, 1, 4);
    number(&record, 0, 4);
    number(&record, 0, 16);
    number(&record, 2, 1);
    text(&record, "f0");
    number(&record, hlc, 8);
    number(&record, origin, 8);
    number(&record, 0, 1);
    number(&record, 1, 4);
    text(&record, "1");
    sim_model_committer(world, &call);
    commit_bytes(world, 1, "r/k1", &record);
    sim_model_committed(world);
}

/* Of the first origin the donor had all up to this clock. */
static void covers(struct sim_world *world, uint64_t session, uint64_t hlc)
{
    struct bytes row = {.len = 0};
    number(&row, 1, 1);
    number(&row, session, 8);
    number(&row, 2, 8);
    number(&row, hlc, 8);
    number(&row, 0, 29);
    commit_bytes(world, 1, "s/0001000000000007", &row);
}

static void record_has_changes_behind_it(void **state)
{
    (void)state;
    struct sim_world *world = two_that_know();
    store_record(world, 20, ORIGIN1); /* in no transfer it is not looked at */
    is_filled(world, 1, 3, 5, 1);
    store_record(world, 10, ORIGIN1); /* it has that one */
    covers(world, 5, 20);
    store_record(world, 20, ORIGIN1);
    assert_true(passed(world));

    world = two_that_know();
    is_filled(world, 1, 3, 5, 1);
    covers(world, 5, 19);
    store_record(world, 20, ORIGIN1);
    assert_true(failed(world, "and not the change"));

    /* Of another session. */
    world = two_that_know();
    is_filled(world, 1, 3, 5, 1);
    covers(world, 4, 20);
    store_record(world, 20, ORIGIN1);
    assert_true(failed(world, "and not the change"));
}

/* --- records that go ---------------------------------------------------------------------------------- */

static void take_away_record(struct sim_world *world)
{
    const struct hr_str key = HR_STR("r/k1");
    const struct dkv_commit one = {.deletes = &key, .delete_count = 1};
    size_t conflict;
    commit(world, 0, key, HR_STR("what the deletion left"));
    assert_int_equal(sim_store_commit(&world->sites[0].store, &one, world->now, &conflict), HR_OK);
    sim_model_committed(world);
}

/* Site 1 has deleted k1 and takes away what that left; @has_it: so has site 2; @clear: the clock of a deletion of everything, if any. */
static struct sim_world *collected(const char *members, bool has_it, uint64_t clear)
{
    snprintf(shape.members, sizeof shape.members, "%s", members);
    struct sim_world *world = new_world();
    const struct draft deletion = {
        .origin = ORIGIN1, .seq = 1, .hlc = 10, .kind = SIM_KNOWN_DEL, .key = "k1"};
    knows_both(world);
    put(world, 0, deletion);
    if (has_it) {
        put(world, 1, deletion);
    }
    if (clear > 0) {
        put(world, 0, (struct draft){ORIGIN1, 2, clear, SIM_KNOWN_CLEAR, NULL, 0, NULL});
    }
    take_away_record(world);
    shape.members[0] = '\0';
    return world;
}

static void deletion_is_collected_when_all_have_it(void **state)
{
    (void)state;
    assert_true(passed(collected("1,2", true, 0)));
    assert_true(failed(collected("1,2", false, 0), "has collected the deletion"));
    assert_true(passed(collected("1,2", false, 11))); /* everything was deleted after it */
    assert_true(passed(collected("", false, 0)));     /* nobody has named the sites */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counter_does_not_go_back),
        cmocka_unit_test(loss_is_not_forgotten_by_a_boot),
        cmocka_unit_test(loss_is_taken_from_the_host),
        cmocka_unit_test(sealed_origin_has_ended),
        cmocka_unit_test(what_is_told_to_be_lost_is_lost),
        cmocka_unit_test(what_a_host_remembers),
        cmocka_unit_test(who_says_that_it_has_all_has_it),
        cmocka_unit_test(floor_is_what_all_remember),
        cmocka_unit_test(what_is_gathered_up_is_all),
        cmocka_unit_test(who_is_filled_gives_nothing),
        cmocka_unit_test(donor_that_has_lost_something_has_the_rest),
        cmocka_unit_test(record_has_changes_behind_it),
        cmocka_unit_test(deletion_is_collected_when_all_have_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
