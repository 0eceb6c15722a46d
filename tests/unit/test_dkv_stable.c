/* links: core_kv */
/* The stability floor while everything goes wrong: the network loses, repeats, delays and cuts, hosts die,
 * clocks differ, and a store forgets what it was given in the last two seconds. Whatever happens, at every
 * moment: what the floor of any site has passed lies in the stores of all, and no store shows what its changes
 * do not give. When all is well again, and no store forgot anything, all that was deleted is gone.
 *
 * All of it follows from the seed: DKV_SEED runs one, DKV_RUNS as many as it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/site/floor.h"
#include "test_dkv_seeds.h"
#include "test_dkv_world.h"

#define RING 4u
#define RING_STEP_MS 500u

/* What each store held some time ago. */
struct past {
    struct fake stores[RING];
    uint64_t at_ms[RING];
    unsigned next;
};

struct rig {
    struct world *world;
    struct past pasts[SITES_MAX];
    uint64_t tick_ms[SITES_MAX];
    uint64_t keep_ms;
    dkv_hlc highest; /* floor so far */
    bool forgets;
    bool forgot;
    size_t passed; /* changes that some floor had passed at the end */
};

static struct rig rig;

static void keep_pasts(void)
{
    if (rig.world->now_ms < rig.keep_ms) {
        return;
    }
    rig.keep_ms = rig.world->now_ms + RING_STEP_MS;
    for (unsigned i = 0; i < rig.world->count; i++) {
        struct past *past = &rig.pasts[i];
        fake_copy_store(&past->stores[past->next], &rig.world->sites[i].fake);
        past->at_ms[past->next] = rig.world->now_ms;
        past->next = (past->next + 1) % RING;
    }
}

/* The store's server starts again, with what it had some time ago; the host notices. */
static void forget(unsigned site)
{
    struct past *past = &rig.pasts[site];
    unsigned which = roll(rig.world, 2) == 0 ? past->next : (unsigned)roll(rig.world, RING);
    uint64_t at_ms = past->at_ms[which];
    if (at_ms > 0 && rig.world->now_ms - at_ms <= 2000) {
        fake_copy_store(&rig.world->sites[site].fake, &past->stores[which]);
        if (rig.world->sites[site].up) {
            start_site(&rig.world->sites[site]);
        }
        for (unsigned i = 0; i < RING; i++) {
            past->at_ms[i] = past->at_ms[i] > at_ms ? 0 : past->at_ms[i];
        }
        rig.forgot = true;
    }
}

static dkv_hlc group_floor(const struct fake *fake)
{
    struct hr_str bytes = fake_get(fake, "m/S");
    return bytes.ptr && bytes.ptr[0] == 2 ? check_be(bytes, 9, 8) : 0;
}

/* What the highest floor has passed is everywhere. */
static void check_floors(void)
{
    struct world *world = rig.world;
    dkv_hlc highest = 0;
    rig.passed = 0;
    for (unsigned i = 0; i < world->count; i++) {
        dkv_hlc floor = group_floor(&world->sites[i].fake);
        highest = floor > highest ? floor : highest;
    }
    rig.highest = highest;
    for (unsigned i = 0; i < world->count; i++) {
        const struct fake *fake = &world->sites[i].fake;
        for (size_t at = fake_at(fake, HR_STR("f/"));
             at < fake->count && fake->pairs[at].key[0] == 'f'; at++) {
            const struct fake_pair *pair = &fake->pairs[at];
            if (check_be(hr_str_of(pair->value, pair->value_len), 18, 8) > highest) {
                continue;
            }
            rig.passed++;
            for (unsigned j = 0; j < world->count; j++) {
                if (!fake_get(&world->sites[j].fake, pair->key).ptr) {
                    fail_msg("%s has not %s, which a floor has passed", world->sites[j].name,
                             pair->key);
                }
            }
        }
    }
}

static void client_writes(struct world *world)
{
    char subject[48];
    char body[64];
    unsigned site = (unsigned)roll(world, world->count);
    uint64_t what = roll(world, 24);
    unsigned key = (unsigned)roll(world, 8);
    snprintf(subject, sizeof subject, "wasmkv.%s.k%u", what < 10 ? "del" : "set", key);
    snprintf(body, sizeof body, "{\"%c\":%u,\"%c\":null}", (char)('a' + (char)roll(world, 3)),
             (unsigned)roll(world, 1000), (char)('d' + (char)roll(world, 2)));
    if (what == 23) {
        snprintf(subject, sizeof subject, "wasmkv.del");
    }
    const struct dkv_message message = {
        hr_str_c(subject), what < 10 || what == 23 ? (struct hr_str){0} : hr_str_c(body), {0}};
    if (world->sites[site].up) {
        handle(&world->sites[site], &message, 1);
    }
}

static void disturb(struct world *world)
{
    unsigned a = (unsigned)roll(world, world->count);
    unsigned b = (unsigned)roll(world, world->count);
    switch (roll(world, 6)) {
    case 0:
        world->cut[a][b] = a != b;
        break;
    case 1:
        world->sites[a].up = false;
        break;
    case 2:
        if (!world->sites[a].up) {
            start_site(&world->sites[a]);
        }
        break;
    case 3:
        if (rig.forgets && roll(world, 8) == 0) {
            forget(a);
        }
        break;
    default:
        /* Mostly well, so that the floor gets somewhere. */
        memset(world->cut, 0, sizeof world->cut);
        for (unsigned i = 0; i < world->count; i++) {
            if (!world->sites[i].up) {
                start_site(&world->sites[i]);
            }
        }
    }
}

static void tick_those_due(struct world *world)
{
    for (unsigned i = 0; i < world->count && world->depth == 0; i++) {
        if (world->now_ms >= rig.tick_ms[i]) {
            rig.tick_ms[i] = world->now_ms + 500;
            tick(&world->sites[i]);
        }
    }
}

/* The worst moment to forget something is just when a floor has grown. */
static void forget_now(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        if (group_floor(&world->sites[i].fake) > rig.highest && roll(world, 3) == 0) {
            forget((unsigned)roll(world, world->count));
            return;
        }
    }
}

static void happens(struct world *world)
{
    uint64_t what = roll(world, 300);
    keep_pasts();
    if (rig.forgets && !rig.forgot) {
        forget_now(world);
    }
    if (what < 8) {
        client_writes(world);
    } else if (what == 8) {
        disturb(world);
    }
}

static struct world *make_world(uint64_t seed)
{
    struct world *world = new_world(seed, 3 + (unsigned)(seed % 2));
    rig = (struct rig){.world = world, .forgets = roll(world, 2) == 0};
    world->happens = happens;
    world->loss_per_mille = (unsigned)roll(world, 2) * (unsigned)roll(world, 200);
    world->repeat_per_mille = (unsigned)roll(world, 2) * (unsigned)roll(world, 300);
    world->delay_ms = (unsigned)roll(world, 2) * (unsigned)roll(world, 100);
    for (unsigned i = 0; i < world->count; i++) {
        struct site *site = &world->sites[i];
        site->fake.ack_timeout_ms = "500";
        site->fake.fault_per_mille = (unsigned)roll(world, 3) == 0 ? 2 : 0;
        site->skew_ms = (int64_t)roll(world, 400) - 200;
        site->fake.watch = "event=below-floor";
        for (unsigned j = 0; j < RING; j++) {
            rig.pasts[i].stores[j] = fake_new(1);
        }
    }
    return world;
}

static void release_rig(void)
{
    for (unsigned i = 0; i < SITES_MAX; i++) {
        for (unsigned j = 0; j < RING; j++) {
            fake_release(&rig.pasts[i].stores[j]);
        }
    }
    release_world(rig.world);
}

static size_t litter(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < rig.world->count; i++) {
        struct check check = check_store(&rig.world->sites[i].fake, true);
        count += check.litter_count;
        assert_int_equal(check.failures, 0);
        check_release(&check);
    }
    return count;
}

static size_t total_passed;
static unsigned total_forgot;

static void do_seed(uint64_t seed)
{
    struct world *world = make_world(seed);
    for (unsigned i = 0; i < 3000; i++) {
        go_on(world);
        tick_those_due(world);
        if (i % 5 == 0) {
            check_floors();
        }
        if (i % 500 == 0) {
            (void)litter();
        }
    }
    total_passed += rig.passed;
    total_forgot += rig.forgot;
    heal(world);
    bool well = false;
    for (unsigned i = 0; i < 3000 && !well; i++) {
        go_on(world);
        tick_those_due(world);
        well = i % 200 == 199 && settled(world) && (rig.forgot ? i > 1000 : litter() == 0);
    }
    check_floors();
    assert_true(settled(world));
    for (unsigned i = 0; i < world->count; i++) {
        assert_int_equal(world->sites[i].fake.watched, 0);
    }
    if (!rig.forgot && litter() > 0) {
        fail_msg("seed %llu: %zu records are kept", (unsigned long long)seed, litter());
    }
    release_rig();
}

/* The floor never passes what somebody lacks or may lose, and comes to pass everything. */
static void floor_is_never_above_what_all_have(void **state)
{
    (void)state;
    do_seeds("dkv_stable", 12, do_seed);
    print_message("%zu changes passed, %u runs in which a store forgot\n", total_passed,
                  total_forgot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(floor_is_never_above_what_all_have, tell_seed),
    };
    return cmocka_run_group_tests_name("dkv_stable", tests, NULL, NULL);
}
