/* hedgerow up [MANIFEST]: runs a host until it is told to stop. */
#include <stdio.h>

#include "cli/load.h"
#include "cli/verbs.h"
#include "host/host.h"

int cli_up(int argc, char **argv)
{
    if (argc > 1) {
        fputs("hedgerow: usage: hedgerow up [MANIFEST]\n", stderr);
        return CLI_USAGE;
    }
    struct cli_loaded loaded;
    if (!cli_load(argc == 1 ? argv[0] : NULL, &loaded)) {
        return CLI_FAILED;
    }
    hr_log_set_level(loaded.manifest->log);
    struct hr_diag diag = {""};
    enum hr_err err = hr_host_run(&loaded.plan, &diag);
    if (err) {
        fprintf(stderr, "hedgerow: %s\n", diag.text);
    }
    cli_loaded_release(&loaded);
    return err ? CLI_FAILED : CLI_OK;
}
