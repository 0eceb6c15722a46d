/* Decoding, encoding and merging of records. */
#include "actors/kv/core/format/record.h"

#include "actors/kv/core/format/text.h"
#include "base/crc32c.h"

#define VERSION 1u
#define CRC_AT 4u
#define HEAD_BYTES 24u
#define FIELD_FIXED_BYTES 22u

static uint32_t checksum(struct hr_str bytes)
{
    return hr_crc32c(hr_str_of(bytes.ptr, CRC_AT)) ^ hr_crc32c(hr_str_from(bytes, CRC_AT + 4));
}

bool dkv_field_valid(const struct dkv_field *field)
{
    if (field->name.len > DKV_FIELD_NAME_BYTES_MAX || !hr_str_is_utf8(field->name) ||
        field->value.len > DKV_FIELD_VALUE_BYTES_MAX) {
        return false;
    }
    bool mark = field->name.len == 0;
    bool deleted = field->type == DKV_FIELD_DELETED;
    return deleted ? !mark && field->value.len == 0 : mark == (field->value.len == 0);
}

static enum hr_err read_field(struct dkv_in *in, struct dkv_field *ret_field, struct hr_diag *diag)
{
    ret_field->name = dkv_in_bytes(in, dkv_in_u8(in));
    ret_field->stamp = dkv_stamp_read(in);
    uint8_t type = dkv_in_u8(in);
    ret_field->value = dkv_in_bytes(in, dkv_in_u32(in));
    if (in->failed) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("record: a field is cut off"));
    }
    if (type != DKV_FIELD_BYTES && type != DKV_FIELD_DELETED) {
        return DKV_FAIL(diag, HR_UNSUPPORTED,
                        HR_STR("record: a field's type is of another version of Hedgerow"));
    }
    ret_field->type = type == DKV_FIELD_DELETED ? DKV_FIELD_DELETED : DKV_FIELD_BYTES;
    return dkv_field_valid(ret_field)
               ? HR_OK
               : DKV_FAIL(diag, HR_CORRUPT, HR_STR("record: a field is out of bounds"));
}

static enum hr_err read_fields(struct dkv_in *in, struct dkv_record *record, struct hr_diag *diag)
{
    for (size_t i = 0; i < record->count; i++) {
        struct dkv_field *field = &record->fields[i];
        enum hr_err err = read_field(in, field, diag);
        if (err) {
            return err;
        }
        if (i > 0 && hr_str_cmp(field[-1].name, field->name) >= 0) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("record: fields are out of order"));
        }
        if (dkv_stamp_cmp(field->stamp, record->dead) <= 0) {
            return DKV_FAIL(diag, HR_CORRUPT, HR_STR("record: a field is older than its end"));
        }
    }
    return dkv_in_done(in) ? HR_OK
                           : DKV_FAIL(diag, HR_CORRUPT, HR_STR("record: bytes are left over"));
}

enum hr_err dkv_record_decode(struct hr_str bytes, struct hr_arena *arena,
                              struct dkv_record *ret_record, struct hr_diag *diag)
{
    if (bytes.len < HEAD_BYTES) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("record: too short"));
    }
    struct dkv_in in = dkv_in_of(bytes);
    uint8_t version = dkv_in_u8(&in);
    uint8_t flags = dkv_in_u8(&in);
    struct dkv_record record = {.count = dkv_in_u16(&in)};
    if (dkv_in_u32(&in) != checksum(bytes)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("record: checksum is wrong"));
    }
    if (version != VERSION || flags != 0) {
        return DKV_FAIL(diag, HR_UNSUPPORTED,
                        HR_STR("record: written by another version of Hedgerow"));
    }
    record.dead = dkv_stamp_read(&in);
    if (record.count > in.left / FIELD_FIXED_BYTES) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("record: more fields than bytes"));
    }
    record.fields = hr_arena_alloc(arena, record.count * sizeof *record.fields);
    if (!record.fields) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = read_fields(&in, &record, diag);
    if (!err) {
        *ret_record = record;
    }
    return err;
}

static size_t encoded_bytes(const struct dkv_record *record)
{
    size_t bytes = HEAD_BYTES;
    for (size_t i = 0; i < record->count; i++) {
        bytes += FIELD_FIXED_BYTES + record->fields[i].name.len + record->fields[i].value.len;
    }
    return bytes;
}

enum hr_err dkv_record_encode(const struct dkv_record *record, struct hr_arena *arena,
                              struct hr_str *ret_bytes)
{
    if (record->count > DKV_RECORD_FIELDS_MAX) {
        return HR_TOO_BIG;
    }
    struct dkv_out out = dkv_out_in(arena, encoded_bytes(record));
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, 0, 1);
    dkv_out_uint(&out, record->count, 2);
    dkv_out_uint(&out, 0, 4);
    dkv_stamp_write(&out, record->dead);
    for (size_t i = 0; i < record->count; i++) {
        const struct dkv_field *field = &record->fields[i];
        dkv_out_uint(&out, field->name.len, 1);
        dkv_out_bytes(&out, field->name);
        dkv_stamp_write(&out, field->stamp);
        dkv_out_uint(&out, field->type, 1);
        dkv_out_uint(&out, field->value.len, 4);
        dkv_out_bytes(&out, field->value);
    }
    struct hr_str bytes;
    enum hr_err err = dkv_out_take(&out, &bytes);
    if (err) {
        return err;
    }
    uint32_t crc = checksum(bytes);
    for (size_t i = 0; i < 4; i++) {
        out.ptr[CRC_AT + i] = (char)(crc >> (8 * (3 - i)));
    }
    *ret_bytes = bytes;
    return HR_OK;
}

/* The newer of two fields of one name. */
static enum hr_err newer(const struct dkv_field *a, const struct dkv_field *b,
                         struct dkv_field *ret_field, struct hr_diag *diag)
{
    int order = dkv_stamp_cmp(a->stamp, b->stamp);
    if (order == 0 && (a->type != b->type || !hr_str_eq(a->value, b->value))) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("record: field "), a->name,
                        HR_STR(" has two contents under one stamp"));
    }
    *ret_field = order >= 0 ? *a : *b;
    return HR_OK;
}

enum hr_err dkv_record_merge(const struct dkv_record *a, const struct dkv_record *b,
                             struct hr_arena *arena, struct dkv_record *ret_record,
                             struct hr_diag *diag)
{
    struct dkv_record merged = {.dead = dkv_stamp_max(a->dead, b->dead)};
    merged.fields = hr_arena_alloc(arena, (a->count + b->count) * sizeof *merged.fields);
    if (!merged.fields) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0, j = 0; i < a->count || j < b->count;) {
        int order = i == a->count   ? 1
                    : j == b->count ? -1
                                    : hr_str_cmp(a->fields[i].name, b->fields[j].name);
        struct dkv_field field;
        if (order < 0) {
            field = a->fields[i++];
        } else if (order > 0) {
            field = b->fields[j++];
        } else {
            enum hr_err err = newer(&a->fields[i++], &b->fields[j++], &field, diag);
            if (err) {
                return err;
            }
        }
        if (dkv_stamp_cmp(field.stamp, merged.dead) > 0) {
            merged.fields[merged.count++] = field;
        }
    }
    *ret_record = merged;
    return HR_OK;
}

void dkv_record_strip(struct dkv_record *record, struct dkv_stamp clear)
{
    size_t kept = 0;
    for (size_t i = 0; i < record->count; i++) {
        if (dkv_stamp_cmp(record->fields[i].stamp, clear) > 0) {
            record->fields[kept++] = record->fields[i];
        }
    }
    record->count = kept;
    if (dkv_stamp_cmp(record->dead, clear) <= 0) {
        record->dead = (struct dkv_stamp){0};
    }
}

static bool forgettable(const struct dkv_field *field, dkv_hlc floor)
{
    return field->type == DKV_FIELD_DELETED && field->stamp.hlc <= floor;
}

/* Drops deleted fields of a visible record. */
static void forget_fields(struct dkv_record *record, dkv_hlc floor)
{
    struct dkv_stamp newest = dkv_record_newest(record);
    struct dkv_stamp newest_kept = record->dead;
    size_t kept = 0;
    for (size_t i = 0; i < record->count; i++) {
        if (!forgettable(&record->fields[i], floor)) {
            newest_kept = dkv_stamp_max(newest_kept, record->fields[i].stamp);
        }
    }
    bool version_stays = dkv_stamp_cmp(newest_kept, newest) == 0;
    for (size_t i = 0; i < record->count; i++) {
        const struct dkv_field *field = &record->fields[i];
        if (!forgettable(field, floor) ||
            (!version_stays && dkv_stamp_cmp(field->stamp, newest) == 0)) {
            record->fields[kept++] = *field;
        }
    }
    record->count = kept;
}

bool dkv_record_collect(struct dkv_record *record, struct dkv_stamp clear, dkv_hlc floor)
{
    size_t count = record->count;
    struct dkv_stamp dead = record->dead;
    dkv_record_strip(record, clear);
    if (dkv_record_visible(record, clear)) {
        forget_fields(record, floor);
        /* Nothing older comes any more, and what was here went when it was deleted. */
        record->dead = record->dead.hlc <= floor ? (struct dkv_stamp){0} : record->dead;
    } else if (dkv_record_newest(record).hlc <= floor) {
        record->count = 0;
        record->dead = (struct dkv_stamp){0};
    }
    return record->count != count || dkv_stamp_cmp(record->dead, dead) != 0 ||
           dkv_record_empty(record);
}

bool dkv_record_littered(const struct dkv_record *record, struct dkv_stamp clear)
{
    if (!dkv_stamp_is_none(record->dead)) {
        return true;
    }
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].type == DKV_FIELD_DELETED) {
            return true;
        }
    }
    return !dkv_record_visible(record, clear);
}

bool dkv_record_empty(const struct dkv_record *record)
{
    return record->count == 0 && dkv_stamp_is_none(record->dead);
}

bool dkv_field_visible(const struct dkv_record *record, const struct dkv_field *field,
                       struct dkv_stamp clear)
{
    return field->type != DKV_FIELD_DELETED && dkv_stamp_cmp(field->stamp, record->dead) > 0 &&
           dkv_stamp_cmp(field->stamp, clear) > 0;
}

bool dkv_record_visible(const struct dkv_record *record, struct dkv_stamp clear)
{
    for (size_t i = 0; i < record->count; i++) {
        if (dkv_field_visible(record, &record->fields[i], clear)) {
            return true;
        }
    }
    return false;
}

bool dkv_record_marked(const struct dkv_record *record, struct dkv_stamp clear)
{
    return record->count > 0 && record->fields[0].name.len == 0 &&
           dkv_field_visible(record, &record->fields[0], clear);
}

struct dkv_stamp dkv_record_newest(const struct dkv_record *record)
{
    struct dkv_stamp newest = record->dead;
    for (size_t i = 0; i < record->count; i++) {
        newest = dkv_stamp_max(newest, record->fields[i].stamp);
    }
    return newest;
}
