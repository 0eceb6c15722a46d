/* Runs, prints, counts. */
#include "sim/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "sim/jobs.h"
#include "sim/memory.h"
#include "sim/minimise.h"

static void leave_out(struct sim_shape *shape, uint32_t bits)
{
    for (size_t i = 0; i < shape->window_count; i++) {
        bool out = (bits & SIM_FAULT_BIT(shape->windows[i].fault)) != 0;
        shape->windows[i].removed = shape->windows[i].removed || out;
    }
}

static void print_shape(const struct sim_shape *shape)
{
    printf(
        "theme %s, %u sites, acks %s, %u keys, %u clients, feed-max %s, %s%sfaults for %.1f s:\n",
        sim_theme_name(shape->theme), shape->site_count, shape->write_acks, shape->key_count,
        shape->client_count, shape->feed_max[0] ? shape->feed_max : "as usual",
        shape->sessions ? "sessions, " : "", shape->long_calm ? "a long calm, " : "",
        (double)shape->faults_us / 1e6);
    for (uint32_t i = 0; i < shape->site_count; i++) {
        printf("    s%u: %u hosts, %s store, started after %u ms\n", i + 1, shape->hosts_of[i],
               shape->lazy[i] ? "lazy" : "sync", shape->start_ms[i]);
    }
    for (size_t i = 0; i < shape->window_count; i++) {
        const struct sim_window *window = &shape->windows[i];
        if (!window->removed) {
            printf("    %7.3f to %7.3f s: %s, s%u, other s%u, amount %llu\n",
                   (double)window->from / 1e6, (double)window->until / 1e6,
                   sim_fault_name(window->fault), window->site + 1, window->other + 1,
                   (unsigned long long)window->amount);
        }
    }
}

bool sim_command_seed(const struct sim_options *options, uint64_t seed,
                      struct sim_result *ret_result)
{
    struct sim_shape shape;
    struct sim_result again;
    sim_shape_draw(&shape, seed, options->sites);
    leave_out(&shape, options->left_out);
    sim_run(&shape, options->trace && !options->minimise, ret_result);
    if (options->twice) {
        sim_run(&shape, false, &again);
        if (again.hash != ret_result->hash && !ret_result->failed) {
            ret_result->failed = true;
            snprintf(ret_result->failure, sizeof ret_result->failure,
                     "the same seed had another trace");
        }
    }
    if (ret_result->failed) {
        printf("seed %llu: FAILED %s\n", (unsigned long long)seed, ret_result->failure);
    } else if (!options->quiet) {
        printf("seed %llu: passed, trace %016llx, %.1f s, healed in %.1f s, %llu changes, "
               "%llu of %llu requests done\n",
               (unsigned long long)seed, (unsigned long long)ret_result->hash,
               (double)ret_result->time_us / 1e6, (double)ret_result->healing_us / 1e6,
               (unsigned long long)ret_result->changes, (unsigned long long)ret_result->done,
               (unsigned long long)ret_result->requests);
    }
    fflush(stdout);
    if (ret_result->claim && options->minimise) {
        uint32_t runs = sim_minimise(&shape, ret_result->claim);
        printf("made smaller in %u runs: ", runs);
        print_shape(&shape);
        sim_run(&shape, options->trace, &again);
        printf("seed %llu: FAILED %s\n", (unsigned long long)seed, again.failure);
    } else if (options->trace) {
        print_shape(&shape);
    }
    return !ret_result->failed;
}

/* The seeds of a file. Returns own: hr_free. NULL: it cannot be read. */
static uint64_t *read_seeds(const char *path, size_t *ret_count)
{
    char line[512];
    uint64_t *seeds = NULL;
    size_t count = 0;
    size_t cap = 0;
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "sim: %s cannot be read\n", path);
        return NULL;
    }
    seeds = sim_grow(seeds, count, &cap, sizeof *seeds);
    while (fgets(line, sizeof line, file)) {
        char *end;
        uint64_t seed = strtoull(line, &end, 10);
        if (end != line) {
            seeds = sim_grow(seeds, count, &cap, sizeof *seeds);
            seeds[count++] = seed;
        }
    }
    fclose(file);
    *ret_count = count;
    return seeds;
}

/* Computing time of all jobs. */
static double cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_CHILDREN, &usage) != 0) {
        return 0;
    }
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void print_totals(const struct sim_totals *totals, double wall_s)
{
    double time_s = (double)totals->time_us / 1e6;
    double cpu_s = cpu_seconds();
    printf(
        "%.0f simulated seconds in %.1f s: %.0f times as fast as life, %.0f times for one core\n",
        time_s, wall_s, wall_s > 0 ? time_s / wall_s : 0, cpu_s > 0 ? time_s / cpu_s : 0);
    printf("%llu changes, %llu of %llu requests done, %llu kills, %llu events, %llu calls of the "
           "env; slowest healing %.1f s\n",
           (unsigned long long)totals->changes, (unsigned long long)totals->done,
           (unsigned long long)totals->requests, (unsigned long long)totals->kills,
           (unsigned long long)totals->events, (unsigned long long)totals->env_calls,
           (double)totals->healing_us_max / 1e6);
    printf("%llu seeds passed, %llu failed\n", (unsigned long long)totals->passed,
           (unsigned long long)totals->failed);
}

int sim_command(const struct sim_options *options)
{
    struct sim_result result;
    struct sim_totals totals;
    struct timespec from;
    struct timespec to;
    uint64_t *seeds = NULL;
    size_t count = 0;
    if (options->single) {
        return sim_command_seed(options, options->first, &result) ? 0 : 1;
    }
    if (options->file) {
        seeds = read_seeds(options->file, &count);
        if (!seeds) {
            return 2;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &from);
    sim_jobs_run(options, seeds, count, &totals);
    clock_gettime(CLOCK_MONOTONIC, &to);
    hr_free(seeds);
    print_totals(&totals,
                 (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    return totals.failed == 0 && totals.passed > 0 ? 0 : 1;
}
