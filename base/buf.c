/* The growable byte run: doubles, never past its limit. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

#define FIRST_CAP 64

enum hr_err hr_buf_reserve(struct hr_buf *buf, size_t extra)
{
    size_t need;
    if (__builtin_add_overflow(buf->len, extra, &need) || (buf->max && need > buf->max)) {
        return HR_TOO_BIG;
    }
    if (need <= buf->cap) {
        return HR_OK;
    }
    size_t cap = buf->cap ? buf->cap : FIRST_CAP;
    while (cap < need) {
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    }
    char *moved = hr_realloc(buf->ptr, cap);
    if (!moved) {
        return HR_NO_MEMORY;
    }
    buf->ptr = moved;
    buf->cap = cap;
    return HR_OK;
}

enum hr_err hr_buf_append(struct hr_buf *buf, struct hr_str s)
{
    enum hr_err err = hr_buf_reserve(buf, s.len);
    if (err) {
        return err;
    }
    if (s.len) {
        memcpy(buf->ptr + buf->len, s.ptr, s.len);
        buf->len += s.len;
    }
    return HR_OK;
}

enum hr_err hr_buf_append_byte(struct hr_buf *buf, char byte)
{
    return hr_buf_append(buf, hr_str_of(&byte, 1));
}

enum hr_err hr_buf_printf(struct hr_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        return HR_INTERNAL;
    }
    /* vsnprintf wants room for its terminator, which is not counted in len. */
    size_t max = buf->max;
    if (max && (size_t)n > max - buf->len) {
        return HR_TOO_BIG;
    }
    buf->max = 0;
    enum hr_err err = hr_buf_reserve(buf, (size_t)n + 1);
    buf->max = max;
    if (err) {
        return err;
    }
    va_start(args, fmt);
    vsnprintf(buf->ptr + buf->len, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)n;
    return HR_OK;
}

static enum hr_err append_be(struct hr_buf *buf, uint64_t value, size_t bytes)
{
    char out[8];
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (char)(value >> (8 * (bytes - 1 - i)));
    }
    return hr_buf_append(buf, hr_str_of(out, bytes));
}

enum hr_err hr_buf_append_u16(struct hr_buf *buf, uint16_t value)
{
    return append_be(buf, value, 2);
}

enum hr_err hr_buf_append_u32(struct hr_buf *buf, uint32_t value)
{
    return append_be(buf, value, 4);
}

enum hr_err hr_buf_append_u64(struct hr_buf *buf, uint64_t value)
{
    return append_be(buf, value, 8);
}

void hr_buf_clear(struct hr_buf *buf)
{
    buf->len = 0;
}

void hr_buf_release(struct hr_buf *buf)
{
    if (!buf) {
        return;
    }
    hr_free(buf->ptr);
    buf->ptr = NULL;
    buf->len = 0;
    buf->cap = 0;
}
