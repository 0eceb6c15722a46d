/* Decoding, encoding and reading of m/sync and s/. */
#include "actors/kv/core/transfer/sync.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/scan.h"

#define VERSION 1u

bool dkv_sync_phase_of(uint8_t byte, enum dkv_sync_phase *ret_phase)
{
    *ret_phase = byte == DKV_SYNC_WANTED    ? DKV_SYNC_WANTED
                 : byte == DKV_SYNC_OPENING ? DKV_SYNC_OPENING
                 : byte == DKV_SYNC_FILLING ? DKV_SYNC_FILLING
                 : byte == DKV_SYNC_CLOSING ? DKV_SYNC_CLOSING
                                            : DKV_SYNC_NONE;
    return byte == (uint8_t)*ret_phase;
}

size_t dkv_retired_read(struct dkv_in *in, struct dkv_retired ret_retired[DKV_RETIRED_MAX],
                        bool *valid)
{
    size_t count = dkv_in_u8(in);
    if (count > DKV_RETIRED_MAX) {
        *valid = false;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        ret_retired[i].site = dkv_in_u16(in);
        ret_retired[i].inc = dkv_in_u64(in);
    }
    return count;
}

void dkv_retired_write(struct dkv_out *out, const struct dkv_retired *retired, size_t count)
{
    dkv_out_uint(out, count, 1);
    for (size_t i = 0; i < count; i++) {
        dkv_out_uint(out, retired[i].site, 2);
        dkv_out_uint(out, retired[i].inc, 8);
    }
}

enum hr_err dkv_sync_decode(struct dkv_value value, struct dkv_sync *ret_sync, struct hr_diag *diag)
{
    struct dkv_in in;
    if (!value.present) {
        *ret_sync = (struct dkv_sync){0};
        return HR_OK;
    }
    enum hr_err err = dkv_in_frame(value.bytes, VERSION, DKV_KEY_SYNC, &in, diag);
    if (err) {
        return err;
    }
    struct dkv_sync sync = {0};
    bool valid = dkv_sync_phase_of(dkv_in_u8(&in), &sync.phase) && sync.phase != DKV_SYNC_NONE;
    uint8_t torn = dkv_in_u8(&in);
    uint8_t forced = dkv_in_u8(&in);
    sync.torn = torn == 1;
    sync.forced = forced == 1;
    sync.session = dkv_in_u64(&in);
    sync.donor = dkv_in_u16(&in);
    sync.donor_origin = dkv_in_u64(&in);
    sync.heard = dkv_in_u64(&in);
    sync.floor = dkv_in_u64(&in);
    sync.clock = dkv_in_u64(&in);
    sync.clear = dkv_stamp_read(&in);
    sync.retired_count = dkv_retired_read(&in, sync.retired, &valid);
    sync.cursor = dkv_in_bytes(&in, dkv_in_u16(&in));
    valid = valid && torn <= 1 && forced <= 1 &&
            (sync.cursor.len == 0 || dkv_key_valid(sync.cursor)) &&
            (sync.session > 0) == (sync.phase > DKV_SYNC_WANTED);
    if (!dkv_in_done(&in) || !valid) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/sync: out of bounds"));
    }
    *ret_sync = sync;
    return HR_OK;
}

enum hr_err dkv_sync_encode(const struct dkv_sync *sync, struct hr_arena *arena,
                            struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 80 + sync->cursor.len);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, sync->phase, 1);
    dkv_out_uint(&out, sync->torn, 1);
    dkv_out_uint(&out, sync->forced, 1);
    dkv_out_uint(&out, sync->session, 8);
    dkv_out_uint(&out, sync->donor, 2);
    dkv_out_uint(&out, sync->donor_origin, 8);
    dkv_out_uint(&out, sync->heard, 8);
    dkv_out_uint(&out, sync->floor, 8);
    dkv_out_uint(&out, sync->clock, 8);
    dkv_stamp_write(&out, sync->clear);
    dkv_retired_write(&out, sync->retired, sync->retired_count);
    dkv_out_uint(&out, sync->cursor.len, 2);
    dkv_out_bytes(&out, sync->cursor);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_cover_row_decode(struct hr_str bytes, struct dkv_cover_row *ret_row,
                                 struct hr_diag *diag)
{
    struct dkv_in in;
    enum hr_err err = dkv_in_frame(bytes, VERSION, DKV_KEYS_COVER, &in, diag);
    if (err) {
        return err;
    }
    struct dkv_cover_row row = {.session = dkv_in_u64(&in)};
    row.prefix = dkv_in_u64(&in);
    row.hlc = dkv_in_u64(&in);
    uint8_t sealed = dkv_in_u8(&in);
    row.sealed = sealed == 1;
    row.last = dkv_in_u64(&in);
    row.upto = dkv_in_u64(&in);
    row.taint = dkv_in_u64(&in);
    bool valid = sealed <= 1 && (row.sealed || row.last == 0) && (row.hlc > 0) == (row.prefix > 0);
    if (!dkv_in_done(&in) || !valid) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("s/: out of bounds"));
    }
    *ret_row = row;
    return HR_OK;
}

enum hr_err dkv_cover_row_encode(const struct dkv_cover_row *row, struct hr_arena *arena,
                                 struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 64);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, row->session, 8);
    dkv_out_uint(&out, row->prefix, 8);
    dkv_out_uint(&out, row->hlc, 8);
    dkv_out_uint(&out, row->sealed, 1);
    dkv_out_uint(&out, row->last, 8);
    dkv_out_uint(&out, row->upto, 8);
    dkv_out_uint(&out, row->taint, 8);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_sync_read(const struct dkv_env *env, struct hr_arena *arena,
                          struct dkv_sync *ret_sync, struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_SYNC;
    struct dkv_value value;
    enum hr_err err = env->get_many(env->arg, &key, 1, arena, &value, diag);
    return err ? err : dkv_sync_decode(value, ret_sync, diag);
}

/* Adds a page's rows to @cover. */
static enum hr_err take_page(const struct dkv_page *page, struct hr_arena *arena,
                             struct dkv_cover *cover, size_t *cap, struct hr_diag *diag)
{
    if (cover->count + page->count > *cap) {
        *cap = 2 * (cover->count + page->count);
        struct dkv_cover_row *grown = hr_arena_alloc(arena, *cap * sizeof *grown);
        if (!grown) {
            return HR_NO_MEMORY;
        }
        if (cover->count > 0) {
            memcpy(grown, cover->rows, cover->count * sizeof *grown);
        }
        cover->rows = grown;
    }
    for (size_t i = 0; i < page->count; i++) {
        struct dkv_cover_row *row = &cover->rows[cover->count];
        enum hr_err err = dkv_cover_row_decode(page->pairs[i].value, row, diag);
        if (!err && !dkv_key_cover_parse(page->pairs[i].key, &row->origin)) {
            err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("s/ holds a name that is none"));
        }
        if (err) {
            return err;
        }
        cover->count++;
    }
    return HR_OK;
}

enum hr_err dkv_cover_read(const struct dkv_env *env, const struct dkv_sync *sync,
                           struct hr_arena *arena, struct dkv_cover *ret_cover,
                           struct hr_diag *diag)
{
    struct dkv_cover cover = {.session = sync->session, .sync = sync};
    struct dkv_page page = {.more = true};
    struct hr_str after = {0};
    size_t cap = 0;
    enum hr_err err = HR_OK;
    while (!err && page.more) {
        err = dkv_scan_page(env, DKV_KEYS_COVER, after, DKV_SCAN_LIMIT_MAX, arena, &page, diag);
        if (!err && page.count > 0) {
            after = page.pairs[page.count - 1].key;
            err = take_page(&page, arena, &cover, &cap, diag);
        }
    }
    if (!err) {
        *ret_cover = cover;
    }
    return err;
}

const struct dkv_cover_row *dkv_cover_find(const struct dkv_cover *cover, dkv_origin origin)
{
    size_t low = 0;
    size_t high = cover->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cover->rows[middle].origin < origin) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < cover->count && cover->rows[low].origin == origin ? &cover->rows[low] : NULL;
}

bool dkv_cover_has(const struct dkv_cover *cover, struct dkv_stamp stamp)
{
    const struct dkv_sync *sync = cover->sync;
    const struct dkv_cover_row *row = dkv_cover_find(cover, stamp.origin);
    bool ours = row && row->session == cover->session && row->prefix > 0;
    if (ours) {
        return stamp.hlc <= row->hlc;
    }
    for (size_t i = 0; i < sync->retired_count; i++) {
        if (sync->retired[i].site == dkv_origin_site(stamp.origin)) {
            return dkv_origin_inc(stamp.origin) <= sync->retired[i].inc;
        }
    }
    return false;
}
