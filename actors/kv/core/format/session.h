/* What a client has seen, as a token that it carries from site to site (docs/protocol.md, Sessions): the
 * newest stamp of each origin among all that it wrote and was shown. A site whose v/ has come as far for
 * each of them shows it nothing older. The token is base64url without padding of (integers big-endian):
 *
 *   u8 version, 1 | u8 n (at most 32) | n x (u64 origin | u64 hlc) | u32 CRC-32C of all before it
 *
 * origins in their order, each once. It is not signed: who forges one harms nobody but himself, because a
 * site only compares it, and meet.h bounds what it may lift. The empty token has seen nothing.
 *
 * More than 32 origins do not go in: those with the lowest clocks are forgotten, which are those that
 * the group's floor has passed, if there are any; for others the promise ends.
 * Stateless. Must not know: the store. */
#ifndef DKV_SESSION_H
#define DKV_SESSION_H

#include "actors/kv/core/format/record.h"

#define DKV_SESSION_ORIGINS_MAX 32u
#define DKV_SESSION_BYTES_MAX (6 + DKV_SESSION_ORIGINS_MAX * DKV_STAMP_BYTES)
#define DKV_SESSION_TEXT_BYTES_MAX ((DKV_SESSION_BYTES_MAX * 4 + 2) / 3)

struct dkv_session {
    size_t count;
    struct dkv_stamp seen[DKV_SESSION_ORIGINS_MAX]; /* in the order of their origins */
};

/* Errors: HR_BAD_INPUT. */
HR_MUST_CHECK enum hr_err dkv_session_decode(struct hr_str text, struct dkv_session *ret_session,
                                             struct hr_diag *diag);
/* The text lives in @arena. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_session_encode(const struct dkv_session *session,
                                             struct hr_arena *arena, struct hr_str *ret_text);
/* Adds what was seen. A NULL @session stands for a client that keeps none: nothing is done. */
void dkv_session_see(struct dkv_session *session, struct dkv_stamp stamp);
void dkv_session_merge(struct dkv_session *session, const struct dkv_session *other);
/* The same of every stamp in @record, whether it is visible or not. */
void dkv_session_see_record(struct dkv_session *session, const struct dkv_record *record);
/* The highest clock in it; 0 of an empty one, or of none. */
dkv_hlc dkv_session_newest(const struct dkv_session *session);

#endif
