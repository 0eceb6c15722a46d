/* Names of the index as part of an attempt. */
#include "actors/kv/core/site/index.h"

#include "actors/kv/core/format/leaf.h"

static struct hr_str name_of(const struct dkv_attempt *attempt, struct hr_str key)
{
    return dkv_key_name(attempt->arena, dkv_leaf_of(key, attempt->site.cfg.leaf_bits), key);
}

enum hr_err dkv_index_add(struct dkv_attempt *attempt, struct hr_str key)
{
    return dkv_txn_put(&attempt->txn, name_of(attempt, key), HR_STR("1"));
}

enum hr_err dkv_index_remove(struct dkv_attempt *attempt, struct hr_str key)
{
    return dkv_txn_delete(&attempt->txn, name_of(attempt, key));
}

enum hr_err dkv_index_names(struct dkv_attempt *attempt, struct hr_str key, bool *ret_named,
                            struct hr_diag *diag)
{
    struct dkv_value value = {0};
    enum hr_err err = dkv_txn_get(&attempt->txn, name_of(attempt, key), &value, diag);
    *ret_named = !err && value.present;
    return err;
}
