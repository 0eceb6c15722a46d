/* Subjects between the sites, apart and together. */
#include "actors/kv/core/route.h"

#include "actors/kv/core/wire.h"

#define PEER HR_STR("wasmkv.peer.")
#define LOCAL HR_STR("_LOCAL.wasmkv.")

static const struct tail {
    struct hr_str text;
    enum dkv_route route;
    bool local;
} tails[] = {
    {{".w", 2}, DKV_ROUTE_CHANGES, false}, {{".have", 5}, DKV_ROUTE_HAVE, false},
    {{".log.", 5}, DKV_ROUTE_LOG, false},  {{".apply", 6}, DKV_ROUTE_APPLY, true},
    {{".ship", 5}, DKV_ROUTE_SHIP, true},  {{".tick", 5}, DKV_ROUTE_TICK, true},
    {{".st.", 4}, DKV_ROUTE_STATE, false}, {{".fill", 5}, DKV_ROUTE_FILL, true},
};

/* Whether the site's name ends the subject. */
static bool names_site(enum dkv_route route)
{
    return route == DKV_ROUTE_LOG || route == DKV_ROUTE_STATE;
}

enum dkv_route dkv_route_of(struct hr_str subject, const struct dkv_config *config)
{
    bool local = hr_str_starts(subject, LOCAL);
    if (!local && !hr_str_starts(subject, PEER)) {
        return DKV_ROUTE_CLIENT;
    }
    struct hr_str rest = hr_str_from(subject, local ? LOCAL.len : PEER.len);
    if (!hr_str_starts(rest, config->bucket)) {
        return DKV_ROUTE_NOWHERE;
    }
    rest = hr_str_from(rest, config->bucket.len);
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        const struct tail *tail = &tails[i];
        bool named =
            names_site(tail->route) && hr_str_eq(hr_str_from(rest, tail->text.len), config->site);
        if (tail->local == local && hr_str_starts(rest, tail->text) &&
            (named || rest.len == tail->text.len)) {
            return named || !names_site(tail->route) ? tail->route : DKV_ROUTE_NOWHERE;
        }
    }
    return DKV_ROUTE_NOWHERE;
}

struct hr_str dkv_route_subject(enum dkv_route route, const struct dkv_config *config,
                                struct hr_str site, struct hr_arena *arena)
{
    struct dkv_out out = dkv_out_in(arena, 64 + config->bucket.len + site.len);
    struct hr_str subject = {0};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        if (tails[i].route == route) {
            dkv_out_bytes(&out, tails[i].local ? LOCAL : PEER);
            dkv_out_bytes(&out, config->bucket);
            dkv_out_bytes(&out, tails[i].text);
        }
    }
    if (names_site(route)) {
        dkv_out_bytes(&out, site);
    }
    return dkv_out_take(&out, &subject) ? (struct hr_str){0} : subject;
}
