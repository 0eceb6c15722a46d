/* Requests of the operator: which verb, and what it fails with. */
#include "actors/kv/core/operate/operator.h"

#include "actors/kv/core/format/json_in.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/operate/operator_impl.h"
#include "actors/kv/core/transfer/transfer.h"
#include "actors/kv/core/values/reply.h"

struct hr_str dkv_operator_text(const struct dkv_operator *op, const char *name)
{
    return dkv_json_in_text(yyjson_obj_get(op->body, name));
}

void dkv_operator_member(struct dkv_out *out, const char *name)
{
    dkv_out_bytes(out, HR_STR(",\""));
    dkv_out_bytes(out, hr_str_c(name));
    dkv_out_bytes(out, HR_STR("\":"));
}

enum hr_err dkv_operator_look(struct dkv_operator *op, struct dkv_holdings *ret_holdings,
                              struct dkv_repair *ret_repair)
{
    enum hr_err err = dkv_holdings_ask(&op->tick, 0, op->arena, ret_holdings, op->diag);
    if (!err) {
        dkv_repair_begin(ret_repair, &op->tick, ret_holdings);
    }
    return err;
}

static enum hr_err do_verb(struct dkv_operator *op)
{
    struct hr_str verb = dkv_operator_text(op, "verb");
    if (hr_str_eq(verb, HR_STR("status"))) {
        return dkv_operator_status(op);
    }
    if (hr_str_eq(verb, HR_STR("verify"))) {
        return dkv_operator_verify(op, false);
    }
    if (hr_str_eq(verb, HR_STR("repair"))) {
        return yyjson_is_true(yyjson_obj_get(op->body, "rebuild"))
                   ? dkv_transfer_want(op->tick.env, op->tick.config, true, op->diag)
                   : dkv_operator_verify(op, true);
    }
    if (hr_str_eq(verb, HR_STR("export"))) {
        return dkv_operator_export(op);
    }
    if (hr_str_eq(verb, HR_STR("import"))) {
        return dkv_operator_import(op);
    }
    if (hr_str_eq(verb, HR_STR("member-remove"))) {
        return dkv_operator_remove(op);
    }
    return DKV_FAIL(op->diag, HR_BAD_INPUT, HR_STR("there is no verb \""), verb, HR_STR("\""));
}

static enum hr_err read_body(struct dkv_operator *op, struct hr_str body)
{
    yyjson_read_err why;
    if (body.len > DKV_OPERATOR_BODY_BYTES_MAX) {
        return DKV_FAIL(op->diag, HR_TOO_BIG, HR_STR("a body is at most 8 MiB"));
    }
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)body.ptr, body.len,
                                       YYJSON_READ_NUMBER_AS_RAW, &op->alc, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return HR_NO_MEMORY;
    }
    op->body = doc ? yyjson_doc_get_root(doc) : NULL;
    return yyjson_is_obj(op->body)
               ? HR_OK
               : DKV_FAIL(op->diag, HR_BAD_INPUT, HR_STR("the body must be one JSON object"));
}

static struct dkv_out begin(const struct dkv_operator *op)
{
    struct dkv_out out = dkv_out_in(op->arena, 1024);
    dkv_out_bytes(&out, HR_STR("{\"site\":"));
    dkv_json_string(&out, op->tick.config->site);
    return out;
}

static void write_error(struct dkv_operator *op, enum hr_err err)
{
    op->out = begin(op);
    dkv_operator_member(&op->out, "error");
    dkv_out_bytes(&op->out, HR_STR("{\"code\":"));
    dkv_json_string(&op->out, dkv_reply_code(err));
    dkv_operator_member(&op->out, "message");
    dkv_json_string(&op->out, hr_str_c(op->diag->text[0] ? op->diag->text : hr_err_text(err)));
    dkv_out_bytes(&op->out, HR_STR("}"));
}

enum hr_err dkv_operator_handle(const struct dkv_env *env, const struct dkv_config *config,
                                const struct dkv_group *group, const struct dkv_message *message,
                                struct hr_diag *diag)
{
    struct hr_arena arena;
    struct hr_diag why = {0};
    struct dkv_operator op = {
        .tick = {.env = env, .config = config, .group = group, .start = env->mono(env->arg)},
        .arena = &arena,
        .alc = dkv_json_in(&arena),
        .diag = &why};
    struct dkv_message reply = {.subject = message->reply_to};
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    op.out = begin(&op);
    enum hr_err err = read_body(&op, message->body);
    if (!err) {
        err = do_verb(&op);
    }
    if (err) {
        write_error(&op, err);
    }
    dkv_out_bytes(&op.out, HR_STR("}\n"));
    err = dkv_out_take(&op.out, &reply.body);
    if (!err && message->reply_to.len > 0) {
        err = env->publish(env->arg, &reply, diag);
    }
    hr_arena_release(&arena);
    return err;
}
