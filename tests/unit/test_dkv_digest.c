/* links: core_kv */
/* What a site tells of its records: messages, hashes, and what is decided when two disagree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "actors/kv/core/compare/digest.h"
#include "actors/kv/core/compare/judge.h"
#include "actors/kv/core/compare/mend.h"
#include "actors/kv/core/replicate/cut.h"

static struct hr_arena arena;
static struct hr_diag diag;

static int release(void **state)
{
    (void)state;
    hr_arena_release(&arena);
    return 0;
}

/* --- messages -------------------------------------------------------------------------------------------- */

enum kind { DIG, ANSWER, MEND };

static enum hr_err decode(enum kind kind, struct hr_str bytes)
{
    struct dkv_dig dig;
    struct dkv_dig_answer answer;
    struct dkv_mend mend;
    switch (kind) {
    case DIG:
        return dkv_dig_decode(bytes, &arena, &dig, &diag);
    case ANSWER:
        return dkv_dig_answer_decode(bytes, &arena, &answer, &diag);
    case MEND:
        return dkv_mend_decode(bytes, &mend, &diag);
    }
    return HR_INTERNAL;
}

/* Any flipped bit and any missing byte is noticed. */
static void is_guarded(enum kind kind, struct hr_str bytes)
{
    char *writable = (char *)(uintptr_t)bytes.ptr;
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        writable[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(decode(kind, bytes), HR_CORRUPT);
        writable[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(decode(kind, hr_str_of(bytes.ptr, len)), HR_CORRUPT);
    }
    assert_int_equal(decode(kind, bytes), HR_OK);
}

static struct dkv_stamp at(dkv_hlc hlc, uint16_t site)
{
    return (struct dkv_stamp){hlc, dkv_origin_of(site, 1)};
}

/* A question comes back as it was asked. */
static void question_round_trips(void **state)
{
    (void)state;
    struct hr_str keys[2] = {HR_STR("b"), HR_STR("a.x")};
    const struct dkv_dig dig = {.what = DKV_DIG_KEYS,
                                .cut = 77,
                                .floor = 5,
                                .clear = at(9, 2),
                                .with_records = true,
                                .keys = keys,
                                .key_count = 2};
    struct dkv_dig got;
    struct hr_str bytes;
    assert_int_equal(dkv_dig_encode(&dig, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_dig_decode(bytes, &arena, &got, &diag), HR_OK);
    assert_int_equal(got.cut, 77);
    assert_int_equal(got.floor, 5);
    assert_int_equal(dkv_stamp_cmp(got.clear, dig.clear), 0);
    assert_true(got.with_records);
    assert_int_equal(got.key_count, 2);
    assert_true(hr_str_eq(got.keys[1], keys[1]));
    is_guarded(DIG, bytes);
}

/* Questions that make no sense are refused although their checksum is right. */
static void question_out_of_bounds_is_refused(void **state)
{
    (void)state;
    struct hr_str key = HR_STR("k");
    struct hr_str none = HR_STR("no key");
    const struct dkv_dig bad[] = {
        {.what = DKV_DIG_LEAVES}, /* no leaves */
        {.what = DKV_DIG_LEAVES, .leaf_count = DKV_DIG_LEAVES_MAX + 1},
        {.what = DKV_DIG_LEAVES, .leaf = 65535, .leaf_count = 2},
        {.what = DKV_DIG_LEAF, .leaf_count = 2},
        {.what = DKV_DIG_LEAF, .leaf_count = 1, .after = HR_STR("a b")},
        {.what = DKV_DIG_LEAF, .leaf_count = 1, .with_records = true},
        {.what = DKV_DIG_KEYS},
        {.what = DKV_DIG_KEYS, .keys = &none, .key_count = 1},
        {.what = DKV_DIG_KEYS, .keys = &key, .key_count = 1, .leaf = 3},
        {.what = DKV_DIG_PAGE, .keys = &key, .key_count = 1},
        {.what = (enum dkv_dig_what)6, .leaf_count = 1},
        {.what = (enum dkv_dig_what)0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hr_str bytes;
        assert_int_equal(dkv_dig_encode(&bad[i], &arena, &bytes), HR_OK);
        assert_int_equal(decode(DIG, bytes), HR_CORRUPT);
    }
}

/* Digests and rows come back; what is out of order, too much or cut off is refused. */
static void answer_round_trips(void **state)
{
    (void)state;
    struct dkv_dig_digest digests[2] = {{3, {1, 2}}, {0, {0}}};
    struct dkv_dig_row rows[2] = {{.key = HR_STR("a"),
                                   .state = DKV_DIG_READABLE,
                                   .named = true,
                                   .hash = {9},
                                   .newest = at(4, 1),
                                   .record = HR_STR("bytes")},
                                  {.key = HR_STR("b"), .state = DKV_DIG_ABSENT}};
    struct dkv_dig_answer answer = {.what = DKV_DIG_LEAF,
                                    .site = 3,
                                    .site_state = DKV_SITE_ACTIVE,
                                    .clear = at(1, 1),
                                    .values = 10,
                                    .litter = 2,
                                    .feed_count = 30,
                                    .feed_bytes = 4000,
                                    .digests = digests,
                                    .digest_count = 2,
                                    .more = true,
                                    .rows = rows,
                                    .row_count = 2};
    struct dkv_dig_answer got;
    struct hr_str bytes;
    assert_int_equal(dkv_dig_answer_encode(&answer, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_dig_answer_decode(bytes, &arena, &got, &diag), HR_OK);
    assert_int_equal(got.site, 3);
    assert_int_equal(got.digests[0].records, 3);
    assert_int_equal(got.digests[0].hash[1], 2);
    assert_true(got.more && got.rows[0].named && !got.rows[1].named);
    assert_true(hr_str_eq(got.rows[0].record, HR_STR("bytes")));
    assert_int_equal(got.feed_bytes, 4000);
    is_guarded(ANSWER, bytes);
    rows[1].key = HR_STR("a");
    assert_int_equal(dkv_dig_answer_encode(&answer, &arena, &bytes), HR_OK);
    assert_int_equal(decode(ANSWER, bytes), HR_CORRUPT);
    answer.row_count = 0;
    assert_int_equal(dkv_dig_answer_encode(&answer, &arena, &bytes), HR_OK);
    assert_int_equal(decode(ANSWER, bytes), HR_CORRUPT); /* more of nothing */
    answer.more = false;
    answer.site = 0;
    assert_int_equal(dkv_dig_answer_encode(&answer, &arena, &bytes), HR_OK);
    assert_int_equal(decode(ANSWER, bytes), HR_CORRUPT);
}

/* A repair comes back; one that wants a record without bytes, or has another's members, is refused. */
static void mend_round_trips(void **state)
{
    (void)state;
    struct dkv_mend mend = {.what = DKV_MEND_RECORD,
                            .key = HR_STR("a"),
                            .found = true,
                            .found_hash = {7},
                            .wanted = true,
                            .record = HR_STR("record")};
    struct dkv_mend got;
    struct hr_str bytes;
    assert_int_equal(dkv_mend_encode(&mend, &arena, &bytes), HR_OK);
    assert_int_equal(dkv_mend_decode(bytes, &got, &diag), HR_OK);
    assert_true(got.found && got.wanted && got.found_hash[0] == 7);
    assert_true(hr_str_eq(got.record, HR_STR("record")));
    is_guarded(MEND, bytes);
    mend.record = (struct hr_str){0};
    assert_int_equal(dkv_mend_encode(&mend, &arena, &bytes), HR_OK);
    assert_int_equal(decode(MEND, bytes), HR_CORRUPT);
    mend = (struct dkv_mend){.what = DKV_MEND_CLEAR, .key = HR_STR("a")};
    assert_int_equal(dkv_mend_encode(&mend, &arena, &bytes), HR_OK);
    assert_int_equal(decode(MEND, bytes), HR_CORRUPT);
}

/* --- hashes ---------------------------------------------------------------------------------------------- */

static struct dkv_field field(const char *name, const char *value, struct dkv_stamp stamp)
{
    return (struct dkv_field){hr_str_c(name), hr_str_c(value), stamp,
                              value[0] || !name[0] ? DKV_FIELD_BYTES : DKV_FIELD_DELETED};
}

static struct dkv_dig_row row_of(const struct dkv_record *record, struct dkv_stamp clear,
                                 dkv_hlc floor)
{
    const struct dkv_lens lens = {.site = 1, .clear = clear, .floor = floor};
    struct dkv_value value = {.present = true};
    struct dkv_dig_row row;
    assert_int_equal(dkv_record_encode(record, &arena, &value.bytes), HR_OK);
    assert_int_equal(dkv_digest_row(&lens, HR_STR("k"), value, &arena, &row), HR_OK);
    return row;
}

/* Two sites of which one has collected what may go have the same hash at that floor, and not below it. */
static void hash_does_not_count_what_may_go(void **state)
{
    (void)state;
    struct dkv_field all[3] = {field("", "", at(5, 1)), field("a", "1", at(5, 1)),
                               field("b", "", at(3, 2))};
    struct dkv_record before = {.fields = all, .count = 3};
    struct dkv_record after = {.fields = all, .count = 2};
    struct dkv_dig_row a = row_of(&before, (struct dkv_stamp){0}, 4);
    struct dkv_dig_row b = row_of(&after, (struct dkv_stamp){0}, 4);
    assert_int_equal(a.state, DKV_DIG_READABLE);
    assert_memory_equal(a.hash, b.hash, sizeof a.hash);
    a = row_of(&before, (struct dkv_stamp){0}, 2);
    assert_memory_not_equal(a.hash, b.hash, sizeof a.hash);
}

/* A tombstone that may go, and what a clear mark covers, is no record. */
static void row_is_absent_if_nothing_is_left(void **state)
{
    (void)state;
    struct dkv_record dead = {.dead = at(3, 1)};
    assert_int_equal(row_of(&dead, (struct dkv_stamp){0}, 3).state, DKV_DIG_ABSENT);
    assert_int_equal(row_of(&dead, (struct dkv_stamp){0}, 2).state, DKV_DIG_READABLE);
    assert_int_equal(row_of(&dead, at(4, 1), 0).state, DKV_DIG_ABSENT);
}

/* The same bytes under two keys, and garbage at two sites, have different hashes. */
static void hash_counts_key_and_site(void **state)
{
    (void)state;
    struct dkv_value value = {.present = true, .bytes = HR_STR("garbage")};
    struct dkv_dig_row rows[3];
    struct dkv_lens lens = {.site = 1};
    assert_int_equal(dkv_digest_row(&lens, HR_STR("k"), value, &arena, &rows[0]), HR_OK);
    assert_int_equal(dkv_digest_row(&lens, HR_STR("l"), value, &arena, &rows[1]), HR_OK);
    lens.site = 2;
    assert_int_equal(dkv_digest_row(&lens, HR_STR("k"), value, &arena, &rows[2]), HR_OK);
    assert_int_equal(rows[0].state, DKV_DIG_UNREADABLE);
    assert_memory_not_equal(rows[0].hash, rows[1].hash, sizeof rows[0].hash);
    assert_memory_not_equal(rows[0].hash, rows[2].hash, sizeof rows[0].hash);
}

/* --- judgement ------------------------------------------------------------------------------------------- */

static struct hr_str one_key = {"k", 1};

/* A history of one key that @record is what is left of, whole from @from on. */
static struct dkv_history history_of(struct dkv_record *record, struct dkv_span *span, dkv_hlc from)
{
    *span = (struct dkv_span){.origin = dkv_origin_of(1, 1), .from = from, .to = 100};
    return (struct dkv_history){.keys = &one_key,
                                .records = record,
                                .count = 1,
                                .spans = span,
                                .span_count = 1,
                                .whole_from = from,
                                .known = true};
}

static struct dkv_verdict judge(const struct dkv_record *own, const struct dkv_record *other,
                                const struct dkv_record *winner, const struct dkv_history *history,
                                dkv_hlc floor)
{
    struct dkv_verdict verdict;
    const struct dkv_case dispute = {.key = one_key,
                                     .own = own,
                                     .other = other,
                                     .winner = winner,
                                     .history = history,
                                     .floor = floor};
    assert_int_equal(dkv_judge(&dispute, &arena, &verdict), HR_OK);
    return verdict;
}

static bool has(const struct dkv_record *record, const char *name, const char *value)
{
    for (size_t i = 0; i < record->count; i++) {
        if (hr_str_eq(record->fields[i].name, hr_str_c(name))) {
            return hr_str_eq(record->fields[i].value, hr_str_c(value));
        }
    }
    return false;
}

/* What the feed has is taken, what it would have and has not is not. */
static void feed_is_believed(void **state)
{
    (void)state;
    struct dkv_field real[1] = {field("a", "1", at(10, 1))};
    struct dkv_field forged[2] = {field("a", "2", at(20, 1)), field("b", "3", at(30, 1))};
    struct dkv_record witness = {.fields = real, .count = 1};
    struct dkv_record other = {.fields = forged, .count = 2};
    struct dkv_record none = {0};
    struct dkv_span span;
    struct dkv_history history = history_of(&witness, &span, 0);
    struct dkv_verdict verdict = judge(&none, &other, NULL, &history, 0);
    assert_true(verdict.forged && !verdict.undecided);
    assert_int_equal(verdict.record.count, 1);
    assert_true(has(&verdict.record, "a", "1"));
    verdict = judge(&none, &other, &other, &history, 0); /* most sites do not make it true */
    assert_int_equal(verdict.record.count, 1);
}

/* Beyond what the feed has: newer than the floor, it is taken; else only if most sites have it. */
static void unknown_is_taken_above_the_floor(void **state)
{
    (void)state;
    struct dkv_field fields[1] = {field("a", "1", at(10, 9))};
    struct dkv_record other = {.fields = fields, .count = 1};
    struct dkv_record none = {0};
    struct dkv_record witness = {0};
    struct dkv_span span;
    struct dkv_history history = history_of(&witness, &span, 50);
    struct dkv_verdict verdict = judge(&none, &other, NULL, &history, 9);
    assert_true(has(&verdict.record, "a", "1") && !verdict.undecided);
    verdict = judge(&none, &other, NULL, &history, 10);
    assert_true(verdict.undecided);
    assert_int_equal(verdict.record.count, 0);
    verdict = judge(&other, &none, NULL, &history, 10);
    assert_true(verdict.undecided);
    assert_int_equal(verdict.record.count, 1); /* what is here stays */
    verdict = judge(&none, &other, &other, &history, 10);
    assert_true(has(&verdict.record, "a", "1") && !verdict.undecided);
    verdict = judge(&other, &none, &none, &history, 10);
    assert_true(dkv_record_empty(&verdict.record) && !verdict.undecided);
    verdict = judge(NULL, &other, NULL, &history, 10); /* the only one that can be read */
    assert_true(has(&verdict.record, "a", "1"));
}

/* A deletion may have been collected, and its entry cut off: then an older entry proves nothing. */
static void feed_that_was_cut_does_not_bring_back(void **state)
{
    (void)state;
    struct dkv_field fields[1] = {field("a", "1", at(10, 1))};
    struct dkv_record other = {.fields = fields, .count = 1};
    struct dkv_record none = {0};
    struct dkv_span span;
    struct dkv_history history = history_of(&other, &span, 0);
    history.whole_from = 40; /* another origin's was cut off up to here */
    struct dkv_verdict verdict = judge(&none, &other, NULL, &history, 30);
    assert_int_equal(verdict.record.count, 0);
    assert_true(verdict.undecided);
    verdict = judge(&none, &other, NULL, &history, 5);
    assert_int_equal(verdict.record.count, 1);
}

/* Where a number was filled the feed does not know what had been there: what is found is taken if nothing since is cut off; else it is
 * as unknown as anything. */
static void filled_number_proves_nothing(void **state)
{
    (void)state;
    struct dkv_field fields[1] = {field("a", "1", at(15, 1))};
    struct dkv_record other = {.dead = at(14, 1), .fields = fields, .count = 1};
    struct dkv_record none = {0};
    struct dkv_record witness = {0};
    struct dkv_span span;
    struct dkv_history history = history_of(&witness, &span, 0);
    assert_true(judge(&none, &other, NULL, &history, 50).forged);
    span.filled_from = 10;
    span.filled_to = 15;
    assert_true(judge(&none, &other, NULL, &history, 50).forged); /* the one that came next */
    span.filled_to = 16;
    struct dkv_verdict verdict = judge(&none, &other, &none, &history, 50);
    assert_true(has(&verdict.record, "a", "1") && !verdict.undecided && !verdict.forged);
    assert_int_equal(verdict.record.dead.hlc, 14);
    history.whole_from = 40;
    verdict = judge(&none, &other, &none, &history, 50);
    assert_true(dkv_record_empty(&verdict.record) && !verdict.undecided && !verdict.forged);
    assert_true(judge(&none, &other, NULL, &history, 50).undecided);
}

/* --- the cut --------------------------------------------------------------------------------------------- */

static uint64_t wall_ms = 1000000;

static dkv_wall_ms wall(void *arg)
{
    (void)arg;
    return wall_ms;
}

/* The cut is below what one of the sites lacks, and above what all have. */
static void cut_is_below_what_is_on_its_way(void **state)
{
    (void)state;
    const struct dkv_env env = {.wall = wall};
    dkv_hlc old = dkv_clock_lift(0, wall_ms - 50000);
    struct dkv_have_row mine[2] = {
        {.origin = dkv_origin_of(1, 1), .prefix = 5, .high = 5, .hlc = old + 9, .trunc_below = 1},
        {.origin = dkv_origin_of(2, 1), .prefix = 7, .high = 7, .hlc = old + 4, .trunc_below = 1}};
    struct dkv_have_row theirs[2] = {mine[0], mine[1]};
    struct dkv_have lists[2] = {{.site = 1, .clock = old + 20, .rows = mine, .count = 2},
                                {.site = 2, .clock = old + 30, .rows = theirs, .count = 2}};
    const struct dkv_holdings holdings = {.lists = lists, .count = 2};
    assert_int_equal(dkv_cut_of(&env, &holdings), old + 20); /* the lower clock */
    mine[1].prefix = mine[1].high = 6;
    mine[1].hlc = old + 2;
    assert_int_equal(dkv_cut_of(&env, &holdings), old + 2);
    lists[0].count = 1; /* it has not heard of that origin */
    assert_int_equal(dkv_cut_of(&env, &holdings), 0);
    lists[0].floor = old + 4; /* or has forgotten it, because it is below the floor */
    assert_int_equal(dkv_cut_of(&env, &holdings), old + 20);
    lists[0].clock = lists[1].clock = dkv_clock_lift(0, wall_ms);
    assert_int_equal(dkv_cut_of(&env, &holdings), dkv_clock_lift(0, wall_ms - DKV_CUT_YOUNG_MS));
    lists[0].low = dkv_clock_lift(0, wall_ms - 3000);
    lists[1].low = dkv_clock_lift(0, wall_ms - 2000);
    assert_int_equal(dkv_cut_of(&env, &holdings), lists[0].low);
    lists[1].low = 0;
    assert_int_equal(dkv_cut_of(&env, &holdings), dkv_clock_lift(0, wall_ms - DKV_CUT_YOUNG_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(question_round_trips, release),
        cmocka_unit_test_teardown(question_out_of_bounds_is_refused, release),
        cmocka_unit_test_teardown(answer_round_trips, release),
        cmocka_unit_test_teardown(mend_round_trips, release),
        cmocka_unit_test_teardown(hash_does_not_count_what_may_go, release),
        cmocka_unit_test_teardown(row_is_absent_if_nothing_is_left, release),
        cmocka_unit_test_teardown(hash_counts_key_and_site, release),
        cmocka_unit_test_teardown(feed_is_believed, release),
        cmocka_unit_test_teardown(unknown_is_taken_above_the_floor, release),
        cmocka_unit_test_teardown(feed_that_was_cut_does_not_bring_back, release),
        cmocka_unit_test_teardown(filled_number_proves_nothing, release),
        cmocka_unit_test_teardown(cut_is_below_what_is_on_its_way, release),
    };
    return cmocka_run_group_tests_name("dkv_digest", tests, NULL, NULL);
}
