/* How a module is joined to the imports that there are. */
#include "host/run/imports.h"

#include "host/obs/log.h"

#include <stdio.h>
#include <string.h>

void hr_imports_split(struct hr_str name, struct hr_str *ret_interface, struct hr_str *ret_version)
{
    size_t at = hr_str_find(name, '@', 0);
    *ret_interface = hr_str_of(name.ptr, at == SIZE_MAX ? name.len : at);
    *ret_version = at == SIZE_MAX ? HR_STR("") : hr_str_from(name, at + 1);
}

/* What a semantic version is made of; with anything else a name might not end where it seems to. */
static bool is_version(struct hr_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && c != '.' && c != '-' && c != '+') {
            return false;
        }
    }
    return true;
}

bool hr_imports_version_matches(struct hr_str version, const char *line)
{
    struct hr_str prefix = hr_str_c(line);
    return hr_str_starts(version, prefix) &&
           (version.len == prefix.len || version.ptr[prefix.len] == '.') && is_version(version);
}

static bool granted(const struct hr_actor *actor, struct hr_str interface)
{
    for (size_t i = 0; i < actor->links.interface_count; i++) {
        struct hr_str grant = actor->links.interfaces[i];
        if (hr_str_eq(grant, interface)) {
            return true;
        }
        if (hr_str_ends(grant, HR_STR("/*")) &&
            hr_str_starts(interface, hr_str_of(grant.ptr, grant.len - 1))) {
            return true;
        }
    }
    return false;
}

/* The import called @name of @interface; @ret_known tells whether the interface is known at all. */
static const struct hr_import *find(const struct hr_imports *known, struct hr_str interface,
                                    struct hr_str version, struct hr_str name, bool *ret_known)
{
    *ret_known = false;
    for (size_t t = 0; t < known->count; t++) {
        for (size_t i = 0; i < known->tables[t]->count; i++) {
            const struct hr_import *import = &known->tables[t]->imports[i];
            if (!hr_str_eq(interface, hr_str_c(import->interface))) {
                continue;
            }
            *ret_known = true;
            if (hr_str_eq(name, hr_str_c(import->name)) &&
                hr_imports_version_matches(version, import->version)) {
                return import;
            }
        }
    }
    return NULL;
}

static wasm_trap_t *trap_of(struct hr_fiber *fiber, const struct hr_import *import, enum hr_err err)
{
    if (!fiber->cause.text[0]) {
        HR_IGNORE(hr_fiber_trap(fiber, "%s", hr_err_text(err))); /* it traps right here */
    }
    if (!fiber->ending) {
        hr_diag_prefix(&fiber->cause, err, "%s.%s", import->interface, import->name);
    }
    return wasmtime_trap_new(fiber->cause.text, strlen(fiber->cause.text));
}

static wasm_trap_t *on_import(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                              size_t count)
{
    (void)count;
    const struct hr_import *import = env;
    struct hr_fiber *fiber = wasmtime_context_get_data(wasmtime_caller_context(caller));
    if (!fiber->in_body) {
        return trap_of(fiber, import, hr_fiber_trap(fiber, "called before the instance is ready"));
    }
    if (fiber->in_realloc) {
        return trap_of(fiber, import, hr_fiber_trap(fiber, "called from within cabi_realloc"));
    }
    enum hr_err err = hr_fiber_breathe(fiber);
    if (!err) {
        err = import->fn(fiber, values);
    }
    if (!err) {
        err = fiber->ending; /* it got what it waited for, but its own caller has gone */
    }
    return err ? trap_of(fiber, import, err) : NULL;
}

bool hr_imports_may_log(struct hr_fiber *fiber)
{
    fiber->log_lines++;
    if (fiber->log_lines == HR_IMPORTS_LOG_LINES_MAX) {
        HR_LOG(HR_LOG_WARN, "actor.log_cut_short", HR_LOG_CSTR("actor", fiber->actor->name),
               HR_LOG_INT("limit", HR_IMPORTS_LOG_LINES_MAX));
    }
    return fiber->log_lines < HR_IMPORTS_LOG_LINES_MAX;
}

static wasm_functype_t *functype_of(const char *type)
{
    wasm_valtype_t *types[2][16];
    size_t counts[2] = {0, 0};
    int side = 0;
    for (const char *c = type; *c; c++) {
        if (*c == '>') {
            side = 1;
        } else {
            types[side][counts[side]++] = wasm_valtype_new(*c == 'j' ? WASM_I64 : WASM_I32);
        }
    }
    wasm_valtype_vec_t params;
    wasm_valtype_vec_t results;
    wasm_valtype_vec_new(&params, counts[0], types[0]);
    wasm_valtype_vec_new(&results, counts[1], types[1]);
    return wasm_functype_new(&params, &results);
}

static enum hr_err define(struct hr_actor *actor, struct hr_str module, struct hr_str name,
                          const struct hr_import *import, struct hr_diag *diag)
{
    wasm_functype_t *type = functype_of(import->type);
    wasmtime_error_t *error =
        wasmtime_linker_define_func_unchecked(actor->linker, module.ptr, module.len, name.ptr,
                                              name.len, type, on_import, (void *)import, NULL);
    wasm_functype_delete(type);
    return error ? hr_engine_error(error, HR_INTERNAL, diag) : HR_OK;
}

static enum hr_err unknown(struct hr_str module, struct hr_str name, bool known,
                           struct hr_diag *diag)
{
    if (hr_str_eq(module, HR_STR("wasi_snapshot_preview1"))) {
        return hr_diag_set(diag, HR_UNSUPPORTED,
                           "imports %.*s of WASI preview 1; build it for the interfaces of WASI "
                           "0.2 (without standard input and output, files and environment of the "
                           "C library)",
                           HR_STR_ARG(name));
    }
    return hr_diag_set(diag, HR_UNSUPPORTED, "imports %.*s of %.*s, %s", HR_STR_ARG(name),
                       HR_STR_ARG(module),
                       known ? "a function or version that this Hedgerow does not have"
                             : "an interface that this Hedgerow does not have");
}

static enum hr_err define_one(struct hr_actor *actor, const struct hr_imports *known,
                              const wasm_importtype_t *type,
                              void (*advise)(struct hr_str, struct hr_str, char *, size_t),
                              struct hr_diag *diag)
{
    const wasm_name_t *module_name = wasm_importtype_module(type);
    const wasm_name_t *item_name = wasm_importtype_name(type);
    struct hr_str module = hr_str_of(module_name->data, module_name->size);
    struct hr_str name = hr_str_of(item_name->data, item_name->size);
    struct hr_str interface;
    struct hr_str version;
    hr_imports_split(module, &interface, &version);
    bool is_known;
    const struct hr_import *import = find(known, interface, version, name, &is_known);
    if (!import) {
        return unknown(module, name, is_known, diag);
    }
    if (!granted(actor, interface)) {
        char advice[256] = "";
        advise(hr_str_c(actor->name), interface, advice, sizeof advice);
        return hr_diag_set(diag, HR_DENIED, "imports %.*s (%.*s), which no link grants: %s",
                           HR_STR_ARG(interface), HR_STR_ARG(name), advice);
    }
    return define(actor, module, name, import, diag);
}

enum hr_err hr_imports_define(struct hr_actor *actor, const struct hr_imports *known,
                              void (*advise)(struct hr_str, struct hr_str, char *, size_t),
                              struct hr_diag *diag)
{
    wasm_importtype_vec_t imports;
    wasmtime_module_imports(actor->module.wasm, &imports);
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < imports.size && !err; i++) {
        err = define_one(actor, known, imports.data[i], advise, diag);
    }
    wasm_importtype_vec_delete(&imports);
    return err;
}
