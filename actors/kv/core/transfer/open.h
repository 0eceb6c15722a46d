/* Beginnings of a state transfer, and goings back to them (transfer.h): the commits that write m/sync and the rows
 * s/<origin>. Each checks m/ctr and m/sync, so that of two hosts of a site that begin one at the same time
 * one alone gets it. Must not know: messages. */
#ifndef DKV_OPEN_H
#define DKV_OPEN_H

#include "actors/kv/core/site/config.h"
#include "actors/kv/core/transfer/state_wire.h"
#include "actors/kv/core/transfer/sync.h"

/* Attempts at one commit that others overtake. */
#define DKV_OPEN_TRIES_MAX 16u

/* What a donor told of itself. */
struct dkv_open {
    uint64_t session;
    uint16_t donor;
    dkv_origin donor_origin;
    dkv_hlc floor;
    dkv_hlc collected;
    dkv_hlc clock;
    struct dkv_stamp clear;
    size_t retired_count;
    struct dkv_retired retired[DKV_RETIRED_MAX];
    struct dkv_cover_row *rows;
    size_t count;
    size_t cap;
};

/* Adds an answer's rows, which come after those that are there; its marks replace the earlier ones. Errors:
 * HR_NO_MEMORY, HR_TOO_BIG (more rows than a transfer takes). */
HR_MUST_CHECK enum hr_err dkv_open_add(struct dkv_open *open, const struct dkv_state *state,
                                       struct hr_arena *arena);
/* A transfer is wanted from here on, and the site is SYNC. Errors: those of opening the site, HR_CORRUPT,
 * HR_BUSY, HR_NO_MEMORY. The same for the others, besides HR_CONFLICT: another host has changed m/sync. */
HR_MUST_CHECK enum hr_err dkv_open_want(const struct dkv_env *env, const struct dkv_config *config,
                                        bool forced, struct hr_diag *diag);
/* Begins the session. Owns: ret_sync has no cursor. */
HR_MUST_CHECK enum hr_err dkv_open_session(const struct dkv_env *env,
                                           const struct dkv_config *config,
                                           const struct dkv_open *open, struct dkv_sync *ret_sync,
                                           struct hr_diag *diag);
/* Goes back from session @session (0: none) to the wish, or with @drop gives it up. */
HR_MUST_CHECK enum hr_err dkv_open_back(const struct dkv_env *env, const struct dkv_config *config,
                                        uint64_t session, bool drop, struct dkv_sync *ret_sync,
                                        struct hr_diag *diag);

#endif
