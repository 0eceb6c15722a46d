/* Checks of a request's body before it is read. One thread. */
#include "actors/todo/core/media.h"

bool gw_media_is(struct hr_str content_type, struct hr_str media_type)
{
    size_t end = hr_str_find(content_type, ';', 0);
    struct hr_str named = {content_type.ptr, end == SIZE_MAX ? content_type.len : end};
    return hr_str_eq_nocase(hr_str_trim(named), media_type);
}

static bool is_accepted(const struct gw_call *call)
{
    size_t count = gw_request_header_count(call->request, HR_STR("Content-Type"));
    if (count != 1) {
        return count == 0;
    }
    struct hr_str type = *gw_request_header(call->request, HR_STR("Content-Type"));
    return gw_media_is(type, HR_STR("application/json")) ||
           (call->route.method == GW_METHOD_PATCH &&
            gw_media_is(type, HR_STR("application/merge-patch+json")));
}

static enum hr_err refuse_type(struct gw_call *call)
{
    bool is_patch = call->route.method == GW_METHOD_PATCH;
    enum hr_err err =
        gw_call_refuse(call, 415,
                       is_patch ? HR_STR("The body must be of one of the types " GW_MEDIA_PATCH ".")
                                : HR_STR("The body must be of type " GW_MEDIA_POST "."));
    if (err == GW_ANSWERED) {
        gw_response_keep(call->response, is_patch ? HR_STR("Accept-Patch") : HR_STR("Accept-Post"),
                         is_patch ? HR_STR(GW_MEDIA_PATCH) : HR_STR(GW_MEDIA_POST));
    }
    return err;
}

enum hr_err gw_media_check(struct gw_call *call)
{
    if (!is_accepted(call)) {
        return refuse_type(call);
    }
    if (call->request->body_state == GW_BODY_TOO_BIG ||
        call->request->body.len > GW_BODY_BYTES_MAX) {
        struct hr_diag diag;
        hr_diag_set(&diag, HR_TOO_BIG, "The body must have at most %zu bytes.", GW_BODY_BYTES_MAX);
        return gw_call_refuse(call, 413, hr_str_c(diag.text));
    }
    if (call->request->body_state == GW_BODY_BROKEN) {
        return gw_call_refuse(call, 400, HR_STR("The body broke off before its end."));
    }
    return HR_OK;
}
