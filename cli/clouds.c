/* hedgerow clouds up|status|kill|cut|heal|down: the command line. */
#include "cli/clouds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/clouds_parts.h"
#include "cli/verbs.h"

static const char usage[] =
    "usage: hedgerow clouds up [--dir FOLDER] [--base-port N] [--nats-server PROGRAM]\n"
    "       hedgerow clouds status [--dir FOLDER] [--from SITE]\n"
    "       hedgerow clouds kill SITE [--part host|redis|nats|all] [--signal kill|stop] [--dir "
    "FOLDER]\n"
    "       hedgerow clouds cut SITE SITE [--one-way | --refuse] [--dir FOLDER]\n"
    "       hedgerow clouds heal SITE [SITE] [--dir FOLDER]\n"
    "       hedgerow clouds down [--dir FOLDER]\n";

/* Which options a verb takes, by their first letters: d dir, b base-port, n nats-server, f from, p part, s signal, o
 * one-way, r refuse. */
static const struct {
    const char *name;
    int (*run)(const struct clouds_options *options);
    const char *takes;
    size_t words_min;
    size_t words_max;
} verbs[] = {
    {"up", clouds_up, "dbn", 0, 0},     {"status", clouds_status, "df", 0, 0},
    {"kill", clouds_kill, "dps", 1, 1}, {"cut", clouds_cut, "dor", 2, 2},
    {"heal", clouds_heal, "d", 1, 2},   {"down", clouds_down, "d", 0, 0},
};

static bool refuse(const char *what, const char *value)
{
    fprintf(stderr, "hedgerow: %s%s\n%s", what, value, usage);
    return false;
}

static bool read_value(char option, const char *value, struct clouds_options *options)
{
    uint64_t port;
    switch (option) {
    case 'd':
        options->dir = value;
        return value[0] != '\0' || refuse("--dir needs a folder", "");
    case 'n':
        options->nats_server = value;
        return value[0] != '\0' || refuse("--nats-server needs a program", "");
    case 'b':
        if (!hr_str_to_u64(hr_str_c(value), &port) || port < CLOUDS_BASE_PORT_MIN ||
            port > CLOUDS_BASE_PORT_MAX) {
            fprintf(stderr, "hedgerow: --base-port is a number from %u to %u, not %s\n",
                    CLOUDS_BASE_PORT_MIN, CLOUDS_BASE_PORT_MAX, value);
            return false;
        }
        options->base_port = (uint32_t)port;
        return true;
    case 'p':
        options->has_part = strcmp(value, "all") != 0;
        return !options->has_part || clouds_part_find(value, &options->part) ||
               refuse("--part is host, redis, nats or all, not ", value);
    case 's':
        options->signal = strcmp(value, "stop") == 0 ? SIGSTOP : SIGKILL;
        return options->signal == SIGSTOP || strcmp(value, "kill") == 0 ||
               refuse("--signal is kill or stop, not ", value);
    default: /* f: the same place as heal's and kill's site, because status has no other word */
        options->words[0] = value;
        return true;
    }
}

static bool read_options(int argc, char **argv, const char *takes, struct clouds_options *options)
{
    static const char *const names[] = {"--dir",  "--base-port", "--nats-server", "--from",
                                        "--part", "--signal",    "--one-way",     "--refuse"};
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] != '-') {
            if (options->word_count == CLOUDS_WORDS_MAX) {
                return refuse("too many words: ", argv[i]);
            }
            options->words[options->word_count++] = argv[i];
            continue;
        }
        size_t known = 0;
        while (known < sizeof names / sizeof names[0] && strcmp(argv[i], names[known]) != 0) {
            known++;
        }
        if (known == sizeof names / sizeof names[0] || !strchr(takes, names[known][2])) {
            return refuse("there is no such option here: ", argv[i]);
        }
        char option = names[known][2];
        options->one_way |= option == 'o';
        options->refuse |= option == 'r';
        if (option == 'o' || option == 'r') {
            continue;
        }
        if (i + 1 == argc) {
            return refuse("nothing follows ", argv[i]);
        }
        if (!read_value(option, argv[++i], options)) {
            return false;
        }
    }
    return true;
}

int cli_clouds(int argc, char **argv)
{
    size_t verb = 0;
    while (argc > 0 && verb < sizeof verbs / sizeof verbs[0] &&
           strcmp(argv[0], verbs[verb].name) != 0) {
        verb++;
    }
    if (argc == 0 || verb == sizeof verbs / sizeof verbs[0]) {
        refuse(argc == 0 ? "clouds needs a verb" : "clouds has no verb ", argc == 0 ? "" : argv[0]);
        return CLI_USAGE;
    }
    struct clouds_options options = {
        .dir = "./clouds", .nats_server = "nats-server", .signal = SIGKILL};
    if (!read_options(argc - 1, argv + 1, verbs[verb].takes, &options)) {
        return CLI_USAGE;
    }
    if (options.word_count < verbs[verb].words_min || options.word_count > verbs[verb].words_max) {
        refuse("that is not how it is called: clouds ", argv[0]);
        return CLI_USAGE;
    }
    if (options.one_way && options.refuse) {
        refuse("--refuse goes both ways", "");
        return CLI_USAGE;
    }
    for (size_t i = 0; i < CLOUDS_WORDS_MAX; i++) {
        size_t site;
        if (options.words[i] && !clouds_site_named(options.words[i], &site)) {
            return CLI_USAGE;
        }
    }
    if (options.word_count == 2 && strcmp(options.words[0], options.words[1]) == 0) {
        refuse("a link has two different ends, not twice ", options.words[0]);
        return CLI_USAGE;
    }
    return verbs[verb].run(&options);
}

/* ---- What the verbs share ---- */

int clouds_failed(const struct hr_diag *diag)
{
    fprintf(stderr, "hedgerow: %s\n", diag->text);
    return CLI_FAILED;
}

bool clouds_site_named(const char *name, size_t *ret_site)
{
    if (clouds_site_find(name, ret_site)) {
        return true;
    }
    fprintf(stderr, "hedgerow: there is no site %s; there are", name);
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        fprintf(stderr, " %s", clouds_site_name(site));
    }
    fputs("\n", stderr);
    return false;
}

bool clouds_open(const struct clouds_options *options, struct clouds_state *ret_state)
{
    struct hr_diag diag = {""};
    int lock;
    /* Reading first: a lock would make the folder. */
    enum hr_err err = clouds_state_load(options->dir, ret_state, &diag);
    err = err ? err : clouds_state_lock(options->dir, &lock, &diag);
    err = err ? err : clouds_state_load(options->dir, ret_state, &diag);
    if (err) {
        clouds_failed(&diag);
    }
    return !err;
}

#define TAIL_BYTES 4096
#define TAIL_LINES 12
void clouds_print_tail(const char *path)
{
    char text[TAIL_BYTES];
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "hedgerow: %s cannot be read\n", path);
        return;
    }
    if (fseek(file, -TAIL_BYTES, SEEK_END) != 0) {
        rewind(file);
    }
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    size_t from = len;
    for (int lines = 0; from > 0; from--) {
        lines += text[from - 1] == '\n' && from < len;
        if (lines == TAIL_LINES) {
            break;
        }
    }
    fprintf(stderr, "---- the end of %s:\n%.*s----\n", path, (int)(len - from), text + from);
}

#define READY_LIMIT_MS 90000u
bool clouds_await(const struct clouds_state *state, const struct clouds_wanted *wanted,
                  const enum clouds_cut cuts[CLOUDS_LINKS])
{
    struct clouds_late late = {0};
    char log[CLOUDS_PATH_BYTES_MAX];
    enum hr_err err = clouds_look_wait(state, wanted, cuts, READY_LIMIT_MS, &late);
    if (!err) {
        return true;
    }
    if (err != HR_TIMEOUT && err != HR_CLOSED) {
        fprintf(stderr, "hedgerow: looking after the clouds: %s\n", hr_err_text(err));
        return false;
    }
    fprintf(stderr, "hedgerow: %s: %s %s%s\n", clouds_site_name(late.site),
            clouds_part_name(late.part), late.text, late.ended ? "" : " in time");
    clouds_print_tail(clouds_part_log(state, late.site, late.part, log));
    return false;
}
