/* Replies as docs/protocol.md has them. Stateless. Must not know: the store. */
#ifndef DKV_REPLY_H
#define DKV_REPLY_H

#include "actors/kv/core/acks.h"
#include "actors/kv/core/answer.h"
#include "actors/kv/core/config.h"

/* The JSON of @answer; lives in @arena. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_reply_write(const struct dkv_config *config, struct dkv_acks acks,
                                          const struct dkv_answer *answer, struct hr_arena *arena,
                                          struct hr_str *ret_body);
/* Whether @err is ours to look at, not the client's doing. */
bool dkv_reply_is_fault(enum hr_err err);

#endif
