/* From the host's list of sites to the others. */
#include "actors/kv/core/site/group.h"

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

static int64_t nearer(int64_t a, int64_t b)
{
    return (a < 0 ? -a : a) < (b < 0 ? -b : b) ? a : b;
}

/* The median of what is known of the others' clocks. */
static int64_t median_clock(const struct dkv_group *group)
{
    int64_t sorted[DKV_GROUP_MAX];
    size_t count = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct dkv_peer *peer = &group->peers[i];
        if (peer->alive && peer->clock_known) {
            size_t at = count++;
            for (; at > 0 && sorted[at - 1] > peer->clock_ahead_ms; at--) {
                sorted[at] = sorted[at - 1];
            }
            sorted[at] = peer->clock_ahead_ms;
        }
    }
    if (count == 0) {
        return 0;
    }
    return count % 2 == 1 ? sorted[count / 2] : nearer(sorted[count / 2 - 1], sorted[count / 2]);
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
    group.clock_ahead_ms = median_clock(&group);
    *ret_group = group;
    return HR_OK;
}
