/* The floor of a site that is alone. */
#include "actors/kv/core/floor.h"

#include "actors/kv/core/text.h"

#define VERSION 1u
#define STORED_BYTES 13u

enum hr_err dkv_floor_decode(struct dkv_value value, dkv_hlc *ret_floor, struct hr_diag *diag)
{
    struct dkv_in in;
    if (!value.present) {
        *ret_floor = 0;
        return HR_OK;
    }
    enum hr_err err = dkv_in_frame(value.bytes, VERSION, DKV_KEY_FLOOR, &in, diag);
    if (err) {
        return err;
    }
    dkv_hlc floor = dkv_in_u64(&in);
    if (!dkv_in_done(&in)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/S: wrong length"));
    }
    *ret_floor = floor;
    return HR_OK;
}

static enum hr_err stored(struct dkv_attempt *attempt, dkv_hlc *ret_floor, struct hr_diag *diag)
{
    struct dkv_value value;
    enum hr_err err = dkv_txn_get(&attempt->txn, DKV_KEY_FLOOR, &value, diag);
    return err ? err : dkv_floor_decode(value, ret_floor, diag);
}

enum hr_err dkv_floor_read(struct dkv_attempt *attempt, dkv_hlc *ret_floor, struct hr_diag *diag)
{
    const struct dkv_ctr *ctr = &attempt->site.ctr;
    if (attempt->site.grouped) {
        return stored(attempt, ret_floor, diag);
    }
    *ret_floor = attempt->progress.prefix == ctr->seq ? ctr->hlc : attempt->progress.hlc;
    return HR_OK;
}

enum hr_err dkv_floor_keep(struct dkv_attempt *attempt, dkv_hlc floor, struct hr_diag *diag)
{
    dkv_hlc old;
    struct hr_str bytes;
    enum hr_err err = stored(attempt, &old, diag);
    if (err || old >= floor) {
        return err;
    }
    struct dkv_out out = dkv_out_in(attempt->arena, STORED_BYTES);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, floor, 8);
    dkv_out_seal(&out);
    err = dkv_out_take(&out, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, DKV_KEY_FLOOR, bytes);
}
