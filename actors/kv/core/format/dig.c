/* Decoding and encoding of questions about records, and of their answers. */
#include "actors/kv/core/format/dig.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/leaf.h"
#include "actors/kv/core/format/text.h"

#define VERSION 1u
#define LEAVES_MAX ((uint32_t)1 << DKV_LEAF_BITS_MAX)
#define DIGEST_BYTES 20u
#define ROW_FIXED_BYTES 40u

static struct hr_str read_text(struct dkv_in *in)
{
    return dkv_in_bytes(in, dkv_in_u16(in));
}

static void write_text(struct dkv_out *out, struct hr_str text)
{
    dkv_out_uint(out, text.len, 2);
    dkv_out_bytes(out, text);
}

static bool what_of(uint8_t byte, enum dkv_dig_what *ret_what)
{
    static const enum dkv_dig_what known[] = {DKV_DIG_LEAVES, DKV_DIG_LEAF, DKV_DIG_KEYS,
                                              DKV_DIG_PAGE, DKV_DIG_REPAIR};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i] == byte) {
            *ret_what = known[i];
            return true;
        }
    }
    return false;
}

static bool dig_valid(const struct dkv_dig *dig)
{
    bool leaves = dig->what == DKV_DIG_LEAVES;
    bool one = dig->what == DKV_DIG_LEAF;
    bool keys = dig->what == DKV_DIG_KEYS || dig->what == DKV_DIG_REPAIR;
    bool counted = leaves ? dig->leaf_count > 0 && dig->leaf_count <= DKV_DIG_LEAVES_MAX
                          : dig->leaf_count == (one ? 1 : 0);
    bool within = dig->leaf + dig->leaf_count <= LEAVES_MAX && (leaves || one || dig->leaf == 0);
    return counted && within && (keys || !dig->with_records) &&
           (dig->after.len == 0 ||
            ((one || dig->what == DKV_DIG_PAGE) && dkv_key_valid(dig->after))) &&
           (dig->key_count > 0) == keys && dig->key_count <= DKV_DIG_KEYS_MAX;
}

enum hr_err dkv_dig_decode(struct hr_str bytes, struct hr_arena *arena, struct dkv_dig *ret_dig,
                           struct hr_diag *diag)
{
    struct dkv_in in;
    struct dkv_dig dig = {0};
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("dig"), &in, diag);
    if (err) {
        return err;
    }
    bool known = what_of(dkv_in_u8(&in), &dig.what);
    dig.cut = dkv_in_u64(&in);
    dig.floor = dkv_in_u64(&in);
    dig.clear = dkv_stamp_read(&in);
    dig.leaf = dkv_in_u16(&in);
    dig.leaf_count = dkv_in_u16(&in);
    uint8_t with_records = dkv_in_u8(&in);
    dig.with_records = with_records == 1;
    dig.after = read_text(&in);
    dig.key_count = dkv_in_u16(&in);
    if (in.failed || !known || with_records > 1 || !dig_valid(&dig)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("dig: out of bounds"));
    }
    dig.keys = hr_arena_alloc(arena, dig.key_count * sizeof *dig.keys);
    if (!dig.keys) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < dig.key_count; i++) {
        dig.keys[i] = read_text(&in);
        known = known && dkv_key_valid(dig.keys[i]);
    }
    if (!dkv_in_done(&in) || !known) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("dig: a key is none, or bytes are left over"));
    }
    *ret_dig = dig;
    return HR_OK;
}

enum hr_err dkv_dig_encode(const struct dkv_dig *dig, struct hr_arena *arena,
                           struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 64);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, dig->what, 1);
    dkv_out_uint(&out, dig->cut, 8);
    dkv_out_uint(&out, dig->floor, 8);
    dkv_stamp_write(&out, dig->clear);
    dkv_out_uint(&out, dig->leaf, 2);
    dkv_out_uint(&out, dig->leaf_count, 2);
    dkv_out_uint(&out, dig->with_records, 1);
    write_text(&out, dig->after);
    dkv_out_uint(&out, dig->key_count, 2);
    for (size_t i = 0; i < dig->key_count; i++) {
        write_text(&out, dig->keys[i]);
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

static void read_hash(struct dkv_in *in, unsigned char *ret_hash)
{
    struct hr_str run = dkv_in_bytes(in, DKV_HASH128_BYTES);
    if (run.len > 0) {
        memcpy(ret_hash, run.ptr, run.len);
    }
}

static bool row_state_of(uint8_t byte, enum dkv_dig_state *ret_state)
{
    *ret_state = byte == DKV_DIG_READABLE     ? DKV_DIG_READABLE
                 : byte == DKV_DIG_UNREADABLE ? DKV_DIG_UNREADABLE
                                              : DKV_DIG_ABSENT;
    return byte <= DKV_DIG_UNREADABLE;
}

static bool row_decode(struct dkv_in *in, struct dkv_dig_row *row)
{
    *row = (struct dkv_dig_row){.key = read_text(in)};
    bool known = row_state_of(dkv_in_u8(in), &row->state);
    uint8_t named = dkv_in_u8(in);
    row->named = named == 1;
    read_hash(in, row->hash);
    row->newest = dkv_stamp_read(in);
    row->record = dkv_in_bytes(in, dkv_in_u32(in));
    return !in->failed && known && named <= 1 && dkv_key_valid(row->key) &&
           row->record.len <= DKV_DIG_RECORD_BYTES_MAX;
}

static enum hr_err digests_decode(struct dkv_in *in, struct hr_arena *arena,
                                  struct dkv_dig_answer *answer, struct hr_diag *diag)
{
    answer->digest_count = dkv_in_u16(in);
    if (in->failed || answer->digest_count > DKV_DIG_LEAVES_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("dig answer: too many digests"));
    }
    answer->digests = hr_arena_alloc(arena, answer->digest_count * sizeof *answer->digests);
    if (!answer->digests) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < answer->digest_count; i++) {
        answer->digests[i] = (struct dkv_dig_digest){.records = dkv_in_u32(in)};
        read_hash(in, answer->digests[i].hash);
    }
    return HR_OK;
}

static enum hr_err rows_decode(struct dkv_in *in, struct hr_arena *arena,
                               struct dkv_dig_answer *answer, struct hr_diag *diag)
{
    uint8_t more = dkv_in_u8(in);
    answer->more = more == 1;
    answer->row_count = dkv_in_u16(in);
    if (in->failed || more > 1 || answer->row_count > DKV_DIG_ROWS_MAX ||
        answer->row_count > in->left / ROW_FIXED_BYTES) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("dig answer: too many rows"));
    }
    answer->rows = hr_arena_alloc(arena, answer->row_count * sizeof *answer->rows);
    if (!answer->rows) {
        return HR_NO_MEMORY;
    }
    bool ordered = answer->what == DKV_DIG_LEAF || answer->what == DKV_DIG_PAGE;
    for (size_t i = 0; i < answer->row_count; i++) {
        bool sound = row_decode(in, &answer->rows[i]);
        if (!sound ||
            (ordered && i > 0 && hr_str_cmp(answer->rows[i - 1].key, answer->rows[i].key) >= 0)) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("dig answer: a row is out of bounds"));
        }
    }
    return HR_OK;
}

enum hr_err dkv_dig_answer_decode(struct hr_str bytes, struct hr_arena *arena,
                                  struct dkv_dig_answer *ret_answer, struct hr_diag *diag)
{
    struct dkv_in in;
    struct dkv_dig_answer answer = {0};
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("dig answer"), &in, diag);
    if (err) {
        return err;
    }
    bool known = what_of(dkv_in_u8(&in), &answer.what);
    answer.site = dkv_in_u16(&in);
    known = dkv_site_state_of(dkv_in_u8(&in), &answer.site_state) && known && answer.site > 0;
    answer.clear = dkv_stamp_read(&in);
    answer.values = dkv_in_u64(&in);
    answer.litter = dkv_in_u64(&in);
    answer.feed_count = dkv_in_u64(&in);
    answer.feed_bytes = dkv_in_u64(&in);
    err = in.failed || !known ? DKV_FAIL(diag, HR_CORRUPT, HR_STR("dig answer: out of bounds"))
                              : digests_decode(&in, arena, &answer, diag);
    if (!err) {
        err = rows_decode(&in, arena, &answer, diag);
    }
    if (!err && (!dkv_in_done(&in) || (answer.more && answer.row_count == 0))) {
        err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("dig answer: wrong length"));
    }
    if (!err) {
        *ret_answer = answer;
    }
    return err;
}

static void row_encode(struct dkv_out *out, const struct dkv_dig_row *row)
{
    write_text(out, row->key);
    dkv_out_uint(out, row->state, 1);
    dkv_out_uint(out, row->named, 1);
    dkv_out_bytes(out, hr_str_of(row->hash, sizeof row->hash));
    dkv_stamp_write(out, row->newest);
    dkv_out_uint(out, row->record.len, 4);
    dkv_out_bytes(out, row->record);
}

enum hr_err dkv_dig_answer_encode(const struct dkv_dig_answer *answer, struct hr_arena *arena,
                                  struct hr_str *ret_bytes)
{
    struct dkv_out out =
        dkv_out_in(arena, 64 + answer->digest_count * DIGEST_BYTES + answer->row_count * 80);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, answer->what, 1);
    dkv_out_uint(&out, answer->site, 2);
    dkv_out_uint(&out, answer->site_state, 1);
    dkv_stamp_write(&out, answer->clear);
    dkv_out_uint(&out, answer->values, 8);
    dkv_out_uint(&out, answer->litter, 8);
    dkv_out_uint(&out, answer->feed_count, 8);
    dkv_out_uint(&out, answer->feed_bytes, 8);
    dkv_out_uint(&out, answer->digest_count, 2);
    for (size_t i = 0; i < answer->digest_count; i++) {
        dkv_out_uint(&out, answer->digests[i].records, 4);
        dkv_out_bytes(&out, hr_str_of(answer->digests[i].hash, DKV_HASH128_BYTES));
    }
    dkv_out_uint(&out, answer->more, 1);
    dkv_out_uint(&out, answer->row_count, 2);
    for (size_t i = 0; i < answer->row_count; i++) {
        row_encode(&out, &answer->rows[i]);
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}
