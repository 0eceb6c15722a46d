/* From what happens to the checks. */
#include "sim/model.h"

#include <stdio.h>

#include "base/alloc.h"
#include "sim/memory.h"
#include "sim/trace.h"

/* Of m/self, before the incarnation that began the store (docs/storage.md). */
#define SINCE_AT 43u
/* Of m/cfg. */
#define CFG_COUNT_AT 16u
/* Of m/S, before the number of sites whose origins are gathered up (docs/storage.md). */
#define MARKS_BYTES 73u

struct sim_model *sim_model_new(void)
{
    return sim_alloc(sizeof(struct sim_model));
}

void sim_model_free(struct sim_model *model)
{
    if (model) {
        sim_knowledge_release(&model->knowledge);
        for (uint32_t i = 0; i < SIM_SITES_MAX; i++) {
            hr_free(model->saved[i].changes);
        }
    }
    hr_free(model);
}

void sim_model_committer(struct sim_world *world, const struct sim_call *call)
{
    world->model->committer = call;
}

void sim_model_committed(struct sim_world *world)
{
    world->model->committer = NULL;
    sim_check_transfer_committed(world);
    sim_check_collect_committed(world);
}

/* --- keys --------------------------------------------------------------------------------------------- */

static void change_gone(struct sim_world *world, const struct sim_site *site,
                        struct sim_known *known)
{
    uint32_t bit = (uint32_t)1 << site->index;
    if (known->held & bit) {
        known->held &= ~bit;
        known->fed &= ~bit;
        world->model->knowledge.latest[site->index].stale = true;
        known->losses++;
        sim_check_acks_lost(world, known);
    }
}

static void feed_changed(struct sim_world *world, struct sim_site *site, enum sim_change why,
                         struct hr_str key, const struct sim_item *now)
{
    struct sim_knowledge *knowledge = &world->model->knowledge;
    if (key.len != 35) {
        sim_trace_fail(world, "%s: the feed has a name that is none: %.*s", site->name,
                       SIM_ARG(key));
        return;
    }
    uint64_t origin = sim_known_hex(key.ptr + 2, 16);
    uint64_t seq = sim_known_hex(key.ptr + 19, 16);
    uint32_t index = sim_known_find(knowledge, origin, seq);
    struct sim_known known;
    if (!now) {
        if (why == SIM_CHANGE_LOST && index != SIM_NOWHERE) {
            change_gone(world, site, &knowledge->changes[index]);
        }
        return;
    }
    bool sound =
        sim_known_decode(sim_item_value(now), &known) && known.origin == origin && known.seq == seq;
    if (!sound && why != SIM_CHANGE_FORGED) {
        sim_trace_fail(world, "%s: the entry %.*s cannot be read", site->name, SIM_ARG(key));
        return;
    }
    if (index == SIM_NOWHERE) {
        sim_check_sequence_new(world, site, &known);
        sim_check_order(world, site, &known);
        sim_check_floor_new(world, site, &known);
        sim_check_twice(world, site, &known);
        known.made_at = world->now;
        bool clears = known.kind == SIM_KNOWN_CLEAR;
        known.alone = world->shape->feed_max[0] && sim_model_members(site) == 1;
        known.before = clears ? sim_check_agreement_count(world, site->index) : 0;
        index = sim_known_add(knowledge, &known);
    } else if (why != SIM_CHANGE_FORGED &&
               sim_found(world, site, why, &knowledge->changes[index], &known)) {
        /* There is nothing that could be claimed of it. */
    } else if (why != SIM_CHANGE_FORGED) {
        sim_check_sequence_again(world, site, &knowledge->changes[index], &known);
        if (!world->failed && knowledge->changes[index].digest != known.digest) {
            known.ever = knowledge->changes[index].ever;
            known.losses = knowledge->changes[index].losses;
            known.told = knowledge->changes[index].told;
            known.promised = knowledge->changes[index].promised;
            knowledge->changes[index] = known;
        }
    }
    if (why == SIM_CHANGE_COMMIT) {
        sim_check_seal_held(world, site, &known);
    } else if (why == SIM_CHANGE_LOST && knowledge->changes[index].held == 0) {
        knowledge->changes[index].found = true;
    }
    sim_known_hold(knowledge, index, site->index);
    knowledge->changes[index].fed |= (uint32_t)1 << site->index;
}

static bool in_feed(const struct sim_site *site, uint64_t origin, uint64_t seq)
{
    char name[36];
    snprintf(name, sizeof name, "f/%016llx/%016llx", (unsigned long long)origin,
             (unsigned long long)seq);
    return sim_store_get(&site->store, hr_str_c(name)) != NULL;
}

/* What lies behind v/ is held, feed or not. */
static void progress_changed(struct sim_world *world, struct sim_site *site, enum sim_change why,
                             struct hr_str key, const struct sim_item *now)
{
    struct sim_knowledge *knowledge = &world->model->knowledge;
    struct hr_str value = now ? sim_item_value(now) : (struct hr_str){0};
    uint64_t prefix = value.len >= 9 ? sim_known_be(value.ptr + 1, 8) : 0;
    if (key.len != 18) {
        return;
    }
    struct sim_origin *row = sim_known_origin(knowledge, sim_known_hex(key.ptr + 2, 16));
    sim_check_seal(world, site, why, row, now);
    uint64_t before = row->prefix[site->index];
    row->prefix[site->index] = prefix;
    row->counted = row->counted || prefix > 0;
    for (uint64_t seq = before + 1; seq <= prefix; seq++) {
        uint32_t index = sim_known_find(knowledge, row->origin, seq);
        if (index != SIM_NOWHERE) {
            sim_known_hold(knowledge, index, site->index);
        }
    }
    for (uint64_t seq = prefix + 1; why == SIM_CHANGE_LOST && seq <= before; seq++) {
        uint32_t index = sim_known_find(knowledge, row->origin, seq);
        if (index != SIM_NOWHERE && !in_feed(site, row->origin, seq)) {
            change_gone(world, site, &knowledge->changes[index]);
        }
    }
}

static struct sim_marks read_marks(const struct sim_item *now)
{
    struct sim_marks marks = {0};
    struct hr_str value = now ? sim_item_value(now) : (struct hr_str){0};
    if (value.len <= MARKS_BYTES || value.ptr[0] != 2) {
        return marks;
    }
    marks.collected = sim_known_be(value.ptr + 1, 8);
    marks.floor = sim_known_be(value.ptr + 9, 8);
    marks.low = sim_known_be(value.ptr + 17, 8);
    marks.pending = sim_known_be(value.ptr + 25, 8);
    uint64_t count = sim_known_be(value.ptr + MARKS_BYTES, 1);
    for (uint64_t i = 0; i < count && MARKS_BYTES + 11 + i * 10 <= value.len; i++) {
        const char *row = value.ptr + MARKS_BYTES + 1 + i * 10;
        uint64_t home = sim_known_be(row, 2);
        if (home >= 1 && home <= SIM_SITES_MAX) {
            marks.retired[home - 1] = sim_known_be(row + 2, 8);
        }
    }
    return marks;
}

bool sim_model_retired(const struct sim_marks *marks, uint64_t origin)
{
    uint64_t home = origin >> 48;
    return home >= 1 && home <= SIM_SITES_MAX &&
           (origin & 0xffffffffffffu) <= marks->retired[home - 1];
}

/* Of an origin that is gathered up a site has all that anybody has who counts, feed and v/ or not. */
static void marks_changed(struct sim_world *world, struct sim_site *site, enum sim_change why,
                          const struct sim_item *now)
{
    struct sim_knowledge *knowledge = &world->model->knowledge;
    struct sim_marks *marks = &world->model->marks[site->index];
    const struct sim_marks before = *marks;
    *marks = read_marks(now);
    bool alone = sim_model_members(site) == 1;
    marks->collected =
        alone && marks->collected > before.collected ? marks->collected : before.collected;
    marks->emptied = before.emptied;
    marks->emptied_at = before.emptied_at;
    sim_check_floor(world, site->index, why, &before);
    if (memcmp(before.retired, marks->retired, sizeof before.retired) == 0) {
        return;
    }
    for (uint32_t i = 0; i < knowledge->count; i++) {
        struct sim_known *known = &knowledge->changes[i];
        bool held = (known->held >> site->index & 1) != 0;
        if (!held && sim_model_retired(marks, known->origin) &&
            sim_model_holders(world, known) != 0) {
            sim_known_hold(knowledge, i, site->index);
        } else if (held && sim_model_retired(&before, known->origin) &&
                   !sim_model_retired(marks, known->origin) &&
                   sim_known_origin(knowledge, known->origin)->prefix[site->index] < known->seq &&
                   !in_feed(site, known->origin, known->seq)) {
            change_gone(world, site, known);
        }
    }
}

/* Of h/ (docs/storage.md). */
static struct sim_fence read_fence(struct hr_str value)
{
    struct sim_fence fence = {0};
    if (value.len >= 17) {
        fence.heard = sim_known_be(value.ptr + 1, 8);
        fence.removed = sim_known_be(value.ptr + 9, 8);
    }
    return fence;
}

static void fence_changed(struct sim_world *world, struct hr_str key, const struct sim_item *now)
{
    uint64_t site = key.len == 6 ? sim_known_hex(key.ptr + 2, 4) : 0;
    uint64_t upto = read_fence(sim_item_value(now)).removed;
    if (site >= 1 && site <= SIM_SITES_MAX && upto > world->model->removed[site - 1]) {
        world->model->removed[site - 1] = upto;
    }
}

bool sim_model_is_out(const struct sim_world *world, const struct sim_known *known)
{
    uint64_t home = known->origin >> 48;
    return home >= 1 && home <= SIM_SITES_MAX &&
           (known->origin & 0xffffffffffffu) <= world->model->removed[home - 1];
}

uint32_t sim_model_holders(const struct sim_world *world, const struct sim_known *known)
{
    uint32_t holders = known->held;
    if (sim_model_is_out(world, known)) {
        holders &= ~((uint32_t)1 << (known->origin >> 48) >> 1);
    }
    for (uint32_t i = 0; i < world->shape->site_count && holders > 0; i++) {
        holders &= sim_model_is_to_go(world, i) ? ~((uint32_t)1 << i) : UINT32_MAX;
    }
    return holders;
}

/* A site that was taken out has deleted its store. */
static void site_wiped(struct sim_world *world, struct sim_site *site)
{
    struct sim_knowledge *knowledge = &world->model->knowledge;
    sim_trace_say(world, site->index, "its store is wiped");
    sim_model_empties(world, site->index);
    world->model->versions.lost_at[site->index] = world->now;
    for (size_t i = 0; i < knowledge->count; i++) {
        change_gone(world, site, &knowledge->changes[i]);
    }
}

/* What is in no feed and behind no v/ any more goes with the records. */
static void store_emptied(struct sim_world *world, struct sim_site *site)
{
    struct sim_knowledge *knowledge = &world->model->knowledge;
    for (size_t i = 0; i < knowledge->count; i++) {
        struct sim_known *known = &knowledge->changes[i];
        if (!in_feed(site, known->origin, known->seq)) {
            change_gone(world, site, known);
        }
    }
}

void sim_model_empties(struct sim_world *world, uint32_t site)
{
    world->model->marks[site].emptied = true;
    world->model->marks[site].emptied_at = world->now;
}

void sim_model_saved(struct sim_world *world, uint32_t site)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    struct sim_saved *saved = &world->model->saved[site];
    hr_free(saved->changes);
    saved->changes = sim_alloc(knowledge->count + 1);
    saved->count = knowledge->count;
    for (size_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        saved->changes[i] = (uint8_t)((known->held >> site & 1) + 2 * (known->fed >> site & 1));
    }
}

void sim_model_restored(struct sim_world *world, uint32_t site)
{
    struct sim_knowledge *knowledge = &world->model->knowledge;
    const struct sim_saved *saved = &world->model->saved[site];
    for (uint32_t i = 0; i < saved->count; i++) {
        if (saved->changes[i] & 1) {
            sim_known_hold(knowledge, i, site);
            knowledge->changes[i].fed |= (uint32_t)(saved->changes[i] >> 1) << site;
        }
    }
}

uint32_t sim_record_key(struct hr_str name)
{
    uint64_t number;
    bool read = hr_str_starts(name, HR_STR("r/k")) && hr_str_to_u64(hr_str_from(name, 3), &number);
    return read && number < SIM_KEYS_MAX ? (uint32_t)number : SIM_KEYS_MAX;
}

static void record_changed(struct sim_world *world, const struct sim_site *site, struct hr_str key,
                           const struct sim_item *now)
{
    uint32_t number = sim_record_key(key);
    if (number < SIM_KEYS_MAX) {
        sim_check_transfer_record(world, site, number);
        sim_check_collect_record(world, site, number, now);
    }
}

void sim_model_changed(struct sim_world *world, struct sim_site *site, enum sim_change why,
                       struct hr_str key, const struct sim_item *now)
{
    struct sim_model *model = world->model;
    if (why == SIM_CHANGE_LOST) {
        model->versions.lost_at[site->index] = world->now;
    }
    if (model->bytes_max < site->store.bytes) {
        model->bytes_max = site->store.bytes;
    }
    if (hr_str_starts(key, HR_STR("f/"))) {
        feed_changed(world, site, why, key, now);
    } else if (hr_str_starts(key, HR_STR("v/"))) {
        progress_changed(world, site, why, key, now);
    } else if (hr_str_starts(key, HR_STR("h/")) && now) {
        fence_changed(world, key, now);
    } else if (why == SIM_CHANGE_FORGED) {
        sim_forged(world, site->index, sim_record_key(key));
    } else if (hr_str_starts(key, HR_STR("r/")) && why == SIM_CHANGE_COMMIT) {
        record_changed(world, site, key, now);
    } else if (hr_str_eq(key, HR_STR("m/sync"))) {
        sim_check_transfer_sync(world, site, why, now);
    } else if (hr_str_eq(key, HR_STR("m/self"))) {
        sim_check_join_self(world, site, why, now);
        sim_check_boot(world, site, why, now);
        if (!now && why == SIM_CHANGE_COMMIT) {
            site_wiped(world, site);
        } else if (!now) {
            store_emptied(world, site);
        }
    } else if (hr_str_eq(key, HR_STR("m/S"))) {
        marks_changed(world, site, why, now);
    } else if (hr_str_eq(key, HR_STR("m/ctr"))) {
        sim_check_clock(world, site, why, now);
    }
}

/* --- messages ----------------------------------------------------------------------------------------- */

void sim_model_published(struct sim_world *world, const struct sim_call *call,
                         const struct sim_letter *letter)
{
    sim_check_acks_published(world, call, letter);
    sim_check_join_published(world, call, letter);
    sim_check_transfer_published(world, call, letter);
}

void sim_model_told(struct sim_world *world, struct sim_op *op, uint32_t attempt,
                    struct hr_str reply)
{
    sim_check_acks_told(world, op, attempt, reply);
    sim_check_count_told(world, op, reply);
    sim_check_versions_told(world, op, attempt, reply);
    sim_check_session_told(world, op, reply);
    sim_check_values_told(world, op, reply);
}

/* --- the end ------------------------------------------------------------------------------------------ */

bool sim_model_settled(const struct sim_world *world, uint32_t *ret_missing, uint32_t *ret_site)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    for (size_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        for (uint32_t site = 0; site < world->shape->site_count && known->held > 0; site++) {
            if (!(known->held >> site & 1) && sim_known_counted(knowledge, known->origin)) {
                *ret_missing = (uint32_t)i;
                *ret_site = site;
                return false;
            }
        }
    }
    return true;
}

struct sim_fence sim_model_fence(const struct sim_site *site, uint32_t other)
{
    char name[16];
    snprintf(name, sizeof name, "h/%04x", other + 1);
    const struct sim_item *item = sim_store_get(&site->store, hr_str_c(name));
    return read_fence(item ? sim_item_value(item) : (struct hr_str){0});
}

/* The incarnation up to which a site is out, as any store remembers. */
static uint64_t remembered_removal(const struct sim_world *world, uint32_t site)
{
    uint64_t upto = 0;
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        uint64_t said = sim_model_fence(&world->sites[i], site).removed;
        upto = said > upto ? said : upto;
    }
    return upto;
}

uint32_t sim_model_members(const struct sim_site *site)
{
    const struct sim_item *cfg = sim_store_get(&site->store, HR_STR("m/cfg"));
    struct hr_str value = cfg ? sim_item_value(cfg) : (struct hr_str){0};
    return value.len > CFG_COUNT_AT ? (unsigned char)value.ptr[CFG_COUNT_AT] : 0;
}

bool sim_model_knows_all(const struct sim_world *world, const struct sim_site *site)
{
    return sim_model_members(site) == world->shape->site_count;
}

bool sim_model_is_filled(const struct sim_site *site)
{
    return sim_store_get(&site->store, HR_STR("m/sync")) != NULL;
}

bool sim_model_is_to_go(const struct sim_world *world, uint32_t site)
{
    const struct sim_item *item = sim_store_get(&world->sites[site].store, HR_STR("m/self"));
    struct hr_str self = item ? sim_item_value(item) : (struct hr_str){0};
    bool known = self.len >= SINCE_AT + 8 && self.ptr[0] == 2;
    return known && sim_known_be(self.ptr + SINCE_AT, 8) <= remembered_removal(world, site);
}

bool sim_model_to_wipe(const struct sim_world *world, uint32_t *ret_site)
{
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        if (sim_model_is_to_go(world, i)) {
            *ret_site = i;
            return true;
        }
    }
    return false;
}

void sim_model_logged(struct sim_world *world, uint32_t site, struct hr_str line)
{
    if (hr_str_starts(line, HR_STR("event=writes-lost ")) ||
        hr_str_starts(line, HR_STR("event=writes-doubtful "))) {
        sim_check_lost_told(world, site, line);
    } else if (hr_str_starts(line, HR_STR("event=divergence-undecided "))) {
        sim_forged_said(world, site, line);
    }
}

void sim_model_check_end(struct sim_world *world)
{
    sim_check_acks_end(world);
    sim_check_refused_end(world);
    sim_check_memory(world);
}
