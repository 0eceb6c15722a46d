/* links: hr_host */
#include "guest_rig.h"

#include "host/calls/message.h"

#define SUBJECT_AT 64u
#define REPLY_AT 256u
#define BODY_AT 512u
#define RET_AT 1024u

/* --- on the fiber: the imports as a guest calls them ------------------------------------------- */

static enum hr_err publish(struct hr_fiber *fiber, struct hr_str subject, struct hr_str reply_to)
{
    rig_poke(fiber, SUBJECT_AT, subject);
    rig_poke(fiber, REPLY_AT, reply_to);
    wasmtime_val_raw_t values[8] = {
        {.i32 = SUBJECT_AT},
        {.i32 = (int32_t)subject.len},
        {.i32 = BODY_AT},
        {.i32 = 0},
        {.i32 = reply_to.len > 0},
        {.i32 = REPLY_AT},
        {.i32 = (int32_t)reply_to.len},
        {.i32 = RET_AT},
    };
    return rig_import(fiber, &hr_imports_messaging, "publish", values);
}

static enum hr_err request(struct hr_fiber *fiber, struct hr_str subject, uint32_t timeout_ms)
{
    rig_poke(fiber, SUBJECT_AT, subject);
    wasmtime_val_raw_t values[6] = {
        {.i32 = SUBJECT_AT}, {.i32 = (int32_t)subject.len}, {.i32 = BODY_AT},
        {.i32 = 0},          {.i32 = (int32_t)timeout_ms},  {.i32 = RET_AT},
    };
    return rig_import(fiber, &hr_imports_messaging, "request", values);
}

static enum hr_err gather(struct hr_fiber *fiber, struct hr_str subject, uint32_t want)
{
    rig_poke(fiber, SUBJECT_AT, subject);
    wasmtime_val_raw_t values[7] = {
        {.i32 = SUBJECT_AT}, {.i32 = (int32_t)subject.len}, {.i32 = BODY_AT},
        {.i32 = 0},          {.i32 = (int32_t)want},        {.i32 = 10000},
        {.i32 = RET_AT},
    };
    return rig_import(fiber, &hr_imports_messaging, "gather", values);
}

/* --- publish ------------------------------------------------------------------------------------ */

static enum hr_err publish_variously(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    static const struct {
        const char *subject;
        const char *reply_to;
        bool fine;
    } cases[] = {
        {"mine.a", "", true},        {"mine.a", "mine.b", true},  {"theirs.a", "", false},
        {"mine.a", "theirs", false}, {"mine.a", "mine.*", false}, {"mine.>", "", false},
        {"mine", "", false},         {"mine..a", "", false},      {"", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(publish(fiber, hr_str_c(cases[i].subject), hr_str_c(cases[i].reply_to)),
                         HR_OK);
        if (rig_peek8(fiber, RET_AT) != !cases[i].fine) {
            fail_msg("case %zu", i);
        }
    }
    return HR_OK;
}

/* An actor names only subjects of its link, also as the place to which others answer. */
static void messaging_denies_subjects_that_no_link_names(void **state)
{
    (void)state;
    static const char *const publishes[] = {"mine.>", NULL};
    struct guest_rig rig;
    rig_open(&rig, &(const struct guest_rig_options){.publish = publishes});
    rig_call(&rig, publish_variously);
    assert_int_equal(rig.err, HR_OK);
    rig_close(&rig);
}

/* --- what comes back ----------------------------------------------------------------------------- */

struct responder {
    struct hr_bus_port *port;
    struct hr_bus_sub *sub;
    struct hr_str error; /* answered as a refusal; empty: the message itself */
    uint32_t times;
    uint32_t heard;
};

static void respond(void *arg, const struct hr_bus_msg *msg)
{
    struct responder *responder = arg;
    responder->heard++;
    const struct hr_bus_header header = {HR_STR(HR_MESSAGE_ERROR_HEADER), responder->error};
    struct hr_bus_msg reply = {.subject = msg->reply_to, .body = HR_STR("fine")};
    for (uint32_t i = 0; i < responder->times; i++) {
        bool refuse = responder->error.len > 0 && i == 0;
        reply.headers = refuse ? &header : NULL;
        reply.header_count = refuse;
        assert_int_equal(hr_bus_publish(responder->port, &reply), HR_OK);
    }
}

static void respond_on(struct guest_rig *rig, const char *subject, struct responder *responder)
{
    const struct hr_bus_sub_options options = {.subject = hr_str_c(subject)};
    responder->port = rig->worker.bus;
    assert_int_equal(
        hr_bus_subscribe(rig->worker.bus, &options, respond, responder, &responder->sub), HR_OK);
}

static struct hr_str expected_error;

static enum hr_err request_and_expect_error(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    enum hr_err err = request(fiber, HR_STR("a.b"), 10000);
    if (err) {
        return err;
    }
    assert_int_equal(rig_peek8(fiber, RET_AT), 1);
    struct hr_str text = rig_peek_text(fiber, RET_AT + 4);
    assert_true(hr_str_is_utf8(text));
    assert_true(hr_str_starts(text, expected_error));
    return HR_OK;
}

/* Whatever bytes a refusal has, and wherever it is cut, the guest gets a string. */
static void messaging_gives_errors_as_strings(void **state)
{
    (void)state;
    static char long_text[602];
    for (size_t i = 0; i < 600; i += 2) {
        memcpy(long_text + i, "\xc3\xa4", 2);
    }
    memcpy(long_text + 600, "x", 2);
    const struct hr_str errors[] = {HR_STR("\xff\xfe"), hr_str_of(long_text, 601),
                                    hr_str_of(long_text + 1, 599), HR_STR("plain")};
    const char *const starts[] = {"closed: ??", "closed: \xc3\xa4", "closed: ?\xc3\xa4",
                                  "closed: plain"};
    for (size_t i = 0; i < 4; i++) {
        struct guest_rig rig;
        struct responder responder = {.error = errors[i], .times = 1};
        expected_error = hr_str_c(starts[i]);
        rig_open(&rig, &(const struct guest_rig_options){0});
        respond_on(&rig, "a.b", &responder);
        rig_call(&rig, request_and_expect_error);
        assert_int_equal(rig.err, HR_OK);
        hr_bus_unsubscribe(responder.sub);
        rig_close(&rig);
    }
}

static enum hr_err gather_five(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    enum hr_err err = gather(fiber, HR_STR("a.b"), 5);
    if (err) {
        return err;
    }
    assert_int_equal(rig_peek8(fiber, RET_AT), 0);
    assert_int_equal(rig_peek32(fiber, RET_AT + 8), 4); /* the refusal is none */
    return HR_OK;
}

static void messaging_leaves_refusals_out_of_a_gather(void **state)
{
    (void)state;
    /* Replies that are refusals do not become messages for the guest. */
    struct guest_rig rig;
    struct responder responder = {.error = HR_STR("no"), .times = 5};
    rig_open(&rig, &(const struct guest_rig_options){0});
    respond_on(&rig, "a.b", &responder);
    rig_call(&rig, gather_five);
    assert_int_equal(rig.err, HR_OK);
    hr_bus_unsubscribe(responder.sub);
    rig_close(&rig);
}

/* --- ends ------------------------------------------------------------------------------------------ */

static enum hr_err request_for_long(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    return request(fiber, HR_STR("a.b"), 1000000);
}

static enum hr_err gather_for_long(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    return gather(fiber, HR_STR("a.b"), 7);
}

struct cutter {
    struct hr_task task;
    struct guest_rig *rig;
    struct responder *responder;
    uint32_t after; /* this many messages were heard */
};

/* Ends all calls as a stopping host does, once the responder has heard of all of them. */
static void cut(void *arg)
{
    struct cutter *cutter = arg;
    if (cutter->responder->heard < cutter->after) {
        hr_loop_post(&cutter->rig->worker.loop, &cutter->task);
        return;
    }
    hr_lane_cancel_all(cutter->rig->lane);
}

/* Calls that end while they ask leave nothing behind that an answer could still reach. */
static void messaging_forgets_what_an_ended_call_asked(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct responder responder = {.times = 0};
    struct cutter cutter = {.rig = &rig, .responder = &responder, .after = 4};
    rig_open(&rig, &(const struct guest_rig_options){0});
    respond_on(&rig, "a.b", &responder);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rig_submit(&rig, i % 2 ? gather_for_long : request_for_long, NULL), HR_OK);
    }
    hr_task_init(&cutter.task, cut, &cutter);
    hr_loop_post(&rig.worker.loop, &cutter.task);
    rig_run(&rig);
    assert_int_equal(rig.ended, 4);
    assert_int_equal(rig.err, HR_CANCELED);
    rig_call(&rig, rig_handler_body); /* the lane is as new */
    assert_int_equal(rig.err, HR_OK);
    hr_bus_unsubscribe(responder.sub);
    rig_close(&rig);
}

/* A host that stops in the middle of requests ends them, whichever end of the rig goes first. */
static void messaging_ends_with_the_worker(void **state)
{
    (void)state;
    struct guest_rig rig;
    rig_open(&rig, &(const struct guest_rig_options){0});
    struct responder responder = {.times = 0};
    respond_on(&rig, "a.b", &responder);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rig_submit(&rig, i % 2 ? gather_for_long : request_for_long, NULL), HR_OK);
    }
    while (responder.heard < 4) {
        uv_run(&rig.worker.loop.uv, UV_RUN_NOWAIT);
    }
    hr_bus_unsubscribe(responder.sub);
    rig_close(&rig);
    assert_int_equal(rig.ended, 4);
    assert_int_equal(rig.err, HR_CANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messaging_denies_subjects_that_no_link_names),
        cmocka_unit_test(messaging_gives_errors_as_strings),
        cmocka_unit_test(messaging_leaves_refusals_out_of_a_gather),
        cmocka_unit_test(messaging_forgets_what_an_ended_call_asked),
        cmocka_unit_test(messaging_ends_with_the_worker),
    };
    return cmocka_run_group_tests_name("imports_messaging", tests, NULL, NULL);
}
