/* Everything that the Distributed-KV core wants from outside, as one table. In the guest the calls
 * go to WIT imports and the host suspends the call; in the simulator and in tests each of them is a
 * point where something else may run, fail or crash. Every call returns when it is done: the core
 * is straight-line code. One thread.
 *
 * The keys are those of keys.h; one env is one bucket, so names need no prefix for it.
 * Must not know: how any of it is done, and nothing of the layouts of the values.
 */
#ifndef DKV_ENV_H
#define DKV_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

/* Milliseconds since 1970-01-01T00:00:00Z; may step either way between two readings. */
typedef uint64_t dkv_wall_ms;
/* Milliseconds since some unknown start; never goes back. */
typedef uint64_t dkv_mono_ms;

/* What one commit may hold: checks, puts and deletes together (wit/kv/kv.wit). */
#define DKV_COMMIT_OPS_MAX ((size_t)12288)
#define DKV_COMMIT_BYTES_MAX ((size_t)8 << 20)
#define DKV_SCAN_LIMIT_MAX 1000u

enum dkv_log_level { DKV_LOG_DEBUG, DKV_LOG_INFO, DKV_LOG_WARN, DKV_LOG_ERROR };

/* What a key holds. */
struct dkv_value {
    struct hr_str bytes;
    bool present;
};

struct dkv_pair {
    struct hr_str key;
    struct hr_str value;
};

struct dkv_page {
    struct dkv_pair *pairs; /* in the bytewise order of their keys */
    size_t count;
    bool more; /* keys with the prefix are left after the last one */
};

/* The key holds exactly @expected, or nothing if that is not present. */
struct dkv_check {
    struct hr_str key;
    struct dkv_value expected;
};

struct dkv_commit {
    const struct dkv_check *checks;
    size_t check_count;
    const struct dkv_pair *puts;
    size_t put_count;
    const struct hr_str *deletes; /* of keys that need not be there */
    size_t delete_count;
};

/* A message from or to the bus. An empty @reply_to: no reply is wanted. */
struct dkv_message {
    struct hr_str subject;
    struct hr_str body;
    struct hr_str reply_to;
};

/* Whether a message was dealt with: answered, also if with an error, or not wanting an answer. */
struct dkv_handled {
    enum hr_err err;
    struct hr_diag diag;
};

/* A site of the lattice, as the host knows it. */
struct dkv_peer {
    struct hr_str name;
    uint16_t id;
    bool here; /* it is this one */
    bool alive;
    bool clock_known;
    int64_t clock_ahead_ms; /* its wall clock before this host's */
};

/* A commit of this host that its store has lost: the keys that it put, in their order. */
struct dkv_lost_commit {
    uint64_t id; /* of this one alone; those of later ones are higher */
    const struct hr_str *keys;
    size_t count;
};

struct dkv_lost_page {
    struct dkv_lost_commit *commits; /* in the order of their ids */
    size_t count;
    bool more;
};

struct dkv_env {
    void *arg;
    /* Others wait in a lane until this call of the core is over: reads are not to wait for anything. */
    bool in_lane;
    /* Reads @count keys in their order, not at one moment: what another call commits meanwhile may
     * be seen by the later ones only. Owns: the values live in @arena.
     * Errors: HR_NO_MEMORY, or the store's (HR_IO, HR_BUSY, ...); @ret_values is nothing then. */
    enum hr_err (*get_many)(void *arg, const struct hr_str *keys, size_t count,
                            struct hr_arena *arena, struct dkv_value *ret_values,
                            struct hr_diag *diag);
    /* The pairs whose keys start with @prefix and come after @after (empty: from the first), as they
     * are at one moment: at most @limit (1..DKV_SCAN_LIMIT_MAX), and fewer if they are long, but
     * one at least if there is one. Owns: the page lives in @arena. Errors: as get_many. */
    enum hr_err (*scan)(void *arg, struct hr_str prefix, struct hr_str after, uint32_t limit,
                        struct hr_arena *arena, struct dkv_page *ret_page, struct hr_diag *diag);
    /* All of it, or nothing. Owns: borrows.
     * Errors: HR_CONFLICT: the check of index @ret_conflict did not hold, nothing was changed.
     * HR_UNKNOWN_OUTCOME: it may have been done, or may still be. Any other: nothing was changed. */
    enum hr_err (*commit)(void *arg, const struct dkv_commit *commit, size_t *ret_conflict,
                          struct hr_diag *diag);
    dkv_wall_ms (*wall)(void *arg);
    dkv_mono_ms (*mono)(void *arg);
    /* Comes back @ms later, or earlier if the host cannot wait. */
    void (*sleep)(void *arg, uint32_t ms);
    /* Fills @ret_bytes with unpredictable bytes. */
    void (*random)(void *arg, void *ret_bytes, size_t len);
    /* Hands a message to the bus, without waiting for anybody to get it. */
    enum hr_err (*publish)(void *arg, const struct dkv_message *message, struct hr_diag *diag);
    /* Sends @body and waits for one reply, whose body lives in @arena. Errors: HR_TIMEOUT,
     * HR_NO_RESPONDERS, HR_IO, HR_NO_MEMORY. */
    enum hr_err (*request)(void *arg, struct hr_str subject, struct hr_str body,
                           uint32_t timeout_ms, struct hr_arena *arena, struct hr_str *ret_body,
                           struct hr_diag *diag);
    /* Sends @body to all and collects replies until there are @want or the time is up; fewer are no
     * error. The replies live in @arena. */
    enum hr_err (*gather)(void *arg, struct hr_str subject, struct hr_str body, uint32_t want,
                          uint32_t timeout_ms, struct hr_arena *arena,
                          struct dkv_message **ret_replies, size_t *ret_count,
                          struct hr_diag *diag);
    /* Every site that the host has seen, this one among them; a site without a lattice sees itself
     * only. Owns: they live in @arena. Errors: HR_NO_MEMORY. */
    enum hr_err (*sites)(void *arg, struct hr_arena *arena, struct dkv_peer **ret_sites,
                         size_t *ret_count, struct hr_diag *diag);
    /* Whether the host has been around for long enough to have heard of the sites that there are. Without a
     * lattice: at once. */
    bool (*settled)(void *arg);
    /* Answers a request with a no that another responder may better: whoever asked asks the next one,
     * if there is one, and gets @body otherwise. */
    enum hr_err (*refuse)(void *arg, struct hr_str reply_to, struct hr_str reason,
                          struct hr_str body, struct hr_diag *diag);
    /* Answers a request with a no that rests on what is known here: whoever asked waits for others that it
     * asked before, if there are any, and gets @body otherwise. */
    enum hr_err (*judge)(void *arg, struct hr_str reply_to, struct hr_str reason,
                         struct hr_str body, struct hr_diag *diag);
    /* Tells the host whether the site takes in what it lacks and serves no clients (join.h): for people to see. */
    void (*standing)(void *arg, bool catching_up);
    /* The commits that the host knows to be lost, with ids above @after, until it is told to forget them. It knows the newest ones
     * of its own only, and nothing once it has been started anew. Nearly always there are none, and asking costs
     * nothing. Owns: they live in @arena. Errors: HR_AGAIN: it is finding out; HR_NO_MEMORY. */
    enum hr_err (*lost_commits)(void *arg, uint64_t after, struct hr_arena *arena,
                                struct dkv_lost_page *ret_page, struct hr_diag *diag);
    void (*lost_forget)(void *arg, uint64_t id);
    void (*log)(void *arg, enum dkv_log_level level, struct hr_str text);
    /* The value of configuration key @key; lives in @arena. Errors: HR_NOT_FOUND: not set. */
    enum hr_err (*config)(void *arg, struct hr_str key, struct hr_arena *arena,
                          struct hr_str *ret_value, struct hr_diag *diag);
};

#endif
