/* The leaves of the index: every key belongs to one, the top bits of its SipHash, whose key is fixed, so that all sites
 * agree. A leaf's names are keys of the store (k/<leaf>/<key>, keys.h).
 * Stateless, any thread. Must not know: the store. */
#ifndef DKV_LEAF_H
#define DKV_LEAF_H

#include <stdint.h>

#include "base/str.h"

#define DKV_LEAF_BITS_MIN 8u
#define DKV_LEAF_BITS_MAX 16u
#define DKV_LEAF_BITS_DEFAULT 12u

uint32_t dkv_leaf_of(struct hr_str key, unsigned leaf_bits);

#endif
