/* Claim: a listing shows exactly what all changes that the site has amount to, at any time: of
 * each field the change with the latest stamp, unless it removes the field, or a later one deletes the value or
 * everything. A value's version is the latest stamp of its changes. */
#include <stdio.h>

#include "base/crc32c.h"
#include "sim/json.h"
#include "sim/model.h"
#include "sim/trace.h"

struct field {
    struct sim_version stamp;
    uint32_t op; /* 0: removed */
};

struct value {
    struct sim_version newest;
    struct sim_version dead;
    struct sim_version mark;
    struct field fields[SIM_FIELDS];
};

struct all {
    struct sim_version clear;
    struct value values[SIM_KEYS_MAX];
};

static void raise(struct sim_version *to, struct sim_version stamp)
{
    if (sim_version_cmp(stamp, *to) > 0) {
        *to = stamp;
    }
}

static void add(struct all *all, const struct sim_known *known)
{
    struct sim_version stamp = {known->hlc, known->origin};
    struct value *value = &all->values[known->key];
    if (known->kind == SIM_KNOWN_CLEAR) {
        raise(&all->clear, stamp);
        return;
    }
    if (known->kind == SIM_KNOWN_NOOP) {
        return;
    }
    raise(&value->newest, stamp);
    if (known->kind == SIM_KNOWN_DEL) {
        raise(&value->dead, stamp);
        return;
    }
    if (known->marks) {
        raise(&value->mark, stamp);
    }
    for (uint32_t i = 0; i < SIM_FIELDS; i++) {
        bool sets = known->sets >> i & 1;
        struct field *field = &value->fields[i];
        if ((sets || (known->removes >> i & 1)) && sim_version_cmp(stamp, field->stamp) > 0) {
            *field = (struct field){stamp, sets ? known->op : 0};
        }
    }
}

static bool lives(const struct all *all, const struct value *value, struct sim_version stamp)
{
    return sim_version_cmp(stamp, value->dead) > 0 && sim_version_cmp(stamp, all->clear) > 0;
}

static bool visible(const struct all *all, const struct value *value)
{
    bool any = lives(all, value, value->mark);
    for (uint32_t i = 0; i < SIM_FIELDS; i++) {
        any = any || (value->fields[i].op > 0 && lives(all, value, value->fields[i].stamp));
    }
    return any;
}

/* Whether @object shows @value as it is. */
static bool same(const struct all *all, const struct value *value, struct hr_str object)
{
    for (uint32_t i = 0; i < SIM_FIELDS; i++) {
        const char name[2] = {'f', (char)('0' + i)};
        const struct field *field = &value->fields[i];
        bool wanted = field->op > 0 && lives(all, value, field->stamp);
        uint64_t op = 0;
        struct hr_str found;
        bool there = sim_json_member(object, hr_str_of(name, 2), &found);
        if (there != wanted || (there && (!sim_json_number(found, &op) || op != field->op))) {
            return false;
        }
    }
    return true;
}

/* The record of a key; NULL: there is none. */
static const struct sim_item *record_of(const struct sim_site *site, uint32_t key)
{
    char name[16];
    snprintf(name, sizeof name, "r/k%u", key);
    return sim_store_get(&site->store, hr_str_c(name));
}

/* Whether every stamp in the record of a key is one that somebody has given. */
static bool has_true_stamps(const struct sim_world *world, uint32_t site, uint32_t key)
{
    const struct sim_item *item = record_of(&world->sites[site], key);
    struct hr_str record = item ? sim_item_value(item) : (struct hr_str){0};
    /* u8 length of name | name | 16 B stamp | u8 type | u32 length of value | value */
    for (size_t at = 24; at < record.len;) {
        size_t stamp_at = at + 1 + (unsigned char)record.ptr[at];
        if (stamp_at + 21 > record.len) {
            return false;
        }
        const char *bytes = record.ptr + stamp_at;
        struct sim_version stamp = {sim_known_be(bytes, 8), sim_known_be(bytes + 8, 8)};
        if (sim_known_stamped(&world->model->knowledge, stamp) == SIM_NOWHERE) {
            return false;
        }
        at = stamp_at + 21 + (size_t)sim_known_be(bytes + 17, 4);
    }
    return true;
}

static void check_item(struct sim_world *world, const struct all *all, uint32_t index,
                       struct hr_str item, bool *listed)
{
    const char *site = world->sites[index].name;
    struct hr_str text;
    struct hr_str value;
    struct sim_version version;
    uint64_t key;
    if (!sim_json_member(item, HR_STR("key"), &value) || !sim_json_string(value, &text) ||
        !hr_str_to_u64(hr_str_from(text, 1), &key) || key >= SIM_KEYS_MAX ||
        !sim_json_member(item, HR_STR("version"), &value) || !sim_version_read(value, &version) ||
        !sim_json_member(item, HR_STR("value"), &value)) {
        sim_trace_fail(world, "%s lists what is no item: %.*s", site, SIM_ARG(item));
        return;
    }
    const struct value *wanted = &all->values[key];
    bool *forged = &world->model->forgeries.now[index][key];
    if (*forged && !listed[key]) {
        *forged = !visible(all, wanted) || !same(all, wanted, value) ||
                  sim_version_cmp(version, wanted->newest) != 0 ||
                  !has_true_stamps(world, index, (uint32_t)key);
        listed[key] = true;
        return;
    }
    if (listed[key]) {
        sim_trace_fail(world, "%s lists k%u twice", site, (unsigned)key);
    } else if (!visible(all, wanted)) {
        sim_trace_fail(world, "%s lists k%u, which is deleted: %.*s", site, (unsigned)key,
                       SIM_ARG(item));
    } else if (!same(all, wanted, value)) {
        sim_trace_fail(world, "%s lists k%u as %.*s, which is not what its changes amount to", site,
                       (unsigned)key, SIM_ARG(value));
    } else if (sim_version_cmp(version, wanted->newest) != 0) {
        sim_trace_fail(world, "%s lists k%u under another version than its newest change's: %.*s",
                       site, (unsigned)key, SIM_ARG(item));
    }
    listed[key] = true;
}

static void add_all(const struct sim_world *world, uint32_t site, struct all *all)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    for (size_t i = 0; i < knowledge->count; i++) {
        if (knowledge->changes[i].held >> site & 1) {
            add(all, &knowledge->changes[i]);
        }
    }
}

/* Whether the record of a key is not there, or has a sound checksum: of the four bytes before it, xor that of all
 * after it. */
static bool is_sound(const struct sim_site *site, uint32_t key)
{
    const struct sim_item *item = record_of(site, key);
    struct hr_str record = item ? sim_item_value(item) : (struct hr_str){0};
    return !item || (record.len > 8 &&
                     sim_known_be(record.ptr + 4, 4) ==
                         (hr_crc32c(hr_str_of(record.ptr, 4)) ^ hr_crc32c(hr_str_from(record, 8))));
}

uint64_t sim_check_litter_stamp(const struct sim_world *world, uint32_t site, uint32_t key)
{
    const struct sim_item *item = record_of(&world->sites[site], key);
    struct hr_str record = item ? sim_item_value(item) : (struct hr_str){0};
    uint64_t latest = record.len >= 24 ? sim_known_be(record.ptr + 8, 8) : 0;
    /* u8 length of name | name | 16 B stamp | u8 type | u32 length of value | value */
    for (size_t at = 24; at < record.len;) {
        size_t stamp_at = at + 1 + (unsigned char)record.ptr[at];
        if (stamp_at + 21 > record.len) {
            break;
        }
        uint64_t stamp = sim_known_be(record.ptr + stamp_at, 8);
        latest = stamp > latest ? stamp : latest;
        at = stamp_at + 21 + (size_t)sim_known_be(record.ptr + stamp_at + 17, 4);
    }
    return latest;
}

const char *sim_check_litter(struct sim_world *world, uint32_t *ret_site, uint32_t *ret_key)
{
    struct all all = {0};
    add_all(world, 0, &all);
    for (uint32_t site = 0; site < world->shape->site_count; site++) {
        for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
            const struct sim_item *first = record_of(&world->sites[0], key);
            const struct sim_item *item = record_of(&world->sites[site], key);
            *ret_site = site;
            *ret_key = key;
            if (item && !visible(&all, &all.values[key])) {
                return "still remembers the deletion of";
            }
            if (!item && visible(&all, &all.values[key])) {
                return "has no record of";
            }
            if (item && !hr_str_eq(sim_item_value(item), sim_item_value(first))) {
                return "has another record of";
            }
        }
    }
    return NULL;
}

uint32_t sim_check_agreement_count(const struct sim_world *world, uint32_t site)
{
    struct all all = {0};
    uint32_t count = 0;
    add_all(world, site, &all);
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        count += visible(&all, &all.values[key]);
    }
    return count;
}

void sim_check_agreement(struct sim_world *world, uint32_t index, struct hr_str reply)
{
    const char *site = world->sites[index].name;
    struct all all = {0};
    bool listed[SIM_KEYS_MAX] = {0};
    struct hr_str items;
    struct hr_str item;
    struct hr_str name;
    add_all(world, index, &all);
    if (!sim_json_member(reply, HR_STR("items"), &items)) {
        sim_trace_fail(world, "%s lists nothing: %.*s", site, SIM_ARG(reply));
        return;
    }
    while (sim_json_next(&items, &name, &item)) {
        check_item(world, &all, index, item, listed);
    }
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        bool *forged = &world->model->forgeries.now[index][key];
        if (*forged && !listed[key]) {
            *forged = visible(&all, &all.values[key]) || !is_sound(&world->sites[index], key) ||
                      !has_true_stamps(world, index, key);
        } else if (!listed[key] && visible(&all, &all.values[key])) {
            sim_trace_fail(world, "%s does not list k%u, which is there", site, key);
        }
    }
}
