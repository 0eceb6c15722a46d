/* The store's front: finds the implementation for an URL, and checks every call against the limits
 * of kv.h before an implementation sees it, so that all of them refuse the same things. Stateless;
 * threads as in kv.h. Knows the implementations by their opening functions only. */
#include "host/kv/kv.h"

#include <stdio.h>

#include "base/assert.h"
#include "host/kv/lmdb.h"
#include "host/kv/redis.h"

#define URL_SHOWN_MAX 200u

struct store_kind {
    const char *scheme;
    const char *form; /* for people */
    enum hr_err (*open)(struct hr_str rest, enum hr_kv_durability durability, struct hr_kv **ret_kv,
                        struct hr_diag *diag);
};

static const struct store_kind kinds[] = {
    {"lmdb", "lmdb:<folder>", hr_kv_lmdb_open},
    {"redis", "redis://[user:password@]host[:port][/number]", hr_kv_redis_open},
    {"rediss", "rediss://... (TLS)", hr_kv_redis_open_tls},
};

static const struct store_kind *kind_of(struct hr_str scheme)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (hr_str_eq(scheme, hr_str_c(kinds[i].scheme))) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* An URL with an '@' may have a password before it, and is shown up to its scheme only. */
static enum hr_err unknown_url(struct hr_str url, struct hr_diag *diag)
{
    size_t colon = hr_str_find(url, ':', 0);
    if (hr_str_find(url, '@', 0) != SIZE_MAX) {
        url.len = colon == SIZE_MAX ? 0 : colon;
    }
    char known[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && len < sizeof known; i++) {
        len += (size_t)snprintf(known + len, sizeof known - len, " %s", kinds[i].form);
    }
    return hr_diag_set(diag, HR_BAD_INPUT, "store url \"%.*s\" names no kind of store; known:%s",
                       (int)(url.len < URL_SHOWN_MAX ? url.len : URL_SHOWN_MAX),
                       url.ptr ? url.ptr : "", known);
}

enum hr_err hr_kv_open(struct hr_str url, enum hr_kv_durability durability, struct hr_kv **ret_kv,
                       struct hr_diag *diag)
{
    size_t colon = hr_str_find(url, ':', 0);
    const struct store_kind *kind = colon == SIZE_MAX ? NULL : kind_of(hr_str_of(url.ptr, colon));
    if (!kind) {
        return unknown_url(url, diag);
    }
    return kind->open(hr_str_from(url, colon + 1), durability, ret_kv, diag);
}

void hr_kv_close(struct hr_kv *kv)
{
    if (kv) {
        kv->ops->close(kv);
    }
}

enum hr_err hr_kv_port_open(struct hr_kv *kv, struct hr_loop *loop, struct hr_kv_port **ret_port,
                            struct hr_diag *diag)
{
    return kv->ops->port_open(kv, loop, ret_port, diag);
}

void hr_kv_port_close(struct hr_kv_port *port, hr_kv_closed_cb cb, void *arg)
{
    HR_ASSERT(cb);
    port->kv->ops->port_close(port, cb, arg);
}

static bool bucket_fits(struct hr_str bucket)
{
    return bucket.len >= 1 && bucket.len <= HR_KV_BUCKET_BYTES_MAX;
}

static bool key_fits(struct hr_str key)
{
    return key.len >= 1 && key.len <= HR_KV_KEY_BYTES_MAX;
}

static bool scan_fits(const struct hr_kv_scan *scan)
{
    return bucket_fits(scan->bucket) && scan->prefix.len <= HR_KV_KEY_BYTES_MAX &&
           scan->after.len <= HR_KV_KEY_BYTES_MAX && scan->limit >= 1 &&
           scan->limit <= HR_KV_SCAN_ITEMS_MAX;
}

/* Adds a key and a value to @bytes. */
static enum hr_err measure(struct hr_str key, struct hr_str value, size_t *bytes)
{
    if (!key_fits(key)) {
        return HR_BAD_INPUT;
    }
    if (value.len > HR_KV_VALUE_BYTES_MAX) {
        return HR_TOO_BIG;
    }
    *bytes += key.len + value.len; /* at most OPS_MAX times the limits: fits 64 bits */
    return *bytes > HR_KV_COMMIT_BYTES_MAX ? HR_TOO_BIG : HR_OK;
}

static enum hr_err commit_fits(const struct hr_kv_commit *commit)
{
    if (!bucket_fits(commit->bucket)) {
        return HR_BAD_INPUT;
    }
    if (commit->check_count > HR_KV_COMMIT_OPS_MAX || commit->put_count > HR_KV_COMMIT_OPS_MAX ||
        commit->delete_count > HR_KV_COMMIT_OPS_MAX ||
        commit->check_count + commit->put_count + commit->delete_count > HR_KV_COMMIT_OPS_MAX) {
        return HR_TOO_BIG;
    }
    size_t bytes = 0;
    enum hr_err err = HR_OK;
    for (size_t i = 0; !err && i < commit->check_count; i++) {
        const struct hr_kv_check *check = &commit->checks[i];
        err = measure(check->key, check->absent ? (struct hr_str){0} : check->value, &bytes);
    }
    for (size_t i = 0; !err && i < commit->put_count; i++) {
        err = measure(commit->puts[i].key, commit->puts[i].value, &bytes);
    }
    for (size_t i = 0; !err && i < commit->delete_count; i++) {
        err = measure(commit->deletes[i], (struct hr_str){0}, &bytes);
    }
    return err;
}

enum hr_err hr_kv_get_now(struct hr_kv_port *port, struct hr_str bucket, struct hr_str key,
                          struct hr_arena *arena, struct hr_str *ret_value)
{
    if (!bucket_fits(bucket) || !key_fits(key)) {
        return HR_BAD_INPUT;
    }
    return port->kv->ops->get_now(port, bucket, key, arena, ret_value);
}

enum hr_err hr_kv_scan_now(struct hr_kv_port *port, const struct hr_kv_scan *scan,
                           struct hr_arena *arena, struct hr_kv_page *ret_page)
{
    if (!scan_fits(scan)) {
        return HR_BAD_INPUT;
    }
    return port->kv->ops->scan_now(port, scan, arena, ret_page);
}

enum hr_err hr_kv_get(struct hr_kv_port *port, struct hr_str bucket, struct hr_str key,
                      hr_kv_get_cb cb, void *arg)
{
    HR_ASSERT(cb);
    if (!bucket_fits(bucket) || !key_fits(key)) {
        return HR_BAD_INPUT;
    }
    return port->kv->ops->get(port, bucket, key, cb, arg);
}

enum hr_err hr_kv_scan(struct hr_kv_port *port, const struct hr_kv_scan *scan,
                       struct hr_arena *arena, hr_kv_scan_cb cb, void *arg)
{
    HR_ASSERT(cb);
    if (!scan_fits(scan)) {
        return HR_BAD_INPUT;
    }
    return port->kv->ops->scan(port, scan, arena, cb, arg);
}

enum hr_err hr_kv_commit(struct hr_kv_port *port, const struct hr_kv_commit *commit,
                         hr_kv_commit_cb cb, void *arg)
{
    HR_ASSERT(cb);
    enum hr_err err = commit_fits(commit);
    return err ? err : port->kv->ops->commit(port, commit, cb, arg);
}

enum hr_err hr_kv_increment(struct hr_kv_port *port, struct hr_str bucket, struct hr_str key,
                            uint64_t delta, hr_kv_increment_cb cb, void *arg)
{
    HR_ASSERT(cb);
    if (!bucket_fits(bucket) || !key_fits(key)) {
        return HR_BAD_INPUT;
    }
    return port->kv->ops->increment(port, bucket, key, delta, cb, arg);
}

enum hr_err hr_kv_lost(struct hr_kv *kv, struct hr_str bucket, uint64_t after,
                       struct hr_arena *arena, struct hr_kv_lost_page *ret_page)
{
    if (!bucket_fits(bucket)) {
        return HR_BAD_INPUT;
    }
    if (!kv->ops->lost) {
        *ret_page = (struct hr_kv_lost_page){0};
        return HR_OK;
    }
    return kv->ops->lost(kv, bucket, after, arena, ret_page);
}

void hr_kv_lost_forget(struct hr_kv *kv, struct hr_str bucket, uint64_t id)
{
    if (bucket_fits(bucket) && kv->ops->lost_forget) {
        kv->ops->lost_forget(kv, bucket, id);
    }
}

void hr_kv_stats(struct hr_kv *kv, struct hr_kv_stats *ret_stats)
{
    kv->ops->stats(kv, ret_stats);
}
