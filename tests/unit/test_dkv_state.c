/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/kv/core/format/state.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/tally.h"

static struct hr_arena arena;
static struct hr_diag diag;

static int release(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return 0;
}

typedef enum hr_err (*decode_fn)(struct hr_str bytes);

static enum hr_err decode_self(struct hr_str bytes)
{
    struct dkv_self self;
    return dkv_self_decode(bytes, &self, &diag);
}

static enum hr_err decode_ctr(struct hr_str bytes)
{
    struct dkv_ctr ctr;
    return dkv_ctr_decode(bytes, &ctr, &diag);
}

static enum hr_err decode_cfg(struct hr_str bytes)
{
    struct dkv_cfg cfg;
    return dkv_cfg_decode(bytes, &cfg, &diag);
}

static enum hr_err decode_progress(struct hr_str bytes)
{
    struct dkv_progress progress;
    return dkv_progress_decode(bytes, &progress, &diag);
}

static enum hr_err decode_clear(struct hr_str bytes)
{
    struct dkv_stamp clear;
    return dkv_clear_decode((struct dkv_value){bytes, true}, &clear, &diag);
}

static enum hr_err decode_tally(struct hr_str bytes)
{
    struct dkv_tally tally;
    return dkv_tally_decode(bytes, &tally, &diag);
}

static enum hr_err decode_floor(struct hr_str bytes)
{
    struct dkv_floor floor;
    return dkv_floor_decode((struct dkv_value){bytes, true}, &floor, &diag);
}

/* Whether each flipped bit and each cut of @bytes is HR_CORRUPT. */
static void notices_every_bit(struct hr_str bytes, decode_fn decode)
{
    char *writable = (char *)(uintptr_t)bytes.ptr;
    assert_int_equal(decode(bytes), HR_OK);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        writable[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(decode(bytes), HR_CORRUPT);
        writable[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(decode(hr_str_of(bytes.ptr, len)), HR_CORRUPT);
    }
}

/* m/self comes back, with the boots before this one. */
static void state_self_round_trips(void **state)
{
    (void)state;
    struct dkv_self self = {.cluster = {9},
                            .origin = dkv_origin_of(1, 5),
                            .nonce = {{8}},
                            .state = DKV_SITE_ACTIVE,
                            .boot_class = DKV_BOOT_INTACT,
                            .past_count = 2,
                            .past = {{{7}}, {{6}}}};
    struct dkv_self back = {0};
    struct hr_str bytes;
    assert_int_equal(dkv_self_encode(&self, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_self_decode(bytes, &back, &diag), HR_OK);
    assert_memory_equal(&self, &back, sizeof self);
    notices_every_bit(bytes, decode_self);
}

/* m/ctr comes back. */
static void state_ctr_round_trips(void **state)
{
    (void)state;
    struct dkv_ctr ctr = {dkv_origin_of(1, 5), 77, 12};
    struct dkv_ctr back = {0};
    struct hr_str bytes;
    assert_int_equal(dkv_ctr_encode(&ctr, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_ctr_decode(bytes, &back, &diag), HR_OK);
    assert_memory_equal(&ctr, &back, sizeof ctr);
    notices_every_bit(bytes, decode_ctr);
}

/* m/cfg comes back, and refuses numbers that no group can have. */
static void state_cfg_round_trips(void **state)
{
    (void)state;
    struct dkv_cfg cfg = {
        .epoch = 3, .wanted_acks = 2, .leaf_bits = 12, .member_count = 3, .members = {1, 2, 9}};
    struct dkv_cfg back = {0};
    struct hr_str bytes;
    assert_int_equal(dkv_cfg_encode(&cfg, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_cfg_decode(bytes, &back, &diag), HR_OK);
    assert_memory_equal(&cfg, &back, sizeof cfg);
    notices_every_bit(bytes, decode_cfg);
    cfg.wanted_acks = 4;
    assert_int_equal(dkv_cfg_encode(&cfg, &arena, &bytes), HR_OK);
    assert_int_equal(decode_cfg(bytes), HR_CORRUPT);
    cfg.wanted_acks = 1;
    cfg.leaf_bits = 17;
    assert_int_equal(dkv_cfg_encode(&cfg, &arena, &bytes), HR_OK);
    assert_int_equal(decode_cfg(bytes), HR_CORRUPT);
}

/* A store whose index was laid out in another way is not taken for one without an index. */
static void state_cfg_of_an_older_index_is_refused(void **state)
{
    (void)state;
    struct hr_str bytes;
    struct dkv_out out = dkv_out_in(&arena, 32);
    dkv_out_uint(&out, 1, 1);
    dkv_out_uint(&out, 0, 8);
    dkv_out_seal(&out);
    assert_int_equal(dkv_out_take(&out, &bytes), HR_OK);
    assert_int_equal(decode_cfg(bytes), HR_UNSUPPORTED);
}

/* v/ comes back, sealed and not. */
static void state_progress_round_trips(void **state)
{
    (void)state;
    struct dkv_progress progress = {.prefix = 9, .hlc = 5, .trunc_below = 10};
    struct dkv_progress back = {0};
    struct hr_str bytes;
    assert_int_equal(dkv_progress_encode(&progress, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_progress_decode(bytes, &back, &diag), HR_OK);
    assert_int_equal(back.prefix, 9);
    assert_int_equal(back.trunc_below, 10);
    assert_false(back.sealed);
    notices_every_bit(bytes, decode_progress);
    progress.sealed = true;
    progress.last = 9;
    assert_int_equal(dkv_progress_encode(&progress, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_progress_decode(bytes, &back, &diag), HR_OK);
    assert_true(back.sealed);
    progress.trunc_below = 11;
    assert_int_equal(dkv_progress_encode(&progress, &arena, &bytes), HR_OK);
    assert_int_equal(decode_progress(bytes), HR_CORRUPT);
}

/* b/clear comes back; nothing there is no mark. */
static void state_clear_round_trips(void **state)
{
    (void)state;
    struct dkv_stamp clear = {8, dkv_origin_of(2, 2)};
    struct dkv_stamp back = {1, 1};
    struct hr_str bytes;
    assert_int_equal(dkv_clear_encode(clear, &arena, &bytes), HR_OK);
    notices_every_bit(bytes, decode_clear);
    assert_int_equal(dkv_clear_decode((struct dkv_value){bytes, true}, &back, &diag), HR_OK);
    assert_int_equal(dkv_stamp_cmp(clear, back), 0);
    assert_int_equal(dkv_clear_decode((struct dkv_value){0}, &back, &diag), HR_OK);
    assert_true(dkv_stamp_is_none(back));
}

/* m/tally comes back; a cursor without a pass, or that is no record's name, is refused. */
static void state_tally_round_trips(void **state)
{
    (void)state;
    struct dkv_tally tally = {.counted = true,
                              .visible = 1,
                              .feed_count = 2,
                              .feed_bytes = 3,
                              .litter = 4,
                              .made = 5,
                              .began = 6,
                              .done = 7,
                              .cursor = HR_STR("r/x")};
    struct dkv_tally back = {0};
    struct hr_str bytes;
    assert_int_equal(dkv_tally_encode(&tally, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_tally_decode(bytes, &back, &diag), HR_OK);
    assert_true(back.counted && hr_str_eq(back.cursor, tally.cursor));
    assert_int_equal(back.visible, 1);
    assert_int_equal(back.feed_count, 2);
    assert_int_equal(back.feed_bytes, 3);
    assert_int_equal(back.litter, 4);
    assert_int_equal(back.made, 5);
    assert_int_equal(back.began, 6);
    assert_int_equal(back.done, 7);
    notices_every_bit(bytes, decode_tally);
    tally.began = 0;
    assert_int_equal(dkv_tally_encode(&tally, &arena, &bytes), HR_OK);
    assert_int_equal(decode_tally(bytes), HR_CORRUPT);
    tally.began = 6;
    tally.cursor = HR_STR("q/x");
    assert_int_equal(dkv_tally_encode(&tally, &arena, &bytes), HR_OK);
    assert_int_equal(decode_tally(bytes), HR_CORRUPT);
}

/* m/S as its first version wrote it is read, and as it is now; nothing there is 0. */
static void state_floor_is_read(void **state)
{
    (void)state;
    struct dkv_floor floor = {.collected = 1, .group = 1};
    struct hr_str bytes;
    struct dkv_out out = dkv_out_in(&arena, 16);
    dkv_out_uint(&out, 1, 1);
    dkv_out_uint(&out, 77, 8);
    dkv_out_seal(&out);
    assert_int_equal(dkv_out_take(&out, &bytes), HR_OK);
    assert_int_equal(dkv_floor_decode((struct dkv_value){bytes, true}, &floor, &diag), HR_OK);
    assert_int_equal(floor.collected, 77);
    assert_int_equal(floor.group, 0);
    notices_every_bit(bytes, decode_floor);
    floor.retired_count = 2;
    floor.retired[1] = (struct dkv_retired){7, 8};
    assert_int_equal(dkv_floor_encode(&floor, &arena, &bytes), HR_OK);
    notices_every_bit(bytes, decode_floor);
    assert_int_equal(dkv_floor_decode((struct dkv_value){0}, &floor, &diag), HR_OK);
    assert_int_equal(floor.collected, 0);
    assert_int_equal(floor.retired_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(state_self_round_trips, release),
        cmocka_unit_test_teardown(state_ctr_round_trips, release),
        cmocka_unit_test_teardown(state_cfg_round_trips, release),
        cmocka_unit_test_teardown(state_cfg_of_an_older_index_is_refused, release),
        cmocka_unit_test_teardown(state_progress_round_trips, release),
        cmocka_unit_test_teardown(state_clear_round_trips, release),
        cmocka_unit_test_teardown(state_tally_round_trips, release),
        cmocka_unit_test_teardown(state_floor_is_read, release),
    };
    return cmocka_run_group_tests_name("dkv_state", tests, NULL, NULL);
}
