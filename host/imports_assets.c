/* hedgerow:ui/assets as an import: an actor-to-actor call. The callee runs on the same worker as a call
 * of its own, with its own limits; what it answers is copied from the one memory to the host and
 * from there to the other. The caller's end ends the callee too.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "host/abi.h"
#include "host/call_log.h"
#include "host/imports.h"
#include "host/worker.h"

#define ASSET_HEADERS_MAX 64u
/* Of one call: what is asked with, and what comes with an asset's bytes. */
#define ASSET_REQUEST_BYTES_MAX (64u << 10)
#define ASSET_FIELDS_BYTES_MAX (64u << 10)

struct asset_header {
    struct hr_str name;
    struct hr_str value;
};

/* One call from actor to actor. It belongs to both ends and goes with the later of them. */
struct asset_call {
    struct hr_fiber *caller; /* NULL: gone */
    struct hr_fiber *callee; /* NULL: has ended */
    struct hr_loop *loop;
    struct hr_task cancel;
    struct hr_arena arena;
    struct hr_str path;
    struct hr_str accept_encoding;
    bool done;
    enum hr_err err;
    char cause[200];
    bool found;
    struct hr_str etag;
    struct hr_str bytes;
    struct asset_header *headers;
    uint32_t header_count;
};

static void call_free(struct asset_call *call)
{
    hr_loop_unpost(&call->cancel);
    hr_arena_release(&call->arena);
    hr_free(call);
}

/* --- the callee's side ------------------------------------------------------------------------------- */

static enum hr_err keep(struct hr_fiber *fiber, struct asset_call *call, uint32_t at, bool text,
                        struct hr_str *ret)
{
    uint32_t ptr;
    uint32_t len;
    struct hr_str borrowed;
    enum hr_err err = hr_abi_get_pair(fiber, at, &ptr, &len);
    if (!err) {
        err = text ? hr_abi_string(fiber, ptr, len, &borrowed)
                   : hr_abi_bytes(fiber, ptr, len, &borrowed);
    }
    if (err) {
        return err;
    }
    if (borrowed.len > fiber->actor->limits.body_bytes) {
        return hr_fiber_trap(fiber, "an asset of %zu bytes; the limit is %zu", borrowed.len,
                             fiber->actor->limits.body_bytes);
    }
    *ret = hr_arena_copy(&call->arena, borrowed);
    return ret->ptr ? HR_OK
                    : hr_fiber_trap(fiber, "an asset of more than %zu bytes with its headers",
                                    fiber->actor->limits.body_bytes + ASSET_FIELDS_BYTES_MAX);
}

static enum hr_err keep_headers(struct hr_fiber *fiber, struct asset_call *call, uint32_t at)
{
    uint32_t ptr;
    uint32_t count;
    enum hr_err err = hr_abi_get_pair(fiber, at, &ptr, &count);
    if (err) {
        return err;
    }
    if (count > ASSET_HEADERS_MAX) {
        return hr_fiber_trap(fiber, "an asset with %u headers; the limit is %u", count,
                             ASSET_HEADERS_MAX);
    }
    call->headers = hr_arena_alloc(&call->arena, (count ? count : 1) * sizeof *call->headers);
    err = call->headers ? HR_OK : HR_NO_MEMORY;
    for (uint32_t i = 0; i < count && !err; i++) {
        err = keep(fiber, call, ptr + 16 * i, true, &call->headers[i].name);
        if (!err) {
            err = keep(fiber, call, ptr + 16 * i + 8, true, &call->headers[i].value);
        }
    }
    call->header_count = count;
    return err;
}

/* get-asset(path: string, accept-encoding: string) -> result<option<asset>, string>:
 * discriminant@0; option@4; etag@8, headers@16, bytes@24; or the error's text@4. */
static enum hr_err body(struct hr_fiber *fiber, void *arg)
{
    struct asset_call *call = arg;
    uint32_t path = 0;
    uint32_t accept = 0;
    enum hr_err err = hr_abi_lower(fiber, call->path, &path);
    if (!err) {
        err = hr_abi_lower(fiber, call->accept_encoding, &accept);
    }
    if (err) {
        return err;
    }
    wasmtime_val_raw_t values[4] = {
        {.i32 = (int32_t)path},
        {.i32 = (int32_t)call->path.len},
        {.i32 = (int32_t)accept},
        {.i32 = (int32_t)call->accept_encoding.len},
    };
    err = hr_fiber_call_export(fiber, values, 4);
    uint32_t at = (uint32_t)values[0].i32;
    uint8_t is_err = 0;
    uint8_t is_some = 0;
    if (!err) {
        err = hr_abi_get_u8(fiber, at, &is_err);
    }
    if (!err && is_err) {
        struct hr_str text;
        err = keep(fiber, call, at + 4, true, &text);
        return err ? err
                   : hr_fiber_trap(fiber, "it answered: %.*s", text.len > 200 ? 200 : (int)text.len,
                                   text.ptr);
    }
    if (!err) {
        err = hr_abi_get_u8(fiber, at + 4, &is_some);
    }
    if (err || !is_some) {
        return err;
    }
    call->found = true;
    err = keep(fiber, call, at + 8, true, &call->etag);
    if (!err) {
        err = keep_headers(fiber, call, at + 16);
    }
    return err ? err : keep(fiber, call, at + 24, false, &call->bytes);
}

static void done(struct hr_fiber *fiber, enum hr_err err, const char *cause, void *arg)
{
    struct asset_call *call = arg;
    hr_call_ended(fiber, err, cause);
    call->callee = NULL;
    if (!call->caller) {
        call_free(call);
        return;
    }
    call->err = err;
    snprintf(call->cause, sizeof call->cause, "%s", cause);
    call->done = true;
    hr_fiber_wake(call->caller);
}

/* --- the caller's side ------------------------------------------------------------------------------- */

static void cancel_callee(void *arg)
{
    struct asset_call *call = arg;
    if (call->callee) {
        hr_fiber_cancel(call->callee, HR_CANCELED, "the caller has gone"); /* frees @call */
    }
}

/* The caller's call is ending: it may not end another fiber from its own, so the loop does. */
static void abandon(struct asset_call *call)
{
    call->caller = NULL;
    hr_loop_post(call->loop, &call->cancel);
}

static enum hr_err put_error(struct hr_fiber *fiber, int32_t ret, enum hr_err err,
                             const char *callee, const char *cause)
{
    char text[400];
    snprintf(text, sizeof text, "actor %s: %s%s%s", callee, hr_err_text(err), cause[0] ? ": " : "",
             cause);
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 1);
    hr_abi_out_text(&out, 4, text);
    return hr_abi_out_end(&out);
}

static enum hr_err put_asset(struct hr_fiber *fiber, int32_t ret, const struct asset_call *call)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_u8(&out, 4, call->found);
    if (!call->found) {
        return hr_abi_out_end(&out);
    }
    struct hr_abi_out items;
    hr_abi_out_bytes(&out, 8, call->etag);
    hr_abi_out_list(&out, 16, call->header_count, 16, 4, &items);
    for (uint32_t i = 0; i < call->header_count; i++) {
        hr_abi_out_bytes(&items, 16 * i, call->headers[i].name);
        hr_abi_out_bytes(&items, 16 * i + 8, call->headers[i].value);
    }
    hr_abi_out_bytes(&out, 24, call->bytes);
    return items.err ? items.err : hr_abi_out_end(&out);
}

static enum hr_err call_new(struct hr_fiber *fiber, const struct hr_actor *callee,
                            const wasmtime_val_raw_t *values, struct asset_call **ret_call)
{
    struct hr_str path;
    struct hr_str accept;
    enum hr_err err = hr_abi_string(fiber, (uint32_t)values[0].i32, (uint32_t)values[1].i32, &path);
    if (!err) {
        err = hr_abi_string(fiber, (uint32_t)values[2].i32, (uint32_t)values[3].i32, &accept);
    }
    if (err) {
        return err;
    }
    if (path.len + accept.len > ASSET_REQUEST_BYTES_MAX) {
        return hr_fiber_trap(fiber, "an asset is asked for with %zu bytes; the limit is %u",
                             path.len + accept.len, ASSET_REQUEST_BYTES_MAX);
    }
    struct asset_call *call = hr_alloc(sizeof *call);
    if (!call) {
        return hr_fiber_trap(fiber, "out of memory");
    }
    call->caller = fiber;
    call->loop = fiber->lane->loop;
    hr_task_init(&call->cancel, cancel_callee, call);
    hr_arena_init(&call->arena,
                  ASSET_REQUEST_BYTES_MAX + callee->limits.body_bytes + ASSET_FIELDS_BYTES_MAX);
    call->path = hr_arena_copy(&call->arena, path);
    call->accept_encoding = hr_arena_copy(&call->arena, accept);
    if (!call->path.ptr || !call->accept_encoding.ptr) {
        call_free(call);
        return hr_fiber_trap(fiber, "out of memory");
    }
    *ret_call = call;
    return HR_OK;
}

static enum hr_err get_asset(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    int32_t ret = values[4].i32;
    struct hr_lane *lane = hr_worker_lane(fiber->worker, fiber->actor->links.assets);
    if (!lane) {
        return put_error(fiber, ret, HR_NO_RESPONDERS, "ui", "no such actor on this host");
    }
    struct asset_call *call;
    enum hr_err err = call_new(fiber, lane->actor, values, &call);
    if (err) {
        return err;
    }
    const struct hr_fiber_options options = {
        .export_id = HR_EXPORT_GET_ASSET,
        .body = body,
        .done = done,
        .arg = call,
        .wall_ms = hr_fiber_left_ms(fiber),
    };
    enum hr_err failed = hr_lane_submit(lane, &options, &call->callee);
    if (failed) {
        call_free(call);
        hr_call_refused(lane->actor, HR_EXPORT_GET_ASSET, failed);
        return put_error(fiber, ret, failed, lane->actor->name, "");
    }
    while (!call->done) {
        err = hr_fiber_wait(fiber);
        if (err && !call->done) {
            abandon(call);
            return err;
        }
    }
    err = call->err ? put_error(fiber, ret, call->err, lane->actor->name, call->cause)
                    : put_asset(fiber, ret, call);
    call_free(call);
    return err;
}

static const struct hr_import imports[] = {
    {"hedgerow:ui/assets", "0.1", "get-asset", "iiiii>", get_asset},
};

const struct hr_imports_table hr_imports_assets = HR_IMPORTS_TABLE(imports);
