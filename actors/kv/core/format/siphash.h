/* SipHash-2-4, after "SipHash: a fast short-input PRF" by Jean-Philippe Aumasson and Daniel J.
 * Bernstein (INDOCRYPT 2012), and its variant with 128 bits of output from the authors' reference
 * code. Stateless, any thread. */
#ifndef DKV_SIPHASH_H
#define DKV_SIPHASH_H

#include <stdint.h>

#include "base/str.h"

#define DKV_SIPHASH_KEY_BYTES 16u
#define DKV_HASH128_BYTES 16u

uint64_t dkv_siphash(const unsigned char key[DKV_SIPHASH_KEY_BYTES], struct hr_str bytes);
void dkv_siphash128(const unsigned char key[DKV_SIPHASH_KEY_BYTES], struct hr_str bytes,
                    unsigned char ret_hash[DKV_HASH128_BYTES]);

#endif
