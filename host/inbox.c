/* Inboxes: see inbox.h. A waiting message is a heap copy; the messages of one call live until the
 * call has ended. */
#include "host/inbox.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "host/log.h"
#include "host/message.h"
#include "host/call_log.h"

struct letter {
    struct hr_list node;
    struct hr_arena arena;
    struct hr_message message;
    size_t bytes;
};

/* One call in flight and what it carries. */
struct delivery {
    struct hr_inbox *inbox;
    uint32_t count;
    struct letter *letters[HR_INBOX_BATCH_MAX];
    bool failed[HR_INBOX_BATCH_MAX];
    struct hr_message messages[HR_INBOX_BATCH_MAX];
};

struct hr_inbox {
    struct hr_list node; /* in the worker */
    struct hr_worker *worker;
    struct hr_lane *lane;
    struct hr_bus_sub *sub;
    uint32_t batch;
    struct hr_list waiting;
    uint32_t waiting_count;
    size_t bytes; /* of letters that wait or are carried by a call */
    bool busy;    /* a batch is in flight, or about to start */
    struct hr_task start;
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

static enum hr_err letter_new(const struct hr_bus_msg *msg, struct letter **ret_letter)
{
    struct letter *letter = hr_alloc(sizeof *letter);
    if (!letter) {
        return HR_NO_MEMORY;
    }
    hr_list_init(&letter->node);
    hr_arena_init(&letter->arena, 0);
    letter->bytes = letter_bytes(msg);
    enum hr_err err = hr_message_copy(&letter->arena, msg, &letter->message);
    if (err) {
        letter_free(letter);
        return err;
    }
    *ret_letter = letter;
    return HR_OK;
}

static void delivery_free(struct delivery *delivery)
{
    for (uint32_t i = 0; i < delivery->count; i++) {
        delivery->inbox->bytes -= delivery->letters[i]->bytes;
        letter_free(delivery->letters[i]);
    }
    hr_free(delivery);
}

static enum hr_err body(struct hr_fiber *fiber, void *arg)
{
    struct delivery *delivery = arg;
    return delivery->inbox->batch
               ? hr_message_call_batch(fiber, delivery->messages, delivery->count, delivery->failed)
               : hr_message_call_one(fiber, &delivery->messages[0]);
}

static void schedule(struct hr_inbox *inbox);

static void done(struct hr_fiber *fiber, enum hr_err err, const char *cause, void *arg)
{
    struct delivery *delivery = arg;
    struct hr_inbox *inbox = delivery->inbox;
    hr_call_ended(fiber, err, cause);
    for (uint32_t i = 0; i < delivery->count; i++) {
        if (err || delivery->failed[i]) {
            hr_message_refuse(inbox->worker->bus, delivery->messages[i].reply_to,
                              err ? err : HR_INTERNAL, err ? cause : "the handler failed");
        }
    }
    delivery_free(delivery);
    if (inbox->batch) {
        inbox->busy = false;
        schedule(inbox);
    }
}

/* Takes up to @max letters that wait. */
static struct delivery *collect(struct hr_inbox *inbox, uint32_t max)
{
    struct delivery *delivery = hr_alloc(sizeof *delivery);
    if (!delivery) {
        return NULL;
    }
    delivery->inbox = inbox;
    struct hr_list *node;
    while (delivery->count < max && (node = hr_list_pop_front(&inbox->waiting))) {
        struct letter *letter = HR_LIST_OWNER(node, struct letter, node);
        inbox->waiting_count--;
        delivery->messages[delivery->count] = letter->message;
        delivery->letters[delivery->count++] = letter;
    }
    return delivery;
}

static void refuse_all(struct hr_inbox *inbox, struct delivery *delivery, enum hr_err err)
{
    for (uint32_t i = 0; i < delivery->count; i++) {
        hr_message_refuse(inbox->worker->bus, delivery->messages[i].reply_to, err,
                          inbox->lane->actor->name);
    }
    delivery_free(delivery);
}

static void deliver(struct hr_inbox *inbox, uint32_t max)
{
    struct delivery *delivery = collect(inbox, max);
    if (!delivery) {
        inbox->busy = false; /* the letters go on waiting; the next message tries again */
        return;
    }
    const struct hr_fiber_options options = {
        .export_id = inbox->batch ? HR_EXPORT_HANDLE_BATCH : HR_EXPORT_HANDLE_MESSAGE,
        .body = body,
        .done = done,
        .arg = delivery,
    };
    enum hr_err err = hr_lane_submit(inbox->lane, &options, NULL);
    if (err) {
        inbox->busy = false;
        hr_call_refused(inbox->lane->actor, options.export_id, err);
        refuse_all(inbox, delivery, err);
        if (inbox->batch) {
            schedule(inbox); /* more than one batch may wait */
        }
    }
}

static void start_batch(void *arg)
{
    struct hr_inbox *inbox = arg;
    deliver(inbox, inbox->batch);
}

/* Begins the next batch in the loop's next round, so that what this round brings goes along. */
static void schedule(struct hr_inbox *inbox)
{
    if (!inbox->busy && inbox->waiting_count > 0) {
        inbox->busy = true;
        hr_loop_post(&inbox->worker->loop, &inbox->start);
    }
}

static void on_message(void *arg, const struct hr_bus_msg *msg)
{
    struct hr_inbox *inbox = arg;
    bool full = inbox->waiting_count >= HR_INBOX_WAITING_MAX ||
                letter_bytes(msg) > HR_INBOX_BYTES_MAX - inbox->bytes;
    struct letter *letter;
    if (hr_message_error(msg).len > 0) {
        return; /* a host's refusal that was sent to a subject of ours: no message, and no answer */
    }
    enum hr_err err = full ? HR_BUSY : letter_new(msg, &letter);
    if (err) {
        hr_call_refused(inbox->lane->actor,
                        inbox->batch ? HR_EXPORT_HANDLE_BATCH : HR_EXPORT_HANDLE_MESSAGE, err);
        hr_message_refuse(inbox->worker->bus, msg->reply_to, err, inbox->lane->actor->name);
        return;
    }
    hr_list_push_back(&inbox->waiting, &letter->node);
    inbox->waiting_count++;
    inbox->bytes += letter->bytes;
    if (inbox->batch) {
        schedule(inbox);
    } else {
        deliver(inbox, 1);
    }
}

enum hr_err hr_inbox_open(struct hr_worker *worker, struct hr_lane *lane,
                          const struct hr_inbox_options *options)
{
    enum hr_export needed = options->batch ? HR_EXPORT_HANDLE_BATCH : HR_EXPORT_HANDLE_MESSAGE;
    if (!lane->actor->exports[needed]) {
        return HR_UNSUPPORTED;
    }
    struct hr_inbox *inbox = hr_alloc(sizeof *inbox);
    if (!inbox) {
        return HR_NO_MEMORY;
    }
    inbox->worker = worker;
    inbox->lane = lane;
    inbox->batch = options->batch > HR_INBOX_BATCH_MAX ? HR_INBOX_BATCH_MAX : options->batch;
    hr_list_init(&inbox->waiting);
    hr_list_init(&inbox->node);
    hr_task_init(&inbox->start, start_batch, inbox);
    const struct hr_bus_sub_options sub = {.subject = options->subject, .queue = options->queue};
    enum hr_err err = hr_bus_subscribe(worker->bus, &sub, on_message, inbox, &inbox->sub);
    if (err) {
        hr_free(inbox);
        return err;
    }
    hr_list_push_back(&worker->inboxes, &inbox->node);
    return HR_OK;
}

void hr_inbox_stop_all(struct hr_worker *worker)
{
    for (struct hr_list *node = worker->inboxes.next; node != &worker->inboxes; node = node->next) {
        struct hr_inbox *inbox = HR_LIST_OWNER(node, struct hr_inbox, node);
        hr_bus_unsubscribe(inbox->sub);
        inbox->sub = NULL;
    }
}

static void inbox_free(struct hr_inbox *inbox)
{
    HR_ASSERT(!inbox->sub);
    hr_loop_unpost(&inbox->start);
    struct hr_list *node;
    while ((node = hr_list_pop_front(&inbox->waiting))) {
        letter_free(HR_LIST_OWNER(node, struct letter, node));
    }
    hr_free(inbox);
}

void hr_inbox_free_all(struct hr_worker *worker)
{
    struct hr_list *node;
    while ((node = hr_list_pop_front(&worker->inboxes))) {
        inbox_free(HR_LIST_OWNER(node, struct hr_inbox, node));
    }
}
