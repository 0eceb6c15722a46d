/* Sets and deletions of one key, and what all writes have in common. */
#include "actors/kv/core/values/write.h"

#include "actors/kv/core/format/json.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/index.h"
#include "actors/kv/core/site/results.h"
#include "actors/kv/core/values/clear.h"
#include "actors/kv/core/values/found.h"
#include "actors/kv/core/values/meet.h"

/* Whether the request's conditions hold. */
static enum hr_err judge(const struct dkv_options *options, const struct dkv_found *found,
                         struct dkv_answer *answer)
{
    struct dkv_stamp version = {0};
    if (found->visible) {
        version = dkv_record_newest(&found->record);
    }
    answer->version = version;
    dkv_session_see_record(answer->session, &found->record);
    dkv_session_see(answer->session, found->clear);
    if (options->if_absent && found->visible) {
        return DKV_FAIL(&answer->diag, HR_CONFLICT, HR_STR("there is a value already"));
    }
    if (options->if_present && !found->visible) {
        return DKV_FAIL(&answer->diag, HR_NOT_FOUND, HR_STR("there is no such value"));
    }
    if (options->if_version && (!found->visible || dkv_stamp_cmp(version, options->version) != 0)) {
        return DKV_FAIL(&answer->diag, HR_CONFLICT, HR_STR("the value has another version"));
    }
    return HR_OK;
}

/* Drops what @record need not remember any more, so that a value that is written again and again
 * does not wait for a sweep that finds it at rest. */
static enum hr_err tidy(struct dkv_attempt *attempt, struct dkv_record *record,
                        struct dkv_stamp clear, struct hr_diag *diag)
{
    dkv_hlc floor;
    dkv_record_strip(record, clear);
    if (!dkv_record_littered(record, clear)) {
        return HR_OK;
    }
    enum hr_err err = dkv_floor_read(attempt, &floor, diag);
    if (err || !dkv_record_collect(record, clear, floor)) {
        return err;
    }
    return dkv_floor_keep(attempt, floor, diag);
}

/* Merges @change, which has its number, into what was found, and stores all three: the record, the
 * feed's entry and the index. */
static enum hr_err store(struct dkv_attempt *attempt, const struct dkv_found *found,
                         const struct dkv_change *change, struct dkv_record *ret_record,
                         struct hr_diag *diag)
{
    struct hr_str bytes;
    struct dkv_record merged;
    struct dkv_record news = dkv_change_record(change);
    enum hr_err err = dkv_record_merge(&found->record, &news, attempt->arena, &merged, diag);
    if (!err) {
        err = tidy(attempt, &merged, found->clear, diag);
    }
    if (!err) {
        err = dkv_record_encode(&merged, attempt->arena, &bytes);
    }
    if (!err) {
        err = dkv_txn_put(&attempt->txn, found->name, bytes);
    }
    if (!err) {
        err = dkv_attempt_log(attempt, change, diag);
    }
    if (!err && !found->stored) {
        err = dkv_index_add(attempt, change->key);
    }
    if (err) {
        return err;
    }
    dkv_attempt_count(attempt, found->visible, dkv_record_visible(&merged, found->clear));
    if (dkv_record_littered(&merged, found->clear)) {
        dkv_attempt_litter(attempt, change->stamp.hlc);
    }
    *ret_record = merged;
    return HR_OK;
}

/* What the new stamp has to be above: what is here, and what the client has seen elsewhere. */
static dkv_hlc floor_of(const struct dkv_found *found, const struct dkv_request *request)
{
    dkv_hlc newest = dkv_record_newest(&found->record).hlc;
    dkv_hlc seen = dkv_session_newest(request->session);
    newest = newest > found->clear.hlc ? newest : found->clear.hlc;
    return newest > seen ? newest : seen;
}

struct size {
    size_t fields;
    size_t bytes;
    size_t stored_fields;
};

static struct size size_of(const struct dkv_record *record, struct dkv_stamp clear)
{
    struct size size = {.stored_fields = record->count};
    for (size_t i = 0; i < record->count; i++) {
        const struct dkv_field *field = &record->fields[i];
        if (field->name.len > 0 && dkv_field_visible(record, field, clear)) {
            size.fields++;
            size.bytes += field->name.len + field->value.len;
        }
    }
    return size;
}

/* A value that is too large already, after a merge of two sites' changes, may be made smaller. */
static enum hr_err check_size(const struct dkv_found *found, const struct dkv_record *after_record,
                              struct hr_diag *diag)
{
    struct size before = size_of(&found->record, found->clear);
    struct size after = size_of(after_record, found->clear);
    if (after.fields > DKV_VALUE_FIELDS_MAX && after.fields > before.fields) {
        return DKV_FAIL(diag, HR_TOO_BIG, HR_STR("a value has at most 64 fields"));
    }
    if (after.bytes > DKV_VALUE_BYTES_MAX && after.bytes > before.bytes) {
        return DKV_FAIL(diag, HR_TOO_BIG, HR_STR("a value has at most 256 KiB of JSON"));
    }
    if (after.stored_fields > DKV_STORED_FIELDS_MAX && after.stored_fields > before.stored_fields) {
        return DKV_FAIL(diag, HR_TOO_BIG,
                        HR_STR("this value has had too many different fields: delete it and "
                               "write it anew"));
    }
    return HR_OK;
}

/* The patch's fields, with the mark that the value is there before them if it needs one: if it has
 * none, or if nothing else would change. */
static enum hr_err stamped_fields(const struct dkv_request *request, const struct dkv_found *found,
                                  struct hr_arena *arena, struct dkv_change *change)
{
    const struct dkv_patch *patch = &request->patch;
    bool mark = patch->count == 0 || !dkv_record_marked(&found->record, found->clear);
    change->fields = hr_arena_alloc(arena, (patch->count + 1) * sizeof *change->fields);
    if (!change->fields) {
        return HR_NO_MEMORY;
    }
    if (mark) {
        change->fields[change->count++] = (struct dkv_field){.type = DKV_FIELD_BYTES};
    }
    for (size_t i = 0; i < patch->count; i++) {
        change->fields[change->count++] = patch->fields[i];
    }
    for (size_t i = 0; i < change->count; i++) {
        change->fields[i].stamp = change->stamp;
    }
    return HR_OK;
}

static enum hr_err apply_set(struct dkv_attempt *attempt, const struct dkv_request *request,
                             struct dkv_answer *answer)
{
    struct dkv_found found;
    struct dkv_record record;
    struct hr_diag *diag = &answer->diag;
    struct dkv_change change = {.op = DKV_CHANGE_SET, .key = request->key};
    dkv_results_identify(request, &change);
    enum hr_err err = dkv_found_read(attempt, request->key, &found, diag);
    if (!err) {
        err = judge(&request->patch.options, &found, answer);
    }
    if (!err) {
        err = dkv_attempt_number(attempt, floor_of(&found, request), &change, diag);
        change.created = change.identified && !found.visible;
    }
    if (!err) {
        err = stamped_fields(request, &found, attempt->arena, &change);
    }
    if (!err) {
        err = store(attempt, &found, &change, &record, diag);
    }
    if (!err) {
        err = check_size(&found, &record, diag);
    }
    if (err) {
        return err;
    }
    struct dkv_out out = dkv_out_in(attempt->arena, 0);
    dkv_json_value(&out, &record, found.clear);
    answer->version = dkv_record_newest(&record);
    answer->seq = change.seq;
    answer->created = !found.visible;
    return dkv_out_take(&out, &answer->value);
}

static enum hr_err apply_del(struct dkv_attempt *attempt, const struct dkv_request *request,
                             struct dkv_answer *answer)
{
    struct dkv_found found;
    struct dkv_record record;
    struct hr_diag *diag = &answer->diag;
    struct dkv_change change = {.op = DKV_CHANGE_DEL, .key = request->key};
    dkv_results_identify(request, &change);
    enum hr_err err = dkv_found_read(attempt, request->key, &found, diag);
    if (err == HR_CORRUPT && found.stored && !request->patch.options.if_version &&
        !request->patch.options.if_absent) {
        /* The way to be rid of a record that cannot be read: the new stamp is above all of the old
         * ones, whatever they were, because every local stamp is below the clock. */
        attempt->env->log(attempt->env->arg, DKV_LOG_ERROR, hr_str_c(diag->text));
        found.record = (struct dkv_record){0};
        found.visible = true;
        attempt->tally.counted = false; /* it may have been none */
        err = HR_OK;
    }
    if (!err) {
        err = judge(&request->patch.options, &found, answer);
    }
    if (!err) {
        err = dkv_attempt_number(attempt, floor_of(&found, request), &change, diag);
    }
    if (!err) {
        err = store(attempt, &found, &change, &record, diag);
    }
    if (!err) {
        answer->version = change.stamp;
        answer->seq = change.seq;
    }
    return err;
}

static enum hr_err apply_new(struct dkv_attempt *attempt, const struct dkv_request *request,
                             struct dkv_answer *answer)
{
    enum hr_err err = request->op == DKV_OP_SET   ? apply_set(attempt, request, answer)
                      : request->op == DKV_OP_DEL ? apply_del(attempt, request, answer)
                                                  : dkv_clear_apply(attempt, request, answer);
    if (!err && request->patch.options.has_request_id) {
        err = dkv_results_keep(attempt, request, answer);
    }
    return err;
}

/* A copy of the client's session for the answer: an attempt may be made several times. */
static enum hr_err begin_session(struct dkv_attempt *attempt, const struct dkv_request *request,
                                 struct dkv_session **ret_session, struct hr_diag *diag)
{
    if (!request->session) {
        return HR_OK;
    }
    *ret_session = hr_arena_alloc(attempt->arena, sizeof **ret_session);
    if (!*ret_session) {
        return HR_NO_MEMORY;
    }
    **ret_session = *request->session;
    return dkv_meet_admit(&attempt->site, request->session, diag);
}

/* What the answer to a repeated request shows is part of what is here now. */
static enum hr_err see_again(struct dkv_attempt *attempt, struct dkv_answer *answer)
{
    struct dkv_found found;
    if (!answer->session || answer->op == DKV_OP_CLEAR) {
        return HR_OK;
    }
    enum hr_err err = dkv_found_read(attempt, answer->key, &found, &answer->diag);
    if (!err) {
        dkv_session_see_record(answer->session, &found.record);
        dkv_session_see(answer->session, found.clear);
    }
    return err;
}

enum hr_err dkv_write_apply(struct dkv_attempt *attempt, const struct dkv_request *request,
                            struct dkv_answer *ret_answer)
{
    struct dkv_session *session = NULL;
    *ret_answer = (struct dkv_answer){.op = request->op, .key = request->key};
    enum hr_err err = begin_session(attempt, request, &session, &ret_answer->diag);
    bool repeated = false;
    if (!err && request->patch.options.has_request_id) {
        err = dkv_results_find(attempt, request, ret_answer, &ret_answer->diag);
        repeated = !err;
        err = err == HR_NOT_FOUND ? HR_OK : err;
    }
    ret_answer->session = session;
    if (!err && repeated) {
        err = see_again(attempt, ret_answer);
    }
    if (!err && !repeated && dkv_options_judge(&request->patch.options)) {
        err = dkv_meet_now(attempt, request->session, &ret_answer->diag);
    }
    if (!err && !repeated) {
        err = apply_new(attempt, request, ret_answer);
    }
    if (!err) {
        dkv_session_see(session, ret_answer->version);
    }
    ret_answer->err = err;
    return err;
}
