/* hedgerow inspect FILE.wasm: what a module wants and offers. */
#include <sodium.h>
#include <stdio.h>

#include "base/alloc.h"
#include "cli/verbs.h"
#include "host/engine.h"
#include "host/module.h"

static const char *kind_name(wasm_externkind_t kind)
{
    switch (kind) {
    case WASM_EXTERN_FUNC:
        return "func";
    case WASM_EXTERN_GLOBAL:
        return "global";
    case WASM_EXTERN_TABLE:
        return "table";
    case WASM_EXTERN_MEMORY:
        return "memory";
    default:
        return "other";
    }
}

static void print_module(const struct hr_module *module)
{
    wasm_importtype_vec_t imports;
    wasm_exporttype_vec_t exports;
    wasmtime_module_imports(module->wasm, &imports);
    wasmtime_module_exports(module->wasm, &exports);
    printf("size     %zu bytes\ndigest   sha256:%s\n", module->size_bytes, module->digest);
    printf("imports  %zu\n", imports.size);
    for (size_t i = 0; i < imports.size; i++) {
        const wasm_name_t *from = wasm_importtype_module(imports.data[i]);
        const wasm_name_t *name = wasm_importtype_name(imports.data[i]);
        printf("  %-6s %.*s  %.*s\n",
               kind_name(wasm_externtype_kind(wasm_importtype_type(imports.data[i]))),
               (int)from->size, from->data, (int)name->size, name->data);
    }
    printf("exports  %zu\n", exports.size);
    for (size_t i = 0; i < exports.size; i++) {
        const wasm_name_t *name = wasm_exporttype_name(exports.data[i]);
        printf("  %-6s %.*s\n",
               kind_name(wasm_externtype_kind(wasm_exporttype_type(exports.data[i]))),
               (int)name->size, name->data);
    }
    wasm_importtype_vec_delete(&imports);
    wasm_exporttype_vec_delete(&exports);
}

int cli_inspect(int argc, char **argv)
{
    if (argc != 1) {
        fputs("hedgerow: usage: hedgerow inspect FILE.wasm\n", stderr);
        return CLI_USAGE;
    }
    struct hr_diag diag = {""};
    struct hr_engine *engine = NULL;
    struct hr_str bytes = {0};
    struct hr_module module = {0};
    const struct hr_engine_options options = {.slots = 1, .memory_bytes_max = 64u << 20};
    enum hr_err err = sodium_init() < 0 ? hr_diag_set(&diag, HR_INTERNAL, "libsodium") : HR_OK;
    err = err ? err : hr_module_read_file(argv[0], &bytes, &diag);
    err = err ? err : hr_engine_new(&options, &engine, &diag);
    if (!err) {
        err = hr_module_load(engine, bytes, &module, &diag);
        if (err) {
            hr_diag_prefix(&diag, err, "%s", argv[0]);
        }
    }
    if (err) {
        fprintf(stderr, "hedgerow: %s\n", diag.text);
    } else {
        print_module(&module);
    }
    hr_module_release(&module);
    hr_engine_free(engine);
    hr_free((void *)(uintptr_t)bytes.ptr);
    return err ? CLI_FAILED : CLI_OK;
}
