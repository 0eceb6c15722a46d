/* Every interface that guests can import. A new one is a file here and a line in this list. */
#include "host/imports/all.h"

static const struct hr_imports_table *const tables[] = {
    &hr_imports_http,         &hr_imports_io,      &hr_imports_clocks, &hr_imports_random,
    &hr_imports_cli,          &hr_imports_logging, &hr_imports_config, &hr_imports_keyvalue,
    &hr_imports_messaging,    &hr_imports_lattice, &hr_imports_assets, &hr_imports_standing,
    &hr_imports_lost_commits,
};

const struct hr_imports hr_imports_all = {tables, sizeof tables / sizeof tables[0]};
