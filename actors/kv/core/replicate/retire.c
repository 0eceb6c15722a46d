/* From lists to origins that nobody needs any more. */
#include "actors/kv/core/replicate/retire.h"

#include "actors/kv/core/format/keys.h"

/* The mark of @site; NULL: there is no room for one. */
static struct dkv_retired *mark_of(struct dkv_floor *floor, uint16_t site)
{
    for (size_t i = 0; i < floor->retired_count; i++) {
        if (floor->retired[i].site == site) {
            return &floor->retired[i];
        }
    }
    if (floor->retired_count == DKV_RETIRED_MAX) {
        return NULL;
    }
    struct dkv_retired *mark = &floor->retired[floor->retired_count++];
    *mark = (struct dkv_retired){.site = site};
    return mark;
}

/* Whether v/ is still what the list says, and nothing is waiting in it. */
static bool as_listed(const struct dkv_value *value, const struct dkv_have_row *row)
{
    struct dkv_progress progress;
    struct hr_diag diag;
    return value->present && !dkv_progress_decode(value->bytes, &progress, &diag) &&
           progress.prefix == row->prefix && progress.high == row->high;
}

/* Reads its v/ and adds it. ret_added: it may go. */
static enum hr_err add(const struct dkv_env *env, const struct dkv_have_row *row,
                       struct dkv_floor *floor, struct hr_arena *arena,
                       struct dkv_retiring *retiring, bool *ret_added, struct hr_diag *diag)
{
    struct dkv_value value;
    struct hr_str name = dkv_key_progress(arena, row->origin);
    enum hr_err err =
        name.ptr ? env->get_many(env->arg, &name, 1, arena, &value, diag) : HR_NO_MEMORY;
    *ret_added = false;
    if (err || !as_listed(&value, row)) {
        return err;
    }
    struct dkv_retired *mark = mark_of(floor, dkv_origin_site(row->origin));
    if (!mark) {
        return HR_OK;
    }
    uint64_t inc = dkv_origin_inc(row->origin);
    mark->inc = inc > mark->inc ? inc : mark->inc;
    retiring->checks[retiring->count] = (struct dkv_check){name, value};
    retiring->names[retiring->count++] = name;
    *ret_added = true;
    return HR_OK;
}

enum hr_err dkv_retire_find(const struct dkv_env *env, const struct dkv_holdings *holdings,
                            struct dkv_floor *floor, struct hr_arena *arena,
                            struct dkv_retiring *ret_retiring, struct hr_diag *diag)
{
    struct dkv_rows rows;
    uint16_t held_up = 0; /* the site of which an older origin has to stay */
    ret_retiring->count = 0;
    enum hr_err err = dkv_rows_init(&rows, holdings, arena);
    while (!err && ret_retiring->count < DKV_RETIRE_MAX && dkv_rows_next(&rows)) {
        const struct dkv_have_row *mine = rows.rows[0];
        uint16_t site = dkv_origin_site(rows.origin);
        bool over = !dkv_rows_present(&rows) && dkv_rows_over(&rows);
        bool gone = !mine && dkv_floor_retired(floor, rows.origin);
        if (site == held_up || gone) {
            continue;
        }
        bool added = false;
        if (over && mine->hlc <= floor->group) {
            err = add(env, mine, floor, arena, ret_retiring, &added, diag);
        }
        held_up = added ? held_up : site;
    }
    return err;
}
