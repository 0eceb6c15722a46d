/* links: hr_lattice
 * The bus under four loops on four threads that all publish, request, subscribe and unsubscribe at
 * once. What goes in must come out, once, in order; the sanitizers watch the rest. Written against
 * host/bus/bus.h alone. */
#include <stdatomic.h>
#include <pthread.h>

#include "bus_fixture.h"

#define WORKERS 4
#define MESSAGES 6000 /* of each worker to each subject */
#define REQUESTS 3000 /* of each worker */
#define STEP 50       /* published in one task */
#define IN_FLIGHT 32
#define TEXT_BYTES 32

struct worker {
    struct hr_loop loop;
    struct hr_bus_port *port;
    struct hr_task step;
    pthread_t thread;
    int id;
    int published;
    int requested;
    int answered;
    bool finished;
    bool closed;
    int heard_from[WORKERS]; /* of the broadcast, and the next sequence expected */
    int jobs;                /* of the queue group */
    int churned;             /* of the group whose members come and go */
    struct hr_bus_sub *churn;
    struct hr_bus_port *guest; /* a second port that is opened and closed all the time */
    bool guest_closing;
    int guests;
};

static struct worker workers[WORKERS];
static struct hr_bus *bus;
static _Atomic int finished_count;
static _Atomic int job_count;
static _Atomic int jobs_seen[WORKERS][MESSAGES];

static struct worker *checked(void *arg)
{
    struct worker *w = arg;
    if (!hr_loop_is_own_thread(&w->loop)) {
        abort(); /* cmocka's asserts belong to the test's own thread */
    }
    return w;
}

static void need(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void send_text(struct worker *w, const char *subject, int sequence)
{
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "%d %d", w->id, sequence);
    struct hr_bus_msg msg = message_of(subject, text);
    need(hr_bus_publish(w->port, &msg) == HR_OK);
}

static void read_text(const struct hr_bus_msg *msg, int *ret_from, int *ret_sequence)
{
    char text[TEXT_BYTES] = {0};
    need(msg->body.len < sizeof text);
    memcpy(text, msg->body.ptr, msg->body.len);
    need(sscanf(text, "%d %d", ret_from, ret_sequence) == 2);
}

/* Every worker hears every broadcast, each publisher's in its order. */
static void on_broadcast(void *arg, const struct hr_bus_msg *msg)
{
    struct worker *w = checked(arg);
    int from;
    int sequence;
    read_text(msg, &from, &sequence);
    need(sequence == w->heard_from[from]);
    w->heard_from[from]++;
}

/* Each job goes to one worker. */
static void on_job(void *arg, const struct hr_bus_msg *msg)
{
    struct worker *w = checked(arg);
    int from;
    int sequence;
    read_text(msg, &from, &sequence);
    atomic_fetch_add(&jobs_seen[from][sequence], 1);
    atomic_fetch_add(&job_count, 1);
    w->jobs++;
}

static void on_churn(void *arg, const struct hr_bus_msg *msg)
{
    (void)msg;
    checked(arg)->churned++;
}

static void on_echo(void *arg, const struct hr_bus_msg *msg)
{
    struct worker *w = checked(arg);
    struct hr_bus_msg reply = {.subject = msg->reply_to, .body = msg->body};
    need(hr_bus_publish(w->port, &reply) == HR_OK);
}

static void on_answer(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct worker *w = checked(arg);
    int from;
    int sequence;
    need(err == HR_OK);
    read_text(reply, &from, &sequence);
    need(from == w->id);
    w->answered++;
}

static struct hr_bus_sub *subscribe(struct worker *w, const char *subject, const char *queue,
                                    hr_bus_msg_cb cb)
{
    struct hr_bus_sub_options options = {
        .subject = hr_str_c(subject), .queue = hr_str_c(queue), .pending_messages_max = 1u << 20};
    struct hr_bus_sub *sub;
    need(hr_bus_subscribe(w->port, &options, cb, w, &sub) == HR_OK);
    return sub;
}

static void on_nothing(void *arg, const struct hr_bus_msg *msg)
{
    (void)msg;
    checked(arg);
}

static void on_guest_closed(void *arg)
{
    struct worker *w = checked(arg);
    w->guest = NULL;
    w->guest_closing = false;
}

static void open_guest(struct worker *w)
{
    struct hr_bus_sub_options all = {.subject = HR_STR("broadcast")};
    struct hr_bus_sub_options group = {.subject = HR_STR("churn.x"), .queue = HR_STR("churners")};
    struct hr_bus_sub *sub;
    need(hr_bus_port_open(bus, &w->loop, &w->guest, NULL) == HR_OK);
    need(hr_bus_subscribe(w->guest, &all, on_nothing, w, &sub) == HR_OK);
    need(hr_bus_subscribe(w->guest, &group, on_churn, w, &sub) == HR_OK);
    w->guests++;
}

/* Closes the guest port while others are publishing to it; what was queued for its group moves on. */
static void close_guest(struct worker *w)
{
    if (w->guest && !w->guest_closing) {
        w->guest_closing = true;
        hr_bus_port_close(w->guest, on_guest_closed, w);
    }
}

/* Leaves and joins the group `churn`; worker 0 stays, so that the group is never empty. */
static void churn(struct worker *w)
{
    if (w->id != 0) {
        hr_bus_unsubscribe(w->churn);
        w->churn = subscribe(w, "churn.*", "churners", on_churn);
    }
}

static void on_closed(void *arg)
{
    struct worker *w = checked(arg);
    w->closed = true;
    hr_loop_stop(&w->loop);
}

static void publish_some(struct worker *w)
{
    for (int i = 0; i < STEP && w->published < MESSAGES; i++, w->published++) {
        send_text(w, "broadcast", w->published);
        send_text(w, w->published % 2 ? "job.odd" : "job.even", w->published);
        send_text(w, "churn.x", w->published);
    }
}

static void request_some(struct worker *w)
{
    while (w->requested < REQUESTS && w->requested - w->answered < IN_FLIGHT) {
        char text[TEXT_BYTES];
        snprintf(text, sizeof text, "%d %d", w->id, w->requested++);
        struct hr_bus_msg msg = message_of("echo", text);
        need(hr_bus_request(w->port, &msg, WATCHDOG_MS, on_answer, w, NULL) == HR_OK);
    }
}

/* Whether @w has heard everything that it should. */
static bool has_heard_all(const struct worker *w)
{
    for (int from = 0; from < WORKERS; from++) {
        if (w->heard_from[from] < MESSAGES) {
            return false;
        }
    }
    return true;
}

/* One round of work; afterwards waits, round by round, until all workers are done and no message is
 * on its way. */
static void on_step(void *arg)
{
    struct worker *w = checked(arg);
    struct hr_bus_stats stats;
    publish_some(w);
    request_some(w);
    if (w->published < MESSAGES) {
        churn(w);
        w->guest ? close_guest(w) : open_guest(w);
    } else if (w->guest) {
        close_guest(w);
    } else if (!w->finished && w->answered == REQUESTS && has_heard_all(w)) {
        w->finished = true;
        atomic_fetch_add(&finished_count, 1);
    }
    hr_bus_stats(bus, &stats);
    if (atomic_load(&finished_count) == WORKERS && stats.pending == 0 &&
        atomic_load(&job_count) >= WORKERS * MESSAGES) {
        hr_bus_port_close(w->port, on_closed, w);
        return;
    }
    hr_loop_post(&w->loop, &w->step);
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    hr_loop_run(&w->loop);
    hr_loop_release(&w->loop);
    return NULL;
}

static void start_workers(void)
{
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        w->id = i;
        assert_int_equal(hr_loop_init(&w->loop, NULL), HR_OK);
        assert_int_equal(hr_bus_port_open(bus, &w->loop, &w->port, NULL), HR_OK);
        subscribe(w, "broadcast", "", on_broadcast);
        subscribe(w, "job.*", "workers", on_job);
        subscribe(w, "job.>", "workers", on_job);
        w->churn = subscribe(w, "churn.*", "churners", on_churn);
        subscribe(w, "echo", i % 2 ? "odd" : "even", on_echo);
        hr_task_init(&w->step, on_step, w);
        hr_loop_post(&w->loop, &w->step);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
}

/* Nothing is lost, doubled or reordered between four threads, whoever subscribes or
 * unsubscribes, and whichever ports open and close. */
static void bus_threads_lose_and_double_nothing(void **state)
{
    (void)state;
    struct hr_bus_stats stats;
    int jobs = 0;
    int churned = 0;
    assert_int_equal(open_bus(&bus, NULL), HR_OK);
    start_workers();
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_true(workers[i].closed);
        assert_int_equal(workers[i].answered, REQUESTS);
        for (int from = 0; from < WORKERS; from++) {
            assert_int_equal(workers[i].heard_from[from], MESSAGES);
        }
        for (int n = 0; n < MESSAGES; n++) {
            assert_int_equal(atomic_load(&jobs_seen[i][n]), 1);
        }
        assert_true(workers[i].guests > 10);
        jobs += workers[i].jobs;
        churned += workers[i].churned;
        print_message("worker %d: %d jobs, %d churned\n", i, workers[i].jobs, workers[i].churned);
    }
    hr_bus_stats(bus, &stats);
    assert_int_equal(jobs, WORKERS * MESSAGES);
    if (is_over_nats()) {
        /* What is on its way to a member that leaves is lost. */
        assert_in_range(churned, 1, WORKERS * MESSAGES);
    } else {
        assert_int_equal(churned, WORKERS * MESSAGES);
    }
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(stats.pending, 0);
    assert_int_equal(stats.subscriptions, 0);
    assert_int_equal(stats.requests, WORKERS * REQUESTS);
    /* Three subjects, and each request with the two groups' replies. */
    assert_int_equal(stats.published, WORKERS * (3 * MESSAGES + 3 * REQUESTS));
    hr_bus_close(bus);
    assert_int_equal(hr_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bus_threads_lose_and_double_nothing)};
    return cmocka_run_group_tests_name("bus_threads", tests, NULL, NULL);
}
