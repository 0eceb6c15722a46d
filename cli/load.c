/* Loading a manifest for a verb. */
#include "cli/load.h"

#include <stdio.h>
#include <unistd.h>

static void print_report(const struct hr_manifest_report *report)
{
    for (size_t i = 0; i < report->warning_count; i++) {
        fprintf(stderr, "hedgerow: warning: %s\n", report->warnings[i].text);
    }
    for (size_t i = 0; i < report->problem_count; i++) {
        fprintf(stderr, "hedgerow: %s\n", report->problems[i].text);
    }
    if (report->problems_left_out > 0) {
        fprintf(stderr, "hedgerow: and %zu more\n", report->problems_left_out);
    }
}

bool cli_load(const char *path, struct cli_loaded *ret_loaded)
{
    static struct hr_manifest_report report;
    struct hr_diag diag = {""};
    struct hr_manifest *manifest;
    enum hr_err err = hr_manifest_load(path, (const char *const *)environ, &manifest, &report);
    print_report(&report);
    if (err) {
        return false;
    }
    err = hr_plan_make(manifest, &ret_loaded->plan, &diag);
    if (err) {
        fprintf(stderr, "hedgerow: %s\n", diag.text);
        hr_manifest_free(manifest);
        return false;
    }
    ret_loaded->manifest = manifest;
    return true;
}

void cli_loaded_release(struct cli_loaded *loaded)
{
    hr_plan_release(&loaded->plan);
    hr_manifest_free(loaded->manifest);
}
