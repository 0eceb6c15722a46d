/* Lives of invocations. */
#include "sim/call.h"

#include <stdio.h>

#include "actors/kv/core/batch.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "sim/env.h"
#include "sim/host.h"
#include "sim/memory.h"
#include "sim/model.h"
#include "sim/net.h"
#include "sim/trace.h"

#define INBOX "_INBOX.s"

/* --- the end ------------------------------------------------------------------------------------------ */

void sim_call_refuse(struct sim_world *world, struct sim_host *host,
                     const struct sim_letter *letter)
{
    const struct hr_str none = {0};
    if (letter->reply_to.len > 0 && host->up) {
        struct sim_letter *reply = sim_letter_new(SIM_LETTER_FAILED, letter->reply_to, none, none);
        sim_net_publish(world, host, reply);
        sim_letter_unref(reply);
    }
}

/* The fiber has returned. */
static void call_ended(struct sim_call *call)
{
    struct sim_world *world = call->world;
    struct sim_host *host = call->host;
    for (size_t i = 0; i < call->count; i++) {
        sim_letter_unref(call->letters[i]);
    }
    sim_call_close_inbox(call);
    hr_free(call->replies);
    bool lane = call->lane;
    bool tick = call->tick;
    uint32_t slot = call->slot;
    *call = (struct sim_call){.world = world, .slot = slot};
    world->free_calls[world->free_count++] = slot;
    if (host->up && lane) {
        sim_host_batch_ended(world, host);
    }
    host->ticking = host->ticking && !tick;
}

/* --- the beginning ------------------------------------------------------------------------------------ */

static void body(void *arg)
{
    struct sim_call *call = arg;
    struct dkv_message messages[SIM_BATCH];
    struct dkv_handled handled[SIM_BATCH];
    struct dkv_env env = sim_env_of(call);
    for (size_t i = 0; i < call->count; i++) {
        const struct sim_letter *letter = call->letters[i];
        messages[i] = (struct dkv_message){letter->subject, letter->body, letter->reply_to};
    }
    dkv_batch_handle(&env, messages, call->count, handled);
    for (size_t i = 0; i < call->count; i++) {
        if (call->dead || handled[i].err) {
            sim_call_refuse(call->world, call->host, call->letters[i]);
        }
        if (!call->dead && handled[i].err) {
            sim_trace_say(call->world, call->host->site, "handling %.*s failed: %s",
                          SIM_ARG(call->letters[i]->subject), handled[i].diag.text);
        }
        sim_trace_number(call->world, (uint64_t)handled[i].err);
    }
}

void sim_call_begin(struct sim_world *world, struct sim_host *host, struct sim_letter **letters,
                    size_t count, enum sim_call_kind kind)
{
    HR_ASSERT(world->free_count > 0);
    struct sim_call *call = &world->calls[world->free_calls[--world->free_count]];
    sim_us due = letters[0]->due;
    world->counts.calls++;
    call->host = host;
    call->serial = ++world->serial;
    call->began = world->now;
    call->count = count;
    call->lane = kind == SIM_CALL_LANE;
    call->tick = kind == SIM_CALL_TICK;
    call->probe = kind == SIM_CALL_PROBE;
    memcpy(call->letters, letters, count * sizeof(struct sim_letter *));
    struct sim_event end = sim_event_of(SIM_EVENT_END, world->now + SIM_CALL_US, call->slot);
    end.life = call->serial;
    if (kind == SIM_CALL_ONE && due > 0 && due < end.at) {
        end.at = due > world->now ? due : world->now + 1;
    }
    sim_events_add(&world->events, end);
    struct sim_fiber *fiber = sim_fiber_start(world->fibers, body, call);
    if (fiber) {
        call->fiber = fiber;
    } else {
        call_ended(call);
    }
}

/* --- waiting ------------------------------------------------------------------------------------------ */

void sim_call_wait(struct sim_call *call, sim_us us)
{
    struct sim_world *world = call->world;
    if (call->dead) {
        return;
    }
    call->wake = ++world->serial;
    struct sim_event event = sim_event_of(SIM_EVENT_WAKE, world->now + us, call->slot);
    event.life = call->wake;
    sim_events_add(&world->events, event);
    sim_fiber_pause(world->fibers);
}

static void go_on(struct sim_call *call)
{
    call->wake = 0;
    if (sim_fiber_resume(call->fiber)) {
        call_ended(call);
    }
}

void sim_call_wake(struct sim_world *world, uint32_t slot, uint64_t wake)
{
    struct sim_call *call = &world->calls[slot];
    if (call->serial == 0 || call->wake != wake) {
        return;
    }
    if (call->host->paused_until > world->now) {
        struct sim_event event = sim_event_of(SIM_EVENT_WAKE, call->host->paused_until, slot);
        event.life = wake;
        sim_events_add(&world->events, event);
        return;
    }
    go_on(call);
}

void sim_call_time_is_up(struct sim_world *world, uint32_t slot, uint64_t serial)
{
    struct sim_call *call = &world->calls[slot];
    if (call->serial == serial) {
        sim_trace_say(world, call->host->site, "an invocation for %.*s is out of time",
                      SIM_ARG(call->letters[0]->subject));
        call->dead = true;
        go_on(call);
    }
}

void sim_call_mark_dead(struct sim_world *world, const struct sim_host *host)
{
    for (uint32_t i = 0; i < SIM_CALLS_MAX; i++) {
        struct sim_call *call = &world->calls[i];
        call->dead = call->dead || (call->serial > 0 && call->host == host);
    }
}

void sim_call_end_dead(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_CALLS_MAX; i++) {
        struct sim_call *call = &world->calls[i];
        if (call->serial > 0 && call->dead) {
            go_on(call);
        }
    }
}

/* --- inboxes ------------------------------------------------------------------------------------------ */

void sim_call_open_inbox(struct sim_call *call, uint32_t want, char ret_name[32])
{
    sim_call_close_inbox(call);
    call->inbox = ++call->world->serial;
    call->want = want;
    snprintf(ret_name, 32, INBOX "%u.%llu", call->slot, (unsigned long long)call->inbox);
}

void sim_call_ask(struct sim_call *call, struct sim_letter *asked)
{
    call->asked = sim_letter_ref(asked);
}

void sim_call_close_inbox(struct sim_call *call)
{
    for (size_t i = 0; i < call->reply_count; i++) {
        sim_letter_unref(call->replies[i]);
    }
    sim_letter_unref(call->asked);
    call->asked = NULL;
    call->reply_count = 0;
    call->inbox = 0;
}

struct sim_call *sim_call_of_inbox(struct sim_world *world, struct hr_str name)
{
    struct hr_str rest = hr_str_from(name, sizeof INBOX - 1);
    size_t dot = hr_str_find(rest, '.', 0);
    uint64_t slot;
    uint64_t inbox;
    if (dot == SIZE_MAX || !hr_str_to_u64(hr_str_of(rest.ptr, dot), &slot) ||
        !hr_str_to_u64(hr_str_from(rest, dot + 1), &inbox) || slot >= SIM_CALLS_MAX) {
        return NULL;
    }
    struct sim_call *call = &world->calls[slot];
    return call->serial > 0 && call->inbox == inbox && inbox > 0 ? call : NULL;
}

void sim_call_reply(struct sim_call *call, struct sim_letter *letter)
{
    struct sim_world *world = call->world;
    if (call->host->paused_until > world->now) {
        struct sim_event event =
            sim_event_of(SIM_EVENT_REPLY, call->host->paused_until, call->host->site);
        event.data = letter;
        sim_events_add(&world->events, event);
        return;
    }
    bool any = call->want == 0;
    size_t want = any ? 1 : call->want;
    if ((letter->kind != SIM_LETTER_MESSAGE && !any) || call->reply_count >= want) {
        sim_letter_unref(letter);
        return;
    }
    call->replies =
        sim_grow(call->replies, call->reply_count, &call->reply_cap, sizeof(struct sim_letter *));
    call->replies[call->reply_count++] = letter;
    if (call->reply_count == want) {
        go_on(call);
    }
}
