/* wasi:config/store: the values of the actor's config link. */
#include "host/abi.h"
#include "host/imports.h"

static enum hr_err config_get(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_str key;
    enum hr_err err = hr_abi_string(fiber, (uint32_t)values[0].i32, (uint32_t)values[1].i32, &key);
    if (err) {
        return err;
    }
    const struct hr_actor_config *found = NULL;
    for (size_t i = 0; i < fiber->actor->links.config_count && !found; i++) {
        if (hr_str_eq(fiber->actor->links.config[i].key, key)) {
            found = &fiber->actor->links.config[i];
        }
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[2].i32);
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_u8(&out, 4, found != NULL);
    if (found) {
        hr_abi_out_bytes(&out, 8, found->value);
    }
    return hr_abi_out_end(&out);
}

static enum hr_err config_get_all(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    const struct hr_actor_links *links = &fiber->actor->links;
    struct hr_abi_out out = hr_abi_out(fiber, values[0].i32);
    struct hr_abi_out items;
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_list(&out, 4, (uint32_t)links->config_count, 16, 4, &items);
    for (uint32_t i = 0; i < links->config_count; i++) {
        hr_abi_out_bytes(&items, 16 * i, links->config[i].key);
        hr_abi_out_bytes(&items, 16 * i + 8, links->config[i].value);
    }
    return out.err ? out.err : hr_abi_out_end(&items);
}

static const struct hr_import imports[] = {
    {"wasi:config/store", "0.2", "get", "iii>", config_get},
    {"wasi:config/store", "0.2", "get-all", "i>", config_get_all},
};

const struct hr_imports_table hr_imports_config = HR_IMPORTS_TABLE(imports);
