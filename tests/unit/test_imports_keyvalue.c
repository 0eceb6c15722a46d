/* links: hr_host */
#include "guest_rig.h"

/* A guest that puts a value into the store, and says in its memory that it got past that. */
#define SETTING_GUEST                                                                              \
    RIG_GUEST("(import \"wasi:keyvalue/store@0.2.0-draft\" \"open\" (func $open (param i32 i32 "   \
              "i32))) (import \"wasi:keyvalue/store@0.2.0-draft\" \"[method]bucket.set\" (func "   \
              "$set (param i32 i32 i32 i32 i32 i32))) (data (i32.const 64) \"" RIG_BUCKET "\")",   \
              "(call $open (i32.const 64) (i32.const 6) (i32.const 128)) "                         \
              "(call $set (i32.load (i32.const 132)) (i32.const 64) (i32.const 3) (i32.const 64) " \
              "(i32.const 6) (i32.const 144)) (i32.store8 (i32.const 256) (i32.const 1)) "         \
              "(i32.const 0)")

static bool went_on;

static enum hr_err set_and_look(struct hr_fiber *fiber, void *arg)
{
    enum hr_err err = rig_handler_body(fiber, arg);
    went_on = rig_peek8(fiber, 256) == 1;
    return err;
}

struct canceller {
    struct hr_task task;
    struct hr_loop *loop;
    struct hr_fiber *fiber;
};

/* Comes by in every round of the loop, and ends the call when it has been woken and has not run yet. */
static void cancel_between(void *arg)
{
    struct canceller *canceller = arg;
    if (canceller->fiber->state == HR_FIBER_WAITING && canceller->fiber->woken) {
        hr_fiber_cancel(canceller->fiber, HR_CANCELED, "the test says so");
        return;
    }
    hr_loop_post(canceller->loop, &canceller->task);
}

/* A call whose commit is done is cancelled before its turn: its guest does not go on. */
static void keyvalue_does_not_resume_a_cancelled_guest(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct canceller canceller;
    rig_open(&rig, &(const struct guest_rig_options){.text = SETTING_GUEST});
    rig_call(&rig, set_and_look);
    assert_int_equal(rig.err, HR_OK);
    assert_true(went_on);

    assert_int_equal(rig_submit(&rig, set_and_look, &canceller.fiber), HR_OK);
    canceller.loop = &rig.worker.loop;
    hr_task_init(&canceller.task, cancel_between, &canceller);
    hr_loop_post(&rig.worker.loop, &canceller.task);
    rig_run(&rig);
    assert_int_equal(rig.err, HR_CANCELED);
    assert_string_equal(rig.cause, "the test says so");
    assert_false(went_on);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyvalue_does_not_resume_a_cancelled_guest),
    };
    return cmocka_run_group_tests_name("imports_keyvalue", tests, NULL, NULL);
}
