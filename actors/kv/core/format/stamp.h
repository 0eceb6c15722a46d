/* Who made a change, and when: an origin is one life of a site (its number and the incarnation that
 * it was given at its start), a stamp is an origin's clock. Every change has a stamp of its own, so
 * that two different changes never tie. 16 bytes, big-endian, in the order in which they compare:
 * hlc u64, site u16, inc u48. Stateless, any thread. */
#ifndef DKV_STAMP_H
#define DKV_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/kv/core/format/clock.h"
#include "actors/kv/core/format/wire.h"
#include "base/str.h"

#define DKV_INC_BITS 48
#define DKV_INC_MAX (((uint64_t)1 << DKV_INC_BITS) - 1)
/* How far a boot goes beyond the last incarnation at most, if the wall does not say. */
#define DKV_INC_STEPS 1024u
#define DKV_STAMP_BYTES 16u
#define DKV_STAMP_TEXT_BYTES 32u

/* site << 48 | inc */
typedef uint64_t dkv_origin;

/* All zero: never. */
struct dkv_stamp {
    dkv_hlc hlc;
    dkv_origin origin;
};

static inline dkv_origin dkv_origin_of(uint16_t site, uint64_t inc)
{
    return (dkv_origin)site << DKV_INC_BITS | (inc & DKV_INC_MAX);
}

static inline uint16_t dkv_origin_site(dkv_origin origin)
{
    return (uint16_t)(origin >> DKV_INC_BITS);
}

static inline uint64_t dkv_origin_inc(dkv_origin origin)
{
    return origin & DKV_INC_MAX;
}

/* Whether what began in incarnation @inc is out, where all up to @removed were taken out; 0: none was. */
static inline bool dkv_inc_is_out(uint64_t inc, uint64_t removed)
{
    return removed > 0 && inc <= removed;
}

/* Negative, 0 or positive, as memcmp on the encoded stamps. */
int dkv_stamp_cmp(struct dkv_stamp a, struct dkv_stamp b);
struct dkv_stamp dkv_stamp_max(struct dkv_stamp a, struct dkv_stamp b);
bool dkv_stamp_is_none(struct dkv_stamp stamp);
struct dkv_stamp dkv_stamp_read(struct dkv_in *in);
void dkv_stamp_write(struct dkv_out *out, struct dkv_stamp stamp);
/* The version that clients see: 32 lower-case hexadecimal digits. */
void dkv_stamp_text(struct dkv_stamp stamp, char ret_text[DKV_STAMP_TEXT_BYTES]);
/* Reads what dkv_stamp_text writes; false on anything else. */
bool dkv_stamp_from_text(struct hr_str text, struct dkv_stamp *ret_stamp);

#endif
