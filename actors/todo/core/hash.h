/* SipHash-2-4 with a 128-bit result (J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast
 * short-input PRF", 2012, and the 128-bit variant of their reference code), under a fixed public
 * key: a checksum that tells representations apart, not a secret. One thread for each state. */
#ifndef GW_HASH_H
#define GW_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define GW_HASH_BYTES ((size_t)16)

struct gw_hash {
    uint64_t v[4];
    uint64_t tail; /* bytes that do not fill a word yet, first one lowest */
    uint64_t len_bytes;
};

void gw_hash_init(struct gw_hash *hash, const unsigned char key[16]);
void gw_hash_add(struct gw_hash *hash, struct hr_str bytes);
/* The result, in the byte order of the reference code. Ends @hash. */
void gw_hash_end(struct gw_hash *hash, unsigned char ret_digest[16]);

#endif
