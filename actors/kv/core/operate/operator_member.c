/* Taking a site out of the group. */
#include "actors/kv/core/format/text.h"
#include "actors/kv/core/operate/operator_impl.h"
#include "actors/kv/core/site/fence.h"
#include "actors/kv/core/site/site.h"

/* The id of the site that is meant: by its name, as the host knows it, or by its number, which is what is left of a
 * site that no host has heard of since it was started. */
static enum hr_err find_site(struct dkv_operator *op, struct hr_str name, const struct dkv_cfg *cfg,
                             uint16_t *ret_id)
{
    const struct dkv_group *group = op->tick.group;
    uint64_t number = 0;
    bool numbered = hr_str_to_u64(name, &number) && number <= UINT16_MAX;
    for (size_t i = 0; i < group->count; i++) {
        const struct dkv_peer *peer = &group->peers[i];
        if (hr_str_eq(peer->name, name) || (numbered && peer->id == number)) {
            *ret_id = peer->id;
            return peer->alive ? DKV_FAIL(op->diag, HR_CONFLICT,
                                          HR_STR("the site is alive: stop its hosts first"))
                               : HR_OK;
        }
    }
    if (numbered && dkv_site_member(cfg, (uint16_t)number)) {
        *ret_id = (uint16_t)number;
        return HR_OK;
    }
    return DKV_FAIL(
        op->diag, HR_NOT_FOUND,
        HR_STR("there is no such site: give its name, or its id as `kv status` has it"));
}

/* The highest incarnation of the site that anybody tells of. One that never asked this site anything has none in
 * h/. One that nobody knows more of than its id is out up to now, since an incarnation is the wall's time: this site's
 * store may be new, and the other may have lived long before it. */
static uint64_t highest_inc(const struct dkv_env *env, const struct dkv_holdings *holdings,
                            struct dkv_fence fence)
{
    uint64_t highest = fence.inc;
    for (size_t i = 0; i < holdings->count; i++) {
        const struct dkv_have *list = &holdings->lists[i];
        for (size_t j = 0; j < list->count; j++) {
            uint64_t inc = dkv_origin_inc(list->rows[j].origin);
            bool about = dkv_origin_site(list->rows[j].origin) == fence.site;
            highest = about && inc > highest ? inc : highest;
        }
    }
    dkv_wall_ms wall = env->wall(env->arg);
    uint64_t now = wall <= DKV_WALL_MS_MAX ? wall : DKV_WALL_MS_MAX;
    return highest > 0 ? highest : now > 0 ? now : 1;
}

enum hr_err dkv_operator_remove(struct dkv_operator *op)
{
    struct dkv_site site;
    struct dkv_holdings holdings;
    uint16_t id = 0;
    const struct dkv_env *env = op->tick.env;
    const struct dkv_config *config = op->tick.config;
    struct hr_str name = dkv_operator_text(op, "name");
    if (hr_str_eq(name, config->site)) {
        return DKV_FAIL(op->diag, HR_BAD_INPUT, HR_STR("a site is taken out by another one"));
    }
    enum hr_err err = dkv_site_open(env, config, op->arena, &site, op->diag);
    if (!err) {
        err = find_site(op, name, &site.cfg, &id);
    }
    if (!err && id == config->site_id) {
        err = DKV_FAIL(op->diag, HR_BAD_INPUT, HR_STR("a site is taken out by another one"));
    }
    if (!err) {
        err = dkv_holdings_ask(&op->tick, 0, op->arena, &holdings, op->diag);
    }
    if (err) {
        return err;
    }
    struct dkv_fence want = dkv_fence_of(&holdings.fences, id);
    want.removed = highest_inc(env, &holdings, want);
    err = dkv_fence_raise(env, config, &want, op->arena, op->diag);
    if (!err) {
        dkv_operator_member(&op->out, "removed");
        dkv_json_number(&op->out, id);
        dkv_operator_member(&op->out, "incarnation");
        dkv_json_number(&op->out, want.removed);
    }
    return err;
}
