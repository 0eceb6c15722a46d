/* A struct dkv_env made of memory, for tests of actors/kv/core: an ordered store, a wall and a
 * monotonic clock that stand still unless told, a generator with a seed, and a list of what was
 * published. It has other sites if told, which are silent. One call of the env can be made to go wrong in the ways of enum fake_fault, or every
 * call with a probability. One thread; include it once a program. */
#ifndef TEST_DKV_FAKE_H
#define TEST_DKV_FAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/kv/core/batch.h"
#include "actors/kv/core/env.h"
#include "actors/kv/core/site/group.h"
#include "actors/kv/core/site/site.h"

#define FAKE_WALL 1700000000000u
#define FAKE_NONCE "000102030405060708090a0b0c0d0e0f"

enum fake_fault {
    FAKE_NONE,
    FAKE_REFUSED,      /* nothing is done, and the error says so */
    FAKE_LOST_BEFORE,  /* a commit is not done, its outcome unknown; other calls fail */
    FAKE_LOST_AFTER,   /* a commit is done, its outcome unknown; other calls fail */
    FAKE_LATE,         /* a commit's outcome is unknown, and it is tried some calls later */
    FAKE_CRASH_BEFORE, /* nothing is done, and nothing after it either */
    FAKE_CRASH_AFTER,  /* it is done, and nothing after it */
    FAKE_INTRUDER,     /* another call of the core comes first */
    FAKE_FLIP,         /* what is read has one bit wrong */
    FAKE_FAULTS
};

struct fake_pair {
    char *key;
    size_t key_len;
    char *value;
    size_t value_len;
};

struct fake_late {
    struct fake_pair *checks; /* value NULL: absent */
    size_t check_count;
    struct fake_pair *puts; /* value NULL: delete */
    size_t put_count;
    unsigned calls_left;
};

/* A commit as the host remembers it: the keys that it put. */
struct fake_lost {
    uint64_t id;
    struct hr_str *keys;
    size_t count;
    bool lost;
    bool forgotten;
};

struct fake_reply {
    char *subject;
    char *body;
    size_t body_len;
    bool refused;
};

struct fake {
    struct fake_pair *pairs; /* in order */
    size_t count;
    size_t cap;
    uint64_t wall;
    uint64_t mono;
    uint64_t mono_step; /* the monotonic clock goes on by this at every reading */
    uint64_t random;
    const char *site;
    const char *site_id;
    const char *sites; /* how many the host knows, this one among them; 1 if not set */
    bool others_alive;
    const char *nonce;
    const char *feed_max;
    const char *members;
    const char *write_acks;
    const char *ack_timeout_ms;
    const char *join;
    const char *durability;
    bool unsettled;
    bool catching_up; /* as it has last said */
    size_t page_max;  /* entries of one page at most */
    struct fake_reply *replies;
    size_t reply_count;
    unsigned warnings;
    unsigned errors;
    char lost[4][200]; /* the first lines of the event writes-lost */
    unsigned lost_count;
    bool remembers;
    struct fake_lost *remembered; /* in the order of their ids */
    size_t remembered_count;
    size_t hidden;     /* so many of them another host remembers */
    bool lost_unknown; /* the host is finding out */
    char logged[512];  /* the newest warning or error */
    const char *watch; /* what to look for in all of them */
    unsigned watched;  /* how many had it */
    /* faults */
    uint64_t calls;
    uint64_t commits;  /* that were done */
    uint64_t readings; /* of get_many */
    uint64_t scans;
    uint64_t fault_at; /* number of the call, from 1; 0 = none */
    enum fake_fault fault;
    unsigned fault_per_mille; /* of every call, drawn from @random */
    bool dead;
    void (*intruder)(struct fake *fake);
    unsigned intruder_depth;
    struct fake_late late;
    size_t last_ops;
    size_t last_bytes;
};

/* xorshift64*, Vigna 2014. */
static inline uint64_t fake_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static inline void *fake_copy(const void *bytes, size_t len)
{
    char *copy = malloc(len + 1);
    if (!copy) {
        abort();
    }
    if (len > 0) {
        memcpy(copy, bytes, len);
    }
    copy[len] = '\0';
    return copy;
}

/* Index of the first key that is not below @key. */
static inline size_t fake_at(const struct fake *fake, struct hr_str key)
{
    size_t low = 0;
    size_t high = fake->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct fake_pair *pair = &fake->pairs[middle];
        if (hr_str_cmp(hr_str_of(pair->key, pair->key_len), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static inline struct fake_pair *fake_find(const struct fake *fake, struct hr_str key)
{
    size_t at = fake_at(fake, key);
    if (at < fake->count &&
        hr_str_eq(hr_str_of(fake->pairs[at].key, fake->pairs[at].key_len), key)) {
        return &fake->pairs[at];
    }
    return NULL;
}

static inline struct hr_str fake_get(const struct fake *fake, const char *key)
{
    struct fake_pair *pair = fake_find(fake, hr_str_c(key));
    return pair ? hr_str_of(pair->value, pair->value_len) : (struct hr_str){0};
}

static inline void fake_put(struct fake *fake, struct hr_str key, struct hr_str value)
{
    struct fake_pair *pair = fake_find(fake, key);
    if (!pair) {
        size_t at = fake_at(fake, key);
        if (fake->count == fake->cap) {
            fake->cap = fake->cap ? fake->cap * 2 : 64;
            fake->pairs = realloc(fake->pairs, fake->cap * sizeof *fake->pairs);
        }
        if (!fake->pairs) {
            abort();
        }
        memmove(&fake->pairs[at + 1], &fake->pairs[at], (fake->count - at) * sizeof *fake->pairs);
        fake->count++;
        pair = &fake->pairs[at];
        pair->key = fake_copy(key.ptr, key.len);
        pair->key_len = key.len;
    } else {
        free(pair->value);
    }
    pair->value = fake_copy(value.ptr, value.len);
    pair->value_len = value.len;
}

static inline void fake_delete(struct fake *fake, struct hr_str key)
{
    struct fake_pair *pair = fake_find(fake, key);
    if (pair) {
        free(pair->key);
        free(pair->value);
        size_t at = (size_t)(pair - fake->pairs);
        memmove(pair, pair + 1, (fake->count - at - 1) * sizeof *pair);
        fake->count--;
    }
}

static inline void fake_late_release(struct fake_late *late)
{
    for (size_t i = 0; i < late->check_count; i++) {
        free(late->checks[i].key);
        free(late->checks[i].value);
    }
    for (size_t i = 0; i < late->put_count; i++) {
        free(late->puts[i].key);
        free(late->puts[i].value);
    }
    free(late->checks);
    free(late->puts);
    *late = (struct fake_late){0};
}

/* Does the commit that was held back, if its checks still hold. */
static inline void fake_late_do(struct fake *fake)
{
    struct fake_late *late = &fake->late;
    bool holds = true;
    for (size_t i = 0; i < late->check_count; i++) {
        struct fake_pair *want = &late->checks[i];
        struct fake_pair *have = fake_find(fake, hr_str_of(want->key, want->key_len));
        holds = holds && (want->value ? have && have->value_len == want->value_len &&
                                            memcmp(have->value, want->value, want->value_len) == 0
                                      : !have);
    }
    for (size_t i = 0; holds && i < late->put_count; i++) {
        struct fake_pair *put = &late->puts[i];
        struct hr_str key = hr_str_of(put->key, put->key_len);
        if (put->value) {
            fake_put(fake, key, hr_str_of(put->value, put->value_len));
        } else {
            fake_delete(fake, key);
        }
    }
    fake->commits += holds;
    fake_late_release(late);
}

static inline struct fake_pair fake_late_pair(struct hr_str key, struct hr_str value, bool present)
{
    return (struct fake_pair){fake_copy(key.ptr, key.len), key.len,
                              present ? fake_copy(value.ptr, value.len) : NULL, value.len};
}

static inline void fake_late_take(struct fake *fake, const struct dkv_commit *commit)
{
    struct fake_late *late = &fake->late;
    fake_late_release(late);
    late->calls_left = 1 + (unsigned)(fake_random(&fake->random) % 4);
    late->checks = malloc((commit->check_count + 1) * sizeof *late->checks);
    late->puts = malloc((commit->put_count + commit->delete_count + 1) * sizeof *late->puts);
    if (!late->checks || !late->puts) {
        abort();
    }
    for (size_t i = 0; i < commit->check_count; i++) {
        const struct dkv_check *check = &commit->checks[i];
        late->checks[late->check_count++] =
            fake_late_pair(check->key, check->expected.bytes, check->expected.present);
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        late->puts[late->put_count++] =
            fake_late_pair(commit->puts[i].key, commit->puts[i].value, true);
    }
    for (size_t i = 0; i < commit->delete_count; i++) {
        late->puts[late->put_count++] =
            fake_late_pair(commit->deletes[i], (struct hr_str){0}, false);
    }
}

/* The fault of the call that begins now. */
static inline enum fake_fault fake_begin(struct fake *fake)
{
    enum fake_fault fault = FAKE_NONE;
    fake->calls++;
    if (fake->late.checks && fake->late.calls_left-- == 0) {
        fake_late_do(fake);
    }
    if (fake->dead) {
        return FAKE_CRASH_BEFORE;
    }
    if (fake->calls == fake->fault_at) {
        fault = fake->fault;
    } else if (fake->fault_per_mille > 0 &&
               fake_random(&fake->random) % 1000 < fake->fault_per_mille) {
        fault = (enum fake_fault)(1 + fake_random(&fake->random) % (FAKE_FAULTS - 1));
    }
    if (fault == FAKE_CRASH_BEFORE || fault == FAKE_CRASH_AFTER) {
        fake->dead = true;
    }
    if (fault == FAKE_INTRUDER && fake->intruder && fake->intruder_depth == 0) {
        fake->intruder_depth++;
        fake->intruder(fake);
        fake->intruder_depth--;
    }
    return fault;
}

static inline bool fake_fails(enum fake_fault fault)
{
    return fault != FAKE_NONE && fault != FAKE_INTRUDER && fault != FAKE_FLIP;
}

static inline enum hr_err fake_get_many(void *arg, const struct hr_str *keys, size_t count,
                                        struct hr_arena *arena, struct dkv_value *ret_values,
                                        struct hr_diag *diag)
{
    struct fake *fake = arg;
    enum fake_fault fault = fake_begin(fake);
    fake->readings++;
    if (fake_fails(fault)) {
        return hr_diag_set(diag, HR_IO, "fake: get failed");
    }
    for (size_t i = 0; i < count; i++) {
        struct fake_pair *pair = fake_find(fake, keys[i]);
        ret_values[i] = (struct dkv_value){.present = pair != NULL};
        if (!pair) {
            continue;
        }
        struct hr_str copy = hr_arena_copy(arena, hr_str_of(pair->value, pair->value_len));
        if (!copy.ptr) {
            return HR_NO_MEMORY;
        }
        ret_values[i].bytes = copy;
        if (fault == FAKE_FLIP && copy.len > 0) {
            uint64_t bit = fake_random(&fake->random) % (copy.len * 8);
            ((char *)(uintptr_t)copy.ptr)[bit / 8] ^= (char)(1 << bit % 8);
            fault = FAKE_NONE;
        }
    }
    return HR_OK;
}

static inline enum hr_err fake_scan(void *arg, struct hr_str prefix, struct hr_str after,
                                    uint32_t limit, struct hr_arena *arena,
                                    struct dkv_page *ret_page, struct hr_diag *diag)
{
    struct fake *fake = arg;
    size_t max = fake->page_max && fake->page_max < limit ? fake->page_max : limit;
    struct dkv_page page = {0};
    fake->scans++;
    if (fake_fails(fake_begin(fake))) {
        return hr_diag_set(diag, HR_IO, "fake: scan failed");
    }
    page.pairs = hr_arena_alloc(arena, max * sizeof *page.pairs);
    if (!page.pairs) {
        return HR_NO_MEMORY;
    }
    for (size_t i = fake_at(fake, hr_str_cmp(prefix, after) > 0 ? prefix : after); i < fake->count;
         i++) {
        struct hr_str key = hr_str_of(fake->pairs[i].key, fake->pairs[i].key_len);
        if (!hr_str_starts(key, prefix)) {
            break;
        }
        if (after.len > 0 && hr_str_cmp(key, after) <= 0) {
            continue;
        }
        if (page.count == max) {
            page.more = true;
            break;
        }
        struct dkv_pair *pair = &page.pairs[page.count++];
        pair->key = hr_arena_copy(arena, key);
        pair->value =
            hr_arena_copy(arena, hr_str_of(fake->pairs[i].value, fake->pairs[i].value_len));
        if (!pair->key.ptr || !pair->value.ptr) {
            return HR_NO_MEMORY;
        }
    }
    *ret_page = page;
    return HR_OK;
}

static inline bool fake_holds(const struct fake *fake, const struct dkv_check *check)
{
    struct fake_pair *pair = fake_find(fake, check->key);
    return check->expected.present
               ? pair && hr_str_eq(hr_str_of(pair->value, pair->value_len), check->expected.bytes)
               : !pair;
}

static inline void fake_note_commit(struct fake *fake, const struct dkv_commit *commit)
{
    size_t count = fake->remembered_count++;
    fake->remembered = realloc(fake->remembered, (count + 1) * sizeof *fake->remembered);
    struct hr_str *keys = calloc(commit->put_count + 1, sizeof *keys);
    if (!fake->remembered || !keys) {
        abort();
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        struct hr_str key = commit->puts[i].key;
        keys[i] = hr_str_of(fake_copy(key.ptr, key.len), key.len);
    }
    fake->remembered[count] = (struct fake_lost){count + 1, keys, commit->put_count, false, false};
}

static inline enum hr_err fake_commit_now(struct fake *fake, const struct dkv_commit *commit,
                                          size_t *ret_conflict)
{
    for (size_t i = 0; i < commit->check_count; i++) {
        if (!fake_holds(fake, &commit->checks[i])) {
            *ret_conflict = i;
            return HR_CONFLICT;
        }
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        fake_put(fake, commit->puts[i].key, commit->puts[i].value);
    }
    for (size_t i = 0; i < commit->delete_count; i++) {
        fake_delete(fake, commit->deletes[i]);
    }
    fake->commits++;
    if (fake->remembers) {
        fake_note_commit(fake, commit);
    }
    return HR_OK;
}

/* Limits as wit/kv/kv.wit has them; breaking one is our bug. */
static inline void fake_weigh(struct fake *fake, const struct dkv_commit *commit)
{
    fake->last_ops = commit->check_count + commit->put_count + commit->delete_count;
    fake->last_bytes = 0;
    for (size_t i = 0; i < commit->check_count; i++) {
        fake->last_bytes += commit->checks[i].key.len + commit->checks[i].expected.bytes.len;
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        fake->last_bytes += commit->puts[i].key.len + commit->puts[i].value.len;
    }
    for (size_t i = 0; i < commit->delete_count; i++) {
        fake->last_bytes += commit->deletes[i].len;
    }
    if (fake->last_ops > DKV_COMMIT_OPS_MAX || fake->last_bytes > (8u << 20)) {
        fprintf(stderr, "commit of %zu operations, %zu bytes\n", fake->last_ops, fake->last_bytes);
        abort();
    }
}

static inline enum hr_err fake_commit(void *arg, const struct dkv_commit *commit,
                                      size_t *ret_conflict, struct hr_diag *diag)
{
    struct fake *fake = arg;
    enum fake_fault fault = fake_begin(fake);
    fake_weigh(fake, commit);
    if (fault == FAKE_REFUSED || fault == FAKE_CRASH_BEFORE) {
        return hr_diag_set(diag, HR_IO, "fake: commit refused");
    }
    if (fault == FAKE_LOST_BEFORE) {
        return hr_diag_set(diag, HR_UNKNOWN_OUTCOME, "fake: answer lost");
    }
    if (fault == FAKE_LATE) {
        fake_late_take(fake, commit);
        return hr_diag_set(diag, HR_UNKNOWN_OUTCOME, "fake: answer lost");
    }
    enum hr_err err = fake_commit_now(fake, commit, ret_conflict);
    if (fault == FAKE_LOST_AFTER || fault == FAKE_CRASH_AFTER) {
        return hr_diag_set(diag, HR_UNKNOWN_OUTCOME, "fake: answer lost");
    }
    return err;
}

static inline dkv_wall_ms fake_wall(void *arg)
{
    return ((struct fake *)arg)->wall;
}

static inline dkv_mono_ms fake_mono(void *arg)
{
    struct fake *fake = arg;
    fake->mono += fake->mono_step;
    return fake->mono;
}

static inline void fake_sleep(void *arg, uint32_t ms)
{
    struct fake *fake = arg;
    fake->mono += ms;
    fake->wall += ms;
}

static inline void fake_random_bytes(void *arg, void *ret_bytes, size_t len)
{
    struct fake *fake = arg;
    for (size_t i = 0; i < len; i++) {
        ((unsigned char *)ret_bytes)[i] = (unsigned char)(fake_random(&fake->random) >> 56);
    }
}

static inline enum hr_err fake_send_out(struct fake *fake, const struct dkv_message *message,
                                        bool refused, struct hr_diag *diag)
{
    enum fake_fault fault = fake_begin(fake);
    if (fake_fails(fault) && fault != FAKE_LOST_AFTER && fault != FAKE_CRASH_AFTER) {
        return hr_diag_set(diag, HR_IO, "fake: publish failed");
    }
    fake->replies = realloc(fake->replies, (fake->reply_count + 1) * sizeof *fake->replies);
    if (!fake->replies) {
        abort();
    }
    fake->replies[fake->reply_count++] = (struct fake_reply){
        fake_copy(message->subject.ptr, message->subject.len),
        fake_copy(message->body.ptr, message->body.len), message->body.len, refused};
    return fake_fails(fault) ? HR_IO : HR_OK;
}

static inline enum hr_err fake_publish(void *arg, const struct dkv_message *message,
                                       struct hr_diag *diag)
{
    return fake_send_out(arg, message, false, diag);
}

static inline enum hr_err fake_judge(void *arg, struct hr_str reply_to, struct hr_str reason,
                                     struct hr_str body, struct hr_diag *diag)
{
    const struct dkv_message message = {.subject = reply_to, .body = body};
    (void)reason;
    return fake_send_out(arg, &message, false, diag);
}

static inline enum hr_err fake_refuse(void *arg, struct hr_str reply_to, struct hr_str reason,
                                      struct hr_str body, struct hr_diag *diag)
{
    const struct dkv_message message = {.subject = reply_to, .body = body};
    (void)reason;
    return fake_send_out(arg, &message, true, diag);
}

static inline enum hr_err fake_sites(void *arg, struct hr_arena *arena, struct dkv_peer **ret_sites,
                                     size_t *ret_count, struct hr_diag *diag)
{
    static const char *names[] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"};
    struct fake *fake = arg;
    size_t count = fake->sites ? strtoul(fake->sites, NULL, 10) : 1;
    if (fake_fails(fake_begin(fake))) {
        return hr_diag_set(diag, HR_IO, "fake: sites failed");
    }
    struct dkv_peer *sites = hr_arena_alloc(arena, count * sizeof *sites);
    if (!sites) {
        return HR_NO_MEMORY;
    }
    uint16_t own = fake->site_id ? (uint16_t)strtoul(fake->site_id, NULL, 10) : 1;
    for (size_t i = 0; i < count; i++) {
        sites[i] = (struct dkv_peer){.name = hr_str_c(i == 0 ? fake->site : names[i % 8]),
                                     .id = (uint16_t)(own + i),
                                     .here = i == 0,
                                     .alive = i == 0 || fake->others_alive};
    }
    *ret_sites = sites;
    *ret_count = count;
    return HR_OK;
}

/* Nobody answers, and the time passes. */
static inline enum hr_err fake_gather(void *arg, struct hr_str subject, struct hr_str body,
                                      uint32_t want, uint32_t timeout_ms, struct hr_arena *arena,
                                      struct dkv_message **ret_replies, size_t *ret_count,
                                      struct hr_diag *diag)
{
    struct fake *fake = arg;
    (void)subject, (void)body, (void)want, (void)arena;
    if (fake_fails(fake_begin(fake))) {
        return hr_diag_set(diag, HR_IO, "fake: gather failed");
    }
    fake->mono += timeout_ms;
    fake->wall += timeout_ms;
    *ret_replies = NULL;
    *ret_count = 0;
    return HR_OK;
}

static inline void fake_standing(void *arg, bool catching_up)
{
    ((struct fake *)arg)->catching_up = catching_up;
}

/* Two at a time. */
static inline enum hr_err fake_lost_commits(void *arg, uint64_t after, struct hr_arena *arena,
                                            struct dkv_lost_page *ret_page, struct hr_diag *diag)
{
    struct fake *fake = arg;
    struct dkv_lost_page page = {0};
    if (fake->lost_unknown) {
        return HR_AGAIN;
    }
    if (fake->remembered_count > 0 && fake_fails(fake_begin(fake))) {
        return hr_diag_set(diag, HR_IO, "fake: lost commits failed");
    }
    for (size_t i = fake->hidden; i < fake->remembered_count && !page.more; i++) {
        const struct fake_lost *lost = &fake->remembered[i];
        if (!lost->lost || lost->forgotten || lost->id <= after) {
            continue;
        }
        page.more = page.count == 2;
        if (!page.commits) {
            page.commits = hr_arena_alloc(arena, 2 * sizeof *page.commits);
        }
        if (!page.commits) {
            return HR_NO_MEMORY;
        }
        if (!page.more) {
            page.commits[page.count++] =
                (struct dkv_lost_commit){lost->id, lost->keys, lost->count};
        }
    }
    *ret_page = page;
    return HR_OK;
}

static inline void fake_lost_forget(void *arg, uint64_t id)
{
    struct fake *fake = arg;
    for (size_t i = 0; i < fake->remembered_count; i++) {
        fake->remembered[i].forgotten =
            fake->remembered[i].forgotten || fake->remembered[i].id == id;
    }
}

static inline struct dkv_env fake_env(struct fake *fake);
static inline const struct fake_reply *fake_sent(const struct fake *fake, const char *subject);

/* The site itself answers, nobody else does. */
static inline enum hr_err fake_request(void *arg, struct hr_str subject, struct hr_str body,
                                       uint32_t timeout_ms, struct hr_arena *arena,
                                       struct hr_str *ret_body, struct hr_diag *diag)
{
    struct fake *fake = arg;
    struct dkv_env env = fake_env(fake);
    struct dkv_handled handled;
    const struct dkv_message message = {subject, body, HR_STR("_INBOX.nested")};
    (void)timeout_ms;
    if (fake_fails(fake_begin(fake))) {
        return hr_diag_set(diag, HR_IO, "fake: request failed");
    }
    if (!hr_str_starts(subject, HR_STR("_LOCAL."))) {
        return hr_diag_set(diag, HR_NO_RESPONDERS, "fake: nobody is there");
    }
    size_t before = fake->reply_count;
    dkv_batch_handle(&env, &message, 1, &handled);
    const struct fake_reply *reply = fake_sent(fake, "_INBOX.nested");
    if (!reply || fake->reply_count == before) {
        return hr_diag_set(diag, HR_TIMEOUT, "fake: no answer");
    }
    *ret_body = hr_arena_copy(arena, hr_str_of(reply->body, reply->body_len));
    return ret_body->ptr ? HR_OK : HR_NO_MEMORY;
}

static inline void fake_log(void *arg, enum dkv_log_level level, struct hr_str text)
{
    struct fake *fake = arg;
    fake->warnings += level == DKV_LOG_WARN;
    fake->errors += level == DKV_LOG_ERROR;
    if (hr_str_starts(text, HR_STR("event=writes-lost"))) {
        size_t at = fake->lost_count < 4 ? fake->lost_count : 3;
        snprintf(fake->lost[at], sizeof fake->lost[at], "%.*s", HR_STR_ARG(text));
        fake->lost_count++;
    }
    if (level == DKV_LOG_WARN || level == DKV_LOG_ERROR) {
        snprintf(fake->logged, sizeof fake->logged, "%.*s", HR_STR_ARG(text));
        fake->watched += fake->watch && strstr(fake->logged, fake->watch) != NULL;
    }
}

static inline bool fake_settled(void *arg)
{
    return !((struct fake *)arg)->unsettled;
}

static inline enum hr_err fake_config(void *arg, struct hr_str key, struct hr_arena *arena,
                                      struct hr_str *ret_value, struct hr_diag *diag)
{
    struct fake *fake = arg;
    const char *names[] = {"site",           "site-id", "boot-nonce",
                           "feed-max",       "members", "write-acks",
                           "ack-timeout-ms", "join",    "store-durability"};
    const char *values[] = {fake->site,           fake->site_id, fake->nonce,
                            fake->feed_max,       fake->members, fake->write_acks,
                            fake->ack_timeout_ms, fake->join,    fake->durability};
    if (fake_fails(fake_begin(fake))) {
        return hr_diag_set(diag, HR_IO, "fake: config failed");
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (hr_str_eq(key, hr_str_c(names[i])) && values[i]) {
            *ret_value = hr_arena_copy(arena, hr_str_c(values[i]));
            return ret_value->ptr ? HR_OK : HR_NO_MEMORY;
        }
    }
    return HR_NOT_FOUND;
}

static inline struct dkv_env fake_env(struct fake *fake)
{
    return (struct dkv_env){.arg = fake,
                            .get_many = fake_get_many,
                            .scan = fake_scan,
                            .commit = fake_commit,
                            .wall = fake_wall,
                            .mono = fake_mono,
                            .sleep = fake_sleep,
                            .random = fake_random_bytes,
                            .publish = fake_publish,
                            .request = fake_request,
                            .gather = fake_gather,
                            .sites = fake_sites,
                            .settled = fake_settled,
                            .refuse = fake_refuse,
                            .judge = fake_judge,
                            .standing = fake_standing,
                            .lost_commits = fake_lost_commits,
                            .lost_forget = fake_lost_forget,
                            .log = fake_log,
                            .config = fake_config};
}

static inline struct fake fake_new(uint64_t seed)
{
    return (struct fake){
        .wall = FAKE_WALL, .random = seed ? seed : 1, .site = "here", .nonce = FAKE_NONCE};
}

static inline void fake_forget_replies(struct fake *fake)
{
    for (size_t i = 0; i < fake->reply_count; i++) {
        free(fake->replies[i].subject);
        free(fake->replies[i].body);
    }
    free(fake->replies);
    fake->replies = NULL;
    fake->reply_count = 0;
}

static inline void fake_release(struct fake *fake)
{
    for (size_t i = 0; i < fake->remembered_count; i++) {
        for (size_t j = 0; j < fake->remembered[i].count; j++) {
            free((void *)(uintptr_t)fake->remembered[i].keys[j].ptr);
        }
        free(fake->remembered[i].keys);
    }
    free(fake->remembered);
    for (size_t i = 0; i < fake->count; i++) {
        free(fake->pairs[i].key);
        free(fake->pairs[i].value);
    }
    free(fake->pairs);
    fake_forget_replies(fake);
    fake_late_release(&fake->late);
}

/* Gives @to what @from holds, and nothing else. */
static inline void fake_copy_store(struct fake *to, const struct fake *from)
{
    while (to->count > 0) {
        to->count--;
        free(to->pairs[to->count].key);
        free(to->pairs[to->count].value);
    }
    for (size_t i = 0; i < from->count; i++) {
        fake_put(to, hr_str_of(from->pairs[i].key, from->pairs[i].key_len),
                 hr_str_of(from->pairs[i].value, from->pairs[i].value_len));
    }
}

/* The store dies, and comes back as @as; the host knows what it remembers of what is gone. */
static inline void fake_lose(struct fake *fake, const struct fake *as)
{
    fake_copy_store(fake, as);
    for (size_t i = 0; i < fake->remembered_count; i++) {
        struct fake_lost *commit = &fake->remembered[i];
        for (size_t j = 0; j < commit->count; j++) {
            size_t at = fake_at(fake, commit->keys[j]);
            bool there =
                at < fake->count &&
                hr_str_eq(hr_str_of(fake->pairs[at].key, fake->pairs[at].key_len), commit->keys[j]);
            commit->lost = commit->lost || !there;
        }
    }
    fake->remembers = false;
}

/* How many of the commits that were lost the host still has in mind. */
static inline unsigned fake_in_mind(const struct fake *fake)
{
    unsigned count = 0;
    for (size_t i = 0; i < fake->remembered_count; i++) {
        count += fake->remembered[i].lost && !fake->remembered[i].forgotten;
    }
    return count;
}

/* Hands what the site sent to itself back to it, as a host does. */
static inline void fake_pump(struct fake *fake)
{
    struct dkv_env env = fake_env(fake);
    for (size_t i = 0; i < fake->reply_count; i++) {
        struct dkv_handled handled;
        struct dkv_message message = {hr_str_c(fake->replies[i].subject),
                                      hr_str_of(fake->replies[i].body, fake->replies[i].body_len),
                                      {0}};
        if (hr_str_starts(message.subject, HR_STR("_LOCAL."))) {
            dkv_batch_handle(&env, &message, 1, &handled);
        }
    }
}

/* The newest of what was sent to @subject; NULL if nothing was. */
static inline const struct fake_reply *fake_sent(const struct fake *fake, const char *subject)
{
    for (size_t i = fake->reply_count; i > 0; i--) {
        if (strcmp(fake->replies[i - 1].subject, subject) == 0) {
            return &fake->replies[i - 1];
        }
    }
    return NULL;
}

static inline void fake_tick(struct fake *fake)
{
    struct dkv_env env = fake_env(fake);
    struct dkv_handled handled;
    const struct dkv_message message = {HR_STR("_LOCAL.wasmkv.default.tick"), {0}, {0}};
    dkv_batch_handle(&env, &message, 1, &handled);
}

/* Boots the site, if need be, and lets it serve clients, whatever the others have: those of a fake are silent. */
static inline void fake_serve(struct fake *fake)
{
    struct dkv_env env = fake_env(fake);
    struct dkv_config config;
    struct dkv_group group;
    struct dkv_site site;
    struct hr_diag diag;
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    enum hr_err err = dkv_config_read(&env, &arena, &config, &diag);
    err = err ? err : dkv_group_read(&env, &config, &arena, &group, &diag);
    for (size_t i = 0; !err && i < group.count; i++) {
        dkv_group_note(&config, group.peers[i].id);
    }
    err = err ? err : dkv_site_open(&env, &config, &arena, &site, &diag);
    if (!err && site.state != DKV_SITE_ACTIVE) {
        err = dkv_site_enter(&env, &config, site.ctr.origin, DKV_SITE_ACTIVE, 0, &arena, &diag);
    }
    if (err) {
        fprintf(stderr, "fake: the site does not serve: %s\n", diag.text);
        abort();
    }
    hr_arena_release(&arena);
}

/* Sends one message and gives the reply's body, NULL if there was none; it lives until the next
 * call. */
static inline const char *fake_send(struct fake *fake, const char *subject, const char *body)
{
    struct dkv_env env = fake_env(fake);
    struct dkv_handled handled;
    struct dkv_message message = {hr_str_c(subject), hr_str_c(body), HR_STR("_INBOX.1")};
    fake_forget_replies(fake);
    dkv_batch_handle(&env, &message, 1, &handled);
    fake_pump(fake);
    const struct fake_reply *reply = fake_sent(fake, "_INBOX.1");
    return reply ? reply->body : NULL;
}

#endif
