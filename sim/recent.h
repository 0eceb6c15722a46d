/* What a host remembers of its newest commits to a lazy store, as host/kv/redis_recent.c does: the names of the keys that
 * each put, and once the store has died and come back, which of the commits lack one of them. It does not look whether
 * somebody deleted such a key later, so it takes more for lost than a host does: what the core is told may be
 * wrong in this way (env.h). One thread. Must not know: what keys mean. */
#ifndef SIM_RECENT_H
#define SIM_RECENT_H

#include "sim/store.h"

/* More than a store is behind its disk, less than a host remembers. */
#define SIM_RECENT_US (4 * SIM_S)

struct sim_recent_commit {
    sim_us at;
    uint64_t id;
    struct hr_str *keys; /* in one allocation with their bytes; owned */
    size_t count;
    bool lost;
};

struct sim_recent {
    struct sim_recent_commit *commits; /* in the order of their ids */
    size_t count;
    size_t cap;
    uint64_t id; /* of the last one */
};

void sim_recent_note(struct sim_recent *recent, const struct dkv_commit *commit, sim_us now);
/* @store has come back: what it lacks is lost, and nothing else is remembered any more. */
void sim_recent_judge(struct sim_recent *recent, const struct sim_store *store);
bool sim_recent_has_lost(const struct sim_recent *recent);
/* As env.h has it. */
enum hr_err sim_recent_page(const struct sim_recent *recent, uint64_t after, struct hr_arena *arena,
                            struct dkv_lost_page *ret_page);
/* The commit of this id that is lost, or NULL. */
const struct sim_recent_commit *sim_recent_find(const struct sim_recent *recent, uint64_t id);
void sim_recent_forget(struct sim_recent *recent, uint64_t id);
void sim_recent_release(struct sim_recent *recent);

#endif
