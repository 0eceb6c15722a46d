/* From message to request. */
#include "actors/kv/core/site/request.h"

#include "actors/kv/core/format/opid.h"
#include "actors/kv/core/format/wire.h"

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

/* The same for a request with a session: of what it means, without that. */
static enum hr_err hash_meaning(const struct dkv_message *message, const struct dkv_patch *patch,
                                struct hr_arena *arena, unsigned char ret_hash[DKV_HASH128_BYTES])
{
    const struct dkv_options *options = &patch->options;
    struct dkv_out out = dkv_out_in(arena, message->subject.len + message->body.len + 64);
    struct hr_str all;
    dkv_out_bytes(&out, message->subject);
    dkv_out_uint(&out, 0, 1);
    dkv_out_bytes(&out, HR_STR("$session"));
    dkv_out_uint(&out, options->if_absent, 1);
    dkv_out_uint(&out, options->if_present, 1);
    dkv_out_uint(&out, options->if_version, 1);
    dkv_stamp_write(&out, options->version);
    for (size_t i = 0; i < patch->count; i++) {
        const struct dkv_field *field = &patch->fields[i];
        dkv_out_uint(&out, field->name.len, 1);
        dkv_out_bytes(&out, field->name);
        dkv_out_uint(&out, field->type, 1);
        dkv_out_uint(&out, field->value.len, 4);
        dkv_out_bytes(&out, field->value);
    }
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
    request->opid = dkv_opid_of(request->patch.options.request_id);
    return request->session ? hash_meaning(message, &request->patch, arena, request->hash)
                            : hash_message(message, arena, request->hash);
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
        err = dkv_body_listing(message->body, arena, &ret_request->listing, diag);
        ret_request->session = ret_request->listing.session;
        return err;
    }
    if (subject.op == DKV_OP_GET) {
        return dkv_body_get(message->body, arena, &ret_request->session, diag);
    }
    err = dkv_body_patch(message->body, subject.op, arena, &ret_request->patch, diag);
    ret_request->session = ret_request->patch.options.session;
    return err ? err : identify(env, message, arena, ret_request);
}
