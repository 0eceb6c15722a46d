/* The canonical ABI's memory side. All address arithmetic is done in 64 bits, so nothing wraps. */
#include "host/run/abi.h"

#include <string.h>

#include "base/alloc.h"

enum hr_err hr_abi_view(struct hr_fiber *fiber, uint32_t ptr, uint32_t count, uint32_t size,
                        uint32_t align, uint8_t **ret_bytes)
{
    if (!fiber->has_memory) {
        return hr_fiber_trap(fiber, "the module exports no memory");
    }
    if (ptr % align != 0) {
        return hr_fiber_trap(fiber, "canonical ABI: pointer %#x is not aligned to %u", ptr, align);
    }
    uint64_t bytes = (uint64_t)count * size;
    uint64_t have = wasmtime_memory_data_size(fiber->context, &fiber->memory);
    if ((uint64_t)ptr + bytes > have) {
        return hr_fiber_trap(
            fiber, "canonical ABI: %llu bytes at %#x reach past the memory's end at %#llx",
            (unsigned long long)bytes, ptr, (unsigned long long)have);
    }
    *ret_bytes = wasmtime_memory_data(fiber->context, &fiber->memory) + ptr;
    return HR_OK;
}

enum hr_err hr_abi_bytes(struct hr_fiber *fiber, uint32_t ptr, uint32_t len,
                         struct hr_str *ret_bytes)
{
    uint8_t *bytes;
    enum hr_err err = hr_abi_view(fiber, ptr, len, 1, 1, &bytes);
    if (err) {
        return err;
    }
    *ret_bytes = hr_str_of(bytes, len);
    return HR_OK;
}

enum hr_err hr_abi_string(struct hr_fiber *fiber, uint32_t ptr, uint32_t len,
                          struct hr_str *ret_string)
{
    if (len > HR_ABI_STRING_BYTES_MAX) {
        return hr_fiber_trap(fiber, "canonical ABI: a string of %u bytes; the limit is %u", len,
                             HR_ABI_STRING_BYTES_MAX);
    }
    struct hr_str string;
    enum hr_err err = hr_abi_bytes(fiber, ptr, len, &string);
    if (err) {
        return err;
    }
    if (!hr_str_is_utf8(string)) {
        return hr_fiber_trap(fiber, "canonical ABI: the string at %#x is not UTF-8", ptr);
    }
    *ret_string = string;
    return HR_OK;
}

static enum hr_err keep(struct hr_fiber *fiber, struct hr_str borrowed, struct hr_str *ret_copy)
{
    struct hr_str copy = hr_arena_copy(&fiber->arena, borrowed);
    if (!copy.ptr) {
        return hr_fiber_trap(fiber, "the call's host memory (%u bytes) is used up",
                             HR_FIBER_ARENA_BYTES_MAX);
    }
    *ret_copy = copy;
    return HR_OK;
}

enum hr_err hr_abi_copy_bytes(struct hr_fiber *fiber, uint32_t ptr, uint32_t len,
                              struct hr_str *ret_bytes)
{
    struct hr_str borrowed;
    enum hr_err err = hr_abi_bytes(fiber, ptr, len, &borrowed);
    return err ? err : keep(fiber, borrowed, ret_bytes);
}

enum hr_err hr_abi_copy_string(struct hr_fiber *fiber, uint32_t ptr, uint32_t len,
                               struct hr_str *ret_string)
{
    struct hr_str borrowed;
    enum hr_err err = hr_abi_string(fiber, ptr, len, &borrowed);
    return err ? err : keep(fiber, borrowed, ret_string);
}

enum hr_err hr_abi_alloc(struct hr_fiber *fiber, uint32_t size, uint32_t align, uint32_t *ret_ptr)
{
    if (!fiber->has_realloc) {
        return hr_fiber_trap(fiber, "the module exports no cabi_realloc");
    }
    wasmtime_val_raw_t values[4] = {
        {.i32 = 0}, {.i32 = 0}, {.i32 = (int32_t)align}, {.i32 = (int32_t)size}};
    fiber->in_realloc = true;
    enum hr_err err = hr_fiber_call(fiber, &fiber->realloc, values, 4);
    fiber->in_realloc = false;
    if (err) {
        return err;
    }
    uint32_t ptr = (uint32_t)values[0].i32;
    uint8_t *checked;
    err = hr_abi_view(fiber, ptr, 1, size, align, &checked);
    if (err) {
        return err;
    }
    *ret_ptr = ptr;
    return HR_OK;
}

enum hr_err hr_abi_lower(struct hr_fiber *fiber, struct hr_str bytes, uint32_t *ret_ptr)
{
    if (bytes.len == 0) {
        *ret_ptr = 0;
        return HR_OK;
    }
    if (bytes.len > UINT32_MAX) {
        return hr_fiber_trap(fiber, "canonical ABI: %zu bytes do not fit a 32-bit memory",
                             bytes.len);
    }
    uint32_t ptr;
    enum hr_err err = hr_abi_alloc(fiber, (uint32_t)bytes.len, 1, &ptr);
    if (err) {
        return err;
    }
    memcpy(wasmtime_memory_data(fiber->context, &fiber->memory) + ptr, bytes.ptr, bytes.len);
    *ret_ptr = ptr;
    return HR_OK;
}

static enum hr_err put_le(struct hr_fiber *fiber, uint32_t ptr, uint64_t value, uint32_t size)
{
    uint8_t *bytes;
    enum hr_err err = hr_abi_view(fiber, ptr, 1, size, size, &bytes);
    if (err) {
        return err;
    }
    for (uint32_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    return HR_OK;
}

enum hr_err hr_abi_put_u8(struct hr_fiber *fiber, uint32_t ptr, uint8_t value)
{
    return put_le(fiber, ptr, value, 1);
}

enum hr_err hr_abi_put_u16(struct hr_fiber *fiber, uint32_t ptr, uint16_t value)
{
    return put_le(fiber, ptr, value, 2);
}

enum hr_err hr_abi_put_u32(struct hr_fiber *fiber, uint32_t ptr, uint32_t value)
{
    return put_le(fiber, ptr, value, 4);
}

enum hr_err hr_abi_put_u64(struct hr_fiber *fiber, uint32_t ptr, uint64_t value)
{
    return put_le(fiber, ptr, value, 8);
}

enum hr_err hr_abi_get_u8(struct hr_fiber *fiber, uint32_t ptr, uint8_t *ret_value)
{
    uint8_t *bytes;
    enum hr_err err = hr_abi_view(fiber, ptr, 1, 1, 1, &bytes);
    if (err) {
        return err;
    }
    *ret_value = bytes[0];
    return HR_OK;
}

enum hr_err hr_abi_get_u32(struct hr_fiber *fiber, uint32_t ptr, uint32_t *ret_value)
{
    uint8_t *bytes;
    enum hr_err err = hr_abi_view(fiber, ptr, 1, 4, 4, &bytes);
    if (err) {
        return err;
    }
    *ret_value = hr_abi_le32(bytes);
    return HR_OK;
}

enum hr_err hr_abi_get_pair(struct hr_fiber *fiber, uint32_t ptr, uint32_t *ret_ptr,
                            uint32_t *ret_len)
{
    uint8_t *bytes;
    enum hr_err err = hr_abi_view(fiber, ptr, 2, 4, 4, &bytes);
    if (err) {
        return err;
    }
    *ret_ptr = hr_abi_le32(bytes);
    *ret_len = hr_abi_le32(bytes + 4);
    return HR_OK;
}

enum hr_err hr_abi_put_bytes(struct hr_fiber *fiber, uint32_t ptr, struct hr_str bytes)
{
    uint32_t lowered;
    enum hr_err err = hr_abi_lower(fiber, bytes, &lowered);
    if (!err) {
        err = hr_abi_put_u32(fiber, ptr, lowered);
    }
    return err ? err : hr_abi_put_u32(fiber, ptr + 4, (uint32_t)bytes.len);
}

void hr_abi_out_u8(struct hr_abi_out *out, uint32_t offset, uint8_t value)
{
    if (!out->err) {
        out->err = hr_abi_put_u8(out->fiber, out->ptr + offset, value);
    }
}

void hr_abi_out_u16(struct hr_abi_out *out, uint32_t offset, uint16_t value)
{
    if (!out->err) {
        out->err = hr_abi_put_u16(out->fiber, out->ptr + offset, value);
    }
}

void hr_abi_out_u32(struct hr_abi_out *out, uint32_t offset, uint32_t value)
{
    if (!out->err) {
        out->err = hr_abi_put_u32(out->fiber, out->ptr + offset, value);
    }
}

void hr_abi_out_u64(struct hr_abi_out *out, uint32_t offset, uint64_t value)
{
    if (!out->err) {
        out->err = hr_abi_put_u64(out->fiber, out->ptr + offset, value);
    }
}

void hr_abi_out_bytes(struct hr_abi_out *out, uint32_t offset, struct hr_str bytes)
{
    if (!out->err) {
        out->err = hr_abi_put_bytes(out->fiber, out->ptr + offset, bytes);
    }
}

void hr_abi_out_string(struct hr_abi_out *out, uint32_t offset, struct hr_str string)
{
    if (!out->err && !hr_str_is_utf8(string)) {
        out->err = hr_fiber_trap(out->fiber, "canonical ABI: a string for the guest is not UTF-8");
    }
    hr_abi_out_bytes(out, offset, string);
}

/* Length of the UTF-8 sequence that @text begins with, or 0. */
static size_t sequence_len(struct hr_str text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (hr_str_is_utf8(hr_str_of(text.ptr, len))) {
            return len;
        }
    }
    return 0;
}

void hr_abi_out_text(struct hr_abi_out *out, uint32_t offset, const char *text)
{
    char clean[HR_DIAG_BYTES_MAX];
    size_t len = strnlen(text, sizeof clean);
    memcpy(clean, text, len);
    for (size_t at = 0; at < len;) {
        size_t step = sequence_len(hr_str_of(clean + at, len - at));
        if (step == 0) {
            clean[at] = '?';
            step = 1;
        }
        at += step;
    }
    hr_abi_out_bytes(out, offset, hr_str_of(clean, len));
}

void hr_abi_out_list(struct hr_abi_out *out, uint32_t offset, uint32_t count, uint32_t item_size,
                     uint32_t align, struct hr_abi_out *ret_items)
{
    *ret_items = (struct hr_abi_out){out->fiber, 0, out->err};
    if (out->err) {
        return;
    }
    if (count > HR_ABI_LIST_ITEMS_MAX) {
        out->err = hr_fiber_trap(out->fiber, "canonical ABI: a list of %u items; the limit is %u",
                                 count, HR_ABI_LIST_ITEMS_MAX);
    } else if (count > 0) {
        out->err = hr_abi_alloc(out->fiber, count * item_size, align, &ret_items->ptr);
    }
    hr_abi_out_u32(out, offset, ret_items->ptr);
    hr_abi_out_u32(out, offset + 4, count);
    ret_items->err = out->err;
}

enum hr_err hr_abi_give(struct hr_fiber *fiber, struct hr_resource *resource, uint32_t *ret_index)
{
    if (!resource) {
        return hr_fiber_trap(fiber, "out of memory for a resource");
    }
    enum hr_err err = hr_handles_add(&fiber->handles, resource, ret_index);
    if (err) {
        hr_resource_unref(resource);
        return hr_fiber_trap(fiber, "more than %u handles at once", HR_HANDLES_MAX);
    }
    return HR_OK;
}

static enum hr_err bad_handle(struct hr_fiber *fiber, int32_t index,
                              const struct hr_resource_type *type)
{
    return hr_fiber_trap(fiber, "handle %d is no %s of this call", index, type->name);
}

enum hr_err hr_abi_use(struct hr_fiber *fiber, int32_t index, const struct hr_resource_type *type,
                       void *ret_resource)
{
    struct hr_resource *resource;
    if (hr_handles_get(&fiber->handles, (uint32_t)index, type, &resource)) {
        return bad_handle(fiber, index, type);
    }
    *(struct hr_resource **)ret_resource = resource;
    return HR_OK;
}

enum hr_err hr_abi_take(struct hr_fiber *fiber, int32_t index, const struct hr_resource_type *type,
                        void *ret_resource)
{
    struct hr_resource *resource;
    if (hr_handles_take(&fiber->handles, (uint32_t)index, type, &resource)) {
        return bad_handle(fiber, index, type);
    }
    *(struct hr_resource **)ret_resource = resource;
    return HR_OK;
}

enum hr_err hr_abi_drop(struct hr_fiber *fiber, int32_t index, const struct hr_resource_type *type)
{
    struct hr_resource *resource;
    enum hr_err err = hr_abi_take(fiber, index, type, &resource);
    if (!err) {
        hr_resource_unref(resource);
    }
    return err;
}

void *hr_abi_resource(size_t size, const struct hr_resource_type *type)
{
    struct hr_resource *resource = hr_alloc(size);
    if (resource) {
        hr_resource_init(resource, type);
    }
    return resource;
}

void hr_abi_resource_free(struct hr_resource *resource)
{
    hr_free(resource);
}
