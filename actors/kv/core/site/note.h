/* Notes: what a site remembers for itself, one number under one name (m/behind, m/ahead). They are no part of the
 * replicated state and are put by themselves, without m/ctr.
 *
 *   u8 version, 1 | u64 number | u32 CRC-32C of all before it; not there: 0
 *
 * Stateless, any thread. Must not know: what the numbers count. */
#ifndef DKV_NOTE_H
#define DKV_NOTE_H

#include "actors/kv/core/env.h"

/* Reads the note @name; an absent value is 0. Errors: HR_CORRUPT, HR_UNSUPPORTED. */
HR_MUST_CHECK enum hr_err dkv_note_decode(struct dkv_value value, struct hr_str name,
                                          uint64_t *ret_number, struct hr_diag *diag);
/* Puts @number where @before was found, or takes the note away if it is 0. Errors: HR_CONFLICT: somebody was
 * quicker; HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_note_put(const struct dkv_env *env, const struct dkv_check *before,
                                       uint64_t number, struct hr_arena *arena,
                                       struct hr_diag *diag);

#endif
