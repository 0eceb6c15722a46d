/* Entries in a hash table and, for an order that does not hang on hashes, in a list. */
#include "actors/kv/core/site/txn.h"

struct dkv_undo {
    struct dkv_undo *before;
    struct dkv_entry *entry;
    struct dkv_value now;
    bool written;
};

/* Odd, its bits in no order: the golden ratio's. */
#define HASH_FACTOR UINT64_C(0x9e3779b97f4a7c15)

void dkv_txn_init(struct dkv_txn *txn, const struct dkv_env *env, struct hr_arena *arena)
{
    *txn = (struct dkv_txn){.env = env, .arena = arena, .slot_count = DKV_TXN_SLOTS};
    txn->slots = txn->first_slots;
    txn->last = &txn->first;
}

/* A quick hash, made about fifteen times for each change. Whoever chooses names so that they share a slot makes one
 * commit slower, which is bounded by what goes into it; a better hash with a key that everybody can read would not
 * keep him from it. */
static uint64_t hash_of(struct hr_str key)
{
    uint64_t hash = key.len;
    size_t i = 0;
    for (; key.len - i >= sizeof hash; i += sizeof hash) {
        uint64_t word;
        memcpy(&word, key.ptr + i, sizeof word);
        hash = (hash ^ word) * HASH_FACTOR;
        hash ^= hash >> 32;
    }
    for (; i < key.len; i++) {
        hash = (hash ^ (unsigned char)key.ptr[i]) * HASH_FACTOR;
    }
    return hash ^ hash >> 29;
}

static struct dkv_entry **slot_of(const struct dkv_txn *txn, uint64_t hash)
{
    return &txn->slots[hash % txn->slot_count];
}

/* More slots, so that few entries share one. Without memory for them it goes on as it is. */
static void spread(struct dkv_txn *txn)
{
    size_t count = 8 * txn->slot_count;
    struct dkv_entry **slots = hr_arena_alloc(txn->arena, count * sizeof(struct dkv_entry *));
    if (!slots) {
        return;
    }
    memset(slots, 0, count * sizeof(struct dkv_entry *));
    txn->slots = slots;
    txn->slot_count = count;
    for (struct dkv_entry *entry = txn->first; entry; entry = entry->next) {
        struct dkv_entry **slot = slot_of(txn, entry->hash);
        entry->next_in_slot = *slot;
        *slot = entry;
    }
}

static struct dkv_entry *find_hashed(const struct dkv_txn *txn, struct hr_str key, uint64_t hash)
{
    struct dkv_entry *entry = *slot_of(txn, hash);
    while (entry && (entry->hash != hash || !hr_str_eq(entry->key, key))) {
        entry = entry->next_in_slot;
    }
    return entry;
}

static struct dkv_entry *find(const struct dkv_txn *txn, struct hr_str key)
{
    return find_hashed(txn, key, hash_of(key));
}

/* The entry of @key, made if there is none; NULL when memory is out. */
static struct dkv_entry *entry_of(struct dkv_txn *txn, struct hr_str key)
{
    if (!key.ptr) {
        return NULL;
    }
    uint64_t hash = hash_of(key);
    struct dkv_entry *entry = find_hashed(txn, key, hash);
    if (entry) {
        return entry;
    }
    entry = hr_arena_alloc(txn->arena, sizeof *entry);
    if (entry && txn->count >= 2 * txn->slot_count) {
        spread(txn);
    }
    if (entry) {
        struct dkv_entry **slot = slot_of(txn, hash);
        *entry = (struct dkv_entry){.key = key, .hash = hash, .next_in_slot = *slot};
        *slot = entry;
        *txn->last = entry;
        txn->last = &entry->next;
        txn->count++;
    }
    return entry;
}

/* Whatever changes what @entry weighs stands between these two. */
static void take_off(struct dkv_txn *txn, const struct dkv_entry *entry)
{
    if (entry->read) {
        txn->ops--;
        txn->bytes -= entry->key.len + entry->base.bytes.len;
    }
    if (entry->written) {
        txn->ops--;
        txn->bytes -= entry->key.len + entry->now.bytes.len;
    }
}

static void put_on(struct dkv_txn *txn, const struct dkv_entry *entry)
{
    if (entry->read) {
        txn->ops++;
        txn->bytes += entry->key.len + entry->base.bytes.len;
    }
    if (entry->written) {
        txn->ops++;
        txn->bytes += entry->key.len + entry->now.bytes.len;
    }
}

static void learn(struct dkv_txn *txn, struct dkv_entry *entry, struct dkv_value value)
{
    take_off(txn, entry);
    entry->base = value;
    entry->base_known = true;
    if (!entry->written) {
        entry->now = value;
    }
    put_on(txn, entry);
}

static void note_read(struct dkv_txn *txn, struct dkv_entry *entry)
{
    if (!entry->read) {
        take_off(txn, entry);
        entry->read = true;
        entry->read_before = txn->last_read;
        txn->last_read = entry;
        put_on(txn, entry);
    }
}

enum hr_err dkv_txn_prefetch(struct dkv_txn *txn, const struct hr_str *keys, size_t count,
                             struct hr_diag *diag)
{
    struct dkv_value *values = hr_arena_alloc(txn->arena, count * sizeof *values);
    struct hr_str *wanted = hr_arena_alloc(txn->arena, count * sizeof *wanted);
    if (!values || !wanted) {
        return HR_NO_MEMORY;
    }
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct dkv_entry *entry = entry_of(txn, keys[i]);
        if (!entry) {
            return HR_NO_MEMORY;
        }
        if (!entry->base_known) {
            wanted[n++] = keys[i];
        }
    }
    enum hr_err err =
        n > 0 ? txn->env->get_many(txn->env->arg, wanted, n, txn->arena, values, diag) : HR_OK;
    for (size_t i = 0; !err && i < n; i++) {
        struct dkv_entry *entry = find(txn, wanted[i]);
        /* A key that was asked for twice keeps its first reading. */
        if (!entry->base_known) {
            learn(txn, entry, values[i]);
        }
    }
    return err;
}

enum hr_err dkv_txn_get(struct dkv_txn *txn, struct hr_str key, struct dkv_value *ret_value,
                        struct hr_diag *diag)
{
    struct dkv_entry *entry = entry_of(txn, key);
    if (!entry) {
        return HR_NO_MEMORY;
    }
    if (!entry->base_known && !entry->written) {
        struct dkv_value value;
        enum hr_err err = txn->env->get_many(txn->env->arg, &key, 1, txn->arena, &value, diag);
        if (err) {
            return err;
        }
        learn(txn, entry, value);
    }
    if (entry->base_known) {
        note_read(txn, entry);
    }
    *ret_value = entry->now;
    return HR_OK;
}

enum hr_err dkv_txn_expect(struct dkv_txn *txn, struct hr_str key, struct dkv_value value)
{
    struct dkv_entry *entry = entry_of(txn, key);
    if (!entry) {
        return HR_NO_MEMORY;
    }
    learn(txn, entry, value);
    note_read(txn, entry);
    return HR_OK;
}

static enum hr_err write(struct dkv_txn *txn, struct hr_str key, struct dkv_value value)
{
    struct dkv_entry *entry = entry_of(txn, key);
    struct dkv_undo *undo = hr_arena_alloc(txn->arena, sizeof *undo);
    if (!entry || !undo) {
        return HR_NO_MEMORY;
    }
    *undo = (struct dkv_undo){txn->undo, entry, entry->now, entry->written};
    txn->undo = undo;
    take_off(txn, entry);
    entry->now = value;
    entry->written = true;
    put_on(txn, entry);
    return HR_OK;
}

enum hr_err dkv_txn_put(struct dkv_txn *txn, struct hr_str key, struct hr_str value)
{
    return write(txn, key, (struct dkv_value){.bytes = value, .present = true});
}

enum hr_err dkv_txn_delete(struct dkv_txn *txn, struct hr_str key)
{
    return write(txn, key, (struct dkv_value){0});
}

const struct dkv_entry *dkv_txn_written(const struct dkv_txn *txn, struct hr_str key)
{
    struct dkv_entry *entry = find(txn, key);
    return entry && entry->written ? entry : NULL;
}

struct dkv_txn_mark dkv_txn_mark(const struct dkv_txn *txn)
{
    return (struct dkv_txn_mark){txn->undo, txn->last_read};
}

void dkv_txn_undo(struct dkv_txn *txn, struct dkv_txn_mark mark)
{
    while (txn->undo != mark.undo) {
        struct dkv_undo *undo = txn->undo;
        take_off(txn, undo->entry);
        undo->entry->now = undo->now;
        undo->entry->written = undo->written;
        put_on(txn, undo->entry);
        txn->undo = undo->before;
    }
}

void dkv_txn_forget(struct dkv_txn *txn, struct dkv_txn_mark mark)
{
    dkv_txn_undo(txn, mark);
    while (txn->last_read != mark.last_read) {
        struct dkv_entry *entry = txn->last_read;
        take_off(txn, entry);
        entry->read = false;
        put_on(txn, entry);
        txn->last_read = entry->read_before;
    }
}

void dkv_txn_weigh(const struct dkv_txn *txn, size_t *ret_ops, size_t *ret_bytes)
{
    *ret_ops = txn->ops;
    *ret_bytes = txn->bytes;
}

enum hr_err dkv_txn_commit(const struct dkv_txn *txn, struct dkv_commit *ret_commit)
{
    struct dkv_check *checks = hr_arena_alloc(txn->arena, txn->count * sizeof *checks);
    struct dkv_pair *puts = hr_arena_alloc(txn->arena, txn->count * sizeof *puts);
    struct hr_str *deletes = hr_arena_alloc(txn->arena, txn->count * sizeof *deletes);
    if (!checks || !puts || !deletes) {
        return HR_NO_MEMORY;
    }
    struct dkv_commit commit = {.checks = checks, .puts = puts, .deletes = deletes};
    for (const struct dkv_entry *entry = txn->first; entry; entry = entry->next) {
        if (entry->read) {
            checks[commit.check_count++] = (struct dkv_check){entry->key, entry->base};
        }
        if (entry->written && entry->now.present) {
            puts[commit.put_count++] = (struct dkv_pair){entry->key, entry->now.bytes};
        } else if (entry->written) {
            deletes[commit.delete_count++] = entry->key;
        }
    }
    *ret_commit = commit;
    return HR_OK;
}
