/* links: core_kv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "actors/kv/core/format/record.h"

#define PROPERTY_RUNS 4000
#define EVENTS 24

static struct hr_arena arena;
static struct hr_diag diag;

static int release(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return 0;
}

static struct dkv_stamp at(dkv_hlc hlc)
{
    return (struct dkv_stamp){hlc, dkv_origin_of(1, 1)};
}

static struct dkv_field bytes_field(const char *name, const char *value, dkv_hlc hlc)
{
    return (struct dkv_field){hr_str_c(name), hr_str_c(value), at(hlc), DKV_FIELD_BYTES};
}

static struct dkv_field deleted_field(const char *name, dkv_hlc hlc)
{
    return (struct dkv_field){hr_str_c(name), {0}, at(hlc), DKV_FIELD_DELETED};
}

static struct hr_str encode(const struct dkv_record *record)
{
    struct hr_str bytes = {0};
    assert_int_equal(dkv_record_encode(record, &arena, &bytes), HR_OK);
    return bytes;
}

static struct dkv_record merge(const struct dkv_record *a, const struct dkv_record *b)
{
    struct dkv_record merged = {0};
    assert_int_equal(dkv_record_merge(a, b, &arena, &merged, &diag), HR_OK);
    return merged;
}

/* What is encoded comes back, and its bytes are as specified. */
static void record_round_trips(void **state)
{
    (void)state;
    struct dkv_field fields[] = {bytes_field("", "", 5), bytes_field("a", "1", 6),
                                 deleted_field("b", 7)};
    struct dkv_record record = {.dead = at(4), .fields = fields, .count = 3};
    struct dkv_record back = {0};
    struct hr_str bytes = encode(&record);
    assert_int_equal(bytes.len, 24 + 3 * 22 + 2 + 1);
    assert_memory_equal(bytes.ptr, "\x01\x00\x00\x03", 4);
    assert_int_equal(dkv_record_decode(bytes, &arena, &back, &diag), HR_OK);
    assert_true(hr_str_eq(encode(&back), bytes));
    assert_int_equal(back.count, 3);
    assert_true(hr_str_eq(back.fields[1].value, HR_STR("1")));
    assert_int_equal(back.fields[2].type, DKV_FIELD_DELETED);
    assert_int_equal(dkv_record_newest(&back).hlc, 7);
}

/* Every flipped bit and every cut is noticed. */
static void record_notices_every_bit(void **state)
{
    (void)state;
    struct dkv_field fields[] = {bytes_field("", "", 5), bytes_field("a", "[1,2]", 6)};
    struct dkv_record record = {.fields = fields, .count = 2};
    struct dkv_record back;
    struct hr_str bytes = encode(&record);
    char *writable = (char *)(uintptr_t)bytes.ptr;
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        writable[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(dkv_record_decode(bytes, &arena, &back, &diag), HR_CORRUPT);
        writable[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(dkv_record_decode(hr_str_of(bytes.ptr, len), &arena, &back, &diag),
                         HR_CORRUPT);
    }
}

/* Records that no version of this code writes are refused, with sound checksums too. */
static void record_refuses_other_shapes(void **state)
{
    (void)state;
    struct dkv_field fields[2];
    struct dkv_record record = {.fields = fields, .count = 2};
    struct dkv_record back;
    fields[0] = bytes_field("b", "1", 6);
    fields[1] = bytes_field("a", "1", 6);
    assert_int_equal(dkv_record_decode(encode(&record), &arena, &back, &diag), HR_CORRUPT);
    assert_string_equal(diag.text, "record: fields are out of order");
    fields[1] = bytes_field("b", "1", 7);
    assert_int_equal(dkv_record_decode(encode(&record), &arena, &back, &diag), HR_CORRUPT);
    fields[1] = bytes_field("c", "1", 2);
    record.dead = at(2);
    assert_int_equal(dkv_record_decode(encode(&record), &arena, &back, &diag), HR_CORRUPT);
    assert_string_equal(diag.text, "record: a field is older than its end");
    record.dead = at(1);
    fields[1] = bytes_field("c", "", 2);
    assert_int_equal(dkv_record_decode(encode(&record), &arena, &back, &diag), HR_CORRUPT);
    fields[1] = bytes_field("\xff", "1", 2);
    assert_int_equal(dkv_record_decode(encode(&record), &arena, &back, &diag), HR_CORRUPT);
    fields[1] = bytes_field("c", "1", 2);
    fields[1].type = (enum dkv_field_type)2;
    assert_int_equal(dkv_record_decode(encode(&record), &arena, &back, &diag), HR_UNSUPPORTED);
}

/* The newer of two fields wins, a deletion is a field as any other, and the dead stamp takes what is
 * older with it. */
static void record_merges_by_stamp(void **state)
{
    (void)state;
    struct dkv_field a_fields[] = {bytes_field("x", "\"old\"", 1), bytes_field("y", "\"new\"", 9)};
    struct dkv_field b_fields[] = {deleted_field("x", 2), bytes_field("y", "\"old\"", 3),
                                   bytes_field("z", "1", 4)};
    struct dkv_record a = {.fields = a_fields, .count = 2};
    struct dkv_record b = {.fields = b_fields, .count = 3};
    struct dkv_record merged = merge(&a, &b);
    assert_int_equal(merged.count, 3);
    assert_int_equal(merged.fields[0].type, DKV_FIELD_DELETED);
    assert_true(hr_str_eq(merged.fields[1].value, HR_STR("\"new\"")));
    assert_true(dkv_record_visible(&merged, (struct dkv_stamp){0}));
    struct dkv_record end = {.dead = at(4)};
    merged = merge(&merged, &end);
    assert_int_equal(merged.count, 1);
    assert_true(hr_str_eq(merged.fields[0].name, HR_STR("y")));
    assert_false(dkv_record_visible(&merged, at(9)));
    end.dead = at(10);
    merged = merge(&merged, &end);
    assert_int_equal(merged.count, 0);
    assert_false(dkv_record_visible(&merged, (struct dkv_stamp){0}));
}

/* One stamp with two contents is corruption. */
static void record_merge_refuses_a_stamp_used_twice(void **state)
{
    (void)state;
    struct dkv_field a_field = bytes_field("x", "1", 5);
    struct dkv_field b_field = bytes_field("x", "2", 5);
    struct dkv_record a = {.fields = &a_field, .count = 1};
    struct dkv_record b = {.fields = &b_field, .count = 1};
    struct dkv_record merged;
    assert_int_equal(dkv_record_merge(&a, &b, &arena, &merged, &diag), HR_CORRUPT);
    b_field = deleted_field("x", 5);
    assert_int_equal(dkv_record_merge(&a, &b, &arena, &merged, &diag), HR_CORRUPT);
    b_field = a_field;
    assert_int_equal(dkv_record_merge(&a, &b, &arena, &merged, &diag), HR_OK);
}

/* A clear mark takes what is older, and the dead stamp with it. */
static void record_strip_drops_what_a_clear_covers(void **state)
{
    (void)state;
    struct dkv_field fields[] = {bytes_field("", "", 5), bytes_field("a", "1", 8)};
    struct dkv_record record = {.dead = at(3), .fields = fields, .count = 2};
    assert_true(dkv_record_marked(&record, at(4)));
    assert_false(dkv_record_marked(&record, at(5)));
    dkv_record_strip(&record, at(5));
    assert_int_equal(record.count, 1);
    assert_int_equal(record.dead.hlc, 0);
    assert_true(dkv_record_visible(&record, at(5)));
}

/* --- properties --- */

static uint64_t draw(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return *random * 2685821657736338717u;
}

/* One event is one stamp: a set or removal of some fields, or a deletion. */
struct event {
    struct dkv_record record;
    struct dkv_field fields[4];
};

static void draw_events(uint64_t *random, struct event *events)
{
    static const char *names[] = {"", "a", "bb", "c"};
    static const char *values[] = {"1", "\"x\"", "[]", "{\"k\":null}"};
    for (size_t i = 0; i < EVENTS; i++) {
        struct event *event = &events[i];
        /* Two origins whose clocks run through each other; stamps are unique. */
        struct dkv_stamp stamp = {1 + i / 2, dkv_origin_of((uint16_t)(1 + i % 2), 1)};
        *event = (struct event){0};
        if (draw(random) % 5 == 0) {
            event->record.dead = stamp;
            continue;
        }
        event->record.fields = event->fields;
        for (size_t j = 0; j < 4; j++) {
            uint64_t r = draw(random);
            bool deleted = j > 0 && r % 4 == 0;
            if (r % 3 == 0) {
                continue;
            }
            event->fields[event->record.count++] = (struct dkv_field){
                hr_str_c(names[j]), hr_str_c(deleted || j == 0 ? "" : values[r / 16 % 4]), stamp,
                deleted ? DKV_FIELD_DELETED : DKV_FIELD_BYTES};
        }
    }
}

/* The merge of a random half of the events, in a random order. */
static struct dkv_record draw_state(uint64_t *random, const struct event *events)
{
    struct dkv_record record = {0};
    for (size_t i = 0; i < EVENTS / 2; i++) {
        record = merge(&record, &events[draw(random) % EVENTS].record);
    }
    return record;
}

static void same(const struct dkv_record *a, const struct dkv_record *b)
{
    assert_true(hr_str_eq(encode(a), encode(b)));
}

static void check_laws(uint64_t *random)
{
    struct event events[EVENTS];
    draw_events(random, events);
    struct dkv_record a = draw_state(random, events);
    struct dkv_record b = draw_state(random, events);
    struct dkv_record c = draw_state(random, events);
    struct dkv_record ab = merge(&a, &b);
    struct dkv_record ba = merge(&b, &a);
    struct dkv_record bc = merge(&b, &c);
    struct dkv_record ab_c = merge(&ab, &c);
    struct dkv_record a_bc = merge(&a, &bc);
    struct dkv_record aa = merge(&a, &a);
    struct dkv_record ab_a = merge(&ab, &a);
    same(&ab, &ba);
    same(&ab_c, &a_bc);
    same(&aa, &a);
    same(&ab_a, &ab);
    struct dkv_record back = {0};
    assert_int_equal(dkv_record_decode(encode(&ab_c), &arena, &back, &diag), HR_OK);
    same(&back, &ab_c);
    /* Clearing before or after a merge makes no difference, once cleared after it too. */
    struct dkv_stamp clear = {1 + draw(random) % (EVENTS / 2), dkv_origin_of(1, 1)};
    dkv_record_strip(&a, clear);
    struct dkv_record early = merge(&a, &b);
    dkv_record_strip(&early, clear);
    dkv_record_strip(&ab, clear);
    same(&early, &ab);
    assert_int_equal(dkv_record_visible(&early, clear), dkv_record_visible(&ba, clear));
}

static struct dkv_record of_fields(struct dkv_field *fields, size_t count, dkv_hlc dead)
{
    return (struct dkv_record){.dead = at(dead), .fields = fields, .count = count};
}

/* A tombstone goes when none of its stamps is above the floor, and not before. */
static void record_collects_tombstones(void **state)
{
    (void)state;
    struct dkv_field fields[] = {deleted_field("a", 7)};
    struct dkv_record record = of_fields(fields, 1, 5);
    assert_true(dkv_record_littered(&record, (struct dkv_stamp){0}));
    assert_false(dkv_record_collect(&record, (struct dkv_stamp){0}, 6));
    assert_int_equal(record.count, 1);
    assert_true(dkv_record_collect(&record, (struct dkv_stamp){0}, 7));
    assert_true(dkv_record_empty(&record));
    record = of_fields(NULL, 0, 5);
    assert_false(dkv_record_collect(&record, (struct dkv_stamp){0}, 4));
    assert_true(dkv_record_collect(&record, (struct dkv_stamp){0}, 5));
}

/* Deleted fields go when not above the floor, unless the version would change. */
static void record_collects_deleted_fields(void **state)
{
    (void)state;
    struct dkv_stamp none = {0};
    struct dkv_field fields[] = {bytes_field("", "", 2), deleted_field("a", 3),
                                 deleted_field("b", 4), deleted_field("c", 4),
                                 deleted_field("d", 6)};
    struct dkv_record record = of_fields(fields, 4, 1);
    assert_true(dkv_record_collect(&record, none, 4));
    assert_int_equal(record.count, 3); /* b and c bear the version */
    assert_int_equal(dkv_record_newest(&record).hlc, 4);
    assert_false(dkv_record_collect(&record, none, 4));
    struct dkv_field more[] = {bytes_field("", "", 2), deleted_field("a", 3),
                               deleted_field("b", 6)};
    record = of_fields(more, 3, 1);
    assert_true(dkv_record_collect(&record, none, 5)); /* b is above the floor, a is not */
    assert_int_equal(record.count, 2);
    assert_true(hr_str_eq(record.fields[1].name, HR_STR("b")));
    struct dkv_field newer[] = {bytes_field("", "", 7), deleted_field("a", 7)};
    record = of_fields(newer, 2, 1);
    assert_true(dkv_record_collect(&record, none, 7));
    assert_int_equal(record.count, 1);
    assert_false(dkv_record_littered(&record, none));
    assert_false(dkv_record_collect(&record, none, UINT64_MAX));
}

/* What a clear covers goes, whatever the floor is; the rest stays. */
static void record_collects_what_a_clear_covers(void **state)
{
    (void)state;
    struct dkv_field fields[] = {bytes_field("", "", 2), bytes_field("a", "1", 6)};
    struct dkv_record record = of_fields(fields, 2, 1);
    assert_true(dkv_record_collect(&record, at(5), 0));
    assert_int_equal(record.count, 1);
    assert_true(dkv_stamp_is_none(record.dead));
    assert_false(dkv_record_collect(&record, at(5), 0));
    assert_true(dkv_record_collect(&record, at(6), 0));
    assert_true(dkv_record_empty(&record));
}

/* Merging is commutative, associative and idempotent, whatever was merged before. */
static void record_merge_obeys_its_laws(void **state)
{
    const char *given = getenv("DKV_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + (given ? 1 : PROPERTY_RUNS); seed++) {
        uint64_t random = seed * 0x9e3779b97f4a7c15u;
        *(uint64_t *)*state = seed;
        check_laws(&random);
        hr_arena_release(&arena);
    }
}

static int tell_seed(void **state)
{
    print_message("the last run was DKV_SEED=%llu\n", (unsigned long long)*(uint64_t *)*state);
    hr_arena_release(&arena);
    return 0;
}

int main(void)
{
    static uint64_t seed;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(record_round_trips, release),
        cmocka_unit_test_teardown(record_notices_every_bit, release),
        cmocka_unit_test_teardown(record_refuses_other_shapes, release),
        cmocka_unit_test_teardown(record_merges_by_stamp, release),
        cmocka_unit_test_teardown(record_merge_refuses_a_stamp_used_twice, release),
        cmocka_unit_test_teardown(record_strip_drops_what_a_clear_covers, release),
        cmocka_unit_test(record_collects_tombstones),
        cmocka_unit_test(record_collects_deleted_fields),
        cmocka_unit_test(record_collects_what_a_clear_covers),
        cmocka_unit_test_prestate_setup_teardown(record_merge_obeys_its_laws, NULL, tell_seed,
                                                 &seed),
    };
    return cmocka_run_group_tests_name("dkv_record", tests, NULL, NULL);
}
