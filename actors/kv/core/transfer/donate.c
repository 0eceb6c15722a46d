/* Reading records for another site. */
#include "actors/kv/core/transfer/donate.h"

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/format/record.h"
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/limits.h"
#include "actors/kv/core/site/floor.h"
#include "actors/kv/core/site/scan.h"
#include "actors/kv/core/site/serve.h"
#include "actors/kv/core/site/site.h"
#include "actors/kv/core/transfer/state_wire.h"

/* Records read at once: most are small, and a store gives fewer if they are not. */
#define RECORDS_PER_SCAN 256u

/* A page on its way out. */
struct page {
    const struct dkv_env *env;
    struct dkv_state *state;
    size_t bytes;
    bool full;
};

/* Whether the record can be read here. One that cannot is named, so that the receiver keeps what it has. */
static bool readable(const struct page *page, const struct dkv_pair *pair)
{
    struct hr_arena arena;
    struct dkv_record record;
    struct hr_diag diag;
    hr_arena_init(&arena, 0);
    enum hr_err err = dkv_record_decode(pair->value, &arena, &record, &diag);
    hr_arena_release(&arena);
    if (err) {
        struct hr_diag line;
        HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event=not-donated key="), pair->key,
                           HR_STR(" reason=\""), hr_str_c(diag.text),
                           HR_STR("\""))); /* only put together here */
        page->env->log(page->env->arg, DKV_LOG_ERROR, hr_str_c(line.text));
    }
    return !err;
}

static void take_page(struct page *page, const struct dkv_page *found)
{
    struct dkv_state *state = page->state;
    for (size_t i = 0; i < found->count; i++) {
        const struct dkv_pair *pair = &found->pairs[i];
        struct hr_str key = hr_str_from(pair->key, DKV_KEYS_RECORDS.len);
        size_t bytes = page->bytes + pair->key.len + pair->value.len;
        page->full = state->count == DKV_STATE_RECORDS_MAX ||
                     (state->count > 0 && bytes > DKV_STATE_BYTES_GOAL);
        if (page->full) {
            return;
        }
        if (dkv_key_valid(key)) {
            struct dkv_state_record *record = &state->records[state->count++];
            record->key = key;
            record->bytes = readable(page, pair) ? pair->value : (struct hr_str){0};
            page->bytes = bytes;
        }
    }
}

static enum hr_err read_records(const struct dkv_env *env, struct hr_arena *arena,
                                struct dkv_state *state, struct hr_diag *diag)
{
    struct dkv_page found = {.more = true};
    struct page page = {.env = env, .state = state};
    struct hr_str after =
        state->cursor.len > 0 ? dkv_key_record(arena, state->cursor) : (struct hr_str){0};
    state->records = hr_arena_alloc(arena, DKV_STATE_RECORDS_MAX * sizeof *state->records);
    enum hr_err err =
        state->records && (after.ptr || state->cursor.len == 0) ? HR_OK : HR_NO_MEMORY;
    while (!err && !page.full && found.more) {
        err = dkv_scan_page(env, DKV_KEYS_RECORDS, after, RECORDS_PER_SCAN, arena, &found, diag);
        if (!err && found.count > 0) {
            take_page(&page, &found);
            after = found.pairs[found.count - 1].key;
        }
    }
    state->end = !page.full;
    return err;
}

/* Clear mark and floor, after everything else. */
static enum hr_err read_marks(const struct dkv_env *env, const struct dkv_config *config,
                              struct hr_arena *arena, struct dkv_state *state, struct hr_diag *diag)
{
    const struct hr_str keys[2] = {DKV_KEY_CLEAR, DKV_KEY_FLOOR};
    struct dkv_value values[2];
    struct dkv_floor floor;
    struct dkv_site site;
    enum hr_err err = env->get_many(env->arg, keys, 2, arena, values, diag);
    if (!err) {
        err = dkv_clear_decode(values[0], &state->clear, diag);
    }
    if (!err) {
        err = dkv_floor_decode(values[1], &floor, diag);
    }
    if (!err) {
        err = dkv_site_open(env, config, arena, &site, diag);
    }
    if (!err && site.ctr.origin != state->have.origin) {
        err = DKV_FAIL(diag, HR_CONFLICT, HR_STR("the site was started anew meanwhile"));
    }
    if (!err) {
        state->floor = floor.group;
        state->collected = floor.collected;
        state->retired_count = floor.retired_count;
        memcpy(state->retired, floor.retired, sizeof state->retired);
        state->have.clock = site.ctr.hlc;
    }
    return err;
}

/* Whether this site is being filled, or waits for it with records that it does not account for. */
static enum hr_err look_at_sync(const struct dkv_env *env, struct hr_arena *arena,
                                struct dkv_state *state, struct hr_diag *diag)
{
    struct dkv_sync sync;
    enum hr_err err = dkv_sync_read(env, arena, &sync, diag);
    if (!err && (sync.torn || sync.phase > DKV_SYNC_WANTED)) {
        state->what = sync.torn ? DKV_STATE_TORN : DKV_STATE_WAITS;
        state->have.count = 0;
        state->have.more = false;
        state->count = 0;
        state->end = false;
    }
    return err;
}

static enum hr_err make_state(const struct dkv_env *env, const struct dkv_config *config,
                              const struct dkv_state_ask *ask, struct hr_arena *arena,
                              struct hr_str *ret_body, struct hr_diag *diag)
{
    struct dkv_site site;
    struct dkv_state state = {.what = ask->what, .session = ask->session, .cursor = ask->cursor};
    enum hr_err err = dkv_site_open(env, config, arena, &site, diag);
    if (!err) {
        err = look_at_sync(env, arena, &state, diag);
    }
    if (!err && state.what == DKV_STATE_PAGE) {
        err = read_records(env, arena, &state, diag);
    }
    if (!err) {
        err = dkv_serve_read(env, config, ask->after, 0, arena, &state.have, diag);
    }
    if (!err && state.have.origin != site.ctr.origin) {
        err = DKV_FAIL(diag, HR_CONFLICT, HR_STR("the site was started anew meanwhile"));
    }
    if (!err) {
        err = read_marks(env, config, arena, &state, diag);
    }
    if (!err) {
        /* Once more, because it may have begun while the records were read. */
        err = look_at_sync(env, arena, &state, diag);
    }
    return err ? err : dkv_state_encode(&state, arena, ret_body);
}

enum hr_err dkv_donate(const struct dkv_env *env, const struct dkv_config *config,
                       const struct dkv_message *message, struct hr_diag *diag)
{
    struct hr_arena arena;
    struct dkv_state_ask ask;
    struct dkv_message reply = {.subject = message->reply_to};
    hr_arena_init(&arena, DKV_ARENA_BYTES_MAX);
    enum hr_err err = dkv_state_ask_decode(message->body, &ask, diag);
    if (!err) {
        err = make_state(env, config, &ask, &arena, &reply.body, diag);
    }
    if (!err && message->reply_to.len > 0) {
        err = env->publish(env->arg, &reply, diag);
    }
    hr_arena_release(&arena);
    return err;
}
