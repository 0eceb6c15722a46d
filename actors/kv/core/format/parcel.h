/* Messages in which changes travel, and what is said to them. Integers are big-endian; each begins with
 * a version byte, 1, and ends with a CRC-32C of all before it.
 *
 *   changes   u8 version | u16 count | count x (u32 length | change, as in the feed) | crc
 *             the body of CHANGES
 *   pulled    u64 incarnation as which this site asked for them | u64 incarnation of their site that it had heard of
 *             then | changes
 *             the body of APPLY
 *   ack       u8 version | u16 id of the site | u32 crc of the changes, their last four bytes |
 *             u16 count | one bit a change, the first one uppermost | crc
 *             which of them the site holds durably
 *   ship      u8 version | changes, u32 length before | u16 count | count x (u16 index of the change |
 *             u16 length | subject of the reply | u32 length | the reply without its end) | crc
 *             a commit's changes and the replies that wait for them
 *
 * Stateless, one arena a call. Must not know: what is in a change, the store. */
#ifndef DKV_PARCEL_H
#define DKV_PARCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define DKV_PARCEL_CHANGES_MAX 1024u
/* One change of the largest size goes into any parcel; more go in as long as it is not longer than
 * this. NATS' default payload limit is 1 MiB. */
#define DKV_PARCEL_BYTES_GOAL ((size_t)512 << 10)
#define DKV_PARCEL_BYTES_MAX ((size_t)800 << 10)
#define DKV_SHIP_REPLIES_MAX 256u
#define DKV_SHIP_BYTES_MAX ((size_t)4 << 20)

/* What a parcel of @count changes of @bytes together weighs. */
#define DKV_PARCEL_BYTES(count, bytes) (7 + 4 * (size_t)(count) + (bytes))

struct dkv_parcel {
    struct hr_str *changes;
    size_t count;
};

/* Owns: the list lives in @arena, the changes are borrowed from @bytes.
 * Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY. The same for the other decoders. */
HR_MUST_CHECK enum hr_err dkv_parcel_decode(struct hr_str bytes, struct hr_arena *arena,
                                            struct dkv_parcel *ret_parcel, struct hr_diag *diag);
/* Errors: HR_NO_MEMORY. The same for the other encoders. */
HR_MUST_CHECK enum hr_err dkv_parcel_encode(const struct dkv_parcel *parcel, struct hr_arena *arena,
                                            struct hr_str *ret_bytes);

/* Changes out of a feed. What was heard of since they were asked for may say that they come too late (fence.h). */
struct dkv_pulled {
    uint64_t asked_as;
    uint64_t heard_inc;
    struct hr_str changes; /* a parcel, encoded */
};

HR_MUST_CHECK enum hr_err dkv_pulled_decode(struct hr_str bytes, struct dkv_pulled *ret_pulled,
                                            struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_pulled_encode(const struct dkv_pulled *pulled, struct hr_arena *arena,
                                            struct hr_str *ret_bytes);

struct dkv_ack {
    uint16_t site;
    uint32_t crc; /* of the parcel */
    size_t count;
    bool held[DKV_PARCEL_CHANGES_MAX];
};

/* The CRC that a sound parcel ends with; 0 of anything shorter. */
uint32_t dkv_parcel_crc(struct hr_str bytes);
HR_MUST_CHECK enum hr_err dkv_ack_decode(struct hr_str bytes, struct dkv_ack *ret_ack,
                                         struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_ack_encode(const struct dkv_ack *ack, struct hr_arena *arena,
                                         struct hr_str *ret_bytes);

struct dkv_waiting {
    size_t index; /* of the change */
    struct hr_str reply_to;
    struct hr_str body; /* dkv_reply_open's */
};

struct dkv_ship {
    struct hr_str changes; /* a parcel, encoded */
    struct dkv_waiting *waiting;
    size_t count;
};

/* Checks the parcel's own frame too, but not that an index is one of its changes. */
HR_MUST_CHECK enum hr_err dkv_ship_decode(struct hr_str bytes, struct hr_arena *arena,
                                          struct dkv_ship *ret_ship, struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_ship_encode(const struct dkv_ship *ship, struct hr_arena *arena,
                                          struct hr_str *ret_bytes);

#endif
