/* links: hr_host */
#include "guest_rig.h"

#include "host/calls/message.h"

static enum hr_err copy(struct hr_str subject, struct hr_str reply_to)
{
    struct hr_arena arena;
    hr_arena_init(&arena, 0);
    const struct hr_bus_msg msg = {
        .subject = subject, .reply_to = reply_to, .body = HR_STR("\xff\x00")};
    struct hr_message message;
    enum hr_err err = hr_message_copy(&arena, &msg, &message);
    if (!err) {
        assert_true(hr_str_eq(message.subject, subject));
        assert_true(hr_str_eq(message.reply_to, reply_to));
        assert_true(hr_str_eq(message.body, msg.body));
    }
    hr_arena_release(&arena);
    return err;
}

/* Subjects become a guest's strings and must be UTF-8; a body is any bytes. */
static void message_takes_subjects_that_are_strings(void **state)
{
    (void)state;
    assert_int_equal(copy(HR_STR("a.\xc3\xa4"), HR_STR("_INBOX.1")), HR_OK);
    assert_int_equal(copy(HR_STR("a.b"), HR_STR("")), HR_OK);
    assert_int_equal(copy(HR_STR("a.\xff"), HR_STR("")), HR_BAD_INPUT);
    assert_int_equal(copy(HR_STR("a.b"), HR_STR("\xed\xa0\x80")), HR_BAD_INPUT);
}

static const struct hr_message *carried;
static uint32_t carried_count;
static bool carried_failed[4];

static enum hr_err call_one(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    return hr_message_call_one(fiber, carried);
}

/* A handler's answer is read from where it says, and junk there ends the call. */
static void message_checks_the_answer_of_a_handler(void **state)
{
    (void)state;
    static const struct {
        const char *guest;
        enum hr_err err;
        const char *cause;
    } cases[] = {
        {RIG_GUEST("", "(i32.const 16)"), HR_OK, ""},
        {RIG_GUEST("", "(i32.store8 (i32.const 16) (i32.const 1)) (i32.const 16)"), HR_INTERNAL,
         "the handler answered: "},
        {RIG_GUEST("(data (i32.const 64) \"no\")",
                   "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) "
                   "(i32.const 64)) (i32.store (i32.const 24) (i32.const 2)) (i32.const 16)"),
         HR_INTERNAL, "the handler answered: no"},
        {RIG_GUEST("", "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 24) "
                       "(i32.const -1)) (i32.const 16)"),
         HR_TRAP, "a string of 4294967295 bytes"},
        {RIG_GUEST("",
                   "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) "
                   "(i32.const 65530)) (i32.store (i32.const 24) (i32.const 7)) (i32.const 16)"),
         HR_TRAP, "reach past the memory's end"},
        {RIG_GUEST("", "(i32.const -1)"), HR_TRAP, "reach past the memory's end"},
        {RIG_GUEST("", "(i32.const 65536)"), HR_TRAP, "reach past the memory's end"},
        {RIG_GUEST("", "(i32.store8 (i32.const 65535) (i32.const 1)) (i32.const 65535)"), HR_TRAP,
         "is not aligned"},
    };
    const struct hr_message message = {HR_STR("a.b"), HR_STR("body"), HR_STR("_INBOX.1")};
    carried = &message;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guest_rig rig;
        rig_open(&rig, &(const struct guest_rig_options){.text = cases[i].guest});
        rig_call(&rig, call_one);
        if (rig.err != cases[i].err || !strstr(rig.cause, cases[i].cause)) {
            fail_msg("case %zu: %s %s", i, hr_err_name(rig.err), rig.cause);
        }
        rig_close(&rig);
    }
}

static enum hr_err call_batch(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    return hr_message_call_batch(fiber, carried, carried_count, carried_failed);
}

#define BATCH_GUEST(body)                                                                          \
    "(module " RIG_ALLOCATOR RIG_HANDLER(                                                          \
        "(i32.const 0)") "(func (export \"hedgerow:messaging/batch-handler@0.1.0#handle-batch\") " \
                         "(param i32 "                                                             \
                         "i32) (result i32) " body "))"

static enum hr_err submit_batch(struct guest_rig *rig)
{
    const struct hr_fiber_options options = {
        .export_id = HR_EXPORT_HANDLE_BATCH, .body = call_batch, .done = rig_on_done, .arg = rig};
    enum hr_err err = hr_lane_submit(rig->lane, &options, NULL);
    rig->left += err == HR_OK;
    return err;
}

/* A batch has as many results as messages, where the guest's memory is; else the call fails as a whole. */
static void message_checks_the_answers_of_a_batch(void **state)
{
    (void)state;
    static const struct {
        const char *guest;
        enum hr_err err;
        const char *cause;
    } cases[] = {
        {BATCH_GUEST("(i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) "
                     "(i32.const 2)) (i32.store8 (i32.const 76) (i32.const 1)) (i32.const 16)"),
         HR_OK, ""},
        {BATCH_GUEST("(i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) "
                     "(i32.const 3)) (i32.const 16)"),
         HR_TRAP, "answered 3 results for 2 messages"},
        {BATCH_GUEST("(i32.store (i32.const 16) (i32.const 65532)) (i32.store (i32.const 20) "
                     "(i32.const 2)) (i32.const 16)"),
         HR_TRAP, "reach past the memory's end"},
        {BATCH_GUEST("(i32.store (i32.const 16) (i32.const 65)) (i32.store (i32.const 20) "
                     "(i32.const 2)) (i32.const 16)"),
         HR_TRAP, "is not aligned"},
        {BATCH_GUEST("(i32.const -4)"), HR_TRAP, "reach past the memory's end"},
    };
    const struct hr_message messages[2] = {{HR_STR("a"), HR_STR("1"), HR_STR("")},
                                           {HR_STR("a"), HR_STR("2"), HR_STR("r")}};
    carried = messages;
    carried_count = 2;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guest_rig rig;
        rig_open(&rig, &(const struct guest_rig_options){.text = cases[i].guest});
        assert_int_equal(submit_batch(&rig), HR_OK);
        rig_run(&rig);
        if (rig.err != cases[i].err || !strstr(rig.cause, cases[i].cause)) {
            fail_msg("case %zu: %s %s", i, hr_err_name(rig.err), rig.cause);
        }
        if (!rig.err) {
            assert_false(carried_failed[0]);
            assert_true(carried_failed[1]);
        }
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_takes_subjects_that_are_strings),
        cmocka_unit_test(message_checks_the_answer_of_a_handler),
        cmocka_unit_test(message_checks_the_answers_of_a_batch),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
