/* hedgerow inspect FILE.wasm: what a module wants and offers. */
#include <sodium.h>
#include <stdio.h>

#include "base/alloc.h"
#include "cli/verbs.h"
#include "host/run/engine.h"
#include "host/manifest/link.h"
#include "host/run/module.h"

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

static struct hr_str interface_of(const wasm_importtype_t *import)
{
    const wasm_name_t *name = wasm_importtype_module(import);
    return hr_str_of(name->data, name->size);
}

/* How many links grant @interface, of those in @among (NULL: of all). */
static size_t count_links(struct hr_str interface, const bool *among)
{
    size_t count = 0;
    for (int link = 0; link < HR_LINK_COUNT; link++) {
        count += (!among || among[link]) && hr_link_grants((enum hr_link)link, interface);
    }
    return count;
}

/* Chooses links that together grant all imports: those that alone grant one, then the first that grants
 * what is left. */
static void choose_links(const wasm_importtype_vec_t *imports, bool ret_chosen[HR_LINK_COUNT])
{
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < imports->size; i++) {
            struct hr_str interface = interface_of(imports->data[i]);
            enum hr_link link;
            if ((pass == 1 || count_links(interface, NULL) == 1) &&
                count_links(interface, ret_chosen) == 0 && hr_link_of_interface(interface, &link)) {
                ret_chosen[link] = true;
            }
        }
    }
}

static void print_links(const wasm_importtype_vec_t *imports)
{
    bool chosen[HR_LINK_COUNT] = {false};
    size_t count = 0;
    choose_links(imports, chosen);
    for (int link = 0; link < HR_LINK_COUNT; link++) {
        count += chosen[link];
    }
    printf("links    %zu that its imports need\n", count);
    for (int link = 0; link < HR_LINK_COUNT; link++) {
        if (chosen[link]) {
            printf("  %-10s %s\n", hr_link_name((enum hr_link)link),
                   hr_link_purpose((enum hr_link)link));
        }
    }
    for (size_t i = 0; i < imports->size; i++) {
        struct hr_str interface = interface_of(imports->data[i]);
        bool told = i > 0 && hr_str_eq(interface, interface_of(imports->data[i - 1]));
        if (!told && count_links(interface, NULL) == 0) {
            printf("  no link of this version grants %.*s\n", HR_STR_ARG(interface));
        }
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
    print_links(&imports);
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
