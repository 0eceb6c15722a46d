/* Swarm testing (Groce et al. 2012): each seed leaves out some kinds of faults and of requests. */
#include "sim/shape.h"

#include <stdio.h>

#include "sim/random.h"
#include "sim/theme.h"

enum { STREAM_SHAPE = 1, STREAM_FAULTS = 2, STREAM_THEME = 3, STREAM_NAMES = 4 };

#define BACKUP_US (2 * SIM_S)

static const char *const names[] = {
#define NAME(name, text, what) text,
    SIM_FAULT_LIST(NAME)
#undef NAME
};

const char *sim_fault_name(enum sim_fault fault)
{
    return names[fault];
}

static void draw_sites(struct sim_shape *shape, struct sim_random *random)
{
    static const uint32_t counts[] = {1, 2, 3, 3, 3, 4, 5, 5};
    static const char *const acks[] = {"1", "2", "2", "2", "3", "majority", "all"};
    shape->site_count = counts[sim_random_below(random, sizeof counts / sizeof counts[0])];
    bool lazy_world = sim_random_coin(random, 40);
    bool late_world = sim_random_coin(random, 25);
    bool cuts = sim_random_coin(random, 15);
    shape->forging = sim_random_coin(random, 12) && shape->site_count > 1;
    shape->long_calm = sim_random_coin(random, 15);
    if (cuts && !shape->forging) {
        snprintf(shape->feed_max, sizeof shape->feed_max, "%u",
                 (unsigned)sim_random_scaled(random, 16, 200));
    }
    for (uint32_t i = 0; i < SIM_SITES_MAX; i++) {
        shape->hosts_of[i] = sim_random_coin(random, 20) ? 2 : 1;
        shape->lazy[i] = lazy_world && sim_random_coin(random, 60) && !shape->forging;
        shape->start_ms[i] = (uint32_t)(late_world && i > 0 ? sim_random_below(random, 4000) : 0);
    }
    snprintf(shape->write_acks, sizeof shape->write_acks, "%s",
             acks[sim_random_below(random, sizeof acks / sizeof acks[0])]);
}

static void draw_behaviour(struct sim_shape *shape, struct sim_random *random)
{
    static const uint32_t pauses[] = {0, 20000, 100000, 300000, 1000000};
    shape->net_us = sim_random_coin(random, 4) ? sim_random_range(random, 80 * SIM_MS, 250 * SIM_MS)
                                               : sim_random_scaled(random, 200, 80 * SIM_MS);
    shape->read_us = sim_random_scaled(random, 20, 2 * SIM_MS);
    shape->commit_us = sim_random_scaled(random, 100, 10 * SIM_MS);
    /* Time enough for a way there, a commit and a way back on a good day. */
    uint64_t least_ms = 200 + (4 * shape->net_us + 6 * shape->commit_us) / 1000;
    least_ms +=
        shape->net_us >= 80 * SIM_MS ? 1000 : 0; /* the first rounds of a ship are too short */
    snprintf(shape->ack_timeout_ms, sizeof shape->ack_timeout_ms, "%u",
             (unsigned)sim_random_scaled(random, least_ms, 5000));
    shape->pause_chance = pauses[sim_random_below(random, sizeof pauses / sizeof pauses[0])];
}

static void draw_clients(struct sim_shape *shape, struct sim_random *random)
{
    static const uint32_t usual[SIM_OP_KINDS] = {50, 15, 2, 30, 4};
    static const uint32_t raw[] = {0, 200000, 600000};
    shape->client_count = (uint32_t)sim_random_range(random, 1, SIM_CLIENTS_MAX);
    shape->key_count = (uint32_t)sim_random_scaled(random, 2, SIM_KEYS_MAX);
    shape->think_us = sim_random_coin(random, 10)
                          ? sim_random_scaled(random, 20 * SIM_MS, 200 * SIM_MS)
                          : sim_random_range(random, 100 * SIM_MS, 1500 * SIM_MS);
    for (uint32_t i = 0; i < SIM_OP_KINDS; i++) {
        bool left_out = i != SIM_OP_SET && sim_random_coin(random, 20);
        shape->weight[i] = left_out ? 0 : usual[i] * (uint32_t)sim_random_range(random, 1, 4);
    }
    shape->raw_chance = raw[sim_random_below(random, sizeof raw / sizeof raw[0])];
    shape->condition_chance = sim_random_coin(random, 60) ? 300000 : 0;
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        shape->client_site[i] = (uint32_t)sim_random_below(random, shape->site_count);
    }
    shape->sessions = sim_random_coin(random, 50);
}

/* The amount and the length of a window. */
static void draw_window(struct sim_window *window, struct sim_random *random)
{
    bool is_long = sim_random_coin(random, 40);
    sim_us length = is_long ? sim_random_range(random, 2 * SIM_S, 10 * SIM_S)
                            : sim_random_scaled(random, 100 * SIM_MS, 8 * SIM_S);
    window->amount = 0;
    switch (window->fault) {
    case SIM_FAULT_LOSS:
    case SIM_FAULT_DUPLICATE:
        window->amount = sim_random_scaled(random, 10000, 300000);
        break;
    case SIM_FAULT_DELAY:
    case SIM_FAULT_STORE_SLOW:
        window->amount = sim_random_scaled(random, 5 * SIM_MS, 3 * SIM_S);
        break;
    case SIM_FAULT_KILL_AT_CALL:
    case SIM_FAULT_STORE_KILL_AT_CALL:
        window->amount = sim_random_scaled(random, 1000, 50000);
        break;
    case SIM_FAULT_STORE_ERRORS:
    case SIM_FAULT_STORE_UNKNOWN:
        window->amount = sim_random_range(random, 10000, 600000);
        break;
    case SIM_FAULT_VIEW:
        window->amount = sim_random_scaled(random, 10000, 500000);
        break;
    case SIM_FAULT_CLOCK_STEP:
        window->amount = sim_random_scaled(random, 10, 3600 * 1000) * 1000;
        window->amount += sim_random_coin(random, 50);
        break;
    case SIM_FAULT_CLOCK_DRIFT:
        window->amount = sim_random_scaled(random, 2, 500);
        length = 30 * SIM_S;
        break;
    case SIM_FAULT_STORE_RESTORE:
        window->amount = sim_random_scaled(random, 100 * SIM_MS, 10 * SIM_S);
        break;
    case SIM_FAULT_STORE_FORGED:
        window->amount = sim_random_below(random, 2);
        break;
    case SIM_FAULT_REMOVE:
        /* Who is heard of is not taken out. */
        length += 4 * SIM_S;
        break;
    case SIM_FAULT_PAUSE:
        length = sim_random_scaled(random, 20 * SIM_MS, 5 * SIM_S);
        break;
    case SIM_FAULT_CUT:
    case SIM_FAULT_CUT_ONE_WAY:
    case SIM_FAULT_ISOLATE:
    case SIM_FAULT_CLOG:
    case SIM_FAULT_KILL:
    case SIM_FAULT_STORE_KILL:
    case SIM_FAULT_STORE_FULL:
    case SIM_FAULT_STORE_LOSS:
    case SIM_FAULTS:
        break;
    }
    window->until = window->from + length;
}

static bool may_happen(const struct sim_shape *shape, uint32_t fault)
{
    bool forges = fault == SIM_FAULT_STORE_FORGED;
    bool loses = (SIM_FAULTS_OF_LOSS & SIM_FAULT_BIT(fault)) != 0;
    return (forges && shape->forging) || (loses && !shape->forging) || (!forges && !loses);
}

static void draw_faults(struct sim_shape *shape, struct sim_random *random)
{
    shape->faults_us = sim_random_scaled(random, 3 * SIM_S, 30 * SIM_S);
    uint32_t percent = (uint32_t)sim_random_range(random, 5, 60);
    for (uint32_t fault = 0; fault < SIM_FAULTS; fault++) {
        bool on = sim_random_coin(random, percent) || fault == SIM_FAULT_STORE_FORGED;
        uint64_t count = sim_random_scaled(random, 1, 1 + shape->faults_us / (2 * SIM_S));
        on = on && may_happen(shape, fault);
        for (uint64_t i = 0; i < count; i++) {
            struct sim_window window = {.fault = (enum sim_fault)fault};
            window.from = sim_random_below(random, shape->faults_us);
            window.site = (uint32_t)sim_random_below(random, shape->site_count);
            window.other = (uint32_t)sim_random_below(random, shape->site_count);
            draw_window(&window, random);
            if (on && shape->window_count < SIM_WINDOWS_MAX) {
                shape->windows[shape->window_count++] = window;
            }
        }
    }
}

/* Nobody forgets anybody. */
static void lose_nothing(struct sim_shape *shape)
{
    size_t kept = 0;
    for (size_t i = 0; i < shape->window_count; i++) {
        enum sim_fault fault = shape->windows[i].fault;
        if (fault != SIM_FAULT_STORE_LOSS && fault != SIM_FAULT_STORE_RESTORE) {
            shape->windows[kept++] = shape->windows[i];
        }
    }
    shape->window_count = kept;
    for (uint32_t i = 0; i < SIM_SITES_MAX; i++) {
        shape->lazy[i] = false;
    }
}

/* Who begins alone knows of nobody. Where sites are not named, one that has lost its store while another is away does not
 * know who there is, and nothing can be claimed of what it does with a third. */
static void draw_names(struct sim_shape *shape, struct sim_random *random)
{
    static const char ids[] = "1,2,3,4,5";
    bool named = sim_random_coin(random, 85) && shape->theme != SIM_THEME_STRANGERS;
    size_t bytes = named ? 2 * (size_t)shape->site_count : 1;
    snprintf(shape->members, bytes, "%s", ids);
    if (!named && shape->site_count > 2) {
        lose_nothing(shape);
    }
}

void sim_shape_draw(struct sim_shape *ret_shape, uint64_t seed, uint32_t sites)
{
    struct sim_random random = sim_random_of(seed, STREAM_SHAPE);
    *ret_shape = (struct sim_shape){.seed = seed, .backup_us = BACKUP_US};
    draw_sites(ret_shape, &random);
    ret_shape->site_count = sites > 0 ? sites : ret_shape->site_count;
    draw_behaviour(ret_shape, &random);
    draw_clients(ret_shape, &random);
    random = sim_random_of(seed, STREAM_FAULTS);
    draw_faults(ret_shape, &random);
    random = sim_random_of(seed, STREAM_THEME);
    sim_theme_draw(ret_shape, &random, sites);
    random = sim_random_of(seed, STREAM_NAMES);
    draw_names(ret_shape, &random);
}
