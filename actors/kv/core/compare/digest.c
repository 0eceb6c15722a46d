/* Rows and digests out of the store. */
#include "actors/kv/core/compare/digest.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/leaf.h"
#include "actors/kv/core/format/record.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/route.h"
#include "actors/kv/core/site/scan.h"
#include "actors/kv/core/site/site.h"
#include "actors/kv/core/site/tally.h"

/* Keys of one reading. */
#define KEYS_AT_ONCE 64u
#define PAGE_ROWS_MAX 500u

static const unsigned char hash_key[DKV_SIPHASH_KEY_BYTES] = "hedgerow digest";

/* One answer in the making. */
struct survey {
    const struct dkv_env *env;
    const struct dkv_dig *dig;
    struct dkv_lens lens;
    unsigned leaf_bits;
    struct hr_arena *arena;
    struct dkv_dig_answer *answer;
    size_t bytes;
};

/* --- one record --------------------------------------------------------------------------------------- */

static void hash_of(struct hr_str key, struct hr_str bytes, unsigned char *ret_hash)
{
    unsigned char named[DKV_HASH128_BYTES];
    dkv_siphash128(hash_key, key, named);
    dkv_siphash128(named, bytes, ret_hash);
}

static void unreadable(const struct dkv_lens *lens, struct hr_str key, struct hr_str bytes,
                       struct dkv_dig_row *row)
{
    row->state = DKV_DIG_UNREADABLE;
    hash_of(key, bytes, row->hash);
    row->hash[0] ^= (unsigned char)(lens->site >> 8);
    row->hash[1] ^= (unsigned char)lens->site;
}

enum hr_err dkv_digest_row(const struct dkv_lens *lens, struct hr_str key, struct dkv_value value,
                           struct hr_arena *scratch, struct dkv_dig_row *ret_row)
{
    struct dkv_record record;
    struct hr_diag why;
    struct hr_str bytes = value.bytes;
    struct dkv_dig_row row = {.key = key};
    enum hr_err err = HR_OK;
    if (value.present) {
        err = dkv_record_decode(value.bytes, scratch, &record, &why);
    }
    if (err == HR_CORRUPT || err == HR_UNSUPPORTED) {
        unreadable(lens, key, value.bytes, &row);
        err = HR_OK;
    } else if (!err && value.present) {
        /* A record's encoding is the only one it has. */
        if (dkv_record_collect(&record, lens->clear, lens->floor)) {
            err = dkv_record_encode(&record, scratch, &bytes);
        }
        if (!err && !dkv_record_empty(&record)) {
            row.state = DKV_DIG_READABLE;
            row.newest = dkv_record_newest(&record);
            hash_of(key, bytes, row.hash);
        }
    }
    if (!err) {
        *ret_row = row;
    }
    return err;
}

/* --- rows --------------------------------------------------------------------------------------------- */

static enum hr_err read_records(const struct survey *survey, const struct hr_str *keys,
                                size_t count, struct hr_arena *scratch,
                                struct dkv_value *ret_values, struct hr_diag *diag)
{
    struct hr_str names[KEYS_AT_ONCE];
    for (size_t i = 0; i < count; i++) {
        names[i] = dkv_key_record(scratch, keys[i]);
        if (!names[i].ptr) {
            return HR_NO_MEMORY;
        }
    }
    return survey->env->get_many(survey->env->arg, names, count, scratch, ret_values, diag);
}

/* Whether the index names each of @keys. */
static enum hr_err look_up(const struct survey *survey, const struct hr_str *keys, size_t count,
                           struct hr_arena *scratch, bool *ret_named, struct hr_diag *diag)
{
    struct hr_str names[KEYS_AT_ONCE];
    struct dkv_value values[KEYS_AT_ONCE];
    for (size_t i = 0; i < count; i++) {
        names[i] = dkv_key_name(scratch, dkv_leaf_of(keys[i], survey->leaf_bits), keys[i]);
        if (!names[i].ptr) {
            return HR_NO_MEMORY;
        }
    }
    enum hr_err err = survey->env->get_many(survey->env->arg, names, count, scratch, values, diag);
    for (size_t i = 0; !err && i < count; i++) {
        ret_named[i] = values[i].present;
    }
    return err;
}

/* A page of the index, from after the name @after on. */
static enum hr_err read_names(const struct survey *survey, struct hr_str prefix,
                              struct hr_str after, struct hr_arena *scratch,
                              struct dkv_page *ret_page, struct hr_diag *diag)
{
    return prefix.ptr && after.ptr
               ? dkv_scan_page(survey->env, prefix, after, KEYS_AT_ONCE, scratch, ret_page, diag)
               : HR_NO_MEMORY;
}

/* What @name says, if that is a name of a key in its leaf. Nobody but a hand puts others there. */
static bool parse_name(const struct survey *survey, struct hr_str name, uint32_t *ret_leaf,
                       struct hr_str *ret_key)
{
    bool sound = dkv_key_name_parse(name, ret_leaf, ret_key) &&
                 *ret_leaf == dkv_leaf_of(*ret_key, survey->leaf_bits);
    if (!sound) {
        survey->env->log(survey->env->arg, DKV_LOG_WARN,
                         HR_STR("event=stray-name reason=\"k/ holds a name that is none\""));
    }
    return sound;
}

/* Adds a row. Owns: copies the key and, if it is wanted, the record. False: there is no room for it. */
static bool add_row(struct survey *survey, const struct dkv_dig_row *row, struct hr_str record,
                    enum hr_err *err)
{
    struct dkv_dig_answer *answer = survey->answer;
    size_t bytes = survey->bytes + 64 + row->key.len;
    bool told = survey->dig->with_records && row->state != DKV_DIG_ABSENT;
    bytes += told ? record.len : 0;
    if (answer->row_count == DKV_DIG_ROWS_MAX ||
        (answer->row_count > 0 && bytes > DKV_DIG_BYTES_GOAL)) {
        answer->more = true;
        return false;
    }
    struct dkv_dig_row *added = &answer->rows[answer->row_count];
    *added = *row;
    added->key = hr_arena_copy(survey->arena, row->key);
    added->record = told ? hr_arena_copy(survey->arena, record) : (struct hr_str){0};
    if (!added->key.ptr || (told && !added->record.ptr)) {
        *err = HR_NO_MEMORY;
        return false;
    }
    survey->bytes = bytes;
    answer->row_count++;
    return true;
}

/* Rows of up to KEYS_AT_ONCE keys. ret_full: there was no room for all of them. */
static enum hr_err add_keys(struct survey *survey, const struct hr_str *keys, size_t count,
                            bool *ret_full, struct hr_diag *diag)
{
    struct dkv_value values[KEYS_AT_ONCE];
    bool named[KEYS_AT_ONCE];
    struct hr_arena scratch;
    hr_arena_init(&scratch, DKV_ARENA_BYTES_MAX);
    enum hr_err err = read_records(survey, keys, count, &scratch, values, diag);
    if (!err) {
        err = look_up(survey, keys, count, &scratch, named, diag);
    }
    *ret_full = false;
    for (size_t i = 0; !err && !*ret_full && i < count; i++) {
        struct dkv_dig_row row;
        err = dkv_digest_row(&survey->lens, keys[i], values[i], &scratch, &row);
        if (!err) {
            row.named = named[i];
            *ret_full = !add_row(survey, &row, values[i].bytes, &err);
        }
    }
    hr_arena_release(&scratch);
    return err;
}

static enum hr_err answer_keys(struct survey *survey, const struct hr_str *keys, size_t count,
                               struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    bool full = false;
    for (size_t i = 0; !err && !full && i < count; i += KEYS_AT_ONCE) {
        size_t part = count - i < KEYS_AT_ONCE ? count - i : KEYS_AT_ONCE;
        err = add_keys(survey, keys + i, part, &full, diag);
    }
    return err;
}

static enum hr_err answer_leaf(struct survey *survey, struct hr_diag *diag)
{
    const struct dkv_dig *dig = survey->dig;
    struct hr_str prefix = dkv_key_leaf(survey->arena, dig->leaf);
    struct hr_str after = dkv_key_name(survey->arena, dig->leaf, dig->after);
    struct dkv_page page = {.more = true};
    enum hr_err err = HR_OK;
    bool full = false;
    while (!err && page.more && !full) {
        struct hr_str keys[KEYS_AT_ONCE];
        size_t count = 0;
        err = read_names(survey, prefix, after, survey->arena, &page, diag);
        for (size_t i = 0; !err && i < page.count; i++) {
            uint32_t leaf;
            after = page.pairs[i].key;
            count += parse_name(survey, after, &leaf, &keys[count]);
        }
        err = err ? err : add_keys(survey, keys, count, &full, diag);
    }
    return err;
}

static enum hr_err answer_page(struct survey *survey, struct hr_diag *diag)
{
    const struct dkv_env *env = survey->env;
    struct dkv_page page;
    struct hr_arena scratch;
    hr_arena_init(&scratch, DKV_ARENA_BYTES_MAX);
    struct hr_str after = survey->dig->after.len > 0 ? dkv_key_record(&scratch, survey->dig->after)
                                                     : (struct hr_str){0};
    struct hr_str *keys = hr_arena_alloc(&scratch, PAGE_ROWS_MAX * sizeof *keys);
    enum hr_err err =
        keys && (survey->dig->after.len == 0 || after.ptr)
            ? env->scan(env->arg, DKV_KEYS_RECORDS, after, PAGE_ROWS_MAX, &scratch, &page, diag)
            : HR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; !err && i < page.count; i++) {
        struct hr_str key = hr_str_from(page.pairs[i].key, DKV_KEYS_RECORDS.len);
        if (dkv_key_valid(key)) {
            keys[count++] = key;
        } else {
            env->log(env->arg, DKV_LOG_WARN,
                     HR_STR("event=stray-name reason=\"r/ holds a name that is no key\""));
        }
    }
    if (!err && page.more && count == 0) {
        err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("r/ holds a page of names that are no keys"));
    }
    if (!err) {
        err = answer_keys(survey, keys, count, diag);
        survey->answer->more = survey->answer->more || page.more;
    }
    hr_arena_release(&scratch);
    return err;
}

/* --- leaves ------------------------------------------------------------------------------------------- */

static void count_row(struct survey *survey, struct dkv_dig_digest *digest,
                      const struct dkv_dig_row *row)
{
    bool counts = row->state == DKV_DIG_UNREADABLE ||
                  (row->state == DKV_DIG_READABLE && row->newest.hlc <= survey->dig->cut);
    if (counts) {
        digest->records++;
        for (size_t i = 0; i < DKV_HASH128_BYTES; i++) {
            digest->hash[i] ^= row->hash[i];
        }
    }
}

/* Takes up to KEYS_AT_ONCE names of one leaf into its digest, and says which of them have no record, or none
 * that can be read. */
static enum hr_err look_at_names(struct survey *survey, const struct hr_str *names, size_t count,
                                 struct hr_arena *scratch, struct dkv_dig_digest *digest,
                                 struct hr_diag *diag)
{
    struct dkv_value values[KEYS_AT_ONCE];
    enum hr_err err = read_records(survey, names, count, scratch, values, diag);
    for (size_t i = 0; !err && i < count; i++) {
        struct dkv_dig_row row = {.key = names[i], .named = true};
        if (values[i].present) {
            err = dkv_digest_row(&survey->lens, names[i], values[i], scratch, &row);
            row.named = true;
            count_row(survey, digest, &row);
        }
        if (!err && (!values[i].present || row.state == DKV_DIG_UNREADABLE)) {
            /* What does not go in is told the next time, after this has been repaired. */
            add_row(survey, &row, (struct hr_str){0}, &err);
        }
    }
    return err;
}

/* What of a page of names is of the leaves that were asked for goes into their digests. @whole: how many leaves, from the
 * first on, have all of theirs. ret_over: the next leaf is another answer's, or not wanted. */
static enum hr_err look_at_page(struct survey *survey, const struct dkv_page *page,
                                dkv_mono_ms start, struct hr_arena *scratch, uint32_t *whole,
                                bool *ret_over, struct hr_diag *diag)
{
    const struct dkv_dig *dig = survey->dig;
    struct dkv_dig_digest *digests = survey->answer->digests;
    struct hr_str keys[KEYS_AT_ONCE];
    size_t count = 0;
    enum hr_err err = HR_OK;
    for (size_t i = 0; !err && !*ret_over && i < page->count; i++) {
        uint32_t leaf;
        struct hr_str key;
        if (!parse_name(survey, page->pairs[i].key, &leaf, &key)) {
            continue;
        }
        uint32_t at = leaf - dig->leaf;
        if (at != *whole && count > 0) {
            err = look_at_names(survey, keys, count, scratch, &digests[*whole], diag);
            count = 0;
        }
        if (at != *whole) {
            bool wanted = at < dig->leaf_count;
            *ret_over = !wanted || survey->env->mono(survey->env->arg) - start > DKV_DIGEST_MS_MAX;
            *whole = wanted ? at : dig->leaf_count;
        }
        keys[count] = key;
        count += !*ret_over;
    }
    return err || count == 0 ? err
                             : look_at_names(survey, keys, count, scratch, &digests[*whole], diag);
}

static enum hr_err answer_leaves(struct survey *survey, struct hr_diag *diag)
{
    const struct dkv_dig *dig = survey->dig;
    struct dkv_dig_answer *answer = survey->answer;
    dkv_mono_ms start = survey->env->mono(survey->env->arg);
    struct hr_str after = dkv_key_leaf(survey->arena, dig->leaf);
    struct dkv_page page = {.more = true};
    enum hr_err err = HR_OK;
    uint32_t whole = 0;
    bool over = false;
    memset(answer->digests, 0, dig->leaf_count * sizeof *answer->digests);
    while (!err && page.more && !over) {
        struct hr_arena scratch;
        hr_arena_init(&scratch, DKV_ARENA_BYTES_MAX);
        err = read_names(survey, DKV_KEYS_NAMES, after, &scratch, &page, diag);
        if (!err) {
            err = look_at_page(survey, &page, start, &scratch, &whole, &over, diag);
        }
        if (!err && page.more) {
            after = hr_arena_copy(survey->arena, page.pairs[page.count - 1].key);
        }
        hr_arena_release(&scratch);
    }
    answer->digest_count = over ? whole : dig->leaf_count;
    return err;
}

/* --- answers ------------------------------------------------------------------------------------------ */

static enum hr_err begin(struct survey *survey, const struct dkv_config *config,
                         struct hr_diag *diag)
{
    const struct dkv_env *env = survey->env;
    struct dkv_site site;
    struct dkv_value values[2];
    struct dkv_stamp clear;
    struct dkv_tally tally = {0};
    struct hr_diag why;
    const struct hr_str names[2] = {DKV_KEY_CLEAR, DKV_KEY_TALLY};
    struct dkv_dig_answer *answer = survey->answer;
    enum hr_err err = dkv_site_open(env, config, survey->arena, &site, diag);
    if (!err) {
        err = env->get_many(env->arg, names, 2, survey->arena, values, diag);
    }
    if (!err) {
        err = dkv_clear_decode(values[0], &clear, diag);
    }
    if (err) {
        return err;
    }
    if (values[1].present && !dkv_tally_decode(values[1].bytes, &tally, &why)) {
        answer->values = tally.visible;
        answer->litter = tally.litter;
        answer->feed_count = tally.feed_count;
        answer->feed_bytes = tally.feed_bytes;
    }
    survey->leaf_bits = site.cfg.leaf_bits;
    survey->lens.site = config->site_id;
    survey->lens.clear = dkv_stamp_max(clear, survey->dig->clear);
    survey->lens.floor = survey->dig->floor;
    answer->what = survey->dig->what;
    answer->site = config->site_id;
    answer->site_state = site.state;
    answer->clear = survey->lens.clear;
    answer->digests = hr_arena_alloc(survey->arena, DKV_DIG_LEAVES_MAX * sizeof *answer->digests);
    answer->rows = hr_arena_alloc(survey->arena, DKV_DIG_ROWS_MAX * sizeof *answer->rows);
    return answer->digests && answer->rows ? HR_OK : HR_NO_MEMORY;
}

enum hr_err dkv_digest_answer(const struct dkv_env *env, const struct dkv_config *config,
                              const struct dkv_dig *dig, struct hr_arena *arena,
                              struct dkv_dig_answer *ret_answer, struct hr_diag *diag)
{
    struct dkv_dig_answer answer = {0};
    struct survey survey = {.env = env, .dig = dig, .arena = arena, .answer = &answer};
    enum hr_err err = begin(&survey, config, diag);
    if (err) {
        return err;
    }
    switch (dig->what) {
    case DKV_DIG_LEAVES:
        err = answer_leaves(&survey, diag);
        break;
    case DKV_DIG_LEAF:
        err = answer_leaf(&survey, diag);
        break;
    case DKV_DIG_KEYS:
    case DKV_DIG_REPAIR:
        err = answer_keys(&survey, dig->keys, dig->key_count, diag);
        break;
    case DKV_DIG_PAGE:
        err = answer_page(&survey, diag);
        break;
    }
    if (!err) {
        *ret_answer = answer;
    }
    return err;
}

/* Whether @answer is one to @dig. */
static bool fits(const struct dkv_dig_answer *answer, const struct dkv_dig *dig,
                 const struct dkv_peer *peer)
{
    bool fits = answer->what == dig->what && answer->site == peer->id &&
                answer->digest_count <= dig->leaf_count &&
                dkv_stamp_cmp(answer->clear, dig->clear) >= 0;
    if (dig->what == DKV_DIG_KEYS || dig->what == DKV_DIG_REPAIR) {
        fits = fits && answer->row_count <= dig->key_count;
        for (size_t i = 0; fits && i < answer->row_count; i++) {
            fits = hr_str_eq(answer->rows[i].key, dig->keys[i]);
        }
    }
    return fits && (answer->row_count == 0 || dig->after.len == 0 ||
                    hr_str_cmp(answer->rows[0].key, dig->after) > 0);
}

enum hr_err dkv_digest_ask(const struct dkv_env *env, const struct dkv_config *config,
                           const struct dkv_peer *peer, const struct dkv_dig *dig,
                           struct hr_arena *arena, struct dkv_dig_answer *ret_answer,
                           struct hr_diag *diag)
{
    struct hr_str body;
    struct hr_str reply;
    struct hr_str subject = dkv_route_subject(DKV_ROUTE_DIG, config, peer->name, arena);
    enum hr_err err = subject.ptr ? dkv_dig_encode(dig, arena, &body) : HR_NO_MEMORY;
    if (!err) {
        uint32_t timeout_ms =
            dig->what == DKV_DIG_REPAIR ? DKV_DIGEST_REPAIR_TIMEOUT_MS : DKV_DIGEST_TIMEOUT_MS;
        err = env->request(env->arg, subject, body, timeout_ms, arena, &reply, diag);
    }
    if (!err) {
        err = dkv_dig_answer_decode(reply, arena, ret_answer, diag);
    }
    if (!err && !fits(ret_answer, dig, peer)) {
        err = DKV_FAIL(diag, HR_CORRUPT, HR_STR("dig answer: of another question"));
    }
    return err;
}
