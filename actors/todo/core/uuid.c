/* Making and writing UUIDs of version 7. Stateless, any thread. */
#include "actors/todo/core/uuid.h"

#define NS_PER_MS 1000000u

struct gw_uuid gw_uuid_of(gw_wall_ns now_ns, const unsigned char random[8])
{
    uint64_t unix_ms = now_ns / NS_PER_MS;
    unsigned fraction = (unsigned)((now_ns % NS_PER_MS) * 4096 / NS_PER_MS);
    unsigned char bytes[16];
    for (size_t i = 0; i < 6; i++) {
        bytes[i] = (unsigned char)(unix_ms >> (8 * (5 - i)));
    }
    bytes[6] = (unsigned char)(0x70 | fraction >> 8);
    bytes[7] = (unsigned char)fraction;
    memcpy(bytes + 8, random, 8);
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f));

    static const char digits[] = "0123456789abcdef";
    struct gw_uuid uuid = {{0}};
    size_t at = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            uuid.text[at++] = '-';
        }
        uuid.text[at++] = digits[bytes[i] >> 4];
        uuid.text[at++] = digits[bytes[i] & 15];
    }
    return uuid;
}

struct gw_uuid gw_uuid_new(const struct gw_env *env)
{
    unsigned char random[8];
    env->random(env->arg, random, sizeof random);
    return gw_uuid_of(env->now(env->arg), random);
}

struct hr_str gw_uuid_str(const struct gw_uuid *uuid)
{
    return hr_str_of(uuid->text, GW_UUID_CHARS);
}
