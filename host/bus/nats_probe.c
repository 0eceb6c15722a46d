/* Probing. With every change of what is subscribed, the first connection subscribes to a new subject
 * of its own; the second publishes to it until that arrives (the first time it may come before the
 * server knows the subject). The server takes a connection's commands in order, so whatever was
 * subscribed before works then. Afterwards a probe goes out now and then, to measure the way. */
#include <stdio.h>

#include "base/assert.h"
#include "host/bus/nats_headers.h"
#include "host/bus/nats_impl.h"
#include "host/obs/log.h"

#define MS UINT64_C(1000000)
#define FIRST_RETRY_MS 5u /* doubled with each try */
#define RETRY_MS_MAX 500u
#define IDLE_MS 2000u
#define CONNECT_MS 1000u
#define SECRET_BYTES 16u
#define ARRIVAL_HEADERS 2u

static uint64_t load(_Atomic uint64_t *value)
{
    return atomic_load(value);
}

bool hr_bus_nats_probe_is_live(struct hr_bus_nats *bus)
{
    uint64_t wanted = load(&bus->probe.wanted);
    return atomic_load(&bus->is_up) && load(&bus->probe.proved) >= wanted;
}

/* Nobody else should be able to fake an arrival. */
static bool make_subject(struct hr_bus_nats_probe *probe)
{
    unsigned char secret[SECRET_BYTES];
    char hex[2 * SECRET_BYTES + 1];
    if (uv_random(NULL, NULL, secret, sizeof secret, 0, NULL) < 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof secret; i++) {
        snprintf(hex + 2 * i, 3, "%02x", secret[i]);
    }
    snprintf(probe->subject, sizeof probe->subject, "_INBOX.probe.%s", hex);
    return true;
}

static void end_subscription(struct hr_bus_nats_probe *probe)
{
    natsSubscription_Destroy(probe->sub);
    probe->sub = NULL;
}

/* Subscribes to a new subject, behind all that is wanted by now. */
static bool subscribe(struct hr_bus_nats *bus)
{
    struct hr_bus_nats_probe *probe = &bus->probe;
    end_subscription(probe);
    probe->generation = load(&probe->wanted);
    probe->tries = 0;
    return make_subject(probe) &&
           hr_bus_nats_feed_open(bus, bus->nc, probe->subject, NULL, probe->generation, NULL,
                                 &probe->sub) == HR_OK;
}

static void disconnect(struct hr_bus_nats_probe *probe)
{
    natsConnection_Destroy(probe->nc);
    probe->nc = NULL;
}

/* Connects the second connection to the server that the first one is at. */
static bool connect_probe(struct hr_bus_nats *bus, uint64_t now_ns)
{
    struct hr_bus_nats_probe *probe = &bus->probe;
    char url[HR_BUS_NATS_URL_BYTES_MAX];
    if (probe->nc && !natsConnection_IsClosed(probe->nc)) {
        return true;
    }
    disconnect(probe);
    if (now_ns < probe->next_connect_ns) {
        return false;
    }
    probe->next_connect_ns = now_ns + CONNECT_MS * MS;
    natsStatus s = natsConnection_GetConnectedUrl(bus->nc, url, sizeof url);
    s = s ? s : natsOptions_SetServers(probe->options, (const char *[]){url}, 1);
    s = s ? s : natsConnection_Connect(&probe->nc, probe->options);
    if (s) {
        hr_bus_nats_link_complain(bus, "nats.probe", natsStatus_GetText(s));
    }
    return s == NATS_OK;
}

/* Publishes the time and two headers whose order, and whose empty value, show that headers come as they
 * were sent. */
static bool send_probe(struct hr_bus_nats_probe *probe, uint64_t now_ns)
{
    char body[24];
    natsMsg *msg = NULL;
    int len = snprintf(body, sizeof body, "%llu", (unsigned long long)now_ns);
    natsStatus s = natsMsg_Create(&msg, probe->subject, NULL, body, len);
    s = s ? s : natsMsgHeader_Add(msg, "Second: \r\nFirst", "1");
    s = s ? s : natsConnection_PublishMsg(probe->nc, msg);
    natsMsg_Destroy(msg);
    return s == NATS_OK;
}

/* When the next step is due; what is under way gets its time before something new is begun. */
static uint64_t due_ns(struct hr_bus_nats *bus)
{
    struct hr_bus_nats_probe *probe = &bus->probe;
    uint64_t proved = load(&probe->proved);
    bool under_way = probe->sub && proved < probe->generation;
    bool at_once = proved < load(&probe->wanted) && !under_way && !probe->failed;
    return at_once ? 0 : probe->next_ns;
}

void hr_bus_nats_probe_step(struct hr_bus_nats *bus, uint64_t now_ns)
{
    struct hr_bus_nats_probe *probe = &bus->probe;
    if (now_ns < due_ns(bus)) {
        return;
    }
    uint64_t proved = load(&probe->proved);
    bool is_proved = proved >= load(&probe->wanted);
    bool is_stale = !probe->sub || (!is_proved && proved >= probe->generation);
    probe->failed =
        !connect_probe(bus, now_ns) || (is_stale && !subscribe(bus)) || !send_probe(probe, now_ns);
    uint64_t wait_ms = (uint64_t)FIRST_RETRY_MS << (probe->tries < 8 ? probe->tries : 8);
    wait_ms = probe->failed || wait_ms > RETRY_MS_MAX ? RETRY_MS_MAX : wait_ms;
    probe->tries++;
    probe->next_ns = now_ns + (is_proved ? IDLE_MS : wait_ms) * MS;
}

int hr_bus_nats_probe_wait_ms(struct hr_bus_nats *bus, uint64_t now_ns)
{
    uint64_t next_ns = due_ns(bus);
    return next_ns > now_ns ? (int)((next_ns - now_ns) / MS) + 1 : 0;
}

static bool has_known_headers(natsMsg *msg)
{
    struct hr_bus_nats_headers headers;
    struct hr_str block;
    return hr_bus_nats_raw_headers(msg, &block) && hr_bus_nats_headers_parse(block, &headers) &&
           headers.count == ARRIVAL_HEADERS && hr_str_eq(headers.items[0].name, HR_STR("Second")) &&
           headers.items[0].value.len == 0 && hr_str_eq(headers.items[1].name, HR_STR("First")) &&
           hr_str_eq(headers.items[1].value, HR_STR("1"));
}

void hr_bus_nats_probe_arrived(struct hr_bus_nats *bus, const struct hr_bus_nats_feed *feed,
                               natsMsg *msg)
{
    uint64_t sent_ns;
    uint64_t now_ns = hr_now_ns();
    struct hr_str body = hr_str_of(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
    if (!hr_str_to_u64(body, &sent_ns) || sent_ns > now_ns) {
        return;
    }
    if (!has_known_headers(msg)) {
        hr_bus_nats_link_complain(bus, "nats.probe", "this nats.c keeps headers in another way");
        return;
    }
    uint64_t proved = load(&bus->probe.proved);
    while (proved < feed->generation &&
           !atomic_compare_exchange_weak(&bus->probe.proved, &proved, feed->generation)) {
    }
    atomic_store(&bus->probe.round_trip_ns, now_ns - sent_ns);
    if (proved < feed->generation && load(&bus->probe.wanted) > feed->generation) {
        hr_bus_nats_link_wake(bus);
    }
}

void hr_bus_nats_probe_reset(struct hr_bus_nats *bus)
{
    end_subscription(&bus->probe);
    disconnect(&bus->probe);
    bus->probe.next_ns = 0;
    bus->probe.next_connect_ns = 0;
    bus->probe.tries = 0;
    bus->probe.failed = false;
}

void hr_bus_nats_probe_close(struct hr_bus_nats *bus)
{
    hr_bus_nats_probe_reset(bus);
    natsOptions_Destroy(bus->probe.options);
}
