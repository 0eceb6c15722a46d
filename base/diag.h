/* The detail behind an enum hr_err: one line of text that grows a prefix on its way up, so that
 * the person at the end reads "put todo/7: lmdb: map full". A plain value in the caller's
 * storage; longer text is cut, never overrun. Functions accept a NULL diag and then do nothing. */
#ifndef HR_DIAG_H
#define HR_DIAG_H

#include "base/err.h"

#define HR_DIAG_BYTES_MAX 512

struct hr_diag {
    char text[HR_DIAG_BYTES_MAX];
};

/* Writes the text (printf-like), replacing what was there, and returns @err so that a caller can
 * `return hr_diag_set(diag, HR_IO, "read %s: %s", ...)`. */
enum hr_err hr_diag_set(struct hr_diag *diag, enum hr_err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there, and returns @err. */
enum hr_err hr_diag_prefix(struct hr_diag *diag, enum hr_err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
