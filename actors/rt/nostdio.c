/* A guest has no standard streams, and must not import wasi_snapshot_preview1 for the sake of one.
 * wasi-libc's vsnprintf names the error stream and fputs for one purpose only: to say, before it
 * aborts, that it cannot print a long double. Defined here, they keep libc's own out of the link,
 * and such a format, which is our bug, traps at once. */
#include <stdio.h>

/* libc's object behind `stderr`; its address is all that is ever taken. */
extern char __stderr_FILE[1];
char __stderr_FILE[1];

int fputs(const char *restrict text, FILE *restrict stream)
{
    (void)text;
    (void)stream;
    __builtin_trap();
}
