/* Runs that follow from a seed: DKV_SEED does one, DKV_RUNS as many as it says. Include it once a program. */
#ifndef TEST_DKV_SEEDS_H
#define TEST_DKV_SEEDS_H

#include "dice.h"

static uint64_t last_seed;

static inline void do_one_seed(uint64_t seed, void (*run)(uint64_t seed))
{
    last_seed = seed;
    run(seed);
}

/* @count seeds from 1 on, or after a random one if HEDGEROW_TEST_SEED is set. */
static inline void do_seeds(const char *name, uint64_t count, void (*run)(uint64_t seed))
{
    const char *given = getenv("DKV_SEED");
    const char *runs = getenv("DKV_RUNS");
    if (given) {
        do_one_seed(strtoull(given, NULL, 10), run);
        return;
    }
    struct dice dice = dice_from(name);
    uint64_t base = runs || !getenv("HEDGEROW_TEST_SEED") ? 0 : dice_roll(&dice, 1u << 30);
    for (uint64_t i = 1; i <= (runs ? strtoull(runs, NULL, 10) : count); i++) {
        do_one_seed(base + i, run);
    }
}

/* A teardown that says which run failed. */
static inline int tell_seed(void **state)
{
    (void)state;
    print_message("the last run was DKV_SEED=%llu\n", (unsigned long long)last_seed);
    return 0;
}

#endif
