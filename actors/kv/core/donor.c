/* The order of donors. */
#include "actors/kv/core/donor.h"

/* Origins of which @theirs has more than @mine, without gaps. */
static size_t more_of(const struct dkv_have *theirs, const struct dkv_have *mine)
{
    size_t count = 0;
    size_t at = 0;
    for (size_t i = 0; i < theirs->count; i++) {
        const struct dkv_have_row *row = dkv_holdings_row(mine, &at, theirs->rows[i].origin);
        count += theirs->rows[i].origin != mine->origin &&
                 theirs->rows[i].prefix > (row ? row->prefix : 0);
    }
    return count;
}

/* Of how many origins somebody has more than the list @index. */
static size_t lacks(const struct dkv_holdings *holdings, size_t index)
{
    size_t most = 0;
    for (size_t i = 0; i < holdings->count; i++) {
        size_t count = i == index ? 0 : more_of(&holdings->lists[i], &holdings->lists[index]);
        most = count > most ? count : most;
    }
    return most;
}

/* A site that has not yet made good what its store lost, or that had none, is asked if nobody else is there, and
 * only if it has everything. */
static bool sound(const struct dkv_have *have)
{
    return have->state == DKV_SITE_ACTIVE || have->boot_class == DKV_BOOT_INTACT;
}

static bool usable(const struct dkv_tick *tick, const struct dkv_holdings *holdings, size_t index,
                   bool forced)
{
    const struct dkv_have *have = &holdings->lists[index];
    const struct dkv_peer *peer = dkv_group_find(tick->group, have->site);
    return peer && peer->alive && (forced || more_of(have, &holdings->lists[0]) > 0);
}

/* Whether @a is a better donor than @b; of equals the one that answered first is. */
static bool better(const struct dkv_holdings *holdings, size_t a, size_t b)
{
    bool active_a = holdings->lists[a].state == DKV_SITE_ACTIVE;
    bool active_b = holdings->lists[b].state == DKV_SITE_ACTIVE;
    size_t lacks_a = lacks(holdings, a);
    size_t lacks_b = lacks(holdings, b);
    if (active_a != active_b) {
        return active_a;
    }
    return lacks_a != lacks_b ? lacks_a < lacks_b : a < b;
}

static void insert(const struct dkv_holdings *holdings, size_t index, size_t *order, size_t *count)
{
    size_t at = (*count)++;
    while (at > 0 && better(holdings, index, order[at - 1])) {
        order[at] = order[at - 1];
        at--;
    }
    order[at] = index;
}

size_t dkv_donor_order(const struct dkv_tick *tick, const struct dkv_holdings *holdings,
                       bool forced, size_t *ret_order)
{
    size_t count = 0;
    for (size_t i = 1; i < holdings->count; i++) {
        if (sound(&holdings->lists[i]) && usable(tick, holdings, i, forced)) {
            insert(holdings, i, ret_order, &count);
        }
    }
    for (size_t i = 1; count == 0 && i < holdings->count; i++) {
        if (usable(tick, holdings, i, forced) && lacks(holdings, i) == 0) {
            insert(holdings, i, ret_order, &count);
        }
    }
    return count;
}

bool dkv_donor_any_more(const struct dkv_holdings *holdings)
{
    bool any = false;
    for (size_t i = 1; i < holdings->count; i++) {
        any = any || more_of(&holdings->lists[i], &holdings->lists[0]) > 0;
    }
    return any;
}
