/* Names and generations of the index's leaves. */
#include "actors/kv/core/format/leaf.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/siphash.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/format/wire.h"

#define VERSION 1u
#define NAME_FIXED_BYTES 2u

static const unsigned char hash_key[DKV_SIPHASH_KEY_BYTES] = "hedgerow leaf v";

uint32_t dkv_leaf_of(struct hr_str key, unsigned leaf_bits)
{
    return (uint32_t)(dkv_siphash(hash_key, key) >> (64 - leaf_bits));
}

enum hr_err dkv_leaf_names(struct dkv_value value, struct hr_arena *arena,
                           struct hr_str **ret_names, size_t *ret_count, struct hr_diag *diag)
{
    struct dkv_in in = {0};
    uint32_t count = 0;
    if (value.present) {
        enum hr_err err = dkv_in_frame(value.bytes, VERSION, HR_STR("index leaf"), &in, diag);
        if (err) {
            return err;
        }
        count = dkv_in_u32(&in);
    }
    if (count > in.left / NAME_FIXED_BYTES) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("index leaf: more names than bytes"));
    }
    struct hr_str *names = hr_arena_alloc(arena, count * sizeof *names);
    if (!names) {
        return HR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = dkv_in_bytes(&in, dkv_in_u16(&in));
        if (in.failed || !dkv_key_valid(names[i]) ||
            (i > 0 && hr_str_cmp(names[i - 1], names[i]) >= 0)) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("index leaf: names are not in order"));
        }
    }
    if (value.present && !dkv_in_done(&in)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("index leaf: bytes are left over"));
    }
    *ret_names = names;
    *ret_count = count;
    return HR_OK;
}

static void write_name(struct dkv_out *out, struct hr_str name)
{
    dkv_out_uint(out, name.len, 2);
    dkv_out_bytes(out, name);
}

/* Copies the names that are left in @in and puts @name in its place. Returns HR_EXISTS if it is
 * there already. */
static enum hr_err copy_with(struct dkv_in *in, uint32_t count, struct hr_str name,
                             struct dkv_out *out, struct hr_diag *diag)
{
    struct hr_str last = {0};
    bool there = false;
    for (uint32_t i = 0; i < count; i++) {
        struct hr_str old = dkv_in_bytes(in, dkv_in_u16(in));
        if (in->failed || !dkv_key_valid(old) || (i > 0 && hr_str_cmp(last, old) >= 0)) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("index leaf: names are not in order"));
        }
        int order = hr_str_cmp(old, name);
        there = there || order == 0;
        if (order > 0 && (i == 0 || hr_str_cmp(last, name) < 0)) {
            write_name(out, name);
        }
        write_name(out, old);
        last = old;
    }
    if (!dkv_in_done(in)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("index leaf: bytes are left over"));
    }
    if (!there && (count == 0 || hr_str_cmp(last, name) < 0)) {
        write_name(out, name);
    }
    return there ? HR_EXISTS : HR_OK;
}

enum hr_err dkv_leaf_add(struct dkv_value old, struct hr_str name, struct hr_arena *arena,
                         struct dkv_value *ret_new, struct hr_diag *diag)
{
    struct dkv_in in = {0};
    uint32_t count = 0;
    if (old.present) {
        enum hr_err err = dkv_in_frame(old.bytes, VERSION, HR_STR("index leaf"), &in, diag);
        if (err) {
            return err;
        }
        count = dkv_in_u32(&in);
    }
    struct dkv_out out = dkv_out_in(arena, old.bytes.len + name.len + 16);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, (uint64_t)count + 1, 4);
    enum hr_err err = copy_with(&in, count, name, &out, diag);
    if (err == HR_EXISTS) {
        *ret_new = (struct dkv_value){0};
        return HR_OK;
    }
    if (err) {
        return err;
    }
    dkv_out_seal(&out);
    struct dkv_value added = {.present = true};
    err = dkv_out_take(&out, &added.bytes);
    if (!err && added.bytes.len > DKV_LEAF_BYTES_MAX) {
        return DKV_FAIL(diag, HR_TOO_BIG,
                        HR_STR("the bucket has too many keys: a leaf of its "
                               "index is full"));
    }
    if (!err) {
        *ret_new = added;
    }
    return err;
}

enum hr_err dkv_leaf_remove(struct dkv_value old, struct hr_str name, struct hr_arena *arena,
                            struct dkv_value *ret_new, struct hr_diag *diag)
{
    struct dkv_in in;
    enum hr_err err = dkv_in_frame(old.bytes, VERSION, HR_STR("index leaf"), &in, diag);
    if (err) {
        return err;
    }
    uint32_t count = dkv_in_u32(&in);
    uint32_t kept = 0;
    struct dkv_out names = dkv_out_in(arena, old.bytes.len);
    for (uint32_t i = 0; i < count && !in.failed; i++) {
        struct hr_str each = dkv_in_bytes(&in, dkv_in_u16(&in));
        if (!hr_str_eq(each, name)) {
            write_name(&names, each);
            kept++;
        }
    }
    if (!dkv_in_done(&in)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("index leaf: wrong length"));
    }
    struct dkv_value left = {.present = kept > 0};
    struct hr_str run = {0};
    err = dkv_out_take(&names, &run);
    if (!err && kept > 0) {
        struct dkv_out out = dkv_out_in(arena, run.len + 16);
        dkv_out_uint(&out, VERSION, 1);
        dkv_out_uint(&out, kept, 4);
        dkv_out_bytes(&out, run);
        dkv_out_seal(&out);
        err = dkv_out_take(&out, &left.bytes);
    }
    if (!err) {
        *ret_new = left;
    }
    return err;
}

enum hr_err dkv_leaf_count_up(struct dkv_value old, struct hr_arena *arena, struct hr_str *ret_new,
                              struct hr_diag *diag)
{
    uint64_t generation = 0;
    if (old.present) {
        struct dkv_in in;
        enum hr_err err = dkv_in_frame(old.bytes, VERSION, HR_STR("leaf generation"), &in, diag);
        if (err) {
            return err;
        }
        generation = dkv_in_u64(&in);
        if (!dkv_in_done(&in)) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("leaf generation: wrong length"));
        }
    }
    struct dkv_out out = dkv_out_in(arena, 16);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, generation + 1, 8);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_new);
}
