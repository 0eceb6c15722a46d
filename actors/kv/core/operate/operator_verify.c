/* The comparison of all sites key by key, in pieces: first the records in the order of their names, then the
 * leaves of the index. A cursor is "key:<key>" or "leaf:<4 digits>"; what it is after is done. */
#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/operate/operator_impl.h"
#include "actors/kv/core/site/site.h"

#define KEY_CURSOR HR_STR("key:")
#define LEAF_CURSOR HR_STR("leaf:")
/* Keys that one piece tells of, and repairs. */
#define FOUND_MAX 64u

/* What one site says of the piece. */
struct seen {
    const struct dkv_peer *peer; /* NULL: this site */
    struct dkv_dig_answer answer;
    size_t at;
};

struct verify {
    struct dkv_operator *op;
    bool repairs;
    struct dkv_holdings holdings;
    struct dkv_repair repair;
    struct seen seen[DKV_GROUP_MAX + 1];
    size_t seen_count;
    struct hr_str keys[FOUND_MAX]; /* that differ */
    size_t key_count;
    uint64_t checked;
    uint64_t unsettled;
    size_t told;
    struct hr_str end; /* of the piece; empty: of everything */
};

static struct hr_str name_of(const struct verify *verify, const struct seen *seen)
{
    return seen->peer ? seen->peer->name : verify->op->tick.config->site;
}

/* --- asking ------------------------------------------------------------------------------------------- */

static void ask_peers(struct verify *verify, const struct dkv_dig *dig, struct dkv_stamp *ret_clear)
{
    const struct dkv_tick *tick = &verify->op->tick;
    verify->seen_count = 1;
    *ret_clear = dig->clear;
    for (size_t i = 1; i < verify->holdings.count; i++) {
        struct seen *seen = &verify->seen[verify->seen_count];
        struct hr_diag why;
        *seen = (struct seen){.peer = dkv_repair_peer(&verify->repair, i)};
        if (seen->peer && !dkv_digest_ask(tick->env, tick->config, seen->peer, dig,
                                          verify->op->arena, &seen->answer, &why)) {
            *ret_clear = dkv_stamp_max(*ret_clear, seen->answer.clear);
            verify->seen_count++;
        }
    }
}

/* The same of all, looked at with the newest clear mark. */
static enum hr_err ask_all(struct verify *verify, struct dkv_dig *dig)
{
    const struct dkv_tick *tick = &verify->op->tick;
    struct seen *own = &verify->seen[0];
    struct dkv_stamp clear;
    *own = (struct seen){0};
    dig->cut = verify->repair.cut;
    dig->floor = verify->repair.floor;
    ask_peers(verify, dig, &clear);
    dig->clear = clear;
    enum hr_err err = dkv_digest_answer(tick->env, tick->config, dig, verify->op->arena,
                                        &own->answer, verify->op->diag);
    bool stale = false;
    for (size_t i = 0; !err && i < verify->seen_count; i++) {
        stale = stale || dkv_stamp_cmp(verify->seen[i].answer.clear, own->answer.clear) != 0;
    }
    if (!err && stale) {
        dig->clear = own->answer.clear;
        ask_peers(verify, dig, &clear);
    }
    return err;
}

/* --- telling ------------------------------------------------------------------------------------------ */

static void begin_row(struct verify *verify, struct hr_str key, struct hr_str kind)
{
    struct dkv_out *out = &verify->op->out;
    dkv_out_bytes(out, verify->told++ > 0 ? HR_STR(",{\"key\":") : HR_STR("{\"key\":"));
    dkv_json_string(out, key);
    dkv_operator_member(out, "kind");
    dkv_json_string(out, kind);
}

static void note(struct verify *verify, struct hr_str key)
{
    for (size_t i = 0; i < verify->key_count; i++) {
        if (hr_str_eq(verify->keys[i], key)) {
            return;
        }
    }
    if (verify->key_count < FOUND_MAX) {
        verify->keys[verify->key_count++] = key;
    }
}

/* What of the index is wrong at one site. */
static void tell_index(struct verify *verify, const struct seen *seen, struct hr_str key,
                       struct hr_str kind)
{
    begin_row(verify, key, kind);
    dkv_operator_member(&verify->op->out, "site");
    dkv_json_string(&verify->op->out, name_of(verify, seen));
    dkv_out_bytes(&verify->op->out, HR_STR("}"));
}

static void tell_state(struct verify *verify, const struct dkv_dig_row *row)
{
    struct dkv_out *out = &verify->op->out;
    if (!row || row->state == DKV_DIG_ABSENT) {
        dkv_out_bytes(out, HR_STR("\"absent\""));
    } else if (row->state == DKV_DIG_READABLE) {
        char hash[16];
        uint64_t first = 0;
        for (size_t i = 0; i < 8; i++) {
            first = first << 8 | row->hash[i];
        }
        dkv_text_hex(hash, first, sizeof hash);
        dkv_out_bytes(out, HR_STR("{\"version\":"));
        dkv_json_version(out, row->newest);
        dkv_operator_member(out, "hash");
        dkv_json_string(out, hr_str_of(hash, sizeof hash));
        dkv_out_bytes(out, HR_STR("}"));
    } else {
        dkv_out_bytes(out, HR_STR("\"unreadable\""));
    }
}

/* --- records ------------------------------------------------------------------------------------------ */

/* The row of @key at a site; the rows come in the order of their keys, and so do the keys. */
static const struct dkv_dig_row *row_of(const struct seen *seen, struct hr_str key)
{
    const struct dkv_dig_answer *answer = &seen->answer;
    return seen->at < answer->row_count && hr_str_eq(answer->rows[seen->at].key, key)
               ? &answer->rows[seen->at]
               : NULL;
}

static bool same(const struct dkv_dig_row *a, const struct dkv_dig_row *b)
{
    bool no_a = !a || a->state == DKV_DIG_ABSENT;
    bool no_b = !b || b->state == DKV_DIG_ABSENT;
    if (no_a || no_b) {
        return no_a && no_b;
    }
    return a->state == DKV_DIG_READABLE && b->state == DKV_DIG_READABLE &&
           memcmp(a->hash, b->hash, sizeof a->hash) == 0;
}

static void look_at_key(struct verify *verify, struct hr_str key)
{
    const struct dkv_dig_row *first = row_of(&verify->seen[0], key);
    bool differs = first && first->state == DKV_DIG_UNREADABLE;
    bool later = false;
    for (size_t i = 0; i < verify->seen_count; i++) {
        const struct dkv_dig_row *row = row_of(&verify->seen[i], key);
        differs = differs || !same(first, row);
        later = later || (row && row->newest.hlc > verify->repair.cut);
        if (row && row->state != DKV_DIG_ABSENT && !row->named) {
            tell_index(verify, &verify->seen[i], key, HR_STR("not-named"));
            note(verify, key);
        }
    }
    verify->checked++;
    if (differs && later) {
        verify->unsettled++;
    } else if (differs) {
        note(verify, key);
        begin_row(verify, key, HR_STR("differs"));
        dkv_operator_member(&verify->op->out, "at");
        for (size_t i = 0; i < verify->seen_count; i++) {
            dkv_out_bytes(&verify->op->out, i > 0 ? HR_STR(",") : HR_STR("{"));
            dkv_json_string(&verify->op->out, name_of(verify, &verify->seen[i]));
            dkv_out_bytes(&verify->op->out, HR_STR(":"));
            tell_state(verify, row_of(&verify->seen[i], key));
        }
        dkv_out_bytes(&verify->op->out, HR_STR("}}"));
    }
}

/* The lowest key that no site has been asked about yet; empty: there is none up to the end. */
static struct hr_str next_key(const struct verify *verify)
{
    struct hr_str lowest = {0};
    for (size_t i = 0; i < verify->seen_count; i++) {
        const struct seen *seen = &verify->seen[i];
        if (seen->at < seen->answer.row_count) {
            struct hr_str key = seen->answer.rows[seen->at].key;
            lowest = lowest.len == 0 || hr_str_cmp(key, lowest) < 0 ? key : lowest;
        }
    }
    bool past = verify->end.len > 0 && hr_str_cmp(lowest, verify->end) > 0;
    return past ? (struct hr_str){0} : lowest;
}

static enum hr_err look_at_records(struct verify *verify, struct hr_str after)
{
    struct dkv_dig dig = {.what = DKV_DIG_PAGE, .after = after};
    enum hr_err err = ask_all(verify, &dig);
    for (size_t i = 0; !err && i < verify->seen_count; i++) {
        const struct dkv_dig_answer *answer = &verify->seen[i].answer;
        struct hr_str last =
            answer->more ? answer->rows[answer->row_count - 1].key : (struct hr_str){0};
        if (last.len > 0 && (verify->end.len == 0 || hr_str_cmp(last, verify->end) < 0)) {
            verify->end = last;
        }
    }
    struct hr_str key = err ? (struct hr_str){0} : next_key(verify);
    while (key.len > 0 && verify->key_count < FOUND_MAX) {
        look_at_key(verify, key);
        for (size_t i = 0; i < verify->seen_count; i++) {
            verify->seen[i].at += row_of(&verify->seen[i], key) != NULL;
        }
        struct hr_str next = next_key(verify);
        if (next.len > 0 && verify->key_count == FOUND_MAX) {
            verify->end = key; /* the rest is another piece's */
        }
        key = next;
    }
    return err;
}

/* --- the index ---------------------------------------------------------------------------------------- */

static enum hr_err look_at_leaves(struct verify *verify, uint32_t first, uint32_t leaves,
                                  uint32_t *ret_next)
{
    struct dkv_dig dig = {.what = DKV_DIG_LEAVES, .leaf = first};
    dig.leaf_count = leaves - first < DKV_DIG_LEAVES_MAX ? leaves - first : DKV_DIG_LEAVES_MAX;
    size_t done = dig.leaf_count;
    enum hr_err err = ask_all(verify, &dig);
    for (size_t i = 0; !err && i < verify->seen_count; i++) {
        const struct seen *seen = &verify->seen[i];
        done = seen->answer.digest_count < done ? seen->answer.digest_count : done;
        for (size_t j = 0; j < seen->answer.row_count; j++) {
            const struct dkv_dig_row *row = &seen->answer.rows[j];
            if (row->state != DKV_DIG_UNREADABLE) { /* else it was among the records */
                tell_index(verify, seen, row->key, HR_STR("named-without-record"));
                note(verify, row->key);
            }
        }
    }
    *ret_next = first + (uint32_t)(done > 0 ? done : 1);
    return err;
}

/* --- repairing ---------------------------------------------------------------------------------------- */

/* This site's own, then each other's of its own. */
static enum hr_err repair_found(struct verify *verify)
{
    enum hr_err err = HR_OK;
    struct dkv_operator *op = verify->op;
    for (size_t i = 0; !err && i < verify->key_count; i += DKV_REPAIR_KEYS_MAX) {
        size_t left = verify->key_count - i;
        struct dkv_dig dig = {.what = DKV_DIG_REPAIR,
                              .cut = verify->repair.cut,
                              .floor = verify->repair.floor,
                              .keys = &verify->keys[i],
                              .key_count = left < DKV_REPAIR_KEYS_MAX ? left : DKV_REPAIR_KEYS_MAX};
        err = dkv_repair_keys(&verify->repair, dig.keys, dig.key_count, op->diag);
        for (size_t j = 1; !err && j < verify->holdings.count; j++) {
            const struct dkv_peer *peer = dkv_repair_peer(&verify->repair, j);
            struct dkv_dig_answer answer;
            struct hr_diag why = {0};
            if (peer && dkv_digest_ask(op->tick.env, op->tick.config, peer, &dig, op->arena,
                                       &answer, &why)) {
                dkv_tick_tell(&op->tick, DKV_LOG_WARN, HR_STR("repair-not-asked"), 0, why.text);
            }
        }
    }
    return err;
}

/* --- the verb ----------------------------------------------------------------------------------------- */

static void write_cursor(struct verify *verify, struct hr_str kind, struct hr_str place)
{
    struct dkv_out *out = &verify->op->out;
    dkv_operator_member(out, "next");
    if (kind.len == 0) {
        dkv_out_bytes(out, HR_STR("null"));
        return;
    }
    dkv_out_bytes(out, HR_STR("\""));
    dkv_out_bytes(out, kind);
    dkv_out_bytes(out, place);
    dkv_out_bytes(out, HR_STR("\""));
}

static void write_sites(struct verify *verify)
{
    struct dkv_out *out = &verify->op->out;
    const struct dkv_group *group = verify->op->tick.group;
    dkv_operator_member(out, "compared");
    for (size_t i = 0; i < verify->seen_count; i++) {
        dkv_out_bytes(out, i > 0 ? HR_STR(",") : HR_STR("["));
        dkv_json_string(out, name_of(verify, &verify->seen[i]));
    }
    dkv_out_bytes(out, HR_STR("]"));
    dkv_operator_member(out, "left-out");
    dkv_out_bytes(out, HR_STR("["));
    bool first = true;
    for (size_t i = 0; i < group->count; i++) {
        bool compared = false;
        for (size_t j = 1; j < verify->seen_count && !compared; j++) {
            compared = verify->seen[j].peer->id == group->peers[i].id;
        }
        if (!compared) {
            dkv_out_bytes(out, first ? HR_STR("") : HR_STR(","));
            dkv_json_string(out, group->peers[i].name);
            first = false;
        }
    }
    dkv_out_bytes(out, HR_STR("]"));
}

static void write_counts(struct verify *verify)
{
    struct dkv_out *out = &verify->op->out;
    dkv_operator_member(out, "checked");
    dkv_json_number(out, verify->checked);
    dkv_operator_member(out, "unsettled");
    dkv_json_number(out, verify->unsettled);
    if (verify->repairs) {
        dkv_operator_member(out, "repaired-here");
        dkv_json_number(out, verify->repair.repaired + verify->repair.index);
        dkv_operator_member(out, "undecided");
        dkv_json_number(out, verify->repair.undecided);
    }
}

/* One piece, after @cursor. */
static enum hr_err look(struct verify *verify, struct hr_str cursor, uint32_t leaves)
{
    uint32_t next = 0;
    uint64_t leaf = 0;
    char digits[5];
    enum hr_err err = HR_OK;
    bool by_leaf = hr_str_starts(cursor, LEAF_CURSOR);
    if (by_leaf) {
        if (!dkv_text_from_hex(hr_str_from(cursor, LEAF_CURSOR.len), &leaf) || leaf >= leaves) {
            return DKV_FAIL(verify->op->diag, HR_BAD_INPUT,
                            HR_STR("cursor: there is no such leaf"));
        }
        err = look_at_leaves(verify, (uint32_t)leaf, leaves, &next);
    } else {
        struct hr_str after = hr_str_from(cursor, cursor.len > 0 ? KEY_CURSOR.len : 0);
        if (cursor.len > 0 && (!hr_str_starts(cursor, KEY_CURSOR) || !dkv_key_valid(after))) {
            return DKV_FAIL(verify->op->diag, HR_BAD_INPUT, HR_STR("cursor: it is none"));
        }
        err = look_at_records(verify, after);
    }
    dkv_out_bytes(&verify->op->out, HR_STR("]"));
    if (!by_leaf && verify->end.len > 0) {
        write_cursor(verify, KEY_CURSOR, verify->end);
    } else {
        dkv_text_hex(digits, next, sizeof digits);
        write_cursor(verify, next < leaves ? LEAF_CURSOR : (struct hr_str){0},
                     hr_str_of(digits, sizeof digits));
    }
    return err;
}

enum hr_err dkv_operator_verify(struct dkv_operator *op, bool repairs)
{
    struct dkv_site site;
    struct verify *verify = hr_arena_alloc(op->arena, sizeof *verify);
    if (!verify) {
        return HR_NO_MEMORY;
    }
    *verify = (struct verify){.op = op, .repairs = repairs};
    enum hr_err err = dkv_operator_look(op, &verify->holdings, &verify->repair);
    if (!err) {
        err = dkv_site_open(op->tick.env, op->tick.config, op->arena, &site, op->diag);
    }
    if (!err) {
        err = dkv_site_serves(op->tick.env, &site, op->arena, op->diag);
    }
    if (err) {
        return err;
    }
    dkv_operator_member(&op->out, "differences");
    dkv_out_bytes(&op->out, HR_STR("["));
    err = look(verify, dkv_operator_text(op, "cursor"), (uint32_t)1 << site.cfg.leaf_bits);
    if (!err && repairs) {
        err = repair_found(verify);
    }
    write_sites(verify);
    write_counts(verify);
    return err;
}
