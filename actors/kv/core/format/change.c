/* Decoding and encoding of changes. */
#include "actors/kv/core/format/change.h"

#include "actors/kv/core/format/text.h"

#define VERSION 1u
#define VERSION_IDENTIFIED 2u
#define FIXED_BYTES 50u
#define IDENTIFIED_BYTES 25u
#define FIELD_FIXED_BYTES 6u

static bool op_known(uint8_t op)
{
    return op == DKV_CHANGE_SET || op == DKV_CHANGE_DEL || op == DKV_CHANGE_CLEAR ||
           op == DKV_CHANGE_NOOP;
}

/* Whether key and number of fields are as the op wants them. */
static bool shape_valid(const struct dkv_change *change)
{
    bool keyed = change->op == DKV_CHANGE_SET || change->op == DKV_CHANGE_DEL;
    bool key_fits = keyed ? dkv_key_valid(change->key) : change->key.len == 0;
    bool fields_fit = (change->op == DKV_CHANGE_SET) == (change->count > 0);
    return key_fits && fields_fit && change->seq > 0 && change->stamp.hlc > 0;
}

static enum hr_err read_field(struct dkv_in *in, struct dkv_field *ret_field, struct hr_diag *diag)
{
    ret_field->name = dkv_in_bytes(in, dkv_in_u8(in));
    uint8_t type = dkv_in_u8(in);
    ret_field->value = dkv_in_bytes(in, dkv_in_u32(in));
    if (in->failed) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("change: a field is cut off"));
    }
    if (type != DKV_FIELD_BYTES && type != DKV_FIELD_DELETED) {
        return DKV_FAIL(diag, HR_UNSUPPORTED,
                        HR_STR("change: a field's type is of another version of Hedgerow"));
    }
    ret_field->type = type == DKV_FIELD_DELETED ? DKV_FIELD_DELETED : DKV_FIELD_BYTES;
    return dkv_field_valid(ret_field)
               ? HR_OK
               : DKV_FAIL(diag, HR_CORRUPT, HR_STR("change: a field is out of bounds"));
}

static enum hr_err read_fields(struct dkv_in *in, struct dkv_change *change, struct hr_diag *diag)
{
    for (size_t i = 0; i < change->count; i++) {
        struct dkv_field *field = &change->fields[i];
        enum hr_err err = read_field(in, field, diag);
        if (err) {
            return err;
        }
        field->stamp = change->stamp;
        if (i > 0 && hr_str_cmp(field[-1].name, field->name) >= 0) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("change: fields are out of order"));
        }
    }
    return dkv_in_done(in) ? HR_OK
                           : DKV_FAIL(diag, HR_CORRUPT, HR_STR("change: bytes are left over"));
}

/* What version 2 has besides. */
static bool read_identity(struct dkv_in *in, struct dkv_change *change)
{
    struct hr_str hash = dkv_in_bytes(in, DKV_HASH128_BYTES);
    uint8_t created = dkv_in_u8(in);
    change->created = created == 1;
    change->counted = dkv_in_u64(in);
    if (hash.len > 0) {
        memcpy(change->hash, hash.ptr, DKV_HASH128_BYTES);
    }
    return created <= 1;
}

/* Everything before the fields. */
static enum hr_err read_head(struct dkv_in *in, struct dkv_change *change, struct hr_diag *diag)
{
    uint8_t op = dkv_in_u8(in);
    if (!op_known(op)) {
        return DKV_FAIL(diag, HR_UNSUPPORTED,
                        HR_STR("change: its operation is of another version of Hedgerow"));
    }
    change->op = (enum dkv_change_op)op;
    change->stamp.origin = dkv_in_u64(in);
    change->seq = dkv_in_u64(in);
    change->stamp.hlc = dkv_in_u64(in);
    struct hr_str opid = dkv_in_bytes(in, DKV_OPID_BYTES);
    bool sound = !change->identified || read_identity(in, change);
    change->key = dkv_in_bytes(in, dkv_in_u16(in));
    change->count = dkv_in_u16(in);
    if (in->failed || !sound || change->count > in->left / FIELD_FIXED_BYTES ||
        !shape_valid(change)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("change: out of bounds"));
    }
    memcpy(change->opid.bytes, opid.ptr, DKV_OPID_BYTES);
    return HR_OK;
}

enum hr_err dkv_change_decode(struct hr_str bytes, struct hr_arena *arena,
                              struct dkv_change *ret_change, struct hr_diag *diag)
{
    struct dkv_in in;
    struct dkv_change change = {.identified = dkv_in_version(bytes) == VERSION_IDENTIFIED};
    if (bytes.len > DKV_CHANGE_BYTES_MAX) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("change: too long"));
    }
    enum hr_err err = dkv_in_frame(bytes, change.identified ? VERSION_IDENTIFIED : VERSION,
                                   HR_STR("change"), &in, diag);
    if (!err) {
        err = read_head(&in, &change, diag);
    }
    if (err) {
        return err;
    }
    change.fields = hr_arena_alloc(arena, change.count * sizeof *change.fields);
    if (!change.fields) {
        return HR_NO_MEMORY;
    }
    err = read_fields(&in, &change, diag);
    if (!err) {
        *ret_change = change;
    }
    return err;
}

static size_t encoded_bytes(const struct dkv_change *change)
{
    size_t bytes = FIXED_BYTES + change->key.len + (change->identified ? IDENTIFIED_BYTES : 0);
    for (size_t i = 0; i < change->count; i++) {
        bytes += FIELD_FIXED_BYTES + change->fields[i].name.len + change->fields[i].value.len;
    }
    return bytes;
}

enum hr_err dkv_change_encode(const struct dkv_change *change, struct hr_arena *arena,
                              struct hr_str *ret_bytes, struct hr_diag *diag)
{
    size_t bytes = encoded_bytes(change);
    if (bytes > DKV_CHANGE_BYTES_MAX) {
        return DKV_FAIL(diag, HR_TOO_BIG, HR_STR("a change is at most 256 KiB"));
    }
    struct dkv_out out = dkv_out_in(arena, bytes);
    dkv_out_uint(&out, change->identified ? VERSION_IDENTIFIED : VERSION, 1);
    dkv_out_uint(&out, change->op, 1);
    dkv_out_uint(&out, change->stamp.origin, 8);
    dkv_out_uint(&out, change->seq, 8);
    dkv_out_uint(&out, change->stamp.hlc, 8);
    dkv_out_bytes(&out, hr_str_of(change->opid.bytes, DKV_OPID_BYTES));
    if (change->identified) {
        dkv_out_bytes(&out, hr_str_of(change->hash, DKV_HASH128_BYTES));
        dkv_out_uint(&out, change->created, 1);
        dkv_out_uint(&out, change->counted, 8);
    }
    dkv_out_uint(&out, change->key.len, 2);
    dkv_out_bytes(&out, change->key);
    dkv_out_uint(&out, change->count, 2);
    for (size_t i = 0; i < change->count; i++) {
        const struct dkv_field *field = &change->fields[i];
        dkv_out_uint(&out, field->name.len, 1);
        dkv_out_bytes(&out, field->name);
        dkv_out_uint(&out, field->type, 1);
        dkv_out_uint(&out, field->value.len, 4);
        dkv_out_bytes(&out, field->value);
    }
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

struct dkv_record dkv_change_record(const struct dkv_change *change)
{
    if (change->op == DKV_CHANGE_DEL) {
        return (struct dkv_record){.dead = change->stamp};
    }
    return (struct dkv_record){.fields = change->fields, .count = change->count};
}
