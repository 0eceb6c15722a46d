/* On how many of how many sites a write is durable when its reply goes out. Must not know: replies. */
#ifndef DKV_ACKS_H
#define DKV_ACKS_H

#include <stdint.h>

#include "actors/kv/core/config.h"

struct dkv_acks {
    uint32_t acks;
    uint32_t sites;
};

/* A commit's own site is the only one that has it: nothing is replicated yet. */
struct dkv_acks dkv_acks_of_commit(const struct dkv_config *config);

#endif
