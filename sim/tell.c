/* Formats: docs/storage.md. */
#include "sim/tell.h"

#include "sim/known.h"
#include "sim/trace.h"

static uint64_t number(struct hr_str value, size_t at, size_t bytes)
{
    return at + bytes <= value.len ? sim_known_be(value.ptr + at, bytes) : 0;
}

static void tell_progress(struct sim_world *world, uint32_t site, struct hr_str key,
                          struct hr_str value)
{
    uint64_t prefix = number(value, 1, 8);
    sim_trace_say(
        world, site, "%.*s: %llu, high %llu, clock %016llx, sealed %llu at %llu, feed from %llu",
        SIM_ARG(key), (unsigned long long)prefix,
        (unsigned long long)(value.ptr[0] == 2 ? number(value, 34, 8) : prefix),
        (unsigned long long)number(value, 9, 8), (unsigned long long)number(value, 17, 1),
        (unsigned long long)number(value, 18, 8), (unsigned long long)number(value, 26, 8));
}

static void tell_item(struct sim_world *world, uint32_t site, const struct sim_item *item)
{
    struct hr_str key = sim_item_key(item);
    struct hr_str value = sim_item_value(item);
    if (hr_str_starts(key, HR_STR("v/"))) {
        tell_progress(world, site, key, value);
    } else if (hr_str_starts(key, HR_STR("h/"))) {
        sim_trace_say(world, site, "%.*s: heard of %012llx, out up to %012llx%s", SIM_ARG(key),
                      (unsigned long long)number(value, 1, 8),
                      (unsigned long long)number(value, 9, 8),
                      number(value, 25, 1) ? ", doubtful" : "");
    } else if (hr_str_eq(key, HR_STR("m/self"))) {
        sim_trace_say(
            world, site, "m/self: origin %016llx, state %llu, class %llu, since %012llx",
            (unsigned long long)number(value, 17, 8), (unsigned long long)number(value, 41, 1),
            (unsigned long long)number(value, 42, 1), (unsigned long long)number(value, 43, 8));
    } else if (hr_str_eq(key, HR_STR("m/tally"))) {
        sim_trace_say(
            world, site,
            "m/tally: %llu values, litter %llu, made %016llx, pass %016llx, done %016llx",
            (unsigned long long)number(value, 2, 8), (unsigned long long)number(value, 26, 8),
            (unsigned long long)number(value, 34, 8), (unsigned long long)number(value, 42, 8),
            (unsigned long long)number(value, 50, 8));
    } else if (hr_str_eq(key, HR_STR("m/S"))) {
        sim_trace_say(world, site, "m/S: collected %016llx, floor %016llx, low %016llx",
                      (unsigned long long)number(value, 1, 8),
                      (unsigned long long)number(value, 9, 8),
                      (unsigned long long)number(value, 17, 8));
    }
}

void sim_tell_stores(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        const struct sim_store *store = &world->sites[i].store;
        for (size_t at = 0; at < store->count; at++) {
            tell_item(world, i, store->items[at]);
        }
    }
}
