/* Inboxes: see inbox.h. A waiting message is a heap copy; the messages of one call live until the
 * call has ended. */
#include "host/calls/inbox.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "host/run/call_log.h"
#include "host/calls/message.h"

#define NS_PER_MS ((uint64_t)1000000)

struct letter {
    struct hr_list node;
    struct hr_arena arena;
    struct hr_message message;
    struct hr_str trace;
    uint64_t due_ns; /* when its requester gives up; 0 = it does not say */
    size_t bytes;
};

/* What waits for calls of one handler. */
struct queue {
    struct hr_worker *worker;
    struct hr_lane *lane;
    enum hr_export export_id;
    uint32_t inbox_count; /* that lead here */
    uint32_t batch;       /* 0 = one call a message */
    bool is_shared;       /* by the actor's ordered batch inboxes */
    struct hr_list waiting;
    uint32_t waiting_count;
    size_t bytes;       /* of letters that wait or are carried by a call */
    uint32_t in_flight; /* calls */
    bool scheduled;     /* @start is posted */
    struct hr_task start;
};

/* One call in flight and what it carries. */
struct delivery {
    struct queue *queue;
    uint32_t count;
    struct letter *letters[HR_INBOX_BATCH_MAX];
    bool failed[HR_INBOX_BATCH_MAX];
    struct hr_message messages[HR_INBOX_BATCH_MAX];
};

struct hr_inbox {
    struct hr_list node; /* in the worker */
    struct queue *queue;
    struct hr_bus_sub *sub; /* NULL if it has a period, or has been stopped */
    uint32_t every_ms;
    struct hr_timer timer;
    struct hr_str subject; /* of what it makes itself */
    char text[];
};

static void letter_free(struct letter *letter)
{
    if (letter) {
        hr_arena_release(&letter->arena);
        hr_free(letter);
    }
}

/* What a letter takes, roughly: itself and its arena's first chunk besides the message. */
static size_t letter_bytes(const struct hr_bus_msg *msg)
{
    return sizeof(struct letter) + 1024 + msg->subject.len + msg->body.len + msg->reply_to.len;
}

static uint64_t due_of(const struct hr_bus_msg *msg)
{
    uint64_t left_ms;
    struct hr_str text = hr_bus_header(msg, HR_STR(HR_BUS_HEADER_TIMEOUT));
    return hr_str_to_u64(text, &left_ms) && left_ms <= UINT32_MAX
               ? hr_now_ns() + left_ms * NS_PER_MS
               : 0;
}

static enum hr_err letter_new(const struct hr_bus_msg *msg, struct letter **ret_letter)
{
    struct letter *letter = hr_alloc(sizeof *letter);
    if (!letter) {
        return HR_NO_MEMORY;
    }
    hr_list_init(&letter->node);
    hr_arena_init(&letter->arena, 0);
    letter->bytes = letter_bytes(msg);
    letter->due_ns = due_of(msg);
    enum hr_err err = hr_message_copy(&letter->arena, msg, &letter->message);
    struct hr_str trace = hr_bus_header(msg, HR_STR(HR_BUS_HEADER_TRACE));
    if (!err && trace.len > 0) {
        letter->trace = hr_arena_copy(&letter->arena, trace);
        err = letter->trace.ptr ? HR_OK : HR_NO_MEMORY;
    }
    if (err) {
        letter_free(letter);
        return err;
    }
    *ret_letter = letter;
    return HR_OK;
}

static void drop(struct queue *queue, struct letter *letter)
{
    queue->bytes -= letter->bytes;
    letter_free(letter);
}

static void delivery_free(struct delivery *delivery)
{
    for (uint32_t i = 0; i < delivery->count; i++) {
        drop(delivery->queue, delivery->letters[i]);
    }
    hr_free(delivery);
}

static enum hr_err body(struct hr_fiber *fiber, void *arg)
{
    struct delivery *delivery = arg;
    return delivery->queue->batch
               ? hr_message_call_batch(fiber, delivery->messages, delivery->count, delivery->failed)
               : hr_message_call_one(fiber, &delivery->messages[0]);
}

static void schedule(struct queue *queue);

static void done(struct hr_fiber *fiber, enum hr_err err, const char *cause, void *arg)
{
    struct delivery *delivery = arg;
    struct queue *queue = delivery->queue;
    hr_call_ended(fiber, err, cause);
    for (uint32_t i = 0; i < delivery->count; i++) {
        if (err || delivery->failed[i]) {
            hr_message_refuse(queue->worker->bus, delivery->messages[i].reply_to,
                              err ? err : HR_INTERNAL, err ? cause : "the handler failed");
        }
    }
    delivery_free(delivery);
    queue->in_flight--;
    if (queue->batch) {
        schedule(queue);
    }
}

/* The next letter whose requester still waits. */
static struct letter *take(struct queue *queue)
{
    struct hr_list *node;
    while ((node = hr_list_pop_front(&queue->waiting))) {
        struct letter *letter = HR_LIST_OWNER(node, struct letter, node);
        queue->waiting_count--;
        if (letter->due_ns == 0 || hr_now_ns() < letter->due_ns) {
            return letter;
        }
        hr_call_refused(queue->lane->actor, queue->export_id, HR_TIMEOUT);
        drop(queue, letter);
    }
    return NULL;
}

/* Whether the next letter that waits goes along with @bytes of others. */
static bool goes_along(const struct queue *queue, size_t bytes)
{
    if (hr_list_empty(&queue->waiting)) {
        return false;
    }
    return bytes + HR_LIST_OWNER(queue->waiting.next, struct letter, node)->message.body.len <=
           HR_INBOX_BATCH_BYTES_MAX;
}

/* Takes up to @max letters that wait. */
static struct delivery *collect(struct queue *queue, uint32_t max)
{
    struct delivery *delivery = hr_alloc(sizeof *delivery);
    size_t bytes = 0;
    if (!delivery) {
        return NULL;
    }
    delivery->queue = queue;
    while (delivery->count < max && (delivery->count == 0 || goes_along(queue, bytes))) {
        struct letter *letter = take(queue);
        if (!letter) {
            break;
        }
        bytes += letter->message.body.len;
        delivery->messages[delivery->count] = letter->message;
        delivery->letters[delivery->count++] = letter;
    }
    return delivery;
}

static void refuse_all(struct queue *queue, struct delivery *delivery, enum hr_err err)
{
    for (uint32_t i = 0; i < delivery->count; i++) {
        hr_message_refuse(queue->worker->bus, delivery->messages[i].reply_to, err,
                          queue->lane->actor->name);
    }
    delivery_free(delivery);
}

/* The time that is left to the requester of a single message, in milliseconds; 0 = no limit. */
static uint32_t patience_ms(const struct delivery *delivery)
{
    uint64_t due_ns = delivery->letters[0]->due_ns;
    if (due_ns == 0 || delivery->queue->batch) {
        return 0;
    }
    uint64_t now_ns = hr_now_ns();
    return due_ns > now_ns ? (uint32_t)((due_ns - now_ns) / NS_PER_MS) + 1 : 1;
}

/* False if memory is out: the letters go on waiting, and the next message tries again. */
static bool deliver(struct queue *queue, uint32_t max)
{
    struct delivery *delivery = collect(queue, max);
    if (!delivery) {
        return false;
    }
    if (delivery->count == 0) {
        hr_free(delivery);
        return true;
    }
    const struct hr_fiber_options options = {
        .export_id = queue->export_id,
        .body = body,
        .done = done,
        .arg = delivery,
        .wall_ms = patience_ms(delivery),
        .trace = delivery->letters[0]->trace,
    };
    enum hr_err err = hr_lane_submit(queue->lane, &options, NULL);
    if (err) {
        hr_call_refused(queue->lane->actor, options.export_id, err);
        refuse_all(queue, delivery, err);
        return true;
    }
    queue->in_flight++;
    return true;
}

static void start_batch(void *arg)
{
    struct queue *queue = arg;
    queue->scheduled = false;
    if (deliver(queue, queue->batch)) {
        schedule(queue); /* a refused one leaves others that may wait */
    }
}

/* Begins the next batch at the end of the loop's round, so that what this round brings goes along. */
static void schedule(struct queue *queue)
{
    if (queue->in_flight == 0 && !queue->scheduled && queue->waiting_count > 0) {
        queue->scheduled = true;
        hr_loop_post_last(&queue->worker->loop, &queue->start);
    }
}

static enum hr_err accept_letter(struct queue *queue, const struct hr_bus_msg *msg)
{
    struct letter *letter;
    bool full = queue->waiting_count >= HR_INBOX_WAITING_MAX ||
                letter_bytes(msg) > HR_INBOX_BYTES_MAX - queue->bytes;
    enum hr_err err = full ? HR_BUSY : letter_new(msg, &letter);
    if (err) {
        return err;
    }
    hr_list_push_back(&queue->waiting, &letter->node);
    queue->waiting_count++;
    queue->bytes += letter->bytes;
    if (queue->batch) {
        schedule(queue);
    } else {
        HR_IGNORE(deliver(queue, 1)); /* else it waits for the next one */
    }
    return HR_OK;
}

static void on_message(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_inbox *inbox = arg;
    struct queue *queue = inbox->queue;
    if (hr_message_error(msg).len > 0) {
        return; /* a host's refusal that was sent to a subject of ours: no message, and no answer */
    }
    enum hr_err err = accept_letter(queue, msg);
    if (err) {
        hr_call_refused(queue->lane->actor, queue->export_id, err);
        hr_message_refuse(queue->worker->bus, msg->reply_to, err, queue->lane->actor->name);
    }
}

/* --- periods ------------------------------------------------------------------------------------------ */

static void on_period(void *arg)
{
    struct hr_inbox *inbox = arg;
    struct queue *queue = inbox->queue;
    const struct hr_bus_msg msg = {.subject = inbox->subject};
    hr_loop_timer_start(&queue->worker->loop, &inbox->timer, inbox->every_ms);
    if (queue->in_flight > 0 || queue->waiting_count > 0) {
        return;
    }
    enum hr_err err = accept_letter(queue, &msg);
    if (err) {
        hr_call_refused(queue->lane->actor, queue->export_id, err);
    }
}

/* --- opening and closing ------------------------------------------------------------------------------ */

static struct queue *queue_new(struct hr_worker *worker, struct hr_lane *lane, enum hr_export id)
{
    struct queue *queue = hr_alloc(sizeof *queue);
    if (queue) {
        queue->worker = worker;
        queue->lane = lane;
        queue->export_id = id;
        hr_list_init(&queue->waiting);
        hr_task_init(&queue->start, start_batch, queue);
    }
    return queue;
}

static void queue_unref(struct queue *queue)
{
    struct hr_list *node;
    if (--queue->inbox_count > 0) {
        return;
    }
    hr_loop_unpost(&queue->start);
    while ((node = hr_list_pop_front(&queue->waiting))) {
        letter_free(HR_LIST_OWNER(node, struct letter, node));
    }
    hr_free(queue);
}

/* The queue that the ordered batch inboxes of @lane share, or NULL if there is none yet. */
static struct queue *find_batch_queue(struct hr_worker *worker, const struct hr_lane *lane)
{
    for (struct hr_list *node = worker->inboxes.next; node != &worker->inboxes; node = node->next) {
        struct queue *queue = HR_LIST_OWNER(node, struct hr_inbox, node)->queue;
        if (queue->lane == lane && queue->is_shared) {
            return queue;
        }
    }
    return NULL;
}

static enum hr_err inbox_new(struct hr_worker *worker, struct hr_lane *lane,
                             const struct hr_inbox_options *options, struct hr_inbox **ret_inbox)
{
    uint32_t batch = options->batch > HR_INBOX_BATCH_MAX ? HR_INBOX_BATCH_MAX : options->batch;
    bool shares = batch > 0 && !options->unordered;
    struct queue *queue = shares ? find_batch_queue(worker, lane) : NULL;
    struct hr_inbox *inbox = hr_alloc(sizeof *inbox + options->subject.len);
    if (!queue) {
        queue =
            queue_new(worker, lane, batch > 0 ? HR_EXPORT_HANDLE_BATCH : HR_EXPORT_HANDLE_MESSAGE);
    }
    if (!queue || !inbox) {
        hr_free(inbox);
        if (queue && queue->inbox_count == 0) {
            hr_free(queue);
        }
        return HR_NO_MEMORY;
    }
    queue->inbox_count++;
    queue->is_shared = shares;
    queue->batch = batch > queue->batch ? batch : queue->batch;
    inbox->queue = queue;
    inbox->every_ms = options->every_ms;
    memcpy(inbox->text, options->subject.ptr, options->subject.len);
    inbox->subject = hr_str_of(inbox->text, options->subject.len);
    hr_list_init(&inbox->node);
    hr_timer_init(&inbox->timer, on_period, inbox);
    *ret_inbox = inbox;
    return HR_OK;
}

static void inbox_free(struct hr_inbox *inbox)
{
    HR_ASSERT(!inbox->sub);
    queue_unref(inbox->queue);
    hr_free(inbox);
}

enum hr_err hr_inbox_open(struct hr_worker *worker, struct hr_lane *lane,
                          const struct hr_inbox_options *options)
{
    enum hr_export needed = options->batch ? HR_EXPORT_HANDLE_BATCH : HR_EXPORT_HANDLE_MESSAGE;
    struct hr_inbox *inbox;
    if (!lane->actor->exports[needed]) {
        return HR_UNSUPPORTED;
    }
    enum hr_err err = inbox_new(worker, lane, options, &inbox);
    if (err) {
        return err;
    }
    if (options->every_ms > 0) {
        hr_loop_timer_start(&worker->loop, &inbox->timer, 0);
    } else {
        const struct hr_bus_sub_options sub = {
            .subject = options->subject, .queue = options->queue, .no_echo = options->no_echo};
        err = hr_bus_subscribe(worker->bus, &sub, on_message, inbox, &inbox->sub);
    }
    if (err) {
        inbox_free(inbox);
        return err;
    }
    hr_list_push_back(&worker->inboxes, &inbox->node);
    return HR_OK;
}

void hr_inbox_stop_all(struct hr_worker *worker)
{
    for (struct hr_list *node = worker->inboxes.next; node != &worker->inboxes; node = node->next) {
        struct hr_inbox *inbox = HR_LIST_OWNER(node, struct hr_inbox, node);
        hr_loop_timer_stop(&worker->loop, &inbox->timer);
        hr_bus_unsubscribe(inbox->sub);
        inbox->sub = NULL;
    }
}

void hr_inbox_free_all(struct hr_worker *worker)
{
    struct hr_list *node;
    while ((node = hr_list_pop_front(&worker->inboxes))) {
        inbox_free(HR_LIST_OWNER(node, struct hr_inbox, node));
    }
}
