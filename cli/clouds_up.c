/* hedgerow clouds up: starts five sites and the links between them. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/clouds.h"
#include "cli/clouds_links.h"
#include "cli/clouds_parts.h"
#include "cli/verbs.h"

#define TOLD_MAX 5u

/* Whether nobody listens there, as a server will find that out. */
static bool is_free(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static bool ports_are_free(uint32_t base_port)
{
    size_t taken = 0;
    for (size_t i = 0; i < CLOUDS_PORTS; i++) {
        char what[CLOUDS_PORT_TEXT_BYTES_MAX];
        uint16_t port = clouds_port_at(base_port, i, what);
        if (!is_free(port) && taken++ < TOLD_MAX) {
            fprintf(stderr, "hedgerow: port %u (%s) is in use\n", port, what);
        }
    }
    if (taken > TOLD_MAX) {
        fprintf(stderr, "hedgerow: and %zu more ports\n", taken - TOLD_MAX);
    }
    if (taken > 0) {
        fprintf(stderr,
                "hedgerow: stop what uses them, or choose %u free ones in a row: "
                "hedgerow clouds up --base-port N\n",
                CLOUDS_PORTS);
    }
    return taken == 0;
}

/* ---- Those that run already ---- */

/* Says what runs; false if something of it does not. */
static bool say_what_runs(const struct clouds_state *state)
{
    bool all = true;
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        printf("%-9s", clouds_site_name(site));
        for (size_t part = 0; part < CLOUDS_PARTS; part++) {
            enum clouds_life life = clouds_process_life(state->parts[site][part]);
            all = all && life == CLOUDS_UP;
            printf(" %s %s%s", clouds_part_name((enum clouds_part)part), clouds_life_name(life),
                   part + 1 < CLOUDS_PARTS ? "," : "\n");
        }
    }
    return all && clouds_process_life(state->proxies) == CLOUDS_UP;
}

static int already(const struct clouds_options *options, const struct clouds_state *state)
{
    printf("clouds in %s run already:\n", options->dir);
    bool all = say_what_runs(state);
    if (options->base_port && options->base_port != state->base_port) {
        fprintf(stderr, "hedgerow: they have other ports; `hedgerow clouds down` comes first\n");
        return CLI_FAILED;
    }
    if (!all) {
        fprintf(stderr, "hedgerow: not all of it: `hedgerow clouds heal SITE` starts what is "
                        "missing\n");
        return CLI_FAILED;
    }
    return CLI_OK;
}

/* ---- Starting ---- */

/* A part of all sites, from the last one on: those that are dialled come before those that dial. */
static bool start_all(struct clouds_state *state, enum clouds_part part,
                      struct clouds_wanted *wanted)
{
    struct hr_diag diag = {""};
    for (size_t site = CLOUDS_SITES; site-- > 0;) {
        if (clouds_part_start(state, site, part, &diag)) {
            clouds_failed(&diag);
            return false;
        }
        wanted->parts[site][part] = true;
    }
    return true;
}

static bool start_everything(struct clouds_state *state)
{
    struct hr_diag diag = {""};
    struct clouds_wanted wanted = {0};
    enum clouds_cut cuts[CLOUDS_LINKS] = {CLOUDS_CUT_NOT};
    char log[CLOUDS_PATH_BYTES_MAX];
    if (clouds_links_start(state, &diag)) {
        clouds_failed(&diag);
        if (state->proxies.pid != 0) {
            clouds_print_tail(clouds_links_log(state, log));
        }
        return false;
    }
    if (!start_all(state, CLOUDS_NATS, &wanted) || !start_all(state, CLOUDS_REDIS, &wanted) ||
        !clouds_await(state, &wanted, cuts) || !start_all(state, CLOUDS_HOST, &wanted)) {
        return false;
    }
    wanted.together = true;
    return clouds_await(state, &wanted, cuts);
}

static void say_where(const struct clouds_options *options, const struct clouds_state *state)
{
    printf("five clouds run in %s:\n", options->dir);
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        printf("  %-9s %-12s http://127.0.0.1:%u\n", clouds_site_name(site),
               clouds_site_place(site), clouds_port_of(state->base_port, CLOUDS_PORT_HTTP, site));
    }
    printf("`hedgerow clouds status` shows them, `hedgerow clouds down` stops them\n");
}

static enum hr_err prepare(const struct clouds_options *options, struct clouds_state *state,
                           struct hr_diag *diag)
{
    char program[CLOUDS_FOLDER_BYTES_MAX];
    enum hr_err err = clouds_part_find_program("toxiproxy-server", program, diag);
    err = err ? err : clouds_part_find_program("redis-server", program, diag);
    err = err ? err : clouds_part_find_program(options->nats_server, program, diag);
    err = err ? err : clouds_state_create(options->dir, options->base_port, state, diag);
    if (!err) {
        strcpy(state->nats_server, program);
    }
    return err;
}

int clouds_up(const struct clouds_options *options)
{
    struct clouds_state state;
    struct hr_diag diag = {""};
    int lock;
    enum hr_err err = clouds_state_lock(options->dir, &lock, &diag);
    if (err) {
        return clouds_failed(&diag);
    }
    err = clouds_state_load(options->dir, &state, &diag);
    if (err && err != HR_NOT_FOUND) {
        return clouds_failed(&diag);
    }
    if (!err && clouds_state_alive(&state)) {
        return already(options, &state);
    }
    if (prepare(options, &state, &diag)) {
        return clouds_failed(&diag);
    }
    if (!ports_are_free(state.base_port)) {
        return CLI_FAILED;
    }
    if (!start_everything(&state)) {
        fputs("hedgerow: what was started is stopped again\n", stderr);
        if (clouds_stop_all(&state)) {
            HR_IGNORE(clouds_state_remove(&state, &diag)); /* what it names is down */
        }
        return CLI_FAILED;
    }
    say_where(options, &state);
    return CLI_OK;
}
