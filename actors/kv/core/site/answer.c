/* Results of writes as they are kept. */
#include "actors/kv/core/site/answer.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/format/wire.h"

#define VERSION 2u
#define VERSION_WITHOUT_SEQ 1u
#define FIXED_BYTES 67u

static const enum dkv_op ops[] = {DKV_OP_SET, DKV_OP_DEL, DKV_OP_CLEAR};

enum hr_err dkv_result_decode(struct hr_str bytes, struct dkv_result *ret_result,
                              struct hr_diag *diag)
{
    struct dkv_in in;
    struct dkv_result result = {0};
    bool old = dkv_in_version(bytes) == VERSION_WITHOUT_SEQ;
    enum hr_err err =
        dkv_in_frame(bytes, old ? VERSION_WITHOUT_SEQ : VERSION, HR_STR("result"), &in, diag);
    if (err) {
        return err;
    }
    result.time = dkv_in_u64(&in);
    struct hr_str hash = dkv_in_bytes(&in, DKV_HASH128_BYTES);
    uint8_t what = dkv_in_u8(&in);
    uint8_t created = dkv_in_u8(&in);
    result.answer.version = dkv_stamp_read(&in);
    result.answer.seq = old ? 0 : dkv_in_u64(&in);
    result.answer.count = dkv_in_u64(&in);
    result.answer.value = dkv_in_bytes(&in, dkv_in_u32(&in));
    if (!dkv_in_done(&in) || what < 1 || what > sizeof ops / sizeof ops[0] || created > 1) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("result: out of bounds"));
    }
    memcpy(result.hash, hash.ptr, DKV_HASH128_BYTES);
    result.answer.op = ops[what - 1];
    result.answer.created = created == 1;
    *ret_result = result;
    return HR_OK;
}

enum hr_err dkv_result_encode(dkv_wall_ms time, const unsigned char hash[DKV_HASH128_BYTES],
                              const struct dkv_answer *answer, struct hr_arena *arena,
                              struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, FIXED_BYTES + answer->value.len);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, time, 8);
    dkv_out_bytes(&out, hr_str_of(hash, DKV_HASH128_BYTES));
    dkv_out_uint(&out, answer->op == DKV_OP_SET ? 1 : answer->op == DKV_OP_DEL ? 2 : 3, 1);
    dkv_out_uint(&out, answer->created, 1);
    dkv_stamp_write(&out, answer->version);
    dkv_out_uint(&out, answer->seq, 8);
    dkv_out_uint(&out, answer->count, 8);
    dkv_out_uint(&out, answer->value.len, 4);
    dkv_out_bytes(&out, answer->value);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}
