/* Claim: a change that a site tells to be lost for good was made, and nobody holds it; what it is said to have been about, it was
 * about; what is told to be doubtful may be held. And what a host remembers of lost commits is forgotten only once it is told, or held by somebody.
 *
 * A store that was put back, or taken out of the group, does not know all that was. */
#include "sim/model.h"
#include "sim/trace.h"

#define SEQ_MAX 100000u

struct hr_str sim_line_member(struct hr_str line, const char *name)
{
    struct hr_str wanted = hr_str_c(name);
    for (size_t at = 0; at + wanted.len < line.len; at++) {
        struct hr_str rest = hr_str_from(line, at);
        if (hr_str_starts(rest, wanted) && rest.ptr[wanted.len] == '=') {
            rest = hr_str_from(rest, wanted.len + 1);
            size_t end = hr_str_find(rest, ' ', 0);
            return end == SIZE_MAX ? rest : hr_str_of(rest.ptr, end);
        }
    }
    return (struct hr_str){0};
}

static bool is_named(struct hr_str keys, const struct sim_known *known)
{
    while (keys.len > 0) {
        uint64_t index;
        size_t end = hr_str_find(keys, ',', 0);
        struct hr_str key = end == SIZE_MAX ? keys : hr_str_of(keys.ptr, end);
        keys = end == SIZE_MAX ? (struct hr_str){0} : hr_str_from(keys, end + 1);
        bool all = hr_str_eq(key, HR_STR("*"));
        if (known->kind == SIM_KNOWN_CLEAR
                ? all
                : !all && hr_str_to_u64(hr_str_from(key, 1), &index) && index == known->key) {
            return true;
        }
    }
    return false;
}

static bool may_be_wrong(const struct sim_world *world, uint32_t site)
{
    return world->model->removals > 0 || world->model->marks[site].emptied;
}

static bool is_held(const struct sim_known *known)
{
    return known->kind != SIM_KNOWN_NOOP && known->held != 0;
}

void sim_check_lost_told(struct sim_world *world, uint32_t site, struct hr_str line)
{
    struct sim_knowledge *knowledge = &world->model->knowledge;
    struct hr_str origin = sim_line_member(line, "origin");
    struct hr_str keys = sim_line_member(line, "keys");
    const char *name = world->sites[site].name;
    uint64_t first;
    uint64_t last;
    bool sound = origin.len == 16 && keys.len > 0 &&
                 hr_str_to_u64(sim_line_member(line, "first"), &first) &&
                 hr_str_to_u64(sim_line_member(line, "last"), &last) && first >= 1 &&
                 last >= first && last < SEQ_MAX;
    if (!sound) {
        sim_trace_fail(world, "%s logs a line that cannot be read: %.*s", world->sites[site].name,
                       SIM_ARG(line));
        return;
    }
    bool unknown = hr_str_eq(keys, HR_STR("unknown"));
    bool doubtful = hr_str_starts(line, HR_STR("event=writes-doubtful "));
    bool whole = sim_line_member(line, "more").len == 0;
    for (uint64_t seq = first; seq <= last && !may_be_wrong(world, site); seq++) {
        uint64_t number = sim_known_hex(origin.ptr, 16);
        uint32_t index = sim_known_find(knowledge, number, seq);
        struct sim_known *known = index == SIM_NOWHERE ? NULL : &knowledge->changes[index];
        if (!known) {
            sim_trace_fail(world, "%s tells that %016llx/%llu is lost, which was never made", name,
                           (unsigned long long)number, (unsigned long long)seq);
        } else if (!doubtful && is_held(known)) {
            sim_trace_fail(world, "%s tells that %016llx/%llu is lost, which is held", name,
                           (unsigned long long)number, (unsigned long long)seq);
        } else if (!unknown && whole && known->kind != SIM_KNOWN_NOOP && !is_named(keys, known)) {
            sim_trace_fail(world, "%s tells that %016llx/%llu is lost, and names other keys", name,
                           (unsigned long long)number, (unsigned long long)seq);
        } else {
            known->told = known->told || !unknown;
        }
    }
}

static void forgotten(struct sim_world *world, uint32_t site, struct hr_str key)
{
    struct sim_knowledge *knowledge = &world->model->knowledge;
    if (key.len != 35 || !hr_str_starts(key, HR_STR("f/"))) {
        return;
    }
    uint64_t origin = sim_known_hex(key.ptr + 2, 16);
    uint64_t seq = sim_known_hex(key.ptr + 19, 16);
    uint32_t index = sim_known_find(knowledge, origin, seq);
    const struct sim_known *known = index == SIM_NOWHERE ? NULL : &knowledge->changes[index];
    if (known && origin >> 48 == site + 1 && !known->told && !is_held(known)) {
        sim_trace_fail(world, "%s forgets that %016llx/%llu is lost, and has not told it",
                       world->sites[site].name, (unsigned long long)origin,
                       (unsigned long long)seq);
    }
}

/* A commit without values does not say what it was about. */
void sim_check_lost_forgotten(struct sim_world *world, uint32_t site, const struct hr_str *keys,
                              size_t count)
{
    bool says = false;
    for (size_t i = 0; i < count; i++) {
        says =
            says || hr_str_starts(keys[i], HR_STR("r/")) || hr_str_eq(keys[i], HR_STR("b/clear"));
    }
    for (size_t i = 0; says && i < count && !may_be_wrong(world, site); i++) {
        forgotten(world, site, keys[i]);
    }
}
