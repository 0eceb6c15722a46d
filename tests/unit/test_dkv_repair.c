/* links: core_kv */
/* Several sites hold the same values; then one store is changed behind the core's back, in every way. The sites'
 * own ticks are to find it and put it right, in that store and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/compare/round.h"
#include "actors/kv/core/format/change.h"
#include "actors/kv/core/format/leaf.h"
#include "actors/kv/core/format/record.h"
#include "test_dkv_world.h"

#define KEYS 12u
/* Two whole rounds with each of the others. */
#define ROUND_TICKS ((unsigned)(2 * 2 * DKV_ROUND_SLICES_MIN))

static void write_value(struct site *site, const char *subject, const char *body)
{
    const struct dkv_message message = {hr_str_c(subject), hr_str_c(body), {0}};
    handle(site, &message, 1);
}

static void pass(struct world *world, unsigned ticks)
{
    for (unsigned i = 0; i < ticks; i++) {
        world->now_ms += DKV_ROUND_SLOT_MS;
        for (unsigned j = 0; j < world->count; j++) {
            tick(&world->sites[j]);
        }
        deliver_due(world);
    }
}

/* Sites with some values, each written twice, some deleted again; all of it is old enough. @gone: there is one
 * more that nobody hears from, so that the floor stays where it is and nothing is collected. */
static struct world *make_world(unsigned count, bool gone)
{
    struct world *world = new_world(7, count + gone);
    world->healed = true;
    pass(world, 10);
    if (gone) {
        world->sites[count].up = false;
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < KEYS; i++) {
            char subject[32];
            char body[64];
            snprintf(subject, sizeof subject, "wasmkv.set.k%u", i);
            snprintf(body, sizeof body, "{\"a\":%u,\"b\":%u}", round, i);
            write_value(&world->sites[(i + round) % count], subject, body);
            pass(world, 1);
        }
    }
    write_value(&world->sites[0], "wasmkv.del.k10", "");
    write_value(&world->sites[1], "wasmkv.set.k11", "{\"b\":null}");
    pass(world, 4);
    for (unsigned i = 1; i < count; i++) {
        assert_true(same_feeds(&world->sites[0].fake, &world->sites[i].fake));
    }
    world->now_ms += 20000;
    pass(world, 30); /* what was deleted is collected */
    for (unsigned i = 0; i < count; i++) {
        world->sites[i].fake.warnings = 0;
        world->sites[i].fake.errors = 0;
    }
    return world;
}

static struct world *settled_world(unsigned count)
{
    return make_world(count, false);
}

/* A copy of what a store has of records and index. */
struct copy {
    struct fake_pair pairs[256];
    size_t count;
};

static bool kept(const struct fake_pair *pair)
{
    return pair->key[0] == 'r' || pair->key[0] == 'k' || pair->key[0] == 'b';
}

static struct copy copy_of(const struct fake *fake)
{
    struct copy copy = {0};
    for (size_t i = 0; i < fake->count; i++) {
        const struct fake_pair *pair = &fake->pairs[i];
        if (kept(pair) && copy.count < 256) {
            copy.pairs[copy.count++] =
                (struct fake_pair){fake_copy(pair->key, pair->key_len), pair->key_len,
                                   fake_copy(pair->value, pair->value_len), pair->value_len};
        }
    }
    return copy;
}

static void release_copy(struct copy *copy)
{
    for (size_t i = 0; i < copy->count; i++) {
        free(copy->pairs[i].key);
        free(copy->pairs[i].value);
    }
}

static bool is_copy(const struct copy *copy, const struct fake *fake, bool told)
{
    size_t at = 0;
    bool same = true;
    for (size_t i = 0; i < fake->count; i++) {
        const struct fake_pair *pair = &fake->pairs[i];
        if (!kept(pair)) {
            continue;
        }
        bool equal = at < copy->count && strcmp(copy->pairs[at].key, pair->key) == 0 &&
                     copy->pairs[at].value_len == pair->value_len &&
                     memcmp(copy->pairs[at].value, pair->value, pair->value_len) == 0;
        if (!equal && told) {
            print_message("%s differs\n", pair->key);
        }
        same = same && equal;
        at++;
    }
    return same && at == copy->count;
}

/* Damages site 1 by @damage; all stores are as before afterwards. */
static void is_repaired(const char *what, struct world *world, void (*damage)(struct fake *fake),
                        unsigned ticks)
{
    struct copy before = copy_of(&world->sites[0].fake);
    damage(&world->sites[1].fake);
    if (is_copy(&before, &world->sites[1].fake, false)) {
        fail_msg("%s: nothing was damaged", what);
    }
    for (unsigned i = 0; i < ticks; i++) {
        pass(world, 1);
        for (unsigned j = 0; j < world->count; j++) {
            if (j != 1 && world->sites[j].up && !is_copy(&before, &world->sites[j].fake, true)) {
                fail_msg("%s: it spread to site %u", what, j);
            }
        }
    }
    if (!is_copy(&before, &world->sites[1].fake, true)) {
        fail_msg("%s: it was not repaired", what);
    }
    if (world->sites[1].fake.warnings == 0) {
        fail_msg("%s: nothing was said", what);
    }
    world->sites[1].fake.warnings = 0;
    release_copy(&before);
}

static struct hr_str stored(const struct fake *fake, const char *name)
{
    struct hr_str value = fake_get(fake, name);
    assert_non_null(value.ptr);
    return value;
}

static void index_name(char *ret_name, const char *key)
{
    sprintf(ret_name, "k/%04x/%s", dkv_leaf_of(hr_str_c(key), DKV_LEAF_BITS_DEFAULT), key);
}

static void put_bytes(struct fake *fake, const char *name, struct hr_str bytes)
{
    char *copy = fake_copy(bytes.ptr, bytes.len);
    fake_put(fake, hr_str_c(name), hr_str_of(copy, bytes.len));
    free(copy);
}

/* --- ways to damage a store ------------------------------------------------------------------------------ */

static void delete_record(struct fake *fake)
{
    fake_delete(fake, HR_STR("r/k3"));
}

static void delete_record_and_name(struct fake *fake)
{
    char name[32];
    index_name(name, "k3");
    fake_delete(fake, HR_STR("r/k3"));
    fake_delete(fake, hr_str_c(name));
}

static void delete_name(struct fake *fake)
{
    char name[32];
    index_name(name, "k4");
    fake_delete(fake, hr_str_c(name));
}

static void name_nothing(struct fake *fake)
{
    char name[32];
    index_name(name, "nobody");
    fake_put(fake, hr_str_c(name), HR_STR("1"));
}

static void write_garbage(struct fake *fake)
{
    put_bytes(fake, "r/k5", HR_STR("neither JSON nor a record"));
}

static void flip_a_bit(struct fake *fake)
{
    struct fake_pair *pair = fake_find(fake, HR_STR("r/k6"));
    pair->value[pair->value_len - 1] ^= 1;
}

static void write_anothers(struct fake *fake)
{
    put_bytes(fake, "r/k5", stored(fake, "r/k6"));
}

static void write_stray(struct fake *fake)
{
    put_bytes(fake, "r/stray", stored(fake, "r/k6"));
}

/* A sound record with another value under the same stamps. */
static void change_a_value(struct fake *fake)
{
    struct hr_arena arena;
    struct hr_diag diag;
    struct dkv_record record;
    struct hr_str bytes;
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_record_decode(stored(fake, "r/k7"), &arena, &record, &diag), HR_OK);
    record.fields[1].value = HR_STR("\"another\"");
    assert_int_equal(dkv_record_encode(&record, &arena, &bytes), HR_OK);
    put_bytes(fake, "r/k7", bytes);
    hr_arena_release(&arena);
}

/* As it would be without the newest change: all older stamps. Where no feed tells what that was, something that
 * looks like it. */
static void write_older(struct fake *fake)
{
    struct hr_arena arena;
    struct hr_diag diag;
    struct dkv_change change = {0};
    struct hr_str bytes;
    bool found = false;
    hr_arena_init(&arena, 0);
    for (size_t i = 0; i < fake->count && !found; i++) {
        struct fake_pair *pair = &fake->pairs[i];
        if (pair->key[0] == 'f') {
            assert_int_equal(
                dkv_change_decode(hr_str_of(pair->value, pair->value_len), &arena, &change, &diag),
                HR_OK);
            found = hr_str_eq(change.key, HR_STR("k8"));
        }
    }
    struct dkv_record record = dkv_change_record(&change);
    if (!found) {
        assert_int_equal(dkv_record_decode(stored(fake, "r/k8"), &arena, &record, &diag), HR_OK);
        for (size_t i = 0; i < record.count; i++) {
            record.fields[i].stamp.hlc -= 1000;
        }
    }
    assert_int_equal(dkv_record_encode(&record, &arena, &bytes), HR_OK);
    put_bytes(fake, "r/k8", bytes);
    hr_arena_release(&arena);
}

/* What was deleted is there again. */
static void write_deleted(struct fake *fake)
{
    struct hr_arena arena;
    struct hr_diag diag;
    struct dkv_record record;
    struct hr_str bytes;
    hr_arena_init(&arena, 0);
    assert_int_equal(dkv_record_decode(stored(fake, "r/k9"), &arena, &record, &diag), HR_OK);
    for (size_t i = 0; i < record.count; i++) {
        record.fields[i].stamp.hlc -= 5;
    }
    assert_int_equal(dkv_record_encode(&record, &arena, &bytes), HR_OK);
    put_bytes(fake, "r/k10", bytes);
    hr_arena_release(&arena);
}

static const struct {
    const char *what;
    void (*damage)(struct fake *fake);
} damages[] = {
    {"a record is gone", delete_record},
    {"a record and its name are gone", delete_record_and_name},
    {"a name is gone", delete_name},
    {"a name has no record", name_nothing},
    {"a record is garbage", write_garbage},
    {"a bit is flipped", flip_a_bit},
    {"a record is another's", write_anothers},
    {"a record is nobody's", write_stray},
    {"a value is another under its stamp", change_a_value},
    {"a record is an older one", write_older},
    {"a deleted value is back", write_deleted},
};

/* --- cases ----------------------------------------------------------------------------------------------- */

/* Each damage to one store of three is put right, and the others' stay what they are. */
static void damage_is_repaired_and_does_not_spread(void **state)
{
    (void)state;
    struct world *world = settled_world(3);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        is_repaired(damages[i].what, world, damages[i].damage, ROUND_TICKS);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(world->sites[i].fake.errors, 0);
        assert_int_equal(check_failures(&world->sites[i].fake, true), 0);
    }
    release_world(world);
}

/* Nor is it needed that anything could be collected. */
static void damage_is_repaired_above_the_floor(void **state)
{
    (void)state;
    struct world *world = make_world(3, true);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        is_repaired(damages[i].what, world, damages[i].damage, ROUND_TICKS);
    }
    release_world(world);
}

/* Of two sites there is no majority: the feed tells. But a record that is gone with its name looks like one that
 * was deleted and collected. */
static void damage_is_repaired_between_two(void **state)
{
    (void)state;
    struct world *world = settled_world(2);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        if (damages[i].damage != delete_record_and_name) {
            is_repaired(damages[i].what, world, damages[i].damage, ROUND_TICKS);
        }
    }
    release_world(world);
}

/* Then both keep what they have, and the one that lacks it says so. */
static void what_looks_collected_is_kept_and_told(void **state)
{
    (void)state;
    struct world *world = settled_world(2);
    struct copy before = copy_of(&world->sites[0].fake);
    delete_record_and_name(&world->sites[1].fake);
    struct copy damaged = copy_of(&world->sites[1].fake);
    pass(world, ROUND_TICKS);
    assert_true(is_copy(&before, &world->sites[0].fake, true));
    assert_true(is_copy(&damaged, &world->sites[1].fake, true));
    assert_true(world->sites[1].fake.errors > 0);
    release_copy(&before);
    release_copy(&damaged);
    release_world(world);
}

/* A site that is alone has its feed. */
static void damage_is_repaired_by_the_feed_alone(void **state)
{
    (void)state;
    struct world *world = new_world(3, 1);
    struct fake *fake = &world->sites[0].fake;
    world->healed = true;
    for (unsigned i = 0; i < KEYS; i++) {
        char subject[32];
        snprintf(subject, sizeof subject, "wasmkv.set.k%u", i);
        write_value(&world->sites[0], subject, "{\"a\":1,\"b\":2}");
    }
    struct copy before = copy_of(fake);
    void (*const ways[])(struct fake *) = {delete_record, delete_name, name_nothing, write_garbage,
                                           flip_a_bit};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        ways[i](fake);
        assert_false(is_copy(&before, fake, false));
        pass(world, ROUND_TICKS);
        if (!is_copy(&before, fake, true)) {
            fail_msg("way %zu was not repaired", i);
        }
    }
    release_copy(&before);
    release_world(world);
}

static void forget_feed(struct fake *fake)
{
    for (size_t i = fake->count; i > 0; i--) {
        if (fake->pairs[i - 1].key[0] == 'f') {
            fake_delete(fake, hr_str_of(fake->pairs[i - 1].key, fake->pairs[i - 1].key_len));
        }
    }
}

/* Where nobody's feed tells, most sites are right; also about what is gone and what is another's. */
static void majority_decides_without_a_feed(void **state)
{
    (void)state;
    struct world *world = settled_world(3);
    for (unsigned i = 0; i < 3; i++) {
        forget_feed(&world->sites[i].fake);
    }
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        is_repaired(damages[i].what, world, damages[i].damage, ROUND_TICKS);
    }
    release_world(world);
}

/* Two contents under one stamp, two sites, no feed: both keep what they have, and say so. */
static void tie_without_a_feed_is_kept_and_told(void **state)
{
    (void)state;
    struct world *world = settled_world(2);
    struct copy before = copy_of(&world->sites[0].fake);
    for (unsigned i = 0; i < 2; i++) {
        forget_feed(&world->sites[i].fake);
    }
    change_a_value(&world->sites[1].fake);
    struct copy damaged = copy_of(&world->sites[1].fake);
    pass(world, ROUND_TICKS);
    assert_true(is_copy(&before, &world->sites[0].fake, true));
    assert_true(is_copy(&damaged, &world->sites[1].fake, true));
    assert_true(world->sites[0].fake.errors > 0 && world->sites[1].fake.errors > 0);
    release_copy(&before);
    release_copy(&damaged);
    release_world(world);
}

/* Sites that agree say nothing, and commit nothing. */
static void sites_that_agree_do_nothing(void **state)
{
    (void)state;
    struct world *world = settled_world(3);
    uint64_t commits[3];
    pass(world, 1);
    for (unsigned i = 0; i < 3; i++) {
        commits[i] = world->sites[i].fake.commits;
    }
    pass(world, ROUND_TICKS);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(world->sites[i].fake.commits, commits[i]);
        assert_int_equal(world->sites[i].fake.warnings, 0);
        assert_int_equal(world->sites[i].fake.errors, 0);
    }
    release_world(world);
}

/* A site that lacks changes which others have is not repaired by comparing: it pulls them. */
static void what_is_on_its_way_is_left_alone(void **state)
{
    (void)state;
    struct world *world = settled_world(3);
    world->cut[0][2] = world->cut[2][0] = world->cut[1][2] = world->cut[2][1] = true;
    for (unsigned i = 0; i < 40; i++) {
        write_value(&world->sites[0], "wasmkv.set.k1", "{\"late\":1}");
        pass(world, 1);
    }
    memset(world->cut, 0, sizeof world->cut);
    pass(world, ROUND_TICKS);
    assert_true(settled(world));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(world->sites[i].fake.errors, 0);
        assert_int_equal(check_failures(&world->sites[i].fake, true), 0);
    }
    release_world(world);
}

/* A lost clear mark is raised again, by the deletion that the feed has. */
static void clear_mark_comes_back(void **state)
{
    (void)state;
    struct world *world = settled_world(3);
    write_value(&world->sites[0], "wasmkv.del", "");
    pass(world, 4);
    write_value(&world->sites[2], "wasmkv.set.k1", "{\"after\":1}");
    pass(world, 4);
    assert_true(settled(world));
    world->now_ms += 20000;
    pass(world, 2);
    struct hr_str mark = stored(&world->sites[0].fake, "b/clear");
    fake_delete(&world->sites[1].fake, HR_STR("b/clear"));
    pass(world, ROUND_TICKS);
    struct hr_str again = stored(&world->sites[1].fake, "b/clear");
    assert_true(hr_str_eq(mark, again));
    release_world(world);
}

/* All slices get their turn in a round, with one other site; with slow ticks in some more rounds, however slow. */
static void turns_reach_every_leaf(void **state)
{
    (void)state;
    for (uint64_t values = 10; values < 5000000; values *= 7) {
        for (unsigned step = 1; step <= 8; step++) {
            unsigned char *seen = calloc(4096, 1);
            struct dkv_turn first = dkv_round_turn(0, values, 12, 2);
            uint64_t slices = 4096 / first.leaf_count;
            assert_true(slices >= DKV_ROUND_SLICES_MIN && first.leaf_count >= 1);
            assert_true(first.leaf_count == 1 ||
                        values * first.leaf_count / 4096 <= DKV_ROUND_RECORDS);
            for (uint64_t slot = 0; slot < slices * (step == 1 ? 1 : step * 20); slot += step) {
                struct dkv_turn turn = dkv_round_turn(slot, values, 12, 2);
                assert_true(turn.other < 2);
                assert_true(turn.leaf + turn.leaf_count <= 4096);
                memset(seen + turn.leaf, 1, turn.leaf_count);
            }
            for (size_t i = 0; i < 4096; i++) {
                assert_true(seen[i]);
            }
            free(seen);
        }
    }
}

/* A value that is changed at another site while it is damaged here: the change is taken, and the record put right with
 * it. */
static void repair_goes_with_new_changes(void **state)
{
    (void)state;
    for (unsigned forged = 0; forged < 2; forged++) {
        struct world *world = settled_world(3);
        struct fake *fake = &world->sites[1].fake;
        struct hr_str whole = fake_get(fake, "r/k3");
        char *bytes = fake_copy(whole.ptr, whole.len);
        bytes[whole.len / 2] ^= 1;
        struct hr_str other = forged ? fake_get(fake, "r/k4") : hr_str_of(bytes, whole.len);
        fake_put(fake, HR_STR("r/k3"), other);
        write_value(&world->sites[0], "wasmkv.set.k3", "{\"a\":7}");
        pass(world, ROUND_TICKS);
        struct copy good = copy_of(&world->sites[0].fake);
        assert_true(is_copy(&good, fake, true));
        assert_true(is_copy(&good, &world->sites[2].fake, true));
        assert_true(same_feeds(&world->sites[0].fake, fake));
        release_copy(&good);
        free(bytes);
        release_world(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_repaired_and_does_not_spread),
        cmocka_unit_test(damage_is_repaired_above_the_floor),
        cmocka_unit_test(damage_is_repaired_between_two),
        cmocka_unit_test(what_looks_collected_is_kept_and_told),
        cmocka_unit_test(damage_is_repaired_by_the_feed_alone),
        cmocka_unit_test(majority_decides_without_a_feed),
        cmocka_unit_test(tie_without_a_feed_is_kept_and_told),
        cmocka_unit_test(sites_that_agree_do_nothing),
        cmocka_unit_test(what_is_on_its_way_is_left_alone),
        cmocka_unit_test(clear_mark_comes_back),
        cmocka_unit_test(repair_goes_with_new_changes),
        cmocka_unit_test(turns_reach_every_leaf),
    };
    return cmocka_run_group_tests_name("dkv_repair", tests, NULL, NULL);
}
