/* Configuration of Wasmtime and its epoch thread. */
#include "host/run/engine.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <uv.h>

#include "base/alloc.h"

/* Memory kept mapped in a free slot, so that the next instance in it need not fault it in again. */
#define KEEP_RESIDENT_BYTES (256u << 10)
#define WARM_SLOTS 128u
#define TABLE_ELEMENTS_MAX 20000u
#define INSTANCE_BYTES_MAX (1u << 20)

struct hr_engine {
    wasm_engine_t *wasm;
    uv_thread_t ticker;
    uv_mutex_t lock;
    uv_cond_t stopped;
    bool stopping;
    bool ticking;
    _Atomic int64_t slots_free;
};

static void tick(void *arg)
{
    struct hr_engine *engine = arg;
    uv_mutex_lock(&engine->lock);
    while (!engine->stopping) {
        int rc = uv_cond_timedwait(&engine->stopped, &engine->lock,
                                   (uint64_t)HR_ENGINE_TICK_MS * 1000000u);
        if (rc == UV_ETIMEDOUT) {
            wasmtime_engine_increment_epoch(engine->wasm);
        }
    }
    uv_mutex_unlock(&engine->lock);
}

static wasmtime_pooling_allocation_config_t *pool_of(const struct hr_engine_options *options)
{
    wasmtime_pooling_allocation_config_t *pool = wasmtime_pooling_allocation_config_new();
    wasmtime_pooling_allocation_config_total_core_instances_set(pool, options->slots);
    wasmtime_pooling_allocation_config_total_memories_set(pool, options->slots);
    wasmtime_pooling_allocation_config_total_tables_set(pool, options->slots);
    wasmtime_pooling_allocation_config_total_stacks_set(pool, options->slots);
    wasmtime_pooling_allocation_config_max_memory_size_set(pool, (size_t)options->memory_bytes_max);
    wasmtime_pooling_allocation_config_max_memories_per_module_set(pool, 1);
    wasmtime_pooling_allocation_config_max_tables_per_module_set(pool, 1);
    wasmtime_pooling_allocation_config_table_elements_set(pool, TABLE_ELEMENTS_MAX);
    wasmtime_pooling_allocation_config_max_core_instance_size_set(pool, INSTANCE_BYTES_MAX);
    wasmtime_pooling_allocation_config_max_unused_warm_slots_set(pool, WARM_SLOTS);
    wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, KEEP_RESIDENT_BYTES);
    wasmtime_pooling_allocation_config_table_keep_resident_set(pool, 4096);
    wasmtime_pooling_allocation_config_async_stack_keep_resident_set(pool, 16384);
    return pool;
}

static wasm_config_t *config_of(const struct hr_engine_options *options)
{
    wasm_config_t *config = wasm_config_new();
    wasmtime_config_epoch_interruption_set(config, true);
    wasmtime_config_max_wasm_stack_set(config, HR_ENGINE_WASM_STACK_BYTES);
    wasmtime_config_async_stack_size_set(config, HR_ENGINE_FIBER_STACK_BYTES);
    wasmtime_config_cranelift_opt_level_set(config, WASMTIME_OPT_LEVEL_SPEED);
    wasmtime_config_memory_init_cow_set(config, true);
    /* What abi.c cannot address, or what nobody has looked at here, whatever Wasmtime's defaults are. */
    wasmtime_config_wasm_memory64_set(config, false);
    wasmtime_config_wasm_multi_memory_set(config, false);
    wasmtime_config_wasm_custom_page_sizes_set(config, false);
    wasmtime_config_wasm_stack_switching_set(config, false);
    wasmtime_config_shared_memory_set(config, false);
    wasmtime_pooling_allocation_config_t *pool = pool_of(options);
    wasmtime_pooling_allocation_strategy_set(config, pool);
    wasmtime_pooling_allocation_config_delete(pool);
    return config;
}

static enum hr_err start_ticker(struct hr_engine *engine, struct hr_diag *diag)
{
    uv_mutex_init(&engine->lock);
    uv_cond_init(&engine->stopped);
    int rc = uv_thread_create(&engine->ticker, tick, engine);
    if (rc < 0) {
        return hr_diag_set(diag, HR_IO, "start the epoch thread: %s", uv_strerror(rc));
    }
    engine->ticking = true;
    return HR_OK;
}

/* Whether the address space that Wasmtime is going to reserve is there: where it is not, Wasmtime ends the
 * process. */
static bool has_room(uint32_t slots)
{
    size_t bytes = (size_t)slots * HR_ENGINE_SLOT_ADDRESS_BYTES;
    void *probe = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return probe != MAP_FAILED && munmap(probe, bytes) == 0;
}

enum hr_err hr_engine_new(const struct hr_engine_options *options, struct hr_engine **ret_engine,
                          struct hr_diag *diag)
{
    if (options->slots == 0 || options->slots > HR_ENGINE_SLOTS_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "%u calls at once over all actors; at most %u are possible: lower "
                           "the actors' limits.concurrent",
                           options->slots, HR_ENGINE_SLOTS_MAX);
    }
    if (options->memory_bytes_max > HR_ENGINE_MEMORY_BYTES_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT, "an actor's memory limit is above 4 GiB");
    }
    if (!has_room(options->slots)) {
        return hr_diag_set(diag, HR_NO_MEMORY,
                           "no address space for %u calls at once; is it limited (ulimit -v)? "
                           "Lower the actors' limits.concurrent",
                           options->slots);
    }
    struct hr_engine *engine = hr_alloc(sizeof *engine);
    if (!engine) {
        return hr_diag_set(diag, HR_NO_MEMORY, "engine");
    }
    atomic_store(&engine->slots_free, (int64_t)options->slots);
    engine->wasm = wasm_engine_new_with_config(config_of(options));
    enum hr_err err = start_ticker(engine, diag);
    if (err) {
        hr_engine_free(engine);
        return err;
    }
    *ret_engine = engine;
    return HR_OK;
}

void hr_engine_free(struct hr_engine *engine)
{
    if (!engine) {
        return;
    }
    if (engine->ticking) {
        uv_mutex_lock(&engine->lock);
        engine->stopping = true;
        uv_cond_signal(&engine->stopped);
        uv_mutex_unlock(&engine->lock);
        uv_thread_join(&engine->ticker);
    }
    uv_cond_destroy(&engine->stopped);
    uv_mutex_destroy(&engine->lock);
    wasm_engine_delete(engine->wasm);
    hr_free(engine);
}

wasm_engine_t *hr_engine_wasm(const struct hr_engine *engine)
{
    return engine->wasm;
}

bool hr_engine_take_slot(struct hr_engine *engine)
{
    if (atomic_fetch_sub(&engine->slots_free, 1) > 0) {
        return true;
    }
    hr_engine_put_slot(engine);
    return false;
}

void hr_engine_put_slot(struct hr_engine *engine)
{
    atomic_fetch_add(&engine->slots_free, 1);
}

/* Messages have their causes on further lines: the first says where, the last ones say why. They are
 * joined by spaces, so that one event stays one log line. */
static void one_line(const char *text, size_t len, struct hr_diag *diag)
{
    size_t out = 0;
    bool gap = false;
    for (size_t i = 0; i < len && out + 3 < sizeof diag->text; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ') {
            gap = out > 0;
            continue;
        }
        if (gap) {
            diag->text[out++] = ' ';
            gap = false;
        }
        diag->text[out++] = (char)c;
    }
    diag->text[out] = '\0';
}

enum hr_err hr_engine_error(wasmtime_error_t *error, enum hr_err err, struct hr_diag *diag)
{
    if (diag) {
        wasm_byte_vec_t message;
        wasmtime_error_message(error, &message);
        one_line(message.data, message.size, diag);
        wasm_byte_vec_delete(&message);
    }
    wasmtime_error_delete(error);
    return err;
}

/* A trap's message begins with a backtrace; what matters to the reader is the part after it. */
enum hr_err hr_engine_trap(wasm_trap_t *trap, enum hr_err err, struct hr_diag *diag)
{
    if (diag) {
        wasm_message_t message;
        wasm_trap_message(trap, &message);
        const char *cause = message.size ? strstr(message.data, "wasm trap: ") : NULL;
        size_t skip = cause ? (size_t)(cause - message.data) : 0;
        one_line(message.data + skip, strnlen(message.data + skip, message.size - skip), diag);
        wasm_byte_vec_delete(&message);
    }
    wasm_trap_delete(trap);
    return err;
}
