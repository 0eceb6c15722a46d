/* hedgerow kv status: a table of the sites. */
#include <stdio.h>
#include <string.h>

#include "cli/kv.h"

#define COLUMNS 11u
#define CELL_BYTES_MAX 72u
#define ROWS_MAX 40u
#define MS_PER_S 1000u

typedef char row[COLUMNS][CELL_BYTES_MAX];

static void put_number(char cell[CELL_BYTES_MAX], yyjson_val *site, const char *name)
{
    snprintf(cell, CELL_BYTES_MAX, "%llu", (unsigned long long)kv_number(site, name));
}

/* How long ago a clock was; - if it says nothing. */
static void put_age(char cell[CELL_BYTES_MAX], yyjson_val *site, const char *name, uint64_t now_ms)
{
    uint64_t ms = kv_number(site, name);
    uint64_t age = now_ms > ms ? now_ms - ms : 0;
    if (ms == 0) {
        snprintf(cell, CELL_BYTES_MAX, "-");
    } else {
        snprintf(cell, CELL_BYTES_MAX, "%llu.%llu s ago", (unsigned long long)(age / MS_PER_S),
                 (unsigned long long)(age % MS_PER_S / 100));
    }
}

static void fill_heading(row cells)
{
    static const char *const names[COLUMNS] = {"SITE", "STATE",  "HEAD",  "LAG", "VALUES", "FEED",
                                               "MIB",  "LITTER", "CLOCK", "LOW", "DIGEST"};
    for (size_t i = 0; i < COLUMNS; i++) {
        snprintf(cells[i], CELL_BYTES_MAX, "%s", names[i]);
    }
}

static void fill_state(char cell[CELL_BYTES_MAX], yyjson_val *site)
{
    if (!kv_flag(site, "answers")) {
        bool member = kv_flag(site, "member");
        snprintf(cell, CELL_BYTES_MAX, "%s",
                 !member                  ? "taken out"
                 : kv_flag(site, "alive") ? "silent"
                                          : "gone");
    } else {
        const char *boot_class = kv_text(site, "class");
        bool intact = strcmp(boot_class, "intact") == 0;
        snprintf(cell, CELL_BYTES_MAX, "%s%s%s", kv_text(site, "state"), intact ? "" : ", ",
                 intact ? "" : boot_class);
    }
}

static void fill_row(row cells, yyjson_val *site, uint64_t now_ms)
{
    const char *name = kv_text(site, "name");
    size_t i = 0;
    for (size_t j = 0; j < COLUMNS; j++) {
        snprintf(cells[j], CELL_BYTES_MAX, "-");
    }
    if (name[0]) {
        snprintf(cells[i], CELL_BYTES_MAX, "%s%s", name, kv_flag(site, "here") ? " (asked)" : "");
    } else {
        snprintf(cells[i], CELL_BYTES_MAX, "id %llu", (unsigned long long)kv_number(site, "id"));
    }
    fill_state(cells[++i], site);
    if (!kv_flag(site, "answers")) {
        return;
    }
    put_number(cells[++i], site, "head");
    put_number(cells[++i], site, "lag");
    put_number(cells[++i], site, "values");
    put_number(cells[++i], site, "feed");
    snprintf(cells[++i], CELL_BYTES_MAX, "%.1f", (double)kv_number(site, "feed-bytes") / (1 << 20));
    put_number(cells[++i], site, "litter");
    snprintf(cells[++i], CELL_BYTES_MAX, "+%llu ms",
             (unsigned long long)kv_number(site, "clock-ahead-ms"));
    put_age(cells[++i], site, "low-ms", now_ms);
    const char *digest = kv_text(site, "digest");
    snprintf(cells[++i], CELL_BYTES_MAX, "%s", digest[0] ? digest : "-");
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

/* Why the site that was asked does not serve clients itself. */
static void print_waiting(yyjson_val *root)
{
    yyjson_val *site;
    yyjson_arr_iter sites = yyjson_arr_iter_with(yyjson_obj_get(root, "sites"));
    while ((site = yyjson_arr_iter_next(&sites)) != NULL) {
        const char *why = kv_text(site, "waits-for");
        if (why[0]) {
            printf("%s does not serve yet: %s\n", kv_text(site, "name"), why);
        }
    }
}

static int print_status(const struct kv_options *options, yyjson_val *root)
{
    static row rows[ROWS_MAX];
    yyjson_val *site;
    yyjson_arr_iter sites = yyjson_arr_iter_with(yyjson_obj_get(root, "sites"));
    int status = KV_EQUAL;
    size_t count = 1;
    fill_heading(rows[0]);
    while ((site = yyjson_arr_iter_next(&sites)) != NULL) {
        status = strcmp(kv_text(site, "digest"), "differs") == 0 ? KV_DIFFERS : status;
        if (count < ROWS_MAX) {
            fill_row(rows[count++], site, kv_number(root, "now-ms"));
        }
    }
    if (options->json) {
        return kv_print_line(root) ? status : KV_ERROR;
    }
    print_rows(rows, count);
    print_waiting(root);
    printf("HEAD: number of its newest change. LAG: changes that somebody has and it has not. "
           "LITTER: changes "
           "that left something to collect. LOW: all that is older is at every site.\n");
    return status;
}

int kv_status(const struct kv_options *options)
{
    struct kv_call call = {.body = {.max = 256}};
    int status = KV_ERROR;
    enum hr_err err = hr_buf_printf(&call.body, "{\"verb\":\"status\",\"digest\":%s}",
                                    options->digest ? "true" : "false");
    if (!err && kv_run(options, &call, 1)) {
        status = print_status(options, call.root);
    }
    kv_release(&call, 1);
    return status;
}
