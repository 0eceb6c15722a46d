/* What a site in SYNC waits for, for whoever asks why it does not serve: one note in the store, put by itself once the
 * waiting has lasted join-timeout-ms, and taken away when the site serves. It checks and moves nothing else, and is of
 * the incarnation that it names only.
 *
 *   m/joining  u8 version, 1 | u64 origin | u16 length | text | u32 CRC-32C
 *
 * Must not know: what is waited for. */
#ifndef DKV_JOINING_H
#define DKV_JOINING_H

#include "actors/kv/core/env.h"
#include "actors/kv/core/format/state.h"

#define DKV_JOINING_TEXT_BYTES_MAX 384u

/* Notes @text, or, if it is empty, that nothing is waited for. Text that is too long is cut. Changes nothing if it says so already.
 * Errors: HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_joining_note(const struct dkv_env *env, dkv_origin origin,
                                           struct hr_str text, struct hr_diag *diag);
/* What @origin waits for; empty if there is no note of it that can be read. Owns: the text lives in @arena. */
struct hr_str dkv_joining_read(const struct dkv_env *env, dkv_origin origin,
                               struct hr_arena *arena);

#endif
