/* What is known of each site. */
#include "actors/kv/core/operate/operator_impl.h"
#include "actors/kv/core/replicate/cut.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/joining.h"
#include "actors/kv/core/site/site.h"

/* For all digests of one status. */
#define DIGEST_MS_MAX ((dkv_mono_ms)15000)

struct status {
    struct dkv_operator *op;
    struct dkv_site site;
    struct dkv_holdings holdings;
    struct dkv_repair repair;
    struct dkv_fences fences;
    bool digests;
};

static void number(struct dkv_out *out, const char *name, uint64_t value)
{
    dkv_operator_member(out, name);
    dkv_json_number(out, value);
}

static void flag(struct dkv_out *out, const char *name, bool value)
{
    dkv_operator_member(out, name);
    dkv_out_bytes(out, value ? HR_STR("true") : HR_STR("false"));
}

static void text(struct dkv_out *out, const char *name, struct hr_str value)
{
    dkv_operator_member(out, name);
    dkv_json_string(out, value);
}

static const struct dkv_have *list_of(const struct status *status, uint16_t id)
{
    for (size_t i = 0; i < status->holdings.count; i++) {
        if (status->holdings.lists[i].site == id) {
            return &status->holdings.lists[i];
        }
    }
    return NULL;
}

/* How many changes that somebody has @list lacks, of one origin. */
static uint64_t lacking(const struct status *status, const struct dkv_have *list, dkv_origin origin)
{
    uint64_t most = 0;
    const struct dkv_have_row *own = dkv_cut_row(list, origin);
    for (size_t i = 0; i < status->holdings.count; i++) {
        const struct dkv_have_row *row = dkv_cut_row(&status->holdings.lists[i], origin);
        most = row && row->high > most ? row->high : most;
    }
    return most - (own ? own->prefix : 0);
}

static uint64_t lag_of(const struct status *status, const struct dkv_have *list)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < status->holdings.count; i++) {
        const struct dkv_have *other = &status->holdings.lists[i];
        for (size_t j = 0; j < other->count; j++) {
            bool counted = false;
            for (size_t k = 0; k < i && !counted; k++) {
                counted = dkv_cut_row(&status->holdings.lists[k], other->rows[j].origin) != NULL;
            }
            const struct dkv_have_row *own = dkv_cut_row(list, other->rows[j].origin);
            bool retired = !own && other->rows[j].hlc <= list->floor;
            lag += counted || retired ? 0 : lacking(status, list, other->rows[j].origin);
        }
    }
    return lag;
}

static enum hr_err ask(struct status *status, const struct dkv_peer *peer, struct dkv_dig *dig,
                       struct hr_arena *arena, struct dkv_dig_answer *ret_answer)
{
    const struct dkv_tick *tick = &status->op->tick;
    return peer ? dkv_digest_ask(tick->env, tick->config, peer, dig, arena, ret_answer,
                                 status->op->diag)
                : dkv_digest_answer(tick->env, tick->config, dig, arena, ret_answer,
                                    status->op->diag);
}

/* Compares some leaves. ret_done: how many that were; 0 if one of the sites does not answer. */
static enum hr_err compare_some(struct status *status, const struct dkv_peer *peer,
                                struct dkv_dig *dig, size_t *ret_done, uint64_t *differing)
{
    struct hr_arena arena;
    struct dkv_dig_answer theirs;
    struct dkv_dig_answer mine;
    hr_arena_init(&arena, 0);
    *ret_done = 0;
    enum hr_err err = ask(status, peer, dig, &arena, &theirs);
    if (!err) {
        dig->clear = theirs.clear;
        err = ask(status, NULL, dig, &arena, &mine);
    }
    if (!err) {
        size_t count =
            mine.digest_count < theirs.digest_count ? mine.digest_count : theirs.digest_count;
        for (size_t i = 0; i < count; i++) {
            *differing += mine.digests[i].records != theirs.digests[i].records ||
                          memcmp(mine.digests[i].hash, theirs.digests[i].hash,
                                 sizeof mine.digests[i].hash) != 0;
        }
        *ret_done = count;
    }
    hr_arena_release(&arena);
    return err == HR_NO_MEMORY ? err : HR_OK;
}

/* All leaves, or as many as there is time for: then the outcome is not known. */
static enum hr_err write_digest(struct status *status, const struct dkv_peer *peer)
{
    const struct dkv_env *env = status->op->tick.env;
    struct dkv_dig dig = {
        .what = DKV_DIG_LEAVES, .cut = status->repair.cut, .floor = status->repair.floor};
    uint32_t leaves = (uint32_t)1 << status->site.cfg.leaf_bits;
    uint64_t differing = 0;
    bool goes_on = status->repair.cut > 0;
    enum hr_err err = HR_OK;
    while (!err && goes_on && dig.leaf < leaves) {
        size_t done = 0;
        uint32_t left = leaves - dig.leaf;
        dig.leaf_count = left < DKV_DIG_LEAVES_MAX ? left : DKV_DIG_LEAVES_MAX;
        err = compare_some(status, peer, &dig, &done, &differing);
        dig.leaf += (uint32_t)done;
        goes_on = done > 0 && env->mono(env->arg) - status->op->tick.start < DIGEST_MS_MAX;
    }
    bool known = dig.leaf == leaves;
    text(&status->op->out, "digest",
         differing > 0 ? HR_STR("differs")
         : known       ? HR_STR("equal")
                       : HR_STR("unknown"));
    number(&status->op->out, "leaves-differing", differing);
    return err;
}

/* What the site counts of itself. */
static enum hr_err write_tally(struct status *status, const struct dkv_peer *peer)
{
    struct dkv_out *out = &status->op->out;
    struct dkv_dig dig = {.what = DKV_DIG_LEAVES, .leaf_count = 1};
    struct dkv_dig_answer answer;
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    enum hr_err err = ask(status, peer, &dig, &arena, &answer);
    if (!err) {
        number(out, "values", answer.values);
        number(out, "litter", answer.litter);
        number(out, "feed", answer.feed_count);
        number(out, "feed-bytes", answer.feed_bytes);
    }
    hr_arena_release(&arena);
    return err == HR_NO_MEMORY ? err : HR_OK;
}

static struct hr_str class_text(enum dkv_boot_class boot_class)
{
    switch (boot_class) {
    case DKV_BOOT_FRESH:
        return HR_STR("fresh");
    case DKV_BOOT_LOSSY:
        return HR_STR("lossy");
    case DKV_BOOT_INTACT:
        break;
    }
    return HR_STR("intact");
}

static enum hr_err write_list(struct status *status, const struct dkv_have *list,
                              const struct dkv_peer *peer)
{
    struct dkv_out *out = &status->op->out;
    text(out, "state", list->state == DKV_SITE_ACTIVE ? HR_STR("active") : HR_STR("sync"));
    text(out, "class", class_text(list->boot_class));
    number(out, "incarnation", dkv_origin_inc(list->origin));
    number(out, "head", list->seq);
    number(out, "origins", list->count);
    number(out, "lag", lag_of(status, list));
    number(out, "clock-ahead-ms", dkv_clock_ahead_ms(list->clock, status->site.wall));
    number(out, "low-ms", dkv_clock_ms(list->low));
    number(out, "floor-ms", dkv_clock_ms(list->floor));
    if (list == &status->holdings.lists[0] && list->state == DKV_SITE_SYNC) {
        text(out, "waits-for",
             dkv_joining_read(status->op->tick.env, list->origin, status->op->arena));
    }
    enum hr_err err = write_tally(status, peer);
    if (!err && peer && status->digests && list->state == DKV_SITE_ACTIVE) {
        err = write_digest(status, peer);
    }
    return err;
}

/* @peer: NULL is this site, or one whose name the host does not know. */
static enum hr_err write_site(struct status *status, uint16_t id, const struct dkv_peer *peer,
                              bool first)
{
    struct dkv_out *out = &status->op->out;
    const struct dkv_config *config = status->op->tick.config;
    bool here = id == config->site_id;
    const struct dkv_have *list = list_of(status, id);
    dkv_out_bytes(out, first ? HR_STR("{\"id\":") : HR_STR(",{\"id\":"));
    dkv_json_number(out, id);
    if (here || peer) {
        text(out, "name", here ? config->site : peer->name);
    }
    flag(out, "here", here);
    flag(out, "member",
         here ||
             (dkv_site_member(&status->site.cfg, id) && !dkv_fence_is_out(&status->fences, id)));
    flag(out, "alive", here || (peer && peer->alive));
    flag(out, "answers", list != NULL);
    enum hr_err err = list ? write_list(status, list, peer) : HR_OK;
    dkv_out_bytes(out, HR_STR("}"));
    return err;
}

static enum hr_err write_sites(struct status *status)
{
    const struct dkv_group *group = status->op->tick.group;
    const struct dkv_cfg *cfg = &status->site.cfg;
    uint16_t own = status->op->tick.config->site_id;
    enum hr_err err = write_site(status, own, NULL, true);
    for (size_t i = 0; !err && i < group->count; i++) {
        err = write_site(status, group->peers[i].id, &group->peers[i], false);
    }
    for (size_t i = 0; !err && i < cfg->member_count; i++) {
        if (cfg->members[i] != own && !dkv_group_find(group, cfg->members[i])) {
            err = write_site(status, cfg->members[i], NULL, false);
        }
    }
    return err;
}

enum hr_err dkv_operator_status(struct dkv_operator *op)
{
    struct status status = {.op = op,
                            .digests = yyjson_is_true(yyjson_obj_get(op->body, "digest"))};
    enum hr_err err = dkv_operator_look(op, &status.holdings, &status.repair);
    if (!err) {
        err = dkv_site_open(op->tick.env, op->tick.config, op->arena, &status.site, op->diag);
    }
    if (!err) {
        err = dkv_fence_read(op->tick.env, op->arena, &status.fences, op->diag);
    }
    if (err) {
        return err;
    }
    text(&op->out, "bucket", op->tick.config->bucket);
    number(&op->out, "now-ms", status.site.wall);
    flag(&op->out, "alone", !status.site.grouped);
    dkv_operator_member(&op->out, "sites");
    dkv_out_bytes(&op->out, HR_STR("["));
    err = write_sites(&status);
    dkv_out_bytes(&op->out, HR_STR("]"));
    return err;
}
