/* m/S, and the floor by which an attempt may collect. */
#include "actors/kv/core/site/floor.h"

#include "actors/kv/core/format/text.h"

#define FIRST_VERSION 1u
#define VERSION 2u
#define FIXED_BYTES 96u
#define RETIRED_BYTES 10u

static enum hr_err decode_rest(struct dkv_in *in, struct dkv_floor *floor)
{
    floor->group = dkv_in_u64(in);
    floor->low = dkv_in_u64(in);
    floor->pending = dkv_in_u64(in);
    floor->pending_at = dkv_in_u64(in);
    floor->pending_wall = dkv_in_u64(in);
    struct hr_str nonce = dkv_in_bytes(in, DKV_NONCE_BYTES);
    floor->waits_from = dkv_in_u64(in);
    floor->retired_count = dkv_in_u8(in);
    if (nonce.len != DKV_NONCE_BYTES || floor->retired_count > DKV_RETIRED_MAX) {
        return HR_CORRUPT;
    }
    memcpy(floor->nonce.bytes, nonce.ptr, DKV_NONCE_BYTES);
    for (size_t i = 0; i < floor->retired_count; i++) {
        floor->retired[i].site = dkv_in_u16(in);
        floor->retired[i].inc = dkv_in_u64(in);
    }
    return HR_OK;
}

enum hr_err dkv_floor_decode(struct dkv_value value, struct dkv_floor *ret_floor,
                             struct hr_diag *diag)
{
    struct dkv_in in;
    struct dkv_floor floor = {0};
    if (!value.present) {
        *ret_floor = floor;
        return HR_OK;
    }
    bool first = dkv_in_version(value.bytes) == FIRST_VERSION;
    enum hr_err err =
        dkv_in_frame(value.bytes, first ? FIRST_VERSION : VERSION, DKV_KEY_FLOOR, &in, diag);
    if (err) {
        return err;
    }
    floor.collected = dkv_in_u64(&in);
    err = first ? HR_OK : decode_rest(&in, &floor);
    if (err || !dkv_in_done(&in)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/S: out of bounds"));
    }
    *ret_floor = floor;
    return HR_OK;
}

enum hr_err dkv_floor_encode(const struct dkv_floor *floor, struct hr_arena *arena,
                             struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, FIXED_BYTES + floor->retired_count * RETIRED_BYTES);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, floor->collected, 8);
    dkv_out_uint(&out, floor->group, 8);
    dkv_out_uint(&out, floor->low, 8);
    dkv_out_uint(&out, floor->pending, 8);
    dkv_out_uint(&out, floor->pending_at, 8);
    dkv_out_uint(&out, floor->pending_wall, 8);
    dkv_out_bytes(&out, hr_str_of(floor->nonce.bytes, DKV_NONCE_BYTES));
    dkv_out_uint(&out, floor->waits_from, 8);
    dkv_out_uint(&out, floor->retired_count, 1);
    for (size_t i = 0; i < floor->retired_count; i++) {
        dkv_out_uint(&out, floor->retired[i].site, 2);
        dkv_out_uint(&out, floor->retired[i].inc, 8);
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_floor_load(struct dkv_attempt *attempt, struct dkv_floor *ret_floor,
                           struct hr_diag *diag)
{
    struct dkv_value value;
    enum hr_err err = dkv_txn_get(&attempt->txn, DKV_KEY_FLOOR, &value, diag);
    return err ? err : dkv_floor_decode(value, ret_floor, diag);
}

enum hr_err dkv_floor_read(struct dkv_attempt *attempt, dkv_hlc *ret_floor, struct hr_diag *diag)
{
    struct dkv_floor floor;
    const struct dkv_ctr *ctr = &attempt->site.ctr;
    if (!attempt->site.grouped) {
        *ret_floor = attempt->progress.prefix == ctr->seq ? ctr->hlc : attempt->progress.hlc;
        return HR_OK;
    }
    enum hr_err err = dkv_floor_load(attempt, &floor, diag);
    if (!err) {
        *ret_floor = floor.group;
    }
    return err;
}

enum hr_err dkv_floor_keep(struct dkv_attempt *attempt, dkv_hlc by, struct hr_diag *diag)
{
    struct dkv_floor floor;
    struct hr_str bytes;
    enum hr_err err = dkv_floor_load(attempt, &floor, diag);
    if (err || floor.collected >= by) {
        return err;
    }
    floor.collected = by;
    err = dkv_floor_encode(&floor, attempt->arena, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, DKV_KEY_FLOOR, bytes);
}

enum hr_err dkv_floor_now(const struct dkv_env *env, struct hr_arena *arena,
                          struct dkv_floor *ret_floor, struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_FLOOR;
    struct dkv_value value;
    enum hr_err err = env->get_many(env->arg, &key, 1, arena, &value, diag);
    return err ? err : dkv_floor_decode(value, ret_floor, diag);
}

bool dkv_floor_retired(const struct dkv_floor *floor, dkv_origin origin)
{
    for (size_t i = 0; i < floor->retired_count; i++) {
        if (floor->retired[i].site == dkv_origin_site(origin)) {
            return dkv_origin_inc(origin) <= floor->retired[i].inc;
        }
    }
    return false;
}
