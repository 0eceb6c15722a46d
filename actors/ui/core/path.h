/* A URL's path as the name of a file: decoded, and never leading out of the bundle. Pure; any
 * thread. */
#ifndef UI_PATH_H
#define UI_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define UI_PATH_BYTES_MAX 1024

struct ui_path {
    char text[UI_PATH_BYTES_MAX];
    size_t len;
    size_t name_at; /* where the last segment begins */
};

/* Decodes the percent-encoding of @url_path (no query) and drops the leading slash.
 * Errors: HR_TOO_BIG beyond UI_PATH_BYTES_MAX; HR_BAD_INPUT when it does not begin with a slash, a
 *         percent sign is not followed by two hexadecimal digits, it is not UTF-8 once decoded, or
 *         it has a control character, a backslash, a '?' or '#', an encoded slash, or a segment
 *         that is ".", ".." or empty (a slash at the end is fine). */
HR_MUST_CHECK enum hr_err ui_path_decode(struct hr_str url_path, struct ui_path *ret_path);

/* Whether its last segment has a dot: it names a file, not a place within the page. */
bool ui_path_has_extension(const struct ui_path *path);

#endif
