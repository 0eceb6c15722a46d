#include "actors/kv/core/site/note.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/format/wire.h"

#define VERSION 1u
#define NOTE_BYTES 13u

enum hr_err dkv_note_decode(struct dkv_value value, struct hr_str name, uint64_t *ret_number,
                            struct hr_diag *diag)
{
    struct dkv_in in;
    if (!value.present) {
        *ret_number = 0;
        return HR_OK;
    }
    enum hr_err err = dkv_in_frame(value.bytes, VERSION, name, &in, diag);
    if (err) {
        return err;
    }
    uint64_t number = dkv_in_u64(&in);
    if (!dkv_in_done(&in)) {
        return DKV_FAIL(diag, HR_CORRUPT, name, HR_STR(": wrong length"));
    }
    *ret_number = number;
    return HR_OK;
}

enum hr_err dkv_note_put(const struct dkv_env *env, const struct dkv_check *before, uint64_t number,
                         struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_pair pair = {.key = before->key};
    struct dkv_commit commit = {.checks = before, .check_count = 1};
    size_t conflict;
    if (number == 0) {
        commit.deletes = &before->key;
        commit.delete_count = 1;
        return env->commit(env->arg, &commit, &conflict, diag);
    }
    struct dkv_out out = dkv_out_in(arena, NOTE_BYTES);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, number, 8);
    dkv_out_seal(&out);
    commit.puts = &pair;
    commit.put_count = 1;
    enum hr_err err = dkv_out_take(&out, &pair.value);
    return err ? err : env->commit(env->arg, &commit, &conflict, diag);
}
