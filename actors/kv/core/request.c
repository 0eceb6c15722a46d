/* From message to request. */
#include "actors/kv/core/request.h"

#include "actors/kv/core/wire.h"

static const unsigned char opid_key[DKV_SIPHASH_KEY_BYTES] = "hedgerow opid 1";
static const unsigned char hash_key[DKV_SIPHASH_KEY_BYTES] = "hedgerow reqs 1";

/* Subjects have no zero byte, so that two messages never give the same run of bytes. */
static enum hr_err hash_message(const struct dkv_message *message, struct hr_arena *arena,
                                unsigned char ret_hash[DKV_HASH128_BYTES])
{
    struct dkv_out out = dkv_out_in(arena, message->subject.len + 1 + message->body.len);
    struct hr_str all;
    dkv_out_bytes(&out, message->subject);
    dkv_out_uint(&out, 0, 1);
    dkv_out_bytes(&out, message->body);
    enum hr_err err = dkv_out_take(&out, &all);
    if (!err) {
        dkv_siphash128(hash_key, all, ret_hash);
    }
    return err;
}

static enum hr_err identify(const struct dkv_env *env, const struct dkv_message *message,
                            struct hr_arena *arena, struct dkv_request *request)
{
    if (!request->patch.options.has_request_id) {
        env->random(env->arg, request->opid.bytes, DKV_OPID_BYTES);
        return HR_OK;
    }
    dkv_siphash128(opid_key, request->patch.options.request_id, request->opid.bytes);
    return hash_message(message, arena, request->hash);
}

enum hr_err dkv_request_parse(const struct dkv_env *env, const struct dkv_message *message,
                              struct hr_arena *arena, struct dkv_request *ret_request,
                              struct hr_diag *diag)
{
    struct dkv_subject subject;
    enum hr_err err = dkv_subject_parse(message->subject, &subject, diag);
    if (err) {
        return err;
    }
    ret_request->op = subject.op;
    ret_request->key = subject.key;
    if (subject.op == DKV_OP_LIST) {
        return dkv_body_listing(message->body, arena, &ret_request->listing, diag);
    }
    if (subject.op == DKV_OP_GET) {
        return dkv_body_none(message->body, arena, diag);
    }
    err = dkv_body_patch(message->body, subject.op, arena, &ret_request->patch, diag);
    return err ? err : identify(env, message, arena, ret_request);
}
