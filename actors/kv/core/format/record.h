/* A record: what one site knows of one key. Layout, version 1 (integers big-endian):
 *
 *   u8 version = 1 | u8 flags = 0 | u16 number of fields | u32 crc | 16 B dead stamp | fields
 *   field: u8 length of name | name | 16 B stamp | u8 type | u32 length of value | value
 *
 * Fields stand in the bytewise order of their names, each name once. crc is the CRC-32C of the four
 * bytes before it, xor the CRC-32C of all bytes after it. Types: 0 bytes, 1 deleted (no value);
 * 2 is kept for counters, which this version refuses.
 *
 * The field with the empty name, type 0 and no value is the mark that the value is there: an object
 * may be empty. Every other field of type 0 is one member of the object, its value the member's JSON.
 *
 * Merging two records of a key takes the newer of each field and the newer dead stamp, and drops
 * the fields that are not newer than it: they can never be seen again. So merging is commutative,
 * associative and idempotent, and the outcome has one encoding. A field is visible if its type is
 * not deleted and its stamp is newer than the dead stamp and the bucket's clear mark. A record
 * without a visible field is a tombstone. Stamps are unique: the same stamp on different contents is
 * corruption.
 * Stateless, one arena a call. Must not know: JSON, the store.
 */
#ifndef DKV_RECORD_H
#define DKV_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "actors/kv/core/format/stamp.h"
#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define DKV_RECORD_FIELDS_MAX 65535u
#define DKV_FIELD_NAME_BYTES_MAX 64u
#define DKV_FIELD_VALUE_BYTES_MAX ((size_t)64 << 10)

enum dkv_field_type { DKV_FIELD_BYTES = 0, DKV_FIELD_DELETED = 1 };

struct dkv_field {
    struct hr_str name;
    struct hr_str value;
    struct dkv_stamp stamp;
    enum dkv_field_type type;
};

/* All zero: nothing is known of the key. */
struct dkv_record {
    struct dkv_stamp dead;
    struct dkv_field *fields;
    size_t count;
};

/* Reads and checks @bytes. Owns: names and values are borrowed from @bytes, the array of fields
 * lives in @arena. Errors: HR_CORRUPT, HR_UNSUPPORTED (of a later version), HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_record_decode(struct hr_str bytes, struct hr_arena *arena,
                                            struct dkv_record *ret_record, struct hr_diag *diag);
/* Errors: HR_TOO_BIG for more than DKV_RECORD_FIELDS_MAX fields; HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_record_encode(const struct dkv_record *record, struct hr_arena *arena,
                                            struct hr_str *ret_bytes);
/* Owns: the outcome's array of fields lives in @arena, names and values are borrowed from the
 * inputs. Errors: HR_CORRUPT (one stamp, two contents), HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_record_merge(const struct dkv_record *a, const struct dkv_record *b,
                                           struct hr_arena *arena, struct dkv_record *ret_record,
                                           struct hr_diag *diag);
/* Drops what the clear mark @clear covers. The clear mark is kept for ever, so nothing is lost. */
void dkv_record_strip(struct dkv_record *record, struct dkv_stamp clear);
/* Takes away what is no longer needed: what the clear mark @clear covers; a record without a visible
 * field, if no stamp is above @floor; deleted fields and a dead stamp that are not above @floor, but not so
 * that the newest stamp, which is the value's version, is lost. Returns whether anything went. */
bool dkv_record_collect(struct dkv_record *record, struct dkv_stamp clear, dkv_hlc floor);
/* Whether it remembers something that dkv_record_collect may take away, now or later. */
bool dkv_record_littered(const struct dkv_record *record, struct dkv_stamp clear);
bool dkv_record_empty(const struct dkv_record *record);
bool dkv_field_visible(const struct dkv_record *record, const struct dkv_field *field,
                       struct dkv_stamp clear);
bool dkv_record_visible(const struct dkv_record *record, struct dkv_stamp clear);
/* Whether the mark that the value is there is visible. */
bool dkv_record_marked(const struct dkv_record *record, struct dkv_stamp clear);
/* The newest of all stamps in it: of a visible record, its version. */
struct dkv_stamp dkv_record_newest(const struct dkv_record *record);

/* The part of a field's layout that records and changes share, and what must be true of it. */
bool dkv_field_valid(const struct dkv_field *field);

#endif
