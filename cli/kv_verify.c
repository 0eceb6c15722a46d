/* hedgerow kv verify and repair: the comparison of all sites, piece by piece. */
#include <stdio.h>
#include <string.h>

#include "cli/kv.h"

#define CURSOR_BYTES_MAX 300u

struct totals {
    uint64_t checked;
    uint64_t differing;
    uint64_t unsettled;
    uint64_t repaired;
    uint64_t undecided;
    char sites[512];
    char left_out[512];
};

static void print_state(yyjson_val *name, yyjson_val *state, bool first)
{
    const char *version = kv_text(state, "version");
    const char *hash = kv_text(state, "hash");
    if (yyjson_is_str(state)) {
        printf("%s%s %s", first ? "" : ", ", yyjson_get_str(name), yyjson_get_str(state));
    } else {
        printf("%s%s version %s hash %s", first ? "" : ", ", yyjson_get_str(name), version, hash);
    }
}

static void print_difference(yyjson_val *difference)
{
    yyjson_val *name;
    bool first = true;
    printf("%s  %s  ", kv_text(difference, "key"), kv_text(difference, "kind"));
    if (!yyjson_obj_get(difference, "at")) {
        printf("at %s\n", kv_text(difference, "site"));
        return;
    }
    yyjson_obj_iter states = yyjson_obj_iter_with(yyjson_obj_get(difference, "at"));
    while ((name = yyjson_obj_iter_next(&states)) != NULL) {
        print_state(name, yyjson_obj_iter_get_val(name), first);
        first = false;
    }
    printf("\n");
}

static void join_names(yyjson_val *names, char *ret_text, size_t size)
{
    yyjson_val *name;
    yyjson_arr_iter iter = yyjson_arr_iter_with(names);
    size_t at = 0;
    ret_text[0] = '\0';
    while ((name = yyjson_arr_iter_next(&iter)) != NULL && at < size) {
        int len =
            snprintf(ret_text + at, size - at, "%s%s", at > 0 ? ", " : "", yyjson_get_str(name));
        at += len > 0 ? (size_t)len : 0;
    }
}

/* Takes one piece's reply. False: it cannot be printed. */
static bool take_piece(const struct kv_options *options, yyjson_val *root, struct totals *totals)
{
    yyjson_val *difference;
    yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(root, "differences"));
    bool printed = true;
    while ((difference = yyjson_arr_iter_next(&iter)) != NULL && printed) {
        totals->differing++;
        if (options->json) {
            printed = kv_print_line(difference);
        } else {
            print_difference(difference);
        }
    }
    totals->checked += kv_number(root, "checked");
    totals->unsettled += kv_number(root, "unsettled");
    totals->repaired += kv_number(root, "repaired-here");
    totals->undecided += kv_number(root, "undecided");
    join_names(yyjson_obj_get(root, "compared"), totals->sites, sizeof totals->sites);
    join_names(yyjson_obj_get(root, "left-out"), totals->left_out, sizeof totals->left_out);
    return printed;
}

/* One piece after @cursor, which becomes where the next begins; "": there is none. */
static bool run_piece(const struct kv_options *options, const char *verb, char *cursor,
                      struct totals *totals)
{
    struct kv_call call = {.body = {.max = 1024}};
    enum hr_err err =
        hr_buf_printf(&call.body, "{\"verb\":\"%s\",\"cursor\":\"%s\"}", verb, cursor);
    bool good = !err && kv_run(options, &call, 1) && take_piece(options, call.root, totals);
    if (good) {
        snprintf(cursor, CURSOR_BYTES_MAX, "%s", kv_text(call.root, "next"));
    }
    kv_release(&call, 1);
    return good;
}

static bool run_all(const struct kv_options *options, const char *verb, struct totals *totals)
{
    char cursor[CURSOR_BYTES_MAX] = "";
    bool good = run_piece(options, verb, cursor, totals);
    while (good && cursor[0]) {
        good = run_piece(options, verb, cursor, totals);
    }
    return good;
}

static void print_totals(const struct kv_options *options, const struct totals *totals)
{
    if (options->json) {
        printf("{\"checked\":%llu,\"differing\":%llu,\"unsettled\":%llu,\"undecided\":%llu}\n",
               (unsigned long long)totals->checked, (unsigned long long)totals->differing,
               (unsigned long long)totals->unsettled, (unsigned long long)totals->undecided);
    } else {
        printf("%llu keys compared at %s: %llu differences\n", (unsigned long long)totals->checked,
               totals->sites, (unsigned long long)totals->differing);
    }
    if (totals->unsettled > 0) {
        fprintf(
            stderr,
            "hedgerow: %llu keys were changed just now and are not judged; ask again in a while\n",
            (unsigned long long)totals->unsettled);
    }
    if (totals->left_out[0]) {
        fprintf(stderr, "hedgerow: not compared, because not active or not there: %s\n",
                totals->left_out);
    }
}

int kv_verify(const struct kv_options *options)
{
    struct totals totals = {0};
    if (!run_all(options, "verify", &totals)) {
        return KV_ERROR;
    }
    print_totals(options, &totals);
    return totals.differing > 0 ? KV_DIFFERS : KV_EQUAL;
}

static int rebuild(const struct kv_options *options)
{
    struct kv_call call = {.body = {.max = 64}};
    enum hr_err err = hr_buf_printf(&call.body, "{\"verb\":\"repair\",\"rebuild\":true}");
    bool good = !err && kv_run(options, &call, 1);
    if (good) {
        printf("the site takes everything anew from another one; `hedgerow kv status` shows when "
               "it is active "
               "again\n");
    }
    kv_release(&call, 1);
    return good ? KV_EQUAL : KV_ERROR;
}

/* Repairs, and looks what is left. */
int kv_repair(const struct kv_options *options)
{
    struct totals found = {0};
    struct totals left = {0};
    if (options->rebuild) {
        return rebuild(options);
    }
    if (!run_all(options, "repair", &found)) {
        return KV_ERROR;
    }
    if (!options->json) {
        printf("%llu keys compared at %s: %llu differences found; what is left:\n",
               (unsigned long long)found.checked, found.sites, (unsigned long long)found.differing);
    }
    if (!run_all(options, "verify", &left)) {
        return KV_ERROR;
    }
    print_totals(options, &left);
    return left.differing > 0 ? KV_DIFFERS : KV_EQUAL;
}
