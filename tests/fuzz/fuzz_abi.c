/* links: hr_host */
/* A guest that does anything: its memory is the input, and it calls the imports of every table in any
 * order, with any values, in a real instance on a real fiber, with a bus and an LMDB store of its own.
 * Nothing may crash, and when a call has ended nothing of it is left.
 *
 * Input: byte 0 says what kind of call it is (bit 0: one that answers an HTTP request; bit 1: one
 * allocation fails, and the first byte on the fiber says which) and after how many rounds of the loop
 * it is cancelled (bits 4 to 7; 0 = never); byte 1 how many bytes of the rest are memory (times 16);
 * then memory; then calls, each of a byte for the table, a byte for the function, and its values: a
 * byte that says how a value, or a pointer with its length, is made, and the bytes that that takes. */
#define _XOPEN_SOURCE 700 /* nftw, mkdtemp */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "host/run/abi.h"
#include "host/imports/exchange.h"
#include "host/imports/all.h"
#include "host/imports/http.h"
#include "host/calls/inbox.h"
#include "host/obs/log.h"
#include "host/host_worker.h"

#define CALLS_MAX 64u
#define VALUES_MAX 16u
#define MEMORY_AT 1024u /* the input's */
#define WALL_MS 5u
#define CHECK_EVERY 1024u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* At 16: texts that the fuzzer would have to guess, 16 bytes each. At 256 and 384: lists of such texts,
 * as pairs, and as records with an option between. The allocator grows the memory and never frees. */
#define TEXTS_AT 16u
#define TEXTS_BYTES 16u
#define PAIRS_AT 256u
#define OPTIONS_AT 384u
#define AREAS_AT 512u
static const char *const texts[] = {"things", "in.a",  "echo", "content-length",
                                    "site",   "x-one", "key",  "a"};
#define TEXT_COUNT (sizeof texts / sizeof texts[0])

static const char guest[] =
    "(module (memory (export \"memory\") 1) (global $top (mut i32) (i32.const 65536))"
    "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32)"
    "  (local.set $at (global.get $top))"
    "  (global.set $top (i32.and (i32.const -16) (i32.add (i32.const 15) (i32.add (global.get "
    "$top) "
    "(local.get 3)))))"
    "  (block $fits (br_if $fits (i32.le_u (global.get $top) (i32.shl (memory.size) (i32.const "
    "16)))) (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get "
    "3) "
    "(i32.const 16))))) (then unreachable))) (local.get $at))"
    "(func (export \"wasmcloud:messaging/handler@0.2.0#handle-message\") (param i32 i32 i32 i32 "
    "i32 "
    "i32 i32) (result i32) (i32.const 512))"
    "(func (export \"hedgerow:ui/assets@0.1.0#get-asset\") (param i32 i32 i32 i32) (result i32)"
    "  (i32.store8 (i32.const 516) (i32.const 1)) (i32.store (i32.const 520) (i32.const 16))"
    "  (i32.store (i32.const 524) (i32.const 6)) (i32.const 512)))";

static const struct hr_imports_table *const tables[] = {
    &hr_imports_http,      &hr_imports_io,      &hr_imports_clocks, &hr_imports_random,
    &hr_imports_cli,       &hr_imports_logging, &hr_imports_config, &hr_imports_keyvalue,
    &hr_imports_messaging, &hr_imports_assets,
};
#define TABLE_COUNT (sizeof tables / sizeof tables[0])

/* Of the whole process. */
static char folder[256];
static FILE *log_file;
static struct hr_engine *engine;
static struct hr_fibers *fibers;
static struct hr_bus *bus;
static struct hr_kv *kv;
static struct hr_actor *actor;
static struct hr_worker worker;
static struct hr_bus_sub *echo;

/* Of one input. */
static struct hr_str input;
static struct hr_http_exchange exchange;
static struct hr_fiber *fiber_now; /* NULL once it has ended */
static uint32_t rounds_left;
static struct hr_task canceller;
static int32_t results[8]; /* the last ones, handles among them */
static uint32_t result_count;

/* --- the process --------------------------------------------------------------------------------- */

static void must(enum hr_err err, const struct hr_diag *diag)
{
    if (err) {
        fprintf(stderr, "%s: %s\n", hr_err_name(err), diag->text);
        abort();
    }
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static void close_all(void)
{
    hr_bus_unsubscribe(echo);
    hr_worker_release(&worker);
    hr_actor_free(actor);
    hr_bus_close(bus);
    hr_kv_close(kv);
    hr_fibers_free(fibers);
    hr_engine_free(engine);
    fclose(log_file);
    HR_ASSERT(nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0);
    HR_ASSERT(hr_alloc_live() == 0);
}

static void on_echo(void *arg, const struct hr_bus_msg *msg)
{
    (void)arg;
    const struct hr_bus_msg reply = {.subject = msg->reply_to, .body = msg->body};
    if (msg->reply_to.len > 0) {
        HR_IGNORE(hr_bus_publish(worker.bus, &reply)); /* the inbox may be a made-up one */
    }
}

static void load_actor(struct hr_diag *diag)
{
    static const struct hr_str anything[] = {{">", 1}};
    static const struct hr_str buckets[] = {{"things", 6}};
    static const struct hr_actor_config config[] = {{{"site", 4}, {"here", 4}}};
    wasm_byte_vec_t wasm;
    wasmtime_error_t *error = wasmtime_wat2wasm(guest, sizeof guest - 1, &wasm);
    if (error) {
        must(hr_engine_error(error, HR_BAD_INPUT, diag), diag);
    }
    const struct hr_actor_options options = {
        .name = HR_STR("guest"),
        .bytes = hr_str_of(wasm.data, wasm.size),
        .limits = {.memory_bytes = 4 << 20,
                   .cpu_ms = 1000,
                   .wall_ms = 1000,
                   .concurrent = 8,
                   .queue = 8,
                   .body_bytes = 1 << 16},
        .links = {.publish = anything,
                  .publish_count = 1,
                  .gather = anything,
                  .gather_count = 1,
                  .buckets = buckets,
                  .bucket_count = 1,
                  .config = config,
                  .config_count = 1,
                  .assets = HR_STR("guest")},
        .imports = &hr_imports_all,
    };
    must(hr_actor_load(engine, &options, &actor, diag), diag);
    wasm_byte_vec_delete(&wasm);
}

static void open_worker(struct hr_diag *diag)
{
    const struct hr_worker_options options = {
        .worker_count = 1,
        .fibers = fibers,
        .bus = bus,
        .stores = &kv,
        .store_count = 1,
        .actors = &actor,
        .actor_count = 1,
    };
    must(hr_worker_init(&worker, &options, diag), diag);
    const struct hr_inbox_options inbox = {.subject = HR_STR("in.>")};
    must(hr_inbox_open(&worker, &worker.lanes[0], &inbox), diag);
    const struct hr_bus_sub_options sub = {.subject = HR_STR("echo")};
    must(hr_bus_subscribe(worker.bus, &sub, on_echo, NULL, &echo), diag);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    struct hr_diag diag = {""};
    char url[300];
    const char *base = getenv("TMPDIR");
    log_file = tmpfile();
    HR_ASSERT(log_file);
    hr_log_set_fd(fileno(log_file));
    hr_log_set_level(HR_LOG_CRITICAL);
    const struct hr_engine_options options = {.slots = 16, .memory_bytes_max = 4 << 20};
    must(hr_engine_new(&options, &engine, &diag), &diag);
    must(hr_fibers_new(engine, &fibers, &diag), &diag);
    must(hr_bus_local_open(&bus, &diag), &diag);
    snprintf(folder, sizeof folder, "%s/hedgerow-fuzz-XXXXXX", base && *base ? base : "/tmp");
    HR_ASSERT(mkdtemp(folder));
    snprintf(url, sizeof url, "lmdb:%s?max=16MiB", folder);
    must(hr_kv_open(hr_str_c(url), HR_KV_LAZY, &kv, &diag), &diag);
    load_actor(&diag);
    open_worker(&diag);
    atexit(close_all);
    return 0;
}

/* --- the guest ------------------------------------------------------------------------------------- */

static uint32_t take(size_t bytes)
{
    uint32_t number = 0;
    for (size_t i = 0; i < bytes && i < input.len; i++) {
        number |= (uint32_t)(uint8_t)input.ptr[i] << 8 * i;
    }
    input = hr_str_from(input, bytes);
    return number;
}

static void remember(int32_t result)
{
    results[result_count++ % 8] = result;
}

/* A small number, a former result, an aligned area, two bytes, or any number at all. */
static int64_t take_number(uint32_t kind, bool is_long)
{
    switch (kind & 7) {
    case 0:
        return kind >> 3;
    case 1:
        return results[(result_count - 1 - (kind >> 3)) % 8];
    case 2:
        return AREAS_AT + (kind >> 3) * 16;
    case 3:
        return take(2);
    default:
        return is_long ? (int64_t)((uint64_t)take(4) << 32 | take(4)) : (int64_t)(int32_t)take(4);
    }
}

/* A pointer and a length, or count, that fit: a text, a list of texts, or a list of records. */
static void take_pair(uint32_t kind, wasmtime_val_raw_t *pointer, wasmtime_val_raw_t *length)
{
    uint32_t which = kind >> 3;
    if ((kind & 7) == 5) {
        const char *text = texts[which % TEXT_COUNT];
        pointer->i32 = (int32_t)(TEXTS_AT + TEXTS_BYTES * (which % TEXT_COUNT));
        length->i32 = (int32_t)strlen(text);
        return;
    }
    pointer->i32 = (kind & 7) == 6 ? PAIRS_AT : OPTIONS_AT;
    length->i32 = (int32_t)(which % 4);
}

static size_t take_values(const char *type, wasmtime_val_raw_t *values)
{
    size_t count = 0;
    for (const char *c = type; *c && *c != '>'; c++) {
        uint32_t kind = take(1);
        if ((kind & 7) >= 5 && *c == 'i' && c[1] == 'i') {
            take_pair(kind, &values[count], &values[count + 1]);
            count += 2;
            c++;
        } else if (*c == 'j') {
            values[count++].i64 = take_number(kind, true);
        } else {
            values[count++].i32 = (int32_t)take_number(kind, false);
        }
    }
    return count;
}

static enum hr_err call_import(struct hr_fiber *fiber, const struct hr_import *import)
{
    wasmtime_val_raw_t values[VALUES_MAX];
    memset(values, 0, sizeof values);
    size_t count = take_values(import->type, values);
    uint32_t area = count > 0 ? (uint32_t)values[count - 1].i32 & ~3u : 0;
    enum hr_err err = hr_fiber_breathe(fiber);
    if (!err) {
        err = import->fn(fiber, values);
    }
    if (err || fiber->ending) {
        return err ? err : fiber->ending;
    }
    uint32_t in_area;
    if (strchr(import->type, '>')[1] != '\0') {
        remember(values[0].i32);
    } else if (area < 65536 - 8 && !hr_abi_get_u32(fiber, area + 4, &in_area)) {
        remember((int32_t)in_area);
    }
    return HR_OK;
}

static void put_le32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(value >> 8 * i);
    }
}

static void put_pair(uint8_t *to, size_t text)
{
    put_le32(to, TEXTS_AT + TEXTS_BYTES * (uint32_t)(text % TEXT_COUNT));
    put_le32(to + 4, (uint32_t)strlen(texts[text % TEXT_COUNT]));
}

/* The texts and lists, and a bucket to begin with. */
static enum hr_err furnish(struct hr_fiber *fiber)
{
    uint8_t *memory;
    enum hr_err err = hr_abi_view(fiber, 0, MEMORY_AT, 1, 1, &memory);
    if (err) {
        return err;
    }
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        memcpy(memory + TEXTS_AT + TEXTS_BYTES * i, texts[i], strlen(texts[i]));
        put_pair(memory + PAIRS_AT + 8 * i, i + 5);
    }
    for (size_t i = 0; i < 4; i++) {
        put_pair(memory + OPTIONS_AT + 20 * i, i + 6);
        memory[OPTIONS_AT + 20 * i + 8] = i % 2;
        put_pair(memory + OPTIONS_AT + 20 * i + 12, i);
    }
    wasmtime_val_raw_t values[3] = {
        {.i32 = TEXTS_AT}, {.i32 = (int32_t)strlen(texts[0])}, {.i32 = AREAS_AT}};
    uint32_t bucket = 0;
    for (size_t i = 0; i < hr_imports_keyvalue.count && !err; i++) {
        if (strcmp(hr_imports_keyvalue.imports[i].name, "open") == 0) {
            err = hr_imports_keyvalue.imports[i].fn(fiber, values);
        }
    }
    if (!err) {
        err = hr_abi_get_u32(fiber, AREAS_AT + 4, &bucket);
    }
    remember((int32_t)bucket);
    return err;
}

static enum hr_err be_the_guest(struct hr_fiber *fiber, void *arg)
{
    const uint32_t *kind = arg;
    if (*kind & 2) {
        hr_alloc_fail_after(take(1));
    }
    uint32_t request = 0;
    uint32_t outparam = 0;
    enum hr_err err = HR_OK;
    if (exchange.method.len > 0) {
        fiber->http = &exchange;
        err = hr_http_give_request(fiber, &request, &outparam);
        remember((int32_t)outparam);
        remember((int32_t)request);
    }
    if (!err) {
        err = furnish(fiber);
    }
    size_t len = take(1) * 16;
    len = len < input.len ? len : input.len;
    uint8_t *memory;
    if (!err) {
        err = hr_abi_view(fiber, MEMORY_AT, (uint32_t)len, 1, 1, &memory);
    }
    if (!err && len > 0) {
        memcpy(memory, input.ptr, len);
        input = hr_str_from(input, len);
    }
    for (uint32_t i = 0; i < CALLS_MAX && input.len >= 2 && !err; i++) {
        const struct hr_imports_table *table = tables[take(1) % TABLE_COUNT];
        err = call_import(fiber, &table->imports[take(1) % table->count]);
    }
    return err;
}

/* --- one input ------------------------------------------------------------------------------------- */

static void on_done(struct hr_fiber *fiber, enum hr_err err, const char *cause, void *arg)
{
    (void)fiber, (void)arg;
    hr_alloc_fail_after(-1);
    HR_ASSERT(!err || cause[0] || err == HR_NO_MEMORY);
    fiber_now = NULL;
    hr_loop_unpost(&canceller);
    hr_loop_stop(&worker.loop);
}

static void cancel_in_time(void *arg)
{
    (void)arg;
    if (rounds_left-- > 0) {
        hr_loop_post(&worker.loop, &canceller);
        return;
    }
    hr_fiber_cancel(fiber_now, HR_CANCELED, "the fuzzer says so");
}

static void begin_exchange(void)
{
    hr_http_exchange_init(&exchange, 1 << 16);
    exchange.method = HR_STR("POST");
    exchange.target = HR_STR("/a?b=c");
    exchange.authority = HR_STR("host");
    HR_ASSERT(!hr_http_fields_add(&exchange.request_fields, &exchange.arena, HR_STR("x-one"),
                                  HR_STR("1")));
    HR_ASSERT(!hr_http_fields_add(&exchange.request_fields, &exchange.arena, HR_STR("X-One"),
                                  HR_STR("2")));
    HR_ASSERT(!hr_buf_append(&exchange.request_body, HR_STR("hello, body")));
}

/* Runs the loop until nothing of former calls is on its way to the store or over the bus any more. */
static void settle(void)
{
    struct hr_kv_stats stats;
    do {
        uv_run(&worker.loop.uv, UV_RUN_NOWAIT);
        hr_kv_stats(kv, &stats);
    } while (stats.queued > 0 || worker.lanes[0].running_count > 0);
    for (int i = 0; i < 8; i++) {
        uv_run(&worker.loop.uv, UV_RUN_NOWAIT);
    }
}

static void check_nothing_is_left(void)
{
    static uint32_t runs;
    static int64_t live;
    if (++runs % CHECK_EVERY != 0) {
        return;
    }
    settle();
    if (live == 0) {
        live = hr_alloc_live(); /* buffers that the worker keeps have been made by now */
    }
    HR_ASSERT(hr_alloc_live() <= live + 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = hr_str_of(data, size);
    uint32_t kind = take(1);
    memset(&exchange, 0, sizeof exchange);
    memset(results, 0, sizeof results);
    result_count = 0;
    if (kind & 1) {
        begin_exchange();
    }
    const struct hr_fiber_options options = {.export_id = HR_EXPORT_HANDLE_MESSAGE,
                                             .body = be_the_guest,
                                             .done = on_done,
                                             .arg = &kind,
                                             .wall_ms = WALL_MS};
    HR_ASSERT(hr_lane_submit(&worker.lanes[0], &options, &fiber_now) == HR_OK);
    rounds_left = kind >> 4;
    hr_task_init(&canceller, cancel_in_time, NULL);
    if (rounds_left > 0) {
        hr_loop_post(&worker.loop, &canceller);
    }
    hr_loop_run(&worker.loop);
    HR_ASSERT(!fiber_now);
    hr_http_exchange_release(&exchange);
    check_nothing_is_left();
    return 0;
}
