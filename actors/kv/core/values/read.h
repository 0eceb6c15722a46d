/* Reading of values, several in one reading of the store. They are read before the clear mark, so that what each
 * gives was visible at some moment of the call. Must not know: replies. */
#ifndef DKV_READ_H
#define DKV_READ_H

#include "actors/kv/core/site/answer.h"
#include "actors/kv/core/site/config.h"

/* At once: each may be as large as a value can be, and all are in memory together. */
#define DKV_READS_MAX ((size_t)16)

/* What was read for one request. */
struct dkv_reading {
    struct dkv_value record;
    struct dkv_stamp clear;
};

/* Reads for @count requests, DKV_READS_MAX at most. Owns: the readings' bytes live in @arena. Errors: those of
 * dkv_site_read, HR_CORRUPT, HR_UNSUPPORTED. */
HR_MUST_CHECK enum hr_err dkv_read_records(const struct dkv_env *env,
                                           const struct dkv_config *config,
                                           const struct dkv_request *requests, size_t count,
                                           struct hr_arena *arena, struct dkv_reading *ret_readings,
                                           struct hr_diag *diag);
/* Makes an answer of a reading. Owns: the answer's runs live in @arena. Errors, in the answer: HR_NOT_FOUND,
 * HR_CORRUPT, HR_UNSUPPORTED, HR_NO_MEMORY. */
void dkv_read_value(const struct dkv_request *request, const struct dkv_reading *reading,
                    struct hr_arena *arena, struct dkv_answer *ret_answer);

#endif
