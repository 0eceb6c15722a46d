/* The one thread that writes. It takes what waits in the queue as one group, does it in one LMDB
 * transaction, in order, and commits that with one sync: the more waits, the less a commit costs.
 *
 * A commit's checks see the commits before it in the group. A check that fails, or a value that is
 * no number, ends that operation before it has written anything; sizes were checked before it was
 * queued. So whatever fails in the middle (the map, the disk, memory) fails the transaction, and no
 * nested transactions are needed: they cost LMDB a fifth to a third of its time (bench/store). A group
 * that fails for space or memory is done again one by one, so that what fits goes through.
 *
 * This file decides what a failure means: map full: grow and try again; disk full: HR_NO_SPACE, and
 * all is as before; the meta page could not be written: HR_UNKNOWN_OUTCOME, and the environment is
 * opened anew. */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "host/kv/lmdb_impl.h"

#define FREE_TREE 0u /* LMDB's number of the tree of free pages */
#define PROBE_BYTES_MAX 65536u
#define META_PAGES 2u
/* Some 0.1 ms of work, after which other threads that wait for the processor go first: kernels that are built for throughput
 * leave a thread running for up to 4 ms (bench/README.md, recovery). */
#define PUTS_PER_TURN 32u

static struct hr_kv_lmdb_op *op_of(struct hr_list *node)
{
    return HR_LIST_OWNER(node, struct hr_kv_lmdb_op, node);
}

static int check_holds(MDB_txn *txn, MDB_dbi dbi, struct hr_kv_lmdb_item *check, bool *ret_holds)
{
    MDB_val value;
    int rc = mdb_get(txn, dbi, &check->key, &value);
    if (rc == MDB_NOTFOUND) {
        *ret_holds = check->absent;
        return 0;
    }
    *ret_holds = !rc && !check->absent && value.mv_size == check->value.mv_size &&
                 memcmp(value.mv_data, check->value.mv_data, value.mv_size) == 0;
    return rc;
}

static int do_commit(MDB_txn *txn, MDB_dbi dbi, struct hr_kv_lmdb_op *op)
{
    struct hr_kv_lmdb_item *item = op->items;
    int rc = 0;
    for (size_t i = 0; i < op->check_count; i++, item++) {
        bool holds;
        rc = check_holds(txn, dbi, item, &holds);
        if (rc) {
            return rc;
        }
        if (!holds) {
            op->err = HR_CONFLICT;
            op->conflict = i;
            return 0;
        }
    }
    for (size_t i = 0; !rc && i < op->put_count; i++, item++) {
        if (i % PUTS_PER_TURN == PUTS_PER_TURN - 1) {
            sched_yield();
        }
        rc = mdb_put(txn, dbi, &item->key, &item->value, 0);
    }
    for (size_t i = 0; !rc && i < op->delete_count; i++, item++) {
        rc = mdb_del(txn, dbi, &item->key, NULL);
        rc = rc == MDB_NOTFOUND ? 0 : rc;
    }
    return rc;
}

static int do_increment(MDB_txn *txn, MDB_dbi dbi, struct hr_kv_lmdb_op *op)
{
    uint64_t number = 0;
    MDB_val value;
    int rc = mdb_get(txn, dbi, &op->items[0].key, &value);
    if (rc && rc != MDB_NOTFOUND) {
        return rc;
    }
    if (!rc && !hr_str_to_u64(hr_str_of(value.mv_data, value.mv_size), &number)) {
        op->err = HR_BAD_INPUT;
        return 0;
    }
    char text[24];
    op->sum = number + op->delta;
    int len = snprintf(text, sizeof text, "%" PRIu64, op->sum);
    MDB_val sum = {(size_t)len, text};
    return mdb_put(txn, dbi, &op->items[0].key, &sum, 0);
}

/* Space taken and used, for the statistics: of the transaction, before it is committed. */
static uint64_t used_pages(MDB_txn *txn, MDB_dbi dbi)
{
    uint64_t pages = META_PAGES;
    const MDB_dbi trees[] = {FREE_TREE, dbi};
    for (size_t i = 0; i < 2; i++) {
        MDB_stat stat;
        if (mdb_stat(txn, trees[i], &stat) == 0) {
            pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
        }
    }
    return pages;
}

static void note_space(struct hr_kv_lmdb *kv, uint64_t pages_used)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(kv->env, &info) == 0 && mdb_env_stat(kv->env, &stat) == 0) {
        atomic_store(&kv->taken_bytes, (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize);
        atomic_store(&kv->used_bytes, pages_used * stat.ms_psize);
    }
}

/* One transaction for all of @ops. Returns LMDB's code; on 0 every operation has its own outcome. */
static int do_group(struct hr_kv_lmdb *kv, struct hr_list *ops)
{
    if (!kv->env) {
        return MDB_PANIC;
    }
    MDB_txn *txn;
    int rc = mdb_txn_begin(kv->env, NULL, 0, &txn);
    if (rc) {
        return rc;
    }
    for (struct hr_list *node = ops->next; !rc && node != ops; node = node->next) {
        struct hr_kv_lmdb_op *op = op_of(node);
        op->err = HR_OK;
        op->conflict = 0;
        rc = op->kind == HR_KV_LMDB_COMMIT ? do_commit(txn, kv->dbi, op)
                                           : do_increment(txn, kv->dbi, op);
    }
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    uint64_t pages = used_pages(txn, kv->dbi);
    rc = mdb_txn_commit(txn);
    if (!rc) {
        note_space(kv, pages);
    }
    return rc;
}

/* LMDB says EIO for a write that was cut short, which is how a disk becomes full. Tells the two apart
 * by asking for a little more space behind the file's end. */
static int full_or_broken(struct hr_kv_lmdb *kv)
{
    static const char zeros[PROBE_BYTES_MAX];
    int fd;
    struct stat st;
    if (mdb_env_get_fd(kv->env, &fd) != 0 || fstat(fd, &st) != 0) {
        return EIO;
    }
    ssize_t n = pwrite(fd, zeros, sizeof zeros, st.st_size);
    int rc = n < 0 ? errno : EIO;
    if (n >= 0 && (size_t)n < sizeof zeros) {
        rc = ENOSPC;
    }
    if (n > 0 && ftruncate(fd, st.st_size) != 0) {
        rc = EIO;
    }
    return hr_kv_lmdb_err(rc) == HR_NO_SPACE ? rc : EIO;
}

/* Whether the environment can be used no more: LMDB says so when a transaction begins. */
static bool is_fatal(struct hr_kv_lmdb *kv)
{
    MDB_txn *txn;
    int rc = kv->env ? mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn) : MDB_PANIC;
    if (rc == 0) {
        mdb_txn_abort(txn);
    }
    return rc == MDB_PANIC;
}

/* Does the group, with a larger map if it takes one. */
static int do_group_growing(struct hr_kv_lmdb *kv, struct hr_list *ops)
{
    for (;;) {
        int rc = do_group(kv, ops);
        if (rc == MDB_MAP_FULL) {
            rc = hr_kv_lmdb_env_grow(kv); /* ends: the size doubles up to a maximum */
        } else if (rc == MDB_MAP_RESIZED) {
            rc = hr_kv_lmdb_env_adopt(kv);
        } else {
            return rc == EIO && !is_fatal(kv) ? full_or_broken(kv) : rc;
        }
        if (rc) {
            return rc;
        }
    }
}

static void fail_group(struct hr_kv_lmdb *kv, struct hr_list *ops, enum hr_err err, int rc)
{
    for (struct hr_list *node = ops->next; node != ops; node = node->next) {
        struct hr_kv_lmdb_op *op = op_of(node);
        op->err = err;
        if (kv->failure[0]) {
            snprintf(op->detail, sizeof op->detail, "lmdb: %s", kv->failure);
        } else {
            snprintf(op->detail, sizeof op->detail, "lmdb: %s%s", mdb_strerror(rc),
                     rc == MDB_MAP_FULL ? " (the store's max=)" : "");
        }
    }
}

/* LMDB's environment is done for. If that came with the commit, the meta page could not be written,
 * and whether the disk has it is unknown. */
static void fail_fatally(struct hr_kv_lmdb *kv, struct hr_list *ops, int rc)
{
    fail_group(kv, ops, rc == MDB_PANIC ? HR_IO : HR_UNKNOWN_OUTCOME, rc);
    rc = hr_kv_lmdb_env_reopen(kv);
    if (rc && !kv->failure[0]) {
        snprintf(kv->failure, sizeof kv->failure, "opening it again failed (%s); restart",
                 mdb_strerror(rc));
    }
}

static void count(struct hr_kv_lmdb *kv, struct hr_list *ops)
{
    uint64_t commits = 0;
    uint64_t conflicts = 0;
    uint64_t errors = 0;
    for (struct hr_list *node = ops->next; node != ops; node = node->next) {
        enum hr_err err = op_of(node)->err;
        commits += err == HR_OK;
        conflicts += err == HR_CONFLICT;
        errors += err != HR_OK && err != HR_CONFLICT;
    }
    atomic_fetch_add(&kv->commits, commits);
    atomic_fetch_add(&kv->conflicts, conflicts);
    atomic_fetch_add(&kv->errors, errors);
    atomic_fetch_add(&kv->syncs, commits > 0);
    if (commits > 0 && kv->base.durability == HR_KV_LAZY && kv->unsynced_ns == 0) {
        kv->unsynced_ns = hr_now_ns();
    }
}

static void settle_group(struct hr_kv_lmdb *kv, struct hr_list *ops);

static void settle_one_by_one(struct hr_kv_lmdb *kv, struct hr_list *ops)
{
    struct hr_list settled;
    hr_list_init(&settled);
    struct hr_list *node;
    while ((node = hr_list_pop_front(ops))) {
        struct hr_list single;
        hr_list_init(&single);
        hr_list_push_back(&single, node);
        settle_group(kv, &single);
        hr_list_move_all(&settled, &single);
    }
    hr_list_move_all(ops, &settled);
}

/* Gives every operation of the group its outcome. */
static void settle_group(struct hr_kv_lmdb *kv, struct hr_list *ops)
{
    bool one = ops->next == ops->prev;
    int rc = kv->failure[0] ? EIO : do_group_growing(kv, ops);
    enum hr_err err = hr_kv_lmdb_err(rc);
    if (rc && !kv->failure[0] && is_fatal(kv)) {
        fail_fatally(kv, ops, rc);
    } else if ((err == HR_NO_SPACE || err == HR_NO_MEMORY) && !one && !kv->failure[0]) {
        settle_one_by_one(kv, ops);
        return;
    } else if (rc) {
        fail_group(kv, ops, err, rc);
    }
    count(kv, ops);
}

void hr_kv_lmdb_writer_complete(struct hr_list *ops)
{
    struct hr_list touched;
    hr_list_init(&touched);
    struct hr_list *node;
    while ((node = hr_list_pop_front(ops))) {
        struct hr_kv_lmdb_port *port = op_of(node)->port;
        uv_mutex_lock(&port->done_lock);
        hr_list_push_back(&port->done, node);
        bool first = !port->done_posted;
        port->done_posted = true;
        uv_mutex_unlock(&port->done_lock);
        if (first) { /* it stays: nobody empties the list before the post below */
            hr_list_push_back(&touched, &port->touched);
        }
    }
    while ((node = hr_list_pop_front(&touched))) {
        struct hr_kv_lmdb_port *port = HR_LIST_OWNER(node, struct hr_kv_lmdb_port, touched);
        hr_loop_post(port->base.loop, &port->done_task);
    }
}

/* When the lazy store has to be synced; UINT64_MAX: there is nothing to sync. */
static uint64_t sync_due_ns(const struct hr_kv_lmdb *kv)
{
    if (kv->unsynced_ns == 0 || kv->failure[0]) {
        return UINT64_MAX;
    }
    return kv->unsynced_ns + (uint64_t)kv->options.lazy_ms * 1000000u;
}

/* Waits for work, at most until @due_ns; moves a group to @ret_ops. False: the queue is empty and the
 * store closes. */
static bool take_group(struct hr_kv_lmdb *kv, uint64_t due_ns, struct hr_list *ret_ops)
{
    uv_mutex_lock(&kv->queue_lock);
    while (hr_list_empty(&kv->queue) && !kv->stopping) {
        uint64_t now_ns = hr_now_ns();
        if (due_ns == UINT64_MAX) {
            uv_cond_wait(&kv->queue_filled, &kv->queue_lock);
        } else if (now_ns >= due_ns ||
                   uv_cond_timedwait(&kv->queue_filled, &kv->queue_lock, due_ns - now_ns) != 0) {
            break;
        }
    }
    size_t bytes = 0;
    for (uint32_t i = 0; i < HR_KV_LMDB_GROUP_MAX && !hr_list_empty(&kv->queue); i++) {
        struct hr_kv_lmdb_op *op = op_of(kv->queue.next);
        if (i > 0 && bytes + op->bytes > HR_KV_LMDB_GROUP_BYTES_MAX) {
            break;
        }
        bytes += op->bytes;
        hr_list_remove(&op->node);
        hr_list_push_back(ret_ops, &op->node);
    }
    bool more = !kv->stopping || !hr_list_empty(ret_ops);
    uv_mutex_unlock(&kv->queue_lock);
    return more;
}

/* Leaves the group's place in the queue to others; before its callbacks can queue more. */
static void give_back(struct hr_kv_lmdb *kv, struct hr_list *ops)
{
    for (struct hr_list *node = ops->next; node != ops; node = node->next) {
        atomic_fetch_sub(&kv->queued, 1);
        atomic_fetch_sub(&kv->queued_bytes, op_of(node)->bytes);
    }
}

static void run(void *arg)
{
    struct hr_kv_lmdb *kv = arg;
    struct hr_list ops;
    hr_list_init(&ops);
    uint64_t due_ns = UINT64_MAX;
    while (take_group(kv, due_ns, &ops)) {
        uv_mutex_lock(&kv->env_lock);
        if (!hr_list_empty(&ops)) {
            settle_group(kv, &ops);
        }
        if (hr_now_ns() >= sync_due_ns(kv) && hr_kv_lmdb_checkpoint_write(kv) != 0) {
            atomic_fetch_add(&kv->errors, 1);
            kv->unsynced_ns = hr_now_ns(); /* again after the same time */
        }
        due_ns = sync_due_ns(kv);
        uv_mutex_unlock(&kv->env_lock);
        give_back(kv, &ops);
        hr_kv_lmdb_writer_complete(&ops);
    }
}

/* Signals are the main thread's, except those that a thread brings on itself. */
static void block_signals(sigset_t *ret_before)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        sigdelset(&set, own[i]);
    }
    pthread_sigmask(SIG_SETMASK, &set, ret_before);
}

enum hr_err hr_kv_lmdb_writer_start(struct hr_kv_lmdb *kv, struct hr_diag *diag)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn);
    if (rc) {
        return hr_diag_set(diag, hr_kv_lmdb_err(rc), "store %s: %s", kv->folder, mdb_strerror(rc));
    }
    note_space(kv, used_pages(txn, kv->dbi));
    mdb_txn_abort(txn);
    sigset_t before;
    block_signals(&before);
    rc = uv_thread_create(&kv->writer, run, kv);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? HR_OK
                   : hr_diag_set(diag, HR_NO_MEMORY, "the writer's thread: %s", uv_strerror(rc));
}

void hr_kv_lmdb_writer_stop(struct hr_kv_lmdb *kv)
{
    uv_mutex_lock(&kv->queue_lock);
    kv->stopping = true;
    uv_cond_signal(&kv->queue_filled);
    uv_mutex_unlock(&kv->queue_lock);
    int rc = uv_thread_join(&kv->writer);
    HR_ASSERT(rc == 0);
}
