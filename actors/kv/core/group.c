/* From the host's list of sites to the others. */
#include "actors/kv/core/group.h"

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
        bool own = sites[i].id == config->site_id;
        group.id_taken = group.id_taken || (own && !sites[i].here);
        if (!sites[i].here && !own && sites[i].id > 0 && !dkv_group_find(&group, sites[i].id)) {
            group.peers[group.count++] = sites[i];
            group.alive += sites[i].alive;
        }
    }
    *ret_group = group;
    return HR_OK;
}
