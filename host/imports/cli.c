/* wasi:cli/{environment,exit,stdin,stdout,stderr,terminal-*}: an actor has no arguments, an empty
 * standard input and no terminal; its environment is its config link; what it prints becomes log lines. */
#include "host/run/abi.h"
#include "host/imports/all.h"
#include "host/imports/io.h"
#include "host/obs/log.h"

#define LINE_BYTES_MAX 4096u

static enum hr_err get_environment(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    const struct hr_actor_links *links = &fiber->actor->links;
    struct hr_abi_out out = hr_abi_out(fiber, values[0].i32);
    struct hr_abi_out items;
    hr_abi_out_list(&out, 0, (uint32_t)links->config_count, 16, 4, &items);
    for (uint32_t i = 0; i < links->config_count; i++) {
        hr_abi_out_bytes(&items, 16 * i, links->config[i].key);
        hr_abi_out_bytes(&items, 16 * i + 8, links->config[i].value);
    }
    return out.err ? out.err : hr_abi_out_end(&items);
}

static enum hr_err get_arguments(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_abi_out out = hr_abi_out(fiber, values[0].i32);
    struct hr_abi_out items;
    hr_abi_out_list(&out, 0, 0, 8, 4, &items);
    return hr_abi_out_end(&out);
}

/* option<T>: none. */
static enum hr_err put_none(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_abi_out out = hr_abi_out(fiber, values[0].i32);
    hr_abi_out_u8(&out, 0, 0);
    return hr_abi_out_end(&out);
}

static enum hr_err exit_status(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return hr_fiber_trap(fiber, "the actor exited with status %d", values[0].i32);
}

static enum hr_err get_stdin(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    uint32_t index = 0;
    enum hr_err err = hr_io_give_input(fiber, HR_STR(""), NULL, &index);
    values[0].i32 = (int32_t)index;
    return err;
}

static enum hr_err print(struct hr_fiber *fiber, void *arg, struct hr_str bytes)
{
    const char *stream = arg;
    while (bytes.len > 0 && hr_log_enabled(HR_LOG_INFO) && hr_imports_may_log(fiber)) {
        size_t end = hr_str_find(bytes, '\n', 0);
        size_t len = end == SIZE_MAX ? bytes.len : end;
        struct hr_str line = hr_str_of(bytes.ptr, len > LINE_BYTES_MAX ? LINE_BYTES_MAX : len);
        HR_LOG(HR_LOG_INFO, "actor.print", HR_LOG_CSTR("actor", fiber->actor->name),
               HR_LOG_CSTR("stream", stream), HR_LOG_STR("text", line));
        bytes = hr_str_from(bytes, len + 1);
    }
    return HR_OK;
}

static enum hr_err give_printer(struct hr_fiber *fiber, const char *stream,
                                wasmtime_val_raw_t *values)
{
    const struct hr_io_sink sink = {.write = print, .arg = (void *)stream};
    uint32_t index = 0;
    enum hr_err err = hr_io_give_output(fiber, &sink, &index);
    values[0].i32 = (int32_t)index;
    return err;
}

static enum hr_err get_stdout(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return give_printer(fiber, "stdout", values);
}

static enum hr_err get_stderr(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    return give_printer(fiber, "stderr", values);
}

static const struct hr_import imports[] = {
    {"wasi:cli/environment", "0.2", "get-environment", "i>", get_environment},
    {"wasi:cli/environment", "0.2", "get-arguments", "i>", get_arguments},
    {"wasi:cli/environment", "0.2", "initial-cwd", "i>", put_none},
    {"wasi:cli/exit", "0.2", "exit", "i>", exit_status},
    {"wasi:cli/exit", "0.2", "exit-with-code", "i>", exit_status},
    {"wasi:cli/stdin", "0.2", "get-stdin", ">i", get_stdin},
    {"wasi:cli/stdout", "0.2", "get-stdout", ">i", get_stdout},
    {"wasi:cli/stderr", "0.2", "get-stderr", ">i", get_stderr},
    {"wasi:cli/terminal-stdin", "0.2", "get-terminal-stdin", "i>", put_none},
    {"wasi:cli/terminal-stdout", "0.2", "get-terminal-stdout", "i>", put_none},
    {"wasi:cli/terminal-stderr", "0.2", "get-terminal-stderr", "i>", put_none},
};

const struct hr_imports_table hr_imports_cli = HR_IMPORTS_TABLE(imports);
