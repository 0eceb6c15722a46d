/* Answers to JSON, and our errors to the public codes. */
#include "actors/kv/core/values/reply.h"

#include "actors/kv/core/format/json.h"
#include "actors/kv/core/format/text.h"

struct code {
    struct hr_str name;
    bool retryable;
    bool fault;
};

static struct code code_of(enum hr_err err)
{
    switch (err) {
    case HR_BAD_INPUT:
        return (struct code){HR_STR("bad-request"), false, false};
    case HR_NOT_FOUND:
        return (struct code){HR_STR("not-found"), false, false};
    case HR_CONFLICT:
    case HR_EXISTS:
        return (struct code){HR_STR("conflict"), false, false};
    case HR_TOO_BIG:
        return (struct code){HR_STR("too-large"), false, false};
    case HR_AGAIN:
        return (struct code){HR_STR("behind"), true, false};
    case HR_BUSY:
    case HR_NO_MEMORY:
        return (struct code){HR_STR("busy"), true, false};
    case HR_NOT_READY:
        return (struct code){HR_STR("unavailable"), true, false};
    case HR_TIMEOUT:
    case HR_CANCELED:
    case HR_NO_RESPONDERS:
    case HR_CLOSED:
    case HR_LOCKED:
    case HR_NO_SPACE:
    case HR_IO:
        return (struct code){HR_STR("unavailable"), true, true};
    case HR_DENIED:
    case HR_READ_ONLY:
    case HR_UNSUPPORTED:
        return (struct code){HR_STR("unavailable"), false, true};
    case HR_UNKNOWN_OUTCOME:
        return (struct code){HR_STR("unknown-outcome"), true, true};
    case HR_CORRUPT:
        return (struct code){HR_STR("corrupt"), false, true};
    case HR_OK:
    case HR_TRAP:
    case HR_INTERNAL:
    case HR_ERR_COUNT:
        break;
    }
    return (struct code){HR_STR("internal"), false, true};
}

bool dkv_reply_is_fault(enum hr_err err)
{
    return err != HR_OK && code_of(err).fault;
}

static void member(struct dkv_out *out, const char *name)
{
    dkv_out_bytes(out, HR_STR(","));
    dkv_json_string(out, hr_str_c(name));
    dkv_out_bytes(out, HR_STR(":"));
}

/* What somebody else said may end within a character, or be no text at all. */
static struct hr_str utf8_part(struct hr_str text)
{
    while (!hr_str_is_utf8(text)) {
        text.len--;
    }
    return text;
}

static void write_error(struct dkv_out *out, const struct dkv_answer *answer)
{
    struct code code = code_of(answer->err);
    struct hr_str reason = utf8_part(hr_str_c(answer->diag.text));
    member(out, "error");
    dkv_out_bytes(out, HR_STR("{\"code\":"));
    dkv_json_string(out, code.name);
    member(out, "message");
    dkv_json_string(out, reason.len > 0 ? reason : hr_str_c(hr_err_text(answer->err)));
    member(out, "retryable");
    dkv_out_bytes(out, code.retryable ? HR_STR("true") : HR_STR("false"));
    if (answer->err == HR_CONFLICT) {
        member(out, "version");
        dkv_json_version(out, answer->version);
    }
    dkv_out_bytes(out, HR_STR("}"));
}

static void write_key(struct dkv_out *out, const struct dkv_answer *answer)
{
    member(out, "key");
    dkv_json_string(out, answer->key);
}

static void write_value(struct dkv_out *out, const struct dkv_answer *answer)
{
    write_key(out, answer);
    member(out, "version");
    dkv_json_version(out, answer->version);
    member(out, "value");
    dkv_out_bytes(out, answer->value);
}

static void write_acks(struct dkv_out *out, struct dkv_acks acks)
{
    member(out, "acks");
    dkv_json_number(out, acks.acks);
    member(out, "sites");
    dkv_json_number(out, acks.sites);
}

static void write_behind(struct dkv_out *out, const struct dkv_behind *behind)
{
    member(out, "behind");
    dkv_out_bytes(out, HR_STR("{\"changes\":"));
    dkv_json_number(out, behind->changes);
    member(out, "silent");
    dkv_out_bytes(out, HR_STR("["));
    for (size_t i = 0; i < behind->silent_count; i++) {
        dkv_out_bytes(out, i > 0 ? HR_STR(",") : HR_STR(""));
        dkv_json_string(out, utf8_part(behind->silent[i]));
    }
    dkv_out_bytes(out, HR_STR("]}"));
}

static void write_list(struct dkv_out *out, const struct dkv_answer *answer)
{
    member(out, "items");
    dkv_out_bytes(out, HR_STR("["));
    dkv_out_bytes(out, answer->value);
    dkv_out_bytes(out, HR_STR("]"));
    member(out, "next");
    if (answer->next.len > 0) {
        dkv_json_string(out, answer->next);
    } else {
        dkv_out_bytes(out, HR_STR("null"));
    }
    if (answer->behind) {
        write_behind(out, answer->behind);
    }
}

static void write_answer(struct dkv_out *out, const struct dkv_answer *answer)
{
    switch (answer->op) {
    case DKV_OP_LIST:
        write_list(out, answer);
        break;
    case DKV_OP_GET:
        write_value(out, answer);
        break;
    case DKV_OP_SET:
        write_value(out, answer);
        member(out, "created");
        dkv_out_bytes(out, answer->created ? HR_STR("true") : HR_STR("false"));
        break;
    case DKV_OP_DEL:
        write_key(out, answer);
        member(out, "deleted");
        dkv_out_bytes(out, HR_STR("true"));
        break;
    case DKV_OP_CLEAR:
        member(out, "cleared");
        dkv_out_bytes(out, HR_STR("true"));
        member(out, "count");
        dkv_json_number(out, answer->count);
        break;
    }
}

/* Of answers that show something, if only that there is nothing. Comes last, for dkv_reply_too_few. */
static enum hr_err write_session(struct dkv_out *out, const struct dkv_answer *answer,
                                 struct hr_arena *arena)
{
    struct hr_str token;
    bool shows = answer->err == HR_OK || answer->err == HR_NOT_FOUND || answer->err == HR_CONFLICT;
    if (!answer->session || !shows) {
        return HR_OK;
    }
    enum hr_err err = dkv_session_encode(answer->session, arena, &token);
    if (!err) {
        member(out, "session");
        dkv_json_string(out, token);
    }
    return err;
}

static void write_site(struct dkv_out *out, const struct dkv_config *config)
{
    dkv_out_bytes(out, HR_STR("{\"site\":"));
    dkv_json_string(out, config->site);
}

enum hr_err dkv_reply_write(const struct dkv_config *config, struct dkv_acks acks,
                            const struct dkv_answer *answer, struct hr_arena *arena,
                            struct hr_str *ret_body)
{
    struct dkv_out out = dkv_out_in(arena, answer->value.len + 512);
    write_site(&out, config);
    if (answer->err) {
        write_error(&out, answer);
    } else {
        write_answer(&out, answer);
    }
    if (!answer->err && dkv_op_writes(answer->op)) {
        write_acks(&out, acks);
    }
    enum hr_err err = write_session(&out, answer, arena);
    dkv_out_bytes(&out, HR_STR("}"));
    return err ? err : dkv_out_take(&out, ret_body);
}

enum hr_err dkv_reply_open(const struct dkv_config *config, const struct dkv_answer *answer,
                           struct hr_arena *arena, struct hr_str *ret_body)
{
    struct dkv_out out = dkv_out_in(arena, answer->value.len + 512);
    write_site(&out, config);
    write_answer(&out, answer);
    enum hr_err err = write_session(&out, answer, arena);
    return err ? err : dkv_out_take(&out, ret_body);
}

enum hr_err dkv_reply_close(struct hr_str open, struct dkv_acks acks, struct hr_arena *arena,
                            struct hr_str *ret_body)
{
    struct dkv_out out = dkv_out_in(arena, open.len + 64);
    dkv_out_bytes(&out, open);
    write_acks(&out, acks);
    dkv_out_bytes(&out, HR_STR("}"));
    return dkv_out_take(&out, ret_body);
}

/* The member `session` that @open ends with, with the comma before it; empty if it ends with another one. No
 * other one is a text, and a token has no character that is escaped. */
static struct hr_str session_of(struct hr_str open)
{
    const struct hr_str name = HR_STR(",\"session\":\"");
    if (open.len < name.len || open.ptr[open.len - 1] != '"') {
        return (struct hr_str){0};
    }
    size_t at = open.len - 1;
    while (at > 0 && open.ptr[at - 1] != '"') {
        at--;
    }
    bool named = at >= name.len && hr_str_eq(hr_str_of(open.ptr + at - name.len, name.len), name);
    return named ? hr_str_from(open, at - name.len) : (struct hr_str){0};
}

static void write_missing(struct dkv_out *out, const struct dkv_names *missing)
{
    member(out, "missing");
    dkv_out_bytes(out, HR_STR("["));
    for (size_t i = 0; i < missing->count; i++) {
        dkv_out_bytes(out, i > 0 ? HR_STR(",") : HR_STR(""));
        dkv_json_string(out, missing->names[i]);
    }
    dkv_out_bytes(out, HR_STR("]"));
}

/* For whoever reads it, in one sentence. */
static enum hr_err too_few_text(struct dkv_acks acks, const struct dkv_names *missing,
                                struct hr_arena *arena, struct hr_str *ret_text)
{
    struct dkv_out out = dkv_out_in(arena, 512);
    dkv_json_number(&out, acks.acks);
    dkv_out_bytes(&out, HR_STR(" of "));
    dkv_json_number(&out, acks.sites);
    dkv_out_bytes(&out, HR_STR(" sites are known to hold this, fewer than wanted; it is not undone "
                               "and may still spread"));
    for (size_t i = 0; i < missing->count; i++) {
        dkv_out_bytes(&out, i > 0 ? HR_STR(", ") : HR_STR("; no answer from "));
        dkv_out_bytes(&out, missing->names[i]);
    }
    return dkv_out_take(&out, ret_text);
}

enum hr_err dkv_reply_too_few(const struct dkv_config *config, struct dkv_acks acks,
                              const struct dkv_names *missing, struct hr_str open,
                              struct hr_arena *arena, struct hr_str *ret_body)
{
    struct hr_str text;
    struct dkv_out out = dkv_out_in(arena, 512);
    enum hr_err err = too_few_text(acks, missing, arena, &text);
    if (err) {
        return err;
    }
    write_site(&out, config);
    member(&out, "error");
    dkv_out_bytes(&out, HR_STR("{\"code\":\"too-few-acks\",\"message\":"));
    dkv_json_string(&out, text);
    dkv_out_bytes(&out, HR_STR(",\"retryable\":false"));
    write_acks(&out, acks);
    write_missing(&out, missing);
    dkv_out_bytes(&out, HR_STR("}"));
    dkv_out_bytes(&out, session_of(open));
    dkv_out_bytes(&out, HR_STR("}"));
    return dkv_out_take(&out, ret_body);
}

struct hr_str dkv_reply_code(enum hr_err err)
{
    return code_of(err).name;
}

bool dkv_reply_is_judgement(const struct dkv_answer *answer, bool identified)
{
    return identified && (answer->err == HR_NOT_FOUND || answer->err == HR_CONFLICT);
}

bool dkv_reply_is_refusal(const struct dkv_answer *answer, bool identified)
{
    switch (answer->err) {
    case HR_OK:
    case HR_BAD_INPUT:
    case HR_NOT_FOUND:
    case HR_CONFLICT:
    case HR_EXISTS:
    case HR_TOO_BIG:
        return false;
    case HR_UNKNOWN_OUTCOME:
        return identified; /* then it is harmless to do it again elsewhere */
    case HR_DENIED:
    case HR_BUSY:
    case HR_AGAIN:
    case HR_NOT_READY:
    case HR_TIMEOUT:
    case HR_CANCELED:
    case HR_NO_RESPONDERS:
    case HR_CLOSED:
    case HR_LOCKED:
    case HR_NO_MEMORY:
    case HR_NO_SPACE:
    case HR_READ_ONLY:
    case HR_CORRUPT:
    case HR_IO:
    case HR_UNSUPPORTED:
    case HR_TRAP:
    case HR_INTERNAL:
    case HR_ERR_COUNT:
        break;
    }
    return true;
}
