/* UUIDs of version 7 (RFC 9562 section 5.7), whose bytewise order is the order of creation.
 * Layout: 48 bits of Unix milliseconds, version 7, 12 bits of the part of the millisecond that has
 * passed (section 6.2, method 3), variant 2, 62 random bits. Two of them made at least 245 ns apart
 * by one clock are ordered. Stateless, any thread. */
#ifndef GW_UUID_H
#define GW_UUID_H

#include <stddef.h>

#include "actors/todo/core/env.h"

#define GW_UUID_CHARS ((size_t)36)

struct gw_uuid {
    char text[37]; /* lower case, terminated */
};

/* The one made of this time and these random bits (two of the 64 are not used). */
struct gw_uuid gw_uuid_of(gw_wall_ns now_ns, const unsigned char random[8]);
/* A new one, with the environment's time and randomness. */
struct gw_uuid gw_uuid_new(const struct gw_env *env);
/* Borrows @uuid. */
struct hr_str gw_uuid_str(const struct gw_uuid *uuid);

#endif
