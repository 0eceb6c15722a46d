/* `hedgerow VERB ...`: finds the verb and hands over. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/verbs.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"up", cli_up},           {"validate", cli_validate}, {"manifest", cli_manifest},
    {"inspect", cli_inspect}, {"clouds", cli_clouds},     {"kv", cli_kv},
    {"version", cli_version}, {"help", cli_help},         {"--version", cli_version},
    {"--help", cli_help},     {"-h", cli_help},
};

/* A standard stream that was closed by whoever started us would become the number of the next file or
 * socket that is opened, and the log would be written into that. */
static bool hold_standard_streams(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

/* What was printed may lie in a buffer still, and a full disk be found out only now. */
static int printed(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return status;
    }
    fputs("hedgerow: standard output cannot be written\n", stderr);
    return CLI_FAILED;
}

int main(int argc, char **argv)
{
    if (!hold_standard_streams()) {
        return CLI_FAILED; /* there may be nowhere to say it */
    }
    if (argc < 2) {
        cli_help(0, NULL);
        return CLI_USAGE;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return printed(verbs[i].run(argc - 2, argv + 2));
        }
    }
    fprintf(stderr, "hedgerow: there is no verb \"%s\"; `hedgerow help` lists them\n", argv[1]);
    return CLI_USAGE;
}
