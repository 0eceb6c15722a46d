/* Running a guest's call on a stack of its own; see fiber.h for the idea.
 *
 * Order of a fiber's life: new (QUEUED), begin (posts its turn), turn: store, instantiate, body;
 * then finish: drop future, handles, store; done; arena. A suspended fiber is ended by
 * deleting its future: Wasmtime resumes it with an error, the pending hr_fiber_wait returns, and the
 * body unwinds through ordinary returns.
 */
#include "host/run/fiber.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/run/lane.h"

static const char internal_module[] = "hedgerow:internal";

struct hr_fibers {
    struct hr_engine *engine;
    wasmtime_linker_t *linker; /* the two internal functions */
};

/* --- states ------------------------------------------------------------------------------- */

static const bool allowed[HR_FIBER_STATE_COUNT][HR_FIBER_STATE_COUNT] = {
    [HR_FIBER_QUEUED] = {[HR_FIBER_READY] = true, [HR_FIBER_DONE] = true},
    [HR_FIBER_READY] = {[HR_FIBER_RUNNING] = true, [HR_FIBER_DONE] = true},
    [HR_FIBER_RUNNING] =
        {[HR_FIBER_WAITING] = true, [HR_FIBER_YIELDED] = true, [HR_FIBER_DONE] = true},
    [HR_FIBER_WAITING] = {[HR_FIBER_RUNNING] = true, [HR_FIBER_DONE] = true},
    [HR_FIBER_YIELDED] = {[HR_FIBER_RUNNING] = true, [HR_FIBER_DONE] = true},
};

static void fiber_move(struct hr_fiber *fiber, enum hr_fiber_state to)
{
    HR_ASSERT(allowed[fiber->state][to]);
    fiber->state = to;
}

/* --- the two internal functions --------------------------------------------------------------- */

static bool is_woken(void *env)
{
    const struct hr_fiber *fiber = env;
    return fiber->woken;
}

static bool has_had_a_break(void *env)
{
    const struct hr_fiber *fiber = env;
    return !fiber->yielded;
}

static void wait_callback(void *env, wasmtime_caller_t *caller, const wasmtime_val_t *args,
                          size_t arg_count, wasmtime_val_t *results, size_t result_count,
                          wasm_trap_t **ret_trap, wasmtime_async_continuation_t *ret_continuation)
{
    (void)env, (void)args, (void)arg_count, (void)results, (void)result_count, (void)ret_trap;
    struct hr_fiber *fiber = wasmtime_context_get_data(wasmtime_caller_context(caller));
    ret_continuation->callback = fiber->yielded ? has_had_a_break : is_woken;
    ret_continuation->env = fiber;
    ret_continuation->finalizer = NULL;
}

/* A reactor's constructors: `_initialize`, once, before anything else is called (WASI application ABI,
 * github.com/WebAssembly/WASI, legacy/application-abi.md). */
static enum hr_err initialize(struct hr_fiber *fiber)
{
    wasmtime_extern_t item;
    if (!wasmtime_instance_export_get(fiber->context, &fiber->instance, "_initialize", 11, &item) ||
        item.kind != WASMTIME_EXTERN_FUNC) {
        return HR_OK;
    }
    wasmtime_val_raw_t none[1];
    return hr_fiber_call(fiber, &item.of.func, none, 0);
}

/* The bottom of every fiber's stack: the body runs inside this host function. */
static wasm_trap_t *entry_callback(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                                   size_t count)
{
    (void)env, (void)values, (void)count;
    struct hr_fiber *fiber = wasmtime_context_get_data(wasmtime_caller_context(caller));
    fiber->in_body = true;
    fiber->outcome = initialize(fiber);
    if (!fiber->outcome) {
        fiber->outcome = fiber->body(fiber, fiber->arg);
    }
    return NULL;
}

enum hr_err hr_fibers_new(struct hr_engine *engine, struct hr_fibers **ret_fibers,
                          struct hr_diag *diag)
{
    struct hr_fibers *fibers = hr_alloc(sizeof *fibers);
    if (!fibers) {
        return hr_diag_set(diag, HR_NO_MEMORY, "fibers");
    }
    fibers->engine = engine;
    fibers->linker = wasmtime_linker_new(hr_engine_wasm(engine));
    wasm_functype_t *type = wasm_functype_new_0_0();
    wasmtime_error_t *error = wasmtime_linker_define_func_unchecked(
        fibers->linker, internal_module, strlen(internal_module), "entry", 5, type, entry_callback,
        NULL, NULL);
    if (!error) {
        error = wasmtime_linker_define_async_func(fibers->linker, internal_module,
                                                  strlen(internal_module), "wait", 4, type,
                                                  wait_callback, NULL, NULL);
    }
    wasm_functype_delete(type);
    if (error) {
        hr_fibers_free(fibers);
        return hr_engine_error(error, HR_INTERNAL, diag);
    }
    *ret_fibers = fibers;
    return HR_OK;
}

void hr_fibers_free(struct hr_fibers *fibers)
{
    if (fibers) {
        wasmtime_linker_delete(fibers->linker);
        hr_free(fibers);
    }
}

static bool get_internal(struct hr_fiber *fiber, const char *name, wasmtime_func_t *ret_func)
{
    wasmtime_extern_t item;
    if (!wasmtime_linker_get(fiber->lane->fibers->linker, fiber->context, internal_module,
                             strlen(internal_module), name, strlen(name), &item)) {
        return false;
    }
    *ret_func = item.of.func;
    return true;
}

/* --- causes ------------------------------------------------------------------------------------- */

enum hr_err hr_fiber_trap(struct hr_fiber *fiber, const char *fmt, ...)
{
    if (!fiber->cause.text[0]) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(fiber->cause.text, sizeof fiber->cause.text, fmt, args);
        va_end(args);
    }
    return HR_TRAP;
}

/* A guest whose allocator got no more memory usually traps by `unreachable`; say so. */
static void mention_memory(struct hr_fiber *fiber)
{
    if (!fiber->has_memory) {
        return;
    }
    uint64_t size = wasmtime_memory_data_size(fiber->context, &fiber->memory);
    uint64_t limit = fiber->actor->limits.memory_bytes;
    if (size + limit / 8 >= limit) {
        struct hr_diag old = fiber->cause;
        snprintf(fiber->cause.text, sizeof fiber->cause.text,
                 "out of memory: %llu of %llu KiB in use; %s", (unsigned long long)(size >> 10),
                 (unsigned long long)(limit >> 10), old.text);
    }
}

/* Keeps the cause that an import or a limit gave; otherwise takes Wasmtime's own. */
static enum hr_err take_trap(struct hr_fiber *fiber, wasm_trap_t *trap, wasmtime_error_t *error)
{
    bool told = fiber->cause.text[0] != '\0';
    struct hr_diag *diag = told ? NULL : &fiber->cause;
    if (trap) {
        hr_engine_trap(trap, HR_TRAP, diag);
    }
    if (error) {
        hr_engine_error(error, HR_TRAP, diag);
    }
    if (!told) {
        mention_memory(fiber);
    }
    return fiber->ending ? fiber->ending : HR_TRAP;
}

/* --- on the fiber ------------------------------------------------------------------------------- */

enum hr_err hr_fiber_call(struct hr_fiber *fiber, const wasmtime_func_t *func,
                          wasmtime_val_raw_t *values, size_t count)
{
    if (fiber->ending) {
        return fiber->ending;
    }
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error =
        wasmtime_func_call_unchecked(fiber->context, func, values, count, &trap);
    return trap || error ? take_trap(fiber, trap, error) : HR_OK;
}

enum hr_err hr_fiber_call_export(struct hr_fiber *fiber, wasmtime_val_raw_t *values, size_t count)
{
    const char *name = fiber->actor->exports[fiber->export_id];
    wasmtime_extern_t item;
    if (!wasmtime_instance_export_get(fiber->context, &fiber->instance, name, strlen(name),
                                      &item)) {
        return hr_fiber_trap(fiber, "no export %s", name);
    }
    return hr_fiber_call(fiber, &item.of.func, values, count);
}

static enum hr_err suspend(struct hr_fiber *fiber)
{
    if (!fiber->has_wait) {
        fiber->has_wait = get_internal(fiber, "wait", &fiber->wait);
        HR_ASSERT(fiber->has_wait);
    }
    wasmtime_val_raw_t none[1];
    return hr_fiber_call(fiber, &fiber->wait, none, 0);
}

enum hr_err hr_fiber_wait(struct hr_fiber *fiber)
{
    enum hr_err err = fiber->woken ? HR_OK : suspend(fiber);
    fiber->woken = false;
    return fiber->ending ? fiber->ending : err;
}

/* Whether the call is over, because it was ended or has used up its CPU time. */
static bool is_over(struct hr_fiber *fiber)
{
    uint64_t used_ms = (fiber->cpu_ns + hr_now_ns() - fiber->resumed_ns) / 1000000;
    if (!fiber->ending && used_ms >= fiber->actor->limits.cpu_ms) {
        fiber->ending = HR_TIMEOUT;
        snprintf(fiber->cause.text, sizeof fiber->cause.text, "CPU time limit of %u ms reached",
                 fiber->actor->limits.cpu_ms);
    }
    return fiber->ending != HR_OK;
}

enum hr_err hr_fiber_breathe(struct hr_fiber *fiber)
{
    if (fiber->ending || hr_now_ns() - fiber->resumed_ns < HR_FIBER_TURN_NS) {
        return fiber->ending;
    }
    if (is_over(fiber)) {
        return fiber->ending;
    }
    fiber->yielded = true;
    enum hr_err err = suspend(fiber);
    return fiber->ending ? fiber->ending : err;
}

uint32_t hr_fiber_left_ms(const struct hr_fiber *fiber)
{
    uint64_t due_ms = fiber->deadline.due_ms;
    uint64_t now_ms = hr_now_ns() / 1000000;
    return due_ms > now_ms ? (uint32_t)(due_ms - now_ms) : 1;
}

/* --- on the loop ---------------------------------------------------------------------------------- */

/* The end of every fiber, by whichever way. */
static void finish(struct hr_fiber *fiber)
{
    hr_loop_timer_stop(fiber->lane->loop, &fiber->deadline);
    hr_loop_unpost(&fiber->turn);
    if (fiber->future) {
        wasmtime_call_future_delete(fiber->future);
        fiber->future = NULL;
    }
    hr_handles_release(&fiber->handles);
    if (fiber->store) {
        wasmtime_store_delete(fiber->store);
        fiber->store = NULL;
        hr_engine_put_slot(fiber->actor->engine);
    }
    enum hr_err err = fiber->ending ? fiber->ending : fiber->outcome;
    hr_lane_ended(fiber->lane, fiber);
    fiber_move(fiber, HR_FIBER_DONE);
    fiber->done(fiber, err, err ? fiber->cause.text : "", fiber->arg);
    hr_arena_release(&fiber->arena);
    hr_free(fiber);
}

/* A guest that computes comes here every tick. Its time is measured from when it was resumed, so that
 * waiting does not count. */
static wasmtime_error_t *on_epoch(wasmtime_context_t *context, void *data, uint64_t *delta,
                                  wasmtime_update_deadline_kind_t *kind)
{
    (void)context;
    struct hr_fiber *fiber = data;
    if (is_over(fiber)) {
        return wasmtime_error_new(fiber->cause.text);
    }
    fiber->yielded = true;
    *delta = 1;
    *kind = WASMTIME_UPDATE_DEADLINE_YIELD;
    return NULL;
}

static bool open_store(struct hr_fiber *fiber)
{
    if (!hr_engine_take_slot(fiber->actor->engine)) {
        fiber->outcome = HR_BUSY;
        snprintf(fiber->cause.text, sizeof fiber->cause.text, "no instance is free");
        return false;
    }
    fiber->store = wasmtime_store_new(hr_engine_wasm(fiber->actor->engine), fiber, NULL);
    fiber->context = wasmtime_store_context(fiber->store);
    wasmtime_store_limiter(fiber->store, (int64_t)fiber->actor->limits.memory_bytes, -1, 1, 1, 1);
    wasmtime_store_epoch_deadline_callback(fiber->store, on_epoch, fiber, NULL);
    wasmtime_context_set_epoch_deadline(fiber->context, 1);
    return true;
}

/* What the host needs of an instance. A module without memory or allocator may still run, as long as nothing has
 * to be written into it. */
static void find_exports(struct hr_fiber *fiber)
{
    wasmtime_extern_t item;
    if (wasmtime_instance_export_get(fiber->context, &fiber->instance, "memory", 6, &item) &&
        item.kind == WASMTIME_EXTERN_MEMORY) {
        fiber->memory = item.of.memory;
        fiber->has_memory = true;
    }
    if (wasmtime_instance_export_get(fiber->context, &fiber->instance, "cabi_realloc", 12, &item) &&
        item.kind == WASMTIME_EXTERN_FUNC) {
        fiber->realloc = item.of.func;
        fiber->has_realloc = true;
    }
}

/* After a poll that did not complete: why, and when the next one is due. */
static void suspended(struct hr_fiber *fiber)
{
    if (fiber->yielded) {
        fiber->yielded = false;
        fiber_move(fiber, HR_FIBER_YIELDED);
        sched_yield(); /* to the other workers, and the other programs */
        hr_loop_post_spare(fiber->lane->loop, &fiber->turn);
        return;
    }
    fiber_move(fiber, HR_FIBER_WAITING);
    if (fiber->woken) {
        hr_loop_post(fiber->lane->loop, &fiber->turn);
    }
}

/* Polls the present future. True when it has completed and been deleted. */
static bool poll_once(struct hr_fiber *fiber)
{
    fiber->resumed_ns = hr_now_ns();
    bool complete = wasmtime_call_future_poll(fiber->future);
    fiber->cpu_ns += hr_now_ns() - fiber->resumed_ns;
    if (complete) {
        wasmtime_call_future_delete(fiber->future);
        fiber->future = NULL;
    }
    return complete;
}

static bool failed(struct hr_fiber *fiber)
{
    if (!fiber->trap && !fiber->error) {
        return false;
    }
    fiber->outcome = take_trap(fiber, fiber->trap, fiber->error);
    fiber->trap = NULL;
    fiber->error = NULL;
    return true;
}

/* The instance is there: enters the body. */
static void enter(struct hr_fiber *fiber)
{
    find_exports(fiber);
    bool found = get_internal(fiber, "entry", &fiber->entry);
    HR_ASSERT(found);
    fiber->future = wasmtime_func_call_async(fiber->context, &fiber->entry, NULL, 0, NULL, 0,
                                             &fiber->trap, &fiber->error);
}

/* The fiber's turn: begins or goes on, until it has to wait, its tick is over, or it ends. */
static void take_turn(void *arg)
{
    struct hr_fiber *fiber = arg;
    bool first = fiber->state == HR_FIBER_READY;
    fiber_move(fiber, HR_FIBER_RUNNING);
    if (first) {
        if (!open_store(fiber)) {
            finish(fiber);
            return;
        }
        fiber->future = wasmtime_instance_pre_instantiate_async(
            fiber->actor->pre, fiber->context, &fiber->instance, &fiber->trap, &fiber->error);
    }
    if (!poll_once(fiber)) {
        suspended(fiber);
        return;
    }
    if (!failed(fiber) && !fiber->in_body) {
        enter(fiber);
        if (!poll_once(fiber)) {
            suspended(fiber);
            return;
        }
        HR_IGNORE(failed(fiber)); /* its error is the outcome already */
    }
    finish(fiber);
}

static void on_deadline(void *arg)
{
    struct hr_fiber *fiber = arg;
    char cause[80];
    snprintf(cause, sizeof cause, "wall time limit reached after %llu ms",
             (unsigned long long)((hr_now_ns() - fiber->submitted_ns) / 1000000));
    hr_fiber_cancel(fiber, HR_TIMEOUT, cause);
}

enum hr_err hr_fiber_new(struct hr_lane *lane, const struct hr_fiber_options *options,
                         struct hr_fiber **ret_fiber)
{
    struct hr_fiber *fiber = hr_alloc(sizeof *fiber);
    if (!fiber) {
        return HR_NO_MEMORY;
    }
    fiber->lane = lane;
    fiber->worker = lane->worker;
    fiber->actor = lane->actor;
    fiber->export_id = options->export_id;
    fiber->body = options->body;
    fiber->done = options->done;
    fiber->arg = options->arg;
    fiber->submitted_ns = hr_now_ns();
    hr_list_init(&fiber->node);
    hr_arena_init(&fiber->arena, HR_FIBER_ARENA_BYTES_MAX);
    hr_handles_init(&fiber->handles);
    hr_task_init(&fiber->turn, take_turn, fiber);
    hr_timer_init(&fiber->deadline, on_deadline, fiber);
    uint32_t wall_ms = lane->actor->limits.wall_ms;
    if (options->wall_ms && options->wall_ms < wall_ms) {
        wall_ms = options->wall_ms;
    }
    hr_loop_timer_start(lane->loop, &fiber->deadline, wall_ms);
    hr_trace_begin(&fiber->trace, options->trace);
    *ret_fiber = fiber;
    return HR_OK;
}

void hr_fiber_begin(struct hr_fiber *fiber)
{
    fiber_move(fiber, HR_FIBER_READY);
    hr_loop_post(fiber->lane->loop, &fiber->turn);
}

void hr_fiber_wake(struct hr_fiber *fiber)
{
    if (fiber->woken) {
        return;
    }
    fiber->woken = true;
    if (fiber->state == HR_FIBER_WAITING) {
        hr_loop_post(fiber->lane->loop, &fiber->turn);
    }
}

void hr_fiber_cancel(struct hr_fiber *fiber, enum hr_err err, const char *cause)
{
    HR_ASSERT(fiber->state != HR_FIBER_RUNNING);
    if (!fiber->ending) {
        fiber->ending = err;
        snprintf(fiber->cause.text, sizeof fiber->cause.text, "%s", cause);
    }
    finish(fiber);
}
