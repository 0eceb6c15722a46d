/* How host functions become what guests import: one table a file (host/imports/<interface>.c), which whoever
 * loads an actor brings along (host/imports/all.h). Knows none of the interfaces.
 *
 * An import's function runs on the fiber, may wait there (hr_fiber_wait), and returns HR_OK or an
 * error that traps the guest; errors that the interface can express are results, not traps. Its values are
 * the core arguments of the canonical ABI's flattening, and hold the core result afterwards.
 */
#ifndef HR_IMPORTS_H
#define HR_IMPORTS_H

#include <stddef.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/str.h"
#include "host/run/actor.h"
#include "host/run/fiber.h"

#define HR_IMPORTS_LOG_LINES_MAX 1000u /* of one call */

typedef enum hr_err (*hr_import_fn)(struct hr_fiber *fiber, wasmtime_val_raw_t *values);

struct hr_import {
    const char *interface; /* "wasi:io/poll" */
    const char *version;   /* "0.2": any import of this major and minor version matches */
    const char *name;      /* "[method]pollable.ready" */
    const char *type;      /* core parameters, '>', core result: i = i32, j = i64; "ii>i" */
    hr_import_fn fn;
};

struct hr_imports_table {
    const struct hr_import *imports;
    size_t count;
};

/* All that a guest can import from a host. */
struct hr_imports {
    const struct hr_imports_table *const *tables;
    size_t count;
};

#define HR_IMPORTS_TABLE(array)                     \
    {                                               \
        (array), sizeof(array) / sizeof((array)[0]) \
    }

/* Defines every import of the actor's module in its linker, as far as its links grant them.
 * Errors: HR_DENIED (not granted), HR_UNSUPPORTED (no such interface or function here),
 * HR_INTERNAL; the diag names the import and the remedy. */
HR_MUST_CHECK enum hr_err hr_imports_define(struct hr_actor *actor, const struct hr_imports *known,
                                            void (*advise)(struct hr_str actor,
                                                           struct hr_str interface, char *ret,
                                                           size_t n),
                                            struct hr_diag *diag);

/* Whether the guest may write one more line into the host's log; the last one says that no more follow. */
bool hr_imports_may_log(struct hr_fiber *fiber);

/* "wasi:http/types@0.2.12" is interface "wasi:http/types", version "0.2.12"; no '@' leaves it empty. */
void hr_imports_split(struct hr_str name, struct hr_str *ret_interface, struct hr_str *ret_version);
/* Whether "0.2.12" or "0.2.0-draft" is of the line "0.2"; never anything that is no version. */
bool hr_imports_version_matches(struct hr_str version, const char *line);

#endif
