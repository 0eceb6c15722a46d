/* Reading v/ and f/ for others. */
#include "actors/kv/core/site/serve.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/parcel.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/scan.h"
#include "actors/kv/core/site/site.h"

/* Entries read at once: each may be 256 KiB long. */
#define ENTRIES_PER_SCAN 32u

static enum hr_err take_row(struct dkv_have *have, const struct dkv_pair *pair,
                            struct hr_diag *diag)
{
    struct dkv_have_row row;
    struct dkv_progress progress;
    if (!dkv_key_progress_parse(pair->key, &row.origin)) {
        return DKV_FAIL(diag, HR_CORRUPT, HR_STR("v/ holds a name that is none"));
    }
    enum hr_err err = dkv_progress_decode(pair->value, &progress, diag);
    if (err || progress.high == 0) {
        return err;
    }
    row.prefix = progress.prefix;
    row.hlc = progress.hlc;
    row.high = progress.high;
    row.trunc_below = progress.trunc_below;
    row.sealed = progress.sealed;
    row.last = progress.last;
    have->rows[have->count++] = row;
    return HR_OK;
}

/* Sites that were taken out, also if they are back, and all other members, as out up to nothing; since when they are known; and
 * what was heard of the asker's. @fences were read before @cfg, so that the members are there whom a fence speaks for. */
static void take_fences(const struct dkv_fences *fences, const struct dkv_cfg *cfg, uint16_t asker,
                        struct dkv_have *have)
{
    _Static_assert(DKV_FENCES_MAX <= DKV_REMOVED_MAX, "all of them go into one list");
    for (size_t i = 0; i < fences->count; i++) {
        const struct dkv_fence *fence = &fences->rows[i];
        if (fence->removed > 0) {
            have->removed[have->removed_count++] =
                (struct dkv_removed){fence->site, fence->removed, fence->since, fence->inc};
        }
    }
    /* Whoever has a fence is a member, so that there is room. */
    for (size_t i = 0; i < cfg->member_count && have->removed_count < DKV_REMOVED_MAX; i++) {
        const struct dkv_fence fence = dkv_fence_of(fences, cfg->members[i]);
        if (fence.removed == 0) {
            have->removed[have->removed_count++] =
                (struct dkv_removed){cfg->members[i], 0, fence.since, fence.inc};
        }
    }
    have->fence = asker == 0 ? 0 : dkv_fence_of(fences, asker).inc;
}

/* What this site says of itself, and of the group. A site that takes in what it may lack says nothing. */
static enum hr_err take_floor(const struct dkv_env *env, const struct dkv_site *site,
                              struct hr_arena *arena, struct dkv_have *have, struct hr_diag *diag)
{
    struct dkv_floor floor;
    enum hr_err err = dkv_floor_now(env, arena, &floor, diag);
    if (!err) {
        have->low = site->state == DKV_SITE_ACTIVE ? floor.low : 0;
        have->floor = floor.group;
    }
    return err;
}

enum hr_err dkv_serve_read(const struct dkv_env *env, const struct dkv_config *config,
                           dkv_origin after, uint16_t asker, struct hr_arena *arena,
                           struct dkv_have *ret_have, struct hr_diag *diag)
{
    struct dkv_site site;
    struct dkv_fences fences;
    struct dkv_page page = {.more = true};
    struct dkv_have have = {.site = config->site_id};
    struct hr_str name = after > 0 ? dkv_key_progress(arena, after) : (struct hr_str){0};
    enum hr_err err = dkv_fence_read(env, arena, &fences, diag);
    if (!err) {
        err = dkv_site_open(env, config, arena, &site, diag);
    }
    have.rows = hr_arena_alloc(arena, DKV_HAVE_MAX * sizeof *have.rows);
    if (!have.rows || (after > 0 && !name.ptr)) {
        return HR_NO_MEMORY;
    }
    if (!err) {
        take_fences(&fences, &site.cfg, asker, &have);
        err = take_floor(env, &site, arena, &have, diag);
    }
    while (!err && page.more && have.count < DKV_HAVE_MAX) {
        size_t room = DKV_HAVE_MAX - have.count;
        uint32_t limit = room < DKV_SCAN_LIMIT_MAX ? (uint32_t)room : DKV_SCAN_LIMIT_MAX;
        err = dkv_scan_page(env, DKV_KEYS_PROGRESS, name, limit, arena, &page, diag);
        for (size_t i = 0; !err && i < page.count; i++) {
            err = take_row(&have, &page.pairs[i], diag);
            name = page.pairs[i].key;
        }
    }
    if (!err) {
        have.origin = site.ctr.origin;
        have.begun = site.since;
        have.seq = site.ctr.seq;
        have.clock = site.ctr.hlc;
        have.state = site.state;
        have.boot_class = site.boot_class;
        have.more = page.more;
        *ret_have = have;
    }
    return err;
}

static enum hr_err answer(const struct dkv_env *env, const struct dkv_message *message,
                          struct hr_str body, struct hr_diag *diag)
{
    const struct dkv_message reply = {.subject = message->reply_to, .body = body};
    return env->publish(env->arg, &reply, diag);
}

enum hr_err dkv_serve_have(const struct dkv_env *env, const struct dkv_config *config,
                           const struct dkv_message *message, struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_ask ask;
    struct dkv_have have;
    struct hr_str body;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_ask_decode(message->body, &ask, diag);
    if (!err) {
        const struct dkv_fence asker = {.site = dkv_origin_site(ask.origin),
                                        .inc = dkv_origin_inc(ask.origin),
                                        .begun = ask.begun};
        err = dkv_fence_raise(env, config, &asker, &arena, diag);
    }
    if (!err) {
        err = dkv_serve_read(env, config, ask.after, dkv_origin_site(ask.origin), &arena, &have,
                             diag);
    }
    if (!err) {
        err = dkv_have_encode(&have, &arena, &body);
    }
    if (!err && message->reply_to.len > 0) {
        err = answer(env, message, body, diag);
    }
    hr_arena_release(&arena);
    return err;
}

/* A piece of an origin's feed on its way out. */
struct piece {
    const struct dkv_pull *pull;
    struct dkv_parcel parcel;
    size_t bytes;
    struct dkv_log log;
    bool full;
};

static void take_page(struct piece *piece, const struct dkv_page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        dkv_origin origin;
        uint64_t seq;
        bool named = dkv_key_change_parse(page->pairs[i].key, &origin, &seq);
        if (named && seq > piece->pull->upto) {
            piece->full = true;
            return;
        }
        size_t bytes = piece->bytes + page->pairs[i].value.len;
        if (piece->parcel.count == DKV_LOG_CHANGES_MAX ||
            (piece->parcel.count > 0 && bytes > DKV_LOG_BYTES_GOAL)) {
            piece->full = true;
            piece->log.more = true;
            return;
        }
        if (named) {
            piece->parcel.changes[piece->parcel.count++] = page->pairs[i].value;
            piece->bytes = bytes;
            piece->log.number = seq;
        }
    }
}

static enum hr_err read_piece(const struct dkv_env *env, struct piece *piece,
                              struct hr_arena *arena, struct hr_diag *diag)
{
    struct dkv_page page = {.more = true};
    struct hr_str name = dkv_key_change(arena, piece->pull->origin, piece->pull->after);
    struct hr_str entries = hr_str_of(name.ptr, DKV_CHANGE_ORIGIN_BYTES);
    piece->parcel.changes =
        hr_arena_alloc(arena, DKV_LOG_CHANGES_MAX * sizeof *piece->parcel.changes);
    enum hr_err err = name.ptr && piece->parcel.changes ? HR_OK : HR_NO_MEMORY;
    while (!err && !piece->full && page.more) {
        err = dkv_scan_page(env, entries, name, ENTRIES_PER_SCAN, arena, &page, diag);
        if (!err && page.count > 0) {
            take_page(piece, &page);
            name = page.pairs[page.count - 1].key;
        }
    }
    return err ? err : dkv_parcel_encode(&piece->parcel, arena, &piece->log.changes);
}

static enum hr_err make_log(const struct dkv_env *env, const struct dkv_pull *pull,
                            struct hr_arena *arena, struct hr_str *ret_body, struct hr_diag *diag)
{
    struct piece piece = {.pull = pull};
    struct dkv_progress progress = {.trunc_below = 1};
    struct dkv_value value;
    struct hr_str key = dkv_key_progress(arena, pull->origin);
    enum hr_err err = HR_NO_MEMORY;
    /* v/ is read last, so that what was cut off meanwhile is known. */
    if (key.ptr) {
        err = read_piece(env, &piece, arena, diag);
    }
    if (!err) {
        err = env->get_many(env->arg, &key, 1, arena, &value, diag);
    }
    if (!err && value.present) {
        err = dkv_progress_decode(value.bytes, &progress, diag);
    }
    if (!err && progress.trunc_below - 1 > pull->after) {
        piece.log = (struct dkv_log){.truncated = true, .number = progress.trunc_below};
    }
    return err ? err : dkv_log_encode(&piece.log, arena, ret_body);
}

enum hr_err dkv_serve_log(const struct dkv_env *env, const struct dkv_config *config,
                          const struct dkv_message *message, struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_site site;
    struct dkv_pull pull;
    struct hr_str body;
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_pull_decode(message->body, &pull, diag);
    if (!err) {
        err = dkv_site_open(env, config, &arena, &site, diag);
    }
    if (!err) {
        err = make_log(env, &pull, &arena, &body, diag);
    }
    if (!err && message->reply_to.len > 0) {
        err = answer(env, message, body, diag);
    }
    hr_arena_release(&arena);
    return err;
}
