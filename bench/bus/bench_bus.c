/* A request and its reply over a real nats-server: through two buses of host/bus/nats.h (as two hosts), and
 * through two connections of nats.c, natsConnection_Request to a subscription with a callback. The two ways
 * take turns, round by round, within one run; the medians of both and of the rounds' ratios come out.
 * First argument: the server's URL. */
#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/bus/nats.h"
#include "host/obs/log.h"

#define ROUNDS 15
#define PINGS 1000 /* of one round, one after the other */
#define BODY_BYTES 128
#define TIMEOUT_MS 10000

struct host {
    struct hr_loop loop;
    struct hr_bus *bus;
    struct hr_bus_port *port;
    struct hr_bus_sub *sub;
    pthread_t thread;
    struct hr_task stop;
};

static struct host asker;
static struct host answerer;
static char body[BODY_BYTES];
static uint64_t times_ns[PINGS];
static uint64_t sent_ns;
static int pings;

static void need(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "failed: %s\n", what);
        exit(1);
    }
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t median_of_times(void)
{
    qsort(times_ns, PINGS, sizeof times_ns[0], compare_u64);
    return times_ns[PINGS / 2];
}

static void on_request(void *arg, const struct hr_bus_msg *msg)
{
    struct host *host = arg;
    struct hr_bus_msg reply = {.subject = msg->reply_to, .body = msg->body};
    need(hr_bus_publish(host->port, &reply) == HR_OK, "publish");
}

static void ping(void);

static void on_reply(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    (void)arg;
    (void)reply;
    need(err == HR_OK, "request");
    times_ns[pings++] = hr_now_ns() - sent_ns;
    if (pings == PINGS) {
        hr_loop_stop(&asker.loop);
    } else {
        ping();
    }
}

static void ping(void)
{
    struct hr_bus_msg msg = {.subject = HR_STR("bench.bus"), .body = {body, sizeof body}};
    sent_ns = hr_now_ns();
    need(hr_bus_request(asker.port, &msg, TIMEOUT_MS, on_reply, NULL, NULL) == HR_OK, "request");
}

static uint64_t round_of_bus(void)
{
    pings = 0;
    ping();
    hr_loop_run(&asker.loop);
    return median_of_times();
}

static void open_host(struct host *host, const char *url)
{
    struct hr_str urls = hr_str_c(url);
    struct hr_bus_nats_options options = {.urls = &urls, .url_count = 1};
    struct hr_diag diag = {0};
    need(hr_loop_init(&host->loop, &diag) == HR_OK, diag.text);
    need(hr_bus_nats_open(&options, &host->bus, &diag) == HR_OK, diag.text);
    need(hr_bus_port_open(host->bus, &host->loop, &host->port, &diag) == HR_OK, diag.text);
}

static void await_live(struct host *host)
{
    for (int i = 0; !hr_bus_nats_live(host->bus); i++) {
        need(i < TIMEOUT_MS, "no server");
        uv_sleep(1);
    }
}

static void *run_loop(void *arg)
{
    struct host *host = arg;
    hr_loop_run(&host->loop);
    return NULL;
}

static void on_closed(void *arg)
{
    struct host *host = arg;
    hr_loop_stop(&host->loop);
}

static void close_answerer(void *arg)
{
    struct host *host = arg;
    hr_bus_port_close(host->port, on_closed, host);
}

static void on_nats_request(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)sub;
    (void)closure;
    need(natsConnection_Publish(nc, natsMsg_GetReply(msg), natsMsg_GetData(msg),
                                natsMsg_GetDataLength(msg)) == NATS_OK,
         "nats publish");
    natsMsg_Destroy(msg);
}

static uint64_t round_of_nats(natsConnection *nc)
{
    for (int i = 0; i < PINGS; i++) {
        natsMsg *reply = NULL;
        uint64_t began_ns = hr_now_ns();
        need(natsConnection_Request(&reply, nc, "bench.nats", body, sizeof body, TIMEOUT_MS) ==
                 NATS_OK,
             "nats request");
        times_ns[i] = hr_now_ns() - began_ns;
        natsMsg_Destroy(reply);
    }
    return median_of_times();
}

static natsConnection *connect_nats(const char *url)
{
    natsOptions *options = NULL;
    natsConnection *nc = NULL;
    need(natsOptions_Create(&options) == NATS_OK && natsOptions_SetURL(options, url) == NATS_OK &&
             natsOptions_SetSendAsap(options, true) == NATS_OK &&
             natsConnection_Connect(&nc, options) == NATS_OK,
         "nats connect");
    natsOptions_Destroy(options);
    return nc;
}

static void measure(natsConnection *nc)
{
    double ratios[ROUNDS];
    uint64_t bus_ns[ROUNDS];
    uint64_t nats_ns[ROUNDS];
    round_of_bus();
    round_of_nats(nc);
    for (int i = 0; i < ROUNDS; i++) {
        bus_ns[i] = round_of_bus();
        nats_ns[i] = round_of_nats(nc);
        ratios[i] = (double)bus_ns[i] / (double)nats_ns[i];
    }
    qsort(bus_ns, ROUNDS, sizeof bus_ns[0], compare_u64);
    qsort(nats_ns, ROUNDS, sizeof nats_ns[0], compare_u64);
    qsort(ratios, ROUNDS, sizeof ratios[0], compare_double);
    printf("round trip, median: bus %.1f us, nats.c %.1f us; bus / nats.c = %.2f (%.2f to %.2f)\n",
           (double)bus_ns[ROUNDS / 2] / 1e3, (double)nats_ns[ROUNDS / 2] / 1e3, ratios[ROUNDS / 2],
           ratios[1], ratios[ROUNDS - 2]);
}

int main(int argc, char **argv)
{
    struct hr_bus_sub_options options = {.subject = HR_STR("bench.bus")};
    natsSubscription *sub = NULL;
    need(argc == 2, "usage: bench_bus nats://host:port");
    hr_log_set_level(HR_LOG_WARN);
    open_host(&asker, argv[1]);
    open_host(&answerer, argv[1]);
    need(hr_bus_subscribe(answerer.port, &options, on_request, &answerer, &answerer.sub) == HR_OK,
         "subscribe");
    await_live(&asker);
    await_live(&answerer);
    need(pthread_create(&answerer.thread, NULL, run_loop, &answerer) == 0, "thread");
    natsConnection *nats_asker = connect_nats(argv[1]);
    natsConnection *nats_answerer = connect_nats(argv[1]);
    need(natsConnection_Subscribe(&sub, nats_answerer, "bench.nats", on_nats_request, NULL) ==
                 NATS_OK &&
             natsConnection_Flush(nats_answerer) == NATS_OK,
         "nats subscribe");
    measure(nats_asker);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(nats_asker);
    natsConnection_Destroy(nats_answerer);
    hr_task_init(&answerer.stop, close_answerer, &answerer);
    hr_loop_post(&answerer.loop, &answerer.stop);
    need(pthread_join(answerer.thread, NULL) == 0, "thread");
    hr_bus_port_close(asker.port, on_closed, &asker);
    hr_loop_run(&asker.loop);
    hr_bus_close(asker.bus);
    hr_bus_close(answerer.bus);
    hr_loop_release(&asker.loop);
    hr_loop_release(&answerer.loop);
    return 0;
}
