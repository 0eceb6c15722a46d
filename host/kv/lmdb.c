/* The LMDB store's outside: its ports, and the way of commits from them to the writer and back.
 * lmdb_impl.h has the threads and locks. */
#include "host/kv/lmdb.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "host/kv/lmdb_impl.h"

static struct hr_kv_lmdb_port *port_of(struct hr_kv_port *base)
{
    return (struct hr_kv_lmdb_port *)base; /* its first member */
}

static struct hr_kv_lmdb *store_of(struct hr_kv *base)
{
    return (struct hr_kv_lmdb *)base; /* its first member */
}

static struct hr_kv_lmdb *port_store(struct hr_kv_lmdb_port *port)
{
    return store_of(port->base.kv);
}

/* Hands what this round of the loop has committed to the writer, in one go. */
static void flush(void *arg)
{
    struct hr_kv_lmdb_port *port = arg;
    struct hr_kv_lmdb *kv = port_store(port);
    port->flush_posted = false;
    if (!hr_list_empty(&port->staged)) {
        uv_mutex_lock(&kv->queue_lock);
        hr_list_move_all(&kv->queue, &port->staged);
        uv_cond_signal(&kv->queue_filled);
        uv_mutex_unlock(&kv->queue_lock);
    }
    if (port->state == HR_KV_LMDB_PORT_CLOSING) {
        port->pending++;
        hr_kv_lmdb_port_drop(port);
    }
}

/* Takes a place in the queue. */
static bool reserve(struct hr_kv_lmdb *kv, size_t bytes)
{
    uint64_t queued = atomic_fetch_add(&kv->queued, 1);
    uint64_t queued_bytes = atomic_fetch_add(&kv->queued_bytes, bytes);
    if (queued < HR_KV_QUEUE_MAX && queued_bytes + bytes <= HR_KV_QUEUE_BYTES_MAX) {
        return true;
    }
    atomic_fetch_sub(&kv->queued, 1);
    atomic_fetch_sub(&kv->queued_bytes, bytes);
    return false;
}

/* Takes @op if it can be queued, else frees it. */
static enum hr_err submit(struct hr_kv_lmdb_port *port, struct hr_kv_lmdb_op *op)
{
    if (!reserve(port_store(port), op->bytes)) {
        hr_free(op);
        return HR_BUSY;
    }
    hr_list_push_back(&port->staged, &op->node);
    port->pending++;
    if (!port->flush_posted) {
        port->flush_posted = true;
        hr_loop_post(port->base.loop, &port->flush_task);
    }
    return HR_OK;
}

static void finish(struct hr_kv_lmdb_op *op)
{
    if (op->kind == HR_KV_LMDB_COMMIT) {
        op->cb.commit(op->arg, op->err, op->conflict, op->detail);
    } else {
        op->cb.increment(op->arg, op->err, op->sum);
    }
}

/* Runs the callbacks of what is done. */
static void on_done(void *arg)
{
    struct hr_kv_lmdb_port *port = arg;
    struct hr_list done;
    hr_list_init(&done);
    uv_mutex_lock(&port->done_lock);
    hr_list_move_all(&done, &port->done);
    port->done_posted = false;
    uv_mutex_unlock(&port->done_lock);
    struct hr_list *node;
    while ((node = hr_list_pop_front(&done))) {
        struct hr_kv_lmdb_op *op = HR_LIST_OWNER(node, struct hr_kv_lmdb_op, node);
        finish(op);
        hr_free(op);
        hr_kv_lmdb_port_drop(port);
    }
}

/* An operation with room for @count keys and values of @bytes, bucket names included. */
static enum hr_err new_op(struct hr_kv_lmdb_port *port, size_t count, size_t bytes,
                          struct hr_kv_lmdb_op **ret_op, char **ret_bytes)
{
    if (port->state != HR_KV_LMDB_PORT_OPEN) {
        return HR_CLOSED;
    }
    size_t items_bytes = count * sizeof(struct hr_kv_lmdb_item);
    struct hr_kv_lmdb_op *op = hr_alloc(sizeof *op + items_bytes + bytes);
    if (!op) {
        return HR_NO_MEMORY;
    }
    hr_list_init(&op->node);
    op->port = port;
    op->bytes = sizeof *op + items_bytes + bytes;
    op->items = (struct hr_kv_lmdb_item *)(op + 1);
    *ret_op = op;
    *ret_bytes = (char *)(op->items + count);
    return HR_OK;
}

static MDB_val put_key(char **to, struct hr_str bucket, struct hr_str key)
{
    MDB_val copy = {hr_kv_lmdb_join(bucket, key, *to), *to};
    *to += copy.mv_size;
    return copy;
}

static MDB_val put_value(char **to, struct hr_str value)
{
    MDB_val copy = {value.len, *to};
    if (value.len > 0) {
        memcpy(*to, value.ptr, value.len);
    }
    *to += value.len;
    return copy;
}

static size_t commit_bytes(const struct hr_kv_commit *commit)
{
    size_t keys = commit->check_count + commit->put_count + commit->delete_count;
    size_t bytes = keys * (1 + commit->bucket.len);
    for (size_t i = 0; i < commit->check_count; i++) {
        bytes += commit->checks[i].key.len;
        bytes += commit->checks[i].absent ? 0 : commit->checks[i].value.len;
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        bytes += commit->puts[i].key.len + commit->puts[i].value.len;
    }
    for (size_t i = 0; i < commit->delete_count; i++) {
        bytes += commit->deletes[i].len;
    }
    return bytes;
}

static void copy_commit(const struct hr_kv_commit *commit, struct hr_kv_lmdb_op *op, char *to)
{
    struct hr_kv_lmdb_item *item = op->items;
    for (size_t i = 0; i < commit->check_count; i++, item++) {
        const struct hr_kv_check *check = &commit->checks[i];
        item->key = put_key(&to, commit->bucket, check->key);
        item->absent = check->absent;
        item->value = put_value(&to, check->absent ? (struct hr_str){0} : check->value);
    }
    for (size_t i = 0; i < commit->put_count; i++, item++) {
        item->key = put_key(&to, commit->bucket, commit->puts[i].key);
        item->value = put_value(&to, commit->puts[i].value);
    }
    for (size_t i = 0; i < commit->delete_count; i++, item++) {
        item->key = put_key(&to, commit->bucket, commit->deletes[i]);
    }
}

static enum hr_err commit(struct hr_kv_port *base, const struct hr_kv_commit *what,
                          hr_kv_commit_cb cb, void *arg)
{
    struct hr_kv_lmdb_port *port = port_of(base);
    struct hr_kv_lmdb_op *op;
    char *bytes;
    size_t count = what->check_count + what->put_count + what->delete_count;
    enum hr_err err = new_op(port, count, commit_bytes(what), &op, &bytes);
    if (err) {
        return err;
    }
    op->kind = HR_KV_LMDB_COMMIT;
    op->check_count = what->check_count;
    op->put_count = what->put_count;
    op->delete_count = what->delete_count;
    op->cb.commit = cb;
    op->arg = arg;
    copy_commit(what, op, bytes);
    return submit(port, op);
}

static enum hr_err increment(struct hr_kv_port *base, struct hr_str bucket, struct hr_str key,
                             uint64_t delta, hr_kv_increment_cb cb, void *arg)
{
    struct hr_kv_lmdb_port *port = port_of(base);
    struct hr_kv_lmdb_op *op;
    char *bytes;
    enum hr_err err = new_op(port, 1, 1 + bucket.len + key.len, &op, &bytes);
    if (err) {
        return err;
    }
    op->kind = HR_KV_LMDB_INCREMENT;
    op->items[0].key = put_key(&bytes, bucket, key);
    op->delta = delta;
    op->cb.increment = cb;
    op->arg = arg;
    return submit(port, op);
}

static void release_port(struct hr_kv_lmdb_port *port)
{
    if (port->read_txn) {
        mdb_txn_abort(port->read_txn);
    }
    uv_mutex_destroy(&port->done_lock);
    uv_mutex_destroy(&port->read_lock);
    hr_free(port);
}

static void on_closed(void *arg)
{
    struct hr_kv_lmdb_port *port = arg;
    struct hr_kv_lmdb *kv = port_store(port);
    hr_kv_closed_cb cb = port->closed_cb;
    void *cb_arg = port->closed_arg;
    uv_mutex_lock(&kv->ports_lock);
    hr_list_remove(&port->node);
    kv->port_count--;
    kv->closed_reads += atomic_load(&port->reads);
    release_port(port); /* its transaction too: while nobody can reopen the environment */
    uv_mutex_unlock(&kv->ports_lock);
    cb(cb_arg);
}

void hr_kv_lmdb_port_drop(struct hr_kv_lmdb_port *port)
{
    HR_ASSERT(port->pending > 0);
    port->pending--;
    if (port->state == HR_KV_LMDB_PORT_CLOSING && port->pending == 0 && !port->flush_posted) {
        port->state = HR_KV_LMDB_PORT_CLOSED;
        hr_loop_post(port->base.loop, &port->closed_task);
    }
}

static enum hr_err make_port_locks(struct hr_kv_lmdb_port *port)
{
    if (uv_mutex_init(&port->read_lock) != 0) {
        return HR_NO_MEMORY;
    }
    if (uv_mutex_init(&port->done_lock) != 0) {
        uv_mutex_destroy(&port->read_lock);
        return HR_NO_MEMORY;
    }
    return HR_OK;
}

/* Gives the port a transaction and a place in the list; under one lock, so that reopening the
 * environment misses neither. */
static enum hr_err add_port(struct hr_kv_lmdb *kv, struct hr_kv_lmdb_port *port,
                            struct hr_diag *diag)
{
    uv_mutex_lock(&kv->env_lock);
    uv_mutex_lock(&kv->ports_lock);
    enum hr_err err = HR_OK;
    if (kv->port_count == HR_KV_PORTS_MAX) {
        err = hr_diag_set(diag, HR_BUSY, "store %s has %u loops already", kv->folder,
                          HR_KV_PORTS_MAX);
    } else {
        int rc = hr_kv_lmdb_env_reader(kv, &port->read_txn);
        if (rc == MDB_MAP_RESIZED) {
            uv_mutex_unlock(&kv->ports_lock);
            rc = hr_kv_lmdb_env_adopt(kv);
            uv_mutex_lock(&kv->ports_lock);
            rc = rc ? rc : hr_kv_lmdb_env_reader(kv, &port->read_txn);
        }
        if (rc) {
            err =
                hr_diag_set(diag, hr_kv_lmdb_err(rc), "store %s: %s", kv->folder, mdb_strerror(rc));
        }
    }
    if (!err) {
        hr_list_push_back(&kv->ports, &port->node);
        kv->port_count++;
    }
    uv_mutex_unlock(&kv->ports_lock);
    uv_mutex_unlock(&kv->env_lock);
    return err;
}

static enum hr_err port_open(struct hr_kv *base, struct hr_loop *loop, struct hr_kv_port **ret_port,
                             struct hr_diag *diag)
{
    struct hr_kv_lmdb_port *port = hr_alloc(sizeof *port);
    if (!port || make_port_locks(port) != HR_OK) {
        hr_free(port);
        return hr_diag_set(diag, HR_NO_MEMORY, "no memory for a port of the store");
    }
    port->base.kv = base;
    port->base.loop = loop;
    hr_list_init(&port->node);
    hr_list_init(&port->staged);
    hr_list_init(&port->done);
    hr_list_init(&port->touched);
    hr_task_init(&port->flush_task, flush, port);
    hr_task_init(&port->done_task, on_done, port);
    hr_task_init(&port->closed_task, on_closed, port);
    enum hr_err err = add_port(store_of(base), port, diag);
    if (err) {
        release_port(port);
        return err;
    }
    *ret_port = &port->base;
    return HR_OK;
}

/* Takes the port's operations that the writer has not taken out of the queue. */
static void withdraw(struct hr_kv_lmdb_port *port, struct hr_list *ret_ops)
{
    struct hr_kv_lmdb *kv = port_store(port);
    struct hr_list others;
    hr_list_init(&others);
    struct hr_list *node;
    uv_mutex_lock(&kv->queue_lock);
    while ((node = hr_list_pop_front(&kv->queue))) {
        struct hr_kv_lmdb_op *op = HR_LIST_OWNER(node, struct hr_kv_lmdb_op, node);
        hr_list_push_back(op->port == port ? ret_ops : &others, node);
    }
    hr_list_move_all(&kv->queue, &others);
    uv_mutex_unlock(&kv->queue_lock);
    hr_list_move_all(ret_ops, &port->staged);
}

static void port_close(struct hr_kv_port *base, hr_kv_closed_cb cb, void *arg)
{
    struct hr_kv_lmdb_port *port = port_of(base);
    struct hr_kv_lmdb *kv = port_store(port);
    HR_ASSERT(port->state == HR_KV_LMDB_PORT_OPEN);
    port->state = HR_KV_LMDB_PORT_CLOSING;
    port->closed_cb = cb;
    port->closed_arg = arg;
    struct hr_list canceled;
    hr_list_init(&canceled);
    withdraw(port, &canceled);
    for (struct hr_list *node = canceled.next; node != &canceled; node = node->next) {
        struct hr_kv_lmdb_op *op = HR_LIST_OWNER(node, struct hr_kv_lmdb_op, node);
        op->err = HR_CANCELED;
        atomic_fetch_sub(&kv->queued, 1);
        atomic_fetch_sub(&kv->queued_bytes, op->bytes);
    }
    hr_kv_lmdb_writer_complete(&canceled);
    port->pending++;
    hr_kv_lmdb_port_drop(port);
}

static void stats(struct hr_kv *base, struct hr_kv_stats *ret_stats)
{
    struct hr_kv_lmdb *kv = store_of(base);
    uint64_t reads = 0;
    uv_mutex_lock(&kv->ports_lock);
    for (struct hr_list *node = kv->ports.next; node != &kv->ports; node = node->next) {
        reads += atomic_load(&HR_LIST_OWNER(node, struct hr_kv_lmdb_port, node)->reads);
    }
    reads += kv->closed_reads;
    uv_mutex_unlock(&kv->ports_lock);
    *ret_stats = (struct hr_kv_stats){
        .reads = reads,
        .commits = atomic_load(&kv->commits),
        .conflicts = atomic_load(&kv->conflicts),
        .errors = atomic_load(&kv->errors),
        .syncs = atomic_load(&kv->syncs),
        .map_bytes = atomic_load(&kv->taken_bytes),
        .map_bytes_used = atomic_load(&kv->used_bytes),
        .queued = atomic_load(&kv->queued),
    };
}

static void destroy_locks(struct hr_kv_lmdb *kv)
{
    uv_cond_destroy(&kv->queue_filled);
    uv_mutex_destroy(&kv->queue_lock);
    uv_mutex_destroy(&kv->ports_lock);
    uv_mutex_destroy(&kv->env_lock);
}

static void close_store(struct hr_kv *base)
{
    struct hr_kv_lmdb *kv = store_of(base);
    HR_ASSERT(kv->port_count == 0);
    hr_kv_lmdb_writer_stop(kv);
    if (kv->base.durability == HR_KV_LAZY && kv->env) {
        /* If this fails the checkpoint stays, and the next opening knows what to do. */
        HR_IGNORE(hr_kv_lmdb_checkpoint_remove(kv));
    }
    destroy_locks(kv);
    hr_kv_lmdb_release(kv);
}

static const struct hr_kv_ops ops = {
    .name = "lmdb",
    .port_open = port_open,
    .port_close = port_close,
    .get_now = hr_kv_lmdb_read_get_now,
    .scan_now = hr_kv_lmdb_read_scan_now,
    .get = hr_kv_lmdb_read_get,
    .scan = hr_kv_lmdb_read_scan,
    .commit = commit,
    .increment = increment,
    .stats = stats,
    .close = close_store,
};

static bool make_locks(struct hr_kv_lmdb *kv)
{
    if (uv_mutex_init(&kv->env_lock) != 0) {
        return false;
    }
    if (uv_mutex_init(&kv->ports_lock) != 0) {
        goto no_ports_lock;
    }
    if (uv_mutex_init(&kv->queue_lock) != 0) {
        goto no_queue_lock;
    }
    if (uv_cond_init(&kv->queue_filled) != 0) {
        goto no_queue_filled;
    }
    return true;
no_queue_filled:
    uv_mutex_destroy(&kv->queue_lock);
no_queue_lock:
    uv_mutex_destroy(&kv->ports_lock);
no_ports_lock:
    uv_mutex_destroy(&kv->env_lock);
    return false;
}

enum hr_err hr_kv_lmdb_open(struct hr_str rest, enum hr_kv_durability durability,
                            struct hr_kv **ret_kv, struct hr_diag *diag)
{
    struct hr_kv_lmdb *kv;
    enum hr_err err = hr_kv_lmdb_open_folder(rest, durability, &kv, diag);
    if (err) {
        return err;
    }
    kv->base.ops = &ops;
    if (!make_locks(kv)) {
        hr_kv_lmdb_release(kv);
        return hr_diag_set(diag, HR_NO_MEMORY, "no memory for the store's locks");
    }
    err = hr_kv_lmdb_writer_start(kv, diag);
    if (err) {
        destroy_locks(kv);
        hr_kv_lmdb_release(kv);
        return err;
    }
    *ret_kv = &kv->base;
    return HR_OK;
}
