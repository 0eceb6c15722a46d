/* A transaction in memory: reads go through it and are remembered, writes stay in it, and one commit
 * at its end checks that everything read is still so and stores what was written. Later readings
 * see earlier writes of the same transaction. What was prefetched and then not read is not checked.
 *
 * dkv_txn_undo takes back the writes since a mark; what was read since is still checked, because what
 * was found wrong with those writes hangs on it. dkv_txn_forget takes back the readings too. One
 * thread.
 * Must not know: what the values mean. */
#ifndef DKV_TXN_H
#define DKV_TXN_H

#include "actors/kv/core/env.h"

/* To begin with; there are more once they are worth it. */
#define DKV_TXN_SLOTS 256u

struct dkv_entry {
    struct dkv_entry *next_in_slot;
    struct dkv_entry *next; /* in the order of their coming */
    struct dkv_entry *read_before;
    struct hr_str key;
    uint64_t hash;
    struct dkv_value base; /* as stored; only if @base_known */
    struct dkv_value now;  /* as this transaction sees it */
    bool base_known;
    bool read; /* so the commit checks it */
    bool written;
};

struct dkv_undo;

struct dkv_txn {
    const struct dkv_env *env;
    struct hr_arena *arena;
    struct dkv_entry **slots;
    size_t slot_count;
    struct dkv_entry *first_slots[DKV_TXN_SLOTS];
    struct dkv_entry *first;
    struct dkv_entry **last;
    struct dkv_undo *undo;
    struct dkv_entry *last_read;
    size_t count;
    size_t ops; /* what dkv_txn_weigh gives; kept up, because it is asked for after every change */
    size_t bytes;
};

/* To go back to. */
struct dkv_txn_mark {
    struct dkv_undo *undo;
    struct dkv_entry *last_read;
};

/* Keeps @env and @arena until the transaction is forgotten; everything lives in @arena. */
void dkv_txn_init(struct dkv_txn *txn, const struct dkv_env *env, struct hr_arena *arena);
/* Reads all @keys in one call of the env, so that dkv_txn_get need not. Keeps the keys.
 * Errors: HR_NO_MEMORY (also: a key without a pointer), the store's. */
HR_MUST_CHECK enum hr_err dkv_txn_prefetch(struct dkv_txn *txn, const struct hr_str *keys,
                                           size_t count, struct hr_diag *diag);
/* What @key holds: as written here, else as stored. Keeps the key. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_txn_get(struct dkv_txn *txn, struct hr_str key,
                                      struct dkv_value *ret_value, struct hr_diag *diag);
/* Says that @key holds @value now: read before, or known; the commit checks it. */
HR_MUST_CHECK enum hr_err dkv_txn_expect(struct dkv_txn *txn, struct hr_str key,
                                         struct dkv_value value);
/* Keeps key and value. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_txn_put(struct dkv_txn *txn, struct hr_str key, struct hr_str value);
HR_MUST_CHECK enum hr_err dkv_txn_delete(struct dkv_txn *txn, struct hr_str key);
/* What was written to @key here; NULL if nothing was. */
const struct dkv_entry *dkv_txn_written(const struct dkv_txn *txn, struct hr_str key);

struct dkv_txn_mark dkv_txn_mark(const struct dkv_txn *txn);
void dkv_txn_undo(struct dkv_txn *txn, struct dkv_txn_mark mark);
void dkv_txn_forget(struct dkv_txn *txn, struct dkv_txn_mark mark);

/* Checks, puts and deletes so far, and the bytes of their keys and values. */
void dkv_txn_weigh(const struct dkv_txn *txn, size_t *ret_ops, size_t *ret_bytes);
/* The commit that does it all; lives in the arena. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_txn_commit(const struct dkv_txn *txn, struct dkv_commit *ret_commit);

#endif
