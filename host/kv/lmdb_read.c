/* Reads: straight from the map, on the loop's own thread, each in a view of its own that is given up
 * at once (a view that is kept makes the file grow). What was found is copied into the arena before
 * the view ends. get and scan with a callback do the same from a posted task. Loop thread only. */
#include "base/alloc.h"
#include "base/assert.h"
#include "host/kv/lmdb_impl.h"

static struct hr_kv_lmdb_port *port_of(struct hr_kv_port *base)
{
    return (struct hr_kv_lmdb_port *)base; /* its first member */
}

/* Under read_lock. */
static MDB_dbi dbi_of(const struct hr_kv_lmdb_port *port)
{
    return ((const struct hr_kv_lmdb *)port->base.kv)->dbi;
}

static int renew(struct hr_kv_lmdb_port *port)
{
    return port->read_txn ? mdb_txn_renew(port->read_txn) : MDB_PANIC;
}

/* Takes the port's view of this moment, and its lock; both until end_view. */
static enum hr_err begin_view(struct hr_kv_lmdb_port *port)
{
    if (port->state != HR_KV_LMDB_PORT_OPEN) {
        return HR_CLOSED;
    }
    atomic_fetch_add_explicit(&port->reads, 1, memory_order_relaxed);
    struct hr_kv_lmdb *kv = (struct hr_kv_lmdb *)port->base.kv;
    uv_mutex_lock(&port->read_lock);
    int rc = renew(port);
    if (rc == MDB_MAP_RESIZED) { /* somebody else made the file larger */
        uv_mutex_unlock(&port->read_lock);
        uv_mutex_lock(&kv->env_lock);
        rc = hr_kv_lmdb_env_adopt(kv);
        uv_mutex_unlock(&kv->env_lock);
        uv_mutex_lock(&port->read_lock);
        rc = rc ? rc : renew(port);
    }
    if (rc) {
        uv_mutex_unlock(&port->read_lock);
    }
    return hr_kv_lmdb_err(rc);
}

static void end_view(struct hr_kv_lmdb_port *port)
{
    mdb_txn_reset(port->read_txn);
    uv_mutex_unlock(&port->read_lock);
}

enum hr_err hr_kv_lmdb_read_get_now(struct hr_kv_port *base, struct hr_str bucket,
                                    struct hr_str key, struct hr_arena *arena,
                                    struct hr_str *ret_value)
{
    struct hr_kv_lmdb_port *port = port_of(base);
    char joined[HR_KV_LMDB_KEY_BYTES_MAX];
    MDB_val name = {hr_kv_lmdb_join(bucket, key, joined), joined};
    MDB_val value;
    enum hr_err err = begin_view(port);
    if (err) {
        return err;
    }
    err = hr_kv_lmdb_err(mdb_get(port->read_txn, dbi_of(port), &name, &value));
    if (!err) {
        struct hr_str copy = hr_arena_copy(arena, hr_str_of(value.mv_data, value.mv_size));
        if (copy.ptr) {
            *ret_value = copy;
        } else {
            err = HR_NO_MEMORY;
        }
    }
    end_view(port);
    return err;
}

/* A scan under way: the keys of the map that belong to it, one after the other. */
struct range {
    MDB_cursor *cursor;
    struct hr_str prefix; /* bucket in front */
    struct hr_str after;  /* likewise; empty = none */
    size_t bucket_bytes;  /* how much of each key is the bucket's */
    MDB_val key;
    MDB_val value;
};

/* Goes to the range's first key, or on to its next one. HR_NOT_FOUND at its end. */
static enum hr_err range_step(struct range *range, bool first)
{
    int rc;
    if (!first) {
        rc = mdb_cursor_get(range->cursor, &range->key, &range->value, MDB_NEXT);
    } else {
        bool later = hr_str_cmp(range->after, range->prefix) > 0;
        struct hr_str start = later ? range->after : range->prefix;
        range->key = (MDB_val){start.len, (void *)start.ptr};
        rc = mdb_cursor_get(range->cursor, &range->key, &range->value, MDB_SET_RANGE);
        struct hr_str found = hr_str_of(range->key.mv_data, range->key.mv_size);
        if (!rc && range->after.len > 0 && hr_str_eq(found, range->after)) {
            rc = mdb_cursor_get(range->cursor, &range->key, &range->value, MDB_NEXT);
        }
    }
    if (rc) {
        return hr_kv_lmdb_err(rc);
    }
    struct hr_str found = hr_str_of(range->key.mv_data, range->key.mv_size);
    return hr_str_starts(found, range->prefix) ? HR_OK : HR_NOT_FOUND;
}

/* Counts the page's entries and bytes. */
static enum hr_err measure(struct range *range, const struct hr_kv_scan *scan,
                           struct hr_kv_page *page, size_t *ret_bytes)
{
    size_t bytes = 0;
    enum hr_err err;
    for (err = range_step(range, true); !err; err = range_step(range, false)) {
        size_t more = range->key.mv_size - range->bucket_bytes;
        more += scan->keys_only ? 0 : range->value.mv_size;
        if (page->count == scan->limit ||
            (page->count > 0 && bytes + more > HR_KV_SCAN_BYTES_MAX)) {
            page->more = true;
            break;
        }
        page->count++;
        bytes += more;
    }
    *ret_bytes = bytes;
    return err == HR_NOT_FOUND ? HR_OK : err;
}

static struct hr_str put_bytes(char **to, const void *from, size_t len)
{
    struct hr_str copy = hr_str_of(*to, len);
    if (len > 0) {
        memcpy(*to, from, len);
    }
    *to += len;
    return copy;
}

/* Copies what was measured into the arena; the same view, so it is all still there. */
static enum hr_err copy_page(struct range *range, const struct hr_kv_scan *scan,
                             struct hr_arena *arena, struct hr_kv_page *page, size_t bytes)
{
    page->entries = hr_arena_alloc(arena, page->count * sizeof *page->entries);
    char *to = hr_arena_alloc(arena, bytes);
    if (!page->entries || !to) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < page->count && !err; i++) {
        err = range_step(range, i == 0);
        if (!err) {
            struct hr_kv_entry *entry = &page->entries[i];
            const char *key = range->key.mv_data;
            entry->key =
                put_bytes(&to, key + range->bucket_bytes, range->key.mv_size - range->bucket_bytes);
            entry->value =
                put_bytes(&to, range->value.mv_data, scan->keys_only ? 0 : range->value.mv_size);
        }
    }
    return err;
}

enum hr_err hr_kv_lmdb_read_scan_now(struct hr_kv_port *base, const struct hr_kv_scan *scan,
                                     struct hr_arena *arena, struct hr_kv_page *ret_page)
{
    struct hr_kv_lmdb_port *port = port_of(base);
    char prefix[HR_KV_LMDB_KEY_BYTES_MAX];
    char after[HR_KV_LMDB_KEY_BYTES_MAX];
    struct range range = {.bucket_bytes = 1 + scan->bucket.len};
    range.prefix = hr_str_of(prefix, hr_kv_lmdb_join(scan->bucket, scan->prefix, prefix));
    if (scan->after.len > 0) {
        range.after = hr_str_of(after, hr_kv_lmdb_join(scan->bucket, scan->after, after));
    }
    enum hr_err err = begin_view(port);
    if (err) {
        return err;
    }
    struct hr_kv_page page = {0};
    size_t bytes = 0;
    err = hr_kv_lmdb_err(mdb_cursor_open(port->read_txn, dbi_of(port), &range.cursor));
    if (!err) {
        err = measure(&range, scan, &page, &bytes);
        if (!err) {
            err = copy_page(&range, scan, arena, &page, bytes);
        }
        mdb_cursor_close(range.cursor);
    }
    end_view(port);
    if (!err) {
        *ret_page = page;
    }
    return err;
}

/* A read that waits for its task; the strings follow it in the same memory. */
struct waiting_read {
    struct hr_task task;
    struct hr_kv_lmdb_port *port;
    struct hr_kv_scan scan; /* a get has its key in the prefix */
    struct hr_arena *arena;
    hr_kv_get_cb get_cb;
    hr_kv_scan_cb scan_cb;
    void *arg;
};

static void run_get(void *arg)
{
    struct waiting_read *read = arg;
    struct hr_kv_lmdb_port *port = read->port;
    struct hr_arena arena;
    hr_arena_init(&arena, 0); /* one value: has its own limit */
    struct hr_str value = {0};
    enum hr_err err = HR_CANCELED;
    if (port->state == HR_KV_LMDB_PORT_OPEN) {
        err = hr_kv_lmdb_read_get_now(&port->base, read->scan.bucket, read->scan.prefix, &arena,
                                      &value);
    }
    read->get_cb(read->arg, err, value);
    hr_arena_release(&arena);
    hr_free(read);
    hr_kv_lmdb_port_drop(port);
}

static void run_scan(void *arg)
{
    struct waiting_read *read = arg;
    struct hr_kv_lmdb_port *port = read->port;
    struct hr_kv_page page = {0};
    enum hr_err err = HR_CANCELED;
    if (port->state == HR_KV_LMDB_PORT_OPEN) {
        err = hr_kv_lmdb_read_scan_now(&port->base, &read->scan, read->arena, &page);
    }
    read->scan_cb(read->arg, err, err ? NULL : &page);
    hr_free(read);
    hr_kv_lmdb_port_drop(port);
}

static enum hr_err new_read(struct hr_kv_port *base, const struct hr_kv_scan *scan, hr_task_cb run,
                            struct waiting_read **ret_read)
{
    struct hr_kv_lmdb_port *port = port_of(base);
    if (port->state != HR_KV_LMDB_PORT_OPEN) {
        return HR_CLOSED;
    }
    struct waiting_read *read =
        hr_alloc(sizeof *read + scan->bucket.len + scan->prefix.len + scan->after.len);
    if (!read) {
        return HR_NO_MEMORY;
    }
    char *to = (char *)(read + 1);
    read->port = port;
    read->scan = *scan;
    read->scan.bucket = put_bytes(&to, scan->bucket.ptr, scan->bucket.len);
    read->scan.prefix = put_bytes(&to, scan->prefix.ptr, scan->prefix.len);
    read->scan.after = put_bytes(&to, scan->after.ptr, scan->after.len);
    hr_task_init(&read->task, run, read);
    port->pending++;
    *ret_read = read;
    return HR_OK;
}

enum hr_err hr_kv_lmdb_read_get(struct hr_kv_port *base, struct hr_str bucket, struct hr_str key,
                                hr_kv_get_cb cb, void *arg)
{
    struct hr_kv_scan scan = {.bucket = bucket, .prefix = key};
    struct waiting_read *read;
    enum hr_err err = new_read(base, &scan, run_get, &read);
    if (err) {
        return err;
    }
    read->get_cb = cb;
    read->arg = arg;
    hr_loop_post(base->loop, &read->task);
    return HR_OK;
}

enum hr_err hr_kv_lmdb_read_scan(struct hr_kv_port *base, const struct hr_kv_scan *scan,
                                 struct hr_arena *arena, hr_kv_scan_cb cb, void *arg)
{
    struct waiting_read *read;
    enum hr_err err = new_read(base, scan, run_scan, &read);
    if (err) {
        return err;
    }
    read->arena = arena;
    read->scan_cb = cb;
    read->arg = arg;
    hr_loop_post(base->loop, &read->task);
    return HR_OK;
}
