/* links: hr_host */
#include "guest_rig.h"

#include "host/obs/log.h"

#define LOAD_OPTIONS(module)          \
    &(const struct guest_rig_options) \
    {                                 \
        .text = (module)              \
    }

/* Loads @text alone and gives what came of it. */
static enum hr_err load_alone(const char *text, struct hr_diag *ret_diag)
{
    struct guest_rig rig;
    rig_open_engine(&rig, LOAD_OPTIONS(text));
    ret_diag->text[0] = '\0';
    enum hr_err err = rig_load(&rig, "guest", LOAD_OPTIONS(text), &rig.actor, ret_diag);
    if (!err) {
        hr_actor_free(rig.actor);
    }
    rig_close_engine(&rig);
    return err;
}

/* Calls of the host are unchecked, so an export that it would call must have the ABI's own type; types
 * that the C API has no name for are told apart like any other. */
static void abi_refuses_exports_of_another_type(void **state)
{
    (void)state;
    static const char *const modules[] = {
        "(module (memory (export \"memory\") 1) (func (export \"cabi_realloc\")))",
        "(module (func (export \"cabi_realloc\") (param i32 i32 i32 i64) (result i32) "
        "unreachable))",
        "(module (func (export \"cabi_realloc\") (param i32 i32 i32 v128) (result i32) "
        "unreachable))",
        "(module (func (export \"cabi_realloc\") (param i32 i32 i32 funcref) (result i32) "
        "unreachable))",
        "(module (func (export \"_initialize\") (param v128)))",
        "(module (func (export \"wasi:http/incoming-handler@0.2.0#handle\") (param i32 i32) "
        "(result "
        "i32) unreachable))",
        "(module (func (export \"wasi:http/incoming-handler@0.2.0#handle\") (param i32 i32) "
        "(result "
        "v128) unreachable))",
        "(module (func (export \"hedgerow:ui/assets@0.1.0#get-asset\") (param i32 i32 i32 f32) "
        "(result i32) unreachable))",
        "(module (func (export \"hedgerow:messaging/batch-handler@0.1.0#handle-batch\") (param i32 "
        "i32) (result i32 i32) unreachable))",
    };
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        struct hr_diag diag;
        assert_int_equal(load_alone(modules[i], &diag), HR_BAD_INPUT);
        assert_non_null(strstr(diag.text, "with a type that is not the canonical ABI's"));
    }
}

/* The host looks an export up by the whole of its name: one with a NUL inside never stands for the
 * export whose name ends there. */
static void abi_ignores_exports_with_odd_versions(void **state)
{
    (void)state;
    struct guest_rig rig;
    struct hr_diag diag;
    const struct guest_rig_options options = {
        .text =
            "(module (memory (export \"wasi:http/incoming-handler@0.2.0\") 1)"
            "(func (export \"wasi:http/incoming-handler@0.2.0\\00.1#handle\") (param i32 i32)))"};
    rig_open_engine(&rig, &options);
    assert_int_equal(rig_load(&rig, "guest", &options, &rig.actor, &diag), HR_OK);
    assert_null(rig.actor->exports[HR_EXPORT_HTTP_HANDLE]);
    hr_actor_free(rig.actor);
    rig_close_engine(&rig);
}

/* The memory that strings go through is one that the host can address, or none at all. */
static void abi_refuses_a_memory_that_is_none(void **state)
{
    (void)state;
    static const char *const modules[] = {
        "(module (func (export \"memory\")))",
        "(module (table (export \"memory\") 1 funcref))",
        "(module (global (export \"memory\") i32 (i32.const 0)))",
        "(module (memory (export \"memory\") 1 1 shared))",
        "(module (memory (export \"memory\") i64 1))",
        "(module (memory (export \"memory\") 1 (pagesize 1)))",
    };
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        struct hr_diag diag;
        if (load_alone(modules[i], &diag) != HR_BAD_INPUT) {
            fail_msg("case %zu: %s", i, diag.text);
        }
    }
}

/* Modules that use what this host has not are refused by a message, whatever it is that they use. */
static void abi_refuses_features_that_it_has_not(void **state)
{
    (void)state;
    static const char *const modules[] = {
        "(module (memory 1) (memory 1))",
        "(module (table 1 funcref) (table 1 funcref))",
        "(module (table 4000000 funcref))",
        "(module (memory 60000))",
        "(module (memory i64 1))",
        "(module (memory 1 1 shared))",
        "(module (tag (export \"t\") (param i32)))",
        "(module (type $s (struct (field i32))) (func (export \"f\") (param (ref $s))))",
        "(module (func (export \"f\") (result anyref) unreachable))",
        "(module (func (export \"f\") (param externref)))",
        "(module (type $f (func)) (func (export \"f\") (param (ref null $f))))",
        "(module (type $f (func)) (type $c (cont $f)) (func (export \"f\") (param (ref null $c))))",
    };
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        struct hr_diag diag;
        enum hr_err err = load_alone(modules[i], &diag);
        print_message("case %zu: %s %s\n", i, hr_err_name(err), diag.text);
        assert_true(err == HR_OK || err == HR_BAD_INPUT);
    }
}

#define STEPS 4000

/* A handler that does one thing many times over, without a loop. */
static char *straight_guest(const char *step)
{
    size_t size = 512 + STEPS * strlen(step);
    char *text = hr_alloc(size);
    assert_non_null(text);
    size_t len = (size_t)snprintf(
        text, size,
        "(module (import \"wasi:config/store@0.2.0-draft\" \"get\" (func $get (param i32 i32 "
        "i32))) "
        "(memory (export \"memory\") 16) (func (export "
        "\"wasmcloud:messaging/handler@0.2.0#handle-message\") (param i32 i32 i32 i32 i32 i32 i32) "
        "(result i32) ");
    for (int i = 0; i < STEPS; i++) {
        len += (size_t)snprintf(text + len, size - len, "%s", step);
    }
    snprintf(text + len, size - len, "(i32.const 0)))");
    return text;
}

/* A guest without loops or functions of its own still has its CPU limit: every import and every
 * instruction on much memory is a place where it may be stopped. The key, and what is filled, is all of
 * the guest's memory, so that each step takes its time. */
static void abi_stops_a_guest_without_loops(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "(call $get (i32.const 0) (i32.const 1048576) (i32.const 0))",
        "(memory.fill (i32.const 0) (i32.const 97) (i32.const 1048576))"
        "(memory.copy (i32.const 0) (i32.const 8) (i32.const 1048000))",
    };
    for (size_t i = 0; i < 2; i++) {
        struct guest_rig rig;
        char *text = straight_guest(steps[i]);
        rig_open(&rig, &(const struct guest_rig_options){.text = text, .limits = {.cpu_ms = 20}});
        rig_call(&rig, rig_handler_body);
        assert_int_equal(rig.err, HR_TIMEOUT);
        assert_non_null(strstr(rig.cause, "CPU time limit of 20 ms"));
        rig_close(&rig);
        hr_free(text);
    }
}

static void wake(void *arg)
{
    hr_fiber_wake(arg);
}

static enum hr_err wait_for_the_other(struct hr_fiber *fiber, void *arg)
{
    const struct guest_rig *rig = arg;
    struct hr_timer timer;
    hr_timer_init(&timer, wake, fiber);
    while (rig->ended == 0) {
        hr_loop_timer_start(fiber->lane->loop, &timer, 1);
        enum hr_err err = hr_fiber_wait(fiber);
        hr_loop_timer_stop(fiber->lane->loop, &timer);
        if (err) {
            return err;
        }
    }
    return HR_OK;
}

/* More calls than the pool has instances: the one too many is told that the host is busy. */
static void abi_is_busy_when_the_pool_is_used_up(void **state)
{
    (void)state;
    struct guest_rig rig;
    rig_open(&rig, &(const struct guest_rig_options){.slots = 1});
    assert_int_equal(rig_submit(&rig, wait_for_the_other, NULL), HR_OK);
    assert_int_equal(rig_submit(&rig, wait_for_the_other, NULL), HR_OK);
    rig.left = 1; /* stop at the first that ends */
    rig_run(&rig);
    assert_int_equal(rig.err, HR_BUSY);
    assert_string_equal(rig.cause, "no instance is free");
    rig.left = 1;
    rig_run(&rig);
    assert_int_equal(rig.err, HR_OK);
    rig_call(&rig, rig_handler_body);
    assert_int_equal(rig.err, HR_OK);
    rig_close(&rig);
}

/* The guest's stack, then an import, then the guest's allocator with a stack of the same size: however
 * deep each goes, it ends in a trap and within the fiber's stack. */
static void abi_survives_recursion_in_guest_and_allocator(void **state)
{
    (void)state;
    for (int depth = 0; depth <= 16384; depth += depth < 1024 ? 1024 : 512) {
        char text[2048];
        snprintf(
            text, sizeof text,
            "(module (import \"wasi:config/store@0.2.0-draft\" \"get-all\" (func $all (param "
            "i32))) (memory (export \"memory\") 1) (func $r (param i32) (result i32) (call $r "
            "(i32.add (i32.const 1) (local.get 0)))) (func (export \"cabi_realloc\") (param i32 "
            "i32 i32 i32) (result i32) (call $r (i32.const 0))) (func $down (param i32) (if "
            "(i32.eqz (local.get 0)) (then (call $all (i32.const 0))) (else (call $down "
            "(i32.sub (local.get 0) (i32.const 1)))))) (func (export "
            "\"wasmcloud:messaging/handler@0.2.0#handle-message\") (param i32 i32 i32 i32 i32 "
            "i32 i32) (result i32) (call $down (i32.const %d)) (i32.const 0)))",
            depth);
        struct guest_rig rig;
        rig_open(&rig, &(const struct guest_rig_options){.text = text});
        rig_call(&rig, rig_handler_body);
        assert_int_equal(rig.err, HR_TRAP);
        assert_non_null(strstr(rig.cause, "call stack exhausted"));
        rig_close(&rig);
    }
}

/* An actor that asks for an asset; the one that answers is itself. */
#define ASSET_GUEST(ask, answer)                                                                 \
    "(module (import \"hedgerow:ui/assets@0.1.0\" \"get-asset\" (func $get (param i32 i32 i32 "  \
    "i32 "                                                                                       \
    "i32))) " RIG_ALLOCATOR                                                                      \
    RIG_HANDLER(ask) "(func (export \"hedgerow:ui/assets@0.1.0#get-asset\") (param i32 i32 i32 " \
                     "i32) (result i32) " answer "))"
#define ASK "(call $get (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048)) "

/* 64 headers whose names and values are all the first 60000 bytes of the memory. */
#define BIG_ANSWER                                                                              \
    "(local $i i32) (i32.store8 (i32.const 63492) (i32.const 1)) (i32.store (i32.const 63504) " \
    "(i32.const 61440)) (i32.store (i32.const 63508) (i32.const 64)) (loop $l (i32.store "      \
    "(i32.add "                                                                                 \
    "(i32.const 61444) (i32.mul (local.get $i) (i32.const 8))) (i32.const 60000)) (br_if $l "   \
    "(i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 128)))) "       \
    "(i32.const 63488)"

static enum hr_err ask_for_asset(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    wasmtime_val_raw_t values[5] = {[4] = {.i32 = 2048}};
    enum hr_err err = rig_import(fiber, &hr_imports_assets, "get-asset", values);
    if (!err) {
        assert_int_equal(rig_peek8(fiber, 2048), 1);
        struct hr_str text = rig_peek_text(fiber, 2052);
        assert_non_null(memmem(text.ptr, text.len, "an asset of more than 131072 bytes", 34));
    }
    return err;
}

/* An asset with its headers is bounded as a whole, and the asker is told. */
static void abi_bounds_what_one_actor_hands_another(void **state)
{
    (void)state;
    struct guest_rig rig;
    rig_open(&rig, &(const struct guest_rig_options){
                       .text = ASSET_GUEST("(i32.const 0)", BIG_ANSWER), .assets = "guest"});
    rig_call(&rig, ask_for_asset);
    assert_int_equal(rig.err, HR_OK);
    rig_close(&rig);
}

struct nest {
    struct hr_task task;
    struct guest_rig *rig;
    uint32_t depth;
    enum { NEST_ALL, NEST_FIRST, NEST_LAST } which;
};

/* When so many calls run, ends all of them, or the one that all others wait for, or the innermost. */
static void cut_nest(void *arg)
{
    struct nest *nest = arg;
    struct hr_lane *lane = nest->rig->lane;
    if (lane->running_count < nest->depth) {
        hr_loop_post(&nest->rig->worker.loop, &nest->task);
        return;
    }
    struct hr_list *node = nest->which == NEST_FIRST ? lane->running.next : lane->running.prev;
    if (nest->which == NEST_ALL) {
        hr_lane_cancel_all(lane);
    } else {
        hr_fiber_cancel(HR_LIST_OWNER(node, struct hr_fiber, node), HR_CANCELED, "cut");
    }
}

/* Calls that wait for one another end without touching what is gone, whichever ends first: with their
 * callers' end callees end, with their callee's end callers get an error. */
static void abi_unwinds_calls_that_wait_for_one_another(void **state)
{
    (void)state;
    for (int which = NEST_ALL; which <= NEST_LAST; which++) {
        struct guest_rig rig;
        struct nest nest = {.rig = &rig, .depth = 4, .which = which};
        rig_open(&rig, &(const struct guest_rig_options){
                           .text = ASSET_GUEST(ASK "(i32.const 0)",
                                               ASK "(i32.store8 (i32.const 64) (i32.const 0)) "
                                                   "(i32.const 64)"),
                           .limits = {.concurrent = 4, .queue = 2},
                           .assets = "guest"});
        assert_int_equal(rig_submit(&rig, rig_handler_body, NULL), HR_OK);
        hr_task_init(&nest.task, cut_nest, &nest);
        hr_loop_post(&rig.worker.loop, &nest.task);
        rig_run(&rig);
        assert_int_equal(rig.err, which == NEST_LAST ? HR_OK : HR_CANCELED);
        rig_close(&rig);
    }
}

#define HANDLER_TYPE "(param i32 i32 i32 i32 i32 i32 i32) (result i32)"
#define ENDLESS "(loop $l (br $l))"
#define ENDLESS_ALLOCATOR                                                                     \
    "(module (import \"wasi:config/store@0.2.0-draft\" \"get-all\" (func $all (param i32))) " \
    "(memory (export \"memory\") 1) (func (export \"cabi_realloc\") (param i32 i32 i32 i32) " \
    "(result i32) " ENDLESS " unreachable) "                                                  \
    "(func (export \"wasmcloud:messaging/handler@0.2.0#handle-message\") " HANDLER_TYPE       \
    "(call $all (i32.const 0)) (i32.const 0)))"
static const char *const endless_guests[] = {
    RIG_GUEST("", ENDLESS " unreachable"),
    ENDLESS_ALLOCATOR,
    "(module " RIG_ALLOCATOR RIG_HANDLER("(i32.const 0)") "(func $s " ENDLESS ") (start $s))",
    "(module " RIG_ALLOCATOR RIG_HANDLER("(i32.const 0)") "(func (export \"_initialize\") " ENDLESS
                                                          "))",
    RIG_GUEST("", "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l)) "
                  "unreachable"),
};
#define ENDLESS_COUNT (sizeof endless_guests / sizeof endless_guests[0])

/* Wherever a guest computes for ever (its handler, its allocator in the middle of an import, its start
 * function, its constructors), its CPU limit ends it. */
static void abi_ends_what_computes_for_ever(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENDLESS_COUNT; i++) {
        struct guest_rig rig;
        rig_open(&rig, &(const struct guest_rig_options){.text = endless_guests[i],
                                                         .limits = {.cpu_ms = 20}});
        rig_call(&rig, rig_handler_body);
        assert_int_equal(rig.err, HR_TIMEOUT);
        assert_string_equal(rig.cause, "CPU time limit of 20 ms reached");
        rig_close(&rig);
    }
}

struct stopper {
    struct hr_task task;
    struct guest_rig *rig;
    struct hr_fiber *fiber;
};

static void stop_when_yielded(void *arg)
{
    struct stopper *stopper = arg;
    if (stopper->fiber->state == HR_FIBER_YIELDED) {
        hr_fiber_cancel(stopper->fiber, HR_CANCELED, "stopped");
        return;
    }
    hr_loop_post(&stopper->rig->worker.loop, &stopper->task);
}

/* A call may be ended at any of those places while it gives others their turn. */
static void abi_cancels_what_computes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENDLESS_COUNT; i++) {
        struct guest_rig rig;
        struct stopper stopper = {.rig = &rig};
        rig_open(&rig, &(const struct guest_rig_options){.text = endless_guests[i],
                                                         .limits = {.cpu_ms = 10000}});
        assert_int_equal(rig_submit(&rig, rig_handler_body, &stopper.fiber), HR_OK);
        hr_task_init(&stopper.task, stop_when_yielded, &stopper);
        hr_loop_post(&rig.worker.loop, &stopper.task);
        rig_run(&rig);
        assert_int_equal(rig.err, HR_CANCELED);
        assert_string_equal(rig.cause, "stopped");
        rig_close(&rig);
    }
}

/* An instance that cannot be made ends its call, with the reason, and no other. */
static void abi_reports_instances_that_cannot_be_made(void **state)
{
    (void)state;
    static const struct {
        const char *guest;
        const char *cause;
    } cases[] = {
        {"(module " RIG_ALLOCATOR RIG_HANDLER("(i32.const 0)") "(func $s unreachable) (start $s))",
         "unreachable"},
        {"(module (import \"wasi:clocks/monotonic-clock@0.2.0\" \"now\" (func $now (result i64))) "
         "(func $s (drop (call $now))) (start $s)" RIG_HANDLER("(i32.const 0)") ")",
         "called before the instance is ready"},
        {"(module (memory (export \"memory\") 1) (data (i32.const 65530) "
         "\"0123456789\")" RIG_HANDLER("(i32.const 0)") ")",
         "out of bounds"},
        {"(module (memory (export \"memory\") 9)" RIG_HANDLER("(i32.const 0)") ")",
         "memory minimum size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct guest_rig rig;
        rig_open(&rig, &(const struct guest_rig_options){.text = cases[i].guest,
                                                         .limits = {.memory_bytes = 8 << 16}});
        for (int k = 0; k < 3; k++) {
            rig_call(&rig, rig_handler_body);
            if (rig.err != HR_TRAP || !strstr(rig.cause, cases[i].cause)) {
                fail_msg("case %zu: %s %s", i, hr_err_name(rig.err), rig.cause);
            }
        }
        rig_close(&rig);
    }
}

static enum hr_err print_lines(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    static char lines[60000];
    memset(lines, '\n', sizeof lines);
    rig_poke(fiber, 1024, hr_str_of(lines, sizeof lines));
    wasmtime_val_raw_t stream[1];
    enum hr_err err = rig_import(fiber, &hr_imports_cli, "get-stdout", stream);
    for (int i = 0; i < 2 && !err; i++) {
        wasmtime_val_raw_t values[4] = {
            stream[0], {.i32 = 1024}, {.i32 = sizeof lines}, {.i32 = 64}};
        err = rig_import(fiber, &hr_imports_io, "[method]output-stream.blocking-write-and-flush",
                         values);
    }
    return err;
}

/* One call fills the log so far and no further, and the log says so. */
static void abi_bounds_what_a_call_may_log(void **state)
{
    (void)state;
    struct guest_rig rig;
    FILE *log = tmpfile();
    assert_non_null(log);
    hr_log_set_fd(fileno(log));
    rig_open(&rig, &(const struct guest_rig_options){0});
    rig_call(&rig, print_lines);
    hr_log_set_fd(2);
    assert_int_equal(rig.err, HR_OK);
    rig_close(&rig);
    rewind(log);
    char line[8192];
    uint32_t printed = 0;
    uint32_t cut = 0;
    while (fgets(line, sizeof line, log)) {
        printed += strstr(line, "event=actor.print") != NULL;
        cut += strstr(line, "event=actor.log_cut_short") != NULL;
    }
    fclose(log);
    assert_int_equal(printed, HR_IMPORTS_LOG_LINES_MAX - 1);
    assert_int_equal(cut, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abi_refuses_exports_of_another_type),
        cmocka_unit_test(abi_ignores_exports_with_odd_versions),
        cmocka_unit_test(abi_refuses_a_memory_that_is_none),
        cmocka_unit_test(abi_refuses_features_that_it_has_not),
        cmocka_unit_test(abi_stops_a_guest_without_loops),
        cmocka_unit_test(abi_ends_what_computes_for_ever),
        cmocka_unit_test(abi_cancels_what_computes),
        cmocka_unit_test(abi_reports_instances_that_cannot_be_made),
        cmocka_unit_test(abi_is_busy_when_the_pool_is_used_up),
        cmocka_unit_test(abi_survives_recursion_in_guest_and_allocator),
        cmocka_unit_test(abi_bounds_what_one_actor_hands_another),
        cmocka_unit_test(abi_unwinds_calls_that_wait_for_one_another),
        cmocka_unit_test(abi_bounds_what_a_call_may_log),
    };
    return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
