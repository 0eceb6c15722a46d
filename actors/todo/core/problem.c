/* Writing application/problem+json. Stateless, any thread. */
#include "actors/todo/core/problem.h"

#include <stdarg.h>
#include <stdio.h>

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

/* The detail may quote what others wrote; cutting it may also have cut a character. */
static struct hr_str make_utf8(char *text, size_t max_bytes)
{
    struct hr_str detail = gw_json_clip(hr_str_c(text), max_bytes);
    if (!hr_str_is_utf8(detail)) {
        for (size_t i = 0; i < detail.len; i++) {
            text[i] = (char)(text[i] & 0x80 ? '?' : text[i]);
        }
    }
    return detail;
}

enum hr_err gw_problem(struct gw_response *response, unsigned status, const char *fmt, ...)
{
    char text[GW_PROBLEM_DETAIL_BYTES_MAX + 2]; /* one more byte shows where to cut */
    va_list args;
    va_start(args, fmt);
    int written = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (written < 0) {
        text[0] = '\0';
    }
    start(response, status);
    struct hr_buf *body = &response->own_body;
    enum hr_err err = hr_buf_printf(body,
                                    "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,"
                                    "\"detail\":",
                                    gw_problem_title(status), status);
    if (!err) {
        err = gw_json_put_string(body, make_utf8(text, GW_PROBLEM_DETAIL_BYTES_MAX));
    }
    if (!err) {
        err = hr_buf_append_byte(body, '}');
    }
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
