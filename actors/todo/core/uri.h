/* The little of RFC 3986 that the gateway needs. Stateless, any thread. */
#ifndef GW_URI_H
#define GW_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* "host.example:65535" with a DNS name of 253 bytes. */
#define GW_AUTHORITY_BYTES_MAX ((size_t)259)

/* Decodes %XX of @text into @ret_out, which has room for @cap bytes.
 * Errors: HR_BAD_INPUT: a '%' without two hexadecimal digits. HR_TOO_BIG. */
HR_MUST_CHECK enum hr_err gw_uri_decode(struct hr_str text, char *ret_out, size_t cap,
                                        size_t *ret_len);
/* Whether @text is a host with an optional port and no user information, safe to be put into a
 * URL, a header or JSON as it is. */
bool gw_uri_is_authority(struct hr_str text);

#endif
