/* Claims about state transfers, of which little can be seen from outside: who is being filled gives nobody records; who has not
 * made good what its store lost is no donor where an active site that has more has long been heard; and no record bears the stamp of a change that the
 * site cannot account for: it has it, or its donor had when the transfer began, or the change's origin is gathered up, or is in
 * nobody's books any more, since a site that was alone has cut it off.
 * At the end of a transfer the last but one counts no more.
 *
 * Formats: docs/storage.md, State transfer, and docs/protocol.md, Byte by byte. */
#include <stdio.h>

#include "sim/call.h"
#include "sim/model.h"
#include "sim/trace.h"

/* Of m/sync. */
#define PHASE_AT 1u
#define TORN_AT 2u
#define SESSION_AT 4u
#define DONOR_AT 12u
#define RETIRED_AT 62u
#define WANTED 1u
/* Of s/. */
#define COVER_SESSION_AT 1u
#define COVER_HLC_AT 17u
/* Of a record. */
#define DEAD_AT 8u
#define FIELDS_AT 24u
#define ACTIVE 1u
#define SYNC 2u
#define INTACT 1u
/* What a donor is chosen by is not older than a tick is long. */
#define CHOICE_US (3 * SIM_S)

/* --- donors ------------------------------------------------------------------------------------------- */

/* Whether @host's site has heard one of @sites for long, which has been active for long, and whose letters have all come. */
static bool hears_better(const struct sim_world *world, const struct sim_host *host, uint32_t sites)
{
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        const struct sim_join *join = &world->model->joins[i];
        const struct sim_sight *sight = &host->sight[i];
        if ((sites >> i & 1) && join->state == ACTIVE && join->since + CHOICE_US < world->now &&
            sight->hears && sight->alive_from + CHOICE_US < world->now &&
            world->sites[i].lost_at + CHOICE_US < world->now) {
            return true;
        }
    }
    return false;
}

static void check_donor(struct sim_world *world, uint32_t site, uint32_t donor)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    const struct sim_boot *boot = &world->model->boots[donor];
    if (boot->state != SYNC || boot->found == INTACT ||
        world->model->joins[donor].since + CHOICE_US > world->now || world->model->removals > 0) {
        return;
    }
    for (size_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        bool lacks = (known->held >> site & 1) && !(known->held >> donor & 1);
        uint32_t others = known->held & ~((uint32_t)1 << site);
        if (lacks && hears_better(world, &world->hosts[site * 2], others) &&
            known->made_at + CHOICE_US < world->now) {
            sim_trace_fail(world,
                           "%s lets %s fill it, which has lost something and lacks %016llx/%llu",
                           world->sites[site].name, world->sites[donor].name,
                           (unsigned long long)known->origin, (unsigned long long)known->seq);
            return;
        }
    }
}

/* What a donor cannot read, the site does not get from it, and finds out like the donor (round.h). */
static void inherit_forgeries(struct sim_world *world, uint32_t site, uint64_t donor)
{
    struct sim_forgeries *forgeries = &world->model->forgeries;
    for (uint32_t key = 0; key < SIM_KEYS_MAX && donor >= 1 && donor <= SIM_SITES_MAX; key++) {
        forgeries->now[site][key] = forgeries->now[site][key] || forgeries->now[donor - 1][key];
    }
}

void sim_check_transfer_sync(struct sim_world *world, const struct sim_site *site,
                             enum sim_change why, const struct sim_item *now)
{
    struct sim_transfer *transfer = &world->model->transfers[site->index];
    const struct sim_transfer before = *transfer;
    struct hr_str value = now ? sim_item_value(now) : (struct hr_str){0};
    bool there = value.len > RETIRED_AT;
    transfer->session = there ? sim_known_be(value.ptr + SESSION_AT, 8) : 0;
    transfer->filled =
        there && ((unsigned char)value.ptr[PHASE_AT] > WANTED || value.ptr[TORN_AT] != 0);
    transfer->since = transfer->filled && before.filled ? before.since : world->now;
    uint64_t donor = there ? sim_known_be(value.ptr + DONOR_AT, 2) : 0;
    transfer->donor = donor;
    if (why != SIM_CHANGE_COMMIT) {
        return;
    }
    if (transfer->session != before.session && transfer->session > 0 && donor >= 1 &&
        donor <= world->shape->site_count) {
        check_donor(world, site->index, (uint32_t)donor - 1);
    }
    if (!now && before.filled) {
        inherit_forgeries(world, site->index, before.donor);
        transfer->touched = UINT64_MAX;
    }
}

/* An answer to a question for records. */
void sim_check_transfer_published(struct sim_world *world, const struct sim_call *call,
                                  const struct sim_letter *letter)
{
    const struct sim_transfer *transfer = &world->model->transfers[call->host->site];
    struct hr_str asked = call->count > 0 ? call->letters[0]->subject : (struct hr_str){0};
    bool gives = letter->body.len > 1 && (unsigned char)letter->body.ptr[1] < 2;
    if (hr_str_starts(asked, HR_STR("wasmkv.peer.default.st.")) &&
        hr_str_starts(letter->subject, HR_STR("_INBOX.s")) && gives && transfer->filled &&
        transfer->since < call->began) {
        sim_trace_fail(world, "%s gives its records, and is being filled itself",
                       world->sites[call->host->site].name);
    }
}

/* --- records ------------------------------------------------------------------------------------------ */

/* Whether what the donor had gathered up has the origin. */
static bool gathered_at_donor(const struct sim_site *site, uint64_t origin)
{
    const struct sim_item *item = sim_store_get(&site->store, HR_STR("m/sync"));
    struct hr_str sync = item ? sim_item_value(item) : (struct hr_str){0};
    uint64_t count = sync.len > RETIRED_AT ? sim_known_be(sync.ptr + RETIRED_AT, 1) : 0;
    for (uint64_t i = 0; i < count && RETIRED_AT + 11 + i * 10 <= sync.len; i++) {
        const char *row = sync.ptr + RETIRED_AT + 1 + i * 10;
        if (sim_known_be(row, 2) == origin >> 48 &&
            (origin & 0xffffffffffffu) <= sim_known_be(row + 2, 8)) {
            return true;
        }
    }
    return false;
}

/* Whether the donor had it. */
static bool covered(const struct sim_world *world, const struct sim_site *site,
                    struct sim_version stamp)
{
    char name[24];
    snprintf(name, sizeof name, "s/%016llx", (unsigned long long)stamp.origin);
    const struct sim_item *item = sim_store_get(&site->store, hr_str_c(name));
    struct hr_str row = item ? sim_item_value(item) : (struct hr_str){0};
    return (row.len >= COVER_HLC_AT + 8 &&
            sim_known_be(row.ptr + COVER_SESSION_AT, 8) ==
                world->model->transfers[site->index].session &&
            sim_known_be(row.ptr + COVER_HLC_AT, 8) >= stamp.hlc) ||
           gathered_at_donor(site, stamp.origin);
}

static void check_stamp(struct sim_world *world, const struct sim_site *site, uint32_t key,
                        const char *bytes)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    struct sim_version stamp = {sim_known_be(bytes, 8), sim_known_be(bytes + 8, 8)};
    uint32_t index = stamp.hlc > 0 ? sim_known_stamped(knowledge, stamp) : SIM_NOWHERE;
    bool held = index != SIM_NOWHERE && (knowledge->changes[index].held >> site->index & 1);
    if (stamp.hlc > 0 && !held && sim_known_counted(knowledge, stamp.origin) &&
        !sim_model_retired(&world->model->marks[site->index], stamp.origin) &&
        !covered(world, site, stamp)) {
        sim_trace_fail(
            world, "%s has a record of k%u with the stamp %016llx%016llx, and not the change",
            site->name, key, (unsigned long long)stamp.hlc, (unsigned long long)stamp.origin);
    }
}

static void check_record(struct sim_world *world, const struct sim_site *site, uint32_t key)
{
    char name[16];
    snprintf(name, sizeof name, "r/k%u", key);
    const struct sim_item *item = sim_store_get(&site->store, hr_str_c(name));
    struct hr_str record = item ? sim_item_value(item) : (struct hr_str){0};
    if (record.len >= FIELDS_AT) {
        check_stamp(world, site, key, record.ptr + DEAD_AT);
    }
    /* u8 length of name | name | 16 B stamp | u8 type | u32 length of value | value */
    for (size_t at = FIELDS_AT; at < record.len;) {
        size_t stamp_at = at + 1 + (unsigned char)record.ptr[at];
        if (stamp_at + 21 > record.len) {
            break;
        }
        check_stamp(world, site, key, record.ptr + stamp_at);
        at = stamp_at + 21 + (size_t)sim_known_be(record.ptr + stamp_at + 17, 4);
    }
}

void sim_check_transfer_record(struct sim_world *world, const struct sim_site *site, uint32_t key)
{
    struct sim_transfer *transfer = &world->model->transfers[site->index];
    transfer->touched |= transfer->filled ? (uint64_t)1 << key : 0;
}

void sim_check_transfer_committed(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        struct sim_transfer *transfer = &world->model->transfers[i];
        bool looks = !world->model->forgeries.any && world->model->removals == 0;
        for (uint32_t key = 0; transfer->touched >> key > 0 && looks; key++) {
            if (transfer->touched >> key & 1) {
                check_record(world, &world->sites[i], key);
            }
            if (key == SIM_KEYS_MAX - 1) {
                break;
            }
        }
        transfer->touched = 0;
    }
}
