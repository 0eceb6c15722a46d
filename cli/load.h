/* What `up` and `validate` begin with: manifest, its report printed, plan. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "host/manifest/manifest.h"
#include "host/plan.h"

struct cli_loaded {
    struct hr_manifest *manifest;
    struct hr_plan plan;
};

/* Reads the manifest at @path (NULL: the built-in one) with the process' environment and makes its
 * plan. Prints problems and warnings to standard error. False: it failed, nothing to release. */
bool cli_load(const char *path, struct cli_loaded *ret_loaded);
void cli_loaded_release(struct cli_loaded *loaded);

#endif
