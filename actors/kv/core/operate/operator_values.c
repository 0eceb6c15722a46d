/* Values out and in. */
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/operate/operator_impl.h"
#include "actors/kv/core/site/site.h"
#include "actors/kv/core/values/list.h"

#define EXPORT_LIMIT_MAX 1000u
#define SUBJECT HR_STR("wasmkv.set.")
#define IMPORT_TIMEOUT_MS 8000u

enum hr_err dkv_operator_export(struct dkv_operator *op)
{
    struct dkv_answer answer;
    struct dkv_site site;
    struct hr_str after = dkv_operator_text(op, "after");
    const struct dkv_request request = {.op = DKV_OP_LIST,
                                        .listing = {.limit = EXPORT_LIMIT_MAX, .after = after}};
    if (after.len > 0 && !dkv_key_valid(after)) {
        return DKV_FAIL(op->diag, HR_BAD_INPUT, HR_STR("after: it is no key"));
    }
    enum hr_err err = dkv_site_open(op->tick.env, op->tick.config, op->arena, &site, op->diag);
    if (!err) {
        err = dkv_site_serves(op->tick.env, &site, op->arena, op->diag);
    }
    if (err) {
        return err; /* what is here is not all there is */
    }
    dkv_list_values(op->tick.env, &request, op->arena, &answer);
    if (answer.err) {
        *op->diag = answer.diag;
        return answer.err;
    }
    dkv_operator_member(&op->out, "items");
    dkv_out_bytes(&op->out, HR_STR("["));
    dkv_out_bytes(&op->out, answer.value);
    dkv_out_bytes(&op->out, HR_STR("]"));
    dkv_operator_member(&op->out, "next");
    if (answer.next.len > 0) {
        dkv_json_string(&op->out, answer.next);
    } else {
        dkv_out_bytes(&op->out, HR_STR("null"));
    }
    return HR_OK;
}

/* The member of a reply's error; empty if it is none. */
static struct hr_str error_of(struct dkv_operator *op, struct hr_str reply)
{
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)reply.ptr, reply.len,
                                       YYJSON_READ_NUMBER_AS_RAW, &op->alc, NULL);
    yyjson_val *error = doc ? yyjson_obj_get(yyjson_doc_get_root(doc), "error") : NULL;
    yyjson_val *message = yyjson_obj_get(error, "message");
    if (!doc) {
        return HR_STR("the reply is no JSON");
    }
    if (!error) {
        return (struct hr_str){0};
    }
    return yyjson_is_str(message) ? hr_str_of(yyjson_get_str(message), yyjson_get_len(message))
                                  : HR_STR("it was refused");
}

/* One value. Returns what is wrong; empty: it is written. */
static struct hr_str import_item(struct dkv_operator *op, yyjson_val *item, struct hr_arena *arena)
{
    yyjson_val *key = yyjson_obj_get(item, "key");
    yyjson_val *value = yyjson_obj_get(item, "value");
    struct hr_str name = yyjson_is_str(key) ? hr_str_of(yyjson_get_str(key), yyjson_get_len(key))
                                            : (struct hr_str){0};
    struct hr_diag why = {0};
    struct hr_str subject;
    struct hr_str reply;
    size_t len;
    const struct dkv_env *env = op->tick.env;
    if (!dkv_key_valid(name) || !yyjson_is_obj(value)) {
        return HR_STR("it has no key, or no object as its value");
    }
    struct dkv_out out = dkv_out_in(arena, SUBJECT.len + name.len);
    dkv_out_bytes(&out, SUBJECT);
    dkv_out_bytes(&out, name);
    char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &op->alc, &len, NULL);
    enum hr_err err = text ? dkv_out_take(&out, &subject) : HR_NO_MEMORY;
    if (!err) {
        err = env->request(env->arg, subject, hr_str_of(text, len), IMPORT_TIMEOUT_MS, arena,
                           &reply, &why);
    }
    if (err) {
        return hr_arena_copy(op->arena, hr_str_c(why.text[0] ? why.text : hr_err_text(err)));
    }
    return error_of(op, reply);
}

enum hr_err dkv_operator_import(struct dkv_operator *op)
{
    yyjson_val *items = yyjson_obj_get(op->body, "items");
    uint64_t imported = 0;
    size_t failed = 0;
    if (!yyjson_is_arr(items) || yyjson_arr_size(items) > DKV_OPERATOR_ITEMS_MAX) {
        return DKV_FAIL(op->diag, HR_BAD_INPUT, HR_STR("items: an array of at most 256"));
    }
    dkv_operator_member(&op->out, "failed");
    dkv_out_bytes(&op->out, HR_STR("["));
    yyjson_arr_iter iter = yyjson_arr_iter_with(items);
    uint64_t index = 0;
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter)) != NULL; index++) {
        struct hr_str wrong = import_item(op, item, op->arena);
        if (wrong.len == 0) {
            imported++;
            continue;
        }
        dkv_out_bytes(&op->out, failed++ > 0 ? HR_STR(",{\"index\":") : HR_STR("{\"index\":"));
        dkv_json_number(&op->out, index);
        dkv_operator_member(&op->out, "message");
        dkv_json_string(&op->out, wrong);
        dkv_out_bytes(&op->out, HR_STR("}"));
    }
    dkv_out_bytes(&op->out, HR_STR("]"));
    dkv_operator_member(&op->out, "imported");
    dkv_json_number(&op->out, imported);
    return HR_OK;
}
