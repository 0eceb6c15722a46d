/* The index: every key belongs to one leaf, the top bits of its SipHash, and a leaf holds the names
 * of its keys and a generation that every change of one of its records counts up. Layouts, each
 * with version 1 first and a CRC-32C of all before it last:
 *
 *   names       u8 version | u32 count | count x (u16 length | name), in bytewise order | u32 crc
 *   generation  u8 version | u64 generation | u32 crc
 *
 * The hash's key is fixed, so that all sites agree on leaves.
 * Stateless, one arena a call. Must not know: the store.
 */
#ifndef DKV_LEAF_H
#define DKV_LEAF_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/kv/core/env.h"
#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define DKV_LEAF_BITS_MIN 8u
#define DKV_LEAF_BITS_MAX 16u
#define DKV_LEAF_BITS_DEFAULT 12u
/* A leaf's names, encoded: what a store surely takes as one value. */
#define DKV_LEAF_BYTES_MAX ((size_t)1 << 20)

uint32_t dkv_leaf_of(struct hr_str key, unsigned leaf_bits);
/* The names in @value, none if it is absent. Owns: the list lives in @arena, the names are borrowed from
 * @value. Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_leaf_names(struct dkv_value value, struct hr_arena *arena,
                                         struct hr_str **ret_names, size_t *ret_count,
                                         struct hr_diag *diag);
/* The names @old with @name among them, encoded. @old is absent for an empty leaf; if the name is
 * there already, ret_new->present is false. Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_TOO_BIG,
 * HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_leaf_add(struct dkv_value old, struct hr_str name,
                                       struct hr_arena *arena, struct dkv_value *ret_new,
                                       struct hr_diag *diag);
/* The names @old, which are present, without @name, encoded; ret_new->present is false if none are
 * left. Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_leaf_remove(struct dkv_value old, struct hr_str name,
                                          struct hr_arena *arena, struct dkv_value *ret_new,
                                          struct hr_diag *diag);
/* The generation after @old (absent: 0), encoded. Errors: HR_CORRUPT, HR_UNSUPPORTED,
 * HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_leaf_count_up(struct dkv_value old, struct hr_arena *arena,
                                            struct hr_str *ret_new, struct hr_diag *diag);

#endif
