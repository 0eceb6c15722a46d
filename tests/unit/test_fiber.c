/* links: hr_host */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "host/run/abi.h"
#include "host/run/lane.h"
#include "host/imports/all.h"
#include "host/run/worker.h"

/* Guests are written as text; the exports are those of a message handler, whose core type is seven i32 to one. */
#define GUEST(imports, body)                                                                       \
    "(module " imports " (memory (export \"memory\") 1) (global $top (mut i32) (i32.const 4096)) " \
    "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) "                        \
    "  (global.get $top) (global.set $top (i32.and (i32.const -16) (i32.add (i32.const 31) "       \
    "  (i32.add (global.get $top) (local.get 3))))))"                                              \
    "(func (export \"wasmcloud:messaging/handler@0.2.0#handle-message\") "                         \
    "  (param i32 i32 i32 i32 i32 i32 i32) (result i32) " body "))"

struct outcome {
    int count;
    enum hr_err err;
    char cause[HR_DIAG_BYTES_MAX];
    bool inside_submit;
    bool called_inside;
    int left;
    struct hr_loop *loop;
};

struct rig {
    struct hr_worker worker;
    struct hr_engine *engine;
    struct hr_fibers *fibers;
    struct hr_actor *actor;
    struct hr_lane lane;
    struct outcome outcome;
};

static void no_advice(struct hr_str actor, struct hr_str interface, char *ret, size_t size)
{
    (void)actor;
    snprintf(ret, size, "grant %.*s", HR_STR_ARG(interface));
}

static enum hr_err load(struct rig *rig, const char *text, struct hr_diag *diag)
{
    static struct hr_str grants[2];
    grants[0] = HR_STR("wasi:io/poll");
    grants[1] = HR_STR("wasi:clocks/*");
    wasm_byte_vec_t wasm;
    wasmtime_error_t *error = wasmtime_wat2wasm(text, strlen(text), &wasm);
    if (error) {
        hr_engine_error(error, HR_BAD_INPUT, diag);
        fail_msg("%s", diag->text);
    }
    const struct hr_actor_options options = {
        .name = HR_STR("guest"),
        .bytes = hr_str_of(wasm.data, wasm.size),
        .limits = {.memory_bytes = 1 << 20,
                   .cpu_ms = 40,
                   .wall_ms = 10000,
                   .concurrent = 4,
                   .queue = 2,
                   .body_bytes = 1 << 16},
        .links = {.interfaces = grants, .interface_count = 2},
        .imports = &hr_imports_all,
        .advise = no_advice,
    };
    enum hr_err err = hr_actor_load(rig->engine, &options, &rig->actor, diag);
    wasm_byte_vec_delete(&wasm);
    return err;
}

/* cmocka puts its own handlers in place before each test; Wasmtime puts its own, which make traps of guests'
 * faults, once a process. This puts the latter back. */
static void restore_trap_handlers(void)
{
    static const int signals[] = {SIGSEGV, SIGILL, SIGFPE, SIGBUS};
    static struct sigaction saved[4];
    static bool known;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(sigaction(signals[i], known ? &saved[i] : NULL, known ? NULL : &saved[i]),
                         0);
    }
    known = true;
}

static void rig_open(struct rig *rig, const char *text)
{
    struct hr_diag diag = {""};
    memset(rig, 0, sizeof *rig);
    const struct hr_engine_options options = {.slots = 8, .memory_bytes_max = 1 << 20};
    assert_int_equal(hr_engine_new(&options, &rig->engine, &diag), HR_OK);
    restore_trap_handlers();
    assert_int_equal(hr_fibers_new(rig->engine, &rig->fibers, &diag), HR_OK);
    assert_int_equal(hr_loop_init(&rig->worker.loop, &diag), HR_OK);
    if (text) {
        assert_int_equal(load(rig, text, &diag), HR_OK);
        hr_lane_init(&rig->lane, &rig->worker, &rig->worker.loop, rig->fibers, rig->actor, 1);
    }
    rig->outcome.loop = &rig->worker.loop;
}

static void rig_close(struct rig *rig)
{
    hr_loop_release(&rig->worker.loop);
    hr_actor_free(rig->actor);
    hr_fibers_free(rig->fibers);
    hr_engine_free(rig->engine);
}

static enum hr_err call_handler(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    wasmtime_val_raw_t values[7];
    memset(values, 0, sizeof values);
    return hr_fiber_call_export(fiber, values, 7);
}

static void on_done(struct hr_fiber *fiber, enum hr_err err, const char *cause, void *arg)
{
    (void)fiber;
    struct outcome *outcome = arg;
    outcome->count++;
    outcome->err = err;
    snprintf(outcome->cause, sizeof outcome->cause, "%s", cause);
    outcome->called_inside = outcome->called_inside || outcome->inside_submit;
    if (--outcome->left == 0) {
        hr_loop_stop(outcome->loop);
    }
}

static enum hr_err submit(struct rig *rig, hr_fiber_body body, struct hr_fiber **ret_fiber)
{
    const struct hr_fiber_options options = {
        .export_id = HR_EXPORT_HANDLE_MESSAGE, .body = body, .done = on_done, .arg = &rig->outcome};
    rig->outcome.inside_submit = true;
    enum hr_err err = hr_lane_submit(&rig->lane, &options, ret_fiber);
    rig->outcome.inside_submit = false;
    rig->outcome.left += err == HR_OK;
    return err;
}

static void run_one(struct rig *rig)
{
    assert_int_equal(submit(rig, call_handler, NULL), HR_OK);
    hr_loop_run(&rig->worker.loop);
    assert_int_equal(rig->outcome.count, 1);
    assert_false(rig->outcome.called_inside);
}

/* A call that returns ends well, and exactly once, after the submit has returned. */
static void fiber_ends_well_when_the_guest_returns(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GUEST("", "(i32.const 0)"));
    run_one(&rig);
    assert_int_equal(rig.outcome.err, HR_OK);
    rig_close(&rig);
}

/* A trap ends the call with its cause and leaves the lane usable. */
static void fiber_reports_the_trap_and_goes_on(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GUEST("", "(i32.div_u (i32.const 1) (local.get 0))"));
    run_one(&rig);
    assert_int_equal(rig.outcome.err, HR_TRAP);
    assert_non_null(strstr(rig.outcome.cause, "divide by zero"));
    assert_int_equal(rig.lane.running_count, 0);
    rig.outcome.count = 0;
    run_one(&rig);
    rig_close(&rig);
}

/* A guest that never returns is ended by its CPU limit, and the loop has its turn in between. */
static void fiber_ends_an_endless_loop_by_cpu_time(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GUEST("", "(loop $l (br $l)) (unreachable)"));
    run_one(&rig);
    assert_int_equal(rig.outcome.err, HR_TIMEOUT);
    assert_non_null(strstr(rig.outcome.cause, "CPU time limit of 40 ms"));
    rig_close(&rig);
}

/* Endless recursion traps inside the guest's own stack. */
static void fiber_survives_a_stack_overflow(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GUEST("(func $f (result i32) (call $f))", "(call $f)"));
    run_one(&rig);
    assert_int_equal(rig.outcome.err, HR_TRAP);
    assert_non_null(strstr(rig.outcome.cause, "call stack exhausted"));
    rig_close(&rig);
}

/* Memory does not grow past the actor's limit, and the cause says so. */
static void fiber_holds_memory_to_its_limit(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GUEST("", "(loop $l (br_if $l (i32.ne (i32.const -1) (memory.grow (i32.const "
                             "1))))) (unreachable)"));
    run_one(&rig);
    assert_int_equal(rig.outcome.err, HR_TRAP);
    assert_non_null(strstr(rig.outcome.cause, "out of memory: 1024 of 1024 KiB"));
    rig_close(&rig);
}

#define CLOCK_IMPORTS                                                                           \
    "(import \"wasi:clocks/monotonic-clock@0.2.3\" \"subscribe-duration\" (func $after (param " \
    "i64) (result i32)))"                                                                       \
    "(import \"wasi:io/poll@0.2.3\" \"[method]pollable.block\" (func $block (param i32)))"      \
    "(import \"wasi:io/poll@0.2.3\" \"[resource-drop]pollable\" (func $drop (param i32)))"

/* A guest that waits gives the loop to others: two waiting calls overlap. */
static void fiber_waits_and_goes_on(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GUEST(CLOCK_IMPORTS, "(call $block (call $after (i64.const 20000000))) "
                                        "(i32.const 0)"));
    assert_int_equal(submit(&rig, call_handler, NULL), HR_OK);
    assert_int_equal(submit(&rig, call_handler, NULL), HR_OK);
    hr_loop_run(&rig.worker.loop);
    assert_int_equal(rig.outcome.count, 2);
    assert_int_equal(rig.outcome.err, HR_OK);
    rig_close(&rig);
}

struct canceller {
    struct hr_timer timer;
    struct hr_fiber *fiber;
};

static void cancel_now(void *arg)
{
    struct canceller *canceller = arg;
    hr_fiber_cancel(canceller->fiber, HR_CANCELED, "the test says so");
}

/* Cancelling a call that waits ends it at once, with the reason given. */
static void fiber_ends_when_cancelled_while_waiting(void **state)
{
    (void)state;
    struct rig rig;
    struct canceller canceller;
    rig_open(&rig, GUEST(CLOCK_IMPORTS, "(call $block (call $after (i64.const 900000000000))) "
                                        "(i32.const 0)"));
    assert_int_equal(submit(&rig, call_handler, &canceller.fiber), HR_OK);
    hr_timer_init(&canceller.timer, cancel_now, &canceller);
    hr_loop_timer_start(&rig.worker.loop, &canceller.timer, 5);
    hr_loop_run(&rig.worker.loop);
    assert_int_equal(rig.outcome.count, 1);
    assert_int_equal(rig.outcome.err, HR_CANCELED);
    assert_string_equal(rig.outcome.cause, "the test says so");
    rig_close(&rig);
}

/* A handle that was dropped, never given, or is of another type traps the guest. */
static void fiber_traps_on_handles_that_are_not_there(void **state)
{
    (void)state;
    static const char *const guests[] = {
        GUEST(CLOCK_IMPORTS, "(call $block (i32.const 7)) (i32.const 0)"),
        GUEST(CLOCK_IMPORTS, "(call $block (i32.const -1)) (i32.const 0)"),
        GUEST(CLOCK_IMPORTS, "(call $block (i32.const 0)) (i32.const 0)"),
        GUEST(CLOCK_IMPORTS "(global $h (mut i32) (i32.const 0))",
              "(global.set $h (call $after (i64.const 1))) (call $drop (global.get $h)) "
              "(call $drop (global.get $h)) (i32.const 0)"),
    };
    for (size_t i = 0; i < sizeof guests / sizeof guests[0]; i++) {
        struct rig rig;
        rig_open(&rig, guests[i]);
        run_one(&rig);
        assert_int_equal(rig.outcome.err, HR_TRAP);
        assert_non_null(strstr(rig.outcome.cause, "is no pollable of this call"));
        rig_close(&rig);
    }
}

/* A list that reaches past the memory's end, or wraps around, traps the guest. */
static void fiber_traps_on_lists_outside_memory(void **state)
{
    (void)state;
    static const char *const calls[] = {
        "(call $poll (i32.const 65532) (i32.const 2) (i32.const 0)) (i32.const 0)",
        "(call $poll (i32.const -4) (i32.const 2) (i32.const 0)) (i32.const 0)",
        "(call $poll (i32.const 2) (i32.const 1) (i32.const 0)) (i32.const 0)",
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text,
                 "(module (import \"wasi:io/poll@0.2.0\" \"poll\" (func $poll (param i32 i32 "
                 "i32))) (memory (export \"memory\") 1) (func (export "
                 "\"wasmcloud:messaging/handler@0.2.0#handle-message\") (param i32 i32 i32 i32 i32 "
                 "i32 i32) (result i32) %s))",
                 calls[i]);
        struct rig rig;
        rig_open(&rig, text);
        run_one(&rig);
        assert_int_equal(rig.outcome.err, HR_TRAP);
        assert_non_null(strstr(rig.outcome.cause, "canonical ABI"));
        rig_close(&rig);
    }
}

static enum hr_err lower_something(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    uint32_t ptr;
    return hr_abi_lower(fiber, HR_STR("hello"), &ptr);
}

/* An allocator that calls the host, or that answers an address outside its memory, ends the call and not the
 * host. */
static void fiber_traps_on_a_hostile_allocator(void **state)
{
    (void)state;
    static const char *const allocators[] = {
        "(call $block (call $after (i64.const 1000000000))) (i32.const 16)",
        "(i32.const 65534)",
        "(i32.const -3)",
    };
    static const char *const causes[] = {"from within cabi_realloc", "canonical ABI",
                                         "canonical ABI"};
    for (size_t i = 0; i < sizeof allocators / sizeof allocators[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text,
                 "(module " CLOCK_IMPORTS " (memory (export \"memory\") 1) (func (export "
                 "\"cabi_realloc\") (param i32 i32 i32 i32) (result i32) %s) (func (export "
                 "\"wasmcloud:messaging/handler@0.2.0#handle-message\") (param i32 i32 i32 i32 i32 "
                 "i32 i32) (result i32) (i32.const 0)))",
                 allocators[i]);
        struct rig rig;
        rig_open(&rig, text);
        assert_int_equal(submit(&rig, lower_something, NULL), HR_OK);
        hr_loop_run(&rig.worker.loop);
        assert_int_equal(rig.outcome.err, HR_TRAP);
        assert_non_null(strstr(rig.outcome.cause, causes[i]));
        rig_close(&rig);
    }
}

/* Calls over the limit wait their turn; over the queue's limit they are refused at once. */
static void lane_queues_and_then_refuses(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GUEST(CLOCK_IMPORTS, "(call $block (call $after (i64.const 5000000))) "
                                        "(i32.const 0)"));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(submit(&rig, call_handler, NULL), HR_OK);
    }
    assert_int_equal(submit(&rig, call_handler, NULL), HR_BUSY);
    assert_int_equal(rig.lane.running_count, 4);
    assert_int_equal(rig.lane.queued_count, 2);
    hr_loop_run(&rig.worker.loop);
    assert_int_equal(rig.outcome.count, 6);
    assert_int_equal(rig.outcome.err, HR_OK);
    assert_int_equal(rig.lane.running_count, 0);
    rig_close(&rig);
}

/* Stopping ends what waits and what runs. */
static void lane_cancels_all(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GUEST(CLOCK_IMPORTS, "(call $block (call $after (i64.const 900000000000))) "
                                        "(i32.const 0)"));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(submit(&rig, call_handler, NULL), HR_OK);
    }
    uv_run(&rig.worker.loop.uv, UV_RUN_NOWAIT);
    hr_lane_cancel_all(&rig.lane);
    assert_int_equal(rig.outcome.count, 6);
    assert_int_equal(rig.outcome.err, HR_CANCELED);
    assert_int_equal(rig.lane.running_count + rig.lane.queued_count, 0);
    rig_close(&rig);
}

/* An import without a link makes loading fail, and the text says what to add. */
static void actor_is_refused_when_an_import_is_not_granted(void **state)
{
    (void)state;
    struct rig rig;
    struct hr_diag diag = {""};
    rig_open(&rig, NULL);
    assert_int_equal(load(&rig,
                          "(module (import \"wasi:random/random@0.2.0\" \"get-random-u64\" (func "
                          "(result i64))))",
                          &diag),
                     HR_DENIED);
    assert_non_null(strstr(diag.text, "actor guest: imports wasi:random/random"));
    assert_non_null(strstr(diag.text, "grant wasi:random/random"));
    rig_close(&rig);
}

/* Unknown interfaces, wrong signatures, components and rubbish are told apart. */
static void actor_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"(module (import \"acme:x/y@1.0.0\" \"z\" (func)))", "does not have"},
        {"(module (import \"wasi:io/poll@0.2.0\" \"poll\" (func)))", "incompatible import type"},
        {"(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func)))", "preview 1"},
        {"(module (import \"wasi:io/poll@0.3.0\" \"poll\" (func (param i32 i32 i32))))",
         "does not have"},
        {"(component)", "component"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig rig;
        struct hr_diag diag = {""};
        rig_open(&rig, NULL);
        assert_int_not_equal(load(&rig, cases[i].text, &diag), HR_OK);
        if (!strstr(diag.text, cases[i].reason)) {
            fail_msg("case %zu: %s", i, diag.text);
        }
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fiber_ends_well_when_the_guest_returns),
        cmocka_unit_test(fiber_reports_the_trap_and_goes_on),
        cmocka_unit_test(fiber_ends_an_endless_loop_by_cpu_time),
        cmocka_unit_test(fiber_survives_a_stack_overflow),
        cmocka_unit_test(fiber_holds_memory_to_its_limit),
        cmocka_unit_test(fiber_waits_and_goes_on),
        cmocka_unit_test(fiber_ends_when_cancelled_while_waiting),
        cmocka_unit_test(fiber_traps_on_handles_that_are_not_there),
        cmocka_unit_test(fiber_traps_on_lists_outside_memory),
        cmocka_unit_test(fiber_traps_on_a_hostile_allocator),
        cmocka_unit_test(lane_queues_and_then_refuses),
        cmocka_unit_test(lane_cancels_all),
        cmocka_unit_test(actor_is_refused_when_an_import_is_not_granted),
        cmocka_unit_test(actor_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests_name("fiber", tests, NULL, NULL);
}
