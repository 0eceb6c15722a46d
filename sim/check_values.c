/* Claim: a field that is read holds what some request set that field of that key to, and not one that
 * everybody had refused. */
#include "sim/client.h"
#include "sim/json.h"
#include "sim/model.h"
#include "sim/trace.h"

static void check_field(struct sim_world *world, const struct sim_op *reader, uint64_t key,
                        struct hr_str name, struct hr_str value)
{
    uint64_t number = 0;
    if (key < SIM_KEYS_MAX && world->model->forgeries.ever[key]) {
        return; /* a listing says whether a lie is where it was told, and nowhere else */
    }
    bool named = name.len == 2 && name.ptr[0] == 'f';
    uint32_t bit = named ? (uint32_t)1 << ((unsigned)(name.ptr[1] - '0') & 31) : 0;
    const struct sim_op *writer =
        sim_json_number(value, &number) ? sim_clients_op(world, number) : NULL;
    if (!writer || writer->kind != SIM_OP_SET || writer->key != key || !(writer->sets & bit)) {
        sim_trace_fail(world, "request %u reads %.*s of k%u: %.*s, which nobody wrote",
                       reader->number, SIM_ARG(name), (unsigned)key, SIM_ARG(value));
    } else if (writer->outcome == SIM_NO) {
        sim_trace_fail(world, "request %u reads %.*s of k%u: %.*s, which everybody refused",
                       reader->number, SIM_ARG(name), (unsigned)key, SIM_ARG(value));
    }
}

static void check_object(struct sim_world *world, const struct sim_op *op, uint64_t key,
                         struct hr_str object)
{
    struct hr_str name;
    struct hr_str value;
    while (sim_json_next(&object, &name, &value)) {
        check_field(world, op, key, name, value);
    }
}

void sim_check_values_told(struct sim_world *world, const struct sim_op *op, struct hr_str reply)
{
    struct hr_str items;
    struct hr_str item;
    struct hr_str name;
    struct hr_str value;
    if (op->kind == SIM_OP_GET && sim_json_member(reply, HR_STR("value"), &value)) {
        check_object(world, op, op->key, value);
    } else if (op->kind == SIM_OP_LIST && sim_json_member(reply, HR_STR("items"), &items)) {
        while (sim_json_next(&items, &name, &item)) {
            struct hr_str text;
            uint64_t key;
            if (!sim_json_member(item, HR_STR("key"), &value) || !sim_json_string(value, &text) ||
                !hr_str_to_u64(hr_str_from(text, 1), &key) ||
                !sim_json_member(item, HR_STR("value"), &value)) {
                sim_trace_fail(world, "request %u: an item that is none: %.*s", op->number,
                               SIM_ARG(item));
                return;
            }
            check_object(world, op, key, value);
        }
    }
}
