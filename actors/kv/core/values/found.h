/* A key's record as an attempt finds it. Must not know: what becomes of it. */
#ifndef DKV_FOUND_H
#define DKV_FOUND_H

#include "actors/kv/core/site/attempt.h"

struct dkv_found {
    struct hr_str name; /* in the store */
    struct dkv_record record;
    struct dkv_stamp clear;
    bool stored; /* there is a record, though it may be a tombstone */
    bool visible;
};

/* Owns: it lives in the attempt's arena. Errors: HR_CORRUPT and HR_UNSUPPORTED (ret_found->stored says
 * whether it is the record), HR_NO_MEMORY, the store's. */
HR_MUST_CHECK enum hr_err dkv_found_read(struct dkv_attempt *attempt, struct hr_str key,
                                         struct dkv_found *ret_found, struct hr_diag *diag);

#endif
