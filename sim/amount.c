/* Two passes: what deletes, and what it leaves. */
#include "sim/amount.h"

#include "sim/model.h"

/* What sites deleted that may be forgotten: it counts against the changes of the same site. */
struct forgotten {
    struct sim_version clear;
    struct sim_version dead[SIM_KEYS_MAX];
    struct sim_version gone[SIM_KEYS_MAX][SIM_FIELDS];
};

static void raise(struct sim_version *to, struct sim_version stamp)
{
    if (sim_version_cmp(stamp, *to) > 0) {
        *to = stamp;
    }
}

static uint32_t home_of(const struct sim_known *known)
{
    return (uint32_t)(known->origin >> 48) - 1;
}

/* A site that is alone forgets what it has collected by. */
static bool may_be_forgotten(const struct sim_world *world, const struct sim_known *known)
{
    return known->alone && known->hlc <= world->model->marks[home_of(known)].collected;
}

static void forget(struct forgotten *forgotten, const struct sim_known *known)
{
    struct sim_version stamp = {known->hlc, known->origin};
    if (known->kind == SIM_KNOWN_CLEAR) {
        raise(&forgotten->clear, stamp);
    } else if (known->kind == SIM_KNOWN_DEL) {
        raise(&forgotten->dead[known->key], stamp);
    }
    for (uint32_t i = 0; i < SIM_FIELDS; i++) {
        if (known->removes >> i & 1) {
            raise(&forgotten->gone[known->key][i], stamp);
        }
    }
}

/* Whether a change with @stamp of the site was deleted by what that site forgot. @field: SIM_FIELDS for none. */
static bool is_gone(const struct forgotten *forgotten, uint32_t key, uint32_t field,
                    struct sim_version stamp)
{
    return sim_version_cmp(stamp, forgotten->clear) <= 0 ||
           sim_version_cmp(stamp, forgotten->dead[key]) <= 0 ||
           (field < SIM_FIELDS && sim_version_cmp(stamp, forgotten->gone[key][field]) <= 0);
}

static void add(struct sim_amount *amount, const struct forgotten *forgotten,
                const struct sim_known *known, bool deletes)
{
    struct sim_version stamp = {known->hlc, known->origin};
    struct sim_value *value = &amount->values[known->key];
    if (known->kind == SIM_KNOWN_NOOP || (known->kind == SIM_KNOWN_CLEAR && !deletes)) {
        return;
    }
    if (known->kind == SIM_KNOWN_CLEAR) {
        raise(&amount->clear, stamp);
        return;
    }
    if (known->kind == SIM_KNOWN_DEL) {
        raise(&value->dead, deletes ? stamp : (struct sim_version){0});
        raise(&value->newest, deletes ? stamp : (struct sim_version){0});
        return;
    }
    if (is_gone(forgotten, known->key, SIM_FIELDS, stamp)) {
        return;
    }
    raise(&value->newest, stamp);
    if (known->marks) {
        raise(&value->mark, stamp);
    }
    for (uint32_t i = 0; i < SIM_FIELDS; i++) {
        bool sets = (known->sets >> i & 1) && !is_gone(forgotten, known->key, i, stamp);
        bool removes = (known->removes >> i & 1) && deletes;
        struct sim_field *field = &value->fields[i];
        if ((sets || removes) && sim_version_cmp(stamp, field->stamp) > 0) {
            *field = (struct sim_field){stamp, sets ? known->op : 0};
        }
    }
}

void sim_amount_of(const struct sim_world *world, uint32_t site, bool forgetful,
                   struct sim_amount *ret_amount)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    struct forgotten forgotten[SIM_SITES_MAX];
    memset(forgotten, 0, sizeof forgotten);
    *ret_amount = (struct sim_amount){0};
    for (size_t i = 0; forgetful && i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        if ((known->held >> site & 1) && may_be_forgotten(world, known)) {
            forget(&forgotten[home_of(known)], known);
        }
    }
    for (size_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        if (known->held >> site & 1) {
            add(ret_amount, &forgotten[home_of(known)], known,
                !(forgetful && may_be_forgotten(world, known)));
        }
    }
}

bool sim_amount_lives(const struct sim_amount *amount, const struct sim_value *value,
                      struct sim_version stamp)
{
    return sim_version_cmp(stamp, value->dead) > 0 && sim_version_cmp(stamp, amount->clear) > 0;
}

bool sim_amount_shows(const struct sim_amount *amount, const struct sim_value *value)
{
    bool any = sim_amount_lives(amount, value, value->mark);
    for (uint32_t i = 0; i < SIM_FIELDS; i++) {
        any = any ||
              (value->fields[i].op > 0 && sim_amount_lives(amount, value, value->fields[i].stamp));
    }
    return any;
}
