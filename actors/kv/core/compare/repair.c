/* From differences to commits. */
#include "actors/kv/core/compare/repair.h"

#include "actors/kv/core/compare/digest.h"
#include "actors/kv/core/compare/judge.h"
#include "actors/kv/core/compare/mend.h"
#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/replicate/cut.h"

/* What one site says of the keys. */
struct voice {
    const struct dkv_peer *peer; /* NULL: this site */
    struct dkv_dig_answer answer;
};

/* Keys on their way to being decided. */
struct bench {
    struct dkv_repair *repair;
    struct hr_arena *arena;
    struct hr_str *keys;
    size_t count;
    struct dkv_lens lens;
    struct voice voices[DKV_GROUP_MAX + 1]; /* this site's first */
    size_t voice_count;
    struct dkv_history history;
};

static void tell(const struct dkv_repair *repair, enum dkv_log_level level, struct hr_str event,
                 struct hr_str key, struct hr_str kind)
{
    struct hr_diag line;
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event="), event, HR_STR(" key="), key,
                       HR_STR(" kind="), kind)); /* only put together here */
    repair->env->log(repair->env->arg, level, hr_str_c(line.text));
}

void dkv_repair_begin(struct dkv_repair *repair, const struct dkv_tick *tick,
                      const struct dkv_holdings *holdings)
{
    *repair = (struct dkv_repair){
        .env = tick->env, .config = tick->config, .group = tick->group, .holdings = holdings};
    repair->cut = holdings ? dkv_cut_of(tick->env, holdings) : UINT64_MAX;
    for (size_t i = 0; holdings && i < holdings->count; i++) {
        dkv_hlc floor = holdings->lists[i].floor;
        repair->floor = floor > repair->floor ? floor : repair->floor;
    }
}

const struct dkv_peer *dkv_repair_peer(const struct dkv_repair *repair, size_t at)
{
    const struct dkv_have *list = &repair->holdings->lists[at];
    const struct dkv_peer *peer = dkv_group_find(repair->group, list->site);
    return at > 0 && peer && peer->alive && list->state == DKV_SITE_ACTIVE ? peer : NULL;
}

/* --- what the sites say ------------------------------------------------------------------------------- */

static enum hr_err read_clear(struct bench *bench, struct hr_diag *diag)
{
    const struct dkv_env *env = bench->repair->env;
    const struct hr_str name = DKV_KEY_CLEAR;
    struct dkv_value value;
    enum hr_err err = env->get_many(env->arg, &name, 1, bench->arena, &value, diag);
    return err ? err : dkv_clear_decode(value, &bench->lens.clear, diag);
}

/* Asks the others. ret_clear: the newest clear mark of all. */
static void ask_others(struct bench *bench, const struct dkv_dig *dig, struct dkv_stamp *ret_clear)
{
    const struct dkv_repair *repair = bench->repair;
    bench->voice_count = 1;
    *ret_clear = dig->clear;
    for (size_t i = 1; repair->holdings && i < repair->holdings->count; i++) {
        struct voice *voice = &bench->voices[bench->voice_count];
        struct hr_diag why;
        voice->peer = dkv_repair_peer(repair, i);
        if (!voice->peer || dkv_digest_ask(repair->env, repair->config, voice->peer, dig,
                                           bench->arena, &voice->answer, &why)) {
            continue; /* it is asked again in another round */
        }
        if (voice->answer.site_state == DKV_SITE_ACTIVE &&
            voice->answer.row_count == dig->key_count) {
            *ret_clear = dkv_stamp_max(*ret_clear, voice->answer.clear);
            bench->voice_count++;
        }
    }
}

static enum hr_err listen(struct bench *bench, struct hr_diag *diag)
{
    const struct dkv_repair *repair = bench->repair;
    struct dkv_dig dig = {.what = DKV_DIG_KEYS,
                          .cut = repair->cut,
                          .floor = repair->floor,
                          .clear = bench->lens.clear,
                          .keys = bench->keys,
                          .key_count = bench->count};
    struct dkv_stamp clear;
    ask_others(bench, &dig, &clear);
    if (dkv_stamp_cmp(clear, dig.clear) > 0) {
        dig.clear = clear; /* so that all look at their records alike */
        ask_others(bench, &dig, &clear);
    }
    bench->lens.clear = clear;
    dig.clear = clear;
    return dkv_digest_answer(repair->env, repair->config, &dig, bench->arena,
                             &bench->voices[0].answer, diag);
}

static const struct dkv_dig_row *row_of(const struct bench *bench, size_t voice, size_t key)
{
    return &bench->voices[voice].answer.rows[key];
}

static bool same(const struct dkv_dig_row *a, const struct dkv_dig_row *b)
{
    return a->state == b->state && a->state != DKV_DIG_UNREADABLE &&
           (a->state == DKV_DIG_ABSENT || memcmp(a->hash, b->hash, sizeof a->hash) == 0);
}

/* How many of the sites that can read the key have what @voice has. */
static size_t support(const struct bench *bench, size_t voice, size_t key, size_t *ret_of)
{
    size_t count = 0;
    *ret_of = 0;
    for (size_t i = 0; i < bench->voice_count; i++) {
        *ret_of += row_of(bench, i, key)->state != DKV_DIG_UNREADABLE;
        count += same(row_of(bench, i, key), row_of(bench, voice, key));
    }
    return count;
}

/* A dispute about one key: with whom, and whom most agree with. */
struct dispute {
    bool differs;
    bool later;
    bool stuck;   /* nobody can read it */
    size_t other; /* the voice to hear; 0: none */
    bool own_wins;
    bool other_wins;
};

static struct dispute find_dispute(const struct bench *bench, size_t key)
{
    struct dispute dispute = {0};
    const struct dkv_dig_row *own = row_of(bench, 0, key);
    /* A name without a record is what is left of one. */
    dispute.differs =
        own->state == DKV_DIG_UNREADABLE || (own->state == DKV_DIG_ABSENT && own->named);
    for (size_t i = 0; i < bench->voice_count; i++) {
        const struct dkv_dig_row *row = row_of(bench, i, key);
        size_t of;
        bool most = support(bench, i, key, &of) * 2 > of;
        bool readable = row->state != DKV_DIG_UNREADABLE;
        dispute.later = dispute.later || row->newest.hlc > bench->repair->cut;
        dispute.own_wins = dispute.own_wins || (most && same(row, own));
        if (i > 0 && readable && !same(row, own)) {
            dispute.differs = true;
            bool wins = most && !dispute.other_wins;
            dispute.other = dispute.other == 0 || wins ? i : dispute.other;
            dispute.other_wins = dispute.other_wins || wins;
        }
    }
    dispute.stuck = own->state == DKV_DIG_UNREADABLE && dispute.other == 0;
    return dispute;
}

/* --- what is done ------------------------------------------------------------------------------------- */

static enum hr_err send(struct bench *bench, const struct dkv_mend *mend, struct hr_str key,
                        enum dkv_mend_outcome *ret_outcome)
{
    struct hr_diag why = {0};
    const struct dkv_repair *repair = bench->repair;
    *ret_outcome = DKV_MEND_NOTHING;
    enum hr_err err =
        dkv_mend_send(repair->env, repair->config, mend, bench->arena, ret_outcome, &why);
    if (err) {
        tell(repair, DKV_LOG_WARN, HR_STR("repair-failed"), key, hr_str_c(why.text));
    }
    return err == HR_NO_MEMORY ? err : HR_OK;
}

static enum hr_err read_own(const struct bench *bench, struct hr_str key,
                            struct dkv_value *ret_value, struct hr_diag *diag)
{
    const struct dkv_env *env = bench->repair->env;
    struct hr_str name = dkv_key_record(bench->arena, key);
    return name.ptr ? env->get_many(env->arg, &name, 1, bench->arena, ret_value, diag)
                    : HR_NO_MEMORY;
}

/* The index is to say of the key what is there. */
static enum hr_err mend_index(struct bench *bench, struct hr_str key, struct hr_diag *diag)
{
    struct dkv_value value;
    enum dkv_mend_outcome outcome;
    enum hr_err err = read_own(bench, key, &value, diag);
    if (err) {
        return err;
    }
    struct dkv_mend mend = {.what = DKV_MEND_RECORD,
                            .key = key,
                            .found = value.present,
                            .wanted = value.present,
                            .record = value.bytes};
    dkv_mend_hash(value, mend.found_hash);
    if (value.bytes.len > DKV_MEND_RECORD_BYTES_MAX || (value.present && value.bytes.len == 0)) {
        return HR_OK; /* it cannot be read; what is to be there is another's question */
    }
    err = send(bench, &mend, key, &outcome);
    if (!err && outcome == DKV_MEND_DONE) {
        bench->repair->index++;
        tell(bench->repair, DKV_LOG_WARN, HR_STR("index-repaired"), key,
             value.present ? HR_STR("not-named") : HR_STR("named-without-record"));
    }
    return err;
}

/* The other's record as it is now. ret_there: it still is what it was. */
static enum hr_err fetch(struct bench *bench, size_t voice, size_t key,
                         struct dkv_record *ret_record, bool *ret_there, struct hr_diag *diag)
{
    const struct dkv_repair *repair = bench->repair;
    struct dkv_dig_answer answer;
    const struct dkv_dig dig = {.what = DKV_DIG_KEYS,
                                .cut = repair->cut,
                                .floor = repair->floor,
                                .clear = bench->lens.clear,
                                .with_records = true,
                                .keys = &bench->keys[key],
                                .key_count = 1};
    enum hr_err err = dkv_digest_ask(repair->env, repair->config, bench->voices[voice].peer, &dig,
                                     bench->arena, &answer, diag);
    *ret_record = (struct dkv_record){0};
    *ret_there = !err && answer.row_count == 1 && same(&answer.rows[0], row_of(bench, voice, key));
    if (*ret_there && answer.rows[0].state == DKV_DIG_READABLE) {
        err = dkv_record_decode(answer.rows[0].record, bench->arena, ret_record, diag);
    }
    *ret_there = *ret_there && !err;
    return err == HR_NO_MEMORY ? err : HR_OK;
}

static struct hr_str kind_of(const struct dkv_dig_row *own, const struct dkv_dig_row *becomes,
                             const struct dkv_verdict *verdict)
{
    if (own->state == DKV_DIG_UNREADABLE) {
        return HR_STR("unreadable");
    }
    if (verdict->forged) {
        return HR_STR("foreign");
    }
    return own->state == DKV_DIG_ABSENT       ? HR_STR("missing")
           : becomes->state == DKV_DIG_ABSENT ? HR_STR("stray")
                                              : HR_STR("contents");
}

/* What the store is to hold, and how that looks to others. A record of which nothing would be left is none: what
 * it remembers may be collected. */
static enum hr_err shape(struct bench *bench, struct hr_str key, const struct dkv_record *record,
                         struct dkv_value *ret_after, struct dkv_dig_row *ret_row)
{
    struct dkv_value after = {.present = !dkv_record_empty(record)};
    enum hr_err err = after.present ? dkv_record_encode(record, bench->arena, &after.bytes) : HR_OK;
    if (!err) {
        err = dkv_digest_row(&bench->lens, key, after, bench->arena, ret_row);
    }
    if (!err) {
        *ret_after = ret_row->state == DKV_DIG_ABSENT ? (struct dkv_value){0} : after;
    }
    return err;
}

/* Does what was decided, if this site's record is not that already. */
static enum hr_err carry_out(struct bench *bench, size_t key, struct dkv_value value,
                             const struct dkv_verdict *verdict)
{
    struct dkv_repair *repair = bench->repair;
    const struct dkv_dig_row *own = row_of(bench, 0, key);
    struct dkv_dig_row becomes;
    struct dkv_value after;
    enum dkv_mend_outcome outcome = DKV_MEND_NOTHING;
    enum hr_err err = shape(bench, bench->keys[key], &verdict->record, &after, &becomes);
    if (!err && verdict->undecided) {
        repair->undecided++;
        tell(repair, DKV_LOG_ERROR, HR_STR("divergence-undecided"), bench->keys[key],
             kind_of(own, &becomes, verdict));
    }
    if (err || same(own, &becomes)) {
        return err; /* it is the other one that has something to repair */
    }
    struct dkv_mend mend = {.what = DKV_MEND_RECORD,
                            .key = bench->keys[key],
                            .found = value.present,
                            .wanted = after.present,
                            .record = after.bytes};
    dkv_mend_hash(value, mend.found_hash);
    err = send(bench, &mend, bench->keys[key], &outcome);
    if (!err && outcome == DKV_MEND_DONE) {
        repair->repaired++;
        tell(repair, DKV_LOG_WARN, HR_STR("divergence-repaired"), bench->keys[key],
             kind_of(own, &becomes, verdict));
    }
    return err;
}

static enum hr_err decide(struct bench *bench, size_t key, const struct dispute *dispute,
                          struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_record own = {0};
    struct dkv_record other = {0};
    struct dkv_verdict verdict;
    struct hr_diag why;
    bool there = true;
    enum hr_err err = read_own(bench, bench->keys[key], &value, diag);
    if (!err && dispute->other > 0) {
        err = fetch(bench, dispute->other, key, &other, &there, diag);
    }
    if (err || !there) {
        return err; /* it has changed; another round looks at it anew */
    }
    enum hr_err bad =
        value.present ? dkv_record_decode(value.bytes, bench->arena, &own, &why) : HR_OK;
    if (bad == HR_NO_MEMORY || bad == HR_UNSUPPORTED) {
        return bad == HR_NO_MEMORY ? bad : HR_OK; /* a later version's record is left alone */
    }
    /* Who deletes a record takes its name along. */
    bool lost = !value.present && row_of(bench, 0, key)->named && dispute->other > 0;
    const struct dkv_case about = {.key = bench->keys[key],
                                   .own = bad || lost ? NULL : &own,
                                   .other = &other,
                                   .winner = dispute->other_wins ? &other
                                             : dispute->own_wins ? &own
                                                                 : NULL,
                                   .history = &bench->history,
                                   .at = key,
                                   .clear = bench->lens.clear,
                                   .floor = bench->repair->floor};
    err = dkv_judge(&about, bench->arena, &verdict);
    if (err) {
        return err;
    }
    if (dispute->stuck && dkv_record_empty(&verdict.record)) {
        bench->repair->undecided++;
        tell(bench->repair, DKV_LOG_ERROR, HR_STR("divergence-undecided"), bench->keys[key],
             HR_STR("unreadable"));
        return HR_OK;
    }
    return carry_out(bench, key, value, &verdict);
}

/* What the feed says is read once for all keys, and only if one of them needs it. */
static enum hr_err look_at_history(struct bench *bench, struct hr_diag *diag)
{
    bool wanted = false;
    for (size_t i = 0; i < bench->count; i++) {
        struct dispute dispute = find_dispute(bench, i);
        wanted = wanted || (dispute.differs && !dispute.later);
    }
    return wanted ? dkv_history_read(bench->repair->env, bench->keys, bench->count, bench->arena,
                                     &bench->history, diag)
                  : HR_OK;
}

static enum hr_err settle(struct bench *bench, struct hr_diag *diag)
{
    enum hr_err err = look_at_history(bench, diag);
    for (size_t i = 0; !err && i < bench->count; i++) {
        const struct dkv_dig_row *own = row_of(bench, 0, i);
        struct dispute dispute = find_dispute(bench, i);
        bool misnamed = own->named != (own->state != DKV_DIG_ABSENT);
        if (dispute.differs && dispute.later) {
            bench->repair->later++;
        } else if (dispute.differs) {
            err = decide(bench, i, &dispute, diag);
        }
        if (!err && misnamed) {
            err = mend_index(bench, bench->keys[i], diag);
        }
    }
    return err;
}

enum hr_err dkv_repair_keys(struct dkv_repair *repair, struct hr_str *keys, size_t count,
                            struct hr_diag *diag)
{
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    struct bench *bench = hr_arena_alloc(&arena, sizeof *bench);
    if (!bench) {
        hr_arena_release(&arena);
        return HR_NO_MEMORY;
    }
    *bench = (struct bench){.repair = repair,
                            .arena = &arena,
                            .keys = keys,
                            .count = count,
                            .lens = {.site = repair->config->site_id, .floor = repair->floor}};
    enum hr_err err = read_clear(bench, diag);
    if (!err) {
        err = listen(bench, diag);
    }
    if (!err && bench->voices[0].answer.row_count == count) {
        err = settle(bench, diag);
    }
    hr_arena_release(&arena);
    return err;
}

static void raise_clear(struct dkv_repair *repair, struct dkv_stamp clear, struct hr_arena *arena)
{
    struct hr_diag why = {0};
    struct dkv_history history = {0};
    enum dkv_mend_outcome outcome = DKV_MEND_NOTHING;
    const struct dkv_mend mend = {.what = DKV_MEND_CLEAR, .clear = clear};
    enum hr_err err = dkv_history_read(repair->env, NULL, 0, arena, &history, &why);
    if (!err && dkv_stamp_cmp(history.clear, clear) != 0) {
        repair->undecided++;
        tell(repair, DKV_LOG_ERROR, HR_STR("divergence-undecided"), DKV_KEY_CLEAR,
             HR_STR("contents"));
        return;
    }
    if (!err) {
        err = dkv_mend_send(repair->env, repair->config, &mend, arena, &outcome, &why);
    }
    if (err) {
        tell(repair, DKV_LOG_WARN, HR_STR("repair-failed"), DKV_KEY_CLEAR, hr_str_c(why.text));
    } else if (outcome == DKV_MEND_DONE) {
        repair->repaired++;
        tell(repair, DKV_LOG_WARN, HR_STR("divergence-repaired"), DKV_KEY_CLEAR,
             HR_STR("contents"));
    }
}

void dkv_repair_clear(struct dkv_repair *repair, struct dkv_stamp clear)
{
    struct hr_arena arena;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    if (clear.hlc <= repair->cut) {
        raise_clear(repair, clear, &arena);
    }
    hr_arena_release(&arena);
}
