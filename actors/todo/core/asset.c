/* From the ui actor's asset to the response. Everything that the asset says is taken over, but for
 * the headers that the gateway answers for itself. One thread. */
#include "actors/todo/core/asset.h"

#include "actors/todo/core/condition.h"
#include "actors/todo/core/problem.h"

/* Content-Length follows from the body, and the ETag has its own field. */
static bool is_ours(struct hr_str name)
{
    return hr_str_eq_nocase(name, HR_STR("Content-Length")) ||
           hr_str_eq_nocase(name, HR_STR("ETag")) || hr_str_eq_nocase(name, HR_STR("Vary"));
}

static enum hr_err find(struct gw_call *call, struct gw_asset *ret_asset, struct hr_diag *diag)
{
    const struct gw_env *env = call->env;
    struct hr_str accepted;
    enum hr_err err = gw_request_header_joined(call->request, HR_STR("Accept-Encoding"),
                                               &call->response->arena, &accepted);
    return err ? err : env->get_asset(env->arg, call->route.path, accepted, ret_asset, diag);
}

static enum hr_err answer(struct gw_call *call, const struct gw_asset *asset)
{
    struct gw_response *response = call->response;
    struct gw_conditions conditions;
    struct gw_etag etag;
    enum hr_err err = gw_conditions_read(call, &conditions);
    if (err) {
        return err;
    }
    for (size_t i = 0; i < asset->header_count; i++) {
        if (!is_ours(asset->headers[i].name)) {
            gw_response_keep(response, asset->headers[i].name, asset->headers[i].value);
        }
    }
    gw_response_keep(response, HR_STR("Vary"), HR_STR("Accept-Encoding"));
    response->status = 200;
    response->body = asset->bytes;
    if (gw_etag_parse(asset->etag, &etag)) {
        return HR_OK; /* an asset without a tag cannot be conditional */
    }
    gw_response_keep(response, HR_STR("ETag"), asset->etag);
    return gw_conditions_check(call, &conditions, etag.opaque);
}

enum hr_err gw_asset_get(struct gw_call *call)
{
    struct gw_asset asset = {0};
    struct hr_diag diag = {""};
    enum hr_err err = find(call, &asset, &diag);
    if (err == HR_NO_MEMORY) {
        return err;
    }
    if (err == HR_NOT_FOUND) {
        return gw_call_refuse(call, 404, HR_STR("There is no such page."));
    }
    if (err) {
        if (diag.text[0] == '\0') {
            hr_diag_set(&diag, err, "%s", hr_err_text(err));
        }
        gw_call_log(call, GW_LOG_WARN, "ui-failed", hr_str_c(diag.text));
        hr_diag_prefix(&diag, err, "The ui actor, which has the web page, did not answer");
        return gw_call_refuse(call, 503, hr_str_c(diag.text));
    }
    if (asset.header_count > GW_ASSET_HEADERS_MAX) {
        return gw_call_refuse(call, 502, HR_STR("The ui actor gave too many headers."));
    }
    return answer(call, &asset);
}
