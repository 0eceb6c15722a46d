/* The WebAssembly engine of the process: Wasmtime's, with a pool of instances, epochs for bounding
 * CPU time and fibers for calls that wait. This file and its neighbours module, actor, imports
 * and fiber are the only ones that know Wasmtime's engine and error types.
 *
 * The epoch advances every HR_ENGINE_TICK_MS by a thread of its own; a running guest notices at
 * its next loop back-edge, function entry or import and yields to the loop (fiber.c).
 */
#ifndef HR_ENGINE_H
#define HR_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wasmtime.h>

#include "base/diag.h"
#include "base/err.h"

#define HR_ENGINE_TICK_MS 5u
#define HR_ENGINE_SLOTS_MAX 16384u
#define HR_ENGINE_MEMORY_BYTES_MAX ((uint64_t)4 << 30)
/* Address space of one slot: what 32 bits reach, guards, stack and table; not memory. */
#define HR_ENGINE_SLOT_ADDRESS_BYTES (((size_t)4 << 30) + ((size_t)64 << 20))
/* A guest's own stack; twice this (a call, and cabi_realloc within a host call) and the host's frames fit into
 * a fiber's. */
#define HR_ENGINE_WASM_STACK_BYTES (256u << 10)
#define HR_ENGINE_FIBER_STACK_BYTES (1u << 20)

struct hr_engine;

struct hr_engine_options {
    uint32_t slots;            /* instances that may be alive at once */
    uint64_t memory_bytes_max; /* the largest memory that any of them may have */
};

/* Reserves address space for all slots (no memory yet) and starts the epoch thread.
 * Errors: HR_BAD_INPUT (limits above), HR_NO_MEMORY (address space), HR_INTERNAL. Returns own. */
HR_MUST_CHECK enum hr_err hr_engine_new(const struct hr_engine_options *options,
                                        struct hr_engine **ret_engine, struct hr_diag *diag);
/* No store of it is alive. Accepts NULL. */
void hr_engine_free(struct hr_engine *engine);
wasm_engine_t *hr_engine_wasm(const struct hr_engine *engine);
/* A place in the pool for one instance with its stack; false when all are taken. Any thread. */
bool hr_engine_take_slot(struct hr_engine *engine);
void hr_engine_put_slot(struct hr_engine *engine);

/* Puts Wasmtime's message into @diag and frees @error. Returns @err. */
enum hr_err hr_engine_error(wasmtime_error_t *error, enum hr_err err, struct hr_diag *diag);
/* As above for a trap: the part of its message that names the cause. */
enum hr_err hr_engine_trap(wasm_trap_t *trap, enum hr_err err, struct hr_diag *diag);

#endif
