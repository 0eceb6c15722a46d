/* Writing application/problem+json. Stateless, any thread. */
#include "actors/todo/core/problem.h"

#include "actors/todo/core/json.h"

struct title_row {
    unsigned status;
    const char *title;
};

static const struct title_row titles[] = {
    {400, "Bad Request"},           {404, "Not Found"},         {405, "Method Not Allowed"},
    {412, "Precondition Failed"},   {413, "Content Too Large"}, {415, "Unsupported Media Type"},
    {500, "Internal Server Error"}, {502, "Bad Gateway"},       {503, "Service Unavailable"},
};

const char *gw_problem_title(unsigned status)
{
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

static void start(struct gw_response *response, unsigned status)
{
    gw_response_clear(response);
    response->status = status;
    gw_response_keep(response, HR_STR("Content-Type"), HR_STR("application/problem+json"));
    gw_response_keep(response, HR_STR("Cache-Control"), HR_STR("no-cache"));
    if (status == 503) {
        gw_response_keep(response, HR_STR("Retry-After"), HR_STR(GW_RETRY_AFTER_S));
    }
}

/* @detail as valid UTF-8 of bounded length, in @scratch if it cannot stay as it is: it may quote
 * what others wrote, and whoever put it together may have cut its last character. */
static struct hr_str make_utf8(struct hr_str detail, char scratch[GW_PROBLEM_DETAIL_BYTES_MAX])
{
    detail = gw_json_clip(detail, GW_PROBLEM_DETAIL_BYTES_MAX);
    for (size_t cut = 0; cut < 4 && cut <= detail.len; cut++) {
        struct hr_str start = {detail.ptr, detail.len - cut};
        if (hr_str_is_utf8(start)) {
            return start;
        }
    }
    for (size_t i = 0; i < detail.len; i++) {
        scratch[i] = (char)(detail.ptr[i] & 0x80 ? '?' : detail.ptr[i]);
    }
    return hr_str_of(scratch, detail.len);
}

enum hr_err gw_problem(struct gw_response *response, unsigned status, struct hr_str detail)
{
    char scratch[GW_PROBLEM_DETAIL_BYTES_MAX];
    start(response, status);
    struct hr_buf *body = &response->own_body;
    enum hr_err err = hr_buf_printf(body,
                                    "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,"
                                    "\"detail\":",
                                    gw_problem_title(status), status);
    err = err ? err : gw_json_put_string(body, make_utf8(detail, scratch));
    err = err ? err : hr_buf_append_byte(body, '}');
    if (!err) {
        gw_response_use_own_body(response);
    }
    return err;
}

#define OUT_OF_MEMORY                                                             \
    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503," \
    "\"detail\":\"The gateway is out of memory. A write may have been done.\"}"
#define OUT_OF_MEMORY_LENGTH "134"

void gw_problem_out_of_memory(struct gw_response *response)
{
    _Static_assert(sizeof OUT_OF_MEMORY - 1 == 134, "as OUT_OF_MEMORY_LENGTH says");
    start(response, 503);
    gw_response_keep(response, HR_STR("Content-Length"), HR_STR(OUT_OF_MEMORY_LENGTH));
    response->body = HR_STR(OUT_OF_MEMORY);
}
