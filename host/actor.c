/* Loading an actor: compile, define imports, find exports, pre-instantiate. */
#include "host/actor.h"

#include <string.h>

#include "base/alloc.h"
#include "host/imports.h"
#include "host/subject.h"

/* What the host calls, by interface and function; the version is the module's own choice. */
static const struct {
    const char *interface;
    const char *version;
    const char *function;
    const char *short_name;
} known_exports[HR_EXPORT_COUNT] = {
    [HR_EXPORT_HTTP_HANDLE] = {"wasi:http/incoming-handler", "0.2", "handle",
                               "incoming-handler.handle"},
    [HR_EXPORT_HANDLE_MESSAGE] = {"wasmcloud:messaging/handler", "0.2", "handle-message",
                                  "handler.handle-message"},
    [HR_EXPORT_HANDLE_BATCH] = {"hedgerow:messaging/batch-handler", "0.1", "handle-batch",
                                "batch-handler.handle-batch"},
    [HR_EXPORT_GET_ASSET] = {"hedgerow:ui/assets", "0.1", "get-asset", "assets.get-asset"},
};

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

static enum hr_err find_exports(struct hr_actor *actor, struct hr_diag *diag)
{
    wasm_exporttype_vec_t exports;
    wasmtime_module_exports(actor->module.wasm, &exports);
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < exports.size && !err; i++) {
        const wasm_name_t *name = wasm_exporttype_name(exports.data[i]);
        bool function =
            wasm_externtype_kind(wasm_exporttype_type(exports.data[i])) == WASM_EXTERN_FUNC;
        for (int id = 0; id < HR_EXPORT_COUNT && function; id++) {
            if (!actor->exports[id] && is_export(hr_str_of(name->data, name->size), id)) {
                actor->exports[id] = hr_alloc_cstr(hr_str_of(name->data, name->size));
                err = actor->exports[id] ? HR_OK : hr_diag_set(diag, HR_NO_MEMORY, "exports");
            }
        }
    }
    wasm_exporttype_vec_delete(&exports);
    return err;
}

static enum hr_err link_module(struct hr_actor *actor, const struct hr_actor_options *options,
                               struct hr_diag *diag)
{
    actor->linker = wasmtime_linker_new(hr_engine_wasm(actor->engine));
    enum hr_err err = hr_imports_define(actor, options->advise, diag);
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
