/* SipHash: four words, rounds of add, rotate and xor; names as in the paper. */
#include "actors/kv/core/format/siphash.h"

#include <stdbool.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t load_le(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

static void rounds(struct sip *s, int count)
{
    for (int i = 0; i < count; i++) {
        s->v0 += s->v1;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v0 = rotl(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v2 = rotl(s->v2, 32);
    }
}

static void absorb(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, 2);
    s->v0 ^= word;
}

static struct sip begin(const unsigned char *key, bool wide)
{
    uint64_t k0 = load_le(key, 8);
    uint64_t k1 = load_le(key + 8, 8);
    struct sip s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                    k1 ^ 0x7465646279746573u};
    if (wide) {
        s.v1 ^= 0xee;
    }
    return s;
}

static void absorb_all(struct sip *s, struct hr_str bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    size_t left = bytes.len;
    for (; left >= 8; p += 8, left -= 8) {
        absorb(s, load_le(p, 8));
    }
    absorb(s, load_le(p, left) | (uint64_t)(bytes.len & 0xff) << 56);
}

uint64_t dkv_siphash(const unsigned char key[DKV_SIPHASH_KEY_BYTES], struct hr_str bytes)
{
    struct sip s = begin(key, false);
    absorb_all(&s, bytes);
    s.v2 ^= 0xff;
    rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static void store_le(unsigned char *bytes, uint64_t word)
{
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(word >> (8 * i));
    }
}

void dkv_siphash128(const unsigned char key[DKV_SIPHASH_KEY_BYTES], struct hr_str bytes,
                    unsigned char ret_hash[DKV_HASH128_BYTES])
{
    struct sip s = begin(key, true);
    absorb_all(&s, bytes);
    s.v2 ^= 0xee;
    rounds(&s, 4);
    store_le(ret_hash, s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
    s.v1 ^= 0xdd;
    rounds(&s, 4);
    store_le(ret_hash + 8, s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
}
