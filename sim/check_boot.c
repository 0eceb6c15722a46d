/* Claims about what m/self says that a boot has found: a site whose host says that its store may have lost something does not
 * call itself intact; and who is catching up after a loss does not either, over whatever boots, until it has caught up.
 *
 * Formats: docs/storage.md. */
#include "sim/call.h"
#include "sim/model.h"
#include "sim/trace.h"

#define ORIGIN_AT 17u
#define NONCE_AT 25u
#define NONCE_BYTES 16u
#define STATE_AT 41u
#define CLASS_AT 42u
#define ACTIVE 1u
#define SYNC 2u
#define INTACT 1u

/* Whether @host has said so, and is the one whose nonce is in m/self. */
static bool tells_loss(const struct sim_host *host, struct hr_str self)
{
    bool same = true;
    for (size_t i = 0; i < NONCE_BYTES; i++) {
        same = same &&
               sim_known_hex(host->nonce_text + 2 * i, 2) == (unsigned char)self.ptr[NONCE_AT + i];
    }
    return same && (host->found_lossy || host->losses > 0);
}

void sim_check_boot(struct sim_world *world, const struct sim_site *site, enum sim_change why,
                    const struct sim_item *now)
{
    struct sim_boot *boot = &world->model->boots[site->index];
    const struct sim_boot before = *boot;
    const struct sim_call *committer = world->model->committer;
    struct hr_str self = now ? sim_item_value(now) : (struct hr_str){0};
    if (self.len <= CLASS_AT) {
        *boot = (struct sim_boot){0};
        return;
    }
    boot->origin = sim_known_be(self.ptr + ORIGIN_AT, 8);
    boot->state = (unsigned char)self.ptr[STATE_AT];
    boot->found = (unsigned char)self.ptr[CLASS_AT];
    bool starts = why == SIM_CHANGE_COMMIT && boot->origin != before.origin;
    if (!starts || boot->found != INTACT) {
        return;
    }
    if (before.state == SYNC && before.found > INTACT) {
        sim_trace_fail(world,
                       "%s was catching up after a loss, and calls itself intact after a boot",
                       site->name);
    } else if (committer && tells_loss(committer->host, self)) {
        sim_trace_fail(world,
                       "%s calls itself intact, and its host says that it has lost something",
                       site->name);
    }
}
