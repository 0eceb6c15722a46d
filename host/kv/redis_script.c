/* The scripts that run in the server, and how commands are written.
 *
 * Redis runs a script as one step, but takes nothing back if it fails in the middle. So everything that
 * can fail comes before the first change: both keys are asked for something that only their type can
 * answer, and what a server refuses (no memory, read-only, disk error) it refuses at a script's
 * first changing command. Puts come first of these because they alone need memory. The commands that a
 * user may be denied are all tried when the store is opened.
 *
 * KEYS: the bucket's hash and its sorted set. Answers are numbers, texts and flat arrays; -1 stands for
 * what should not be: a score or a value that is missing, a number that is none. */
#include <inttypes.h>
#include <stdio.h>

#include "host/kv/redis_impl.h"

/* ARGV: how many checks, puts, deletes; for each check its key, '=' or '-' (absent), and value; for each
 * put its key and value; for each delete its key. Answers 0, or the number of the check that failed,
 * counted from 1. unpack is good for some 7000 values, so puts and deletes go in parts. */
static const char commit_text[] =
    "local checks, puts, deletes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "redis.call('HLEN', KEYS[1])\n"
    "redis.call('ZCARD', KEYS[2])\n"
    "local at = 4\n"
    "for i = 1, checks do\n"
    "  local held = redis.call('HGET', KEYS[1], ARGV[at])\n"
    "  if ARGV[at + 1] == '-' then\n"
    "    if held then return i end\n"
    "  elseif held ~= ARGV[at + 2] then\n"
    "    return i\n"
    "  end\n"
    "  at = at + 3\n"
    "end\n"
    "for from = 1, puts, 3000 do\n"
    "  local values, names = {KEYS[1]}, {KEYS[2]}\n"
    "  for i = 1, math.min(3000, puts - from + 1) do\n"
    "    values[2 * i], values[2 * i + 1] = ARGV[at], ARGV[at + 1]\n"
    "    names[2 * i], names[2 * i + 1] = '0', ARGV[at]\n"
    "    at = at + 2\n"
    "  end\n"
    "  redis.call('HSET', unpack(values))\n"
    "  redis.call('ZADD', unpack(names))\n"
    "end\n"
    "for from = 1, deletes, 6000 do\n"
    "  local values, names = {KEYS[1]}, {KEYS[2]}\n"
    "  for i = 1, math.min(6000, deletes - from + 1) do\n"
    "    values[i + 1], names[i + 1] = ARGV[at], ARGV[at]\n"
    "    at = at + 1\n"
    "  end\n"
    "  redis.call('HDEL', unpack(values))\n"
    "  redis.call('ZREM', unpack(names))\n"
    "end\n"
    "return 0\n";

/* ARGV: the range as ZRANGEBYLEX has it, how many entries, how many bytes, '1' for keys only. Answers 1
 * if keys are left, else 0; then each key, and its value unless keys only. Values are measured before
 * they are read, so that a page of large ones is never all in the server's memory. */
static const char scan_text[] =
    "local limit, bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4])\n"
    "local keys_only = ARGV[5] == '1'\n"
    "local names = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, limit + 1)\n"
    "local count, bytes = 0, 0\n"
    "while count < #names and count < limit do\n"
    "  local name = names[count + 1]\n"
    "  local more = #name\n"
    "  if not keys_only then more = more + redis.call('HSTRLEN', KEYS[1], name) end\n"
    "  if count > 0 and bytes + more > bytes_max then break end\n"
    "  bytes = bytes + more\n"
    "  count = count + 1\n"
    "end\n"
    "local page = {count < #names and 1 or 0}\n"
    "if keys_only then\n"
    "  for i = 1, count do page[i + 1] = names[i] end\n"
    "  return page\n"
    "end\n"
    "for from = 1, count, 1000 do\n"
    "  local to = math.min(count, from + 999)\n"
    "  local values = redis.call('HMGET', KEYS[1], unpack(names, from, to))\n"
    "  for i = from, to do\n"
    "    local value = values[i - from + 1]\n"
    "    if not value then return -1 end\n"
    "    page[2 * i], page[2 * i + 1] = names[i], value\n"
    "  end\n"
    "end\n"
    "return page\n";

/* ARGV: the key, and what to add. Answers the sum as text. Lua's numbers are exact up to 2^53, so a number
 * is its last ten digits and the rest; the sum of two below 2^64 is 2^64 too large at most once. */
static const char increment_text[] =
    "local function split(text)\n"
    "  text = string.match(text, '^0*(%d*)$')\n"
    "  if not text or #text > 20 then return end\n"
    "  text = string.rep('0', 20 - #text) .. text\n"
    "  if text > '18446744073709551615' then return end\n"
    "  return tonumber(string.sub(text, 1, 10)), tonumber(string.sub(text, 11))\n"
    "end\n"
    "redis.call('ZCARD', KEYS[2])\n"
    "local held = redis.call('HGET', KEYS[1], ARGV[1]) or '0'\n"
    "if held == '' then return -1 end\n"
    "local high, low = split(held)\n"
    "if not high then return -1 end\n"
    "local more_high, more_low = split(ARGV[2])\n"
    "high, low = high + more_high, low + more_low\n"
    "if low >= 10000000000 then high, low = high + 1, low - 10000000000 end\n"
    "if high > 1844674407 or (high == 1844674407 and low >= 3709551616) then\n"
    "  high, low = high - 1844674407, low - 3709551616\n"
    "  if low < 0 then high, low = high - 1, low + 10000000000 end\n"
    "end\n"
    "local sum = string.format('%.0f%010.0f', high, low)\n"
    "sum = string.match(sum, '^0*(%d+)$')\n"
    "redis.call('HSET', KEYS[1], ARGV[1], sum)\n"
    "redis.call('ZADD', KEYS[2], '0', ARGV[1])\n"
    "return sum\n";

/* KEYS: the bucket's hash alone. ARGV: keys. Answers the numbers of those that are absent, counted from 1. */
static const char absent_text[] =
    "local absent = {}\n"
    "for i = 1, #ARGV do\n"
    "  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then absent[#absent + 1] = i end\n"
    "end\n"
    "return absent\n";

struct hr_str hr_kv_redis_script_text(enum hr_kv_redis_script script)
{
    static const struct hr_str texts[HR_KV_REDIS_SCRIPT_COUNT] = {
        [HR_KV_REDIS_COMMIT] = {commit_text, sizeof commit_text - 1},
        [HR_KV_REDIS_SCAN] = {scan_text, sizeof scan_text - 1},
        [HR_KV_REDIS_INCREMENT] = {increment_text, sizeof increment_text - 1},
        [HR_KV_REDIS_ABSENT] = {absent_text, sizeof absent_text - 1},
    };
    return texts[script];
}

/* ---- writing ---- */

static void write_bytes(struct hr_kv_redis_writer *writer, const void *bytes, size_t len)
{
    if (writer->to && len > 0) {
        memcpy(writer->to + writer->len, bytes, len);
    }
    writer->len += len;
}

/* "*12\r\n" or "$12\r\n". */
static void write_count(struct hr_kv_redis_writer *writer, char kind, size_t count)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%c%zu\r\n", kind, count);
    write_bytes(writer, text, (size_t)len);
}

static void write_arg(struct hr_kv_redis_writer *writer, struct hr_str arg)
{
    write_count(writer, '$', arg.len);
    write_bytes(writer, arg.ptr, arg.len);
    write_bytes(writer, "\r\n", 2);
}

static void write_number(struct hr_kv_redis_writer *writer, uint64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRIu64, number);
    write_arg(writer, hr_str_of(text, (size_t)len));
}

/* The bucket's key of this kind, as redis.h has it. */
static struct hr_str name_of(struct hr_str bucket, const char *kind, char *to)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = (size_t)snprintf(to, HR_KV_REDIS_NAME_BYTES_MAX, "hedgerow:{");
    for (size_t i = 0; i < bucket.len; i++) {
        unsigned char c = (unsigned char)bucket.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '_' || c == '-';
        if (plain) {
            to[len++] = (char)c;
        } else {
            to[len++] = '%';
            to[len++] = digits[c >> 4];
            to[len++] = digits[c & 15];
        }
    }
    len += (size_t)snprintf(to + len, HR_KV_REDIS_NAME_BYTES_MAX - len, "}:%s", kind);
    return hr_str_of(to, len);
}

struct hr_str hr_kv_redis_values_name(struct hr_str bucket, char *to)
{
    return name_of(bucket, "values", to);
}

/* A call of a script on a bucket, which is to get @args further arguments. */
static void write_call(struct hr_kv_redis_writer *writer, const char *sha, struct hr_str bucket,
                       size_t args)
{
    char name[HR_KV_REDIS_NAME_BYTES_MAX];
    write_count(writer, '*', 5 + args);
    write_arg(writer, HR_STR("EVALSHA"));
    write_arg(writer, hr_str_c(sha));
    write_arg(writer, HR_STR("2"));
    write_arg(writer, name_of(bucket, "values", name));
    write_arg(writer, name_of(bucket, "keys", name));
}

void hr_kv_redis_write_words(struct hr_kv_redis_writer *writer, const struct hr_str *words,
                             size_t count)
{
    write_count(writer, '*', count);
    for (size_t i = 0; i < count; i++) {
        write_arg(writer, words[i]);
    }
}

void hr_kv_redis_write_get(struct hr_kv_redis_writer *writer, struct hr_str bucket,
                           struct hr_str key)
{
    char name[HR_KV_REDIS_NAME_BYTES_MAX];
    const struct hr_str words[] = {HR_STR("HGET"), name_of(bucket, "values", name), key};
    hr_kv_redis_write_words(writer, words, 3);
}

/* The end of the range of keys that begin with @prefix: before the first key that is greater than all
 * of them, which is the prefix without its last bytes of 0xff and with its last other byte counted up. */
static struct hr_str range_end(struct hr_str prefix, char *to)
{
    size_t len = prefix.len;
    while (len > 0 && (unsigned char)prefix.ptr[len - 1] == 0xff) {
        len--;
    }
    if (len == 0) {
        return HR_STR("+");
    }
    to[0] = '(';
    memcpy(to + 1, prefix.ptr, len);
    to[len] = (char)((unsigned char)to[len] + 1);
    return hr_str_of(to, len + 1);
}

void hr_kv_redis_write_scan(struct hr_kv_redis_writer *writer, const char *sha,
                            const struct hr_kv_scan *scan)
{
    bool later = scan->after.len > 0 && hr_str_cmp(scan->after, scan->prefix) >= 0;
    struct hr_str from = later ? scan->after : scan->prefix;
    char start[HR_KV_KEY_BYTES_MAX + 1];
    char end[HR_KV_KEY_BYTES_MAX + 1];
    start[0] = later ? '(' : '[';
    if (from.len > 0) {
        memcpy(start + 1, from.ptr, from.len);
    }
    write_call(writer, sha, scan->bucket, 5);
    write_arg(writer, hr_str_of(start, from.len + 1));
    write_arg(writer, range_end(scan->prefix, end));
    write_number(writer, scan->limit);
    write_number(writer, HR_KV_SCAN_BYTES_MAX);
    write_arg(writer, scan->keys_only ? HR_STR("1") : HR_STR("0"));
}

void hr_kv_redis_write_commit(struct hr_kv_redis_writer *writer, const char *sha,
                              const struct hr_kv_commit *commit)
{
    write_call(writer, sha, commit->bucket,
               3 + 3 * commit->check_count + 2 * commit->put_count + commit->delete_count);
    write_number(writer, commit->check_count);
    write_number(writer, commit->put_count);
    write_number(writer, commit->delete_count);
    for (size_t i = 0; i < commit->check_count; i++) {
        const struct hr_kv_check *check = &commit->checks[i];
        write_arg(writer, check->key);
        write_arg(writer, check->absent ? HR_STR("-") : HR_STR("="));
        write_arg(writer, check->absent ? HR_STR("") : check->value);
    }
    for (size_t i = 0; i < commit->put_count; i++) {
        write_arg(writer, commit->puts[i].key);
        write_arg(writer, commit->puts[i].value);
    }
    for (size_t i = 0; i < commit->delete_count; i++) {
        write_arg(writer, commit->deletes[i]);
    }
}

void hr_kv_redis_write_increment(struct hr_kv_redis_writer *writer, const char *sha,
                                 struct hr_str bucket, struct hr_str key, uint64_t delta)
{
    write_call(writer, sha, bucket, 2);
    write_arg(writer, key);
    write_number(writer, delta);
}
