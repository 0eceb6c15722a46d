/* Opening and booting a site. */
#include "actors/kv/core/site.h"

#include "actors/kv/core/keys.h"
#include "actors/kv/core/leaf.h"
#include "actors/kv/core/text.h"

enum stored_key { SELF, CTR, CFG, STORED_COUNT };

/* What lies in the store, raw and read. */
struct stored {
    struct hr_str keys[STORED_COUNT];
    struct dkv_value values[STORED_COUNT];
    struct dkv_self self;
    struct dkv_ctr ctr;
    struct dkv_cfg cfg;
};

static enum hr_err load(const struct dkv_env *env, struct hr_arena *arena,
                        struct stored *ret_stored, struct hr_diag *diag)
{
    struct stored stored = {.keys = {DKV_KEY_SELF, DKV_KEY_CTR, DKV_KEY_CFG}};
    enum hr_err err =
        env->get_many(env->arg, stored.keys, STORED_COUNT, arena, stored.values, diag);
    if (!err && stored.values[SELF].present) {
        err = dkv_self_decode(stored.values[SELF].bytes, &stored.self, diag);
    }
    if (!err && stored.values[CTR].present) {
        err = dkv_ctr_decode(stored.values[CTR].bytes, &stored.ctr, diag);
    }
    if (!err && stored.values[CFG].present) {
        err = dkv_cfg_decode(stored.values[CFG].bytes, &stored.cfg, diag);
    }
    if (!err) {
        *ret_stored = stored;
    }
    return err;
}

static bool nonce_eq(const struct dkv_nonce *a, const struct dkv_nonce *b)
{
    return memcmp(a->bytes, b->bytes, DKV_NONCE_BYTES) == 0;
}

static bool overtaken(const struct stored *stored, const struct dkv_config *config)
{
    for (size_t i = 0; i < stored->self.past_count; i++) {
        if (nonce_eq(&stored->self.past[i], &config->nonce)) {
            return true;
        }
    }
    return false;
}

bool dkv_site_member(const struct dkv_cfg *cfg, uint16_t id)
{
    for (size_t i = 0; i < cfg->member_count; i++) {
        if (cfg->members[i] == id) {
            return true;
        }
    }
    return false;
}

/* Whether this boot may go on with what is stored. */
static enum hr_err admit(const struct stored *stored, const struct dkv_config *config,
                         struct hr_diag *diag)
{
    char here[DKV_DEC_BYTES_MAX];
    char there[DKV_DEC_BYTES_MAX];
    uint16_t owner = dkv_origin_site(stored->self.origin);
    if (stored->values[SELF].present && owner != config->site_id) {
        return DKV_FAIL(diag, HR_DENIED, HR_STR("the store belongs to site-id "),
                        dkv_text_dec(there, owner), HR_STR(", this host is configured as "),
                        dkv_text_dec(here, config->site_id));
    }
    if (!stored->values[CFG].present) {
        return HR_OK;
    }
    if (dkv_site_member(&stored->cfg, config->site_id)) {
        return HR_OK;
    }
    return DKV_FAIL(diag, HR_DENIED, HR_STR("site-id "), dkv_text_dec(here, config->site_id),
                    HR_STR(" is no member of the group in m/cfg"));
}

/* The highest incarnation of this site that others remember, which is more than its own m/self does if
 * it once lost its store, and the wall its time. */
static enum hr_err highest_inc(const struct dkv_env *env, const struct dkv_config *config,
                               struct hr_arena *arena, uint64_t *ret_inc, struct hr_diag *diag)
{
    struct hr_str first = dkv_key_progress(arena, dkv_origin_of(config->site_id, 0));
    struct hr_str after = first;
    struct dkv_page page = {.more = true};
    enum hr_err err = first.ptr ? HR_OK : HR_NO_MEMORY;
    while (!err && page.more) {
        err = env->scan(env->arg, hr_str_of(first.ptr, DKV_PROGRESS_SITE_BYTES), after,
                        DKV_SCAN_LIMIT_MAX, arena, &page, diag);
        if (!err && page.more && page.count == 0) {
            err = DKV_FAIL(diag, HR_INTERNAL, HR_STR("the store gave an empty page"));
        }
        if (!err && page.count > 0) {
            dkv_origin origin;
            after = page.pairs[page.count - 1].key;
            if (dkv_key_progress_parse(after, &origin) && dkv_origin_inc(origin) > *ret_inc) {
                *ret_inc = dkv_origin_inc(origin);
            }
        }
    }
    return err;
}

static bool is_alone(const struct stored *stored, const struct dkv_config *config)
{
    return config->other_count == 0 && stored->cfg.member_count <= 1;
}

/* What a boot finds. @lost: the store may lack its newest changes. */
static enum dkv_boot_class class_of(const struct stored *stored, bool lost)
{
    if (!stored->values[SELF].present) {
        return DKV_BOOT_FRESH;
    }
    if (stored->self.state == DKV_SITE_SYNC && stored->self.boot_class != DKV_BOOT_INTACT) {
        return stored->self.boot_class;
    }
    return lost ? DKV_BOOT_LOSSY : DKV_BOOT_INTACT;
}

/* What a boot finds beside the store's state. */
struct occasion {
    bool lost;      /* the store may lack its newest changes */
    uint64_t above; /* others know of this incarnation */
};

/* The incarnation after @inc. If the wall does not say which, the store may be an old copy that knows less than
 * others do, so that the next number may be taken: a few bits are drawn then. */
static uint64_t next_inc(const struct dkv_env *env, uint64_t inc, dkv_wall_ms wall)
{
    uint16_t drawn = 0;
    if (wall <= DKV_WALL_MS_MAX && wall > inc) {
        return wall;
    }
    env->random(env->arg, &drawn, sizeof drawn);
    uint64_t step = 1 + drawn % DKV_INC_STEPS;
    return inc + (DKV_INC_MAX - inc < step ? 1 : step);
}

/* The state after this boot. */
static enum hr_err mint(const struct dkv_env *env, const struct stored *stored,
                        const struct dkv_config *config, const struct occasion *occasion,
                        struct hr_arena *arena, struct stored *ret_next, struct hr_diag *diag)
{
    struct stored next = *stored;
    dkv_wall_ms wall = env->wall(env->arg);
    uint64_t inc = dkv_origin_inc(stored->self.origin);
    if (dkv_origin_inc(stored->ctr.origin) > inc) {
        inc = dkv_origin_inc(stored->ctr.origin);
    }
    inc = occasion->above > inc ? occasion->above : inc;
    enum hr_err err = highest_inc(env, config, arena, &inc, diag);
    if (err) {
        return err;
    }
    if (inc == DKV_INC_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/self: no incarnation is left"));
    }
    inc = next_inc(env, inc, wall);
    next.self.origin = dkv_origin_of(config->site_id, inc);
    next.self.nonce = config->nonce;
    next.self.state = is_alone(stored, config) ? DKV_SITE_ACTIVE : DKV_SITE_SYNC;
    next.self.boot_class = class_of(stored, occasion->lost);
    if (stored->values[SELF].present) {
        next.self.past_count =
            stored->self.past_count < DKV_BOOTS_MAX ? stored->self.past_count + 1 : DKV_BOOTS_MAX;
        next.self.past[0] = stored->self.nonce;
        memcpy(&next.self.past[1], stored->self.past,
               (next.self.past_count - 1) * sizeof next.self.past[0]);
    } else {
        next.self.since = inc;
        env->random(env->arg, next.self.cluster, DKV_CLUSTER_BYTES);
    }
    next.ctr =
        (struct dkv_ctr){.origin = next.self.origin, .hlc = dkv_clock_lift(stored->ctr.hlc, wall)};
    if (!stored->values[CFG].present) {
        next.cfg = (struct dkv_cfg){.epoch = 1,
                                    .wanted_acks = 1,
                                    .leaf_bits = DKV_LEAF_BITS_DEFAULT,
                                    .member_count = 1,
                                    .members = {config->site_id}};
    }
    *ret_next = next;
    return HR_OK;
}

/* How the origin before this boot ends: v/ as it is and as it will be. */
struct ending {
    struct hr_str key; /* empty: there is nothing to do */
    struct dkv_value before;
    struct dkv_value after;
};

/* A v/ that does not fit with m/ctr. They are not read at one moment: if a commit came in between, the boot is
 * begun anew. */
static enum hr_err not_sealed(const struct dkv_env *env, const struct stored *stored,
                              struct hr_arena *arena, struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_CTR;
    struct dkv_value now;
    enum hr_err err = env->get_many(env->arg, &key, 1, arena, &now, diag);
    if (!err && !(now.present && hr_str_eq(now.bytes, stored->values[CTR].bytes))) {
        return HR_CONFLICT;
    }
    if (!err) {
        env->log(env->arg, DKV_LOG_ERROR,
                 HR_STR("event=not-sealed reason=\"v/ of the last boot's origin is damaged\""));
    }
    return err;
}

/* The origin before this boot makes no change after the one that m/ctr counts: every commit checks
 * m/ctr, and this boot's replaces it. So it is sealed, unless the store may have lost some of its changes, which
 * others may have then; or forgotten, if it made no change at all, or
 * nothing of it is in the feed and nobody else is there who might ask. A v/ that is not as it should be stays as it is. */
static enum hr_err end_origin(const struct dkv_env *env, const struct stored *stored,
                              const struct dkv_config *config, enum dkv_boot_class boot_class,
                              struct hr_arena *arena, struct ending *ret_ending,
                              struct hr_diag *diag)
{
    bool grouped = !is_alone(stored, config);
    struct dkv_progress progress;
    struct ending ending = {.key = dkv_key_progress(arena, stored->ctr.origin)};
    *ret_ending = (struct ending){0};
    if (!stored->values[CTR].present) {
        return HR_OK;
    }
    enum hr_err err = ending.key.ptr
                          ? env->get_many(env->arg, &ending.key, 1, arena, &ending.before, diag)
                          : HR_NO_MEMORY;
    if (err || !ending.before.present) {
        return err;
    }
    ending.after = ending.before;
    err = dkv_progress_decode(ending.before.bytes, &progress, diag);
    if (err || progress.prefix != stored->ctr.seq) {
        /* Checked and put back, so that a wrong reading does not go through. */
        *ret_ending = ending;
        return not_sealed(env, stored, arena, diag);
    }
    progress.sealed = !grouped || boot_class == DKV_BOOT_INTACT;
    progress.last = progress.sealed ? progress.prefix : 0;
    ending.after.present =
        progress.prefix > 0 && (grouped || progress.trunc_below <= progress.prefix);
    if (ending.after.present) {
        err = dkv_progress_encode(&progress, arena, &ending.after.bytes);
    }
    if (!err) {
        *ret_ending = ending;
    }
    return err;
}

/* Stores @next in place of @stored, or changes nothing. */
static enum hr_err commit(const struct dkv_env *env, const struct stored *stored,
                          const struct stored *next, const struct ending *ending,
                          struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_progress progress = {.trunc_below = 1};
    struct dkv_check checks[STORED_COUNT + 2];
    struct dkv_pair puts[STORED_COUNT + 2];
    for (size_t i = 0; i < STORED_COUNT; i++) {
        checks[i] = (struct dkv_check){stored->keys[i], stored->values[i]};
        puts[i].key = stored->keys[i];
    }
    puts[STORED_COUNT].key = dkv_key_progress(arena, next->ctr.origin);
    checks[STORED_COUNT] = (struct dkv_check){.key = puts[STORED_COUNT].key};
    enum hr_err err = puts[STORED_COUNT].key.ptr ? HR_OK : HR_NO_MEMORY;
    if (!err) {
        err = dkv_self_encode(&next->self, arena, &puts[SELF].value);
    }
    if (!err) {
        err = dkv_ctr_encode(&next->ctr, arena, &puts[CTR].value);
    }
    if (!err) {
        err = dkv_cfg_encode(&next->cfg, arena, &puts[CFG].value);
    }
    if (!err) {
        err = dkv_progress_encode(&progress, arena, &puts[STORED_COUNT].value);
    }
    if (err) {
        return err;
    }
    struct dkv_commit all = {.checks = checks,
                             .check_count = STORED_COUNT + 1,
                             .puts = puts,
                             .put_count = STORED_COUNT + 1};
    if (ending->key.len > 0) {
        checks[all.check_count++] = (struct dkv_check){ending->key, ending->before};
    }
    if (ending->key.len > 0 && ending->after.present) {
        puts[all.put_count++] = (struct dkv_pair){ending->key, ending->after.bytes};
    } else if (ending->key.len > 0) {
        all.deletes = &ending->key;
        all.delete_count = 1;
    }
    size_t conflict;
    return env->commit(env->arg, &all, &conflict, diag);
}

/* @given: as far as it is not the host that says that the store may have lost something. */
static enum hr_err boot(const struct dkv_env *env, const struct dkv_config *config,
                        const struct stored *stored, const struct occasion *given,
                        struct hr_arena *arena, struct hr_diag *diag)
{
    struct occasion occasion = *given;
    struct stored next;
    struct ending ending;
    bool lazy;
    enum hr_err err = dkv_config_lazy(env, arena, &lazy, diag);
    occasion.lost = occasion.lost || (!err && lazy);
    if (!err && is_alone(stored, config) && class_of(stored, occasion.lost) != DKV_BOOT_INTACT &&
        !env->settled(env->arg)) {
        return DKV_FAIL(diag, HR_NOT_READY,
                        HR_STR("this host does not know yet which other sites there are"));
    }
    if (!err) {
        err = mint(env, stored, config, &occasion, arena, &next, diag);
    }
    if (!err) {
        err = end_origin(env, stored, config, next.self.boot_class, arena, &ending, diag);
    }
    if (!err) {
        err = commit(env, stored, &next, &ending, arena, diag);
    }
    if (!err) {
        dkv_site_watch_clock(env, next.ctr.hlc, env->wall(env->arg));
    }
    return err;
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
static bool starts_to_sync(const struct stored *stored)
{
    return stored->cfg.member_count == 1 && stored->self.state == DKV_SITE_ACTIVE &&
           stored->self.boot_class != DKV_BOOT_INTACT;
}

/* Adds members to m/cfg. It moves m/ctr as every commit does. */
static enum hr_err join(const struct dkv_env *env, const struct stored *stored,
                        const struct dkv_cfg *cfg, struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_cfg next_cfg = *cfg;
    struct dkv_ctr next_ctr = stored->ctr;
    struct dkv_self next_self = stored->self;
    struct dkv_pair puts[STORED_COUNT];
    struct dkv_check checks[STORED_COUNT];
    size_t conflict;
    for (size_t i = 0; i < STORED_COUNT; i++) {
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
        err = dkv_clock_next(stored->ctr.hlc, 0, env->wall(env->arg), &next_ctr.hlc);
    }
    if (!err) {
        err = dkv_self_encode(&next_self, arena, &puts[SELF].value);
    }
    if (!err) {
        err = dkv_ctr_encode(&next_ctr, arena, &puts[CTR].value);
    }
    if (!err) {
        err = dkv_cfg_encode(&next_cfg, arena, &puts[CFG].value);
    }
    if (err) {
        return err;
    }
    const struct dkv_commit commit = {
        .checks = checks, .check_count = STORED_COUNT, .puts = puts, .put_count = STORED_COUNT};
    return env->commit(env->arg, &commit, &conflict, diag);
}

/* HR_CONFLICT: another host took the store over between the readings of m/self and m/ctr. */
static enum hr_err finish(const struct dkv_env *env, const struct stored *stored,
                          struct dkv_site *ret_site, struct hr_diag *diag)
{
    if (!stored->values[CTR].present || !stored->values[CFG].present) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/self is there, but m/ctr or m/cfg is not"));
    }
    if (stored->ctr.origin != stored->self.origin) {
        return HR_CONFLICT;
    }
    *ret_site = (struct dkv_site){.ctr = stored->ctr,
                                  .ctr_bytes = stored->values[CTR].bytes,
                                  .cfg = stored->cfg,
                                  .state = stored->self.state,
                                  .boot_class = stored->self.boot_class,
                                  .since = stored->self.since,
                                  .grouped = stored->cfg.member_count > 1,
                                  .wall = env->wall(env->arg)};
    return HR_OK;
}

/* Loads, and reads the nonce after that: if the store has lost its newest changes since this call began, the
 * host has known it for as long as they can be missed. What is written afterwards is bound to what was read
 * here, because it checks m/ctr. */
static enum hr_err load_now(const struct dkv_env *env, struct dkv_config *config,
                            struct hr_arena *arena, struct stored *ret_stored, struct hr_diag *diag)
{
    enum hr_err err = load(env, arena, ret_stored, diag);
    return err ? err : dkv_config_nonce(env, arena, &config->nonce, diag);
}

enum hr_err dkv_site_open(const struct dkv_env *env, const struct dkv_config *given,
                          struct hr_arena *arena, struct dkv_site *ret_site, struct hr_diag *diag)
{
    struct dkv_config present = *given;
    const struct dkv_config *config = &present;
    for (unsigned i = 0; i < DKV_BOOT_TRIES_MAX; i++) {
        struct stored stored;
        enum hr_err err = load_now(env, &present, arena, &stored, diag);
        if (!err) {
            err = admit(&stored, config, diag);
        }
        if (err) {
            return err;
        }
        if (stored.values[SELF].present && !stored.values[CTR].present) {
            /* Lost, or being taken away with all else (wipe.h): nothing begins on what is left. */
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/self is there, but m/ctr is not"));
        }
        struct dkv_cfg cfg;
        bool booted = stored.values[SELF].present &&
                      (nonce_eq(&stored.self.nonce, &config->nonce) || overtaken(&stored, config));
        if (!booted) {
            /* Whether it went through, was overtaken or nobody knows: the next reading tells. */
            err = boot(env, config, &stored, &(const struct occasion){0}, arena, diag);
        } else if (stored.values[CTR].present && stored.values[CFG].present &&
                   add_members(&stored.cfg, config, &cfg)) {
            err = join(env, &stored, &cfg, arena, diag);
        } else {
            err = finish(env, &stored, ret_site, diag);
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
    struct stored stored = {.values[SELF] = value};
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
        err = admit(&stored, &present, diag);
    }
    if (!err) {
        *ret_open = stored.self.state == DKV_SITE_ACTIVE &&
                    (nonce_eq(&stored.self.nonce, &present.nonce) || overtaken(&stored, &present));
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
        err = err ? err : dkv_site_serves(&site, diag);
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
    const struct occasion occasion = {.lost = true, .above = above};
    struct stored stored;
    enum hr_err err = load(env, arena, &stored, diag);
    if (err || stored.self.origin != origin || stored.ctr.origin != origin) {
        return err;
    }
    return boot(env, config, &stored, &occasion, arena, diag);
}

/* Stores state and class, and a clock above @lift, if @origin is in force and the host has not said meanwhile
 * that the store lost something. */
static enum hr_err turn(const struct dkv_env *env, const struct dkv_config *given,
                        dkv_origin origin, const struct dkv_self *want, dkv_hlc lift,
                        struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_config config = *given;
    struct stored stored;
    struct dkv_pair puts[2] = {{.key = DKV_KEY_SELF}, {.key = DKV_KEY_CTR}};
    size_t conflict;
    enum hr_err err = load_now(env, &config, arena, &stored, diag);
    if (err) {
        return err;
    }
    bool booted = nonce_eq(&stored.self.nonce, &config.nonce) || overtaken(&stored, &config);
    if (!booted || stored.self.origin != origin || stored.ctr.origin != origin) {
        return HR_CONFLICT;
    }
    const struct dkv_check checks[2] = {{DKV_KEY_SELF, stored.values[SELF]},
                                        {DKV_KEY_CTR, stored.values[CTR]}};
    stored.self.state = want->state;
    stored.self.boot_class = want->boot_class ? want->boot_class : stored.self.boot_class;
    err = dkv_clock_next(stored.ctr.hlc, lift, env->wall(env->arg), &stored.ctr.hlc);
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
    enum hr_err err = dkv_clock_next(ctr.hlc, 0, site->wall, &ctr.hlc);
    if (!err) {
        err = dkv_ctr_encode(&ctr, arena, &puts[0].value);
    }
    return err ? err : env->commit(env->arg, &commit, &conflict, diag);
}

enum hr_err dkv_site_serves(const struct dkv_site *site, struct hr_diag *diag)
{
    return site->state == DKV_SITE_ACTIVE
               ? HR_OK
               : DKV_FAIL(diag, HR_NOT_READY, HR_STR("this site is catching up"));
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
