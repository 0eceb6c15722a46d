/* hedgerow:ui/assets as an import: a call from actor to actor. It goes to the actor of this host if there is
 * one with room, and over the lattice otherwise; there it is safe to repeat, as it changes nothing. The
 * caller's end ends a callee that is here.
 */
#include <stdio.h>

#include "host/run/abi.h"
#include "host/calls/asset.h"
#include "host/imports/all.h"
#include "host/calls/message.h"
#include "host/run/worker.h"

static enum hr_err put_error(struct hr_fiber *fiber, int32_t ret, enum hr_err err,
                             const char *cause)
{
    char text[400];
    snprintf(text, sizeof text, "actor %.*s: %s%s%s", HR_STR_ARG(fiber->actor->links.assets),
             hr_err_text(err), cause[0] ? ": " : "", cause);
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 1);
    hr_abi_out_text(&out, 4, text);
    return hr_abi_out_end(&out);
}

/* result<option<asset>, string>: discriminant@0; option@4; etag@8, headers@16, bytes@24. */
static enum hr_err put_asset(struct hr_fiber *fiber, int32_t ret, const struct hr_asset *asset)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_u8(&out, 4, asset->found);
    if (!asset->found) {
        return hr_abi_out_end(&out);
    }
    struct hr_abi_out items;
    hr_abi_out_bytes(&out, 8, asset->etag);
    hr_abi_out_list(&out, 16, asset->header_count, 16, 4, &items);
    for (uint32_t i = 0; i < asset->header_count; i++) {
        hr_abi_out_bytes(&items, 16 * i, asset->headers[i].name);
        hr_abi_out_bytes(&items, 16 * i + 8, asset->headers[i].value);
    }
    hr_abi_out_bytes(&out, 24, asset->bytes);
    return items.err ? items.err : hr_abi_out_end(&out);
}

/* --- on this host ------------------------------------------------------------------------------------ */

struct calling {
    struct hr_fiber *fiber;
    bool done;
};

static void on_called(void *arg, struct hr_asset_call *call)
{
    struct calling *calling = arg;
    (void)call;
    calling->done = true;
    hr_fiber_wake(calling->fiber);
}

/* @ret_failed: that the call could not begin, so that somebody else may be asked. */
static enum hr_err call_here(struct hr_fiber *fiber, int32_t ret, struct hr_lane *lane,
                             const struct hr_asset_request *request, enum hr_err *ret_failed)
{
    struct calling calling = {.fiber = fiber};
    struct hr_asset_call *call;
    *ret_failed = hr_asset_call_new(lane, request, hr_trace_str(&fiber->trace),
                                    hr_fiber_left_ms(fiber), on_called, &calling, &call);
    if (*ret_failed) {
        return HR_OK;
    }
    while (!calling.done) {
        enum hr_err err = hr_fiber_wait(fiber);
        if (err && !calling.done) {
            hr_asset_call_free(call);
            return err;
        }
    }
    const struct hr_asset *asset;
    const char *cause;
    enum hr_err outcome = hr_asset_call_outcome(call, &asset, &cause);
    enum hr_err err =
        outcome ? put_error(fiber, ret, outcome, cause) : put_asset(fiber, ret, asset);
    hr_asset_call_free(call);
    return err;
}

/* --- over the lattice -------------------------------------------------------------------------------- */

struct asking {
    struct hr_fiber *fiber;
    bool done;
    enum hr_err err;
    struct hr_str refusal;
    struct hr_str reply;
};

static void on_reply(void *arg, enum hr_err err, const struct hr_bus_msg *reply)
{
    struct asking *asking = arg;
    struct hr_arena *arena = &asking->fiber->arena;
    asking->err = err;
    if (!err) {
        asking->refusal = hr_arena_copy(arena, hr_message_error(reply));
        asking->reply = hr_arena_copy(arena, reply->body);
        asking->err = !asking->refusal.ptr || !asking->reply.ptr ? HR_NO_MEMORY
                      : asking->refusal.len > 0                  ? HR_CLOSED
                                                                 : HR_OK;
    }
    asking->done = true;
    hr_fiber_wake(asking->fiber);
}

static enum hr_err put_reply(struct hr_fiber *fiber, int32_t ret, const struct asking *asking)
{
    struct hr_asset asset;
    char cause[200] = "";
    enum hr_err failed = asking->err;
    if (!failed) {
        failed = hr_asset_decode(asking->reply, &fiber->arena, &asset);
    }
    if (!failed && asset.bytes.len > fiber->actor->limits.body_bytes) {
        failed = HR_TOO_BIG;
    }
    if (failed) {
        snprintf(cause, sizeof cause, "%.*s", HR_STR_ARG(asking->refusal));
        return put_error(fiber, ret, failed, cause);
    }
    return put_asset(fiber, ret, &asset);
}

static enum hr_err send_request(struct hr_fiber *fiber, const struct hr_asset_request *request,
                                struct asking *asking, struct hr_bus_request **ret_request)
{
    char subject[HR_ASSET_SUBJECT_BYTES_MAX];
    char timeout[12];
    uint32_t left_ms = hr_fiber_left_ms(fiber);
    struct hr_buf body = {0};
    snprintf(timeout, sizeof timeout, "%u", left_ms);
    const struct hr_bus_header headers[] = {
        {HR_STR(HR_BUS_HEADER_TRACE), hr_trace_str(&fiber->trace)},
        {HR_STR(HR_BUS_HEADER_TIMEOUT), hr_str_c(timeout)},
    };
    enum hr_err err = hr_asset_request_encode(request, &body);
    const struct hr_bus_msg msg = {
        .subject =
            hr_asset_subject(fiber->worker->lattice_name, fiber->actor->links.assets, subject),
        .body = hr_buf_str(&body),
        .headers = headers,
        .header_count = sizeof headers / sizeof headers[0],
        .repeat = HR_BUS_SAFE,
    };
    err = err ? err
              : hr_bus_request(fiber->worker->bus, &msg, left_ms, on_reply, asking, ret_request);
    hr_buf_release(&body);
    return err;
}

static enum hr_err ask_lattice(struct hr_fiber *fiber, int32_t ret,
                               const struct hr_asset_request *request)
{
    struct asking asking = {.fiber = fiber};
    struct hr_bus_request *pending;
    enum hr_err failed = send_request(fiber, request, &asking, &pending);
    if (failed) {
        return put_error(fiber, ret, failed, "");
    }
    while (!asking.done) {
        enum hr_err err = hr_fiber_wait(fiber);
        if (err && !asking.done) {
            hr_bus_cancel(pending);
            return err;
        }
    }
    return put_reply(fiber, ret, &asking);
}

static enum hr_err get_asset(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    int32_t ret = values[4].i32;
    struct hr_asset_request request;
    enum hr_err err =
        hr_abi_string(fiber, (uint32_t)values[0].i32, (uint32_t)values[1].i32, &request.path);
    if (!err) {
        err = hr_abi_string(fiber, (uint32_t)values[2].i32, (uint32_t)values[3].i32,
                            &request.accept_encoding);
    }
    if (err) {
        return err;
    }
    struct hr_lane *lane = hr_worker_lane(fiber->worker, fiber->actor->links.assets);
    enum hr_err failed = HR_NO_RESPONDERS;
    if (lane) {
        err = call_here(fiber, ret, lane, &request, &failed);
    }
    if (err || !failed) {
        return err;
    }
    return fiber->worker->lattice ? ask_lattice(fiber, ret, &request)
                                  : put_error(fiber, ret, failed, lane ? "" : "not on this host");
}

static const struct hr_import imports[] = {
    {"hedgerow:ui/assets", "0.1", "get-asset", "iiiii>", get_asset},
};

const struct hr_imports_table hr_imports_assets = HR_IMPORTS_TABLE(imports);
