/* Commits of other sites' changes. */
#include "actors/kv/core/replicate/apply.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/results.h"
#include "actors/kv/core/values/sweep.h"

#define PREFETCH_CHANGES ((size_t)8)
#define KEYS_PER_CHANGE ((size_t)3)

static void refuse(const struct dkv_env *env, struct dkv_incoming *incoming,
                   const struct hr_diag *diag)
{
    char origin[16];
    char seq[DKV_DEC_BYTES_MAX];
    struct hr_diag line;
    incoming->fate = DKV_FATE_REFUSED;
    dkv_text_hex(origin, incoming->change.stamp.origin, sizeof origin);
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event=change-refused origin="),
                       hr_str_of(origin, sizeof origin), HR_STR(" seq="),
                       dkv_text_dec(seq, incoming->change.seq), HR_STR(" reason=\""),
                       hr_str_c(diag->text), HR_STR("\""))); /* only put together here */
    env->log(env->arg, DKV_LOG_ERROR, hr_str_c(line.text));
}

/* What cannot be right or cannot be done here, as opposed to what may go better the next time. */
static bool is_final(enum hr_err err)
{
    return err == HR_CORRUPT || err == HR_UNSUPPORTED || err == HR_TOO_BIG;
}

/* Merges one, and undoes it if it is wrong. ret_full: it is too much for this commit, unless it is the
 * first. */
static enum hr_err merge_one(struct dkv_attempt *attempt, struct dkv_incoming *incoming,
                             const struct dkv_floor *floor, bool first, struct dkv_merged *merged,
                             bool *ret_full, struct hr_diag *diag)
{
    if (incoming->fate == DKV_FATE_REFUSED) {
        return HR_OK; /* said already, by an attempt before this one */
    }
    struct dkv_attempt_mark mark = dkv_attempt_mark(attempt);
    struct dkv_merged before = *merged;
    enum hr_err err = dkv_merge_change(attempt, incoming, floor, merged, diag);
    if (is_final(err)) {
        dkv_attempt_undo(attempt, mark);
        *merged = before;
        refuse(attempt->env, incoming, diag);
        err = HR_OK;
    }
    if (err || dkv_attempt_fits(attempt)) {
        return err;
    }
    dkv_attempt_forget(attempt, mark);
    *merged = before;
    *ret_full = !first;
    incoming->fate = DKV_FATE_OPEN;
    if (first) {
        err = DKV_FAIL(diag, HR_TOO_BIG, HR_STR("it does not go into one commit"));
        refuse(attempt->env, incoming, diag);
    }
    return HR_OK;
}

/* Changes on their way in. */
struct run {
    const struct dkv_env *env;
    const struct dkv_config *config;
    struct dkv_incoming *incoming;
    size_t count;
    struct dkv_memory memory;
    bool more; /* v/ of some origin may go on */
    bool sweeps_on;
};

/* As many results are taken away as may be added. */
static enum hr_err purge(struct dkv_attempt *attempt, const struct run *run, struct hr_diag *diag)
{
    size_t identified = 0;
    for (size_t i = 0; i < run->count; i++) {
        identified += run->incoming[i].change.identified;
    }
    return identified > 0 ? dkv_results_purge(attempt, identified, diag) : HR_OK;
}

/* Reads what merging will want of the next PREFETCH_CHANGES after the first @done, in one reading. Not of all at once:
 * a record may be large, and the commit may have no room for the last ones. */
static enum hr_err prefetch(struct dkv_attempt *attempt, const struct run *run, size_t done,
                            struct hr_diag *diag)
{
    struct hr_str keys[PREFETCH_CHANGES * KEYS_PER_CHANGE + 1];
    size_t end = run->count - done < PREFETCH_CHANGES ? run->count : done + PREFETCH_CHANGES;
    size_t n = 0;
    uint16_t site = dkv_origin_site(run->incoming[done].change.stamp.origin);
    if (site != run->config->site_id) {
        keys[n++] = dkv_key_fence(attempt->arena, site);
    }
    for (size_t i = done; i < end; i++) {
        const struct dkv_change *change = &run->incoming[i].change;
        keys[n++] = dkv_key_progress(attempt->arena, change->stamp.origin);
        if (change->key.len > 0) {
            keys[n++] = dkv_key_record(attempt->arena, change->key);
        }
        if (change->identified) {
            keys[n++] = dkv_key_result(attempt->arena, &change->opid);
        }
    }
    return dkv_txn_prefetch(&attempt->txn, keys, n, diag);
}

/* m/S as it is now, and the deletions that count by it: others than @run has found if more is collected since. */
static enum hr_err remember(struct dkv_attempt *attempt, const struct run *run,
                            struct dkv_floor *ret_floor, struct hr_diag *diag)
{
    struct dkv_memory memory = run->memory;
    enum hr_err err = dkv_floor_load(attempt, ret_floor, diag);
    if (!err && ret_floor->collected > memory.collected) {
        err = dkv_merge_recall(run->env, run->incoming, run->count, attempt->arena, &memory, diag);
    }
    return err ? err : dkv_merge_remember(attempt, run->incoming, run->count, &memory, diag);
}

/* Only a site that has long been away from the group, or was never in it, has such changes. */
static void tell_below(const struct run *run, size_t count)
{
    char digits[DKV_DEC_BYTES_MAX];
    struct hr_diag line;
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event=below-floor count="),
                       dkv_text_dec(digits, count),
                       HR_STR(" reason=\"changes came that the group's floor had passed\"")));
    run->env->log(run->env->arg, DKV_LOG_WARN, hr_str_c(line.text));
}

/* One attempt. ret_done: how many of the first ones that took care of. */
static enum hr_err attempt_once(struct run *run, struct hr_arena *arena, size_t *ret_done,
                                struct hr_diag *diag)
{
    struct dkv_attempt attempt;
    struct dkv_merged merged = {0};
    struct dkv_floor floor;
    bool full = false;
    size_t done = 0;
    enum hr_err err = dkv_attempt_begin(&attempt, run->env, run->config, NULL, 0, arena, diag);
    if (!err) {
        err = purge(&attempt, run, diag);
    }
    if (!err) {
        err = remember(&attempt, run, &floor, diag);
    }
    while (!err && !full && done < run->count) {
        if (done % PREFETCH_CHANGES == 0) {
            err = prefetch(&attempt, run, done, diag);
        }
        if (err) {
            break;
        }
        err = merge_one(&attempt, &run->incoming[done], &floor, done == 0, &merged, &full, diag);
        done += !err && !full;
    }
    if (!err && merged.changed) {
        err = dkv_attempt_commit_alone(&attempt, diag);
    }
    if (!err && merged.below > 0) {
        tell_below(run, merged.below);
    }
    if (!err) {
        run->sweeps_on = run->sweeps_on || dkv_sweep_eager(&attempt);
        run->more = merged.more;
        *ret_done = done;
    }
    return err;
}

/* What an attempt that failed said is not true. */
static void reopen(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        if (run->incoming[i].fate == DKV_FATE_HELD) {
            run->incoming[i].fate = DKV_FATE_OPEN;
        }
    }
}

/* Tries until a commit goes through. */
static enum hr_err apply_some(struct run *run, size_t *ret_done, struct hr_diag *diag)
{
    const struct dkv_env *env = run->env;
    enum hr_err err = HR_CONFLICT;
    dkv_mono_ms start = env->mono(env->arg);
    for (unsigned i = 0; i < DKV_WRITE_TRIES_MAX; i++) {
        struct hr_arena arena;
        hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
        err = attempt_once(run, &arena, ret_done, diag);
        hr_arena_release(&arena);
        if (!err) {
            return HR_OK;
        }
        reopen(run);
        if ((err != HR_CONFLICT && err != HR_UNKNOWN_OUTCOME) ||
            env->mono(env->arg) - start > DKV_WRITE_MS_MAX) {
            break;
        }
    }
    return err == HR_CONFLICT ? DKV_FAIL(diag, HR_BUSY, HR_STR("other writes kept coming first"))
                              : err;
}

/* The site is in its group from here on, so that it collects nothing more by its own clock. */
static enum hr_err begin(struct run *run, struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_site site;
    enum hr_err err = dkv_site_open(run->env, run->config, arena, &site, diag);
    return err ? err
               : dkv_merge_recall(run->env, run->incoming, run->count, arena, &run->memory, diag);
}

enum hr_err dkv_apply_changes(const struct dkv_env *env, struct dkv_config *config,
                              struct dkv_incoming *incoming, size_t count, bool *ret_sweeps_on,
                              struct hr_diag *diag)
{
    struct run run = {.env = env, .config = config, .incoming = incoming, .count = count};
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        dkv_group_note(config, dkv_origin_site(incoming[i].change.stamp.origin));
    }
    enum hr_err err = begin(&run, &arena, diag);
    for (size_t at = 0; !err && at < count;) {
        size_t done = 0;
        run.incoming = &incoming[at];
        run.count = count - at < DKV_APPLY_MAX ? count - at : DKV_APPLY_MAX;
        err = apply_some(&run, &done, diag);
        /* The last one again, which passes over more of what came before its turn. */
        while (!err && run.more) {
            size_t again;
            run.incoming = &incoming[at + done - 1];
            run.count = 1;
            err = apply_some(&run, &again, diag);
        }
        at += done;
    }
    *ret_sweeps_on = *ret_sweeps_on || run.sweeps_on;
    hr_arena_release(&arena);
    return err;
}
