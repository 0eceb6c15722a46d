/* From keys to leaves. */
#include "actors/kv/core/format/leaf.h"

#include "actors/kv/core/format/siphash.h"

static const unsigned char hash_key[DKV_SIPHASH_KEY_BYTES] = "hedgerow leaf v";

uint32_t dkv_leaf_of(struct hr_str key, unsigned leaf_bits)
{
    return (uint32_t)(dkv_siphash(hash_key, key) >> (64 - leaf_bits));
}
