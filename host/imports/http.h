/* How a call of incoming-handler gives its guest the exchange. */
#ifndef HR_IMPORTS_HTTP_H
#define HR_IMPORTS_HTTP_H

#include "base/err.h"
#include "host/run/fiber.h"

/* Makes the incoming-request and the response-outparam of the fiber's exchange. On the fiber. */
HR_MUST_CHECK enum hr_err hr_http_give_request(struct hr_fiber *fiber, uint32_t *ret_request,
                                               uint32_t *ret_outparam);

#endif
