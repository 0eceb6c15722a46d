/* wasi:random/{random,insecure,insecure-seed}, all from the system's generator through libsodium: the
 * insecure ones may be weaker, they need not be. */
#include <sodium.h>

#include "host/run/abi.h"
#include "host/imports/all.h"

#define RANDOM_BYTES_MAX (1u << 20)

static enum hr_err random_bytes(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    uint64_t len = (uint64_t)values[0].i64;
    if (len > RANDOM_BYTES_MAX) {
        return hr_fiber_trap(fiber, "%llu random bytes at once; the limit is %u",
                             (unsigned long long)len, RANDOM_BYTES_MAX);
    }
    struct hr_abi_out out = hr_abi_out(fiber, values[1].i32);
    struct hr_abi_out list;
    hr_abi_out_list(&out, 0, (uint32_t)len, 1, 1, &list);
    uint8_t *bytes;
    enum hr_err err = hr_abi_out_end(&out);
    if (!err && len > 0) {
        err = hr_abi_view(fiber, list.ptr, (uint32_t)len, 1, 1, &bytes);
    }
    if (!err && len > 0) {
        randombytes_buf(bytes, (size_t)len);
    }
    return err;
}

static uint64_t random_number(void)
{
    uint64_t number;
    randombytes_buf(&number, sizeof number);
    return number;
}

static enum hr_err random_u64(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    (void)fiber;
    values[0].i64 = (int64_t)random_number();
    return HR_OK;
}

static enum hr_err insecure_seed(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_abi_out out = hr_abi_out(fiber, values[0].i32);
    hr_abi_out_u64(&out, 0, random_number());
    hr_abi_out_u64(&out, 8, random_number());
    return hr_abi_out_end(&out);
}

static const struct hr_import imports[] = {
    {"wasi:random/random", "0.2", "get-random-bytes", "ji>", random_bytes},
    {"wasi:random/random", "0.2", "get-random-u64", ">j", random_u64},
    {"wasi:random/insecure", "0.2", "get-insecure-random-bytes", "ji>", random_bytes},
    {"wasi:random/insecure", "0.2", "get-insecure-random-u64", ">j", random_u64},
    {"wasi:random/insecure-seed", "0.2", "insecure-seed", "i>", insecure_seed},
};

const struct hr_imports_table hr_imports_random = HR_IMPORTS_TABLE(imports);
