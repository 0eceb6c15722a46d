/* hedgerow validate MANIFEST, hedgerow manifest. */
#include <stdio.h>

#include "cli/load.h"
#include "cli/verbs.h"
#include "host/host.h"

int cli_validate(int argc, char **argv)
{
    if (argc != 1) {
        fputs("hedgerow: usage: hedgerow validate MANIFEST\n", stderr);
        return CLI_USAGE;
    }
    struct cli_loaded loaded;
    if (!cli_load(argv[0], &loaded)) {
        return CLI_FAILED;
    }
    hr_log_set_level(HR_LOG_WARN);
    struct hr_diag diag = {""};
    enum hr_err err = hr_host_check(&loaded.plan, &diag);
    if (err) {
        fprintf(stderr, "hedgerow: %s\n", diag.text);
    } else {
        printf("%s: %zu actor%s, every import has its link\n", argv[0], loaded.plan.actor_count,
               loaded.plan.actor_count == 1 ? "" : "s");
    }
    cli_loaded_release(&loaded);
    return err ? CLI_FAILED : CLI_OK;
}

int cli_manifest(int argc, char **argv)
{
    (void)argv;
    if (argc != 0) {
        fputs("hedgerow: usage: hedgerow manifest\n", stderr);
        return CLI_USAGE;
    }
    struct hr_str text = hr_manifest_default_text();
    fwrite(text.ptr, 1, text.len, stdout);
    return CLI_OK;
}
