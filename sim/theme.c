/* What each theme makes of a shape. All times are drawn; what is fixed is what follows what. */
#include "sim/theme.h"

#include <stdio.h>
#include <string.h>

#define THEMED_PERCENT 30u
#define BACKUP_PERCENT 5u

static const char *const names[] = {
#define NAME(name, text, what) text,
    SIM_THEME_LIST(NAME)
#undef NAME
};

const char *sim_theme_name(enum sim_theme theme)
{
    return names[theme];
}

/* --- parts -------------------------------------------------------------------------------------------- */

static sim_us between_ms(struct sim_random *random, uint64_t low, uint64_t high)
{
    return sim_random_range(random, low, high) * SIM_MS;
}

static void add(struct sim_shape *shape, const struct sim_window *window)
{
    if (shape->window_count < SIM_WINDOWS_MAX && window->from < shape->faults_us) {
        shape->windows[shape->window_count++] = *window;
    }
}

static void add_fault(struct sim_shape *shape, enum sim_fault fault, uint32_t site, sim_us from,
                      sim_us until)
{
    const struct sim_window window = {.fault = fault, .from = from, .until = until, .site = site};
    add(shape, &window);
}

/* Leaves of each hundred windows so many, and none that would make what is forged the only truth. */
static void thin(struct sim_shape *shape, struct sim_random *random, uint32_t percent)
{
    size_t kept = 0;
    for (size_t i = 0; i < shape->window_count; i++) {
        const struct sim_window *window = &shape->windows[i];
        bool loses = (SIM_FAULTS_OF_LOSS & SIM_FAULT_BIT(window->fault)) != 0;
        bool forges = window->fault == SIM_FAULT_STORE_FORGED;
        bool fits = (!forges || shape->forging) && (!loses || !shape->forging);
        if (sim_random_coin(random, percent) && fits && window->from < shape->faults_us) {
            shape->windows[kept] = *window;
            shape->windows[kept].site %= shape->site_count;
            shape->windows[kept++].other %= shape->site_count;
        }
    }
    shape->window_count = kept;
}

static uint32_t any_site(const struct sim_shape *shape, struct sim_random *random)
{
    return (uint32_t)sim_random_below(random, shape->site_count);
}

static uint32_t another_site(const struct sim_shape *shape, struct sim_random *random,
                             uint32_t site)
{
    uint64_t step = 1 + sim_random_below(random, shape->site_count - 1);
    return (uint32_t)((site + step) % shape->site_count);
}

static void set_sites(struct sim_shape *shape, struct sim_random *random, uint32_t least,
                      uint32_t most, uint32_t wanted)
{
    uint32_t drawn = (uint32_t)sim_random_range(random, least, most);
    shape->site_count = wanted > 0 ? wanted : drawn;
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        shape->client_site[i] = any_site(shape, random);
    }
}

static void set_lazy(struct sim_shape *shape, bool lazy)
{
    for (uint32_t i = 0; i < SIM_SITES_MAX; i++) {
        shape->lazy[i] = lazy;
    }
}

static void share_stores(struct sim_shape *shape)
{
    for (uint32_t i = 0; i < SIM_SITES_MAX; i++) {
        shape->hosts_of[i] = 2;
    }
}

static void set_feed(struct sim_shape *shape, struct sim_random *random, uint32_t most)
{
    snprintf(shape->feed_max, sizeof shape->feed_max, "%u",
             (unsigned)sim_random_range(random, 16, most));
}

static void set_acks(struct sim_shape *shape, struct sim_random *random)
{
    static const char *const acks[] = {"1", "2", "2", "majority"};
    snprintf(shape->write_acks, sizeof shape->write_acks, "%s",
             acks[sim_random_below(random, sizeof acks / sizeof acks[0])]);
}

/* Few values, each written and deleted again and again. */
static void set_clients(struct sim_shape *shape, struct sim_random *random, uint64_t least_ms,
                        uint64_t most_ms)
{
    static const uint32_t weight[SIM_OP_KINDS] = {45, 25, 3, 25, 2};
    shape->client_count = (uint32_t)sim_random_range(random, 3, SIM_CLIENTS_MAX);
    shape->key_count = (uint32_t)sim_random_range(random, 2, 12);
    shape->think_us = between_ms(random, least_ms, most_ms);
    memcpy(shape->weight, weight, sizeof weight);
}

/* Writes for a while, and a calm in which floors pass them. */
static void set_rests(struct sim_shape *shape, struct sim_random *random)
{
    shape->burst_us = between_ms(random, 1000, 3000);
    shape->rest_us = between_ms(random, 3000, 9000);
}

/* The site hears nobody, and nobody hears it; or only one way. */
static void take_away(struct sim_shape *shape, struct sim_random *random, uint32_t site,
                      sim_us from, sim_us until)
{
    struct sim_window window = {.from = from, .until = until};
    uint64_t way = sim_random_below(random, 4);
    if (way > 1) {
        add_fault(shape, SIM_FAULT_ISOLATE, site, from, until);
        return;
    }
    window.fault = SIM_FAULT_CUT_ONE_WAY;
    for (uint32_t i = 0; i < shape->site_count; i++) {
        window.site = way == 0 ? site : i;
        window.other = way == 0 ? i : site;
        if (i != site) {
            add(shape, &window);
        }
    }
}

/* Both of its hosts are down. */
static void stop_site(struct sim_shape *shape, uint32_t site, sim_us from, sim_us until)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct sim_window window = {
            .fault = SIM_FAULT_KILL, .from = from, .until = until, .site = site, .other = i};
        add(shape, &window);
    }
}

/* The site's store dies together with its hosts, is lost, or put back. */
static void break_site(struct sim_shape *shape, struct sim_random *random, uint32_t site,
                       sim_us from)
{
    sim_us until = from + between_ms(random, 50, 1200);
    uint64_t way = sim_random_below(random, shape->lazy[site] ? 5 : 2);
    if (way == 0) {
        add_fault(shape, SIM_FAULT_STORE_LOSS, site, from, until);
    } else if (way == 1) {
        add_fault(shape, SIM_FAULT_STORE_RESTORE, site, from, until);
    } else {
        add_fault(shape, SIM_FAULT_STORE_KILL, site, from, from + between_ms(random, 10, 300));
        stop_site(shape, site, from, until);
    }
}

/* Something short. */
static void disturb(struct sim_shape *shape, struct sim_random *random, sim_us from)
{
    static const enum sim_fault faults[] = {
        SIM_FAULT_KILL,       SIM_FAULT_ISOLATE,      SIM_FAULT_CUT,
        SIM_FAULT_STORE_KILL, SIM_FAULT_CUT_ONE_WAY,  SIM_FAULT_CLOG,
        SIM_FAULT_PAUSE,      SIM_FAULT_KILL_AT_CALL, SIM_FAULT_LOSS,
    };
    struct sim_window window = {.from = from, .until = from + between_ms(random, 30, 2000)};
    window.fault = faults[sim_random_below(random, sizeof faults / sizeof faults[0])];
    window.site = any_site(shape, random);
    window.other = any_site(shape, random);
    window.amount = window.fault == SIM_FAULT_LOSS ? sim_random_range(random, 50000, 300000) : 0;
    window.amount = window.fault == SIM_FAULT_KILL_AT_CALL ? 5000 : window.amount;
    add(shape, &window);
}

/* In so many of a hundred worlds letters are lost all the time. */
static void lose_letters(struct sim_shape *shape, struct sim_random *random, uint32_t percent)
{
    struct sim_window window = {.fault = SIM_FAULT_LOSS, .until = shape->faults_us};
    window.amount = sim_random_range(random, 30000, 250000);
    if (sim_random_coin(random, percent)) {
        add(shape, &window);
    }
}

/* --- themes ------------------------------------------------------------------------------------------- */

/* A site is away until the others have cut off what it lacks, and takes over records. Others write on, and something
 * happens meanwhile. */
static void left_behind(struct sim_shape *shape, struct sim_random *random)
{
    uint64_t count = 1 + sim_random_below(random, 2);
    sim_us from = between_ms(random, 500, 3000);
    set_feed(shape, random, 60);
    set_clients(shape, random, 80, 300);
    shape->faults_us = between_ms(random, 9000, 20000);
    thin(shape, random, 20);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t site = any_site(shape, random);
        sim_us until = from + between_ms(random, 2500, 8000);
        uint64_t way = sim_random_below(random, 5);
        if (way == 0) {
            stop_site(shape, site, from, until);
        } else if (way == 1) {
            add_fault(shape, SIM_FAULT_STORE_LOSS, site, from, until);
        } else if (way == 2) {
            add_fault(shape, SIM_FAULT_STORE_KILL, site, from, until);
        } else {
            take_away(shape, random, site, from, until);
        }
        for (uint64_t j = sim_random_below(random, 5); j > 0; j--) {
            disturb(shape, random, until + sim_random_scaled(random, 50 * SIM_MS, 4 * SIM_S));
        }
        from = sim_random_coin(random, 50) ? until : from + between_ms(random, 0, 2000);
    }
}

/* A store is put back to what it was before others forgot what was deleted since. */
static void old_copy(struct sim_shape *shape, struct sim_random *random)
{
    uint64_t count = 1 + sim_random_below(random, 3);
    if (sim_random_coin(random, 50)) {
        set_feed(shape, random, 60);
    }
    set_clients(shape, random, 50, 400);
    set_rests(shape, random);
    shape->backup_us = between_ms(random, 3000, 10000);
    shape->faults_us = between_ms(random, 16000, 30000);
    thin(shape, random, 15);
    for (uint64_t i = 0; i < count; i++) {
        sim_us from = between_ms(random, 8000, 25000);
        uint32_t site = any_site(shape, random);
        add_fault(shape, SIM_FAULT_STORE_RESTORE, site, from, from + between_ms(random, 50, 4000));
        if (sim_random_coin(random, 30)) {
            disturb(shape, random, from + between_ms(random, 0, 3000));
        }
    }
}

/* One site after the other is away, and when the next one's turn comes another one's store breaks: who is left may not be
 * those who know. */
static void handover(struct sim_shape *shape, struct sim_random *random)
{
    uint32_t out = any_site(shape, random);
    set_lazy(shape, sim_random_coin(random, 60));
    set_acks(shape, random);
    set_clients(shape, random, 40, 400);
    if (sim_random_coin(random, 40)) {
        set_feed(shape, random, 60);
    }
    shape->faults_us = between_ms(random, 8000, 20000);
    thin(shape, random, 10);
    lose_letters(shape, random, 40);
    for (sim_us at = between_ms(random, 500, 2000); at < shape->faults_us;) {
        sim_us turn = between_ms(random, 1500, 5500);
        uint32_t next = another_site(shape, random, out);
        take_away(shape, random, out, at, at + turn);
        at += turn;
        if (sim_random_coin(random, 70)) {
            uint32_t site = another_site(shape, random, next);
            break_site(shape, random, site, at);
            if (sim_random_coin(random, 50)) {
                sim_us again = at + between_ms(random, 300, 3000);
                stop_site(shape, site, again, again + between_ms(random, 50, 500));
            }
        }
        if (sim_random_coin(random, 20)) {
            disturb(shape, random, at);
        }
        out = next;
    }
}

/* Sites that take themselves to be alone, and then meet. */
static void strangers(struct sim_shape *shape, struct sim_random *random)
{
    if (sim_random_coin(random, 50)) {
        set_feed(shape, random, 40);
    }
    set_acks(shape, random);
    set_clients(shape, random, 50, 300);
    shape->key_count = (uint32_t)sim_random_range(random, 1, 5);
    shape->faults_us = between_ms(random, 6000, 16000);
    thin(shape, random, 10);
    for (uint32_t i = 0; i < shape->site_count; i++) {
        shape->start_ms[i] =
            sim_random_coin(random, 30) ? (uint32_t)sim_random_below(random, 4000) : 0;
        if (sim_random_coin(random, 60)) {
            add_fault(shape, SIM_FAULT_ISOLATE, i, 0, between_ms(random, 3000, 9000));
        }
    }
}

/* Clients go from site to site and from host to host, with sessions, where ways are cut for a moment. */
static void roaming(struct sim_shape *shape, struct sim_random *random)
{
    uint64_t count = sim_random_range(random, 5, 20);
    bool shared = sim_random_coin(random, 50);
    set_clients(shape, random, 20, 120);
    set_acks(shape, random);
    shape->key_count = (uint32_t)sim_random_range(random, 1, 6);
    shape->roams = true;
    shape->sessions = sim_random_coin(random, 80);
    shape->condition_chance = sim_random_coin(random, 60) ? 500000 : 0;
    shape->faults_us = between_ms(random, 3000, 8000);
    thin(shape, random, 20);
    if (shared) {
        /* Two hosts write at once. */
        share_stores(shape);
        shape->pause_chance = 300000;
        shape->commit_us = between_ms(random, 1, 8);
    }
    for (uint64_t i = 0; i < count; i++) {
        struct sim_window window = {.fault = SIM_FAULT_CUT_ONE_WAY};
        window.site = any_site(shape, random);
        window.other = any_site(shape, random);
        window.from = sim_random_below(random, shape->faults_us);
        window.until = window.from + between_ms(random, 200, 2500);
        window.fault = sim_random_coin(random, 30) ? SIM_FAULT_CLOG : window.fault;
        window.fault =
            shared && sim_random_coin(random, 40) ? SIM_FAULT_STORE_UNKNOWN : window.fault;
        window.amount = window.fault == SIM_FAULT_STORE_UNKNOWN ? 200000 : 0;
        add(shape, &window);
    }
}

/* Messages that come when their sender has been killed, has lost what they say, and is back. */
static void stragglers(struct sim_shape *shape, struct sim_random *random)
{
    set_lazy(shape, sim_random_coin(random, 80));
    set_acks(shape, random);
    set_clients(shape, random, 80, 300);
    shape->net_us = sim_random_range(random, 200, 10 * SIM_MS);
    shape->faults_us = between_ms(random, 5000, 14000);
    thin(shape, random, 10);
    lose_letters(shape, random, 20);
    for (sim_us at = between_ms(random, 500, 2000); at < shape->faults_us;) {
        struct sim_window slow = {.fault = SIM_FAULT_DELAY, .from = at};
        uint32_t site = any_site(shape, random);
        slow.until = at + between_ms(random, 50, 400);
        slow.amount = between_ms(random, 500, 5000);
        add(shape, &slow);
        sim_us killed = slow.until + between_ms(random, 0, 100);
        if (sim_random_coin(random, 70)) {
            sim_us until = killed + between_ms(random, 20, 300);
            add_fault(shape, SIM_FAULT_STORE_KILL, site, killed, killed + 10 * SIM_MS);
            stop_site(shape, site, killed, until);
        } else {
            break_site(shape, random, site, killed);
        }
        at = killed + between_ms(random, 1500, 5000);
    }
}

/* A site's wall is ahead, and its hosts are started anew: others take what it made later, though it has ended. */
static void run_ahead(struct sim_shape *shape, struct sim_random *random)
{
    uint32_t site = any_site(shape, random);
    sim_us from = between_ms(random, 500, 6000);
    struct sim_window window = {.fault = SIM_FAULT_CLOCK_STEP, .from = from, .site = site};
    window.amount = between_ms(random, 1500, 15000);
    window.until = from + between_ms(random, 2000, 15000);
    add(shape, &window);
    sim_us killed = from + between_ms(random, 100, 2000);
    stop_site(shape, site, killed, killed + between_ms(random, 50, 500));
}

/* A site is not heard for so long that a floor might pass what it makes, and stores that forget their ends die when
 * floors have just moved. */
static void unheard(struct sim_shape *shape, struct sim_random *random)
{
    uint64_t count = 1 + sim_random_below(random, 2);
    if (sim_random_coin(random, 70)) {
        set_feed(shape, random, 40);
    }
    set_lazy(shape, sim_random_coin(random, 40));
    set_acks(shape, random);
    set_clients(shape, random, 50, 400);
    set_rests(shape, random);
    shape->faults_us = between_ms(random, 14000, 26000);
    shape->long_calm = sim_random_coin(random, 40);
    thin(shape, random, 10);
    lose_letters(shape, random, 40);
    for (uint64_t i = 0; i < count; i++) {
        sim_us from = between_ms(random, 500, 8000);
        take_away(shape, random, any_site(shape, random), from,
                  from + between_ms(random, 6000, 15000));
    }
    if (sim_random_coin(random, 40)) {
        run_ahead(shape, random);
    }
    for (uint64_t i = sim_random_below(random, 5); i > 0; i--) {
        break_site(shape, random, any_site(shape, random), between_ms(random, 2000, 24000));
    }
}

/* More lies, in few sites, with calms between them. */
static void forged(struct sim_shape *shape, struct sim_random *random)
{
    uint64_t count = sim_random_range(random, 3, 10);
    /* What two sites have can be told by feeds only that have everything. */
    bool stamps = sim_random_coin(random, 60);
    shape->forging = true;
    shape->feed_max[0] = '\0';
    set_lazy(shape, false);
    set_clients(shape, random, 50, 400);
    set_rests(shape, random);
    shape->faults_us = between_ms(random, 8000, 20000);
    shape->long_calm = sim_random_coin(random, 40);
    thin(shape, random, stamps ? 0 : 20);
    for (uint64_t i = 0; i < count; i++) {
        struct sim_window window = {.fault = SIM_FAULT_STORE_FORGED};
        window.from = shape->faults_us / 4 + sim_random_below(random, shape->faults_us * 3 / 4);
        window.until = window.from + 100 * SIM_MS;
        window.site = any_site(shape, random);
        window.amount = stamps ? 2 : sim_random_below(random, 3) / 2;
        add(shape, &window);
    }
}

/* A store is lost, and so is what only it had; then a copy from before is found, and put back. */
static void backup(struct sim_shape *shape, struct sim_random *random)
{
    uint64_t count = 1 + sim_random_below(random, 2);
    if (sim_random_coin(random, 40)) {
        set_feed(shape, random, 60);
    }
    snprintf(shape->write_acks, sizeof shape->write_acks, "%s",
             sim_random_coin(random, 70) ? "1" : "2");
    set_clients(shape, random, 50, 400);
    if (sim_random_coin(random, 50)) {
        set_rests(shape, random);
    }
    shape->backup_us = between_ms(random, 2000, 12000);
    shape->faults_us = between_ms(random, 12000, 26000);
    shape->long_calm = sim_random_coin(random, 40);
    thin(shape, random, 10);
    lose_letters(shape, random, 60);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t site = any_site(shape, random);
        sim_us from = between_ms(random, 2500, 14000);
        sim_us until = from + between_ms(random, 50, 1200);
        sim_us found = until + between_ms(random, 200, 8000);
        if (sim_random_coin(random, 70)) {
            take_away(shape, random, site, from - between_ms(random, 100, 2400), from);
        }
        add_fault(shape, SIM_FAULT_STORE_LOSS, site, from, until);
        add_fault(shape, SIM_FAULT_STORE_RESTORE, site, found,
                  found + between_ms(random, 50, 1200));
        if (sim_random_coin(random, 40)) {
            disturb(shape, random, until + between_ms(random, 0, 6000));
        }
    }
}

void sim_theme_draw(struct sim_shape *shape, struct sim_random *random, uint32_t sites)
{
    bool themed = sim_random_coin(random, THEMED_PERCENT);
    enum sim_theme theme = (enum sim_theme)(1 + sim_random_below(random, SIM_THEME_BACKUP - 1));
    if (!themed) {
        /* Later than the others: what they make of a seed stays. */
        theme = SIM_THEME_BACKUP;
        themed = sim_random_coin(random, BACKUP_PERCENT);
    }
    if (!themed || sites == 1) {
        return;
    }
    shape->theme = theme;
    shape->forging = false;
    bool few = theme == SIM_THEME_FORGED || theme == SIM_THEME_ROAMING;
    set_sites(shape, random, theme == SIM_THEME_HANDOVER ? 3 : 2, few ? 3 : 5, sites);
    switch (theme) {
    case SIM_THEME_LEFT_BEHIND:
        left_behind(shape, random);
        break;
    case SIM_THEME_OLD_COPY:
        old_copy(shape, random);
        break;
    case SIM_THEME_HANDOVER:
        handover(shape, random);
        break;
    case SIM_THEME_STRANGERS:
        strangers(shape, random);
        break;
    case SIM_THEME_ROAMING:
        roaming(shape, random);
        break;
    case SIM_THEME_STRAGGLERS:
        stragglers(shape, random);
        break;
    case SIM_THEME_UNHEARD:
        unheard(shape, random);
        break;
    case SIM_THEME_FORGED:
        forged(shape, random);
        break;
    case SIM_THEME_BACKUP:
        backup(shape, random);
        break;
    case SIM_THEME_NONE:
    case SIM_THEMES:
        break;
    }
}
