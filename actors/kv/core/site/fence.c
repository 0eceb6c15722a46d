/* Reading and raising of fences. */
#include "actors/kv/core/site/fence.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/group.h"
#include "actors/kv/core/site/site.h"

#define FIRST_VERSION 1u
#define SECOND_VERSION 2u
#define VERSION 3u
#define STORED_BYTES 30u

enum hr_err dkv_fence_decode(struct dkv_value value, uint16_t site, struct dkv_fence *ret_fence,
                             struct hr_diag *diag)
{
    struct dkv_in in;
    struct dkv_fence fence = {.site = site};
    if (!value.present) {
        *ret_fence = fence;
        return HR_OK;
    }
    uint8_t version = dkv_in_version(value.bytes);
    version = version == FIRST_VERSION || version == SECOND_VERSION ? version : VERSION;
    enum hr_err err = dkv_in_frame(value.bytes, version, DKV_KEYS_FENCES, &in, diag);
    if (err) {
        return err;
    }
    fence.inc = dkv_in_u64(&in);
    fence.removed = dkv_in_u64(&in);
    fence.since = version >= SECOND_VERSION ? dkv_in_u64(&in) : 0;
    uint8_t doubtful = version >= VERSION ? dkv_in_u8(&in) : 0;
    fence.doubtful = doubtful == 1;
    if (!dkv_in_done(&in) || doubtful > 1 || fence.inc > DKV_INC_MAX ||
        fence.removed > DKV_INC_MAX || fence.since > DKV_INC_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("h/: out of bounds"));
    }
    *ret_fence = fence;
    return HR_OK;
}

static enum hr_err encode(const struct dkv_fence *fence, struct hr_arena *arena,
                          struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, STORED_BYTES);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, fence->inc, 8);
    dkv_out_uint(&out, fence->removed, 8);
    dkv_out_uint(&out, fence->since, 8);
    dkv_out_uint(&out, fence->doubtful, 1);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_fence_read(const struct dkv_env *env, struct hr_arena *arena,
                           struct dkv_fences *ret_fences, struct hr_diag *diag)
{
    struct dkv_page page;
    struct dkv_fences fences = {.count = 0};
    enum hr_err err = env->scan(env->arg, DKV_KEYS_FENCES, (struct hr_str){0}, DKV_FENCES_MAX + 1,
                                arena, &page, diag);
    for (size_t i = 0; !err && i < page.count; i++) {
        uint16_t site;
        const struct dkv_value value = {page.pairs[i].value, true};
        if (!dkv_key_fence_parse(page.pairs[i].key, &site) || fences.count == DKV_FENCES_MAX) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("h/ holds what does not belong there"));
        }
        err = dkv_fence_decode(value, site, &fences.rows[fences.count++], diag);
    }
    if (!err) {
        *ret_fences = fences;
    }
    return err;
}

enum hr_err dkv_fence_doubt(const struct dkv_env *env, struct hr_arena *arena,
                            struct dkv_pair *ret_pairs, size_t *ret_count, struct hr_diag *diag)
{
    struct dkv_fences fences;
    enum hr_err err = dkv_fence_read(env, arena, &fences, diag);
    *ret_count = 0;
    for (size_t i = 0; !err && i < fences.count; i++) {
        struct dkv_pair *pair = &ret_pairs[*ret_count];
        fences.rows[i].doubtful = true;
        pair->key = dkv_key_fence(arena, fences.rows[i].site);
        err = pair->key.ptr ? encode(&fences.rows[i], arena, &pair->value) : HR_NO_MEMORY;
        *ret_count += !err;
    }
    return err;
}

/* Whether the store of @site is not a new one that has not caught up with anybody yet. */
static bool knows_group(const struct dkv_site *site)
{
    return site->state == DKV_SITE_ACTIVE || site->boot_class != DKV_BOOT_FRESH;
}

/* One attempt. HR_CONFLICT, HR_UNKNOWN_OUTCOME: look again. */
static enum hr_err raise(const struct dkv_env *env, const struct dkv_config *config,
                         const struct dkv_fence *want, struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_site site;
    struct dkv_value value;
    struct dkv_fence fence;
    struct dkv_pair pair = {.key = dkv_key_fence(arena, want->site)};
    enum hr_err err = pair.key.ptr ? dkv_site_open(env, config, arena, &site, diag) : HR_NO_MEMORY;
    if (!err && !dkv_site_member(&site.cfg, want->site)) {
        err = DKV_FAIL(diag, HR_BUSY, HR_STR("the group has no room for another site"));
    }
    if (!err) {
        err = env->get_many(env->arg, &pair.key, 1, arena, &value, diag);
    }
    if (!err) {
        err = dkv_fence_decode(value, want->site, &fence, diag);
    }
    bool store_out = want->begun > 0 && dkv_inc_is_out(want->begun, fence.removed);
    uint64_t removed = store_out && want->inc > want->removed ? want->inc : want->removed;
    bool earlier = want->since > 0 && (fence.since == 0 || want->since < fence.since);
    bool clears = want->answered && fence.doubtful && want->inc >= fence.inc;
    if (err || (want->inc <= fence.inc && removed <= fence.removed && !earlier && !clears)) {
        return err;
    }
    fence.doubtful = fence.doubtful && !want->answered;
    if (want->inc > fence.inc && fence.since == 0 && knows_group(&site)) {
        fence.since = fence.inc;
    }
    fence.since = earlier ? want->since : fence.since;
    fence.inc = want->inc > fence.inc ? want->inc : fence.inc;
    fence.removed = removed > fence.removed ? removed : fence.removed;
    err = encode(&fence, arena, &pair.value);
    return err ? err : dkv_site_put(env, &site, value, pair, arena, diag);
}

enum hr_err dkv_fence_raise(const struct dkv_env *env, const struct dkv_config *given,
                            const struct dkv_fence *want, struct hr_arena *arena,
                            struct hr_diag *diag)
{
    struct dkv_config config = *given;
    enum hr_err err = HR_CONFLICT;
    if (want->site == config.site_id) {
        return HR_OK;
    }
    dkv_group_note(&config, want->site);
    for (unsigned i = 0; i < DKV_FENCE_TRIES_MAX; i++) {
        err = raise(env, &config, want, arena, diag);
        if (err != HR_CONFLICT && err != HR_UNKNOWN_OUTCOME) {
            return err;
        }
    }
    return DKV_FAIL(diag, HR_BUSY, HR_STR("other commits kept coming first"));
}

struct dkv_fence dkv_fence_of(const struct dkv_fences *fences, uint16_t site)
{
    for (size_t i = 0; i < fences->count; i++) {
        if (fences->rows[i].site == site) {
            return fences->rows[i];
        }
    }
    return (struct dkv_fence){.site = site};
}

bool dkv_fence_is_store_out(const struct dkv_fences *fences, uint16_t site, uint64_t begun)
{
    return dkv_inc_is_out(begun, dkv_fence_of(fences, site).removed);
}

bool dkv_fence_is_out(const struct dkv_fences *fences, uint16_t site)
{
    struct dkv_fence fence = dkv_fence_of(fences, site);
    return dkv_inc_is_out(fence.inc, fence.removed);
}

bool dkv_fence_bars(const struct dkv_fence *fence, dkv_origin origin)
{
    uint64_t inc = dkv_origin_inc(origin);
    return inc < fence->inc || dkv_inc_is_out(inc, fence->removed);
}

size_t dkv_fence_members(const struct dkv_fences *fences, const struct dkv_cfg *cfg)
{
    size_t count = 0;
    for (size_t i = 0; i < cfg->member_count; i++) {
        count += !dkv_fence_is_out(fences, cfg->members[i]);
    }
    return count;
}
