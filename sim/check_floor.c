/* Claims about m/S, in which a site says what floors are made of:
 *   what a site says that it has applied, it has: each change that any site holds and whose clock is not above that;
 *   and nobody makes another change below it;
 *   the group's floor is nowhere above what each site remembers to have said, also after its store has forgotten its
 *   newest commits, as a lazy one does;
 *   of an origin that a site has gathered up it has all, and there are no more.
 * All of it among sites that know each other. A store that was emptied or put back has forgotten more, and what its site
 * said before may be used for some seconds; who was taken out is not asked.
 *
 * Formats: docs/storage.md. */
#include "sim/model.h"
#include "sim/trace.h"

/* What is told in a tick is used in that tick, or after the next one. */
#define TOLD_US (15 * SIM_S)
/* So long a lazy store may be behind what it was told to hold. */
#define FORGETS_US (5 * SIM_S)

static uint64_t said_by(const struct sim_marks *marks)
{
    uint64_t said = marks->low > marks->pending ? marks->low : marks->pending;
    return said > marks->floor ? said : marks->floor;
}

static bool forgot(const struct sim_world *world, uint32_t site)
{
    const struct sim_marks *marks = &world->model->marks[site];
    const struct sim_transfer *transfer = &world->model->transfers[site];
    /* What a transfer brought is told at once, and a lazy store may lose it again; that makes it be filled anew. */
    bool fresh = world->sites[site].store.lazy && transfer->since > 0 &&
                 world->now < transfer->since + FORGETS_US;
    return fresh || (marks->emptied && world->now < marks->emptied_at + TOLD_US);
}

/* Whether the floor of @site counts on more than @other remembers. */
static void check_counted(struct sim_world *world, uint32_t site, uint32_t other)
{
    const struct sim_marks *marks = world->model->marks;
    if (site != other && marks[site].floor > said_by(&marks[other]) &&
        sim_model_knows_all(world, &world->sites[other]) && !forgot(world, other)) {
        sim_trace_fail(world, "%s has the floor %016llx, and %s knows of %016llx only",
                       world->sites[site].name, (unsigned long long)marks[site].floor,
                       world->sites[other].name, (unsigned long long)said_by(&marks[other]));
    }
}

static void check_applied(struct sim_world *world, uint32_t site, const struct sim_marks *before)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    const struct sim_marks *now = &world->model->marks[site];
    uint64_t said = now->low > now->pending ? now->low : now->pending;
    uint64_t said_before = before->low > before->pending ? before->low : before->pending;
    bool gathers = memcmp(before->retired, now->retired, sizeof now->retired) != 0;
    for (size_t i = 0; i < knowledge->count && (said > said_before || gathers); i++) {
        const struct sim_known *known = &knowledge->changes[i];
        /* Nobody can have counted on what everybody had lost. */
        bool lacks = known->held != 0 && !(known->held >> site & 1) && !known->found;
        /* What fills a number is as old as the number. */
        if (lacks && known->hlc <= said && known->kind != SIM_KNOWN_NOOP &&
            sim_known_counted(knowledge, known->origin)) {
            sim_trace_fail(world, "%s says that it has all up to %016llx, and lacks %016llx/%llu",
                           world->sites[site].name, (unsigned long long)said,
                           (unsigned long long)known->origin, (unsigned long long)known->seq);
        } else if (lacks && sim_known_counted(knowledge, known->origin) &&
                   sim_model_retired(now, known->origin) &&
                   !sim_model_retired(before, known->origin)) {
            sim_trace_fail(world, "%s gathers up an origin, and lacks %016llx/%llu",
                           world->sites[site].name, (unsigned long long)known->origin,
                           (unsigned long long)known->seq);
        }
    }
}

void sim_check_floor(struct sim_world *world, uint32_t site, enum sim_change why,
                     const struct sim_marks *before)
{
    if (world->model->removals > 0) {
        return;
    }
    for (uint32_t i = 0; i < world->shape->site_count && why == SIM_CHANGE_LOST; i++) {
        check_counted(world, i, site);
    }
    if (why != SIM_CHANGE_COMMIT || sim_model_is_filled(&world->sites[site]) ||
        !sim_model_knows_all(world, &world->sites[site])) {
        return;
    }
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        if (world->model->marks[site].floor > before->floor) {
            check_counted(world, site, i);
        }
    }
    check_applied(world, site, before);
}

void sim_check_floor_new(struct sim_world *world, const struct sim_site *site,
                         const struct sim_known *known)
{
    if (world->model->removals > 0 || !sim_model_knows_all(world, site)) {
        return;
    }
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        const struct sim_marks *marks = &world->model->marks[i];
        uint64_t said = marks->low > marks->pending ? marks->low : marks->pending;
        if (known->kind != SIM_KNOWN_NOOP && known->hlc <= said) {
            sim_trace_fail(world, "%s makes change %016llx/%llu, which is not after what %s said",
                           site->name, (unsigned long long)known->origin,
                           (unsigned long long)known->seq, world->sites[i].name);
        } else if (sim_model_retired(marks, known->origin)) {
            sim_trace_fail(world, "%s makes change %016llx/%llu, whose origin %s has gathered up",
                           site->name, (unsigned long long)known->origin,
                           (unsigned long long)known->seq, world->sites[i].name);
        }
    }
}
