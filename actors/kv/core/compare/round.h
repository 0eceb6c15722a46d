/* The comparison that goes on all the time: in each tick an active site compares a few leaves of the index with
 * one other active site, looks whether its own index is right, and repairs what is not (repair.h).
 *
 * Whose turn it is follows from the wall clock and from how many values there are, so that nothing has to be
 * remembered: time is cut into slots of DKV_ROUND_SLOT_MS, a round has as many slots as the leaves have
 * slices, and each round is with another site. A slice has about DKV_ROUND_RECORDS records at most. In
 * each round the slices come in another order, so that a site whose ticks are slow, and which sees only every
 * other or third slot, comes to all of them too. A small bucket is compared whole in DKV_ROUND_SLICES_MIN slots.
 * Must not know: what is done about differences. */
#ifndef DKV_ROUND_H
#define DKV_ROUND_H

#include "actors/kv/core/site/holdings.h"

#define DKV_ROUND_SLOT_MS 500u
#define DKV_ROUND_SLICES_MIN 16u
#define DKV_ROUND_RECORDS 1000u
/* Records that are looked up in the index in one slot, in the order of their names. */
#define DKV_ROUND_LOOKUPS 64u

/* Which leaves, and which of @others sites (0 based), are compared in @slot. */
struct dkv_turn {
    uint32_t leaf;
    uint32_t leaf_count;
    size_t other;
};

struct dkv_turn dkv_round_turn(uint64_t slot, uint64_t values, unsigned leaf_bits, size_t others);
/* One slot's work. @holdings NULL: the site is alone, and looks at its index only. What goes wrong is logged,
 * and left for another round. */
void dkv_round_step(const struct dkv_tick *tick, const struct dkv_holdings *holdings);

#endif
