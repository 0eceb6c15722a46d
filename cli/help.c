/* hedgerow help, hedgerow version. */
#include <stdio.h>
#include <wasmtime.h>

#include "cli/verbs.h"

int cli_help(int argc, char **argv)
{
    (void)argc, (void)argv;
    fputs("Hedgerow runs applications made of WebAssembly actors.\n"
          "\n"
          "  hedgerow up [MANIFEST]        run what the manifest says; without one, the TODO\n"
          "                                application at http://localhost:8080, data in ./data\n"
          "  hedgerow validate MANIFEST    check a manifest and its modules, start nothing\n"
          "  hedgerow manifest             print the manifest that `up` uses without one\n"
          "  hedgerow inspect FILE.wasm    print a module's imports, exports, size and digest\n"
          "  hedgerow clouds up|status|kill|cut|heal|down\n"
          "                                five sites on this machine: docs/clouds.md\n"
          "  hedgerow kv status|verify|repair|export|import|member\n"
          "                                what the sites hold: `hedgerow kv help`\n"
          "  hedgerow version              print versions\n"
          "  hedgerow help                 print this\n"
          "\n"
          "Every value of a manifest can be overridden by HEDGEROW_HTTP, HEDGEROW_ADMIN,\n"
          "HEDGEROW_STORE, HEDGEROW_SITE, HEDGEROW_LATTICE, HEDGEROW_WORKERS, HEDGEROW_LOG and\n"
          "others; docs/manifest.md has them all.\n",
          stdout);
    return CLI_OK;
}

int cli_version(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("hedgerow %s (wasmtime %s)\n", HEDGEROW_VERSION, WASMTIME_VERSION);
    return CLI_OK;
}
