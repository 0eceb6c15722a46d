/* What tests of the host's guest side share: a whole worker on the test's own thread, with a bus, an
 * LMDB store in a temporary folder, and one actor whose module is written as text.
 *
 * A test submits bodies (plain C on the fiber), so that an import may be called with whatever a guest
 * could pass, and runs the loop until all of them have ended. Included once by each test program. */
#ifndef GUEST_RIG_H
#define GUEST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "host/run/abi.h"
#include "host/imports/all.h"
#include "host/run/lane.h"
#include "host/host_worker.h"

#define RIG_WATCHDOG_MS 60000u
#define RIG_BUCKET "things"

/* A module with one page of memory, an allocator that only goes up, and a message handler. */
#define RIG_ALLOCATOR                                                                        \
    "(memory (export \"memory\") 1) (global $top (mut i32) (i32.const 4096)) "               \
    "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) "                  \
    "  (global.get $top) (global.set $top (i32.and (i32.const -16) (i32.add (i32.const 31) " \
    "  (i32.add (global.get $top) (local.get 3))))))"
#define RIG_HANDLER(body)                                                  \
    "(func (export \"wasmcloud:messaging/handler@0.2.0#handle-message\") " \
    "  (param i32 i32 i32 i32 i32 i32 i32) (result i32) " body ")"
#define RIG_GUEST(imports, body) "(module " imports " " RIG_ALLOCATOR RIG_HANDLER(body) ")"
#define RIG_PLAIN RIG_GUEST("", "(i32.const 0)")

struct guest_rig {
    struct hr_engine *engine;
    struct hr_fibers *fibers;
    struct hr_bus *bus;
    struct hr_kv *kv;
    struct hr_actor *actor;
    struct hr_worker worker;
    struct hr_lane *lane;
    struct hr_timer watchdog;
    char folder[256];
    /* of the calls that were submitted */
    uint32_t left;
    uint32_t ended;
    enum hr_err err; /* of the last one */
    char cause[HR_DIAG_BYTES_MAX];
};

struct guest_rig_options {
    const char *text;              /* the module; NULL: RIG_PLAIN */
    struct hr_actor_limits limits; /* where 0: small defaults */
    uint32_t slots;                /* 0: 16 */
    const char *const *publish;    /* NULL-ended; NULL: everything */
    const char *assets;            /* whose get-asset is called; NULL: nobody's */
};

static inline void rig_no_advice(struct hr_str actor, struct hr_str interface, char *ret,
                                 size_t size)
{
    (void)actor;
    snprintf(ret, size, "grant %.*s", HR_STR_ARG(interface));
}

/* cmocka puts its own handlers in place before each test; Wasmtime puts its own, which make traps of
 * guests' faults, once a process. This puts the latter back. */
static inline void rig_restore_trap_handlers(void)
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

static inline wasm_byte_vec_t rig_assemble(const char *text)
{
    struct hr_diag diag = {""};
    wasm_byte_vec_t wasm;
    wasmtime_error_t *error = wasmtime_wat2wasm(text, strlen(text), &wasm);
    if (error) {
        hr_engine_error(error, HR_BAD_INPUT, &diag);
        fail_msg("%s", diag.text);
    }
    return wasm;
}

static inline struct hr_actor_limits rig_limits(struct hr_actor_limits limits)
{
    const struct hr_actor_limits defaults = {.memory_bytes = 1 << 20,
                                             .cpu_ms = 200,
                                             .wall_ms = 20000,
                                             .concurrent = 4,
                                             .queue = 4,
                                             .body_bytes = 1 << 16};
    limits.memory_bytes = limits.memory_bytes ? limits.memory_bytes : defaults.memory_bytes;
    limits.cpu_ms = limits.cpu_ms ? limits.cpu_ms : defaults.cpu_ms;
    limits.wall_ms = limits.wall_ms ? limits.wall_ms : defaults.wall_ms;
    limits.concurrent = limits.concurrent ? limits.concurrent : defaults.concurrent;
    limits.queue = limits.queue ? limits.queue : defaults.queue;
    limits.body_bytes = limits.body_bytes ? limits.body_bytes : defaults.body_bytes;
    return limits;
}

/* Loads a module under the name @name, with every interface granted. */
static inline enum hr_err rig_load(struct guest_rig *rig, const char *name,
                                   const struct guest_rig_options *options,
                                   struct hr_actor **ret_actor, struct hr_diag *diag)
{
    static const struct hr_str grants[] = {
        {"wasi:http/*", 11},   {"wasi:io/*", 9},        {"wasi:clocks/*", 13},
        {"wasi:random/*", 13}, {"wasi:cli/*", 10},      {"wasi:logging/*", 14},
        {"wasi:config/*", 13}, {"wasi:keyvalue/*", 15}, {"wasmcloud:messaging/*", 21},
        {"hedgerow:kv/*", 13}, {"hedgerow:ui/*", 13},   {"hedgerow:lattice/*", 18},
    };
    static const struct hr_str everything[] = {{">", 1}};
    static const struct hr_str buckets[] = {{RIG_BUCKET, sizeof RIG_BUCKET - 1}};
    static const struct hr_actor_config config[] = {{{"site", 4}, {"test", 4}}};
    static struct hr_str publish[8];
    size_t publish_count = 0;
    while (options->publish && options->publish[publish_count]) {
        publish[publish_count] = hr_str_c(options->publish[publish_count]);
        publish_count++;
    }
    wasm_byte_vec_t wasm = rig_assemble(options->text ? options->text : RIG_PLAIN);
    const struct hr_actor_options actor = {
        .name = hr_str_c(name),
        .bytes = hr_str_of(wasm.data, wasm.size),
        .limits = rig_limits(options->limits),
        .links = {.interfaces = grants,
                  .interface_count = sizeof grants / sizeof grants[0],
                  .publish = options->publish ? publish : everything,
                  .publish_count = options->publish ? publish_count : 1,
                  .gather = everything,
                  .gather_count = 1,
                  .buckets = buckets,
                  .bucket_count = 1,
                  .config = config,
                  .config_count = 1,
                  .assets = hr_str_c(options->assets)},
        .imports = &hr_imports_all,
        .advise = rig_no_advice,
    };
    enum hr_err err = hr_actor_load(rig->engine, &actor, ret_actor, diag);
    wasm_byte_vec_delete(&wasm);
    return err;
}

static inline void rig_on_watchdog(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for %u ms", RIG_WATCHDOG_MS);
}

static inline void rig_open_engine(struct guest_rig *rig, const struct guest_rig_options *options)
{
    struct hr_diag diag = {""};
    memset(rig, 0, sizeof *rig);
    const struct hr_engine_options engine = {.slots = options->slots ? options->slots : 16,
                                             .memory_bytes_max = 1 << 20};
    assert_int_equal(hr_engine_new(&engine, &rig->engine, &diag), HR_OK);
    rig_restore_trap_handlers();
}

static inline void rig_open(struct guest_rig *rig, const struct guest_rig_options *options)
{
    struct hr_diag diag = {""};
    rig_open_engine(rig, options);
    assert_int_equal(hr_fibers_new(rig->engine, &rig->fibers, &diag), HR_OK);
    assert_int_equal(hr_bus_local_open(&rig->bus, &diag), HR_OK);
    const char *base = getenv("TMPDIR");
    snprintf(rig->folder, sizeof rig->folder, "%s/hedgerow-test-XXXXXX",
             base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(rig->folder));
    char url[300];
    snprintf(url, sizeof url, "lmdb:%s", rig->folder);
    if (hr_kv_open(hr_str_c(url), HR_KV_LAZY, &rig->kv, &diag)) {
        fail_msg("%s", diag.text);
    }
    if (rig_load(rig, "guest", options, &rig->actor, &diag)) {
        fail_msg("%s", diag.text);
    }
    const struct hr_worker_options worker = {
        .worker_count = 1,
        .fibers = rig->fibers,
        .bus = rig->bus,
        .stores = &rig->kv,
        .store_count = 1,
        .actors = &rig->actor,
        .actor_count = 1,
    };
    if (hr_worker_init(&rig->worker, &worker, &diag)) {
        fail_msg("%s", diag.text);
    }
    rig->lane = &rig->worker.lanes[0];
    hr_timer_init(&rig->watchdog, rig_on_watchdog, rig);
    hr_loop_timer_start(&rig->worker.loop, &rig->watchdog, RIG_WATCHDOG_MS);
}

static inline int rig_remove_entry(const char *path, const struct stat *st, int kind,
                                   struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static inline void rig_close_engine(struct guest_rig *rig)
{
    hr_engine_free(rig->engine);
}

/* Ends calls that are still there, as a host that stops does, and frees everything. */
static inline void rig_close(struct guest_rig *rig)
{
    hr_loop_timer_stop(&rig->worker.loop, &rig->watchdog);
    rig->left++; /* the worker stops its loop itself, when its ports are closed */
    hr_worker_release(&rig->worker);
    hr_actor_free(rig->actor);
    hr_bus_close(rig->bus);
    hr_kv_close(rig->kv);
    hr_fibers_free(rig->fibers);
    rig_close_engine(rig);
    assert_int_equal(nftw(rig->folder, rig_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline enum hr_err rig_handler_body(struct hr_fiber *fiber, void *arg)
{
    (void)arg;
    wasmtime_val_raw_t values[7];
    memset(values, 0, sizeof values);
    return hr_fiber_call_export(fiber, values, 7);
}

static inline void rig_note_end(struct guest_rig *rig, enum hr_err err, const char *cause)
{
    rig->ended++;
    rig->err = err;
    snprintf(rig->cause, sizeof rig->cause, "%s", cause);
    if (--rig->left == 0) {
        hr_loop_stop(&rig->worker.loop);
    }
}

static inline void rig_on_done(struct hr_fiber *fiber, enum hr_err err, const char *cause,
                               void *arg)
{
    (void)fiber;
    rig_note_end(arg, err, cause);
}

/* A body that gets the rig as its argument. */
static inline enum hr_err rig_submit(struct guest_rig *rig, hr_fiber_body body,
                                     struct hr_fiber **ret_fiber)
{
    const struct hr_fiber_options options = {
        .export_id = HR_EXPORT_HANDLE_MESSAGE, .body = body, .done = rig_on_done, .arg = rig};
    enum hr_err err = hr_lane_submit(rig->lane, &options, ret_fiber);
    rig->left += err == HR_OK;
    return err;
}

static inline void rig_run(struct guest_rig *rig)
{
    if (rig->left > 0) {
        hr_loop_run(&rig->worker.loop);
    }
}

/* One call from begin to end. */
static inline void rig_call(struct guest_rig *rig, hr_fiber_body body)
{
    assert_int_equal(rig_submit(rig, body, NULL), HR_OK);
    rig_run(rig);
}

/* The import @name of @table, called as a guest would. @values as the canonical ABI has them. */
static inline enum hr_err rig_import(struct hr_fiber *fiber, const struct hr_imports_table *table,
                                     const char *name, wasmtime_val_raw_t *values)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->imports[i].name, name) == 0) {
            return table->imports[i].fn(fiber, values);
        }
    }
    fail_msg("no import %s", name);
    return HR_INTERNAL;
}

/* Puts @text into the guest's memory at @at. */
static inline void rig_poke(struct hr_fiber *fiber, uint32_t at, struct hr_str bytes)
{
    uint8_t *view;
    assert_int_equal(hr_abi_view(fiber, at, (uint32_t)bytes.len, 1, 1, &view), HR_OK);
    if (bytes.len) {
        memcpy(view, bytes.ptr, bytes.len);
    }
}

static inline uint32_t rig_peek32(struct hr_fiber *fiber, uint32_t at)
{
    uint32_t value = 0;
    assert_int_equal(hr_abi_get_u32(fiber, at, &value), HR_OK);
    return value;
}

static inline uint8_t rig_peek8(struct hr_fiber *fiber, uint32_t at)
{
    uint8_t value = 0;
    assert_int_equal(hr_abi_get_u8(fiber, at, &value), HR_OK);
    return value;
}

/* The string or list<u8> whose pointer and length are at @at; borrowed. */
static inline struct hr_str rig_peek_text(struct hr_fiber *fiber, uint32_t at)
{
    struct hr_str text = {0};
    assert_int_equal(hr_abi_bytes(fiber, rig_peek32(fiber, at), rig_peek32(fiber, at + 4), &text),
                     HR_OK);
    return text;
}

#endif
