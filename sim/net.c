/* Letters and sights. */
#include "sim/net.h"

#include <stdlib.h>

#include "sim/call.h"
#include "sim/host.h"
#include "sim/model.h"
#include "sim/request.h"
#include "sim/trace.h"

#define INBOX HR_STR("_INBOX.s")
#define CLIENT_INBOX HR_STR("_INBOX.c")
#define PEER HR_STR("wasmkv.peer.default.")
#define LOCAL HR_STR("_LOCAL.")

/* --- ways --------------------------------------------------------------------------------------------- */

static sim_us way_us(struct sim_world *world, uint32_t from, uint32_t to)
{
    struct sim_random *random = &world->net_random;
    if (from == to) {
        return 20 + sim_random_below(random, 100);
    }
    sim_us us = world->shape->net_us;
    us += sim_random_below(random, us / 2 + 1);
    if (world->net.delay_us > 0) {
        us += sim_random_below(random, world->net.delay_us);
    }
    return us;
}

unsigned sim_net_send(struct sim_world *world, uint32_t from, uint32_t to, struct sim_event event)
{
    struct sim_random *random = &world->net_random;
    const struct sim_net *net = &world->net;
    unsigned copies = 1;
    world->counts.letters++;
    if (from != to) {
        bool lost = sim_random_chance(random, net->loss);
        bool twice = sim_random_chance(random, net->duplicate);
        copies = net->cut[from][to] > 0 || lost ? 0 : (twice ? 2 : 1);
    }
    for (unsigned i = 0; i < copies; i++) {
        event.at = world->now + way_us(world, from, to);
        if (from != to && event.at < net->clogged_until[from][to]) {
            event.at = net->clogged_until[from][to] + sim_random_below(random, SIM_MS);
        }
        if (i > 0) {
            sim_letter_ref(event.data);
        }
        sim_events_add(&world->events, event);
    }
    if (copies == 0) {
        world->sites[from].lost_at = world->sites[to].lost_at = world->now;
        sim_letter_unref(event.data);
    }
    return copies;
}

/* --- sights ------------------------------------------------------------------------------------------- */

static bool speaks(const struct sim_world *world, uint32_t site, uint32_t to)
{
    bool any = false;
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        const struct sim_host *host = &world->hosts[i];
        any = any || (host->site == site && host->up && host->paused_until <= world->now);
    }
    return any && world->net.cut[site][to] == 0;
}

static void look(struct sim_world *world, struct sim_host *host, uint32_t site)
{
    struct sim_sight *sight = &host->sight[site];
    bool hears = speaks(world, site, host->site);
    bool was_alive = sim_net_alive(world, host, site);
    if (hears == sight->hears) {
        return;
    }
    sight->hears = hears;
    if (hears) {
        sim_us lag = sim_random_below(&world->net_random, SIM_S);
        sight->alive_from = was_alive ? world->now : world->now + lag;
    } else {
        sim_us silent = sim_random_below(&world->net_random, SIM_S);
        sight->alive_until = was_alive ? world->now + 3 * SIM_S - silent : world->now;
    }
}

void sim_net_look(struct sim_world *world)
{
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        for (uint32_t site = 0; site < world->shape->site_count; site++) {
            struct sim_host *host = &world->hosts[i];
            if (host->up && site != host->site) {
                look(world, host, site);
            }
        }
    }
}

bool sim_net_alive(const struct sim_world *world, const struct sim_host *host, uint32_t site)
{
    const struct sim_sight *sight = &host->sight[site];
    if (site == host->site) {
        return true;
    }
    return sight->hears ? world->now >= sight->alive_from : world->now < sight->alive_until;
}

struct sim_host *sim_net_pick(struct sim_world *world, uint32_t site, const struct sim_host *from)
{
    struct sim_host *hosts = &world->hosts[site * 2];
    uint64_t first = sim_random_below(&world->net_random, 2);
    if (from && from->site == site && from->up) {
        return &world->hosts[from->index];
    }
    for (uint64_t i = 0; i < 2; i++) {
        struct sim_host *host = &hosts[(first + i) % 2];
        if (host->up) {
            return host;
        }
    }
    return NULL;
}

/* --- subjects ----------------------------------------------------------------------------------------- */

static void send_to_host(struct sim_world *world, const struct sim_host *from, struct sim_host *to,
                         struct sim_letter *letter)
{
    struct sim_event event = sim_event_of(SIM_EVENT_DELIVER, 0, to->index);
    event.life = to->life;
    event.data = sim_letter_ref(letter);
    sim_net_send(world, from->site, to->site, event);
}

/* To one host of every other site, and to another host of the own one. */
static void spread(struct sim_world *world, struct sim_host *from, struct sim_letter *letter)
{
    bool changes = hr_str_ends(letter->subject, HR_STR(".w"));
    for (uint32_t site = 0; site < world->shape->site_count; site++) {
        struct sim_host *to = sim_net_pick(world, site, NULL);
        if (site == from->site) {
            struct sim_host *sibling = &world->hosts[from->index ^ 1];
            to = sibling->up ? sibling : NULL;
        }
        if (to) {
            world->counts.peer_letters += changes && site != from->site;
            send_to_host(world, from, to, letter);
        }
    }
}

static void send_reply(struct sim_world *world, const struct sim_host *from, uint32_t site,
                       struct sim_letter *letter)
{
    struct sim_event event = sim_event_of(SIM_EVENT_REPLY, 0, site);
    event.data = sim_letter_ref(letter);
    unsigned copies = sim_net_send(world, from->site, site, event);
    if (copies == 0) {
        sim_trace_say(world, from->site, "its reply to %.*s is lost", SIM_ARG(letter->subject));
    }
}

/* Whether what comes after `wasmkv.peer.<bucket>.` is for one site, whose name is its end. */
static bool names_a_site(struct hr_str rest)
{
    return hr_str_starts(rest, HR_STR("log.")) || hr_str_starts(rest, HR_STR("dig.")) ||
           hr_str_starts(rest, HR_STR("st."));
}

void sim_net_publish(struct sim_world *world, struct sim_host *host, struct sim_letter *letter)
{
    struct hr_str subject = letter->subject;
    uint32_t site;
    if (hr_str_starts(subject, LOCAL)) {
        send_to_host(world, host, host, letter);
    } else if (hr_str_starts(subject, CLIENT_INBOX)) {
        if (sim_request_site(world, subject, &site)) {
            send_reply(world, host, site, letter);
        }
    } else if (hr_str_starts(subject, INBOX)) {
        const struct sim_call *call = sim_call_of_inbox(world, subject);
        if (call) {
            send_reply(world, host, call->host->site, letter);
        }
    } else if (hr_str_starts(subject, PEER)) {
        if (!names_a_site(hr_str_from(subject, PEER.len))) {
            spread(world, host, letter);
            return;
        }
        for (site = 0; site < world->shape->site_count; site++) {
            if (hr_str_ends(subject, hr_str_c(world->sites[site].name))) {
                struct sim_host *to = sim_net_pick(world, site, host);
                if (to) {
                    send_to_host(world, host, to, letter);
                }
            }
        }
    }
}

void sim_net_arrive(struct sim_world *world, struct sim_host *host, struct sim_letter *letter)
{
    if (!host->up) {
        sim_letter_unref(letter);
        return;
    }
    sim_host_take(world, host, letter);
}

void sim_net_reply(struct sim_world *world, struct sim_letter *letter)
{
    if (hr_str_starts(letter->subject, CLIENT_INBOX)) {
        sim_request_reply(world, letter);
        sim_letter_unref(letter);
        return;
    }
    struct sim_call *call = sim_call_of_inbox(world, letter->subject);
    if (call) {
        sim_call_reply(call, letter);
    } else {
        sim_letter_unref(letter);
    }
}
