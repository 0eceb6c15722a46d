/* `hedgerow clouds VERB`: what its verbs share. */
#ifndef CLI_CLOUDS_H
#define CLI_CLOUDS_H

#include "cli/clouds_look.h"
#include "cli/clouds_state.h"

/* The command line after the verb. */
#define CLOUDS_WORDS_MAX 2u
struct clouds_options {
    const char *dir;
    uint32_t base_port;
    const char *nats_server;
    bool has_part;
    enum clouds_part part;
    int signal;
    bool one_way;
    bool refuse;
    const char *words[CLOUDS_WORDS_MAX]; /* what is no option */
    size_t word_count;
};

int clouds_up(const struct clouds_options *options);
int clouds_status(const struct clouds_options *options);
int clouds_kill(const struct clouds_options *options);
int clouds_cut(const struct clouds_options *options);
int clouds_heal(const struct clouds_options *options);
int clouds_down(const struct clouds_options *options);

/* Locks the folder and reads what is recorded there. On false it has been said why. The lock ends with this
 * process. */
bool clouds_open(const struct clouds_options *options, struct clouds_state *ret_state);
/* The site of that name; on false it has been said that there is none. */
bool clouds_site_named(const char *name, size_t *ret_site);
/* Says on standard error what went wrong. Returns CLI_FAILED. */
int clouds_failed(const struct hr_diag *diag);
/* Prints the last lines of a log to standard error. */
void clouds_print_tail(const char *path);
/* Waits for what was started, and says on standard error who did not come, with the end of its log. */
bool clouds_await(const struct clouds_state *state, const struct clouds_wanted *wanted,
                  const enum clouds_cut cuts[CLOUDS_LINKS]);
/* Stops what runs, hosts before their servers. Says what has to be ended the hard way. False: something runs
 * still. */
bool clouds_stop_all(const struct clouds_state *state);

#endif
