/* From manifest to plan: reads modules, expands links, numbers stores. */
#include "host/plan.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/alloc.h"
#include "host/bus/bus.h"
#include "host/embedded.h"
#include "host/manifest/link.h"
#include "host/manifest/manifest.h"
#include "host/run/module.h"

/* What the host itself puts into every config link, besides the manifest's own values. */
#define HOST_VALUES 7u
#define NONCE_BYTES 16u
#define HOST_ID_BYTES 8u
#define MEMBERS_BYTES (HR_MANIFEST_SITES_MAX * 6u) /* "65535," each */

struct making {
    const struct hr_manifest *manifest;
    struct hr_plan *plan;
    struct hr_diag *diag;
    struct hr_str site_id;
    struct hr_str boot_nonce;
    struct hr_str members; /* ids of all sites, if they are named */
};

static enum hr_err no_memory(struct making *making)
{
    return hr_diag_set(making->diag, HR_NO_MEMORY, "plan");
}

static void *array(struct making *making, size_t count, size_t size)
{
    return hr_arena_alloc(&making->plan->arena, (count ? count : 1) * size);
}

/* --- the module -------------------------------------------------------------------------------------------- */

static enum hr_err read_module(struct making *making, const struct hr_manifest_actor *from,
                               struct hr_plan_actor *to)
{
    enum hr_err err = HR_OK;
    if (from->file.len > 0) {
        struct hr_str bytes;
        err = hr_module_read_file(from->file.ptr, &bytes, making->diag);
        if (!err) {
            to->bytes = hr_arena_copy(&making->plan->arena, bytes);
            hr_free((void *)(uintptr_t)bytes.ptr);
            err = to->bytes.ptr ? HR_OK : no_memory(making);
        }
    } else if (!hr_embedded_actor(from->name, &to->bytes)) {
        err = hr_diag_set(making->diag, HR_NOT_FOUND,
                          "there is no built-in actor of that name; give its module by `file:`");
    }
    return err ? err : hr_manifest_check_digest(from, to->bytes, making->diag);
}

/* --- the links --------------------------------------------------------------------------------------------- */

static enum hr_err expand_interfaces(struct making *making, const struct hr_manifest_actor *from,
                                     struct hr_actor_links *links)
{
    size_t total = 0;
    for (int link = 0; link < HR_LINK_COUNT; link++) {
        size_t count = 0;
        hr_link_interfaces((enum hr_link)link, &count);
        total += count;
    }
    struct hr_str *interfaces = array(making, total, sizeof *interfaces);
    if (!interfaces) {
        return no_memory(making);
    }
    for (int link = 0; link < HR_LINK_COUNT; link++) {
        size_t count;
        const struct hr_str *granted = hr_link_interfaces((enum hr_link)link, &count);
        if (hr_manifest_has_link(from, (enum hr_link)link)) {
            memcpy(interfaces + links->interface_count, granted, count * sizeof *granted);
            links->interface_count += count;
        }
    }
    links->interfaces = interfaces;
    return HR_OK;
}

/* The manifest's own values come first, so they win over the host's of the same name. */
static enum hr_err expand_config(struct making *making, const struct hr_manifest_actor *from,
                                 struct hr_actor_links *links)
{
    if (!hr_manifest_has_link(from, HR_LINK_CONFIG)) {
        return HR_OK;
    }
    struct hr_actor_config *values = array(making, from->value_count + HOST_VALUES, sizeof *values);
    if (!values) {
        return no_memory(making);
    }
    size_t count = 0;
    for (; count < from->value_count; count++) {
        values[count] =
            (struct hr_actor_config){from->values[count].key, from->values[count].value};
    }
    const struct hr_actor_config own[HOST_VALUES] = {
        {HR_STR("lattice"), making->manifest->lattice},
        {HR_STR("site"), making->manifest->site},
        {HR_STR("site-id"), making->site_id},
        {HR_STR("write-acks"), making->manifest->write_acks},
        {HR_STR("boot-nonce"), making->boot_nonce},
        {HR_STR("store-durability"),
         HR_STR("sync")}, /* as far as the store has not lost anything */
        {HR_STR("members"), making->members},
    };
    size_t own_count = HOST_VALUES - (making->members.len == 0);
    memcpy(values + count, own, own_count * sizeof *own);
    links->config = values;
    links->config_count = count + own_count;
    return HR_OK;
}

/* The number of the store at @url, added to the plan's list if it is new. */
static enum hr_err store_index(struct making *making, struct hr_str url, struct hr_str *stores,
                               size_t *ret_index)
{
    struct hr_plan *plan = making->plan;
    size_t i = 0;
    while (i < plan->store_count && !hr_str_eq(stores[i], url)) {
        i++;
    }
    if (i == HR_PLAN_STORES_MAX) {
        return hr_diag_set(making->diag, HR_BAD_INPUT,
                           "its store would be one more than the %u that a host can have",
                           HR_PLAN_STORES_MAX);
    }
    if (i == plan->store_count) {
        stores[plan->store_count++] = url;
    }
    *ret_index = i;
    return HR_OK;
}

/* @text with the site's name for every `${site}` in it. */
static enum hr_err with_site(struct making *making, struct hr_str text, size_t bytes_max,
                             struct hr_str *ret_text)
{
    const struct hr_str mark = HR_STR("${site}");
    struct hr_str site = making->manifest->site;
    char filled[HR_BUS_SUBJECT_BYTES_MAX];
    size_t len = 0;
    for (size_t i = 0; i < text.len;) {
        bool is_mark = hr_str_starts(hr_str_from(text, i), mark);
        struct hr_str part = is_mark ? site : hr_str_of(text.ptr + i, 1);
        if (part.len > bytes_max - len) {
            return hr_diag_set(making->diag, HR_BAD_INPUT,
                               "`%.*s` is longer than %zu bytes with the site's name in it",
                               HR_STR_ARG(text), bytes_max);
        }
        memcpy(filled + len, part.ptr, part.len);
        len += part.len;
        i += is_mark ? mark.len : 1;
    }
    *ret_text = hr_arena_copy(&making->plan->arena, hr_str_of(filled, len));
    return ret_text->ptr ? HR_OK : no_memory(making);
}

static enum hr_err expand_subscriptions(struct making *making, const struct hr_manifest_actor *from,
                                        struct hr_plan_actor *to)
{
    struct hr_inbox_options *options = array(making, from->subscription_count, sizeof *options);
    if (!options) {
        return no_memory(making);
    }
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < from->subscription_count && !err; i++) {
        const struct hr_manifest_subscription *subscription = &from->subscriptions[i];
        options[i] = (struct hr_inbox_options){.batch = subscription->batch,
                                               .every_ms = subscription->every_ms,
                                               .no_echo = subscription->no_echo,
                                               .unordered = subscription->unordered};
        err =
            with_site(making, subscription->subject, HR_BUS_SUBJECT_BYTES_MAX, &options[i].subject);
        err =
            err ? err
                : with_site(making, subscription->queue, HR_BUS_QUEUE_BYTES_MAX, &options[i].queue);
    }
    if (err) {
        return err;
    }
    to->subscriptions = options;
    to->subscription_count = from->subscription_count;
    return HR_OK;
}

static enum hr_err plan_actor(struct making *making, const struct hr_manifest_actor *from,
                              struct hr_str *stores, struct hr_plan_actor *to)
{
    *to = (struct hr_plan_actor){
        .name = from->name,
        .limits = {.memory_bytes = from->limits.memory_bytes,
                   .cpu_ms = from->limits.cpu_ms,
                   .wall_ms = from->limits.wall_ms,
                   .concurrent = from->limits.concurrent,
                   .queue = from->limits.queue,
                   .body_bytes = (size_t)from->limits.body_bytes},
        .links = {.publish = from->publish.items,
                  .publish_count = from->publish.count,
                  .safe = from->safe.items,
                  .safe_count = from->safe.count,
                  .idempotent = from->idempotent.items,
                  .idempotent_count = from->idempotent.count,
                  .gather = from->gather.items,
                  .gather_count = from->gather.count,
                  .buckets = from->buckets.items,
                  .bucket_count = from->buckets.count,
                  .assets = from->assets},
        .routes = from->routes.items,
        .route_count = from->routes.count,
    };
    enum hr_err err = HR_OK;
    if (hr_manifest_has_link(from, HR_LINK_KEYVALUE)) {
        err = store_index(making, from->store, stores, &to->links.store);
    }
    err = err ? err : read_module(making, from, to);
    err = err ? err : expand_interfaces(making, from, &to->links);
    err = err ? err : expand_config(making, from, &to->links);
    err = err ? err : expand_subscriptions(making, from, to);
    return err ? hr_diag_prefix(making->diag, err, "actor %.*s", HR_STR_ARG(from->name)) : HR_OK;
}

/* --- the whole --------------------------------------------------------------------------------------------- */

/* The ids of the sites that the manifest names, ascending, with commas; empty if it names none. */
static struct hr_str list_members(struct making *making)
{
    const struct hr_manifest *manifest = making->manifest;
    char text[MEMBERS_BYTES] = "";
    size_t len = 0;
    uint32_t last = 0;
    for (size_t listed = 0; listed < manifest->site_count; listed++) {
        uint32_t next = UINT32_MAX;
        for (size_t i = 0; i < manifest->site_count; i++) {
            uint32_t id = manifest->sites[i].id;
            next = id > last && id < next ? id : next;
        }
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u", len ? "," : "", next);
        last = next;
    }
    return hr_arena_copy(&making->plan->arena, hr_str_of(text, len));
}

/* @bytes random bytes as hexadecimal digits. */
static struct hr_str draw_hex(struct making *making, size_t bytes)
{
    unsigned char random[NONCE_BYTES];
    char hex[NONCE_BYTES * 2 + 1];
    randombytes_buf(random, bytes);
    sodium_bin2hex(hex, sizeof hex, random, bytes);
    return hr_arena_copy(&making->plan->arena, hr_str_c(hex));
}

static enum hr_err prepare(struct making *making)
{
    struct hr_plan *plan = making->plan;
    char site_id[8];
    plan->site_id = hr_manifest_site_number(making->manifest);
    snprintf(site_id, sizeof site_id, "%u", plan->site_id);
    making->boot_nonce = draw_hex(making, NONCE_BYTES);
    making->site_id = hr_arena_copy(&plan->arena, hr_str_c(site_id));
    making->members = list_members(making);
    plan->host =
        making->manifest->host.len > 0 ? making->manifest->host : draw_hex(making, HOST_ID_BYTES);
    bool good = making->boot_nonce.ptr && making->site_id.ptr && making->members.ptr;
    return good && plan->host.ptr ? HR_OK : no_memory(making);
}

/* As many as asked for; if nothing was, one for each core, as far as that goes. */
static enum hr_err count_workers(struct making *making)
{
    uint32_t asked = making->manifest->workers;
    uint32_t cores = uv_available_parallelism();
    if (asked > HR_PLAN_WORKERS_MAX) {
        return hr_diag_set(making->diag, HR_BAD_INPUT,
                           "workers: %u are more than the %u that can share a store", asked,
                           HR_PLAN_WORKERS_MAX);
    }
    cores = cores > HR_PLAN_WORKERS_MAX ? HR_PLAN_WORKERS_MAX : cores;
    making->plan->workers = asked ? asked : cores;
    return HR_OK;
}

enum hr_err hr_plan_make(const struct hr_manifest *manifest, struct hr_plan *ret_plan,
                         struct hr_diag *diag)
{
    struct hr_plan plan = {
        .lattice = manifest->lattice,
        .site = manifest->site,
        .http = manifest->http,
        .admin = manifest->admin,
        .durability = manifest->durability,
        .nats = manifest->nats.items,
        .nats_count = manifest->nats.count,
        .nats_files = manifest->nats_files,
        .sites = manifest->sites,
        .site_count = manifest->site_count,
        .hedge = manifest->hedge,
    };
    hr_arena_init(&plan.arena, 0);
    struct making making = {.manifest = manifest, .plan = &plan, .diag = diag};
    if (sodium_init() < 0) {
        return hr_diag_set(diag, HR_INTERNAL, "libsodium did not initialise");
    }
    enum hr_err err = prepare(&making);
    err = err ? err : count_workers(&making);
    struct hr_str *stores = array(&making, HR_PLAN_STORES_MAX, sizeof *stores);
    plan.actors = array(&making, manifest->actor_count, sizeof *plan.actors);
    if (!err && (!stores || !plan.actors)) {
        err = no_memory(&making);
    }
    for (size_t i = 0; i < manifest->actor_count && !err; i++) {
        err = plan_actor(&making, &manifest->actors[i], stores, &plan.actors[i]);
        plan.actor_count++;
    }
    if (err) {
        hr_plan_release(&plan);
        return err;
    }
    plan.stores = stores;
    while (plan.site_store < plan.store_count &&
           !hr_str_eq(stores[plan.site_store], manifest->store)) {
        plan.site_store++;
    }
    *ret_plan = plan;
    return HR_OK;
}

void hr_plan_release(struct hr_plan *plan)
{
    hr_arena_release(&plan->arena);
}
