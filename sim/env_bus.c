/* Messages, requests, gathers, and who is there. */
#include <stdio.h>

#include "sim/call.h"
#include "sim/env.h"
#include "sim/model.h"
#include "sim/net.h"
#include "sim/trace.h"

/* So long a host waits for others that may be there. */
#define SETTLE_US (1500 * SIM_MS)

static enum hr_err send(struct sim_call *call, enum sim_letter_kind kind, struct hr_str subject,
                        struct hr_str body, struct hr_str reply_to, struct hr_diag *diag)
{
    struct sim_world *world = call->world;
    if (!sim_env_enter(call)) {
        return sim_env_dead(diag);
    }
    struct sim_letter *letter = sim_letter_new(kind, subject, body, reply_to);
    sim_trace_number(world, (uint64_t)kind);
    sim_trace_bytes(world, subject);
    sim_trace_bytes(world, body);
    if (call->probe) {
        sim_letter_unref(world->probed);
        world->probed = letter;
        return HR_OK;
    }
    sim_model_published(world, call, letter);
    sim_net_publish(world, call->host, letter);
    sim_letter_unref(letter);
    return HR_OK;
}

static enum hr_err env_publish(void *arg, const struct dkv_message *message, struct hr_diag *diag)
{
    return send(arg, SIM_LETTER_MESSAGE, message->subject, message->body, message->reply_to, diag);
}

static enum hr_err env_refuse(void *arg, struct hr_str reply_to, struct hr_str reason,
                              struct hr_str body, struct hr_diag *diag)
{
    (void)reason;
    return send(arg, SIM_LETTER_REFUSED, reply_to, body, (struct hr_str){0}, diag);
}

static enum hr_err env_judge(void *arg, struct hr_str reply_to, struct hr_str reason,
                             struct hr_str body, struct hr_diag *diag)
{
    (void)reason;
    return send(arg, SIM_LETTER_JUDGED, reply_to, body, (struct hr_str){0}, diag);
}

/* Sends @body and waits for what comes back. HR_OK: look at call->replies. */
static enum hr_err ask(struct sim_call *call, struct hr_str subject, struct hr_str body,
                       uint32_t want, uint32_t timeout_ms, struct hr_diag *diag)
{
    struct sim_world *world = call->world;
    char inbox[32];
    if (!sim_env_enter(call)) {
        return sim_env_dead(diag);
    }
    sim_call_open_inbox(call, want, inbox);
    struct sim_letter *letter = sim_letter_new(SIM_LETTER_MESSAGE, subject, body, hr_str_c(inbox));
    letter->due = world->now + timeout_ms * SIM_MS;
    sim_trace_bytes(world, subject);
    sim_trace_bytes(world, body);
    sim_call_ask(call, letter);
    sim_model_published(world, call, letter);
    sim_net_publish(world, call->host, letter);
    sim_letter_unref(letter);
    sim_call_wait(call, timeout_ms * SIM_MS);
    return call->dead ? sim_env_dead(diag) : HR_OK;
}

static enum hr_err env_request(void *arg, struct hr_str subject, struct hr_str body,
                               uint32_t timeout_ms, struct hr_arena *arena, struct hr_str *ret_body,
                               struct hr_diag *diag)
{
    struct sim_call *call = arg;
    enum hr_err err = ask(call, subject, body, 0, timeout_ms, diag);
    if (!err && call->reply_count == 0) {
        err = hr_diag_set(diag, HR_TIMEOUT, "no answer");
    } else if (!err && call->replies[0]->kind == SIM_LETTER_FAILED) {
        err = hr_diag_set(diag, HR_IO, "it failed there");
    } else if (!err) {
        *ret_body = hr_arena_copy(arena, call->replies[0]->body);
        err = ret_body->ptr ? HR_OK : HR_NO_MEMORY;
    }
    sim_call_close_inbox(call);
    sim_trace_number(call->world, (uint64_t)err);
    return err;
}

static enum hr_err env_gather(void *arg, struct hr_str subject, struct hr_str body, uint32_t want,
                              uint32_t timeout_ms, struct hr_arena *arena,
                              struct dkv_message **ret_replies, size_t *ret_count,
                              struct hr_diag *diag)
{
    struct sim_call *call = arg;
    enum hr_err err = ask(call, subject, body, want > 0 ? want : 1, timeout_ms, diag);
    size_t count = err ? 0 : call->reply_count;
    struct dkv_message *replies = hr_arena_alloc(arena, count * sizeof *replies);
    if (!err && !replies) {
        err = HR_NO_MEMORY;
    }
    for (size_t i = 0; !err && i < count; i++) {
        replies[i] = (struct dkv_message){.body = hr_arena_copy(arena, call->replies[i]->body)};
        err = replies[i].body.ptr ? HR_OK : HR_NO_MEMORY;
    }
    sim_call_close_inbox(call);
    if (!err) {
        *ret_replies = replies;
        *ret_count = count;
    }
    sim_trace_number(call->world, count);
    return err;
}

static enum hr_err env_sites(void *arg, struct hr_arena *arena, struct dkv_peer **ret_sites,
                             size_t *ret_count, struct hr_diag *diag)
{
    struct sim_call *call = arg;
    struct sim_world *world = call->world;
    struct sim_host *host = call->host;
    uint32_t wrong = world->sites[host->site].wrong_view;
    size_t count = 0;
    if (!sim_env_enter(call)) {
        return sim_env_dead(diag);
    }
    struct dkv_peer *sites = hr_arena_alloc(arena, world->shape->site_count * sizeof *sites);
    for (uint32_t i = 0; sites && i < world->shape->site_count; i++) {
        bool here = i == host->site;
        bool alive = sim_net_alive(world, host, i);
        if (!here && sim_random_chance(&world->net_random, wrong)) {
            alive = !alive;
            world->sites[host->site].view_at = world->now;
        }
        host->sight[i].seen = host->sight[i].seen || alive || here;
        if (host->sight[i].seen) {
            sites[count++] = (struct dkv_peer){.name = hr_str_c(world->sites[i].name),
                                               .id = (uint16_t)(i + 1),
                                               .here = here,
                                               .alive = alive};
        }
    }
    *ret_sites = sites;
    *ret_count = count;
    return sites ? HR_OK : HR_NO_MEMORY;
}

/* As the lattice of a host has it: it has heard of another site, or has waited for one in vain. */
static bool env_settled(void *arg)
{
    const struct sim_call *call = arg;
    const struct sim_world *world = call->world;
    const struct sim_host *host = call->host;
    bool settled = world->shape->site_count == 1 || world->now - host->booted_at >= SETTLE_US;
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        settled = settled || (i != host->site && host->sight[i].seen);
    }
    return settled;
}

/* For people, and nobody looks. */
static void env_standing(void *arg, bool catching_up)
{
    (void)arg, (void)catching_up;
}

void sim_env_add_bus(struct dkv_env *env)
{
    env->publish = env_publish;
    env->request = env_request;
    env->gather = env_gather;
    env->sites = env_sites;
    env->settled = env_settled;
    env->refuse = env_refuse;
    env->judge = env_judge;
    env->standing = env_standing;
}
