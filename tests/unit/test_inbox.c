/* links: hr_host */
#include "guest_rig.h"

#include "host/calls/inbox.h"
#include "host/calls/message.h"

/* A handler of batches that fails nothing and answers nothing. */
#define BATCH_GUEST                                                                              \
    "(module " RIG_ALLOCATOR RIG_HANDLER(                                                        \
        "(i32.const 16)") "(func (export "                                                       \
                          "\"hedgerow:messaging/batch-handler@0.1.0#handle-batch\") (param i32 " \
                          "i32) "                                                                \
                          "(result i32) (i32.store (i32.const 16) (i32.const 64)) (i32.store "   \
                          "(i32.const 20) "                                                      \
                          "(local.get 1)) (i32.const 16)))"
#define TRAPPING_GUEST                                                                           \
    "(module " RIG_ALLOCATOR RIG_HANDLER(                                                        \
        "unreachable") "(func (export \"hedgerow:messaging/batch-handler@0.1.0#handle-batch\") " \
                       "(param i32 i32) "                                                        \
                       "(result i32) unreachable))"

/* Somebody on the bus who publishes with a reply subject and counts what comes back. */
struct asker {
    struct guest_rig *rig;
    struct hr_bus_sub *sub;
    uint32_t refusals;
    uint32_t others;
    uint32_t wanted; /* stop the loop when so many have come; 0 = do not */
    char error[256]; /* of the last refusal */
};

static void on_answer(void *arg, const struct hr_bus_msg *msg)
{
    struct asker *asker = arg;
    struct hr_str error = hr_message_error(msg);
    if (error.len > 0) {
        asker->refusals++;
        snprintf(asker->error, sizeof asker->error, "%.*s", HR_STR_ARG(error));
    } else {
        asker->others++;
    }
    if (asker->refusals + asker->others == asker->wanted) {
        hr_loop_stop(&asker->rig->worker.loop);
    }
}

static void asker_open(struct asker *asker, struct guest_rig *rig)
{
    *asker = (struct asker){.rig = rig};
    const struct hr_bus_sub_options options = {.subject = HR_STR("back")};
    assert_int_equal(hr_bus_subscribe(rig->worker.bus, &options, on_answer, asker, &asker->sub),
                     HR_OK);
}

static void tell(struct guest_rig *rig, struct hr_str subject, const struct hr_bus_header *header)
{
    const struct hr_bus_msg msg = {.subject = subject,
                                   .reply_to = HR_STR("back"),
                                   .body = HR_STR("hello"),
                                   .headers = header,
                                   .header_count = header != NULL};
    assert_int_equal(hr_bus_publish(rig->worker.bus, &msg), HR_OK);
}

static void inbox_open(struct guest_rig *rig, uint32_t batch)
{
    const struct hr_inbox_options options = {
        .subject = HR_STR("in.>"), .queue = HR_STR("q"), .batch = batch};
    assert_int_equal(hr_inbox_open(&rig->worker, rig->lane, &options), HR_OK);
}

/* Runs until @asker has been told @count things. */
static void await_answers(struct asker *asker, uint32_t count)
{
    asker->wanted = count;
    if (asker->refusals + asker->others < count) {
        hr_loop_run(&asker->rig->worker.loop);
    }
    assert_int_equal(asker->refusals + asker->others, count);
}

/* Every message of a batch whose call fails is answered, and those that come later begin anew. */
static void inbox_answers_all_when_a_batch_fails(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct asker asker;
    rig_open(&rig, &(const struct guest_rig_options){.text = TRAPPING_GUEST});
    asker_open(&asker, &rig);
    inbox_open(&rig, 64);
    for (int i = 0; i < 100; i++) {
        tell(&rig, HR_STR("in.a"), NULL);
    }
    await_answers(&asker, 100);
    assert_int_equal(asker.refusals, 100);
    assert_non_null(strstr(asker.error, "unreachable"));
    tell(&rig, HR_STR("in.a"), NULL);
    await_answers(&asker, 101);
    hr_bus_unsubscribe(asker.sub);
    rig_close(&rig);
}

static enum hr_err wait_for_ever(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    enum hr_err err = HR_OK;
    while (!err) {
        err = hr_fiber_wait(fiber);
    }
    return err;
}

/* With no place for their call, all that wait are refused, also those beyond the first batch. */
static void inbox_refuses_all_that_wait_when_there_is_no_place(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct asker asker;
    rig_open(&rig, &(const struct guest_rig_options){.text = BATCH_GUEST,
                                                     .limits = {.concurrent = 1, .queue = 1}});
    asker_open(&asker, &rig);
    inbox_open(&rig, 8);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rig_submit(&rig, wait_for_ever, NULL), HR_OK);
    }
    for (int i = 0; i < 50; i++) {
        tell(&rig, HR_STR("in.a"), NULL);
    }
    await_answers(&asker, 50);
    assert_int_equal(asker.refusals, 50);
    hr_bus_unsubscribe(asker.sub);
    rig_close(&rig);
}

/* What one inbox keeps waiting is bounded; the rest is refused at once. */
static void inbox_refuses_beyond_its_limit(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct asker asker;
    uint32_t sent = HR_INBOX_WAITING_MAX + 200;
    rig_open(&rig, &(const struct guest_rig_options){.text = BATCH_GUEST,
                                                     .limits = {.concurrent = 1, .queue = 1}});
    asker_open(&asker, &rig);
    inbox_open(&rig, 64);
    assert_int_equal(rig_submit(&rig, wait_for_ever, NULL), HR_OK);
    for (uint32_t i = 0; i < sent; i++) {
        tell(&rig, HR_STR("in.a"), NULL);
    }
    /* One batch is queued in the lane, HR_INBOX_WAITING_MAX wait. */
    await_answers(&asker, sent - HR_INBOX_WAITING_MAX - 64);
    hr_bus_unsubscribe(asker.sub);
    rig_close(&rig);
}

/* Messages that calls carry, or that wait for their calls in the lane, count as those that wait in the
 * inbox do. */
static void inbox_bounds_the_bytes_that_it_holds(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct asker asker;
    static char body[HR_BUS_PAYLOAD_BYTES_MAX];
    const struct hr_bus_msg msg = {.subject = HR_STR("in.a"),
                                   .reply_to = HR_STR("back"),
                                   .body = hr_str_of(body, sizeof body)};
    rig_open(&rig, &(const struct guest_rig_options){.limits = {.concurrent = 1, .queue = 1000}});
    asker_open(&asker, &rig);
    inbox_open(&rig, 0);
    assert_int_equal(rig_submit(&rig, wait_for_ever, NULL), HR_OK);
    for (int i = 0; i < 70; i++) {
        assert_int_equal(hr_bus_publish(rig.worker.bus, &msg), HR_OK);
        for (int k = 0; k < 4; k++) {
            uv_run(&rig.worker.loop.uv, UV_RUN_NOWAIT);
        }
    }
    assert_int_equal(rig.lane->queued_count, 63);
    await_answers(&asker, 7);
    assert_int_equal(asker.refusals, 7);
    hr_bus_unsubscribe(asker.sub);
    rig_close(&rig);
}

/* A refusal that somebody has sent to a subscribed subject is not handed to the guest, nor answered. */
static void inbox_takes_no_refusal_for_a_message(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct asker asker;
    const struct hr_bus_header header = {HR_STR(HR_MESSAGE_ERROR_HEADER), HR_STR("no")};
    rig_open(&rig, &(const struct guest_rig_options){.text = TRAPPING_GUEST});
    asker_open(&asker, &rig);
    inbox_open(&rig, 0);
    tell(&rig, HR_STR("in.a"), &header);
    tell(&rig, HR_STR("in.a"), NULL); /* would be the second to be refused */
    await_answers(&asker, 1);
    hr_bus_unsubscribe(asker.sub);
    rig_close(&rig);
}

/* A host that stops with letters waiting, a batch queued and a call on its way ends all of them. */
static void inbox_ends_with_the_worker(void **state)
{
    (void)state;
    struct guest_rig rig;
    rig_open(&rig, &(const struct guest_rig_options){.text = BATCH_GUEST,
                                                     .limits = {.concurrent = 1, .queue = 4}});
    inbox_open(&rig, 4);
    inbox_open(&rig, 0);
    assert_int_equal(rig_submit(&rig, wait_for_ever, NULL), HR_OK);
    for (int i = 0; i < 60; i++) {
        tell(&rig, HR_STR("in.a"), NULL);
    }
    for (int i = 0; i < 4; i++) {
        uv_run(&rig.worker.loop.uv, UV_RUN_NOWAIT);
    }
    rig_close(&rig);
    assert_int_equal(rig.err, HR_CANCELED);
}

/* Batch inboxes of one actor share one queue: their messages go together, one call at a time. */
static void inbox_handles_all_batches_one_at_a_time(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct asker asker;
    const struct hr_inbox_options other = {.subject = HR_STR("also.>"), .batch = 64};
    rig_open(&rig, &(const struct guest_rig_options){.text = BATCH_GUEST,
                                                     .limits = {.concurrent = 8, .queue = 8}});
    asker_open(&asker, &rig);
    inbox_open(&rig, 64);
    assert_int_equal(hr_inbox_open(&rig.worker, rig.lane, &other), HR_OK);
    for (int i = 0; i < 40; i++) {
        tell(&rig, i % 2 ? HR_STR("in.a") : HR_STR("also.b"), NULL);
        uv_run(&rig.worker.loop.uv, UV_RUN_NOWAIT);
        assert_true(rig.lane->running_count <= 1);
    }
    hr_bus_unsubscribe(asker.sub);
    rig_close(&rig);
}

/* An unordered batch inbox has a queue of its own: its call goes beside the others', one at a time too. */
static void inbox_handles_unordered_batches_beside_the_others(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct asker asker;
    const struct hr_inbox_options other = {
        .subject = HR_STR("also.>"), .batch = 64, .unordered = true};
    uint32_t running_max = 0;
    rig_open(&rig, &(const struct guest_rig_options){.text = BATCH_GUEST,
                                                     .limits = {.concurrent = 8, .queue = 8}});
    asker_open(&asker, &rig);
    assert_int_equal(hr_inbox_open(&rig.worker, rig.lane, &other), HR_OK);
    inbox_open(&rig, 64);
    inbox_open(&rig, 64);
    for (int i = 0; i < 40; i++) {
        tell(&rig, HR_STR("in.a"), NULL);
        tell(&rig, HR_STR("also.b"), NULL);
        for (int turn = 0; turn < 3; turn++) {
            uv_run(&rig.worker.loop.uv, UV_RUN_NOWAIT);
            uint32_t running = rig.lane->running_count;
            running_max = running > running_max ? running : running_max;
        }
    }
    assert_int_equal(running_max, 2);
    hr_bus_unsubscribe(asker.sub);
    rig_close(&rig);
}

/* A message whose requester has given up is dropped: no call, and no answer that nobody waits for. */
static void inbox_drops_what_nobody_waits_for(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct asker asker;
    const struct hr_bus_header over = {HR_STR(HR_BUS_HEADER_TIMEOUT), HR_STR("0")};
    const struct hr_bus_header patient = {HR_STR(HR_BUS_HEADER_TIMEOUT), HR_STR("60000")};
    rig_open(&rig, &(const struct guest_rig_options){.text = TRAPPING_GUEST});
    asker_open(&asker, &rig);
    inbox_open(&rig, 0);
    tell(&rig, HR_STR("in.a"), &over);
    tell(&rig, HR_STR("in.a"), &patient);
    await_answers(&asker, 1);
    assert_non_null(strstr(asker.error, "unreachable"));
    hr_bus_unsubscribe(asker.sub);
    rig_close(&rig);
}

/* A call lasts no longer than the patience of whoever asked, though the actor's limit is longer. */
static void inbox_ends_calls_with_their_requesters_patience(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct asker asker;
    const struct hr_bus_header brief = {HR_STR(HR_BUS_HEADER_TIMEOUT), HR_STR("30")};
    rig_open(&rig,
             &(const struct guest_rig_options){
                 .text = "(module " RIG_ALLOCATOR RIG_HANDLER("(loop (br 0)) unreachable") ")",
                 .limits = {.cpu_ms = 60000, .wall_ms = 60000}});
    asker_open(&asker, &rig);
    inbox_open(&rig, 0);
    tell(&rig, HR_STR("in.a"), &brief);
    await_answers(&asker, 1);
    assert_non_null(strstr(asker.error, "timed out"));
    hr_bus_unsubscribe(asker.sub);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inbox_answers_all_when_a_batch_fails),
        cmocka_unit_test(inbox_refuses_all_that_wait_when_there_is_no_place),
        cmocka_unit_test(inbox_refuses_beyond_its_limit),
        cmocka_unit_test(inbox_bounds_the_bytes_that_it_holds),
        cmocka_unit_test(inbox_takes_no_refusal_for_a_message),
        cmocka_unit_test(inbox_ends_with_the_worker),
        cmocka_unit_test(inbox_handles_all_batches_one_at_a_time),
        cmocka_unit_test(inbox_handles_unordered_batches_beside_the_others),
        cmocka_unit_test(inbox_drops_what_nobody_waits_for),
        cmocka_unit_test(inbox_ends_calls_with_their_requesters_patience),
    };
    return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
