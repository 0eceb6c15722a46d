/* The small records in which a site keeps its own state. Layouts, each with version 1 first and a
 * CRC-32C of all before it last (integers big-endian, an origin is site u16 and inc u48):
 *
 *   m/self  u8 version, 2 | 16 B cluster | u64 origin | 16 B boot nonce | u8 state | u8 class |
 *           u64 incarnation that began this store | u8 number of past boots |
 *           their nonces, 16 B each, newest first | crc
 *           version 1, of a site that was alone: u8 0 in place of the incarnation
 *   m/ctr   u8 version | u64 origin | u64 hlc | u64 seq | crc
 *   m/cfg   u8 version | u32 epoch | u64 hash of what follows | u8 W | u8 durability |
 *           u8 leaf bits | u8 number of members | u16 each | u16 number of voids |
 *           (u64 origin, u64 lo, u64 hi) each | crc
 *   v/<o>   u8 version | u64 prefix | u64 hlc | u8 sealed | u64 last | u64 trunc below | crc
 *           version 2, of an origin of which later changes came before earlier ones: the same, with
 *           u64 high before the crc
 *   b/clear u8 version | 16 B stamp | crc
 *
 * Stateless, one arena a call. Must not know: the store.
 */
#ifndef DKV_STATE_H
#define DKV_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/stamp.h"
#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define DKV_NONCE_BYTES 16u
#define DKV_CLUSTER_BYTES 16u
#define DKV_BOOTS_MAX 64u
#define DKV_MEMBERS_MAX 32u
#define DKV_VOIDS_MAX 1024u

struct dkv_nonce {
    unsigned char bytes[DKV_NONCE_BYTES];
};

/* SYNC: the site takes in what it may lack, and serves no clients until it has it (join.h). A site that is
 * alone is ACTIVE. */
enum dkv_site_state { DKV_SITE_ACTIVE = 1, DKV_SITE_SYNC = 2 };
/* What the last boot found in the store: all that was ever there, nothing, or maybe not its newest part.
 * It stays until the site is ACTIVE again. */
enum dkv_boot_class { DKV_BOOT_INTACT = 1, DKV_BOOT_FRESH = 2, DKV_BOOT_LOSSY = 3 };

struct dkv_self {
    unsigned char cluster[DKV_CLUSTER_BYTES];
    dkv_origin origin;
    struct dkv_nonce nonce;
    enum dkv_site_state state;
    enum dkv_boot_class boot_class;
    uint64_t since; /* the incarnation under which this store was begun */
    size_t past_count;
    struct dkv_nonce past[DKV_BOOTS_MAX]; /* boots before this one, newest first */
};

/* The site's clock and the number of its newest change. */
struct dkv_ctr {
    dkv_origin origin;
    dkv_hlc hlc;
    uint64_t seq;
};

/* The group of sites. */
struct dkv_cfg {
    uint32_t epoch;
    uint8_t wanted_acks;
    uint8_t durability;
    uint8_t leaf_bits;
    size_t member_count;
    uint16_t members[DKV_MEMBERS_MAX];
};

/* How far the changes of an origin are applied here. */
struct dkv_progress {
    uint64_t prefix;      /* all of 1..prefix are applied */
    dkv_hlc hlc;          /* of change prefix */
    bool sealed;          /* the origin will make no change after @last */
    uint64_t last;        /* 0 unless sealed */
    uint64_t trunc_below; /* changes below this are no longer in the feed; at least 1 */
    uint64_t high; /* the highest change held, at least @prefix; between them there are gaps */
};

/* Whether @byte is one of them. */
bool dkv_site_state_of(uint8_t byte, enum dkv_site_state *ret_state);
bool dkv_boot_class_of(uint8_t byte, enum dkv_boot_class *ret_class);

/* Decoders: HR_CORRUPT, HR_UNSUPPORTED. Encoders: HR_NO_MEMORY; what they write lives in @arena. */
HR_MUST_CHECK enum hr_err dkv_self_decode(struct hr_str bytes, struct dkv_self *ret_self,
                                          struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_self_encode(const struct dkv_self *self, struct hr_arena *arena,
                                          struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_ctr_decode(struct hr_str bytes, struct dkv_ctr *ret_ctr,
                                         struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_ctr_encode(const struct dkv_ctr *ctr, struct hr_arena *arena,
                                         struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_cfg_decode(struct hr_str bytes, struct dkv_cfg *ret_cfg,
                                         struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_cfg_encode(const struct dkv_cfg *cfg, struct hr_arena *arena,
                                         struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err dkv_progress_decode(struct hr_str bytes,
                                              struct dkv_progress *ret_progress,
                                              struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_progress_encode(const struct dkv_progress *progress,
                                              struct hr_arena *arena, struct hr_str *ret_bytes);
/* An absent value gives no mark. */
HR_MUST_CHECK enum hr_err dkv_clear_decode(struct dkv_value value, struct dkv_stamp *ret_clear,
                                           struct hr_diag *diag);
HR_MUST_CHECK enum hr_err dkv_clear_encode(struct dkv_stamp clear, struct hr_arena *arena,
                                           struct hr_str *ret_bytes);

#endif
