/* The client and the responders of bench/lattice, over nats.c.
 *
 *   bench_lattice respond URL SUBJECT QUEUE BYTES         answers every request with BYTES bytes; QUEUE "-" is none
 *   bench_lattice keep URL SUBJECT QUEUE BYTES FILE       the same, but appends BYTES bytes to FILE before it answers, and
 *                                                         syncs it: once for all requests that wait, up to BATCH_MAX
 *   bench_lattice ask URL SUBJECT WANT IN_FLIGHT SECONDS BODY
 *
 * ask keeps IN_FLIGHT requests under way; each is done when WANT replies to it have come. "%" in SUBJECT is a
 * number that goes round from 0 to KEYS - 1. It prints one line of JSON. Every reply that is an error
 * (`"error"` in it, or nobody there) ends it with status 1, as do STUCK_MS without any reply.
 *
 * One thread sends and takes replies; nats.c's own threads do the rest. */
#include <fcntl.h>
#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BATCH_MAX 64 /* as many writes as kv puts into one commit */
#define IN_FLIGHT_MAX 4096u
#define KEYS 1000u
#define SAMPLES_MAX (1u << 22)
#define NAME_BYTES 256u
#define STUCK_MS 5000
#define NS_PER_S 1000000000ull

struct slot {
    uint64_t serial; /* replies to an older one are late: nobody waits for them */
    uint64_t began_ns;
    unsigned replies;
};

struct asker {
    natsConnection *connection;
    const char *subject;
    const char *body;
    char inbox[64];
    unsigned want;
    unsigned in_flight;
    uint64_t end_ns;
    uint64_t serial;
    struct slot slots[IN_FLIGHT_MAX];
    uint32_t *samples_us;
    uint64_t done;
    unsigned under_way;
    bool failed;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void check(natsStatus status, const char *what)
{
    if (status != NATS_OK) {
        fprintf(stderr, "bench_lattice: %s: %s\n", what, natsStatus_GetText(status));
        exit(1);
    }
}

/* @asap: each message is sent at once, not together with those that follow. */
static natsConnection *dial(const char *url, bool asap)
{
    natsOptions *options = NULL;
    natsConnection *connection = NULL;
    check(natsOptions_Create(&options), "options");
    check(natsOptions_SetURL(options, url), url);
    check(natsOptions_SetSendAsap(options, asap), "options");
    check(natsConnection_Connect(&connection, options), url);
    natsOptions_Destroy(options);
    return connection;
}

/* --- responder ---------------------------------------------------------------------------------- */

struct responder {
    char *bytes;
    int len;
};

static void respond(natsConnection *connection, natsSubscription *sub, natsMsg *msg, void *arg)
{
    (void)sub;
    const struct responder *responder = arg;
    if (natsMsg_GetReply(msg)) {
        check(natsConnection_Publish(connection, natsMsg_GetReply(msg), responder->bytes,
                                     responder->len),
              "reply");
    }
    natsMsg_Destroy(msg);
}

static int init_responder(struct responder *responder, const char *bytes)
{
    responder->len = atoi(bytes);
    responder->bytes = malloc((size_t)responder->len + 1);
    if (!responder->bytes) {
        return 1;
    }
    memset(responder->bytes, '.', (size_t)responder->len);
    return 0;
}

static void say_ready(natsConnection *connection)
{
    check(natsConnection_Flush(connection), "flush");
    puts("ready");
    fflush(stdout);
}

static int run_responder(char **args)
{
    natsConnection *connection = dial(args[0], true);
    natsSubscription *sub = NULL;
    struct responder responder;
    if (init_responder(&responder, args[3])) {
        return 1;
    }
    if (strcmp(args[2], "-") != 0) {
        check(
            natsConnection_QueueSubscribe(&sub, connection, args[1], args[2], respond, &responder),
            "subscribe");
    } else {
        check(natsConnection_Subscribe(&sub, connection, args[1], respond, &responder),
              "subscribe");
    }
    say_ready(connection);
    while (!natsConnection_IsClosed(connection)) {
        pause();
    }
    return 1;
}

/* --- responder that keeps ------------------------------------------------------------------------ */

/* Waits for a request and takes those that wait beside it. */
static int take_batch(natsSubscription *sub, natsMsg **ret_batch)
{
    int count = 0;
    int waiting = 0;
    natsStatus status;
    do {
        status = natsSubscription_NextMsg(&ret_batch[0], sub, STUCK_MS);
    } while (status == NATS_TIMEOUT);
    check(status, "next request");
    count = 1;
    check(natsSubscription_GetPending(sub, &waiting, NULL), "pending");
    while (count < BATCH_MAX && waiting-- > 0) {
        check(natsSubscription_NextMsg(&ret_batch[count++], sub, STUCK_MS), "next request");
    }
    return count;
}

static int run_keeper(char **args)
{
    natsConnection *connection = dial(args[0], true);
    natsSubscription *sub = NULL;
    natsMsg *batch[BATCH_MAX];
    struct responder responder;
    int file = open(args[4], O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0 || init_responder(&responder, args[3])) {
        return 1;
    }
    if (strcmp(args[2], "-") != 0) {
        check(natsConnection_QueueSubscribeSync(&sub, connection, args[1], args[2]), "subscribe");
    } else {
        check(natsConnection_SubscribeSync(&sub, connection, args[1]), "subscribe");
    }
    say_ready(connection);
    for (;;) {
        int count = take_batch(sub, batch);
        for (int i = 0; i < count; i++) {
            if (write(file, responder.bytes, (size_t)responder.len) != responder.len) {
                perror(args[4]);
                return 1;
            }
        }
        if (fdatasync(file)) {
            perror(args[4]);
            return 1;
        }
        for (int i = 0; i < count; i++) {
            respond(connection, sub, batch[i], &responder);
        }
    }
}

/* --- asker -------------------------------------------------------------------------------------- */

static void fail(struct asker *asker, const char *why)
{
    fprintf(stderr, "bench_lattice: %s\n", why);
    asker->failed = true;
}

static void send_request(struct asker *asker, unsigned index)
{
    struct slot *slot = &asker->slots[index];
    char subject[NAME_BYTES];
    char reply[NAME_BYTES];
    const char *mark = strchr(asker->subject, '%');
    slot->serial = ++asker->serial;
    slot->replies = 0;
    slot->began_ns = now_ns();
    if (mark) {
        snprintf(subject, sizeof subject, "%.*s%u%s", (int)(mark - asker->subject), asker->subject,
                 (unsigned)(slot->serial % KEYS), mark + 1);
    } else {
        snprintf(subject, sizeof subject, "%s", asker->subject);
    }
    snprintf(reply, sizeof reply, "%s.%u.%llu", asker->inbox, index,
             (unsigned long long)slot->serial);
    if (natsConnection_PublishRequestString(asker->connection, subject, reply, asker->body) !=
        NATS_OK) {
        fail(asker, "a request could not be sent");
    }
}

static void finish(struct asker *asker, unsigned index)
{
    uint64_t now = now_ns();
    uint64_t took_us = (now - asker->slots[index].began_ns) / 1000;
    uint64_t done = asker->done++;
    if (done < SAMPLES_MAX) {
        asker->samples_us[done] = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
    }
    if (now < asker->end_ns) {
        send_request(asker, index);
    } else {
        asker->slots[index].serial = 0;
        asker->under_way--;
    }
}

static bool is_error(natsMsg *msg)
{
    static const char word[] = "\"error\"";
    int len = natsMsg_GetDataLength(msg);
    return len > 0 && memmem(natsMsg_GetData(msg), (size_t)len, word, sizeof word - 1) != NULL;
}

static void on_reply(struct asker *asker, natsMsg *msg)
{
    unsigned index = 0;
    unsigned long long serial = 0;
    const char *tail = natsMsg_GetSubject(msg) + strlen(asker->inbox);
    if (sscanf(tail, ".%u.%llu", &index, &serial) != 2 || index >= asker->in_flight) {
        fail(asker, "a reply to nothing");
    } else if (asker->slots[index].serial == serial) {
        if (is_error(msg)) {
            fprintf(stderr, "%.*s\n", natsMsg_GetDataLength(msg), natsMsg_GetData(msg));
            fail(asker, "a reply is an error");
        }
        if (++asker->slots[index].replies == asker->want) {
            finish(asker, index);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void print_result(struct asker *asker, double seconds)
{
    uint64_t done = asker->done;
    uint64_t count = done < SAMPLES_MAX ? done : SAMPLES_MAX;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    uint64_t cpu_us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000u +
                      (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    qsort(asker->samples_us, count, sizeof *asker->samples_us, by_size);
    printf("{\"rate\": %.1f, \"p50_us\": %u, \"p99_us\": %u, \"done\": %llu, \"cpu_us\": %llu}\n",
           (double)done / seconds, asker->samples_us[count / 2],
           asker->samples_us[count * 99 / 100], (unsigned long long)done,
           (unsigned long long)cpu_us);
}

static int run_asker(char **args)
{
    static struct asker asker;
    natsSubscription *sub = NULL;
    char pattern[80];
    asker.subject = args[1];
    asker.want = (unsigned)atoi(args[2]);
    asker.in_flight = (unsigned)atoi(args[3]);
    asker.body = args[5];
    asker.samples_us = malloc(SAMPLES_MAX * sizeof *asker.samples_us);
    if (!asker.samples_us || asker.want == 0 || asker.in_flight == 0 ||
        asker.in_flight > IN_FLIGHT_MAX) {
        fprintf(stderr, "bench_lattice: a number is wrong\n");
        return 2;
    }
    asker.connection = dial(args[0], asker.in_flight == 1);
    snprintf(asker.inbox, sizeof asker.inbox, "_INBOX.bench.%d", (int)getpid());
    snprintf(pattern, sizeof pattern, "%s.>", asker.inbox);
    uint64_t began_ns = now_ns();
    asker.end_ns = began_ns + (unsigned)atoi(args[4]) * NS_PER_S;
    asker.under_way = asker.in_flight;
    check(natsConnection_SubscribeSync(&sub, asker.connection, pattern), "subscribe");
    for (unsigned i = 0; i < asker.in_flight; i++) {
        send_request(&asker, i);
    }
    while (asker.under_way > 0 && !asker.failed) {
        natsMsg *msg = NULL;
        natsStatus status = natsSubscription_NextMsg(&msg, sub, STUCK_MS);
        if (status != NATS_OK) {
            fail(&asker, natsStatus_GetText(status));
        } else {
            on_reply(&asker, msg);
            natsMsg_Destroy(msg);
        }
    }
    double seconds = (double)(now_ns() - began_ns) / (double)NS_PER_S;
    if (!asker.failed) {
        print_result(&asker, seconds);
    }
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(asker.connection);
    free(asker.samples_us);
    return asker.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "respond") == 0) {
        return run_responder(argv + 2);
    }
    if (argc == 7 && strcmp(argv[1], "keep") == 0) {
        return run_keeper(argv + 2);
    }
    if (argc == 8 && strcmp(argv[1], "ask") == 0) {
        return run_asker(argv + 2);
    }
    fprintf(stderr, "usage: bench_lattice respond URL SUBJECT QUEUE BYTES\n"
                    "       bench_lattice keep URL SUBJECT QUEUE BYTES FILE\n"
                    "       bench_lattice ask URL SUBJECT WANT IN_FLIGHT SECONDS BODY\n");
    return 2;
}
