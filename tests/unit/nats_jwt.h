/* Keys and signed claims as `nsc` makes them, for tests of NATS credentials: NKeys (ADR-14) and JWTs of
 * the algorithm "ed25519-nkey" (ADR-14, nats-io/jwt). */
#ifndef HR_TEST_NATS_JWT_H
#define HR_TEST_NATS_JWT_H

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct jwt_key {
    unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
    unsigned char secret[crypto_sign_SECRETKEYBYTES];
    char public_text[57];
    char seed_text[60];
};

struct jwt_operator {
    struct jwt_key key;
    struct jwt_key account;
    struct jwt_key user;
    char operator_jwt[1024];
    char account_jwt[2048];
    char user_jwt[2048];
};

static inline uint16_t jwt_crc16(const unsigned char *bytes, size_t len)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000u ? (crc << 1) ^ 0x1021u : crc << 1) & 0xffffu;
        }
    }
    return (uint16_t)crc;
}

/* Appends the checksum to @len bytes and writes all in base 32. */
static inline void jwt_base32(unsigned char *bytes, size_t len, char *ret_text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint16_t crc = jwt_crc16(bytes, len);
    uint32_t bits = 0;
    unsigned bit_count = 0;
    bytes[len] = (unsigned char)(crc & 0xff);
    bytes[len + 1] = (unsigned char)(crc >> 8);
    for (size_t i = 0; i < len + 2; i++) {
        bits = (bits << 8 | bytes[i]) & 0xfffffu;
        for (bit_count += 8; bit_count >= 5; bit_count -= 5) {
            *ret_text++ = alphabet[bits >> (bit_count - 5) & 31];
        }
    }
    if (bit_count > 0) {
        *ret_text++ = alphabet[bits << (5 - bit_count) & 31];
    }
    *ret_text = '\0';
}

/* A new key; @kind is 'O' (operator), 'A' (account) or 'U' (user). */
static inline void jwt_make_key(char kind, struct jwt_key *ret_key)
{
    unsigned char seed[32];
    unsigned char raw[40];
    unsigned prefix = (unsigned)(kind - 'A') << 3;
    randombytes_buf(seed, sizeof seed);
    crypto_sign_seed_keypair(ret_key->public_key, ret_key->secret, seed);
    raw[0] = (unsigned char)prefix;
    memcpy(raw + 1, ret_key->public_key, 32);
    jwt_base32(raw, 33, ret_key->public_text);
    raw[0] = (unsigned char)(('S' - 'A') << 3 | prefix >> 5);
    raw[1] = (unsigned char)((prefix & 31) << 3);
    memcpy(raw + 2, seed, 32);
    jwt_base32(raw, 34, ret_key->seed_text);
}

/* Claims about @subject, signed by @issuer. */
static inline void jwt_sign(const struct jwt_key *issuer, const struct jwt_key *subject,
                            const char *nats, char *ret_jwt, size_t size)
{
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    char claims[1024];
    char part[2048];
    unsigned char signature[crypto_sign_BYTES];
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    int len = snprintf(claims, sizeof claims,
                       "{\"jti\":\"x\",\"iat\":1700000000,\"iss\":\"%s\",\"name\":\"test\","
                       "\"sub\":\"%s\",\"nats\":%s}",
                       issuer->public_text, subject->public_text, nats);
    sodium_bin2base64(part, sizeof part, (const unsigned char *)header, strlen(header), variant);
    snprintf(ret_jwt, size, "%s.", part);
    sodium_bin2base64(part, sizeof part, (const unsigned char *)claims, (size_t)len, variant);
    strncat(ret_jwt, part, size - strlen(ret_jwt) - 1);
    crypto_sign_detached(signature, NULL, (const unsigned char *)ret_jwt, strlen(ret_jwt),
                         issuer->secret);
    sodium_bin2base64(part, sizeof part, signature, sizeof signature, variant);
    strncat(ret_jwt, ".", size - strlen(ret_jwt) - 1);
    strncat(ret_jwt, part, size - strlen(ret_jwt) - 1);
}

/* An operator with an account with a user. */
static inline void jwt_make_operator(struct jwt_operator *ret_made)
{
    jwt_make_key('O', &ret_made->key);
    jwt_make_key('A', &ret_made->account);
    jwt_make_key('U', &ret_made->user);
    jwt_sign(&ret_made->key, &ret_made->key, "{\"type\":\"operator\",\"version\":2}",
             ret_made->operator_jwt, sizeof ret_made->operator_jwt);
    jwt_sign(&ret_made->key, &ret_made->account,
             "{\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,"
             "\"wildcards\":true,\"conn\":-1,\"leaf\":-1},\"type\":\"account\",\"version\":2}",
             ret_made->account_jwt, sizeof ret_made->account_jwt);
    jwt_sign(&ret_made->account, &ret_made->user,
             "{\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\","
             "\"version\":2}",
             ret_made->user_jwt, sizeof ret_made->user_jwt);
}

#endif
