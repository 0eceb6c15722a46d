/* What a write does to an attempt: a set or a deletion of one key here, the deletion of everything
 * in clear.c. Must not know: commits, replies. */
#ifndef DKV_WRITE_H
#define DKV_WRITE_H

#include "actors/kv/core/site/answer.h"
#include "actors/kv/core/site/attempt.h"

/* Of a value as clients see it. */
#define DKV_VALUE_FIELDS_MAX 64u
#define DKV_VALUE_BYTES_MAX ((size_t)256 << 10)
/* Of a record: with the deleted fields that it has to remember. */
#define DKV_STORED_FIELDS_MAX 1024u

/* Does @request within @attempt; the answer is true once the attempt is committed. On an error the
 * caller undoes what was written. Owns: the answer's runs live in the attempt's arena.
 * Errors, also in the answer: HR_CONFLICT (with the version), HR_NOT_FOUND, HR_BAD_INPUT, HR_TOO_BIG,
 * HR_CORRUPT, HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_write_apply(struct dkv_attempt *attempt,
                                          const struct dkv_request *request,
                                          struct dkv_answer *ret_answer);

#endif
