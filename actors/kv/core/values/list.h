/* Listing values in the bytewise order of their keys. A reply ends at the wanted number of values, at
 * about DKV_LIST_BYTES_MAX, or when DKV_LIST_RECORDS_MAX records were looked at (records of deleted
 * values are passed over); then it says where to go on. Must not know: replies. */
#ifndef DKV_LIST_H
#define DKV_LIST_H

#include "actors/kv/core/site/answer.h"

#define DKV_LIST_BYTES_MAX ((size_t)512 << 10)
#define DKV_LIST_RECORDS_MAX 20000u

/* Owns: the answer's runs live in @arena. Errors, also in the answer: HR_CORRUPT and
 * HR_UNSUPPORTED name the key; HR_NO_MEMORY, the store's. */
void dkv_list_values(const struct dkv_env *env, const struct dkv_request *request,
                     struct hr_arena *arena, struct dkv_answer *ret_answer);

#endif
