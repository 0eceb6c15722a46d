/* What the installed hiredis can do and how it is made safe: one implementation for each kind of
 * hiredis, chosen by host/CMakeLists.txt (hiredis_plain.c without TLS, hiredis_tls.c with). Knows
 * nothing of the store. */
#ifndef HR_HIREDIS_H
#define HR_HIREDIS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"

/* Stands between hiredis' parser and what a server sends. hiredis itself takes arrays of any size
 * and depth, and asserts that nobody sends a reply unasked; behind a guard either of these breaks the
 * connection. */
struct hr_hiredis_guard {
    redisReplyObjectFunctions functions;
    redisReplyObjectFunctions *own; /* hiredis' */
    uint32_t expected;              /* replies that are still to come */
    uint32_t items_max;
};

/* Puts @guard into @reader. Owns: keeps @guard until the reader is freed. */
void hr_hiredis_guard(struct hr_hiredis_guard *guard, redisReader *reader, uint32_t items_max);

/* Whether connections can be secured at all. */
bool hr_hiredis_has_tls(void);
/* Begins TLS on a connection, which may still be under way: the server must have a certificate that the
 * system trusts, for @host. Errors: HR_UNSUPPORTED, HR_NO_MEMORY, HR_IO; the diag says why. */
HR_MUST_CHECK enum hr_err hr_hiredis_secure(redisContext *context, const char *host,
                                            struct hr_diag *diag);

#endif
