/* One call of a guest, from admission to its end, on a stack of its own.
 *
 * A fiber makes a fresh store and instance, runs a body (plain C that calls the guest's exports and
 * is called back by its imports), and drops everything. Body and imports are straight-line code:
 * where they must wait, hr_fiber_wait suspends the whole stack, and the loop goes on with others until
 * somebody calls hr_fiber_wake. CPU time is bounded by epochs (a guest that computes yields to the
 * loop every tick, and goes on when the loop has nothing else to run, or hardly), wall time by a timer, memory by the store's limiter; each of these, and a
 * trap, ends this call only.
 *
 *   QUEUED (by its lane) -> READY -> RUNNING <-> WAITING (for a wake) or YIELDED (for its turn);
 *   from any of them -> DONE
 *
 * How waiting works. Wasmtime suspends a fiber only inside a host function that was defined as
 * asynchronous, and after such a function the guest's cabi_realloc must not be called. So every import is an ordinary host
 * function, and waiting is a call from there to one internal asynchronous function whose
 * continuation asks whether the fiber has been woken.
 *
 * Everything here runs on the worker's loop thread.
 */
#ifndef HR_FIBER_H
#define HR_FIBER_H

#include <stdbool.h>
#include <stdint.h>
#include <wasmtime.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/list.h"
#include "host/run/actor.h"
#include "host/run/handles.h"
#include "host/loop/loop.h"
#include "host/run/trace.h"

#define HR_FIBER_ARENA_BYTES_MAX (96u << 20)
/* After so long a call that comes by an import lets others go first; one that does not come by is stopped by the epoch. */
#define HR_FIBER_TURN_NS ((uint64_t)1000 * 1000)

struct hr_worker;
struct hr_lane;
struct hr_fibers; /* what all fibers of an engine share */

enum hr_fiber_state {
    HR_FIBER_QUEUED,
    HR_FIBER_READY,
    HR_FIBER_RUNNING,
    HR_FIBER_WAITING,
    HR_FIBER_YIELDED,
    HR_FIBER_DONE,
    HR_FIBER_STATE_COUNT
};

struct hr_fiber;
/* Runs on the fiber's stack once the instance is there; calls the export. Its error ends the call. */
typedef enum hr_err (*hr_fiber_body)(struct hr_fiber *fiber, void *arg);
/* Runs on the loop when the call has ended and its instance is gone; @cause is the detail of an
 * error, borrowed, "" on success. The fiber's arena lives until this returns. */
typedef void (*hr_fiber_done)(struct hr_fiber *fiber, enum hr_err err, const char *cause,
                              void *arg);

struct hr_fiber {
    struct hr_list node; /* in its lane: queued or in flight */
    struct hr_lane *lane;
    struct hr_worker *worker;
    const struct hr_actor *actor;
    enum hr_export export_id;
    enum hr_fiber_state state;
    hr_fiber_body body;
    hr_fiber_done done;
    void *arg;
    void *http; /* what the http imports keep for this call, or NULL */

    wasmtime_store_t *store;
    wasmtime_context_t *context;
    wasmtime_instance_t instance;
    wasmtime_memory_t memory;
    wasmtime_func_t realloc;
    wasmtime_func_t wait;
    wasmtime_func_t entry;
    wasmtime_call_future_t *future;
    wasm_trap_t *trap;
    wasmtime_error_t *error;
    bool in_body;    /* past instantiation: imports may be called */
    bool in_realloc; /* the guest's allocator runs: imports may not be called */
    bool has_memory;
    bool has_realloc;
    bool has_wait;
    bool woken;
    bool yielded;

    struct hr_task turn; /* posted when the fiber is to run (again) */
    struct hr_timer deadline;
    uint64_t submitted_ns;
    uint64_t resumed_ns;
    uint64_t cpu_ns;
    uint32_t log_lines; /* written in the guest's name */
    struct hr_trace trace;
    enum hr_err ending; /* why the fiber is being cancelled, or HR_OK */
    enum hr_err outcome;
    struct hr_diag cause;
    struct hr_arena arena;
    struct hr_handles handles;
};

struct hr_fiber_options {
    enum hr_export export_id;
    hr_fiber_body body;
    hr_fiber_done done;
    void *arg;
    uint32_t wall_ms;    /* 0 = the actor's own limit; never more than that */
    struct hr_str trace; /* the traceparent that it goes below; empty = it begins a trace */
};

/* Makes what all fibers of @engine share. Returns own: hr_fibers_free. */
HR_MUST_CHECK enum hr_err hr_fibers_new(struct hr_engine *engine, struct hr_fibers **ret_fibers,
                                        struct hr_diag *diag);
void hr_fibers_free(struct hr_fibers *fibers);

/* Allocates a fiber that is not yet running; hr_fiber_begin gives it its first turn. lane.c calls these. */
HR_MUST_CHECK enum hr_err hr_fiber_new(struct hr_lane *lane, const struct hr_fiber_options *options,
                                       struct hr_fiber **ret_fiber);
void hr_fiber_begin(struct hr_fiber *fiber);

/* On the fiber: gives the loop its turn until hr_fiber_wake. A wake that came before makes it return at
 * once; wakes may be spurious, so callers loop on their own condition. Errors: the reason why the call
 * is ending (HR_TIMEOUT, HR_CANCELED): the caller gives up what it waits for and returns it. */
HR_MUST_CHECK enum hr_err hr_fiber_wait(struct hr_fiber *fiber);
/* On the fiber, where it may have run for long and no guest function is about to be called: gives the
 * loop its turn if the fiber's own has taken HR_FIBER_TURN_NS. Errors: as hr_fiber_wait, and HR_TIMEOUT
 * when the call's CPU time is used up. */
HR_MUST_CHECK enum hr_err hr_fiber_breathe(struct hr_fiber *fiber);
/* From the loop: the fiber runs again at its next turn. */
void hr_fiber_wake(struct hr_fiber *fiber);
/* From the loop, never from a fiber: ends the call with @err; @done runs before this returns, unless it has run
 * already. */
void hr_fiber_cancel(struct hr_fiber *fiber, enum hr_err err, const char *cause);

/* On the fiber: calls a guest's function. @values holds the arguments and then the results.
 * Errors: HR_TRAP, HR_TIMEOUT, HR_CANCELED, with the fiber's cause set. */
HR_MUST_CHECK enum hr_err hr_fiber_call(struct hr_fiber *fiber, const wasmtime_func_t *func,
                                        wasmtime_val_raw_t *values, size_t count);
/* On the fiber: calls the export that the fiber was made for. */
HR_MUST_CHECK enum hr_err hr_fiber_call_export(struct hr_fiber *fiber, wasmtime_val_raw_t *values,
                                               size_t count);
/* Milliseconds that are left to this call; at least 1. */
uint32_t hr_fiber_left_ms(const struct hr_fiber *fiber);
/* Records why the call is about to trap and returns HR_TRAP. */
enum hr_err hr_fiber_trap(struct hr_fiber *fiber, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
