/* One slot of a round. */
#include "actors/kv/core/compare/round.h"

#include "actors/kv/core/compare/digest.h"
#include "actors/kv/core/compare/repair.h"
#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/leaf.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/site.h"
#include "actors/kv/core/site/tally.h"

/* Leaves whose rows are exchanged in one slot. */
#define LEAVES_AT_ONCE 8u

struct round {
    struct dkv_repair repair;
    struct hr_arena arena;
    struct dkv_site site;
    struct dkv_stamp clear;
    uint64_t values;
    uint64_t slot;
    struct dkv_turn turn;
    struct hr_str keys[DKV_REPAIR_KEYS_MAX]; /* that differ */
    size_t key_count;
};

/* As good as drawn by lot (the finaliser of SplitMix64, Steele, Lea and Flood 2014). */
static uint64_t shuffle(uint64_t number)
{
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9u;
    number = (number ^ (number >> 27)) * 0x94D049BB133111EBu;
    return number ^ (number >> 31);
}

struct dkv_turn dkv_round_turn(uint64_t slot, uint64_t values, unsigned leaf_bits, size_t others)
{
    uint64_t leaves = (uint64_t)1 << leaf_bits;
    uint64_t slices = DKV_ROUND_SLICES_MIN;
    while (slices < leaves &&
           (slices * DKV_ROUND_RECORDS < values || leaves / slices > DKV_DIG_LEAVES_MAX)) {
        slices *= 2;
    }
    uint64_t round = slot / slices;
    uint64_t slice = (slot ^ shuffle(round)) % slices; /* slices are a power of two */
    return (struct dkv_turn){.leaf = (uint32_t)(slice * (leaves / slices)),
                             .leaf_count = (uint32_t)(leaves / slices),
                             .other = others > 0 ? (size_t)(round % others) : 0};
}

static void note(struct round *round, struct hr_str key)
{
    for (size_t i = 0; i < round->key_count; i++) {
        if (hr_str_eq(round->keys[i], key)) {
            return;
        }
    }
    if (round->key_count < DKV_REPAIR_KEYS_MAX) {
        round->keys[round->key_count++] = key;
    }
}

/* --- this site's index -------------------------------------------------------------------------------- */

static enum hr_err own_answer(struct round *round, const struct dkv_dig *dig,
                              struct dkv_dig_answer *ret_answer, struct hr_diag *diag)
{
    return dkv_digest_answer(round->repair.env, round->repair.config, dig, &round->arena,
                             ret_answer, diag);
}

/* Names without a record. */
static void take_faults(struct round *round, const struct dkv_dig_answer *mine)
{
    for (size_t i = 0; i < mine->row_count; i++) {
        note(round, mine->rows[i].key);
    }
}

/* Some name of the index to begin at: one of the first of the turn's. */
static enum hr_err begin_at(struct round *round, struct hr_str *ret_after, struct hr_diag *diag)
{
    const struct dkv_env *env = round->repair.env;
    *ret_after = (struct hr_str){0};
    if (round->values <= DKV_ROUND_LOOKUPS) {
        return HR_OK; /* all of them */
    }
    struct dkv_page page;
    struct hr_str first = dkv_key_leaf(&round->arena, round->turn.leaf);
    enum hr_err err = first.ptr ? env->scan(env->arg, DKV_KEYS_NAMES, first, DKV_ROUND_LOOKUPS,
                                            &round->arena, &page, diag)
                                : HR_NO_MEMORY;
    uint32_t leaf;
    struct hr_str key;
    if (!err && page.count > 0 &&
        dkv_key_name_parse(page.pairs[round->slot % page.count].key, &leaf, &key)) {
        *ret_after = key;
    }
    return err;
}

/* Some records that the index does not name. */
static enum hr_err look_at_records(struct round *round, struct hr_diag *diag)
{
    const struct dkv_env *env = round->repair.env;
    struct hr_arena *arena = &round->arena;
    struct hr_str keys[DKV_ROUND_LOOKUPS];
    struct hr_str after;
    struct dkv_page page;
    struct dkv_dig_answer answer;
    struct dkv_dig dig = {.what = DKV_DIG_KEYS, .keys = keys};
    enum hr_err err = begin_at(round, &after, diag);
    struct hr_str name = !err && after.len > 0 ? dkv_key_record(arena, after) : (struct hr_str){0};
    if (!err) {
        err = env->scan(env->arg, DKV_KEYS_RECORDS, name, DKV_ROUND_LOOKUPS, arena, &page, diag);
    }
    for (size_t i = 0; !err && i < page.count; i++) {
        struct hr_str key = hr_str_from(page.pairs[i].key, DKV_KEYS_RECORDS.len);
        if (dkv_key_valid(key)) {
            keys[dig.key_count++] = key;
        }
    }
    if (!err && dig.key_count > 0) {
        err = own_answer(round, &dig, &answer, diag);
    }
    for (size_t i = 0; !err && dig.key_count > 0 && i < answer.row_count; i++) {
        if (!answer.rows[i].named) {
            note(round, answer.rows[i].key);
        }
    }
    return err;
}

/* --- another site ------------------------------------------------------------------------------------- */

/* What of @theirs is not in @mine. Both are in the order of their keys. */
static void compare_rows(struct round *round, const struct dkv_dig_answer *mine,
                         const struct dkv_dig_answer *theirs)
{
    size_t i = 0;
    size_t j = 0;
    while (i < mine->row_count || j < theirs->row_count) {
        const struct dkv_dig_row *a = i < mine->row_count ? &mine->rows[i] : NULL;
        const struct dkv_dig_row *b = j < theirs->row_count ? &theirs->rows[j] : NULL;
        int order = !a ? 1 : !b ? -1 : hr_str_cmp(a->key, b->key);
        if (order == 0) {
            bool equal = a->state == b->state && a->state != DKV_DIG_UNREADABLE &&
                         memcmp(a->hash, b->hash, sizeof a->hash) == 0;
            if (!equal) {
                note(round, a->key);
            }
        } else if ((order < 0 ? a : b)->state != DKV_DIG_ABSENT) {
            note(round, (order < 0 ? a : b)->key);
        }
        i += order <= 0;
        j += order >= 0;
    }
}

/* The rows of one leaf that differs. A leaf with more rows than an answer has is compared as far as both
 * answers go; the next time it is compared as far again, after what was found has been put right. */
static enum hr_err compare_leaf(struct round *round, const struct dkv_peer *peer, uint32_t leaf,
                                struct dkv_stamp clear, struct hr_diag *diag)
{
    struct dkv_dig_answer mine;
    struct dkv_dig_answer theirs;
    struct dkv_dig dig = {.what = DKV_DIG_LEAF,
                          .cut = round->repair.cut,
                          .floor = round->repair.floor,
                          .clear = clear,
                          .leaf = leaf,
                          .leaf_count = 1};
    bool more = true;
    enum hr_err err = HR_OK;
    while (!err && more && round->key_count < DKV_REPAIR_KEYS_MAX) {
        err = dkv_digest_ask(round->repair.env, round->repair.config, peer, &dig, &round->arena,
                             &theirs, diag);
        if (!err) {
            dig.clear = theirs.clear;
            err = own_answer(round, &dig, &mine, diag);
        }
        if (err) {
            return err;
        }
        struct hr_str end = {0};
        more = mine.more || theirs.more;
        if (mine.more) {
            end = mine.rows[mine.row_count - 1].key;
        }
        if (theirs.more &&
            (end.len == 0 || hr_str_cmp(theirs.rows[theirs.row_count - 1].key, end) < 0)) {
            end = theirs.rows[theirs.row_count - 1].key;
        }
        while (more && mine.row_count > 0 &&
               hr_str_cmp(mine.rows[mine.row_count - 1].key, end) > 0) {
            mine.row_count--;
        }
        while (more && theirs.row_count > 0 &&
               hr_str_cmp(theirs.rows[theirs.row_count - 1].key, end) > 0) {
            theirs.row_count--;
        }
        compare_rows(round, &mine, &theirs);
        dig.after = end;
    }
    return err;
}

static bool same_digest(const struct dkv_dig_digest *a, const struct dkv_dig_digest *b)
{
    return a->records == b->records && memcmp(a->hash, b->hash, sizeof a->hash) == 0;
}

/* The turn's leaves: with @peer, or if that is NULL only what is wrong with this site's. */
static enum hr_err compare(struct round *round, const struct dkv_peer *peer, struct hr_diag *diag)
{
    struct dkv_dig_answer mine;
    struct dkv_dig_answer theirs = {0};
    struct dkv_dig dig = {.what = DKV_DIG_LEAVES,
                          .cut = round->repair.cut,
                          .floor = round->repair.floor,
                          .clear = round->clear,
                          .leaf = round->turn.leaf,
                          .leaf_count = round->turn.leaf_count};
    enum hr_err err = HR_OK;
    if (peer) {
        err = dkv_digest_ask(round->repair.env, round->repair.config, peer, &dig, &round->arena,
                             &theirs, diag);
        dig.clear = theirs.clear;
    }
    if (!err) {
        err = own_answer(round, &dig, &mine, diag);
    }
    if (err) {
        return err;
    }
    take_faults(round, &mine);
    if (peer && dkv_stamp_cmp(theirs.clear, round->clear) > 0) {
        dkv_repair_clear(&round->repair, theirs.clear);
    }
    size_t count =
        mine.digest_count < theirs.digest_count ? mine.digest_count : theirs.digest_count;
    size_t differing = 0;
    for (size_t i = 0; !err && i < count && differing < LEAVES_AT_ONCE; i++) {
        if (!same_digest(&mine.digests[i], &theirs.digests[i])) {
            differing++;
            err = compare_leaf(round, peer, round->turn.leaf + (uint32_t)i, theirs.clear, diag);
        }
    }
    return err;
}

/* --- the slot ----------------------------------------------------------------------------------------- */

/* The @at-th of the sites that can be compared with; NULL if there is none. */
static const struct dkv_peer *pick(const struct dkv_repair *repair, size_t at, size_t *ret_count)
{
    const struct dkv_peer *picked = NULL;
    *ret_count = 0;
    for (size_t i = 1; repair->holdings && i < repair->holdings->count; i++) {
        const struct dkv_peer *peer = dkv_repair_peer(repair, i);
        if (peer) {
            picked = *ret_count == at ? peer : picked;
            ++*ret_count;
        }
    }
    return picked;
}

static enum hr_err read_state(struct round *round, struct hr_diag *diag)
{
    const struct dkv_env *env = round->repair.env;
    const struct hr_str names[2] = {DKV_KEY_TALLY, DKV_KEY_CLEAR};
    struct dkv_value values[2];
    struct dkv_tally tally = {0};
    struct hr_diag why;
    enum hr_err err = env->get_many(env->arg, names, 2, &round->arena, values, diag);
    if (!err && values[0].present && !dkv_tally_decode(values[0].bytes, &tally, &why)) {
        round->values = tally.visible;
    }
    return err ? err : dkv_clear_decode(values[1], &round->clear, diag);
}

static enum hr_err do_slot(struct round *round, struct hr_diag *diag)
{
    size_t others;
    const struct dkv_env *env = round->repair.env;
    enum hr_err err = dkv_site_open(env, round->repair.config, &round->arena, &round->site, diag);
    if (err || round->site.state != DKV_SITE_ACTIVE) {
        return err;
    }
    err = read_state(round, diag);
    if (err) {
        return err;
    }
    pick(&round->repair, 0, &others);
    round->slot = env->wall(env->arg) / DKV_ROUND_SLOT_MS;
    round->turn = dkv_round_turn(round->slot, round->values, round->site.cfg.leaf_bits, others);
    const struct dkv_peer *peer = pick(&round->repair, round->turn.other, &others);
    err = compare(round, round->repair.cut > 0 ? peer : NULL, diag);
    if (!err) {
        err = look_at_records(round, diag);
    }
    if (!err && round->key_count > 0 && (peer || !round->site.grouped)) {
        err = dkv_repair_keys(&round->repair, round->keys, round->key_count, diag);
    }
    return err;
}

void dkv_round_step(const struct dkv_tick *tick, const struct dkv_holdings *holdings)
{
    struct hr_diag diag = {0};
    struct round round = {0};
    hr_arena_init(&round.arena, DKV_ARENA_BYTES_MAX);
    dkv_repair_begin(&round.repair, tick, holdings);
    if (do_slot(&round, &diag)) {
        dkv_tick_tell(tick, DKV_LOG_DEBUG, HR_STR("compare-failed"), 0, diag.text);
    }
    hr_arena_release(&round.arena);
}
