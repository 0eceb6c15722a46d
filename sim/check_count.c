/* Claim: the reply to a deletion of everything says how many values its site showed just before. */
#include "sim/json.h"
#include "sim/model.h"
#include "sim/trace.h"

void sim_check_count_told(struct sim_world *world, const struct sim_op *op, struct hr_str reply)
{
    struct hr_str value;
    uint64_t count = 0;
    if (world->model->forgeries.any) {
        return; /* a record that cannot be read may or may not be a value */
    }
    if (op->kind != SIM_OP_CLEAR || op->change == SIM_NOWHERE || op->copies != 1) {
        return; /* of one that came twice it is not certain which change it was */
    }
    const struct sim_known *known = &world->model->knowledge.changes[op->change];
    bool read = sim_json_member(reply, HR_STR("count"), &value) && sim_json_number(value, &count);
    if (known->kind == SIM_KNOWN_CLEAR && read && known->before == SIM_UNCOUNTED) {
        return; /* there are two truths about it */
    }
    if (known->kind != SIM_KNOWN_CLEAR || !read || count != known->before) {
        sim_trace_fail(world, "request %u: %u values were there, it says: %.*s", op->number,
                       known->before, SIM_ARG(reply));
    }
}
