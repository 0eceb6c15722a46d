/* Reading and evaluating preconditions. One thread. */
#include "actors/todo/core/condition.h"

static enum hr_err read_one(struct gw_call *call, struct hr_str name, struct gw_etags *ret_etags)
{
    ret_etags->kind = GW_ETAGS_ABSENT;
    ret_etags->count = 0;
    if (!gw_request_header(call->request, name)) {
        return HR_OK;
    }
    struct hr_str value;
    enum hr_err err = gw_request_header_joined(call->request, name, &call->response->arena, &value);
    return err ? err : gw_etags_parse(value, ret_etags);
}

enum hr_err gw_conditions_read(struct gw_call *call, struct gw_conditions *ret_conditions)
{
    enum hr_err err = read_one(call, HR_STR("If-Match"), &ret_conditions->if_match);
    if (err == HR_NO_MEMORY) {
        return err;
    }
    if (err) {
        struct hr_diag diag;
        hr_diag_set(&diag, err,
                    "Header If-Match must be \"*\" or a list of at most %zu entity tags, such as "
                    "\"0123\".",
                    GW_ETAGS_MAX);
        return gw_call_refuse(call, 400, hr_str_c(diag.text));
    }
    err = read_one(call, HR_STR("If-None-Match"), &ret_conditions->if_none_match);
    if (err == HR_BAD_INPUT || err == HR_TOO_BIG) {
        ret_conditions->if_none_match.kind = GW_ETAGS_ABSENT;
        err = HR_OK;
    }
    return err;
}

enum hr_err gw_conditions_check(struct gw_call *call, const struct gw_conditions *conditions,
                                struct hr_str opaque)
{
    if (conditions->if_match.kind != GW_ETAGS_ABSENT &&
        !gw_etags_match_strong(&conditions->if_match, opaque)) {
        return gw_call_refuse(call, 412, HR_STR("No entity tag of If-Match is the present one."));
    }
    if (!gw_etags_match_weak(&conditions->if_none_match, opaque)) {
        return HR_OK;
    }
    if (call->route.method == GW_METHOD_GET || call->route.method == GW_METHOD_HEAD) {
        call->response->status = 304;
        return GW_ANSWERED;
    }
    return gw_call_refuse(call, 412, HR_STR("An entity tag of If-None-Match is the present one."));
}

enum hr_err gw_conditions_check_list(struct gw_call *call)
{
    struct gw_conditions conditions;
    enum hr_err err = gw_conditions_read(call, &conditions);
    if (err) {
        return err;
    }
    if (conditions.if_match.kind == GW_ETAGS_LIST ||
        conditions.if_none_match.kind != GW_ETAGS_ABSENT) {
        return gw_call_refuse(call, 412,
                              HR_STR("Changes of the whole list cannot depend on entity tags: "
                                     "leave out If-Match and If-None-Match."));
    }
    return HR_OK;
}

bool gw_conditions_are_simple(const struct gw_conditions *conditions)
{
    const struct gw_etags *if_match = &conditions->if_match;
    if (conditions->if_none_match.kind != GW_ETAGS_ABSENT) {
        return false;
    }
    return if_match->kind != GW_ETAGS_LIST || gw_conditions_version(conditions).len > 0;
}

struct hr_str gw_conditions_version(const struct gw_conditions *conditions)
{
    const struct gw_etags *if_match = &conditions->if_match;
    bool is_version = if_match->kind == GW_ETAGS_LIST && if_match->count == 1 &&
                      !if_match->tags[0].weak && gw_version_is_valid(if_match->tags[0].opaque);
    return is_version ? if_match->tags[0].opaque : hr_str_of(NULL, 0);
}
