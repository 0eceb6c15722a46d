/* From the feed to what it says of some keys. */
#include "actors/kv/core/compare/history.h"

#include "actors/kv/core/format/change.h"
#include "actors/kv/core/format/state.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/scan.h"

#define ENTRIES_PER_SCAN 256u

/* A reading under way. What the records are made of lies in one of two arenas, which take turns. */
struct reading {
    const struct dkv_env *env;
    struct dkv_history *history;
    struct hr_arena held;
    dkv_mono_ms start;
};

/* --- spans -------------------------------------------------------------------------------------------- */

static enum hr_err first_clock(const struct dkv_env *env, dkv_origin origin, uint64_t seq,
                               struct hr_arena *arena, dkv_hlc *ret_from, struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_change change;
    struct hr_str key = dkv_key_change(arena, origin, seq);
    enum hr_err err =
        key.ptr ? env->get_many(env->arg, &key, 1, arena, &value, diag) : HR_NO_MEMORY;
    if (!err && !value.present) {
        *ret_from = UINT64_MAX;
    } else if (!err) {
        err = dkv_change_decode(value.bytes, arena, &change, diag);
        *ret_from = err ? UINT64_MAX : change.stamp.hlc;
        err = err == HR_NO_MEMORY ? err : HR_OK;
    }
    return err;
}

static enum hr_err add_span(struct dkv_history *history, const struct dkv_env *env,
                            const struct dkv_pair *pair, struct hr_arena *arena,
                            struct hr_diag *diag)
{
    struct dkv_progress progress;
    struct dkv_span span = {0};
    if (!dkv_key_progress_parse(pair->key, &span.origin)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("v/ holds a name that is none"));
    }
    enum hr_err err = dkv_progress_decode(pair->value, &progress, diag);
    if (!err && progress.trunc_below > 1) {
        err = first_clock(env, span.origin, progress.trunc_below, arena, &span.from, diag);
        history->whole_from = span.from > history->whole_from ? span.from : history->whole_from;
    }
    if (!err && history->span_count < DKV_HISTORY_ORIGINS_MAX) {
        span.to = progress.hlc;
        span.wanted = progress.prefix - (progress.trunc_below - 1);
        history->spans[history->span_count++] = span;
    }
    return err;
}

static enum hr_err read_spans(struct dkv_history *history, const struct dkv_env *env,
                              struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_page page = {.more = true};
    struct hr_str after = {0};
    enum hr_err err = HR_OK;
    while (!err && page.more && history->span_count < DKV_HISTORY_ORIGINS_MAX) {
        err = dkv_scan_page(env, DKV_KEYS_PROGRESS, after, DKV_SCAN_LIMIT_MAX, arena, &page, diag);
        for (size_t i = 0; !err && i < page.count; i++) {
            err = add_span(history, env, &page.pairs[i], arena, diag);
            after = page.pairs[i].key;
        }
    }
    return err;
}

/* Of origins that were gathered up nobody knows what of them was cut off, nor of what a site that was alone
 * has forgotten. */
static enum hr_err read_floor(struct dkv_history *history, const struct dkv_env *env,
                              struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_floor floor;
    enum hr_err err = dkv_floor_now(env, arena, &floor, diag);
    if (!err) {
        dkv_hlc from = floor.retired_count > 0 ? UINT64_MAX : floor.collected;
        history->whole_from = from > history->whole_from ? from : history->whole_from;
    }
    return err;
}

static struct dkv_span *find_span(const struct dkv_history *history, dkv_origin origin)
{
    size_t low = 0;
    size_t high = history->span_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (history->spans[middle].origin < origin) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < history->span_count && history->spans[low].origin == origin ? &history->spans[low]
                                                                             : NULL;
}

static bool is_in(const struct dkv_span *span, dkv_hlc hlc)
{
    return hlc >= span->from && hlc <= span->to;
}

static bool is_in_filled(const struct dkv_span *span, dkv_hlc hlc)
{
    return hlc > span->filled_from && hlc < span->filled_to;
}

bool dkv_history_covers(const struct dkv_history *history, struct dkv_stamp stamp)
{
    const struct dkv_span *span = find_span(history, stamp.origin);
    return history->known && span && is_in(span, stamp.hlc) && !is_in_filled(span, stamp.hlc);
}

bool dkv_history_filled(const struct dkv_history *history, struct dkv_stamp stamp)
{
    const struct dkv_span *span = find_span(history, stamp.origin);
    return history->known && span && is_in(span, stamp.hlc) && is_in_filled(span, stamp.hlc);
}

/* Entries come in the order of their numbers. */
static void note_filled(struct dkv_span *span, const struct dkv_change *change)
{
    bool open = span->filled_to == UINT64_MAX; /* the last entry was one */
    if (change->op == DKV_CHANGE_NOOP) {
        bool first = span->filled_to == 0 || change->stamp.hlc < span->filled_from;
        span->filled_from = first ? change->stamp.hlc : span->filled_from;
        span->filled_to = UINT64_MAX;
    } else if (open) {
        span->filled_to = change->stamp.hlc;
    }
}

/* --- entries ------------------------------------------------------------------------------------------ */

static enum hr_err take_change(struct reading *reading, const struct dkv_change *change,
                               struct hr_arena *scratch)
{
    struct dkv_history *history = reading->history;
    enum hr_err err = HR_OK;
    if (change->op == DKV_CHANGE_CLEAR) {
        history->clear = dkv_stamp_max(history->clear, change->stamp);
    }
    for (size_t i = 0; !err && i < history->count; i++) {
        if ((change->op == DKV_CHANGE_SET || change->op == DKV_CHANGE_DEL) &&
            hr_str_eq(change->key, history->keys[i])) {
            struct dkv_record news = dkv_change_record(change);
            struct hr_diag why;
            err =
                dkv_record_merge(&history->records[i], &news, scratch, &history->records[i], &why);
            /* Two changes under one stamp: the first one stays. */
            err = err == HR_CORRUPT ? HR_OK : err;
        }
    }
    return err;
}

static enum hr_err take_entry(struct reading *reading, const struct dkv_pair *pair,
                              struct hr_arena *scratch)
{
    dkv_origin origin;
    uint64_t seq;
    struct dkv_change change;
    struct hr_diag why;
    if (!dkv_key_change_parse(pair->key, &origin, &seq)) {
        return HR_OK;
    }
    enum hr_err err = dkv_change_decode(pair->value, scratch, &change, &why);
    if (err) {
        return err == HR_NO_MEMORY ? err : HR_OK; /* it is not counted, so its span has a hole */
    }
    struct dkv_span *span = find_span(reading->history, origin);
    if (span && change.stamp.hlc <= span->to) {
        span->counted++;
        note_filled(span, &change);
    }
    return change.stamp.origin == origin && change.seq == seq
               ? take_change(reading, &change, scratch)
               : HR_OK;
}

static enum hr_err keep_record(struct dkv_record *record, struct hr_arena *arena)
{
    struct hr_str bytes;
    struct hr_diag why;
    enum hr_err err = dkv_record_encode(record, arena, &bytes);
    return err ? err : dkv_record_decode(bytes, arena, record, &why);
}

/* One page; what the records are made of moves to a fresh arena. */
static enum hr_err read_page(struct reading *reading, char *after, size_t *after_len,
                             bool *ret_more, struct hr_diag *diag)
{
    const struct dkv_env *env = reading->env;
    struct dkv_history *history = reading->history;
    struct dkv_page page;
    struct hr_arena scratch;
    struct hr_arena next;
    hr_arena_init(&scratch, DKV_ARENA_BYTES_MAX);
    hr_arena_init(&next, DKV_ARENA_BYTES_MAX);
    enum hr_err err = env->scan(env->arg, DKV_KEYS_FEED, hr_str_of(after, *after_len),
                                ENTRIES_PER_SCAN, &scratch, &page, diag);
    for (size_t i = 0; !err && i < page.count; i++) {
        err = take_entry(reading, &page.pairs[i], &scratch);
    }
    for (size_t i = 0; !err && i < history->count; i++) {
        err = keep_record(&history->records[i], &next);
    }
    if (!err) {
        *ret_more = page.more && page.count > 0;
    }
    if (!err && page.count > 0 && page.pairs[page.count - 1].key.len <= DKV_KEY_BYTES_MAX) {
        *after_len = page.pairs[page.count - 1].key.len;
        memcpy(after, page.pairs[page.count - 1].key.ptr, *after_len);
    }
    hr_arena_release(&scratch);
    hr_arena_release(&reading->held);
    reading->held = next;
    return err;
}

/* A span whose entries are not all there is none. */
static void check_spans(struct dkv_history *history, const struct dkv_env *env)
{
    bool whole = true;
    for (size_t i = 0; i < history->span_count; i++) {
        struct dkv_span *span = &history->spans[i];
        bool sound = span->counted == span->wanted && span->from != UINT64_MAX;
        whole = whole && sound;
        span->to = sound ? span->to : 0;
    }
    if (!whole) {
        env->log(
            env->arg, DKV_LOG_WARN,
            HR_STR("event=feed-incomplete reason=\"entries of the feed are missing or cannot be "
                   "read; they are no witnesses\""));
    }
}

enum hr_err dkv_history_read(const struct dkv_env *env, struct hr_str *keys, size_t count,
                             struct hr_arena *arena, struct dkv_history *ret_history,
                             struct hr_diag *diag)
{
    struct dkv_history history = {.keys = keys, .count = count};
    struct reading reading = {.env = env, .history = &history, .start = env->mono(env->arg)};
    char after[DKV_KEY_BYTES_MAX];
    size_t after_len = 0;
    bool more = true;
    hr_arena_init(&reading.held, DKV_ARENA_BYTES_MAX);
    history.records = hr_arena_alloc(arena, count * sizeof *history.records);
    history.spans = hr_arena_alloc(arena, DKV_HISTORY_ORIGINS_MAX * sizeof *history.spans);
    enum hr_err err =
        history.records && history.spans ? read_spans(&history, env, arena, diag) : HR_NO_MEMORY;
    if (!err) {
        err = read_floor(&history, env, arena, diag);
    }
    for (size_t i = 0; !err && i < count; i++) {
        history.records[i] = (struct dkv_record){0};
    }
    while (!err && more && env->mono(env->arg) - reading.start <= DKV_HISTORY_MS_MAX) {
        err = read_page(&reading, after, &after_len, &more, diag);
    }
    for (size_t i = 0; !err && i < count; i++) {
        err = keep_record(&history.records[i], arena);
    }
    if (!err) {
        history.known = !more;
        check_spans(&history, env);
        *ret_history = history;
    }
    hr_arena_release(&reading.held);
    return err;
}
