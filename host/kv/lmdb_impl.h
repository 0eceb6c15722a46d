/* The inside of the LMDB store, shared by host/kv/lmdb*.c and nobody else.
 *
 * Threads. A port belongs to its loop's thread. The writer thread does every write transaction.
 * Locks, in the order in which they are taken:
 *   env_lock     the environment itself: the writer holds it for each group, growth and reopening
 *   ports_lock   the list of ports
 *   port->read_lock  the port's read transaction; its loop holds it for the length of one read.
 *                Taking all of them keeps every reader out of the map (lmdb_env.c).
 *   queue_lock, port->done_lock: leaves, held for a few instructions.
 *
 * The way of a commit: its port's `staged` list -> (once a round of the loop, so that commits of one
 * round travel together) the store's queue -> a group of the writer -> its port's `done` list -> its
 * callback. An operation is in one list at a time; `port->pending` counts all of a port's. */
#ifndef HR_KV_LMDB_IMPL_H
#define HR_KV_LMDB_IMPL_H

#include <lmdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "host/kv/lmdb.h"
#include "host/kv/lmdb_file.h"

/* LMDB's limit; the bucket's length byte, its name and the longest key fill it. */
#define HR_KV_LMDB_KEY_BYTES_MAX 511u
#define HR_KV_LMDB_PATH_BYTES_MAX 4096u
#define HR_KV_LMDB_DETAIL_BYTES_MAX 192u
_Static_assert(1 + HR_KV_BUCKET_BYTES_MAX + HR_KV_KEY_BYTES_MAX == HR_KV_LMDB_KEY_BYTES_MAX,
               "every bucket and key together are a key of LMDB's");

/* Writes @key as the database has it, bucket in front, to @to and returns its length. Both are
 * within their limits. @to has room for HR_KV_LMDB_KEY_BYTES_MAX bytes, or just what is needed. */
static inline size_t hr_kv_lmdb_join(struct hr_str bucket, struct hr_str key, char *to)
{
    to[0] = (char)bucket.len;
    memcpy(to + 1, bucket.ptr, bucket.len);
    if (key.len > 0) {
        memcpy(to + 1 + bucket.len, key.ptr, key.len);
    }
    return 1 + bucket.len + key.len;
}

struct hr_kv_lmdb_options {
    size_t start_bytes;
    size_t max_bytes;
    uint32_t lazy_ms;
};

struct hr_kv_lmdb {
    struct hr_kv base;
    char *folder;
    int folder_fd;
    int lock_fd; /* holds the folder for this process */
    struct hr_kv_lmdb_options options;

    uv_mutex_t env_lock;
    MDB_env *env; /* NULL only if reopening has failed */
    MDB_dbi dbi;
    size_t map_bytes;
    MDB_txn *pin; /* lazy: the snapshot that is on disk, so that none of its pages is reused */
    uint64_t unsynced_ns; /* lazy: when the first commit since then was done, 0 = none */
    char failure[HR_KV_LMDB_DETAIL_BYTES_MAX]; /* why no more commits are taken; empty = they are */

    uv_mutex_t ports_lock;
    struct hr_list ports;
    uint32_t port_count;
    uint64_t closed_reads; /* of ports that are gone */

    uv_mutex_t queue_lock;
    uv_cond_t queue_filled;
    struct hr_list queue;
    bool stopping;
    uv_thread_t writer;

    _Atomic uint64_t queued;
    _Atomic uint64_t queued_bytes;
    _Atomic uint64_t commits;
    _Atomic uint64_t conflicts;
    _Atomic uint64_t errors;
    _Atomic uint64_t syncs;
    _Atomic uint64_t taken_bytes;
    _Atomic uint64_t used_bytes;
};

enum hr_kv_lmdb_port_state {
    HR_KV_LMDB_PORT_OPEN,
    HR_KV_LMDB_PORT_CLOSING,
    HR_KV_LMDB_PORT_CLOSED
};

struct hr_kv_lmdb_port {
    struct hr_kv_port base;
    struct hr_list node; /* in kv->ports */
    uv_mutex_t read_lock;
    MDB_txn *read_txn; /* reset between reads; NULL if reopening has failed */
    _Atomic uint64_t reads;

    enum hr_kv_lmdb_port_state state;
    uint64_t pending;
    struct hr_list staged;
    bool flush_posted;
    struct hr_task flush_task;
    struct hr_task closed_task;
    hr_kv_closed_cb closed_cb;
    void *closed_arg;

    uv_mutex_t done_lock;
    struct hr_list done;
    bool done_posted;
    struct hr_task done_task;
    struct hr_list touched; /* the writer's: ports to post to after a group */
};

enum hr_kv_lmdb_op_kind { HR_KV_LMDB_COMMIT, HR_KV_LMDB_INCREMENT };

/* A key as LMDB has it (bucket in front) and a value. */
struct hr_kv_lmdb_item {
    MDB_val key;
    MDB_val value;
    bool absent; /* a check's */
};

/* A commit or an increment; one allocation with all its keys and values. */
struct hr_kv_lmdb_op {
    struct hr_list node;
    struct hr_kv_lmdb_port *port;
    enum hr_kv_lmdb_op_kind kind;
    size_t bytes;
    size_t check_count;
    size_t put_count;
    size_t delete_count;
    struct hr_kv_lmdb_item *items; /* checks, puts, deletes; an increment's key */
    uint64_t delta;                /* an increment's */
    uint64_t sum;                  /* what it gave */
    enum hr_err err;
    size_t conflict;
    char detail[HR_KV_LMDB_DETAIL_BYTES_MAX];
    union {
        hr_kv_commit_cb commit;
        hr_kv_increment_cb increment;
    } cb;
    void *arg;
};

/* lmdb_open.c: what an error of LMDB's or of the system means. */
enum hr_err hr_kv_lmdb_err(int rc);
/* Opens folder and database; the threads' locks and the writer are not there yet. */
HR_MUST_CHECK enum hr_err hr_kv_lmdb_open_folder(struct hr_str rest,
                                                 enum hr_kv_durability durability,
                                                 struct hr_kv_lmdb **ret_kv, struct hr_diag *diag);
/* Releases all that opening the folder took. */
void hr_kv_lmdb_release(struct hr_kv_lmdb *kv);

/* lmdb_env.c: the environment, under env_lock. They return LMDB's code. */
int hr_kv_lmdb_env_open(struct hr_kv_lmdb *kv);
void hr_kv_lmdb_env_close(struct hr_kv_lmdb *kv);
/* Doubles the map. MDB_MAP_FULL if it is as large as it may be. */
int hr_kv_lmdb_env_grow(struct hr_kv_lmdb *kv);
/* Takes over a size that somebody else gave the file. */
int hr_kv_lmdb_env_adopt(struct hr_kv_lmdb *kv);
/* After a fatal error: closes the environment, with every port's transaction, and opens it again. */
int hr_kv_lmdb_env_reopen(struct hr_kv_lmdb *kv);
/* Begins a port's read transaction and resets it. */
int hr_kv_lmdb_env_reader(struct hr_kv_lmdb *kv, MDB_txn **ret_txn);

/* lmdb_checkpoint.c: what a lazy store can go back to. */
/* Goes back to the checkpoint if there is one of another boot. Before the environment is opened, with
 * the data file's descriptor. *@ret_lossy: it did. */
HR_MUST_CHECK enum hr_err hr_kv_lmdb_checkpoint_recover(struct hr_kv_lmdb *kv, int data_fd,
                                                        bool *ret_lossy, struct hr_diag *diag);
/* Puts all commits on disk, and the checkpoint to them; moves the pin. Returns LMDB's code. */
int hr_kv_lmdb_checkpoint_write(struct hr_kv_lmdb *kv);
/* Puts all commits on disk and removes the checkpoint: the store needs none. */
int hr_kv_lmdb_checkpoint_remove(struct hr_kv_lmdb *kv);
/* Removes the checkpoint, of a database that is gone. */
int hr_kv_lmdb_checkpoint_unlink(struct hr_kv_lmdb *kv);

/* lmdb_read.c: the reading operations of struct hr_kv_ops. */
HR_MUST_CHECK enum hr_err hr_kv_lmdb_read_get_now(struct hr_kv_port *base, struct hr_str bucket,
                                                  struct hr_str key, struct hr_arena *arena,
                                                  struct hr_str *ret_value);
HR_MUST_CHECK enum hr_err hr_kv_lmdb_read_scan_now(struct hr_kv_port *base,
                                                   const struct hr_kv_scan *scan,
                                                   struct hr_arena *arena,
                                                   struct hr_kv_page *ret_page);
HR_MUST_CHECK enum hr_err hr_kv_lmdb_read_get(struct hr_kv_port *base, struct hr_str bucket,
                                              struct hr_str key, hr_kv_get_cb cb, void *arg);
HR_MUST_CHECK enum hr_err hr_kv_lmdb_read_scan(struct hr_kv_port *base,
                                               const struct hr_kv_scan *scan,
                                               struct hr_arena *arena, hr_kv_scan_cb cb, void *arg);

/* lmdb.c: one operation of the port has ended, its callback has run. */
void hr_kv_lmdb_port_drop(struct hr_kv_lmdb_port *port);

/* lmdb_writer.c */
HR_MUST_CHECK enum hr_err hr_kv_lmdb_writer_start(struct hr_kv_lmdb *kv, struct hr_diag *diag);
/* Finishes the queue and joins the thread. */
void hr_kv_lmdb_writer_stop(struct hr_kv_lmdb *kv);
/* Puts operations on the done lists of their ports. Any thread. */
void hr_kv_lmdb_writer_complete(struct hr_list *ops);

#endif
