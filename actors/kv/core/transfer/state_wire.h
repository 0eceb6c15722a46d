/* Messages of a state transfer: what a site asks its donor, what that answers, and what the receiver then
 * hands to its own lane of writes. Integers are big-endian; each begins with a version byte, 1, and ends
 * with a CRC-32C of all before it.
 *
 *   state ask   u8 version | u8 what | u64 session | u64 origin after which the rows begin |
 *               u16 length | key after which the records begin | crc
 *               what 0: rows alone. what 1: a page of records, and the rows
 *   state       u8 version | u8 what | u64 session | u16 length | key, both as they were asked |
 *               16 B clear mark | u64 floor | u64 collected (floor.h) | u8 count | count x (u16 site | u64 incarnation up to which
 *               its origins are gathered up, floor.h) | u32 length | have (have.h) |
 *               u8 end | u16 count | count x (u16 length | key | u32 length | record) | crc
 *               what 0 and 1: as it was asked. 2: the site is about to be filled itself. 3: and has begun
 *               to be. The records are read first, then the have, then clear mark and floor. A
 *               record of no bytes is one that the donor cannot read. end: there is none after them
 *   fill        u8 version | u8 what | u64 session | u16 length | key after which the range begins |
 *               u16 length | key with which it ends | u8 end: it has no other end |
 *               u16 count | count x (u64 origin | u64 number) | u16 count | records as above | crc
 *               what 0: the range is to be as the donor has it; of each origin named here all changes
 *               up to the number that the donor has are here. what 1: nothing is left but to close.
 *               what 2: only the origins and their numbers are meant
 *   filled      u8 version | u64 session, 0: none is under way | u8 phase (sync.h) |
 *               u16 length | key up to which it is done | crc
 *
 * Keys of records come in their order, each once. Stateless, one arena a call. Must not know: the store. */
#ifndef DKV_STATE_WIRE_H
#define DKV_STATE_WIRE_H

#include "actors/kv/core/format/have.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/transfer/sync.h"

#define DKV_STATE_RECORDS_MAX 4096u
/* A page is ended by this; the largest record goes into any. */
#define DKV_STATE_BYTES_GOAL ((size_t)512 << 10)
#define DKV_STATE_BYTES_MAX ((size_t)4608 << 10)
/* Origins in one fill. */
#define DKV_FILL_NOTES_MAX DKV_HAVE_MAX

enum dkv_state_what {
    DKV_STATE_ROWS = 0,
    DKV_STATE_PAGE = 1,
    DKV_STATE_WAITS = 2, /* refused */
    DKV_STATE_TORN = 3,  /* refused */
};

struct dkv_state_ask {
    enum dkv_state_what what; /* ROWS or PAGE */
    uint64_t session;
    dkv_origin after;
    struct hr_str cursor;
};

/* What the donor has under a key. */
struct dkv_state_record {
    struct hr_str key;
    struct hr_str bytes;
};

struct dkv_state {
    enum dkv_state_what what;
    uint64_t session;
    struct hr_str cursor;
    struct dkv_stamp clear;
    dkv_hlc floor;
    dkv_hlc collected;
    size_t retired_count;
    struct dkv_retired retired[DKV_RETIRED_MAX];
    struct dkv_have have;
    bool end;
    struct dkv_state_record *records;
    size_t count;
};

/* All changes of @origin that the donor has, up to @upto, are here. */
struct dkv_fill_note {
    dkv_origin origin;
    uint64_t upto;
};

enum dkv_fill_what { DKV_FILL_RANGE = 0, DKV_FILL_CLOSE = 1, DKV_FILL_NOTES = 2 };

struct dkv_fill {
    enum dkv_fill_what what;
    uint64_t session;
    struct hr_str from;
    struct hr_str to;
    bool end;
    struct dkv_fill_note *notes;
    size_t note_count;
    struct dkv_state_record *records;
    size_t count;
};

struct dkv_filled {
    uint64_t session;
    enum dkv_sync_phase phase;
    struct hr_str cursor;
};

/* Decoders: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY; what they give borrows from @bytes, its lists live in
 * @arena. Encoders: HR_NO_MEMORY. What they make lives in @arena. */
HR_MUST_CHECK enum hr_err dkv_state_ask_decode(struct hr_str bytes, struct dkv_state_ask *ret_ask,
                                               struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_state_ask_encode(const struct dkv_state_ask *ask,
                                               struct hr_arena *arena, struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_state_decode(struct hr_str bytes, struct hr_arena *arena,
                                           struct dkv_state *ret_state, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_state_encode(const struct dkv_state *state, struct hr_arena *arena,
                                           struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_fill_decode(struct hr_str bytes, struct hr_arena *arena,
                                          struct dkv_fill *ret_fill, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_fill_encode(const struct dkv_fill *fill, struct hr_arena *arena,
                                          struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_filled_decode(struct hr_str bytes, struct dkv_filled *ret_filled,
                                            struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_filled_encode(const struct dkv_filled *filled, struct hr_arena *arena,
                                            struct hr_str *ret_bytes);

#endif
