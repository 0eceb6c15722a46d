/* From what lies in the store to a new incarnation. */
#include "actors/kv/core/site/boot.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/leaf.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/site.h"

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

static bool is_alone(const struct dkv_stored *stored, const struct dkv_config *config)
{
    return config->other_count == 0 && stored->cfg.member_count <= 1;
}

/* What a boot finds. @lost: the store may lack its newest changes. */
static enum dkv_boot_class class_of(const struct dkv_stored *stored, dkv_wall_ms wall, bool lost)
{
    if (!stored->values[DKV_STORED_SELF].present) {
        return DKV_BOOT_FRESH;
    }
    /* It has not caught up with anybody yet: it is catching up, or has been alone since then, and not for long. */
    bool young = wall < stored->self.since + DKV_BOOT_YOUNG_MS;
    bool behind = stored->self.state == DKV_SITE_SYNC || (stored->cfg.member_count <= 1 && young);
    if (behind && stored->self.boot_class != DKV_BOOT_INTACT) {
        return stored->self.boot_class;
    }
    return lost ? DKV_BOOT_LOSSY : DKV_BOOT_INTACT;
}

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
static enum hr_err mint(const struct dkv_env *env, const struct dkv_stored *stored,
                        const struct dkv_config *config, const struct dkv_occasion *occasion,
                        struct hr_arena *arena, struct dkv_stored *ret_next, struct hr_diag *diag)
{
    struct dkv_stored next = *stored;
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
    next.self.boot_class = class_of(stored, wall, occasion->lost);
    if (stored->values[DKV_STORED_SELF].present) {
        next.self.past_count =
            stored->self.past_count < DKV_BOOTS_MAX ? stored->self.past_count + 1 : DKV_BOOTS_MAX;
        next.self.past[0] = stored->self.nonce;
        memcpy(&next.self.past[1], stored->self.past,
               (next.self.past_count - 1) * sizeof next.self.past[0]);
    } else {
        next.self.since = inc;
        env->random(env->arg, next.self.cluster, DKV_CLUSTER_BYTES);
    }
    /* In a group only stamps follow the wall, which may be wrong. */
    bool lifts = next.self.state == DKV_SITE_ACTIVE;
    next.ctr = (struct dkv_ctr){.origin = next.self.origin,
                                .hlc = dkv_clock_lift(stored->ctr.hlc, lifts ? wall : 0)};
    if (!stored->values[DKV_STORED_CFG].present) {
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
static enum hr_err not_sealed(const struct dkv_env *env, const struct dkv_stored *stored,
                              struct hr_arena *arena, struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_CTR;
    struct dkv_value now;
    enum hr_err err = env->get_many(env->arg, &key, 1, arena, &now, diag);
    if (!err && !(now.present && hr_str_eq(now.bytes, stored->values[DKV_STORED_CTR].bytes))) {
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
static enum hr_err end_origin(const struct dkv_env *env, const struct dkv_stored *stored,
                              const struct dkv_config *config, enum dkv_boot_class boot_class,
                              struct hr_arena *arena, struct ending *ret_ending,
                              struct hr_diag *diag)
{
    bool grouped = !is_alone(stored, config);
    struct dkv_progress progress;
    struct ending ending = {.key = dkv_key_progress(arena, stored->ctr.origin)};
    *ret_ending = (struct ending){0};
    if (!stored->values[DKV_STORED_CTR].present) {
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
static enum hr_err commit(const struct dkv_env *env, const struct dkv_stored *stored,
                          const struct dkv_stored *next, const struct ending *ending,
                          struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_progress progress = {.trunc_below = 1};
    struct dkv_check checks[DKV_STORED_COUNT + 2];
    struct dkv_pair puts[DKV_STORED_COUNT + 2 + DKV_FENCES_MAX];
    size_t doubts = 0;
    for (size_t i = 0; i < DKV_STORED_COUNT; i++) {
        checks[i] = (struct dkv_check){stored->keys[i], stored->values[i]};
        puts[i].key = stored->keys[i];
    }
    puts[DKV_STORED_COUNT].key = dkv_key_progress(arena, next->ctr.origin);
    checks[DKV_STORED_COUNT] = (struct dkv_check){.key = puts[DKV_STORED_COUNT].key};
    enum hr_err err = puts[DKV_STORED_COUNT].key.ptr ? HR_OK : HR_NO_MEMORY;
    if (!err) {
        err = dkv_self_encode(&next->self, arena, &puts[DKV_STORED_SELF].value);
    }
    if (!err) {
        err = dkv_ctr_encode(&next->ctr, arena, &puts[DKV_STORED_CTR].value);
    }
    if (!err) {
        err = dkv_cfg_encode(&next->cfg, arena, &puts[DKV_STORED_CFG].value);
    }
    if (!err) {
        err = dkv_progress_encode(&progress, arena, &puts[DKV_STORED_COUNT].value);
    }
    if (!err && next->self.boot_class != DKV_BOOT_INTACT) {
        /* Whoever changes one of them moves m/ctr, which is checked. */
        err = dkv_fence_doubt(env, arena, &puts[DKV_STORED_COUNT + 1], &doubts, diag);
    }
    if (err) {
        return err;
    }
    struct dkv_commit all = {.checks = checks,
                             .check_count = DKV_STORED_COUNT + 1,
                             .puts = puts,
                             .put_count = DKV_STORED_COUNT + 1 + doubts};
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

enum hr_err dkv_boot(const struct dkv_env *env, const struct dkv_config *config,
                     const struct dkv_stored *stored, const struct dkv_occasion *given,
                     struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_occasion occasion = *given;
    struct dkv_stored next;
    struct ending ending;
    bool lazy;
    enum hr_err err = dkv_config_lazy(env, arena, &lazy, diag);
    occasion.lost = occasion.lost || (!err && lazy);
    if (!err && is_alone(stored, config) &&
        class_of(stored, env->wall(env->arg), occasion.lost) != DKV_BOOT_INTACT &&
        (config->unsettled || !env->settled(env->arg))) {
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
