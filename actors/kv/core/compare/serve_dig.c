/* Questions about records. */
#include "actors/kv/core/compare/serve_dig.h"

#include "actors/kv/core/compare/digest.h"
#include "actors/kv/core/compare/repair.h"
#include "actors/kv/core/limits.h"

/* Repairs the keys, as far as their number allows; the answer says what is there then. */
static enum hr_err repair(const struct dkv_env *env, const struct dkv_config *config,
                          const struct dkv_group *group, const struct dkv_dig *dig,
                          struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_tick tick = {
        .env = env, .config = config, .group = group, .start = env->mono(env->arg)};
    struct dkv_holdings holdings;
    struct dkv_repair repair;
    enum hr_err err = dkv_holdings_ask(&tick, 0, arena, &holdings, diag);
    if (err || holdings.lists[0].state != DKV_SITE_ACTIVE) {
        return err;
    }
    dkv_repair_begin(&repair, &tick, &holdings);
    for (size_t i = 0; !err && i < dig->key_count; i += DKV_REPAIR_KEYS_MAX) {
        size_t part =
            dig->key_count - i < DKV_REPAIR_KEYS_MAX ? dig->key_count - i : DKV_REPAIR_KEYS_MAX;
        err = dkv_repair_keys(&repair, dig->keys + i, part, diag);
    }
    return err;
}

enum hr_err dkv_serve_dig(const struct dkv_env *env, const struct dkv_config *config,
                          const struct dkv_group *group, const struct dkv_message *message,
                          struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_dig dig;
    struct dkv_dig_answer answer;
    struct dkv_message reply = {.subject = message->reply_to};
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_dig_decode(message->body, &arena, &dig, diag);
    if (!err && dig.what == DKV_DIG_REPAIR) {
        err = repair(env, config, group, &dig, &arena, diag);
    }
    if (!err) {
        err = dkv_digest_answer(env, config, &dig, &arena, &answer, diag);
    }
    if (!err) {
        err = dkv_dig_answer_encode(&answer, &arena, &reply.body);
    }
    if (!err && message->reply_to.len > 0) {
        err = env->publish(env->arg, &reply, diag);
    }
    hr_arena_release(&arena);
    return err;
}
