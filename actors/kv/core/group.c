/* From the host's list of sites to the others. */
#include "actors/kv/core/group.h"

#include "actors/kv/core/text.h"

const struct dkv_peer *dkv_group_find(const struct dkv_group *group, uint16_t id)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->peers[i].id == id) {
            return &group->peers[i];
        }
    }
    return NULL;
}

void dkv_group_note(struct dkv_config *config, uint16_t id)
{
    bool known = id == config->site_id || id == 0 || config->other_count == DKV_GROUP_MAX;
    for (size_t i = 0; !known && i < config->other_count; i++) {
        known = config->others[i] == id;
    }
    if (!known) {
        config->others[config->other_count++] = id;
    }
}

/* Whether @site is another one that can be talked to. */
static bool usable(const struct dkv_env *env, const struct dkv_config *config,
                   const struct dkv_peer *site)
{
    struct hr_diag line;
    if (site->here || site->id == 0) {
        return false;
    }
    if (site->id == config->site_id) {
        HR_IGNORE(DKV_FAIL(&line, HR_OK, HR_STR("event=site-id-taken site="), site->name,
                           HR_STR(" reason=\"it has this site's id\""))); /* only put together */
        env->log(env->arg, DKV_LOG_ERROR, hr_str_c(line.text));
        return false;
    }
    return true;
}

enum hr_err dkv_group_read(const struct dkv_env *env, const struct dkv_config *config,
                           struct hr_arena *arena, struct dkv_group *ret_group,
                           struct hr_diag *diag)
{
    struct dkv_peer *sites;
    size_t count;
    struct dkv_group group = {0};
    enum hr_err err = env->sites(env->arg, arena, &sites, &count, diag);
    if (err) {
        return err;
    }
    group.peers = hr_arena_alloc(arena, DKV_GROUP_MAX * sizeof *group.peers);
    if (!group.peers) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < count && group.count < DKV_GROUP_MAX; i++) {
        if (usable(env, config, &sites[i]) && !dkv_group_find(&group, sites[i].id)) {
            group.peers[group.count++] = sites[i];
            group.alive += sites[i].alive;
        }
    }
    *ret_group = group;
    return HR_OK;
}
