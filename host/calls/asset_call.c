/* Calling an actor's get-asset. The callee runs on the caller's worker, as a call of its own; what it
 * answers is copied out of its memory into the call's arena. */
#include <stdio.h>

#include "base/alloc.h"
#include "host/run/abi.h"
#include "host/calls/asset.h"
#include "host/run/call_log.h"
#include "host/run/worker.h"

struct hr_asset_call {
    hr_asset_cb cb; /* NULL: nobody waits any more */
    void *arg;
    struct hr_fiber *callee; /* NULL: has ended */
    struct hr_loop *loop;
    struct hr_task cancel;
    struct hr_arena arena;
    struct hr_asset_request request;
    enum hr_err err;
    char cause[200];
    struct hr_asset asset;
};

static void release(struct hr_asset_call *call)
{
    hr_loop_unpost(&call->cancel);
    hr_arena_release(&call->arena);
    hr_free(call);
}

static enum hr_err keep(struct hr_fiber *fiber, struct hr_asset_call *call, uint32_t at, bool text,
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
                                    fiber->actor->limits.body_bytes + HR_ASSET_FIELDS_BYTES_MAX);
}

static enum hr_err keep_headers(struct hr_fiber *fiber, struct hr_asset_call *call, uint32_t at)
{
    uint32_t ptr;
    uint32_t count;
    enum hr_err err = hr_abi_get_pair(fiber, at, &ptr, &count);
    if (err) {
        return err;
    }
    if (count > HR_ASSET_HEADERS_MAX) {
        return hr_fiber_trap(fiber, "an asset with %u headers; the limit is %u", count,
                             HR_ASSET_HEADERS_MAX);
    }
    call->asset.headers =
        hr_arena_alloc(&call->arena, (count ? count : 1) * sizeof *call->asset.headers);
    err = call->asset.headers ? HR_OK : HR_NO_MEMORY;
    for (uint32_t i = 0; i < count && !err; i++) {
        err = keep(fiber, call, ptr + 16 * i, true, &call->asset.headers[i].name);
        if (!err) {
            err = keep(fiber, call, ptr + 16 * i + 8, true, &call->asset.headers[i].value);
        }
    }
    call->asset.header_count = count;
    return err;
}

/* get-asset(path: string, accept-encoding: string) -> result<option<asset>, string>:
 * discriminant@0; option@4; etag@8, headers@16, bytes@24; or the error's text@4. */
static enum hr_err body(struct hr_fiber *fiber, void *arg)
{
    struct hr_asset_call *call = arg;
    uint32_t path = 0;
    uint32_t accept = 0;
    enum hr_err err = hr_abi_lower(fiber, call->request.path, &path);
    if (!err) {
        err = hr_abi_lower(fiber, call->request.accept_encoding, &accept);
    }
    if (err) {
        return err;
    }
    wasmtime_val_raw_t values[4] = {
        {.i32 = (int32_t)path},
        {.i32 = (int32_t)call->request.path.len},
        {.i32 = (int32_t)accept},
        {.i32 = (int32_t)call->request.accept_encoding.len},
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
    call->asset.found = true;
    err = keep(fiber, call, at + 8, true, &call->asset.etag);
    if (!err) {
        err = keep_headers(fiber, call, at + 16);
    }
    return err ? err : keep(fiber, call, at + 24, false, &call->asset.bytes);
}

static void done(struct hr_fiber *fiber, enum hr_err err, const char *cause, void *arg)
{
    struct hr_asset_call *call = arg;
    hr_call_ended(fiber, err, cause);
    call->callee = NULL;
    if (!call->cb) {
        release(call);
        return;
    }
    call->err = err;
    snprintf(call->cause, sizeof call->cause, "%s", cause);
    call->cb(call->arg, call);
}

static void cancel_callee(void *arg)
{
    struct hr_asset_call *call = arg;
    hr_fiber_cancel(call->callee, HR_CANCELED, "the caller has gone"); /* frees @call */
}

void hr_asset_call_free(struct hr_asset_call *call)
{
    if (call && call->callee) {
        call->cb = NULL;
        hr_loop_post(call->loop,
                     &call->cancel); /* a fiber may not end another from its own stack */
    } else if (call) {
        release(call);
    }
}

enum hr_err hr_asset_call_outcome(const struct hr_asset_call *call,
                                  const struct hr_asset **ret_asset, const char **ret_cause)
{
    *ret_asset = &call->asset;
    *ret_cause = call->cause;
    return call->err;
}

enum hr_err hr_asset_call_new(struct hr_lane *lane, const struct hr_asset_request *request,
                              struct hr_str trace, uint32_t wall_ms, hr_asset_cb cb, void *arg,
                              struct hr_asset_call **ret_call)
{
    if (request->path.len + request->accept_encoding.len > HR_ASSET_REQUEST_BYTES_MAX) {
        return HR_TOO_BIG;
    }
    struct hr_asset_call *call = hr_alloc(sizeof *call);
    if (!call) {
        return HR_NO_MEMORY;
    }
    call->cb = cb;
    call->arg = arg;
    call->loop = lane->loop;
    hr_task_init(&call->cancel, cancel_callee, call);
    hr_arena_init(&call->arena, HR_ASSET_REQUEST_BYTES_MAX + lane->actor->limits.body_bytes +
                                    HR_ASSET_FIELDS_BYTES_MAX);
    call->request.path = hr_arena_copy(&call->arena, request->path);
    call->request.accept_encoding = hr_arena_copy(&call->arena, request->accept_encoding);
    const struct hr_fiber_options options = {.export_id = HR_EXPORT_GET_ASSET,
                                             .body = body,
                                             .done = done,
                                             .arg = call,
                                             .wall_ms = wall_ms,
                                             .trace = trace};
    bool copied = call->request.path.ptr && call->request.accept_encoding.ptr;
    enum hr_err err = copied ? hr_lane_submit(lane, &options, &call->callee) : HR_NO_MEMORY;
    if (err) {
        hr_call_refused(lane->actor, HR_EXPORT_GET_ASSET, err);
        release(call);
        return err;
    }
    *ret_call = call;
    return HR_OK;
}
