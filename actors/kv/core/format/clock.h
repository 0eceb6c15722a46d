/* The hybrid logical clock: wall milliseconds in the upper 48 bits, a counter in the lower 16, so
 * that one more than any value is the next one, and a full counter carries into the milliseconds.
 * It never goes back, whatever the wall clock does. Stateless: the value lives in m/ctr.
 * Must not know: where the wall's time comes from. */
#ifndef DKV_CLOCK_H
#define DKV_CLOCK_H

#include <stdint.h>

#include "actors/kv/core/env.h"
#include "base/err.h"

typedef uint64_t dkv_hlc;

/* How far a clock may be ahead of the wall before somebody should look. */
#define DKV_DRIFT_MS_MAX 500u
/* 48 bits of milliseconds: the year 10889. */
#define DKV_WALL_MS_MAX (((dkv_wall_ms)1 << 48) - 1)

/* The clock of a new event: above @now and @floor, and not below the wall's time.
 * Errors: HR_CORRUPT if a clock is at its end, which no real time is. */
HR_MUST_CHECK enum hr_err dkv_clock_next(dkv_hlc now, dkv_hlc floor, dkv_wall_ms wall,
                                         dkv_hlc *ret_next);
/* @now, lifted to the wall's time if that is later. A wall that is out of range is ignored. */
dkv_hlc dkv_clock_lift(dkv_hlc now, dkv_wall_ms wall);
/* The milliseconds in a clock. */
dkv_wall_ms dkv_clock_ms(dkv_hlc clock);
/* Milliseconds by which @now is ahead of the wall; 0 if it is not. */
uint64_t dkv_clock_ahead_ms(dkv_hlc now, dkv_wall_ms wall);

#endif
