/* Repeatable random numbers for tests (xorshift64*). A test that uses them prints its seed, and takes
 * the one in HEDGEROW_TEST_SEED instead, so that a failure can be had again. */
#ifndef DICE_H
#define DICE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct dice {
    uint64_t state;
};

static inline struct dice dice_from(const char *name)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const char *given = getenv("HEDGEROW_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_nsec;
    printf("%s: HEDGEROW_TEST_SEED=%llu\n", name, (unsigned long long)seed);
    return (struct dice){(seed + 1) * 0x9E3779B97F4A7C15u | 1};
}

/* A number from 0 to @below - 1. */
static inline uint64_t dice_roll(struct dice *dice, uint64_t below)
{
    dice->state ^= dice->state >> 12;
    dice->state ^= dice->state << 25;
    dice->state ^= dice->state >> 27;
    return (dice->state * 0x2545F4914F6CDD1Du >> 16) % below;
}

#endif
