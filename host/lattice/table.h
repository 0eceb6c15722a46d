/* What the ports of a lattice's bus choose responders by: who is alive and serves what, as a snapshot that is
 * never changed once others can see it. A port keeps one and takes the next when the version has moved on; the
 * last one who lets go frees it.
 */
#ifndef HR_LATTICE_TABLE_H
#define HR_LATTICE_TABLE_H

#include <stdatomic.h>

#include "host/bus/index.h"
#include "host/lattice/announcement.h"

struct hr_lattice_table_host {
    uint64_t number; /* of this host since its start: never given to another */
    struct hr_lattice_announcement *said;
    uint64_t round_trip_ns; /* of pings, smoothed; 0 = not known */
    bool leaving;           /* serves nothing any more, but answers what it was asked before */
};

/* One subject that can be asked for at one host. */
struct hr_lattice_table_entry {
    struct hr_bus_index_entry entry;
    const struct hr_lattice_table_host *host;
    uint64_t key;         /* of host and pattern: what estimates are kept by */
    uint64_t pattern_key; /* of the pattern alone: for this host's own */
};

struct hr_lattice_table {
    _Atomic uint32_t refs;
    uint64_t version;
    bool connected; /* to NATS; else there are no hosts */
    uint32_t host_count;
    uint32_t entry_count;
    struct hr_lattice_table_host *hosts; /* by number */
    struct hr_lattice_table_entry *entries;
    struct hr_bus_index index; /* of @entries */
};

/* Calls back on @loop, soon, after each change of the table. Embedded. */
struct hr_lattice_watch {
    struct hr_list node;
    struct hr_task task;
    struct hr_loop *loop;
    struct hr_lattice *lattice;
    bool posted; /* under the lattice's lock */
    hr_task_cb cb;
    void *arg;
};

/* The version of the present table. Any thread, without a lock. */
uint64_t hr_lattice_table_version(const struct hr_lattice *lattice);
/* Returns own: hr_lattice_table_unref. Any thread. */
struct hr_lattice_table *hr_lattice_table_get(struct hr_lattice *lattice);
/* Any thread. Accepts NULL. */
void hr_lattice_table_unref(struct hr_lattice_table *table);
/* The host of @number, or NULL. */
const struct hr_lattice_table_host *hr_lattice_table_find(const struct hr_lattice_table *table,
                                                          uint64_t number);

/* Keeps @watch until hr_lattice_unwatch. Any thread. */
void hr_lattice_watch(struct hr_lattice *lattice, struct hr_lattice_watch *watch,
                      struct hr_loop *loop, hr_task_cb cb, void *arg);
/* False if the callback is still to run once, on the loop: @watch is free after that. On the loop's thread. */
HR_MUST_CHECK bool hr_lattice_unwatch(struct hr_lattice_watch *watch);
/* This host's id and the lattice's name: never changed. */
struct hr_str hr_lattice_host_id(const struct hr_lattice *lattice);
struct hr_str hr_lattice_name(const struct hr_lattice *lattice);

#endif
