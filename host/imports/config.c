/* wasi:config/store: the values of the actor's config link.
 *
 * Two of them follow the actor's store, if it has one. `store-durability` is "lazy" if the store may lack its newest
 * commits, as it was opened or since then, else "sync". And one changes while the host runs: `boot-nonce`, when the actor's store may have lost commits that
 * it had acknowledged. What the actor wrote since its boot may then be undone, which is as if the host had
 * been started anew. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/run/abi.h"
#include "host/imports/all.h"
#include "host/kv/kv.h"
#include "host/run/worker.h"

#define NONCE_DIGITS 32u
#define NONCE_TAIL_DIGITS 8u

/* How often that was. */
static uint64_t losses_of(const struct hr_fiber *fiber)
{
    const struct hr_actor_links *links = &fiber->actor->links;
    return links->bucket_count > 0 ? atomic_load(&fiber->worker->stores[links->store]->kv->losses)
                                   : 0;
}

static bool has_lost(const struct hr_fiber *fiber)
{
    const struct hr_actor_links *links = &fiber->actor->links;
    return losses_of(fiber) > 0 || (links->bucket_count > 0 &&
                                    fiber->worker->stores[links->store]->kv->past == HR_KV_LOSSY);
}

/* The value as it is now; @scratch has room for one that had to be made. */
static struct hr_str present_value(const struct hr_fiber *fiber,
                                   const struct hr_actor_config *config,
                                   char scratch[NONCE_DIGITS + 1])
{
    if (hr_str_eq(config->key, HR_STR("store-durability")) && has_lost(fiber)) {
        return HR_STR("lazy");
    }
    bool is_nonce =
        hr_str_eq(config->key, HR_STR("boot-nonce")) && config->value.len == NONCE_DIGITS;
    uint64_t losses = is_nonce ? losses_of(fiber) : 0;
    if (losses == 0) {
        return config->value;
    }
    memcpy(scratch, config->value.ptr, NONCE_DIGITS);
    scratch[NONCE_DIGITS] = '\0';
    char *tail = scratch + NONCE_DIGITS - NONCE_TAIL_DIGITS;
    uint32_t number = (uint32_t)strtoul(tail, NULL, 16) + (uint32_t)losses;
    snprintf(tail, NONCE_TAIL_DIGITS + 1, "%08" PRIx32, number);
    return hr_str_of(scratch, NONCE_DIGITS);
}

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
        char scratch[NONCE_DIGITS + 1];
        hr_abi_out_bytes(&out, 8, present_value(fiber, found, scratch));
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
        char scratch[NONCE_DIGITS + 1];
        hr_abi_out_bytes(&items, 16 * i + 8, present_value(fiber, &links->config[i], scratch));
    }
    return out.err ? out.err : hr_abi_out_end(&items);
}

static const struct hr_import imports[] = {
    {"wasi:config/store", "0.2", "get", "iii>", config_get},
    {"wasi:config/store", "0.2", "get-all", "i>", config_get_all},
};

const struct hr_imports_table hr_imports_config = HR_IMPORTS_TABLE(imports);
