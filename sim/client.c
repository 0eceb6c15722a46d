/* What clients want. */
#include "sim/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim/json.h"
#include "sim/memory.h"
#include "sim/model.h"
#include "sim/request.h"
#include "sim/trace.h"

enum { STREAM_CLIENTS = 10 };

static void arrange(struct sim_world *world, uint32_t client, sim_us in)
{
    sim_events_add(&world->events, sim_event_of(SIM_EVENT_CLIENT, world->now + in, client));
}

struct sim_clients *sim_clients_new(struct sim_world *world)
{
    struct sim_clients *clients = sim_alloc(sizeof *clients);
    clients->random = sim_random_of(world->shape->seed, STREAM_CLIENTS);
    clients->ops = sim_grow(NULL, 0, &clients->cap, sizeof(struct sim_op *));
    for (uint32_t i = 0; i < world->shape->client_count; i++) {
        arrange(world, i, sim_random_below(&clients->random, SIM_S));
    }
    return clients;
}

void sim_clients_free(struct sim_clients *clients)
{
    for (uint32_t i = 1; clients && i <= clients->count; i++) {
        hr_free(clients->ops[i]->session);
        hr_free(clients->ops[i]);
    }
    for (uint32_t i = 0; clients && i < SIM_CLIENTS_MAX; i++) {
        hr_free(clients->session[i]);
    }
    if (clients) {
        hr_free(clients->ops);
    }
    hr_free(clients);
}

struct sim_op *sim_clients_op(struct sim_world *world, uint64_t number)
{
    struct sim_clients *clients = world->clients;
    return number > 0 && number <= clients->count ? clients->ops[number] : NULL;
}

static struct sim_op *op_new(struct sim_world *world)
{
    struct sim_clients *clients = world->clients;
    struct sim_op *op = sim_alloc(sizeof *op);
    op->number = ++clients->count;
    op->change = SIM_NOWHERE;
    op->sent_at = world->now;
    clients->ops = sim_grow(clients->ops, clients->count, &clients->cap, sizeof(struct sim_op *));
    clients->ops[clients->count] = op;
    clients->pending++;
    return op;
}

static enum sim_op_kind draw_kind(struct sim_world *world)
{
    const uint32_t *weight = world->shape->weight;
    uint64_t total = 0;
    for (uint32_t i = 0; i < SIM_OP_KINDS; i++) {
        total += weight[i];
    }
    uint64_t drawn = sim_random_below(&world->clients->random, total);
    uint32_t kind = 0;
    while (drawn >= weight[kind]) {
        drawn -= weight[kind++];
    }
    return (enum sim_op_kind)kind;
}

static void draw_op(struct sim_world *world, struct sim_op *op)
{
    struct sim_random *random = &world->clients->random;
    uint64_t keys = world->shape->key_count;
    op->kind = draw_kind(world);
    /* Some keys are more popular than others. */
    uint64_t first = sim_random_below(random, keys);
    uint64_t second = sim_random_below(random, keys);
    op->key = (uint32_t)(first < second ? first : second);
    bool reads = op->kind == SIM_OP_GET || op->kind == SIM_OP_LIST;
    op->identified = !sim_random_chance(random, world->shape->raw_chance) && !reads;
    bool conditional = sim_random_chance(random, world->shape->condition_chance);
    uint64_t which = sim_random_below(random, 3);
    uint64_t sets = sim_random_next(random);
    uint64_t removes = sim_random_next(random);
    if (op->kind == SIM_OP_SET) {
        op->sets = (uint32_t)(sets & (sets >> 8) & ((1u << SIM_FIELDS) - 1));
        op->sets |= 1u << (sets >> 16) % SIM_FIELDS;
        op->removes =
            (uint32_t)(removes & (removes >> 8) & (removes >> 16) & ((1u << SIM_FIELDS) - 1)) &
            ~op->sets;
    }
    if (conditional && (op->kind == SIM_OP_SET || op->kind == SIM_OP_DEL)) {
        op->condition = (enum sim_condition)(1 + which);
        op->if_version = world->clients->seen[op->key];
        if (op->condition == SIM_IF_VERSION && op->if_version.hlc == 0) {
            op->condition = SIM_IF_PRESENT;
        }
        if (op->condition == SIM_IF_ABSENT && op->kind == SIM_OP_DEL) {
            op->condition = SIM_IF_PRESENT;
        }
    }
}

void sim_clients_subject(const struct sim_op *op, char *ret_text, size_t bytes)
{
    static const char *const verbs[] = {"set", "del", "del", "get", "get"};
    bool keyed = op->kind != SIM_OP_CLEAR && op->kind != SIM_OP_LIST;
    if (keyed) {
        snprintf(ret_text, bytes, "wasmkv.%s.k%u", verbs[op->kind], op->key);
    } else {
        snprintf(ret_text, bytes, "wasmkv.%s", verbs[op->kind]);
    }
}

static void add(char *text, size_t bytes, const char *more)
{
    size_t len = strlen(text);
    snprintf(text + len, bytes - len, "%s%s", len > 1 ? "," : "", more);
}

void sim_clients_body(const struct sim_op *op, char *ret_text, size_t bytes)
{
    char part[96];
    bool reads = op->kind == SIM_OP_GET || op->kind == SIM_OP_LIST;
    if (op->kind == SIM_OP_GET && !op->session) {
        ret_text[0] = '\0';
        return;
    }
    snprintf(ret_text, bytes, reads && op->kind == SIM_OP_LIST ? "{\"limit\":1000" : "{");
    if (op->session) {
        char token[SIM_BODY_BYTES_MAX / 2];
        snprintf(token, sizeof token, "\"$session\":\"%s\"", op->session);
        add(ret_text, bytes, token);
    }
    for (uint32_t i = 0; i < SIM_FIELDS; i++) {
        if (op->sets >> i & 1) {
            snprintf(part, sizeof part, "\"f%u\":%u", i, op->number);
            add(ret_text, bytes, part);
        } else if (op->removes >> i & 1) {
            snprintf(part, sizeof part, "\"f%u\":null", i);
            add(ret_text, bytes, part);
        }
    }
    if (op->identified) {
        snprintf(part, sizeof part, "\"$request-id\":\"r%u\"", op->number);
        add(ret_text, bytes, part);
    }
    if (op->condition == SIM_IF_ABSENT || op->condition == SIM_IF_PRESENT) {
        add(ret_text, bytes,
            op->condition == SIM_IF_ABSENT ? "\"$if-absent\":true" : "\"$if-present\":true");
    } else if (op->condition == SIM_IF_VERSION) {
        snprintf(part, sizeof part, "\"$if-version\":\"%016llx%016llx\"",
                 (unsigned long long)op->if_version.hlc, (unsigned long long)op->if_version.origin);
        add(ret_text, bytes, part);
    }
    size_t len = strlen(ret_text);
    snprintf(ret_text + len, bytes - len, "}");
}

/* In a rest the client asks when it is over. */
static bool rests(struct sim_world *world, uint32_t client)
{
    sim_us round = world->shape->burst_us + world->shape->rest_us;
    sim_us in = world->shape->rest_us > 0 ? world->now % round : 0;
    if (in <= world->shape->burst_us) {
        return false;
    }
    arrange(world, client, round - in + sim_random_below(&world->clients->random, SIM_S / 2));
    return true;
}

void sim_clients_event(struct sim_world *world, uint32_t who, uint64_t what)
{
    struct sim_clients *clients = world->clients;
    if (what != SIM_CLIENT_NEXT) {
        sim_request_event(world, who, (enum sim_request_event)what);
        return;
    }
    if (clients->stopped) {
        return;
    }
    if (rests(world, who)) {
        return;
    }
    struct sim_op *op = op_new(world);
    op->client = who;
    op->home = world->shape->client_site[who];
    draw_op(world, op);
    if (world->shape->roams) {
        op->home = (uint32_t)sim_random_below(&clients->random, world->shape->site_count);
        op->home_host = (uint32_t)sim_random_below(&clients->random, 2);
    }
    if (world->shape->sessions) {
        op->session = sim_copy(hr_str_c(clients->session[who] ? clients->session[who] : ""));
    }
    sim_request_begin(world, op, SIM_NOWHERE);
}

struct sim_op *sim_clients_probe(struct sim_world *world, enum sim_op_kind kind, uint32_t key,
                                 uint32_t host)
{
    struct sim_op *op = op_new(world);
    op->client = SIM_NOWHERE;
    op->kind = kind;
    op->key = key;
    op->sets = kind == SIM_OP_SET;
    sim_request_begin(world, op, host);
    return op;
}

void sim_clients_answered(struct sim_world *world, struct sim_op *op, struct hr_str reply)
{
    struct sim_clients *clients = world->clients;
    struct sim_version version;
    struct hr_str value;
    struct hr_str token;
    clients->pending--;
    op->answered_at = world->now;
    sim_trace_number(world, (uint64_t)op->outcome * 16 + op->kind);
    if (sim_json_member(reply, HR_STR("version"), &value) && sim_version_read(value, &version)) {
        clients->seen[op->key] = version;
    }
    if (op->client != SIM_NOWHERE && op->session &&
        sim_json_member(reply, HR_STR("session"), &value) && sim_json_string(value, &token)) {
        hr_free(clients->session[op->client]);
        clients->session[op->client] = sim_copy(token);
    }
    if (op->client == SIM_NOWHERE) {
        if (op->kind == SIM_OP_LIST && op->outcome == SIM_DONE) {
            sim_check_agreement(world, world->hosts[clients->probing].site, reply);
        }
        return;
    }
    sim_us think = world->shape->think_us;
    arrange(world, op->client, 1 + sim_random_below(&clients->random, 2 * think));
}
