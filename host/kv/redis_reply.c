/* What the server says, made into ours. Everything in a reply is checked: a server may be of another
 * kind than we think, and what is stored may have been changed by others. Any thread. */
#include "host/kv/redis_impl.h"

struct hr_str hr_kv_redis_text(const redisReply *reply)
{
    bool has = reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ||
                         reply->type == REDIS_REPLY_ERROR);
    return has ? hr_str_of(reply->str, reply->len) : (struct hr_str){0};
}

/* The code is the first word. Before Redis 7 a command within a script that failed has its own error
 * further on, after "-". */
bool hr_kv_redis_has_code(struct hr_str text, const char *code)
{
    struct hr_str word = hr_str_c(code);
    for (size_t at = 0; at + word.len < text.len; at++) {
        bool begins = at == 0 || text.ptr[at - 1] == '-';
        if (begins && hr_str_starts(hr_str_from(text, at), word) &&
            text.ptr[at + word.len] == ' ') {
            return true;
        }
    }
    return false;
}

static bool mentions(struct hr_str text, struct hr_str what)
{
    for (size_t at = 0; at + what.len <= text.len; at++) {
        if (hr_str_starts(hr_str_from(text, at), what)) {
            return true;
        }
    }
    return false;
}

enum hr_err hr_kv_redis_refusal(struct hr_str text)
{
    static const struct {
        const char *code;
        enum hr_err err;
    } meanings[] = {
        {"OOM", HR_NO_SPACE},          {"READONLY", HR_READ_ONLY}, {"NOREPLICAS", HR_READ_ONLY},
        {"LOADING", HR_BUSY},          {"BUSY", HR_BUSY},          {"MASTERDOWN", HR_IO},
        {"NOAUTH", HR_DENIED},         {"WRONGPASS", HR_DENIED},   {"NOPERM", HR_DENIED},
        {"WRONGTYPE", HR_CORRUPT},     {"MOVED", HR_UNSUPPORTED},  {"ASK", HR_UNSUPPORTED},
        {"CROSSSLOT", HR_UNSUPPORTED}, {"CLUSTERDOWN", HR_IO},     {"NOSCRIPT", HR_IO},
    };
    if (hr_kv_redis_has_code(text, "MISCONF")) {
        return mentions(text, HR_STR("No space left")) ? HR_NO_SPACE : HR_IO;
    }
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (hr_kv_redis_has_code(text, meanings[i].code)) {
            return meanings[i].err;
        }
    }
    return HR_IO;
}

struct hr_str hr_kv_redis_info(struct hr_str info, const char *name)
{
    struct hr_str wanted = hr_str_c(name);
    while (info.len > 0) {
        size_t end = hr_str_find(info, '\n', 0);
        struct hr_str line = end == SIZE_MAX ? info : hr_str_of(info.ptr, end);
        info = end == SIZE_MAX ? (struct hr_str){0} : hr_str_from(info, end + 1);
        if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
            line.len--;
        }
        if (line.len > wanted.len && hr_str_starts(line, wanted) && line.ptr[wanted.len] == ':') {
            return hr_str_from(line, wanted.len + 1);
        }
    }
    return (struct hr_str){0};
}

void hr_kv_redis_note_memory(struct hr_kv_redis *kv, struct hr_str info)
{
    uint64_t used;
    uint64_t resident;
    if (hr_str_to_u64(hr_kv_redis_info(info, "used_memory"), &used) &&
        hr_str_to_u64(hr_kv_redis_info(info, "used_memory_rss"), &resident)) {
        atomic_store(&kv->used_bytes, used);
        atomic_store(&kv->taken_bytes, resident > used ? resident : used);
    }
}

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING;
}

/* Whether the reply is a page within the limits; counts its entries and bytes. */
static bool measure(const redisReply *reply, bool keys_only, uint32_t limit, size_t *ret_count,
                    size_t *ret_bytes)
{
    size_t each = keys_only ? 1 : 2;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        (reply->elements - 1) % each != 0 || (reply->elements - 1) / each > limit ||
        reply->element[0]->type != REDIS_REPLY_INTEGER) {
        return false;
    }
    size_t bytes = 0;
    for (size_t i = 1; i < reply->elements; i++) {
        const redisReply *item = reply->element[i];
        bool is_key = keys_only || i % 2 == 1;
        if (!is_text(item) || (is_key && (item->len == 0 || item->len > HR_KV_KEY_BYTES_MAX))) {
            return false;
        }
        bytes += item->len; /* the reply as a whole is bounded */
    }
    *ret_count = (reply->elements - 1) / each;
    *ret_bytes = bytes;
    return true;
}

static struct hr_str copy_text(char **to, const redisReply *item)
{
    struct hr_str copy = hr_str_of(*to, item->len);
    if (item->len > 0) {
        memcpy(*to, item->str, item->len);
    }
    *to += item->len;
    return copy;
}

enum hr_err hr_kv_redis_page(const redisReply *reply, bool keys_only, uint32_t limit,
                             struct hr_arena *arena, struct hr_kv_page *ret_page)
{
    size_t count;
    size_t bytes;
    if (!measure(reply, keys_only, limit, &count, &bytes)) {
        return HR_CORRUPT;
    }
    struct hr_kv_page page = {.count = count, .more = reply->element[0]->integer != 0};
    page.entries = hr_arena_alloc(arena, count * sizeof *page.entries);
    char *to = hr_arena_alloc(arena, bytes);
    if (!page.entries || !to) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        page.entries[i].key = copy_text(&to, reply->element[1 + i * (keys_only ? 1 : 2)]);
        page.entries[i].value =
            keys_only ? hr_str_of(to, 0) : copy_text(&to, reply->element[2 + 2 * i]);
    }
    *ret_page = page;
    return HR_OK;
}
