/* The site's configuration as the host passes it, read and checked once an invocation:
 *
 *   site        required: its name, 1 to 64 bytes
 *   site-id     1 to 65535; 1 if not set
 *   boot-nonce  required: 32 lower-case hexadecimal digits, drawn anew at every start of the host
 *   sites       how many sites there are, 1 to 32; 1 if not set
 *   feed-max    entries kept in the feed, of all origins, 1024 or more; 100000 if not set
 *
 * Must not know: the store. */
#ifndef DKV_CONFIG_H
#define DKV_CONFIG_H

#include <stdint.h>

#include "actors/kv/core/env.h"
#include "actors/kv/core/state.h"

#define DKV_SITE_NAME_BYTES_MAX 64u
#define DKV_FEED_MAX_MIN 1024u
#define DKV_FEED_MAX_DEFAULT 100000u

struct dkv_config {
    struct hr_str site; /* set as soon as it is known, also if the rest is wrong */
    uint16_t site_id;
    uint32_t sites;
    uint64_t feed_max;
    struct dkv_nonce nonce;
};

/* Owns: what it gives lives in @arena.
 * Errors: HR_DENIED with the key's name and what it has to be; HR_NO_MEMORY; the env's. */
HR_MUST_CHECK enum hr_err dkv_config_read(const struct dkv_env *env, struct hr_arena *arena,
                                          struct dkv_config *ret_config, struct hr_diag *diag);

#endif
