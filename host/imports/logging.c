/* wasi:logging/logging: an actor's words become a line of the host's log, marked as the actor's. */
#include "host/run/abi.h"
#include "host/imports/all.h"
#include "host/obs/log.h"

#define MESSAGE_BYTES_MAX 4096u

static struct hr_str cut(struct hr_str text)
{
    return text.len > MESSAGE_BYTES_MAX ? hr_str_of(text.ptr, MESSAGE_BYTES_MAX) : text;
}

static enum hr_err log_line(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    int32_t level = values[0].i32;
    if (level < HR_LOG_TRACE || level > HR_LOG_CRITICAL) {
        return hr_fiber_trap(fiber, "level %d is none of wasi:logging", level);
    }
    struct hr_str context;
    struct hr_str message;
    enum hr_err err =
        hr_abi_string(fiber, (uint32_t)values[1].i32, (uint32_t)values[2].i32, &context);
    if (!err) {
        err = hr_abi_string(fiber, (uint32_t)values[3].i32, (uint32_t)values[4].i32, &message);
    }
    if (err) {
        return err;
    }
    if (hr_log_enabled((enum hr_log_level)level) && hr_imports_may_log(fiber)) {
        HR_LOG((enum hr_log_level)level, "actor.log", HR_LOG_CSTR("actor", fiber->actor->name),
               HR_LOG_STR("context", cut(context)), HR_LOG_STR("message", cut(message)),
               HR_LOG_STR("trace", hr_trace_id(&fiber->trace)));
    }
    return HR_OK;
}

static const struct hr_import imports[] = {
    {"wasi:logging/logging", "0.1", "log", "iiiii>", log_line},
};

const struct hr_imports_table hr_imports_logging = HR_IMPORTS_TABLE(imports);
