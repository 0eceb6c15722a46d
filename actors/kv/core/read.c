/* One value. */
#include "actors/kv/core/read.h"

#include "actors/kv/core/json.h"
#include "actors/kv/core/site.h"
#include "actors/kv/core/state.h"
#include "actors/kv/core/text.h"

static enum hr_err show(struct hr_str bytes, struct dkv_stamp clear, struct hr_arena *arena,
                        struct dkv_answer *answer)
{
    struct dkv_record record;
    enum hr_err err = dkv_record_decode(bytes, arena, &record, &answer->diag);
    if (err) {
        return dkv_text_prefix(&answer->diag, err, HR_STR("value "), answer->key);
    }
    if (!dkv_record_visible(&record, clear)) {
        return HR_NOT_FOUND;
    }
    struct dkv_out out = dkv_out_in(arena, bytes.len);
    dkv_json_value(&out, &record, clear);
    answer->version = dkv_record_newest(&record);
    return dkv_out_take(&out, &answer->value);
}

static enum hr_err read_value(const struct dkv_env *env, const struct dkv_config *config,
                              const struct dkv_request *request, struct hr_arena *arena,
                              struct dkv_answer *answer)
{
    struct dkv_value values[2];
    struct dkv_stamp clear;
    const struct hr_str keys[2] = {dkv_key_record(arena, request->key), DKV_KEY_CLEAR};
    if (!keys[0].ptr) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = dkv_site_read(env, config, keys, 2, arena, values, &answer->diag);
    if (!err) {
        err = dkv_clear_decode(values[1], &clear, &answer->diag);
    }
    if (!err) {
        err = values[0].present ? show(values[0].bytes, clear, arena, answer) : HR_NOT_FOUND;
    }
    return err == HR_NOT_FOUND ? DKV_FAIL(&answer->diag, err, HR_STR("there is no such value"))
                               : err;
}

void dkv_read_value(const struct dkv_env *env, const struct dkv_config *config,
                    const struct dkv_request *request, struct hr_arena *arena,
                    struct dkv_answer *ret_answer)
{
    *ret_answer = (struct dkv_answer){.op = request->op, .key = request->key};
    ret_answer->err = read_value(env, config, request, arena, ret_answer);
}
