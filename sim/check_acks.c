/* Claims: a site that acknowledges a change has it or has had it. A reply that says n acks is sent when n sites
 * have, or have had, its change. As long as fewer than n stores have lost it since it was made, it is
 * somewhere, and in the end everywhere.
 *
 * Formats: docs/protocol.md, Byte by byte. */
#include "sim/call.h"
#include "sim/client.h"
#include "sim/json.h"
#include "sim/model.h"
#include "sim/request.h"
#include "sim/trace.h"

/* In the place of a change: one of several. */
#define AMBIGUOUS (SIM_NOWHERE - 1)
#define PULLED_BYTES 16u /* before the changes of an APPLY */

static uint32_t ones(uint32_t bits)
{
    uint32_t count = 0;
    for (; bits > 0; bits &= bits - 1) {
        count++;
    }
    return count;
}

/* Item @number of a parcel of changes; empty: there is none. */
static struct hr_str item_of(struct hr_str parcel, uint64_t number)
{
    struct hr_str rest = hr_str_from(parcel, 3);
    for (uint64_t i = 0; rest.len >= 4; i++) {
        uint64_t len = sim_known_be(rest.ptr, 4);
        if (len > rest.len - 4) {
            break;
        }
        if (i == number) {
            return hr_str_of(rest.ptr + 4, len);
        }
        rest = hr_str_from(rest, 4 + len);
    }
    return (struct hr_str){0};
}

static uint32_t index_of(const struct sim_world *world, struct hr_str change)
{
    return change.len < 26
               ? SIM_NOWHERE
               : sim_known_find(&world->model->knowledge, sim_known_be(change.ptr + 2, 8),
                                sim_known_be(change.ptr + 10, 8));
}

/* --- acknowledgements of sites ------------------------------------------------------------------------ */

static void check_ack(struct sim_world *world, const struct sim_site *site, struct hr_str ack,
                      struct hr_str parcel)
{
    uint64_t count = ack.len >= 13 ? sim_known_be(ack.ptr + 7, 2) : 0;
    if (count == 0 || parcel.len < 7 || ack.len < 9 + (count + 7) / 8 + 4) {
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        bool held = (unsigned char)ack.ptr[9 + i / 8] >> (7 - i % 8) & 1;
        uint32_t index = index_of(world, item_of(parcel, i));
        if (!held) {
            continue;
        }
        const struct sim_known *known =
            index == SIM_NOWHERE ? NULL : &world->model->knowledge.changes[index];
        if (!known || !(known->ever >> site->index & 1)) {
            sim_trace_fail(world, "%s acknowledges change %u of %u, which it has never had",
                           site->name, (unsigned)i + 1, (unsigned)count);
        }
    }
}

/* --- who waits for what ------------------------------------------------------------------------------- */

static void read_ship(struct sim_world *world, struct hr_str body)
{
    uint64_t len = body.len >= 5 ? sim_known_be(body.ptr + 1, 4) : 0;
    struct hr_str parcel = hr_str_of(body.ptr + 5, len);
    struct hr_str rest = hr_str_from(body, 5 + len);
    if (rest.len < 2 || len + 7 > body.len) {
        return;
    }
    uint64_t count = sim_known_be(rest.ptr, 2);
    rest = hr_str_from(rest, 2);
    for (uint64_t i = 0; i < count && rest.len >= 8; i++) {
        uint64_t number = sim_known_be(rest.ptr, 2);
        uint64_t name_len = sim_known_be(rest.ptr + 2, 2);
        struct hr_str name = hr_str_of(rest.ptr + 4, name_len);
        struct sim_op *op;
        uint32_t attempt;
        if (sim_request_of(world, name, &op, &attempt)) {
            uint32_t *change = &op->attempts[attempt].change;
            uint32_t index = index_of(world, item_of(parcel, number));
            /* A request that came twice may have been done twice. */
            *change = *change == SIM_NOWHERE || *change == index ? index : AMBIGUOUS;
        }
        rest = hr_str_from(rest, 4 + name_len);
        rest = hr_str_from(rest, 4 + (rest.len >= 4 ? sim_known_be(rest.ptr, 4) : 0));
    }
}

/* Of a site that is alone: the change of this kind that came after the request and is nobody's yet. Of two in one commit it cannot be told. */
static uint32_t lone_change(struct sim_knowledge *knowledge, const struct sim_op *op)
{
    enum sim_known_kind kind = op->kind == SIM_OP_DEL ? SIM_KNOWN_DEL : SIM_KNOWN_CLEAR;
    uint32_t found = SIM_NOWHERE;
    for (uint32_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        if (known->kind == kind && !known->claimed && known->made_at >= op->sent_at &&
            (kind == SIM_KNOWN_CLEAR || known->key == op->key)) {
            if (found != SIM_NOWHERE) {
                return SIM_NOWHERE;
            }
            found = i;
        }
    }
    if (found != SIM_NOWHERE) {
        knowledge->changes[found].claimed = true;
    }
    return found;
}

/* The change behind a good reply, SIM_NOWHERE: it cannot be told. */
static uint32_t change_of(struct sim_world *world, const struct sim_op *op, uint32_t attempt,
                          struct hr_str reply)
{
    struct sim_knowledge *knowledge = &world->model->knowledge;
    struct sim_version version;
    struct hr_str value;
    if (op->kind == SIM_OP_SET) {
        bool read =
            sim_json_member(reply, HR_STR("version"), &value) && sim_version_read(value, &version);
        return read ? sim_known_stamped(knowledge, version) : SIM_NOWHERE;
    }
    if (op->attempts[attempt].change != SIM_NOWHERE) {
        uint32_t index = op->attempts[attempt].change;
        return index == AMBIGUOUS ? SIM_NOWHERE : index;
    }
    return world->shape->site_count == 1 ? lone_change(knowledge, op) : SIM_NOWHERE;
}

static uint64_t acks_of(struct hr_str reply)
{
    struct hr_str value;
    uint64_t acks = 0;
    if (!sim_json_member(reply, HR_STR("acks"), &value) || !sim_json_number(value, &acks)) {
        return 0;
    }
    return acks;
}

/* How many sites have to have a write whose reply says that @sites are known, as @host sees them. A site that
 * has just become alive need not have been counted yet. */
static uint64_t needed(const struct sim_world *world, const struct sim_host *host, uint64_t sites)
{
    const char *wanted = world->shape->write_acks;
    if (world->model->removals > 0) {
        return 1; /* who is back is counted when it has said so */
    }
    uint64_t number = sites;
    uint64_t alive = 0;
    for (uint32_t site = 0; site < world->shape->site_count; site++) {
        const struct sim_sight *sight = &host->sight[site];
        bool long_since = sight->hears && sight->alive_from + 3 * SIM_S < world->now;
        alive += site == host->site || (long_since && sight->seen);
    }
    if (strcmp(wanted, "majority") == 0) {
        return sites / 2 + 1;
    }
    if (strcmp(wanted, "all") != 0 && !hr_str_to_u64(hr_str_c(wanted), &number)) {
        return 1;
    }
    return world->sites[host->site].view_at + 6 * SIM_S > world->now ? 1
           : number < alive                                          ? number
                                                                     : alive;
}

static void check_enough(struct sim_world *world, const struct sim_op *op,
                         const struct sim_host *host, struct hr_str reply, uint64_t acks)
{
    struct hr_str value;
    uint64_t sites = 0;
    if (!sim_json_member(reply, HR_STR("sites"), &value) || !sim_json_number(value, &sites) ||
        acks > sites) {
        sim_trace_fail(world, "%s tells request %u of %u acks of %u sites",
                       world->sites[host->site].name, op->number, (unsigned)acks, (unsigned)sites);
    } else if (acks < needed(world, host, sites)) {
        sim_trace_fail(world, "%s tells request %u of %u acks, where %u are needed",
                       world->sites[host->site].name, op->number, (unsigned)acks,
                       (unsigned)needed(world, host, sites));
    }
}

static void check_reply(struct sim_world *world, const struct sim_call *call,
                        const struct sim_letter *letter)
{
    struct sim_op *op;
    uint32_t attempt;
    uint64_t acks = acks_of(letter->body);
    if (acks == 0 || !sim_request_of(world, letter->subject, &op, &attempt)) {
        return;
    }
    check_enough(world, op, call->host, letter->body, acks);
    uint32_t index = change_of(world, op, attempt, letter->body);
    if (world->shape->site_count == 1) {
        op->attempts[attempt].change = index;
    }
    const struct sim_known *known =
        index == SIM_NOWHERE ? NULL : &world->model->knowledge.changes[index];
    if (op->kind == SIM_OP_SET && !known) {
        sim_trace_fail(world, "%s answers request %u, whose change was never made",
                       world->sites[call->host->site].name, op->number);
    } else if (known && ones(known->ever) < acks) {
        sim_trace_fail(world, "%s tells request %u that %u sites have its change; %u ever had it",
                       world->sites[call->host->site].name, op->number, (unsigned)acks,
                       ones(known->ever));
    }
}

void sim_check_acks_published(struct sim_world *world, const struct sim_call *call,
                              const struct sim_letter *letter)
{
    if (hr_str_eq(letter->subject, HR_STR("_LOCAL.wasmkv.default.ship"))) {
        read_ship(world, letter->body);
    } else if (hr_str_starts(letter->subject, HR_STR("_INBOX.c"))) {
        check_reply(world, call, letter);
    } else if (hr_str_starts(letter->subject, HR_STR("_INBOX.s"))) {
        const struct sim_call *asker = sim_call_of_inbox(world, letter->subject);
        const struct sim_letter *asked = asker ? asker->asked : NULL;
        struct sim_site *site = &world->sites[call->host->site];
        if (asked && hr_str_ends(asked->subject, HR_STR(".w"))) {
            check_ack(world, site, letter->body, asked->body);
        } else if (asked && hr_str_ends(asked->subject, HR_STR(".apply"))) {
            check_ack(world, site, letter->body, hr_str_from(asked->body, PULLED_BYTES));
        }
    }
}

/* --- promises ----------------------------------------------------------------------------------------- */

void sim_check_acks_told(struct sim_world *world, struct sim_op *op, uint32_t attempt,
                         struct hr_str reply)
{
    uint64_t acks = acks_of(reply);
    uint32_t index = change_of(world, op, attempt, reply);
    op->change = index;
    if (index != SIM_NOWHERE && acks > 0) {
        struct sim_known *known = &world->model->knowledge.changes[index];
        known->promised_at = acks > known->promised ? world->now : known->promised_at;
        known->promised = acks > known->promised ? (uint32_t)acks : known->promised;
        sim_check_acks_lost(world, known);
    }
}

void sim_check_acks_lost(struct sim_world *world, const struct sim_known *known)
{
    if (known->held == 0 && known->losses < known->promised) {
        sim_trace_fail(world,
                       "change %016llx/%llu is gone, of which %u acks were told, after %u losses",
                       (unsigned long long)known->origin, (unsigned long long)known->seq,
                       known->promised, known->losses);
    }
}

void sim_check_acks_end(struct sim_world *world)
{
    const struct sim_knowledge *knowledge = &world->model->knowledge;
    uint32_t all = ((uint32_t)1 << world->shape->site_count) - 1;
    for (size_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        if (known->losses < known->promised && known->held != all &&
            sim_known_counted(knowledge, known->origin)) {
            sim_trace_fail(
                world, "change %016llx/%llu was acknowledged by %u and is not everywhere",
                (unsigned long long)known->origin, (unsigned long long)known->seq, known->promised);
        }
    }
}
