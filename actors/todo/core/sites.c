/* The answer is the present alone: it has no entity tag and is not to be stored. One thread. */
#include "actors/todo/core/sites.h"

#include "actors/todo/core/json.h"

#define US_PER_MS 1000u

static enum hr_err put_round_trip(struct hr_buf *out, const struct gw_site *site)
{
    if (!site->is_measured) {
        return hr_buf_append(out, HR_STR("null"));
    }
    return hr_buf_printf(out, "%llu.%03llu", (unsigned long long)(site->round_trip_us / US_PER_MS),
                         (unsigned long long)(site->round_trip_us % US_PER_MS));
}

static const char *state_of(const struct gw_site *site)
{
    return !site->alive ? "gone" : site->catching_up ? "catching-up" : "active";
}

static enum hr_err put_site(struct hr_buf *out, const struct gw_site *site)
{
    enum hr_err err = hr_buf_append(out, HR_STR("{\"name\":"));
    err = err ? err : gw_json_put_string(out, site->name);
    err =
        err ? err
            : hr_buf_printf(
                  out,
                  ",\"id\":%u,\"here\":%s,\"alive\":%s,\"state\":\"%s\",\"store\":%s,\"hosts\":%lu",
                  (unsigned)site->id, site->here ? "true" : "false", site->alive ? "true" : "false",
                  state_of(site), site->has_store ? "true" : "false", (unsigned long)site->hosts);
    err = err ? err : hr_buf_append(out, HR_STR(",\"round_trip_ms\":"));
    err = err ? err : put_round_trip(out, site);
    return err ? err
               : hr_buf_printf(out, ",\"silent_ms\":%llu}", (unsigned long long)site->silent_ms);
}

/* The name of the own site, or null where the host does not know of one. */
static enum hr_err put_here(struct hr_buf *out, const struct gw_site *sites, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sites[i].here) {
            return gw_json_put_string(out, sites[i].name);
        }
    }
    return hr_buf_append(out, HR_STR("null"));
}

static enum hr_err put_sites(struct hr_buf *out, const struct gw_site *sites, size_t count)
{
    enum hr_err err = hr_buf_append(out, HR_STR("{\"here\":"));
    err = err ? err : put_here(out, sites, count);
    err = err ? err : hr_buf_append(out, HR_STR(",\"sites\":["));
    for (size_t i = 0; i < count && !err; i++) {
        err = i > 0 ? hr_buf_append_byte(out, ',') : HR_OK;
        err = err ? err : put_site(out, &sites[i]);
    }
    return err ? err : hr_buf_append(out, HR_STR("]}"));
}

enum hr_err gw_sites_get(struct gw_call *call)
{
    struct gw_response *response = call->response;
    const struct gw_site *sites = NULL;
    size_t count = 0;
    enum hr_err err = call->env->sites(call->env->arg, &sites, &count);
    count = count < GW_SITES_MAX ? count : GW_SITES_MAX;
    err = err ? err : put_sites(&response->own_body, sites, count);
    if (err) {
        return err;
    }
    gw_response_use_own_body(response);
    response->status = 200;
    gw_response_keep(response, HR_STR("Content-Type"), HR_STR("application/json; charset=utf-8"));
    gw_response_keep(response, HR_STR("Cache-Control"), HR_STR("no-store"));
    return HR_OK;
}
