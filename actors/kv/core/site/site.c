/* Opening a site, and what its state becomes after the boot. */
#include "actors/kv/core/site/site.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/boot.h"
#include "actors/kv/core/site/drift.h"
#include "actors/kv/core/site/joining.h"

bool dkv_site_member(const struct dkv_cfg *cfg, uint16_t id)
{
    for (size_t i = 0; i < cfg->member_count; i++) {
        if (cfg->members[i] == id) {
            return true;
        }
    }
    return false;
}
/* The members of m/cfg with the others that it lacks, as far as there is room. Returns whether there
 * are any. */
static bool add_members(const struct dkv_cfg *cfg, const struct dkv_config *config,
                        struct dkv_cfg *ret_cfg)
{
    *ret_cfg = *cfg;
    for (size_t i = 0; i < config->other_count; i++) {
        if (!dkv_site_member(ret_cfg, config->others[i]) &&
            ret_cfg->member_count < DKV_MEMBERS_MAX) {
            ret_cfg->members[ret_cfg->member_count++] = config->others[i];
        }
    }
    return ret_cfg->member_count > cfg->member_count;
}

/* Says so if others cannot get all that is here by asking for changes. */
static enum hr_err look_for_cuts(const struct dkv_env *env, struct hr_arena *arena,
                                 struct hr_diag *diag)
{
    bool cut = false;
    struct hr_str after = {0};
    struct dkv_page page = {.more = true};
    enum hr_err err = HR_OK;
    while (!err && !cut && page.more) {
        err = env->scan(env->arg, DKV_KEYS_PROGRESS, after, DKV_SCAN_LIMIT_MAX, arena, &page, diag);
        if (!err && page.more && page.count == 0) {
            err = DKV_FAIL(diag, HR_INTERNAL, HR_STR("the store gave an empty page"));
        }
        for (size_t i = 0; !err && i < page.count; i++) {
            struct dkv_progress progress;
            err = dkv_progress_decode(page.pairs[i].value, &progress, diag);
            cut = cut || (!err && progress.trunc_below > 1);
            after = page.pairs[i].key;
        }
    }
    if (!err && cut) {
        env->log(
            env->arg, DKV_LOG_INFO,
            HR_STR("event=feed-was-cut reason=\"this site was alone and its oldest changes are "
                   "no longer in its feed: other sites take over its records\""));
    }
    return err;
}

/* Whether a site that was alone is to see first what the others have: its store was new at this boot, or has
 * lost something. */
static bool starts_to_sync(const struct dkv_stored *stored)
{
    return stored->cfg.member_count == 1 && stored->self.state == DKV_SITE_ACTIVE &&
           stored->self.boot_class != DKV_BOOT_INTACT;
}

/* Adds members to m/cfg. It moves m/ctr as every commit does. */
static enum hr_err join(const struct dkv_env *env, const struct dkv_stored *stored,
                        const struct dkv_cfg *cfg, struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_cfg next_cfg = *cfg;
    struct dkv_ctr next_ctr = stored->ctr;
    struct dkv_self next_self = stored->self;
    struct dkv_pair puts[DKV_STORED_COUNT];
    struct dkv_check checks[DKV_STORED_COUNT];
    size_t conflict;
    for (size_t i = 0; i < DKV_STORED_COUNT; i++) {
        checks[i] = (struct dkv_check){stored->keys[i], stored->values[i]};
        puts[i].key = stored->keys[i];
    }
    next_cfg.epoch++;
    next_self.state = starts_to_sync(stored) ? DKV_SITE_SYNC : stored->self.state;
    enum hr_err err = HR_OK;
    if (stored->cfg.member_count == 1) {
        err = look_for_cuts(env, arena, diag);
    }
    if (!err) {
        err = dkv_clock_next(stored->ctr.hlc, 0, 0, &next_ctr.hlc);
    }
    if (!err) {
        err = dkv_self_encode(&next_self, arena, &puts[DKV_STORED_SELF].value);
    }
    if (!err) {
        err = dkv_ctr_encode(&next_ctr, arena, &puts[DKV_STORED_CTR].value);
    }
    if (!err) {
        err = dkv_cfg_encode(&next_cfg, arena, &puts[DKV_STORED_CFG].value);
    }
    if (err) {
        return err;
    }
    const struct dkv_commit commit = {.checks = checks,
                                      .check_count = DKV_STORED_COUNT,
                                      .puts = puts,
                                      .put_count = DKV_STORED_COUNT};
    return env->commit(env->arg, &commit, &conflict, diag);
}

/* HR_CONFLICT: another host took the store over between the readings of m/self and m/ctr. */
static enum hr_err finish(const struct dkv_env *env, const struct dkv_config *config,
                          const struct dkv_stored *stored, struct dkv_site *ret_site,
                          struct hr_diag *diag)
{
    if (!stored->values[DKV_STORED_CTR].present || !stored->values[DKV_STORED_CFG].present) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/self is there, but m/ctr or m/cfg is not"));
    }
    if (stored->ctr.origin != stored->self.origin) {
        return HR_CONFLICT;
    }
    *ret_site = (struct dkv_site){.ctr = stored->ctr,
                                  .ctr_bytes = stored->values[DKV_STORED_CTR].bytes,
                                  .cfg = stored->cfg,
                                  .state = stored->self.state,
                                  .boot_class = stored->self.boot_class,
                                  .since = stored->self.since,
                                  .grouped = stored->cfg.member_count > 1,
                                  .wall = dkv_drift_own(config, env->wall(env->arg))};
    return HR_OK;
}

/* Loads, and reads the nonce after that: if the store has lost its newest changes since this call began, the
 * host has known it for as long as they can be missed. What is written afterwards is bound to what was read
 * here, because it checks m/ctr. */
static enum hr_err load_now(const struct dkv_env *env, struct dkv_config *config,
                            struct hr_arena *arena, struct dkv_stored *ret_stored,
                            struct hr_diag *diag)
{
    enum hr_err err = dkv_stored_load(env, arena, ret_stored, diag);
    return err ? err : dkv_config_nonce(env, arena, &config->nonce, diag);
}

enum hr_err dkv_site_open(const struct dkv_env *env, const struct dkv_config *given,
                          struct hr_arena *arena, struct dkv_site *ret_site, struct hr_diag *diag)
{
    struct dkv_config present = *given;
    const struct dkv_config *config = &present;
    for (unsigned i = 0; i < DKV_BOOT_TRIES_MAX; i++) {
        struct dkv_stored stored;
        enum hr_err err = load_now(env, &present, arena, &stored, diag);
        if (!err) {
            err = dkv_stored_admit(&stored, config, diag);
        }
        if (err) {
            return err;
        }
        if (stored.values[DKV_STORED_SELF].present && !stored.values[DKV_STORED_CTR].present) {
            /* Lost, or being taken away with all else (wipe.h): nothing begins on what is left. */
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/self is there, but m/ctr is not"));
        }
        struct dkv_cfg cfg;
        bool booted = stored.values[DKV_STORED_SELF].present && dkv_stored_booted(&stored, config);
        if (!booted) {
            /* Whether it went through, was overtaken or nobody knows: the next reading tells. */
            err = dkv_boot(env, config, &stored, &(const struct dkv_occasion){0}, arena, diag);
        } else if (stored.values[DKV_STORED_CTR].present && stored.values[DKV_STORED_CFG].present &&
                   add_members(&stored.cfg, config, &cfg)) {
            err = join(env, &stored, &cfg, arena, diag);
        } else {
            err = finish(env, config, &stored, ret_site, diag);
            if (!err) {
                return HR_OK;
            }
        }
        if (err && err != HR_CONFLICT && err != HR_UNKNOWN_OUTCOME) {
            return err;
        }
    }
    return DKV_FAIL(diag, HR_BUSY, HR_STR("other invocations kept starting this site"));
}

/* Whether @value, which m/self held a moment ago, says that this host has nothing to do before a reading. The
 * nonce is read after all else, as load_now does. */
static enum hr_err is_open(const struct dkv_env *env, const struct dkv_config *config,
                           struct dkv_value value, struct hr_arena *arena, bool *ret_open,
                           struct hr_diag *diag)
{
    struct dkv_stored stored = {.values[DKV_STORED_SELF] = value};
    struct dkv_config present = *config;
    enum hr_err err = HR_OK;
    *ret_open = false;
    if (!value.present) {
        return HR_OK;
    }
    err = dkv_self_decode(value.bytes, &stored.self, diag);
    if (!err) {
        err = dkv_config_nonce(env, arena, &present.nonce, diag);
    }
    if (!err) {
        err = dkv_stored_admit(&stored, &present, diag);
    }
    if (!err) {
        *ret_open = stored.self.state == DKV_SITE_ACTIVE && dkv_stored_booted(&stored, &present);
    }
    return err;
}

enum hr_err dkv_site_read(const struct dkv_env *env, const struct dkv_config *config,
                          const struct hr_str *keys, size_t count, struct hr_arena *arena,
                          struct dkv_value *ret_values, struct hr_diag *diag)
{
    struct dkv_site site;
    bool open;
    struct hr_str *all = hr_arena_alloc(arena, (count + 1) * sizeof *all);
    struct dkv_value *values = hr_arena_alloc(arena, (count + 1) * sizeof *values);
    if (!all || !values) {
        return HR_NO_MEMORY;
    }
    all[0] = DKV_KEY_SELF;
    memcpy(&all[1], keys, count * sizeof *keys);
    enum hr_err err = env->get_many(env->arg, all, count + 1, arena, values, diag);
    if (!err) {
        err = is_open(env, config, values[0], arena, &open, diag);
    }
    if (!err && !open) {
        err = dkv_site_open(env, config, arena, &site, diag);
        err = err ? err : dkv_site_serves(env, &site, arena, diag);
        err = err ? err : env->get_many(env->arg, keys, count, arena, values + 1, diag);
    }
    if (!err) {
        memcpy(ret_values, &values[1], count * sizeof *values);
    }
    return err;
}

enum hr_err dkv_site_renew(const struct dkv_env *env, const struct dkv_config *config,
                           dkv_origin origin, uint64_t above, struct hr_arena *arena,
                           struct hr_diag *diag)
{
    const struct dkv_occasion occasion = {.lost = true, .above = above};
    struct dkv_stored stored;
    enum hr_err err = dkv_stored_load(env, arena, &stored, diag);
    if (err || stored.self.origin != origin || stored.ctr.origin != origin) {
        return err;
    }
    return dkv_boot(env, config, &stored, &occasion, arena, diag);
}

/* Stores state and class, and a clock above @lift, if @origin is in force and the host has not said meanwhile
 * that the store lost something. */
static enum hr_err turn(const struct dkv_env *env, const struct dkv_config *given,
                        dkv_origin origin, const struct dkv_self *want, dkv_hlc lift,
                        struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_config config = *given;
    struct dkv_stored stored;
    struct dkv_pair puts[2] = {{.key = DKV_KEY_SELF}, {.key = DKV_KEY_CTR}};
    size_t conflict;
    enum hr_err err = load_now(env, &config, arena, &stored, diag);
    if (err) {
        return err;
    }
    bool booted = dkv_stored_booted(&stored, &config);
    if (!booted || stored.self.origin != origin || stored.ctr.origin != origin) {
        return HR_CONFLICT;
    }
    const struct dkv_check checks[2] = {{DKV_KEY_SELF, stored.values[DKV_STORED_SELF]},
                                        {DKV_KEY_CTR, stored.values[DKV_STORED_CTR]}};
    stored.self.state = want->state;
    stored.self.boot_class = want->boot_class ? want->boot_class : stored.self.boot_class;
    err = dkv_clock_next(stored.ctr.hlc, lift, 0, &stored.ctr.hlc);
    if (!err) {
        err = dkv_self_encode(&stored.self, arena, &puts[0].value);
    }
    if (!err) {
        err = dkv_ctr_encode(&stored.ctr, arena, &puts[1].value);
    }
    const struct dkv_commit commit = {
        .checks = checks, .check_count = 2, .puts = puts, .put_count = 2};
    return err ? err : env->commit(env->arg, &commit, &conflict, diag);
}

enum hr_err dkv_site_enter(const struct dkv_env *env, const struct dkv_config *config,
                           dkv_origin origin, enum dkv_site_state state, dkv_hlc lift,
                           struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_self want = {.state = state};
    if (state == DKV_SITE_ACTIVE) {
        want.boot_class = DKV_BOOT_INTACT;
    }
    return turn(env, config, origin, &want, lift, arena, diag);
}

enum hr_err dkv_site_doubt(const struct dkv_env *env, const struct dkv_config *config,
                           dkv_origin origin, struct hr_arena *arena, struct hr_diag *diag)
{
    const struct dkv_self want = {.state = DKV_SITE_SYNC, .boot_class = DKV_BOOT_LOSSY};
    return turn(env, config, origin, &want, 0, arena, diag);
}

enum hr_err dkv_site_put(const struct dkv_env *env, const struct dkv_site *site,
                         struct dkv_value before, struct dkv_pair pair, struct hr_arena *arena,
                         struct hr_diag *diag)
{
    struct dkv_ctr ctr = site->ctr;
    struct dkv_pair puts[2] = {{.key = DKV_KEY_CTR}, pair};
    const struct dkv_check checks[2] = {{DKV_KEY_CTR, {site->ctr_bytes, true}}, {pair.key, before}};
    const struct dkv_commit commit = {
        .checks = checks, .check_count = 2, .puts = puts, .put_count = 2};
    size_t conflict;
    enum hr_err err = dkv_clock_next(ctr.hlc, 0, 0, &ctr.hlc);
    if (!err) {
        err = dkv_ctr_encode(&ctr, arena, &puts[0].value);
    }
    return err ? err : env->commit(env->arg, &commit, &conflict, diag);
}

enum hr_err dkv_site_serves(const struct dkv_env *env, const struct dkv_site *site,
                            struct hr_arena *arena, struct hr_diag *diag)
{
    if (site->state == DKV_SITE_ACTIVE) {
        return HR_OK;
    }
    struct hr_str why = dkv_joining_read(env, site->ctr.origin, arena);
    return DKV_FAIL(diag, HR_NOT_READY, HR_STR("this site is catching up"),
                    why.len > 0 ? HR_STR(": ") : (struct hr_str){0}, why);
}

bool dkv_site_forgetful(const struct dkv_site *site)
{
    return site->state == DKV_SITE_SYNC && site->boot_class != DKV_BOOT_INTACT;
}

void dkv_site_watch_clock(const struct dkv_env *env, dkv_hlc hlc, dkv_wall_ms wall)
{
    uint64_t ahead_ms = dkv_clock_ahead_ms(hlc, wall);
    if (ahead_ms > DKV_DRIFT_MS_MAX) {
        char digits[DKV_DEC_BYTES_MAX];
        struct hr_diag line;
        HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event=clock-ahead ahead_ms="),
                           dkv_text_dec(digits, ahead_ms))); /* only put together here */
        env->log(env->arg, DKV_LOG_WARN, hr_str_c(line.text));
    }
}
