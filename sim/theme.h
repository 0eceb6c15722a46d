/* Themes: worlds in which several things go wrong one after the other, as a bug needs them to. What a seed draws at
 * random has each of these things, and rarely in such an order. Three of ten seeds have a theme; it changes what the
 * seed has drawn, out of a stream of its own, so that the others are as they were. */
#ifndef SIM_THEME_H
#define SIM_THEME_H

#include "sim/random.h"
#include "sim/shape.h"

/* Draws the theme and what follows from it. @sites: how many sites there have to be, 0: as the theme has it. */
void sim_theme_draw(struct sim_shape *shape, struct sim_random *random, uint32_t sites);

#endif
