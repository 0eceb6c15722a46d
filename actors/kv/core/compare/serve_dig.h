/* Answers other sites' questions about records (DIG). One of them asks this site to repair some of its records
 * first, which it does in the same way as of its own accord. Must not know: what becomes of the answers. */
#ifndef DKV_SERVE_DIG_H
#define DKV_SERVE_DIG_H

#include "actors/kv/core/site/config.h"
#include "actors/kv/core/site/group.h"

/* Errors: HR_CORRUPT and HR_UNSUPPORTED (the message is not answered), HR_NO_MEMORY, the store's, those of
 * publishing. */
HR_MUST_CHECK enum hr_err dkv_serve_dig(const struct dkv_env *env, const struct dkv_config *config,
                                        const struct dkv_group *group,
                                        const struct dkv_message *message, struct hr_diag *diag);

#endif
