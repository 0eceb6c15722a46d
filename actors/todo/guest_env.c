/* The core's environment over the world's imports. */
#include "actors/todo/guest.h"

#include "base/alloc.h"
#include "base/assert.h"

#define NS_PER_S UINT64_C(1000000000)

static enum hr_err env_request(void *arg, struct hr_str subject, struct hr_str body,
                               uint32_t timeout_ms, struct hr_buf *ret_reply, struct hr_diag *diag)
{
    (void)arg;
    todo_string_t to = gw_guest_borrow(subject);
    todo_list_u8_t bytes = {(uint8_t *)(uintptr_t)body.ptr, body.len};
    wasmcloud_messaging_consumer_broker_message_t reply;
    todo_string_t failure;
    enum hr_err err;
    if (wasmcloud_messaging_consumer_request(&to, &bytes, timeout_ms, &reply, &failure)) {
        err = hr_buf_append(ret_reply, hr_str_of(reply.body.ptr, reply.body.len));
        wasmcloud_messaging_consumer_broker_message_free(&reply);
        return err;
    }
    err = gw_env_err(gw_guest_str(failure));
    hr_diag_set(diag, err, "%.*s", HR_STR_ARG(gw_guest_str(failure)));
    todo_string_free(&failure);
    return err;
}

/* Not to be taken for "no such asset": the actor, not the asset, was not found. */
static enum hr_err ui_err(struct hr_str text)
{
    enum hr_err err = gw_env_err(text);
    return err == HR_NOT_FOUND ? HR_NO_RESPONDERS : err;
}

static enum hr_err env_get_asset(void *arg, struct hr_str path, struct hr_str accept_encoding,
                                 struct gw_asset *ret_asset, struct hr_diag *diag)
{
    struct gw_guest_env *state = arg;
    todo_string_t at = gw_guest_borrow(path);
    todo_string_t accepted = gw_guest_borrow(accept_encoding);
    todo_string_t failure;
    HR_ASSERT(!state->asset.is_some);
    if (!hedgerow_ui_assets_get_asset(&at, &accepted, &state->asset, &failure)) {
        enum hr_err err = ui_err(gw_guest_str(failure));
        hr_diag_set(diag, err, "%.*s", HR_STR_ARG(gw_guest_str(failure)));
        todo_string_free(&failure);
        state->asset.is_some = false;
        return err;
    }
    if (!state->asset.is_some) {
        return HR_NOT_FOUND;
    }
    const hedgerow_ui_assets_asset_t *asset = &state->asset.val;
    struct gw_header *headers = hr_alloc_array(asset->headers.len, sizeof *headers);
    if (!headers) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < asset->headers.len; i++) {
        headers[i].name = gw_guest_str(asset->headers.ptr[i].f0);
        headers[i].value = gw_guest_str(asset->headers.ptr[i].f1);
    }
    state->asset_headers = headers;
    *ret_asset = (struct gw_asset){
        .etag = gw_guest_str(asset->etag),
        .headers = headers,
        .header_count = asset->headers.len,
        .bytes = hr_str_of(asset->bytes.ptr, asset->bytes.len),
    };
    return HR_OK;
}

static struct gw_site site_of(const hedgerow_lattice_members_site_t *member)
{
    return (struct gw_site){
        .name = gw_guest_str(member->name),
        .id = member->id,
        .here = member->here,
        .alive = member->alive,
        .has_store = member->has_store,
        .catching_up = member->catching_up,
        .is_measured = member->round_trip_us.is_some,
        .hosts = member->hosts,
        .round_trip_us = member->round_trip_us.is_some ? member->round_trip_us.val : 0,
        .silent_ms = member->silent_ms,
    };
}

static enum hr_err env_sites(void *arg, const struct gw_site **ret_sites, size_t *ret_count)
{
    struct gw_guest_env *state = arg;
    HR_ASSERT(!state->members.ptr);
    hedgerow_lattice_members_sites(&state->members);
    state->sites = hr_alloc_array(state->members.len, sizeof *state->sites);
    if (!state->sites) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < state->members.len; i++) {
        state->sites[i] = site_of(&state->members.ptr[i]);
    }
    *ret_sites = state->sites;
    *ret_count = state->members.len;
    return HR_OK;
}

static gw_wall_ns env_now(void *arg)
{
    (void)arg;
    wasi_clocks_wall_clock_datetime_t now;
    wasi_clocks_wall_clock_now(&now);
    return now.seconds * NS_PER_S + now.nanoseconds;
}

static void env_random(void *arg, unsigned char *ret_bytes, size_t len)
{
    (void)arg;
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t word = wasi_random_random_get_random_u64();
        memcpy(ret_bytes + at, &word, len - at < sizeof word ? len - at : sizeof word);
    }
}

static void env_log(void *arg, enum gw_log_level level, struct hr_str text)
{
    static const wasi_logging_logging_level_t levels[] = {
        [GW_LOG_DEBUG] = WASI_LOGGING_LOGGING_LEVEL_DEBUG,
        [GW_LOG_INFO] = WASI_LOGGING_LOGGING_LEVEL_INFO,
        [GW_LOG_WARN] = WASI_LOGGING_LOGGING_LEVEL_WARN,
        [GW_LOG_ERROR] = WASI_LOGGING_LOGGING_LEVEL_ERROR,
    };
    (void)arg;
    todo_string_t context = gw_guest_borrow(HR_STR("todo"));
    todo_string_t message = gw_guest_borrow(text);
    wasi_logging_logging_log(levels[level], &context, &message);
}

static enum hr_err env_config(void *arg, struct hr_str key, struct hr_buf *ret_value)
{
    (void)arg;
    todo_string_t name = gw_guest_borrow(key);
    todo_option_string_t value;
    wasi_config_store_error_t failure;
    if (!wasi_config_store_get(&name, &value, &failure)) {
        wasi_config_store_error_free(&failure);
        return HR_IO;
    }
    if (!value.is_some) {
        return HR_NOT_FOUND;
    }
    enum hr_err err = hr_buf_append(ret_value, gw_guest_str(value.val));
    todo_option_string_free(&value);
    return err;
}

struct gw_env gw_guest_env_init(struct gw_guest_env *state)
{
    return (struct gw_env){
        .arg = state,
        .request = env_request,
        .get_asset = env_get_asset,
        .sites = env_sites,
        .now = env_now,
        .random = env_random,
        .log = env_log,
        .config = env_config,
    };
}

void gw_guest_env_release(struct gw_guest_env *state)
{
    hr_free(state->asset_headers);
    hr_free(state->sites);
    hedgerow_lattice_members_list_site_free(&state->members);
    hedgerow_ui_assets_option_asset_free(&state->asset);
}
