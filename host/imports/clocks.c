/* wasi:clocks/{wall-clock,monotonic-clock}. */
#include <time.h>

#include "host/run/abi.h"
#include "host/imports/all.h"
#include "host/imports/io.h"

static enum hr_err put_datetime(struct hr_fiber *fiber, int32_t ret, const struct timespec *time)
{
    struct hr_abi_out out = hr_abi_out(fiber, ret);
    hr_abi_out_u64(&out, 0, (uint64_t)time->tv_sec);
    hr_abi_out_u32(&out, 8, (uint32_t)time->tv_nsec);
    return hr_abi_out_end(&out);
}

static enum hr_err wall_now(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return put_datetime(fiber, values[0].i32, &now);
}

static enum hr_err wall_resolution(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct timespec resolution;
    clock_getres(CLOCK_REALTIME, &resolution);
    return put_datetime(fiber, values[0].i32, &resolution);
}

static enum hr_err monotonic_now(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    (void)fiber;
    values[0].i64 = (int64_t)hr_now_ns();
    return HR_OK;
}

static enum hr_err monotonic_resolution(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    (void)fiber;
    struct timespec resolution;
    clock_getres(CLOCK_MONOTONIC, &resolution);
    values[0].i64 = (int64_t)resolution.tv_sec * 1000000000 + resolution.tv_nsec;
    return HR_OK;
}

static enum hr_err give_due(struct hr_fiber *fiber, uint64_t due_ns, wasmtime_val_raw_t *values)
{
    uint32_t index = 0;
    enum hr_err err = hr_io_give_pollable(fiber, due_ns, &index);
    values[0].i32 = (int32_t)index;
    return err;
}

static enum hr_err subscribe_instant(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return give_due(fiber, (uint64_t)values[0].i64, values);
}

static enum hr_err subscribe_duration(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    uint64_t due_ns;
    if (__builtin_add_overflow(hr_now_ns(), (uint64_t)values[0].i64, &due_ns)) {
        due_ns = UINT64_MAX;
    }
    return give_due(fiber, due_ns, values);
}

#define WALL "wasi:clocks/wall-clock", "0.2"
#define MONOTONIC "wasi:clocks/monotonic-clock", "0.2"

static const struct hr_import imports[] = {
    {WALL, "now", "i>", wall_now},
    {WALL, "resolution", "i>", wall_resolution},
    {MONOTONIC, "now", ">j", monotonic_now},
    {MONOTONIC, "resolution", ">j", monotonic_resolution},
    {MONOTONIC, "subscribe-instant", "j>i", subscribe_instant},
    {MONOTONIC, "subscribe-duration", "j>i", subscribe_duration},
};

const struct hr_imports_table hr_imports_clocks = HR_IMPORTS_TABLE(imports);
