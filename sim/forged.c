/* Records that were forged: where, and whether they have been mended. Two sites that differ about a record whose changes are all gathered up
 * cannot know who is right; there it is enough that both say so. */
#include "sim/model.h"

void sim_forged(struct sim_world *world, uint32_t site, uint32_t key)
{
    struct sim_forgeries *forgeries = &world->model->forgeries;
    if (key < SIM_KEYS_MAX) {
        forgeries->now[site][key] = true;
        forgeries->undecided[key] = 0;
        forgeries->ever[key] = true;
        forgeries->any = true;
    }
}

void sim_forged_said(struct sim_world *world, uint32_t site, struct hr_str line)
{
    uint64_t key;
    struct hr_str name = sim_line_member(line, "key");
    if (hr_str_starts(name, HR_STR("k")) && hr_str_to_u64(hr_str_from(name, 1), &key) &&
        key < SIM_KEYS_MAX) {
        world->model->forgeries.undecided[key] |= (uint32_t)1 << site;
    }
}

bool sim_forged_somewhere(const struct sim_world *world, struct hr_str name)
{
    uint32_t key = sim_record_key(name);
    bool any = false;
    for (uint32_t site = 0; site < SIM_SITES_MAX && key < SIM_KEYS_MAX; site++) {
        any = any || world->model->forgeries.now[site][key];
    }
    return any;
}

bool sim_forged_undecidable(const struct sim_world *world, uint32_t key)
{
    const struct sim_model *model = world->model;
    const struct sim_knowledge *knowledge = &model->knowledge;
    if (world->shape->site_count != 2 || model->forgeries.undecided[key] != 3) {
        return false;
    }
    for (uint32_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *change = &knowledge->changes[i];
        if (sim_known_is_about(change, key) &&
            !(sim_model_retired(&model->marks[0], change->origin) &&
              sim_model_retired(&model->marks[1], change->origin))) {
            return false;
        }
    }
    return true;
}

static bool is_mended(const struct sim_world *world, uint32_t site, uint32_t key)
{
    const struct sim_forgeries *forgeries = &world->model->forgeries;
    if (forgeries->open[key]) {
        return world->shape->site_count == 2 || sim_check_same(world, site, key);
    }
    return !forgeries->now[site][key] || sim_forged_undecidable(world, key);
}

bool sim_forged_is_left(const struct sim_world *world, uint32_t *ret_site, uint32_t *ret_key)
{
    for (uint32_t site = 0; site < world->shape->site_count; site++) {
        for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
            if (!is_mended(world, site, key)) {
                *ret_site = site;
                *ret_key = key;
                return true;
            }
        }
    }
    return false;
}
