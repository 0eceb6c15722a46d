/* Arithmetic of the hybrid logical clock. */
#include "actors/kv/core/format/clock.h"

#define COUNTER_BITS 16

dkv_hlc dkv_clock_lift(dkv_hlc now, dkv_wall_ms wall)
{
    dkv_hlc from_wall = wall <= DKV_WALL_MS_MAX ? wall << COUNTER_BITS : 0;
    return from_wall > now ? from_wall : now;
}

enum hr_err dkv_clock_next(dkv_hlc now, dkv_hlc floor, dkv_wall_ms wall, dkv_hlc *ret_next)
{
    dkv_hlc newest = floor > now ? floor : now;
    if (newest == UINT64_MAX) {
        return HR_CORRUPT;
    }
    *ret_next = dkv_clock_lift(newest + 1, wall);
    return HR_OK;
}

dkv_wall_ms dkv_clock_ms(dkv_hlc clock)
{
    return clock >> COUNTER_BITS;
}

uint64_t dkv_clock_ahead_ms(dkv_hlc now, dkv_wall_ms wall)
{
    uint64_t now_ms = dkv_clock_ms(now);
    return now_ms > wall ? now_ms - wall : 0;
}
