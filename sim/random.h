/* Repeatable random numbers (splitmix64, Steele et al. 2014). Each part of a world has a stream of
 * its own, so that what one part draws does not move what the others draw. One thread. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

/* The stream number @stream of @seed. */
struct sim_random sim_random_of(uint64_t seed, uint64_t stream);
uint64_t sim_random_next(struct sim_random *random);
/* 0 to @below - 1; 0 if @below is 0. */
uint64_t sim_random_below(struct sim_random *random, uint64_t below);
/* @low to @high, both included. */
uint64_t sim_random_range(struct sim_random *random, uint64_t low, uint64_t high);
/* True @of_million times of a million. */
bool sim_random_chance(struct sim_random *random, uint64_t of_million);
/* True @percent times of a hundred. */
bool sim_random_coin(struct sim_random *random, uint32_t percent);
/* @low to @high, small ones as often as large ones: evenly in the number of binary digits. */
uint64_t sim_random_scaled(struct sim_random *random, uint64_t low, uint64_t high);
void sim_random_bytes(struct sim_random *random, void *ret_bytes, size_t len);

#endif
