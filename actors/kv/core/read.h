/* Reading one value. It is read before the clear mark, so that what it gives was visible at some
 * moment of the call. Must not know: replies. */
#ifndef DKV_READ_H
#define DKV_READ_H

#include "actors/kv/core/answer.h"
#include "actors/kv/core/config.h"

/* Owns: the answer's runs live in @arena. Errors, also in the answer: HR_NOT_FOUND, HR_CORRUPT,
 * HR_UNSUPPORTED, HR_NO_MEMORY, those of dkv_site_read. */
void dkv_read_value(const struct dkv_env *env, const struct dkv_config *config,
                    const struct dkv_request *request, struct hr_arena *arena,
                    struct dkv_answer *ret_answer);

#endif
