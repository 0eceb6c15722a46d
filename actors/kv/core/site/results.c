/* Finding, keeping and purging results. */
#include "actors/kv/core/site/results.h"

#include "actors/kv/core/format/text.h"

/* A result of the future, after the wall went back, is as good as one of now. */
static bool expired(dkv_wall_ms time, dkv_wall_ms wall)
{
    return wall > time && wall - time > DKV_RESULT_MS;
}

enum hr_err dkv_results_find(struct dkv_attempt *attempt, const struct dkv_request *request,
                             struct dkv_answer *ret_answer, struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_result result;
    enum hr_err err =
        dkv_txn_get(&attempt->txn, dkv_key_result(attempt->arena, &request->opid), &value, diag);
    if (!err && !value.present) {
        return HR_NOT_FOUND;
    }
    if (!err) {
        err = dkv_result_decode(value.bytes, &result, diag);
    }
    if (err) {
        return err;
    }
    if (expired(result.time, attempt->site.wall)) {
        err = dkv_txn_delete(&attempt->txn,
                             dkv_key_time(attempt->arena, result.time, &request->opid));
        return err ? err : HR_NOT_FOUND;
    }
    if (memcmp(result.hash, request->hash, DKV_HASH128_BYTES) != 0) {
        return DKV_FAIL(diag, HR_BAD_INPUT,
                        HR_STR("$request-id was used for another request in the last ten minutes"));
    }
    *ret_answer = result.answer;
    ret_answer->key = request->key;
    return HR_OK;
}

void dkv_results_identify(const struct dkv_request *request, struct dkv_change *change)
{
    change->opid = request->opid;
    change->identified = request->patch.options.has_request_id;
    memcpy(change->hash, request->hash, DKV_HASH128_BYTES);
}

static enum hr_err keep(struct dkv_attempt *attempt, const struct dkv_opid *opid,
                        const unsigned char hash[DKV_HASH128_BYTES],
                        const struct dkv_answer *answer)
{
    struct hr_str bytes;
    dkv_wall_ms now = attempt->site.wall;
    enum hr_err err = dkv_result_encode(now, hash, answer, attempt->arena, &bytes);
    if (!err) {
        err = dkv_txn_put(&attempt->txn, dkv_key_result(attempt->arena, opid), bytes);
    }
    if (!err) {
        err = dkv_txn_put(&attempt->txn, dkv_key_time(attempt->arena, now, opid), HR_STR("1"));
    }
    return err;
}

enum hr_err dkv_results_keep(struct dkv_attempt *attempt, const struct dkv_request *request,
                             const struct dkv_answer *answer)
{
    return keep(attempt, &request->opid, request->hash, answer);
}

enum hr_err dkv_results_keep_foreign(struct dkv_attempt *attempt, const struct dkv_change *change,
                                     const struct dkv_answer *answer, struct hr_diag *diag)
{
    struct dkv_value value;
    if (expired(dkv_clock_ms(change->stamp.hlc), attempt->site.wall)) {
        return HR_OK;
    }
    enum hr_err err =
        dkv_txn_get(&attempt->txn, dkv_key_result(attempt->arena, &change->opid), &value, diag);
    return err || value.present ? err : keep(attempt, &change->opid, change->hash, answer);
}

static enum hr_err purge_one(struct dkv_attempt *attempt, struct hr_str name, bool *ret_done)
{
    dkv_wall_ms time;
    struct dkv_opid opid;
    bool named = dkv_key_time_parse(name, &time, &opid);
    if (named && !expired(time, attempt->site.wall)) {
        *ret_done = true;
        return HR_OK;
    }
    /* A name that nobody can read would stay first for ever. */
    enum hr_err err = dkv_txn_delete(&attempt->txn, name);
    if (!err && named) {
        err = dkv_txn_delete(&attempt->txn, dkv_key_result(attempt->arena, &opid));
    }
    return err;
}

enum hr_err dkv_results_purge(struct dkv_attempt *attempt, size_t count, struct hr_diag *diag)
{
    const struct dkv_env *env = attempt->env;
    struct dkv_page page;
    bool done = false;
    size_t limit = 2 * count + 2 < DKV_PURGE_MAX ? 2 * count + 2 : DKV_PURGE_MAX;
    enum hr_err err = env->scan(env->arg, DKV_KEYS_TIMES, (struct hr_str){0}, (uint32_t)limit,
                                attempt->arena, &page, diag);
    for (size_t i = 0; !err && !done && i < page.count; i++) {
        err = purge_one(attempt, page.pairs[i].key, &done);
    }
    return err;
}
