/* Reads the configuration and checks every value. */
#include "actors/kv/core/config.h"

#include "actors/kv/core/text.h"

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

static enum hr_err nonce(const struct dkv_env *env, struct hr_arena *arena,
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

enum hr_err dkv_config_read(const struct dkv_env *env, struct hr_arena *arena,
                            struct dkv_config *ret_config, struct hr_diag *diag)
{
    struct hr_str site = {0};
    uint64_t site_id = 1;
    uint64_t sites = 1;
    uint64_t feed_max = DKV_FEED_MAX_DEFAULT;
    *ret_config = (struct dkv_config){0};
    enum hr_err err = env->config(env->arg, HR_STR("site"), arena, &site, diag);
    if (err && err != HR_NOT_FOUND) {
        return err;
    }
    if (err || site.len < 1 || site.len > DKV_SITE_NAME_BYTES_MAX || !hr_str_is_utf8(site)) {
        return wrong(HR_STR("site"), "the site's name, 1 to 64 bytes", diag);
    }
    ret_config->site = site;
    err = number(env, HR_STR("site-id"), (const uint64_t[]){1, UINT16_MAX}, arena, &site_id, diag);
    if (!err) {
        err = number(env, HR_STR("sites"), (const uint64_t[]){1, DKV_MEMBERS_MAX}, arena, &sites,
                     diag);
    }
    if (!err) {
        err = number(env, HR_STR("feed-max"), (const uint64_t[]){DKV_FEED_MAX_MIN, UINT64_MAX},
                     arena, &feed_max, diag);
    }
    if (!err) {
        err = nonce(env, arena, &ret_config->nonce, diag);
    }
    ret_config->site_id = (uint16_t)site_id;
    ret_config->sites = (uint32_t)sites;
    ret_config->feed_max = feed_max;
    return err;
}
