/* Claims: one number of one origin is one change, whoever has it; or none, if everybody has lost it. A change appears first at its own site, its
 * number is one more than the last, and its clock is later. */
#include "sim/model.h"
#include "sim/trace.h"

void sim_check_sequence_new(struct sim_world *world, const struct sim_site *site,
                            const struct sim_known *known)
{
    struct sim_origin *row = sim_known_origin(&world->model->knowledge, known->origin);
    if (known->origin >> 48 != site->index + 1) {
        sim_trace_fail(world, "%s has change %016llx/%llu, which its own site never made",
                       site->name, (unsigned long long)known->origin,
                       (unsigned long long)known->seq);
    } else if (known->seq != row->last + 1) {
        sim_trace_fail(world, "%s makes change %llu of origin %016llx after change %llu",
                       site->name, (unsigned long long)known->seq,
                       (unsigned long long)known->origin, (unsigned long long)row->last);
    } else if (known->hlc < row->last_hlc ||
               (known->hlc == row->last_hlc && known->kind != SIM_KNOWN_NOOP)) {
        sim_trace_fail(world, "%s: the clock of change %016llx/%llu is not after the one before",
                       site->name, (unsigned long long)known->origin,
                       (unsigned long long)known->seq);
    }
    row->last = known->seq;
    row->last_hlc = known->hlc;
}

void sim_check_sequence_again(struct sim_world *world, const struct sim_site *site,
                              const struct sim_known *before, const struct sim_known *now)
{
    /* A number that nobody has any more who counts may be filled with nothing; and a site that is alone, whose store became
     * what it was, may use it again: there is nobody who could have seen it. */
    bool alone = world->shape->site_count == 1;
    uint32_t others = sim_model_holders(world, before) & ~((uint32_t)1 << site->index);
    bool out = sim_model_is_out(world, before);
    bool filled =
        (now->kind == SIM_KNOWN_NOOP || alone) && others == 0 && (before->losses > 0 || out);
    if (before->digest != now->digest && !filled) {
        sim_trace_fail(world, "%s has another change under the number %016llx/%llu", site->name,
                       (unsigned long long)now->origin, (unsigned long long)now->seq);
    }
}
