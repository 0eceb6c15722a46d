/* Repairs as commits of the lane. */
#include "actors/kv/core/compare/mend.h"

#include "actors/kv/core/format/record.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/index.h"
#include "actors/kv/core/site/route.h"
#include "actors/kv/core/values/clear.h"

#define VERSION 2u

static const unsigned char hash_key[DKV_SIPHASH_KEY_BYTES] = "hedgerow mend 1";

void dkv_mend_hash(struct dkv_value value, unsigned char ret_hash[DKV_HASH128_BYTES])
{
    memset(ret_hash, 0, DKV_HASH128_BYTES);
    if (value.present) {
        dkv_siphash128(hash_key, value.bytes, ret_hash);
    }
}

/* --- messages ----------------------------------------------------------------------------------------- */

static bool mend_valid(const struct dkv_mend *mend)
{
    switch (mend->what) {
    case DKV_MEND_RECORD:
        return dkv_key_valid(mend->key) && mend->wanted == (mend->record.len > 0);
    case DKV_MEND_CLEAR:
        return mend->key.len == 0 && !mend->wanted && !mend->found && mend->record.len == 0;
    }
    return false;
}

enum hr_err dkv_mend_decode(struct hr_str bytes, struct dkv_mend *ret_mend, struct hr_diag *diag)
{
    struct dkv_in in;
    struct dkv_mend mend = {0};
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("mend"), &in, diag);
    if (err) {
        return err;
    }
    uint8_t what = dkv_in_u8(&in);
    mend.what = what == DKV_MEND_CLEAR ? DKV_MEND_CLEAR : DKV_MEND_RECORD;
    mend.clear = dkv_stamp_read(&in);
    mend.key = dkv_in_bytes(&in, dkv_in_u16(&in));
    uint8_t found = dkv_in_u8(&in);
    struct hr_str hash = dkv_in_bytes(&in, DKV_HASH128_BYTES);
    uint8_t wanted = dkv_in_u8(&in);
    mend.record = dkv_in_bytes(&in, dkv_in_u32(&in));
    mend.found = found == 1;
    mend.wanted = wanted == 1;
    if (!dkv_in_done(&in) || (uint8_t)mend.what != what || found > 1 || wanted > 1 ||
        !mend_valid(&mend)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("mend: out of bounds"));
    }
    memcpy(mend.found_hash, hash.ptr, hash.len);
    *ret_mend = mend;
    return HR_OK;
}

enum hr_err dkv_mend_encode(const struct dkv_mend *mend, struct hr_arena *arena,
                            struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 64 + mend->key.len + mend->record.len);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, mend->what, 1);
    dkv_stamp_write(&out, mend->clear);
    dkv_out_uint(&out, mend->key.len, 2);
    dkv_out_bytes(&out, mend->key);
    dkv_out_uint(&out, mend->found, 1);
    dkv_out_bytes(&out, hr_str_of(mend->found_hash, sizeof mend->found_hash));
    dkv_out_uint(&out, mend->wanted, 1);
    dkv_out_uint(&out, mend->record.len, 4);
    dkv_out_bytes(&out, mend->record);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

static enum hr_err mended_decode(struct hr_str bytes, enum dkv_mend_outcome *ret_outcome,
                                 struct hr_diag *diag)
{
    struct dkv_in in;
    enum hr_err err = dkv_in_frame(bytes, VERSION, HR_STR("mended"), &in, diag);
    uint8_t outcome = err ? 0 : dkv_in_u8(&in);
    if (!err && (!dkv_in_done(&in) || outcome > DKV_MEND_OVERTAKEN)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("mended: out of bounds"));
    }
    *ret_outcome = outcome == DKV_MEND_DONE        ? DKV_MEND_DONE
                   : outcome == DKV_MEND_OVERTAKEN ? DKV_MEND_OVERTAKEN
                                                   : DKV_MEND_NOTHING;
    return err;
}

enum hr_err dkv_mend_send(const struct dkv_env *env, const struct dkv_config *config,
                          const struct dkv_mend *mend, struct hr_arena *arena,
                          enum dkv_mend_outcome *ret_outcome, struct hr_diag *diag)
{
    struct hr_str body;
    struct hr_str reply;
    struct hr_str subject = dkv_route_subject(DKV_ROUTE_MEND, config, (struct hr_str){0}, arena);
    enum hr_err err = subject.ptr ? dkv_mend_encode(mend, arena, &body) : HR_NO_MEMORY;
    if (!err) {
        err = env->request(env->arg, subject, body, DKV_MEND_TIMEOUT_MS, arena, &reply, diag);
    }
    return err ? err : mended_decode(reply, ret_outcome, diag);
}

/* --- the commit --------------------------------------------------------------------------------------- */

/* Whether a record's bytes can be read, and show a value. */
static bool shows(struct dkv_value value, struct dkv_stamp clear, struct hr_arena *arena,
                  struct dkv_record *ret_record)
{
    struct hr_diag why;
    *ret_record = (struct dkv_record){0};
    return value.present && !dkv_record_decode(value.bytes, arena, ret_record, &why) &&
           dkv_record_visible(ret_record, clear);
}

/* How many values there are is not known any more if one was there or not without a change: whether it was
 * counted is not known. */
static enum hr_err settle_counts(struct dkv_attempt *attempt, struct dkv_value before,
                                 struct dkv_value after, struct hr_diag *diag)
{
    struct dkv_stamp clear;
    struct dkv_record old;
    struct dkv_record fresh;
    enum hr_err err = dkv_attempt_clear(attempt, &clear, diag);
    if (err) {
        return err;
    }
    bool was = shows(before, clear, attempt->arena, &old);
    bool is = shows(after, clear, attempt->arena, &fresh);
    if (was != is) {
        attempt->tally.counted = false;
    }
    if (after.present && dkv_record_littered(&fresh, clear)) {
        /* Not the site's clock, which the floor may never reach. */
        dkv_attempt_litter(attempt, dkv_record_newest(&fresh).hlc);
    }
    if (after.present && dkv_record_newest(&fresh).hlc > attempt->ctr.hlc) {
        return DKV_FAIL(diag, HR_CORRUPT,
                        HR_STR("a record to be put right is newer than the clock"));
    }
    return HR_OK;
}

static enum hr_err replace(struct dkv_attempt *attempt, const struct dkv_mend *mend,
                           struct hr_str name, struct dkv_value before, struct hr_diag *diag)
{
    const struct dkv_value after = {.bytes = mend->record, .present = mend->wanted};
    struct dkv_record record;
    enum hr_err err = HR_OK;
    if (mend->wanted) {
        err = dkv_record_decode(mend->record, attempt->arena, &record, diag);
    }
    if (!err) {
        err = settle_counts(attempt, before, after, diag);
    }
    if (!err) {
        err = mend->wanted ? dkv_txn_put(&attempt->txn, name, mend->record)
                           : dkv_txn_delete(&attempt->txn, name);
    }
    return err;
}

static enum hr_err mend_record(struct dkv_attempt *attempt, const struct dkv_mend *mend,
                               enum dkv_mend_outcome *ret_outcome, struct hr_diag *diag)
{
    unsigned char hash[DKV_HASH128_BYTES];
    struct dkv_value value;
    bool named = false;
    struct hr_str name = dkv_key_record(attempt->arena, mend->key);
    enum hr_err err = dkv_txn_get(&attempt->txn, name, &value, diag);
    if (err) {
        return err;
    }
    dkv_mend_hash(value, hash);
    if (value.present != mend->found || memcmp(hash, mend->found_hash, sizeof hash) != 0) {
        *ret_outcome = DKV_MEND_OVERTAKEN;
        return HR_OK;
    }
    err = dkv_index_names(attempt, mend->key, &named, diag);
    bool changes =
        value.present != mend->wanted || (value.present && !hr_str_eq(value.bytes, mend->record));
    if (!err && changes) {
        err = replace(attempt, mend, name, value, diag);
    }
    if (!err && mend->wanted && (changes || !named)) {
        err = dkv_index_add(attempt, mend->key);
    } else if (!err && !mend->wanted && (changes || named)) {
        err = dkv_index_remove(attempt, mend->key);
    }
    *ret_outcome = changes || named != mend->wanted ? DKV_MEND_DONE : DKV_MEND_NOTHING;
    return err;
}

static enum hr_err mend_clear(struct dkv_attempt *attempt, const struct dkv_mend *mend,
                              enum dkv_mend_outcome *ret_outcome, struct hr_diag *diag)
{
    struct dkv_stamp clear;
    struct hr_str bytes;
    enum hr_err err = dkv_attempt_clear(attempt, &clear, diag);
    *ret_outcome = DKV_MEND_NOTHING;
    if (err || dkv_stamp_cmp(clear, mend->clear) >= 0) {
        return err;
    }
    if (mend->clear.hlc > attempt->ctr.hlc) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("a clear mark is newer than the clock"));
    }
    *ret_outcome = DKV_MEND_DONE;
    attempt->tally.counted = false;
    dkv_clear_sweep_anew(&attempt->tally, mend->clear.hlc);
    err = dkv_clear_encode(mend->clear, attempt->arena, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, DKV_KEY_CLEAR, bytes);
}

static enum hr_err attempt_once(const struct dkv_env *env, const struct dkv_config *config,
                                const struct dkv_mend *mend, struct hr_arena *arena,
                                enum dkv_mend_outcome *ret_outcome, struct hr_diag *diag)
{
    struct dkv_attempt attempt;
    enum hr_err err = dkv_attempt_begin(&attempt, env, config, NULL, 0, arena, diag);
    if (err) {
        return err;
    }
    switch (mend->what) {
    case DKV_MEND_RECORD:
        err = mend_record(&attempt, mend, ret_outcome, diag);
        break;
    case DKV_MEND_CLEAR:
        err = mend_clear(&attempt, mend, ret_outcome, diag);
        break;
    }
    return err || *ret_outcome != DKV_MEND_DONE ? err : dkv_attempt_commit_alone(&attempt, diag);
}

/* Until a commit goes through. One whose answer was lost is done anew: it finds what it did. */
static enum hr_err commit(const struct dkv_env *env, const struct dkv_config *config,
                          const struct dkv_mend *mend, enum dkv_mend_outcome *ret_outcome,
                          struct hr_diag *diag)
{
    enum hr_err err = HR_CONFLICT;
    dkv_mono_ms start = env->mono(env->arg);
    for (unsigned i = 0; i < DKV_WRITE_TRIES_MAX; i++) {
        struct hr_arena arena;
        hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
        err = attempt_once(env, config, mend, &arena, ret_outcome, diag);
        hr_arena_release(&arena);
        if ((err != HR_CONFLICT && err != HR_UNKNOWN_OUTCOME) ||
            env->mono(env->arg) - start > DKV_WRITE_MS_MAX) {
            break;
        }
    }
    return err == HR_CONFLICT ? DKV_FAIL(diag, HR_BUSY, HR_STR("other writes kept coming first"))
                              : err;
}

enum hr_err dkv_mend_handle(const struct dkv_env *env, const struct dkv_config *config,
                            const struct dkv_message *message, struct hr_diag *diag)
{
    struct dkv_mend mend;
    enum dkv_mend_outcome outcome = DKV_MEND_NOTHING;
    struct dkv_message reply = {.subject = message->reply_to};
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_mend_decode(message->body, &mend, diag);
    if (!err) {
        err = commit(env, config, &mend, &outcome, diag);
    }
    if (!err && message->reply_to.len > 0) {
        struct dkv_out out = dkv_out_in(&arena, 8);
        dkv_out_uint(&out, VERSION, 1);
        dkv_out_uint(&out, outcome, 1);
        dkv_out_seal(&out);
        err = dkv_out_take(&out, &reply.body);
        err = err ? err : env->publish(env->arg, &reply, diag);
    }
    hr_arena_release(&arena);
    return err;
}
