/* Small files read whole: the manifest itself, and what it points at. Any thread; blocks. */
#ifndef HR_MANIFEST_FILE_H
#define HR_MANIFEST_FILE_H

#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"

/* Whether @path is a regular file that can be opened. Errors: HR_NOT_FOUND, HR_DENIED, HR_BAD_INPUT
 * (a folder or the like), HR_IO. The diag says what it is, without the path. */
HR_MUST_CHECK enum hr_err hr_manifest_file_check(const char *path, struct hr_diag *diag);
/* Reads a regular file of at most @max bytes into @buf, a zeroed one; hr_buf_release in any case.
 * Errors: as above, HR_TOO_BIG, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_manifest_file_read(const char *path, size_t max, struct hr_buf *buf,
                                                struct hr_diag *diag);

#endif
