/* What the manifest's tests share. Included once by each test program. */
#ifndef HR_TEST_MANIFEST_FIXTURE_H
#define HR_TEST_MANIFEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "host/manifest/manifest.h"

static struct hr_manifest_report report;

static inline void print_report(void)
{
    for (size_t i = 0; i < report.problem_count; i++) {
        print_message("  %s\n", report.problems[i].text);
    }
    for (size_t i = 0; i < report.warning_count; i++) {
        print_message("  warning: %s\n", report.warnings[i].text);
    }
}

static inline enum hr_err parse(const char *text, const char *const *environment,
                                struct hr_manifest **ret_manifest)
{
    return hr_manifest_parse(hr_str_c(text), "m.yaml", HR_STR(""), environment, ret_manifest,
                             &report);
}

/* A manifest that must be good. */
static inline struct hr_manifest *parse_good(const char *text, const char *const *environment)
{
    struct hr_manifest *manifest = NULL;
    enum hr_err err = parse(text, environment, &manifest);
    if (err) {
        print_report();
    }
    assert_int_equal(err, HR_OK);
    assert_int_equal(report.problem_count, 0);
    return manifest;
}

static inline void assert_str(struct hr_str have, const char *want)
{
    char copy[512];
    snprintf(copy, sizeof copy, "%.*s", HR_STR_ARG(have));
    assert_string_equal(copy, want);
}

static inline void assert_list(struct hr_manifest_list have, const char *want)
{
    char joined[512] = "";
    for (size_t i = 0; i < have.count; i++) {
        size_t len = strlen(joined);
        snprintf(joined + len, sizeof joined - len, "%s%.*s", i ? " " : "",
                 HR_STR_ARG(have.items[i]));
    }
    assert_string_equal(joined, want);
}

#endif
