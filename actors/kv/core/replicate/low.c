/* The lowest of what lists say. */
#include "actors/kv/core/replicate/low.h"

/* --- lists side by side ------------------------------------------------------------------------------- */

enum hr_err dkv_rows_init(struct dkv_rows *rows, const struct dkv_holdings *holdings,
                          struct hr_arena *arena)
{
    *rows = (struct dkv_rows){.holdings = holdings};
    rows->at = hr_arena_alloc(arena, holdings->count * sizeof *rows->at);
    rows->rows = hr_arena_alloc(arena, holdings->count * sizeof *rows->rows);
    if (!rows->at || !rows->rows) {
        return HR_NO_MEMORY;
    }
    for (size_t i = 0; i < holdings->count; i++) {
        rows->at[i] = 0;
    }
    return HR_OK;
}

bool dkv_rows_next(struct dkv_rows *rows)
{
    bool any = false;
    for (size_t i = 0; i < rows->holdings->count; i++) {
        const struct dkv_have *have = &rows->holdings->lists[i];
        if (rows->at[i] < have->count && (!any || have->rows[rows->at[i]].origin < rows->origin)) {
            rows->origin = have->rows[rows->at[i]].origin;
            any = true;
        }
    }
    for (size_t i = 0; any && i < rows->holdings->count; i++) {
        rows->rows[i] = dkv_holdings_row(&rows->holdings->lists[i], &rows->at[i], rows->origin);
        rows->at[i] += rows->rows[i] != NULL;
    }
    return any;
}

bool dkv_rows_present(const struct dkv_rows *rows)
{
    for (size_t i = 0; i < rows->holdings->count; i++) {
        if (rows->holdings->lists[i].origin == rows->origin) {
            return true;
        }
    }
    return false;
}

/* The highest number that anybody holds. */
static uint64_t top_of(const struct dkv_rows *rows)
{
    uint64_t top = 0;
    for (size_t i = 0; i < rows->holdings->count; i++) {
        top = rows->rows[i] && rows->rows[i]->high > top ? rows->rows[i]->high : top;
    }
    return top;
}

/* Whether the origin's site says that it ended, with nothing beyond @top; or has it no more, because everybody
 * has applied it. */
static bool ended(const struct dkv_rows *rows, const struct dkv_have_row *mine, uint64_t top)
{
    bool any = false;
    for (size_t i = 0; i < rows->holdings->count; i++) {
        const struct dkv_have *have = &rows->holdings->lists[i];
        const struct dkv_have_row *row = rows->rows[i];
        if (have->site != dkv_origin_site(rows->origin)) {
            continue;
        }
        any = true;
        bool sealed = row && row->sealed && row->last <= mine->prefix && row->last >= top;
        bool gathered = !row && have->state == DKV_SITE_ACTIVE && mine->hlc <= have->floor;
        if (!sealed && !gathered) {
            return false;
        }
    }
    return any;
}

bool dkv_rows_over(const struct dkv_rows *rows)
{
    const struct dkv_have_row *mine = rows->rows[0];
    uint64_t top = top_of(rows);
    if (!mine || mine->prefix < top) {
        return false;
    }
    return dkv_holdings_out(rows->holdings, rows->origin) || ended(rows, mine, top);
}

/* Whether this site has gathered the origin up. */
static bool gathered_here(const struct dkv_rows *rows)
{
    return !rows->rows[0] && dkv_floor_retired(&rows->holdings->floor, rows->origin);
}

/* --- the lowest --------------------------------------------------------------------------------------- */

static dkv_hlc lower(dkv_hlc a, dkv_hlc b)
{
    return a < b ? a : b;
}

/* What the present origin of list @index allows. If others hold more of it than its site told, that is newer,
 * or its site has lost it: then its clock says nothing about it. */
static dkv_hlc low_of_present(const struct dkv_holdings *holdings, size_t index)
{
    const struct dkv_have *have = &holdings->lists[index];
    uint64_t told = have->seq;
    const struct dkv_have_row *mine = NULL;
    for (size_t i = 0; i < holdings->count; i++) {
        size_t at = 0;
        const struct dkv_have_row *row = dkv_holdings_row(&holdings->lists[i], &at, have->origin);
        told = row && row->high > told ? row->high : told;
        mine = i == 0 ? row : mine;
    }
    bool whole = told == 0 || (mine && mine->prefix >= told);
    return whole ? have->clock : mine ? mine->hlc : 0;
}

enum hr_err dkv_low_of(const struct dkv_holdings *holdings, struct hr_arena *arena,
                       dkv_hlc *ret_low)
{
    struct dkv_rows rows;
    dkv_hlc low = holdings->lists[0].clock;
    enum hr_err err = dkv_rows_init(&rows, holdings, arena);
    for (size_t i = 0; !err && i < holdings->count; i++) {
        low = lower(low, low_of_present(holdings, i));
    }
    while (!err && dkv_rows_next(&rows)) {
        if (!dkv_rows_present(&rows) && !dkv_rows_over(&rows) && !gathered_here(&rows)) {
            low = lower(low, rows.rows[0] ? rows.rows[0]->hlc : 0);
        }
    }
    if (!err) {
        *ret_low = low;
    }
    return err;
}

dkv_hlc dkv_low_newest(const struct dkv_holdings *holdings)
{
    dkv_hlc newest = 0;
    for (size_t i = 0; i < holdings->count; i++) {
        const struct dkv_have *have = &holdings->lists[i];
        for (size_t j = 0; j < have->count; j++) {
            newest = have->rows[j].hlc > newest ? have->rows[j].hlc : newest;
        }
    }
    return newest;
}
