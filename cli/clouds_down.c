/* hedgerow clouds down: stops everything that was recorded, and nothing else. */
#include <signal.h>
#include <stdio.h>

#include "cli/clouds.h"
#include "cli/verbs.h"

/* A host drains for 10 s at most. */
#define STOP_LIMIT_MS 15000u
#define KILL_LIMIT_MS 5000u

struct stopping {
    struct clouds_process process;
    const char *site; /* NULL: the links' */
    const char *part;
};

static void ask_to_end(struct clouds_process process)
{
    /* It may be down, or go down meanwhile: the wait that follows tells. A stopped one hears nothing before it
     * goes on. */
    HR_IGNORE(clouds_process_signal(process, SIGTERM));
    HR_IGNORE(clouds_process_signal(process, SIGCONT));
}

static bool await_end(const struct stopping *one)
{
    const char *site = one->site ? one->site : "links";
    enum hr_err err = clouds_process_wait(one->process, STOP_LIMIT_MS);
    if (err == HR_TIMEOUT) {
        fprintf(stderr, "hedgerow: %s: %s has not ended within %u s, so it is killed\n", site,
                one->part, STOP_LIMIT_MS / 1000u);
        HR_IGNORE(clouds_process_signal(one->process, SIGKILL)); /* the wait tells */
        err = clouds_process_wait(one->process, KILL_LIMIT_MS);
    }
    if (err) {
        fprintf(stderr, "hedgerow: %s: %s (process %ld) does not end: %s\n", site, one->part,
                (long)one->process.pid, hr_err_text(err));
    }
    return !err;
}

static bool stop_part(const struct clouds_state *state, enum clouds_part part)
{
    bool good = true;
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        ask_to_end(state->parts[site][part]);
    }
    for (size_t site = 0; site < CLOUDS_SITES; site++) {
        struct stopping one = {.process = state->parts[site][part],
                               .site = clouds_site_name(site),
                               .part = clouds_part_name(part)};
        good = await_end(&one) && good;
    }
    return good;
}

bool clouds_stop_all(const struct clouds_state *state)
{
    struct stopping links = {.process = state->proxies, .part = "toxiproxy-server"};
    bool good = stop_part(state, CLOUDS_HOST);
    good = stop_part(state, CLOUDS_NATS) && good;
    good = stop_part(state, CLOUDS_REDIS) && good;
    ask_to_end(links.process);
    return await_end(&links) && good;
}

int clouds_down(const struct clouds_options *options)
{
    struct clouds_state state;
    struct hr_diag diag = {""};
    if (!clouds_open(options, &state)) {
        return CLI_FAILED;
    }
    bool ran = clouds_state_alive(&state);
    if (!clouds_stop_all(&state)) {
        return CLI_FAILED;
    }
    if (clouds_state_remove(&state, &diag)) {
        return clouds_failed(&diag);
    }
    printf(ran ? "the clouds in %s are stopped; their data stays there\n" : "nothing ran in %s\n",
           options->dir);
    return CLI_OK;
}
