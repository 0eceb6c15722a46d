/* What one invocation may take: messages at once, memory, tries and time. */
#ifndef DKV_LIMITS_H
#define DKV_LIMITS_H

#include "actors/kv/core/env.h"

#define DKV_BATCH_MAX 64u
/* Attempts at one commit that others overtake, and the time for them: well within the time that a
 * host gives an invocation. */
#define DKV_WRITE_TRIES_MAX 64u
#define DKV_WRITE_MS_MAX ((dkv_mono_ms)5000)
/* Bodies that one attempt holds in memory. */
#define DKV_RUN_BYTES_MAX ((size_t)1 << 20)
#define DKV_ARENA_BYTES_MAX ((size_t)64 << 20)

#endif
