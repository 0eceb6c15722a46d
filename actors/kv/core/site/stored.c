/* Reading m/self, m/ctr and m/cfg. */
#include "actors/kv/core/site/stored.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/site.h"

enum hr_err dkv_stored_load(const struct dkv_env *env, struct hr_arena *arena,
                            struct dkv_stored *ret_stored, struct hr_diag *diag)
{
    struct dkv_stored stored = {.keys = {DKV_KEY_SELF, DKV_KEY_CTR, DKV_KEY_CFG}};
    enum hr_err err =
        env->get_many(env->arg, stored.keys, DKV_STORED_COUNT, arena, stored.values, diag);
    if (!err && stored.values[DKV_STORED_SELF].present) {
        err = dkv_self_decode(stored.values[DKV_STORED_SELF].bytes, &stored.self, diag);
    }
    if (!err && stored.values[DKV_STORED_CTR].present) {
        err = dkv_ctr_decode(stored.values[DKV_STORED_CTR].bytes, &stored.ctr, diag);
    }
    if (!err && stored.values[DKV_STORED_CFG].present) {
        err = dkv_cfg_decode(stored.values[DKV_STORED_CFG].bytes, &stored.cfg, diag);
    }
    if (!err) {
        *ret_stored = stored;
    }
    return err;
}

enum hr_err dkv_stored_admit(const struct dkv_stored *stored, const struct dkv_config *config,
                             struct hr_diag *diag)
{
    char here[DKV_DEC_BYTES_MAX];
    char there[DKV_DEC_BYTES_MAX];
    uint16_t owner = dkv_origin_site(stored->self.origin);
    if (stored->values[DKV_STORED_SELF].present && owner != config->site_id) {
        return DKV_FAIL(diag, HR_DENIED, HR_STR("the store belongs to site-id "),
                        dkv_text_dec(there, owner), HR_STR(", this host is configured as "),
                        dkv_text_dec(here, config->site_id));
    }
    if (!stored->values[DKV_STORED_CFG].present) {
        return HR_OK;
    }
    if (dkv_site_member(&stored->cfg, config->site_id)) {
        return HR_OK;
    }
    return DKV_FAIL(diag, HR_DENIED, HR_STR("site-id "), dkv_text_dec(here, config->site_id),
                    HR_STR(" is no member of the group in m/cfg"));
}

static bool nonce_eq(const struct dkv_nonce *a, const struct dkv_nonce *b)
{
    return memcmp(a->bytes, b->bytes, DKV_NONCE_BYTES) == 0;
}

bool dkv_stored_booted(const struct dkv_stored *stored, const struct dkv_config *config)
{
    bool booted = nonce_eq(&stored->self.nonce, &config->nonce);
    for (size_t i = 0; !booted && i < stored->self.past_count; i++) {
        booted = nonce_eq(&stored->self.past[i], &config->nonce);
    }
    return booted;
}
