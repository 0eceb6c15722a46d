/* Weighing of two records of one key. */
#include "actors/kv/core/compare/judge.h"

#include "actors/kv/core/format/text.h"

/* GENUINE: the feed has it, but may have lost what deleted it. */
enum weight { SHARED, WITNESSED, FORGED, GENUINE, UNKNOWN };

struct judging {
    const struct dkv_case *dispute;
    struct dkv_record witness; /* the part of the feed's record that is believed */
    struct dkv_verdict *verdict;
};

static const struct dkv_field *find_field(const struct dkv_record *record, struct hr_str name)
{
    for (size_t i = 0; record && i < record->count; i++) {
        if (hr_str_eq(record->fields[i].name, name)) {
            return &record->fields[i];
        }
    }
    return NULL;
}

static bool same_field(const struct dkv_field *a, const struct dkv_field *b)
{
    return dkv_stamp_cmp(a->stamp, b->stamp) == 0 && a->type == b->type &&
           hr_str_eq(a->value, b->value);
}

/* Whether the feed may be believed about @stamp: what deleted it may have been collected, and cut off. */
static bool believed(const struct judging *judging, struct dkv_stamp stamp)
{
    const struct dkv_case *dispute = judging->dispute;
    return dispute->history->known &&
           (stamp.hlc > dispute->floor || stamp.hlc >= dispute->history->whole_from);
}

/* The feed's record without what is not believed. */
static enum hr_err take_witness(struct judging *judging, struct hr_arena *arena)
{
    const struct dkv_record *record = &judging->dispute->history->records[judging->dispute->at];
    struct dkv_record *witness = &judging->witness;
    witness->fields = hr_arena_alloc(arena, record->count * sizeof *witness->fields);
    if (!witness->fields) {
        return HR_NO_MEMORY;
    }
    if (believed(judging, record->dead)) {
        witness->dead = record->dead;
    }
    for (size_t i = 0; i < record->count; i++) {
        if (believed(judging, record->fields[i].stamp)) {
            witness->fields[witness->count++] = record->fields[i];
        }
    }
    return HR_OK;
}

static enum weight weigh_stamp(const struct judging *judging, struct dkv_stamp stamp)
{
    return dkv_history_covers(judging->dispute->history, stamp) ? FORGED : UNKNOWN;
}

static enum weight weigh_field(const struct judging *judging, const struct dkv_field *field,
                               const struct dkv_record *across)
{
    const struct dkv_record *feed = &judging->dispute->history->records[judging->dispute->at];
    const struct dkv_field *seen = find_field(&judging->witness, field->name);
    const struct dkv_field *said = find_field(feed, field->name);
    const struct dkv_field *theirs = find_field(across, field->name);
    int order = seen ? dkv_stamp_cmp(seen->stamp, field->stamp) : -1;
    if (dkv_stamp_cmp(field->stamp, judging->witness.dead) <= 0 || order > 0 ||
        (order == 0 && same_field(seen, field))) {
        return WITNESSED;
    }
    if (said && dkv_stamp_cmp(said->stamp, field->stamp) == 0) {
        return !same_field(said, field)              ? FORGED
               : theirs && same_field(theirs, field) ? SHARED
                                                     : GENUINE;
    }
    if (dkv_stamp_cmp(field->stamp, feed->dead) <= 0) {
        return WITNESSED; /* whatever came after it, it was deleted */
    }
    bool replaced = said && dkv_stamp_cmp(said->stamp, field->stamp) > 0;
    if (replaced) {
        return theirs && same_field(theirs, field) ? SHARED : UNKNOWN;
    }
    enum weight weight = weigh_stamp(judging, field->stamp);
    return weight == UNKNOWN && theirs && same_field(theirs, field) ? SHARED : weight;
}

static enum weight weigh_dead(const struct judging *judging, struct dkv_stamp dead,
                              const struct dkv_record *across)
{
    if (dkv_stamp_is_none(dead) || dkv_stamp_cmp(dead, judging->witness.dead) <= 0) {
        return WITNESSED;
    }
    const struct dkv_record *feed = &judging->dispute->history->records[judging->dispute->at];
    bool later = dkv_stamp_cmp(dead, feed->dead) <= 0;
    enum weight weight = later ? UNKNOWN : weigh_stamp(judging, dead);
    return weight == UNKNOWN && across && dkv_stamp_cmp(across->dead, dead) == 0 ? SHARED : weight;
}

/* Whether a piece that the feed does not tell of was lost, and its number filled, and is found again in an old copy: nothing that the feed
 * has has taken its place since. */
static bool is_found(const struct judging *judging, struct dkv_stamp stamp)
{
    return dkv_history_filled(judging->dispute->history, stamp) && believed(judging, stamp);
}

/* Whether an unknown piece with @stamp is part of the outcome. @voted: the winner has it. */
static bool admit(struct judging *judging, struct dkv_stamp stamp, bool own, bool voted)
{
    const struct dkv_case *dispute = judging->dispute;
    if (dispute->winner) {
        return voted;
    }
    if (stamp.hlc > dispute->floor || !dispute->own) {
        return true;
    }
    judging->verdict->undecided = true;
    return own;
}

static bool keeps_field(struct judging *judging, const struct dkv_field *field, bool own,
                        const struct dkv_record *across)
{
    const struct dkv_record *winner = judging->dispute->winner;
    const struct dkv_field *voted = find_field(winner, field->name);
    switch (weigh_field(judging, field, across)) {
    case SHARED:
        return true;
    case GENUINE:
        /* Something of the value is here, so it was not deleted. */
        if (!winner && judging->dispute->own && !dkv_record_empty(judging->dispute->own)) {
            return true;
        }
        break;
    case WITNESSED:
        return false; /* the witness has it, or what took its place */
    case FORGED:
        judging->verdict->forged = true;
        return false;
    case UNKNOWN:
        break;
    }
    if (is_found(judging, field->stamp)) {
        return true;
    }
    const struct dkv_field *theirs = find_field(across, field->name);
    if (!winner && theirs && dkv_stamp_cmp(theirs->stamp, field->stamp) == 0) {
        /* Two contents under one stamp, and nobody to tell which is right. */
        judging->verdict->undecided = judging->verdict->undecided || judging->dispute->own;
        return own || !judging->dispute->own;
    }
    return admit(judging, field->stamp, own, voted && same_field(voted, field));
}

static bool keeps_dead(struct judging *judging, struct dkv_stamp dead, bool own,
                       const struct dkv_record *across)
{
    const struct dkv_record *winner = judging->dispute->winner;
    switch (weigh_dead(judging, dead, across)) {
    case SHARED:
    case GENUINE:
        return true;
    case WITNESSED:
        return false;
    case FORGED:
        judging->verdict->forged = true;
        return false;
    case UNKNOWN:
        break;
    }
    if (is_found(judging, dead)) {
        return true;
    }
    return admit(judging, dead, own, winner && dkv_stamp_cmp(winner->dead, dead) == 0);
}

/* The part of @record that is to be kept. */
static enum hr_err sift(struct judging *judging, const struct dkv_record *record, bool own,
                        const struct dkv_record *across, struct hr_arena *arena,
                        struct dkv_record *ret_kept)
{
    struct dkv_record kept = {0};
    if (!record) {
        *ret_kept = kept;
        return HR_OK;
    }
    kept.fields = hr_arena_alloc(arena, record->count * sizeof *kept.fields);
    if (!kept.fields) {
        return HR_NO_MEMORY;
    }
    if (keeps_dead(judging, record->dead, own, across)) {
        kept.dead = record->dead;
    }
    for (size_t i = 0; i < record->count; i++) {
        if (keeps_field(judging, &record->fields[i], own, across)) {
            kept.fields[kept.count++] = record->fields[i];
        }
    }
    *ret_kept = kept;
    return HR_OK;
}

enum hr_err dkv_judge(const struct dkv_case *dispute, struct hr_arena *arena,
                      struct dkv_verdict *ret_verdict)
{
    struct dkv_verdict verdict = {0};
    struct judging judging = {.dispute = dispute, .verdict = &verdict};
    struct dkv_record own;
    struct dkv_record other;
    struct hr_diag why;
    enum hr_err err = take_witness(&judging, arena);
    if (!err) {
        err = sift(&judging, dispute->own, true, dispute->other, arena, &own);
    }
    if (!err) {
        err = sift(&judging, dispute->other, false, dispute->own, arena, &other);
    }
    if (!err) {
        err = dkv_record_merge(&own, &other, arena, &verdict.record, &why);
    }
    if (!err) {
        err = dkv_record_merge(&verdict.record, &judging.witness, arena, &verdict.record, &why);
    }
    if (err) {
        return err == HR_CORRUPT ? HR_INTERNAL : err;
    }
    dkv_record_strip(&verdict.record, dispute->clear);
    *ret_verdict = verdict;
    return HR_OK;
}
