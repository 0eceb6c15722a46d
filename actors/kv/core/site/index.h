/* Keeps the index true within an attempt: a name for each record, a generation for each change of one.
 * Must not know: what is in a record. */
#ifndef DKV_INDEX_H
#define DKV_INDEX_H

#include "actors/kv/core/site/attempt.h"

/* Checks and writes that a call of one of these adds to an attempt at most. */
#define DKV_INDEX_OPS_MAX 4u

/* @key gets a record, which it had not. Errors: HR_TOO_BIG (the leaf is full), HR_CORRUPT,
 * HR_UNSUPPORTED, HR_NO_MEMORY, the store's. The same for the others, but HR_TOO_BIG. */
HR_MUST_CHECK enum hr_err dkv_index_add(struct dkv_attempt *attempt, struct hr_str key,
                                        struct hr_diag *diag);
/* The record of @key changes. */
HR_MUST_CHECK enum hr_err dkv_index_touch(struct dkv_attempt *attempt, struct hr_str key,
                                          struct hr_diag *diag);
/* The record of @key goes. The leaf's generation stays, so that it is never used again. */
HR_MUST_CHECK enum hr_err dkv_index_remove(struct dkv_attempt *attempt, struct hr_str key,
                                           struct hr_diag *diag);

#endif
