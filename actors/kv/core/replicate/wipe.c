/* The end of a store. */
#include "actors/kv/core/replicate/wipe.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/scan.h"
#include "actors/kv/core/site/site.h"

#define VERSION 1u
#define TOLD 1u
#define UNDER_WAY 2u

struct wipe {
    uint8_t state; /* 0: there is no m/wipe */
    uint64_t inc;
    dkv_wall_ms wall;
};

static enum hr_err decode(struct dkv_value value, struct wipe *ret_wipe, struct hr_diag *diag)
{
    struct dkv_in in;
    *ret_wipe = (struct wipe){0};
    if (!value.present) {
        return HR_OK;
    }
    enum hr_err err = dkv_in_frame(value.bytes, VERSION, DKV_KEY_WIPE, &in, diag);
    if (err) {
        return err;
    }
    struct wipe wipe = {.state = dkv_in_u8(&in)};
    wipe.inc = dkv_in_u64(&in);
    wipe.wall = dkv_in_u64(&in);
    if (!dkv_in_done(&in) || wipe.inc > DKV_INC_MAX ||
        (wipe.state != TOLD && wipe.state != UNDER_WAY)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("m/wipe: out of bounds"));
    }
    *ret_wipe = wipe;
    return HR_OK;
}

static enum hr_err encode(const struct wipe *wipe, struct hr_arena *arena, struct hr_str *ret_bytes)
{
    struct dkv_out out = dkv_out_in(arena, 32);
    dkv_out_uint(&out, VERSION, 1);
    dkv_out_uint(&out, wipe->state, 1);
    dkv_out_uint(&out, wipe->inc, 8);
    dkv_out_uint(&out, wipe->wall, 8);
    dkv_out_seal(&out);
    return dkv_out_take(&out, ret_bytes);
}

/* --- whether it is to go ------------------------------------------------------------------------------ */

/* Whether another list than its own, and than this site's, says that the site of list @index is out. */
static bool is_out_itself(const struct dkv_holdings *holdings, size_t index)
{
    const struct dkv_have *have = &holdings->lists[index];
    for (size_t i = 1; i < holdings->count; i++) {
        uint64_t removed = dkv_have_removed(&holdings->lists[i], have->site).inc;
        if (i != index && dkv_inc_is_out(have->begun, removed)) {
            return true;
        }
    }
    return false;
}

/* Whether all that count say that the store of @site is out, and whether any does. ret_inc: up to which incarnation: what
 * was begun in that store is out as well. */
static bool all_say_so(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                       const struct dkv_site *site, uint64_t *ret_inc, bool *ret_any)
{
    uint64_t present = dkv_origin_inc(site->ctr.origin);
    uint64_t lowest = UINT64_MAX;
    *ret_any = false;
    for (size_t i = 1; i < holdings->count; i++) {
        uint64_t removed = dkv_have_removed(&holdings->lists[i], tick->config->site_id).inc;
        if (!is_out_itself(holdings, i)) {
            lowest = removed < lowest ? removed : lowest;
            *ret_any = *ret_any || dkv_inc_is_out(site->since, removed);
        }
    }
    *ret_inc = lowest > present ? lowest : present;
    return lowest != UINT64_MAX && dkv_inc_is_out(site->since, lowest);
}

/* Puts m/wipe, or takes it away if its state is 0. It moves m/ctr as every commit does; the one that begins the
 * end takes it away. */
static enum hr_err put(const struct dkv_tick *tick, const struct dkv_site *site,
                       struct dkv_value before, const struct wipe *wipe, struct hr_arena *arena,
                       struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    struct dkv_ctr ctr = site->ctr;
    struct dkv_pair puts[2];
    struct hr_str deletes[1];
    struct dkv_commit commit = {.puts = puts, .deletes = deletes};
    const struct dkv_check checks[2] = {{DKV_KEY_CTR, {site->ctr_bytes, true}},
                                        {DKV_KEY_WIPE, before}};
    size_t conflict;
    enum hr_err err = HR_OK;
    commit.checks = checks;
    commit.check_count = 2;
    if (wipe->state == UNDER_WAY) {
        deletes[commit.delete_count++] = DKV_KEY_CTR;
    } else {
        struct dkv_pair *pair = &puts[commit.put_count++];
        pair->key = DKV_KEY_CTR;
        err = dkv_clock_next(ctr.hlc, 0, site->wall, &ctr.hlc);
        err = err ? err : dkv_ctr_encode(&ctr, arena, &pair->value);
    }
    if (!err && wipe->state == 0) {
        deletes[commit.delete_count++] = DKV_KEY_WIPE;
    } else if (!err) {
        struct dkv_pair *pair = &puts[commit.put_count++];
        pair->key = DKV_KEY_WIPE;
        err = encode(wipe, arena, &pair->value);
    }
    return err ? err : env->commit(env->arg, &commit, &conflict, diag);
}

/* What m/wipe becomes. False: it stays. */
static bool move(const struct wipe *before, bool told, uint64_t inc, dkv_wall_ms wall,
                 struct wipe *ret_next)
{
    *ret_next = (struct wipe){.state = TOLD, .inc = inc, .wall = wall};
    if (before->state == 0) {
        return told;
    }
    if (!told) {
        ret_next->state = 0;
        return true;
    }
    ret_next->state = UNDER_WAY;
    return wall < before->wall || wall - before->wall >= DKV_WIPE_PAUSE_MS;
}

static void tell(const struct dkv_tick *tick, const struct wipe *wipe)
{
    const dkv_origin origin = dkv_origin_of(tick->config->site_id, wipe->inc);
    if (wipe->state == TOLD) {
        dkv_tick_tell(tick, DKV_LOG_WARN, HR_STR("site-out"), origin,
                      "the others say that this site was taken out of the group; its store goes if "
                      "they say so again");
    } else if (wipe->state == UNDER_WAY) {
        dkv_tick_tell(tick, DKV_LOG_ERROR, HR_STR("store-wiped"), origin,
                      "this site was taken out of the group while it was away: all that its store "
                      "holds is deleted, and it begins as a new one");
    }
}

enum hr_err dkv_wipe_watch(struct dkv_tick *tick, const struct dkv_holdings *holdings,
                           struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    const struct hr_str key = DKV_KEY_WIPE;
    struct dkv_value value;
    struct dkv_site site;
    struct wipe before;
    struct wipe next = {0};
    struct hr_arena arena;
    uint64_t inc;
    bool moves = false;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_site_open(env, tick->config, &arena, &site, diag);
    if (!err) {
        err = env->get_many(env->arg, &key, 1, &arena, &value, diag);
    }
    if (!err) {
        err = decode(value, &before, diag);
    }
    if (!err) {
        tick->out = all_say_so(tick, holdings, &site, &inc, &tick->disputed);
        moves = move(&before, tick->out, inc, env->wall(env->arg), &next);
    }
    if (moves) {
        err = put(tick, &site, value, &next, &arena, diag);
    }
    if (moves && !err) {
        tell(tick, &next);
    }
    hr_arena_release(&arena);
    return err;
}

/* --- going -------------------------------------------------------------------------------------------- */

/* Keys that go with the next commit, all of one family: a letter and a slash. ret_count: 0 if there are none but
 * those that go last. */
static enum hr_err find_keys(const struct dkv_env *env, struct hr_arena *arena,
                             struct hr_str keys[DKV_WIPE_KEYS_MAX], size_t *ret_count,
                             struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    size_t count = 0;
    for (char letter = 'a'; !err && count == 0 && letter <= 'z'; letter++) {
        const char name[2] = {letter, '/'};
        struct dkv_page page = {.more = true};
        struct hr_str after = {0};
        /* Twice at most: a page has more than the keys that go last, or is the only one. */
        while (!err && count == 0 && page.more) {
            err = dkv_scan_page(env, hr_str_of(name, sizeof name), after, DKV_WIPE_KEYS_MAX, arena,
                                &page, diag);
            for (size_t i = 0; !err && i < page.count; i++) {
                after = page.pairs[i].key;
                if (!hr_str_eq(after, DKV_KEY_SELF) && !hr_str_eq(after, DKV_KEY_WIPE)) {
                    keys[count++] = after;
                }
            }
        }
    }
    *ret_count = count;
    return err;
}

/* One commit. The last one leaves an empty v/ of the incarnation that was taken out, so that the next one is higher
 * whatever the wall says. */
static enum hr_err delete_some(const struct dkv_tick *tick, struct dkv_value mark,
                               const struct wipe *wipe, struct hr_arena *arena, bool *ret_done,
                               struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    const struct dkv_progress none = {.trunc_below = 1};
    struct hr_str *keys = hr_arena_alloc(arena, (DKV_WIPE_KEYS_MAX + 2) * sizeof *keys);
    const struct dkv_check check = {DKV_KEY_WIPE, mark};
    struct dkv_pair put;
    struct dkv_commit commit = {.checks = &check, .check_count = 1, .puts = &put, .deletes = keys};
    size_t conflict;
    if (!keys) {
        return HR_NO_MEMORY;
    }
    enum hr_err err = find_keys(env, arena, keys, &commit.delete_count, diag);
    *ret_done = !err && commit.delete_count == 0;
    if (*ret_done) {
        keys[commit.delete_count++] = DKV_KEY_SELF;
        keys[commit.delete_count++] = DKV_KEY_WIPE;
        put.key = dkv_key_progress(arena, dkv_origin_of(tick->config->site_id, wipe->inc));
        err = put.key.ptr ? dkv_progress_encode(&none, arena, &put.value) : HR_NO_MEMORY;
        commit.put_count = 1;
    }
    return err ? err : env->commit(env->arg, &commit, &conflict, diag);
}

enum hr_err dkv_wipe_step(const struct dkv_tick *tick, bool *ret_wiping, struct hr_diag *diag)
{
    const struct dkv_env *env = tick->env;
    const struct hr_str key = DKV_KEY_WIPE;
    enum hr_err err = HR_OK;
    bool under_way = true;
    while (!err && under_way && !dkv_tick_over(tick)) {
        struct dkv_value value;
        struct wipe wipe;
        struct hr_arena arena;
        bool done = false;
        hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
        err = env->get_many(env->arg, &key, 1, &arena, &value, diag);
        if (!err) {
            err = decode(value, &wipe, diag);
        }
        under_way = !err && wipe.state == UNDER_WAY;
        if (under_way) {
            err = delete_some(tick, value, &wipe, &arena, &done, diag);
        }
        if (err == HR_CONFLICT || err == HR_UNKNOWN_OUTCOME) {
            err = HR_OK; /* the next reading tells */
        }
        hr_arena_release(&arena);
    }
    *ret_wiping = err || under_way;
    return err;
}
