/* hedgerow clouds status: a table of what can be seen, never later than its time limit. */
#include <stdio.h>
#include <string.h>

#include "cli/clouds.h"
#include "cli/clouds_links.h"
#include "cli/verbs.h"

#define LOOK_LIMIT_MS 2000u
#define CELL_BYTES_MAX 40u
#define COLUMNS 12u

typedef char row[COLUMNS][CELL_BYTES_MAX];

static void put_us(char cell[CELL_BYTES_MAX], uint32_t us)
{
    if (us == CLOUDS_UNKNOWN) {
        snprintf(cell, CELL_BYTES_MAX, "-");
    } else if (us == CLOUDS_UNKNOWN - 1) {
        snprintf(cell, CELL_BYTES_MAX, "?");
    } else {
        snprintf(cell, CELL_BYTES_MAX, "%.1f ms", us / 1e3);
    }
}

static void put_count(char cell[CELL_BYTES_MAX], uint32_t count)
{
    if (count == CLOUDS_UNKNOWN) {
        snprintf(cell, CELL_BYTES_MAX, "-");
    } else {
        snprintf(cell, CELL_BYTES_MAX, "%u", count);
    }
}

static void fill_heading(row cells)
{
    static const char *const names[COLUMNS] = {"SITE",  "PLACE", "HTTP",  "HOST",
                                               "REDIS", "NATS",  "READY", "ALIVE",
                                               "TODOS", "TABLE", "ROUTE", "LATTICE"};
    for (size_t i = 0; i < COLUMNS; i++) {
        snprintf(cells[i], CELL_BYTES_MAX, "%s", names[i]);
    }
}

static void fill_row(row cells, const struct clouds_state *state, size_t site, size_t from,
                     const struct clouds_seen seen[CLOUDS_SITES])
{
    const struct clouds_seen *own = &seen[site];
    size_t i = 0;
    snprintf(cells[i++], CELL_BYTES_MAX, "%s", clouds_site_name(site));
    snprintf(cells[i++], CELL_BYTES_MAX, "%s", clouds_site_place(site));
    snprintf(cells[i++], CELL_BYTES_MAX, "http://127.0.0.1:%u",
             clouds_port_of(state->base_port, CLOUDS_PORT_HTTP, site));
    for (size_t part = 0; part < CLOUDS_PARTS; part++) {
        snprintf(cells[i++], CELL_BYTES_MAX, "%s", clouds_life_name(own->lives[part]));
    }
    snprintf(cells[i++], CELL_BYTES_MAX, "%s", own->serves[CLOUDS_HOST] ? "yes" : "no");
    if (own->sites_alive == CLOUDS_UNKNOWN) {
        snprintf(cells[i++], CELL_BYTES_MAX, "-");
    } else {
        snprintf(cells[i++], CELL_BYTES_MAX, "%u/%u", own->sites_alive, own->sites_known);
    }
    put_count(cells[i++], own->todos);
    snprintf(cells[i++], CELL_BYTES_MAX, "%u ms", clouds_round_trip_ms(from, site));
    put_us(cells[i++], seen[from].route_us[site]);
    put_us(cells[i], seen[from].lattice_us[site]);
}

static void print_rows(row *rows, size_t count)
{
    size_t widths[COLUMNS] = {0};
    for (size_t i = 0; i < count * COLUMNS; i++) {
        size_t len = strlen(rows[i / COLUMNS][i % COLUMNS]);
        widths[i % COLUMNS] = len > widths[i % COLUMNS] ? len : widths[i % COLUMNS];
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t column = 0; column + 1 < COLUMNS; column++) {
            printf("%-*s  ", (int)widths[column], rows[i][column]);
        }
        printf("%s\n", rows[i][COLUMNS - 1]);
    }
}

static void print_cut(size_t link, enum clouds_cut cut)
{
    size_t dials;
    size_t accepts;
    clouds_link_ends(link, &dials, &accepts);
    const char *a = clouds_site_name(dials);
    const char *b = clouds_site_name(accepts);
    switch (cut) {
    case CLOUDS_CUT_NOT:
        break;
    case CLOUDS_CUT_SILENT:
        printf("cut: %s - %s, nothing arrives\n", a, b);
        break;
    case CLOUDS_CUT_ONE_WAY:
        printf("cut: %s -> %s, nothing arrives\n", a, b);
        break;
    case CLOUDS_CUT_WAY_BACK:
        printf("cut: %s -> %s, nothing arrives\n", b, a);
        break;
    case CLOUDS_CUT_REFUSED:
        printf("cut: %s - %s, connections are refused\n", a, b);
        break;
    }
}

static void print_links(const struct clouds_state *state)
{
    enum clouds_cut cuts[CLOUDS_LINKS];
    struct hr_diag diag = {""};
    enum clouds_life life = clouds_process_life(state->proxies);
    if (life != CLOUDS_UP) {
        printf("the links' toxiproxy-server is %s: no site reaches another\n",
               clouds_life_name(life));
    } else if (clouds_links_read(state, cuts, &diag)) {
        printf("the links: %s\n", diag.text);
    } else {
        for (size_t link = 0; link < CLOUDS_LINKS; link++) {
            print_cut(link, cuts[link]);
        }
    }
}

int clouds_status(const struct clouds_options *options)
{
    struct clouds_state state;
    struct clouds_seen seen[CLOUDS_SITES];
    struct hr_diag diag = {""};
    row rows[CLOUDS_SITES + 1];
    size_t from = 0;
    enum hr_err err = clouds_state_load(options->dir, &state, &diag);
    if (err) {
        return clouds_failed(&diag);
    }
    if (options->words[0] && !clouds_site_named(options->words[0], &from)) {
        return CLI_USAGE;
    }
    err = clouds_look(&state, CLOUDS_LOOK_ALL, LOOK_LIMIT_MS, seen);
    if (err) {
        fprintf(stderr, "hedgerow: looking at the clouds: %s\n", hr_err_text(err));
        return CLI_FAILED;
    }
    fill_heading(rows[0]);
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        fill_row(rows[site + 1], &state, site, from, seen);
    }
    print_rows(rows, CLOUDS_SITES + 1);
    printf("round trips from %s: TABLE is what the links add, ROUTE what its nats-server measures, "
           "LATTICE what its host does\n",
           clouds_site_name(from));
    print_links(&state);
    return CLI_OK;
}
