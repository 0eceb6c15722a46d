/* Loading an actor: compile, define imports, find exports, pre-instantiate. */
#include "host/run/actor.h"

#include <string.h>

#include "base/alloc.h"
#include "host/run/imports.h"
#include "host/bus/subject.h"

/* What the host calls, by interface and function; the version is the module's own choice. Types are
 * written as in struct hr_import. Calls are unchecked, so a type is checked when the module is loaded. */
static const struct {
    const char *interface;
    const char *version;
    const char *function;
    const char *type;
    const char *short_name;
} known_exports[HR_EXPORT_COUNT] = {
    [HR_EXPORT_HTTP_HANDLE] = {"wasi:http/incoming-handler", "0.2", "handle", "ii>",
                               "incoming-handler.handle"},
    [HR_EXPORT_HANDLE_MESSAGE] = {"wasmcloud:messaging/handler", "0.2", "handle-message",
                                  "iiiiiii>i", "handler.handle-message"},
    [HR_EXPORT_HANDLE_BATCH] = {"hedgerow:messaging/batch-handler", "0.1", "handle-batch", "ii>i",
                                "batch-handler.handle-batch"},
    [HR_EXPORT_GET_ASSET] = {"hedgerow:ui/assets", "0.1", "get-asset", "iiii>i",
                             "assets.get-asset"},
};

/* What belongs to the ABI and no interface. */
static const struct {
    const char *name;
    const char *type;
} abi_exports[] = {{"cabi_realloc", "iiii>i"}, {"_initialize", ">"}};

const char *hr_actor_export_name(enum hr_export id)
{
    return known_exports[id].short_name;
}

static bool is_export(struct hr_str name, enum hr_export id)
{
    size_t hash = hr_str_find(name, '#', 0);
    if (hash == SIZE_MAX) {
        return false;
    }
    struct hr_str interface;
    struct hr_str version;
    hr_imports_split(hr_str_of(name.ptr, hash), &interface, &version);
    return hr_str_eq(interface, hr_str_c(known_exports[id].interface)) &&
           hr_imports_version_matches(version, known_exports[id].version) &&
           hr_str_eq(hr_str_from(name, hash + 1), hr_str_c(known_exports[id].function));
}

/* Compares, since wasm_valtype_kind ends the process at a vector or an uncommon reference. */
static bool are_types(const wasm_valtype_vec_t *types, struct hr_str want)
{
    bool same = types->size == want.len;
    for (size_t i = 0; i < want.len && same; i++) {
        wasm_valtype_t *type = wasm_valtype_new(want.ptr[i] == 'j' ? WASM_I64 : WASM_I32);
        same = wasmtime_wasm_valtype_equal(types->data[i], type);
        wasm_valtype_delete(type);
    }
    return same;
}

static enum hr_err check_type(struct hr_str name, const wasm_functype_t *found, const char *want,
                              struct hr_diag *diag)
{
    struct hr_str text = hr_str_c(want);
    size_t arrow = hr_str_find(text, '>', 0);
    if (are_types(wasm_functype_params(found), hr_str_of(text.ptr, arrow)) &&
        are_types(wasm_functype_results(found), hr_str_from(text, arrow + 1))) {
        return HR_OK;
    }
    return hr_diag_set(diag, HR_BAD_INPUT,
                       "exports %.*s with a type that is not the canonical ABI's: build it with "
                       "bindings of that interface",
                       HR_STR_ARG(name));
}

static enum hr_err take_export(struct hr_actor *actor, struct hr_str name,
                               const wasm_functype_t *type, struct hr_diag *diag)
{
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < sizeof abi_exports / sizeof abi_exports[0] && !err; i++) {
        if (hr_str_eq(name, hr_str_c(abi_exports[i].name))) {
            err = check_type(name, type, abi_exports[i].type, diag);
        }
    }
    for (int id = 0; id < HR_EXPORT_COUNT && !err; id++) {
        if (actor->exports[id] || !is_export(name, (enum hr_export)id)) {
            continue;
        }
        err = check_type(name, type, known_exports[id].type, diag);
        if (!err) {
            actor->exports[id] = hr_alloc_cstr(name);
            err = actor->exports[id] ? HR_OK : hr_diag_set(diag, HR_NO_MEMORY, "exports");
        }
    }
    return err;
}

/* Strings go through it, addressed by 32 bits; a shared one could change under the host's hands. */
static enum hr_err check_memory(const wasm_externtype_t *type, struct hr_diag *diag)
{
    const wasm_memorytype_t *memory = wasm_externtype_as_memorytype_const(type);
    if (!memory || wasmtime_memorytype_is64(memory) || wasmtime_memorytype_isshared(memory)) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "exports \"memory\", but not as a 32-bit memory of its own: build it "
                           "for wasm32 without threads");
    }
    return HR_OK;
}

static enum hr_err find_exports(struct hr_actor *actor, struct hr_diag *diag)
{
    wasm_exporttype_vec_t exports;
    wasmtime_module_exports(actor->module.wasm, &exports);
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < exports.size && !err; i++) {
        const wasm_name_t *bytes = wasm_exporttype_name(exports.data[i]);
        struct hr_str name = hr_str_of(bytes->data, bytes->size);
        const wasm_externtype_t *type = wasm_exporttype_type(exports.data[i]);
        const wasm_functype_t *function = wasm_externtype_as_functype_const(type);
        if (hr_str_eq(name, HR_STR("memory"))) {
            err = check_memory(type, diag);
        } else if (function) {
            err = take_export(actor, name, function, diag);
        }
    }
    wasm_exporttype_vec_delete(&exports);
    return err;
}

static enum hr_err link_module(struct hr_actor *actor, const struct hr_actor_options *options,
                               struct hr_diag *diag)
{
    actor->linker = wasmtime_linker_new(hr_engine_wasm(actor->engine));
    enum hr_err err = hr_imports_define(actor, options->imports, options->advise, diag);
    if (err) {
        return err;
    }
    wasmtime_error_t *error =
        wasmtime_linker_instantiate_pre(actor->linker, actor->module.wasm, &actor->pre);
    if (error) {
        return hr_engine_error(error, HR_BAD_INPUT, diag);
    }
    return find_exports(actor, diag);
}

enum hr_err hr_actor_load(struct hr_engine *engine, const struct hr_actor_options *options,
                          struct hr_actor **ret_actor, struct hr_diag *diag)
{
    struct hr_actor *actor = hr_alloc(sizeof *actor);
    if (!actor) {
        return hr_diag_set(diag, HR_NO_MEMORY, "actor %.*s", HR_STR_ARG(options->name));
    }
    if (options->name.len == 0 || options->name.len > HR_ACTOR_NAME_BYTES_MAX) {
        hr_free(actor);
        return hr_diag_set(diag, HR_BAD_INPUT, "actor name of %zu bytes; 1 to %u are allowed",
                           options->name.len, HR_ACTOR_NAME_BYTES_MAX);
    }
    memcpy(actor->name, options->name.ptr, options->name.len);
    actor->engine = engine;
    actor->limits = options->limits;
    actor->links = options->links;
    enum hr_err err = hr_module_load(engine, options->bytes, &actor->module, diag);
    if (!err) {
        err = link_module(actor, options, diag);
    }
    if (err) {
        hr_diag_prefix(diag, err, "actor %s", actor->name);
        hr_actor_free(actor);
        return err;
    }
    *ret_actor = actor;
    return HR_OK;
}

void hr_actor_free(struct hr_actor *actor)
{
    if (!actor) {
        return;
    }
    for (int id = 0; id < HR_EXPORT_COUNT; id++) {
        hr_free(actor->exports[id]);
    }
    if (actor->pre) {
        wasmtime_instance_pre_delete(actor->pre);
    }
    if (actor->linker) {
        wasmtime_linker_delete(actor->linker);
    }
    hr_module_release(&actor->module);
    hr_free(actor);
}

bool hr_actor_subject_allowed(const struct hr_str *patterns, size_t count, struct hr_str subject)
{
    for (size_t i = 0; i < count; i++) {
        if (hr_subject_matches(patterns[i], subject)) {
            return true;
        }
    }
    return false;
}
