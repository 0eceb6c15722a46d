/* What a bus counts about itself, whichever implementation: struct hr_bus_stats as any thread may
 * raise it. */
#ifndef HR_BUS_COUNTERS_H
#define HR_BUS_COUNTERS_H

#include <stdatomic.h>

#include "host/bus/bus.h"

struct hr_bus_counters {
    _Atomic uint64_t published;
    _Atomic uint64_t delivered;
    _Atomic uint64_t dropped;
    _Atomic uint64_t requests;
    _Atomic uint64_t timeouts;
    _Atomic uint64_t no_responders;
    _Atomic uint64_t subscriptions;
    _Atomic uint64_t pending;
};

static inline void hr_bus_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline uint64_t hr_bus_count_of(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void hr_bus_counters_read(struct hr_bus_counters *counters,
                                        struct hr_bus_stats *ret_stats)
{
    *ret_stats = (struct hr_bus_stats){
        .published = hr_bus_count_of(&counters->published),
        .delivered = hr_bus_count_of(&counters->delivered),
        .dropped = hr_bus_count_of(&counters->dropped),
        .requests = hr_bus_count_of(&counters->requests),
        .timeouts = hr_bus_count_of(&counters->timeouts),
        .no_responders = hr_bus_count_of(&counters->no_responders),
        .subscriptions = hr_bus_count_of(&counters->subscriptions),
        .pending = hr_bus_count_of(&counters->pending),
    };
}

#endif
