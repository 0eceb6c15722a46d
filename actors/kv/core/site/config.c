/* Reads the configuration and checks every value. */
#include "actors/kv/core/site/config.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/group.h"

static enum hr_err wrong(struct hr_str key, const char *must, struct hr_diag *diag)
{
    return DKV_FAIL(diag, HR_DENIED, HR_STR("configuration of the kv actor: "), key,
                    HR_STR(" must be "), hr_str_c(must));
}

/* A number of @low to @high; @ret_value keeps its default if the key is not set. */
static enum hr_err number(const struct dkv_env *env, struct hr_str key, const uint64_t range[2],
                          struct hr_arena *arena, uint64_t *ret_value, struct hr_diag *diag)
{
    struct hr_str text;
    uint64_t value;
    enum hr_err err = env->config(env->arg, key, arena, &text, diag);
    if (err == HR_NOT_FOUND) {
        return HR_OK;
    }
    if (err) {
        return err;
    }
    if (!hr_str_to_u64(text, &value) || value < range[0] || value > range[1]) {
        return wrong(key, "a whole number in its range", diag);
    }
    *ret_value = value;
    return HR_OK;
}

enum hr_err dkv_config_nonce(const struct dkv_env *env, struct hr_arena *arena,
                             struct dkv_nonce *ret_nonce, struct hr_diag *diag)
{
    const struct hr_str key = HR_STR("boot-nonce");
    const char *must = "32 lower-case hexadecimal digits, new at every start of the host";
    struct hr_str text;
    enum hr_err err = env->config(env->arg, key, arena, &text, diag);
    if (err && err != HR_NOT_FOUND) {
        return err;
    }
    if (err || text.len != (size_t)2 * DKV_NONCE_BYTES) {
        return wrong(key, must, diag);
    }
    for (size_t i = 0; i < DKV_NONCE_BYTES; i++) {
        uint64_t byte;
        if (!dkv_text_from_hex(hr_str_of(text.ptr + 2 * i, 2), &byte)) {
            return wrong(key, must, diag);
        }
        ret_nonce->bytes[i] = (unsigned char)byte;
    }
    return HR_OK;
}

/* A text that can be one word of a subject; @ret_text keeps its default if the key is not set. */
static enum hr_err word(const struct dkv_env *env, struct hr_str key, struct hr_arena *arena,
                        struct hr_str *ret_text, struct hr_diag *diag)
{
    struct hr_str text = *ret_text;
    enum hr_err err = env->config(env->arg, key, arena, &text, diag);
    if (err && err != HR_NOT_FOUND) {
        return err;
    }
    bool valid = text.len >= 1 && text.len <= DKV_SITE_NAME_BYTES_MAX && hr_str_is_utf8(text);
    for (size_t i = 0; valid && i < text.len; i++) {
        valid = (unsigned char)text.ptr[i] > ' ';
    }
    if (!valid) {
        return wrong(key, "a name, 1 to 64 bytes without spaces", diag);
    }
    *ret_text = text;
    return HR_OK;
}

static enum hr_err wants(const struct dkv_env *env, struct hr_arena *arena,
                         struct dkv_config *config, struct hr_diag *diag)
{
    const struct hr_str key = HR_STR("write-acks");
    struct hr_str text;
    uint64_t acks;
    enum hr_err err = env->config(env->arg, key, arena, &text, diag);
    config->wanted_acks = DKV_WRITE_ACKS_DEFAULT;
    if (err) {
        return err == HR_NOT_FOUND ? HR_OK : err;
    }
    if (hr_str_eq(text, HR_STR("majority"))) {
        config->wants = DKV_WANTS_MAJORITY;
    } else if (hr_str_eq(text, HR_STR("all"))) {
        config->wants = DKV_WANTS_ALL;
    } else if (hr_str_to_u64(text, &acks) && acks >= 1 && acks <= DKV_MEMBERS_MAX) {
        config->wanted_acks = (uint32_t)acks;
    } else {
        return wrong(key, "1 to 32, majority or all", diag);
    }
    return HR_OK;
}

/* The sites that are named; of this one's nothing is noted. */
static enum hr_err members(const struct dkv_env *env, struct hr_arena *arena,
                           struct dkv_config *config, struct hr_diag *diag)
{
    const struct hr_str key = HR_STR("members");
    struct hr_str text;
    size_t count = 0;
    enum hr_err err = env->config(env->arg, key, arena, &text, diag);
    if (err) {
        return err == HR_NOT_FOUND ? HR_OK : err;
    }
    for (size_t at = 0; at <= text.len; count++) {
        uint64_t id;
        size_t comma = hr_str_find(text, ',', at);
        size_t end = comma == SIZE_MAX ? text.len : comma;
        if (!hr_str_to_u64(hr_str_of(text.ptr + at, end - at), &id) || id < 1 || id > UINT16_MAX ||
            count == DKV_MEMBERS_MAX) {
            return wrong(key, "32 ids of sites at most, 1 to 65535, with commas", diag);
        }
        dkv_group_note(config, (uint16_t)id);
        at = end + 1;
    }
    return HR_OK;
}

/* One of two words; @ret_second keeps its default if the key is not set. */
static enum hr_err choice(const struct dkv_env *env, struct hr_str key,
                          const struct hr_str words[2], struct hr_arena *arena, bool *ret_second,
                          struct hr_diag *diag)
{
    struct hr_str text;
    enum hr_err err = env->config(env->arg, key, arena, &text, diag);
    if (err) {
        return err == HR_NOT_FOUND ? HR_OK : err;
    }
    bool second = hr_str_eq(text, words[1]);
    if (!second && !hr_str_eq(text, words[0])) {
        return DKV_FAIL(diag, HR_DENIED, HR_STR("configuration of the kv actor: "), key,
                        HR_STR(" must be "), words[0], HR_STR(" or "), words[1]);
    }
    *ret_second = second;
    return HR_OK;
}

enum hr_err dkv_config_lazy(const struct dkv_env *env, struct hr_arena *arena, bool *ret_lazy,
                            struct hr_diag *diag)
{
    const struct hr_str words[2] = {HR_STR("sync"), HR_STR("lazy")};
    *ret_lazy = false;
    return choice(env, HR_STR("store-durability"), words, arena, ret_lazy, diag);
}

enum hr_err dkv_config_read(const struct dkv_env *env, struct hr_arena *arena,
                            struct dkv_config *ret_config, struct hr_diag *diag)
{
    uint64_t site_id = 1;
    uint64_t feed_max = DKV_FEED_MAX_DEFAULT;
    uint64_t timeout_ms = DKV_ACK_TIMEOUT_MS_DEFAULT;
    uint64_t join_ms = DKV_JOIN_TIMEOUT_MS_DEFAULT;
    *ret_config = (struct dkv_config){.bucket = HR_STR("default")};
    enum hr_err err = word(env, HR_STR("site"), arena, &ret_config->site, diag);
    if (!err) {
        err = word(env, HR_STR("bucket"), arena, &ret_config->bucket, diag);
    }
    if (!err) {
        err = number(env, HR_STR("site-id"), (const uint64_t[]){1, UINT16_MAX}, arena, &site_id,
                     diag);
    }
    if (!err) {
        err = number(env, HR_STR("feed-max"), (const uint64_t[]){DKV_FEED_MAX_MIN, UINT64_MAX},
                     arena, &feed_max, diag);
    }
    if (!err) {
        err = wants(env, arena, ret_config, diag);
    }
    if (!err) {
        err = number(env, HR_STR("ack-timeout-ms"),
                     (const uint64_t[]){DKV_ACK_TIMEOUT_MS_MIN, DKV_ACK_TIMEOUT_MS_MAX}, arena,
                     &timeout_ms, diag);
    }
    if (!err) {
        err = number(env, HR_STR("join-timeout-ms"),
                     (const uint64_t[]){DKV_JOIN_TIMEOUT_MS_MIN, DKV_JOIN_TIMEOUT_MS_MAX}, arena,
                     &join_ms, diag);
    }
    if (!err) {
        const struct hr_str words[2] = {HR_STR("quorum"), HR_STR("any")};
        err = choice(env, HR_STR("join"), words, arena, &ret_config->join_any, diag);
    }
    if (!err) {
        err = dkv_config_nonce(env, arena, &ret_config->nonce, diag);
    }
    ret_config->site_id = (uint16_t)site_id;
    if (!err) {
        err = members(env, arena, ret_config, diag);
    }
    ret_config->feed_max = feed_max;
    ret_config->ack_timeout_ms = (uint32_t)timeout_ms;
    ret_config->join_timeout_ms = (uint32_t)join_ms;
    return err;
}
