/* Checks what lies in a fake store against the rules of the protocol, from the bytes alone: the
 * layouts are read here anew, not by the decoders under test. The state that the records show must
 * be what the feed gives when its changes are done one after the other in the order of their
 * stamps. Broken rules are counted and printed. */
#ifndef TEST_DKV_CHECK_H
#define TEST_DKV_CHECK_H

#include "actors/kv/core/format/leaf.h"
#include "actors/kv/core/format/siphash.h"
#include "base/crc32c.h"
#include "test_dkv_fake.h"

struct check_field {
    struct hr_str name;
    struct hr_str value;
    bool deleted;
    unsigned char stamp[16];
};

struct check_change {
    struct hr_str bytes;
    unsigned op;
    uint64_t origin, seq, hlc;
    unsigned char stamp[16];
    struct hr_str opid;
    struct hr_str key;
    struct check_field fields[160];
    size_t field_count;
};

/* One member of one value, as the feed says. */
struct check_member {
    struct hr_str key;
    struct hr_str name;
    struct hr_str value;
};

struct check {
    const struct fake *fake;
    struct check_change *changes; /* by stamp */
    size_t change_count;
    struct check_member *members;
    size_t member_count;
    size_t record_count;
    size_t visible_count;
    bool group;          /* m/cfg names other sites */
    size_t litter_count; /* records with something that a single site need not keep */
    unsigned failures;
};

#define CHECK(check, cond, ...)                    \
    do {                                           \
        if (!(cond)) {                             \
            (check)->failures++;                   \
            fprintf(stderr, "check: %s: ", #cond); \
            fprintf(stderr, __VA_ARGS__);          \
            fprintf(stderr, "\n");                 \
        }                                          \
    } while (0)

static inline uint64_t check_be(struct hr_str bytes, size_t at, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value = value << 8 | (unsigned char)bytes.ptr[at + i];
    }
    return value;
}

static inline bool check_sealed(struct hr_str bytes)
{
    return bytes.len > 5 && (bytes.ptr[0] == 1 || bytes.ptr[0] == 2) &&
           check_be(bytes, bytes.len - 4, 4) == hr_crc32c(hr_str_of(bytes.ptr, bytes.len - 4));
}

static inline void check_read_change(struct check *check, struct fake_pair *pair)
{
    struct hr_str b = hr_str_of(pair->value, pair->value_len);
    struct check_change *c = &check->changes[check->change_count++];
    char name[80];
    memset(c, 0, sizeof *c);
    CHECK(check, check_sealed(b), "%s", pair->key);
    c->bytes = b;
    c->op = (unsigned char)b.ptr[1];
    c->origin = check_be(b, 2, 8);
    c->seq = check_be(b, 10, 8);
    c->hlc = check_be(b, 18, 8);
    c->opid = hr_str_of(b.ptr + 26, 16);
    memcpy(c->stamp, b.ptr + 18, 8);
    memcpy(c->stamp + 8, b.ptr + 2, 8);
    size_t at = b.ptr[0] == 2 ? 42 + 25 : 42; /* version 2: hash, created, count */
    c->key = hr_str_of(b.ptr + at + 2, check_be(b, at, 2));
    at += 2 + c->key.len;
    c->field_count = check_be(b, at, 2);
    at += 2;
    for (size_t i = 0; i < c->field_count; i++) {
        struct check_field *f = &c->fields[i];
        f->name = hr_str_of(b.ptr + at + 1, check_be(b, at, 1));
        at += 1 + f->name.len;
        f->deleted = b.ptr[at] == 1;
        f->value = hr_str_of(b.ptr + at + 5, check_be(b, at + 1, 4));
        at += 5 + f->value.len;
    }
    CHECK(check, at + 4 == b.len, "%s", pair->key);
    snprintf(name, sizeof name, "f/%016llx/%016llx", (unsigned long long)c->origin,
             (unsigned long long)c->seq);
    CHECK(check, strcmp(name, pair->key) == 0, "%s holds %s", pair->key, name);
}

static inline int check_by_stamp(const void *a, const void *b)
{
    return memcmp(((const struct check_change *)a)->stamp, ((const struct check_change *)b)->stamp,
                  16);
}

static inline struct hr_str check_value(const struct check *check, const char *name)
{
    struct hr_str value = fake_get(check->fake, name);
    return value;
}

/* Whether m/S says that the origin is gathered up: then it has no v/ any more. */
static inline bool check_retired(const struct check *check, uint64_t origin)
{
    struct hr_str floor = check_value(check, "m/S");
    size_t count = floor.len > 73 && floor.ptr[0] == 2 ? (size_t)check_be(floor, 73, 1) : 0;
    for (size_t i = 0; i < count; i++) {
        if (check_be(floor, 74 + i * 10, 2) == origin >> 48) {
            return (origin & 0xffffffffffff) <= check_be(floor, 74 + i * 10 + 2, 8);
        }
    }
    return false;
}

/* Every origin's entries are dense from 1, or from where the feed was cut, to what v/ says, and their
 * clocks grow; of another site's origin there may be later ones, with a gap before them, up to what v/
 * says. The store is in the order of names, so an origin's entries come one after the other. */
static inline void check_feed(struct check *check)
{
    uint64_t origin = 0, seq = 0, hlc = 0;
    for (size_t i = 0; i < check->change_count; i++) {
        struct check_change *c = &check->changes[i];
        char name[32];
        snprintf(name, sizeof name, "v/%016llx", (unsigned long long)c->origin);
        struct hr_str progress = check_value(check, name);
        bool gaps = progress.len == 46 && progress.ptr[0] == 2;
        bool noop = c->op == 7; /* a number without a change: it has the clock of the one before */
        if (!progress.ptr && check_retired(check, c->origin)) {
            bool later = c->hlc > hlc || (noop && c->hlc == hlc);
            CHECK(check, c->origin != origin || (c->seq == seq + 1 && later), "%s", name);
            origin = c->origin;
            seq = c->seq;
            hlc = c->hlc;
            continue;
        }
        CHECK(check, check_sealed(progress) && (gaps || progress.len == 38), "%s", name);
        if (progress.len != 38 && !gaps) {
            continue;
        }
        uint64_t prefix = check_be(progress, 1, 8);
        uint64_t high = gaps ? check_be(progress, 34, 8) : prefix;
        uint64_t own = check_be(check_value(check, "m/ctr"), 1, 8);
        if (c->origin != origin) {
            seq = check_be(progress, 26, 8) - 1;
            hlc = 0;
        }
        bool beyond = c->seq > prefix;
        CHECK(check, c->seq == seq + 1 || (beyond && c->seq > prefix + 1 && c->seq > seq),
              "%s: %llu after %llu", name, (unsigned long long)c->seq, (unsigned long long)seq);
        CHECK(check, c->hlc > hlc || (noop && c->hlc == hlc), "%s: the clock of %llu", name,
              (unsigned long long)c->seq);
        origin = c->origin;
        seq = c->seq;
        hlc = c->hlc;
        bool sealed = check_be(progress, 17, 1) == 1;
        CHECK(check, check->group ? !sealed || c->origin != own : sealed == (c->origin != own),
              "%s: sealed", name);
        CHECK(check, !sealed || check_be(progress, 18, 8) == prefix, "%s", name);
        CHECK(check, check->group || !gaps, "%s: gaps", name);
        bool last = i + 1 == check->change_count || check->changes[i + 1].origin != origin;
        CHECK(check, !last || high == seq, "%s: high", name);
        CHECK(check, seq != prefix || check_be(progress, 9, 8) == hlc, "%s: hlc", name);
        CHECK(check, !beyond || gaps, "%s: %llu", name, (unsigned long long)seq);
    }
}

/* m/ctr is the newest origin's, and not behind anything. */
static inline void check_ctr(struct check *check)
{
    struct hr_str ctr = check_value(check, "m/ctr");
    if (ctr.len == 0) {
        CHECK(check, check->change_count == 0, "changes without m/ctr");
        return;
    }
    CHECK(check, check_sealed(ctr) && ctr.len == 29, "m/ctr");
    uint64_t origin = check_be(ctr, 1, 8), seq = 0;
    for (size_t i = 0; i < check->change_count; i++) {
        struct check_change *c = &check->changes[i];
        CHECK(check, c->hlc <= check_be(ctr, 9, 8), "m/ctr is behind");
        CHECK(check, c->origin <= origin || c->origin >> 48 != origin >> 48,
              "a newer origin than m/ctr's");
        seq = c->origin == origin ? c->seq : seq;
    }
    CHECK(check, check_be(ctr, 17, 8) == seq, "m/ctr seq %llu, feed %llu",
          (unsigned long long)check_be(ctr, 17, 8), (unsigned long long)seq);
}

/* No v/ is left of an origin whose entries are gone, but the newest one's. */
static inline void check_origins(struct check *check)
{
    struct hr_str ctr = check_value(check, "m/ctr");
    uint64_t newest = ctr.len > 9 ? check_be(ctr, 1, 8) : 0;
    for (size_t i = 0; i < check->fake->count; i++) {
        struct fake_pair *pair = &check->fake->pairs[i];
        struct hr_str b = hr_str_of(pair->value, pair->value_len);
        if (!check->group && pair->key[0] == 'v' && strtoull(pair->key + 2, NULL, 16) != newest) {
            CHECK(check, check_be(b, 26, 8) <= check_be(b, 1, 8), "%s of an empty feed", pair->key);
        }
    }
}

/* m/tally counts what is there. */
static inline void check_tally(struct check *check)
{
    struct hr_str tally = check_value(check, "m/tally");
    uint64_t bytes = 0;
    if (tally.len == 0) {
        CHECK(check, check->change_count == 0, "changes without m/tally");
        return;
    }
    CHECK(check, check_sealed(tally) && tally.len >= 64, "m/tally");
    for (size_t i = 0; i < check->change_count; i++) {
        bytes += check->changes[i].bytes.len + 2 + 16 + 1 + 16;
    }
    CHECK(check, check_be(tally, 10, 8) == check->change_count, "m/tally: %llu entries of %zu",
          (unsigned long long)check_be(tally, 10, 8), check->change_count);
    CHECK(check, check_be(tally, 18, 8) == bytes, "m/tally: %llu bytes of %llu",
          (unsigned long long)check_be(tally, 18, 8), (unsigned long long)bytes);
    CHECK(check, check_be(tally, 1, 1) == 0 || check_be(tally, 2, 8) == check->visible_count,
          "m/tally: %llu visible of %zu", (unsigned long long)check_be(tally, 2, 8),
          check->visible_count);
}

static inline void check_forget(struct check *check, struct hr_str key, struct hr_str *name)
{
    for (size_t i = check->member_count; i > 0; i--) {
        struct check_member *m = &check->members[i - 1];
        if ((!key.ptr || hr_str_eq(m->key, key)) && (!name || hr_str_eq(m->name, *name))) {
            *m = check->members[--check->member_count];
        }
    }
}

/* Does all changes, oldest first. */
static inline void check_replay(struct check *check)
{
    size_t room = 1;
    for (size_t i = 0; i < check->change_count; i++) {
        room += check->changes[i].field_count;
    }
    check->members = calloc(room, sizeof *check->members);
    if (!check->members) {
        abort();
    }
    qsort(check->changes, check->change_count, sizeof *check->changes, check_by_stamp);
    for (size_t i = 0; i < check->change_count; i++) {
        struct check_change *c = &check->changes[i];
        if (c->op == 5) {
            check_forget(check, (struct hr_str){0}, NULL);
        } else if (c->op == 3) {
            check_forget(check, c->key, NULL);
        }
        for (size_t j = 0; j < c->field_count; j++) {
            check_forget(check, c->key, &c->fields[j].name);
            if (!c->fields[j].deleted) {
                check->members[check->member_count++] =
                    (struct check_member){c->key, c->fields[j].name, c->fields[j].value};
            }
        }
    }
}

static inline bool check_has(const struct check *check, struct hr_str key, struct hr_str name,
                             struct hr_str value)
{
    for (size_t i = 0; i < check->member_count; i++) {
        struct check_member *m = &check->members[i];
        if (hr_str_eq(m->key, key) && hr_str_eq(m->name, name) && hr_str_eq(m->value, value)) {
            return true;
        }
    }
    return false;
}

/* Every name of the index is that of a record, and there are no more of them than records. */
static inline void check_index(struct check *check)
{
    size_t names = 0;
    for (size_t i = 0; i < check->fake->count; i++) {
        struct fake_pair *pair = &check->fake->pairs[i];
        char name[300];
        if (pair->key[0] != 'k') {
            continue;
        }
        CHECK(check, pair->key_len > 7 && pair->key[6] == '/', "%s", pair->key);
        snprintf(name, sizeof name, "r/%s", pair->key + 7);
        CHECK(check, check_value(check, name).ptr, "%s names %s", pair->key, name);
        names++;
    }
    CHECK(check, names == check->record_count, "%zu names, %zu records", names,
          check->record_count);
}

static inline void check_indexed(struct check *check, struct hr_str key)
{
    char name[300];
    snprintf(name, sizeof name, "k/%04x/%.*s", dkv_leaf_of(key, 12), HR_STR_ARG(key));
    CHECK(check, check_value(check, name).ptr, "%s is missing", name);
}

/* What a record shows is what the replay gave, if @whole_feed. Returns how many members it shows. */
static inline size_t check_record(struct check *check, struct fake_pair *pair,
                                  const unsigned char *clear, bool whole_feed)
{
    struct hr_str b = hr_str_of(pair->value, pair->value_len);
    struct hr_str key = hr_str_of(pair->key + 2, pair->key_len - 2);
    size_t shown = 0;
    uint32_t crc = hr_crc32c(hr_str_of(b.ptr, 4)) ^ hr_crc32c(hr_str_from(b, 8));
    CHECK(check, b.len >= 24 && check_be(b, 4, 4) == crc, "%s", pair->key);
    if (b.len < 24 || check_be(b, 4, 4) != crc) {
        return 0;
    }
    const char *dead = b.ptr + 8;
    const char *newest = dead;
    size_t at = 24;
    bool covered = check_be(b, 8, 8) > 0 && memcmp(dead, clear, 16) <= 0;
    size_t deleted = 0;
    for (uint64_t i = 0; i < check_be(b, 2, 2); i++) {
        newest = memcmp(b.ptr + at + 1 + check_be(b, at, 1), newest, 16) > 0
                     ? b.ptr + at + 1 + check_be(b, at, 1)
                     : newest;
        at += 22 + check_be(b, at, 1) + check_be(b, at + 1 + check_be(b, at, 1) + 17, 4);
    }
    at = 24;
    for (uint64_t i = 0; i < check_be(b, 2, 2); i++) {
        struct hr_str name = hr_str_of(b.ptr + at + 1, check_be(b, at, 1));
        at += 1 + name.len;
        const char *stamp = b.ptr + at;
        unsigned type = (unsigned char)b.ptr[at + 16];
        struct hr_str value = hr_str_of(b.ptr + at + 21, check_be(b, at + 17, 4));
        at += 21 + value.len;
        covered = covered || memcmp(stamp, clear, 16) <= 0;
        deleted += type == 1 && memcmp(stamp, newest, 16) != 0;
        if (type == 0 && memcmp(stamp, dead, 16) > 0 && memcmp(stamp, clear, 16) > 0) {
            CHECK(check, !whole_feed || check_has(check, key, name, value), "%s shows %.*s",
                  pair->key, HR_STR_ARG(name));
            shown++;
        }
    }
    CHECK(check, at == b.len, "%s", pair->key);
    check_indexed(check, key);
    check->record_count++;
    check->visible_count += shown > 0;
    check->litter_count += shown == 0 || covered || deleted > 0;
    return shown;
}

/* q/ and t/ go together. */
static inline void check_results(struct check *check)
{
    for (size_t i = 0; i < check->fake->count; i++) {
        struct fake_pair *pair = &check->fake->pairs[i];
        char name[64];
        if (pair->key[0] == 't') {
            snprintf(name, sizeof name, "q/%s", pair->key + 19);
            struct hr_str result = check_value(check, name);
            CHECK(check, check_sealed(result), "%s without %s", pair->key, name);
            snprintf(name, sizeof name, "%016llx",
                     result.len > 9 ? (unsigned long long)check_be(result, 1, 8) : 0);
            CHECK(check, memcmp(name, pair->key + 2, 16) == 0, "%s: time %s", pair->key, name);
        }
        if (pair->key[0] == 'q') {
            struct hr_str result = hr_str_of(pair->value, pair->value_len);
            snprintf(name, sizeof name, "t/%016llx/%s", (unsigned long long)check_be(result, 1, 8),
                     pair->key + 2);
            CHECK(check, check_value(check, name).ptr != NULL, "%s without %s", pair->key, name);
        }
    }
}

/* Reads everything and checks all rules. @whole_feed: nothing was cut off, so that the feed gives the
 * state. Release it. */
static inline struct check check_store(const struct fake *fake, bool whole_feed)
{
    struct check check = {.fake = fake};
    unsigned char clear[16] = {0};
    size_t shown = 0;
    check.changes = calloc(fake->count + 1, sizeof *check.changes);
    if (!check.changes) {
        abort();
    }
    for (size_t i = 0; i < fake->count; i++) {
        if (fake->pairs[i].key[0] == 'f') {
            check_read_change(&check, &fake->pairs[i]);
        }
    }
    struct hr_str cfg = check_value(&check, "m/cfg");
    check.group = cfg.len > 17 && check_be(cfg, 16, 1) > 1;
    check_feed(&check);
    check_ctr(&check);
    check_results(&check);
    struct hr_str mark = check_value(&check, "b/clear");
    if (mark.len > 0) {
        CHECK(&check, check_sealed(mark) && mark.len == 21, "b/clear");
        memcpy(clear, mark.ptr + 1, 16);
    }
    check_origins(&check);
    if (whole_feed) {
        check_replay(&check);
    }
    for (size_t i = 0; i < fake->count; i++) {
        if (fake->pairs[i].key[0] == 'r') {
            shown += check_record(&check, &fake->pairs[i], clear, whole_feed);
        }
    }
    check_index(&check);
    check_tally(&check);
    if (whole_feed) {
        CHECK(&check, shown == check.member_count, "records show %zu members, the feed gives %zu",
              shown, check.member_count);
    }
    return check;
}

static inline void check_release(struct check *check)
{
    free(check->changes);
    free(check->members);
}

/* How often a request's opid is in the feed. */
static inline size_t check_opid_count(const struct check *check, const char *request_id)
{
    unsigned char opid[16];
    size_t count = 0;
    dkv_siphash128((const unsigned char *)"hedgerow opid 1", hr_str_c(request_id), opid);
    for (size_t i = 0; i < check->change_count; i++) {
        count += memcmp(check->changes[i].opid.ptr, opid, 16) == 0;
    }
    return count;
}

/* The rules alone: 0 if all hold. */
static inline unsigned check_failures(const struct fake *fake, bool whole_feed)
{
    struct check check = check_store(fake, whole_feed);
    unsigned failures = check.failures;
    check_release(&check);
    return failures;
}

#endif
