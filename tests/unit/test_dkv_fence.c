/* links: core_kv */
/* Fences: whoever has told a site what it holds takes nothing older of that site any more, as it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/have.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/serve.h"
#include "test_dkv_ask.h"

static struct hr_arena arena;
static struct hr_diag diag;

static int setup(void **state)
{
    (void)state;
    world = new_serving_world(5, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    release_world(world);
    hr_arena_release(&arena);
    return 0;
}

static struct dkv_fence fence_of(unsigned site, uint16_t of)
{
    struct dkv_env env = fake_env(&world->sites[site].fake);
    struct dkv_fences fences;
    assert_int_equal(dkv_fence_read(&env, &arena, &fences, &diag), HR_OK);
    return dkv_fence_of(&fences, of);
}

static struct dkv_config config_of(unsigned site)
{
    struct dkv_env env = fake_env(&world->sites[site].fake);
    struct dkv_config config;
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    return config;
}

static void raise_at(unsigned site, uint16_t of, uint64_t inc, uint64_t removed)
{
    struct dkv_env env = fake_env(&world->sites[site].fake);
    struct dkv_config config = config_of(site);
    const struct dkv_fence want = {.site = of, .inc = inc, .removed = removed};
    assert_int_equal(dkv_fence_raise(&env, &config, &want, &arena, &diag), HR_OK);
}

static struct hr_str change_of(dkv_origin origin, uint64_t seq)
{
    return made_change(&arena, origin, seq, "made", "1");
}

/* Whether @site says that it holds @change, which comes as it happens. */
static bool takes(unsigned site, struct hr_str change)
{
    int count = hand_over(site, &arena, &change, 1);
    assert_true(count >= 0);
    return count == 1;
}

/* The same for one that was pulled by that incarnation of the site, when it had heard of @heard_inc. */
static bool takes_pulled(unsigned site, dkv_origin asked_as, uint64_t heard_inc,
                         struct hr_str change)
{
    const struct dkv_pulled pulled = {.asked_as = asked_as, .heard_inc = heard_inc};
    int count = hand_over_pulled(site, &pulled, &arena, &change, 1);
    assert_true(count >= 0);
    return count == 1;
}

/* After a new incarnation has been told what there is, what the one before it made comes too late, unless it comes
 * out of somebody's feed. */
static void fence_bars_an_incarnation_that_is_over(void **state)
{
    (void)state;
    dkv_origin before = origin_of(2);
    struct hr_str change = change_of(before, 1);
    struct hr_str later = change_of(before, 2);
    assert_int_equal(fence_of(0, 3).inc, dkv_origin_inc(before));
    assert_true(takes(0, change));
    world->now_ms += 1000;
    start_site(&world->sites[2]);
    let_serve(world);
    assert_int_equal(fence_of(0, 3).inc, dkv_origin_inc(origin_of(2)));
    assert_true(takes(0, change)); /* it was here before */
    assert_false(takes(0, later));
    assert_false(takes(1, later));
    assert_null(fake_get(&world->sites[0].fake, "r/late").ptr);
    assert_true(takes_pulled(1, origin_of(1), fence_of(1, 3).inc, later));
    assert_true(takes(0, change_of(origin_of(2), 1)));
    assert_int_equal(world->sites[0].fake.errors, 0);
    /* The site itself as well: another host of it may be slow, and its store another one by now. */
    assert_false(takes(2, later));
    assert_true(takes_pulled(2, origin_of(2), 0, later));
}

/* Nor does what was asked for before that come through, wherever it is from: whoever gave it may have lost it since, and
 * said that it is nowhere. This site may have forgotten its own word, if it was started anew meanwhile. */
static void fence_bars_what_was_asked_for_before(void **state)
{
    (void)state;
    dkv_origin before = origin_of(2);
    dkv_origin asked_as = origin_of(0);
    struct hr_str change = change_of(before, 1);
    world->now_ms += 1000;
    start_site(&world->sites[2]);
    let_serve(world);
    assert_false(takes_pulled(0, asked_as, dkv_origin_inc(before), change));
    assert_false(takes_pulled(0, asked_as - 1, fence_of(0, 3).inc, change));
    start_site(&world->sites[0]);
    let_serve(world);
    assert_false(takes_pulled(0, asked_as, fence_of(0, 3).inc, change));
    assert_true(takes_pulled(0, origin_of(0), fence_of(0, 3).inc, change));
}

/* After a store has lost something, nothing is taken as it happens of a site that has not been asked since; that it asks
 * does not suffice, because its question may be old. */
static void fence_is_doubtful_after_a_loss(void **state)
{
    (void)state;
    world->sites[0].fake.durability = "lazy";
    start_site(&world->sites[0]);
    assert_false(takes(0, change_of(origin_of(2), 1)));
    assert_int_equal(self_of(0).boot_class, DKV_BOOT_LOSSY);
    assert_true(fence_of(0, 3).doubtful);
    tick(&world->sites[2]);
    quiet();
    raise_at(0, 3, dkv_origin_inc(origin_of(2)) + 1, 0);
    assert_true(fence_of(0, 3).doubtful);
    assert_false(takes(0, change_of(origin_of(2), 1)));
    start_site(&world->sites[2]);
    let_serve(world);
    assert_false(fence_of(0, 3).doubtful);
    assert_true(takes(0, change_of(origin_of(2), 1)));
    /* Nor of one that was forgotten altogether, before it is heard of. */
    start_site(&world->sites[0]);
    assert_false(takes(0, change_of(origin_of(2), 2)));
    fake_delete(&world->sites[0].fake, HR_STR("h/0003"));
    assert_false(takes(0, change_of(origin_of(2), 2)));
    let_serve(world);
    assert_true(takes(0, change_of(origin_of(2), 2)));
}

/* The fence is there before the answer, and the answer has nothing that came past it. */
static void fence_is_committed_before_the_answer(void **state)
{
    (void)state;
    struct fake *fake = &world->sites[0].fake;
    struct dkv_env env = fake_env(fake);
    struct dkv_config config = config_of(0);
    struct hr_str body;
    const struct dkv_ask ask = {dkv_origin_of(3, DKV_INC_MAX - 1), 1, DKV_SITE_SYNC, 0};
    assert_int_equal(dkv_ask_encode(&ask, &arena, &body), HR_OK);
    const struct dkv_message message = {HR_STR("wasmkv.peer.default.have"), body,
                                        HR_STR("_INBOX.1")};
    fake_forget_replies(fake);
    for (uint64_t call = 1; call < 20; call++) {
        fake->fault = FAKE_REFUSED;
        fake->fault_at = fake->calls + call;
        enum hr_err err = dkv_serve_have(&env, &config, &message, &diag);
        fake->fault_at = 0;
        bool answered = fake_sent(fake, "_INBOX.1") != NULL;
        assert_true(answered || err);
        assert_true(!answered || fence_of(0, 3).inc == DKV_INC_MAX - 1);
        if (!answered) {
            fake_delete(fake, HR_STR("h/0003")); /* as if it had not been tried */
        }
        fake_forget_replies(fake);
    }
    fake->fault_at = 0;
}

/* A fence only rises, and makes a member of whoever it is about; nothing is known of this site itself. */
static void fence_only_rises(void **state)
{
    (void)state;
    struct dkv_config config = config_of(0);
    struct dkv_env env = fake_env(&world->sites[0].fake);
    struct dkv_site site;
    raise_at(0, 9, 100, 0);
    raise_at(0, 9, 90, 50);
    assert_int_equal(fence_of(0, 9).inc, 100);
    assert_int_equal(fence_of(0, 9).removed, 50);
    assert_int_equal(fence_of(0, 9).since, 0);
    raise_at(0, 9, 110, 50); /* it was known by the one before */
    assert_int_equal(fence_of(0, 9).since, 100);
    raise_at(0, 9, 120, 50);
    assert_int_equal(fence_of(0, 9).since, 100);
    uint64_t commits = world->sites[0].fake.commits;
    raise_at(0, 9, 120, 50);
    raise_at(0, 1, 5, 5);
    assert_int_equal(world->sites[0].fake.commits, commits);
    assert_int_equal(fence_of(0, 1).inc, 0);
    assert_int_equal(dkv_site_open(&env, &config, &arena, &site, &diag), HR_OK);
    assert_true(dkv_site_member(&site.cfg, 9));
    struct dkv_value value = {fake_get(&world->sites[0].fake, "h/0009"), true};
    struct dkv_fence fence;
    ((char *)(uintptr_t)value.bytes.ptr)[4] ^= 1;
    assert_int_equal(dkv_fence_decode(value, 9, &fence, &diag), HR_CORRUPT);
}

/* A life in a store that was taken out is out as well, however late it was begun; a new store is not. */
static void fence_takes_out_further_lives_of_a_store(void **state)
{
    (void)state;
    struct dkv_env env = fake_env(&world->sites[0].fake);
    struct dkv_config config = config_of(0);
    struct dkv_fences fences;
    struct dkv_fence want = {.site = 9, .inc = 120, .begun = 70};
    raise_at(0, 9, 100, 100);
    assert_int_equal(dkv_fence_raise(&env, &config, &want, &arena, &diag), HR_OK);
    assert_int_equal(fence_of(0, 9).inc, 120);
    assert_int_equal(fence_of(0, 9).removed, 120);
    want = (struct dkv_fence){.site = 9, .inc = 140, .begun = 130};
    assert_int_equal(dkv_fence_raise(&env, &config, &want, &arena, &diag), HR_OK);
    assert_int_equal(fence_of(0, 9).inc, 140);
    assert_int_equal(fence_of(0, 9).removed, 120);
    assert_int_equal(dkv_fence_read(&env, &arena, &fences, &diag), HR_OK);
    assert_false(dkv_fence_is_out(&fences, 9));
    assert_true(dkv_fence_is_store_out(&fences, 9, 120));
    assert_false(dkv_fence_is_store_out(&fences, 9, 130));
    assert_false(dkv_fence_is_store_out(&fences, 8, 0));
}

/* Who has known a site for how long is handed on, with all whom one has to know for that. */
static void fence_says_since_when_a_site_is_known(void **state)
{
    (void)state;
    struct dkv_site site;
    struct dkv_env env = fake_env(&world->sites[1].fake);
    struct dkv_config config = config_of(1);
    raise_at(0, 9, 100, 0);
    raise_at(0, 8, 5, 0);
    tick(&world->sites[1]);
    assert_int_equal(fence_of(1, 9).since, 0);
    raise_at(0, 9, 110, 0);
    tick(&world->sites[1]);
    assert_int_equal(fence_of(1, 9).since, 100);
    assert_int_equal(fence_of(1, 9).inc, 0); /* it has not asked there */
    assert_int_equal(dkv_site_open(&env, &config, &arena, &site, &diag), HR_OK);
    assert_true(dkv_site_member(&site.cfg, 8));
    uint64_t commits = world->sites[1].fake.commits;
    tick(&world->sites[1]);
    assert_int_equal(fence_of(1, 9).since, 100);
    assert_true(world->sites[1].fake.commits <= commits + 1); /* for the floor */
}

/* A site that was taken out at one place is out everywhere: nobody waits for it, what it sends is not taken, and it
 * counts neither as a site nor as one that acknowledges. When it has begun anew, it is in again. */
static void fence_takes_a_site_out(void **state)
{
    (void)state;
    dkv_origin out = origin_of(2);
    raise_at(0, 3, 0, dkv_origin_inc(out));
    tick(&world->sites[1]);
    assert_int_equal(fence_of(1, 3).removed, dkv_origin_inc(out));
    assert_false(takes(1, change_of(out, 1)));
    struct client *client = &world->clients[0];
    world->client_count = 1;
    dkv_siphash128((const unsigned char *)"hedgerow opid 1", HR_STR("one"), client->opid);
    snprintf(client->subject, sizeof client->subject, "wasmkv.set.a");
    snprintf(client->body, sizeof client->body, "{\"$request-id\":\"one\",\"n\":1}");
    world->sites[0].fake.write_acks = "3";
    send_client(world, 0, 0);
    for (unsigned i = 0; i < 100; i++) {
        go_on(world);
    }
    assert_non_null(strstr(world->answer, "\"acks\":2,\"sites\":2}"));
    world->sites[2].up = false;
    start_site(&world->sites[0]);
    let_serve(world);
    fake_release(&world->sites[2].fake);
    world->sites[2].fake = fake_new(99);
    world->sites[2].fake.site = world->sites[2].name;
    world->sites[2].fake.site_id = world->sites[2].id;
    world->now_ms += 1000;
    start_site(&world->sites[2]);
    let_serve(world);
    assert_true(dkv_origin_inc(origin_of(2)) > dkv_origin_inc(out));
    struct dkv_env env = fake_env(&world->sites[0].fake);
    struct dkv_fences fences;
    assert_int_equal(dkv_fence_read(&env, &arena, &fences, &diag), HR_OK);
    assert_false(dkv_fence_is_out(&fences, 3));
    assert_int_equal(fence_of(2, 1).inc, dkv_origin_inc(origin_of(0)));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(fence_bars_an_incarnation_that_is_over),
        CASE(fence_bars_what_was_asked_for_before),
        CASE(fence_is_doubtful_after_a_loss),
        CASE(fence_is_committed_before_the_answer),
        CASE(fence_only_rises),
        CASE(fence_takes_out_further_lives_of_a_store),
        CASE(fence_says_since_when_a_site_is_known),
        CASE(fence_takes_a_site_out),
    };
    return cmocka_run_group_tests_name("dkv_fence", tests, NULL, NULL);
}
