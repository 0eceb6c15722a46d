/* hedgerow:kv/standing: how the actor that keeps the site's store says whether it has caught up. Without a lattice
 * there is nobody to tell. */
#include "host/imports/all.h"
#include "host/lattice/lattice.h"
#include "host/run/worker.h"

static enum hr_err catching_up(struct hr_fiber *fiber, wasmtime_val_raw_t *values)
{
    struct hr_lattice *lattice = fiber->worker->lattice;
    if (lattice) {
        hr_lattice_set_catching_up(lattice, values[0].i32 != 0);
    }
    return HR_OK;
}

static const struct hr_import imports[] = {
    {"hedgerow:kv/standing", "0.1", "catching-up", "i>", catching_up},
};

const struct hr_imports_table hr_imports_standing = HR_IMPORTS_TABLE(imports);
