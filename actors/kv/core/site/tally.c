/* Decoding, encoding and retaking of the tally. */
#include "actors/kv/core/site/tally.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/state.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/scan.h"

#define VERSION 1u
#define FIXED_BYTES 72u

enum hr_err dkv_tally_decode(struct hr_str bytes, struct dkv_tally *ret_tally, struct hr_diag *diag)
{
    struct dkv_in in;
    enum hr_err err = dkv_in_frame(bytes, VERSION, DKV_KEY_TALLY, &in, diag);
    if (err) {
        return err;
    }
    uint8_t counted = dkv_in_u8(&in);
    struct dkv_tally tally = {.counted = counted == 1, .visible = dkv_in_u64(&in)};
    tally.feed_count = dkv_in_u64(&in);
    tally.feed_bytes = dkv_in_u64(&in);
    tally.litter = dkv_in_u64(&in);
    tally.made = dkv_in_u64(&in);
    tally.began = dkv_in_u64(&in);
    tally.done = dkv_in_u64(&in);
    tally.cursor = dkv_in_bytes(&in, dkv_in_u16(&in));
    bool placed =
        tally.cursor.len == 0 || (tally.began > 0 && hr_str_starts(tally.cursor, DKV_KEYS_RECORDS));
    if (!dkv_in_done(&in) || counted > 1 || !placed) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/tally: out of bounds"));
    }
    *ret_tally = tally;
    return HR_OK;
}

enum hr_err dkv_tally_encode(const struct dkv_tally *tally, struct hr_arena *arena,
                             struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, FIXED_BYTES + tally->cursor.len);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, tally->counted, 1);
    dkv_out_uint(&out, tally->visible, 8);
    dkv_out_uint(&out, tally->feed_count, 8);
    dkv_out_uint(&out, tally->feed_bytes, 8);
    dkv_out_uint(&out, tally->litter, 8);
    dkv_out_uint(&out, tally->made, 8);
    dkv_out_uint(&out, tally->began, 8);
    dkv_out_uint(&out, tally->done, 8);
    dkv_out_uint(&out, tally->cursor.len, 2);
    dkv_out_bytes(&out, tally->cursor);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

/* How many names of the page are of origins up to @last; the rest is not wanted. */
static size_t count_upto(struct dkv_page *page, dkv_origin last)
{
    for (size_t i = 0; i < page->count; i++) {
        dkv_origin origin;
        uint64_t seq;
        if (dkv_key_change_parse(page->pairs[i].key, &origin, &seq) && origin > last) {
            page->more = false;
            return i;
        }
    }
    return page->count;
}

/* Counts the entries whose names begin with @entries and come after @after, of origins up to @last. */
static enum hr_err count_entries(const struct dkv_env *env, struct hr_arena *arena,
                                 struct hr_str entries, struct hr_str after, dkv_origin last,
                                 uint64_t *count, struct hr_diag *diag)
{
    struct dkv_page page = {.more = true};
    enum hr_err err = entries.ptr ? HR_OK : HR_NO_MEMORY;
    while (!err && page.more) {
        struct hr_arena page_arena;
        hr_arena_init(&page_arena, 0);
        err = dkv_scan_page(env, entries, after, DKV_SCAN_LIMIT_MAX, &page_arena, &page, diag);
        if (!err && page.count > 0) {
            *count += count_upto(&page, last);
            after = hr_arena_copy(arena, page.pairs[page.count - 1].key);
            err = after.ptr ? HR_OK : HR_NO_MEMORY;
        }
        hr_arena_release(&page_arena);
    }
    return err;
}

static enum hr_err count_origin(const struct dkv_env *env, struct hr_arena *arena,
                                const struct dkv_pair *pair, struct dkv_tally *tally,
                                struct hr_diag *diag)
{
    dkv_origin origin;
    struct dkv_progress progress;
    enum hr_err err = dkv_progress_decode(pair->value, &progress, diag);
    if (err) {
        return err;
    }
    tally->feed_count += progress.prefix + 1 - progress.trunc_below;
    if (progress.high == progress.prefix || !dkv_key_progress_parse(pair->key, &origin)) {
        return HR_OK;
    }
    struct hr_str after = dkv_key_change(arena, origin, progress.prefix);
    return count_entries(env, arena, hr_str_of(after.ptr, DKV_CHANGE_ORIGIN_BYTES), after, origin,
                         &tally->feed_count, diag);
}

/* What origins that are gathered up have left. */
static enum hr_err count_retired(const struct dkv_env *env, struct hr_arena *arena,
                                 struct dkv_tally *tally, struct hr_diag *diag)
{
    struct dkv_floor floor;
    enum hr_err err = dkv_floor_now(env, arena, &floor, diag);
    for (size_t i = 0; !err && i < floor.retired_count; i++) {
        dkv_origin last = dkv_origin_of(floor.retired[i].site, floor.retired[i].inc);
        struct hr_str name = dkv_key_change(arena, last, 0);
        err = count_entries(env, arena, hr_str_of(name.ptr, DKV_CHANGE_SITE_BYTES),
                            (struct hr_str){0}, last, &tally->feed_count, diag);
    }
    return err;
}

/* Adds up what v/ says of the feed's lengths. */
static enum hr_err count_feed(const struct dkv_env *env, struct hr_arena *arena,
                              struct dkv_tally *tally, struct hr_diag *diag)
{
    struct dkv_page page = {.more = true};
    struct hr_str after = {0};
    enum hr_err err = HR_OK;
    while (!err && page.more) {
        err = dkv_scan_page(env, DKV_KEYS_PROGRESS, after, DKV_SCAN_LIMIT_MAX, arena, &page, diag);
        for (size_t i = 0; !err && i < page.count; i++) {
            err = count_origin(env, arena, &page.pairs[i], tally, diag);
            after = page.pairs[i].key;
        }
    }
    return err;
}

enum hr_err dkv_tally_take(const struct dkv_env *env, struct hr_arena *arena,
                           struct dkv_tally *ret_tally, struct hr_diag *diag)
{
    struct dkv_tally tally = {0};
    struct dkv_page page;
    enum hr_err err = count_feed(env, arena, &tally, diag);
    if (!err) {
        err = count_retired(env, arena, &tally, diag);
    }
    if (!err) {
        err = env->scan(env->arg, DKV_KEYS_RECORDS, (struct hr_str){0}, 1, arena, &page, diag);
    }
    if (!err) {
        /* Without a record there is nothing to count, and nothing to collect. */
        tally.counted = page.count == 0;
        tally.made = page.count > 0;
        *ret_tally = tally;
    }
    return err;
}
