/* What each fault does to the world. Windows of a kind may overlap: counted ones are counted, and of
 * amounts the sum or the last one is in force. */
#include "sim/faults.h"

#include <stdio.h>

#include "base/crc32c.h"
#include "sim/host.h"
#include "sim/model.h"
#include "sim/net.h"
#include "sim/trace.h"

/* Of a record, before its fields (docs/storage.md). */
#define RECORD_HEAD_BYTES 24u

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
        sim_model_empties(world, window->site);
        sim_store_restore(&site->store, &site->backup);
        sim_model_restored(world, window->site);
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
    sim_model_empties(world, window->site);
    sim_store_clear(&world->sites[window->site].store);
    world->sites[window->site].store_life++;
}

/* The site is taken out of the group by an operator at another site, and its hosts come back. Not at one that was itself taken
 * out, and has not heard it yet: two that are each out at the other hear each other no more (docs/protocol.md). */
static void remove_site(struct sim_world *world, const struct sim_window *window, bool on)
{
    const struct hr_str subject = HR_STR("_LOCAL.wasmkv.default.admin");
    uint32_t site = window->site;
    uint32_t by = window->other == site ? (site + 1) % world->shape->site_count : window->other;
    struct sim_host *host = sim_net_pick(world, by, NULL);
    char body[64];
    if (on) {
        kill_hosts(world, site);
        return;
    }
    if (host && by != site && !sim_model_is_to_go(world, by)) {
        snprintf(body, sizeof body, "{\"verb\":\"member-remove\",\"name\":\"%s\"}",
                 world->sites[site].name);
        world->model->removals++;
        sim_host_take(
            world, host,
            sim_letter_new(SIM_LETTER_MESSAGE, subject, hr_str_c(body), (struct hr_str){0}));
    }
    start_hosts(world, site);
}

/* The first field of the record that has a value, if its layout is as it should be. 0: none has. */
static size_t find_value(const char *record, size_t len, size_t *ret_len)
{
    size_t at = RECORD_HEAD_BYTES;
    while (at < len) {
        /* u8 length of name | name | 16 B stamp | u8 type | u32 length of value | value */
        size_t type_at = at + 1 + (unsigned char)record[at] + 16;
        if (type_at + 5 > len) {
            return 0;
        }
        size_t value_len = (size_t)sim_known_be(record + type_at + 1, 4);
        if (record[type_at] == 0 && value_len > 0 && value_len <= len - type_at - 5) {
            *ret_len = value_len;
            return type_at + 5;
        }
        at = type_at + 5 + value_len;
    }
    return 0;
}

static void sum(char *record, size_t len)
{
    uint32_t crc = hr_crc32c(hr_str_of(record, 4)) ^ hr_crc32c(hr_str_of(record + 8, len - 8));
    for (size_t i = 0; i < 4; i++) {
        record[4 + i] = (char)(crc >> (24 - 8 * i));
    }
}

/* Changes a digit of a field's value, so that the record lies under a sound checksum. False: it has none. */
static bool lie(struct sim_world *world, char *record, size_t len)
{
    size_t value_len = 0;
    size_t at = find_value(record, len, &value_len);
    if (at == 0) {
        return false;
    }
    char *digit = &record[at + sim_random_below(&world->store_random, value_len)];
    *digit = *digit == '9' ? '1' : (char)(*digit + 1);
    sum(record, len);
    return true;
}

/* Whether the site has changes of the origin after this clock, so that its feed tells what there was until then. */
static bool is_past(const struct sim_store *store, struct sim_version stamp)
{
    char name[24];
    snprintf(name, sizeof name, "v/%016llx", (unsigned long long)stamp.origin);
    const struct sim_item *item = sim_store_get(store, hr_str_c(name));
    struct hr_str row = item ? sim_item_value(item) : (struct hr_str){0};
    return row.len >= 17 && sim_known_be(row.ptr + 9, 8) > stamp.hlc;
}

/* Gives the first field that has a value a stamp that is a little later than its own. False: there is none, or that one may
 * have been given. */
static bool lie_of_stamp(const struct sim_world *world, const struct sim_store *store, char *record,
                         size_t len)
{
    size_t value_len = 0;
    size_t at = find_value(record, len, &value_len);
    if (at == 0) {
        return false;
    }
    char *bytes = record + at - 5 - 16; /* before the type and the length */
    struct sim_version stamp = {sim_known_be(bytes, 8) + 1, sim_known_be(bytes + 8, 8)};
    bool given = sim_known_stamped(&world->model->knowledge, stamp) != SIM_NOWHERE;
    if (given || !is_past(store, stamp) || (stamp.hlc & 0xffff) == 0) {
        return false;
    }
    for (size_t i = 0; i < 8; i++) {
        bytes[i] = (char)(stamp.hlc >> (56 - 8 * i));
    }
    sum(record, len);
    return true;
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
    if (key_len > sizeof key || len > sizeof value || len <= RECORD_HEAD_BYTES) {
        return;
    }
    if (sim_forged_somewhere(world, sim_item_key(item))) {
        return; /* one lie at a time: two sites that lie alike are most of three */
    }
    memcpy(key, item->bytes, key_len);
    memcpy(value, item->bytes + key_len, len);
    uint64_t bit = sim_random_below(&world->store_random, len * 8);
    if (window->amount % 2 > 0) {
        value[bit / 8] = (char)(value[bit / 8] ^ (1 << bit % 8));
    } else if (window->amount > 0 ? !lie_of_stamp(world, store, value, len)
                                  : !lie(world, value, len)) {
        return;
    }
    sim_trace_say(world, window->site, "its record %.*s is %s", (int)key_len, key,
                  window->amount % 2 > 0 ? "damaged" : "forged");
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
    case SIM_FAULT_REMOVE:
        remove_site(world, window, on);
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
