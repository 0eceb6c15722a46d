/* Counts what is there, if nobody did, and sets the mark. */
#include "actors/kv/core/values/clear.h"

#include "actors/kv/core/format/session.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/results.h"
#include "actors/kv/core/site/scan.h"

#define PAGE_BYTES_MAX ((size_t)32 << 20)

struct count {
    struct dkv_attempt *attempt;
    struct dkv_stamp clear;
    uint64_t visible;
    size_t examined;
    dkv_hlc newest; /* of all that was seen: the mark has to be above it */
};

static enum hr_err look_at(struct count *count, struct hr_str name, struct hr_str bytes,
                           struct hr_arena *arena)
{
    struct hr_diag diag;
    struct dkv_record record;
    enum hr_err err = dkv_record_decode(bytes, arena, &record, &diag);
    count->examined++;
    if (err == HR_CORRUPT || err == HR_UNSUPPORTED) {
        /* It cannot be seen, so it does not count; reading it says what is wrong with it. */
        HR_IGNORE(dkv_text_prefix(&diag, err, HR_STR("event=uncounted key="), name));
        count->attempt->env->log(count->attempt->env->arg, DKV_LOG_ERROR, hr_str_c(diag.text));
        return HR_OK;
    }
    if (err) {
        return err;
    }
    dkv_hlc hlc = dkv_record_newest(&record).hlc;
    count->newest = hlc > count->newest ? hlc : count->newest;
    count->visible += dkv_record_visible(&record, count->clear);
    return HR_OK;
}

static enum hr_err look_at_page(struct count *count, const struct dkv_page *page,
                                struct hr_arena *arena)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; !err && i < page->count; i++) {
        const struct dkv_pair *pair = &page->pairs[i];
        /* What this attempt has written counts as written, below. */
        if (!dkv_txn_written(&count->attempt->txn, pair->key)) {
            err = look_at(count, pair->key, pair->value, arena);
        }
    }
    return err;
}

static enum hr_err look_at_store(struct count *count, struct hr_diag *diag)
{
    const struct dkv_env *env = count->attempt->env;
    struct hr_str after = {0};
    struct dkv_page page = {.more = true};
    enum hr_err err = HR_OK;
    while (!err && page.more && count->examined < DKV_COUNT_RECORDS_MAX) {
        struct hr_arena arena;
        hr_arena_init(&arena, PAGE_BYTES_MAX);
        err = dkv_scan_page(env, DKV_KEYS_RECORDS, after, DKV_SCAN_LIMIT_MAX, &arena, &page, diag);
        if (!err) {
            err = look_at_page(count, &page, &arena);
        }
        if (!err && page.more) {
            after = hr_arena_copy(count->attempt->arena, page.pairs[page.count - 1].key);
            err = after.ptr ? HR_OK : HR_NO_MEMORY;
        }
        hr_arena_release(&arena);
    }
    return err;
}

static enum hr_err look_at_written(struct count *count)
{
    const struct dkv_txn *txn = &count->attempt->txn;
    enum hr_err err = HR_OK;
    for (const struct dkv_entry *entry = txn->first; !err && entry; entry = entry->next) {
        if (entry->written && entry->now.present && hr_str_starts(entry->key, DKV_KEYS_RECORDS)) {
            err = look_at(count, entry->key, entry->now.bytes, count->attempt->arena);
        }
    }
    return err;
}

void dkv_clear_sweep_anew(struct dkv_tally *tally, dkv_hlc made)
{
    dkv_hlc newest = made > 1 ? made - 1 : 1; /* what bears its very clock goes with the rest */
    tally->made = newest > tally->made ? newest : tally->made;
    tally->began = 0;
    tally->cursor = (struct hr_str){0};
    tally->done = tally->done < newest ? tally->done : newest;
}

static enum hr_err put_mark(struct dkv_attempt *attempt, struct dkv_stamp mark)
{
    struct hr_str bytes;
    enum hr_err err = dkv_clear_encode(mark, attempt->arena, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, DKV_KEY_CLEAR, bytes);
}

enum hr_err dkv_clear_merge(struct dkv_attempt *attempt, const struct dkv_change *change,
                            struct hr_diag *diag)
{
    struct dkv_stamp clear;
    struct dkv_tally *tally = &attempt->tally;
    enum hr_err err = dkv_attempt_clear(attempt, &clear, diag);
    if (err || dkv_stamp_cmp(change->stamp, clear) <= 0) {
        return err;
    }
    /* The clock is not behind any stamp in the store. */
    bool covers_all = change->stamp.hlc > attempt->ctr.hlc;
    tally->counted = covers_all;
    tally->visible = covers_all ? 0 : tally->visible;
    dkv_clear_sweep_anew(tally, change->stamp.hlc);
    return put_mark(attempt, change->stamp);
}

enum hr_err dkv_clear_apply(struct dkv_attempt *attempt, const struct dkv_request *request,
                            struct dkv_answer *ret_answer)
{
    struct hr_diag *diag = &ret_answer->diag;
    struct count count = {.attempt = attempt};
    struct dkv_change change = {.op = DKV_CHANGE_CLEAR};
    dkv_results_identify(request, &change);
    enum hr_err err = dkv_attempt_clear(attempt, &count.clear, diag);
    count.newest = count.clear.hlc;
    if (!err && attempt->tally.counted) {
        count.visible = attempt->tally.visible;
    } else if (!err) {
        err = look_at_store(&count, diag);
        if (!err) {
            err = look_at_written(&count);
        }
    }
    if (!err) {
        dkv_hlc seen = dkv_session_newest(request->session);
        err = dkv_attempt_number(attempt, seen > count.newest ? seen : count.newest, &change, diag);
    }
    if (!err) {
        change.counted = change.identified ? count.visible : 0;
        err = dkv_attempt_log(attempt, &change, diag);
    }
    if (!err) {
        err = put_mark(attempt, change.stamp);
    }
    if (err) {
        return err;
    }
    attempt->tally.counted = true;
    attempt->tally.visible = 0;
    dkv_clear_sweep_anew(&attempt->tally, change.stamp.hlc);
    ret_answer->version = change.stamp;
    ret_answer->seq = change.seq;
    ret_answer->count = count.visible;
    return HR_OK;
}
