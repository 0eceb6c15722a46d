/* The verbs of `hedgerow`. Each gets the arguments after its own name, prints to standard
 * output what was asked for and to standard error what went wrong, and returns the exit status: 0
 * done, 1 it failed, 2 it was asked wrongly. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#define CLI_OK 0
#define CLI_FAILED 1
#define CLI_USAGE 2

int cli_up(int argc, char **argv);
int cli_validate(int argc, char **argv);
int cli_manifest(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_clouds(int argc, char **argv);
int cli_kv(int argc, char **argv);
int cli_version(int argc, char **argv);
int cli_help(int argc, char **argv);

#endif
