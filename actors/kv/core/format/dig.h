/* Messages by which two sites compare their records. Integers are big-endian; each begins with version
 * 1 and ends with a CRC-32C of all before it.
 *
 *   question  u8 version | u8 what | u64 cut | u64 floor | 16 B clear mark | u16 leaf | u16 leaves |
 *             u8 with records | u16 length | key after | u16 count | count x (u16 length | key) | crc
 *   answer    u8 version | u8 what | u16 id of the site | u8 state of the site | 16 B clear mark |
 *             u64 values | u64 changes that left something to collect | u64 feed entries | u64 their bytes |
 *             u16 count | count x (u32 records | 16 B digest) |
 *             u8 more | u16 count | count x row | crc
 *   row       u16 length | key | u8 state | u8 named | 16 B hash | 16 B newest stamp |
 *             u32 length | record
 *
 * what 1 LEAVES: digests of `leaves` leaves of the index from `leaf` on, of records whose newest stamp
 *                is not above the cut; and rows of names in them that have no record, or
 *                one that cannot be read, and of leaves that cannot be read
 *      2 LEAF:   rows of the leaf's records, in the order of their names, after a key
 *      3 KEYS:   rows of the keys, in the order of the question; `with records`: with their bytes
 *      4 PAGE:   rows of all records in the order of their names, after a key
 *      5 REPAIR: as KEYS, after the site that is asked has repaired its own records of the keys
 * States of a row: 0 there is no record, 1 there is one, 2 there is one that cannot be read,
 * 3 a leaf of the index that cannot be read: its key is the leaf's number. Named: by the index.
 * Hashes and digests are of records as they are without what the newer one of the two sites' clear marks
 * covers and what may be collected at the floor (digest.h); of such a record nothing may be left, and
 * then there is none.
 *
 * Stateless, one arena a call. Must not know: the store. */
#ifndef DKV_DIG_H
#define DKV_DIG_H

#include "actors/kv/core/format/siphash.h"
#include "actors/kv/core/format/state.h"

#define DKV_DIG_LEAVES_MAX 512u
#define DKV_DIG_KEYS_MAX 64u
#define DKV_DIG_ROWS_MAX 1000u
/* An answer ends early, with `more`, when it has become so long. */
#define DKV_DIG_BYTES_GOAL ((size_t)256 << 10)
#define DKV_DIG_RECORD_BYTES_MAX ((size_t)4 << 20)

enum dkv_dig_what {
    DKV_DIG_LEAVES = 1,
    DKV_DIG_LEAF = 2,
    DKV_DIG_KEYS = 3,
    DKV_DIG_PAGE = 4,
    DKV_DIG_REPAIR = 5
};

enum dkv_dig_state { DKV_DIG_ABSENT, DKV_DIG_READABLE, DKV_DIG_UNREADABLE };

struct dkv_dig {
    enum dkv_dig_what what;
    dkv_hlc cut;
    dkv_hlc floor;
    struct dkv_stamp clear;
    uint32_t leaf;
    uint32_t leaf_count;
    bool with_records;
    struct hr_str after;
    struct hr_str *keys;
    size_t key_count;
};

struct dkv_dig_digest {
    uint32_t records;
    unsigned char hash[DKV_HASH128_BYTES];
};

struct dkv_dig_row {
    struct hr_str key;
    enum dkv_dig_state state;
    bool named;
    unsigned char hash[DKV_HASH128_BYTES];
    struct dkv_stamp newest;
    struct hr_str record; /* as stored; only if asked for */
};

struct dkv_dig_answer {
    enum dkv_dig_what what;
    uint16_t site;
    enum dkv_site_state site_state;
    struct dkv_stamp clear;
    /* Of the site's tally (tally.h). */
    uint64_t values;
    uint64_t litter;
    uint64_t feed_count;
    uint64_t feed_bytes;
    struct dkv_dig_digest *digests;
    size_t digest_count;
    bool more;
    struct dkv_dig_row *rows;
    size_t row_count;
};

/* Decoders: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY. Encoders: HR_NO_MEMORY. What they make lives in
 * @arena; keys and records are borrowed from the bytes. */
HR_MUST_CHECK enum hr_err dkv_dig_decode(struct hr_str bytes, struct hr_arena *arena,
                                         struct dkv_dig *ret_dig, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_dig_encode(const struct dkv_dig *dig, struct hr_arena *arena,
                                         struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_dig_answer_decode(struct hr_str bytes, struct hr_arena *arena,
                                                struct dkv_dig_answer *ret_answer,
                                                struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_dig_answer_encode(const struct dkv_dig_answer *answer,
                                                struct hr_arena *arena, struct hr_str *ret_bytes);

#endif
