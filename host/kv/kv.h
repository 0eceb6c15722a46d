/* The store behind the keyvalue capability: one table of operations, one implementation a file
 * (lmdb.c, redis.c). A store holds named buckets, as many as are used: a bucket is there
 * when it has a key. A bucket maps keys (1 to HR_KV_KEY_BYTES_MAX bytes) to values (up to
 * HR_KV_VALUE_BYTES_MAX bytes). Both are any bytes; that a guest's keys are UTF-8 is seen to where
 * they come in. Keys are ordered bytewise.
 *
 * A store is shared by all loops of a host; each loop uses it through a port of its own, and every
 * callback of a port runs on that port's loop thread. Asynchronous contract (all functions with a
 * callback): an error return means that the callback never runs; HR_OK means that it runs exactly
 * once, on the loop thread, never before the submitter returns; closing the port completes what is
 * pending with HR_CANCELED.
 *
 * Durability: when a commit's callback says HR_OK, the change survives
 *   `sync`: the loss of power;
 *   `lazy`: the death of the process. A loss of power may undo the newest commits (for LMDB those of
 *           the last second), never a part of one and never an older one without the newer.
 *
 * Limits are checked here, in kv.c, so that every implementation has the same.
 */
#ifndef HR_KV_H
#define HR_KV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"
#include "host/loop/loop.h"

#define HR_KV_BUCKET_BYTES_MAX 64u
/* LMDB's limit of 511 less the longest bucket's name and its length byte. */
#define HR_KV_KEY_BYTES_MAX 446u
#define HR_KV_VALUE_BYTES_MAX (4u << 20)
#define HR_KV_COMMIT_OPS_MAX 12288u /* checks, puts and deletes together */
#define HR_KV_COMMIT_BYTES_MAX (8u << 20)
#define HR_KV_SCAN_ITEMS_MAX 4096u
#define HR_KV_SCAN_BYTES_MAX (512u << 10)
/* Commits and increments that wait in one store, and their bytes; HR_BUSY above. */
#define HR_KV_QUEUE_MAX 4096u
#define HR_KV_QUEUE_BYTES_MAX (64u << 20)
#define HR_KV_PORTS_MAX 64u
/* In one page of lost commits. */
#define HR_KV_LOST_COMMITS_MAX 1024u
#define HR_KV_WARNING_BYTES_MAX 256u

enum hr_kv_durability { HR_KV_SYNC, HR_KV_LAZY };

/* What an opening found. */
enum hr_kv_past {
    HR_KV_FRESH,  /* no store: it was made */
    HR_KV_INTACT, /* every commit that it ever acknowledged */
    HR_KV_LOSSY   /* a lazy store whose machine stopped: the newest commits were undone */
};

struct hr_kv;      /* the store; any thread */
struct hr_kv_port; /* one loop's use of it; that loop's thread */

struct hr_kv_entry {
    struct hr_str key;
    struct hr_str value;
};

/* A condition of a commit: the key holds exactly @value, or is absent. */
struct hr_kv_check {
    struct hr_str key;
    struct hr_str value;
    bool absent;
};

/* The checks are tried in their order, then the puts are done in theirs, then the deletes. */
struct hr_kv_commit {
    struct hr_str bucket;
    const struct hr_kv_check *checks;
    size_t check_count;
    const struct hr_kv_entry *puts;
    size_t put_count;
    const struct hr_str *deletes; /* deleting an absent key is fine */
    size_t delete_count;
};

struct hr_kv_scan {
    struct hr_str bucket;
    struct hr_str prefix; /* empty = every key */
    struct hr_str after;  /* empty = from the start; otherwise keys greater than this */
    uint32_t limit;       /* 1..HR_KV_SCAN_ITEMS_MAX */
    bool keys_only;       /* leaves the values empty */
};

/* One view of the store: at most the limit's entries, and no more than HR_KV_SCAN_BYTES_MAX bytes of
 * keys and values unless the first entry alone has more. @more: keys are left after the last entry.
 * The page lives in the arena that the scan was given. */
struct hr_kv_page {
    struct hr_kv_entry *entries;
    size_t count;
    bool more;
};

/* A commit that was done, and that the store does not have any more: the keys that it put, in their order. */
struct hr_kv_lost {
    uint64_t id; /* of this commit alone; those of later ones are higher */
    const struct hr_str *keys;
    size_t key_count;
};

struct hr_kv_lost_page {
    struct hr_kv_lost *commits; /* in the order of their ids */
    size_t count;
    bool more;
};

/* What the store has done and has, for metrics. Counters only grow. */
struct hr_kv_stats {
    uint64_t reads;
    uint64_t commits;        /* that were applied */
    uint64_t conflicts;      /* that failed a check */
    uint64_t errors;         /* that failed otherwise */
    uint64_t syncs;          /* group commits; commits / syncs = commits a group */
    uint64_t map_bytes;      /* space that the store has taken, as of its last commit */
    uint64_t map_bytes_used; /* of which holds data; the rest is used again */
    uint64_t queued;         /* commits and increments waiting now */
    uint64_t
        unremembered; /* of the newest ones, those of which nobody will know whether they are lost */
};

/* @err as in hr_kv_get_now, or HR_CANCELED; @value is borrowed until the callback returns. */
typedef void (*hr_kv_get_cb)(void *arg, enum hr_err err, struct hr_str value);
/* HR_CONFLICT: the check of index @conflict did not hold and nothing was changed. HR_UNKNOWN_OUTCOME:
 * the answer was lost. Any other error: nothing was changed (HR_NO_SPACE, HR_NO_MEMORY, HR_IO,
 * HR_CORRUPT, HR_CANCELED). @detail says more; it is borrowed, never NULL. */
typedef void (*hr_kv_commit_cb)(void *arg, enum hr_err err, size_t conflict, const char *detail);
/* The page lives in the arena given to hr_kv_scan; NULL on an error. */
typedef void (*hr_kv_scan_cb)(void *arg, enum hr_err err, const struct hr_kv_page *page);
/* The value after the increment. */
typedef void (*hr_kv_increment_cb)(void *arg, enum hr_err err, uint64_t value);
typedef void (*hr_kv_closed_cb)(void *arg);

/* One implementation of a store. Stores embed struct hr_kv (first member) and set @ops. */
struct hr_kv_ops {
    const char *name; /* "lmdb" */
    enum hr_err (*port_open)(struct hr_kv *kv, struct hr_loop *loop, struct hr_kv_port **ret_port,
                             struct hr_diag *diag);
    void (*port_close)(struct hr_kv_port *port, hr_kv_closed_cb cb, void *arg);
    enum hr_err (*get_now)(struct hr_kv_port *port, struct hr_str bucket, struct hr_str key,
                           struct hr_arena *arena, struct hr_str *ret_value);
    enum hr_err (*scan_now)(struct hr_kv_port *port, const struct hr_kv_scan *scan,
                            struct hr_arena *arena, struct hr_kv_page *ret_page);
    enum hr_err (*get)(struct hr_kv_port *port, struct hr_str bucket, struct hr_str key,
                       hr_kv_get_cb cb, void *arg);
    enum hr_err (*scan)(struct hr_kv_port *port, const struct hr_kv_scan *scan,
                        struct hr_arena *arena, hr_kv_scan_cb cb, void *arg);
    enum hr_err (*commit)(struct hr_kv_port *port, const struct hr_kv_commit *commit,
                          hr_kv_commit_cb cb, void *arg);
    enum hr_err (*increment)(struct hr_kv_port *port, struct hr_str bucket, struct hr_str key,
                             uint64_t delta, hr_kv_increment_cb cb, void *arg);
    /* Both NULL for a store of which nothing is ever known to be lost. */
    enum hr_err (*lost)(struct hr_kv *kv, struct hr_str bucket, uint64_t after,
                        struct hr_arena *arena, struct hr_kv_lost_page *ret_page);
    void (*lost_forget)(struct hr_kv *kv, struct hr_str bucket, uint64_t id);
    void (*stats)(struct hr_kv *kv, struct hr_kv_stats *ret_stats);
    void (*close)(struct hr_kv *kv);
};

struct hr_kv {
    const struct hr_kv_ops *ops;
    enum hr_kv_durability durability;
    enum hr_kv_past past;
    char warning[HR_KV_WARNING_BYTES_MAX]; /* what the operator should know; empty: nothing */
    /* How often, since the opening, something has happened to the store by which commits that were
     * acknowledged may have been undone: a lazy one's server was restarted. Any thread. */
    _Atomic uint64_t losses;
};

struct hr_kv_port {
    struct hr_kv *kv;
    struct hr_loop *loop;
};

/* Opens the store at @url: "lmdb:<folder>", made if it is not there, or "redis://..."; lmdb.h and
 * redis.h have their options. The diag never has a password. The diag names the store and says what to do. Any thread; blocks. The process ignores SIGXFSZ, so
 * that a limit on file sizes is an error and not its end.
 * Errors: HR_LOCKED (another process has it), HR_READ_ONLY, HR_NO_SPACE, HR_CORRUPT, HR_DENIED,
 * HR_BAD_INPUT (an URL that no implementation knows, an impossible path), HR_UNSUPPORTED (made by a
 * newer version, or by somebody else), HR_NO_MEMORY, HR_IO. */
HR_MUST_CHECK enum hr_err hr_kv_open(struct hr_str url, enum hr_kv_durability durability,
                                     struct hr_kv **ret_kv, struct hr_diag *diag);
/* Finishes what is queued, syncs, and frees. All ports are closed before. Accepts NULL. Blocks. */
void hr_kv_close(struct hr_kv *kv);

/* Errors: HR_BUSY (more than HR_KV_PORTS_MAX), HR_NO_MEMORY, HR_IO. The loop's thread. */
HR_MUST_CHECK enum hr_err hr_kv_port_open(struct hr_kv *kv, struct hr_loop *loop,
                                          struct hr_kv_port **ret_port, struct hr_diag *diag);
/* Pending callbacks run with HR_CANCELED (commits that are already on their way complete with
 * their own outcome), then @cb; the port is gone by then. Meanwhile further use of it gives
 * HR_CLOSED. The loop must run on until @cb. */
void hr_kv_port_close(struct hr_kv_port *port, hr_kv_closed_cb cb, void *arg);

/* Reads without waiting. Errors: HR_NOT_FOUND; HR_AGAIN if this store cannot answer at once (use
 * hr_kv_get); HR_BAD_INPUT for a key, bucket or limit that is out of bounds; HR_NO_MEMORY (also: the
 * arena is full); HR_CORRUPT; HR_IO; HR_CLOSED.
 * Owns: the value lives in @arena. */
HR_MUST_CHECK enum hr_err hr_kv_get_now(struct hr_kv_port *port, struct hr_str bucket,
                                        struct hr_str key, struct hr_arena *arena,
                                        struct hr_str *ret_value);
HR_MUST_CHECK enum hr_err hr_kv_scan_now(struct hr_kv_port *port, const struct hr_kv_scan *scan,
                                         struct hr_arena *arena, struct hr_kv_page *ret_page);
/* As above, for stores that must wait. Owns: copies what it is given; keeps @arena until @cb. */
HR_MUST_CHECK enum hr_err hr_kv_get(struct hr_kv_port *port, struct hr_str bucket,
                                    struct hr_str key, hr_kv_get_cb cb, void *arg);
HR_MUST_CHECK enum hr_err hr_kv_scan(struct hr_kv_port *port, const struct hr_kv_scan *scan,
                                     struct hr_arena *arena, hr_kv_scan_cb cb, void *arg);
/* Checks, puts and deletes: all or nothing. What one port commits takes effect in that order.
 * Owns: copies everything. Errors at once: HR_BAD_INPUT (key or bucket), HR_TOO_BIG (value, number
 * of operations or bytes above the limits), HR_BUSY (queue full), HR_NO_MEMORY, HR_CLOSED. */
HR_MUST_CHECK enum hr_err hr_kv_commit(struct hr_kv_port *port, const struct hr_kv_commit *commit,
                                       hr_kv_commit_cb cb, void *arg);
/* Adds @delta (modulo 2^64) to the number at @key, absent being 0; the value is stored as decimal
 * text. HR_BAD_INPUT in the callback if what is there is no number; otherwise as hr_kv_commit. */
HR_MUST_CHECK enum hr_err hr_kv_increment(struct hr_kv_port *port, struct hr_str bucket,
                                          struct hr_str key, uint64_t delta, hr_kv_increment_cb cb,
                                          void *arg);
/* The commits that this process made in @bucket and that a lazy store's server has lost since, as far as it
 * is known: those with ids above @after, until they are forgotten. Of the newest commits the keys are remembered, and
 * asked after when `losses` goes up; a commit is lost if a key is absent that it put, and that none of this process' later ones put or
 * deleted. Another process may have deleted it. HR_AGAIN: it is being asked; also HR_BAD_INPUT, HR_NO_MEMORY. Owns: the page
 * lives in @arena. Any thread. */
HR_MUST_CHECK enum hr_err hr_kv_lost(struct hr_kv *kv, struct hr_str bucket, uint64_t after,
                                     struct hr_arena *arena, struct hr_kv_lost_page *ret_page);
/* It has been told of; harmless if there is no such commit. Any thread. */
void hr_kv_lost_forget(struct hr_kv *kv, struct hr_str bucket, uint64_t id);
/* Any thread. */
void hr_kv_stats(struct hr_kv *kv, struct hr_kv_stats *ret_stats);

#endif
