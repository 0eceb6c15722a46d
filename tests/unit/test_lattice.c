/* links: hr_lattice
 * How hosts meet, lose each other, and refuse each other: several lattices in one process, on a wire that can be
 * cut (wire.h). Nothing waits for a time that is not part of the claim, and no wait is without a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host/lattice/announcement.h"
#include "host/lattice/table.h"
#include "tests/unit/dice.h"
#include "tests/unit/wait_rig.h"
#include "tests/unit/wire.h"

#define HOSTS 4
#define ANNOUNCE_MS 20u
#define SILENT_MS 250u
#define HELLO_MS 200u
#define STARTED_MS 1000000u

struct host {
    struct wire_host *wire;
    struct hr_lattice *lattice;
    struct hr_lattice_self self;
    bool joined;
    enum hr_err join_err;
    bool closed;
    int events[HR_LATTICE_REFUSED + 1];
    int conflicts;
    char new_site[HR_LATTICE_NAME_BYTES_MAX + 1];
    char why[HR_LATTICE_WHY_BYTES_MAX];
};

static struct wire wire;
static struct host hosts[HOSTS];
static uint32_t silent_ms;

static void on_conflict(void *arg, const char *why)
{
    struct host *host = arg;
    host->conflicts++;
    snprintf(host->why, sizeof host->why, "%s", why);
}

static void on_event(void *arg, enum hr_lattice_event event, struct hr_str id, struct hr_str site,
                     const char *why)
{
    struct host *host = arg;
    (void)id;
    host->events[event]++;
    if (event == HR_LATTICE_NEW_SITE) {
        snprintf(host->new_site, sizeof host->new_site, "%.*s", HR_STR_ARG(site));
    }
    if (event == HR_LATTICE_REFUSED) {
        snprintf(host->why, sizeof host->why, "%s", why);
    }
}

static void on_joined(void *arg, enum hr_err err, const char *why)
{
    struct host *host = arg;
    host->joined = true;
    host->join_err = err;
    if (err) {
        snprintf(host->why, sizeof host->why, "%s", why);
    }
}

static bool has_joined(void *arg)
{
    return ((struct host *)arg)->joined;
}

static void on_closed(void *arg)
{
    ((struct host *)arg)->closed = true;
}

static bool has_closed(void *arg)
{
    return ((struct host *)arg)->closed;
}

static int begin(void **state)
{
    struct hr_diag diag;
    (void)state;
    memset(hosts, 0, sizeof hosts);
    silent_ms = SILENT_MS;
    wire_init(&wire);
    hr_timer_init(&watchdog, on_watchdog, NULL);
    hr_timer_init(&poll, on_poll, NULL);
    for (int i = 0; i < HOSTS; i++) {
        static const char *const names[HOSTS] = {"a", "b", "c", "d"};
        static const char *const sites[HOSTS] = {"aws", "azure", "gcp", "oracle"};
        hosts[i].self = (struct hr_lattice_self){.lattice = HR_STR("test"),
                                                 .host = hr_str_c(names[i]),
                                                 .site = hr_str_c(sites[i]),
                                                 .site_id = (uint16_t)(i + 1),
                                                 .store_id = {(unsigned char)(i + 1)},
                                                 .version = HR_STR("1.0")};
    }
    return hr_loop_init(&loop, &diag) ? -1 : 0;
}

static void open_at(struct host *host, uint64_t started_ms)
{
    struct hr_diag diag = {0};
    if (!host->wire) {
        host->wire = wire_attach(&wire);
    }
    const struct hr_lattice_options options = {
        .self = &host->self,
        .nats = &host->wire->base,
        .loop = &loop,
        .conflict_cb = on_conflict,
        .event_cb = on_event,
        .arg = host,
        .start_ms = started_ms,
        .announce_ms = ANNOUNCE_MS,
        .silent_ms = silent_ms,
        .hello_ms = HELLO_MS,
    };
    assert_int_equal(hr_lattice_open(&options, &host->lattice, &diag), HR_OK);
}

static void join_at(struct host *host, uint64_t started_ms)
{
    struct hr_diag diag = {0};
    open_at(host, started_ms);
    host->joined = false;
    assert_int_equal(hr_lattice_join(host->lattice, on_joined, host, &diag), HR_OK);
    assert_false(host->joined);
}

static void join(struct host *host)
{
    static uint64_t started_ms = STARTED_MS;
    join_at(host, ++started_ms);
    wait_until(has_joined, host);
}

static void leave(struct host *host)
{
    if (host->lattice) {
        host->closed = false;
        hr_lattice_close(host->lattice, on_closed, host);
        wait_until(has_closed, host);
        host->lattice = NULL;
    }
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < HOSTS; i++) {
        leave(&hosts[i]);
    }
    wire_release(&wire);
    for (int i = 0; i < HOSTS; i++) {
        if (hosts[i].wire) {
            hr_bus_close(&hosts[i].wire->base);
        }
    }
    hr_loop_release(&loop);
    int64_t live = hr_alloc_live();
    if (live != 0) {
        print_error("%lld allocations are left\n", (long long)live);
    }
    return live == 0 ? 0 : -1;
}

static uint64_t alive_at(struct host *host)
{
    struct hr_lattice_stats stats;
    hr_lattice_stats(host->lattice, &stats);
    return stats.hosts_alive;
}

struct expectation {
    struct host *host;
    uint64_t alive;
};

static bool sees(void *arg)
{
    const struct expectation *expected = arg;
    return alive_at(expected->host) == expected->alive;
}

static void wait_alive(struct host *host, uint64_t alive)
{
    struct expectation expected = {host, alive};
    wait_until(sees, &expected);
}

/* Whether @host would ask the host called @id for @subject. */
static bool would_ask(struct host *host, const char *id, const char *subject)
{
    struct hr_lattice_table *table = hr_lattice_table_get(host->lattice);
    struct hr_bus_index_walk walk;
    struct hr_bus_index_entry *entry;
    bool found = false;
    hr_bus_index_walk_init(&walk, &table->index, hr_str_c(subject));
    while ((entry = hr_bus_index_walk_next(&walk))) {
        const struct hr_lattice_table_entry *at =
            HR_LIST_OWNER(entry, struct hr_lattice_table_entry, entry);
        found = found || hr_str_eq(at->host->said->host, hr_str_c(id));
    }
    hr_lattice_table_unref(table);
    return found;
}

struct route {
    struct host *host;
    const char *id;
    const char *subject;
    bool there;
};

static bool route_is(void *arg)
{
    const struct route *route = arg;
    return would_ask(route->host, route->id, route->subject) == route->there;
}

static void wait_route(struct host *host, const char *id, const char *subject, bool there)
{
    struct route route = {host, id, subject, there};
    wait_until(route_is, &route);
}

/* Says something as if a host had. */
static void shout(struct hr_bus_port *port, const struct hr_lattice_announcement *said)
{
    struct hr_buf buf = {0};
    assert_int_equal(hr_lattice_announcement_encode(&buf, said), HR_OK);
    const struct hr_bus_msg msg = {.subject = HR_STR("hedgerow.test.evt.host"),
                                   .body = hr_buf_str(&buf)};
    assert_int_equal(hr_bus_publish(port, &msg), HR_OK);
    hr_buf_release(&buf);
}

/* --- meeting ----------------------------------------------------------------------------------------- */

/* The first host of a lattice joins without waiting; each later one knows all that are there when it has joined,
 * and the others know it soon. */
static void lattice_hosts_meet(void **state)
{
    (void)state;
    uint64_t began_ns = hr_now_ns();
    join(&hosts[0]);
    assert_int_equal(hosts[0].join_err, HR_OK);
    assert_true(hr_now_ns() - began_ns < HELLO_MS * (uint64_t)1000000);
    for (int i = 1; i < 3; i++) {
        join(&hosts[i]);
        assert_int_equal(hosts[i].join_err, HR_OK);
        assert_int_equal(alive_at(&hosts[i]), i + 1);
    }
    for (int i = 0; i < 3; i++) {
        wait_alive(&hosts[i], 3);
    }
    assert_int_equal(hosts[0].events[HR_LATTICE_JOINED], 2);
}

/* A host that leaves is gone at once: others do not wait for its silence, and ask it nothing more. */
static void lattice_leaving_is_told(void **state)
{
    (void)state;
    join(&hosts[0]);
    open_at(&hosts[1], STARTED_MS + 100);
    struct hr_diag diag;
    assert_int_equal(hr_lattice_serve(hosts[1].lattice, HR_STR("kv.get.>"), HR_STR("kv"), true),
                     HR_OK);
    assert_int_equal(hr_lattice_join(hosts[1].lattice, on_joined, &hosts[1], &diag), HR_OK);
    wait_route(&hosts[0], "b", "kv.get.x", true);
    hr_lattice_leave(hosts[1].lattice);
    wait_route(&hosts[0], "b", "kv.get.x", false);
    assert_int_equal(hosts[0].events[HR_LATTICE_LEFT], 1);
    struct hr_lattice_table *table = hr_lattice_table_get(hosts[0].lattice);
    assert_int_equal(table->host_count, 1); /* still there, for what it was asked before */
    assert_true(table->hosts[0].leaving);
    hr_lattice_table_unref(table);
    leave(&hosts[1]);
    wait_alive(&hosts[0], 1);
    assert_int_equal(hosts[0].events[HR_LATTICE_GONE], 0);
}

/* A host that falls silent is gone after the time for that, not before, and back when it is heard again. */
static void lattice_silence_is_noticed(void **state)
{
    (void)state;
    join(&hosts[0]);
    join(&hosts[1]);
    wait_alive(&hosts[0], 2);
    hosts[1].wire->state = WIRE_SILENT;
    uint64_t began_ns = hr_now_ns();
    wait_alive(&hosts[0], 1);
    uint64_t took_ms = (hr_now_ns() - began_ns) / 1000000;
    print_message("noticed after %llu ms\n", (unsigned long long)took_ms);
    assert_true(took_ms >= SILENT_MS - ANNOUNCE_MS * 5 / 4 - 10);
    assert_int_equal(hosts[0].events[HR_LATTICE_GONE], 1);
    wait_alive(&hosts[1], 1);
    hosts[1].wire->state = WIRE_UP;
    wait_alive(&hosts[0], 2);
    wait_alive(&hosts[1], 2);
    assert_int_equal(hosts[0].events[HR_LATTICE_JOINED], 2);
    assert_int_equal(hosts[0].conflicts + hosts[1].conflicts, 0);
}

/* That a site is there for the first time is told once, and not again of its further hosts, nor when it comes back;
 * of the own one never. */
static void lattice_tells_of_a_new_site_once(void **state)
{
    (void)state;
    hosts[2].self.site = hosts[1].self.site; /* another host of it */
    hosts[2].self.site_id = hosts[1].self.site_id;
    memcpy(hosts[2].self.store_id, hosts[1].self.store_id, sizeof hosts[2].self.store_id);
    hosts[3].self.site = hosts[0].self.site;
    hosts[3].self.site_id = hosts[0].self.site_id;
    memcpy(hosts[3].self.store_id, hosts[0].self.store_id, sizeof hosts[3].self.store_id);
    join(&hosts[0]);
    join(&hosts[1]);
    wait_alive(&hosts[0], 2);
    assert_int_equal(hosts[0].events[HR_LATTICE_NEW_SITE], 1);
    assert_string_equal(hosts[0].new_site, "azure");
    join(&hosts[2]);
    join(&hosts[3]);
    wait_alive(&hosts[0], 4);
    leave(&hosts[1]);
    leave(&hosts[2]);
    wait_alive(&hosts[0], 2);
    join(&hosts[1]);
    wait_alive(&hosts[0], 3);
    assert_int_equal(hosts[0].events[HR_LATTICE_NEW_SITE], 1);
    assert_int_equal(hosts[3].events[HR_LATTICE_NEW_SITE], 1);
}

/* What is served is announced, also when it changes later; the same subject from several loops is one entry. */
static void lattice_serves_are_announced(void **state)
{
    (void)state;
    join(&hosts[0]);
    join(&hosts[1]);
    struct hr_str subject = HR_STR("kv.get.>");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hr_lattice_serve(hosts[1].lattice, subject, HR_STR("kv"), true), HR_OK);
    }
    assert_int_equal(hr_lattice_serve(hosts[1].lattice, HR_STR("have"), HR_STR(""), false), HR_OK);
    wait_route(&hosts[0], "b", "kv.get.x", true);
    assert_false(would_ask(&hosts[0], "b", "have")); /* not by name */
    hr_lattice_unserve(hosts[1].lattice, subject, HR_STR("kv"), true);
    run_for(3 * ANNOUNCE_MS);
    assert_true(would_ask(&hosts[0], "b", "kv.get.x"));
    hr_lattice_unserve(hosts[1].lattice, subject, HR_STR("kv"), true);
    wait_route(&hosts[0], "b", "kv.get.x", false);
    hr_lattice_unserve(hosts[1].lattice, HR_STR("have"), HR_STR(""), false);
}

static bool one_is_missing(void *arg)
{
    struct hr_lattice_stats stats;
    hr_lattice_stats(((struct host *)arg)->lattice, &stats);
    return stats.unannounced == 1;
}

/* A host with more subjects than an announcement holds lists what fits, and counts the rest. */
static void lattice_serves_no_more_than_fits(void **state)
{
    (void)state;
    char subject[32];
    join(&hosts[0]);
    join(&hosts[1]);
    for (uint32_t i = 0; i <= HR_LATTICE_SERVED_MAX; i++) {
        snprintf(subject, sizeof subject, "s.%u", i);
        assert_int_equal(hr_lattice_serve(hosts[1].lattice, hr_str_c(subject), HR_STR(""), true),
                         HR_OK);
    }
    wait_route(&hosts[0], "b", "s.255", true);
    assert_false(would_ask(&hosts[0], "b", subject));
    assert_true(one_is_missing(&hosts[1]));
    hr_lattice_unserve(hosts[1].lattice, HR_STR("s.0"), HR_STR(""), true);
    wait_route(&hosts[0], "b", subject, true); /* there is room now */
}

/* While NATS is away nobody else can be asked; when it is back, all are there again. */
static void lattice_connection_decides_who_can_be_asked(void **state)
{
    (void)state;
    join(&hosts[0]);
    join(&hosts[1]);
    assert_int_equal(hr_lattice_serve(hosts[1].lattice, HR_STR("x"), HR_STR(""), true), HR_OK);
    wait_route(&hosts[0], "b", "x", true);
    hr_lattice_set_connected(hosts[0].lattice, false);
    wait_route(&hosts[0], "b", "x", false);
    hr_lattice_set_connected(hosts[0].lattice, true);
    wait_route(&hosts[0], "b", "x", true);
}

/* Joining while NATS is away does not wait, and the host meets the others later; also if nobody had said that it is
 * away. */
static void check_join_without_nats(bool told)
{
    struct hr_diag diag;
    join(&hosts[0]);
    open_at(&hosts[1], STARTED_MS + 500);
    hosts[1].wire->state = WIRE_AWAY;
    if (told) {
        hr_lattice_set_connected(hosts[1].lattice, false);
        run_for(5);
    }
    assert_int_equal(hr_lattice_join(hosts[1].lattice, on_joined, &hosts[1], &diag), HR_OK);
    wait_until(has_joined, &hosts[1]);
    assert_int_equal(hosts[1].join_err, HR_OK);
    hosts[1].wire->state = WIRE_UP;
    hr_lattice_set_connected(hosts[1].lattice, true);
    wait_alive(&hosts[1], 2);
    wait_alive(&hosts[0], 2);
}

static void lattice_join_without_nats(void **state)
{
    (void)state;
    check_join_without_nats(true);
}

static void lattice_join_before_nats(void **state)
{
    (void)state;
    check_join_without_nats(false);
}

static bool has_round_trip(void *arg)
{
    struct hr_lattice_site sites[HR_LATTICE_SITES_MAX];
    size_t count;
    hr_lattice_sites(((struct host *)arg)->lattice, sites, HR_LATTICE_SITES_MAX, &count);
    return count == 2 && sites[1].round_trip_us >= 20000;
}

/* The way to another site is measured; sites that have gone are still listed, the own one comes first. */
static void lattice_sites_are_listed(void **state)
{
    (void)state;
    struct hr_lattice_site sites[HR_LATTICE_SITES_MAX];
    size_t count;
    join(&hosts[1]);
    join(&hosts[0]);
    hosts[0].wire->delay_ms = 10; /* both ways */
    wait_until(has_round_trip, &hosts[1]);
    hr_lattice_sites(hosts[1].lattice, sites, HR_LATTICE_SITES_MAX, &count);
    assert_string_equal(sites[0].name, "azure");
    assert_true(sites[0].here && sites[0].alive && sites[0].silent_ms == 0);
    assert_string_equal(sites[1].name, "aws");
    assert_true(!sites[1].here && sites[1].alive && sites[1].hosts == 1 && sites[1].id == 1);
    /* Both have the same clock; a minute is more than any machine takes for a ping. */
    assert_true(sites[1].clock_known && llabs(sites[1].clock_ahead_ms) < 60000);
    assert_false(sites[0].clock_known);
    leave(&hosts[0]);
    wait_alive(&hosts[1], 1);
    hr_lattice_sites(hosts[1].lattice, sites, 1, &count);
    assert_int_equal(count, 1);
    hr_lattice_sites(hosts[1].lattice, sites, HR_LATTICE_SITES_MAX, &count);
    assert_int_equal(count, 2);
    assert_true(!sites[1].alive && sites[1].hosts == 0);
}

static bool knows_of_catching_up(void *arg)
{
    struct hr_lattice_site sites[HR_LATTICE_SITES_MAX];
    size_t count;
    hr_lattice_sites(((struct host *)arg)->lattice, sites, HR_LATTICE_SITES_MAX, &count);
    return count == 2 && sites[1].catching_up;
}

static bool knows_of_none_catching_up(void *arg)
{
    return !knows_of_catching_up(arg);
}

/* That a site is catching up is seen at once where it is said, and announced to the others; so is its end. */
static void lattice_catching_up_is_announced(void **state)
{
    (void)state;
    struct hr_lattice_site site;
    struct hr_lattice_stats stats;
    size_t count;
    join(&hosts[0]);
    join(&hosts[1]);
    wait_alive(&hosts[1], 2);
    assert_true(knows_of_none_catching_up(&hosts[1]));
    hr_lattice_set_catching_up(hosts[0].lattice, true);
    hr_lattice_sites(hosts[0].lattice, &site, 1, &count);
    assert_true(site.here && site.catching_up);
    wait_until(knows_of_catching_up, &hosts[1]);
    hr_lattice_stats(hosts[1].lattice, &stats);
    assert_int_equal(stats.sites_catching_up, 1);
    hr_lattice_set_catching_up(hosts[0].lattice, false);
    wait_until(knows_of_none_catching_up, &hosts[1]);
}

static uint32_t load_is_seven(void *arg)
{
    (void)arg;
    return 7;
}

/* The JSON of what is known names hosts, sites and what they serve; a limit leaves the buffer as it was. */
static void lattice_renders_json(void **state)
{
    (void)state;
    struct hr_buf buf = {0};
    struct hr_buf small = {.max = 100};
    join(&hosts[0]);
    hr_lattice_set_load(hosts[0].lattice, load_is_seven, NULL);
    assert_int_equal(hr_lattice_serve(hosts[0].lattice, HR_STR("a\"b.>"), HR_STR("q"), true),
                     HR_OK);
    join(&hosts[1]);
    wait_route(&hosts[1], "a", "a\"b.c", true);
    assert_int_equal(hr_lattice_render_json(hosts[1].lattice, &buf), HR_OK);
    assert_int_equal(hr_buf_append_byte(&buf, '\0'), HR_OK);
    print_message("%s\n", buf.ptr);
    assert_non_null(
        strstr(buf.ptr, "{\"lattice\": \"test\", \"host\": \"b\", \"site\": \"azure\""));
    assert_non_null(strstr(buf.ptr, "\"subject\": \"a\\\"b.>\", \"queue\": \"q\""));
    assert_non_null(strstr(buf.ptr, "\"load\": 7"));
    assert_non_null(strstr(buf.ptr, "{\"name\": \"aws\", \"id\": 1, \"here\": false"));
    assert_int_equal(hr_lattice_render_json(hosts[1].lattice, &small), HR_TOO_BIG);
    assert_int_equal(small.len, 0);
    hr_buf_release(&buf);
    hr_buf_release(&small);
}

/* --- conflicts --------------------------------------------------------------------------------------- */

/* Host 1 joins after host 0 and must be refused, with @text in the reason; host 0 goes on. */
static void check_refused_at_start(const char *text)
{
    join(&hosts[0]);
    join_at(&hosts[1], STARTED_MS - 1); /* its clock is behind: it is the later one all the same */
    wait_until(has_joined, &hosts[1]);
    print_message("%s\n", hosts[1].why);
    assert_int_equal(hosts[1].join_err, HR_CONFLICT);
    assert_non_null(strstr(hosts[1].why, text));
    run_for(2 * ANNOUNCE_MS);
    assert_int_equal(hosts[0].conflicts, 0);
    assert_int_equal(alive_at(&hosts[0]), 1);
}

/* A host id that is in use is refused at the start. */
static void lattice_refuses_a_host_id_in_use(void **state)
{
    (void)state;
    hosts[1].self.host = hosts[0].self.host;
    check_refused_at_start("HEDGEROW_HOST");
}

/* A site's name with another store is refused at the start. */
static void lattice_refuses_a_site_with_another_store(void **state)
{
    (void)state;
    hosts[1].self.site = hosts[0].self.site;
    hosts[1].self.site_id = hosts[0].self.site_id;
    check_refused_at_start("HEDGEROW_STORE");
}

/* A site's name with another number is refused at the start. */
static void lattice_refuses_a_site_with_another_number(void **state)
{
    (void)state;
    hosts[1].self.site = hosts[0].self.site;
    memcpy(hosts[1].self.store_id, hosts[0].self.store_id, sizeof hosts[0].self.store_id);
    check_refused_at_start("the site aws has the number 1 at host a");
}

/* A number that another site has is refused at the start. */
static void lattice_refuses_a_number_of_another_site(void **state)
{
    (void)state;
    hosts[1].self.site_id = hosts[0].self.site_id;
    check_refused_at_start("HEDGEROW_SITE_ID");
}

/* Two hosts of one site with one store are no conflict, nor is one without a store. */
static void lattice_takes_two_hosts_of_a_site(void **state)
{
    (void)state;
    for (int i = 1; i < 3; i++) {
        hosts[i].self.site = hosts[0].self.site;
        hosts[i].self.site_id = hosts[0].self.site_id;
        memset(hosts[i].self.store_id, 0, sizeof hosts[i].self.store_id);
    }
    memcpy(hosts[1].self.store_id, hosts[0].self.store_id, sizeof hosts[0].self.store_id);
    for (int i = 0; i < 3; i++) {
        join(&hosts[i]);
        assert_int_equal(hosts[i].join_err, HR_OK);
    }
    wait_alive(&hosts[0], 3);
    struct hr_lattice_stats stats;
    hr_lattice_stats(hosts[0].lattice, &stats);
    assert_int_equal(stats.sites_alive, 1);
    assert_int_equal(stats.conflicts, 0);
}

/* A host that is started again with its id is no conflict, neither after it has left nor after it was killed;
 * others take the new one when they have given up the old one. */
static void lattice_takes_a_restarted_host(void **state)
{
    (void)state;
    join(&hosts[0]);
    join(&hosts[1]);
    assert_int_equal(hr_lattice_serve(hosts[1].lattice, HR_STR("old"), HR_STR(""), true), HR_OK);
    wait_route(&hosts[0], "b", "old", true);
    hosts[1].wire->state = WIRE_SILENT; /* killed: it says no goodbye */
    hosts[2].self = hosts[1].self;
    join(&hosts[2]);
    assert_int_equal(hosts[2].join_err, HR_OK);
    assert_int_equal(hr_lattice_serve(hosts[2].lattice, HR_STR("new"), HR_STR(""), true), HR_OK);
    wait_route(&hosts[0], "b", "new", true);
    assert_false(would_ask(&hosts[0], "b", "old"));
    assert_int_equal(hosts[0].conflicts + hosts[2].conflicts, 0);
    assert_int_equal(hosts[0].events[HR_LATTICE_REFUSED], 0);

    leave(&hosts[2]); /* says goodbye: the next one is there at once */
    hosts[3].self = hosts[1].self;
    join(&hosts[3]);
    assert_int_equal(hosts[3].join_err, HR_OK);
    assert_int_equal(hr_lattice_serve(hosts[3].lattice, HR_STR("newer"), HR_STR(""), true), HR_OK);
    wait_route(&hosts[0], "b", "newer", true);
}

static bool gave_up(void *arg)
{
    return ((struct host *)arg)->conflicts > 0;
}

/* Two halves of a lattice that started apart and meet later: the one that started later has to stop, and says so
 * once; the earlier one and a third party ignore it. */
static void lattice_later_one_stops_when_halves_meet(void **state)
{
    (void)state;
    hosts[2].self.site_id = hosts[0].self.site_id;
    join(&hosts[0]);
    join(&hosts[1]);
    open_at(&hosts[2], STARTED_MS + 100000);
    hosts[2].wire->state = WIRE_SILENT;
    struct hr_diag diag;
    assert_int_equal(hr_lattice_serve(hosts[2].lattice, HR_STR("x"), HR_STR(""), true), HR_OK);
    assert_int_equal(hr_lattice_join(hosts[2].lattice, on_joined, &hosts[2], &diag), HR_OK);
    wait_until(has_joined, &hosts[2]);
    assert_int_equal(hosts[2].join_err, HR_OK);
    hosts[2].wire->state = WIRE_UP;
    wait_until(gave_up, &hosts[2]);
    assert_non_null(strstr(hosts[2].why, "HEDGEROW_SITE_ID"));
    run_for(3 * ANNOUNCE_MS);
    assert_int_equal(hosts[2].conflicts, 1);
    assert_int_equal(hosts[0].conflicts + hosts[1].conflicts, 0);
    assert_false(would_ask(&hosts[0], "c", "x"));
    assert_false(would_ask(&hosts[1], "c", "x"));
}

/* A host that does not stop, though it should, is told of once and ignored, by the one that was there before and
 * by a third one; it is let in when the other has gone. */
static void lattice_ignores_who_does_not_stop(void **state)
{
    (void)state;
    join(&hosts[0]);
    join(&hosts[1]);
    struct hr_bus_port *port;
    struct wire_host *stranger = wire_attach(&wire);
    assert_int_equal(hr_bus_port_open(&stranger->base, &loop, &port, NULL), HR_OK);
    const struct hr_lattice_served served = {.subject = HR_STR("x"), .direct = true};
    const struct hr_lattice_announcement head = {.host = HR_STR("z"),
                                                 .boot = 9,
                                                 .started_ms = UINT64_MAX,
                                                 .site = HR_STR("zoo"),
                                                 .site_id = 1,
                                                 .version = HR_STR("9")};
    struct hr_lattice_announcement *said = hr_lattice_announcement_new(&head, &served, 1);
    for (int i = 0; i < 5; i++) {
        shout(port, said);
        run_for(ANNOUNCE_MS / 4);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hosts[i].events[HR_LATTICE_REFUSED], 1);
        assert_int_equal(hosts[i].events[HR_LATTICE_NEW_SITE],
                         1); /* each other: not who is refused */
        assert_non_null(strstr(hosts[i].why, "the number 1 is that of the site aws (host a)"));
        assert_false(would_ask(&hosts[i], "z", "x"));
        assert_int_equal(alive_at(&hosts[i]), 2);
    }
    leave(&hosts[0]);
    for (int i = 0; i < 3; i++) {
        shout(port, said);
        run_for(ANNOUNCE_MS / 4);
    }
    assert_true(would_ask(&hosts[1], "z", "x"));
    assert_int_equal(hosts[1].events[HR_LATTICE_NEW_SITE], 2);
    hr_lattice_announcement_unref(said);
    hr_bus_port_close(port, NULL, NULL);
    run_for(5);
    wire_release(&wire);
    hr_bus_close(&stranger->base);
}

/* Two that run with one id: everybody hears of it, once, and keeps to the earlier one. */
static void lattice_keeps_to_the_earlier_of_two(void **state)
{
    (void)state;
    join(&hosts[0]);
    join(&hosts[1]);
    struct hr_bus_port *port;
    struct wire_host *stranger = wire_attach(&wire);
    assert_int_equal(hr_bus_port_open(&stranger->base, &loop, &port, NULL), HR_OK);
    const struct hr_lattice_served served = {.subject = HR_STR("x"), .direct = true};
    const struct hr_lattice_announcement head = {.host = HR_STR("a"),
                                                 .boot = 9,
                                                 .started_ms = UINT64_MAX,
                                                 .site = HR_STR("aws"),
                                                 .site_id = 1,
                                                 .version = HR_STR("9")};
    struct hr_lattice_announcement *said = hr_lattice_announcement_new(&head, &served, 1);
    for (int i = 0; i < 20; i++) {
        shout(port, said);
        run_for(ANNOUNCE_MS / 2);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hosts[i].events[HR_LATTICE_REFUSED], 1);
        assert_non_null(strstr(hosts[i].why, "the host id a is in use already"));
        assert_int_equal(hosts[i].conflicts, 0);
    }
    assert_false(would_ask(&hosts[1], "a", "x"));
    hr_lattice_announcement_unref(said);
    hr_bus_port_close(port, NULL, NULL);
    run_for(5);
    wire_release(&wire);
    hr_bus_close(&stranger->base);
}

/* --- what comes from outside -------------------------------------------------------------------------- */

#define GOOD_HEAD                                                                             \
    "\"v\": 1, \"boot\": \"0123456789abcdef\", \"started\": 5, \"site_id\": 9, \"version\": " \
    "\"1\", "                                                                                 \
    "\"load\": 0, \"hosts\": 1, \"leaving\": false, \"store\": "                              \
    "\"00000000000000000000000000000000\""

/* Bytes that are no announcement, or one that no host of ours would make, change nothing and are counted. */
static void lattice_survives_hostile_announcements(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "null",
        "{" GOOD_HEAD "}",
        "{" GOOD_HEAD ", \"host\": \"x\", \"site\": \"s\"}",
        "{" GOOD_HEAD ", \"host\": \"x.y\", \"site\": \"s\", \"serves\": []}",
        "{" GOOD_HEAD ", \"host\": \"\", \"site\": \"s\", \"serves\": []}",
        "{" GOOD_HEAD
        ", \"host\": \"123456789012345678901234567890123\", \"site\": \"s\", \"serves\": []}",
        "{" GOOD_HEAD ", \"host\": \"x\", \"site\": \"s s\", \"serves\": []}",
        "{" GOOD_HEAD ", \"host\": \"x\", \"site\": \"s\\u0000\", \"serves\": []}",
        "{" GOOD_HEAD ", \"host\": \"x\", \"site\": \"s\", \"serves\": {}}",
        "{" GOOD_HEAD ", \"host\": \"x\", \"site\": \"s\", \"serves\": [1]}",
        "{" GOOD_HEAD ", \"host\": \"x\", \"site\": \"s\", \"serves\": [{\"subject\": \"a..b\"}]}",
        "{" GOOD_HEAD ", \"host\": \"x\", \"site\": \"s\", \"serves\": [{\"subject\": \"a b\"}]}",
        "{" GOOD_HEAD ", \"host\": \"x\", \"site\": \"s\", \"serves\": [{\"subject\": \"a\", "
        "\"queue\": \"q q\"}]}",
        "{\"v\": 2, \"host\": \"x\", \"site\": \"s\", \"serves\": []}",
    };
    static char big[HR_LATTICE_ANNOUNCEMENT_BYTES_MAX + 1];
    struct hr_bus_port *port;
    struct wire_host *stranger = wire_attach(&wire);
    struct hr_lattice_stats stats;
    join(&hosts[0]);
    assert_int_equal(hr_bus_port_open(&stranger->base, &loop, &port, NULL), HR_OK);
    size_t count = sizeof bodies / sizeof bodies[0];
    for (size_t i = 0; i < count; i++) {
        const struct hr_bus_msg msg = {.subject = HR_STR("hedgerow.test.evt.host"),
                                       .body = hr_str_c(bodies[i])};
        assert_int_equal(hr_bus_publish(port, &msg), HR_OK);
    }
    memset(big, ' ', sizeof big);
    const struct hr_bus_msg msg = {.subject = HR_STR("hedgerow.test.evt.host"),
                                   .body = hr_str_of(big, sizeof big)};
    assert_int_equal(hr_bus_publish(port, &msg), HR_OK);
    const struct hr_bus_msg hello = {.subject = HR_STR("hedgerow.test.ctl.hello")};
    assert_int_equal(hr_bus_publish(port, &hello), HR_OK);
    const struct hr_bus_msg ping = {.subject = HR_STR("hedgerow.test.ctl.a.ping")};
    assert_int_equal(hr_bus_publish(port, &ping), HR_OK);
    run_for(20);
    hr_lattice_stats(hosts[0].lattice, &stats);
    assert_int_equal(stats.malformed, count + 1);
    assert_int_equal(stats.hosts_alive, 1);
    hr_bus_port_close(port, NULL, NULL);
    run_for(5);
    wire_release(&wire);
    hr_bus_close(&stranger->base);
}

static bool is_full(void *arg)
{
    struct hr_lattice_stats stats;
    hr_lattice_stats(hosts[0].lattice, &stats);
    return stats.overflows == *(uint64_t *)arg;
}

/* More hosts than there is room for are counted and ignored; those that went make room. */
static void lattice_bounds_its_hosts(void **state)
{
    (void)state;
    struct hr_bus_port *port;
    struct wire_host *stranger = wire_attach(&wire);
    struct hr_lattice_stats stats;
    char name[16];
    silent_ms = 2000; /* time to hear them all */
    join(&hosts[0]);
    assert_int_equal(hr_bus_port_open(&stranger->base, &loop, &port, NULL), HR_OK);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < HR_LATTICE_HOSTS_MAX + 3; i++) {
            snprintf(name, sizeof name, "%c%u", 'p' + round, i);
            const struct hr_lattice_announcement said = {.host = hr_str_c(name),
                                                         .boot = 1,
                                                         .site = HR_STR("zoo"),
                                                         .site_id = 77,
                                                         .version = HR_STR("9")};
            shout(port, &said);
        }
        uint64_t overflows = 3u * ((uint64_t)round + 1);
        wait_until(is_full, &overflows);
        hr_lattice_stats(hosts[0].lattice, &stats);
        assert_int_equal(stats.hosts_alive, HR_LATTICE_HOSTS_MAX + 1);
        wait_alive(&hosts[0], 1);
    }
    hr_bus_port_close(port, NULL, NULL);
    run_for(5);
    wire_release(&wire);
    hr_bus_close(&stranger->base);
}

/* What a host says comes out of JSON as it went in, however odd its subjects are. */
static void lattice_announcement_keeps_what_is_said(void **state)
{
    (void)state;
    const struct hr_lattice_served served[] = {
        {HR_STR("a\\\"b.>"), HR_STR(""), true},
        {HR_STR("gr\xc3\xbc\xc3\x9f.*"), HR_STR("\"q\""), false},
    };
    const struct hr_lattice_announcement head = {.host = HR_STR("host-1"),
                                                 .boot = 0xfedcba9876543210u,
                                                 .started_ms = UINT64_MAX,
                                                 .site = HR_STR("a_site-1"),
                                                 .site_id = UINT16_MAX,
                                                 .store_id = {0, 255, 127},
                                                 .version = HR_STR("0.1.0 (x)"),
                                                 .load = UINT32_MAX,
                                                 .hosts = 3,
                                                 .leaving = true,
                                                 .catching_up = true};
    struct hr_lattice_announcement *said = hr_lattice_announcement_new(&head, served, 2);
    struct hr_lattice_announcement *back;
    struct hr_buf buf = {0};
    assert_int_equal(hr_lattice_announcement_encode(&buf, said), HR_OK);
    assert_int_equal(hr_lattice_announcement_decode(hr_buf_str(&buf), &back), HR_OK);
    assert_true(hr_str_eq(back->host, said->host) && hr_str_eq(back->site, said->site));
    assert_true(hr_str_eq(back->version, said->version));
    assert_true(back->boot == said->boot && back->started_ms == said->started_ms);
    assert_true(back->load == said->load && back->hosts == 3 && back->leaving);
    assert_true(back->catching_up);
    assert_memory_equal(back->store_id, said->store_id, sizeof said->store_id);
    assert_int_equal(back->site_id, UINT16_MAX);
    assert_true(hr_lattice_announcement_same_served(back, said));
    hr_buf_release(&buf);
    hr_lattice_announcement_unref(back);
    hr_lattice_announcement_unref(said);
}

/* A lattice that has not joined, or is joining, closes. */
static void lattice_closes_at_any_time(void **state)
{
    (void)state;
    struct hr_diag diag;
    open_at(&hosts[0], 1);
    leave(&hosts[0]);
    hosts[1].wire = wire_attach(&wire);
    hosts[1].wire->state = WIRE_SILENT;
    join_at(&hosts[1], 1);
    leave(&hosts[1]);
    assert_true(hosts[1].joined);
    assert_int_equal(hosts[1].join_err, HR_CANCELED);
    hosts[2].self.host = HR_STR("a.b");
    const struct hr_lattice_options options = {
        .self = &hosts[2].self, .nats = &hosts[0].wire->base, .loop = &loop};
    assert_int_equal(hr_lattice_open(&options, &hosts[2].lattice, &diag), HR_BAD_INPUT);
    assert_non_null(strstr(diag.text, "a host's id is"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lattice_hosts_meet),
        CASE(lattice_leaving_is_told),
        CASE(lattice_silence_is_noticed),
        CASE(lattice_tells_of_a_new_site_once),
        CASE(lattice_serves_are_announced),
        CASE(lattice_serves_no_more_than_fits),
        CASE(lattice_connection_decides_who_can_be_asked),
        CASE(lattice_join_without_nats),
        CASE(lattice_join_before_nats),
        CASE(lattice_sites_are_listed),
        CASE(lattice_catching_up_is_announced),
        CASE(lattice_renders_json),
        CASE(lattice_refuses_a_host_id_in_use),
        CASE(lattice_refuses_a_site_with_another_store),
        CASE(lattice_refuses_a_site_with_another_number),
        CASE(lattice_refuses_a_number_of_another_site),
        CASE(lattice_takes_two_hosts_of_a_site),
        CASE(lattice_takes_a_restarted_host),
        CASE(lattice_later_one_stops_when_halves_meet),
        CASE(lattice_ignores_who_does_not_stop),
        CASE(lattice_keeps_to_the_earlier_of_two),
        CASE(lattice_survives_hostile_announcements),
        CASE(lattice_bounds_its_hosts),
        CASE(lattice_announcement_keeps_what_is_said),
        CASE(lattice_closes_at_any_time),
    };
    return cmocka_run_group_tests_name("lattice", tests, NULL, NULL);
}
