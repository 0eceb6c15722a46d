/* A seed is base 32 (RFC 4648, no padding) of: two prefix bytes (5 bits "this is a seed", 5 bits whose,
 * 6 bits 0), 32 bytes of seed, CRC-16/XMODEM of all that, low byte first. A public key: one prefix byte,
 * 32 bytes, CRC. */
#include "host/bus/nats_key.h"

#include <sodium.h>

#define RAW_SEED_BYTES 36u
#define RAW_KEY_BYTES 35u
#define PREFIX_SEED (18u << 3)
#define PREFIX_USER (20u << 3)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t crc16(const unsigned char *bytes, size_t len)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x8000u ? (crc << 1) ^ 0x1021u : crc << 1;
        }
        crc &= 0xffffu;
    }
    return (uint16_t)crc;
}

/* Reads @text into exactly @len bytes. */
static bool read_base32(struct hr_str text, unsigned char *ret_bytes, size_t len)
{
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *found = text.ptr[i] ? strchr(alphabet, text.ptr[i]) : NULL;
        if (!found) {
            return false;
        }
        bits = (bits << 5 | (uint32_t)(found - alphabet)) & 0xffffu;
        bit_count += 5;
        if (bit_count >= 8) {
            bit_count -= 8;
            if (at == len) {
                return false;
            }
            ret_bytes[at++] = (unsigned char)(bits >> bit_count);
        }
    }
    return at == len;
}

static void write_base32(const unsigned char *bytes, size_t len, char *ret_text)
{
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    for (size_t i = 0; i < len; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffffu;
        bit_count += 8;
        while (bit_count >= 5) {
            bit_count -= 5;
            *ret_text++ = alphabet[bits >> bit_count & 31u];
        }
    }
    *ret_text = '\0'; /* 35 bytes are 56 letters exactly */
}

static bool read_seed(struct hr_str text, unsigned char ret_raw[RAW_SEED_BYTES])
{
    if (text.len != HR_NKEY_SEED_BYTES || !read_base32(text, ret_raw, RAW_SEED_BYTES)) {
        return false;
    }
    uint32_t crc = ret_raw[RAW_SEED_BYTES - 2] | (uint32_t)ret_raw[RAW_SEED_BYTES - 1] << 8;
    uint32_t whose = (ret_raw[0] & 7u) << 5 | (ret_raw[1] & 0xf8u) >> 3;
    return (ret_raw[0] & 0xf8u) == PREFIX_SEED && whose == PREFIX_USER &&
           crc == crc16(ret_raw, RAW_SEED_BYTES - 2);
}

enum hr_err hr_nkey_public(struct hr_str seed, char ret_key[HR_NKEY_BYTES + 1])
{
    unsigned char raw[RAW_SEED_BYTES];
    unsigned char key[RAW_KEY_BYTES];
    unsigned char secret[crypto_sign_SECRETKEYBYTES];
    enum hr_err err = HR_BAD_INPUT;
    if (read_seed(seed, raw) && crypto_sign_seed_keypair(key + 1, secret, raw + 2) == 0) {
        key[0] = PREFIX_USER;
        uint16_t crc = crc16(key, RAW_KEY_BYTES - 2);
        key[RAW_KEY_BYTES - 2] = (unsigned char)(crc & 0xffu);
        key[RAW_KEY_BYTES - 1] = (unsigned char)(crc >> 8);
        write_base32(key, sizeof key, ret_key);
        err = HR_OK;
    }
    sodium_memzero(raw, sizeof raw);
    sodium_memzero(secret, sizeof secret);
    return err;
}
