/* From what all have to what all agree on. */
#include "actors/kv/core/replicate/cut.h"

/* How far @list has the changes of @origin: UINT64_MAX if what is gone of them was had by all. */
static dkv_hlc reach(const struct dkv_have *list, const struct dkv_have_row *row,
                     const struct dkv_have_row *most)
{
    if (!row) {
        return most->hlc <= list->floor && most->prefix == most->high ? UINT64_MAX : 0;
    }
    return row->prefix == most->prefix && row->high == row->prefix && most->high == most->prefix
               ? UINT64_MAX
               : row->hlc;
}

const struct dkv_have_row *dkv_cut_row(const struct dkv_have *list, dkv_origin origin)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list->rows[middle].origin < origin) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < list->count && list->rows[low].origin == origin ? &list->rows[low] : NULL;
}

/* The clock up to which all lists have the same changes of the origin of @most. */
static dkv_hlc common(const struct dkv_holdings *holdings, const struct dkv_have_row *most)
{
    dkv_hlc low = UINT64_MAX;
    for (size_t i = 0; i < holdings->count; i++) {
        const struct dkv_have *list = &holdings->lists[i];
        dkv_hlc own = reach(list, dkv_cut_row(list, most->origin), most);
        low = own < low ? own : low;
    }
    return low;
}

dkv_hlc dkv_cut_of(const struct dkv_env *env, const struct dkv_holdings *holdings)
{
    dkv_wall_ms wall = env->wall(env->arg);
    dkv_hlc young = dkv_clock_lift(0, wall > DKV_CUT_YOUNG_MS ? wall - DKV_CUT_YOUNG_MS : 0);
    dkv_hlc cut = young;
    dkv_hlc low = UINT64_MAX;
    for (size_t i = 0; i < holdings->count; i++) {
        const struct dkv_have *list = &holdings->lists[i];
        low = list->low < low ? list->low : low;
        cut = list->clock < cut ? list->clock : cut;
        for (size_t j = 0; j < list->count; j++) {
            dkv_hlc own = common(holdings, &list->rows[j]);
            cut = own < cut ? own : cut;
        }
        if (list->more) {
            cut = 0;
        }
    }
    return low > cut ? low : cut;
}
