/* Decoding and encoding of what sites tell each other of what they hold. */
#include "actors/kv/core/format/have.h"

#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/format/text.h"

#define VERSION 1u
#define ASK_VERSION 3u
#define HAVE_VERSION 6u
#define ROW_BYTES 49u
#define REMOVED_BYTES 26u
#define HAVE_FIXED_BYTES 80u
#define LOG_FIXED_BYTES 19u

enum hr_err dkv_ask_decode(struct hr_str bytes, struct dkv_ask *ret_ask, struct hr_diag *diag)
{
    struct dkv_in in;
    enum hr_err err = dkv_in_frame(bytes, ASK_VERSION, HR_STR("ask"), &in, diag);
    if (err) {
        return err;
    }
    struct dkv_ask ask = {.origin = dkv_in_u64(&in)};
    ask.begun = dkv_in_u64(&in);
    bool known = dkv_site_state_of(dkv_in_u8(&in), &ask.state);
    ask.after = dkv_in_u64(&in);
    if (!dkv_in_done(&in) || !known || dkv_origin_site(ask.origin) == 0 ||
        ask.begun > dkv_origin_inc(ask.origin)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("ask: out of bounds"));
    }
    *ret_ask = ask;
    return HR_OK;
}

enum hr_err dkv_ask_encode(const struct dkv_ask *ask, struct hr_arena *arena,
                           struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 32);
    dkv_out_uint(&out, ASK_VERSION, 1);
    dkv_out_uint(&out, ask->origin, 8);
    dkv_out_uint(&out, ask->begun, 8);
    dkv_out_uint(&out, ask->state, 1);
    dkv_out_uint(&out, ask->after, 8);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

static bool row_valid(const struct dkv_have_row *row, const struct dkv_have_row *before)
{
    return row->high >= row->prefix && row->high > 0 && row->trunc_below > 0 &&
           row->trunc_below - 1 <= row->prefix && (row->hlc > 0) == (row->prefix > 0) &&
           (row->sealed || row->last == 0) && (!before || before->origin < row->origin);
}

static enum hr_err rows_decode(struct dkv_in *in, struct hr_arena *arena, struct dkv_have *have,
                               struct hr_diag *diag)
{
    have->rows = hr_arena_alloc(arena, have->count * sizeof *have->rows);
    if (!have->rows) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < have->count; i++) {
        struct dkv_have_row *row = &have->rows[i];
        row->origin = dkv_in_u64(in);
        row->prefix = dkv_in_u64(in);
        row->hlc = dkv_in_u64(in);
        row->high = dkv_in_u64(in);
        row->trunc_below = dkv_in_u64(in);
        uint8_t sealed = dkv_in_u8(in);
        row->sealed = sealed == 1;
        row->last = dkv_in_u64(in);
        if (sealed > 1 || !row_valid(row, i > 0 ? row - 1 : NULL)) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("have: an origin is out of bounds"));
        }
    }
    return HR_OK;
}

/* All before the rows. */
static bool head_decode(struct dkv_in *in, struct dkv_have *have)
{
    have->site = dkv_in_u16(in);
    have->origin = dkv_in_u64(in);
    have->begun = dkv_in_u64(in);
    have->seq = dkv_in_u64(in);
    have->clock = dkv_in_u64(in);
    bool known = dkv_site_state_of(dkv_in_u8(in), &have->state);
    known = dkv_boot_class_of(dkv_in_u8(in), &have->boot_class) && known;
    have->low = dkv_in_u64(in);
    have->floor = dkv_in_u64(in);
    have->fence = dkv_in_u64(in);
    have->removed_count = dkv_in_u8(in);
    if (in->failed || !known || have->removed_count > DKV_REMOVED_MAX) {
        return false;
    }
    for (size_t i = 0; i < have->removed_count; i++) {
        have->removed[i].site = dkv_in_u16(in);
        have->removed[i].inc = dkv_in_u64(in);
        have->removed[i].since = dkv_in_u64(in);
        have->removed[i].heard = dkv_in_u64(in);
        known = known && have->removed[i].site > 0 && have->removed[i].since <= DKV_INC_MAX &&
                have->removed[i].heard <= DKV_INC_MAX;
    }
    uint8_t more = dkv_in_u8(in);
    have->more = more == 1;
    have->count = dkv_in_u16(in);
    return !in->failed && known && more <= 1 && have->site > 0 && have->fence <= DKV_INC_MAX &&
           dkv_origin_site(have->origin) == have->site &&
           have->begun <= dkv_origin_inc(have->origin);
}

enum hr_err dkv_have_decode(struct hr_str bytes, struct hr_arena *arena, struct dkv_have *ret_have,
                            struct hr_diag *diag)
{
    struct dkv_in in;
    struct dkv_have have = {0};
    enum hr_err err = dkv_in_frame(bytes, HAVE_VERSION, HR_STR("have"), &in, diag);
    if (err) {
        return err;
    }
    if (!head_decode(&in, &have) || have.count > DKV_HAVE_MAX ||
        have.count * ROW_BYTES != in.left || (have.more && have.count == 0)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("have: out of bounds"));
    }
    err = rows_decode(&in, arena, &have, diag);
    if (!err) {
        *ret_have = have;
    }
    return err;
}

enum hr_err dkv_have_encode(const struct dkv_have *have, struct hr_arena *arena,
                            struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, HAVE_FIXED_BYTES + have->removed_count * REMOVED_BYTES +
                                               have->count * ROW_BYTES);
    dkv_out_uint(&out, HAVE_VERSION, 1);
    dkv_out_uint(&out, have->site, 2);
    dkv_out_uint(&out, have->origin, 8);
    dkv_out_uint(&out, have->begun, 8);
    dkv_out_uint(&out, have->seq, 8);
    dkv_out_uint(&out, have->clock, 8);
    dkv_out_uint(&out, have->state, 1);
    dkv_out_uint(&out, have->boot_class, 1);
    dkv_out_uint(&out, have->low, 8);
    dkv_out_uint(&out, have->floor, 8);
    dkv_out_uint(&out, have->fence, 8);
    dkv_out_uint(&out, have->removed_count, 1);
    for (size_t i = 0; i < have->removed_count; i++) {
        dkv_out_uint(&out, have->removed[i].site, 2);
        dkv_out_uint(&out, have->removed[i].inc, 8);
        dkv_out_uint(&out, have->removed[i].since, 8);
        dkv_out_uint(&out, have->removed[i].heard, 8);
    }
    dkv_out_uint(&out, have->more, 1);
    dkv_out_uint(&out, have->count, 2);
    for (size_t i = 0; i < have->count; i++) {
        dkv_out_uint(&out, have->rows[i].origin, 8);
        dkv_out_uint(&out, have->rows[i].prefix, 8);
        dkv_out_uint(&out, have->rows[i].hlc, 8);
        dkv_out_uint(&out, have->rows[i].high, 8);
        dkv_out_uint(&out, have->rows[i].trunc_below, 8);
        dkv_out_uint(&out, have->rows[i].sealed, 1);
        dkv_out_uint(&out, have->rows[i].last, 8);
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

struct dkv_removed dkv_have_removed(const struct dkv_have *have, uint16_t site)
{
    for (size_t i = 0; i < have->removed_count; i++) {
        if (have->removed[i].site == site) {
            return have->removed[i];
        }
    }
    return (struct dkv_removed){.site = site};
}

bool dkv_have_follows(const struct dkv_have *have, dkv_origin after)
{
    return have->count == 0 || have->rows[0].origin > after;
}

enum hr_err dkv_pull_decode(struct hr_str bytes, struct dkv_pull *ret_pull, struct hr_diag *diag)
{
    struct dkv_in in;
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("pull"), &in, diag);
    if (err) {
        return err;
    }
    struct dkv_pull pull = {.origin = dkv_in_u64(&in)};
    pull.after = dkv_in_u64(&in);
    pull.upto = dkv_in_u64(&in);
    if (!dkv_in_done(&in) || pull.upto < pull.after) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("pull: out of bounds"));
    }
    *ret_pull = pull;
    return HR_OK;
}

enum hr_err dkv_pull_encode(const struct dkv_pull *pull, struct hr_arena *arena,
                            struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 32);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, pull->origin, 8);
    dkv_out_uint(&out, pull->after, 8);
    dkv_out_uint(&out, pull->upto, 8);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_log_decode(struct hr_str bytes, struct dkv_log *ret_log, struct hr_diag *diag)
{
    struct dkv_in in;
    if (bytes.len > DKV_PARCEL_BYTES_MAX + LOG_FIXED_BYTES) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("log: too long"));
    }
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("log"), &in, diag);
    if (err) {
        return err;
    }
    uint8_t what = dkv_in_u8(&in);
    struct dkv_log log = {.truncated = what == 1, .number = dkv_in_u64(&in)};
    uint8_t more = dkv_in_u8(&in);
    log.more = more == 1;
    log.changes = dkv_in_bytes(&in, dkv_in_u32(&in));
    if (!dkv_in_done(&in) || what > 1 || more > 1) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("log: out of bounds"));
    }
    *ret_log = log;
    return HR_OK;
}

enum hr_err dkv_log_encode(const struct dkv_log *log, struct hr_arena *arena,
                           struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, LOG_FIXED_BYTES + log->changes.len);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, log->truncated, 1);
    dkv_out_uint(&out, log->number, 8);
    dkv_out_uint(&out, log->more, 1);
    dkv_out_uint(&out, log->changes.len, 4);
    dkv_out_bytes(&out, log->changes);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}
