/* Reading and writing of the note. */
#include "actors/kv/core/site/joining.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/wire.h"

#define VERSION 1u
#define FIXED_BYTES 15u
#define ARENA_BYTES_MAX ((size_t)1 << 16)

/* The text of a note of @origin; empty if it is none. */
static struct hr_str decode(struct dkv_value value, dkv_origin origin)
{
    struct dkv_in in;
    struct hr_diag why;
    if (!value.present || dkv_in_frame(value.bytes, VERSION, DKV_KEY_JOINING, &in, &why)) {
        return (struct hr_str){0};
    }
    bool same = dkv_in_u64(&in) == origin;
    struct hr_str text = dkv_in_bytes(&in, dkv_in_u16(&in));
    return dkv_in_done(&in) && same && hr_str_is_utf8(text) ? text : (struct hr_str){0};
}

static enum hr_err put(const struct dkv_env *env, struct dkv_value before, dkv_origin origin,
                       struct hr_str text, struct hr_arena *arena, struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_JOINING;
    const struct dkv_check check = {key, before};
    struct dkv_pair pair = {.key = key};
    struct dkv_commit commit = {.checks = &check, .check_count = 1};
    size_t conflict;
    if (text.len == 0) {
        commit.deletes = &key;
        commit.delete_count = 1;
        return env->commit(env->arg, &commit, &conflict, diag);
    }
    struct dkv_out out = dkv_out_in(arena, FIXED_BYTES + text.len);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, origin, 8);
    dkv_out_uint(&out, text.len, 2);
    dkv_out_bytes(&out, text);
    dkv_out_seal(&out);
    commit.puts = &pair;
    commit.put_count = 1;
    enum hr_err err = dkv_out_take(&out, &pair.value);
    return err ? err : env->commit(env->arg, &commit, &conflict, diag);
}

enum hr_err dkv_joining_note(const struct dkv_env *env, dkv_origin origin, struct hr_str text,
                             struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_JOINING;
    struct dkv_value value;
    struct hr_arena arena;
    text.len = text.len < DKV_JOINING_TEXT_BYTES_MAX ? text.len : DKV_JOINING_TEXT_BYTES_MAX;
    hr_arena_init(&arena, ARENA_BYTES_MAX);
    enum hr_err err = env->get_many(env->arg, &key, 1, &arena, &value, diag);
    bool same = !err && (text.len == 0 ? !value.present : hr_str_eq(decode(value, origin), text));
    if (!err && !same) {
        err = put(env, value, origin, text, &arena, diag);
    }
    hr_arena_release(&arena);
    /* Another host of the site was quicker, or the answer was lost: the next round looks anew. */
    return err == HR_CONFLICT || err == HR_UNKNOWN_OUTCOME ? HR_OK : err;
}

struct hr_str dkv_joining_read(const struct dkv_env *env, dkv_origin origin, struct hr_arena *arena)
{
    const struct hr_str key = DKV_KEY_JOINING;
    struct dkv_value value;
    struct hr_diag why;
    return env->get_many(env->arg, &key, 1, arena, &value, &why) ? (struct hr_str){0}
                                                                 : decode(value, origin);
}
