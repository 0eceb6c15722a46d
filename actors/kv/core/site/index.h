/* Keeps the index true within an attempt: a name for each record.
 * Must not know: what is in a record. */
#ifndef DKV_INDEX_H
#define DKV_INDEX_H

#include "actors/kv/core/site/attempt.h"

/* What a call of one of these adds to an attempt. */
#define DKV_INDEX_OPS 1u

/* @key gets a record. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_index_add(struct dkv_attempt *attempt, struct hr_str key);
/* The record of @key goes. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_index_remove(struct dkv_attempt *attempt, struct hr_str key);
/* Whether the index names @key. Errors: HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_index_names(struct dkv_attempt *attempt, struct hr_str key,
                                          bool *ret_named, struct hr_diag *diag);

#endif
