/* What this site's records amount to, for another site to compare: the answers to the questions of dig.h.
 *
 * A record's hash is of its key and of its bytes as they are once it is stripped of what the newer one
 * of both sites' clear marks covers, and of what may be collected at the floor that both know: so two
 * sites of which one has collected and the other has not yet agree. A leaf's digest is how many records it
 * has whose newest stamp is not above the cut, and the XOR of their hashes. It is made anew from
 * the records each time, because a value that was changed behind the core's back moves nothing else. A
 * record that cannot be read has a hash that no other site's has.
 *
 * The site that asks answers the same question itself. Bounded by time: an answer about many leaves may
 * hold fewer digests than were asked for, from the first on. Reads only, but for the boot of the site.
 * Must not know: what becomes of the answers. */
#ifndef DKV_DIGEST_H
#define DKV_DIGEST_H

#include "actors/kv/core/format/dig.h"
#include "actors/kv/core/site/config.h"

/* After so long no further leaf is begun. */
#define DKV_DIGEST_MS_MAX ((dkv_mono_ms)250)
#define DKV_DIGEST_TIMEOUT_MS 2000u
#define DKV_DIGEST_REPAIR_TIMEOUT_MS 10000u

/* How a record is looked at. */
struct dkv_lens {
    uint16_t site; /* this one */
    struct dkv_stamp clear;
    dkv_hlc floor;
};

/* Fills everything in @ret_row but @named and @record. Owns: @key is borrowed; memory from @scratch is
 * not needed afterwards. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_digest_row(const struct dkv_lens *lens, struct hr_str key,
                                         struct dkv_value value, struct hr_arena *scratch,
                                         struct dkv_dig_row *ret_row);
/* This site's answer. Owns: it lives in @arena. Errors: HR_NO_MEMORY, HR_CORRUPT (m/self and the like), the
 * store's. */
HR_MUST_CHECK enum hr_err dkv_digest_answer(const struct dkv_env *env,
                                            const struct dkv_config *config,
                                            const struct dkv_dig *dig, struct hr_arena *arena,
                                            struct dkv_dig_answer *ret_answer,
                                            struct hr_diag *diag);
/* Another site's answer. Owns: it lives in @arena. Errors: HR_CORRUPT (it answers something else), the
 * bus'. */
HR_MUST_CHECK enum hr_err dkv_digest_ask(const struct dkv_env *env, const struct dkv_config *config,
                                         const struct dkv_peer *peer, const struct dkv_dig *dig,
                                         struct hr_arena *arena, struct dkv_dig_answer *ret_answer,
                                         struct hr_diag *diag);

#endif
