/* A compiled module and how it is cached: Cranelift runs once per module and machine; after that
 * the machine code is mapped from a file.
 *
 * The cache is only as trustworthy as its folder. It lies in $XDG_CACHE_HOME/hedgerow/modules (or
 * ~/.cache/...), made with mode 0700. An entry is used only when folder and file belong to this user,
 * nobody else may write them, and its seal (a keyed BLAKE2b over its name and code, the key being a secret file of this user) is right; it is named by the module's SHA-256 and by the
 * Hedgerow and Wasmtime versions. Anything else is compiled anew and replaced, and never an error.
 */
#ifndef HR_MODULE_H
#define HR_MODULE_H

#include <stdbool.h>

#include "base/str.h"
#include "host/run/engine.h"

#define HR_MODULE_BYTES_MAX (256u << 20)
#define HR_MODULE_DIGEST_CHARS 64u

struct hr_module {
    wasmtime_module_t *wasm;
    char digest[HR_MODULE_DIGEST_CHARS + 1]; /* SHA-256 of the bytes, lower-case hex */
    size_t size_bytes;
    bool from_cache;
};

/* Loads the module in @bytes. A component instead of a core module, text, or a truncated file are
 * told apart in the diag. Borrows @bytes. Errors: HR_BAD_INPUT, HR_TOO_BIG, HR_NO_MEMORY. Blocks. */
HR_MUST_CHECK enum hr_err hr_module_load(struct hr_engine *engine, struct hr_str bytes,
                                         struct hr_module *ret_module, struct hr_diag *diag);
void hr_module_release(struct hr_module *module);
/* Reads a whole file of at most HR_MODULE_BYTES_MAX. Returns own: hr_free(ret_bytes->ptr). */
HR_MUST_CHECK enum hr_err hr_module_read_file(const char *path, struct hr_str *ret_bytes,
                                              struct hr_diag *diag);
/* SHA-256 of @bytes as lower-case hex with a terminator. */
void hr_module_digest(struct hr_str bytes, char ret_digest[HR_MODULE_DIGEST_CHARS + 1]);

#endif
