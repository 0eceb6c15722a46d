/* Helpers on a request on its way. One thread. */
#include "actors/todo/core/call.h"

#include "actors/todo/core/problem.h"

#define LOG_BYTES_MAX 640

void gw_call_set_site(struct gw_call *call, struct hr_str site)
{
    if (site.len == 0 || site.len > GW_SITE_BYTES_MAX) {
        return;
    }
    for (size_t i = 0; i < site.len; i++) {
        if (site.ptr[i] <= 0x20 || site.ptr[i] >= 0x7f) {
            return;
        }
    }
    memcpy(call->site, site.ptr, site.len);
    call->site_len = site.len;
}

enum hr_err gw_call_refuse(struct gw_call *call, unsigned status, struct hr_str detail)
{
    return gw_call_end(gw_problem(call->response, status, detail));
}

struct hr_str gw_call_join(struct gw_call *call, struct hr_str a, struct hr_str b, struct hr_str c)
{
    const struct hr_str parts[] = {a, b, c};
    char *joined = hr_arena_alloc(&call->response->arena, a.len + b.len + c.len + 1);
    size_t at = 0;
    for (size_t i = 0; joined && i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len > 0) {
            memcpy(joined + at, parts[i].ptr, parts[i].len);
            at += parts[i].len;
        }
    }
    return hr_str_of(joined, at);
}

struct hr_str gw_call_url(struct gw_call *call, struct hr_str id)
{
    return gw_call_join(call, call->base, HR_STR("/api/"), id);
}

/* Appends @text to the @at bytes of @line, as far as there is room. */
static size_t put(char line[LOG_BYTES_MAX], size_t at, struct hr_str text)
{
    for (size_t i = 0; i < text.len && at < LOG_BYTES_MAX; i++) {
        line[at++] = text.ptr[i];
    }
    return at;
}

void gw_call_log(const struct gw_call *call, enum gw_log_level level, const char *event,
                 struct hr_str text)
{
    char line[LOG_BYTES_MAX];
    size_t at = put(line, 0, hr_str_c(event));
    at = put(line, at, HR_STR(": "));
    for (size_t i = 0; i < text.len && at < sizeof line; i++) {
        char c = text.ptr[i];
        line[at++] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
    }
    call->env->log(call->env->arg, level, hr_str_of(line, at));
}
