/* What every store must do, written against host/kv/kv.h alone. An implementation's test includes this,
 * defines suite_fresh_url and suite_drop, and runs KV_SUITE. */
#ifndef KV_SUITE_H
#define KV_SUITE_H

#include <pthread.h>

#include "tests/unit/kv_rig.h"

/* Writes the URL of a store that is empty and not in use. */
static void suite_fresh_url(char *to, size_t size);
/* Removes what suite_fresh_url made; the store is closed. */
static void suite_drop(const char *url);

#define SUITE_URL_MAX 256
#define BUCKET HR_STR("bucket")

struct suite {
    char url[SUITE_URL_MAX];
    struct rig rig;
};

static int suite_setup(void **state)
{
    struct suite *suite = calloc(1, sizeof *suite);
    suite_fresh_url(suite->url, sizeof suite->url);
    rig_open(&suite->rig, suite->url);
    *state = suite;
    return 0;
}

static int suite_teardown(void **state)
{
    struct suite *suite = *state;
    rig_close(&suite->rig);
    suite_drop(suite->url);
    free(suite);
    return 0;
}

static struct rig *suite_rig(void **state)
{
    struct suite *suite = *state;
    return &suite->rig;
}

/* What was committed is read back; what was not is absent; the last put of a key counts. */
static void kv_get_returns_what_was_committed(void **state)
{
    struct rig *rig = suite_rig(state);
    assert_absent(rig, "k");
    assert_err(rig_put(rig, "k", "one"), HR_OK);
    assert_holds(rig, "k", "one");
    assert_err(rig_put(rig, "k", "two, longer"), HR_OK);
    assert_holds(rig, "k", "two, longer");
    assert_err(rig_delete(rig, "k"), HR_OK);
    assert_absent(rig, "k");
    assert_err(rig_delete(rig, "k"), HR_OK);
}

/* Keys and values are any bytes; an empty value is there, unlike no value. */
static void kv_values_are_any_bytes(void **state)
{
    struct rig *rig = suite_rig(state);
    struct hr_str odd_key = HR_STR("\0\xff\n\x80key");
    struct hr_str odd_value = HR_STR("\0\0\xff\r\n\0");
    assert_err(rig_put_str(rig, BUCKET, odd_key, odd_value), HR_OK);
    assert_err(rig_put_str(rig, BUCKET, HR_STR("empty"), (struct hr_str){0}), HR_OK);
    assert_str(rig_get_str(rig, BUCKET, odd_key).value, odd_value);
    struct answer empty = rig_get(rig, "empty");
    assert_err(empty.err, HR_OK);
    assert_int_equal(empty.value.len, 0);
}

/* get_now gives what get gives, or says that it would have to wait. */
static void kv_get_now_agrees_with_get(void **state)
{
    struct rig *rig = suite_rig(state);
    assert_err(rig_put(rig, "k", "value"), HR_OK);
    struct hr_str value;
    enum hr_err err = hr_kv_get_now(rig->port, BUCKET, HR_STR("k"), &rig->arena, &value);
    if (err == HR_AGAIN) {
        return;
    }
    assert_err(err, HR_OK);
    assert_str(value, HR_STR("value"));
    err = hr_kv_get_now(rig->port, BUCKET, HR_STR("none"), &rig->arena, &value);
    assert_err(err, HR_NOT_FOUND);
    struct hr_arena small;
    hr_arena_init(&small, 4);
    assert_err(hr_kv_get_now(rig->port, BUCKET, HR_STR("k"), &small, &value), HR_NO_MEMORY);
    hr_arena_release(&small);
}

/* One commit may put and delete many keys; of two puts the later counts, and a delete after them. */
static void kv_commit_applies_puts_then_deletes(void **state)
{
    struct rig *rig = suite_rig(state);
    assert_err(rig_put(rig, "old", "x"), HR_OK);
    struct hr_kv_entry puts[] = {{HR_STR("a"), HR_STR("1")},
                                 {HR_STR("b"), HR_STR("2")},
                                 {HR_STR("a"), HR_STR("3")},
                                 {HR_STR("c"), HR_STR("4")}};
    struct hr_str deletes[] = {HR_STR("c"), HR_STR("old"), HR_STR("never")};
    struct hr_kv_commit commit = {
        .bucket = BUCKET, .puts = puts, .put_count = 4, .deletes = deletes, .delete_count = 3};
    assert_err(rig_commit(rig, &commit).err, HR_OK);
    assert_holds(rig, "a", "3");
    assert_holds(rig, "b", "2");
    assert_absent(rig, "c");
    assert_absent(rig, "old");
}

/* A commit of nothing, or of checks only, is a commit. */
static void kv_commit_may_be_empty_or_only_check(void **state)
{
    struct rig *rig = suite_rig(state);
    struct hr_kv_commit nothing = {.bucket = BUCKET};
    assert_err(rig_commit(rig, &nothing).err, HR_OK);
    struct hr_kv_check check = {.key = HR_STR("k"), .absent = true};
    struct hr_kv_commit only = {.bucket = BUCKET, .checks = &check, .check_count = 1};
    assert_err(rig_commit(rig, &only).err, HR_OK);
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    assert_err(rig_commit(rig, &only).err, HR_CONFLICT);
}

/* Commits a put of "target" under the given checks. */
static struct answer commit_under(struct rig *rig, const struct hr_kv_check *checks, size_t count)
{
    struct hr_kv_entry put = {HR_STR("target"), HR_STR("written")};
    struct hr_str gone = HR_STR("victim");
    struct hr_kv_commit commit = {.bucket = BUCKET,
                                  .checks = checks,
                                  .check_count = count,
                                  .puts = &put,
                                  .put_count = 1,
                                  .deletes = &gone,
                                  .delete_count = 1};
    return rig_commit(rig, &commit);
}

/* A check holds for exactly the value, or for absence; the first that does not is told by its index,
 * and nothing is changed then. */
static void kv_commit_tells_the_first_check_that_fails(void **state)
{
    struct rig *rig = suite_rig(state);
    assert_err(rig_put(rig, "a", "1"), HR_OK);
    assert_err(rig_put(rig, "empty", ""), HR_OK);
    assert_err(rig_put(rig, "victim", "alive"), HR_OK);
    const struct hr_kv_check good = {.key = HR_STR("a"), .value = HR_STR("1")};
    const struct hr_kv_check none = {.key = HR_STR("none"), .absent = true};
    const struct hr_kv_check blank = {.key = HR_STR("empty")};
    const struct hr_kv_check bad[] = {
        {.key = HR_STR("a"), .value = HR_STR("2")},   {.key = HR_STR("a"), .value = HR_STR("")},
        {.key = HR_STR("a"), .value = HR_STR("11")},  {.key = HR_STR("a"), .absent = true},
        {.key = HR_STR("none"), .value = HR_STR("")}, {.key = HR_STR("none"), .value = HR_STR("1")},
        {.key = HR_STR("empty"), .absent = true},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct hr_kv_check checks[] = {good, none, blank, bad[i], bad[0]};
        struct answer answer = commit_under(rig, checks, 5);
        assert_err(answer.err, HR_CONFLICT);
        assert_int_equal(answer.conflict, 3);
        assert_absent(rig, "target");
        assert_holds(rig, "victim", "alive");
    }
    const struct hr_kv_check checks[] = {good, none, blank};
    assert_err(commit_under(rig, checks, 3).err, HR_OK);
    assert_holds(rig, "target", "written");
    assert_absent(rig, "victim");
}

struct tally {
    struct hr_loop *loop;
    size_t expected;
    size_t count;
    size_t ok;
    size_t by_err[HR_ERR_COUNT];
    size_t order_breaks;
};

struct numbered {
    struct tally *tally;
    size_t number;
    int calls;
    enum hr_err err;
};

static void tally_up(struct numbered *one, enum hr_err err)
{
    struct tally *tally = one->tally;
    one->calls++;
    one->err = err;
    tally->order_breaks += tally->count != one->number;
    tally->by_err[err]++;
    if (++tally->count == tally->expected && tally->loop) {
        hr_loop_stop(tally->loop);
    }
}

static void tally_commit(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    (void)conflict;
    assert_non_null(detail);
    tally_up(arg, err);
}

static void tally_get(void *arg, enum hr_err err, struct hr_str value)
{
    (void)value;
    tally_up(arg, err);
}

/* Of commits that wait together, each sees what those before it did, and they are answered in
 * order. */
static void kv_commits_of_one_port_take_effect_in_order(void **state)
{
    struct rig *rig = suite_rig(state);
    enum { COUNT = 300 };
    static struct numbered ones[COUNT];
    struct tally tally = {.loop = &rig->loop, .expected = COUNT};
    for (size_t i = 0; i < COUNT; i++) {
        ones[i] = (struct numbered){.tally = &tally, .number = i};
        char before[16];
        char after[16];
        snprintf(before, sizeof before, "%zu", i - 1);
        snprintf(after, sizeof after, "%zu", i);
        struct hr_kv_check check = {
            .key = HR_STR("chain"), .value = hr_str_c(before), .absent = i == 0};
        struct hr_kv_entry put = {HR_STR("chain"), hr_str_c(after)};
        struct hr_kv_commit commit = {
            .bucket = BUCKET, .checks = &check, .check_count = 1, .puts = &put, .put_count = 1};
        assert_err(hr_kv_commit(rig->port, &commit, tally_commit, &ones[i]), HR_OK);
    }
    hr_loop_run(&rig->loop);
    assert_int_equal(tally.by_err[HR_OK], COUNT);
    assert_int_equal(tally.order_breaks, 0);
    assert_holds(rig, "chain", "299");
}

/* Of two commits that wait together and exclude each other, the first wins and the second changes
 * nothing. */
static void kv_conflict_within_a_group_skips_just_that_commit(void **state)
{
    struct rig *rig = suite_rig(state);
    struct tally tally = {.loop = &rig->loop, .expected = 3};
    struct numbered ones[3];
    for (size_t i = 0; i < 3; i++) {
        ones[i] = (struct numbered){.tally = &tally, .number = i};
        char value[2] = {(char)('0' + i), '\0'};
        struct hr_kv_check check = {.key = HR_STR("once"), .absent = true};
        struct hr_kv_entry puts[] = {{HR_STR("once"), hr_str_c(value)},
                                     {hr_str_of(&value, 1), HR_STR("mine")}};
        struct hr_kv_commit commit = {.bucket = BUCKET, .checks = &check, .puts = puts};
        commit.check_count = i < 2; /* the third is unconditional */
        commit.put_count = 2;
        assert_err(hr_kv_commit(rig->port, &commit, tally_commit, &ones[i]), HR_OK);
    }
    hr_loop_run(&rig->loop);
    assert_err(ones[0].err, HR_OK);
    assert_err(ones[1].err, HR_CONFLICT);
    assert_err(ones[2].err, HR_OK);
    assert_holds(rig, "once", "2");
    assert_holds(rig, "0", "mine");
    assert_absent(rig, "1");
}

static struct hr_kv_page scan_of(struct rig *rig, struct hr_str prefix, struct hr_str after,
                                 uint32_t limit)
{
    struct hr_kv_scan scan = {.bucket = BUCKET, .prefix = prefix, .after = after, .limit = limit};
    struct answer answer = rig_scan(rig, &scan);
    assert_err(answer.err, HR_OK);
    return answer.page;
}

/* Whether a page has just these keys, in this order. */
static void assert_keys(struct hr_kv_page page, bool more, const struct hr_str *keys, size_t count)
{
    assert_int_equal(page.count, count);
    assert_int_equal(page.more, more);
    for (size_t i = 0; i < count; i++) {
        assert_str(page.entries[i].key, keys[i]);
    }
}

#define ASSERT_KEYS(page, more, ...)                                      \
    do {                                                                  \
        const struct hr_str keys_[] = {__VA_ARGS__};                      \
        assert_keys((page), (more), keys_, sizeof keys_ / sizeof *keys_); \
    } while (0)

/* In bytewise order, all of them: ascending and in the order of unsigned bytes. */
static const struct hr_str ladder[] = {
    {"\0", 1},     {"\0\0", 2},       {"\x01", 1},         {"a", 1},
    {"a\0", 2},    {"a\0b", 3},       {"ab", 2},           {"abc", 3},
    {"ab\xff", 3}, {"ab\xff\xff", 4}, {"ac", 2},           {"b", 1},
    {"\x7f", 1},   {"\x80", 1},       {"\xfe\xff", 2},     {"\xff", 1},
    {"\xff\0", 2}, {"\xff\xff", 2},   {"\xff\xff\xff", 3},
};
#define LADDER_COUNT (sizeof ladder / sizeof *ladder)

static void put_ladder(struct rig *rig)
{
    struct hr_kv_entry puts[LADDER_COUNT];
    for (size_t i = 0; i < LADDER_COUNT; i++) {
        puts[LADDER_COUNT - 1 - i] = (struct hr_kv_entry){ladder[i], ladder[i]};
    }
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = puts, .put_count = LADDER_COUNT};
    assert_err(rig_commit(rig, &commit).err, HR_OK);
}

/* A scan gives keys in the order of their bytes, with their values. */
static void kv_scan_is_ordered_bytewise(void **state)
{
    struct rig *rig = suite_rig(state);
    struct hr_kv_page page = scan_of(rig, HR_STR(""), HR_STR(""), 100);
    assert_int_equal(page.count, 0);
    assert_false(page.more);
    put_ladder(rig);
    page = scan_of(rig, HR_STR(""), HR_STR(""), 100);
    assert_keys(page, false, ladder, LADDER_COUNT);
    for (size_t i = 0; i < LADDER_COUNT; i++) {
        assert_str(page.entries[i].value, ladder[i]);
    }
}

/* For every prefix, start and limit over the ladder, a scan gives what a plain loop over it gives. */
static void kv_scan_agrees_with_a_plain_loop(void **state)
{
    struct rig *rig = suite_rig(state);
    put_ladder(rig);
    const struct hr_str extra[] = {{"", 0}, {"abb", 3}, {"zz", 2}, {"\xff\xff\xff\xff", 4}};
    for (size_t p = 0; p < LADDER_COUNT + 4; p++) {
        for (size_t a = 0; a < LADDER_COUNT + 4; a++) {
            struct hr_str prefix = p < LADDER_COUNT ? ladder[p] : extra[p - LADDER_COUNT];
            struct hr_str after = a < LADDER_COUNT ? ladder[a] : extra[a - LADDER_COUNT];
            struct hr_str want[LADDER_COUNT];
            size_t count = 0;
            for (size_t i = 0; i < LADDER_COUNT; i++) {
                if (hr_str_starts(ladder[i], prefix) &&
                    (after.len == 0 || hr_str_cmp(ladder[i], after) > 0)) {
                    want[count++] = ladder[i];
                }
            }
            for (uint32_t limit = 1; limit <= 3; limit++) {
                struct hr_kv_page page = scan_of(rig, prefix, after, limit);
                assert_keys(page, count > limit, want, count < limit ? count : limit);
            }
        }
    }
}

/* The edges by name: a prefix of 0xff, a prefix that is a key, a start before the prefix, at its last
 * key, and beyond the end. */
static void kv_scan_keeps_to_its_prefix(void **state)
{
    struct rig *rig = suite_rig(state);
    put_ladder(rig);
    ASSERT_KEYS(scan_of(rig, HR_STR("\xff\xff"), HR_STR(""), 9), false, HR_STR("\xff\xff"),
                HR_STR("\xff\xff\xff"));
    ASSERT_KEYS(scan_of(rig, HR_STR("ab"), HR_STR(""), 9), false, HR_STR("ab"), HR_STR("abc"),
                HR_STR("ab\xff"), HR_STR("ab\xff\xff"));
    ASSERT_KEYS(scan_of(rig, HR_STR("ab"), HR_STR("a"), 2), true, HR_STR("ab"), HR_STR("abc"));
    ASSERT_KEYS(scan_of(rig, HR_STR("ab"), HR_STR("ab"), 9), false, HR_STR("abc"), HR_STR("ab\xff"),
                HR_STR("ab\xff\xff"));
    assert_int_equal(scan_of(rig, HR_STR("ab"), HR_STR("ab\xff\xff"), 9).count, 0);
    assert_int_equal(scan_of(rig, HR_STR("ab"), HR_STR("b"), 9).count, 0);
    assert_int_equal(scan_of(rig, HR_STR(""), HR_STR("\xff\xff\xff"), 9).count, 0);
    assert_int_equal(scan_of(rig, HR_STR("nothing"), HR_STR(""), 9).count, 0);
}

/* Paging by the last key sees every key once. */
static void kv_scan_pages_see_every_key_once(void **state)
{
    struct rig *rig = suite_rig(state);
    enum { COUNT = 1000 };
    for (size_t from = 0; from < COUNT; from += 500) {
        static char keys[500][8];
        struct hr_kv_entry puts[500];
        for (size_t i = 0; i < 500; i++) {
            snprintf(keys[i], sizeof keys[i], "k%05zu", from + i);
            puts[i] = (struct hr_kv_entry){hr_str_c(keys[i]), HR_STR("v")};
        }
        struct hr_kv_commit commit = {.bucket = BUCKET, .puts = puts, .put_count = 500};
        assert_err(rig_commit(rig, &commit).err, HR_OK);
    }
    struct hr_str after = HR_STR("");
    size_t seen = 0;
    for (bool more = true; more;) {
        struct hr_kv_page page = scan_of(rig, HR_STR("k"), after, 77);
        for (size_t i = 0; i < page.count; i++, seen++) {
            char want[8];
            snprintf(want, sizeof want, "k%05zu", seen);
            assert_str(page.entries[i].key, hr_str_c(want));
        }
        more = page.more;
        after = page.entries[page.count - 1].key;
    }
    assert_int_equal(seen, COUNT);
}

/* A page ends before it has too many bytes, but has at least one entry; without values they do not
 * count. */
static void kv_scan_page_is_bounded_in_bytes(void **state)
{
    struct rig *rig = suite_rig(state);
    size_t big = HR_KV_VALUE_BYTES_MAX;
    char *bytes = calloc(1, big);
    const size_t sizes[] = {HR_KV_SCAN_BYTES_MAX / 2 - 1, HR_KV_SCAN_BYTES_MAX / 2 - 1, 1, big, 3};
    for (size_t i = 0; i < 5; i++) {
        char key[] = {(char)('a' + i), '\0'};
        assert_err(rig_put_str(rig, BUCKET, hr_str_c(key), hr_str_of(bytes, sizes[i])), HR_OK);
    }
    ASSERT_KEYS(scan_of(rig, HR_STR(""), HR_STR(""), 9), true, HR_STR("a"), HR_STR("b"));
    ASSERT_KEYS(scan_of(rig, HR_STR(""), HR_STR("b"), 9), true, HR_STR("c"));
    struct hr_kv_page page = scan_of(rig, HR_STR(""), HR_STR("c"), 9);
    ASSERT_KEYS(page, true, HR_STR("d"));
    assert_int_equal(page.entries[0].value.len, big);
    struct hr_kv_scan names = {.bucket = BUCKET, .limit = 9, .keys_only = true};
    struct answer answer = rig_scan(rig, &names);
    ASSERT_KEYS(answer.page, false, HR_STR("a"), HR_STR("b"), HR_STR("c"), HR_STR("d"),
                HR_STR("e"));
    assert_int_equal(answer.page.entries[3].value.len, 0);
    free(bytes);
}

/* Buckets are apart: the same key in several, and scans of buckets whose names begin alike. */
static void kv_buckets_do_not_leak(void **state)
{
    struct rig *rig = suite_rig(state);
    char longest[HR_KV_BUCKET_BYTES_MAX];
    memset(longest, 'a', sizeof longest);
    const struct hr_str buckets[] = {HR_STR("a"),    HR_STR("aa"),
                                     HR_STR("b"),    HR_STR("\x01"),
                                     HR_STR("\xff"), hr_str_of(longest, sizeof longest)};
    for (size_t i = 0; i < 6; i++) {
        assert_err(rig_put_str(rig, buckets[i], HR_STR("a"), buckets[i]), HR_OK);
        assert_err(rig_put_str(rig, buckets[i], HR_STR("\xff\xff"), HR_STR("last")), HR_OK);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_str(rig_get_str(rig, buckets[i], HR_STR("a")).value, buckets[i]);
        assert_err(rig_get_str(rig, buckets[i], HR_STR("aa")).err, HR_NOT_FOUND);
        struct hr_kv_scan scan = {.bucket = buckets[i], .limit = 9};
        struct hr_kv_page page = rig_scan(rig, &scan).page;
        ASSERT_KEYS(page, false, HR_STR("a"), HR_STR("\xff\xff"));
        assert_str(page.entries[0].value, buckets[i]);
    }
    struct hr_kv_scan scan = {.bucket = HR_STR("unknown"), .limit = 9};
    assert_int_equal(rig_scan(rig, &scan).page.count, 0);
}

/* An increment starts at 0, is kept as decimal text, wraps at 2^64 and refuses what is no number. */
static void kv_increment_counts(void **state)
{
    struct rig *rig = suite_rig(state);
    assert_int_equal(rig_increment(rig, "n", 5).number, 5);
    assert_holds(rig, "n", "5");
    assert_int_equal(rig_increment(rig, "n", 0).number, 5);
    assert_err(rig_put(rig, "n", "18446744073709551615"), HR_OK);
    struct answer answer = rig_increment(rig, "n", 3);
    assert_err(answer.err, HR_OK);
    assert_true(answer.number == 2);
    assert_holds(rig, "n", "2");
    const char *wrong[] = {"", "x", "-1", "1 ", "18446744073709551616"};
    for (size_t i = 0; i < 5; i++) {
        assert_err(rig_put(rig, "n", wrong[i]), HR_OK);
        assert_err(rig_increment(rig, "n", 1).err, HR_BAD_INPUT);
        assert_holds(rig, "n", wrong[i]);
    }
}

/* What is out of bounds is refused at once; what is just within them works. */
static void kv_limits_are_kept(void **state)
{
    struct rig *rig = suite_rig(state);
    char name[HR_KV_KEY_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    struct hr_str longest = hr_str_of(name, HR_KV_KEY_BYTES_MAX);
    struct hr_str too_long = hr_str_of(name, HR_KV_KEY_BYTES_MAX + 1);
    struct hr_str bucket = hr_str_of(name, HR_KV_BUCKET_BYTES_MAX);
    struct hr_str bucket_long = hr_str_of(name, HR_KV_BUCKET_BYTES_MAX + 1);
    char *bytes = calloc(1, HR_KV_VALUE_BYTES_MAX + 1);
    struct hr_str largest = hr_str_of(bytes, HR_KV_VALUE_BYTES_MAX);
    struct hr_str too_large = hr_str_of(bytes, HR_KV_VALUE_BYTES_MAX + 1);

    assert_err(rig_put_str(rig, bucket, longest, largest), HR_OK);
    assert_int_equal(rig_get_str(rig, bucket, longest).value.len, HR_KV_VALUE_BYTES_MAX);
    assert_err(rig_put_str(rig, BUCKET, HR_STR(""), HR_STR("v")), HR_BAD_INPUT);
    assert_err(rig_put_str(rig, BUCKET, too_long, HR_STR("v")), HR_BAD_INPUT);
    assert_err(rig_put_str(rig, HR_STR(""), HR_STR("k"), HR_STR("v")), HR_BAD_INPUT);
    assert_err(rig_put_str(rig, bucket_long, HR_STR("k"), HR_STR("v")), HR_BAD_INPUT);
    assert_err(rig_put_str(rig, BUCKET, HR_STR("k"), too_large), HR_TOO_BIG);
    assert_err(rig_get_str(rig, BUCKET, too_long).err, HR_BAD_INPUT);
    assert_err(rig_get_str(rig, bucket_long, HR_STR("k")).err, HR_BAD_INPUT);
    struct hr_str value;
    enum hr_err err = hr_kv_get_now(rig->port, BUCKET, HR_STR(""), &rig->arena, &value);
    assert_err(err, HR_BAD_INPUT);
    struct answer unused = {.rig = rig};
    err = hr_kv_increment(rig->port, BUCKET, too_long, 1, on_increment, &unused);
    assert_err(err, HR_BAD_INPUT);

    struct hr_kv_scan scan = {.bucket = BUCKET, .limit = HR_KV_SCAN_ITEMS_MAX};
    assert_err(rig_scan(rig, &scan).err, HR_OK);
    scan.limit = 0;
    assert_err(rig_scan(rig, &scan).err, HR_BAD_INPUT);
    scan.limit = HR_KV_SCAN_ITEMS_MAX + 1;
    assert_err(rig_scan(rig, &scan).err, HR_BAD_INPUT);
    scan = (struct hr_kv_scan){.bucket = BUCKET, .prefix = longest, .after = longest, .limit = 1};
    assert_err(rig_scan(rig, &scan).err, HR_OK);
    scan.prefix = too_long;
    assert_err(rig_scan(rig, &scan).err, HR_BAD_INPUT);
    scan = (struct hr_kv_scan){.bucket = BUCKET, .after = too_long, .limit = 1};
    assert_err(rig_scan(rig, &scan).err, HR_BAD_INPUT);
    free(bytes);
}

/* A commit has at most so many operations and so many bytes. */
static void kv_commit_limits_are_kept(void **state)
{
    struct rig *rig = suite_rig(state);
    enum { MOST = HR_KV_COMMIT_OPS_MAX };
    static char names[MOST + 1][8];
    static struct hr_kv_entry puts[MOST + 1];
    char *bytes = calloc(1, HR_KV_COMMIT_BYTES_MAX);
    for (size_t i = 0; i <= MOST; i++) {
        snprintf(names[i], sizeof names[i], "%05zu", i);
        puts[i] = (struct hr_kv_entry){hr_str_c(names[i]), HR_STR("v")};
    }
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = puts, .put_count = MOST + 1};
    assert_err(rig_commit(rig, &commit).err, HR_TOO_BIG);
    commit.put_count = MOST;
    struct hr_kv_check check = {.key = HR_STR("none"), .absent = true};
    commit.checks = &check;
    commit.check_count = 1;
    assert_err(rig_commit(rig, &commit).err, HR_TOO_BIG);
    commit.check_count = 0;
    assert_err(rig_commit(rig, &commit).err, HR_OK);
    assert_holds(rig, "12287", "v");
    /* Two keys of one byte and just the bytes that are left; then one more. */
    struct hr_kv_entry two[] = {{HR_STR("a"), hr_str_of(bytes, HR_KV_VALUE_BYTES_MAX)},
                                {HR_STR("b"), hr_str_of(bytes, HR_KV_VALUE_BYTES_MAX - 2)}};
    commit = (struct hr_kv_commit){.bucket = BUCKET, .puts = two, .put_count = 2};
    assert_err(rig_commit(rig, &commit).err, HR_OK);
    two[1].value.len++;
    assert_err(rig_commit(rig, &commit).err, HR_TOO_BIG);
    free(bytes);
}

/* Above the queue's bounds commits are refused; those that were taken are done, and then there is
 * room again. */
static void kv_full_queue_refuses(void **state)
{
    struct rig *rig = suite_rig(state);
    enum { COUNT = HR_KV_QUEUE_MAX };
    static struct numbered ones[COUNT];
    struct tally tally = {.loop = &rig->loop, .expected = COUNT};
    struct hr_kv_entry put = {HR_STR("k"), HR_STR("v")};
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
    for (size_t i = 0; i < COUNT; i++) {
        ones[i] = (struct numbered){.tally = &tally, .number = i};
        assert_err(hr_kv_commit(rig->port, &commit, tally_commit, &ones[i]), HR_OK);
    }
    struct answer refused = {.rig = rig};
    assert_err(hr_kv_commit(rig->port, &commit, on_commit, &refused), HR_BUSY);
    assert_err(hr_kv_increment(rig->port, BUCKET, HR_STR("n"), 1, on_increment, &refused), HR_BUSY);
    struct hr_kv_stats stats;
    hr_kv_stats(rig->kv, &stats);
    assert_int_equal(stats.queued, COUNT);
    hr_loop_run(&rig->loop);
    assert_int_equal(tally.by_err[HR_OK], COUNT);
    assert_int_equal(refused.calls, 0);
    assert_err(rig_put(rig, "k", "again"), HR_OK);
}

/* The queue is bounded in bytes as well. */
static void kv_queue_is_bounded_in_bytes(void **state)
{
    struct rig *rig = suite_rig(state);
    enum { MOST = HR_KV_QUEUE_BYTES_MAX / HR_KV_VALUE_BYTES_MAX + 1 };
    static struct numbered ones[MOST];
    struct tally tally = {.loop = &rig->loop};
    char *bytes = calloc(1, HR_KV_VALUE_BYTES_MAX);
    struct hr_kv_entry put = {HR_STR("k"), hr_str_of(bytes, HR_KV_VALUE_BYTES_MAX)};
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < MOST && !err; i++) {
        ones[i] = (struct numbered){.tally = &tally, .number = i};
        err = hr_kv_commit(rig->port, &commit, tally_commit, &ones[i]);
        tally.expected += !err;
    }
    assert_err(err, HR_BUSY);
    hr_loop_run(&rig->loop);
    assert_int_equal(tally.by_err[HR_OK], tally.expected);
    assert_err(rig_put(rig, "k", "again"), HR_OK);
    free(bytes);
}

struct inside {
    struct rig *rig;
    pthread_t thread;
    bool returned;
    int calls;
    struct hr_task task;
    struct hr_kv_page page;
};

static void inside_came(struct inside *inside)
{
    assert_true(inside->returned);
    assert_true(pthread_equal(inside->thread, pthread_self()));
    assert_true(hr_loop_is_own_thread(&inside->rig->loop));
    if (++inside->calls == 4) {
        hr_loop_stop(&inside->rig->loop);
    }
}

static void inside_commit(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    (void)conflict;
    (void)detail;
    assert_err(err, HR_OK);
    inside_came(arg);
}

static void inside_get(void *arg, enum hr_err err, struct hr_str value)
{
    (void)value;
    assert_err(err, HR_NOT_FOUND);
    inside_came(arg);
}

static void inside_scan(void *arg, enum hr_err err, const struct hr_kv_page *page)
{
    assert_non_null(page);
    assert_err(err, HR_OK);
    inside_came(arg);
}

static void inside_increment(void *arg, enum hr_err err, uint64_t value)
{
    (void)value;
    assert_err(err, HR_OK);
    inside_came(arg);
}

static void inside_run(void *arg)
{
    struct inside *inside = arg;
    struct rig *rig = inside->rig;
    struct hr_kv_entry put = {HR_STR("k"), HR_STR("v")};
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
    struct hr_kv_scan scan = {.bucket = BUCKET, .limit = 1};
    assert_err(hr_kv_commit(rig->port, &commit, inside_commit, inside), HR_OK);
    assert_err(hr_kv_get(rig->port, BUCKET, HR_STR("none"), inside_get, inside), HR_OK);
    assert_err(hr_kv_scan(rig->port, &scan, &rig->arena, inside_scan, inside), HR_OK);
    assert_err(hr_kv_increment(rig->port, BUCKET, HR_STR("n"), 1, inside_increment, inside), HR_OK);
    inside->returned = true;
}

/* Called from the loop itself, every callback comes after the call has returned, once, on the loop's
 * thread. */
static void kv_callbacks_come_later_on_the_loop(void **state)
{
    struct rig *rig = suite_rig(state);
    struct inside inside = {.rig = rig, .thread = pthread_self()};
    hr_task_init(&inside.task, inside_run, &inside);
    hr_loop_post(&rig->loop, &inside.task);
    hr_loop_run(&rig->loop);
    assert_int_equal(inside.calls, 4);
}

struct closing {
    struct tally tally;
    struct hr_loop *loop;
    size_t count_when_closed;
    int closed;
};

static void closing_done(void *arg)
{
    struct closing *closing = arg;
    closing->closed++;
    closing->count_when_closed = closing->tally.count;
    hr_loop_stop(closing->loop);
}

/* Closing a port answers everything that is pending, once, before it says that it is closed; what was
 * answered by HR_OK is there and what was canceled is not. */
static void kv_close_answers_what_is_pending(void **state)
{
    struct suite *suite = *state;
    struct rig *rig = &suite->rig;
    enum { COUNT = 200 };
    static struct numbered ones[2 * COUNT];
    struct closing closing = {.loop = &rig->loop, .tally = {.expected = 2 * COUNT}};
    for (size_t i = 0; i < COUNT; i++) {
        ones[2 * i] = (struct numbered){.tally = &closing.tally};
        ones[2 * i + 1] = (struct numbered){.tally = &closing.tally};
        char key[16];
        snprintf(key, sizeof key, "p%zu", i);
        struct hr_kv_entry put = {hr_str_c(key), HR_STR("v")};
        struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
        assert_err(hr_kv_commit(rig->port, &commit, tally_commit, &ones[2 * i]), HR_OK);
        assert_err(hr_kv_get(rig->port, BUCKET, put.key, tally_get, &ones[2 * i + 1]), HR_OK);
    }
    hr_kv_port_close(rig->port, closing_done, &closing);
    assert_int_equal(closing.closed, 0);
    assert_int_equal(closing.tally.count, 0);
    struct answer late = {.rig = rig};
    struct hr_kv_commit empty = {.bucket = BUCKET};
    struct hr_str value;
    assert_err(hr_kv_commit(rig->port, &empty, on_commit, &late), HR_CLOSED);
    assert_err(hr_kv_get(rig->port, BUCKET, HR_STR("k"), on_get, &late), HR_CLOSED);
    enum hr_err err = hr_kv_get_now(rig->port, BUCKET, HR_STR("k"), &rig->arena, &value);
    assert_true(err == HR_CLOSED || err == HR_AGAIN);
    hr_loop_run(&rig->loop);
    rig->port = NULL;
    assert_int_equal(closing.closed, 1);
    assert_int_equal(closing.count_when_closed, 2 * COUNT);

    struct hr_diag diag;
    assert_err(hr_kv_port_open(rig->kv, &rig->loop, &rig->port, &diag), HR_OK);
    for (size_t i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "p%zu", i);
        assert_int_equal(ones[2 * i].calls, 1);
        assert_int_equal(ones[2 * i + 1].calls, 1);
        assert_true(ones[2 * i].err == HR_OK || ones[2 * i].err == HR_CANCELED);
        assert_err(rig_get(rig, key).err, ones[2 * i].err == HR_OK ? HR_OK : HR_NOT_FOUND);
    }
    assert_int_equal(late.calls, 0);
}

/* A commit that is on its way when the port closes keeps its own outcome. Closes from within the
 * callback of the first of many. */
struct closer {
    struct rig *rig;
    struct closing *closing;
};

static void close_now(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    (void)conflict;
    (void)detail;
    struct closer *closer = arg;
    assert_err(err, HR_OK);
    hr_kv_port_close(closer->rig->port, closing_done, closer->closing);
}

static void kv_close_from_a_callback(void **state)
{
    struct rig *rig = suite_rig(state);
    enum { COUNT = 100 };
    static struct numbered ones[COUNT];
    struct closing closing = {.loop = &rig->loop, .tally = {.expected = COUNT}};
    struct closer closer = {rig, &closing};
    struct hr_kv_entry put = {HR_STR("k"), HR_STR("v")};
    struct hr_kv_commit commit = {.bucket = BUCKET, .puts = &put, .put_count = 1};
    assert_err(hr_kv_commit(rig->port, &commit, close_now, &closer), HR_OK);
    for (size_t i = 0; i < COUNT; i++) {
        ones[i] = (struct numbered){.tally = &closing.tally};
        assert_err(hr_kv_commit(rig->port, &commit, tally_commit, &ones[i]), HR_OK);
    }
    hr_loop_run(&rig->loop);
    rig->port = NULL;
    assert_int_equal(closing.closed, 1);
    assert_int_equal(closing.tally.count, COUNT);
    assert_int_equal(closing.tally.by_err[HR_OK] + closing.tally.by_err[HR_CANCELED], COUNT);
}

/* More loops than a store takes are refused. */
static void kv_ports_are_bounded(void **state)
{
    struct rig *rig = suite_rig(state);
    struct hr_kv_port *ports[HR_KV_PORTS_MAX];
    struct hr_diag diag;
    for (size_t i = 1; i < HR_KV_PORTS_MAX; i++) { /* the rig has one */
        assert_err(hr_kv_port_open(rig->kv, &rig->loop, &ports[i], &diag), HR_OK);
    }
    assert_err(hr_kv_port_open(rig->kv, &rig->loop, &ports[0], &diag), HR_BUSY);
    assert_true(strlen(diag.text) > 0);
    for (size_t i = 1; i < HR_KV_PORTS_MAX; i++) {
        hr_kv_port_close(ports[i], rig_stop, &rig->loop);
        hr_loop_run(&rig->loop);
    }
    assert_err(rig_put(rig, "k", "v"), HR_OK);
}

/* What was committed is there after closing and opening the store. */
static void kv_commits_survive_closing(void **state)
{
    struct suite *suite = *state;
    struct rig *rig = &suite->rig;
    assert_err(rig_put(rig, "kept", "value"), HR_OK);
    assert_int_equal(rig_increment(rig, "n", 41).number, 41);
    rig_close(rig);
    rig_open(rig, suite->url);
    assert_int_equal(rig->kv->past, HR_KV_INTACT);
    assert_holds(rig, "kept", "value");
    assert_int_equal(rig_increment(rig, "n", 1).number, 42);
}

/* The counters tell reads, commits, conflicts, errors and groups. */
static void kv_stats_count(void **state)
{
    struct rig *rig = suite_rig(state);
    struct hr_kv_stats before;
    struct hr_kv_stats after;
    hr_kv_stats(rig->kv, &before);
    assert_err(rig_put(rig, "k", "v"), HR_OK);
    assert_err(rig_get(rig, "k").err, HR_OK);
    assert_err(rig_get(rig, "none").err, HR_NOT_FOUND);
    assert_err(rig_increment(rig, "k", 1).err, HR_BAD_INPUT);
    struct hr_kv_check check = {.key = HR_STR("k"), .absent = true};
    assert_err(commit_under(rig, &check, 1).err, HR_CONFLICT);
    hr_kv_stats(rig->kv, &after);
    assert_int_equal(after.commits - before.commits, 1);
    assert_int_equal(after.reads - before.reads, 2);
    assert_int_equal(after.conflicts - before.conflicts, 1);
    assert_int_equal(after.errors - before.errors, 1);
    assert_int_equal(after.syncs - before.syncs, 1);
    assert_int_equal(after.queued, 0);
    assert_true(after.map_bytes_used > 0);
    assert_true(after.map_bytes >= after.map_bytes_used);
    rig_close_port(rig);
    struct hr_diag diag;
    assert_err(hr_kv_port_open(rig->kv, &rig->loop, &rig->port, &diag), HR_OK);
    hr_kv_stats(rig->kv, &before);
    assert_int_equal(before.reads, after.reads);
}

#endif
