/* splitmix64. */
#include "sim/random.h"

#include <string.h>

#define GOLDEN 0x9E3779B97F4A7C15u

uint64_t sim_random_next(struct sim_random *random)
{
    random->state += GOLDEN;
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

struct sim_random sim_random_of(uint64_t seed, uint64_t stream)
{
    struct sim_random mixed = {seed};
    uint64_t first = sim_random_next(&mixed);
    mixed.state = first ^ (stream * 0xD1342543DE82EF95u);
    return (struct sim_random){sim_random_next(&mixed)};
}

uint64_t sim_random_below(struct sim_random *random, uint64_t below)
{
    uint64_t drawn = sim_random_next(random);
    return below == 0 ? 0 : drawn % below;
}

uint64_t sim_random_range(struct sim_random *random, uint64_t low, uint64_t high)
{
    return low + sim_random_below(random, high - low + 1);
}

bool sim_random_chance(struct sim_random *random, uint64_t of_million)
{
    return of_million > 0 && sim_random_below(random, 1000000) < of_million;
}

bool sim_random_coin(struct sim_random *random, uint32_t percent)
{
    return sim_random_chance(random, (uint64_t)percent * 10000);
}

uint64_t sim_random_scaled(struct sim_random *random, uint64_t low, uint64_t high)
{
    unsigned digits = 0;
    for (uint64_t span = high - low; span > 0; span >>= 1) {
        digits++;
    }
    uint64_t shift = sim_random_below(random, (uint64_t)digits + 1);
    uint64_t span = shift == 0 ? 0 : ((uint64_t)1 << (shift - 1)) * 2 - 1;
    uint64_t drawn = low + sim_random_below(random, span + 1);
    return drawn > high ? high : drawn;
}

void sim_random_bytes(struct sim_random *random, void *ret_bytes, size_t len)
{
    unsigned char *bytes = ret_bytes;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t drawn = sim_random_next(random);
        size_t part = len - i < 8 ? len - i : 8;
        for (size_t j = 0; j < part; j++) {
            bytes[i + j] = (unsigned char)(drawn >> (8 * j));
        }
    }
}
