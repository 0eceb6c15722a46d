/* Listening sockets that several workers share by SO_REUSEPORT (Linux spreads connections among them). */
#ifndef HR_LISTEN_H
#define HR_LISTEN_H

#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

#define HR_LISTEN_BACKLOG 1024
#define HR_LISTEN_ADDRESS_BYTES_MAX 128u

/* Opens @count listening sockets on @address ("127.0.0.1:8080", "[::1]:8080", ":8080" for every
 * interface; port 0 lets the system choose one for all). The diag names the address and what to do.
 * Errors: HR_BAD_INPUT (no such address), HR_EXISTS (in use), HR_DENIED (a port below 1024),
 * HR_IO. Returns own: the descriptors in @ret_fds. @ret_bound (HR_LISTEN_ADDRESS_BYTES_MAX
 * bytes, may be NULL) gets the address with its real port. Any thread. */
HR_MUST_CHECK enum hr_err hr_listen(struct hr_str address, uint32_t count, int *ret_fds,
                                    char *ret_bound, struct hr_diag *diag);

#endif
