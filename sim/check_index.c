/* Claim: the index names each record that a site's store has, and nothing else, at any moment; a store that is being
 * deleted apart.
 *
 * Formats: docs/storage.md. */
#include "sim/model.h"
#include "sim/trace.h"

#define NAME_AT 7u /* behind k/<leaf>/ */

/* The number of a key's name, SIM_KEYS_MAX if it is none of the clients'. */
static uint64_t number_of(struct hr_str name)
{
    uint64_t key;
    bool sound = hr_str_starts(name, HR_STR("k")) && hr_str_to_u64(hr_str_from(name, 1), &key) &&
                 key < SIM_KEYS_MAX;
    return sound ? key : SIM_KEYS_MAX;
}

void sim_check_index(struct sim_world *world, const struct sim_site *site)
{
    const struct sim_store *store = &site->store;
    bool named[SIM_KEYS_MAX + 1] = {0};
    bool there[SIM_KEYS_MAX + 1] = {0};
    if (!sim_store_get(store, HR_STR("m/ctr")) || sim_store_get(store, HR_STR("m/wipe"))) {
        return;
    }
    for (size_t i = sim_store_at(store, HR_STR("k/")); i < sim_store_at(store, HR_STR("k0")); i++) {
        named[number_of(hr_str_from(sim_item_key(store->items[i]), NAME_AT))] = true;
    }
    for (size_t i = sim_store_at(store, HR_STR("r/")); i < sim_store_at(store, HR_STR("r0")); i++) {
        there[number_of(hr_str_from(sim_item_key(store->items[i]), 2))] = true;
    }
    for (uint32_t key = 0; key < SIM_KEYS_MAX && !world->failed; key++) {
        if (named[key] != there[key]) {
            sim_trace_fail(world, "%s: %s", site->name,
                           there[key] ? "a record is not named in the index"
                                      : "the index names a record that is not there");
        }
    }
}
