/* A page of a scan, by a store that may be wrong. Stateless, any thread. */
#ifndef DKV_SCAN_H
#define DKV_SCAN_H

#include "actors/kv/core/env.h"

/* env->scan, with whose page a loop gets on: what says that there is more has something.
 * Owns: the page lives in @arena. Errors: HR_INTERNAL if the page is empty though there is more; the store's. */
HR_MUST_CHECK enum hr_err dkv_scan_page(const struct dkv_env *env, struct hr_str prefix,
                                        struct hr_str after, uint32_t limit, struct hr_arena *arena,
                                        struct dkv_page *ret_page, struct hr_diag *diag);

#endif
