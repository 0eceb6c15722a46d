/* Decoding and encoding of the messages of a state transfer. */
#include "actors/kv/core/transfer/state_wire.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"

#define VERSION 1u
#define RECORD_FIXED_BYTES 6u
#define NOTE_BYTES 16u

/* A key, or none. */
static struct hr_str read_key(struct dkv_in *in, bool *valid)
{
    struct hr_str key = dkv_in_bytes(in, dkv_in_u16(in));
    *valid = *valid && (key.len == 0 || dkv_key_valid(key));
    return key;
}

static void write_key(struct dkv_out *out, struct hr_str key)
{
    dkv_out_uint(out, key.len, 2);
    dkv_out_bytes(out, key);
}

static enum hr_err read_records(struct dkv_in *in, struct hr_arena *arena, struct hr_str after,
                                struct dkv_state_record **ret_records, size_t *ret_count,
                                bool *valid)
{
    size_t count = dkv_in_u16(in);
    if (count > DKV_STATE_RECORDS_MAX || count > in->left / RECORD_FIXED_BYTES) {
        *valid = false;
        return HR_OK;
    }
    struct dkv_state_record *records = hr_arena_alloc(arena, count * sizeof *records);
    if (!records) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        records[i].key = read_key(in, valid);
        records[i].bytes = dkv_in_bytes(in, dkv_in_u32(in));
        *valid = *valid && records[i].key.len > 0 && hr_str_cmp(after, records[i].key) < 0;
        after = records[i].key;
    }
    *ret_records = records;
    *ret_count = count;
    return HR_OK;
}

static size_t records_bytes(const struct dkv_state_record *records, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += RECORD_FIXED_BYTES + records[i].key.len + records[i].bytes.len;
    }
    return bytes;
}

static void write_records(struct dkv_out *out, const struct dkv_state_record *records, size_t count)
{
    dkv_out_uint(out, count, 2);
    for (size_t i = 0; i < count; i++) {
        write_key(out, records[i].key);
        dkv_out_uint(out, records[i].bytes.len, 4);
        dkv_out_bytes(out, records[i].bytes);
    }
}

enum hr_err dkv_state_ask_decode(struct hr_str bytes, struct dkv_state_ask *ret_ask,
                                 struct hr_diag *diag)
{
    struct dkv_in in;
    bool valid = true;
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("state ask"), &in, diag);
    if (err) {
        return err;
    }
    uint8_t what = dkv_in_u8(&in);
    struct dkv_state_ask ask = {.what = what == DKV_STATE_PAGE ? DKV_STATE_PAGE : DKV_STATE_ROWS};
    ask.session = dkv_in_u64(&in);
    ask.after = dkv_in_u64(&in);
    ask.cursor = read_key(&in, &valid);
    if (!dkv_in_done(&in) || !valid || what > DKV_STATE_PAGE || ask.session == 0) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("state ask: out of bounds"));
    }
    *ret_ask = ask;
    return HR_OK;
}

enum hr_err dkv_state_ask_encode(const struct dkv_state_ask *ask, struct hr_arena *arena,
                                 struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 32 + ask->cursor.len);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, ask->what, 1);
    dkv_out_uint(&out, ask->session, 8);
    dkv_out_uint(&out, ask->after, 8);
    write_key(&out, ask->cursor);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

static enum dkv_state_what what_of(uint8_t byte)
{
    return byte == DKV_STATE_PAGE    ? DKV_STATE_PAGE
           : byte == DKV_STATE_WAITS ? DKV_STATE_WAITS
           : byte == DKV_STATE_TORN  ? DKV_STATE_TORN
                                     : DKV_STATE_ROWS;
}

enum hr_err dkv_state_decode(struct hr_str bytes, struct hr_arena *arena,
                             struct dkv_state *ret_state, struct hr_diag *diag)
{
    struct dkv_in in;
    bool valid = bytes.len <= DKV_STATE_BYTES_MAX;
    enum hr_err err = valid ? dkv_in_frame(bytes, VERSION, HR_STR("state"), &in, diag)
                            : DKV_FAIL(diag, HR_CORRUPT, HR_STR("state: too long"));
    if (err) {
        return err;
    }
    uint8_t what = dkv_in_u8(&in);
    struct dkv_state state = {.what = what_of(what), .session = dkv_in_u64(&in)};
    state.cursor = read_key(&in, &valid);
    state.clear = dkv_stamp_read(&in);
    state.floor = dkv_in_u64(&in);
    state.collected = dkv_in_u64(&in);
    state.retired_count = dkv_retired_read(&in, state.retired, &valid);
    struct hr_str have = dkv_in_bytes(&in, dkv_in_u32(&in));
    uint8_t end = dkv_in_u8(&in);
    state.end = end == 1;
    err = read_records(&in, arena, state.cursor, &state.records, &state.count, &valid);
    bool page = what == DKV_STATE_PAGE;
    valid = valid && what <= DKV_STATE_TORN && end <= 1 &&
            (page || (state.count == 0 && !state.end)) && (!page || state.end || state.count > 0);
    if (!err && (!dkv_in_done(&in) || !valid || state.session == 0)) {
        err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("state: out of bounds"));
    }
    if (!err) {
        err = dkv_have_decode(have, arena, &state.have, diag);
    }
    if (!err) {
        *ret_state = state;
    }
    return err;
}

enum hr_err dkv_state_encode(const struct dkv_state *state, struct hr_arena *arena,
                             struct hr_str *ret_bytes)
{
    struct hr_str have;
    enum hr_err err = dkv_have_encode(&state->have, arena, &have);
    if (err) {
        return err;
    }
    struct dkv_out out = dkv_out_in(arena, 64 + state->cursor.len + have.len +
                                               records_bytes(state->records, state->count));
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, state->what, 1);
    dkv_out_uint(&out, state->session, 8);
    write_key(&out, state->cursor);
    dkv_stamp_write(&out, state->clear);
    dkv_out_uint(&out, state->floor, 8);
    dkv_out_uint(&out, state->collected, 8);
    dkv_retired_write(&out, state->retired, state->retired_count);
    dkv_out_uint(&out, have.len, 4);
    dkv_out_bytes(&out, have);
    dkv_out_uint(&out, state->end, 1);
    write_records(&out, state->records, state->count);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

static enum hr_err read_notes(struct dkv_in *in, struct hr_arena *arena, struct dkv_fill *fill,
                              bool *valid)
{
    fill->note_count = dkv_in_u16(in);
    if (fill->note_count > DKV_FILL_NOTES_MAX || fill->note_count > in->left / NOTE_BYTES) {
        *valid = false;
        return HR_OK;
    }
    fill->notes = hr_arena_alloc(arena, fill->note_count * sizeof *fill->notes);
    if (!fill->notes) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < fill->note_count; i++) {
        fill->notes[i].origin = dkv_in_u64(in);
        fill->notes[i].upto = dkv_in_u64(in);
    }
    return HR_OK;
}

enum hr_err dkv_fill_decode(struct hr_str bytes, struct hr_arena *arena, struct dkv_fill *ret_fill,
                            struct hr_diag *diag)
{
    struct dkv_in in;
    bool valid = bytes.len <= DKV_STATE_BYTES_MAX;
    enum hr_err err = valid ? dkv_in_frame(bytes, VERSION, HR_STR("fill"), &in, diag)
                            : DKV_FAIL(diag, HR_CORRUPT, HR_STR("fill: too long"));
    if (err) {
        return err;
    }
    uint8_t what = dkv_in_u8(&in);
    struct dkv_fill fill = {.what = what == DKV_FILL_CLOSE   ? DKV_FILL_CLOSE
                                    : what == DKV_FILL_NOTES ? DKV_FILL_NOTES
                                                             : DKV_FILL_RANGE};
    fill.session = dkv_in_u64(&in);
    fill.from = read_key(&in, &valid);
    fill.to = read_key(&in, &valid);
    uint8_t end = dkv_in_u8(&in);
    fill.end = end == 1;
    err = read_notes(&in, arena, &fill, &valid);
    if (!err && valid) {
        err = read_records(&in, arena, fill.from, &fill.records, &fill.count, &valid);
    }
    struct hr_str last = fill.count > 0 ? fill.records[fill.count - 1].key : fill.from;
    valid =
        valid && what <= DKV_FILL_NOTES && end <= 1 && fill.session > 0 &&
        (what != DKV_FILL_RANGE || fill.end || (fill.to.len > 0 && hr_str_cmp(last, fill.to) <= 0));
    if (!err && (!dkv_in_done(&in) || !valid)) {
        err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("fill: out of bounds"));
    }
    if (!err) {
        *ret_fill = fill;
    }
    return err;
}

enum hr_err dkv_fill_encode(const struct dkv_fill *fill, struct hr_arena *arena,
                            struct hr_str *ret_bytes)
{
    struct dkv_out out =
        dkv_out_in(arena, 64 + fill->from.len + fill->to.len + fill->note_count * NOTE_BYTES +
                              records_bytes(fill->records, fill->count));
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, fill->what, 1);
    dkv_out_uint(&out, fill->session, 8);
    write_key(&out, fill->from);
    write_key(&out, fill->to);
    dkv_out_uint(&out, fill->end, 1);
    dkv_out_uint(&out, fill->note_count, 2);
    for (size_t i = 0; i < fill->note_count; i++) {
        dkv_out_uint(&out, fill->notes[i].origin, 8);
        dkv_out_uint(&out, fill->notes[i].upto, 8);
    }
    write_records(&out, fill->records, fill->count);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

enum hr_err dkv_filled_decode(struct hr_str bytes, struct dkv_filled *ret_filled,
                              struct hr_diag *diag)
{
    struct dkv_in in;
    bool valid = true;
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("filled"), &in, diag);
    if (err) {
        return err;
    }
    struct dkv_filled filled = {.session = dkv_in_u64(&in)};
    valid = dkv_sync_phase_of(dkv_in_u8(&in), &filled.phase);
    filled.cursor = read_key(&in, &valid);
    if (!dkv_in_done(&in) || !valid) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("filled: out of bounds"));
    }
    *ret_filled = filled;
    return HR_OK;
}

enum hr_err dkv_filled_encode(const struct dkv_filled *filled, struct hr_arena *arena,
                              struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 32 + filled->cursor.len);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, filled->session, 8);
    dkv_out_uint(&out, filled->phase, 1);
    write_key(&out, filled->cursor);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}
