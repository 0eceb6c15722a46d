/* A change: one entry of a site's feed, never altered. Layout, version 1 (integers big-endian):
 *
 *   u8 version | u8 op | u64 origin | u64 seq | u64 hlc | 16 B opid | u16 length of key | key |
 *   u16 number of fields | fields | u32 CRC-32C of all before it
 *   field: u8 length of name | name | u8 type | u32 length of value | value
 *
 * The stamp of everything in it is (hlc, origin). In one origin seq counts 1, 2, 3, ... and hlc
 * grows with it. Fields stand in the bytewise order of their names, each name once, types and the
 * empty name as in a record.
 *
 *   op 1 SET    key, at least one field   op 3 DEL    key, no field
 *   op 5 CLEAR  no key, no field          op 7 NOOP   no key, no field: a number without a change
 *
 * Version 2 is that of a request with a $request-id, so that any site can recognise the request when it
 * is repeated. It has after the opid: 16 B hash of the request | u8 created | u64 count, which are
 * what the reply says besides (answer.h).
 *
 * 2 (DELF), 4 (INC), 6 (SEAL) and 8 (BATCH) are kept for later versions; this one refuses them.
 * Stateless, one arena a call. Must not know: JSON, the store.
 */
#ifndef DKV_CHANGE_H
#define DKV_CHANGE_H

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/record.h"
#include "actors/kv/core/format/siphash.h"

/* Encoded; fits NATS' default payload limit with room to spare. */
#define DKV_CHANGE_BYTES_MAX ((size_t)256 << 10)

enum dkv_change_op {
    DKV_CHANGE_SET = 1,
    DKV_CHANGE_DEL = 3,
    DKV_CHANGE_CLEAR = 5,
    DKV_CHANGE_NOOP = 7
};

struct dkv_change {
    enum dkv_change_op op;
    struct dkv_stamp stamp; /* of each of the fields */
    uint64_t seq;
    struct dkv_opid opid;
    bool identified; /* by a $request-id; the next three only then */
    bool created;
    uint64_t counted;
    unsigned char hash[DKV_HASH128_BYTES];
    struct hr_str key;
    struct dkv_field *fields;
    size_t count;
};

/* Reads and checks @bytes. Owns: key, names and values are borrowed from @bytes, the array of
 * fields lives in @arena. Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_change_decode(struct hr_str bytes, struct hr_arena *arena,
                                            struct dkv_change *ret_change, struct hr_diag *diag);
/* Errors: HR_TOO_BIG above DKV_CHANGE_BYTES_MAX, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_change_encode(const struct dkv_change *change, struct hr_arena *arena,
                                            struct hr_str *ret_bytes, struct hr_diag *diag);
/* What a SET or DEL amounts to as a record: merging it in is applying the change. Borrows @change's
 * fields. */
struct dkv_record dkv_change_record(const struct dkv_change *change);

#endif
