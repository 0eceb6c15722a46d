/* Pages of records to items of a list. */
#include "actors/kv/core/values/list.h"

#include "actors/kv/core/format/json.h"
#include "actors/kv/core/format/state.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/scan.h"

#define PAGE_BYTES_MAX ((size_t)32 << 20)
/* Deleted values may lie between the wanted ones. */
#define PAGE_LIMIT_MIN 32u

struct list {
    const struct dkv_env *env;
    struct hr_arena *arena;
    struct dkv_answer *answer;
    struct dkv_out items;
    struct hr_str prefix; /* of names in the store */
    struct hr_str last;   /* the name looked at last, or to begin after */
    size_t limit;
    size_t count;
    size_t examined;
    bool done;
};

/* Ends the list after the name looked at last. */
static void stop(struct list *list)
{
    list->done = true;
    list->answer->next = hr_str_from(list->last, DKV_KEYS_RECORDS.len);
}

static void write_item(struct list *list, struct hr_str key, const struct dkv_record *record,
                       struct dkv_stamp clear)
{
    struct dkv_out *out = &list->items;
    dkv_out_bytes(out, list->count > 0 ? HR_STR(",{\"key\":") : HR_STR("{\"key\":"));
    dkv_json_string(out, key);
    dkv_out_bytes(out, HR_STR(",\"version\":"));
    dkv_json_version(out, dkv_record_newest(record));
    dkv_out_bytes(out, HR_STR(",\"value\":"));
    dkv_json_value(out, record, clear);
    dkv_out_bytes(out, HR_STR("}"));
    list->count++;
}

static enum hr_err look_at(struct list *list, const struct dkv_pair *pair, struct dkv_stamp clear,
                           struct hr_arena *page_arena)
{
    struct hr_diag *diag = &list->answer->diag;
    struct hr_str key = hr_str_from(pair->key, DKV_KEYS_RECORDS.len);
    struct dkv_record record;
    enum hr_err err = dkv_record_decode(pair->value, page_arena, &record, diag);
    if (!err && !dkv_key_valid(key)) {
        err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("its key is not one"));
    }
    if (err) {
        return dkv_text_prefix(diag, err, HR_STR("value "), key);
    }
    dkv_session_see_record(list->answer->session, &record);
    if (dkv_record_visible(&record, clear)) {
        /* About as long as the record is. */
        bool full = list->items.len + pair->value.len > DKV_LIST_BYTES_MAX && list->count > 0;
        if (list->count == list->limit || full) {
            stop(list);
            return HR_OK;
        }
        write_item(list, key, &record, clear);
    }
    list->examined++;
    list->last = pair->key;
    return list->items.err;
}

static enum hr_err read_page(struct list *list, struct hr_arena *page_arena)
{
    const struct dkv_env *env = list->env;
    struct hr_diag *diag = &list->answer->diag;
    struct dkv_page page;
    struct dkv_value mark;
    struct dkv_stamp clear;
    const struct hr_str clear_key = DKV_KEY_CLEAR;
    size_t wanted = list->limit - list->count + 1;
    size_t limit = wanted < PAGE_LIMIT_MIN       ? PAGE_LIMIT_MIN
                   : wanted > DKV_SCAN_LIMIT_MAX ? DKV_SCAN_LIMIT_MAX
                                                 : wanted;
    enum hr_err err =
        dkv_scan_page(env, list->prefix, list->last, (uint32_t)limit, page_arena, &page, diag);
    if (!err) {
        err = env->get_many(env->arg, &clear_key, 1, page_arena, &mark, diag);
    }
    if (!err) {
        err = dkv_clear_decode(mark, &clear, diag);
    }
    if (!err) {
        dkv_session_see(list->answer->session, clear);
    }
    for (size_t i = 0; !err && !list->done && i < page.count; i++) {
        err = look_at(list, &page.pairs[i], clear, page_arena);
    }
    if (err || list->done) {
        return err;
    }
    list->done = !page.more;
    if (page.more && list->examined >= DKV_LIST_RECORDS_MAX) {
        stop(list);
    }
    return HR_OK;
}

/* One page in an arena of its own; the last name outlives it. */
static enum hr_err step(struct list *list)
{
    struct hr_arena page_arena;
    hr_arena_init(&page_arena, PAGE_BYTES_MAX);
    enum hr_err err = read_page(list, &page_arena);
    bool ended = list->answer->next.len > 0;
    if (!err && list->last.len > 0) {
        list->last = hr_arena_copy(list->arena, list->last);
        err = list->last.ptr ? HR_OK : HR_NO_MEMORY;
    }
    if (!err && ended) {
        stop(list);
    }
    hr_arena_release(&page_arena);
    return err;
}

static enum hr_err begin(struct list *list, const struct dkv_listing *listing)
{
    list->limit = listing->limit;
    list->prefix = dkv_key_record(list->arena, listing->prefix);
    if (listing->after.len > 0) {
        list->last = dkv_key_record(list->arena, listing->after);
    }
    bool made = list->prefix.ptr && (listing->after.len == 0 || list->last.ptr);
    return made ? HR_OK : HR_NO_MEMORY;
}

void dkv_list_values(const struct dkv_env *env, const struct dkv_request *request,
                     struct hr_arena *arena, struct dkv_answer *ret_answer)
{
    *ret_answer = (struct dkv_answer){.op = request->op, .session = request->session};
    struct list list = {.env = env, .arena = arena, .answer = ret_answer};
    list.items = dkv_out_in(arena, 0);
    enum hr_err err = begin(&list, &request->listing);
    while (!err && !list.done) {
        err = step(&list);
    }
    if (!err) {
        err = dkv_out_take(&list.items, &ret_answer->value);
    }
    ret_answer->err = err;
}
