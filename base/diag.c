/* Formatting of struct hr_diag. Stateless, any thread. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum hr_err hr_diag_set(struct hr_diag *diag, enum hr_err err, const char *fmt, ...)
{
    if (diag) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(diag->text, sizeof diag->text, fmt, args);
        va_end(args);
    }
    return err;
}

enum hr_err hr_diag_prefix(struct hr_diag *diag, enum hr_err err, const char *fmt, ...)
{
    if (diag) {
        char old[HR_DIAG_BYTES_MAX];
        memcpy(old, diag->text, sizeof old);
        va_list args;
        va_start(args, fmt);
        int n = vsnprintf(diag->text, sizeof diag->text, fmt, args);
        va_end(args);
        if (n >= 0 && (size_t)n < sizeof diag->text) {
            snprintf(diag->text + n, sizeof diag->text - (size_t)n, ": %s", old);
        }
    }
    return err;
}
