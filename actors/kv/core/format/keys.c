/* Makes and reads the names in the store. */
#include "actors/kv/core/format/keys.h"

#include "actors/kv/core/format/text.h"

#define HEX64 16u
#define LEAF_DIGITS 4u
#define SITE_DIGITS 4u
#define TIME_PREFIX_BYTES 2u
#define TIME_BYTES (TIME_PREFIX_BYTES + HEX64 + 1 + 2 * HEX64)

/* A bit for each byte that may stand in a key: `-`, `.`, digits, `=`; capitals, `_`; small letters. */
static const uint32_t key_bytes[8] = {0, 0x23ff6000, 0x87fffffe, 0x07fffffe};

static bool key_byte(char c)
{
    unsigned char byte = (unsigned char)c;
    return key_bytes[byte >> 5] >> (byte & 31) & 1;
}

bool dkv_key_bytes_valid(struct hr_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!key_byte(text.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool dkv_key_valid(struct hr_str key)
{
    if (key.len < 1 || key.len > DKV_KEY_BYTES_MAX) {
        return false;
    }
    char before = '.';
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (!key_byte(c) || (c == '.' && before == '.')) {
            return false;
        }
        before = c;
    }
    return before != '.';
}

struct hr_str dkv_key_record(struct hr_arena *arena, struct hr_str key)
{
    struct dkv_out out = dkv_out_in(arena, 2 + key.len);
    dkv_out_bytes(&out, DKV_KEYS_RECORDS);
    dkv_out_bytes(&out, key);
    struct hr_str name = {0};
    return dkv_out_take(&out, &name) ? (struct hr_str){0} : name;
}

/* "<prefix>/<number>" with room for @extra bytes after it. */
static char *numbered(struct hr_arena *arena, char prefix, uint64_t number, size_t digits,
                      size_t extra)
{
    char *name = hr_arena_alloc(arena, 2 + digits + extra);
    if (name) {
        name[0] = prefix;
        name[1] = '/';
        dkv_text_hex(name + 2, number, digits);
    }
    return name;
}

static struct hr_str named(const char *name, size_t len)
{
    return name ? hr_str_of(name, len) : (struct hr_str){0};
}

struct hr_str dkv_key_change(struct hr_arena *arena, dkv_origin origin, uint64_t seq)
{
    char *name = numbered(arena, 'f', origin, HEX64, 1 + HEX64);
    if (name) {
        name[2 + HEX64] = '/';
        dkv_text_hex(name + 2 + HEX64 + 1, seq, HEX64);
    }
    return named(name, 2 + HEX64 + 1 + HEX64);
}

bool dkv_key_change_parse(struct hr_str name, dkv_origin *ret_origin, uint64_t *ret_seq)
{
    return name.len == 2 + HEX64 + 1 + HEX64 && hr_str_starts(name, DKV_KEYS_FEED) &&
           name.ptr[2 + HEX64] == '/' &&
           dkv_text_from_hex(hr_str_of(name.ptr + 2, HEX64), ret_origin) &&
           dkv_text_from_hex(hr_str_from(name, 2 + HEX64 + 1), ret_seq);
}

struct hr_str dkv_key_progress(struct hr_arena *arena, dkv_origin origin)
{
    return named(numbered(arena, 'v', origin, HEX64, 0), 2 + HEX64);
}

bool dkv_key_progress_parse(struct hr_str name, dkv_origin *ret_origin)
{
    return name.len == 2 + HEX64 && hr_str_starts(name, DKV_KEYS_PROGRESS) &&
           dkv_text_from_hex(hr_str_from(name, 2), ret_origin);
}

struct hr_str dkv_key_cover(struct hr_arena *arena, dkv_origin origin)
{
    return named(numbered(arena, 's', origin, HEX64, 0), 2 + HEX64);
}

bool dkv_key_cover_parse(struct hr_str name, dkv_origin *ret_origin)
{
    return name.len == 2 + HEX64 && hr_str_starts(name, DKV_KEYS_COVER) &&
           dkv_text_from_hex(hr_str_from(name, 2), ret_origin);
}

struct hr_str dkv_key_fence(struct hr_arena *arena, uint16_t site)
{
    return named(numbered(arena, 'h', site, SITE_DIGITS, 0), 2 + SITE_DIGITS);
}

bool dkv_key_fence_parse(struct hr_str name, uint16_t *ret_site)
{
    uint64_t site;
    bool valid = name.len == 2 + SITE_DIGITS && hr_str_starts(name, DKV_KEYS_FENCES) &&
                 dkv_text_from_hex(hr_str_from(name, 2), &site);
    if (valid) {
        *ret_site = (uint16_t)site;
    }
    return valid;
}

struct hr_str dkv_key_leaf(struct hr_arena *arena, uint32_t leaf)
{
    return dkv_key_name(arena, leaf, (struct hr_str){0});
}

struct hr_str dkv_key_name(struct hr_arena *arena, uint32_t leaf, struct hr_str key)
{
    char *name = numbered(arena, 'k', leaf, LEAF_DIGITS, 1 + key.len);
    if (name) {
        name[2 + LEAF_DIGITS] = '/';
    }
    if (name && key.len > 0) {
        memcpy(name + 2 + LEAF_DIGITS + 1, key.ptr, key.len);
    }
    return named(name, 2 + LEAF_DIGITS + 1 + key.len);
}

bool dkv_key_name_parse(struct hr_str name, uint32_t *ret_leaf, struct hr_str *ret_key)
{
    uint64_t leaf = 0;
    bool valid = name.len > 2 + LEAF_DIGITS + 1 && hr_str_starts(name, DKV_KEYS_NAMES) &&
                 name.ptr[2 + LEAF_DIGITS] == '/' &&
                 dkv_text_from_hex(hr_str_of(name.ptr + 2, LEAF_DIGITS), &leaf);
    if (valid) {
        *ret_leaf = (uint32_t)leaf;
        *ret_key = hr_str_from(name, 2 + LEAF_DIGITS + 1);
    }
    return valid && dkv_key_valid(*ret_key);
}

static void opid_text(const struct dkv_opid *opid, char *ret_text)
{
    for (size_t i = 0; i < DKV_OPID_BYTES; i += 8) {
        uint64_t word = 0;
        for (size_t j = 0; j < 8; j++) {
            word = word << 8 | opid->bytes[i + j];
        }
        dkv_text_hex(ret_text + 2 * i, word, HEX64);
    }
}

struct hr_str dkv_key_result(struct hr_arena *arena, const struct dkv_opid *opid)
{
    char *name = hr_arena_alloc(arena, 2 + 2 * HEX64);
    if (name) {
        name[0] = 'q';
        name[1] = '/';
        opid_text(opid, name + 2);
    }
    return named(name, 2 + 2 * HEX64);
}

struct hr_str dkv_key_time(struct hr_arena *arena, dkv_wall_ms time, const struct dkv_opid *opid)
{
    char *name = numbered(arena, 't', time, HEX64, 1 + 2 * HEX64);
    if (name) {
        name[TIME_PREFIX_BYTES + HEX64] = '/';
        opid_text(opid, name + TIME_PREFIX_BYTES + HEX64 + 1);
    }
    return named(name, TIME_BYTES);
}

bool dkv_key_time_parse(struct hr_str name, dkv_wall_ms *ret_time, struct dkv_opid *ret_opid)
{
    dkv_wall_ms time;
    struct dkv_opid opid;
    if (name.len != TIME_BYTES || !hr_str_starts(name, DKV_KEYS_TIMES) ||
        name.ptr[TIME_PREFIX_BYTES + HEX64] != '/' ||
        !dkv_text_from_hex(hr_str_of(name.ptr + TIME_PREFIX_BYTES, HEX64), &time)) {
        return false;
    }
    for (size_t i = 0; i < DKV_OPID_BYTES; i++) {
        uint64_t byte;
        if (!dkv_text_from_hex(hr_str_of(name.ptr + TIME_PREFIX_BYTES + HEX64 + 1 + 2 * i, 2),
                               &byte)) {
            return false;
        }
        opid.bytes[i] = (unsigned char)byte;
    }
    *ret_time = time;
    *ret_opid = opid;
    return true;
}
