/* Claim: who has been told a key's version by a site, and then reads the key there, gets no earlier version,
 * unless the site's store has lost something meanwhile. So nothing that was overwritten or deleted comes back
 * at a site with its old stamp. */
#include "sim/json.h"
#include "sim/model.h"
#include "sim/trace.h"

void sim_check_versions_told(struct sim_world *world, const struct sim_op *op, uint32_t attempt,
                             struct hr_str reply)
{
    struct sim_versions *versions = &world->model->versions;
    const struct sim_attempt *asked = &op->attempts[attempt];
    uint32_t site = world->hosts[asked->host].site;
    struct sim_version version;
    struct hr_str value;
    if (asked->sent_at <= versions->lost_at[site] || world->model->forgeries.ever[op->key] ||
        !sim_json_member(reply, HR_STR("version"), &value)) {
        return;
    }
    if (!sim_version_read(value, &version)) {
        sim_trace_fail(world, "request %u: the version is none: %.*s", op->number, SIM_ARG(reply));
        return;
    }
    struct sim_version *known = &versions->version[site][op->key];
    sim_us *known_at = &versions->known_at[site][op->key];
    bool told_before = *known_at > versions->lost_at[site] && *known_at < asked->sent_at;
    if (op->kind == SIM_OP_GET && told_before && sim_version_cmp(version, *known) < 0) {
        sim_trace_fail(world,
                       "request %u: %s answers with version %016llx%016llx of k%u, after it had "
                       "answered with %016llx%016llx",
                       op->number, world->sites[site].name, (unsigned long long)version.hlc,
                       (unsigned long long)version.origin, op->key, (unsigned long long)known->hlc,
                       (unsigned long long)known->origin);
    }
    if (*known_at <= versions->lost_at[site] || sim_version_cmp(version, *known) > 0) {
        *known = version;
        *known_at = world->now;
    }
}
