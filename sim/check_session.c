/* Claim: a client that sends its session's token reads no earlier version of a value than it has written or read
 * before, at whatever site, and finds no value missing unless something later has deleted it; as long as any site
 * still has what it was told. What it writes on a condition is judged by somebody who has it. A client has one request
 * under way, so all that was told before was told to it when it asked. */
#include "sim/client.h"
#include "sim/json.h"
#include "sim/model.h"
#include "sim/trace.h"

/* Whether every store has lost the change of this stamp. */
static bool lost(const struct sim_world *world, struct sim_version stamp)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    uint32_t index = sim_known_stamped(knowledge, stamp);
    return index == SIM_NOWHERE || knowledge->changes[index].held == 0;
}

/* Whether the value of this version was deleted by something later. */
static bool deleted(const struct sim_world *world, uint32_t key, struct sim_version version)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    for (size_t i = knowledge->count; i > 0; i--) {
        const struct sim_known *known = &knowledge->changes[i - 1];
        bool deletes =
            known->kind == SIM_KNOWN_CLEAR || (known->kind == SIM_KNOWN_DEL && known->key == key);
        if (deletes &&
            sim_version_cmp((struct sim_version){known->hlc, known->origin}, version) > 0) {
            return true;
        }
    }
    return false;
}

void sim_check_session_absent(struct sim_world *world, const struct sim_op *op)
{
    const struct sim_version *told = &world->model->sessions.told[op->client][op->key];
    bool asks = op->kind == SIM_OP_GET || op->condition == SIM_IF_PRESENT;
    if (asks && told->hlc > 0 && !deleted(world, op->key, *told) && !lost(world, *told)) {
        sim_trace_fail(world,
                       "request %u: its session knows version %016llx%016llx of k%u, which is said "
                       "not to be there",
                       op->number, (unsigned long long)told->hlc, (unsigned long long)told->origin,
                       op->key);
    }
}

/* A write that was done though the value was there, or was no longer what it had been. An id's second request gets what the
 * first one got. */
static void check_condition(struct sim_world *world, const struct sim_op *op)
{
    const struct sim_version *told = &world->model->sessions.told[op->client][op->key];
    bool absent = op->condition == SIM_IF_ABSENT;
    bool older = op->condition == SIM_IF_VERSION && sim_version_cmp(op->if_version, *told) < 0;
    if ((absent || older) && told->hlc > 0 && !deleted(world, op->key, *told) &&
        !lost(world, *told)) {
        sim_trace_fail(world,
                       "request %u is done if there is %s k%u, and its session knows version "
                       "%016llx%016llx",
                       op->number, absent ? "no" : "an older", op->key,
                       (unsigned long long)told->hlc, (unsigned long long)told->origin);
    }
}

void sim_check_session_told(struct sim_world *world, const struct sim_op *op, struct hr_str reply)
{
    struct sim_version version;
    struct hr_str value;
    if (!op->session || op->client == SIM_NOWHERE) {
        return;
    }
    check_condition(world, op);
    if (!sim_json_member(reply, HR_STR("version"), &value) || !sim_version_read(value, &version)) {
        return;
    }
    struct sim_version *told = &world->model->sessions.told[op->client][op->key];
    if (op->kind == SIM_OP_GET && sim_version_cmp(version, *told) < 0 && !lost(world, *told)) {
        sim_trace_fail(world,
                       "request %u reads version %016llx%016llx of k%u, where its session knows "
                       "%016llx%016llx",
                       op->number, (unsigned long long)version.hlc,
                       (unsigned long long)version.origin, op->key, (unsigned long long)told->hlc,
                       (unsigned long long)told->origin);
    }
    if (sim_version_cmp(version, *told) > 0) {
        *told = version;
    }
}
