/* What is left of a record, and what it is merged into. */
#include "actors/kv/core/transfer/replace.h"

#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/index.h"
#include "actors/kv/core/site/scan.h"
#include "actors/kv/core/values/merge.h"

/* A record on its way. */
struct replacing {
    struct dkv_attempt *attempt;
    const struct dkv_cover *cover;
    struct hr_str key;
    struct dkv_stamp clear;
};

static void complain(const struct replacing *replacing, struct hr_str what,
                     const struct hr_diag *diag)
{
    const struct dkv_env *env = replacing->attempt->env;
    struct hr_diag line;
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event="), what, HR_STR(" key="), replacing->key,
                       HR_STR(" reason=\""), hr_str_c(diag->text),
                       HR_STR("\""))); /* only put together here */
    env->log(env->arg, DKV_LOG_ERROR, hr_str_c(line.text));
}

/* What @visit is given of the feed here: a change of @origin after @after, in their order. It ends the walk by
 * setting @done. */
struct visit {
    void (*look)(struct visit *visit, const struct dkv_change *change);
    bool done;
};

/* Walks over an origin's entries after @after. */
static enum hr_err walk_entries(const struct replacing *replacing, dkv_origin origin,
                                uint64_t after_seq, struct visit *visit, struct hr_arena *arena,
                                struct hr_diag *diag)
{
    const struct dkv_env *env = replacing->attempt->env;
    struct dkv_page page = {.more = true};
    struct hr_str after = dkv_key_change(arena, origin, after_seq);
    struct hr_str entries = hr_str_of(after.ptr, DKV_CHANGE_ORIGIN_BYTES);
    enum hr_err err = after.ptr ? HR_OK : HR_NO_MEMORY;
    while (!err && !visit->done && page.more) {
        err = dkv_scan_page(env, entries, after, DKV_SCAN_LIMIT_MAX, arena, &page, diag);
        for (size_t i = 0; !err && !visit->done && i < page.count; i++) {
            struct dkv_change change;
            err = dkv_change_decode(page.pairs[i].value, arena, &change, diag);
            after = page.pairs[i].key;
            if (!err) {
                visit->look(visit, &change);
            }
        }
    }
    return err;
}

struct search {
    struct visit visit; /* first */
    dkv_hlc hlc;
    bool found;
};

/* Clocks grow with the numbers. */
static void search_for_clock(struct visit *visit, const struct dkv_change *change)
{
    struct search *search = (struct search *)visit;
    search->found = change->stamp.hlc == search->hlc;
    visit->done = change->stamp.hlc >= search->hlc;
}

/* Whether the change that bears @stamp is here: counted by v/, or in the feed after a gap. */
static enum hr_err is_held(const struct replacing *replacing, struct dkv_stamp stamp,
                           bool *ret_held, struct hr_diag *diag)
{
    struct dkv_attempt *attempt = replacing->attempt;
    const struct dkv_env *env = attempt->env;
    struct dkv_value value;
    struct dkv_progress progress = {0};
    struct search search = {.visit = {.look = search_for_clock}, .hlc = stamp.hlc};
    struct hr_str name = dkv_key_progress(attempt->arena, stamp.origin);
    enum hr_err err =
        name.ptr ? env->get_many(env->arg, &name, 1, attempt->arena, &value, diag) : HR_NO_MEMORY;
    if (!err && value.present) {
        err = dkv_progress_decode(value.bytes, &progress, diag);
    }
    if (!err && progress.hlc < stamp.hlc && progress.high > progress.prefix) {
        err = walk_entries(replacing, stamp.origin, progress.prefix, &search.visit, attempt->arena,
                           diag);
    }
    *ret_held = progress.hlc >= stamp.hlc || search.found;
    return err;
}

/* Whether what bears @stamp goes, because the donor's record speaks for it or nobody does any more. */
static enum hr_err goes(const struct replacing *replacing, struct dkv_stamp stamp, bool *ret_goes,
                        struct hr_diag *diag)
{
    const struct dkv_cover_row *row = dkv_cover_find(replacing->cover, stamp.origin);
    bool held = true;
    enum hr_err err = HR_OK;
    *ret_goes = dkv_stamp_is_none(stamp) || dkv_cover_has(replacing->cover, stamp);
    if (!*ret_goes && row && stamp.hlc <= row->taint) {
        err = is_held(replacing, stamp, &held, diag);
        *ret_goes = !held;
    }
    return err;
}

/* Takes from @record what goes. */
static enum hr_err leave_news(const struct replacing *replacing, struct dkv_record *record,
                              struct hr_diag *diag)
{
    size_t kept = 0;
    bool gone;
    enum hr_err err = goes(replacing, record->dead, &gone, diag);
    if (!err && gone) {
        record->dead = (struct dkv_stamp){0};
    }
    for (size_t i = 0; !err && i < record->count; i++) {
        err = goes(replacing, record->fields[i].stamp, &gone, diag);
        if (!err && !gone) {
            record->fields[kept++] = record->fields[i];
        }
    }
    record->count = kept;
    return err;
}

struct gathering {
    struct visit visit; /* first */
    const struct replacing *replacing;
    struct dkv_record record;
    enum hr_err err;
    struct hr_diag diag;
};

static void gather_news(struct visit *visit, const struct dkv_change *change)
{
    struct gathering *gathering = (struct gathering *)visit;
    const struct replacing *replacing = gathering->replacing;
    bool about = change->op == DKV_CHANGE_SET || change->op == DKV_CHANGE_DEL;
    if (about && hr_str_eq(change->key, replacing->key) &&
        !dkv_cover_has(replacing->cover, change->stamp)) {
        struct dkv_record news = dkv_change_record(change);
        gathering->err = dkv_record_merge(&gathering->record, &news, replacing->attempt->arena,
                                          &gathering->record, &gathering->diag);
        visit->done = gathering->err != HR_OK;
    }
}

/* What the feed here has of the key that is not covered. */
static enum hr_err recover(const struct replacing *replacing, struct dkv_record *ret_record,
                           struct hr_diag *diag)
{
    const struct dkv_env *env = replacing->attempt->env;
    struct hr_arena *arena = replacing->attempt->arena;
    struct gathering gathering = {.visit = {.look = gather_news}, .replacing = replacing};
    struct dkv_page page = {.more = true};
    struct hr_str after = {0};
    enum hr_err err = HR_OK;
    while (!err && page.more) {
        err = dkv_scan_page(env, DKV_KEYS_PROGRESS, after, DKV_SCAN_LIMIT_MAX, arena, &page, diag);
        for (size_t i = 0; !err && i < page.count; i++) {
            dkv_origin origin;
            after = page.pairs[i].key;
            if (dkv_key_progress_parse(after, &origin)) {
                const struct dkv_cover_row *row = dkv_cover_find(replacing->cover, origin);
                bool ours = row && row->session == replacing->cover->session;
                err = walk_entries(replacing, origin, ours ? row->prefix : 0, &gathering.visit,
                                   arena, diag);
            }
            err = err ? err : gathering.err;
        }
    }
    *ret_record = gathering.record;
    return err;
}

/* What of the record here stays. */
static enum hr_err read_news(const struct replacing *replacing, struct dkv_value found,
                             struct dkv_record *ret_record, struct hr_diag *diag)
{
    struct dkv_attempt *attempt = replacing->attempt;
    struct dkv_record record = {0};
    bool visible = false;
    enum hr_err err =
        found.present ? dkv_record_decode(found.bytes, attempt->arena, &record, diag) : HR_OK;
    if (err == HR_CORRUPT) {
        complain(replacing, HR_STR("record-replaced"), diag);
        attempt->tally.counted = false; /* whether it was visible is not known */
        err = recover(replacing, ret_record, diag);
        return err;
    }
    if (!err) {
        visible = dkv_record_visible(&record, replacing->clear);
        err = leave_news(replacing, &record, diag);
    }
    if (!err) {
        dkv_attempt_count(attempt, visible, false);
        *ret_record = record;
    }
    return err;
}

/* Stores what the record is now. */
static enum hr_err store(const struct replacing *replacing, struct dkv_value found,
                         const struct dkv_record *record, struct hr_str bytes)
{
    struct dkv_attempt *attempt = replacing->attempt;
    struct hr_str name = dkv_key_record(attempt->arena, replacing->key);
    bool empty = dkv_record_empty(record);
    if (found.present ? !empty && hr_str_eq(found.bytes, bytes) : empty) {
        return HR_OK;
    }
    enum hr_err err = dkv_txn_expect(&attempt->txn, name, found);
    if (!err && empty) {
        err = dkv_txn_delete(&attempt->txn, name);
        return err ? err : dkv_index_remove(attempt, replacing->key);
    }
    if (!err) {
        err = dkv_txn_put(&attempt->txn, name, bytes);
    }
    return err || found.present ? err : dkv_index_add(attempt, replacing->key);
}

/* The donor's record with the news in it. If they do not go together the donor's stays alone: one stamp with
 * two contents, or more than a record holds, can be seen by everybody then. */
static enum hr_err join(const struct replacing *replacing, const struct dkv_record *donor,
                        const struct dkv_record *news, struct dkv_record *ret_record,
                        struct hr_str *ret_bytes, struct hr_diag *diag)
{
    struct hr_arena *arena = replacing->attempt->arena;
    enum hr_err err = dkv_record_merge(donor, news, arena, ret_record, diag);
    if (!err) {
        dkv_record_strip(ret_record, replacing->clear);
        err = dkv_record_encode(ret_record, arena, ret_bytes);
    }
    if (!err && ret_bytes->len > DKV_RECORD_BYTES_MAX) {
        err = DKV_FAIL(diag, HR_TOO_BIG, HR_STR("the record would become too big"));
    }
    if (err == HR_CORRUPT || err == HR_TOO_BIG) {
        complain(replacing, HR_STR("news-dropped"), diag);
        *ret_record = *donor;
        err = dkv_record_encode(ret_record, arena, ret_bytes);
    }
    return err;
}

enum hr_err dkv_replace(struct dkv_attempt *attempt, const struct dkv_cover *cover,
                        struct hr_str key, struct dkv_value found, const struct dkv_record *donor,
                        struct hr_diag *diag)
{
    static const struct dkv_record nothing = {0};
    struct replacing replacing = {attempt, cover, key, {0}};
    struct dkv_record news = {0};
    struct dkv_record record;
    struct hr_str bytes;
    enum hr_err err = dkv_attempt_clear(attempt, &replacing.clear, diag);
    if (!err) {
        err = read_news(&replacing, found, &news, diag);
    }
    if (!err) {
        err = join(&replacing, donor ? donor : &nothing, &news, &record, &bytes, diag);
    }
    if (!err) {
        err = store(&replacing, found, &record, bytes);
    }
    if (err) {
        return err;
    }
    dkv_attempt_count(attempt, false, dkv_record_visible(&record, replacing.clear));
    dkv_hlc newest = dkv_record_newest(&record).hlc;
    if (!dkv_record_empty(&record) && dkv_record_littered(&record, replacing.clear)) {
        dkv_attempt_litter(attempt, newest);
    }
    attempt->ctr.hlc = newest > attempt->ctr.hlc ? newest : attempt->ctr.hlc;
    return HR_OK;
}
