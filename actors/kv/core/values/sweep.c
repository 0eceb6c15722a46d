/* Steps of the sweep. */
#include "actors/kv/core/values/sweep.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/index.h"
#include "actors/kv/core/site/scan.h"
#include "base/crc32c.h"

/* The record's check and its write, the index, and m/S. */
#define RECORD_OPS_MAX (2 + DKV_INDEX_OPS + 2)
#define ARENA_BYTES_MAX ((size_t)64 << 20)
/* What m/S weighs, read and written. */
#define FLOOR_BYTES_GUESS ((size_t)1024)

/* Up to where something may go. */
struct reach {
    struct dkv_stamp clear;
    dkv_hlc floor;
    bool grouped;
    dkv_wall_ms wall;
};

struct step {
    struct dkv_attempt *attempt;
    struct reach reach;
    size_t ops_left; /* a guess that is too low rather than too high */
    size_t bytes_left;
};

static void complain(const struct dkv_attempt *attempt, struct hr_str what, struct hr_str name,
                     const struct hr_diag *diag)
{
    struct hr_diag line;
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event="), what, HR_STR(" key="), name,
                       HR_STR(" reason="), hr_str_c(diag->text))); /* only put together here */
    attempt->env->log(attempt->env->arg, DKV_LOG_WARN, hr_str_c(line.text));
}

/* Whether the commit has room for @record to go or to change. */
static bool has_room(struct step *step, const struct dkv_pair *pair)
{
    size_t bytes = 2 * pair->value.len + 3 * pair->key.len + FLOOR_BYTES_GUESS;
    if (step->ops_left < RECORD_OPS_MAX || step->bytes_left < bytes) {
        dkv_attempt_room(step->attempt, &step->ops_left, &step->bytes_left);
    }
    if (step->ops_left < RECORD_OPS_MAX || step->bytes_left < bytes) {
        return false;
    }
    step->ops_left -= RECORD_OPS_MAX;
    step->bytes_left -= bytes;
    return true;
}

/* Stores what is left of a record, or takes it away. */
static enum hr_err replace(struct step *step, const struct dkv_pair *pair,
                           const struct dkv_record *left)
{
    struct dkv_attempt *attempt = step->attempt;
    struct hr_str key = hr_str_from(pair->key, DKV_KEYS_RECORDS.len);
    struct hr_str bytes;
    struct dkv_value found = {.bytes = pair->value, .present = true};
    enum hr_err err = dkv_txn_expect(&attempt->txn, pair->key, found);
    if (!err && dkv_record_empty(left)) {
        err = dkv_txn_delete(&attempt->txn, pair->key);
        return err ? err : dkv_index_remove(attempt, key);
    }
    if (!err) {
        err = dkv_record_encode(left, attempt->arena, &bytes);
    }
    return err ? err : dkv_txn_put(&attempt->txn, pair->key, bytes);
}

/* Collects what it may of one record. HR_BUSY: there is no room, the record is the next one's. */
static enum hr_err collect(struct step *step, const struct dkv_pair *pair, struct hr_diag *diag)
{
    struct dkv_record record;
    struct dkv_attempt *attempt = step->attempt;
    enum hr_err err = dkv_record_decode(pair->value, attempt->arena, &record, diag);
    if (err || !dkv_record_collect(&record, step->reach.clear, step->reach.floor)) {
        return err;
    }
    if (!has_room(step, pair)) {
        return HR_BUSY;
    }
    err = replace(step, pair, &record);
    return err ? err : dkv_floor_keep(attempt, step->reach.floor, diag);
}

/* As collect; what cannot be read is said and passed over, so that it does not hold up the rest. It is
 * still checked, so that a wrong reading of what is sound does not go through. */
static enum hr_err look_at(struct step *step, const struct dkv_pair *pair, struct hr_diag *diag)
{
    struct dkv_attempt *attempt = step->attempt;
    struct dkv_attempt_mark mark = dkv_attempt_mark(attempt);
    if (dkv_txn_written(&attempt->txn, pair->key)) {
        return HR_OK; /* what this commit's writes leave is for a later pass */
    }
    enum hr_err err = collect(step, pair, diag);
    if (err == HR_CORRUPT || err == HR_UNSUPPORTED) {
        complain(attempt, HR_STR("not-collected"), pair->key, diag);
        dkv_attempt_undo(attempt, mark);
        err = HR_OK;
    }
    return err;
}

static enum hr_err look_at_page(struct step *step, const struct dkv_page *page,
                                struct hr_diag *diag)
{
    struct dkv_tally *tally = &step->attempt->tally;
    for (size_t i = 0; i < page->count; i++) {
        enum hr_err err = look_at(step, &page->pairs[i], diag);
        if (err) {
            return err == HR_BUSY ? HR_OK : err;
        }
        tally->cursor = page->pairs[i].key;
    }
    if (!page->more) {
        tally->done = tally->began;
        tally->began = 0;
        tally->cursor = (struct hr_str){0};
    }
    return HR_OK;
}

/* Whether there is nothing to look for. */
static bool idle(const struct dkv_tally *tally)
{
    return tally->began == 0 && (tally->made == 0 || tally->made < tally->done);
}

/* Of what bears the very clock of b/clear, that covers what is of lower origins; of what bears the floor's, all goes. */
static dkv_hlc end_of(const struct reach *reach)
{
    dkv_hlc floor = reach->floor > 0 ? reach->floor + 1 : 0;
    return floor > reach->clear.hlc ? floor : reach->clear.hlc;
}

/* Whether a pass may begin: it would find something, and enough of it. A group's floor stands still while nobody
 * writes, so there the time is the wall's. */
static bool worth_it(const struct reach *reach, const struct dkv_tally *tally)
{
    bool cleared = reach->clear.hlc > tally->done;
    bool enough = tally->litter >= tally->visible / DKV_SWEEP_VALUES_PER_LITTER;
    dkv_wall_ms now = reach->grouped ? reach->wall : dkv_clock_ms(end_of(reach));
    return end_of(reach) > tally->done &&
           (cleared || enough || now >= dkv_clock_ms(tally->done) + DKV_SWEEP_PAUSE_MS);
}

/* Whether a pass is under way or begins. One that reached further than the group's floor, since the site was alone when it began, is
 * none: it would be counted as whole, and has not collected all that it reached. */
static bool under_way(const struct reach *reach, struct dkv_tally *tally)
{
    if (tally->began > end_of(reach)) {
        tally->began = 0;
        tally->cursor = (struct hr_str){0};
    }
    if (tally->began == 0 && worth_it(reach, tally)) {
        tally->began = end_of(reach);
        tally->litter = 0;
    }
    return tally->began > 0;
}

/* Whether commits of nothing else should go on with it. A site that is alone collects with its writes. */
static bool due(const struct reach *reach, const struct dkv_tally *tally)
{
    bool cleared = reach->clear.hlc > tally->done;
    return !idle(tally) &&
           (cleared || (reach->grouped && (tally->began > 0 || worth_it(reach, tally))));
}

static enum hr_err read_reach(struct dkv_attempt *attempt, struct reach *ret_reach,
                              struct hr_diag *diag)
{
    *ret_reach = (struct reach){.grouped = attempt->site.grouped, .wall = attempt->site.wall};
    enum hr_err err = dkv_attempt_clear(attempt, &ret_reach->clear, diag);
    return err ? err : dkv_floor_read(attempt, &ret_reach->floor, diag);
}

static enum hr_err step_on(struct dkv_attempt *attempt, struct hr_diag *diag)
{
    struct step step = {.attempt = attempt};
    struct dkv_tally *tally = &attempt->tally;
    struct dkv_page page;
    enum hr_err err = read_reach(attempt, &step.reach, diag);
    if (err || !under_way(&step.reach, tally)) {
        return err;
    }
    bool many = step.reach.clear.hlc > tally->done || attempt->logged_count == 0;
    uint32_t limit = many ? DKV_SWEEP_EAGER_RECORDS_MAX : DKV_SWEEP_RECORDS_MAX;
    err = dkv_scan_page(attempt->env, DKV_KEYS_RECORDS, tally->cursor, limit, attempt->arena, &page,
                        diag);
    return err ? err : look_at_page(&step, &page, diag);
}

void dkv_sweep_step(struct dkv_attempt *attempt)
{
    struct hr_diag diag = {0};
    const struct dkv_tally *tally = &attempt->tally;
    struct dkv_attempt_mark mark = dkv_attempt_mark(attempt);
    /* A pass that began with a deletion of everything would miss what the same commit writes. */
    if (idle(tally) || dkv_txn_written(&attempt->txn, DKV_KEY_CLEAR)) {
        return;
    }
    if (step_on(attempt, &diag)) {
        complain(attempt, HR_STR("sweep-skipped"), tally->cursor, &diag);
        dkv_attempt_forget(attempt, mark);
    }
}

bool dkv_sweep_eager(struct dkv_attempt *attempt)
{
    struct dkv_stamp clear;
    struct hr_diag diag;
    const struct dkv_tally *tally = &attempt->tally;
    return idle(tally) ? false
                       : !dkv_attempt_clear(attempt, &clear, &diag) && clear.hlc > tally->done;
}

enum hr_err dkv_sweep_waits(const struct dkv_env *env, struct hr_arena *arena, bool *ret_waits,
                            bool *ret_eager, uint32_t *ret_mark, struct hr_diag *diag)
{
    const struct hr_str keys[4] = {DKV_KEY_TALLY, DKV_KEY_CLEAR, DKV_KEY_FLOOR, DKV_KEY_CFG};
    struct dkv_value values[4];
    struct dkv_tally tally = {0};
    struct dkv_floor floor = {0};
    struct dkv_cfg cfg = {0};
    struct reach reach = {.wall = env->wall(env->arg)};
    enum hr_err err = env->get_many(env->arg, keys, 4, arena, values, diag);
    if (!err && values[0].present) {
        err = dkv_tally_decode(values[0].bytes, &tally, diag);
    }
    if (!err) {
        err = dkv_clear_decode(values[1], &reach.clear, diag);
    }
    if (!err) {
        err = dkv_floor_decode(values[2], &floor, diag);
    }
    if (!err && values[3].present) {
        err = dkv_cfg_decode(values[3].bytes, &cfg, diag);
    }
    if (!err) {
        reach.grouped = cfg.member_count > 1;
        reach.floor = reach.grouped ? floor.group : 0;
        *ret_mark = hr_crc32c(values[0].bytes);
        *ret_waits = due(&reach, &tally);
        *ret_eager = reach.clear.hlc > tally.done;
    }
    return err;
}

/* Whether @attempt is for nothing but sweeping. */
static bool wanted(struct dkv_attempt *attempt)
{
    struct reach reach;
    struct hr_diag diag;
    return !idle(&attempt->tally) && !read_reach(attempt, &reach, &diag) &&
           due(&reach, &attempt->tally);
}

/* One commit of nothing else. Returns whether there may be a point in another. */
static bool round_on(const struct dkv_env *env, const struct dkv_config *config,
                     struct hr_arena *arena)
{
    struct dkv_attempt attempt;
    struct hr_diag diag = {0};
    enum hr_err err = dkv_attempt_begin(&attempt, env, config, NULL, 0, arena, &diag);
    if (!err && !wanted(&attempt)) {
        return false;
    }
    if (!err) {
        struct dkv_tally before = attempt.tally;
        dkv_sweep_step(&attempt);
        if (before.done == attempt.tally.done && hr_str_eq(before.cursor, attempt.tally.cursor)) {
            return false; /* what was in the way is logged */
        }
        err = dkv_attempt_commit_alone(&attempt, &diag);
    }
    if (err && err != HR_CONFLICT) {
        complain(&attempt, HR_STR("sweep-ended"), attempt.tally.cursor, &diag);
    }
    return !err;
}

void dkv_sweep_on(const struct dkv_env *env, const struct dkv_config *config)
{
    dkv_mono_ms start = env->mono(env->arg);
    bool more = true;
    for (unsigned i = 0; more && i < DKV_SWEEP_ROUNDS_MAX; i++) {
        struct hr_arena arena;
        hr_arena_init(&arena, ARENA_BYTES_MAX);
        more = round_on(env, config, &arena) && env->mono(env->arg) - start <= DKV_SWEEP_MS_MAX;
        hr_arena_release(&arena);
    }
}
