/* Reading of records within an attempt. */
#include "actors/kv/core/values/found.h"

#include "actors/kv/core/format/text.h"

enum hr_err dkv_found_read(struct dkv_attempt *attempt, struct hr_str key,
                           struct dkv_found *ret_found, struct hr_diag *diag)
{
    struct dkv_value value;
    *ret_found = (struct dkv_found){.name = dkv_key_record(attempt->arena, key)};
    enum hr_err err = dkv_attempt_clear(attempt, &ret_found->clear, diag);
    if (!err) {
        err = dkv_txn_get(&attempt->txn, ret_found->name, &value, diag);
    }
    if (err || !value.present) {
        return err;
    }
    ret_found->stored = true;
    err = dkv_record_decode(value.bytes, attempt->arena, &ret_found->record, diag);
    if (err) {
        return dkv_text_prefix(diag, err, HR_STR("value "), key);
    }
    ret_found->visible = dkv_record_visible(&ret_found->record, ret_found->clear);
    return HR_OK;
}
