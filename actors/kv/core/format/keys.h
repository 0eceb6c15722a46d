/* Names in the store. They are text, and numbers in them are lower-case hexadecimal digits of a
 * fixed width, so that their bytewise order is the numbers' order:
 *
 *   m/self  m/ctr  m/cfg  m/tally  m/S  m/behind  m/ahead  m/sync  m/wipe  b/clear
 *   r/<key>                       a record
 *   f/<origin 16>/<seq 16>        a change of the feed
 *   v/<origin 16>                 how far an origin's changes are applied here
 *   s/<origin 16>                 how far the donor of a state transfer had them applied at its beginning
 *   k/<leaf 4>/<key>              a name in a leaf of the index
 *   h/<site 4>                    what of a site is out for good
 *   q/<opid 32>                   the outcome of a request with an id
 *   t/<wall ms 16>/<opid 32>      the same, by time
 *
 * Functions that make a name put it into an arena; a NULL pointer says that memory is out, and
 * everything that takes a name says HR_NO_MEMORY to that. Stateless, any thread.
 */
#ifndef DKV_KEYS_H
#define DKV_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/stamp.h"
#include "base/arena.h"
#include "base/str.h"

#define DKV_KEY_BYTES_MAX 256u
#define DKV_OPID_BYTES 16u

#define DKV_KEY_SELF HR_STR("m/self")
#define DKV_KEY_CTR HR_STR("m/ctr")
#define DKV_KEY_CFG HR_STR("m/cfg")
#define DKV_KEY_TALLY HR_STR("m/tally")
#define DKV_KEY_FLOOR HR_STR("m/S")
#define DKV_KEY_BEHIND HR_STR("m/behind")
#define DKV_KEY_AHEAD HR_STR("m/ahead")
#define DKV_KEY_JOINING HR_STR("m/joining")
#define DKV_KEY_WIPE HR_STR("m/wipe")
#define DKV_KEY_CLEAR HR_STR("b/clear")
#define DKV_KEYS_RECORDS HR_STR("r/")
#define DKV_KEYS_NAMES HR_STR("k/")
#define DKV_KEYS_FEED HR_STR("f/")
#define DKV_KEYS_PROGRESS HR_STR("v/")
#define DKV_KEYS_COVER HR_STR("s/")
#define DKV_KEYS_TIMES HR_STR("t/")
#define DKV_KEYS_FENCES HR_STR("h/")
#define DKV_KEY_SYNC HR_STR("m/sync")

/* Of a f/ name, as much as all changes of one origin share. */
#define DKV_CHANGE_ORIGIN_BYTES 19u
/* Of a f/ name, as much as all origins of one site share. */
#define DKV_CHANGE_SITE_BYTES 6u
/* Of a v/ name, as much as all origins of one site share. */
#define DKV_PROGRESS_SITE_BYTES 6u

/* What a client calls a value and a request. */
struct dkv_opid {
    unsigned char bytes[DKV_OPID_BYTES];
};

/* Whether @key can name a value: subject tokens of A-Z a-z 0-9 - _ = with dots between them. */
bool dkv_key_valid(struct hr_str key);
/* Whether every byte of @text may stand in a key. */
bool dkv_key_bytes_valid(struct hr_str text);

struct hr_str dkv_key_record(struct hr_arena *arena, struct hr_str key);
struct hr_str dkv_key_change(struct hr_arena *arena, dkv_origin origin, uint64_t seq);
/* Reads what dkv_key_change made; false on anything else. */
bool dkv_key_change_parse(struct hr_str name, dkv_origin *ret_origin, uint64_t *ret_seq);
struct hr_str dkv_key_progress(struct hr_arena *arena, dkv_origin origin);
/* Reads what dkv_key_progress made; false on anything else. */
bool dkv_key_progress_parse(struct hr_str name, dkv_origin *ret_origin);
struct hr_str dkv_key_cover(struct hr_arena *arena, dkv_origin origin);
/* Reads what dkv_key_cover made; false on anything else. */
bool dkv_key_cover_parse(struct hr_str name, dkv_origin *ret_origin);
struct hr_str dkv_key_fence(struct hr_arena *arena, uint16_t site);
/* Reads what dkv_key_fence made; false on anything else. */
bool dkv_key_fence_parse(struct hr_str name, uint16_t *ret_site);
/* What all names in @leaf begin with. */
struct hr_str dkv_key_leaf(struct hr_arena *arena, uint32_t leaf);
struct hr_str dkv_key_name(struct hr_arena *arena, uint32_t leaf, struct hr_str key);
/* Reads what dkv_key_name made of a valid key; false on anything else. @ret_key is borrowed from @name. */
bool dkv_key_name_parse(struct hr_str name, uint32_t *ret_leaf, struct hr_str *ret_key);
struct hr_str dkv_key_result(struct hr_arena *arena, const struct dkv_opid *opid);
struct hr_str dkv_key_time(struct hr_arena *arena, dkv_wall_ms time, const struct dkv_opid *opid);
/* Reads what dkv_key_time made; false on anything else. */
bool dkv_key_time_parse(struct hr_str name, dkv_wall_ms *ret_time, struct dkv_opid *ret_opid);

#endif
