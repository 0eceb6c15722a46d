/* Merging of one change, and of deletions that were collected too early for it. */
#include "actors/kv/core/values/merge.h"

#include "actors/kv/core/format/json.h"
#include "actors/kv/core/format/siphash.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/drift.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/index.h"
#include "actors/kv/core/site/results.h"
#include "actors/kv/core/site/scan.h"
#include "actors/kv/core/values/clear.h"
#include "actors/kv/core/values/found.h"

#define OLD_KEY_BITS ((size_t)1 << 16)

static const unsigned char old_key_hash[DKV_SIPHASH_KEY_BYTES] = "hedgerow old v1";

/* What the feed holds in a place. It need not be checked by the commit: entries do not change, and
 * whoever adds one moves m/ctr. */
static enum hr_err look(struct dkv_attempt *attempt, dkv_origin origin, uint64_t seq,
                        struct dkv_value *ret_value, struct hr_diag *diag)
{
    const struct dkv_env *env = attempt->env;
    struct hr_str key = dkv_key_change(attempt->arena, origin, seq);
    const struct dkv_entry *written = key.ptr ? dkv_txn_written(&attempt->txn, key) : NULL;
    if (written) {
        *ret_value = written->now;
        return HR_OK;
    }
    return key.ptr ? env->get_many(env->arg, &key, 1, attempt->arena, ret_value, diag)
                   : HR_NO_MEMORY;
}

/* ret_known: there is a v/ of the origin. */
static enum hr_err load(struct dkv_attempt *attempt, struct hr_str name,
                        struct dkv_progress *ret_progress, bool *ret_known, struct hr_diag *diag)
{
    struct dkv_value value;
    enum hr_err err = dkv_txn_get(&attempt->txn, name, &value, diag);
    *ret_known = !err && value.present;
    if (!err && !value.present) {
        *ret_progress = (struct dkv_progress){.trunc_below = 1};
        return HR_OK;
    }
    return err ? err : dkv_progress_decode(value.bytes, ret_progress, diag);
}

/* The clock of what is counted in. A number that was filled may come after changes that were not (in_order). */
static dkv_hlc later(dkv_hlc a, dkv_hlc b)
{
    return a > b ? a : b;
}

/* Goes on over what came before its turn. */
static enum hr_err advance(struct dkv_attempt *attempt, dkv_origin origin,
                           struct dkv_progress *progress, bool *more, struct hr_diag *diag)
{
    for (unsigned i = 0; progress->high > progress->prefix; i++) {
        struct dkv_value value;
        struct dkv_change change;
        if (i == DKV_ADVANCE_MAX) {
            *more = true;
            return HR_OK;
        }
        enum hr_err err = look(attempt, origin, progress->prefix + 1, &value, diag);
        if (err || !value.present) {
            return err;
        }
        err = dkv_change_decode(value.bytes, attempt->arena, &change, diag);
        if (err) {
            return err;
        }
        progress->prefix++;
        progress->hlc = later(progress->hlc, change.stamp.hlc);
    }
    return HR_OK;
}

/* Counts the change as held. A sealed origin of this site's own, of which others have more than its
 * store remembered, is not sealed. */
static enum hr_err count_in(struct dkv_attempt *attempt, const struct dkv_change *change,
                            struct hr_str name, struct dkv_progress *progress,
                            struct dkv_merged *merged, struct hr_diag *diag)
{
    struct hr_str bytes;
    const struct dkv_progress before = *progress;
    progress->high = change->seq > progress->high ? change->seq : progress->high;
    if (change->seq == progress->prefix + 1) {
        progress->prefix++;
        progress->hlc = later(progress->hlc, change->stamp.hlc);
    }
    if (progress->sealed && progress->high > progress->last) {
        progress->sealed = false;
        progress->last = 0;
    }
    enum hr_err err = advance(attempt, change->stamp.origin, progress, &merged->more, diag);
    if (err || (before.prefix == progress->prefix && before.high == progress->high)) {
        return err;
    }
    merged->changed = true;
    err = dkv_progress_encode(progress, attempt->arena, &bytes);
    return err ? err : dkv_txn_put(&attempt->txn, name, bytes);
}

/* Stores @merged, which the clear mark has nothing to take from. */
static enum hr_err store(struct dkv_attempt *attempt, struct hr_str key,
                         const struct dkv_found *found, const struct dkv_record *merged,
                         struct hr_diag *diag)
{
    struct hr_str bytes;
    if (dkv_record_empty(merged) && !found->stored) {
        return HR_OK; /* it was dead on arrival */
    }
    if (dkv_record_empty(merged)) {
        enum hr_err err = dkv_txn_delete(&attempt->txn, found->name);
        return err ? err : dkv_index_remove(attempt, key);
    }
    enum hr_err err = dkv_record_encode(merged, attempt->arena, &bytes);
    if (!err && bytes.len > DKV_RECORD_BYTES_MAX) {
        err = HR_TOO_BIG;
    }
    if (err) {
        return err == HR_TOO_BIG
                   ? DKV_FAIL(diag, err, HR_STR("a record would become too big: "), key)
                   : err;
    }
    err = dkv_txn_put(&attempt->txn, found->name, bytes);
    return err || found->stored ? err : dkv_index_add(attempt, key);
}

/* Merges @news, which are those of @change, into its key's record. */
static enum hr_err merge_record(struct dkv_attempt *attempt, const struct dkv_change *change,
                                const struct dkv_record *news, struct dkv_record *ret_merged,
                                struct dkv_stamp *ret_clear, struct hr_diag *diag)
{
    struct dkv_found found;
    struct hr_str key = change->key;
    enum hr_err err = dkv_found_read(attempt, key, &found, diag);
    if (err == HR_CORRUPT && found.stored) {
        /* The feed has the change, and whoever mends the record looks there. If it were not taken, nothing that comes
         * after it would count as here, and what is not known to be here everywhere is not mended. */
        *ret_merged = *news;
        *ret_clear = found.clear;
        return HR_OK;
    }
    if (!err) {
        err = dkv_record_merge(&found.record, news, attempt->arena, ret_merged, diag);
    }
    if (!err) {
        dkv_record_strip(ret_merged, found.clear);
        err = store(attempt, key, &found, ret_merged, diag);
    }
    if (err) {
        return err;
    }
    *ret_clear = found.clear;
    dkv_attempt_count(attempt, found.visible, dkv_record_visible(ret_merged, found.clear));
    if (!dkv_record_empty(ret_merged) && dkv_record_littered(ret_merged, found.clear) &&
        dkv_stamp_cmp(change->stamp, found.clear) > 0) {
        dkv_attempt_litter(attempt, change->stamp.hlc);
    }
    return HR_OK;
}

/* What the reply to the request behind the change says. */
static enum hr_err keep_result(struct dkv_attempt *attempt, const struct dkv_change *change,
                               const struct dkv_record *merged, struct dkv_stamp clear,
                               struct hr_diag *diag)
{
    struct dkv_answer answer = {.op = change->op == DKV_CHANGE_SET   ? DKV_OP_SET
                                      : change->op == DKV_CHANGE_DEL ? DKV_OP_DEL
                                                                     : DKV_OP_CLEAR,
                                .version = change->stamp,
                                .created = change->created,
                                .seq = change->seq,
                                .count = change->counted};
    enum hr_err err = HR_OK;
    if (change->op == DKV_CHANGE_SET) {
        struct dkv_out out = dkv_out_in(attempt->arena, 0);
        dkv_json_value(&out, merged, clear);
        err = dkv_out_take(&out, &answer.value);
    }
    return err ? err : dkv_results_keep_foreign(attempt, change, &answer, diag);
}

/* A record here that is damaged takes in no change: comparing puts it right (round.h), out of the feed, in which the
 * change has its place meanwhile. */
static void tell_damaged(const struct dkv_attempt *attempt, const struct dkv_change *change,
                         const struct hr_diag *why)
{
    struct hr_diag line;
    HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event=record-damaged key="), change->key,
                       HR_STR(" reason=\""), hr_str_c(why->text),
                       HR_STR("\""))); /* only put together here */
    attempt->env->log(attempt->env->arg, DKV_LOG_WARN, hr_str_c(line.text));
}

/* Does what the change says. */
static enum hr_err perform(struct dkv_attempt *attempt, const struct dkv_change *change,
                           struct hr_diag *diag)
{
    struct dkv_record merged = {0};
    struct dkv_stamp clear = {0};
    bool damaged = false;
    enum hr_err err = HR_OK;
    if (change->op == DKV_CHANGE_SET || change->op == DKV_CHANGE_DEL) {
        struct dkv_record news = dkv_change_record(change);
        err = merge_record(attempt, change, &news, &merged, &clear, diag);
        damaged = err == HR_CORRUPT;
    } else if (change->op == DKV_CHANGE_CLEAR) {
        err = dkv_clear_merge(attempt, change, diag);
    }
    if (damaged) {
        tell_damaged(attempt, change, diag);
        err = HR_OK;
    }
    if (!err && !damaged && change->identified && change->op != DKV_CHANGE_NOOP) {
        err = keep_result(attempt, change, &merged, clear, diag);
    }
    if (!err && change->stamp.hlc > attempt->ctr.hlc) {
        attempt->ctr.hlc = change->stamp.hlc;
    }
    return err;
}

/* Whether the change is here already. One that differs from what is here under its number is corrupt. */
static enum hr_err look_for(struct dkv_attempt *attempt, const struct dkv_incoming *incoming,
                            const struct dkv_progress *progress, bool *ret_held,
                            struct hr_diag *diag)
{
    const struct dkv_change *change = &incoming->change;
    struct dkv_value value = {0};
    *ret_held = false;
    if (change->seq > progress->high) {
        return HR_OK;
    }
    enum hr_err err = look(attempt, change->stamp.origin, change->seq, &value, diag);
    if (!err && value.present && !hr_str_eq(value.bytes, incoming->bytes)) {
        /* Which of them is damaged, if not both are sound, the checksum has said. */
        struct dkv_change stored;
        err = dkv_change_decode(value.bytes, attempt->arena, &stored, diag);
        return err ? err
                   : DKV_FAIL(diag, HR_CORRUPT,
                              HR_STR("another change is here under its number: two stores have "
                                     "written as the same site"));
    }
    *ret_held = !err && (value.present || change->seq <= progress->prefix);
    return err;
}

/* Within an origin the clock grows with the numbers; a number without a change has that of the one before it
 * (seal.h), which may have been filled too where it is not here: an old copy has what was lost with the store. */
static bool in_order(const struct dkv_change *change, const struct dkv_progress *progress)
{
    return change->seq != progress->prefix + 1 || change->stamp.hlc > progress->hlc ||
           change->op == DKV_CHANGE_NOOP;
}

/* Whether it comes too late, the way it comes. What is read is checked by the commit. */
static enum hr_err is_fenced(struct dkv_attempt *attempt, const struct dkv_incoming *incoming,
                             bool *ret_fenced, struct hr_diag *diag)
{
    struct dkv_value value;
    struct dkv_fence fence;
    dkv_origin origin = incoming->change.stamp.origin;
    uint16_t site = dkv_origin_site(origin);
    const struct dkv_pulled *pulled = incoming->pulled;
    if (pulled && pulled->asked_as != attempt->site.ctr.origin) {
        *ret_fenced = true; /* this store may have forgotten what it has promised since */
        return HR_OK;
    }
    if (site == attempt->config->site_id) {
        /* Another host of this site may still be sending what the store held before it was lost, or deleted. */
        *ret_fenced = !pulled && origin < attempt->site.ctr.origin;
        return HR_OK;
    }
    enum hr_err err = dkv_txn_get(&attempt->txn, dkv_key_fence(attempt->arena, site), &value, diag);
    if (!err) {
        err = dkv_fence_decode(value, site, &fence, diag);
    }
    if (!err) {
        bool doubtful = fence.doubtful || (!value.present && dkv_site_forgetful(&attempt->site));
        *ret_fenced =
            pulled ? fence.inc > pulled->heard_inc : doubtful || dkv_fence_bars(&fence, origin);
    }
    return err;
}

/* Whether the change's clock is too far ahead. One that comes next after this site's own clock, which is as far
 * ahead already, does no harm: sites that all were ahead once go on. */
static bool is_parked(const struct dkv_attempt *attempt, const struct dkv_change *change)
{
    dkv_wall_ms wall = dkv_drift_others(attempt->config, attempt->site.wall);
    dkv_wall_ms made = dkv_clock_ms(change->stamp.hlc);
    return dkv_clock_ahead_ms(change->stamp.hlc, wall) > DKV_DRIFT_MS_MAX &&
           made > dkv_clock_ms(attempt->site.ctr.hlc) + 1;
}

enum hr_err dkv_merge_change(struct dkv_attempt *attempt, struct dkv_incoming *incoming,
                             const struct dkv_floor *floor, struct dkv_merged *merged,
                             struct hr_diag *diag)
{
    const struct dkv_change *change = &incoming->change;
    struct hr_str name = dkv_key_progress(attempt->arena, change->stamp.origin);
    struct dkv_progress progress;
    bool known;
    bool held;
    bool fenced = false;
    if (!dkv_site_member(&attempt->site.cfg, dkv_origin_site(change->stamp.origin))) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("the group has no room for another site"));
    }
    if (is_parked(attempt, change)) {
        incoming->fate = DKV_FATE_PARKED;
        return HR_OK;
    }
    enum hr_err err = load(attempt, name, &progress, &known, diag);
    if (!err && !known && dkv_floor_retired(floor, change->stamp.origin)) {
        incoming->fate = DKV_FATE_LATE;
        return HR_OK;
    }
    if (!err) {
        err = look_for(attempt, incoming, &progress, &held, diag);
    }
    if (err) {
        return err;
    }
    if (held && change->seq <= progress.prefix && progress.high == progress.prefix) {
        incoming->fate = DKV_FATE_HELD;
        return HR_OK;
    }
    if (!held) {
        err = is_fenced(attempt, incoming, &fenced, diag);
    }
    if (err || fenced) {
        incoming->fate = fenced ? DKV_FATE_FENCED : incoming->fate;
        return err;
    }
    if (change->stamp.origin == attempt->ctr.origin || !in_order(change, &progress)) {
        return DKV_FAIL(diag, HR_CORRUPT,
                        HR_STR("its origin has not made it, or made it in another order"));
    }
    if (!held) {
        err = perform(attempt, change, diag);
    }
    if (!err && !held) {
        err = dkv_attempt_log_foreign(attempt, change, incoming->bytes);
        merged->changed = true;
        merged->below += change->stamp.hlc <= floor->group;
    }
    if (!err) {
        err = count_in(attempt, change, name, &progress, merged, diag);
    }
    if (!err) {
        incoming->fate = DKV_FATE_HELD;
    }
    return err;
}

/* Keys of changes that are not newer than what is collected, as bits of their hashes: what has no bit is not one
 * of them. */
struct old_keys {
    dkv_hlc floor;
    bool any;
    unsigned char bits[OLD_KEY_BITS / 8];
};

static size_t bit_of(struct hr_str key)
{
    return (size_t)(dkv_siphash(old_key_hash, key) % OLD_KEY_BITS);
}

static bool is_old(const struct dkv_change *change, dkv_hlc floor)
{
    return change->stamp.hlc <= floor && change->key.len > 0;
}

static void note_old(struct old_keys *old, const struct dkv_incoming *incoming, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_old(&incoming[i].change, old->floor)) {
            size_t bit = bit_of(incoming[i].change.key);
            old->bits[bit / 8] |= (unsigned char)(1u << bit % 8);
            old->any = true;
        }
    }
}

/* What a change of the feed deletes: a copy, without what it sets. */
static enum hr_err copy_deletion(const struct dkv_change *change, struct hr_arena *arena,
                                 struct dkv_change *ret_change)
{
    struct dkv_change copy = *change;
    copy.key = hr_arena_copy(arena, change->key);
    copy.fields = hr_arena_alloc(arena, change->count * sizeof *copy.fields);
    copy.count = 0;
    if (!copy.key.ptr || !copy.fields) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < change->count; i++) {
        if (change->fields[i].type == DKV_FIELD_DELETED) {
            struct dkv_field *field = &copy.fields[copy.count++];
            *field = change->fields[i];
            field->name = hr_arena_copy(arena, field->name);
            field->value = (struct hr_str){0};
            if (!field->name.ptr) {
                return HR_NO_MEMORY;
            }
        }
    }
    *ret_change = copy;
    return HR_OK;
}

static enum hr_err keep_deletion(struct dkv_memory *memory, const struct dkv_change *change,
                                 struct hr_arena *arena)
{
    struct dkv_change copy;
    enum hr_err err = copy_deletion(change, arena, &copy);
    if (err || (copy.op == DKV_CHANGE_SET && copy.count == 0)) {
        return err;
    }
    if (memory->count == memory->cap) {
        size_t cap = memory->cap ? memory->cap * 2 : 64;
        struct dkv_change *grown = hr_arena_alloc(arena, cap * sizeof *grown);
        if (!grown) {
            return HR_NO_MEMORY;
        }
        if (memory->count > 0) {
            memcpy(grown, memory->deletions, memory->count * sizeof *grown);
        }
        memory->deletions = grown;
        memory->cap = cap;
    }
    memory->deletions[memory->count++] = copy;
    return HR_OK;
}

static enum hr_err recall_page(const struct old_keys *old, const struct dkv_page *page,
                               struct hr_arena *page_arena, struct hr_arena *arena,
                               struct dkv_memory *memory, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; !err && i < page->count; i++) {
        struct dkv_change change;
        err = dkv_change_decode(page->pairs[i].value, page_arena, &change, diag);
        size_t bit = err ? 0 : bit_of(change.key);
        if (!err && change.key.len > 0 && (old->bits[bit / 8] >> bit % 8 & 1)) {
            err = keep_deletion(memory, &change, arena);
        }
    }
    return err;
}

enum hr_err dkv_merge_recall(const struct dkv_env *env, const struct dkv_incoming *incoming,
                             size_t count, struct hr_arena *arena, struct dkv_memory *ret_memory,
                             struct hr_diag *diag)
{
    struct dkv_floor floor;
    struct old_keys old = {0};
    struct dkv_page page = {.more = true};
    struct hr_str after = {0};
    struct dkv_memory memory = {0};
    enum hr_err err = dkv_floor_now(env, arena, &floor, diag);
    if (!err) {
        old.floor = memory.collected = floor.collected;
        note_old(&old, incoming, count);
    }
    while (!err && old.any && page.more) {
        struct hr_arena page_arena;
        hr_arena_init(&page_arena, 0);
        err =
            dkv_scan_page(env, DKV_KEYS_FEED, after, DKV_SCAN_LIMIT_MAX, &page_arena, &page, diag);
        if (!err) {
            err = recall_page(&old, &page, &page_arena, arena, &memory, diag);
        }
        if (!err && page.count > 0) {
            after = hr_arena_copy(arena, page.pairs[page.count - 1].key);
            err = after.ptr ? HR_OK : HR_NO_MEMORY;
        }
        hr_arena_release(&page_arena);
    }
    if (!err) {
        *ret_memory = memory;
    }
    return err;
}

/* Whether @deletion is newer than a change of its key in @incoming. */
static bool matters(const struct dkv_change *deletion, const struct dkv_incoming *incoming,
                    size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct dkv_change *change = &incoming[i].change;
        if (dkv_stamp_cmp(deletion->stamp, change->stamp) > 0 &&
            hr_str_eq(change->key, deletion->key)) {
            return true;
        }
    }
    return false;
}

enum hr_err dkv_merge_remember(struct dkv_attempt *attempt, const struct dkv_incoming *incoming,
                               size_t count, const struct dkv_memory *memory, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; !err && i < memory->count; i++) {
        const struct dkv_change *deletion = &memory->deletions[i];
        if (matters(deletion, incoming, count)) {
            struct dkv_record merged;
            struct dkv_stamp clear;
            struct dkv_record news = dkv_change_record(deletion);
            err = merge_record(attempt, deletion, &news, &merged, &clear, diag);
        }
    }
    return err;
}
