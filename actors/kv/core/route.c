/* Subjects between the sites, apart and together. */
#include "actors/kv/core/route.h"

#include "actors/kv/core/wire.h"

#define PEER HR_STR("wasmkv.peer.")
#define LOCAL HR_STR("_LOCAL.wasmkv.")

static const struct tail {
    struct hr_str text;
    enum dkv_route route;
    bool local;
    bool named; /* a site's name follows */
} tails[] = {
    {{".w", 2}, DKV_ROUTE_CHANGES, false, false},  {{".have", 5}, DKV_ROUTE_HAVE, false, false},
    {{".log.", 5}, DKV_ROUTE_LOG, false, true},    {{".dig.", 5}, DKV_ROUTE_DIG, false, true},
    {{".apply", 6}, DKV_ROUTE_APPLY, true, false}, {{".ship", 5}, DKV_ROUTE_SHIP, true, false},
    {{".tick", 5}, DKV_ROUTE_TICK, true, false},   {{".mend", 5}, DKV_ROUTE_MEND, true, false},
    {{".admin", 6}, DKV_ROUTE_ADMIN, true, false}, {{".st.", 4}, DKV_ROUTE_STATE, false, true},
    {{".fill", 5}, DKV_ROUTE_FILL, true, false},
};

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
        struct hr_str site = tail->named ? config->site : (struct hr_str){0};
        if (tail->local == local && hr_str_starts(rest, tail->text) &&
            hr_str_eq(hr_str_from(rest, tail->text.len), site)) {
            return tail->route;
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
            dkv_out_bytes(&out, tails[i].named ? site : (struct hr_str){0});
        }
    }
    return dkv_out_take(&out, &subject) ? (struct hr_str){0} : subject;
}
