/* hedgerow clouds kill, cut and heal: what goes wrong, and how it is made good. */
#include <signal.h>
#include <stdio.h>

#include "cli/clouds.h"
#include "cli/clouds_links.h"
#include "cli/clouds_parts.h"
#include "cli/verbs.h"

#define EFFECT_LIMIT_MS 5000u
#define LOOK_AGAIN_MS 10u

/* Waits until a signal has had its effect. */
static bool await_life(struct clouds_process process, enum clouds_life wanted)
{
    if (wanted == CLOUDS_DOWN) {
        return clouds_process_wait(process, EFFECT_LIMIT_MS) == HR_OK;
    }
    uint64_t end = clouds_now_ms() + EFFECT_LIMIT_MS;
    while (clouds_process_life(process) != wanted && clouds_now_ms() < end) {
        HR_IGNORE(
            clouds_process_wait(process, LOOK_AGAIN_MS)); /* a pause that its end cuts short */
    }
    return clouds_process_life(process) == wanted;
}

static enum hr_err hit(struct clouds_process process, const char *site, const char *part, int sig)
{
    enum hr_err err = clouds_process_signal(process, sig);
    if (!err && !await_life(process, sig == SIGKILL ? CLOUDS_DOWN : CLOUDS_STOPPED)) {
        err = HR_TIMEOUT;
    }
    if (err == HR_NOT_FOUND) {
        printf("%s: %s does not run\n", site, part);
    } else if (err) {
        fprintf(stderr, "hedgerow: %s: %s (process %ld): %s\n", site, part, (long)process.pid,
                hr_err_text(err));
    } else {
        printf("%s: %s (process %ld) is %s\n", site, part, (long)process.pid,
               sig == SIGKILL ? "killed" : "stopped");
    }
    return err;
}

int clouds_kill(const struct clouds_options *options)
{
    struct clouds_state state;
    size_t site;
    if (!clouds_open(options, &state) || !clouds_site_named(options->words[0], &site)) {
        return CLI_FAILED;
    }
    size_t hits = 0;
    bool failed = false;
    for (size_t part = 0; part < CLOUDS_PARTS; part++) {
        if (options->has_part && part != (size_t)options->part) {
            continue;
        }
        enum hr_err err = hit(state.parts[site][part], clouds_site_name(site),
                              clouds_part_name((enum clouds_part)part), options->signal);
        hits += err == HR_OK;
        failed = failed || (err && err != HR_NOT_FOUND);
    }
    return failed || hits == 0 ? CLI_FAILED : CLI_OK;
}

/* ---- Links ---- */

static void say_link(const char *from, const char *to, enum clouds_cut cut)
{
    switch (cut) {
    case CLOUDS_CUT_NOT:
        printf("%s - %s: healed\n", from, to);
        break;
    case CLOUDS_CUT_SILENT:
        printf("%s - %s: nothing arrives any more\n", from, to);
        break;
    case CLOUDS_CUT_REFUSED:
        printf("%s - %s: connections are refused\n", from, to);
        break;
    case CLOUDS_CUT_ONE_WAY:
    case CLOUDS_CUT_WAY_BACK:
        printf("%s -> %s: nothing arrives any more\n", from, to);
        break;
    }
}

/* A healed link is of use when its ends have found each other again. */
static bool await_route(const struct clouds_state *state, size_t a, size_t b)
{
    struct clouds_wanted wanted = {0};
    enum clouds_cut cuts[CLOUDS_LINKS];
    if (clouds_process_life(state->parts[a][CLOUDS_NATS]) != CLOUDS_UP ||
        clouds_process_life(state->parts[b][CLOUDS_NATS]) != CLOUDS_UP) {
        return true;
    }
    /* Of the other links nothing is expected here. */
    for (size_t link = 0; link < CLOUDS_LINKS; link++) {
        cuts[link] = link == clouds_link_of(a, b) ? CLOUDS_CUT_NOT : CLOUDS_CUT_REFUSED;
    }
    wanted.parts[a][CLOUDS_NATS] = true;
    wanted.parts[b][CLOUDS_NATS] = true;
    return clouds_await(state, &wanted, cuts);
}

static int set_link(const struct clouds_options *options, enum clouds_cut cut)
{
    struct clouds_state state;
    struct hr_diag diag = {""};
    size_t a;
    size_t b;
    if (!clouds_open(options, &state) || !clouds_site_named(options->words[0], &a) ||
        !clouds_site_named(options->words[1], &b)) {
        return CLI_FAILED;
    }
    if (clouds_process_life(state.proxies) != CLOUDS_UP) {
        fputs("hedgerow: the links' toxiproxy-server does not run; `hedgerow clouds heal SITE` "
              "starts it\n",
              stderr);
        return CLI_FAILED;
    }
    if (cut == CLOUDS_CUT_ONE_WAY && a > b) {
        cut = CLOUDS_CUT_WAY_BACK;
    }
    if (clouds_links_cut(&state, clouds_link_of(a, b), cut, &diag)) {
        return clouds_failed(&diag);
    }
    if (cut == CLOUDS_CUT_NOT && !await_route(&state, a, b)) {
        return CLI_FAILED;
    }
    say_link(clouds_site_name(a), clouds_site_name(b), cut);
    return CLI_OK;
}

int clouds_cut(const struct clouds_options *options)
{
    return set_link(options, options->one_way  ? CLOUDS_CUT_ONE_WAY
                             : options->refuse ? CLOUDS_CUT_REFUSED
                                               : CLOUDS_CUT_SILENT);
}

/* ---- Healing a site ---- */

/* Starts the links anew if their process is gone: whole, whatever was cut before. */
static bool heal_links(struct clouds_state *state, enum clouds_cut cuts[CLOUDS_LINKS])
{
    struct hr_diag diag = {""};
    char log[CLOUDS_PATH_BYTES_MAX];
    enum hr_err err = HR_OK;
    if (clouds_process_life(state->proxies) == CLOUDS_DOWN) {
        err = clouds_links_start(state, &diag);
        if (!err) {
            printf("links: toxiproxy-server (process %ld) is started\n", (long)state->proxies.pid);
        }
    }
    err = err ? err : clouds_links_read(state, cuts, &diag);
    if (err) {
        clouds_failed(&diag);
        clouds_print_tail(clouds_links_log(state, log));
    }
    return !err;
}

static bool heal_part(struct clouds_state *state, size_t site, enum clouds_part part)
{
    struct hr_diag diag = {""};
    const char *did = NULL;
    enum clouds_life life = clouds_process_life(state->parts[site][part]);
    if (life == CLOUDS_DOWN) {
        if (clouds_part_start(state, site, part, &diag)) {
            clouds_failed(&diag);
            return false;
        }
        did = "is started";
    } else if (life == CLOUDS_STOPPED) {
        if (clouds_process_signal(state->parts[site][part], SIGCONT) ||
            !await_life(state->parts[site][part], CLOUDS_UP)) {
            fprintf(stderr, "hedgerow: %s: %s (process %ld) does not go on\n",
                    clouds_site_name(site), clouds_part_name(part),
                    (long)state->parts[site][part].pid);
            return false;
        }
        did = "goes on";
    }
    printf("%s: %s (process %ld) %s\n", clouds_site_name(site), clouds_part_name(part),
           (long)state->parts[site][part].pid, did ? did : "runs");
    return true;
}

static int heal_site(const struct clouds_options *options)
{
    struct clouds_state state;
    struct clouds_wanted wanted = {0};
    enum clouds_cut cuts[CLOUDS_LINKS];
    size_t site;
    if (!clouds_open(options, &state) || !clouds_site_named(options->words[0], &site) ||
        !heal_links(&state, cuts)) {
        return CLI_FAILED;
    }
    /* A host waits for nobody, but it is ready the sooner if its servers are. */
    wanted.parts[site][CLOUDS_NATS] = true;
    wanted.parts[site][CLOUDS_REDIS] = true;
    if (!heal_part(&state, site, CLOUDS_NATS) || !heal_part(&state, site, CLOUDS_REDIS) ||
        !clouds_await(&state, &wanted, cuts)) {
        return CLI_FAILED;
    }
    wanted.parts[site][CLOUDS_HOST] = true;
    return heal_part(&state, site, CLOUDS_HOST) && clouds_await(&state, &wanted, cuts) ? CLI_OK
                                                                                       : CLI_FAILED;
}

int clouds_heal(const struct clouds_options *options)
{
    return options->word_count == 2 ? set_link(options, CLOUDS_CUT_NOT) : heal_site(options);
}
