/* Query parameters of the list, and its Link header. Stateless, any thread. */
#include "actors/todo/core/page.h"

#include "actors/todo/core/uri.h"

static enum hr_err parse_limit(struct hr_str text, struct gw_page *page, struct hr_diag *diag)
{
    uint64_t limit;
    char decoded[8];
    size_t len;
    if (page->limit != 0) {
        return hr_diag_set(diag, HR_BAD_INPUT, "Query parameter 'limit' is given twice.");
    }
    enum hr_err err = gw_uri_decode(text, decoded, sizeof decoded, &len);
    if (err || !hr_str_to_u64(hr_str_of(decoded, len), &limit) || limit == 0 ||
        limit > GW_PAGE_LIMIT_MAX) {
        return hr_diag_set(diag, HR_BAD_INPUT,
                           "Query parameter 'limit' must be a whole number from 1 to %u.",
                           GW_PAGE_LIMIT_MAX);
    }
    page->limit = (uint32_t)limit;
    return HR_OK;
}

static enum hr_err parse_after(struct hr_str text, struct gw_page *page, struct hr_diag *diag)
{
    if (page->after_len != 0) {
        return hr_diag_set(diag, HR_BAD_INPUT, "Query parameter 'after' is given twice.");
    }
    size_t len;
    enum hr_err err = gw_uri_decode(text, page->after, sizeof page->after, &len);
    if (err || !gw_route_is_key(hr_str_of(page->after, len))) {
        return hr_diag_set(diag, HR_BAD_INPUT, "Query parameter 'after' must be a todo's id.");
    }
    page->after_len = len;
    return HR_OK;
}

enum hr_err gw_page_parse(struct hr_str query, struct gw_page *ret_page, struct hr_diag *diag)
{
    *ret_page = (struct gw_page){0};
    while (query.len > 0) {
        size_t end = hr_str_find(query, '&', 0);
        struct hr_str pair = {query.ptr, end == SIZE_MAX ? query.len : end};
        query = end == SIZE_MAX ? hr_str_of(NULL, 0) : hr_str_from(query, end + 1);
        size_t equals = hr_str_find(pair, '=', 0);
        struct hr_str name = {pair.ptr, equals == SIZE_MAX ? pair.len : equals};
        struct hr_str value =
            equals == SIZE_MAX ? hr_str_of(NULL, 0) : hr_str_from(pair, equals + 1);
        enum hr_err err = HR_OK;
        if (hr_str_eq(name, HR_STR("limit"))) {
            err = parse_limit(value, ret_page, diag);
        } else if (hr_str_eq(name, HR_STR("after"))) {
            err = parse_after(value, ret_page, diag);
        }
        if (err) {
            return err;
        }
    }
    return HR_OK;
}

enum hr_err gw_page_link(const struct gw_page *page, struct hr_str base, struct hr_str next,
                         struct hr_buf *ret_link)
{
    if (page->limit != 0) {
        return hr_buf_printf(ret_link, "<%.*s/api?limit=%u&after=%.*s>; rel=\"next\"",
                             HR_STR_ARG(base), (unsigned)page->limit, HR_STR_ARG(next));
    }
    return hr_buf_printf(ret_link, "<%.*s/api?after=%.*s>; rel=\"next\"", HR_STR_ARG(base),
                         HR_STR_ARG(next));
}
