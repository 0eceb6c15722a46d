/* The order of donors. */
#include "actors/kv/core/replicate/donor.h"

#include "actors/kv/core/replicate/stable.h"

enum hr_err dkv_donors_init(struct dkv_donors *donors, const struct dkv_tick *tick,
                            const struct dkv_holdings *holdings, bool forced,
                            struct hr_arena *arena, struct hr_diag *diag)
{
    *donors = (struct dkv_donors){.tick = tick, .holdings = holdings, .forced = forced};
    return dkv_floor_now(tick->env, arena, &donors->floor, diag);
}

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

static bool counted(const struct dkv_have *have, dkv_hlc floor)
{
    return floor <= have->low || floor <= have->floor;
}

/* How many floors do not count on the list @index. */
static size_t uncounted(const struct dkv_holdings *holdings, size_t index)
{
    size_t count = 0;
    for (size_t i = 0; i < holdings->count; i++) {
        count += !counted(&holdings->lists[index], holdings->lists[i].floor);
    }
    return count;
}

/* Of how many origins somebody has more than the list @index, and how many floors do not count on it. */
static size_t lacks(const struct dkv_holdings *holdings, size_t index)
{
    size_t most = 0;
    for (size_t i = 0; i < holdings->count; i++) {
        size_t count = i == index ? 0 : more_of(&holdings->lists[i], &holdings->lists[index]);
        most = count > most ? count : most;
    }
    return most + uncounted(holdings, index);
}

/* A site that has not yet made good what its store lost, or that had none, is asked if nobody else is there. */
static bool sound(const struct dkv_have *have)
{
    return have->state == DKV_SITE_ACTIVE || have->boot_class == DKV_BOOT_INTACT;
}

static bool has_something(const struct dkv_donors *donors, const struct dkv_have *have)
{
    return more_of(have, &donors->holdings->lists[0]) > 0 ||
           !dkv_stable_counted(&donors->floor, have->floor);
}

static bool usable(const struct dkv_donors *donors, const struct dkv_have *have)
{
    const struct dkv_peer *peer = dkv_group_find(donors->tick->group, have->site);
    return peer && peer->alive && (donors->forced || has_something(donors, have));
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

/* Whether a better one may be there: it has answered, or is alive and has not. */
static bool any_sound(const struct dkv_donors *donors)
{
    const struct dkv_holdings *holdings = donors->holdings;
    const struct dkv_group *group = donors->tick->group;
    for (size_t i = 0; i < group->count; i++) {
        if (group->peers[i].alive && !dkv_holdings_of(holdings, group->peers[i].id)) {
            return true;
        }
    }
    for (size_t i = 1; i < holdings->count; i++) {
        if (sound(&holdings->lists[i])) {
            return true;
        }
    }
    return false;
}

/* Kinds of donors; the next one is asked if there is none of those before it. The last is for sites that wrote alone, and
 * cut off their feeds, before they met: each has what the other lacks, and nobody is there who will get it all. */
enum kind { SOUND, HAS_EVERYTHING, COUNTED_ON, KINDS };

static bool is_of(const struct dkv_donors *donors, size_t index, enum kind kind)
{
    const struct dkv_holdings *holdings = donors->holdings;
    switch (kind) {
    case SOUND:
        return sound(&holdings->lists[index]);
    case HAS_EVERYTHING:
        return lacks(holdings, index) == 0;
    case COUNTED_ON:
        return !any_sound(donors) && uncounted(holdings, index) == 0;
    case KINDS:
        break;
    }
    return false;
}

size_t dkv_donors_order(const struct dkv_donors *donors, size_t *ret_order)
{
    const struct dkv_holdings *holdings = donors->holdings;
    size_t count = 0;
    for (enum kind kind = SOUND; count == 0 && kind < KINDS; kind++) {
        for (size_t i = 1; i < holdings->count; i++) {
            if (usable(donors, &holdings->lists[i]) && is_of(donors, i, kind)) {
                insert(holdings, i, ret_order, &count);
            }
        }
    }
    return count;
}

bool dkv_donors_any(const struct dkv_donors *donors)
{
    bool any = false;
    for (size_t i = 1; i < donors->holdings->count; i++) {
        any = any || has_something(donors, &donors->holdings->lists[i]);
    }
    return any;
}

const struct dkv_have *dkv_donors_uncounted(const struct dkv_donors *donors)
{
    for (size_t i = 1; i < donors->holdings->count; i++) {
        if (!dkv_stable_counted(&donors->floor, donors->holdings->lists[i].floor)) {
            return &donors->holdings->lists[i];
        }
    }
    return NULL;
}

dkv_hlc dkv_donors_floor(const struct dkv_donors *donors, size_t index)
{
    const struct dkv_holdings *holdings = donors->holdings;
    dkv_hlc floor = 0;
    for (size_t i = 0; i < holdings->count; i++) {
        dkv_hlc other = holdings->lists[i].floor;
        floor = other > floor && counted(&holdings->lists[index], other) ? other : floor;
    }
    return floor;
}
