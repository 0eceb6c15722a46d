/* SipHash-2-4-128, a word at a time. Words are read and written low byte first. */
#include "actors/todo/core/hash.h"

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void rounds(uint64_t v[4], unsigned count)
{
    while (count-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32) + v[3];
        v[2] += v[1];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void absorb(struct gw_hash *hash, uint64_t word)
{
    hash->v[3] ^= word;
    rounds(hash->v, 2);
    hash->v[0] ^= word;
}

static uint64_t load(const unsigned char *bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < 8; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

static void store(unsigned char *bytes, uint64_t word)
{
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(word >> (8 * i));
    }
}

void gw_hash_init(struct gw_hash *hash, const unsigned char key[16])
{
    uint64_t k0 = load(key);
    uint64_t k1 = load(key + 8);
    *hash = (struct gw_hash){.v = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du ^ 0xee,
                                   k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u}};
}

void gw_hash_add(struct gw_hash *hash, struct hr_str bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len;
    while (left > 0) {
        size_t filled = hash->len_bytes % 8;
        if (filled == 0 && left >= 8) {
            absorb(hash, load(at));
            hash->len_bytes += 8;
            at += 8;
            left -= 8;
            continue;
        }
        hash->tail |= (uint64_t)*at << (8 * filled);
        hash->len_bytes++;
        at++;
        left--;
        if (filled == 7) {
            absorb(hash, hash->tail);
            hash->tail = 0;
        }
    }
}

void gw_hash_end(struct gw_hash *hash, unsigned char ret_digest[16])
{
    absorb(hash, hash->tail | hash->len_bytes << 56);
    hash->v[2] ^= 0xee;
    rounds(hash->v, 4);
    store(ret_digest, hash->v[0] ^ hash->v[1] ^ hash->v[2] ^ hash->v[3]);
    hash->v[1] ^= 0xdd;
    rounds(hash->v, 4);
    store(ret_digest + 8, hash->v[0] ^ hash->v[1] ^ hash->v[2] ^ hash->v[3]);
}
