/* Opening: looks at the server, with a connection of its own that is closed again. redis.h says
 * what is refused and what `past` means. Blocks; any thread. */
#include <stdio.h>

#include "base/alloc.h"
#include "host/kv/redis_impl.h"

#define RECORD_KEY "hedgerow:store"
#define RECORD_FORM "hedgerow %u "
#define RECORD_BYTES_MAX (32u + HR_KV_REDIS_RUN_ID_BYTES_MAX)
#define WORDS_MAX 8u

struct opening {
    struct hr_kv_redis *kv;
    redisContext *context;
    struct hr_hiredis_guard guard;
    redisReply *reply; /* the last one */
    struct hr_diag *diag;
};

static enum hr_err problem(struct opening *opening, enum hr_err err, const char *what)
{
    return hr_diag_set(opening->diag, err, "store %s: %s", opening->kv->url.shown, what);
}

/* Asks the server; its answer, which may be an error of its own, is in opening->reply until the next
 * question. */
static enum hr_err ask(struct opening *opening, const struct hr_str *words, size_t count)
{
    const char *argv[WORDS_MAX];
    size_t lens[WORDS_MAX];
    for (size_t i = 0; i < count; i++) {
        argv[i] = words[i].ptr;
        lens[i] = words[i].len;
    }
    if (opening->reply) {
        freeReplyObject(opening->reply);
    }
    opening->guard.expected = 1;
    opening->reply = redisCommandArgv(opening->context, (int)count, argv, lens);
    if (!opening->reply) {
        return hr_diag_set(opening->diag, HR_IO, "store %s: no answer (%s); is it a Redis server?",
                           opening->kv->url.shown, opening->context->errstr);
    }
    return HR_OK;
}

#define ASK(opening, ...)                                \
    ask((opening), (const struct hr_str[]){__VA_ARGS__}, \
        sizeof((const struct hr_str[]){__VA_ARGS__}) / sizeof(struct hr_str))

/* What the operator can do about an error of the server's. */
static const char *advice(enum hr_err err, struct hr_str text)
{
    if (err == HR_DENIED) {
        return "; see to the user, the password and the rights in the url's user:password@ part";
    }
    if (err == HR_READ_ONLY) {
        return "; give the url of a server that can be written to";
    }
    if (err == HR_NO_SPACE) {
        return "; raise maxmemory, or make room";
    }
    if (hr_kv_redis_has_code(text, "LOADING")) {
        return "; it reads its data: start again in a moment";
    }
    return "";
}

/* The error that the server answered, or HR_OK if it answered none. */
static enum hr_err answered(struct opening *opening, const char *what)
{
    if (opening->reply->type != REDIS_REPLY_ERROR) {
        return HR_OK;
    }
    struct hr_str text = hr_kv_redis_text(opening->reply);
    enum hr_err err = hr_kv_redis_refusal(text);
    return hr_diag_set(opening->diag, err, "store %s: %s: %.200s%s", opening->kv->url.shown, what,
                       text.ptr, advice(err, text));
}

static enum hr_err connect_server(struct opening *opening)
{
    const struct hr_kv_redis_url *url = &opening->kv->url;
    const struct timeval wait = {.tv_sec = HR_KV_REDIS_OPEN_MS / 1000};
    opening->context = redisConnectWithTimeout(url->host, url->port, wait);
    if (!opening->context) {
        return problem(opening, HR_NO_MEMORY, "no memory for a connection");
    }
    if (opening->context->err) {
        return hr_diag_set(opening->diag, HR_IO,
                           "store %s: cannot be reached: %s; start the server, or give another url "
                           "(store, HEDGEROW_STORE)",
                           url->shown, opening->context->errstr);
    }
    if (redisSetTimeout(opening->context, wait) != REDIS_OK) {
        return problem(opening, HR_IO, opening->context->errstr);
    }
    hr_hiredis_guard(&opening->guard, opening->context->reader, HR_KV_REDIS_REPLY_ITEMS_MAX);
    if (url->tls) {
        struct hr_diag why;
        enum hr_err err = hr_hiredis_secure(opening->context, url->host, &why);
        return err ? problem(opening, err, why.text) : HR_OK;
    }
    return HR_OK;
}

static enum hr_err log_in(struct opening *opening)
{
    const struct hr_kv_redis_url *url = &opening->kv->url;
    enum hr_err err = HR_OK;
    if (url->user[0] || url->password[0]) {
        err = ASK(opening, HR_STR("AUTH"), hr_str_c(url->user[0] ? url->user : "default"),
                  hr_str_c(url->password));
        if (!err) {
            err = answered(opening, "logging in");
        }
    }
    if (!err && url->database != 0) {
        char number[24];
        snprintf(number, sizeof number, "%u", url->database);
        err = ASK(opening, HR_STR("SELECT"), hr_str_c(number));
        if (!err) {
            err = answered(opening, "choosing the database after the url's /");
        }
    }
    return err;
}

/* Version, memory, process, eviction: what INFO tells. */
static enum hr_err check_info(struct opening *opening)
{
    enum hr_err err = ASK(opening, HR_STR("INFO"));
    if (!err) {
        err = answered(opening, "INFO");
    }
    if (err) {
        return err;
    }
    struct hr_str info = hr_kv_redis_text(opening->reply);
    struct hr_str version = hr_kv_redis_info(info, "redis_version");
    struct hr_str run_id = hr_kv_redis_info(info, "run_id");
    struct hr_str policy = hr_kv_redis_info(info, "maxmemory_policy");
    size_t dot = hr_str_find(version, '.', 0);
    uint64_t major;
    if (dot == SIZE_MAX || !hr_str_to_u64(hr_str_of(version.ptr, dot), &major) || run_id.len == 0) {
        return problem(opening, HR_UNSUPPORTED, "it does not say that it is a Redis server");
    }
    if (major < HR_KV_REDIS_VERSION_MIN) {
        return hr_diag_set(opening->diag, HR_UNSUPPORTED,
                           "store %s: the server's version is %.20s; at least %u is needed",
                           opening->kv->url.shown, version.ptr, HR_KV_REDIS_VERSION_MIN);
    }
    if (hr_str_eq(hr_kv_redis_info(info, "loading"), HR_STR("1"))) {
        return problem(opening, HR_BUSY, "the server reads its data: start again in a moment");
    }
    if (hr_str_starts(policy, HR_STR("allkeys-")) &&
        !hr_str_eq(hr_kv_redis_info(info, "maxmemory"), HR_STR("0"))) {
        return problem(opening, HR_UNSUPPORTED,
                       "the server throws away what is stored when its memory is full: CONFIG SET "
                       "maxmemory-policy noeviction");
    }
    hr_kv_redis_run_id_set(&opening->kv->run_id, run_id);
    hr_kv_redis_note_memory(opening->kv, info);
    return HR_OK;
}

/* One setting of the server's. *@ret_known: it may be asked. */
static enum hr_err read_setting(struct opening *opening, const char *name, bool *ret_known,
                                char *to, size_t size)
{
    enum hr_err err = ASK(opening, HR_STR("CONFIG"), HR_STR("GET"), hr_str_c(name));
    if (err) {
        return err;
    }
    const redisReply *reply = opening->reply;
    *ret_known = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                 hr_kv_redis_text(reply->element[1]).len > 0;
    if (*ret_known) {
        snprintf(to, size, "%.*s", HR_STR_ARG(hr_kv_redis_text(reply->element[1])));
    }
    return HR_OK;
}

/* Whether the server keeps what the store promises to keep. */
static enum hr_err check_durability(struct opening *opening)
{
    struct hr_kv_redis *kv = opening->kv;
    char file[16] = "";
    char fsync[16] = "";
    bool know_file = false;
    bool know_fsync = false;
    enum hr_err err = read_setting(opening, "appendonly", &know_file, file, sizeof file);
    if (!err) {
        err = read_setting(opening, "appendfsync", &know_fsync, fsync, sizeof fsync);
    }
    if (err) {
        return err;
    }
    bool sync = kv->base.durability == HR_KV_SYNC;
    if (!know_file || !know_fsync) {
        kv->keeps_all = sync;
        snprintf(kv->base.warning, sizeof kv->base.warning,
                 "the server does not tell its appendonly and appendfsync; taken to be as durable "
                 "as `durability: %s` says",
                 sync ? "sync" : "lazy");
        return HR_OK;
    }
    kv->keeps_all = strcmp(file, "yes") == 0 && strcmp(fsync, "always") == 0;
    if (sync && !kv->keeps_all) {
        return hr_diag_set(opening->diag, HR_UNSUPPORTED,
                           "store %s: the server does not sync every write (appendonly %s, "
                           "appendfsync %s), so `durability: sync` would be untrue: CONFIG SET "
                           "appendonly yes and CONFIG SET appendfsync always, or set durability: "
                           "lazy (HEDGEROW_DURABILITY)",
                           kv->url.shown, file, fsync);
    }
    return HR_OK;
}

static enum hr_err load_scripts(struct opening *opening)
{
    for (int i = 0; i < HR_KV_REDIS_SCRIPT_COUNT; i++) {
        enum hr_err err = ASK(opening, HR_STR("SCRIPT"), HR_STR("LOAD"),
                              hr_kv_redis_script_text((enum hr_kv_redis_script)i));
        if (!err) {
            err = answered(opening, "loading a script");
        }
        if (err) {
            return err;
        }
        struct hr_str sha = hr_kv_redis_text(opening->reply);
        if (sha.len != HR_KV_REDIS_SHA_BYTES) {
            return problem(opening, HR_UNSUPPORTED, "it takes no scripts");
        }
        memcpy(opening->kv->shas.of[i], sha.ptr, sha.len);
    }
    return HR_OK;
}

/* The number of the layout in "hedgerow <n> <run_id>", and the rest. False: it is no such record. */
static bool read_record(struct hr_str record, uint64_t *ret_layout, struct hr_str *ret_run_id)
{
    struct hr_str form = HR_STR("hedgerow ");
    struct hr_str rest = hr_str_from(record, form.len);
    size_t space = hr_str_find(rest, ' ', 0);
    if (!hr_str_starts(record, form) || space == SIZE_MAX) {
        return false;
    }
    *ret_run_id = hr_str_from(rest, space + 1);
    return hr_str_to_u64(hr_str_of(rest.ptr, space), ret_layout);
}

/* Reads the store's record: is it ours, and what has happened since it was written? */
static enum hr_err check_record(struct opening *opening)
{
    struct hr_kv_redis *kv = opening->kv;
    enum hr_err err = ASK(opening, HR_STR("GET"), HR_STR(RECORD_KEY));
    if (!err) {
        err = answered(opening, "reading " RECORD_KEY);
    }
    if (err) {
        return err;
    }
    if (opening->reply->type == REDIS_REPLY_NIL) {
        kv->base.past = HR_KV_FRESH;
        return HR_OK;
    }
    uint64_t layout;
    struct hr_str run_id;
    if (!read_record(hr_kv_redis_text(opening->reply), &layout, &run_id)) {
        return problem(opening, HR_UNSUPPORTED,
                       "its " RECORD_KEY " is not Hedgerow's; choose another database");
    }
    if (layout != HR_KV_REDIS_LAYOUT) {
        return problem(opening, HR_UNSUPPORTED, "it was made by another version of Hedgerow");
    }
    bool same = hr_kv_redis_run_id_eq(&kv->run_id, run_id);
    kv->base.past = same || kv->keeps_all ? HR_KV_INTACT : HR_KV_LOSSY;
    return HR_OK;
}

/* Sends a command that is already written. */
static enum hr_err ask_written(struct opening *opening, const char *command, size_t len)
{
    freeReplyObject(opening->reply);
    opening->reply = NULL;
    opening->guard.expected = 1;
    void *reply = NULL;
    if (redisAppendFormattedCommand(opening->context, command, len) != REDIS_OK ||
        redisGetReply(opening->context, &reply) != REDIS_OK) {
        return problem(opening, HR_IO, opening->context->errstr);
    }
    opening->reply = reply;
    return HR_OK;
}

/* Commits to the bucket "", which nobody else can have, and empties it again: so every command of the
 * scripts is known to be allowed. */
static enum hr_err try_commit(struct opening *opening, bool put)
{
    const struct hr_kv_entry entry = {HR_STR("k"), HR_STR("v")};
    const struct hr_kv_commit commit = {.bucket = HR_STR(""),
                                        .puts = &entry,
                                        .put_count = put,
                                        .deletes = &entry.key,
                                        .delete_count = !put};
    char command[1024];
    struct hr_kv_redis_writer writer = {.to = command};
    hr_kv_redis_write_commit(&writer, opening->kv->shas.of[HR_KV_REDIS_COMMIT], &commit);
    enum hr_err err = ask_written(opening, command, writer.len);
    return err ? err : answered(opening, "trying to write");
}

static enum hr_err try_scan(struct opening *opening)
{
    const struct hr_kv_scan scan = {.bucket = HR_STR(""), .limit = 1};
    char command[1024];
    struct hr_kv_redis_writer writer = {.to = command};
    hr_kv_redis_write_scan(&writer, opening->kv->shas.of[HR_KV_REDIS_SCAN], &scan);
    enum hr_err err = ask_written(opening, command, writer.len);
    return err ? err : answered(opening, "trying to read");
}

static enum hr_err write_record(struct opening *opening)
{
    const struct hr_kv_redis_run_id *id = &opening->kv->run_id;
    char record[RECORD_BYTES_MAX];
    int len = snprintf(record, sizeof record, RECORD_FORM "%.*s", HR_KV_REDIS_LAYOUT, (int)id->len,
                       id->text);
    enum hr_err err =
        ASK(opening, HR_STR("SET"), HR_STR(RECORD_KEY), hr_str_of(record, (size_t)len));
    return err ? err : answered(opening, "writing " RECORD_KEY);
}

/* A store that is full can be opened all the same: it can be read, and what is deleted makes room. */
static enum hr_err try_scripts(struct opening *opening)
{
    struct hr_kv_redis *kv = opening->kv;
    enum hr_err err = try_commit(opening, true);
    if (err == HR_NO_SPACE && kv->base.past != HR_KV_FRESH) {
        snprintf(kv->base.warning, sizeof kv->base.warning,
                 "the server's memory is full (maxmemory): nothing can be written");
        return try_scan(opening);
    }
    if (!err) {
        err = try_scan(opening);
    }
    if (!err) {
        err = try_commit(opening, false);
    }
    return err ? err : write_record(opening);
}

enum hr_err hr_kv_redis_open_server(struct hr_kv_redis *kv, struct hr_diag *diag)
{
    struct opening opening = {.kv = kv, .diag = diag};
    static enum hr_err (*const steps[])(struct opening *) = {
        connect_server, log_in,       check_info,  check_durability,
        load_scripts,   check_record, try_scripts,
    };
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !err; i++) {
        err = steps[i](&opening);
    }
    if (opening.reply) {
        freeReplyObject(opening.reply);
    }
    if (opening.context) {
        redisFree(opening.context);
    }
    return err;
}
