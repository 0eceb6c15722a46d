/* The query of GET /api, and the Link header (RFC 8288) that leads on. Stateless, any thread. */
#ifndef GW_PAGE_H
#define GW_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "actors/todo/core/route.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"

/* What ?limit= may be. */
#define GW_PAGE_LIMIT_MAX 1000u

struct gw_page {
    uint32_t limit; /* 0: none was asked for */
    char after[256];
    size_t after_len; /* 0: from the first on */
};

/* Reads `limit` and `after` out of @query; other parameters are left alone.
 * Errors: HR_BAD_INPUT, with the sentence for the client in @diag. */
HR_MUST_CHECK enum hr_err gw_page_parse(struct hr_str query, struct gw_page *ret_page,
                                        struct hr_diag *diag);
/* Writes `<base/api?limit=..&after=next>; rel="next"`. @next is a key. Errors: HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err gw_page_link(const struct gw_page *page, struct hr_str base,
                                       struct hr_str next, struct hr_buf *ret_link);

#endif
