/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/site/boot.h"
#include "actors/kv/core/site/group.h"
#include "actors/kv/core/site/site.h"
#include "test_dkv_check.h"

#define OTHER_NONCE "ff0102030405060708090a0b0c0d0e0f"

static struct fake fake;
static struct hr_arena arena;
static struct dkv_site site;
static struct hr_diag diag;

static int setup(void **state)
{
    (void)state;
    fake = fake_new(3);
    diag.text[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    unsigned failures = check_failures(&fake, true);
    fake_release(&fake);
    return failures > 0 ? -1 : 0;
}

static enum hr_err open_site(void)
{
    struct dkv_env env = fake_env(&fake);
    struct dkv_config config;
    struct dkv_group group;
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    assert_int_equal(dkv_group_read(&env, &config, &arena, &group, &diag), HR_OK);
    for (size_t i = 0; i < group.count; i++) {
        dkv_group_note(&config, group.peers[i].id);
    }
    return dkv_site_open(&env, &config, &arena, &site, &diag);
}

static struct dkv_self self(void)
{
    struct dkv_self stored;
    assert_int_equal(dkv_self_decode(fake_get(&fake, "m/self"), &stored, &diag), HR_OK);
    return stored;
}

/* The first invocation on an empty store makes the site: origin, clock, group, progress. */
static void site_is_made_on_an_empty_store(void **state)
{
    (void)state;
    fake.site_id = "7";
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(fake.commits, 1);
    assert_int_equal(site.ctr.origin, dkv_origin_of(7, FAKE_WALL));
    assert_int_equal(site.ctr.hlc, (uint64_t)FAKE_WALL << 16);
    assert_int_equal(site.ctr.seq, 0);
    assert_int_equal(site.cfg.leaf_bits, 12);
    assert_int_equal(site.cfg.wanted_acks, 1);
    assert_int_equal(site.cfg.member_count, 1);
    assert_int_equal(site.cfg.members[0], 7);
    assert_int_equal(self().boot_class, DKV_BOOT_FRESH);
    assert_int_equal(fake.count, 4);
}

/* Later invocations of the same start change nothing. */
static void site_is_booted_once_a_start(void **state)
{
    (void)state;
    assert_int_equal(open_site(), HR_OK);
    dkv_origin origin = site.ctr.origin;
    fake.wall += 5000;
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.ctr.origin, origin);
    assert_int_equal(fake.commits, 1);
}

/* A new start is a new incarnation with its own feed; the clock goes on, the cluster stays. */
static void site_gets_a_new_incarnation_at_each_start(void **state)
{
    (void)state;
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    assert_int_equal(open_site(), HR_OK);
    struct dkv_site before = site;
    struct dkv_self self_before = self();
    fake.wall += DKV_BOOT_YOUNG_MS;
    fake.nonce = OTHER_NONCE;
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(dkv_origin_inc(site.ctr.origin), FAKE_WALL + DKV_BOOT_YOUNG_MS);
    assert_true(site.ctr.hlc > before.ctr.hlc);
    assert_int_equal(site.ctr.seq, 0);
    assert_int_equal(self().boot_class, DKV_BOOT_INTACT);
    assert_memory_equal(self().cluster, self_before.cluster, DKV_CLUSTER_BYTES);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "\"n\":1"));
    fake_send(&fake, "wasmkv.set.a", "{\"n\":2}");
}

/* A wall that went back does not make an old incarnation again, nor turn the clock back. */
static void site_never_reuses_an_incarnation(void **state)
{
    (void)state;
    assert_int_equal(open_site(), HR_OK);
    struct dkv_site before = site;
    fake.wall -= 3600 * 1000;
    fake.nonce = OTHER_NONCE;
    assert_int_equal(open_site(), HR_OK);
    uint64_t step = site.ctr.origin - before.ctr.origin;
    assert_true(step >= 1 && step <= DKV_INC_STEPS);
    assert_int_equal(site.ctr.hlc, before.ctr.hlc);
    assert_int_equal(fake.warnings, 1);
}

/* Hosts of one site share its store, in a group of sites too: the one that was there before goes on with
 * the incarnation that is in force, and nobody takes it back. */
static void site_is_shared_by_its_hosts(void **state)
{
    (void)state;
    fake.sites = "3";
    fake_serve(&fake);
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    fake.nonce = OTHER_NONCE;
    fake_serve(&fake);
    fake_send(&fake, "wasmkv.set.a", "{\"n\":2}");
    assert_int_equal(open_site(), HR_OK);
    dkv_origin origin = site.ctr.origin;
    fake.nonce = FAKE_NONCE;
    fake.wall += 100;
    assert_non_null(strstr(fake_send(&fake, "wasmkv.set.a", "{\"m\":3}"), "\"n\":2"));
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.ctr.origin, origin);
    assert_int_equal(site.ctr.seq, 2);
}

/* So does a host beside which another is started within an invocation: it begins anew. */
static void take_over(struct fake *other)
{
    const char *nonce = other->nonce;
    struct dkv_env env = fake_env(other);
    struct dkv_handled ignored;
    const struct dkv_message message = {HR_STR("wasmkv.set.b"), HR_STR("{\"b\":1}"), {0}};
    other->nonce = OTHER_NONCE;
    fake_serve(other);
    dkv_batch_handle(&env, &message, 1, &ignored);
    other->nonce = nonce;
}

static void site_is_shared_within_an_invocation(void **state)
{
    (void)state;
    fake.sites = "3";
    fake_serve(&fake);
    for (uint64_t at = 1; at < 16; at++) {
        fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
        fake.intruder = take_over;
        fake.fault = FAKE_INTRUDER;
        fake.fault_at = fake.calls + at;
        assert_non_null(strstr(fake_send(&fake, "wasmkv.set.a", "{\"n\":3}"), "\"n\":3"));
        assert_non_null(strstr(fake_send(&fake, "wasmkv.get.b", ""), "\"b\":1"));
    }
}

/* A site that reads m/self of one incarnation and m/ctr of another reads again, but not for ever. */
static void site_reads_again_between_two_incarnations(void **state)
{
    (void)state;
    struct hr_str ctr;
    assert_int_equal(open_site(), HR_OK);
    site.ctr.origin++;
    assert_int_equal(dkv_ctr_encode(&site.ctr, &arena, &ctr), HR_OK);
    struct hr_str before = hr_arena_copy(&arena, fake_get(&fake, "m/ctr"));
    fake_put(&fake, DKV_KEY_CTR, ctr);
    assert_int_equal(open_site(), HR_BUSY);
    fake_put(&fake, DKV_KEY_CTR, before);
}

/* A site that hears of others is in a group for good: m/cfg names them, and it stays so when they are
 * silent, unknown, or the host is a new one. The commit moves m/ctr. */
static void site_stays_in_its_group(void **state)
{
    (void)state;
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    assert_int_equal(open_site(), HR_OK);
    assert_false(site.grouped);
    struct dkv_ctr before = site.ctr;
    fake.sites = "3";
    fake_send(&fake, "wasmkv.get", "");
    fake.sites = NULL;
    assert_int_equal(open_site(), HR_OK);
    assert_true(site.grouped);
    assert_int_equal(site.cfg.member_count, 3);
    assert_int_equal(site.cfg.epoch, 2);
    assert_true(site.ctr.hlc > before.hlc);
    fake.nonce = OTHER_NONCE;
    assert_int_equal(open_site(), HR_OK);
    assert_true(site.grouped);
    fake_serve(&fake);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.set.a", "{}"), "\"acks\":1,\"sites\":3}"));
}

/* A value of an open site is read in one reading of the store, which changes nothing; one before that opens the
 * site, and the store of another is refused. */
static void site_is_read_in_one_reading(void **state)
{
    (void)state;
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "\"not-found\""));
    assert_int_equal(fake.commits, 1);
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    uint64_t readings = fake.readings;
    fake.sites = "3";
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "\"value\":{\"n\":1}"));
    assert_int_equal(fake.readings, readings + 1);
    assert_int_equal(fake.commits, 2);
    fake.nonce = OTHER_NONCE;
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "catching up"));
    assert_int_equal(self().past_count, 1);
    fake.site_id = "2";
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "the store belongs to site-id 1"));
}

/* A store whose newest changes were lost while others have them gets a new incarnation; if it has one by
 * then, nothing happens. */
static void site_is_renewed_once(void **state)
{
    (void)state;
    struct dkv_env env = fake_env(&fake);
    struct dkv_config config;
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    assert_int_equal(open_site(), HR_OK);
    dkv_origin origin = site.ctr.origin;
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    assert_int_equal(dkv_site_renew(&env, &config, origin, 0, &arena, &diag), HR_OK);
    uint64_t commits = fake.commits;
    assert_int_equal(dkv_site_renew(&env, &config, origin, 0, &arena, &diag), HR_OK);
    assert_int_equal(fake.commits, commits);
    assert_int_equal(open_site(), HR_OK);
    assert_true(site.ctr.origin > origin);
}

/* Who has others starts by catching up, serves again when told to, and has its clock lifted then. */
static void site_enters_a_state(void **state)
{
    (void)state;
    struct dkv_env env = fake_env(&fake);
    struct dkv_config config;
    fake.sites = "3";
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.state, DKV_SITE_SYNC);
    assert_int_equal(site.boot_class, DKV_BOOT_FRESH);
    assert_int_equal(site.since, FAKE_WALL);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "unavailable"));
    assert_non_null(strstr(fake_send(&fake, "wasmkv.set.a", "{\"n\":1}"), "catching up"));
    assert_true(fake_sent(&fake, "_INBOX.1")->refused);
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    dkv_hlc lift = ((uint64_t)FAKE_WALL + 300) << 16;
    assert_int_equal(
        dkv_site_enter(&env, &config, site.ctr.origin + 1, DKV_SITE_ACTIVE, lift, &arena, &diag),
        HR_CONFLICT);
    assert_int_equal(
        dkv_site_enter(&env, &config, site.ctr.origin, DKV_SITE_ACTIVE, lift, &arena, &diag),
        HR_OK);
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.state, DKV_SITE_ACTIVE);
    assert_int_equal(site.boot_class, DKV_BOOT_INTACT);
    assert_true(site.ctr.hlc > lift);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "not-found"));
    assert_int_equal(dkv_site_doubt(&env, &config, site.ctr.origin, &arena, &diag), HR_OK);
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.state, DKV_SITE_SYNC);
    assert_int_equal(site.boot_class, DKV_BOOT_LOSSY);
}

/* What a boot found wrong stays over later boots until the site serves; a store that lost its newest changes is
 * lossy, any other one intact. */
static void site_keeps_its_class_until_it_serves(void **state)
{
    (void)state;
    struct dkv_env env = fake_env(&fake);
    struct dkv_config config;
    fake.sites = "3";
    assert_int_equal(open_site(), HR_OK);
    fake.nonce = OTHER_NONCE;
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.boot_class, DKV_BOOT_FRESH);
    assert_int_equal(dkv_config_read(&env, &arena, &config, &diag), HR_OK);
    assert_int_equal(
        dkv_site_enter(&env, &config, site.ctr.origin, DKV_SITE_ACTIVE, 0, &arena, &diag), HR_OK);
    fake.nonce = "00000000000000000000000000000001";
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.state, DKV_SITE_SYNC);
    assert_int_equal(site.boot_class, DKV_BOOT_INTACT);
    assert_int_equal(site.since, FAKE_WALL);
    fake.nonce = "00000000000000000000000000000002";
    fake.durability = "lazy";
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.boot_class, DKV_BOOT_LOSSY);
    fake.nonce = "00000000000000000000000000000003";
    fake.durability = "sync";
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.boot_class, DKV_BOOT_LOSSY);
}

/* A new store that was taken to be alone serves nothing more when it hears of others; one that is older goes on,
 * and one that is new at all is not begun before the host knows who is there. */
static void site_that_was_alone_hears_of_others(void **state)
{
    (void)state;
    fake.unsettled = true;
    assert_int_equal(open_site(), HR_NOT_READY);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get", ""), "\"unavailable\""));
    assert_int_equal(fake.commits, 0);
    fake.unsettled = false;
    assert_non_null(strstr(fake_send(&fake, "wasmkv.set.a", "{\"n\":1}"), "\"acks\":1"));
    fake.sites = "2";
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get", ""), "catching up"));
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "catching up"));
    fake_release(&fake);
    fake = fake_new(4);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.set.a", "{\"n\":1}"), "\"acks\":1"));
    fake.wall += DKV_BOOT_YOUNG_MS;
    fake.nonce = OTHER_NONCE;
    fake.unsettled = true;
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "\"n\":1"));
    fake.sites = "2";
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.a", ""), "\"n\":1"));
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.cfg.member_count, 2);
    assert_int_equal(site.state, DKV_SITE_ACTIVE);
}

/* The nonces of the last 64 starts are remembered; the list does not grow beyond. */
static void site_remembers_past_starts(void **state)
{
    (void)state;
    fake.sites = "3";
    char nonce[33];
    fake.nonce = nonce;
    for (unsigned i = 0; i < 80; i++) {
        snprintf(nonce, sizeof nonce, "%032x", i);
        assert_int_equal(open_site(), HR_OK);
    }
    assert_int_equal(self().past_count, DKV_BOOTS_MAX);
    dkv_origin origin = site.ctr.origin;
    snprintf(nonce, sizeof nonce, "%032x", 80 - 1 - DKV_BOOTS_MAX);
    assert_int_equal(open_site(), HR_OK);
    assert_int_equal(site.ctr.origin, origin);
    snprintf(nonce, sizeof nonce, "%032x", 80 - 2 - DKV_BOOTS_MAX);
    assert_int_equal(open_site(), HR_OK);
    assert_true(site.ctr.origin > origin);
}

/* A store of another site is refused by name. */
static void site_refuses_the_store_of_another(void **state)
{
    (void)state;
    assert_int_equal(open_site(), HR_OK);
    fake.site_id = "2";
    fake.nonce = OTHER_NONCE;
    assert_int_equal(open_site(), HR_DENIED);
    assert_string_equal(diag.text, "the store belongs to site-id 1, this host is configured as 2");
}

/* State with wrong bits, or with a part missing, is an error and is not written over. */
static void site_refuses_corrupt_state(void **state)
{
    (void)state;
    const char *keys[] = {"m/self", "m/ctr", "m/cfg"};
    assert_int_equal(open_site(), HR_OK);
    for (size_t i = 0; i < 3; i++) {
        struct fake_pair *pair = fake_find(&fake, hr_str_c(keys[i]));
        pair->value[3] ^= 1;
        assert_int_equal(open_site(), HR_CORRUPT);
        fake.nonce = OTHER_NONCE;
        assert_int_equal(open_site(), HR_CORRUPT);
        fake.nonce = FAKE_NONCE;
        pair->value[3] ^= 1;
    }
    fake_delete(&fake, HR_STR("m/ctr"));
    assert_int_equal(open_site(), HR_CORRUPT);
    assert_int_equal(fake.commits, 1);
    fake_release(&fake);
    fake = fake_new(1);
}

/* Two hosts of a single site on one store share the newest incarnation, and lose no write. */
static void site_is_shared_by_two_hosts(void **state)
{
    (void)state;
    char body[32];
    fake_send(&fake, "wasmkv.set.a", "{\"n\":0}");
    fake.nonce = OTHER_NONCE;
    assert_int_equal(open_site(), HR_OK);
    dkv_origin origin = site.ctr.origin;
    for (int i = 1; i <= 10; i++) {
        fake.nonce = i % 2 ? FAKE_NONCE : OTHER_NONCE;
        fake.wall += 1000;
        snprintf(body, sizeof body, "{\"f%d\":1}", i);
        assert_non_null(strstr(fake_send(&fake, "wasmkv.set.a", body), "\"value\":"));
        assert_int_equal(open_site(), HR_OK);
        assert_int_equal(site.ctr.origin, origin);
        assert_int_equal(site.ctr.seq, i);
    }
    assert_int_equal(self().past_count, 1);
}

/* A host of a single site that is overtaken within an invocation does its write in the incarnation that
 * is in force then. */
static void site_goes_on_when_overtaken_within_an_invocation(void **state)
{
    (void)state;
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    fake.intruder = take_over;
    fake.fault = FAKE_INTRUDER;
    fake.fault_at = fake.calls + 9;
    assert_non_null(strstr(fake_send(&fake, "wasmkv.set.a", "{\"m\":3}"), "{\"m\":3,\"n\":1}"));
    assert_int_equal(self().past_count, 1);
    assert_non_null(strstr(fake_send(&fake, "wasmkv.get.b", ""), "\"b\":1"));
}

/* A boot seals the incarnation before it, and forgets one that made no change. */
static void site_seals_the_incarnation_before(void **state)
{
    (void)state;
    struct dkv_progress progress;
    char name[24];
    fake_send(&fake, "wasmkv.set.a", "{\"n\":1}");
    fake_send(&fake, "wasmkv.set.a", "{\"n\":2}");
    snprintf(name, sizeof name, "v/%016llx", (unsigned long long)self().origin);
    for (int i = 0; i < 5; i++) {
        char nonce[33];
        snprintf(nonce, sizeof nonce, "%032x", i);
        fake.nonce = nonce;
        assert_int_equal(open_site(), HR_OK);
        size_t rows = 0;
        for (size_t j = 0; j < fake.count; j++) {
            rows += fake.pairs[j].key[0] == 'v';
        }
        assert_int_equal(rows, 2);
    }
    assert_int_equal(dkv_progress_decode(fake_get(&fake, name), &progress, &diag), HR_OK);
    assert_true(progress.sealed);
    assert_int_equal(progress.last, 2);
    fake.nonce = FAKE_NONCE;
}

static unsigned races;

static void race(struct fake *other)
{
    struct dkv_env env = fake_env(other);
    struct dkv_handled ignored;
    const struct dkv_message message = {HR_STR("wasmkv.set.b"), HR_STR("{\"b\":1}"), {0}};
    races++;
    dkv_batch_handle(&env, &message, 1, &ignored);
}

/* Invocations that race for the boot agree on one incarnation. */
static void site_boot_is_won_by_one(void **state)
{
    (void)state;
    fake.intruder = race;
    fake.fault = FAKE_INTRUDER;
    fake.fault_at = 7; /* the boot's commit */
    fake_send(&fake, "wasmkv.set.a", "{\"a\":1}");
    assert_int_equal(races, 1);
    assert_int_equal(fake.commits, 3);
    struct check check = check_store(&fake, true);
    assert_int_equal(check.change_count, 2);
    assert_int_equal(check.changes[0].origin, check.changes[1].origin);
    check_release(&check);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(site_is_made_on_an_empty_store),
        CASE(site_is_booted_once_a_start),
        CASE(site_gets_a_new_incarnation_at_each_start),
        CASE(site_never_reuses_an_incarnation),
        CASE(site_is_shared_by_its_hosts),
        CASE(site_is_shared_within_an_invocation),
        CASE(site_reads_again_between_two_incarnations),
        CASE(site_stays_in_its_group),
        CASE(site_is_read_in_one_reading),
        CASE(site_is_renewed_once),
        CASE(site_enters_a_state),
        CASE(site_keeps_its_class_until_it_serves),
        CASE(site_that_was_alone_hears_of_others),
        CASE(site_remembers_past_starts),
        CASE(site_is_shared_by_two_hosts),
        CASE(site_goes_on_when_overtaken_within_an_invocation),
        CASE(site_seals_the_incarnation_before),
        CASE(site_refuses_the_store_of_another),
        CASE(site_refuses_corrupt_state),
        CASE(site_boot_is_won_by_one),
    };
    return cmocka_run_group_tests_name("dkv_site", tests, NULL, NULL);
}
