/* What each fault does to the world. Windows of a kind may overlap: counted ones are counted, and of
 * amounts the sum or the last one is in force. */
#include "sim/faults.h"

#include <stdio.h>

#include "sim/host.h"
#include "sim/net.h"
#include "sim/trace.h"

void sim_faults_arrange(struct sim_world *world)
{
    for (size_t i = 0; i < world->shape->window_count; i++) {
        const struct sim_window *window = &world->shape->windows[i];
        struct sim_event event = sim_event_of(SIM_EVENT_FAULT, window->from, (uint32_t)i);
        if (window->removed) {
            continue;
        }
        event.life = 1;
        sim_events_add(&world->events, event);
        event.life = 0;
        event.at = window->until;
        sim_events_add(&world->events, event);
    }
}

static void count(uint32_t *counter, bool on)
{
    *counter += on ? 1 : -(uint32_t)1;
}

static void cut(struct sim_world *world, const struct sim_window *window, bool on)
{
    struct sim_net *net = &world->net;
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        bool wanted = window->fault == SIM_FAULT_ISOLATE || i == window->other;
        if (i == window->site || !wanted) {
            continue;
        }
        count(&net->cut[window->site][i], on);
        if (window->fault != SIM_FAULT_CUT_ONE_WAY) {
            count(&net->cut[i][window->site], on);
        }
    }
}

/* The host that a window means. */
static struct sim_host *host_of(struct sim_world *world, const struct sim_window *window)
{
    struct sim_host *host = &world->hosts[window->site * 2 + window->other % 2];
    return host->exists ? host : &world->hosts[window->site * 2];
}

static void start_hosts(struct sim_world *world, uint32_t site)
{
    sim_host_boot(world, &world->hosts[site * 2]);
    sim_host_boot(world, &world->hosts[site * 2 + 1]);
}

static void kill_hosts(struct sim_world *world, uint32_t site)
{
    sim_host_kill(world, &world->hosts[site * 2]);
    sim_host_kill(world, &world->hosts[site * 2 + 1]);
    sim_host_reap(world);
}

void sim_faults_kill_store(struct sim_world *world, struct sim_site *site)
{
    size_t lost = sim_store_crash(&site->store);
    site->store_life++;
    sim_trace_say(world, site->index, "its store is killed, %zu changes of keys are gone", lost);
}

static void turn_store(struct sim_world *world, const struct sim_window *window, bool on)
{
    struct sim_site *site = &world->sites[window->site];
    if (on) {
        sim_faults_kill_store(world, site);
    }
    count(&site->store_away, on);
}

static void pause_host(struct sim_world *world, const struct sim_window *window, bool on)
{
    struct sim_host *host = host_of(world, window);
    if (on && host->up && host->paused_until < window->until) {
        host->paused_until = window->until;
    }
}

/* Back to what it was: the copy is made amount before the window, or as early as can be. */
static void restore(struct sim_world *world, const struct sim_window *window, bool on)
{
    struct sim_site *site = &world->sites[window->site];
    if (!on) {
        start_hosts(world, window->site);
        return;
    }
    kill_hosts(world, window->site);
    if (site->backup.items) {
        sim_store_restore(&site->store, &site->backup);
        site->store_life++;
    }
}

static void lose(struct sim_world *world, const struct sim_window *window, bool on)
{
    if (!on) {
        start_hosts(world, window->site);
        return;
    }
    kill_hosts(world, window->site);
    sim_store_clear(&world->sites[window->site].store);
    world->sites[window->site].store_life++;
}

static void forge(struct sim_world *world, const struct sim_window *window, bool on)
{
    struct sim_store *store = &world->sites[window->site].store;
    size_t first = sim_store_at(store, HR_STR("r/"));
    size_t end = sim_store_at(store, HR_STR("r0"));
    if (!on || first == end) {
        return;
    }
    const struct sim_item *item =
        store->items[first + sim_random_below(&world->store_random, end - first)];
    char key[300];
    char value[4096];
    size_t key_len = item->key_len;
    size_t len = item->value_len;
    if (key_len > sizeof key || len > sizeof value || len == 0) {
        return;
    }
    memcpy(key, item->bytes, key_len);
    memcpy(value, item->bytes + key_len, len);
    uint64_t bit = sim_random_below(&world->store_random, len * 8);
    value[bit / 8] = (char)(value[bit / 8] ^ (1 << bit % 8));
    sim_store_forge(store, hr_str_of(key, key_len), hr_str_of(value, len));
}

static void turn_clock(struct sim_world *world, const struct sim_window *window, bool on)
{
    struct sim_site *site = &world->sites[window->site];
    int64_t amount = (int64_t)window->amount;
    if (window->fault == SIM_FAULT_CLOCK_DRIFT) {
        int64_t ppm = amount % 2 ? -amount : amount;
        /* What the drift has made of the clock until now stays. */
        int64_t now_ms = (int64_t)(world->now / 1000);
        site->ahead_ms += (on ? -1 : 1) * (ppm * now_ms / 1000000);
        site->ppm += on ? ppm : -ppm;
        return;
    }
    int64_t step_ms = (amount % 2 ? -amount : amount) / 1000;
    site->ahead_ms += on ? step_ms : -step_ms;
}

void sim_faults_turn(struct sim_world *world, uint32_t number, bool on)
{
    const struct sim_window *window = &world->shape->windows[number];
    struct sim_site *site = &world->sites[window->site];
    int64_t sign = on ? 1 : -1;
    uint64_t amount = window->amount * (uint64_t)sign;
    if (world->window_on[number] == on || (on && world->healed)) {
        return; /* a shorter run may have ended before it */
    }
    world->window_on[number] = on;
    sim_trace_number(world, number * 2 + on);
    sim_trace_say(world, window->site, "%s %s (other %u, amount %llu)",
                  sim_fault_name(window->fault), on ? "begins" : "ends", window->other,
                  (unsigned long long)window->amount);
    switch (window->fault) {
    case SIM_FAULT_CUT:
    case SIM_FAULT_CUT_ONE_WAY:
    case SIM_FAULT_ISOLATE:
        cut(world, window, on);
        break;
    case SIM_FAULT_LOSS:
        world->net.loss += amount;
        break;
    case SIM_FAULT_DUPLICATE:
        world->net.duplicate += amount;
        break;
    case SIM_FAULT_DELAY:
        world->net.delay_us += amount;
        break;
    case SIM_FAULT_CLOG:
        world->net.clogged_until[window->site][window->other] = on ? window->until : 0;
        break;
    case SIM_FAULT_KILL:
        if (on) {
            sim_host_kill(world, host_of(world, window));
        } else {
            sim_host_boot(world, host_of(world, window));
        }
        break;
    case SIM_FAULT_KILL_AT_CALL:
        site->kill_at_call += (uint32_t)amount;
        break;
    case SIM_FAULT_STORE_KILL_AT_CALL:
        site->store_kill_at_call += (uint32_t)amount;
        break;
    case SIM_FAULT_PAUSE:
        pause_host(world, window, on);
        break;
    case SIM_FAULT_STORE_KILL:
        turn_store(world, window, on);
        break;
    case SIM_FAULT_STORE_SLOW:
        site->store_slow_us += amount;
        break;
    case SIM_FAULT_STORE_ERRORS:
        site->store_errors += (uint32_t)amount;
        break;
    case SIM_FAULT_STORE_UNKNOWN:
        site->store_unknown += (uint32_t)amount;
        break;
    case SIM_FAULT_STORE_FULL:
        count(&site->store_full, on);
        break;
    case SIM_FAULT_CLOCK_STEP:
    case SIM_FAULT_CLOCK_DRIFT:
        turn_clock(world, window, on);
        break;
    case SIM_FAULT_VIEW:
        site->wrong_view += (uint32_t)amount;
        break;
    case SIM_FAULT_STORE_LOSS:
        lose(world, window, on);
        break;
    case SIM_FAULT_STORE_RESTORE:
        restore(world, window, on);
        break;
    case SIM_FAULT_STORE_FORGED:
        forge(world, window, on);
        break;
    case SIM_FAULTS:
        break;
    }
    sim_host_reap(world);
    sim_net_look(world);
}

static void heal_clocks(struct sim_world *world)
{
    uint64_t latest = 0;
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        uint64_t wall = sim_world_wall_ms(world, &world->sites[i]);
        uint64_t most = world->sites[i].wall_max_ms;
        latest = wall > latest ? wall : latest;
        latest = most > latest ? most : latest;
    }
    for (uint32_t i = 0; i < world->shape->site_count; i++) {
        struct sim_site *site = &world->sites[i];
        site->ppm = 0;
        site->ahead_ms = (int64_t)(latest - SIM_WALL_MS - world->now / 1000);
    }
}

void sim_faults_heal(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->shape->window_count; i++) {
        if (world->window_on[i]) {
            sim_faults_turn(world, i, false);
        }
    }
    world->healed = true;
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        world->hosts[i].paused_until = 0;
        sim_host_boot(world, &world->hosts[i]);
    }
    heal_clocks(world);
    sim_net_look(world);
    sim_trace_say(world, SIM_SITES_MAX, "all is well from now on");
}
