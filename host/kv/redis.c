/* The Redis store's outside: its ports, and what callers ask of them. redis_impl.h has the way that
 * an operation goes. Reads never answer at once: hr_kv_get_now and hr_kv_scan_now say HR_AGAIN. */
#include "host/kv/redis.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "host/kv/redis_impl.h"

static struct hr_kv_redis_port *port_of(struct hr_kv_port *base)
{
    return (struct hr_kv_redis_port *)base; /* its first member */
}

static struct hr_kv_redis *store_of(struct hr_kv *base)
{
    return (struct hr_kv_redis *)base; /* its first member */
}

/* ---- operations ---- */

static enum hr_err get_now(struct hr_kv_port *base, struct hr_str bucket, struct hr_str key,
                           struct hr_arena *arena, struct hr_str *ret_value)
{
    (void)bucket;
    (void)key;
    (void)arena;
    (void)ret_value;
    return port_of(base)->state == HR_KV_REDIS_PORT_OPEN ? HR_AGAIN : HR_CLOSED;
}

static enum hr_err scan_now(struct hr_kv_port *base, const struct hr_kv_scan *scan,
                            struct hr_arena *arena, struct hr_kv_page *ret_page)
{
    (void)scan;
    (void)arena;
    (void)ret_page;
    return port_of(base)->state == HR_KV_REDIS_PORT_OPEN ? HR_AGAIN : HR_CLOSED;
}

static enum hr_err get(struct hr_kv_port *base, struct hr_str bucket, struct hr_str key,
                       hr_kv_get_cb cb, void *arg)
{
    struct hr_kv_redis_writer writer = {0};
    struct hr_kv_redis_op *op;
    hr_kv_redis_write_get(&writer, bucket, key);
    enum hr_err err = hr_kv_redis_op_new(port_of(base), HR_KV_REDIS_OP_GET, writer.len, &op);
    if (err) {
        return err;
    }
    writer = (struct hr_kv_redis_writer){.to = op->command};
    hr_kv_redis_write_get(&writer, bucket, key);
    op->cb.get = cb;
    op->arg = arg;
    atomic_fetch_add(&store_of(base->kv)->reads, 1);
    return hr_kv_redis_submit(port_of(base), op);
}

static enum hr_err scan(struct hr_kv_port *base, const struct hr_kv_scan *what,
                        struct hr_arena *arena, hr_kv_scan_cb cb, void *arg)
{
    struct hr_kv_redis *kv = store_of(base->kv);
    const char *sha = kv->shas.of[HR_KV_REDIS_SCAN];
    struct hr_kv_redis_writer writer = {0};
    struct hr_kv_redis_op *op;
    hr_kv_redis_write_scan(&writer, sha, what);
    enum hr_err err = hr_kv_redis_op_new(port_of(base), HR_KV_REDIS_OP_SCAN, writer.len, &op);
    if (err) {
        return err;
    }
    writer = (struct hr_kv_redis_writer){.to = op->command};
    hr_kv_redis_write_scan(&writer, sha, what);
    op->arena = arena;
    op->keys_only = what->keys_only;
    op->limit = what->limit;
    op->cb.scan = cb;
    op->arg = arg;
    atomic_fetch_add(&kv->reads, 1);
    return hr_kv_redis_submit(port_of(base), op);
}

static enum hr_err commit(struct hr_kv_port *base, const struct hr_kv_commit *what,
                          hr_kv_commit_cb cb, void *arg)
{
    const char *sha = store_of(base->kv)->shas.of[HR_KV_REDIS_COMMIT];
    struct hr_kv_redis_writer writer = {0};
    struct hr_kv_redis_op *op;
    hr_kv_redis_write_commit(&writer, sha, what);
    enum hr_err err = hr_kv_redis_op_new(port_of(base), HR_KV_REDIS_OP_COMMIT, writer.len, &op);
    if (err) {
        return err;
    }
    writer = (struct hr_kv_redis_writer){.to = op->command};
    hr_kv_redis_write_commit(&writer, sha, what);
    op->cb.commit = cb;
    op->arg = arg;
    return hr_kv_redis_submit(port_of(base), op);
}

static enum hr_err increment(struct hr_kv_port *base, struct hr_str bucket, struct hr_str key,
                             uint64_t delta, hr_kv_increment_cb cb, void *arg)
{
    const char *sha = store_of(base->kv)->shas.of[HR_KV_REDIS_INCREMENT];
    struct hr_kv_redis_writer writer = {0};
    struct hr_kv_redis_op *op;
    hr_kv_redis_write_increment(&writer, sha, bucket, key, delta);
    enum hr_err err = hr_kv_redis_op_new(port_of(base), HR_KV_REDIS_OP_INCREMENT, writer.len, &op);
    if (err) {
        return err;
    }
    writer = (struct hr_kv_redis_writer){.to = op->command};
    hr_kv_redis_write_increment(&writer, sha, bucket, key, delta);
    op->cb.increment = cb;
    op->arg = arg;
    return hr_kv_redis_submit(port_of(base), op);
}

/* ---- ports ---- */

static void on_closed(void *arg)
{
    struct hr_kv_redis_port *port = arg;
    struct hr_kv_redis *kv = store_of(port->base.kv);
    hr_kv_closed_cb cb = port->closed_cb;
    void *cb_arg = port->closed_arg;
    uv_mutex_lock(&kv->lock);
    kv->port_count--;
    uv_mutex_unlock(&kv->lock);
    hr_free(port);
    cb(cb_arg);
}

static bool is_idle(const struct hr_kv_redis_port *port)
{
    return hr_list_empty(&port->waiting) && hr_list_empty(&port->sent) &&
           hr_list_empty(&port->held) && hr_list_empty(&port->returned) &&
           port->open_handles == 0 && !port->flush_posted;
}

/* Closing: what is on its way is waited for, then the connection goes, then its handle. */
void hr_kv_redis_port_settle(struct hr_kv_redis_port *port)
{
    if (port->state != HR_KV_REDIS_PORT_CLOSING) {
        return;
    }
    if (port->link != HR_KV_REDIS_LINK_CLOSED) {
        if (!hr_list_empty(&port->sent)) {
            return;
        }
        hr_kv_redis_link_close(port);
        hr_kv_redis_queue_close(port);
    }
    if (is_idle(port) && port->state == HR_KV_REDIS_PORT_CLOSING) {
        port->state = HR_KV_REDIS_PORT_CLOSED;
        hr_loop_timer_stop(port->base.loop, &port->op_timer);
        hr_loop_timer_stop(port->base.loop, &port->beat_timer);
        hr_loop_post(port->base.loop, &port->closed_task);
    }
}

static void port_close(struct hr_kv_port *base, hr_kv_closed_cb cb, void *arg)
{
    struct hr_kv_redis_port *port = port_of(base);
    HR_ASSERT(port->state == HR_KV_REDIS_PORT_OPEN);
    port->state = HR_KV_REDIS_PORT_CLOSING;
    port->closed_cb = cb;
    port->closed_arg = arg;
    hr_kv_redis_post_flush(port);
}

static enum hr_err port_open(struct hr_kv *base, struct hr_loop *loop, struct hr_kv_port **ret_port,
                             struct hr_diag *diag)
{
    struct hr_kv_redis *kv = store_of(base);
    struct hr_kv_redis_port *port = hr_alloc(sizeof *port);
    if (!port) {
        return hr_diag_set(diag, HR_NO_MEMORY, "no memory for a port of the store");
    }
    uv_mutex_lock(&kv->lock);
    bool full = kv->port_count == HR_KV_PORTS_MAX;
    kv->port_count += !full;
    uv_mutex_unlock(&kv->lock);
    if (full) {
        hr_free(port);
        return hr_diag_set(diag, HR_BUSY, "store %s has %u loops already", kv->url.shown,
                           HR_KV_PORTS_MAX);
    }
    port->base.kv = base;
    port->base.loop = loop;
    hr_task_init(&port->closed_task, on_closed, port);
    hr_kv_redis_queue_init(port);
    hr_kv_redis_link_start(port);
    *ret_port = &port->base;
    return HR_OK;
}

/* ---- the store ---- */

static void stats(struct hr_kv *base, struct hr_kv_stats *ret_stats)
{
    struct hr_kv_redis *kv = store_of(base);
    uint64_t commits = atomic_load(&kv->commits);
    *ret_stats = (struct hr_kv_stats){
        .reads = atomic_load(&kv->reads),
        .commits = commits,
        .conflicts = atomic_load(&kv->conflicts),
        .errors = atomic_load(&kv->errors),
        .syncs = commits, /* the server groups them, and does not say how */
        .map_bytes = atomic_load(&kv->taken_bytes),
        .map_bytes_used = atomic_load(&kv->used_bytes),
        .queued = atomic_load(&kv->queued),
        .unremembered = atomic_load(&kv->unremembered),
    };
}

static void close_store(struct hr_kv *base)
{
    struct hr_kv_redis *kv = store_of(base);
    HR_ASSERT(kv->port_count == 0);
    hr_kv_redis_recent_release(kv);
    uv_mutex_destroy(&kv->lock);
    hr_free(kv);
}

static const struct hr_kv_ops ops = {
    .name = "redis",
    .port_open = port_open,
    .port_close = port_close,
    .get_now = get_now,
    .scan_now = scan_now,
    .get = get,
    .scan = scan,
    .commit = commit,
    .increment = increment,
    .lost = hr_kv_redis_lost,
    .lost_forget = hr_kv_redis_lost_forget,
    .stats = stats,
    .close = close_store,
};

static enum hr_err open_store(struct hr_str rest, bool tls, enum hr_kv_durability durability,
                              struct hr_kv **ret_kv, struct hr_diag *diag)
{
    struct hr_kv_redis *kv = hr_alloc(sizeof *kv);
    if (!kv) {
        return hr_diag_set(diag, HR_NO_MEMORY, "no memory for a store");
    }
    kv->base.ops = &ops;
    kv->base.durability = durability;
    hr_kv_redis_recent_init(kv);
    enum hr_err err = hr_kv_redis_url_read(rest, tls, &kv->url, diag);
    if (!err && tls && !hr_hiredis_has_tls()) {
        err = hr_diag_set(diag, HR_UNSUPPORTED,
                          "store %s: this build has no TLS (its hiredis is older than 1.0): use "
                          "redis:// on a private network or through a tunnel, or build with "
                          "hiredis 1.0 and its hiredis_ssl",
                          kv->url.shown);
    }
    if (!err) {
        err = hr_kv_redis_open_server(kv, diag);
    }
    if (!err && uv_mutex_init(&kv->lock) != 0) {
        err = hr_diag_set(diag, HR_NO_MEMORY, "no memory for the store's lock");
    }
    if (err) {
        hr_free(kv);
        return err;
    }
    *ret_kv = &kv->base;
    return HR_OK;
}

enum hr_err hr_kv_redis_open(struct hr_str rest, enum hr_kv_durability durability,
                             struct hr_kv **ret_kv, struct hr_diag *diag)
{
    return open_store(rest, false, durability, ret_kv, diag);
}

enum hr_err hr_kv_redis_open_tls(struct hr_str rest, enum hr_kv_durability durability,
                                 struct hr_kv **ret_kv, struct hr_diag *diag)
{
    return open_store(rest, true, durability, ret_kv, diag);
}
