/* Helpers on a request on its way. One thread. */
#include "actors/todo/core/call.h"

#include <stdio.h>

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

void gw_call_log(const struct gw_call *call, enum gw_log_level level, const char *event,
                 struct hr_str text)
{
    char line[LOG_BYTES_MAX];
    int head = snprintf(line, sizeof line, "event=%s detail=\"", event);
    if (head < 0 || (size_t)head + 2 > sizeof line) {
        return;
    }
    size_t at = (size_t)head;
    for (size_t i = 0; i < text.len && at + 1 < sizeof line; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        line[at++] = (char)(c < 0x20 || c >= 0x7f ? '?' : c == '"' ? '\'' : c);
    }
    line[at++] = '"';
    call->env->log(call->env->arg, level, hr_str_of(line, at));
}
