/* Asking the kv actor. One thread. */
#include "actors/todo/core/kv.h"

#include "actors/todo/core/behind.h"
#include "actors/todo/core/etag.h"
#include "actors/todo/core/json.h"
#include "actors/todo/core/problem.h"
#include "actors/todo/core/session.h"

#define NS_PER_MS 1000000u
#define CONFIG_VALUE_BYTES_MAX ((size_t)32)
#define MESSAGE_BYTES_MAX ((size_t)256)

struct code_row {
    const char *name; /* on the wire; NULL: ours */
    unsigned status;
    const char *text;
};

static const struct code_row codes[] = {
    [GW_KV_OK] = {NULL, 200, "ok"},
    [GW_KV_BAD_REQUEST] = {"bad-request", 500, "The kv actor does not take this request"},
    [GW_KV_NOT_FOUND] = {"not-found", 404, "There is no such todo"},
    [GW_KV_CONFLICT] = {"conflict", 412, "The todo has changed in between"},
    [GW_KV_TOO_LARGE] = {"too-large", 413, "The kv actor finds it too large"},
    [GW_KV_BUSY] = {"busy", 503, "The kv actor is too busy"},
    [GW_KV_BEHIND] = {"behind", 503, "No site in reach has what this session has seen"},
    [GW_KV_UNAVAILABLE] = {"unavailable", 503, "The kv actor is not available"},
    [GW_KV_UNKNOWN_OUTCOME] = {"unknown-outcome", 503,
                               "The kv actor cannot tell whether it was done"},
    [GW_KV_TOO_FEW_ACKS] = {"too-few-acks", 503, "The write is held by fewer sites than wanted"},
    [GW_KV_CORRUPT] = {"corrupt", 500, "The stored data is damaged"},
    [GW_KV_INTERNAL] = {"internal", 500, "The kv actor failed"},
    [GW_KV_NO_ANSWER] = {NULL, 503, "The kv actor did not answer"},
    [GW_KV_NONSENSE] = {NULL, 502, "The kv actor's answer makes no sense"},
    [GW_KV_BAD_SESSION] = {NULL, 400, "Header Hedgerow-Session is not valid"},
    [GW_KV_MISCONFIGURED] = {NULL, 500, "The gateway's configuration is not valid"},
};

void gw_kv_reply_release(struct gw_kv_reply *reply)
{
    yyjson_doc_free(reply->doc);
    reply->doc = NULL;
    reply->root = NULL;
}

void gw_kv_nonsense(struct gw_kv_reply *reply, const char *why)
{
    reply->code = GW_KV_NONSENSE;
    reply->maybe_done = !reply->is_read;
    hr_diag_set(&reply->reason, HR_CORRUPT, "%s", why);
}

/* The time that a request may take; if the configuration has a bad one, the reply says so.
 * Errors: HR_NO_MEMORY. */
static enum hr_err read_timeout(const struct gw_call *call, uint32_t *ret_timeout_ms,
                                struct gw_kv_reply *reply)
{
    struct hr_buf value = {.max = CONFIG_VALUE_BYTES_MAX};
    enum hr_err err = call->env->config(call->env->arg, HR_STR("kv-timeout-ms"), &value);
    uint64_t timeout_ms = GW_KV_TIMEOUT_MS_DEFAULT;
    struct hr_str text = hr_buf_str(&value);
    bool good = err == HR_NOT_FOUND || (!err && hr_str_to_u64(text, &timeout_ms) &&
                                        timeout_ms > 0 && timeout_ms <= GW_KV_TIMEOUT_MS_MAX);
    if (good) {
        *ret_timeout_ms = (uint32_t)timeout_ms;
    } else {
        reply->code = GW_KV_MISCONFIGURED;
        hr_diag_set(&reply->reason, HR_BAD_INPUT, "kv-timeout-ms: %s, it must be from 1 to %u",
                    err ? hr_err_text(err) : "not such a number", GW_KV_TIMEOUT_MS_MAX);
    }
    hr_buf_release(&value);
    return err == HR_NO_MEMORY ? err : HR_OK;
}

static enum gw_kv_code code_of(struct hr_str name)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].name && hr_str_eq(name, hr_str_c(codes[i].name))) {
            return (enum gw_kv_code)i;
        }
    }
    return GW_KV_NONSENSE;
}

/* On how many of how many sites a write is; nothing, if that is not told or cannot be. */
static void read_acks(yyjson_val *object, struct gw_kv_reply *reply)
{
    yyjson_val *acks = yyjson_obj_get(object, "acks");
    yyjson_val *sites = yyjson_obj_get(object, "sites");
    if (yyjson_is_uint(acks) && yyjson_is_uint(sites) &&
        yyjson_get_uint(acks) <= yyjson_get_uint(sites)) {
        reply->acks = yyjson_get_uint(acks);
        reply->sites = yyjson_get_uint(sites);
    }
}

static enum hr_err read_reply(struct gw_call *call, struct hr_str text, struct gw_kv_reply *reply)
{
    enum hr_err err = gw_json_read(text, &reply->doc, &reply->reason);
    if (err) {
        reply->code = GW_KV_NONSENSE;
        return err == HR_NO_MEMORY ? err : HR_OK;
    }
    reply->root = yyjson_doc_get_root(reply->doc);
    gw_call_set_site(call, gw_json_str(yyjson_obj_get(reply->root, "site")));
    gw_session_take(call, reply->root);
    yyjson_val *error = yyjson_obj_get(reply->root, "error");
    if (!yyjson_is_obj(reply->root)) {
        gw_kv_nonsense(reply, "not an object");
    } else if (error) {
        reply->code = code_of(gw_json_str(yyjson_obj_get(error, "code")));
        struct hr_str message = gw_json_str(yyjson_obj_get(error, "message"));
        message = gw_json_clip(message, MESSAGE_BYTES_MAX);
        hr_diag_set(&reply->reason, HR_IO, "%.*s", HR_STR_ARG(message));
        if (reply->code == GW_KV_BAD_REQUEST && hr_str_starts(message, HR_STR("$session "))) {
            reply->code = GW_KV_BAD_SESSION;
        }
        read_acks(error, reply);
    } else {
        reply->code = GW_KV_OK;
        read_acks(reply->root, reply);
    }
    return HR_OK;
}

static enum hr_err attempt(struct gw_call *call, struct hr_str subject, struct hr_str body,
                           uint32_t timeout_ms, struct gw_kv_reply *reply)
{
    gw_kv_reply_release(reply);
    reply->reason.text[0] = '\0';
    reply->acks = 0;
    reply->sites = 0;
    struct hr_buf text = {.max = GW_REPLY_BYTES_MAX};
    call->kv_requests++;
    enum hr_err err =
        call->env->request(call->env->arg, subject, body, timeout_ms, &text, &reply->reason);
    if (!err) {
        err = read_reply(call, hr_buf_str(&text), reply);
        reply->maybe_done |= reply->code == GW_KV_UNKNOWN_OUTCOME || reply->code == GW_KV_NONSENSE;
    } else {
        reply->maybe_done |= err != HR_NO_RESPONDERS && err != HR_DENIED && err != HR_BUSY;
        reply->code = err == HR_TOO_BIG ? GW_KV_NONSENSE
                      : err == HR_BUSY  ? GW_KV_BUSY
                                        : GW_KV_NO_ANSWER;
        if (reply->reason.text[0] == '\0') {
            hr_diag_set(&reply->reason, err, "%s", hr_err_text(err));
        }
        err = err == HR_NO_MEMORY ? err : HR_OK;
    }
    hr_buf_release(&text);
    return err;
}

static uint64_t elapsed_ns(const struct gw_call *call, gw_wall_ns start_ns)
{
    gw_wall_ns now_ns = call->env->now(call->env->arg);
    return now_ns > start_ns ? now_ns - start_ns : 0; /* the clock may have been set back */
}

/* Sends @body until it is answered, or the time is up. */
static enum hr_err ask(struct gw_call *call, struct hr_str subject, struct hr_str body,
                       uint32_t timeout_ms, struct gw_kv_reply *reply)
{
    enum hr_err err = HR_OK;
    reply->code = GW_KV_NO_ANSWER;
    hr_diag_set(&reply->reason, HR_TIMEOUT, "its time was over before it was asked");
    gw_wall_ns start_ns = call->env->now(call->env->arg);
    for (uint32_t done = 0; done < GW_KV_ATTEMPTS_MAX && !err; done++) {
        uint64_t gone_ms = (call->kv_ns + elapsed_ns(call, start_ns)) / NS_PER_MS;
        uint32_t left_ms = gone_ms < timeout_ms ? timeout_ms - (uint32_t)gone_ms : 0;
        bool is_lost = reply->code == GW_KV_NO_ANSWER && reply->maybe_done;
        if (left_ms == 0 || (done > 0 && !is_lost)) {
            break;
        }
        err = attempt(call, subject, body, left_ms, reply);
    }
    call->kv_ns += elapsed_ns(call, start_ns);
    return err;
}

/* The same with the client's session in it. */
static enum hr_err ask_in_session(struct gw_call *call, struct hr_str subject, struct hr_str body,
                                  uint32_t timeout_ms, struct gw_kv_reply *reply)
{
    struct hr_buf with = {0};
    enum hr_err err = gw_session_put(call, reply->is_read, body, &with);
    err = err ? err : ask(call, subject, hr_buf_str(&with), timeout_ms, reply);
    hr_buf_release(&with);
    return err;
}

enum hr_err gw_kv_call(struct gw_call *call, struct hr_str subject, struct hr_str body,
                       struct gw_kv_reply *ret_reply)
{
    *ret_reply = (struct gw_kv_reply){
        .code = GW_KV_NO_ANSWER,
        .is_read = hr_str_starts(subject, HR_STR("wasmkv.get")),
    };
    uint32_t timeout_ms = 0;
    enum hr_err err = read_timeout(call, &timeout_ms, ret_reply);
    if (err || ret_reply->code == GW_KV_MISCONFIGURED) {
        return err;
    }
    err = ask_in_session(call, subject, body, timeout_ms, ret_reply);
    if (!err && ret_reply->code == GW_KV_BAD_SESSION && gw_session_forget(call)) {
        err = ask_in_session(call, subject, body, timeout_ms, ret_reply);
    }
    ret_reply->maybe_done &= !ret_reply->is_read;
    if (err) {
        gw_kv_reply_release(ret_reply);
    }
    return err;
}

bool gw_kv_item_read(yyjson_val *object, struct gw_kv_item *ret_item)
{
    struct gw_kv_item item = {
        .key = gw_json_str(yyjson_obj_get(object, "key")),
        .version = gw_json_str(yyjson_obj_get(object, "version")),
        .value = yyjson_obj_get(object, "value"),
    };
    if (!gw_route_is_key(item.key) || !gw_version_is_valid(item.version) ||
        !yyjson_is_obj(item.value)) {
        return false;
    }
    *ret_item = item;
    return true;
}

enum hr_err gw_kv_add_acks(struct gw_call *call, const struct gw_kv_reply *reply)
{
    struct hr_buf value = {0};
    if (reply->sites == 0) {
        return HR_OK;
    }
    enum hr_err err = hr_buf_printf(&value, "%llu/%llu", (unsigned long long)reply->acks,
                                    (unsigned long long)reply->sites);
    return gw_response_take(call->response, HR_STR("Hedgerow-Acks"), &value, err);
}

/* What is to be said beyond why: of a write that is there after all, or may be. */
static void describe_rest(const struct gw_kv_reply *reply, struct hr_diag *ret_rest)
{
    if (reply->code == GW_KV_TOO_FEW_ACKS && reply->sites > 0) {
        hr_diag_set(ret_rest, HR_IO,
                    " It is on %llu of %llu sites and may still spread: read before you repeat it.",
                    (unsigned long long)reply->acks, (unsigned long long)reply->sites);
    } else if (reply->code == GW_KV_TOO_FEW_ACKS) {
        hr_diag_set(ret_rest, HR_IO, " It may still spread: read before you repeat it.");
    } else {
        hr_diag_set(ret_rest, HR_IO, "%s",
                    reply->maybe_done ? " It may have been done: read before you repeat it." : "");
    }
}

enum hr_err gw_kv_problem(struct gw_call *call, const struct gw_kv_reply *reply)
{
    const struct code_row *row = &codes[reply->code];
    const char *reason = reply->reason.text;
    unsigned status = reply->maybe_done && row->status >= 500 ? 503 : row->status;
    if (status >= 500) {
        gw_call_log(call, GW_LOG_WARN, "kv-failed", hr_str_c(reason[0] ? reason : row->text));
    }
    if (reply->code == GW_KV_BEHIND) {
        gw_behind_session(call);
    }
    struct hr_diag detail, rest;
    struct hr_str shown = gw_json_clip(hr_str_c(reason), MESSAGE_BYTES_MAX);
    if (reply->code == GW_KV_TOO_FEW_ACKS && reply->sites > 0) {
        shown.len = 0; /* its reason is the numbers, which are told in our words */
    }
    describe_rest(reply, &rest);
    hr_diag_set(&detail, HR_IO, "%s%s%.*s.%s", row->text, shown.len ? ": " : "", HR_STR_ARG(shown),
                rest.text);
    enum hr_err err = gw_problem(call->response, status, hr_str_c(detail.text));
    return err || reply->code != GW_KV_TOO_FEW_ACKS ? err : gw_kv_add_acks(call, reply);
}
