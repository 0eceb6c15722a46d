/* Values: the reading of several, and what is shown of each. */
#include "actors/kv/core/values/read.h"

#include "actors/kv/core/format/json.h"
#include "actors/kv/core/format/state.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/site.h"

static enum hr_err show(struct hr_str bytes, struct dkv_stamp clear, struct hr_arena *arena,
                        struct dkv_answer *answer)
{
    struct dkv_record record;
    enum hr_err err = dkv_record_decode(bytes, arena, &record, &answer->diag);
    if (err) {
        return dkv_text_prefix(&answer->diag, err, HR_STR("value "), answer->key);
    }
    dkv_session_see_record(answer->session, &record);
    if (!dkv_record_visible(&record, clear)) {
        return HR_NOT_FOUND;
    }
    struct dkv_out out = dkv_out_in(arena, bytes.len);
    dkv_json_value(&out, &record, clear);
    answer->version = dkv_record_newest(&record);
    return dkv_out_take(&out, &answer->value);
}

enum hr_err dkv_read_records(const struct dkv_env *env, const struct dkv_config *config,
                             const struct dkv_request *requests, size_t count,
                             struct hr_arena *arena, struct dkv_reading *ret_readings,
                             struct hr_diag *diag)
{
    struct hr_str keys[DKV_READS_MAX + 1];
    struct dkv_value values[DKV_READS_MAX + 1];
    struct dkv_stamp clear;
    for (size_t i = 0; i < count; i++) {
        keys[i] = dkv_key_record(arena, requests[i].key);
        if (!keys[i].ptr) {
            return HR_NO_MEMORY;
        }
    }
    keys[count] = DKV_KEY_CLEAR;
    enum hr_err err = dkv_site_read(env, config, keys, count + 1, arena, values, diag);
    if (!err) {
        err = dkv_clear_decode(values[count], &clear, diag);
    }
    for (size_t i = 0; !err && i < count; i++) {
        ret_readings[i] = (struct dkv_reading){values[i], clear};
    }
    return err;
}

void dkv_read_value(const struct dkv_request *request, const struct dkv_reading *reading,
                    struct hr_arena *arena, struct dkv_answer *ret_answer)
{
    *ret_answer =
        (struct dkv_answer){.op = request->op, .key = request->key, .session = request->session};
    dkv_session_see(ret_answer->session, reading->clear);
    enum hr_err err = reading->record.present
                          ? show(reading->record.bytes, reading->clear, arena, ret_answer)
                          : HR_NOT_FOUND;
    ret_answer->err = err == HR_NOT_FOUND
                          ? DKV_FAIL(&ret_answer->diag, err, HR_STR("there is no such value"))
                          : err;
}
