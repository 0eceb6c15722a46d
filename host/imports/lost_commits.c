/* hedgerow:kv/lost-commits: what the store's server has lost of this host's commits, as far as the store knows. */
#include "host/imports/all.h"
#include "host/imports/keyvalue.h"
#include "host/run/abi.h"
#include "host/run/worker.h"

#define COMMIT_BYTES 16u

static enum hr_err put_page(struct hr_fiber *fiber, int32_t ret, const struct hr_kv_lost_page *page)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    struct hr_abi_out commits;
    enum hr_err err = HR_OK;
    hr_abi_out_u8(&out, 0, 1);
    hr_abi_out_list(&out, 4, (uint32_t)page->count, COMMIT_BYTES, 8, &commits);
    for (uint32_t i = 0; !err && i < page->count; i++) {
        const struct hr_kv_lost *commit = &page->commits[i];
        struct hr_abi_out keys;
        hr_abi_out_u64(&commits, COMMIT_BYTES * i, commit->id);
        hr_abi_out_list(&commits, COMMIT_BYTES * i + 8, (uint32_t)commit->key_count, 8, 4, &keys);
        for (uint32_t j = 0; j < commit->key_count; j++) {
            hr_abi_out_string(&keys, 8 * j, commit->keys[j]);
        }
        err = hr_abi_out_end(&keys);
    }
    hr_abi_out_u8(&out, 12, page->more);
    err = err ? err : hr_abi_out_end(&commits);
    return err ? err : hr_abi_out_end(&out);
}

static enum hr_err read_lost(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_kv *kv;
    struct hr_str bucket;
    struct hr_arena arena;
    struct hr_kv_lost_page page;
    enum hr_err err = hr_keyvalue_bucket(fiber, values[0].i32, &kv, &bucket);
    if (err) {
        return err;
    }
    hr_arena_init(&arena, HR_FIBER_ARENA_BYTES_MAX);
    enum hr_err found = hr_kv_lost(kv, bucket, (uint64_t)values[1].i64, &arena, &page);
    if (found == HR_AGAIN) {
        struct hr_abi_out out = hr_abi_out(fiber, values[2].i32);
        hr_abi_out_u8(&out, 0, 0);
        err = hr_abi_out_end(&out);
    } else if (found) {
        err = hr_fiber_trap(fiber, "the lost commits: %s", hr_err_text(found));
    } else {
        err = put_page(fiber, values[2].i32, &page);
    }
    hr_arena_release(&arena);
    return err;
}

static enum hr_err forget(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_kv *kv;
    struct hr_str bucket;
    enum hr_err err = hr_keyvalue_bucket(fiber, values[0].i32, &kv, &bucket);
    if (!err) {
        hr_kv_lost_forget(kv, bucket, (uint64_t)values[1].i64);
    }
    return err;
}

static const struct hr_import imports[] = {
    {"hedgerow:kv/lost-commits", "0.1", "read", "iji>", read_lost},
    {"hedgerow:kv/lost-commits", "0.1", "forget", "ij>", forget},
};

const struct hr_imports_table hr_imports_lost_commits = HR_IMPORTS_TABLE(imports);
