/* Joins the Distributed-KV core to its world's bindings: messages come in through the exports, and
 * every call of struct dkv_env becomes one of an import. The bucket is opened at the first use in
 * each invocation; configuration key `bucket` names it, "default" if not set.
 *
 * What an import returns is copied into the core's arena and freed at once. The errors of imports are
 * texts; one that begins with a row's text of base/err.h means that row, as far as the row can be a
 * store's own trouble; any other is HR_IO.
 * One thread. Must not know: what messages, keys and values mean. */
#include <kv.h>

#include "actors/kv/core/batch.h"
#include "actors/kv/core/env.h"
#include "actors/kv/core/format/text.h"
#include "base/alloc.h"
#include "base/assert.h"

/* In one reading: their values go through this memory at once. */
#define KEYS_AT_ONCE ((size_t)64)

struct guest {
    wasi_keyvalue_store_own_bucket_t bucket;
    bool open;
};

/* Bindings take pointers to non-const; they do not write to what they are given. */
static kv_string_t to_string(struct hr_str s)
{
    return (kv_string_t){(uint8_t *)(uintptr_t)s.ptr, s.len};
}

static kv_list_u8_t to_bytes(struct hr_str s)
{
    return (kv_list_u8_t){(uint8_t *)(uintptr_t)s.ptr, s.len};
}

static struct hr_str of_string(kv_string_t s)
{
    return hr_str_of(s.ptr, s.len);
}

static struct hr_str of_bytes(kv_list_u8_t bytes)
{
    return hr_str_of(bytes.ptr, bytes.len);
}

static enum hr_err err_of_text(struct hr_str text)
{
    static const enum hr_err possible[] = {HR_BUSY,      HR_TIMEOUT,  HR_CANCELED, HR_NO_RESPONDERS,
                                           HR_CLOSED,    HR_NO_SPACE, HR_CORRUPT,  HR_READ_ONLY,
                                           HR_NO_MEMORY, HR_DENIED};
    for (size_t i = 0; i < sizeof possible / sizeof possible[0]; i++) {
        if (hr_str_starts(text, hr_str_c(hr_err_text(possible[i])))) {
            return possible[i];
        }
    }
    return HR_IO;
}

/* An error text of the host: told on, freed. */
static enum hr_err fail_text(const char *what, kv_string_t *text, struct hr_diag *diag)
{
    enum hr_err err = DKV_FAIL(diag, err_of_text(of_string(*text)), hr_str_c(what), HR_STR(": "),
                               of_string(*text));
    kv_string_free(text);
    return err;
}

static enum hr_err fail_store(const char *what, wasi_keyvalue_store_error_t *error,
                              struct hr_diag *diag)
{
    switch (error->tag) {
    case WASI_KEYVALUE_STORE_ERROR_NO_SUCH_STORE:
        return DKV_FAIL(diag, HR_DENIED, hr_str_c(what), HR_STR(": the host has no such bucket"));
    case WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED:
        return DKV_FAIL(diag, HR_DENIED, hr_str_c(what), HR_STR(": the bucket is not for us"));
    default:
        return fail_text(what, &error->val.other, diag);
    }
}

static enum hr_err copy(struct hr_arena *arena, struct hr_str bytes, struct hr_str *ret_copy)
{
    *ret_copy = hr_arena_copy(arena, bytes);
    return ret_copy->ptr ? HR_OK : HR_NO_MEMORY;
}

static enum hr_err env_config(void *arg, struct hr_str key, struct hr_arena *arena,
                              struct hr_str *ret_value, struct hr_diag *diag)
{
    (void)arg;
    kv_string_t name = to_string(key);
    kv_option_string_t value;
    wasi_config_store_error_t error;
    if (!wasi_config_store_get(&name, &value, &error)) {
        /* Both kinds of errors are a text. */
        return fail_text("configuration", &error.val.io, diag);
    }
    if (!value.is_some) {
        return HR_NOT_FOUND;
    }
    enum hr_err err = copy(arena, of_string(value.val), ret_value);
    kv_string_free(&value.val);
    return err;
}

/* The bucket, opened if it is not yet. */
static enum hr_err bucket_of(struct guest *guest, wasi_keyvalue_store_borrow_bucket_t *ret_bucket,
                             struct hr_diag *diag)
{
    if (!guest->open) {
        struct hr_str name = HR_STR("default");
        struct hr_arena arena;
        wasi_keyvalue_store_error_t error;
        hr_arena_init(&arena, 0);
        enum hr_err err = env_config(guest, HR_STR("bucket"), &arena, &name, diag);
        kv_string_t identifier = to_string(name);
        if (err == HR_OK || err == HR_NOT_FOUND) {
            guest->open = wasi_keyvalue_store_open(&identifier, &guest->bucket, &error);
            err = guest->open ? HR_OK : fail_store("opening the bucket", &error, diag);
        }
        hr_arena_release(&arena);
        if (err) {
            return err;
        }
    }
    *ret_bucket = wasi_keyvalue_store_borrow_bucket(guest->bucket);
    return HR_OK;
}

/* One reading of @count keys, at most KEYS_AT_ONCE. */
static enum hr_err get_some(wasi_keyvalue_store_borrow_bucket_t bucket, const struct hr_str *keys,
                            size_t count, struct hr_arena *arena, struct dkv_value *ret_values,
                            struct hr_diag *diag)
{
    kv_string_t names[KEYS_AT_ONCE];
    kv_list_string_t list = {names, count};
    kv_list_option_tuple2_string_list_u8_t found;
    wasi_keyvalue_batch_error_t error;
    for (size_t i = 0; i < count; i++) {
        names[i] = to_string(keys[i]);
    }
    if (!wasi_keyvalue_batch_get_many(bucket, &list, &found, &error)) {
        return fail_store("reading the store", &error, diag);
    }
    enum hr_err err = found.len == count
                          ? HR_OK
                          : DKV_FAIL(diag, HR_IO, HR_STR("the store answered for other keys"));
    for (size_t i = 0; !err && i < count; i++) {
        ret_values[i] = (struct dkv_value){.present = found.ptr[i].is_some};
        if (found.ptr[i].is_some) {
            err = copy(arena, of_bytes(found.ptr[i].val.f1), &ret_values[i].bytes);
        }
    }
    kv_list_option_tuple2_string_list_u8_free(&found);
    return err;
}

static enum hr_err env_get_many(void *arg, const struct hr_str *keys, size_t count,
                                struct hr_arena *arena, struct dkv_value *ret_values,
                                struct hr_diag *diag)
{
    wasi_keyvalue_store_borrow_bucket_t bucket;
    enum hr_err err = bucket_of(arg, &bucket, diag);
    for (size_t i = 0; !err && i < count; i += KEYS_AT_ONCE) {
        size_t part = count - i < KEYS_AT_ONCE ? count - i : KEYS_AT_ONCE;
        err = get_some(bucket, keys + i, part, arena, ret_values + i, diag);
    }
    return err;
}

static enum hr_err copy_page(const hedgerow_kv_scan_page_t *page, struct hr_arena *arena,
                             struct dkv_page *ret_page)
{
    struct dkv_page copied = {.count = page->entries.len, .more = page->more};
    copied.pairs = hr_arena_alloc(arena, copied.count * sizeof *copied.pairs);
    enum hr_err err = copied.pairs ? HR_OK : HR_NO_MEMORY;
    for (size_t i = 0; !err && i < copied.count; i++) {
        err = copy(arena, of_string(page->entries.ptr[i].f0), &copied.pairs[i].key);
        if (!err) {
            err = copy(arena, of_bytes(page->entries.ptr[i].f1), &copied.pairs[i].value);
        }
    }
    if (!err) {
        *ret_page = copied;
    }
    return err;
}

static enum hr_err env_scan(void *arg, struct hr_str prefix, struct hr_str after, uint32_t limit,
                            struct hr_arena *arena, struct dkv_page *ret_page, struct hr_diag *diag)
{
    wasi_keyvalue_store_borrow_bucket_t bucket;
    kv_string_t prefix_text = to_string(prefix);
    kv_string_t after_text = to_string(after);
    hedgerow_kv_scan_page_t page;
    hedgerow_kv_scan_error_t error;
    enum hr_err err = bucket_of(arg, &bucket, diag);
    if (err) {
        return err;
    }
    if (!hedgerow_kv_scan_scan(bucket, &prefix_text, after.len > 0 ? &after_text : NULL, limit,
                               &page, &error)) {
        return fail_store("scanning the store", &error, diag);
    }
    err = copy_page(&page, arena, ret_page);
    kv_list_tuple2_string_list_u8_free(&page.entries);
    return err;
}

/* A commit in the bindings' types, which borrow from ours. */
struct bound_commit {
    hedgerow_kv_commit_list_check_t checks;
    kv_list_tuple2_string_list_u8_t puts;
    kv_list_string_t deletes;
};

static void unbind(struct bound_commit *bound)
{
    hr_free(bound->checks.ptr);
    hr_free(bound->puts.ptr);
    hr_free(bound->deletes.ptr);
}

static enum hr_err bind(const struct dkv_commit *commit, struct bound_commit *ret_bound)
{
    struct bound_commit bound = {
        .checks = {hr_alloc_array(commit->check_count, sizeof *bound.checks.ptr),
                   commit->check_count},
        .puts = {hr_alloc_array(commit->put_count, sizeof *bound.puts.ptr), commit->put_count},
        .deletes = {hr_alloc_array(commit->delete_count, sizeof *bound.deletes.ptr),
                    commit->delete_count},
    };
    if (!bound.checks.ptr || !bound.puts.ptr || !bound.deletes.ptr) {
        unbind(&bound);
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < commit->check_count; i++) {
        const struct dkv_check *check = &commit->checks[i];
        bound.checks.ptr[i] = (hedgerow_kv_commit_check_t){
            to_string(check->key), {check->expected.present, to_bytes(check->expected.bytes)}};
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        bound.puts.ptr[i] = (kv_tuple2_string_list_u8_t){to_string(commit->puts[i].key),
                                                         to_bytes(commit->puts[i].value)};
    }
    for (size_t i = 0; i < commit->delete_count; i++) {
        bound.deletes.ptr[i] = to_string(commit->deletes[i]);
    }
    *ret_bound = bound;
    return HR_OK;
}

static enum hr_err fail_commit(hedgerow_kv_commit_commit_error_t *error, size_t *ret_conflict,
                               struct hr_diag *diag)
{
    switch (error->tag) {
    case HEDGEROW_KV_COMMIT_COMMIT_ERROR_CONFLICT:
        *ret_conflict = error->val.conflict;
        return HR_CONFLICT;
    case HEDGEROW_KV_COMMIT_COMMIT_ERROR_REFUSED:
        return fail_store("writing to the store", &error->val.refused, diag);
    default:
        HR_IGNORE(fail_text("writing to the store", &error->val.unknown, diag)); /* for the text */
        return HR_UNKNOWN_OUTCOME;
    }
}

static enum hr_err env_commit(void *arg, const struct dkv_commit *commit, size_t *ret_conflict,
                              struct hr_diag *diag)
{
    wasi_keyvalue_store_borrow_bucket_t bucket;
    struct bound_commit bound;
    hedgerow_kv_commit_commit_error_t error;
    enum hr_err err = bucket_of(arg, &bucket, diag);
    if (!err) {
        err = bind(commit, &bound);
    }
    if (err) {
        return err;
    }
    bool done =
        hedgerow_kv_commit_commit(bucket, &bound.checks, &bound.puts, &bound.deletes, &error);
    unbind(&bound);
    return done ? HR_OK : fail_commit(&error, ret_conflict, diag);
}

static dkv_wall_ms env_wall(void *arg)
{
    (void)arg;
    wasi_clocks_wall_clock_datetime_t now;
    wasi_clocks_wall_clock_now(&now);
    return now.seconds * 1000 + now.nanoseconds / 1000000;
}

static dkv_mono_ms env_mono(void *arg)
{
    (void)arg;
    return wasi_clocks_monotonic_clock_now() / 1000000;
}

static void env_sleep(void *arg, uint32_t ms)
{
    (void)arg;
    wasi_clocks_monotonic_clock_own_pollable_t done =
        wasi_clocks_monotonic_clock_subscribe_duration((uint64_t)ms * 1000000);
    wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(done));
    wasi_io_poll_pollable_drop_own(done);
}

static void env_random(void *arg, void *ret_bytes, size_t len)
{
    (void)arg;
    kv_list_u8_t bytes;
    wasi_random_random_get_random_bytes(len, &bytes);
    HR_ASSERT(bytes.len == len);
    memcpy(ret_bytes, bytes.ptr, len);
    kv_list_u8_free(&bytes);
}

static enum hr_err env_publish(void *arg, const struct dkv_message *message, struct hr_diag *diag)
{
    (void)arg;
    kv_string_t error;
    wasmcloud_messaging_consumer_broker_message_t out = {
        .subject = to_string(message->subject),
        .body = to_bytes(message->body),
        .reply_to = {message->reply_to.len > 0, to_string(message->reply_to)},
    };
    return wasmcloud_messaging_consumer_publish(&out, &error)
               ? HR_OK
               : fail_text("publishing", &error, diag);
}

static enum hr_err env_request(void *arg, struct hr_str subject, struct hr_str body,
                               uint32_t timeout_ms, struct hr_arena *arena, struct hr_str *ret_body,
                               struct hr_diag *diag)
{
    (void)arg;
    kv_string_t to = to_string(subject);
    kv_list_u8_t bytes = to_bytes(body);
    wasmcloud_messaging_consumer_broker_message_t reply;
    kv_string_t error;
    if (!wasmcloud_messaging_consumer_request(&to, &bytes, timeout_ms, &reply, &error)) {
        return fail_text("request", &error, diag);
    }
    enum hr_err err = copy(arena, of_bytes(reply.body), ret_body);
    wasmcloud_messaging_consumer_broker_message_free(&reply);
    return err;
}

static enum hr_err copy_message(const wasmcloud_messaging_types_broker_message_t *message,
                                struct hr_arena *arena, struct dkv_message *ret_message)
{
    enum hr_err err = copy(arena, of_string(message->subject), &ret_message->subject);
    if (!err) {
        err = copy(arena, of_bytes(message->body), &ret_message->body);
    }
    if (!err && message->reply_to.is_some) {
        err = copy(arena, of_string(message->reply_to.val), &ret_message->reply_to);
    }
    return err;
}

static enum hr_err env_gather(void *arg, struct hr_str subject, struct hr_str body, uint32_t want,
                              uint32_t timeout_ms, struct hr_arena *arena,
                              struct dkv_message **ret_replies, size_t *ret_count,
                              struct hr_diag *diag)
{
    (void)arg;
    kv_string_t to = to_string(subject);
    kv_list_u8_t bytes = to_bytes(body);
    hedgerow_lattice_gather_list_broker_message_t replies;
    kv_string_t error;
    if (!hedgerow_lattice_gather_gather(&to, &bytes, want, timeout_ms, &replies, &error)) {
        return fail_text("gather", &error, diag);
    }
    struct dkv_message *copies = hr_arena_alloc(arena, replies.len * sizeof *copies);
    enum hr_err err = copies ? HR_OK : HR_NO_MEMORY;
    for (size_t i = 0; !err && i < replies.len; i++) {
        err = copy_message(&replies.ptr[i], arena, &copies[i]);
    }
    if (!err) {
        *ret_replies = copies;
        *ret_count = replies.len;
    }
    hedgerow_lattice_gather_list_broker_message_free(&replies);
    return err;
}

static enum hr_err env_sites(void *arg, struct hr_arena *arena, struct dkv_peer **ret_sites,
                             size_t *ret_count, struct hr_diag *diag)
{
    (void)arg, (void)diag;
    hedgerow_lattice_members_list_site_t sites;
    hedgerow_lattice_members_sites(&sites);
    struct dkv_peer *peers = hr_arena_alloc(arena, sites.len * sizeof *peers);
    enum hr_err err = peers ? HR_OK : HR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; !err && i < sites.len; i++) {
        const hedgerow_lattice_members_site_t *site = &sites.ptr[i];
        if (!site->has_store && !site->here) {
            continue; /* it holds nothing, and will acknowledge nothing */
        }
        peers[count] = (struct dkv_peer){.id = site->id,
                                         .here = site->here,
                                         .alive = site->alive,
                                         .clock_known = site->clock_ahead_ms.is_some,
                                         .clock_ahead_ms = site->clock_ahead_ms.val};
        err = copy(arena, of_string(site->name), &peers[count++].name);
    }
    if (!err) {
        *ret_sites = peers;
        *ret_count = count;
    }
    hedgerow_lattice_members_list_site_free(&sites);
    return err;
}

static bool env_settled(void *arg)
{
    (void)arg;
    return hedgerow_lattice_members_settled();
}

/* A reply that says no, by one of the two imports for that. */
static enum hr_err say_no(bool (*import)(kv_string_t *to, kv_string_t *why, kv_list_u8_t *body,
                                         kv_string_t *ret_error),
                          struct hr_str reply_to, struct hr_str reason, struct hr_str body,
                          struct hr_diag *diag)
{
    kv_string_t to = to_string(reply_to);
    kv_string_t why = to_string(reason);
    kv_list_u8_t bytes = to_bytes(body);
    kv_string_t error;
    return import(&to, &why, &bytes, &error) ? HR_OK : fail_text("saying no", &error, diag);
}

static enum hr_err env_refuse(void *arg, struct hr_str reply_to, struct hr_str reason,
                              struct hr_str body, struct hr_diag *diag)
{
    (void)arg;
    return say_no(hedgerow_lattice_replies_refuse, reply_to, reason, body, diag);
}

static enum hr_err env_judge(void *arg, struct hr_str reply_to, struct hr_str reason,
                             struct hr_str body, struct hr_diag *diag)
{
    (void)arg;
    return say_no(hedgerow_lattice_replies_judge, reply_to, reason, body, diag);
}

static void env_standing(void *arg, bool catching_up)
{
    (void)arg;
    hedgerow_kv_standing_catching_up(catching_up);
}

static enum hr_err copy_keys(const kv_list_string_t *from, struct hr_arena *arena,
                             struct dkv_lost_commit *commit)
{
    struct hr_str *keys = hr_arena_alloc(arena, from->len * sizeof *keys);
    enum hr_err err = keys ? HR_OK : HR_NO_MEMORY;
    for (size_t i = 0; !err && i < from->len; i++) {
        err = copy(arena, of_string(from->ptr[i]), &keys[i]);
    }
    commit->keys = keys;
    commit->count = from->len;
    return err;
}

static enum hr_err env_lost_commits(void *arg, uint64_t after, struct hr_arena *arena,
                                    struct dkv_lost_page *ret_page, struct hr_diag *diag)
{
    wasi_keyvalue_store_borrow_bucket_t bucket;
    hedgerow_kv_lost_commits_page_t page;
    struct dkv_lost_page copied = {0};
    enum hr_err err = bucket_of(arg, &bucket, diag);
    if (err) {
        return err;
    }
    if (!hedgerow_kv_lost_commits_read(bucket, after, &page)) {
        return HR_AGAIN;
    }
    if (page.commits.len > 0) {
        copied.commits = hr_arena_alloc(arena, page.commits.len * sizeof *copied.commits);
        err = copied.commits ? HR_OK : HR_NO_MEMORY;
    }
    for (; !err && copied.count < page.commits.len; copied.count++) {
        copied.commits[copied.count].id = page.commits.ptr[copied.count].id;
        err = copy_keys(&page.commits.ptr[copied.count].keys, arena, &copied.commits[copied.count]);
    }
    copied.more = page.more;
    hedgerow_kv_lost_commits_page_free(&page);
    if (!err) {
        *ret_page = copied;
    }
    return err;
}

static void env_lost_forget(void *arg, uint64_t id)
{
    wasi_keyvalue_store_borrow_bucket_t bucket;
    if (bucket_of(arg, &bucket, NULL) == HR_OK) {
        hedgerow_kv_lost_commits_forget(bucket, id);
    }
}

static void env_log(void *arg, enum dkv_log_level level, struct hr_str text)
{
    (void)arg;
    static const wasi_logging_logging_level_t levels[] = {
        [DKV_LOG_DEBUG] = WASI_LOGGING_LOGGING_LEVEL_DEBUG,
        [DKV_LOG_INFO] = WASI_LOGGING_LOGGING_LEVEL_INFO,
        [DKV_LOG_WARN] = WASI_LOGGING_LOGGING_LEVEL_WARN,
        [DKV_LOG_ERROR] = WASI_LOGGING_LOGGING_LEVEL_ERROR,
    };
    kv_string_t context = to_string(HR_STR("kv"));
    kv_string_t message = to_string(text);
    wasi_logging_logging_log(levels[level], &context, &message);
}

static struct dkv_env env_of(struct guest *guest, bool in_lane)
{
    return (struct dkv_env){
        .arg = guest,
        .in_lane = in_lane,
        .get_many = env_get_many,
        .scan = env_scan,
        .commit = env_commit,
        .wall = env_wall,
        .mono = env_mono,
        .sleep = env_sleep,
        .random = env_random,
        .publish = env_publish,
        .request = env_request,
        .gather = env_gather,
        .sites = env_sites,
        .settled = env_settled,
        .refuse = env_refuse,
        .judge = env_judge,
        .standing = env_standing,
        .lost_commits = env_lost_commits,
        .lost_forget = env_lost_forget,
        .log = env_log,
        .config = env_config,
    };
}

static void handle(const struct dkv_message *messages, size_t count, bool in_lane,
                   struct dkv_handled *ret_handled)
{
    struct guest guest = {0};
    struct dkv_env env = env_of(&guest, in_lane);
    dkv_batch_handle(&env, messages, count, ret_handled);
    if (guest.open) {
        wasi_keyvalue_store_bucket_drop_own(guest.bucket);
    }
}

static struct dkv_message to_message(const wasmcloud_messaging_types_broker_message_t *message)
{
    return (struct dkv_message){
        .subject = of_string(message->subject),
        .body = of_bytes(message->body),
        .reply_to =
            message->reply_to.is_some ? of_string(message->reply_to.val) : (struct hr_str){0},
    };
}

/* Takes the message. */
bool exports_wasmcloud_messaging_handler_handle_message(
    exports_wasmcloud_messaging_handler_broker_message_t *msg, kv_string_t *err)
{
    struct dkv_message message = to_message(msg);
    struct dkv_handled handled;
    handle(&message, 1, false, &handled);
    exports_wasmcloud_messaging_handler_broker_message_free(msg);
    if (handled.err) {
        kv_string_dup(err, handled.diag.text);
    }
    return handled.err == HR_OK;
}

/* Takes the messages. Memory that is out ends the invocation: there is no row to say it in. */
void exports_hedgerow_messaging_batch_handler_handle_batch(
    exports_hedgerow_messaging_batch_handler_list_broker_message_t *messages,
    exports_hedgerow_messaging_batch_handler_list_result_void_string_t *ret)
{
    size_t count = messages->len;
    struct dkv_message *batch = hr_alloc_array(count, sizeof *batch);
    struct dkv_handled *handled = hr_alloc_array(count, sizeof *handled);
    ret->ptr = hr_alloc_array(count, sizeof *ret->ptr);
    ret->len = count;
    HR_ASSERT(batch && handled && ret->ptr);
    for (size_t i = 0; i < count; i++) {
        batch[i] = to_message(&messages->ptr[i]);
    }
    handle(batch, count, true, handled);
    for (size_t i = 0; i < count; i++) {
        ret->ptr[i].is_err = handled[i].err != HR_OK;
        if (handled[i].err) {
            kv_string_dup(&ret->ptr[i].val.err, handled[i].diag.text);
        }
    }
    hr_free(batch);
    hr_free(handled);
    exports_hedgerow_messaging_batch_handler_list_broker_message_free(messages);
}
