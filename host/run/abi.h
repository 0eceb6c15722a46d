/* Reading and writing a guest's memory as the canonical ABI lays values out (Component Model,
 * design/mvp/CanonicalABI.md). Every pointer, length and count comes from the guest and is checked
 * against its memory as it is now; a violation traps the guest (the functions return HR_TRAP with the fiber's
 * cause set) and never reaches the host's memory.
 *
 * What a lift returns is borrowed guest memory: it is void after the next hr_fiber_wait, hr_abi_alloc
 * or call of the guest. hr_abi_copy keeps it in the fiber's arena instead.
 *
 * Runs on the fiber, on its loop thread.
 */
#ifndef HR_ABI_H
#define HR_ABI_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "host/run/fiber.h"

#define HR_ABI_STRING_BYTES_MAX (16u << 20)
#define HR_ABI_LIST_ITEMS_MAX (1u << 20)

/* The guest's bytes [ptr, ptr + count * size), aligned to @align. */
HR_MUST_CHECK enum hr_err hr_abi_view(struct hr_fiber *fiber, uint32_t ptr, uint32_t count,
                                      uint32_t size, uint32_t align, uint8_t **ret_bytes);
/* list<u8>, borrowed. */
HR_MUST_CHECK enum hr_err hr_abi_bytes(struct hr_fiber *fiber, uint32_t ptr, uint32_t len,
                                       struct hr_str *ret_bytes);
/* string, borrowed: as bytes, and UTF-8. */
HR_MUST_CHECK enum hr_err hr_abi_string(struct hr_fiber *fiber, uint32_t ptr, uint32_t len,
                                        struct hr_str *ret_string);
/* As hr_abi_bytes or hr_abi_string, copied into the fiber's arena. */
HR_MUST_CHECK enum hr_err hr_abi_copy_bytes(struct hr_fiber *fiber, uint32_t ptr, uint32_t len,
                                            struct hr_str *ret_bytes);
HR_MUST_CHECK enum hr_err hr_abi_copy_string(struct hr_fiber *fiber, uint32_t ptr, uint32_t len,
                                             struct hr_str *ret_string);

/* Guest memory from the guest's own cabi_realloc. */
HR_MUST_CHECK enum hr_err hr_abi_alloc(struct hr_fiber *fiber, uint32_t size, uint32_t align,
                                       uint32_t *ret_ptr);
/* Allocates in the guest and copies @bytes there; ptr 0 for none. @bytes is host memory. */
HR_MUST_CHECK enum hr_err hr_abi_lower(struct hr_fiber *fiber, struct hr_str bytes,
                                       uint32_t *ret_ptr);

/* Integers at an address, little-endian. */
HR_MUST_CHECK enum hr_err hr_abi_put_u8(struct hr_fiber *fiber, uint32_t ptr, uint8_t value);
HR_MUST_CHECK enum hr_err hr_abi_put_u16(struct hr_fiber *fiber, uint32_t ptr, uint16_t value);
HR_MUST_CHECK enum hr_err hr_abi_put_u32(struct hr_fiber *fiber, uint32_t ptr, uint32_t value);
HR_MUST_CHECK enum hr_err hr_abi_put_u64(struct hr_fiber *fiber, uint32_t ptr, uint64_t value);
HR_MUST_CHECK enum hr_err hr_abi_get_u8(struct hr_fiber *fiber, uint32_t ptr, uint8_t *ret_value);
HR_MUST_CHECK enum hr_err hr_abi_get_u32(struct hr_fiber *fiber, uint32_t ptr, uint32_t *ret_value);
/* A list or string at an address: its pointer and length. */
HR_MUST_CHECK enum hr_err hr_abi_get_pair(struct hr_fiber *fiber, uint32_t ptr, uint32_t *ret_ptr,
                                          uint32_t *ret_len);
/* Lowers @bytes and writes pointer and length at @ptr. */
HR_MUST_CHECK enum hr_err hr_abi_put_bytes(struct hr_fiber *fiber, uint32_t ptr,
                                           struct hr_str bytes);

/* Writing a result area: the first error sticks and later writes do nothing, so that a caller writes
 * all members in a row and returns hr_abi_out_end. Offsets are from the area's start. */
struct hr_abi_out {
    struct hr_fiber *fiber;
    uint32_t ptr;
    enum hr_err err;
};

static inline struct hr_abi_out hr_abi_out(struct hr_fiber *fiber, int32_t ptr)
{
    return (struct hr_abi_out){fiber, (uint32_t)ptr, HR_OK};
}

void hr_abi_out_u8(struct hr_abi_out *out, uint32_t offset, uint8_t value);
void hr_abi_out_u16(struct hr_abi_out *out, uint32_t offset, uint16_t value);
void hr_abi_out_u32(struct hr_abi_out *out, uint32_t offset, uint32_t value);
void hr_abi_out_u64(struct hr_abi_out *out, uint32_t offset, uint64_t value);
/* A list<u8> or string: lowered, then pointer and length. @bytes is host memory. */
void hr_abi_out_bytes(struct hr_abi_out *out, uint32_t offset, struct hr_str bytes);
/* A string that came from outside the host and outside this guest: traps if it is not UTF-8. */
void hr_abi_out_string(struct hr_abi_out *out, uint32_t offset, struct hr_str string);
/* A text for people, as a string: cut after HR_DIAG_BYTES_MAX, and where it was cut before, or quotes
 * somebody, what is no UTF-8 becomes '?'. */
void hr_abi_out_text(struct hr_abi_out *out, uint32_t offset, const char *text);
/* Space for a list of @count items: pointer and length written, @ret_items its own area. */
void hr_abi_out_list(struct hr_abi_out *out, uint32_t offset, uint32_t count, uint32_t item_size,
                     uint32_t align, struct hr_abi_out *ret_items);
HR_MUST_CHECK static inline enum hr_err hr_abi_out_end(const struct hr_abi_out *out)
{
    return out->err;
}

/* Handles. hr_abi_give takes the caller's reference, also on failure, and traps when the table is full. hr_abi_use borrows; hr_abi_take moves the
 * guest's reference to the caller; hr_abi_drop is [resource-drop]. A wrong index traps. */
HR_MUST_CHECK enum hr_err hr_abi_give(struct hr_fiber *fiber, struct hr_resource *resource,
                                      uint32_t *ret_index);
HR_MUST_CHECK enum hr_err hr_abi_use(struct hr_fiber *fiber, int32_t index,
                                     const struct hr_resource_type *type, void *ret_resource);
HR_MUST_CHECK enum hr_err hr_abi_take(struct hr_fiber *fiber, int32_t index,
                                      const struct hr_resource_type *type, void *ret_resource);
HR_MUST_CHECK enum hr_err hr_abi_drop(struct hr_fiber *fiber, int32_t index,
                                      const struct hr_resource_type *type);
/* A zeroed resource of @size bytes on the heap, with one reference. NULL when memory is out. */
void *hr_abi_resource(size_t size, const struct hr_resource_type *type);
/* As destroy of a type that owns nothing but itself. */
void hr_abi_resource_free(struct hr_resource *resource);

/* From little-endian bytes that hr_abi_view has checked. */
static inline uint32_t hr_abi_le32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

#endif
