/* On how many of how many sites a write is durable when its reply goes out, and how many it takes:
 *
 *   a number    so many, or all that are alive if those are fewer
 *   majority    more than half of all sites that are known; one that is gone still counts as a site, so
 *               that of two halves that do not see each other one at most goes on
 *   all         all that are alive
 *
 * Stateless. Must not know: replies. */
#ifndef DKV_ACKS_H
#define DKV_ACKS_H

#include <stdint.h>

#include "actors/kv/core/site/config.h"

struct dkv_acks {
    uint32_t acks;
    uint32_t sites;
};

/* How many sites have to hold a write, of @known ones of which @alive are; all with this one. */
uint32_t dkv_acks_needed(const struct dkv_config *config, uint32_t known, uint32_t alive);

#endif
