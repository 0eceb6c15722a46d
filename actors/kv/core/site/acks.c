/* Counting of acknowledgements. */
#include "actors/kv/core/site/acks.h"

uint32_t dkv_acks_needed(const struct dkv_config *config, uint32_t known, uint32_t alive)
{
    switch (config->wants) {
    case DKV_WANTS_MAJORITY:
        return known / 2 + 1;
    case DKV_WANTS_ALL:
        return alive;
    case DKV_WANTS_NUMBER:
        break;
    }
    return config->wanted_acks < alive ? config->wanted_acks : alive;
}
