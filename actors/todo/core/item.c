/* Reading and writing todos one by one.
 *
 * Writes are conditional at the kv actor itself wherever it can say the condition: $if-absent for a
 * new todo, else $if-present, and $if-version for an If-Match with one version. Other conditions are
 * evaluated on a read, and the write then wants just the version that was read. Each write has its
 * own $request-id. One thread. */
#include "actors/todo/core/item.h"

#include "actors/todo/core/condition.h"
#include "actors/todo/core/kv.h"
#include "actors/todo/core/media.h"
#include "actors/todo/core/todo.h"
#include "actors/todo/core/uuid.h"

/* A todo and the reply that it was read from. */
struct fetched {
    struct gw_kv_reply reply;
    struct gw_kv_item item;
    struct gw_todo todo;
};

static void fetched_release(struct fetched *fetched)
{
    gw_kv_reply_release(&fetched->reply);
}

static enum hr_err refuse_missing(struct gw_call *call)
{
    return gw_call_refuse(call, 404, HR_STR("There is no such todo."));
}

static struct hr_str route_id(const struct gw_call *call)
{
    return hr_str_of(call->route.id, call->route.id_len);
}

/* Reads the todo out of a good reply about @id; a problem if it has none. */
static enum hr_err read_todo(struct gw_call *call, struct hr_str id, struct fetched *fetched)
{
    if (!gw_kv_item_read(fetched->reply.root, &fetched->item) ||
        !hr_str_eq(fetched->item.key, id)) {
        gw_kv_nonsense(&fetched->reply, "no key, version or value");
        return gw_call_end(gw_kv_problem(call, &fetched->reply));
    }
    if (!gw_todo_from_value(id, fetched->item.value, &fetched->todo)) {
        return refuse_missing(call);
    }
    return HR_OK;
}

/* Asks for the route's todo. @ret_fetched is to be released in any case. */
static enum hr_err fetch(struct gw_call *call, struct fetched *ret_fetched)
{
    *ret_fetched = (struct fetched){0};
    struct hr_str subject = gw_call_join(call, HR_STR("wasmkv.get."), route_id(call), HR_STR(""));
    if (!subject.ptr) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = gw_kv_call(call, subject, HR_STR(""), &ret_fetched->reply);
    if (!err && ret_fetched->reply.code != GW_KV_OK) {
        err = gw_call_end(gw_kv_problem(call, &ret_fetched->reply));
    }
    return err ? err : read_todo(call, route_id(call), ret_fetched);
}

static enum hr_err answer_todo(struct gw_call *call, unsigned status, const struct fetched *fetched)
{
    struct gw_response *response = call->response;
    struct hr_str tag = gw_call_join(call, HR_STR("\""), fetched->item.version, HR_STR("\""));
    enum hr_err err = tag.ptr ? HR_OK : HR_NO_MEMORY;
    err = err ? err : gw_todo_write(&fetched->todo, call->base, &response->own_body);
    if (err) {
        return err;
    }
    gw_response_use_own_body(response);
    response->status = status;
    gw_response_keep(response, HR_STR("ETag"), tag);
    gw_response_keep(response, HR_STR("Content-Type"), HR_STR("application/json; charset=utf-8"));
    gw_response_keep(response, HR_STR("Cache-Control"), HR_STR("no-cache"));
    return HR_OK;
}

enum hr_err gw_item_get(struct gw_call *call)
{
    struct gw_conditions conditions;
    struct fetched fetched;
    enum hr_err err = gw_conditions_read(call, &conditions);
    if (err) {
        return err;
    }
    err = fetch(call, &fetched);
    if (!err) {
        err = answer_todo(call, 200, &fetched);
    }
    if (!err) {
        err = gw_conditions_check(call, &conditions, fetched.item.version);
    }
    fetched_release(&fetched);
    return err;
}

/* What a write is done under: that there is a value, and that it has the version, if one is
 * given. */
struct guard {
    char version[GW_VERSION_CHARS];
    size_t version_len;
};

static void guard_set(struct guard *guard, struct hr_str version)
{
    if (version.len > 0) {
        memcpy(guard->version, version.ptr, version.len);
    }
    guard->version_len = version.len;
}

/* Evaluates what the kv actor cannot, and says what is left to it. */
static enum hr_err settle_conditions(struct gw_call *call, struct guard *ret_guard)
{
    struct gw_conditions conditions;
    enum hr_err err = gw_conditions_read(call, &conditions);
    if (err) {
        return err;
    }
    if (gw_conditions_are_simple(&conditions)) {
        guard_set(ret_guard, gw_conditions_version(&conditions));
        return HR_OK;
    }
    struct fetched fetched;
    err = fetch(call, &fetched);
    if (!err) {
        err = gw_conditions_check(call, &conditions, fetched.item.version);
    }
    if (!err) {
        guard_set(ret_guard, fetched.item.version);
    }
    fetched_release(&fetched);
    return err;
}

/* `"$if-...":..., "$request-id":"..."}`: the end of every write's body. A NULL @guard stands for a
 * write without conditions, or with its own. */
static enum hr_err put_options(struct gw_call *call, const struct guard *guard, struct hr_buf *body)
{
    enum hr_err err = guard ? hr_buf_append(body, HR_STR("\"$if-present\":true,")) : HR_OK;
    if (!err && guard && guard->version_len > 0) {
        err = hr_buf_printf(body, "\"$if-version\":\"%.*s\",", (int)guard->version_len,
                            guard->version);
    }
    struct gw_uuid request_id = gw_uuid_new(call->env);
    return err ? err : hr_buf_printf(body, "\"$request-id\":\"%s\"}", request_id.text);
}

/* Where no version was wanted, a conflict says that the new id is taken or that somebody was
 * quicker: the client may simply try again. */
static enum hr_err refuse_write(struct gw_call *call, const struct guard *guard,
                                const struct gw_kv_reply *reply)
{
    if (reply->code == GW_KV_CONFLICT && (!guard || guard->version_len == 0)) {
        return gw_call_refuse(call, 503,
                              HR_STR("Another write was made at the same time: try again."));
    }
    return gw_call_end(gw_kv_problem(call, reply));
}

/* Sends the write whose members so far are in @body; answers with the problem if it was not
 * done. */
static enum hr_err send_write(struct gw_call *call, struct hr_str subject,
                              const struct guard *guard, struct hr_buf *body,
                              struct gw_kv_reply *ret_reply)
{
    enum hr_err err = subject.ptr ? put_options(call, guard, body) : HR_NO_MEMORY;
    err = err ? err : gw_kv_call(call, subject, hr_buf_str(body), ret_reply);
    if (!err && ret_reply->code != GW_KV_OK) {
        err = refuse_write(call, guard, ret_reply);
    }
    return err;
}

static enum hr_err add_location(struct gw_call *call, struct hr_str id)
{
    struct hr_str url = gw_call_url(call, id);
    if (!url.ptr) {
        return HR_NO_MEMORY;
    }
    gw_response_keep(call->response, HR_STR("Location"), url);
    return HR_OK;
}

/* Where the new todo is, or may be after a write that was not confirmed: the client can look there
 * before it repeats. */
static enum hr_err locate(struct gw_call *call, struct hr_str id, const struct gw_kv_reply *reply,
                          enum hr_err err)
{
    bool is_unsure = reply->maybe_done || reply->code == GW_KV_TOO_FEW_ACKS;
    if (err != HR_OK && (err != GW_ANSWERED || !is_unsure)) {
        return err;
    }
    enum hr_err failure = add_location(call, id);
    return failure ? failure : err;
}

/* Stores a checked new todo under a new id. */
static enum hr_err create(struct gw_call *call, const struct gw_patch *patch, struct hr_buf *body,
                          struct fetched *fetched)
{
    struct gw_uuid uuid = gw_uuid_new(call->env);
    struct hr_str id = gw_uuid_str(&uuid);
    enum hr_err err = hr_buf_append_byte(body, '{');
    err = err ? err : gw_patch_write(patch, body);
    if (!err && !patch->completed) {
        err = hr_buf_append(body, HR_STR("\"completed\":false,"));
    }
    err = err ? err : hr_buf_append(body, HR_STR("\"$if-absent\":true,"));
    err = err ? err
              : send_write(call, gw_call_join(call, HR_STR("wasmkv.set."), id, HR_STR("")), NULL,
                           body, &fetched->reply);
    err = err ? err : read_todo(call, id, fetched);
    err = err ? err : answer_todo(call, 201, fetched);
    err = locate(call, id, &fetched->reply, err);
    return err ? err : gw_kv_add_acks(call, &fetched->reply);
}

enum hr_err gw_item_create(struct gw_call *call)
{
    struct gw_patch patch = {0};
    struct fetched fetched = {0};
    struct hr_buf body = {0};
    struct hr_diag diag;
    enum hr_err err = gw_media_check(call);
    err = err ? err : gw_conditions_check_list(call);
    if (err) {
        return err;
    }
    err = gw_patch_read(call->request->body, NULL, &patch, &diag);
    if (err == HR_BAD_INPUT) {
        return gw_call_refuse(call, 400, hr_str_c(diag.text));
    }
    if (!err) {
        err = create(call, &patch, &body, &fetched);
    }
    hr_buf_release(&body);
    fetched_release(&fetched);
    gw_patch_release(&patch);
    return err;
}

/* Reads the patch; its id and url, if named, must be the route's. */
static enum hr_err read_patch(struct gw_call *call, struct gw_patch *ret_patch)
{
    struct hr_diag diag;
    struct gw_identity identity = {route_id(call), gw_call_url(call, route_id(call))};
    if (!identity.url.ptr) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = gw_patch_read(call->request->body, &identity, ret_patch, &diag);
    return err == HR_BAD_INPUT ? gw_call_refuse(call, 400, hr_str_c(diag.text)) : err;
}

/* A patch that changes nothing is a read under the same conditions: nothing is written. */
static enum hr_err patch_nothing(struct gw_call *call)
{
    struct gw_conditions conditions;
    struct fetched fetched;
    enum hr_err err = gw_conditions_read(call, &conditions);
    if (err) {
        return err;
    }
    err = fetch(call, &fetched);
    err = err ? err : gw_conditions_check(call, &conditions, fetched.item.version);
    err = err ? err : answer_todo(call, 200, &fetched);
    fetched_release(&fetched);
    return err;
}

static enum hr_err patch_something(struct gw_call *call, const struct gw_patch *patch,
                                   struct hr_buf *body, struct fetched *fetched)
{
    struct guard guard = {.version_len = 0};
    struct hr_str id = route_id(call);
    enum hr_err err = settle_conditions(call, &guard);
    err = err ? err : hr_buf_append_byte(body, '{');
    err = err ? err : gw_patch_write(patch, body);
    err = err ? err
              : send_write(call, gw_call_join(call, HR_STR("wasmkv.set."), id, HR_STR("")), &guard,
                           body, &fetched->reply);
    err = err ? err : read_todo(call, id, fetched);
    err = err ? err : answer_todo(call, 200, fetched);
    return err ? err : gw_kv_add_acks(call, &fetched->reply);
}

enum hr_err gw_item_patch(struct gw_call *call)
{
    struct gw_patch patch = {0};
    struct fetched fetched = {0};
    struct hr_buf body = {0};
    enum hr_err err = gw_media_check(call);
    err = err ? err : read_patch(call, &patch);
    if (!err) {
        err = gw_patch_is_empty(&patch) ? patch_nothing(call)
                                        : patch_something(call, &patch, &body, &fetched);
    }
    hr_buf_release(&body);
    fetched_release(&fetched);
    gw_patch_release(&patch);
    return err;
}

/* Sends wasmkv.del[.<id>] and answers 204. */
static enum hr_err delete_at(struct gw_call *call, struct hr_str subject, const struct guard *guard)
{
    struct gw_kv_reply reply = {0};
    struct hr_buf body = {0};
    enum hr_err err = hr_buf_append_byte(&body, '{');
    err = err ? err : send_write(call, subject, guard, &body, &reply);
    err = err ? err : gw_kv_add_acks(call, &reply);
    if (!err) {
        call->response->status = 204;
    }
    hr_buf_release(&body);
    gw_kv_reply_release(&reply);
    return err;
}

enum hr_err gw_item_delete(struct gw_call *call)
{
    struct guard guard = {.version_len = 0};
    enum hr_err err = settle_conditions(call, &guard);
    return err ? err
               : delete_at(call,
                           gw_call_join(call, HR_STR("wasmkv.del."), route_id(call), HR_STR("")),
                           &guard);
}

enum hr_err gw_item_delete_all(struct gw_call *call)
{
    enum hr_err err = gw_conditions_check_list(call);
    return err ? err : delete_at(call, HR_STR("wasmkv.del"), NULL);
}
