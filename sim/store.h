/* A site's store: an ordered map whose commits are atomic, and what becomes of it. It is always as the
 * process that holds it sees it; what of it lies on a disk is a matter of time:
 *
 *   sync    every commit is on the disk when it is done
 *   lazy    what was done since the last sim_store_sync is gone after sim_store_crash
 *
 * Whoever watches is told of each key that changes, also when it changes back. One thread. Must not
 * know: what keys and values mean. */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actors/kv/core/env.h"
#include "sim/events.h"

/* Why a key has another value now. */
enum sim_change { SIM_CHANGE_COMMIT, SIM_CHANGE_LOST, SIM_CHANGE_FORGED };

/* A key and its value, never altered. */
struct sim_item {
    uint32_t refs;
    uint32_t key_len;
    size_t value_len;
    char bytes[]; /* key, then value */
};

static inline struct hr_str sim_item_key(const struct sim_item *item)
{
    return hr_str_of(item->bytes, item->key_len);
}

static inline struct hr_str sim_item_value(const struct sim_item *item)
{
    return hr_str_of(item->bytes + item->key_len, item->value_len);
}

/* @now: the key's item, or NULL if it is gone. */
typedef void (*sim_store_watch)(void *arg, enum sim_change why, struct hr_str key,
                                const struct sim_item *now);

/* How a store was at some moment. */
struct sim_backup {
    struct sim_item **items;
    size_t count;
};

struct sim_undo;

struct sim_store {
    struct sim_item **items; /* in the order of their keys */
    size_t count;
    size_t cap;
    size_t bytes; /* of keys and values */
    bool lazy;
    struct sim_undo *undo; /* of a lazy one: oldest first */
    size_t undo_count;
    size_t undo_cap;
    sim_store_watch watch;
    void *arg;
};

void sim_store_init(struct sim_store *store, bool lazy, sim_store_watch watch, void *arg);
void sim_store_release(struct sim_store *store);
/* The item of @key, or NULL. Owns: borrowed until the store changes. */
const struct sim_item *sim_store_get(const struct sim_store *store, struct hr_str key);
/* Index of the first key that is not below @key. */
size_t sim_store_at(const struct sim_store *store, struct hr_str key);
/* As env.h has it: HR_OK, or HR_CONFLICT with *@ret_conflict. */
enum hr_err sim_store_commit(struct sim_store *store, const struct dkv_commit *commit, sim_us now,
                             size_t *ret_conflict);
/* Everything done up to @upto is on the disk. */
void sim_store_sync(struct sim_store *store, sim_us upto);
/* The process dies. Returns how many changes of keys are gone. */
size_t sim_store_crash(struct sim_store *store);
/* The disk is lost. */
void sim_store_clear(struct sim_store *store);
void sim_store_save(const struct sim_store *store, struct sim_backup *ret_backup);
/* Takes the place of what is there; @backup is empty afterwards. */
void sim_store_restore(struct sim_store *store, struct sim_backup *backup);
void sim_backup_release(struct sim_backup *backup);
/* Puts a value behind everybody's back. */
void sim_store_forge(struct sim_store *store, struct hr_str key, struct hr_str value);

#endif
