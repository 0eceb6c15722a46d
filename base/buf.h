/* A growable run of bytes with a limit. The owner initialises it with {0} (no limit) or sets
 * @max; appends beyond the limit fail with HR_TOO_BIG and leave the contents as they were.
 * One thread at a time. */
#ifndef HR_BUF_H
#define HR_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct hr_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max; /* 0 = no limit */
};

static inline struct hr_str hr_buf_str(const struct hr_buf *buf)
{
    return hr_str_of(buf->ptr, buf->len);
}

/* Makes room for @extra more bytes. Errors: HR_TOO_BIG, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_buf_reserve(struct hr_buf *buf, size_t extra);
/* Copies @s to the end. Errors: HR_TOO_BIG, HR_NO_MEMORY. @s must not point into @buf. */
HR_MUST_CHECK enum hr_err hr_buf_append(struct hr_buf *buf, struct hr_str s);
HR_MUST_CHECK enum hr_err hr_buf_append_byte(struct hr_buf *buf, char byte);
/* printf to the end. Errors: HR_TOO_BIG, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_buf_printf(struct hr_buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Big-endian integers, the byte order of every Hedgerow layout. */
HR_MUST_CHECK enum hr_err hr_buf_append_u16(struct hr_buf *buf, uint16_t value);
HR_MUST_CHECK enum hr_err hr_buf_append_u32(struct hr_buf *buf, uint32_t value);
HR_MUST_CHECK enum hr_err hr_buf_append_u64(struct hr_buf *buf, uint64_t value);
/* Empties it and keeps the memory. */
void hr_buf_clear(struct hr_buf *buf);
/* Frees the memory; the buffer may be used again. Accepts NULL. */
void hr_buf_release(struct hr_buf *buf);

#endif
