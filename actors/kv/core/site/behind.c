/* Counting what is missing, noting it and telling it. */
#include "actors/kv/core/site/behind.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/note.h"

/* Origins of which something is missing, of one page; what more there are is not counted. */
#define ORIGINS_MAX ((size_t)1024)
#define ARENA_BYTES_MAX ((size_t)1 << 16)

/* --- telling ------------------------------------------------------------------------------------------ */

static struct hr_str name_of(const struct dkv_peer *peer, uint16_t id, struct hr_arena *arena)
{
    char digits[DKV_DEC_BYTES_MAX];
    struct hr_str name = {0};
    if (peer) {
        return peer->name;
    }
    struct dkv_out out = dkv_out_in(arena, 16);
    dkv_out_bytes(&out, HR_STR("site-"));
    dkv_out_bytes(&out, dkv_text_dec(digits, id));
    return dkv_out_take(&out, &name) ? (struct hr_str){0} : name;
}

enum hr_err dkv_behind_read(const struct dkv_env *env, const struct dkv_site *site,
                            const struct dkv_group *group, struct hr_arena *arena,
                            struct dkv_behind *ret_behind, struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_BEHIND;
    struct dkv_value value;
    struct dkv_fences fences;
    struct dkv_behind behind = {0};
    uint16_t own = dkv_origin_site(site->ctr.origin);
    *ret_behind = behind;
    if (!site->grouped) {
        return HR_OK;
    }
    enum hr_err err = env->get_many(env->arg, &key, 1, arena, &value, diag);
    if (!err && dkv_note_decode(value, key, &behind.changes, diag)) {
        env->log(env->arg, DKV_LOG_ERROR, hr_str_c(diag->text));
    }
    if (!err) {
        err = dkv_fence_read(env, arena, &fences, diag);
    }
    for (size_t i = 0; !err && i < site->cfg.member_count; i++) {
        uint16_t id = site->cfg.members[i];
        const struct dkv_peer *peer = dkv_group_find(group, id);
        if (id != own && !(peer && peer->alive) && !dkv_fence_is_out(&fences, id)) {
            struct hr_str name = name_of(peer, id, arena);
            behind.silent[behind.silent_count++] = name;
            err = name.ptr ? HR_OK : HR_NO_MEMORY;
        }
    }
    if (!err) {
        *ret_behind = behind;
    }
    return err;
}

/* --- counting ----------------------------------------------------------------------------------------- */

/* A walk over the origins of all lists but the first, in their order. */
struct walk {
    const struct dkv_holdings *holdings;
    size_t *at; /* of each list: its next row */
};

/* The next origin and the highest change that anybody has of it. False: there is none. */
static bool next_origin(struct walk *walk, dkv_origin *ret_origin, uint64_t *ret_high)
{
    const struct dkv_holdings *holdings = walk->holdings;
    bool found = false;
    for (size_t i = 1; i < holdings->count; i++) {
        const struct dkv_have *have = &holdings->lists[i];
        if (walk->at[i] < have->count && (!found || have->rows[walk->at[i]].origin < *ret_origin)) {
            *ret_origin = have->rows[walk->at[i]].origin;
            found = true;
        }
    }
    *ret_high = 0;
    for (size_t i = 1; found && i < holdings->count; i++) {
        const struct dkv_have *have = &holdings->lists[i];
        if (walk->at[i] < have->count && have->rows[walk->at[i]].origin == *ret_origin) {
            uint64_t high = have->rows[walk->at[i]++].high;
            *ret_high = high > *ret_high ? high : *ret_high;
        }
    }
    return found;
}

/* What is missing of one origin, given what v/ says of it. */
static enum hr_err add_missing(struct dkv_value value, uint64_t high, uint64_t *changes,
                               struct hr_diag *diag)
{
    struct dkv_progress progress = {0};
    enum hr_err err = value.present ? dkv_progress_decode(value.bytes, &progress, diag) : HR_OK;
    if (!err && high > progress.prefix) {
        *changes += high - progress.prefix;
    }
    return err;
}

enum hr_err dkv_behind_count(const struct dkv_env *env, const struct dkv_holdings *holdings,
                             struct hr_arena *arena, uint64_t *ret_changes, struct hr_diag *diag)
{
    const struct dkv_have *mine = &holdings->lists[0];
    struct walk walk = {holdings, hr_arena_alloc(arena, holdings->count * sizeof *walk.at)};
    struct hr_str *keys = hr_arena_alloc(arena, ORIGINS_MAX * sizeof *keys);
    uint64_t *highs = hr_arena_alloc(arena, ORIGINS_MAX * sizeof *highs);
    struct dkv_value *values = hr_arena_alloc(arena, ORIGINS_MAX * sizeof *values);
    dkv_origin end = dkv_holdings_end(holdings);
    dkv_origin origin = 0;
    uint64_t high;
    size_t own_at = 0;
    size_t count = 0;
    if (!walk.at || !keys || !highs || !values) {
        return HR_NO_MEMORY;
    }
    while (count < ORIGINS_MAX && next_origin(&walk, &origin, &high) && origin <= end) {
        const struct dkv_have_row *row = dkv_holdings_row(mine, &own_at, origin);
        if (origin != mine->origin && high > (row ? row->prefix : 0)) {
            highs[count] = high;
            keys[count] = dkv_key_progress(arena, origin);
            if (!keys[count++].ptr) {
                return HR_NO_MEMORY;
            }
        }
    }
    uint64_t changes = 0;
    enum hr_err err = count > 0 ? env->get_many(env->arg, keys, count, arena, values, diag) : HR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        err = add_missing(values[i], highs[i], &changes, diag);
    }
    if (!err) {
        *ret_changes = changes;
    }
    return err;
}

/* --- noting ------------------------------------------------------------------------------------------- */

enum hr_err dkv_behind_note(const struct dkv_env *env, uint64_t changes, struct hr_diag *diag)
{
    const struct hr_str key = DKV_KEY_BEHIND;
    struct dkv_value value;
    uint64_t before = 0;
    struct hr_arena arena;
    hr_arena_init(&arena, ARENA_BYTES_MAX);
    enum hr_err err = env->get_many(env->arg, &key, 1, &arena, &value, diag);
    if (!err) {
        /* What cannot be read is replaced. */
        bool sound = !dkv_note_decode(value, key, &before, diag);
        bool same = sound && before == changes;
        const struct dkv_check check = {key, value};
        err = same ? HR_OK : dkv_note_put(env, &check, changes, &arena, diag);
    }
    hr_arena_release(&arena);
    /* Another host of the site was quicker, or the answer was lost: the next tick looks anew. */
    return err == HR_CONFLICT || err == HR_UNKNOWN_OUTCOME ? HR_OK : err;
}
