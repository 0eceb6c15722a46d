/* Claim: a listing shows exactly what all changes that the site has amount to (amount.h), at any time. */
#include <stdio.h>

#include "base/crc32c.h"
#include "sim/amount.h"
#include "sim/json.h"
#include "sim/model.h"
#include "sim/trace.h"

/* One is as true as the other. */
struct outcomes {
    struct sim_amount exact;
    struct sim_amount forgetful;
};

static void read_outcomes(const struct sim_world *world, uint32_t site, struct outcomes *ret_all)
{
    sim_amount_of(world, site, false, &ret_all->exact);
    sim_amount_of(world, site, true, &ret_all->forgetful);
}

static bool may_show(const struct outcomes *all, uint32_t key)
{
    return sim_amount_shows(&all->exact, &all->exact.values[key]) ||
           sim_amount_shows(&all->forgetful, &all->forgetful.values[key]);
}

static bool has_to_show(const struct outcomes *all, uint32_t key)
{
    return sim_amount_shows(&all->exact, &all->exact.values[key]) &&
           sim_amount_shows(&all->forgetful, &all->forgetful.values[key]);
}

/* Whether @object shows @value as it is. */
static bool same(const struct sim_amount *amount, const struct sim_value *value,
                 struct hr_str object)
{
    for (uint32_t i = 0; i < SIM_FIELDS; i++) {
        const char name[2] = {'f', (char)('0' + i)};
        const struct sim_field *field = &value->fields[i];
        bool wanted = field->op > 0 && sim_amount_lives(amount, value, field->stamp);
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

/* Whether what is listed for @key is what @amount says. */
static bool fits(const struct sim_amount *amount, uint64_t key, struct hr_str object,
                 struct sim_version version)
{
    const struct sim_value *value = &amount->values[key];
    return sim_amount_shows(amount, value) && same(amount, value, object) &&
           sim_version_cmp(version, value->newest) == 0;
}

static void check_item(struct sim_world *world, const struct outcomes *all, uint32_t index,
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
    const struct sim_amount *exact = &all->exact;
    const struct sim_value *wanted = &exact->values[key];
    bool *forged = &world->model->forgeries.now[index][key];
    if (*forged && !listed[key]) {
        *forged =
            !fits(exact, key, value, version) || !has_true_stamps(world, index, (uint32_t)key);
        listed[key] = true;
        return;
    }
    if (listed[key]) {
        sim_trace_fail(world, "%s lists k%u twice", site, (unsigned)key);
    } else if (world->model->forgeries.open[key]) {
        /* There are two truths about it. */
    } else if (fits(&all->forgetful, key, value, version)) {
        /* Nobody can know of what may have deleted it. */
    } else if (!sim_amount_shows(exact, wanted)) {
        sim_trace_fail(world, "%s lists k%u, which is deleted: %.*s", site, (unsigned)key,
                       SIM_ARG(item));
    } else if (!same(exact, wanted, value)) {
        sim_trace_fail(world, "%s lists k%u as %.*s, which is not what its changes amount to", site,
                       (unsigned)key, SIM_ARG(value));
    } else if (sim_version_cmp(version, wanted->newest) != 0) {
        sim_trace_fail(world, "%s lists k%u under another version than its newest change's: %.*s",
                       site, (unsigned)key, SIM_ARG(item));
    }
    listed[key] = true;
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

bool sim_check_same(const struct sim_world *world, uint32_t site, uint32_t key)
{
    const struct sim_item *first = record_of(&world->sites[0], key);
    const struct sim_item *item = record_of(&world->sites[site], key);
    return first && item ? hr_str_eq(sim_item_value(item), sim_item_value(first)) : first == item;
}

const char *sim_check_litter(struct sim_world *world, uint32_t *ret_site, uint32_t *ret_key)
{
    struct outcomes all;
    read_outcomes(world, 0, &all);
    for (uint32_t site = 0; site < world->shape->site_count; site++) {
        for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
            const struct sim_item *item = record_of(&world->sites[site], key);
            if (world->model->forgeries.open[key] || sim_forged_undecidable(world, key)) {
                continue;
            }
            *ret_site = site;
            *ret_key = key;
            if (item && !may_show(&all, key)) {
                return "still remembers the deletion of";
            }
            if (!item && has_to_show(&all, key)) {
                return "has no record of";
            }
            if (item && !sim_check_same(world, site, key)) {
                return "has another record of";
            }
        }
    }
    return NULL;
}

uint32_t sim_check_agreement_count(const struct sim_world *world, uint32_t site)
{
    struct outcomes all;
    uint32_t count = 0;
    read_outcomes(world, site, &all);
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        if (may_show(&all, key) != has_to_show(&all, key)) {
            return SIM_UNCOUNTED;
        }
        count += may_show(&all, key);
    }
    return count;
}

void sim_check_agreement(struct sim_world *world, uint32_t index, struct hr_str reply)
{
    const char *site = world->sites[index].name;
    struct outcomes all;
    bool listed[SIM_KEYS_MAX] = {0};
    struct hr_str items;
    struct hr_str item;
    struct hr_str name;
    if (sim_model_is_to_go(world, index)) {
        return; /* the members may have filled numbers that it has changes under */
    }
    read_outcomes(world, index, &all);
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
            *forged = sim_amount_shows(&all.exact, &all.exact.values[key]) ||
                      !is_sound(&world->sites[index], key) || !has_true_stamps(world, index, key);
        } else if (!listed[key] && !world->model->forgeries.open[key] && has_to_show(&all, key)) {
            sim_trace_fail(world, "%s does not list k%u, which is there", site, key);
        }
    }
}
