/* How far a state transfer is (transfer.h), as the store remembers it: m/sync, which is there while one is
 * wanted or under way, and a row s/<origin> for each origin: up to where its changes were applied at the
 * donor when the transfer began. Layouts, version 1, integers big-endian, a CRC-32C last:
 *
 *   m/sync        u8 version | u8 phase | u8 torn | u8 forced | u64 session | u16 donor |
 *                 u64 origin of the donor | u64 wall of the newest news from it | u64 donor's floor |
 *                 u64 donor's clock | 16 B donor's clear mark | u8 count | count x (u16 site |
 *                 u64 incarnation up to which its origins are gathered up at the donor) |
 *                 u16 length | key | crc
 *   s/<origin>    u8 version | u64 session | u64 prefix | u64 hlc | u8 sealed | u64 last |
 *                 u64 upto | u64 taint | crc
 *
 * The rows of a session are those that bear its number; what others left is of use for `taint` alone.
 * Must not know: messages, what is done about it. */
#ifndef DKV_SYNC_H
#define DKV_SYNC_H

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/stamp.h"
#include "actors/kv/core/site/floor.h"

/* NONE: there is no m/sync. WANTED: nothing has begun. OPENING: rows are being written. FILLING: records are
 * being replaced, up to the cursor. CLOSING: all are, and what the rows say is being taken over. */
enum dkv_sync_phase {
    DKV_SYNC_NONE = 0,
    DKV_SYNC_WANTED = 1,
    DKV_SYNC_OPENING = 2,
    DKV_SYNC_FILLING = 3,
    DKV_SYNC_CLOSING = 4,
};

struct dkv_sync {
    enum dkv_sync_phase phase;
    bool torn;   /* some records here are a donor's already, though v/ does not say so yet */
    bool forced; /* it is to be done even if nothing seems to be missing */
    uint64_t session;
    uint16_t donor;
    dkv_origin donor_origin;
    dkv_wall_ms heard;
    dkv_hlc floor;
    dkv_hlc clock;
    struct dkv_stamp clear;
    size_t retired_count;
    struct dkv_retired retired[DKV_RETIRED_MAX];
    struct hr_str cursor; /* the last key that is done; empty: none is */
};

struct dkv_cover_row {
    dkv_origin origin;
    uint64_t session;
    uint64_t prefix; /* of the donor's v/; the next three too */
    dkv_hlc hlc;
    bool sealed;
    uint64_t last;
    uint64_t upto; /* whatever the donor had after @prefix up to this is held here */
    dkv_hlc
        taint; /* an earlier session's donor may have left something up to this that it then lost */
};

/* What the donor had. */
struct dkv_cover {
    uint64_t session;
    const struct dkv_sync *sync;
    struct dkv_cover_row *rows; /* in the order of their origins, of all sessions */
    size_t count;
};

/* Whether @byte is one of them. */
bool dkv_sync_phase_of(uint8_t byte, enum dkv_sync_phase *ret_phase);
/* Lists of what is gathered up, as they stand in m/sync and in messages: u8 count | count x (u16 | u64). The
 * reader returns the count, and sets @valid to false if it is too high. */
size_t dkv_retired_read(struct dkv_in *in, struct dkv_retired ret_retired[DKV_RETIRED_MAX],
                        bool *valid);
void dkv_retired_write(struct dkv_out *out, const struct dkv_retired *retired, size_t count);
/* An absent value gives phase NONE. Owns: the cursor is borrowed from @value.
 * Errors: HR_CORRUPT, HR_UNSUPPORTED; of encoders HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_sync_decode(struct dkv_value value, struct dkv_sync *ret_sync,
                                          struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_sync_encode(const struct dkv_sync *sync, struct hr_arena *arena,
                                          struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_cover_row_decode(struct hr_str bytes, struct dkv_cover_row *ret_row,
                                               struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_cover_row_encode(const struct dkv_cover_row *row,
                                               struct hr_arena *arena, struct hr_str *ret_bytes);

/* Reads m/sync. Owns: it lives in @arena. Errors: as above, the store's. */
HR_MUST_CHECK enum hr_err dkv_sync_read(const struct dkv_env *env, struct hr_arena *arena,
                                        struct dkv_sync *ret_sync, struct hr_diag *diag);
/* Reads all rows. Owns: they live in @arena; keeps @sync. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_cover_read(const struct dkv_env *env, const struct dkv_sync *sync,
                                         struct hr_arena *arena, struct dkv_cover *ret_cover,
                                         struct hr_diag *diag);
/* NULL: there is none, of whatever session. */
const struct dkv_cover_row *dkv_cover_find(const struct dkv_cover *cover, dkv_origin origin);
/* Whether the donor had applied the change that bears @stamp when the transfer began: its row says so, or its
 * origin was gathered up, which only happens to what every site has. Below the donor's floor alone does not
 * tell: there may be what a site made that the floor did not count on. */
bool dkv_cover_has(const struct dkv_cover *cover, struct dkv_stamp stamp);

#endif
