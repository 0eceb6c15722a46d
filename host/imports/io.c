/* wasi:io/{error,poll,streams}. Input comes from memory, so it is always ready; output goes to a sink
 * that takes it at once; only timers make a pollable wait. */
#include "base/alloc.h"
#include "host/run/abi.h"
#include "host/imports/all.h"
#include "host/imports/io.h"
#include "host/run/lane.h"

struct pollable {
    struct hr_resource base;
    uint64_t due_ns;
};

struct input_stream {
    struct hr_resource base;
    struct hr_str left;
    struct hr_resource *parent;
};

struct output_stream {
    struct hr_resource base;
    struct hr_io_sink sink;
    uint64_t permitted; /* by the last check-write, less what was written since */
    bool closed;
};

struct io_error {
    struct hr_resource base;
    enum hr_err err;
};

static void destroy_input(struct hr_resource *resource)
{
    struct input_stream *stream = (struct input_stream *)resource;
    hr_resource_unref(stream->parent);
    hr_free(stream);
}

static void destroy_output(struct hr_resource *resource)
{
    struct output_stream *stream = (struct output_stream *)resource;
    hr_resource_unref(stream->sink.parent);
    hr_free(stream);
}

const struct hr_resource_type hr_io_pollable = {"pollable", hr_abi_resource_free};
const struct hr_resource_type hr_io_input_stream = {"input-stream", destroy_input};
const struct hr_resource_type hr_io_output_stream = {"output-stream", destroy_output};
const struct hr_resource_type hr_io_error = {"error", hr_abi_resource_free};

enum hr_err hr_io_give_pollable(struct hr_fiber *fiber, uint64_t due_ns, uint32_t *ret_index)
{
    struct pollable *pollable = hr_abi_resource(sizeof *pollable, &hr_io_pollable);
    if (pollable) {
        pollable->due_ns = due_ns;
    }
    return hr_abi_give(fiber, (struct hr_resource *)pollable, ret_index);
}

enum hr_err hr_io_give_input(struct hr_fiber *fiber, struct hr_str data, struct hr_resource *parent,
                             uint32_t *ret_index)
{
    struct input_stream *stream = hr_abi_resource(sizeof *stream, &hr_io_input_stream);
    if (stream) {
        stream->left = data;
        stream->parent = parent;
        if (parent) {
            hr_resource_ref(parent);
        }
    }
    return hr_abi_give(fiber, (struct hr_resource *)stream, ret_index);
}

enum hr_err hr_io_give_output(struct hr_fiber *fiber, const struct hr_io_sink *sink,
                              uint32_t *ret_index)
{
    struct output_stream *stream = hr_abi_resource(sizeof *stream, &hr_io_output_stream);
    if (stream) {
        stream->sink = *sink;
        if (sink->parent) {
            hr_resource_ref(sink->parent);
        }
    }
    return hr_abi_give(fiber, (struct hr_resource *)stream, ret_index);
}

/* --- error ------------------------------------------------------------------------------------ */

static enum hr_err error_to_debug_string(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct io_error *error;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &hr_io_error, &error);
    if (err) {
        return err;
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[1].i32);
    hr_abi_out_bytes(&out, 0, hr_str_c(hr_err_text(error->err)));
    return hr_abi_out_end(&out);
}

static enum hr_err drop_error(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &hr_io_error);
}

/* --- poll --------------------------------------------------------------------------------------- */

static void wake(void *arg)
{
    hr_fiber_wake(arg);
}

static bool ready(const struct pollable *pollable)
{
    return pollable->due_ns == 0 || hr_now_ns() >= pollable->due_ns;
}

/* Waits until @due_ns at the latest. */
static enum hr_err wait_until(struct hr_fiber *fiber, uint64_t due_ns)
{
    uint64_t now_ns = hr_now_ns();
    if (now_ns >= due_ns) {
        return HR_OK;
    }
    struct hr_loop *loop = fiber->lane->loop;
    struct hr_timer timer;
    hr_timer_init(&timer, wake, fiber);
    hr_loop_timer_start(loop, &timer, (due_ns - now_ns + 999999) / 1000000);
    enum hr_err err = hr_fiber_wait(fiber);
    hr_loop_timer_stop(loop, &timer);
    return err;
}

static enum hr_err pollable_ready(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct pollable *pollable;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &hr_io_pollable, &pollable);
    if (!err) {
        values[0].i32 = ready(pollable);
    }
    return err;
}

static enum hr_err pollable_block(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct pollable *pollable;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &hr_io_pollable, &pollable);
    while (!err && !ready(pollable)) {
        err = wait_until(fiber, pollable->due_ns);
    }
    return err;
}

/* Counts the ready ones among the guest's list of handles, and finds the earliest due time. */
static enum hr_err survey(struct hr_fiber *fiber, const uint8_t *list, uint32_t count,
                          uint32_t *ret_ready, uint64_t *ret_due_ns)
{
    *ret_ready = 0;
    *ret_due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct pollable *pollable;
        enum hr_err err =
            hr_abi_use(fiber, (int32_t)hr_abi_le32(list + 4 * i), &hr_io_pollable, &pollable);
        if (err) {
            return err;
        }
        if (ready(pollable)) {
            (*ret_ready)++;
        } else if (pollable->due_ns < *ret_due_ns) {
            *ret_due_ns = pollable->due_ns;
        }
    }
    return HR_OK;
}

/* The indexes of the ready ones. Readiness is asked once more, so one that becomes ready in between is
 * left for the next poll: never more than @ready_count are written. */
static enum hr_err write_ready(struct hr_fiber *fiber, struct hr_str handles, uint32_t ready_count,
                               int32_t ret)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    struct hr_abi_out items;
    hr_abi_out_list(&out, 0, ready_count, 4, 4, &items);
    uint32_t written = 0;
    for (uint32_t i = 0; i < handles.len / 4 && written < ready_count; i++) {
        struct pollable *pollable;
        int32_t handle = (int32_t)hr_abi_le32((const uint8_t *)handles.ptr + 4 * i);
        enum hr_err err = hr_abi_use(fiber, handle, &hr_io_pollable, &pollable);
        if (err) {
            return err;
        }
        if (ready(pollable)) {
            hr_abi_out_u32(&items, 4 * written, i);
            written++;
        }
    }
    return out.err ? out.err : items.err;
}

static enum hr_err poll_poll(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    uint32_t count = (uint32_t)values[1].i32;
    if (count == 0 || count > HR_HANDLES_MAX) {
        return hr_fiber_trap(fiber, "a poll of %u pollables; 1 to %u are allowed", count,
                             HR_HANDLES_MAX);
    }
    uint8_t *view;
    enum hr_err err = hr_abi_view(fiber, (uint32_t)values[0].i32, count, 4, 4, &view);
    if (err) {
        return err;
    }
    struct hr_str handles;
    err = hr_abi_copy_bytes(fiber, (uint32_t)values[0].i32, count * 4, &handles);
    uint32_t ready_count = 0;
    while (!err) {
        uint64_t due_ns;
        err = survey(fiber, (const uint8_t *)handles.ptr, count, &ready_count, &due_ns);
        if (err || ready_count > 0) {
            break;
        }
        err = wait_until(fiber, due_ns);
    }
    return err ? err : write_ready(fiber, handles, ready_count, values[2].i32);
}

static enum hr_err drop_pollable(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &hr_io_pollable);
}

/* --- streams ------------------------------------------------------------------------------------ */

/* result<_, stream-error> or result<T, stream-error> where the payload begins at @payload. */
static enum hr_err put_stream_error(struct hr_fiber *fiber, int32_t ret, uint32_t payload,
                                    enum hr_err cause)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 1);
    if (cause == HR_CLOSED) {
        hr_abi_out_u8(&out, payload, 1);
        return hr_abi_out_end(&out);
    }
    struct io_error *error = hr_abi_resource(sizeof *error, &hr_io_error);
    if (error) {
        error->err = cause;
    }
    uint32_t index;
    enum hr_err err = hr_abi_give(fiber, (struct hr_resource *)error, &index);
    if (err) {
        return err;
    }
    hr_abi_out_u8(&out, payload, 0);
    hr_abi_out_u32(&out, payload + 4, index);
    return hr_abi_out_end(&out);
}

/* Takes up to @want bytes off the stream; HR_CLOSED at its end. */
static enum hr_err take_input(struct input_stream *stream, uint64_t want, struct hr_str *ret_bytes)
{
    if (stream->left.len == 0) {
        return HR_CLOSED;
    }
    size_t n = want < stream->left.len ? (size_t)want : stream->left.len;
    if (n > HR_IO_READ_BYTES_MAX) {
        n = HR_IO_READ_BYTES_MAX;
    }
    *ret_bytes = hr_str_of(stream->left.ptr, n);
    stream->left = hr_str_from(stream->left, n);
    return HR_OK;
}

static enum hr_err input_read(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct input_stream *stream;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &hr_io_input_stream, &stream);
    if (err) {
        return err;
    }
    struct hr_str bytes;
    enum hr_err end = take_input(stream, (uint64_t)values[1].i64, &bytes);
    if (end) {
        return put_stream_error(fiber, values[2].i32, 4, end);
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[2].i32);
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_bytes(&out, 4, bytes);
    return hr_abi_out_end(&out);
}

static enum hr_err put_u64(struct hr_fiber *fiber, int32_t ret, uint64_t value)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 0);
    hr_abi_out_u64(&out, 8, value);
    return hr_abi_out_end(&out);
}

static enum hr_err input_skip(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct input_stream *stream;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &hr_io_input_stream, &stream);
    if (err) {
        return err;
    }
    struct hr_str bytes;
    enum hr_err end = take_input(stream, (uint64_t)values[1].i64, &bytes);
    return end ? put_stream_error(fiber, values[2].i32, 8, end)
               : put_u64(fiber, values[2].i32, bytes.len);
}

static enum hr_err input_subscribe(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct input_stream *stream;
    enum hr_err err = hr_abi_use(fiber, values[0].i32, &hr_io_input_stream, &stream);
    uint32_t index = 0;
    if (!err) {
        err = hr_io_give_pollable(fiber, 0, &index);
    }
    values[0].i32 = (int32_t)index;
    return err;
}

static enum hr_err drop_input(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &hr_io_input_stream);
}

static enum hr_err use_output(struct hr_fiber *fiber, int32_t index, struct output_stream **ret)
{
    return hr_abi_use(fiber, index, &hr_io_output_stream, ret);
}

static enum hr_err put_done(struct hr_fiber *fiber, int32_t ret)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u8(&out, 0, 0);
    return hr_abi_out_end(&out);
}

/* Hands @bytes to the sink; a failure closes the stream, as WASI has it. */
static enum hr_err sink_write(struct hr_fiber *fiber, struct output_stream *stream,
                              struct hr_str bytes)
{
    if (stream->closed) {
        return HR_CLOSED;
    }
    enum hr_err err = stream->sink.write(fiber, stream->sink.arg, bytes);
    stream->closed = err != HR_OK;
    return err;
}

static enum hr_err output_check_write(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct output_stream *stream;
    enum hr_err err = use_output(fiber, values[0].i32, &stream);
    if (err) {
        return err;
    }
    if (stream->closed) {
        return put_stream_error(fiber, values[1].i32, 8, HR_CLOSED);
    }
    stream->permitted = HR_IO_WRITE_BYTES_MAX;
    return put_u64(fiber, values[1].i32, stream->permitted);
}

static enum hr_err write_and_answer(struct hr_fiber *fiber, struct output_stream *stream,
                                    struct hr_str bytes, int32_t ret)
{
    enum hr_err end = sink_write(fiber, stream, bytes);
    return end ? put_stream_error(fiber, ret, 4, end) : put_done(fiber, ret);
}

static enum hr_err output_write(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct output_stream *stream;
    struct hr_str bytes;
    enum hr_err err = use_output(fiber, values[0].i32, &stream);
    if (!err) {
        err = hr_abi_bytes(fiber, (uint32_t)values[1].i32, (uint32_t)values[2].i32, &bytes);
    }
    if (err) {
        return err;
    }
    if (bytes.len > stream->permitted) {
        return hr_fiber_trap(fiber, "%zu bytes written where check-write permits %llu", bytes.len,
                             (unsigned long long)stream->permitted);
    }
    stream->permitted -= bytes.len;
    return write_and_answer(fiber, stream, bytes, values[3].i32);
}

/* WASI limits one call of this to 4096 bytes; more is taken here all the same. */
static enum hr_err output_blocking_write(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct output_stream *stream;
    struct hr_str bytes;
    enum hr_err err = use_output(fiber, values[0].i32, &stream);
    if (!err) {
        err = hr_abi_bytes(fiber, (uint32_t)values[1].i32, (uint32_t)values[2].i32, &bytes);
    }
    return err ? err : write_and_answer(fiber, stream, bytes, values[3].i32);
}

static enum hr_err output_flush(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct output_stream *stream;
    enum hr_err err = use_output(fiber, values[0].i32, &stream);
    if (err) {
        return err;
    }
    return stream->closed ? put_stream_error(fiber, values[1].i32, 4, HR_CLOSED)
                          : put_done(fiber, values[1].i32);
}

static enum hr_err output_subscribe(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct output_stream *stream;
    enum hr_err err = use_output(fiber, values[0].i32, &stream);
    uint32_t index = 0;
    if (!err) {
        err = hr_io_give_pollable(fiber, 0, &index);
    }
    values[0].i32 = (int32_t)index;
    return err;
}

static const char zeroes[4096];

static enum hr_err output_write_zeroes(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct output_stream *stream;
    enum hr_err err = use_output(fiber, values[0].i32, &stream);
    if (err) {
        return err;
    }
    uint64_t left = (uint64_t)values[1].i64;
    if (left > HR_IO_WRITE_BYTES_MAX) {
        return hr_fiber_trap(fiber, "%llu zeroes at once; the limit is %u",
                             (unsigned long long)left, HR_IO_WRITE_BYTES_MAX);
    }
    enum hr_err end = HR_OK;
    while (left > 0 && !end) {
        size_t n = left < sizeof zeroes ? (size_t)left : sizeof zeroes;
        end = sink_write(fiber, stream, hr_str_of(zeroes, n));
        left -= n;
    }
    return end ? put_stream_error(fiber, values[2].i32, 4, end) : put_done(fiber, values[2].i32);
}

static enum hr_err output_splice(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct output_stream *to;
    struct input_stream *from;
    enum hr_err err = use_output(fiber, values[0].i32, &to);
    if (!err) {
        err = hr_abi_use(fiber, values[1].i32, &hr_io_input_stream, &from);
    }
    if (err) {
        return err;
    }
    struct hr_str bytes;
    enum hr_err end = take_input(from, (uint64_t)values[2].i64, &bytes);
    if (!end) {
        end = sink_write(fiber, to, bytes);
    }
    return end ? put_stream_error(fiber, values[3].i32, 8, end)
               : put_u64(fiber, values[3].i32, bytes.len);
}

static enum hr_err drop_output(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_abi_drop(fiber, values[0].i32, &hr_io_output_stream);
}

#define ERROR "wasi:io/error", "0.2"
#define POLL "wasi:io/poll", "0.2"
#define STREAMS "wasi:io/streams", "0.2"

static const struct hr_import imports[] = {
    {ERROR, "[method]error.to-debug-string", "ii>", error_to_debug_string},
    {ERROR, "[resource-drop]error", "i>", drop_error},
    {POLL, "[method]pollable.ready", "i>i", pollable_ready},
    {POLL, "[method]pollable.block", "i>", pollable_block},
    {POLL, "poll", "iii>", poll_poll},
    {POLL, "[resource-drop]pollable", "i>", drop_pollable},
    {STREAMS, "[method]input-stream.read", "iji>", input_read},
    {STREAMS, "[method]input-stream.blocking-read", "iji>", input_read},
    {STREAMS, "[method]input-stream.skip", "iji>", input_skip},
    {STREAMS, "[method]input-stream.blocking-skip", "iji>", input_skip},
    {STREAMS, "[method]input-stream.subscribe", "i>i", input_subscribe},
    {STREAMS, "[resource-drop]input-stream", "i>", drop_input},
    {STREAMS, "[method]output-stream.check-write", "ii>", output_check_write},
    {STREAMS, "[method]output-stream.write", "iiii>", output_write},
    {STREAMS, "[method]output-stream.blocking-write-and-flush", "iiii>", output_blocking_write},
    {STREAMS, "[method]output-stream.flush", "ii>", output_flush},
    {STREAMS, "[method]output-stream.blocking-flush", "ii>", output_flush},
    {STREAMS, "[method]output-stream.subscribe", "i>i", output_subscribe},
    {STREAMS, "[method]output-stream.write-zeroes", "iji>", output_write_zeroes},
    {STREAMS, "[method]output-stream.blocking-write-zeroes-and-flush", "iji>", output_write_zeroes},
    {STREAMS, "[method]output-stream.splice", "iiji>", output_splice},
    {STREAMS, "[method]output-stream.blocking-splice", "iiji>", output_splice},
    {STREAMS, "[resource-drop]output-stream", "i>", drop_output},
};

const struct hr_imports_table hr_imports_io = HR_IMPORTS_TABLE(imports);
