/* The site's configuration as the host passes it, read and checked once an invocation:
 *
 *   site            required: its name, 1 to 64 bytes without spaces
 *   site-id         1 to 65535; 1 if not set
 *   boot-nonce      required: 32 lower-case hexadecimal digits, drawn anew at every start of the host
 *   bucket          the bucket's name, a part of its subjects; "default" if not set
 *   feed-max        entries kept in the feed, of all origins, 16 or more; 100000 if not set
 *   write-acks      sites that have to hold a write before it is answered: 1 to 32, `majority` or
 *                   `all`; 2 if not set (acks.h)
 *   ack-timeout-ms  how long a write waits for them, 100 to 20000; 5000 if not set
 *   join            when a site that was started serves clients again: `quorum`, once it has what enough others
 *                   have, or `any`, after join-timeout-ms at the latest; quorum if not set (join.h)
 *   join-timeout-ms how long it waits for others that are slow, 100 to 600000; 3000 if not set
 *   store-durability  `sync`: the store has all that was ever committed, `lazy`: maybe not the newest; sync
 *                   if not set. The host says so, and it is read anew at each boot of the site
 *   members         ids of sites that there are, this one may be among them, with commas; none if not set. They are
 *                   members whether they were ever heard or not, so that no store can forget them
 *
 * Which other sites there are besides is the host's to say, and comes beside it (group.h).
 * Must not know: the store. */
#ifndef DKV_CONFIG_H
#define DKV_CONFIG_H

#include <stdint.h>

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/state.h"

#define DKV_SITE_NAME_BYTES_MAX 64u
#define DKV_FEED_MAX_MIN 16u
#define DKV_FEED_MAX_DEFAULT 100000u
#define DKV_WRITE_ACKS_DEFAULT 2u
#define DKV_ACK_TIMEOUT_MS_MIN 100u
#define DKV_ACK_TIMEOUT_MS_MAX 20000u
#define DKV_ACK_TIMEOUT_MS_DEFAULT 5000u
#define DKV_JOIN_TIMEOUT_MS_MIN 100u
#define DKV_JOIN_TIMEOUT_MS_MAX 600000u
#define DKV_JOIN_TIMEOUT_MS_DEFAULT 3000u

enum dkv_wants { DKV_WANTS_NUMBER, DKV_WANTS_MAJORITY, DKV_WANTS_ALL };

struct dkv_config {
    struct hr_str site; /* set as soon as it is known, also if the rest is wrong */
    struct hr_str bucket;
    uint16_t site_id;
    uint64_t feed_max;
    struct dkv_nonce nonce;
    enum dkv_wants wants;
    uint32_t wanted_acks; /* of DKV_WANTS_NUMBER */
    uint32_t ack_timeout_ms;
    int64_t clock_ahead_ms; /* the others' wall clocks before this site's (group.h) */
    bool unsettled; /* the host did not know yet who is there when it was asked for @others */
    bool join_any;
    uint32_t join_timeout_ms;
    /* Other sites that are known to be there: m/cfg is to name them (site.h). */
    size_t other_count;
    uint16_t others[DKV_MEMBERS_MAX];
};

/* Owns: what it gives lives in @arena.
 * Errors: HR_DENIED with the key's name and what it has to be; HR_NO_MEMORY; the env's. */
HR_MUST_CHECK enum hr_err dkv_config_read(const struct dkv_env *env, struct hr_arena *arena,
                                          struct dkv_config *ret_config, struct hr_diag *diag);
/* The nonce as it is now: the host draws another one when its store has lost its newest changes (site.h). */
HR_MUST_CHECK enum hr_err dkv_config_nonce(const struct dkv_env *env, struct hr_arena *arena,
                                           struct dkv_nonce *ret_nonce, struct hr_diag *diag);
/* Whether the store may lack its newest commits. */
HR_MUST_CHECK enum hr_err dkv_config_lazy(const struct dkv_env *env, struct hr_arena *arena,
                                          bool *ret_lazy, struct hr_diag *diag);

#endif
