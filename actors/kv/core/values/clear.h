/* Deleting everything: one mark in the store that hides all that is older, however many records
 * there are. Must not know: commits, replies. */
#ifndef DKV_CLEAR_H
#define DKV_CLEAR_H

#include "actors/kv/core/site/answer.h"
#include "actors/kv/core/site/attempt.h"

/* Records looked at for the count that the reply gives, if m/tally does not know it; the rest of a
 * larger bucket is deleted all the same. */
#define DKV_COUNT_RECORDS_MAX ((size_t)100000)

/* As dkv_write_apply, for a clear. */
HR_MUST_CHECK enum hr_err dkv_clear_apply(struct dkv_attempt *attempt,
                                          const struct dkv_request *request,
                                          struct dkv_answer *ret_answer);
/* Merges another site's clear, @change. How many values are visible is not known afterwards, unless
 * the clear is newer than all that is here. Errors: HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY, the
 * store's. */
HR_MUST_CHECK enum hr_err dkv_clear_merge(struct dkv_attempt *attempt,
                                          const struct dkv_change *change, struct hr_diag *diag);
/* A pass over all records has to begin, because of a clear mark with clock @made. */
void dkv_clear_sweep_anew(struct dkv_tally *tally, dkv_hlc made);

#endif
