/* Collecting the list. The entity tag is a hash over the body and the Link, so that a page whose
 * todos are the same but which has got a successor has another tag. One thread. */
#include "actors/todo/core/list.h"

#include "actors/todo/core/behind.h"
#include "actors/todo/core/condition.h"
#include "actors/todo/core/hash.h"
#include "actors/todo/core/json.h"
#include "actors/todo/core/kv.h"
#include "actors/todo/core/page.h"
#include "actors/todo/core/todo.h"

/* The most that the kv actor gives at once. */
#define KV_PAGE_LIMIT_MAX 1000u

struct list {
    struct gw_call *call;
    struct gw_page page;
    uint32_t count_max;
    uint32_t count;
    uint32_t skipped;
    bool is_full;               /* the answer has reached one of its limits */
    char next[GW_ID_BYTES_MAX]; /* the key after which the rest comes */
    size_t next_len;            /* 0: there is no rest */
};

static void set_next(struct list *list, struct hr_str key)
{
    memcpy(list->next, key.ptr, key.len);
    list->next_len = key.len;
}

/* Errors: HR_TOO_BIG: the answer has no room for it, and is as before. */
static enum hr_err add_todo(struct list *list, const struct gw_todo *todo)
{
    struct hr_buf *out = &list->call->response->own_body;
    size_t len_before = out->len;
    enum hr_err err = list->count > 0 ? hr_buf_append_byte(out, ',') : HR_OK;
    if (!err) {
        err = gw_todo_write(todo, list->call->base, out);
    }
    if (err) {
        out->len = len_before;
        return err;
    }
    list->count++;
    list->is_full = list->count == list->count_max;
    set_next(list, todo->id);
    return HR_OK;
}

/* Adds the reply's todos until the list is full; list->next then is the last one taken, else the
 * reply's own `next`. */
static enum hr_err add_page(struct list *list, struct gw_kv_reply *reply)
{
    yyjson_val *items = yyjson_obj_get(reply->root, "items");
    yyjson_val *next_value = yyjson_obj_get(reply->root, "next");
    struct hr_str next = gw_json_str(next_value);
    if (!yyjson_is_arr(items) || (!yyjson_is_null(next_value) && !gw_route_is_key(next))) {
        gw_kv_nonsense(reply, "no items, or no next");
        return HR_OK;
    }
    size_t index, max;
    yyjson_val *value;
    yyjson_arr_foreach(items, index, max, value)
    {
        struct gw_kv_item item;
        struct gw_todo todo;
        if (list->is_full) {
            return HR_OK;
        }
        if (!gw_kv_item_read(value, &item)) {
            gw_kv_nonsense(reply, "an item without key, version or value");
            return HR_OK;
        }
        if (!gw_todo_from_value(item.key, item.value, &todo)) {
            list->skipped++;
            continue;
        }
        enum hr_err err = add_todo(list, &todo);
        if (err == HR_TOO_BIG) {
            list->is_full = true;
            return HR_OK;
        }
        if (err) {
            return err;
        }
    }
    if (next.len > 0 && list->page.after_len > 0 &&
        hr_str_cmp(next, hr_str_of(list->page.after, list->page.after_len)) <= 0) {
        gw_kv_nonsense(reply, "next does not lead on");
        return HR_OK;
    }
    list->next_len = 0;
    if (next.len > 0) {
        set_next(list, next);
    }
    return HR_OK;
}

static enum hr_err ask_page(struct list *list, struct gw_kv_reply *ret_reply)
{
    struct hr_buf body = {0};
    uint32_t left = list->count_max - list->count;
    uint32_t limit = left < KV_PAGE_LIMIT_MAX ? left : KV_PAGE_LIMIT_MAX;
    enum hr_err err = hr_buf_printf(&body, "{\"limit\":%u", (unsigned)limit);
    if (!err && list->page.after_len > 0) {
        err = hr_buf_printf(&body, ",\"after\":\"%.*s\"", (int)list->page.after_len,
                            list->page.after);
    }
    err = err ? err : hr_buf_append_byte(&body, '}');
    err = err ? err : gw_kv_call(list->call, HR_STR("wasmkv.get"), hr_buf_str(&body), ret_reply);
    hr_buf_release(&body);
    return err;
}

/* One page of the kv actor; ends the call with a problem if there is none. */
static enum hr_err collect_page(struct list *list)
{
    struct gw_kv_reply reply = {0};
    enum hr_err err = ask_page(list, &reply);
    if (!err && reply.code == GW_KV_OK) {
        err = gw_behind_take(list->call, reply.root);
    }
    if (!err && reply.code == GW_KV_OK) {
        err = add_page(list, &reply);
    }
    if (!err && reply.code != GW_KV_OK) {
        err = gw_call_end(gw_kv_problem(list->call, &reply));
    }
    gw_kv_reply_release(&reply);
    return err;
}

static enum hr_err collect(struct list *list)
{
    struct hr_buf *out = &list->call->response->own_body;
    out->max = GW_LIST_BYTES_MAX - 1; /* the closing bracket */
    enum hr_err err = hr_buf_append_byte(out, '[');
    for (uint32_t pages = 0; !err && pages < GW_LIST_PAGES_MAX; pages++) {
        err = collect_page(list);
        if (!err && (list->is_full || list->next_len == 0)) {
            break;
        }
        memcpy(list->page.after, list->next, list->next_len);
        list->page.after_len = list->next_len;
    }
    if (err) {
        return err;
    }
    out->max = GW_LIST_BYTES_MAX;
    return hr_buf_append_byte(out, ']');
}

static enum hr_err add_link(struct list *list, struct hr_str *ret_link)
{
    struct gw_response *response = list->call->response;
    struct hr_buf link = {0};
    enum hr_err err =
        gw_page_link(&list->page, list->call->base, hr_str_of(list->next, list->next_len), &link);
    err = gw_response_take(response, HR_STR("Link"), &link, err);
    if (!err) {
        *ret_link = *gw_response_header(response, HR_STR("Link"));
    }
    return err;
}

/* The tag with its quotes. */
static void hash_tag(struct hr_str body, struct hr_str link, char ret_tag[2 + 2 * 16])
{
    static const unsigned char key[16] = "hedgerow list v1";
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[GW_HASH_BYTES];
    struct gw_hash hash;
    gw_hash_init(&hash, key);
    gw_hash_add(&hash, body);
    gw_hash_add(&hash, link);
    gw_hash_end(&hash, digest);
    ret_tag[0] = '"';
    for (size_t i = 0; i < GW_HASH_BYTES; i++) {
        ret_tag[1 + 2 * i] = digits[digest[i] >> 4];
        ret_tag[2 + 2 * i] = digits[digest[i] & 15];
    }
    ret_tag[1 + 2 * GW_HASH_BYTES] = '"';
}

static enum hr_err answer(struct list *list, const struct gw_conditions *conditions)
{
    struct gw_response *response = list->call->response;
    struct hr_str link = {0};
    char tag[2 + 2 * GW_HASH_BYTES];
    if (list->next_len > 0) {
        enum hr_err err = add_link(list, &link);
        if (err) {
            return err;
        }
    }
    gw_response_use_own_body(response);
    hash_tag(response->body, link, tag);
    enum hr_err err = gw_response_copy(response, HR_STR("ETag"), hr_str_of(tag, sizeof tag));
    if (err) {
        return err;
    }
    response->status = 200;
    gw_response_keep(response, HR_STR("Content-Type"), HR_STR("application/json; charset=utf-8"));
    gw_response_keep(response, HR_STR("Cache-Control"), HR_STR("no-cache"));
    return gw_conditions_check(list->call, conditions, hr_str_of(tag + 1, sizeof tag - 2));
}

enum hr_err gw_list_get(struct gw_call *call)
{
    struct gw_conditions conditions;
    struct hr_diag diag;
    struct list list = {.call = call};
    enum hr_err err = gw_conditions_read(call, &conditions);
    if (err) {
        return err;
    }
    err = gw_page_parse(call->route.query, &list.page, &diag);
    if (err) {
        return gw_call_refuse(call, 400, hr_str_c(diag.text));
    }
    list.count_max = list.page.limit ? list.page.limit : UINT32_MAX;
    err = collect(&list);
    if (list.skipped > 0) {
        gw_call_log(call, GW_LOG_DEBUG, "skipped", HR_STR("values that are not todos"));
    }
    return err ? err : answer(&list, &conditions);
}
