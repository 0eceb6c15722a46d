/* A sorted array of shared items: thousands of keys, short enough to be moved. */
#include "sim/store.h"

#include <string.h>

#include "base/alloc.h"
#include "sim/memory.h"

/* What a key held before. Changes of one commit have one number. */
struct sim_undo {
    sim_us at;
    struct sim_item *named; /* has the key */
    struct sim_item *old;   /* NULL: there was none */
};

static struct sim_item *item_new(struct hr_str key, struct hr_str value)
{
    struct sim_item *item = sim_alloc(sizeof *item + key.len + value.len + 1);
    item->refs = 1;
    item->key_len = (uint32_t)key.len;
    item->value_len = value.len;
    memcpy(item->bytes, key.ptr, key.len);
    if (value.len > 0) {
        memcpy(item->bytes + key.len, value.ptr, value.len);
    }
    return item;
}

static struct sim_item *ref(struct sim_item *item)
{
    if (item) {
        item->refs++;
    }
    return item;
}

static void unref(struct sim_item *item)
{
    if (item && --item->refs == 0) {
        hr_free(item);
    }
}

void sim_store_init(struct sim_store *store, bool lazy, sim_store_watch watch, void *arg)
{
    *store = (struct sim_store){.lazy = lazy, .watch = watch, .arg = arg};
}

static void forget_undo(struct sim_store *store, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unref(store->undo[i].named);
        unref(store->undo[i].old);
    }
    if (count > 0) {
        memmove(store->undo, store->undo + count,
                (store->undo_count - count) * sizeof *store->undo);
        store->undo_count -= count;
    }
}

void sim_store_release(struct sim_store *store)
{
    forget_undo(store, store->undo_count);
    hr_free(store->undo);
    for (size_t i = 0; i < store->count; i++) {
        unref(store->items[i]);
    }
    hr_free(store->items);
    *store = (struct sim_store){0};
}

size_t sim_store_at(const struct sim_store *store, struct hr_str key)
{
    size_t low = 0;
    size_t high = store->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hr_str_cmp(sim_item_key(store->items[middle]), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct sim_store *store, size_t at, struct hr_str key)
{
    return at < store->count && hr_str_eq(sim_item_key(store->items[at]), key);
}

const struct sim_item *sim_store_get(const struct sim_store *store, struct hr_str key)
{
    size_t at = sim_store_at(store, key);
    return is_at(store, at, key) ? store->items[at] : NULL;
}

/* Puts @item (NULL: nothing) in the place of @key's; returns what was there. */
static struct sim_item *exchange(struct sim_store *store, struct hr_str key, struct sim_item *item)
{
    size_t at = sim_store_at(store, key);
    struct sim_item *old = is_at(store, at, key) ? store->items[at] : NULL;
    if (old) {
        store->bytes -= old->key_len + old->value_len;
    }
    if (item) {
        store->bytes += item->key_len + item->value_len;
    }
    if (old && item) {
        store->items[at] = item;
    } else if (item) {
        store->items = sim_grow(store->items, store->count, &store->cap, sizeof(struct sim_item *));
        memmove(&store->items[at + 1], &store->items[at],
                (store->count - at) * sizeof(struct sim_item *));
        store->items[at] = item;
        store->count++;
    } else if (old) {
        store->count--;
        memmove(&store->items[at], &store->items[at + 1],
                (store->count - at) * sizeof(struct sim_item *));
    }
    return old;
}

static void tell(const struct sim_store *store, enum sim_change why, struct hr_str key,
                 const struct sim_item *now)
{
    if (store->watch) {
        store->watch(store->arg, why, key, now);
    }
}

/* Takes @item. */
static void change(struct sim_store *store, struct hr_str key, struct sim_item *item, sim_us now)
{
    struct sim_item *old = exchange(store, key, item);
    if (store->lazy && (old || item)) {
        store->undo =
            sim_grow(store->undo, store->undo_count, &store->undo_cap, sizeof *store->undo);
        store->undo[store->undo_count++] = (struct sim_undo){now, ref(item ? item : old), ref(old)};
    }
    tell(store, SIM_CHANGE_COMMIT, key, item);
    unref(old);
}

static bool holds(const struct sim_store *store, const struct dkv_check *check)
{
    const struct sim_item *item = sim_store_get(store, check->key);
    return check->expected.present ? item && hr_str_eq(sim_item_value(item), check->expected.bytes)
                                   : !item;
}

enum hr_err sim_store_commit(struct sim_store *store, const struct dkv_commit *commit, sim_us now,
                             size_t *ret_conflict)
{
    for (size_t i = 0; i < commit->check_count; i++) {
        if (!holds(store, &commit->checks[i])) {
            *ret_conflict = i;
            return HR_CONFLICT;
        }
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        const struct dkv_pair *put = &commit->puts[i];
        change(store, put->key, item_new(put->key, put->value), now);
    }
    for (size_t i = 0; i < commit->delete_count; i++) {
        change(store, commit->deletes[i], NULL, now);
    }
    return HR_OK;
}

void sim_store_sync(struct sim_store *store, sim_us upto)
{
    size_t count = 0;
    while (count < store->undo_count && store->undo[count].at <= upto) {
        count++;
    }
    forget_undo(store, count);
}

size_t sim_store_crash(struct sim_store *store)
{
    size_t lost = store->undo_count;
    for (size_t i = store->undo_count; i > 0; i--) {
        struct sim_undo *undo = &store->undo[i - 1];
        struct hr_str key = sim_item_key(undo->named);
        struct sim_item *gone = exchange(store, key, ref(undo->old));
        tell(store, SIM_CHANGE_LOST, key, undo->old);
        unref(gone);
    }
    forget_undo(store, store->undo_count);
    return lost;
}

void sim_store_clear(struct sim_store *store)
{
    forget_undo(store, store->undo_count);
    while (store->count > 0) {
        struct sim_item *last = store->items[store->count - 1];
        struct hr_str key = sim_item_key(last);
        exchange(store, key, NULL);
        tell(store, SIM_CHANGE_LOST, key, NULL);
        unref(last);
    }
}

void sim_store_save(const struct sim_store *store, struct sim_backup *ret_backup)
{
    ret_backup->items = sim_alloc(store->count * sizeof(struct sim_item *));
    ret_backup->count = store->count;
    for (size_t i = 0; i < store->count; i++) {
        ret_backup->items[i] = ref(store->items[i]);
    }
}

void sim_store_restore(struct sim_store *store, struct sim_backup *backup)
{
    sim_store_clear(store);
    for (size_t i = 0; i < backup->count; i++) {
        struct sim_item *item = ref(backup->items[i]);
        exchange(store, sim_item_key(item), item);
        tell(store, SIM_CHANGE_LOST, sim_item_key(item), item);
    }
    sim_backup_release(backup);
}

void sim_backup_release(struct sim_backup *backup)
{
    for (size_t i = 0; i < backup->count; i++) {
        unref(backup->items[i]);
    }
    hr_free(backup->items);
    *backup = (struct sim_backup){0};
}

void sim_store_forge(struct sim_store *store, struct hr_str key, struct hr_str value)
{
    struct sim_item *item = item_new(key, value);
    struct sim_item *old = exchange(store, key, item);
    tell(store, SIM_CHANGE_FORGED, key, item);
    unref(old);
}
