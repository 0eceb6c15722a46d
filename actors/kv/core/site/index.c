/* Changes of leaves as part of an attempt. */
#include "actors/kv/core/site/index.h"

#include "actors/kv/core/format/leaf.h"

static uint32_t leaf_of(const struct dkv_attempt *attempt, struct hr_str key)
{
    return dkv_leaf_of(key, attempt->site.cfg.leaf_bits);
}

enum hr_err dkv_index_touch(struct dkv_attempt *attempt, struct hr_str key, struct hr_diag *diag)
{
    struct hr_str name = dkv_key_generation(attempt->arena, leaf_of(attempt, key));
    struct dkv_value value;
    struct hr_str next;
    enum hr_err err = dkv_txn_get(&attempt->txn, name, &value, diag);
    if (!err) {
        err = dkv_leaf_count_up(value, attempt->arena, &next, diag);
    }
    return err ? err : dkv_txn_put(&attempt->txn, name, next);
}

enum hr_err dkv_index_add(struct dkv_attempt *attempt, struct hr_str key, struct hr_diag *diag)
{
    struct hr_str name = dkv_key_names(attempt->arena, leaf_of(attempt, key));
    struct dkv_value old;
    struct dkv_value names = {0};
    enum hr_err err = dkv_txn_get(&attempt->txn, name, &old, diag);
    if (!err) {
        err = dkv_leaf_add(old, key, attempt->arena, &names, diag);
    }
    if (!err && names.present) {
        err = dkv_txn_put(&attempt->txn, name, names.bytes);
    }
    return err ? err : dkv_index_touch(attempt, key, diag);
}

enum hr_err dkv_index_remove(struct dkv_attempt *attempt, struct hr_str key, struct hr_diag *diag)
{
    struct hr_str name = dkv_key_names(attempt->arena, leaf_of(attempt, key));
    struct dkv_value old;
    struct dkv_value names;
    enum hr_err err = dkv_txn_get(&attempt->txn, name, &old, diag);
    if (!err && old.present) {
        err = dkv_leaf_remove(old, key, attempt->arena, &names, diag);
        if (!err) {
            err = names.present ? dkv_txn_put(&attempt->txn, name, names.bytes)
                                : dkv_txn_delete(&attempt->txn, name);
        }
    }
    return err ? err : dkv_index_touch(attempt, key, diag);
}
