/* feed_check STORE-URL BUCKET: whether what a site's store holds is one legal state of the Distributed-KV
 * actor. Run on a store that nobody has open, after its host was killed. It reads only, decodes with
 * the actor's own core, and checks
 *
 *   feed    of every origin dense from 1 to v/<origin>'s prefix, clocks growing with the numbers, every
 *           stamp the origin's own; the present origin's prefix and clock those of m/ctr, which is behind
 *           no clock in the store. Of a group's other sites there may be changes beyond the prefix,
 *           with a gap before them, up to v/'s high; such origins are counted as `gaps`. Every change
 *           is of a site that m/cfg names
 *   clear   b/clear is the newest CLEAR of the feed
 *   records each shows what replaying the feed gives, its version too; it may lack what the sweep has
 *           collected, but has nothing that no change made
 *   index   each record stands in its leaf, nothing else does
 *   tally   m/tally knows how many values are visible and how long the feed is
 *
 * Prints one line of JSON with what it counted; on standard error a line for each violation. Exit status
 * 0 only if there is none. A feed whose beginning was cut cannot be replayed, so that is a violation
 * too: run it on stores with fewer changes than `feed-max`.
 * One thread. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "actors/kv/core/format/change.h"
#include "actors/kv/core/format/leaf.h"
#include "actors/kv/core/format/record.h"
#include "actors/kv/core/format/state.h"
#include "actors/kv/core/site/tally.h"
#include "base/alloc.h"
#include "host/kv/kv.h"

#define VIOLATIONS_SHOWN_MAX 20u
#define HEX64 16u

struct change_list {
    struct dkv_change *items;
    size_t count;
    size_t cap;
};

struct check {
    struct hr_kv_port *port;
    struct hr_str bucket;
    struct hr_arena arena; /* everything that was read; it lives as long as the check */
    struct dkv_self self;
    struct dkv_ctr ctr;
    struct dkv_cfg cfg;
    struct dkv_stamp clear;
    struct change_list changes;
    size_t origins;
    size_t gaps;
    size_t records;
    size_t visible;
    size_t names;
    size_t violations;
};

typedef void (*entry_cb)(struct check *check, struct hr_str key, struct hr_str value);

/* A bug of the tool or an unreadable store, not a finding. */
static void die(const char *what, const char *why)
{
    fprintf(stderr, "feed_check: %s: %s\n", what, why);
    exit(2);
}

static void violation(struct check *check, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void violation(struct check *check, const char *fmt, ...)
{
    check->violations++;
    if (check->violations > VIOLATIONS_SHOWN_MAX) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    fputs("feed_check: violation: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

static struct dkv_value get(struct check *check, struct hr_str key)
{
    struct dkv_value value = {0};
    enum hr_err err = hr_kv_get_now(check->port, check->bucket, key, &check->arena, &value.bytes);
    if (err && err != HR_NOT_FOUND) {
        die("get", hr_err_text(err));
    }
    value.present = !err;
    return value;
}

static void for_each(struct check *check, struct hr_str prefix, entry_cb cb)
{
    struct hr_kv_page page = {.more = true};
    struct hr_kv_scan scan = {
        .bucket = check->bucket, .prefix = prefix, .limit = HR_KV_SCAN_ITEMS_MAX};
    while (page.more) {
        enum hr_err err = hr_kv_scan_now(check->port, &scan, &check->arena, &page);
        if (err) {
            die("scan", hr_err_text(err));
        }
        for (size_t i = 0; i < page.count; i++) {
            cb(check, page.entries[i].key, page.entries[i].value);
        }
        if (page.count > 0) {
            scan.after = page.entries[page.count - 1].key;
        }
    }
}

static bool read_hex(struct hr_str text, uint64_t *ret_number)
{
    *ret_number = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f')) {
            return false;
        }
        *ret_number = *ret_number << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    return text.len == HEX64;
}

/* --- the site's own state --------------------------------------------------------------------------- */

static void must_not_be(struct check *check, struct hr_str key, struct hr_str value)
{
    (void)value;
    violation(check, "%.*s is there, the site's own state is not", HR_STR_ARG(key));
}

/* False if the site has never made a commit; then there is nothing at all. */
static bool read_state(struct check *check)
{
    struct hr_diag diag = {""};
    struct dkv_value self = get(check, DKV_KEY_SELF);
    struct dkv_value ctr = get(check, DKV_KEY_CTR);
    struct dkv_value cfg = get(check, DKV_KEY_CFG);
    if (!self.present || !ctr.present || !cfg.present) {
        for_each(check, HR_STR(""), must_not_be);
        return false;
    }
    enum hr_err err = dkv_self_decode(self.bytes, &check->self, &diag);
    err = err ? err : dkv_ctr_decode(ctr.bytes, &check->ctr, &diag);
    err = err ? err : dkv_cfg_decode(cfg.bytes, &check->cfg, &diag);
    err = err ? err : dkv_clear_decode(get(check, DKV_KEY_CLEAR), &check->clear, &diag);
    if (err) {
        die("site state", diag.text);
    }
    if (check->self.origin != check->ctr.origin) {
        violation(check, "m/self and m/ctr are of different origins");
    }
    return true;
}

/* --- the feed ----------------------------------------------------------------------------------------- */

static void keep_change(struct check *check, const struct dkv_change *change)
{
    struct change_list *list = &check->changes;
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 1024;
        list->items = hr_realloc(list->items, list->cap * sizeof *list->items);
        if (!list->items) {
            die("changes", "out of memory");
        }
    }
    list->items[list->count++] = *change;
}

static void take_change(struct check *check, struct hr_str key, struct hr_str value)
{
    uint64_t origin;
    uint64_t seq;
    struct dkv_change change;
    struct hr_diag diag = {""};
    bool named = key.len == 2 + HEX64 + 1 + HEX64 &&
                 read_hex(hr_str_of(key.ptr + 2, HEX64), &origin) &&
                 read_hex(hr_str_from(key, 2 + HEX64 + 1), &seq);
    if (!named) {
        violation(check, "%.*s is no name of a change", HR_STR_ARG(key));
        return;
    }
    if (dkv_change_decode(value, &check->arena, &change, &diag)) {
        violation(check, "%.*s: %s", HR_STR_ARG(key), diag.text);
        return;
    }
    if (change.stamp.origin != origin || change.seq != seq) {
        violation(check, "%.*s holds change %llu of another place", HR_STR_ARG(key),
                  (unsigned long long)change.seq);
    }
    bool member = false;
    for (size_t i = 0; i < check->cfg.member_count; i++) {
        member = member || check->cfg.members[i] == dkv_origin_site(origin);
    }
    if (!member) {
        violation(check, "%.*s is of a site that m/cfg does not name", HR_STR_ARG(key));
    }
    if (change.stamp.hlc > check->ctr.hlc) {
        violation(check, "%.*s is ahead of m/ctr", HR_STR_ARG(key));
    }
    keep_change(check, &change);
}

/* The changes lie in the order of origin and number, as their names do. */
static void check_dense(struct check *check, dkv_origin origin, const struct dkv_progress *progress)
{
    uint64_t last = 0;
    dkv_hlc hlc = 0;
    dkv_hlc prefix_hlc = 0;
    for (size_t i = 0; i < check->changes.count; i++) {
        const struct dkv_change *change = &check->changes.items[i];
        if (change->stamp.origin != origin) {
            continue;
        }
        bool gap = last >= progress->prefix && change->seq > progress->prefix + 1 &&
                   change->seq > last && origin != check->ctr.origin;
        if (change->seq != last + 1 && !gap) {
            violation(check, "feed of %016llx: %llu follows %llu", (unsigned long long)origin,
                      (unsigned long long)change->seq, (unsigned long long)last);
        }
        if (change->seq == progress->prefix + 1) {
            violation(check, "feed of %016llx: %llu is there, v/ does not count it",
                      (unsigned long long)origin, (unsigned long long)change->seq);
        }
        if (change->stamp.hlc <= hlc) {
            violation(check, "feed of %016llx: the clock does not grow at %llu",
                      (unsigned long long)origin, (unsigned long long)change->seq);
        }
        last = change->seq;
        hlc = change->stamp.hlc;
        prefix_hlc = last <= progress->prefix ? hlc : prefix_hlc;
    }
    if (last != progress->high) {
        violation(check, "feed of %016llx ends at %llu, v/ says %llu", (unsigned long long)origin,
                  (unsigned long long)last, (unsigned long long)progress->high);
    }
    if (prefix_hlc != progress->hlc) {
        violation(check, "v/%016llx has another clock than its newest change",
                  (unsigned long long)origin);
    }
    if (origin == check->ctr.origin &&
        (progress->prefix != check->ctr.seq || hlc > check->ctr.hlc)) {
        violation(check, "m/ctr says %llu, v/%016llx %llu", (unsigned long long)check->ctr.seq,
                  (unsigned long long)origin, (unsigned long long)progress->prefix);
    }
}

static void take_progress(struct check *check, struct hr_str key, struct hr_str value)
{
    dkv_origin origin;
    struct dkv_progress progress;
    struct hr_diag diag = {""};
    if (!read_hex(hr_str_from(key, 2), &origin)) {
        violation(check, "%.*s is no name of a progress", HR_STR_ARG(key));
        return;
    }
    if (dkv_progress_decode(value, &progress, &diag)) {
        violation(check, "%.*s: %s", HR_STR_ARG(key), diag.text);
        return;
    }
    if (progress.trunc_below > 1) {
        violation(check, "%.*s: the feed's beginning was dropped", HR_STR_ARG(key));
    }
    check->origins++;
    check->gaps += progress.high > progress.prefix;
    check_dense(check, origin, &progress);
}

static void check_origins_known(struct check *check)
{
    dkv_origin last = 0;
    for (size_t i = 0; i < check->changes.count; i++) {
        dkv_origin origin = check->changes.items[i].stamp.origin;
        struct hr_str name = dkv_key_progress(&check->arena, origin);
        if (origin != last && !get(check, name).present) {
            violation(check, "%.*s is missing, its feed is not", HR_STR_ARG(name));
        }
        last = origin;
    }
}

static void check_clear(struct check *check)
{
    struct dkv_stamp newest = {0};
    for (size_t i = 0; i < check->changes.count; i++) {
        if (check->changes.items[i].op == DKV_CHANGE_CLEAR) {
            newest = dkv_stamp_max(newest, check->changes.items[i].stamp);
        }
    }
    if (dkv_stamp_cmp(newest, check->clear) != 0) {
        violation(check, "b/clear is not the newest CLEAR of the feed");
    }
}

/* --- records ------------------------------------------------------------------------------------------ */

static int by_key_and_stamp(const void *a, const void *b)
{
    const struct dkv_change *left = a;
    const struct dkv_change *right = b;
    int order = hr_str_cmp(left->key, right->key);
    return order ? order : dkv_stamp_cmp(left->stamp, right->stamp);
}

/* Replays the changes from @from on that have the same key; *@ret_end is the first of another. */
static struct dkv_record replay(struct check *check, size_t from, size_t *ret_end)
{
    const struct change_list *list = &check->changes;
    struct hr_str key = list->items[from].key;
    struct hr_diag diag = {""};
    struct dkv_record record = {0};
    size_t i = from;
    for (; i < list->count && hr_str_eq(list->items[i].key, key); i++) {
        struct dkv_record old = record;
        struct dkv_record news = dkv_change_record(&list->items[i]);
        if (dkv_record_merge(&old, &news, &check->arena, &record, &diag)) {
            violation(check, "replay of %.*s: %s", HR_STR_ARG(key), diag.text);
        }
    }
    *ret_end = i;
    return record;
}

static const struct dkv_field *field_of(const struct dkv_record *record, struct hr_str name)
{
    for (size_t i = 0; i < record->count; i++) {
        if (hr_str_eq(record->fields[i].name, name)) {
            return &record->fields[i];
        }
    }
    return NULL;
}

static bool same_field(const struct dkv_field *a, const struct dkv_field *b)
{
    return a && b && a->type == b->type && dkv_stamp_cmp(a->stamp, b->stamp) == 0 &&
           hr_str_eq(a->value, b->value);
}

/* Everything that one shows, the other has. */
static bool shows_no_more(struct check *check, const struct dkv_record *one,
                          const struct dkv_record *other)
{
    for (size_t i = 0; i < one->count; i++) {
        const struct dkv_field *field = &one->fields[i];
        if (dkv_field_visible(one, field, check->clear) &&
            !same_field(field, field_of(other, field->name))) {
            return false;
        }
    }
    return true;
}

static void compare(struct check *check, struct hr_str key, const struct dkv_record *stored,
                    const struct dkv_record *want)
{
    bool visible = dkv_record_visible(want, check->clear);
    if (!shows_no_more(check, stored, want) || !shows_no_more(check, want, stored)) {
        violation(check, "r/%.*s does not show what its feed says", HR_STR_ARG(key));
    }
    for (size_t i = 0; i < stored->count; i++) {
        const struct dkv_field *made = field_of(want, stored->fields[i].name);
        bool over = dkv_stamp_cmp(stored->fields[i].stamp, want->dead) <= 0 ||
                    dkv_stamp_cmp(stored->fields[i].stamp, check->clear) <= 0;
        if (!over && !same_field(&stored->fields[i], made)) {
            violation(check, "r/%.*s has a field that no change made", HR_STR_ARG(key));
        }
    }
    if (dkv_stamp_cmp(stored->dead, want->dead) > 0) {
        violation(check, "r/%.*s has a deletion that no change made", HR_STR_ARG(key));
    }
    if (visible && dkv_stamp_cmp(dkv_record_newest(stored), dkv_record_newest(want)) != 0) {
        violation(check, "r/%.*s has another version than its feed", HR_STR_ARG(key));
    }
    check->visible += visible;
}

static void check_indexed(struct check *check, struct hr_str key)
{
    uint32_t leaf = dkv_leaf_of(key, check->cfg.leaf_bits);
    struct hr_str name = dkv_key_name(&check->arena, leaf, key);
    if (!get(check, name).present) {
        violation(check, "%.*s is missing", HR_STR_ARG(name));
    }
}

/* A key of the feed: its record is what the replay says, or collected. */
static void check_key(struct check *check, struct hr_str key, const struct dkv_record *want)
{
    struct hr_diag diag = {""};
    struct dkv_record stored;
    struct dkv_value value = get(check, dkv_key_record(&check->arena, key));
    if (!value.present) {
        if (dkv_record_visible(want, check->clear)) {
            violation(check, "r/%.*s is missing", HR_STR_ARG(key));
        }
        return;
    }
    check->records++;
    if (dkv_record_decode(value.bytes, &check->arena, &stored, &diag)) {
        violation(check, "r/%.*s: %s", HR_STR_ARG(key), diag.text);
        return;
    }
    compare(check, key, &stored, want);
    check_indexed(check, key);
}

static void check_records(struct check *check)
{
    struct change_list *list = &check->changes;
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof *list->items, by_key_and_stamp);
    }
    for (size_t from = 0, end; from < list->count; from = end) {
        struct hr_str key = list->items[from].key;
        struct dkv_record want = replay(check, from, &end);
        if (key.len > 0) { /* no CLEAR, no NOOP */
            check_key(check, key, &want);
        }
    }
}

static void count_record(struct check *check, struct hr_str key, struct hr_str value)
{
    (void)key, (void)value;
    check->names++;
}

/* No record that no change made. */
static void check_no_others(struct check *check)
{
    check->names = 0;
    for_each(check, DKV_KEYS_RECORDS, count_record);
    if (check->names != check->records) {
        violation(check, "%zu records, of which the feed knows %zu", check->names, check->records);
    }
}

/* --- the index ---------------------------------------------------------------------------------------- */

static void take_name(struct check *check, struct hr_str name, struct hr_str value)
{
    uint32_t leaf;
    struct hr_str key;
    (void)value;
    if (!dkv_key_name_parse(name, &leaf, &key) || leaf != dkv_leaf_of(key, check->cfg.leaf_bits)) {
        violation(check, "%.*s is no name of the index", HR_STR_ARG(name));
    } else if (!get(check, dkv_key_record(&check->arena, key)).present) {
        violation(check, "%.*s has no record", HR_STR_ARG(name));
    }
    check->names++;
}

static void check_index(struct check *check)
{
    check->names = 0;
    for_each(check, DKV_KEYS_NAMES, take_name);
    if (check->names != check->records) {
        violation(check, "%zu names in the index, %zu records", check->names, check->records);
    }
}

/* --- the tally ---------------------------------------------------------------------------------------- */

static void check_tally(struct check *check)
{
    struct hr_diag diag = {""};
    struct dkv_tally tally;
    struct dkv_value value = get(check, DKV_KEY_TALLY);
    if (!value.present) {
        if (check->changes.count > 0) {
            violation(check, "m/tally is missing");
        }
        return;
    }
    if (dkv_tally_decode(value.bytes, &tally, &diag)) {
        violation(check, "m/tally: %s", diag.text);
        return;
    }
    if (tally.counted && tally.visible != check->visible) {
        violation(check, "m/tally counts %llu visible values of %zu",
                  (unsigned long long)tally.visible, check->visible);
    }
    if (tally.feed_count != check->changes.count) {
        violation(check, "m/tally counts %llu entries of the feed's %zu",
                  (unsigned long long)tally.feed_count, check->changes.count);
    }
}

/* --- the store ---------------------------------------------------------------------------------------- */

static void run(struct check *check)
{
    if (read_state(check)) {
        for_each(check, HR_STR("f/"), take_change);
        for_each(check, HR_STR("v/"), take_progress);
        check_origins_known(check);
        check_clear(check);
        check_records(check);
        check_no_others(check);
        check_index(check);
        check_tally(check);
    }
    printf("{\"origins\":%zu,\"gaps\":%zu,\"changes\":%zu,\"records\":%zu,\"visible\":%zu,"
           "\"violations\":%zu}\n",
           check->origins, check->gaps, check->changes.count, check->records, check->visible,
           check->violations);
}

static void on_closed(void *arg)
{
    hr_loop_stop(arg);
}

int main(int argc, char **argv)
{
    struct hr_diag diag = {""};
    struct hr_loop loop;
    struct hr_kv *kv;
    struct check check = {0};
    if (argc != 3) {
        fputs("usage: feed_check STORE-URL BUCKET\n", stderr);
        return 2;
    }
    if (hr_kv_open(hr_str_c(argv[1]), HR_KV_SYNC, &kv, &diag)) {
        die("open", diag.text);
    }
    if (hr_loop_init(&loop, &diag) || hr_kv_port_open(kv, &loop, &check.port, &diag)) {
        die("port", diag.text);
    }
    check.bucket = hr_str_c(argv[2]);
    hr_arena_init(&check.arena, 0);
    run(&check);
    hr_kv_port_close(check.port, on_closed, &loop);
    hr_loop_run(&loop);
    hr_loop_release(&loop);
    hr_kv_close(kv);
    hr_free(check.changes.items);
    hr_arena_release(&check.arena);
    return check.violations ? 1 : 0;
}
