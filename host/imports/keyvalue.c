/* wasi:keyvalue/{store,atomics,batch} and hedgerow:kv/{commit,scan} over the store that the actor's
 * keyvalue link names. A bucket can be opened only if the link lists it.
 *
 * Reads that the store answers at once never leave the fiber. Anything else is an operation that outlives
 * the fiber if need be (struct pending): a call that ends while its commit is on the way leaves
 * the operation behind, and its completion frees it.
 */
#include "host/imports/keyvalue.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "host/run/abi.h"
#include "host/imports/all.h"
#include "host/kv/kv.h"
#include "host/run/worker.h"

struct bucket {
    struct hr_resource base;
    struct hr_str name; /* in the fiber's arena */
};

static const struct hr_resource_type bucket_type = {"bucket", hr_abi_resource_free};

static struct hr_kv_port *port_of(const struct hr_fiber *fiber)
{
    return fiber->worker->stores[fiber->actor->links.store];
}

enum hr_err hr_keyvalue_bucket(struct hr_fiber *fiber, int32_t handle, struct hr_kv **ret_kv,
                               struct hr_str *ret_name)
{
    struct bucket *bucket;
    enum hr_err err = hr_abi_use(fiber, handle, &bucket_type, &bucket);
    if (!err) {
        *ret_kv = port_of(fiber)->kv;
        *ret_name = bucket->name;
    }
    return err;
}

/* --- waiting for the store ------------------------------------------------------------------------ */

struct pending {
    struct hr_fiber *fiber; /* NULL: the call has ended without waiting for this */
    bool done;
    enum hr_err err;
    size_t conflict;
    uint64_t number;
    char detail[160];
    struct hr_buf value;
    struct hr_arena arena;
    struct hr_kv_page page;
};

static struct pending *pending_new(struct hr_fiber *fiber)
{
    struct pending *pending = hr_alloc(sizeof *pending);
    if (pending) {
        pending->fiber = fiber;
    }
    return pending;
}

static void pending_free(struct pending *pending)
{
    if (pending) {
        hr_buf_release(&pending->value);
        hr_arena_release(&pending->arena);
        hr_free(pending);
    }
}

static void complete(struct pending *pending, enum hr_err err)
{
    if (!pending->fiber) {
        pending_free(pending);
        return;
    }
    pending->err = err;
    pending->done = true;
    hr_fiber_wake(pending->fiber);
}

/* Waits for the operation. On an error the call is ending and @pending is no longer the caller's. */
static enum hr_err await(struct hr_fiber *fiber, struct pending *pending)
{
    while (!pending->done) {
        enum hr_err err = hr_fiber_wait(fiber);
        if (err && !pending->done) {
            pending->fiber = NULL;
            return err;
        }
    }
    return HR_OK;
}

static void on_value(void *arg, enum hr_err err, struct hr_str value)
{
    struct pending *pending = arg;
    if (!err) {
        err = hr_buf_append(&pending->value, value);
    }
    complete(pending, err);
}

static void on_commit(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    struct pending *pending = arg;
    pending->conflict = conflict;
    snprintf(pending->detail, sizeof pending->detail, "%s", detail);
    complete(pending, err);
}

static void on_number(void *arg, enum hr_err err, uint64_t number)
{
    struct pending *pending = arg;
    pending->number = number;
    complete(pending, err);
}

static void on_page(void *arg, enum hr_err err, const struct hr_kv_page *page)
{
    struct pending *pending = arg;
    if (!err) {
        pending->page = *page;
    }
    complete(pending, err);
}

/* --- results ---------------------------------------------------------------------------------------- */

/* The variant `error` of wasi:keyvalue at @offset. */
static void out_error(struct hr_abi_out *out, uint32_t offset, enum hr_err err, const char *detail)
{
    if (err == HR_DENIED) {
        hr_abi_out_u8(out, offset, 1);
        return;
    }
    char text[256];
    snprintf(text, sizeof text, "%s%s%s", hr_err_text(err), detail[0] ? ": " : "", detail);
    hr_abi_out_u8(out, offset, 2);
    hr_abi_out_text(out, offset + 4, text);
}

static enum hr_err put_error(struct hr_fiber *fiber, int32_t ret, uint32_t payload, enum hr_err err,
                             const char *detail)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 1);
    out_error(&out, payload, err, detail);
    return hr_abi_out_end(&out);
}

static enum hr_err put_unit(struct hr_fiber *fiber, int32_t ret)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 0);
    return hr_abi_out_end(&out);
}

/* The bucket and key that most functions begin with; the key is copied. */
static enum hr_err lift_key(struct hr_fiber *fiber, const wasmtime_val_raw_t *values,
                            struct bucket **ret_bucket, struct hr_str *ret_key)
{
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &bucket_type, ret_bucket);
    if (!err) {
        err = hr_abi_copy_string(fiber, (uint32_t)values[1].i32, (uint32_t)values[2].i32, ret_key);
    }
    return err;
}

/* --- store ------------------------------------------------------------------------------------------ */

static bool may_open(const struct hr_fiber *fiber, struct hr_str name)
{
    for (size_t i = 0; i < fiber->actor->links.bucket_count; i++) {
        if (hr_str_eq(fiber->actor->links.buckets[i], name)) {
            return true;
        }
    }
    return false;
}

static enum hr_err store_open(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_str name;
    enum hr_err err =
        hr_abi_copy_string(fiber, (uint32_t)values[0].i32, (uint32_t)values[1].i32, &name);
    if (err) {
        return err;
    }
    if (!may_open(fiber, name)) {
        return put_error(fiber, values[2].i32, 4, HR_DENIED, "");
    }
    struct bucket *bucket = hr_abi_resource(sizeof *bucket, &bucket_type);
    if (bucket) {
        bucket->name = name;
    }
    uint32_t index;
    err = hr_abi_give(fiber, (struct hr_resource *)bucket, &index);
    if (err) {
        return err;
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[2].i32);
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_u32(&out, 4, index);
    return hr_abi_out_end(&out);
}

/* Where an import keeps what it reads until the guest has it. The call's own arena would keep it until the
 * call's end, and a call may read much, one after the other. */
static struct hr_arena scratch_arena(void)
{
    struct hr_arena arena;
    hr_arena_init(&arena, HR_FIBER_ARENA_BYTES_MAX);
    return arena;
}

/* Reads @key into @arena if the store can at once, or begins to: then what is awaited is returned, for
 * end_reading. */
static struct pending *begin_reading(struct hr_fiber *fiber, struct hr_str bucket,
                                     struct hr_str key, struct hr_arena *arena,
                                     struct hr_str *ret_value, enum hr_err *ret_err)
{
    *ret_err = hr_kv_get_now(port_of(fiber), bucket, key, arena, ret_value);
    if (*ret_err != HR_AGAIN) {
        return NULL;
    }
    struct pending *pending = pending_new(fiber);
    *ret_err = pending ? hr_kv_get(port_of(fiber), bucket, key, on_value, pending) : HR_NO_MEMORY;
    if (*ret_err) {
        pending_free(pending);
        return NULL;
    }
    return pending;
}

/* Takes over what a reading brought, which has been awaited. */
static enum hr_err end_reading(struct pending *pending, struct hr_arena *arena,
                               struct hr_str *ret_value)
{
    enum hr_err err = pending->err;
    if (!err) {
        *ret_value = hr_arena_copy(arena, hr_buf_str(&pending->value));
        err = ret_value->ptr ? HR_OK : HR_NO_MEMORY;
    }
    pending_free(pending);
    return err;
}

/* Reads one value into @arena: at once if the store can, else by waiting. An error of the
 * store goes to @ret_err; the returned one ends the call. */
static enum hr_err read_value(struct hr_fiber *fiber, struct hr_str bucket, struct hr_str key,
                              struct hr_arena *arena, struct hr_str *ret_value,
                              enum hr_err *ret_err)
{
    struct pending *pending = begin_reading(fiber, bucket, key, arena, ret_value, ret_err);
    if (!pending) {
        return HR_OK;
    }
    enum hr_err err = await(fiber, pending);
    if (!err) {
        *ret_err = end_reading(pending, arena, ret_value);
    }
    return err;
}

/* result<option<list<u8>>, error>, or result<bool, error>: alike up to the value itself. */
static enum hr_err read_and_answer(struct hr_fiber *fiber, const wasmtime_val_raw_t *values,
                                   bool with_value)
{
    struct bucket *bucket;
    struct hr_str key;
    struct hr_str value;
    struct hr_arena scratch = scratch_arena();
    enum hr_err read = HR_OK;
    enum hr_err err = lift_key(fiber, values, &bucket, &key);
    if (!err) {
        err = read_value(fiber, bucket->name, key, &scratch, &value, &read);
    }
    if (!err && read && read != HR_NOT_FOUND) {
        err = put_error(fiber, values[3].i32, 4, read, "");
    } else if (!err) {
        struct hr_abi_out out = hr_abi_out(fiber, values[3].i32);
        hr_abi_out_u8(&out, 0, 0);
        hr_abi_out_u8(&out, 4, read == HR_OK);
        if (!read && with_value) {
            hr_abi_out_bytes(&out, 8, value);
        }
        err = hr_abi_out_end(&out);
    }
    hr_arena_release(&scratch);
    return err;
}

static enum hr_err bucket_get(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return read_and_answer(fiber, values, true);
}

static enum hr_err bucket_exists(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return read_and_answer(fiber, values, false);
}

/* What became of a commit; @detail and @conflict belong to it. */
struct verdict {
    enum hr_err err;
    size_t conflict;
    char detail[160];
};

/* Commits and waits. The returned error ends the call; the commit's own outcome is in @ret. */
static enum hr_err commit_and_wait(struct hr_fiber *fiber, const struct hr_kv_commit *commit,
                                   struct verdict *ret)
{
    *ret = (struct verdict){0};
    struct pending *pending = pending_new(fiber);
    ret->err = pending ? hr_kv_commit(port_of(fiber), commit, on_commit, pending) : HR_NO_MEMORY;
    if (ret->err) {
        pending_free(pending);
        return HR_OK;
    }
    enum hr_err err = await(fiber, pending);
    if (err) {
        return err;
    }
    ret->err = pending->err;
    ret->conflict = pending->conflict;
    snprintf(ret->detail, sizeof ret->detail, "%s", pending->detail);
    pending_free(pending);
    return HR_OK;
}

static enum hr_err commit_for_unit(struct hr_fiber *fiber, const struct hr_kv_commit *commit,
                                   int32_t ret)
{
    struct verdict verdict;
    enum hr_err err = commit_and_wait(fiber, commit, &verdict);
    if (err) {
        return err;
    }
    return verdict.err ? put_error(fiber, ret, 4, verdict.err, verdict.detail)
                       : put_unit(fiber, ret);
}

static enum hr_err bucket_set(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct bucket *bucket;
    struct hr_kv_entry put;
    enum hr_err err = lift_key(fiber, values, &bucket, &put.key);
    if (!err) {
        err = hr_abi_bytes(fiber, (uint32_t)values[3].i32, (uint32_t)values[4].i32, &put.value);
    }
    if (err) {
        return err;
    }
    const struct hr_kv_commit commit = {.bucket = bucket->name, .puts = &put, .put_count = 1};
    return commit_for_unit(fiber, &commit, values[5].i32);
}

static enum hr_err bucket_delete(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct bucket *bucket;
    struct hr_str key;
    enum hr_err err = lift_key(fiber, values, &bucket, &key);
    if (err) {
        return err;
    }
    const struct hr_kv_commit commit = {.bucket = bucket->name, .deletes = &key, .delete_count = 1};
    return commit_for_unit(fiber, &commit, values[3].i32);
}

/* A page of the store, in the arena of @ret_pending, which the caller frees. */
static enum hr_err read_page(struct hr_fiber *fiber, const struct hr_kv_scan *scan,
                             struct hr_kv_page *ret_page, struct pending **ret_pending,
                             enum hr_err *ret_err)
{
    struct pending *pending = pending_new(fiber);
    *ret_pending = pending;
    *ret_err =
        pending ? hr_kv_scan_now(port_of(fiber), scan, &pending->arena, ret_page) : HR_NO_MEMORY;
    if (*ret_err != HR_AGAIN) {
        return HR_OK;
    }
    *ret_err = hr_kv_scan(port_of(fiber), scan, &pending->arena, on_page, pending);
    if (*ret_err) {
        return HR_OK;
    }
    *ret_pending = NULL;
    enum hr_err err = await(fiber, pending);
    if (err) {
        return err;
    }
    *ret_err = pending->err;
    *ret_page = pending->page;
    *ret_pending = pending;
    return HR_OK;
}

#define LIST_KEYS_PAGE 1000u

/* The cursor counts the keys that were passed: it stays good across calls, and a key added or deleted
 * before it in between shifts it. hedgerow:kv/scan has an exact one. */
static enum hr_err skip_keys(struct hr_fiber *fiber, struct hr_kv_scan *scan, uint64_t skip,
                             enum hr_err *ret_err)
{
    *ret_err = HR_OK;
    while (skip > 0 && !*ret_err) {
        struct hr_kv_page page;
        struct pending *pending;
        scan->limit = skip < LIST_KEYS_PAGE ? (uint32_t)skip : LIST_KEYS_PAGE;
        enum hr_err err = hr_fiber_breathe(fiber);
        if (!err) {
            err = read_page(fiber, scan, &page, &pending, ret_err);
        }
        if (err) {
            return err;
        }
        if (!*ret_err && page.count > 0) {
            scan->after = hr_arena_copy(&fiber->arena, page.entries[page.count - 1].key);
            *ret_err = scan->after.ptr ? HR_OK : HR_NO_MEMORY; /* else it would begin anew */
            skip -= page.count < skip ? page.count : skip;
        }
        bool over = *ret_err || page.count == 0 || !page.more;
        pending_free(pending);
        if (over) {
            break;
        }
    }
    return HR_OK;
}

static enum hr_err bucket_list_keys(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct bucket *bucket;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &bucket_type, &bucket);
    if (err) {
        return err;
    }
    uint64_t skip = values[1].i32 ? (uint64_t)values[2].i64 : 0;
    struct hr_kv_scan scan = {.bucket = bucket->name, .keys_only = true};
    struct hr_kv_page page = {0};
    struct pending *pending = NULL;
    enum hr_err read;
    err = skip_keys(fiber, &scan, skip, &read);
    if (!err && !read) {
        scan.limit = LIST_KEYS_PAGE;
        err = read_page(fiber, &scan, &page, &pending, &read);
    }
    if (err) {
        return err;
    }
    if (read) {
        pending_free(pending);
        return put_error(fiber, values[3].i32, 8, read, "");
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[3].i32);
    struct hr_abi_out keys;
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_list(&out, 8, (uint32_t)page.count, 8, 4, &keys);
    for (uint32_t i = 0; i < page.count; i++) {
        hr_abi_out_string(&keys, 8 * i, page.entries[i].key);
    }
    hr_abi_out_u8(&out, 16, page.more);
    hr_abi_out_u64(&out, 24, skip + page.count);
    pending_free(pending);
    return out.err ? out.err : hr_abi_out_end(&keys);
}

static enum hr_err drop_bucket(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &bucket_type);
}

/* --- atomics ---------------------------------------------------------------------------------------- */

static enum hr_err atomics_increment(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct bucket *bucket;
    struct hr_str key;
    enum hr_err err = lift_key(fiber, values, &bucket, &key);
    if (err) {
        return err;
    }
    struct pending *pending = pending_new(fiber);
    enum hr_err failed = pending ? hr_kv_increment(port_of(fiber), bucket->name, key,
                                                   (uint64_t)values[3].i64, on_number, pending)
                                 : HR_NO_MEMORY;
    if (failed) {
        pending_free(pending);
        return put_error(fiber, values[4].i32, 8, failed, "");
    }
    err = await(fiber, pending);
    if (err) {
        return err;
    }
    failed = pending->err;
    uint64_t number = pending->number;
    pending_free(pending);
    if (failed) {
        return put_error(fiber, values[4].i32, 8, failed, "");
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[4].i32);
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_u64(&out, 8, number);
    return hr_abi_out_end(&out);
}

/* --- lists of keys, entries and checks --------------------------------------------------------------- */

static enum hr_err lift_count(struct hr_fiber *fiber, int32_t count)
{
    if ((uint32_t)count > HR_KV_COMMIT_OPS_MAX) {
        return hr_fiber_trap(fiber, "a list of %u; the limit is %u", (uint32_t)count,
                             HR_KV_COMMIT_OPS_MAX);
    }
    return HR_OK;
}

static void *lift_array(struct hr_fiber *fiber, uint32_t count, size_t size)
{
    return hr_arena_alloc(&fiber->arena, (count ? count : 1) * size);
}

/* list<string>, strings borrowed from the guest. */
static enum hr_err lift_keys(struct hr_fiber *fiber, int32_t ptr, int32_t count,
                             struct hr_str **ret_keys)
{
    enum hr_err err = lift_count(fiber, count);
    uint8_t *items;
    if (!err) {
        err = hr_abi_view(fiber, (uint32_t)ptr, (uint32_t)count, 8, 4, &items);
    }
    struct hr_str *keys = err ? NULL : lift_array(fiber, (uint32_t)count, sizeof *keys);
    if (!err && !keys) {
        err = hr_fiber_trap(fiber, "the call's host memory is used up");
    }
    for (uint32_t i = 0; i < (uint32_t)count && !err; i++) {
        err = hr_abi_string(fiber, hr_abi_le32(items + 8 * i), hr_abi_le32(items + 8 * i + 4),
                            &keys[i]);
    }
    *ret_keys = keys;
    return err;
}

/* list<tuple<string, list<u8>>>, borrowed. */
static enum hr_err lift_entries(struct hr_fiber *fiber, int32_t ptr, int32_t count,
                                struct hr_kv_entry **ret_entries)
{
    enum hr_err err = lift_count(fiber, count);
    uint8_t *items;
    if (!err) {
        err = hr_abi_view(fiber, (uint32_t)ptr, (uint32_t)count, 16, 4, &items);
    }
    struct hr_kv_entry *entries = err ? NULL : lift_array(fiber, (uint32_t)count, sizeof *entries);
    if (!err && !entries) {
        err = hr_fiber_trap(fiber, "the call's host memory is used up");
    }
    for (uint32_t i = 0; i < (uint32_t)count && !err; i++) {
        const uint8_t *item = items + 16 * i;
        err = hr_abi_string(fiber, hr_abi_le32(item), hr_abi_le32(item + 4), &entries[i].key);
        if (!err) {
            err = hr_abi_bytes(fiber, hr_abi_le32(item + 8), hr_abi_le32(item + 12),
                               &entries[i].value);
        }
    }
    *ret_entries = entries;
    return err;
}

/* list<record {key: string, expected: option<list<u8>>}>, borrowed. */
static enum hr_err lift_checks(struct hr_fiber *fiber, int32_t ptr, int32_t count,
                               struct hr_kv_check **ret_checks)
{
    enum hr_err err = lift_count(fiber, count);
    uint8_t *items;
    if (!err) {
        err = hr_abi_view(fiber, (uint32_t)ptr, (uint32_t)count, 20, 4, &items);
    }
    struct hr_kv_check *checks = err ? NULL : lift_array(fiber, (uint32_t)count, sizeof *checks);
    if (!err && !checks) {
        err = hr_fiber_trap(fiber, "the call's host memory is used up");
    }
    for (uint32_t i = 0; i < (uint32_t)count && !err; i++) {
        const uint8_t *item = items + 20 * i;
        checks[i].absent = item[8] == 0;
        err = hr_abi_string(fiber, hr_abi_le32(item), hr_abi_le32(item + 4), &checks[i].key);
        if (!err && !checks[i].absent) {
            err = hr_abi_bytes(fiber, hr_abi_le32(item + 12), hr_abi_le32(item + 16),
                               &checks[i].value);
        }
    }
    *ret_checks = checks;
    return err;
}

/* --- batch ------------------------------------------------------------------------------------------- */

/* Readings that are under way at a time, where the store does not answer at once. */
#define READ_WINDOW 256u

/* Notes how one reading ended; the first failure that is more than a missing key goes to @ret_read. */
static void note_reading(enum hr_err err, bool *ret_there, enum hr_err *ret_read)
{
    *ret_there = err == HR_OK;
    if (err && err != HR_NOT_FOUND && !*ret_read) {
        *ret_read = err;
    }
}

/* Reads up to READ_WINDOW values, all at a time. A failure of the store goes to @ret_read; the returned error
 * ends the call. */
static enum hr_err read_values(struct hr_fiber *fiber, struct hr_str bucket,
                               const struct hr_str *keys, uint32_t count, struct hr_arena *arena,
                               struct hr_str *ret_values, bool *ret_there, enum hr_err *ret_read)
{
    struct pending *pending[READ_WINDOW];
    enum hr_err ending = HR_OK;
    for (uint32_t i = 0; i < count; i++) {
        enum hr_err err;
        pending[i] = begin_reading(fiber, bucket, keys[i], arena, &ret_values[i], &err);
        if (!pending[i]) {
            note_reading(err, &ret_there[i], ret_read);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!pending[i]) {
            continue;
        }
        enum hr_err err = await(fiber, pending[i]);
        if (err) {
            ending = err; /* the others are given up the same way */
        } else {
            note_reading(end_reading(pending[i], arena, &ret_values[i]), &ret_there[i], ret_read);
        }
    }
    return ending;
}

static enum hr_err get_many(struct hr_fiber *fiber, const wasmtime_val_raw_t *values,
                            struct hr_arena *scratch)
{
    struct bucket *bucket;
    struct hr_str *borrowed;
    uint32_t count = (uint32_t)values[2].i32;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &bucket_type, &bucket);
    if (!err) {
        err = lift_keys(fiber, values[1].i32, values[2].i32, &borrowed);
    }
    struct hr_str *keys = err ? NULL : lift_array(fiber, count, sizeof *keys);
    struct hr_str *found = err ? NULL : lift_array(fiber, count, sizeof *found);
    bool *is_there = err ? NULL : lift_array(fiber, count, sizeof *is_there);
    if (!err && (!keys || !found || !is_there)) {
        err = hr_fiber_trap(fiber, "the call's host memory is used up");
    }
    for (uint32_t i = 0; i < count && !err; i++) {
        keys[i] = hr_arena_copy(scratch, borrowed[i]); /* reading may wait */
        if (!keys[i].ptr) {
            err = hr_fiber_trap(fiber, "the call's host memory is used up");
        }
    }
    enum hr_err read = HR_OK;
    for (uint32_t i = 0; i < count && !err && !read; i += READ_WINDOW) {
        uint32_t part = count - i < READ_WINDOW ? count - i : READ_WINDOW;
        err = hr_fiber_breathe(fiber);
        if (!err) {
            err = read_values(fiber, bucket->name, keys + i, part, scratch, found + i, is_there + i,
                              &read);
        }
    }
    if (err) {
        return err;
    }
    if (read) {
        return put_error(fiber, values[3].i32, 4, read, "");
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[3].i32);
    struct hr_abi_out items;
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_list(&out, 4, count, 20, 4, &items);
    for (uint32_t i = 0; i < count; i++) {
        hr_abi_out_u8(&items, 20 * i, is_there[i]);
        if (is_there[i]) {
            hr_abi_out_bytes(&items, 20 * i + 4, keys[i]);
            hr_abi_out_bytes(&items, 20 * i + 12, found[i]);
        }
    }
    return out.err ? out.err : hr_abi_out_end(&items);
}

static enum hr_err batch_get_many(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_arena scratch = scratch_arena();
    enum hr_err err = get_many(fiber, values, &scratch);
    hr_arena_release(&scratch);
    return err;
}

static enum hr_err batch_set_many(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct bucket *bucket;
    struct hr_kv_entry *puts;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &bucket_type, &bucket);
    if (!err) {
        err = lift_entries(fiber, values[1].i32, values[2].i32, &puts);
    }
    if (err) {
        return err;
    }
    const struct hr_kv_commit commit = {
        .bucket = bucket->name, .puts = puts, .put_count = (uint32_t)values[2].i32};
    return commit_for_unit(fiber, &commit, values[3].i32);
}

static enum hr_err batch_delete_many(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct bucket *bucket;
    struct hr_str *keys;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &bucket_type, &bucket);
    if (!err) {
        err = lift_keys(fiber, values[1].i32, values[2].i32, &keys);
    }
    if (err) {
        return err;
    }
    const struct hr_kv_commit commit = {
        .bucket = bucket->name, .deletes = keys, .delete_count = (uint32_t)values[2].i32};
    return commit_for_unit(fiber, &commit, values[3].i32);
}

/* --- hedgerow:kv ------------------------------------------------------------------------------------ */

static enum hr_err put_commit_error(struct hr_fiber *fiber, int32_t ret,
                                    const struct verdict *verdict)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 1);
    if (verdict->err == HR_CONFLICT) {
        hr_abi_out_u8(&out, 4, 0);
        hr_abi_out_u32(&out, 8, (uint32_t)verdict->conflict);
    } else if (verdict->err == HR_UNKNOWN_OUTCOME) {
        hr_abi_out_u8(&out, 4, 2);
        hr_abi_out_text(&out, 8, verdict->detail);
    } else {
        hr_abi_out_u8(&out, 4, 1);
        out_error(&out, 8, verdict->err, verdict->detail);
    }
    return hr_abi_out_end(&out);
}

static enum hr_err commit_commit(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct bucket *bucket;
    struct hr_kv_check *checks;
    struct hr_kv_entry *puts;
    struct hr_str *deletes;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &bucket_type, &bucket);
    if (!err) {
        err = lift_checks(fiber, values[1].i32, values[2].i32, &checks);
    }
    if (!err) {
        err = lift_entries(fiber, values[3].i32, values[4].i32, &puts);
    }
    if (!err) {
        err = lift_keys(fiber, values[5].i32, values[6].i32, &deletes);
    }
    if (err) {
        return err;
    }
    const struct hr_kv_commit commit = {
        .bucket = bucket->name,
        .checks = checks,
        .check_count = (uint32_t)values[2].i32,
        .puts = puts,
        .put_count = (uint32_t)values[4].i32,
        .deletes = deletes,
        .delete_count = (uint32_t)values[6].i32,
    };
    struct verdict verdict;
    err = commit_and_wait(fiber, &commit, &verdict);
    if (err) {
        return err;
    }
    return verdict.err ? put_commit_error(fiber, values[7].i32, &verdict)
                       : put_unit(fiber, values[7].i32);
}

static enum hr_err lift_scan(struct hr_fiber *fiber, const wasmtime_val_raw_t *values,
                             struct hr_kv_scan *ret_scan)
{
    struct bucket *bucket;
    struct hr_kv_scan scan = {0};
    enum hr_err err = lift_key(fiber, values, &bucket, &scan.prefix);
    if (!err && values[3].i32) {
        err = hr_abi_copy_string(fiber, (uint32_t)values[4].i32, (uint32_t)values[5].i32,
                                 &scan.after);
    }
    if (err) {
        return err;
    }
    uint32_t limit = (uint32_t)values[6].i32;
    scan.bucket = bucket->name;
    scan.limit = limit > HR_KV_SCAN_ITEMS_MAX ? HR_KV_SCAN_ITEMS_MAX : limit;
    *ret_scan = scan;
    return HR_OK;
}

static enum hr_err scan_scan(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_kv_scan scan;
    struct hr_kv_page page;
    struct pending *pending = NULL;
    enum hr_err read;
    enum hr_err err = lift_scan(fiber, values, &scan);
    if (!err) {
        err = read_page(fiber, &scan, &page, &pending, &read);
    }
    if (err) {
        return err;
    }
    if (read) {
        pending_free(pending);
        return put_error(fiber, values[7].i32, 4, read, "");
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[7].i32);
    struct hr_abi_out items;
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_list(&out, 4, (uint32_t)page.count, 16, 4, &items);
    for (uint32_t i = 0; i < page.count; i++) {
        hr_abi_out_string(&items, 16 * i, page.entries[i].key);
        hr_abi_out_bytes(&items, 16 * i + 8, page.entries[i].value);
    }
    hr_abi_out_u8(&out, 12, page.more);
    pending_free(pending);
    return out.err ? out.err : hr_abi_out_end(&items);
}

#define STORE "wasi:keyvalue/store", "0.2"

static const struct hr_import imports[] = {
    {STORE, "open", "iii>", store_open},
    {STORE, "[method]bucket.get", "iiii>", bucket_get},
    {STORE, "[method]bucket.set", "iiiiii>", bucket_set},
    {STORE, "[method]bucket.delete", "iiii>", bucket_delete},
    {STORE, "[method]bucket.exists", "iiii>", bucket_exists},
    {STORE, "[method]bucket.list-keys", "iiji>", bucket_list_keys},
    {STORE, "[resource-drop]bucket", "i>", drop_bucket},
    {"wasi:keyvalue/atomics", "0.2", "increment", "iiiji>", atomics_increment},
    {"wasi:keyvalue/batch", "0.2", "get-many", "iiii>", batch_get_many},
    {"wasi:keyvalue/batch", "0.2", "set-many", "iiii>", batch_set_many},
    {"wasi:keyvalue/batch", "0.2", "delete-many", "iiii>", batch_delete_many},
    {"hedgerow:kv/commit", "0.1", "commit", "iiiiiiii>", commit_commit},
    {"hedgerow:kv/scan", "0.1", "scan", "iiiiiiii>", scan_scan},
};

const struct hr_imports_table hr_imports_keyvalue = HR_IMPORTS_TABLE(imports);
