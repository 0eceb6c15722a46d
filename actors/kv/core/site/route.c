/* Subjects between the sites, apart and together. */
#include "actors/kv/core/site/route.h"

#include "actors/kv/core/format/wire.h"

#define PEER HR_STR("wasmkv.peer.")
#define LOCAL HR_STR("_LOCAL.wasmkv.")

#define MEET HR_STR(".meet.")

enum ending { ENDS_THERE, ENDS_IN_SITE, ENDS_IN_SUBJECT };

static const struct tail {
    struct hr_str text;
    enum dkv_route route;
    bool local;
    enum ending ending;
} tails[] = {
    {{".w", 2}, DKV_ROUTE_CHANGES, false, ENDS_THERE},
    {{".have", 5}, DKV_ROUTE_HAVE, false, ENDS_THERE},
    {{".log.", 5}, DKV_ROUTE_LOG, false, ENDS_IN_SITE},
    {{".dig.", 5}, DKV_ROUTE_DIG, false, ENDS_IN_SITE},
    {{".st.", 4}, DKV_ROUTE_STATE, false, ENDS_IN_SITE},
    {{".apply", 6}, DKV_ROUTE_APPLY, true, ENDS_THERE},
    {{".ship", 5}, DKV_ROUTE_SHIP, true, ENDS_THERE},
    {{".tick", 5}, DKV_ROUTE_TICK, true, ENDS_THERE},
    {{".mend", 5}, DKV_ROUTE_MEND, true, ENDS_THERE},
    {{".admin", 6}, DKV_ROUTE_ADMIN, true, ENDS_THERE},
    {{".fill", 5}, DKV_ROUTE_FILL, true, ENDS_THERE},
    {{".meet.", 6}, DKV_ROUTE_MEET, true, ENDS_IN_SUBJECT},
};

static bool ends_right(const struct tail *tail, struct hr_str rest, const struct dkv_config *config)
{
    switch (tail->ending) {
    case ENDS_THERE:
        return rest.len == 0;
    case ENDS_IN_SITE:
        return hr_str_eq(rest, config->site);
    case ENDS_IN_SUBJECT:
        return rest.len > 0;
    }
    return false;
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
        if (tail->local == local && hr_str_starts(rest, tail->text) &&
            ends_right(tail, hr_str_from(rest, tail->text.len), config)) {
            return tail->route;
        }
    }
    return DKV_ROUTE_NOWHERE;
}

struct hr_str dkv_route_subject(enum dkv_route route, const struct dkv_config *config,
                                struct hr_str rest, struct hr_arena *arena)
{
    struct dkv_out out = dkv_out_in(arena, 64 + config->bucket.len + rest.len);
    struct hr_str subject = {0};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        if (tails[i].route == route) {
            dkv_out_bytes(&out, tails[i].local ? LOCAL : PEER);
            dkv_out_bytes(&out, config->bucket);
            dkv_out_bytes(&out, tails[i].text);
            dkv_out_bytes(&out, tails[i].ending == ENDS_THERE ? (struct hr_str){0} : rest);
        }
    }
    return dkv_out_take(&out, &subject) ? (struct hr_str){0} : subject;
}

struct hr_str dkv_route_client(struct hr_str subject, const struct dkv_config *config)
{
    return hr_str_from(subject, LOCAL.len + config->bucket.len + MEET.len);
}
